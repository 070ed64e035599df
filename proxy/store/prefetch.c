/* prefetch.c - a few threads that fetch what will be wanted soon. They start when there is work and end when there is none.
 */
#include "proxy/store/fork.h"
#include "proxy/store/proxy.h"
#include "proxy/store/sync.h"

#include <signal.h>

#define THREADS_MOST 4
#define LINGER_MS    100 /* an idle thread waits this long for more: starting one costs as much as waking one */

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER; /* rank 10; guards all below, and `next` and `queued` of proxies */
static pthread_cond_t more;
static pthread_once_t more_once = PTHREAD_ONCE_INIT;
static skep_proxy *first, **last = &first; /* each with a reference */
static unsigned threads, idle, n_queued;
static int inherited; /* what is queued was so before a fork: this is the child, and the parent fetches it */

static void init_more(void)
{
    skepi_cond_init(&more);
}

static skep_proxy *pop_locked(void)
{
    skep_proxy *p = first;

    if (p == NULL)
        return NULL;
    first = p->next;
    if (first == NULL)
        last = &first;
    p->queued = 0;
    n_queued--;
    return p;
}

/* Let go of the next one, without the lock: a last reference closes a store. 0: there was none. */
static int drop_locked(void)
{
    skep_proxy *p = pop_locked();

    if (p == NULL)
        return 0;
    pthread_mutex_unlock(&mu);
    skep_proxy_unref(p);
    pthread_mutex_lock(&mu);
    return 1;
}

/* The next one, or NULL when there was none for a while. */
static skep_proxy *next_locked(void)
{
    uint64_t by_ns = skep_in_ms(LINGER_MS);
    int rc = SKEP_OK;

    while (first == NULL && rc == SKEP_OK) {
        idle++;
        rc = skepi_cond_wait(&more, &mu, by_ns);
        idle--;
    }
    return pop_locked();
}

static void *fetch_queued(void *unused)
{
    skep_proxy *p;

    pthread_mutex_lock(&mu);
    while ((p = next_locked()) != NULL) {
        pthread_mutex_unlock(&mu);
        if (atomic_load(&p->refs) > 1)                /* else nobody waits for it any more */
            skepi_proxy_fetch(p, SKEP_FOREVER, NULL); /* a failure shows at the next resolve */
        skep_proxy_unref(p);
        pthread_mutex_lock(&mu);
    }
    threads--;
    pthread_mutex_unlock(&mu);
    return unused;
}

/* Detached, so that nobody has to wait for it, and deaf to the program's signals. */
static int start_thread(void)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, before;
    int rc;

    if (pthread_attr_init(&attr) != 0)
        return SKEP_ENOMEM;
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&thread, &attr, fetch_queued, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return rc == 0 ? SKEP_OK : SKEP_ENOMEM;
}

/* No thread could be started. With another at work the queue gets done; without, nobody would ever look at it. */
static int without_thread(skep_proxy *proxy, skep_error *err)
{
    int alone;

    pthread_mutex_lock(&mu);
    threads--;
    alone = threads == 0;
    while (alone && drop_locked())
        continue;
    pthread_mutex_unlock(&mu);
    return alone ? skep_fail(err, SKEP_ENOMEM, "%s: no thread to prefetch it", proxy->ref.key) : SKEP_OK;
}

int skepi_prefetch(skep_proxy *proxy, skep_error *err)
{
    int start = 0;

    pthread_once(&more_once, init_more);
    pthread_mutex_lock(&mu);
    while (inherited && drop_locked())
        continue;
    inherited = 0;
    if (!proxy->queued) {
        proxy->queued = 1;
        proxy->next = NULL;
        *last = skep_proxy_ref(proxy);
        last = &proxy->next;
        n_queued++;
        start = n_queued > idle && threads < THREADS_MOST;
        threads += (unsigned)start;
        pthread_cond_signal(&more);
    }
    pthread_mutex_unlock(&mu);
    if (!start || start_thread() == SKEP_OK)
        return SKEP_OK;
    return without_thread(proxy, err);
}

void skepi_prefetch_fork(enum skepi_fork_when when)
{
    pthread_once(&more_once, init_more);
    if (when == SKEPI_FORK_BEFORE) {
        pthread_mutex_lock(&mu);
        return;
    }
    if (when == SKEPI_FORK_CHILD) {
        threads = idle = 0;
        inherited = 1; /* dropped by the next call: here, closing a store would be too much */
        skepi_cond_init(&more);
    }
    pthread_mutex_unlock(&mu);
}
