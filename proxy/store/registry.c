/* registry.c - the stores of this process: one for an identity, however many open it. */
#include "proxy/base/alloc.h"
#include "proxy/base/uri.h"
#include "proxy/store/store.h"
#include "proxy/store/sync.h"

#include <string.h>

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;   /* rank 40; guards `stores`, the links and each store's `closing` */
static pthread_cond_t closed = PTHREAD_COND_INITIALIZER; /* a store is gone from the list */
static pthread_once_t closed_once = PTHREAD_ONCE_INIT;
static skep_store *stores;

static void set_clock(void)
{
    skepi_cond_init(&closed);
}

static int is_public_identity(skep_store *s, const char *identity)
{
    int same;

    if (s->ops->identity == NULL)
        return 0;
    pthread_mutex_lock(&s->mu);
    same = strcmp(s->public_identity, identity) == 0;
    pthread_mutex_unlock(&s->mu);
    return same;
}

/* A reference to the open store of that identity, or of that identity as others see it. One that is being closed is waited
 * for: its connector may hold what a new one needs. NULL with *rc SKEP_OK: none. Called, and returns, with the lock held. */
static skep_store *find_locked(const char *identity, uint64_t by_ns, int *rc)
{
    skep_store *s = stores;

    *rc = SKEP_OK;
    while (s != NULL) {
        if (strcmp(s->identity, identity) != 0 && !is_public_identity(s, identity)) {
            s = s->next;
        } else if (!s->closing) {
            atomic_fetch_add(&s->refs, 1);
            return s;
        } else if (skepi_cond_wait(&closed, &mu, by_ns) == SKEP_OK) {
            s = stores;
        } else {
            *rc = SKEP_ETIMEDOUT;
            return NULL;
        }
    }
    return NULL;
}

static void free_store(skep_store *s)
{
    if (s == NULL)
        return;
    skepi_cache_fini(&s->cache);
    pthread_cond_destroy(&s->opened);
    pthread_mutex_destroy(&s->mu);
    skep_uri_free(s->uri);
    skepi_free(s);
}

/* Takes `*uri` if it succeeds. */
static skep_store *make_store(const struct skepi_connector *connector, skep_uri **uri, const char *identity)
{
    skep_store *s = skepi_alloc(sizeof *s);

    if (s == NULL)
        return NULL;
    skepi_store_configure(*uri, (connector->table.caps & SKEP_CAP_CHECKSUM) != 0, &s->config);
    if (skepi_cache_init(&s->cache, s->config.cache_bytes) != SKEP_OK)
        goto undo_store;
    if (skepi_cond_init(&s->opened) != SKEP_OK)
        goto undo_cache;
    if (pthread_mutex_init(&s->mu, NULL) != 0)
        goto undo_cond;
    s->connector = connector;
    s->ops = &connector->table;
    memcpy(s->identity, identity, strlen(identity) + 1);
    s->uri = *uri;
    *uri = NULL;
    atomic_init(&s->refs, 1);
    return s;

undo_cond:
    pthread_cond_destroy(&s->opened);
undo_cache:
    skepi_cache_fini(&s->cache);
undo_store:
    skepi_free(s);
    return NULL;
}

static int same_value(const skep_option *o, const skep_uri *a, const skep_uri *b)
{
    switch (o->type) {
    case SKEP_TYPE_BOOL:
        return skep_uri_bool(a, o->name) == skep_uri_bool(b, o->name);
    case SKEP_TYPE_INT:
        return skep_uri_int(a, o->name) == skep_uri_int(b, o->name);
    case SKEP_TYPE_SIZE:
        return skep_uri_size(a, o->name) == skep_uri_size(b, o->name);
    case SKEP_TYPE_TIME:
        return skep_uri_time(a, o->name) == skep_uri_time(b, o->name);
    default:
        return strcmp(skep_uri_option(a, o->name), skep_uri_option(b, o->name)) == 0;
    }
}

/* The first option of a class that `uri` asks for by a value of its own and does not get, or NULL. */
static const skep_option *find_conflict(const skep_store *s, const skep_uri *uri, int klass)
{
    for (size_t i = 0; i < s->connector->n_options; i++) {
        for (const skep_option *o = s->connector->options[i]; o->name != NULL; o++) {
            const char *asked = skep_uri_option(uri, o->name);
            /* to say nothing is to take what there is, but of a place: that is the usual one then */
            const char *silent = o->fallback != NULL && klass != SKEP_CLASS_LOCAL ? o->fallback : "";

            if (o->klass == klass && strcmp(asked, silent) != 0 && !same_value(o, s->uri, uri))
                return o;
        }
    }
    return NULL;
}

/* Once a store: the first opener's options hold, and the others should know. */
static void tell_conflict(skep_store *s, const skep_uri *uri)
{
    const skep_option *o = find_conflict(s, uri, SKEP_CLASS_TUNING);
    int told;

    if (o == NULL)
        return;
    pthread_mutex_lock(&s->mu);
    told = s->conflict_told;
    s->conflict_told = 1;
    pthread_mutex_unlock(&s->mu);
    if (!told)
        skep_log(SKEP_LOG_WARN, "store", "%.200s: open already with %s=%s, so %s=%s has no effect", s->identity, o->name,
                 skep_uri_option(s->uri, o->name), o->name, skep_uri_option(uri, o->name));
}

/* An option of this host says where a store lies: under the same identity elsewhere is another one, which can't be had now.
 * A handle can't say it: it means the one that is open. */
static int check_place(const skep_store *s, const skep_uri *uri, skep_error *err)
{
    const skep_option *o = find_conflict(s, uri, SKEP_CLASS_LOCAL);

    if (o == NULL)
        return SKEP_OK;
    return skep_fail(err, SKEP_EBUSY, "%.200s: open in this process already, with %s=%.100s", s->identity, o->name,
                     skep_uri_option(s->uri, o->name));
}

/* Find the store of `identity` or make it, under one hold of the lock. */
static int find_or_make(const struct skepi_connector *connector, skep_uri **uri, const char *identity, int from_handle,
                        uint64_t by_ns, skep_store **take, skep_error *err)
{
    skep_store *fresh = make_store(connector, uri, identity);
    skep_store *s;
    int rc;

    if (fresh == NULL)
        return skep_fail(err, SKEP_ENOMEM, "%.200s: out of memory", identity);
    pthread_mutex_lock(&mu);
    s = find_locked(identity, by_ns, &rc);
    if (s == NULL && rc == SKEP_OK) {
        s = fresh;
        fresh = NULL;
        s->next = stores;
        stores = s;
    }
    pthread_mutex_unlock(&mu);
    if (s == NULL)
        rc = skep_fail(err, rc, "%.200s: still being closed", identity);
    else if (fresh != NULL && !from_handle && (rc = check_place(s, fresh->uri, err)) == SKEP_OK)
        tell_conflict(s, fresh->uri);
    free_store(fresh);
    if (rc == SKEP_OK)
        *take = s;
    else
        skep_store_unref(s);
    return rc;
}

static int find_by_uri(const char *text, int from_handle, uint64_t by_ns, skep_store **take, skep_error *err)
{
    const struct skepi_connector *connector;
    char identity[SKEP_URI_MAX];
    char shown[SKEPI_SHOWN_MAX];
    skep_uri *uri = NULL;
    int rc;

    rc = skepi_connector_find(text, &connector, err);
    if (rc == SKEP_OK)
        rc = (from_handle ? skepi_uri_from_handle : skep_uri_parse)(text, connector->options, connector->n_options, &uri,
                                                                    err);
    if (rc != SKEP_OK)
        return rc;
    rc = skep_uri_identity(uri, identity, sizeof identity);
    if (rc != SKEP_OK)
        rc = skep_fail(err, rc, "%s: longer than the %d characters of a URI", skepi_uri_show(text, shown), SKEP_URI_MAX - 1);
    else
        rc = find_or_make(connector, &uri, identity, from_handle, by_ns, take, err);
    skep_uri_free(uri);
    return rc;
}

/* What a handle says is mostly the very identity of a store that is open: then nothing needs to be taken apart. */
static skep_store *find_by_text(const char *text, uint64_t by_ns)
{
    skep_store *s;
    int rc;

    pthread_mutex_lock(&mu);
    s = find_locked(text, by_ns, &rc);
    pthread_mutex_unlock(&mu);
    return s;
}

int skepi_store_find(const char *uri, int from_handle, const skep_store_opts *given, skep_store **take, skep_error *err)
{
    skep_store_opts opts = SKEP_STORE_OPTS_INIT;
    skep_store *s = NULL;
    int rc = SKEP_OK;

    if (given != NULL && given->size < sizeof given->size)
        return skep_fail(err, SKEP_EINVAL, "the options of a store have size %zu: begin them with SKEP_STORE_OPTS_INIT",
                         given->size);
    if (given != NULL)
        memcpy(&opts, given, given->size < sizeof opts ? given->size : sizeof opts);
    skepi_fork_watch();
    pthread_once(&closed_once, set_clock);
    if (from_handle)
        s = find_by_text(uri, opts.by_ns);
    if (s == NULL)
        rc = find_by_uri(uri, from_handle, opts.by_ns, &s, err);
    if (rc != SKEP_OK)
        return rc;
    if (atomic_load_explicit(&s->ready, memory_order_acquire) != atomic_load(&skepi_fork_generation))
        rc = skepi_store_ready_slowly(s, from_handle ? SKEP_OPEN_HANDLE : opts.existing != 0, opts.by_ns, err);
    if (rc != SKEP_OK) {
        skep_store_unref(s);
        return rc;
    }
    *take = s;
    return SKEP_OK;
}

int skep_store_open(const char *uri, const skep_store_opts *opts, skep_store **take, skep_error *err)
{
    if (uri == NULL || take == NULL)
        return skep_fail(err, SKEP_EINVAL, "skep_store_open: no URI or no place for the store");
    return skepi_store_find(uri, 0, opts, take, err);
}

skep_store *skep_store_ref(skep_store *store)
{
    atomic_fetch_add_explicit(&store->refs, 1, memory_order_relaxed);
    return store;
}

static void unlink_store(skep_store *s)
{
    skep_store **link = &stores;

    while (*link != s)
        link = &(*link)->next;
    *link = s->next;
}

static void close_last(skep_store *s)
{
    skepi_store_shut(s);
    pthread_mutex_lock(&mu);
    unlink_store(s);
    pthread_cond_broadcast(&closed);
    pthread_mutex_unlock(&mu);
    free_store(s);
}

void skep_store_unref(skep_store *store)
{
    unsigned refs;

    if (store == NULL)
        return;
    refs = atomic_load(&store->refs);
    while (refs > 1)
        if (atomic_compare_exchange_weak(&store->refs, &refs, refs - 1))
            return;
    pthread_mutex_lock(&mu);
    store->closing = atomic_fetch_sub(&store->refs, 1) == 1;
    refs = store->closing;
    pthread_mutex_unlock(&mu);
    if (refs)
        close_last(store);
}

static void lock_all(void)
{
    pthread_mutex_lock(&mu);
    for (skep_store *s = stores; s != NULL; s = s->next) {
        pthread_mutex_lock(&s->mu);
        pthread_mutex_lock(&s->cache.mu);
    }
}

static void unlock_all(void)
{
    for (skep_store *s = stores; s != NULL; s = s->next) {
        pthread_mutex_unlock(&s->cache.mu);
        pthread_mutex_unlock(&s->mu);
    }
    pthread_mutex_unlock(&mu);
}

/* What other threads had begun is nobody's now. A connector that one of them was opening or closing is left as it lies:
 * half of it may be written. */
static void mend(void)
{
    for (skep_store **link = &stores; *link != NULL;) {
        skep_store *s = *link;

        skepi_cond_init(&s->opened);
        if (s->state == SKEPI_STORE_OPENING) {
            s->state = SKEPI_STORE_SHUT;
            s->self = NULL;
        }
        if (s->closing) {
            pthread_mutex_unlock(&s->cache.mu);
            pthread_mutex_unlock(&s->mu);
            *link = s->next;
        } else {
            link = &s->next;
        }
    }
    skepi_cond_init(&closed);
}

void skepi_registry_fork(enum skepi_fork_when when)
{
    if (when == SKEPI_FORK_BEFORE) {
        lock_all();
        return;
    }
    if (when == SKEPI_FORK_CHILD)
        mend();
    unlock_all();
}
