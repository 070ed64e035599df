/* skep/queues.h - what carries tasks to a task server and results back: the sender's end.
 *
 * Units    bytes; `by_ns` is an absolute deadline.
 * Errors   SKEP_EINVAL: an unknown topic, a bad URI. SKEP_EUNREACH: no server answers. SKEP_ETIMEDOUT. SKEP_ECLOSED.
 * Threads  [any].   Owners  skep_queues_close; a received task is yours to free.
 *
 *     skep_queues *q;
 *     skep_queues_open("ipc:///tmp/hive.sock", NULL, &q, &err);
 *     skep_queues_topic(q, "simulate", NULL, &err);
 *     skep_queues_send(q, "simulate", &task, &err);
 *     skep_queues_receive(q, "simulate", skep_in_ms(1000), &task, &err);
 *
 * A task is registered before it is sent, so no result overtakes it, and it is answered exactly once: by a value or by
 * a failure that says why. When the server is gone, every task that was not answered comes back as a failure with
 * SKEP_EUNREACH; behind the last of them, and for sends, it is SKEP_ECLOSED. ipc:// is this host and this user; tcp:// is
 * ZeroMQ, and listens to this host alone unless it is told otherwise (tcp://0.0.0.0:5555?open=yes).
 */
#ifndef SKEP_QUEUES_H
#define SKEP_QUEUES_H

#include <skep/task.h>

SKEP_BEGIN_DECLS

typedef struct skep_queues skep_queues;

typedef struct skep_queues_opts {
    size_t size;
    uint64_t by_ns; /* until when to wait for the server to be there */
} skep_queues_opts;
#define SKEP_QUEUES_OPTS_INIT SKEP_INIT(sizeof(skep_queues_opts), SKEP_FOREVER)

typedef struct skep_topic_opts {
    size_t size;
    skep_store *store;        /* where big inputs and values go; NULL: nothing becomes a proxy. A reference is taken */
    uint64_t threshold_bytes; /* what is larger becomes a proxy; SKEP_SIZE_UNKNOWN: the store's own threshold */
} skep_topic_opts;
#define SKEP_TOPIC_OPTS_INIT SKEP_INIT(sizeof(skep_topic_opts), NULL, SKEP_SIZE_UNKNOWN)

/* Connect to the task server at `uri`: ipc://PATH or tcp://HOST:PORT. Waits for it to be there. */
SKEP_API SKEP_NODISCARD int skep_queues_open(const char *uri, const skep_queues_opts *opts, skep_queues **take,
                                             skep_error *err);
SKEP_API void skep_queues_close(skep_queues *queues); /* results nobody received are dropped, and their objects evicted */

/* Declare a topic; "default" is there from the start. Again: changes what it does with big values. `opts` may be NULL. */
/* SKEP_EINVAL: a store that other processes can't see. SKEP_EDENIED: the server does not allow its workers that store. */
SKEP_API int skep_queues_topic(skep_queues *queues, const char *topic, const skep_topic_opts *opts, skep_error *err);

/* Gives the task away. Does not wait for the server: what it can't take yet waits here. SKEP_EINVAL: the topic is not
 * declared, or building the task failed. Those of the topic's store, where an input goes there. */
SKEP_API int skep_queues_send(skep_queues *queues, const char *topic, skep_task **give, skep_error *err);
/* The next result of a topic; NULL: of any. */
SKEP_API SKEP_NODISCARD int skep_queues_receive(skep_queues *queues, const char *topic, uint64_t by_ns, skep_task **take,
                                                skep_error *err);
SKEP_API size_t skep_queues_active(skep_queues *queues); /* tasks sent whose results were not received yet */
SKEP_API int skep_queues_wait_until_done(skep_queues *queues, uint64_t by_ns); /* others have received all; SKEP_ETIMEDOUT */
SKEP_API int skep_queues_stop_server(skep_queues *queues, skep_error *err);    /* it ends when what it has is answered */

SKEP_END_DECLS
#endif
