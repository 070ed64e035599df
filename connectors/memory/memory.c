/* memory.c - objects in this process's heap: shared by all who open the same name, gone with the last close.
 *
 * A child of fork begins with an empty store.
 */
#include <skep/connector.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#define BUCKETS_MIN 64

struct object {
    struct object *next; /* in its bucket */
    skep_buf *buf;       /* a reference; NULL: a name, and `handle` is what it stands for */
    char *handle;
    uint64_t made_ns;
    uint64_t hash;
    char key[]; /* with its NUL */
};

struct table {
    struct object **buckets;
    size_t n_buckets; /* a power of two, or 0 */
    size_t n;
};

struct memory {         /* all zero: not open */
    pthread_mutex_t mu; /* guards all but `limit`; nothing is taken under it */
    pthread_cond_t put; /* an object was put */
    int open;
    struct table objects, names;
    uint64_t used;
    uint64_t limit; /* constant; 0: none */
};

static const skep_host *host; /* set once, by the entry */

static uint64_t hash_key(const char *key)
{
    uint64_t h = 14695981039346656037u;

    for (; *key != 0; key++)
        h = (h ^ (unsigned char)*key) * 1099511628211u;
    return h ^ (h >> 32);
}

static uint64_t real_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- the table ---- */

/* Where `key` is linked, or would be; NULL: the table has no buckets yet. */
static struct object **find(const struct table *t, const char *key, uint64_t hash)
{
    struct object **link;

    if (t->n_buckets == 0)
        return NULL;
    link = &t->buckets[hash & (t->n_buckets - 1)];
    while (*link != NULL && ((*link)->hash != hash || strcmp((*link)->key, key) != 0))
        link = &(*link)->next;
    return link;
}

static struct object *get(const struct table *t, const char *key)
{
    struct object **link = find(t, key, hash_key(key));

    return link != NULL ? *link : NULL;
}

static int grow(struct table *t)
{
    size_t n = t->n_buckets == 0 ? BUCKETS_MIN : t->n_buckets * 2;
    struct object **buckets;

    if (t->n < t->n_buckets)
        return SKEP_OK;
    buckets = host->alloc(n * sizeof *buckets);
    if (buckets == NULL)
        return t->n_buckets != 0 ? SKEP_OK : SKEP_ENOMEM; /* longer chains serve too */
    memset(buckets, 0, n * sizeof *buckets);
    for (size_t i = 0; i < t->n_buckets; i++) {
        while (t->buckets[i] != NULL) {
            struct object *o = t->buckets[i];

            t->buckets[i] = o->next;
            o->next = buckets[o->hash & (n - 1)];
            buckets[o->hash & (n - 1)] = o;
        }
    }
    host->free(t->buckets);
    t->buckets = buckets;
    t->n_buckets = n;
    return SKEP_OK;
}

static struct object *make_object(const char *key)
{
    size_t n = strlen(key) + 1;
    struct object *o = host->alloc(sizeof *o + n);

    if (o == NULL)
        return NULL;
    memset(o, 0, sizeof *o);
    memcpy(o->key, key, n);
    o->hash = hash_key(key);
    o->made_ns = real_ns();
    return o;
}

static char *copy_text(const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = host->alloc(n);

    return copy != NULL ? memcpy(copy, text, n) : NULL;
}

static void free_object(struct object *o)
{
    if (o == NULL)
        return;
    host->buf_unref(o->buf);
    host->free(o->handle);
    host->free(o);
}

static struct object *take_out(struct table *t, const char *key)
{
    struct object **link = find(t, key, hash_key(key));
    struct object *o = link != NULL ? *link : NULL;

    if (o != NULL) {
        *link = o->next;
        t->n--;
    }
    return o;
}

static void free_table(struct table *t)
{
    for (size_t i = 0; i < t->n_buckets; i++) {
        while (t->buckets[i] != NULL) {
            struct object *o = t->buckets[i];

            t->buckets[i] = o->next;
            free_object(o);
        }
    }
    host->free(t->buckets);
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
    free_table(&m->objects);
    free_table(&m->names);
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

/* Link `o` if its key is free and there is room for it; it holds `size` bytes. */
static int add(struct memory *m, struct object *o, uint64_t size, skep_error *err)
{
    struct object **link;

    if (m->limit != 0 && (size > m->limit || m->used > m->limit - size))
        return host->fail(err, SKEP_ENOSPC, "%llu bytes do not fit: %llu of limit=%llu are used", (unsigned long long)size,
                          (unsigned long long)m->used, (unsigned long long)m->limit);
    if (grow(&m->objects) != SKEP_OK)
        return host->fail(err, SKEP_ENOMEM, "out of memory");
    link = find(&m->objects, o->key, o->hash);
    if (*link != NULL)
        return host->fail(err, SKEP_EEXIST, "%s: exists already", o->key);
    o->next = NULL;
    *link = o;
    m->objects.n++;
    m->used += size;
    pthread_cond_broadcast(&m->put);
    return SKEP_OK;
}

/* Publish `block`, which the object takes over, failed or not. */
static int publish(struct memory *m, const char *key, void *block, size_t size, skep_error *err)
{
    struct object *o = make_object(key);
    int rc;

    if (o == NULL) {
        host->free(block);
        return host->fail(err, SKEP_ENOMEM, "out of memory");
    }
    rc = host->buf_wrap(block, size, release_block, NULL, &o->buf);
    if (rc != SKEP_OK) {
        host->free(block);
        free_object(o);
        return host->fail(err, rc, "out of memory");
    }
    pthread_mutex_lock(&m->mu);
    rc = add(m, o, size, err);
    pthread_mutex_unlock(&m->mu);
    if (rc != SKEP_OK)
        free_object(o);
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
    struct object *o;
    skep_buf *buf = NULL;

    pthread_mutex_lock(&m->mu);
    o = get(&m->objects, ref->key);
    if (o != NULL)
        buf = host->buf_ref(o->buf);
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
    while (!(there = get(&m->objects, ref->key) != NULL) && !late)
        late = wait_for_put(m, by_ns) == ETIMEDOUT;
    pthread_mutex_unlock(&m->mu);
    return there ? SKEP_OK : host->fail(err, SKEP_ETIMEDOUT, "%s: not there when the deadline passed", ref->key);
}

static int memory_evict(void *self, const skep_ref *ref, uint64_t by_ns, skep_error *err)
{
    struct memory *m = self;
    struct object *o;

    (void)by_ns;
    (void)err;
    pthread_mutex_lock(&m->mu);
    o = take_out(&m->objects, ref->key);
    if (o != NULL)
        m->used -= host->buf_size(o->buf);
    pthread_mutex_unlock(&m->mu);
    free_object(o); /* a big block goes back without the lock */
    return SKEP_OK;
}

/* ---- names and list ---- */

static int memory_name_set(void *self, const char *name, const char *handle, uint64_t by_ns, skep_error *err)
{
    struct memory *m = self;
    struct object *fresh = NULL;
    struct object *before;
    struct object **link;
    int rc = SKEP_OK;

    (void)by_ns;
    if (handle != NULL) {
        fresh = make_object(name);
        if (fresh != NULL)
            fresh->handle = copy_text(handle);
        if (fresh == NULL || fresh->handle == NULL) {
            free_object(fresh);
            return host->fail(err, SKEP_ENOMEM, "out of memory");
        }
    }
    pthread_mutex_lock(&m->mu);
    before = fresh == NULL ? take_out(&m->names, name) : NULL;
    if (fresh != NULL && grow(&m->names) == SKEP_OK) {
        before = take_out(&m->names, name);
        link = find(&m->names, name, fresh->hash);
        fresh->next = *link;
        *link = fresh;
        m->names.n++;
    } else if (fresh != NULL) {
        rc = host->fail(err, SKEP_ENOMEM, "out of memory");
    }
    pthread_mutex_unlock(&m->mu);
    free_object(before);
    if (rc != SKEP_OK)
        free_object(fresh);
    return rc;
}

static int memory_name_get(void *self, const char *name, char *out, size_t cap, uint64_t by_ns, skep_error *err)
{
    struct memory *m = self;
    struct object *o;
    int rc = SKEP_OK;
    size_t n = 0;

    (void)by_ns;
    pthread_mutex_lock(&m->mu);
    o = get(&m->names, name);
    if (o != NULL)
        n = strlen(o->handle) + 1;
    if (o == NULL)
        rc = host->fail(err, SKEP_ENOENT, "%s: no such name", name);
    else if (n > cap)
        rc = host->fail(err, SKEP_ETOOBIG, "%s: its handle takes %zu bytes, and there are %zu", name, n, cap);
    else
        memcpy(out, o->handle, n);
    pthread_mutex_unlock(&m->mu);
    return rc;
}

/* Copies of what is there, so that the caller's function runs without the lock. */
static int copy_table(const struct table *t, struct object **out, size_t *n)
{
    for (size_t i = 0; i < t->n_buckets; i++) {
        for (struct object *o = t->buckets[i]; o != NULL; o = o->next) {
            struct object *copy = make_object(o->key);

            if (copy == NULL)
                return SKEP_ENOMEM;
            out[(*n)++] = copy;
            copy->made_ns = o->made_ns;
            if (o->buf != NULL)
                copy->buf = host->buf_ref(o->buf);
            else if ((copy->handle = copy_text(o->handle)) == NULL)
                return SKEP_ENOMEM;
        }
    }
    return SKEP_OK;
}

static int show(const struct object *o, skep_entry_func func, void *arg)
{
    skep_entry entry = {.size = sizeof entry, .ref = SKEP_REF_INIT, .made_ns = o->made_ns};

    if (o->buf == NULL) {
        entry.name = o->key;
        entry.handle = o->handle;
    } else {
        memcpy(entry.ref.key, o->key, strlen(o->key) + 1);
        entry.ref.size_bytes = host->buf_size(o->buf);
    }
    return func(&entry, arg);
}

static int memory_list(void *self, skep_entry_func func, void *arg, skep_error *err)
{
    struct memory *m = self;
    struct object **all;
    size_t n = 0;
    int rc;

    pthread_mutex_lock(&m->mu);
    all = host->alloc((m->objects.n + m->names.n + 1) * sizeof(struct object *));
    rc = all != NULL ? copy_table(&m->objects, all, &n) : SKEP_ENOMEM;
    if (rc == SKEP_OK)
        rc = copy_table(&m->names, all, &n);
    pthread_mutex_unlock(&m->mu);
    if (rc != SKEP_OK)
        host->fail(err, rc, "out of memory");
    for (size_t i = 0; i < n; i++) {
        if (rc == SKEP_OK)
            rc = show(all[i], func, arg);
        free_object(all[i]);
    }
    host->free(all);
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
