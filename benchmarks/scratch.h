/* benchmarks/scratch.h - a directory of our own beside what is measured, gone when we are, however we end.
 *
 * A lock on the directory says that its maker lives. Whoever makes one next removes those with the same beginning that
 * nobody holds: what a killed run left in shared memory is the user's memory.
 */
#ifndef SKEP_BENCH_SCRATCH_H
#define SKEP_BENCH_SCRATCH_H

#include <skep/error.h>

#include <limits.h>

struct bench_scratch {
    int fd; /* the directory, locked; -1: none */
    char path[PATH_MAX];
};
#define BENCH_SCRATCH_INIT                                                                                                  \
    {                                                                                                                       \
        -1, ""                                                                                                              \
    }

/* `prefix` is an absolute path without its random end: "/dev/shm/skep-bench-". */
int bench_scratch_open(const char *prefix, struct bench_scratch *out, skep_error *err);
void bench_scratch_close(struct bench_scratch *scratch); /* with all that is in it */

#endif
