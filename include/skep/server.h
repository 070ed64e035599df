/* skep/server.h - the task server: takes tasks from its queues and runs them on an engine, which owns the workers.
 *
 * Units    none.
 * Errors   SKEP_EINVAL: a bad URI, or this process is itself a worker whose main did not call skep_worker_if_asked.
 *          SKEP_EBUSY: another server listens there. SKEP_EFAILED: the workers do not start; the text says why.
 * Threads  [one], but skep_server_stop is [any] and may be called from a signal handler.
 * Owners   skep_server_close, which ends the workers and removes the socket.
 *
 * Over tcp:// whoever reaches the port can have methods run, and can stop the server (skep_queues_stop_server).
 *
 * A task that has no value comes back with SKEP_EINVAL: there is no such method; the text says which there are.
 * SKEP_ETIMEDOUT: its deadline passed before it was started. SKEP_ECANCELED: the server was stopped. SKEP_EFAILED: its
 * worker died in it; the text says how. Else what the method returned.
 *
 *     skep_server *server;
 *     rc = skep_server_open("ipc:///tmp/hive.sock", "local:?workers=4", NULL, &server, &err);
 *     ...
 *     skep_server_close(server);
 */
#ifndef SKEP_SERVER_H
#define SKEP_SERVER_H

#include <skep/worker.h>

SKEP_BEGIN_DECLS

typedef struct skep_server skep_server;

typedef struct skep_server_opts {
    size_t size;
    const char *allow; /* stores that tasks may refer to, as skep_policy_parse takes them; NULL: over ipc:// those of the
                          thinkers' topics, over tcp:// none but SKEP_ALLOW's */
    int until_clients_gone; /* 1: end when the last client that was connected leaves, however it ends */
    uint64_t by_ns;         /* until when the workers must be there */
} skep_server_opts;
#define SKEP_SERVER_OPTS_INIT SKEP_INIT(sizeof(skep_server_opts), NULL, 0, SKEP_FOREVER)

/* Listen at `uri`, start the engine ("local:?workers=4": this executable again, as worker processes) and serve. Returns when
 * every worker has said what it can do. */
SKEP_API SKEP_NODISCARD int skep_server_open(const char *uri, const char *engine, const skep_server_opts *opts,
                                             skep_server **take, skep_error *err);
/* Until it has ended, by itself or by stop. */
SKEP_API int skep_server_wait(skep_server *server, uint64_t by_ns, skep_error *err);
/* End: tasks not started come back as canceled, those running are waited for. */
SKEP_API void skep_server_stop(skep_server *server);
SKEP_API void skep_server_close(skep_server *server); /* stop, wait a few seconds, end the workers, remove the socket */

/* Where clients reach it: the URI with the port that tcp://HOST:0 got. SKEP_ETOOBIG. */
SKEP_API int skep_server_uri(skep_server *server, char *out, size_t cap);

typedef struct skep_worker_stats {
    size_t size;
    int index;
    long pid;
    uint64_t tasks; /* answered, failures included */
    uint64_t failures;
    uint64_t restarts;       /* how often a dead one was replaced */
    uint64_t run_ns;         /* in methods */
    uint64_t resolve_ns;     /* of that, waiting for proxies */
    uint64_t idle_ns;        /* with nothing to do */
    uint64_t resolves;       /* objects fetched */
    uint64_t referred_bytes; /* sizes of the objects its tasks referred to */
    uint64_t moved_bytes;    /* of these, copied */
} skep_worker_stats;
#define SKEP_WORKER_STATS_INIT SKEP_INIT(sizeof(skep_worker_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
SKEP_API int skep_server_workers(skep_server *server);
/* SKEP_EINVAL: no such worker. */
SKEP_API int skep_server_worker_stats(skep_server *server, int index, skep_worker_stats *out);

SKEP_END_DECLS
#endif
