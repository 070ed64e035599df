/* metrics.c - counters of operations, and histograms of their latencies. */
#include "proxy/base/metrics.h"
#include <skep/error.h>

#include <string.h>

#define SPLIT_SHIFT 3 /* each power of two is split in eight */
#define SPLIT       (1u << SPLIT_SHIFT)

const char *skep_op_name(int op)
{
#define OP_NAME(name, text) text,
    static const char *const names[] = {SKEP_OPS(OP_NAME)};
#undef OP_NAME

    return op >= 0 && op < SKEP_OP_COUNT ? names[op] : "?";
}

/* 0 to 7 have a bucket each; then a power of two is eight. */
static size_t bucket_of(uint64_t ns)
{
    unsigned power;

    if (ns < SPLIT)
        return (size_t)ns;
    power = 63 - (unsigned)__builtin_clzll(ns);
    return (size_t)(power - SPLIT_SHIFT + 1) * SPLIT + ((ns >> (power - SPLIT_SHIFT)) & (SPLIT - 1));
}

/* The largest value that goes into a bucket. */
static uint64_t bucket_top(size_t bucket)
{
    unsigned shift;

    if (bucket < SPLIT)
        return bucket;
    shift = (unsigned)(bucket / SPLIT) - 1;
    return ((uint64_t)(SPLIT + bucket % SPLIT + 1) << shift) - 1; /* of the last one: 2^64 - 1 */
}

static void add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static void raise_to(_Atomic uint64_t *most, uint64_t n)
{
    uint64_t seen = atomic_load_explicit(most, memory_order_relaxed);

    while (seen < n && !atomic_compare_exchange_weak_explicit(most, &seen, n, memory_order_relaxed, memory_order_relaxed))
        ;
}

void skepi_metrics_record(struct skepi_metrics *m, int rc, uint64_t bytes, uint64_t moved_bytes, uint64_t ns)
{
    if (rc != SKEP_OK) {
        add(&m->errors, 1);
        return;
    }
    add(&m->count, 1);
    add(&m->bytes, bytes);
    add(&m->moved_bytes, moved_bytes);
    add(&m->total_ns, ns);
    raise_to(&m->max_ns, ns);
    add(&m->bucket[bucket_of(ns)], 1);
}

void skepi_metrics_read(struct skepi_metrics *m, skep_metrics *out)
{
    skep_metrics now = {
        .count = atomic_load_explicit(&m->count, memory_order_relaxed),
        .errors = atomic_load_explicit(&m->errors, memory_order_relaxed),
        .bytes = atomic_load_explicit(&m->bytes, memory_order_relaxed),
        .moved_bytes = atomic_load_explicit(&m->moved_bytes, memory_order_relaxed),
        .total_ns = atomic_load_explicit(&m->total_ns, memory_order_relaxed),
        .max_ns = atomic_load_explicit(&m->max_ns, memory_order_relaxed),
    };

    for (size_t i = 0; i < SKEP_METRICS_BUCKETS; i++)
        now.bucket[i] = atomic_load_explicit(&m->bucket[i], memory_order_relaxed);
    now.size = out->size < sizeof now ? out->size : sizeof now;
    memcpy(out, &now, now.size);
}

uint64_t skep_metrics_quantile(const skep_metrics *metrics, double q)
{
    uint64_t total = 0, below = 0, wanted;

    if (metrics == NULL || metrics->size < sizeof *metrics)
        return 0;
    for (size_t i = 0; i < SKEP_METRICS_BUCKETS; i++)
        total += metrics->bucket[i];
    if (total == 0)
        return 0;
    q = q > 0 ? (q < 1 ? q : 1) : 0; /* NaN is 0 too */
    wanted = (uint64_t)(q * (double)total + 0.5);
    wanted = wanted < 1 ? 1 : wanted > total ? total : wanted;
    for (size_t i = 0; i < SKEP_METRICS_BUCKETS; i++) {
        below += metrics->bucket[i];
        if (below >= wanted)
            return bucket_top(i) < metrics->max_ns ? bucket_top(i) : metrics->max_ns;
    }
    return metrics->max_ns;
}
