/* proxy.h - what a proxy is inside. */
#ifndef SKEP_PROXY_STORE_PROXY_H
#define SKEP_PROXY_STORE_PROXY_H

#include <skep/proxy.h>
#include <stdatomic.h>

struct skep_proxy {
    _Atomic unsigned refs;
    _Atomic int state;           /* SKEP_PROXY_*; moves under the lock of its stripe (proxy.c) */
    _Atomic uint64_t generation; /* of forks, in which the fetch that goes on began */
    unsigned failures;           /* guarded by the stripe: fetches that failed */
    skep_error *failure;         /* same: of the last of them; NULL: none, or no memory for it */
    skep_buf *buf;               /* written before `state` becomes RESOLVED, then constant */
    _Atomic(skep_store *) store; /* NULL until the first touch of what a handle made; then constant; a reference */
    char *uri;                   /* of the store, as the handle had it; NULL: made from a store */
    struct skep_proxy *next;     /* guarded by the lock of prefetch.c */
    int queued;                  /* same */
    char codec[SKEP_CODEC_MAX];  /* "": raw */
    skep_ref ref;
};

/* May a proxy go from one state to the other? 1 or 0. */
int skepi_proxy_may(int from, int to);
/* Fetch the bytes if that was not done; then they are in proxy->buf. */
int skepi_proxy_fetch(skep_proxy *proxy, uint64_t by_ns, skep_error *err);

/* prefetch.c: fetch it soon, in the background. */
int skepi_prefetch(skep_proxy *proxy, skep_error *err);

#endif
