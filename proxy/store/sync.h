/* sync.h - condition variables on the clock of every deadline.
 *
 * Ranks of the locks in this folder; a lock is taken only while locks of lower rank are held, and none is held across I/O:
 *     10 prefetch   20 proxies (one of 16)   30 connectors   40 registry   50 a store   60 its cache
 */
#ifndef SKEP_PROXY_STORE_SYNC_H
#define SKEP_PROXY_STORE_SYNC_H

#include <pthread.h>
#include <stdint.h>

int skepi_cond_init(pthread_cond_t *cond); /* SKEP_OK or SKEP_ENOMEM */
/* Wait until signalled or `by_ns`. 0: signalled, perhaps for nothing; else the deadline has passed. */
int skepi_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mu, uint64_t by_ns);

#endif
