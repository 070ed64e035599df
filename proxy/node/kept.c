/* kept.c - segments that this process wrote and keeps mapped: the next put into one is a copy into populated pages. */
#include "proxy/node/impl.h"

#include <sys/mman.h>
#include <unistd.h>

static void let_go(struct skepi_kept *k)
{
    munmap(k->map, k->map_size);
    close(k->fd);
}

/* Which one must go: the oldest, if there are too many, or more bytes than the pool may have; else -1. Under the lock. What
 * lies in the pool, or is nobody's any more, is mapped in vain, but its memory is held by the mapping. */
static int surplus(const skep_node *node)
{
    uint64_t total = 0;
    int oldest = -1;

    for (int i = 0; i < node->n_kept; i++) {
        total += node->kept[i].map_size;
        if (oldest < 0 || node->kept[i].used < node->kept[oldest].used)
            oldest = i;
    }
    return total > node->pool_bytes || node->n_kept > SKEPI_KEPT_COUNT ? oldest : -1;
}

/* Takes entry `i` out. Under the lock. */
static struct skepi_kept take_out(skep_node *node, int i)
{
    struct skepi_kept k = node->kept[i];

    node->kept[i] = node->kept[--node->n_kept];
    return k;
}

void skepi_kept_add(skep_node *node, struct skepi_seg *seg)
{
    struct skepi_kept k = {.fd = seg->fd,
                           .map = seg->map,
                           .map_size = seg->map_size,
                           .small_from = seg->small_from,
                           .huge_tries = seg->huge_tries};
    struct skepi_kept gone[SKEPI_KEPT_COUNT + 1];
    struct stat st;
    int which, n = 0;

    *seg = (struct skepi_seg)SKEPI_SEG_INIT;
    if (fstat(k.fd, &st) != 0 || st.st_nlink == 0) {
        let_go(&k);
        return;
    }
    k.dev = st.st_dev;
    k.ino = st.st_ino;
    pthread_mutex_lock(&node->kept_mu);
    k.used = ++node->kept_clock;
    node->kept[node->n_kept++] = k;
    while ((which = surplus(node)) >= 0)
        gone[n++] = take_out(node, which);
    pthread_mutex_unlock(&node->kept_mu);
    while (n > 0)
        let_go(&gone[--n]);
}

int skepi_kept_take(skep_node *node, ino_t ino, struct skepi_seg *seg)
{
    struct skepi_kept k = {.fd = -1};

    pthread_mutex_lock(&node->kept_mu);
    for (int i = 0; i < node->n_kept && k.fd < 0; i++)
        if (node->kept[i].ino == ino)
            k = take_out(node, i);
    pthread_mutex_unlock(&node->kept_mu);
    if (k.fd < 0)
        return 0;
    seg->fd = k.fd;
    seg->map = k.map;
    seg->map_size = k.map_size;
    seg->small_from = k.small_from;
    seg->huge_tries = k.huge_tries;
    return 1;
}

/* Called with the lock, which it gives back. */
static void sweep_locked(skep_node *node, int all)
{
    struct skepi_kept gone[SKEPI_KEPT_COUNT + 1];
    struct stat st;
    int n = 0;

    for (int i = node->n_kept - 1; i >= 0; i--)
        if (all || fstat(node->kept[i].fd, &st) != 0 || st.st_nlink == 0)
            gone[n++] = take_out(node, i);
    pthread_mutex_unlock(&node->kept_mu);
    while (n > 0)
        let_go(&gone[--n]);
}

void skepi_kept_sweep(skep_node *node, int all)
{
    pthread_mutex_lock(&node->kept_mu);
    sweep_locked(node, all);
}

void skepi_kept_leave(skep_node *node)
{
    if (pthread_mutex_trylock(&node->kept_mu) == 0)
        sweep_locked(node, 1);
}
