/* flush.h - whether what was printed has arrived. */
#ifndef SKEP_BENCH_FLUSH_H
#define SKEP_BENCH_FLUSH_H

#include <stdio.h>

/* Flush standard output. Gives 0, or the errno of the first time that failed: a later flush has nothing left to write and
 * succeeds, and its errno is that of something else. */
int flush_output(void);

#endif
