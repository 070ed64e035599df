/* benchmarks/plan.h - what `skep bench connector` was asked to do. */
#ifndef SKEP_BENCH_PLAN_H
#define SKEP_BENCH_PLAN_H

#include "benchmarks/args.h"
#include "benchmarks/row.h"

#define BENCH_OPS_MAX 16

struct bench_plan {
    char **uris;
    int n_uris;
    const struct bench_op *ops[BENCH_OPS_MAX];
    int n_ops;
    struct bench_sizes sizes;
    uint64_t count;  /* samples a row; 0: by time */
    uint64_t row_ns; /* time a row, when not by count */
    uint64_t range;  /* bytes that `read` asks for */
    int by_seconds;  /* the caller said how long: no most number of samples */
    int json, huge, no_verify, help;
};

/* 0, or main's exit status. */
int bench_plan_parse(int argc, char **argv, struct bench_plan *out);

/* How many samples to throw away, how many to take at least and at most. */
struct bench_samples {
    uint64_t warm_up, least, most;
};
struct bench_samples bench_plan_samples(const struct bench_plan *plan, uint64_t size);

#endif
