/* benchmarks/human.h - sizes, times and rates as people read them, and a line that says how far a run is. */
#ifndef SKEP_BENCH_HUMAN_H
#define SKEP_BENCH_HUMAN_H

#include <stddef.h>
#include <stdint.h>

#define BENCH_WORD_MAX 32

/* Each writes at most BENCH_WORD_MAX bytes into `out` and returns it. */
char *bench_human_size(uint64_t bytes, char *out);    /* "1 GiB" */
char *bench_human_time(uint64_t ns, char *out);       /* "12.3 us" */
char *bench_human_rate(double per_second, char *out); /* bytes a second: "9.81 GiB/s" */
char *bench_human_count(double count, char *out);     /* "118k" */
/* A ratio as a bar with a mark at 1: "####|", "######|##"; longer than 2.5 ends in '>'. */
char *bench_human_bar(double ratio, char *out);

/* On a terminal, standard error shows `text` in place of what it showed before; elsewhere nothing happens. */
void bench_human_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));
void bench_human_progress_clear(void);

#endif
