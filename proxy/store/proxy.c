/* proxy.c - a lazy reference to an object, fetched once for all threads that touch it. */
#include "proxy/store/proxy.h"

#include "proxy/base/alloc.h"
#include "proxy/store/fork.h"
#include "proxy/store/store.h"
#include "proxy/store/sync.h"

#include <string.h>

#define STRIPES 16

static struct stripe {
    pthread_mutex_t mu;   /* rank 20; guards the states of the proxies that fall to it, and what proxy.h says */
    pthread_cond_t moved; /* one of them left RESOLVING */
} stripes[STRIPES];
static pthread_once_t stripes_once = PTHREAD_ONCE_INIT;

static void init_stripes(void)
{
    for (int i = 0; i < STRIPES; i++) {
        pthread_mutex_init(&stripes[i].mu, NULL);
        skepi_cond_init(&stripes[i].moved);
    }
}

static struct stripe *stripe_of(const skep_proxy *proxy)
{
    return &stripes[(uintptr_t)proxy / sizeof *proxy % STRIPES];
}

/* Where a proxy may go. RESOLVED is final. Back to UNRESOLVED leads only the child of a fork, whose fetching thread stayed
 * behind. */
static const unsigned char edges[] = {
    [SKEP_PROXY_UNRESOLVED] = 1u << SKEP_PROXY_RESOLVING,
    [SKEP_PROXY_RESOLVING] = 1u << SKEP_PROXY_RESOLVED | 1u << SKEP_PROXY_FAILED | 1u << SKEP_PROXY_UNRESOLVED,
    [SKEP_PROXY_RESOLVED] = 0,
    [SKEP_PROXY_FAILED] = 1u << SKEP_PROXY_RESOLVING,
};

int skepi_proxy_may(int from, int to)
{
    return edges[from] >> to & 1;
}

/* The one place where states change; called with the stripe's lock held. */
static int move(skep_proxy *p, int to)
{
    int from = atomic_load_explicit(&p->state, memory_order_relaxed);

    if (!skepi_proxy_may(from, to)) {
        skep_log(SKEP_LOG_ERROR, "proxy", "%s: cannot go from state %d to %d", p->ref.key, from, to);
        return SKEP_EINTERNAL;
    }
    atomic_store_explicit(&p->state, to, memory_order_release);
    return SKEP_OK;
}

int skep_proxy_state(const skep_proxy *proxy)
{
    int state = atomic_load_explicit(&proxy->state, memory_order_acquire);

    if (state == SKEP_PROXY_RESOLVING && atomic_load(&proxy->generation) != atomic_load(&skepi_fork_generation))
        return SKEP_PROXY_UNRESOLVED;
    return state;
}

/* ---- making and freeing ---- */

static int check_codec(const char *codec, skep_error *err)
{
    size_t n = codec != NULL ? strspn(codec, "abcdefghijklmnopqrstuvwxyz0123456789_-") : 0;

    if (codec != NULL && (codec[n] != 0 || n >= SKEP_CODEC_MAX))
        return skep_fail(err, SKEP_EINVAL, "%.64s: a codec's name has at most %d small letters, digits, '_' and '-'", codec,
                         SKEP_CODEC_MAX - 1);
    return SKEP_OK;
}

/* `codec` was checked; `store` gets a reference more. */
static int make(skep_store *store, const char *uri, const char *codec, skep_proxy **take, skep_error *err)
{
    skep_proxy *p = skepi_alloc(sizeof *p);

    skepi_fork_watch();
    pthread_once(&stripes_once, init_stripes);
    if (p != NULL && uri != NULL)
        p->uri = skepi_strdup(uri);
    if (p == NULL || (uri != NULL && p->uri == NULL)) {
        skepi_free(p);
        return skep_fail(err, SKEP_ENOMEM, "out of memory for a proxy");
    }
    atomic_init(&p->refs, 1);
    if (store != NULL)
        atomic_init(&p->store, skep_store_ref(store));
    if (codec != NULL && strcmp(codec, "raw") != 0)
        memcpy(p->codec, codec, strlen(codec) + 1);
    *take = p;
    return SKEP_OK;
}

int skep_store_proxy(skep_store *store, const void *data, size_t size, const skep_put_opts *given, skep_proxy **take,
                     skep_error *err)
{
    skep_put_opts opts;
    skep_proxy *p;
    int rc;

    rc = skepi_put_opts_read(given, &opts, err);
    if (rc == SKEP_OK)
        rc = check_codec(opts.codec, err);
    if (rc == SKEP_OK)
        rc = make(store, NULL, opts.codec, &p, err);
    if (rc != SKEP_OK)
        return rc;
    rc = skep_store_put(store, data, size, &opts, &p->ref, err);
    if (rc != SKEP_OK) {
        skep_proxy_unref(p);
        return rc;
    }
    *take = p;
    return SKEP_OK;
}

int skep_store_proxy_of(skep_store *store, const skep_ref *ref, const char *codec, skep_proxy **take, skep_error *err)
{
    int rc = skepi_ref_check(store, ref, err);
    skep_proxy *p;

    if (rc == SKEP_OK)
        rc = check_codec(codec, err);
    if (rc == SKEP_OK)
        rc = make(store, NULL, codec, &p, err);
    if (rc != SKEP_OK)
        return rc;
    p->ref = *ref;
    *take = p;
    return SKEP_OK;
}

int skep_proxy_open(const char *handle, const skep_policy *policy, skep_proxy **take, skep_error *err)
{
    skep_handle h = SKEP_HANDLE_INIT;
    skep_proxy *p;
    int rc;

    if (handle == NULL || take == NULL)
        return skep_fail(err, SKEP_EINVAL, "skep_proxy_open: no handle or no place for the proxy");
    rc = skep_handle_parse(handle, &h, err);
    if (rc == SKEP_OK)
        rc = skep_policy_check(policy, h.store, err);
    if (rc == SKEP_OK)
        rc = make(NULL, h.store, h.codec, &p, err);
    if (rc != SKEP_OK)
        return rc;
    p->ref = h.ref;
    *take = p;
    return SKEP_OK;
}

skep_proxy *skep_proxy_ref(skep_proxy *proxy)
{
    atomic_fetch_add_explicit(&proxy->refs, 1, memory_order_relaxed);
    return proxy;
}

void skep_proxy_unref(skep_proxy *proxy)
{
    if (proxy == NULL || atomic_fetch_sub_explicit(&proxy->refs, 1, memory_order_acq_rel) != 1)
        return;
    skep_buf_unref(proxy->buf);
    skep_store_unref(atomic_load(&proxy->store));
    skepi_free(proxy->failure);
    skepi_free(proxy->uri);
    skepi_free(proxy);
}

/* ---- what it says of itself ---- */

int skep_proxy_handle(const skep_proxy *proxy, char *out, size_t cap)
{
    skep_handle h = SKEP_HANDLE_INIT;

    if (proxy->uri != NULL)
        memcpy(h.store, proxy->uri, strlen(proxy->uri) + 1);
    else
        skepi_store_public(atomic_load(&proxy->store), h.store);
    h.ref = proxy->ref;
    memcpy(h.codec, proxy->codec, sizeof h.codec);
    return skep_handle_format(&h, out, cap);
}

const skep_ref *skep_proxy_ref_of(const skep_proxy *proxy)
{
    return &proxy->ref;
}

const char *skep_proxy_codec(const skep_proxy *proxy)
{
    return proxy->codec[0] != 0 ? proxy->codec : "raw";
}

/* ---- fetching ---- */

/* The store behind it, not counted: the proxy's own reference. Two threads may open it at once: they get the same one. */
static int store_of(skep_proxy *p, uint64_t by_ns, skep_store **lend, skep_error *err)
{
    skep_store_opts opts = SKEP_STORE_OPTS_INIT;
    skep_store *s = atomic_load_explicit(&p->store, memory_order_acquire);
    skep_store *none = NULL;
    int rc;

    if (s == NULL) {
        opts.by_ns = by_ns;
        opts.existing = 1;
        rc = skepi_store_find(p->uri, 1, &opts, &s, err);
        if (rc != SKEP_OK)
            return rc;
        if (!atomic_compare_exchange_strong(&p->store, &none, s)) {
            skep_store_unref(s);
            s = none;
        }
    }
    *lend = s;
    return SKEP_OK;
}

/* Wait for a fetch by another thread, or become the one that fetches (*mine). SKEP_OK with *mine 0: it is resolved. */
static int wait_or_begin(skep_proxy *p, uint64_t by_ns, int *mine, skep_error *err)
{
    struct stripe *stripe = stripe_of(p);
    unsigned failures;
    int rc = SKEP_OK;

    *mine = 0;
    pthread_mutex_lock(&stripe->mu);
    failures = p->failures;
    while (rc == SKEP_OK && !*mine && p->state != SKEP_PROXY_RESOLVED) {
        int state = skep_proxy_state(p);

        if (state != p->state) {
            rc = move(p, state); /* this is a child of fork, and the fetching thread is not in it */
        } else if (state == SKEP_PROXY_RESOLVING) {
            if (skepi_cond_wait(&stripe->moved, &stripe->mu, by_ns) != SKEP_OK)
                rc = skep_fail(err, SKEP_ETIMEDOUT, "%s: another thread is still fetching it", p->ref.key);
        } else if (p->failures != failures && p->failure != NULL && p->failure->code != SKEP_ETIMEDOUT) {
            rc = skep_fail(err, p->failure->code, "%s", p->failure->text); /* a deadline of theirs would not be ours */
        } else {
            atomic_store(&p->generation, atomic_load(&skepi_fork_generation));
            rc = move(p, SKEP_PROXY_RESOLVING);
            *mine = rc == SKEP_OK;
        }
    }
    pthread_mutex_unlock(&stripe->mu);
    return rc;
}

/* The fetch that this thread began ended with `rc`. */
static int end(skep_proxy *p, int rc, skep_buf *buf, const skep_error *e)
{
    struct stripe *stripe = stripe_of(p);

    pthread_mutex_lock(&stripe->mu);
    if (rc == SKEP_OK) {
        p->buf = buf;
        rc = move(p, SKEP_PROXY_RESOLVED);
    } else {
        p->failures++;
        if (p->failure == NULL)
            p->failure = skepi_alloc(sizeof *p->failure);
        if (p->failure != NULL)
            *p->failure = *e;
        move(p, SKEP_PROXY_FAILED);
    }
    pthread_cond_broadcast(&stripe->moved);
    pthread_mutex_unlock(&stripe->mu);
    return rc;
}

int skepi_proxy_fetch(skep_proxy *p, uint64_t by_ns, skep_error *err)
{
    skep_buf *buf = NULL;
    skep_store *store;
    skep_error e;
    int mine;
    int rc;

    if (atomic_load_explicit(&p->state, memory_order_acquire) == SKEP_PROXY_RESOLVED)
        return SKEP_OK;
    rc = wait_or_begin(p, by_ns, &mine, err);
    if (rc != SKEP_OK || !mine)
        return rc;
    rc = store_of(p, by_ns, &store, &e);
    if (rc == SKEP_OK)
        rc = skepi_store_fetch(store, SKEP_OP_RESOLVE, &p->ref, by_ns, &buf, &e);
    if (rc != SKEP_OK && err != NULL)
        *err = e;
    return end(p, rc, buf, &e);
}

int skep_proxy_resolve(skep_proxy *proxy, uint64_t by_ns, const void **lend, size_t *size, skep_error *err)
{
    int rc = skepi_proxy_fetch(proxy, by_ns, err);

    if (rc != SKEP_OK)
        return rc;
    if (lend != NULL)
        *lend = skep_buf_data(proxy->buf);
    if (size != NULL)
        *size = skep_buf_size(proxy->buf);
    return SKEP_OK;
}

int skep_proxy_buf(skep_proxy *proxy, uint64_t by_ns, skep_buf **take, skep_error *err)
{
    int rc = skepi_proxy_fetch(proxy, by_ns, err);

    if (rc == SKEP_OK)
        *take = skep_buf_ref(proxy->buf);
    return rc;
}

int skep_proxy_prefetch(skep_proxy *proxy, skep_error *err)
{
    int state = skep_proxy_state(proxy);

    if (state == SKEP_PROXY_RESOLVED || state == SKEP_PROXY_RESOLVING)
        return SKEP_OK;
    return skepi_prefetch(proxy, err);
}

int skep_proxy_read(skep_proxy *proxy, uint64_t offset, size_t size, void *dst, uint64_t by_ns, skep_error *err)
{
    skep_store *store;
    size_t have;
    int rc;

    if (atomic_load_explicit(&proxy->state, memory_order_acquire) != SKEP_PROXY_RESOLVED) {
        rc = store_of(proxy, by_ns, &store, err);
        return rc == SKEP_OK ? skep_store_read(store, &proxy->ref, offset, size, dst, by_ns, err) : rc;
    }
    have = skep_buf_size(proxy->buf);
    if (offset > have || size > have - offset || (dst == NULL && size > 0))
        return skep_fail(err, SKEP_EINVAL, "%s: %zu bytes at %llu leave the object of %zu bytes", proxy->ref.key, size,
                         (unsigned long long)offset, have);
    if (size > 0)
        memcpy(dst, (const char *)skep_buf_data(proxy->buf) + offset, size);
    return SKEP_OK;
}

int skep_proxy_size(skep_proxy *proxy, uint64_t by_ns, uint64_t *out, skep_error *err)
{
    skep_store *store;
    uint64_t size = 0;
    int there = 0;
    int rc;

    if (atomic_load_explicit(&proxy->state, memory_order_acquire) == SKEP_PROXY_RESOLVED) {
        *out = skep_buf_size(proxy->buf);
        return SKEP_OK;
    }
    if (proxy->ref.size_bytes != SKEP_SIZE_UNKNOWN) {
        *out = proxy->ref.size_bytes;
        return SKEP_OK;
    }
    rc = store_of(proxy, by_ns, &store, err);
    if (rc == SKEP_OK)
        rc = skep_store_exists(store, &proxy->ref, by_ns, &there, &size, err);
    if (rc != SKEP_OK)
        return rc;
    if (!there)
        return skep_fail(err, SKEP_ENOENT, "%.200s: no object %s, or evicted", store->identity, proxy->ref.key);
    *out = size;
    return SKEP_OK;
}

int skep_proxy_evict(skep_proxy *proxy, uint64_t by_ns, skep_error *err)
{
    skep_store *store;
    int rc = store_of(proxy, by_ns, &store, err);

    return rc == SKEP_OK ? skep_store_evict(store, &proxy->ref, by_ns, err) : rc;
}

int skep_proxy_store(skep_proxy *proxy, uint64_t by_ns, skep_store **take, skep_error *err)
{
    skep_store *store;
    int rc = store_of(proxy, by_ns, &store, err);

    if (rc == SKEP_OK)
        *take = skep_store_ref(store);
    return rc;
}

void skepi_proxies_fork(enum skepi_fork_when when)
{
    pthread_once(&stripes_once, init_stripes);
    for (int i = 0; i < STRIPES; i++) {
        if (when == SKEPI_FORK_BEFORE) {
            pthread_mutex_lock(&stripes[i].mu);
            continue;
        }
        if (when == SKEPI_FORK_CHILD)
            skepi_cond_init(&stripes[i].moved);
        pthread_mutex_unlock(&stripes[i].mu);
    }
}
