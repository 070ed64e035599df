/* benchmarks/args.h - what words on the command line mean: lists of sizes, counts, durations.
 *
 * Each returns 0, or 2 after it has said on standard error which option is wrong and why: main's exit status.
 */
#ifndef SKEP_BENCH_ARGS_H
#define SKEP_BENCH_ARGS_H

#include <stddef.h>
#include <stdint.h>

#define BENCH_SIZES_MAX 64

struct bench_sizes {
    size_t count;
    uint64_t bytes[BENCH_SIZES_MAX];
};

/* "64,1k,1m" or "64:1g" (doubling) or "64:1g:x4"; in the order written. `who` begins every message. */
int bench_args_sizes(const char *who, const char *option, const char *text, struct bench_sizes *out);
int bench_args_size(const char *who, const char *option, const char *text, uint64_t *out);
int bench_args_count(const char *who, const char *option, const char *text, uint64_t *out);   /* 1 or more */
int bench_args_seconds(const char *who, const char *option, const char *text, uint64_t *out); /* "2", "0.5", "500ms" */
int bench_args_time(const char *who, const char *option, const char *text, uint64_t *out);

/* bench_failf, and a hint at --help; returns 2. */
int bench_args_fail(const char *who, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What getopt_long's '?' and ':' mean, in words; returns 2. */
int bench_args_unknown(const char *who, int result, char **argv, int option_index, int option_char);

#endif
