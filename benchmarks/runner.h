/* benchmarks/runner.h - takes the samples of one row. */
#ifndef SKEP_BENCH_RUNNER_H
#define SKEP_BENCH_RUNNER_H

#include "benchmarks/plan.h"
#include "benchmarks/report.h"

struct bench_runner {
    const struct bench_plan *plan;
    struct bench_meter meter;
    unsigned char *memory; /* a source and a warm half, each for the largest size */
    size_t half;
    uint64_t seed; /* of the last sample; no two of a run have the same bytes */
};

/* Maps and touches memory of our own for the largest size. SKEP_ENOMEM, with the numbers. */
int bench_runner_init(const struct bench_plan *plan, struct bench_runner *out, skep_error *err);
void bench_runner_fini(struct bench_runner *runner);

/* Whatever happens, `out` is a result to report and to free; failures are counted in it and said on standard error. */
void bench_runner_row(struct bench_runner *runner, struct bench_road *road, const struct bench_op *op, size_t size,
                      struct bench_result *out);
void bench_result_free(struct bench_result *result);

#endif
