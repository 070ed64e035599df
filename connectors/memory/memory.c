/* memory.c - objects in this process's heap: shared by all who open the same name, gone with the last close.
 *
 * A child of fork begins with an empty store.
 */
#include "connectors/memory/table.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

struct memory {         /* all zero: not open */
    pthread_mutex_t mu; /* guards all but `limit`; nothing is taken under it */
    pthread_cond_t put; /* an object was put */
    int open;
    struct skepi_memory_table objects;
    struct skepi_memory_table names; /* the bytes are a handle, with its NUL */
    uint64_t used;
    uint64_t limit; /* constant; 0: none */
};

static const skep_host *host; /* set once, by the entry */

static uint64_t real_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- open and close ---- */

static int memory_open(void *self, const skep_uri *uri, int existing, uint64_t by_ns, skep_error *err)
{
    struct memory *m = self;
    pthread_condattr_t attr;
    int rc;

    (void)by_ns; /* nothing here waits */
    if (existing)
        return host->fail(err, SKEP_ENOENT, "this process has no memory store of that name");
    if (host->uri_port(uri) != 0 || host->uri_user(uri)[0] != 0 || host->uri_path(uri)[0] != 0)
        return host->fail(err, SKEP_EINVAL, "memory://NAME is all it takes");
    m->limit = host->uri_size(uri, "limit");
    m->objects.host = m->names.host = host;
    if (pthread_mutex_init(&m->mu, NULL) != 0)
        return host->fail(err, SKEP_ENOMEM, "no mutex");
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    rc = pthread_cond_init(&m->put, &attr);
    pthread_condattr_destroy(&attr);
    if (rc != 0) {
        pthread_mutex_destroy(&m->mu);
        return host->fail(err, SKEP_ENOMEM, "no condition variable");
    }
    m->open = 1;
    return SKEP_OK;
}

static void memory_close(void *self, int forked)
{
    struct memory *m = self;

    if (!m->open)
        return;
    /* Where the parent's threads were at the fork, nobody knows: a lock that one held means tables half changed. */
    if (forked && pthread_mutex_trylock(&m->mu) != 0)
        return;
    skepi_memory_clear(&m->objects);
    skepi_memory_clear(&m->names);
    if (forked)
        return;
    pthread_cond_destroy(&m->put);
    pthread_mutex_destroy(&m->mu);
}

/* ---- put ---- */

static void release_block(void *arg, void *data, size_t size)
{
    (void)arg;
    (void)size;
    host->free(data);
}

/* Add `e`, which holds `size` bytes, if its key is free and there is room for it. Called with the lock held. */
static int add_locked(struct memory *m, struct skepi_memory_item *e, uint64_t size, skep_error *err)
{
    int rc;

    if (m->limit != 0 && (size > m->limit || m->used > m->limit - size))
        return host->fail(err, SKEP_ENOSPC, "%llu bytes do not fit: %llu of limit=%llu are used", (unsigned long long)size,
                          (unsigned long long)m->used, (unsigned long long)m->limit);
    rc = skepi_memory_add(&m->objects, e);
    if (rc != SKEP_OK)
        return host->fail(err, rc, "%s: %s", e->key, rc == SKEP_EEXIST ? "exists already" : "out of memory");
    m->used += size;
    pthread_cond_broadcast(&m->put);
    return SKEP_OK;
}

/* Publish `block`, which the object takes over, failed or not. */
static int publish(struct memory *m, const char *key, void *block, size_t size, skep_error *err)
{
    struct skepi_memory_item *e;
    skep_buf *buf;
    int rc = host->buf_wrap(block, size, release_block, NULL, &buf);

    if (rc != SKEP_OK) {
        host->free(block);
        return host->fail(err, rc, "out of memory");
    }
    e = skepi_memory_item_new(host, key, buf, real_ns());
    host->buf_unref(buf);
    if (e == NULL)
        return host->fail(err, SKEP_ENOMEM, "out of memory");
    pthread_mutex_lock(&m->mu);
    rc = add_locked(m, e, size, err);
    pthread_mutex_unlock(&m->mu);
    if (rc != SKEP_OK)
        skepi_memory_item_free(host, e);
    return rc;
}

/* A block for an object, or NULL and *rc. */
static void *reserve_block(struct memory *m, size_t size, int *rc, skep_error *err)
{
    void *block;

    *rc = SKEP_OK;
    if (m->limit != 0 && size > m->limit) { /* said before the memory is touched */
        *rc = host->fail(err, SKEP_ENOSPC, "%zu bytes do not fit in limit=%llu", size, (unsigned long long)m->limit);
        return NULL;
    }
    block = host->alloc(size);
    if (block == NULL)
        *rc = host->fail(err, SKEP_ENOMEM, "out of memory for %zu bytes", size);
    return block;
}

static int memory_put(void *self, skep_ref *ref, const struct iovec *iov, int n, const skep_put *how, skep_error *err)
{
    struct memory *m = self;
    size_t at = 0;
    int rc;
    void *block = reserve_block(m, ref->size_bytes, &rc, err);

    (void)how;
    if (block == NULL)
        return rc;
    for (int i = 0; i < n; i++) {
        if (iov[i].iov_len > 0)
            memcpy((char *)block + at, iov[i].iov_base, iov[i].iov_len);
        at += iov[i].iov_len;
    }
    return publish(m, ref->key, block, at, err);
}

static int memory_reserve(void *self, skep_ref *ref, size_t size, uint64_t by_ns, void **slot, void **memory,
                          skep_error *err)
{
    int rc;
    void *block = reserve_block(self, size, &rc, err);

    (void)ref;
    (void)by_ns;
    if (block != NULL)
        *slot = *memory = block;
    return rc;
}

static int memory_commit(void *self, void *slot, skep_ref *ref, skep_error *err)
{
    return publish(self, ref->key, slot, ref->size_bytes, err);
}

static void memory_abort(void *self, void *slot)
{
    (void)self;
    host->free(slot);
}

/* ---- get ---- */

/* A counted reference to the object's bytes, or NULL. */
static skep_buf *lend(struct memory *m, const skep_ref *ref)
{
    struct skepi_memory_item *e;
    skep_buf *buf = NULL;

    pthread_mutex_lock(&m->mu);
    e = skepi_memory_find(&m->objects, ref->key);
    if (e != NULL)
        buf = host->buf_ref(e->buf);
    pthread_mutex_unlock(&m->mu);
    return buf;
}

static int memory_get(void *self, const skep_ref *ref, uint64_t by_ns, skep_buf **take, uint32_t *how, skep_error *err)
{
    skep_buf *buf = lend(self, ref);

    (void)by_ns;
    if (buf == NULL)
        return host->fail(err, SKEP_ENOENT, "%s: no such object, or evicted", ref->key);
    *take = buf;
    *how = SKEP_HOW_MAPPED;
    return SKEP_OK;
}

static int memory_exists(void *self, const skep_ref *ref, uint64_t by_ns, uint64_t *size_bytes, skep_error *err)
{
    skep_buf *buf = lend(self, ref);

    (void)by_ns;
    if (buf == NULL)
        return host->fail(err, SKEP_ENOENT, "%s: no such object, or evicted", ref->key);
    *size_bytes = host->buf_size(buf);
    host->buf_unref(buf);
    return SKEP_OK;
}

static int wait_for_put(struct memory *m, uint64_t by_ns)
{
    struct timespec at;

    if (by_ns == 0)
        return ETIMEDOUT;
    if (by_ns == SKEP_FOREVER)
        return pthread_cond_wait(&m->put, &m->mu);
    at.tv_sec = (time_t)(by_ns / 1000000000u);
    at.tv_nsec = (long)(by_ns % 1000000000u);
    return pthread_cond_timedwait(&m->put, &m->mu, &at);
}

static int memory_wait(void *self, const skep_ref *ref, uint64_t by_ns, skep_error *err)
{
    struct memory *m = self;
    int late = 0;
    int there;

    pthread_mutex_lock(&m->mu);
    while (!(there = skepi_memory_find(&m->objects, ref->key) != NULL) && !late)
        late = wait_for_put(m, by_ns) == ETIMEDOUT;
    pthread_mutex_unlock(&m->mu);
    return there ? SKEP_OK : host->fail(err, SKEP_ETIMEDOUT, "%s: not there when the deadline passed", ref->key);
}

static int memory_evict(void *self, const skep_ref *ref, uint64_t by_ns, skep_error *err)
{
    struct memory *m = self;
    struct skepi_memory_item *e;

    (void)by_ns;
    (void)err;
    pthread_mutex_lock(&m->mu);
    e = skepi_memory_take_out(&m->objects, ref->key);
    if (e != NULL)
        m->used -= host->buf_size(e->buf);
    pthread_mutex_unlock(&m->mu);
    skepi_memory_item_free(host, e); /* a big block goes back without the lock */
    return SKEP_OK;
}

/* ---- names and list ---- */

static struct skepi_memory_item *make_name(const char *name, const char *handle)
{
    struct skepi_memory_item *e;
    skep_buf *buf;

    if (host->buf_copy(handle, strlen(handle) + 1, &buf) != SKEP_OK)
        return NULL;
    e = skepi_memory_item_new(host, name, buf, real_ns());
    host->buf_unref(buf);
    return e;
}

static int memory_name_set(void *self, const char *name, const char *handle, uint64_t by_ns, skep_error *err)
{
    struct memory *m = self;
    struct skepi_memory_item *before;
    struct skepi_memory_item *fresh = NULL;
    int rc = SKEP_OK;

    (void)by_ns;
    if (handle != NULL) {
        fresh = make_name(name, handle);
        if (fresh == NULL)
            return host->fail(err, SKEP_ENOMEM, "out of memory");
    }
    pthread_mutex_lock(&m->mu);
    before = skepi_memory_take_out(&m->names, name);
    if (fresh != NULL)
        rc = skepi_memory_add(&m->names, fresh); /* if it fails, there never was a name, and nothing is lost */
    pthread_mutex_unlock(&m->mu);
    skepi_memory_item_free(host, before);
    if (rc == SKEP_OK)
        return SKEP_OK;
    skepi_memory_item_free(host, fresh);
    return host->fail(err, rc, "out of memory");
}

static int memory_name_get(void *self, const char *name, char *out, size_t cap, uint64_t by_ns, skep_error *err)
{
    struct memory *m = self;
    struct skepi_memory_item *e;
    skep_buf *handle = NULL;
    int rc = SKEP_OK;
    size_t n;

    (void)by_ns;
    pthread_mutex_lock(&m->mu);
    e = skepi_memory_find(&m->names, name);
    if (e != NULL)
        handle = host->buf_ref(e->buf);
    pthread_mutex_unlock(&m->mu);
    if (handle == NULL)
        return host->fail(err, SKEP_ENOENT, "%s: no such name", name);
    n = host->buf_size(handle);
    if (n > cap)
        rc = host->fail(err, SKEP_ETOOBIG, "%s: its handle takes %zu bytes, and there are %zu", name, n, cap);
    else
        memcpy(out, host->buf_data(handle), n);
    host->buf_unref(handle);
    return rc;
}

static int show(const struct skepi_memory_item *e, int is_name, skep_entry_func func, void *arg)
{
    skep_entry entry = {.size = sizeof entry, .ref = SKEP_REF_INIT, .made_ns = e->made_ns};

    if (is_name) {
        entry.name = e->key;
        entry.handle = host->buf_data(e->buf);
    } else {
        memcpy(entry.ref.key, e->key, strlen(e->key) + 1);
        entry.ref.size_bytes = host->buf_size(e->buf);
    }
    return func(&entry, arg);
}

/* Copies are shown, so that the caller's function runs without the lock. */
static int memory_list(void *self, skep_entry_func func, void *arg, skep_error *err)
{
    struct memory *m = self;
    struct skepi_memory_item *objects = NULL;
    struct skepi_memory_item *names = NULL;
    int rc;

    pthread_mutex_lock(&m->mu);
    rc = skepi_memory_copy(&m->objects, &objects);
    if (rc == SKEP_OK)
        rc = skepi_memory_copy(&m->names, &names);
    pthread_mutex_unlock(&m->mu);
    if (rc != SKEP_OK)
        host->fail(err, rc, "out of memory");
    for (struct skepi_memory_item *e = objects; e != NULL && rc == SKEP_OK; e = e->next)
        rc = show(e, 0, func, arg);
    for (struct skepi_memory_item *e = names; e != NULL && rc == SKEP_OK; e = e->next)
        rc = show(e, 1, func, arg);
    skepi_memory_chain_free(host, objects);
    skepi_memory_chain_free(host, names);
    return rc;
}

static const skep_option options[] = {
    {"limit", SKEP_TYPE_SIZE, SKEP_CLASS_TUNING, "0", NULL, "most bytes to hold; 0: no limit"},
    {NULL, 0, 0, NULL, NULL, NULL},
};

static const skep_connector memory = {
    .size = sizeof(skep_connector),
    .abi = SKEP_CONNECTOR_ABI,
    .caps = SKEP_CAP_MAPPED,
    .scheme = "memory",
    .help = "this process's heap, by name: memory://NAME",
    .self_size = sizeof(struct memory),
    .options = options,
    .open = memory_open,
    .close = memory_close,
    .put = memory_put,
    .get = memory_get,
    .evict = memory_evict,
    .exists = memory_exists,
    .reserve = memory_reserve,
    .commit = memory_commit,
    .abort = memory_abort,
    .wait = memory_wait,
    .list = memory_list,
    .name_set = memory_name_set,
    .name_get = memory_name_get,
};

const skep_connector *skepi_memory_entry(const skep_host *given);
const skep_connector *skepi_memory_entry(const skep_host *given)
{
    if (given->abi != SKEP_CONNECTOR_ABI)
        return NULL;
    host = given;
    return &memory;
}
