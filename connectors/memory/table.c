/* table.c - buckets of chains; twice as many when there are as many items as buckets. */
#include "connectors/memory/table.h"

#include <string.h>

#define BUCKETS_MIN 64

static uint64_t hash_key(const char *key) /* FNV-1a, its high bits folded in */
{
    uint64_t h = 14695981039346656037u;

    for (; *key != 0; key++)
        h = (h ^ (unsigned char)*key) * 1099511628211u;
    return h ^ (h >> 32);
}

struct skepi_memory_item *skepi_memory_item_new(const skep_host *host, const char *key, skep_buf *buf, uint64_t made_ns)
{
    size_t n = strlen(key) + 1;
    struct skepi_memory_item *e = host->alloc(sizeof *e + n);

    if (e == NULL)
        return NULL;
    e->next = NULL;
    e->buf = host->buf_ref(buf);
    e->made_ns = made_ns;
    e->hash = hash_key(key);
    memcpy(e->key, key, n);
    return e;
}

void skepi_memory_item_free(const skep_host *host, struct skepi_memory_item *item)
{
    if (item == NULL)
        return;
    host->buf_unref(item->buf);
    host->free(item);
}

void skepi_memory_chain_free(const skep_host *host, struct skepi_memory_item *chain)
{
    while (chain != NULL) {
        struct skepi_memory_item *next = chain->next;

        skepi_memory_item_free(host, chain);
        chain = next;
    }
}

/* Where `key` is linked, or would be; NULL: the table has no buckets yet. */
static struct skepi_memory_item **find_link(const struct skepi_memory_table *t, const char *key, uint64_t hash)
{
    struct skepi_memory_item **link;

    if (t->n_buckets == 0)
        return NULL;
    link = &t->buckets[hash & (t->n_buckets - 1)];
    while (*link != NULL && ((*link)->hash != hash || strcmp((*link)->key, key) != 0))
        link = &(*link)->next;
    return link;
}

struct skepi_memory_item *skepi_memory_find(const struct skepi_memory_table *table, const char *key)
{
    struct skepi_memory_item **link = find_link(table, key, hash_key(key));

    return link != NULL ? *link : NULL;
}

/* Room for one more. Without memory for it, longer chains serve too. */
static int grow(struct skepi_memory_table *t)
{
    size_t n = t->n_buckets == 0 ? BUCKETS_MIN : t->n_buckets * 2;
    struct skepi_memory_item **buckets;

    if (t->n < t->n_buckets)
        return SKEP_OK;
    buckets = t->host->alloc(n * sizeof *buckets);
    if (buckets == NULL)
        return t->n_buckets != 0 ? SKEP_OK : SKEP_ENOMEM;
    memset(buckets, 0, n * sizeof *buckets);
    for (size_t i = 0; i < t->n_buckets; i++) {
        while (t->buckets[i] != NULL) {
            struct skepi_memory_item *e = t->buckets[i];

            t->buckets[i] = e->next;
            e->next = buckets[e->hash & (n - 1)];
            buckets[e->hash & (n - 1)] = e;
        }
    }
    t->host->free(t->buckets);
    t->buckets = buckets;
    t->n_buckets = n;
    return SKEP_OK;
}

int skepi_memory_add(struct skepi_memory_table *table, struct skepi_memory_item *item)
{
    struct skepi_memory_item **link;

    if (grow(table) != SKEP_OK)
        return SKEP_ENOMEM;
    link = find_link(table, item->key, item->hash);
    if (*link != NULL)
        return SKEP_EEXIST;
    item->next = NULL;
    *link = item;
    table->n++;
    return SKEP_OK;
}

struct skepi_memory_item *skepi_memory_take_out(struct skepi_memory_table *table, const char *key)
{
    struct skepi_memory_item **link = find_link(table, key, hash_key(key));
    struct skepi_memory_item *e = link != NULL ? *link : NULL;

    if (e != NULL) {
        *link = e->next;
        e->next = NULL;
        table->n--;
    }
    return e;
}

/* Copies of a chain go in front of `*all`. */
static int copy_chain(const skep_host *host, const struct skepi_memory_item *chain, struct skepi_memory_item **all)
{
    for (; chain != NULL; chain = chain->next) {
        struct skepi_memory_item *copy = skepi_memory_item_new(host, chain->key, chain->buf, chain->made_ns);

        if (copy == NULL)
            return SKEP_ENOMEM;
        copy->next = *all;
        *all = copy;
    }
    return SKEP_OK;
}

int skepi_memory_copy(const struct skepi_memory_table *table, struct skepi_memory_item **take)
{
    struct skepi_memory_item *all = NULL;
    int rc = SKEP_OK;

    for (size_t i = 0; i < table->n_buckets && rc == SKEP_OK; i++)
        rc = copy_chain(table->host, table->buckets[i], &all);
    if (rc == SKEP_OK)
        *take = all;
    else
        skepi_memory_chain_free(table->host, all);
    return rc;
}

void skepi_memory_clear(struct skepi_memory_table *table)
{
    for (size_t i = 0; i < table->n_buckets; i++)
        skepi_memory_chain_free(table->host, table->buckets[i]);
    table->host->free(table->buckets);
    table->buckets = NULL;
    table->n_buckets = table->n = 0;
}
