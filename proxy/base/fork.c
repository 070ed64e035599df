/* fork.c - the handlers that this folder registers. */
#include "proxy/base/fork.h"

#include <pthread.h>

static void before(void)
{
    skepi_policy_fork(1); /* in the order of their ranks */
    skepi_log_fork(1);
    skepi_block_fork(1);
}

static void in_parent(void)
{
    skepi_block_fork(0);
    skepi_log_fork(0);
    skepi_policy_fork(0);
}

static void in_child(void)
{
    skepi_uuid_forked();
    in_parent();
}

static void watch(void)
{
    (void)pthread_atfork(before, in_parent, in_child); /* fails for want of memory only: then forks are as ever */
}

void skepi_base_fork_watch(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, watch);
}
