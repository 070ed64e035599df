/* janitor.h - a thread of the server that evicts objects nobody waits for any more, so that nothing waits for their stores.
 *
 * Threads  start and close: [one]. add: [any].
 */
#ifndef SKEP_STEERING_SERVER_JANITOR_H
#define SKEP_STEERING_SERVER_JANITOR_H

#include <pthread.h>
#include <skep/proxy.h>

struct skepi_chore;

struct skepi_janitor { /* all zero: not started */
    pthread_t thread;
    int started;
    /* lock: rank 3; guards all below. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct skepi_chore *first, *last;
    int ends;
    uint64_t by_ns; /* with `ends`: what is not done until then is left undone */
};

/* With all signals blocked: SKEP_ENOMEM. */
int skepi_janitor_start(struct skepi_janitor *janitor, skep_error *err);
/* Evict what `handle` stands for, if `policy` allows its store. */
void skepi_janitor_add(struct skepi_janitor *janitor, skep_policy *policy, const char *handle);
/* Do what is left until `by_ns`, and say how much of it is not done. One that was not started is fine. */
void skepi_janitor_close(struct skepi_janitor *janitor, uint64_t by_ns);

#endif
