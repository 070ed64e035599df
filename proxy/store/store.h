/* store.h - what a store is inside, and how its parts reach one another. */
#ifndef SKEP_PROXY_STORE_STORE_H
#define SKEP_PROXY_STORE_STORE_H

#include "proxy/base/metrics.h"
#include "proxy/store/cache.h"
#include "proxy/store/connectors.h"
#include "proxy/store/fork.h"
#include "proxy/store/options.h"

#include <skep/store.h>
#include <pthread.h>
#include <stdatomic.h>

struct skep_store {
    _Atomic unsigned refs;     /* goes from 1 to 0, and up in a look-up, under the registry's lock only */
    struct skep_store *next;   /* guarded by the registry's lock */
    int closing;               /* same: the last reference went, the connector is being closed */
    const skep_connector *ops; /* from here on constant */
    const struct skepi_connector *connector;
    skep_uri *uri;
    char identity[SKEP_URI_MAX];
    struct skepi_store_config config;

    pthread_mutex_t mu;    /* rank 50; guards the next nine */
    pthread_cond_t opened; /* an opening ended */
    enum { SKEPI_STORE_SHUT, SKEPI_STORE_OPENING, SKEPI_STORE_OPEN } state;
    unsigned failures;                  /* openings that failed */
    skep_error failure;                 /* of the last of them */
    int existing;                       /* how it was opened: a child of fork does the same */
    int conflict_told;                  /* a difference in tuning options was logged */
    char public_identity[SKEP_URI_MAX]; /* as others reach it; "": as `identity` */
    void *self;                         /* the connector's; also read without the lock by who saw `ready` */
    _Atomic uint64_t ready;             /* the fork generation that `self` is open in; 0: none */

    struct skepi_cache cache;
    struct skepi_metrics metrics[SKEP_OP_COUNT];
};

/* registry.c: as skep_store_open; with `from_handle`, `uri` is what a stranger wrote in front of a '#'. */
int skepi_store_find(const char *uri, int from_handle, const skep_store_opts *opts, skep_store **take, skep_error *err);

/* open.c: make the connector usable in this process: the first opening, and the one that a child of fork needs.
 * `existing` -1: as it was opened before. */
int skepi_store_ready_slowly(skep_store *store, int existing, uint64_t by_ns, skep_error *err);
void skepi_store_shut(skep_store *store); /* close the connector; for the last reference */

/* The cheap part of it, in front of every operation. */
static inline int skepi_store_ready(skep_store *store, uint64_t by_ns, skep_error *err)
{
    if (atomic_load_explicit(&store->ready, memory_order_acquire) ==
        atomic_load_explicit(&skepi_fork_generation, memory_order_relaxed))
        return SKEP_OK;
    return skepi_store_ready_slowly(store, -1, by_ns, err);
}

/* Set `err` from what a connector said, with the store's name in front; `rc` < 0. Returns rc. */
int skepi_store_fail(const skep_store *store, int rc, const skep_error *said, skep_error *err);
/* The deadline of an operation that was given `by_ns`. */
uint64_t skepi_store_by(const skep_store *store, uint64_t by_ns);
/* SKEP_EINVAL: not a reference whose key may be shown to a connector. */
int skepi_ref_check(const skep_store *store, const skep_ref *ref, skep_error *err);
/* What operations begin with: references that are ones, the deadline that holds, a connector that is open. `said` is what
 * the connector will be given for its error. */
int skepi_store_begin(skep_store *store, const skep_ref *refs, size_t n, uint64_t *by_ns, skep_error *said, skep_error *err);
void skepi_store_public(skep_store *store, char out[SKEP_URI_MAX]); /* the identity as others reach it */

/* get.c: as skep_store_get, counted under `op`: SKEP_OP_GET, SKEP_OP_RESOLVE. */
int skepi_store_fetch(skep_store *store, int op, const skep_ref *ref, uint64_t by_ns, skep_buf **take, skep_error *err);
/* Is the object what `ref` says it is, as far as verify= asks? `how` is what the connector said of it. */
int skepi_store_verify(const skep_store *store, const skep_ref *ref, skep_buf *buf, uint32_t how, skep_error *e);

/* put.c: what the caller's options and the store's make of one put. */
struct skepi_put_plan {
    skep_put how; /* what the connector is told; its deadline is the caller's until skepi_store_begin */
    int sum_here; /* 1: the core makes the checksum, for the connector can't */
};
/* SKEP_EINVAL: not begun with SKEP_PUT_OPTS_INIT. */
int skepi_put_opts_read(const skep_put_opts *given, skep_put_opts *out, skep_error *err);
void skepi_put_plan(const skep_store *store, const skep_put_opts *opts, struct skepi_put_plan *plan);
/* Begin the reference of an object of `size` bytes: opts->key, or a fresh one. */
int skepi_put_ref(const skep_store *store, const skep_put_opts *opts, uint64_t size, skep_ref *ref, skep_error *err);

#endif
