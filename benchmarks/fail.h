/* benchmarks/fail.h - how `skep bench` says that something failed. */
#ifndef SKEP_BENCH_FAIL_H
#define SKEP_BENCH_FAIL_H

#include <skep/error.h>

/* Called once, before anything can fail: is --json among the words? Then each failure is a record on standard output too. */
void bench_fail_read(int argc, char **argv);

/* "WHO: TEXT" on standard error. Returns the exit status. */
int bench_fail(const char *who, const skep_error *err);
int bench_failf(const char *who, int code, const char *format, ...) SKEP_PRINTF(3, 4);

#endif
