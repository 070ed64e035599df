/* table.h - a hash table of bytes by key, which grows. Whoever uses one locks it. */
#ifndef SKEP_CONNECTORS_MEMORY_TABLE_H
#define SKEP_CONNECTORS_MEMORY_TABLE_H

#include <skep/connector.h>

struct skepi_memory_item {
    struct skepi_memory_item *next; /* in its bucket */
    skep_buf *buf;                  /* a reference */
    uint64_t made_ns;               /* real time */
    uint64_t hash;
    char key[]; /* with its NUL */
};

struct skepi_memory_table { /* all zero, `host` set: an empty one */
    const skep_host *host;
    struct skepi_memory_item **buckets;
    size_t n_buckets; /* a power of two, or 0 */
    size_t n;
};

/* An item that is in no table yet, with a reference to `buf` of its own; NULL: out of memory. */
struct skepi_memory_item *skepi_memory_item_new(const skep_host *host, const char *key, skep_buf *buf, uint64_t made_ns);
void skepi_memory_item_free(const skep_host *host, struct skepi_memory_item *item); /* of no table; NULL is fine */

struct skepi_memory_item *skepi_memory_find(const struct skepi_memory_table *table, const char *key); /* or NULL */
/* Takes the item if it succeeds. SKEP_EEXIST: its key is there. SKEP_ENOMEM: only of a table that never had an item. */
int skepi_memory_add(struct skepi_memory_table *table, struct skepi_memory_item *item);
struct skepi_memory_item *skepi_memory_take_out(struct skepi_memory_table *table, const char *key); /* or NULL */
/* Copies of all items, in one chain by `next`, which share the bytes. SKEP_ENOMEM: and none are left. */
int skepi_memory_copy(const struct skepi_memory_table *table, struct skepi_memory_item **take);
void skepi_memory_chain_free(const skep_host *host, struct skepi_memory_item *chain);
void skepi_memory_clear(struct skepi_memory_table *table);

#endif
