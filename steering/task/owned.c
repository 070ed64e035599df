/* owned.c - objects that the queues made, found by key, evicted behind their last use. */
#include "steering/task/owned.h"

#include <pthread.h>
#include <skep/log.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 1024 };

struct skepi_owned {
    struct skepi_owned *next;
    skep_proxy *proxy;
    unsigned refs;
};

/* lock: rank 8, no lock is taken under it; guards buckets, n_owned and every refs. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct skepi_owned *buckets[BUCKETS];
static size_t n_owned;

static const char *key_of(const skep_proxy *proxy)
{
    return skep_proxy_ref_of(proxy)->key;
}

/* Keys are UUIDs mostly: their bytes are random as they are, but not for foreign ones. */
static struct skepi_owned **bucket(const char *key)
{
    unsigned hash = 5381;

    for (; *key != '\0'; key++)
        hash = hash * 33 + (unsigned char)*key;
    return &buckets[hash % BUCKETS];
}

struct skepi_owned *skepi_owned_new(skep_proxy *proxy)
{
    struct skepi_owned *owned = malloc(sizeof *owned), **here = bucket(key_of(proxy));

    if (owned == NULL)
        return NULL;
    pthread_mutex_lock(&lock);
    *owned = (struct skepi_owned){.next = *here, .proxy = skep_proxy_ref(proxy), .refs = 1};
    *here = owned;
    n_owned++;
    pthread_mutex_unlock(&lock);
    return owned;
}

struct skepi_owned *skepi_owned_find(const skep_proxy *proxy)
{
    const char *key = key_of(proxy);
    struct skepi_owned *owned = NULL;

    pthread_mutex_lock(&lock);
    if (n_owned > 0) {
        for (owned = *bucket(key); owned != NULL && strcmp(key_of(owned->proxy), key) != 0; owned = owned->next)
            ;
        if (owned != NULL)
            owned->refs++;
    }
    pthread_mutex_unlock(&lock);
    return owned;
}

void skepi_owned_unref(struct skepi_owned *owned, uint64_t by_ns)
{
    struct skepi_owned **here;
    skep_error why;
    unsigned refs;

    if (owned == NULL)
        return;
    pthread_mutex_lock(&lock);
    if ((refs = --owned->refs) == 0) {
        for (here = bucket(key_of(owned->proxy)); *here != owned; here = &(*here)->next)
            ;
        *here = owned->next;
        n_owned--;
    }
    pthread_mutex_unlock(&lock);
    if (refs > 0)
        return;
    if (skep_proxy_evict(owned->proxy, by_ns, &why) != SKEP_OK)
        skep_log(SKEP_LOG_WARN, "queues", "object %s stays in its store: %s", key_of(owned->proxy), why.text);
    skep_proxy_unref(owned->proxy);
    free(owned);
}
