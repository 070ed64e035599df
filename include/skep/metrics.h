/* skep/metrics.h - what a store has done: counts, bytes and latencies of every operation.
 *
 * Units    bytes, nanoseconds.   Errors  SKEP_EINVAL.   Threads  [any]; counters are relaxed atomics.
 * Owners   the caller owns the snapshot.
 *
 *     skep_metrics m = SKEP_METRICS_INIT;
 *     skep_store_metrics(store, SKEP_OP_GET, &m);
 *     printf("%llu gets, p99 %llu ns\n", (unsigned long long)m.count, (unsigned long long)skep_metrics_quantile(&m, 0.99));
 */
#ifndef SKEP_METRICS_H
#define SKEP_METRICS_H

#include <skep/api.h>
#include <stddef.h>
#include <stdint.h>

SKEP_BEGIN_DECLS

#define SKEP_OPS(X)                                                                                                         \
    X(SKEP_OP_PUT, "put")                                                                                                   \
    X(SKEP_OP_GET, "get")                                                                                                   \
    X(SKEP_OP_READ, "read")                                                                                                 \
    X(SKEP_OP_RESOLVE, "resolve")                                                                                           \
    X(SKEP_OP_EXISTS, "exists")                                                                                             \
    X(SKEP_OP_EVICT, "evict")                                                                                               \
    X(SKEP_OP_WAIT, "wait")                                                                                                 \
    X(SKEP_OP_HIT, "cache_hit")
#define SKEP_OP_ENUM(name, text) name,
enum skep_op { SKEP_OPS(SKEP_OP_ENUM) SKEP_OP_COUNT };
#undef SKEP_OP_ENUM

/* Latencies are counted in buckets of a power of two split in eight: 12 % wide at most, up to 2^63 ns. */
#define SKEP_METRICS_BUCKETS 496

typedef struct skep_metrics {
    size_t size;          /* of this struct: SKEP_METRICS_INIT sets it */
    uint64_t count;       /* operations that succeeded */
    uint64_t errors;      /* operations that failed */
    uint64_t bytes;       /* of the objects that they concerned */
    uint64_t moved_bytes; /* of these, those that were copied and not mapped */
    uint64_t total_ns;
    uint64_t max_ns;
    uint64_t bucket[SKEP_METRICS_BUCKETS];
} skep_metrics;
#define SKEP_METRICS_INIT SKEP_INIT(sizeof(skep_metrics), 0, 0, 0, 0, 0, 0, {0})

/* The latency that a fraction `q` (0 to 1) of the operations stayed under, to a bucket's width; 0 with no operations. */
SKEP_API uint64_t skep_metrics_quantile(const skep_metrics *metrics, double q);
SKEP_API const char *skep_op_name(int op); /* "put"; "?" for an unknown one */

SKEP_END_DECLS
#endif
