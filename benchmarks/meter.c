/* benchmarks/meter.c - what one operation took (time, CPU, page faults), and the statistics of many. */
#include "benchmarks/meter.h"

#include <skep/clock.h>
#include <skep/error.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CALIBRATION_ROUNDS 101

static uint64_t cpu_now_ns(void)
{
    struct timespec t = {0, 0};

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t span_ns(const struct timeval *from, const struct timeval *to)
{
    int64_t us = (int64_t)(to->tv_sec - from->tv_sec) * 1000000 + (to->tv_usec - from->tv_usec);

    return us > 0 ? (uint64_t)us * 1000u : 0;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

void bench_meter_init(struct bench_meter *meter)
{
    uint64_t empty[CALIBRATION_ROUNDS];

    memset(meter, 0, sizeof *meter);
    for (size_t i = 0; i < CALIBRATION_ROUNDS; i++) {
        struct bench_cost cost;

        bench_meter_start(meter);
        bench_meter_stop(meter, &cost);
        empty[i] = cost.cpu_ns;
    }
    qsort(empty, CALIBRATION_ROUNDS, sizeof empty[0], compare);
    meter->own_cpu_ns = empty[CALIBRATION_ROUNDS / 2];
}

/* The wall clock is read innermost: the other two are system calls. */
void bench_meter_start(struct bench_meter *meter)
{
    getrusage(RUSAGE_SELF, &meter->start);
    meter->start_cpu_ns = cpu_now_ns();
    meter->start_ns = skep_now_ns();
}

void bench_meter_stop(struct bench_meter *meter, struct bench_cost *out)
{
    uint64_t now_ns = skep_now_ns();
    uint64_t cpu_ns = cpu_now_ns() - meter->start_cpu_ns;
    struct rusage end;

    getrusage(RUSAGE_SELF, &end);
    out->ns = now_ns - meter->start_ns;
    out->cpu_ns = cpu_ns > meter->own_cpu_ns ? cpu_ns - meter->own_cpu_ns : 0;
    out->user_ns = span_ns(&meter->start.ru_utime, &end.ru_utime);
    out->sys_ns = span_ns(&meter->start.ru_stime, &end.ru_stime);
    out->faults = (uint64_t)(end.ru_minflt - meter->start.ru_minflt) + (uint64_t)(end.ru_majflt - meter->start.ru_majflt);
}

int bench_series_add(struct bench_series *series, const struct bench_cost *cost)
{
    if (series->count == series->cap) {
        size_t cap = series->cap > 0 ? series->cap * 2 : 1024;
        uint64_t *grown = realloc(series->ns, cap * sizeof *grown);

        if (grown == NULL)
            return SKEP_ENOMEM;
        series->ns = grown;
        series->cap = cap;
    }
    series->ns[series->count++] = cost->ns;
    series->sorted = 0;
    series->sum.ns += cost->ns;
    series->sum.cpu_ns += cost->cpu_ns;
    series->sum.user_ns += cost->user_ns;
    series->sum.sys_ns += cost->sys_ns;
    series->sum.faults += cost->faults;
    return SKEP_OK;
}

void bench_series_free(struct bench_series *series)
{
    free(series->ns);
    memset(series, 0, sizeof *series);
}

uint64_t bench_series_quantile(struct bench_series *series, double q)
{
    size_t rank;

    if (series->count == 0)
        return 0;
    if (!series->sorted) {
        qsort(series->ns, series->count, sizeof series->ns[0], compare);
        series->sorted = 1;
    }
    rank = (size_t)(q * (double)series->count);
    if ((double)rank < q * (double)series->count)
        rank++;
    if (rank > series->count)
        rank = series->count;
    return series->ns[rank > 0 ? rank - 1 : 0];
}

double bench_series_mean(const struct bench_series *series, uint64_t sum)
{
    return series->count > 0 ? (double)sum / (double)series->count : 0.0;
}
