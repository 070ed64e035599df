/* fork.c - the handlers that keep locks whole across fork. */
#include "proxy/store/fork.h"
#include "proxy/base/fork.h"

#include <pthread.h>

_Atomic uint64_t skepi_fork_generation = 1;

static void before(void)
{
    skepi_prefetch_fork(SKEPI_FORK_BEFORE); /* in the order of their ranks: sync.h */
    skepi_proxies_fork(SKEPI_FORK_BEFORE);
    skepi_connectors_fork(SKEPI_FORK_BEFORE);
    skepi_registry_fork(SKEPI_FORK_BEFORE);
}

static void after(enum skepi_fork_when when)
{
    skepi_registry_fork(when);
    skepi_connectors_fork(when);
    skepi_proxies_fork(when);
    skepi_prefetch_fork(when);
}

static void in_parent(void)
{
    after(SKEPI_FORK_PARENT);
}

static void in_child(void)
{
    atomic_fetch_add(&skepi_fork_generation, 1);
    after(SKEPI_FORK_CHILD);
}

static void watch(void)
{
    skepi_base_fork_watch(); /* first, so that its locks, of higher rank, are taken after these */
    pthread_atfork(before, in_parent, in_child);
}

void skepi_fork_watch(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, watch);
}
