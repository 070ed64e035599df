/* answers.h - what a worker has answered and not sent yet.
 *
 * Threads  [any]: the worker adds and flushes, its watcher flushes when the server asks for what is held back.
 *
 * Whoever flushes while nobody else does sends all there is, in order; the other goes on.
 */
#ifndef SKEP_STEERING_WORKER_ANSWERS_H
#define SKEP_STEERING_WORKER_ANSWERS_H

#include "steering/queues/outbox.h"

#include <pthread.h>

struct skepi_answers {
    int fd;
    pthread_mutex_t lock;    /* rank 5; guards the rest, but for `sending` while `busy` */
    struct skepi_outbox box; /* what was added */
    struct skepi_outbox sending;
    int busy; /* somebody sends */
};

void skepi_answers_init(struct skepi_answers *answers, int fd);
int skepi_answers_add(struct skepi_answers *answers, struct skepi_draft *draft, skep_error *err);
/* SKEP_ECLOSED: the server is gone. */
int skepi_answers_flush(struct skepi_answers *answers);
void skepi_answers_fini(struct skepi_answers *answers);

#endif
