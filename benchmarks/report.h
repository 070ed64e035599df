/* benchmarks/report.h - what a row came to, as a JSON record or as a line of a table. */
#ifndef SKEP_BENCH_REPORT_H
#define SKEP_BENCH_REPORT_H

#include "benchmarks/meter.h"
#include "benchmarks/row.h"

#include <stdio.h>

struct bench_result {
    const struct bench_road *road;
    const struct bench_op *op;
    const struct bench_raw *raw; /* NULL: no baseline */
    size_t size, range;
    uint64_t warm_up, errors;
    int status; /* the exit status of the first error */
    int verified;
    const char *checked;  /* "none", "chunk", "full" */
    int huge;             /* our own memory was asked for as huge pages */
    int summed;           /* the objects had checksums */
    uint64_t moved_bytes; /* by the store's own count, of all samples */
    struct bench_series ours, theirs;
};

/* ours p50 / theirs p50, or -1 where there is no such thing */
double bench_result_ratio(struct bench_result *result);

void bench_report_json(struct bench_result *result, FILE *out);
void bench_report_head(const struct bench_road *road, FILE *out);
void bench_report_line(struct bench_result *result, FILE *out);

#endif
