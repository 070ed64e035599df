/* cache.h - fetched objects that are kept for the next get, bounded in bytes, the least recently used going first. */
#ifndef SKEP_PROXY_STORE_CACHE_H
#define SKEP_PROXY_STORE_CACHE_H

#include <skep/buf.h>
#include <skep/ref.h>
#include <pthread.h>

/* Each may be a mapping of its own, and a process has 65530 of those. */
#define SKEPI_CACHE_ENTRIES_MAX 16384
#define SKEPI_CACHE_EPOCHS      64

struct skepi_cache_entry;

struct skepi_cache {    /* all zero, `limit` set and `mu` initialised is an empty one; limit 0 holds nothing */
    uint64_t limit;     /* bytes; constant */
    pthread_mutex_t mu; /* rank 60; guards all below */
    struct skepi_cache_entry **buckets;
    size_t n_buckets; /* a power of two, or 0 */
    size_t n;
    uint64_t bytes;
    struct skepi_cache_entry *newest, *oldest;
    uint32_t epoch[SKEPI_CACHE_EPOCHS]; /* by hash: how often a key there was dropped */
};

int skepi_cache_init(struct skepi_cache *cache, uint64_t limit);
void skepi_cache_fini(struct skepi_cache *cache);

/* A reference to what is kept under ref->key, or NULL: also where its size is not what `ref` says, or its checksum is not or
 * was not known. `*epoch` is then for skepi_cache_add. */
skep_buf *skepi_cache_get(struct skepi_cache *cache, const skep_ref *ref, uint32_t *epoch);
/* Keep `buf`, unless it is too big or its key was dropped since `epoch`: what an evict removed must not come back. */
void skepi_cache_add(struct skepi_cache *cache, const skep_ref *ref, skep_buf *buf, uint32_t epoch);
void skepi_cache_drop(struct skepi_cache *cache, const char *key);

#endif
