/* janitor.c - evicts what nobody waits for any more. */
#include "steering/server/janitor.h"

#include <signal.h>
#include <skep/log.h>
#include <stdlib.h>
#include <string.h>

enum { EVICT_WAIT_MS = 2000 };

struct skepi_chore {
    struct skepi_chore *next;
    skep_policy *policy;
    char handle[];
};

static void chore_free(struct skepi_chore *chore)
{
    skep_policy_unref(chore->policy);
    free(chore);
}

static uint64_t patience(uint64_t by_ns)
{
    uint64_t usual = skep_in_ms(EVICT_WAIT_MS);

    return by_ns < usual ? by_ns : usual;
}

/* `*kept`: the store of the last object, which is probably that of the next, so that it is not opened for each. */
static void evict(const struct skepi_chore *chore, uint64_t by_ns, skep_store **kept)
{
    skep_proxy *proxy;
    skep_store *store;
    skep_error why;
    int rc = skep_proxy_open(chore->handle, chore->policy, &proxy, &why);

    if (rc == SKEP_OK) {
        rc = skep_proxy_evict(proxy, patience(by_ns), &why);
        if (rc == SKEP_OK && skep_proxy_store(proxy, 0, &store, NULL) == SKEP_OK) {
            skep_store_unref(*kept);
            *kept = store;
        }
        skep_proxy_unref(proxy);
    }
    if (rc != SKEP_OK)
        skep_log(SKEP_LOG_WARN, "server", "an object stays in its store: %s", why.text);
}

/* The lock is held. NULL: there is nothing to do, or no time for it. */
static struct skepi_chore *take(struct skepi_janitor *j)
{
    struct skepi_chore *chore = j->first;

    if (chore == NULL || (j->ends && skep_now_ns() >= j->by_ns))
        return NULL;
    j->first = chore->next;
    return chore;
}

static void *run(void *arg)
{
    struct skepi_janitor *j = arg;
    struct skepi_chore *chore;
    skep_store *kept = NULL;
    uint64_t by_ns;

    pthread_mutex_lock(&j->lock);
    while ((chore = take(j)) != NULL || !j->ends) {
        by_ns = j->ends ? j->by_ns : SKEP_FOREVER;
        if (chore == NULL && kept == NULL) {
            pthread_cond_wait(&j->changed, &j->lock);
            continue;
        }
        pthread_mutex_unlock(&j->lock);
        if (chore != NULL) {
            evict(chore, by_ns, &kept);
            chore_free(chore);
        } else {
            skep_store_unref(kept);
            kept = NULL;
        }
        pthread_mutex_lock(&j->lock);
    }
    pthread_mutex_unlock(&j->lock);
    skep_store_unref(kept);
    return NULL;
}

int skepi_janitor_start(struct skepi_janitor *janitor, skep_error *err)
{
    sigset_t all, before;
    int rc;

    pthread_mutex_init(&janitor->lock, NULL);
    pthread_cond_init(&janitor->changed, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&janitor->thread, NULL, run, janitor);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc == 0) {
        janitor->started = 1;
        return SKEP_OK;
    }
    pthread_cond_destroy(&janitor->changed);
    pthread_mutex_destroy(&janitor->lock);
    return skep_fail(err, SKEP_ENOMEM, "the server's janitor: %s", strerror(rc));
}

void skepi_janitor_add(struct skepi_janitor *janitor, skep_policy *policy, const char *handle)
{
    size_t size = strlen(handle) + 1;
    struct skepi_chore *chore = malloc(sizeof *chore + size);

    if (chore == NULL) {
        skep_log(SKEP_LOG_WARN, "server", "an object stays in its store: no memory to evict it");
        return;
    }
    chore->next = NULL;
    chore->policy = skep_policy_ref(policy);
    memcpy(chore->handle, handle, size);
    pthread_mutex_lock(&janitor->lock);
    if (janitor->first == NULL)
        janitor->first = chore;
    else
        janitor->last->next = chore;
    janitor->last = chore;
    pthread_cond_signal(&janitor->changed);
    pthread_mutex_unlock(&janitor->lock);
}

void skepi_janitor_close(struct skepi_janitor *janitor, uint64_t by_ns)
{
    struct skepi_chore *chore;
    size_t left = 0;

    if (!janitor->started)
        return;
    pthread_mutex_lock(&janitor->lock);
    janitor->ends = 1;
    janitor->by_ns = by_ns;
    pthread_cond_signal(&janitor->changed);
    pthread_mutex_unlock(&janitor->lock);
    pthread_join(janitor->thread, NULL);
    while ((chore = janitor->first) != NULL) {
        janitor->first = chore->next;
        chore_free(chore);
        left++;
    }
    if (left > 0)
        skep_log(SKEP_LOG_WARN, "server", "%zu objects stay in their stores: there was no time to evict them", left);
    pthread_cond_destroy(&janitor->changed);
    pthread_mutex_destroy(&janitor->lock);
    *janitor = (struct skepi_janitor){0};
}
