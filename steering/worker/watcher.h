/* watcher.h - the thread of a worker that sees what happens while a method runs: the server's end, and its requests.
 *
 * Threads  start and the marks: the worker's main thread.
 */
#ifndef SKEP_STEERING_WORKER_WATCHER_H
#define SKEP_STEERING_WORKER_WATCHER_H

#include "steering/worker/answers.h"
#include "steering/worker/models.h"

#include <stdatomic.h>

struct skepi_watcher {
    int sock, nudge;
    int parent; /* the process that started this one */
    struct skepi_answers *answers;
    struct skepi_models *models;
    _Atomic int in_method; /* set in front of a method, then `ending` is read; the watcher does it the other way round */
    _Atomic int ending;    /* the server is gone, or wants the worker to end now: nothing is started any more */
};

/* From here on SIGTERM ends the worker in an orderly way, and SIGINT, which a terminal sends to all, does nothing. */
int skepi_watcher_start(struct skepi_watcher *watcher, skep_error *err);
/* If the server was cut off: wait a moment until its process is gone altogether. A dying process lets go of its sockets
 * before its locks, and whoever closes a session's store meanwhile takes himself for not the last. */
void skepi_watcher_mourn(const struct skepi_watcher *watcher);

#endif
