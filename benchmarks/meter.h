/* benchmarks/meter.h - what one operation took (time, CPU, page faults), and the statistics of many.
 *
 * Every quantile is exact: all samples are kept and sorted, and the nearest rank is taken.
 */
#ifndef SKEP_BENCH_METER_H
#define SKEP_BENCH_METER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

struct bench_cost {
    uint64_t ns;     /* by the clock on the wall */
    uint64_t cpu_ns; /* of all threads of this process */
    uint64_t user_ns, sys_ns;
    uint64_t faults; /* of pages, minor and major */
};

struct bench_meter {
    uint64_t own_cpu_ns; /* what starting and stopping costs by itself, taken off every sample */
    uint64_t start_ns, start_cpu_ns;
    struct rusage start;
};

void bench_meter_init(struct bench_meter *meter);
void bench_meter_start(struct bench_meter *meter);
void bench_meter_stop(struct bench_meter *meter, struct bench_cost *out);

struct bench_series {
    uint64_t *ns;
    size_t count, cap;
    int sorted;
    struct bench_cost sum;
};

int bench_series_add(struct bench_series *series, const struct bench_cost *cost); /* 0, or SKEP_ENOMEM */
void bench_series_free(struct bench_series *series);
uint64_t bench_series_quantile(struct bench_series *series, double q); /* 0 of no samples */
double bench_series_mean(const struct bench_series *series, uint64_t sum);

#endif
