/* engine.h - what owns the workers: one table, and a file for each member.
 *
 * Threads  all calls and what is called back: the thread of the loop.
 *
 * Workers have indices from 0. Tasks go to a worker in order and are answered in order. A worker that dies is replaced under
 * the same index; what it had been given is the business of who is called back.
 */
#ifndef SKEP_STEERING_ENGINES_ENGINE_H
#define SKEP_STEERING_ENGINES_ENGINE_H

#include "steering/queues/control.h"
#include "steering/queues/loop.h"

struct skepi_engine_ops;

struct skepi_engine { /* begins a member's own */
    const struct skepi_engine_ops *ops;
};

/* How a worker went. */
struct skepi_death {
    uint64_t started; /* the number of the last task that it started, from 1; 0: none */
    int in_method;    /* 1: it had not answered that one */
    const char *how;  /* "worker 1 (pid 4711) was killed by signal 11 (Segmentation fault)" */
};

struct skepi_engine_events {
    void (*up)(void *arg, int worker, const struct skepi_control *methods); /* it takes tasks from now on */
    /* An answer. Anything but SKEP_OK ends the worker. */
    int (*answer)(void *arg, int worker, struct skepi_message *message, struct skepi_chunk *chunk, skep_error *err);
    void (*down)(void *arg, int worker,
                 const struct skepi_death *death);    /* it was up; tasks are not given until it is again */
    void (*due)(void *arg);                           /* tick wants to be called sooner than it said */
    void (*failed)(void *arg, const skep_error *why); /* workers do not start, and nothing says they will */
};

struct skepi_engine_ops {
    const char *scheme;
    const char *help; /* one line */
    const skep_option *options;
    /* `allow`: what handles may lead to, or "". Workers come up later. SKEP_EINVAL, SKEP_EFAILED. */
    int (*open)(const skep_uri *uri, const char *allow, struct skepi_loop *loop, const struct skepi_engine_events *events,
                void *arg, struct skepi_engine **take, skep_error *err);
    int (*workers)(struct skepi_engine *engine);
    long (*pid)(struct skepi_engine *engine, int worker);
    struct skepi_outbox *(*outbox)(struct skepi_engine *engine, int worker); /* what it is to be sent */
    void (*flush)(struct skepi_engine *engine, int worker);      /* send it, as far as it goes; the rest follows */
    uint64_t (*revoke)(struct skepi_engine *engine, int worker); /* take back what it did not start: the last one it did */
    void (*nudge)(struct skepi_engine *engine, int worker);      /* answers that it holds back shall come */
    uint64_t (*tick)(struct skepi_engine *engine, uint64_t now_ns); /* start what is due; when to call again */
    void (*end)(struct skepi_engine *engine, int hard);             /* end the workers: after what they do, or now */
    int (*alive)(struct skepi_engine *engine);                      /* how many processes there are */
    void (*close)(struct skepi_engine *engine);                     /* kills what is left; NULL is fine */
};

extern const struct skepi_engine_ops skepi_engine_local;

/* The member for a URI, and the URI parsed with its options. SKEP_EINVAL, SKEP_ENOTSUP. */
int skepi_engine_find(const char *text, const struct skepi_engine_ops **ops, skep_uri **take, skep_error *err);

#endif
