/* cache.c - a hash table of buffers in the order of their last use. */
#include "proxy/store/cache.h"

#include "proxy/base/alloc.h"

#include <skep/error.h>
#include <string.h>

#define BUCKETS_MIN 64

struct skepi_cache_entry {
    struct skepi_cache_entry *next;          /* in its bucket */
    struct skepi_cache_entry *newer, *older; /* in the order of use */
    uint64_t hash;
    uint64_t sum;
    skep_buf *buf;
    int has_sum;
    char key[]; /* with its NUL */
};

static uint64_t hash_key(const char *key) /* FNV-1a, its high bits folded in */
{
    uint64_t h = 14695981039346656037u;

    for (; *key != 0; key++)
        h = (h ^ (unsigned char)*key) * 1099511628211u;
    return h ^ (h >> 32);
}

int skepi_cache_init(struct skepi_cache *cache, uint64_t limit)
{
    cache->limit = limit;
    return pthread_mutex_init(&cache->mu, NULL) == 0 ? SKEP_OK : SKEP_ENOMEM;
}

static void unlink_use(struct skepi_cache *c, struct skepi_cache_entry *e)
{
    *(e->newer != NULL ? &e->newer->older : &c->newest) = e->older;
    *(e->older != NULL ? &e->older->newer : &c->oldest) = e->newer;
}

static void link_newest(struct skepi_cache *c, struct skepi_cache_entry *e)
{
    e->newer = NULL;
    e->older = c->newest;
    *(c->newest != NULL ? &c->newest->newer : &c->oldest) = e;
    c->newest = e;
}

static struct skepi_cache_entry **find(struct skepi_cache *c, const char *key, uint64_t hash)
{
    struct skepi_cache_entry **link = &c->buckets[hash & (c->n_buckets - 1)];

    while (*link != NULL && ((*link)->hash != hash || strcmp((*link)->key, key) != 0))
        link = &(*link)->next;
    return link;
}

/* Take the entry out, if there is one, and chain it to `gone`: buffers are released without the lock, for that may unmap. */
static void take_out(struct skepi_cache *c, struct skepi_cache_entry **link, struct skepi_cache_entry **gone)
{
    struct skepi_cache_entry *e = *link;

    if (e == NULL)
        return;
    *link = e->next;
    unlink_use(c, e);
    c->n--;
    c->bytes -= skep_buf_size(e->buf);
    e->next = *gone;
    *gone = e;
}

static void release(struct skepi_cache_entry *gone)
{
    while (gone != NULL) {
        struct skepi_cache_entry *next = gone->next;

        skep_buf_unref(gone->buf);
        skepi_free(gone);
        gone = next;
    }
}

static int fits(const struct skepi_cache_entry *e, const skep_ref *ref)
{
    if (ref->size_bytes != SKEP_SIZE_UNKNOWN && ref->size_bytes != skep_buf_size(e->buf))
        return 0;
    return !(ref->flags & SKEP_REF_SUM) || (e->has_sum && e->sum == ref->sum); /* without one, nobody compared it */
}

skep_buf *skepi_cache_get(struct skepi_cache *cache, const skep_ref *ref, uint32_t *epoch)
{
    struct skepi_cache_entry *gone = NULL;
    skep_buf *buf = NULL;
    uint64_t hash;

    if (cache->limit == 0) {
        *epoch = 0;
        return NULL;
    }
    hash = hash_key(ref->key);
    pthread_mutex_lock(&cache->mu);
    *epoch = cache->epoch[hash % SKEPI_CACHE_EPOCHS];
    if (cache->n > 0) {
        struct skepi_cache_entry **link = find(cache, ref->key, hash);

        if (*link != NULL && fits(*link, ref)) {
            unlink_use(cache, *link);
            link_newest(cache, *link);
            buf = skep_buf_ref((*link)->buf);
        } else {
            take_out(cache, link, &gone);
        }
    }
    pthread_mutex_unlock(&cache->mu);
    release(gone);
    return buf;
}

/* Room for one more in the table. Without memory it stays as it is: longer chains, or nothing kept. */
static int grow(struct skepi_cache *c)
{
    size_t n = c->n_buckets == 0 ? BUCKETS_MIN : c->n_buckets * 2;
    struct skepi_cache_entry **buckets;

    if (c->n < c->n_buckets)
        return 1;
    buckets = skepi_array(n, sizeof *buckets);
    if (buckets == NULL)
        return c->n_buckets != 0;
    for (struct skepi_cache_entry *e = c->newest; e != NULL; e = e->older) {
        e->next = buckets[e->hash & (n - 1)];
        buckets[e->hash & (n - 1)] = e;
    }
    skepi_free(c->buckets);
    c->buckets = buckets;
    c->n_buckets = n;
    return 1;
}

static struct skepi_cache_entry *make_entry(const skep_ref *ref, skep_buf *buf)
{
    size_t n = strlen(ref->key) + 1;
    struct skepi_cache_entry *e = skepi_alloc(sizeof *e + n);

    if (e == NULL)
        return NULL;
    memcpy(e->key, ref->key, n);
    e->hash = hash_key(ref->key);
    e->sum = ref->sum;
    e->has_sum = (ref->flags & SKEP_REF_SUM) != 0;
    e->buf = skep_buf_ref(buf);
    return e;
}

void skepi_cache_add(struct skepi_cache *cache, const skep_ref *ref, skep_buf *buf, uint32_t epoch)
{
    struct skepi_cache_entry *gone = NULL;
    struct skepi_cache_entry *e;

    if (cache->limit == 0 || skep_buf_size(buf) > cache->limit)
        return;
    e = make_entry(ref, buf);
    if (e == NULL)
        return;
    pthread_mutex_lock(&cache->mu);
    if (cache->epoch[e->hash % SKEPI_CACHE_EPOCHS] != epoch || !grow(cache) || *find(cache, e->key, e->hash) != NULL) {
        gone = e; /* dropped meanwhile, or another thread was first */
    } else {
        while (cache->n > 0 && (cache->bytes + skep_buf_size(buf) > cache->limit || cache->n >= SKEPI_CACHE_ENTRIES_MAX))
            take_out(cache, find(cache, cache->oldest->key, cache->oldest->hash), &gone);
        e->next = cache->buckets[e->hash & (cache->n_buckets - 1)];
        cache->buckets[e->hash & (cache->n_buckets - 1)] = e;
        link_newest(cache, e);
        cache->n++;
        cache->bytes += skep_buf_size(buf);
    }
    pthread_mutex_unlock(&cache->mu);
    release(gone);
}

void skepi_cache_drop(struct skepi_cache *cache, const char *key)
{
    struct skepi_cache_entry *gone = NULL;
    uint64_t hash;

    if (cache->limit == 0)
        return;
    hash = hash_key(key);
    pthread_mutex_lock(&cache->mu);
    cache->epoch[hash % SKEPI_CACHE_EPOCHS]++;
    if (cache->n > 0)
        take_out(cache, find(cache, key, hash), &gone);
    pthread_mutex_unlock(&cache->mu);
    release(gone);
}

void skepi_cache_fini(struct skepi_cache *cache)
{
    struct skepi_cache_entry *gone = NULL;

    while (cache->n > 0)
        take_out(cache, find(cache, cache->oldest->key, cache->oldest->hash), &gone);
    release(gone);
    skepi_free(cache->buckets);
    cache->buckets = NULL;
    cache->n_buckets = 0;
    pthread_mutex_destroy(&cache->mu);
}
