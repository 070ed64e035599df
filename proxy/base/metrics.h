/* metrics.h - the counters behind skep/metrics.h. */
#ifndef SKEP_PROXY_BASE_METRICS_H
#define SKEP_PROXY_BASE_METRICS_H

#include <skep/metrics.h>
#include <stdatomic.h>

struct skepi_metrics { /* all zero is the valid start; relaxed atomics, no lock */
    _Atomic uint64_t count, errors, bytes, moved_bytes, total_ns, max_ns;
    _Atomic uint64_t bucket[SKEP_METRICS_BUCKETS];
};

/* One operation ended: `rc` its result, `ns` its duration. Failed ones count in `errors` only. */
void skepi_metrics_record(struct skepi_metrics *m, int rc, uint64_t bytes, uint64_t moved_bytes, uint64_t ns);
void skepi_metrics_read(struct skepi_metrics *m, skep_metrics *out); /* honours out->size */

#endif
