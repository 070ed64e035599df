/* benchmarks/environment.h - where a run happened: figures mean nothing without it. */
#ifndef SKEP_BENCH_ENVIRONMENT_H
#define SKEP_BENCH_ENVIRONMENT_H

#include <stdint.h>
#include <stdio.h>

#define BENCH_FACT_MAX 128

struct bench_environment {
    char cpu[BENCH_FACT_MAX];
    char kernel[BENCH_FACT_MAX];
    char governor[BENCH_FACT_MAX];  /* "": the kernel does not say */
    char thp[BENCH_FACT_MAX];       /* transparent huge pages: "always", "madvise", "never" */
    char shmem_thp[BENCH_FACT_MAX]; /* the same, of shared memory */
    long cores;
    double load; /* over the last minute */
    uint64_t memory_bytes, memory_available_bytes;
    uint64_t shm_bytes, shm_free_bytes; /* the shared-memory file system */
    int noisy;                          /* something else keeps the processors busy */
};

void bench_environment_read(struct bench_environment *out);
/* {"record":"environment",...}; `argv` is bench's own. Options of class secret are not repeated. */
void bench_environment_json(const struct bench_environment *env, FILE *out, int argc, char **argv);
void bench_environment_text(const struct bench_environment *env, FILE *out);
uint64_t bench_environment_memory_available(void); /* now; 0: not known */

#endif
