/* models.h - the objects that a worker has resolved, kept for the next task within a budget of bytes.
 *
 * Threads  [own]: the worker's; skepi_models_leave is for its watcher.
 *
 * What the running task uses stays, whatever the budget says; so does the object that was used last, so that a model larger
 * than the budget is fetched once too. The stores' own caches are off in a worker: nothing is kept twice.
 */
#ifndef SKEP_STEERING_WORKER_MODELS_H
#define SKEP_STEERING_WORKER_MODELS_H

#include <skep/skep.h>

#include <pthread.h>

enum { SKEPI_MODEL_BUCKETS = 16384 };

struct skepi_model;

struct skepi_models {
    uint64_t budget, used; /* bytes */
    pthread_mutex_t lock;  /* rank 6; guards the lists against the watcher. Never held across I/O */
    struct skepi_model *bucket[SKEPI_MODEL_BUCKETS];
    struct skepi_model *newest, *oldest; /* by last use */
    struct skepi_model *in_task;         /* what the running task uses */
    struct skepi_opened *stores;         /* open until a client leaves, by identity */
    struct skepi_made *made;             /* objects put for values whose answers are not sent yet */
    int busy;                            /* the worker is in a call of these */
    int left;                            /* skepi_models_leave was here: nothing is opened any more */
};

struct skepi_fetched { /* what resolving cost a task */
    uint64_t ns, resolves, moved_bytes;
};

void skepi_models_quiet(void); /* before anything is opened: the stores of this process keep nothing themselves */
void skepi_models_init(struct skepi_models *models, uint64_t budget);
/* The proxy of a handle, of an earlier task or new; lent until the task ends. `once`: its object goes with this task. With
 * `fetched` it is resolved too, and what that cost is added; else there is no I/O. SKEP_EDENIED: the policy refuses it.
 * SKEP_ECLOSED: the worker ends. Those of resolving. */
int skepi_models_get(struct skepi_models *models, const char *handle, skep_policy *policy, int once,
                     struct skepi_fetched *fetched, skep_proxy **lend, skep_error *err);
/* Put a value under `key`, and give its proxy. It is evicted if the worker leaves before skepi_models_sent. */
int skepi_models_put(struct skepi_models *models, const char *identity, const char *key, const void *data, size_t size,
                     skep_proxy **take, skep_error *err);
/* The method failed after all: evict what it put last. */
void skepi_models_unput(struct skepi_models *models);
void skepi_models_sent(struct skepi_models *models); /* the server has all answers so far */
void skepi_models_task_ended(struct skepi_models *models);
/* Around every touch of a proxy that was lent, so that leaving waits for it. 0: the worker ends, nothing may be touched. */
int skepi_models_enter(struct skepi_models *models);
void skepi_models_exit(struct skepi_models *models);
/* A client has left: its stores may be for it alone, and whoever stays opens his again. */
void skepi_models_forget(struct skepi_models *models);
/* The worker is about to exit in the middle of a method: let go of all stores, but of no memory that the method may read.
 * Waits a moment for a call that is under way. */
void skepi_models_leave(struct skepi_models *models);
void skepi_models_fini(struct skepi_models *models);

#endif
