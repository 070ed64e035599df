/* server.h - the task server inside: clients on one side, seats of workers on the other, tickets in between.
 *
 * Threads  all of it belongs to the server's thread, but for what `lock` guards and the atomics.
 *
 * server.c the thread, its start and end; clients.c who sends and what they say; waiting.c the tasks that
 * wait; dispatch.c which task goes where; seats.c the workers, and what comes back.
 */
#ifndef SKEP_STEERING_SERVER_SERVER_H
#define SKEP_STEERING_SERVER_SERVER_H

#include "steering/engines/engine.h"
#include "steering/queues/link.h"
#include "steering/server/janitor.h"
#include "steering/server/ticket.h"

#include <pthread.h>
#include <skep/server.h>
#include <stdatomic.h>

enum {
    SKEPI_HANDED_MAX = 16384,
    SKEPI_SEAT_MAX = 256,              /* tasks that a worker is given ahead, at most */
    SKEPI_METHOD_UNKNOWN = 1000000000, /* ns: it has not run yet */
    SKEPI_RESULTS_MAX = 64 << 20,      /* bytes of results that a client has not read: then it gets no more */
};
#define SKEPI_WINDOW ((uint64_t)128 << 20) /* bytes of unanswered tasks that a client may have sent */

enum skepi_mode { SKEPI_RUN, SKEPI_DRAIN, SKEPI_CANCEL, SKEPI_KILL }; /* how the server ends; only goes up */

struct skepi_method {
    char name[SKEPI_NAME_MAX];
    uint64_t ns; /* what it takes, about */
};

struct skepi_said { /* a store of topics, or one that proxies lead to: what workers are told */
    struct skepi_said *next;
    struct skepi_control control; /* NAMES or ALSO; its texts lie behind */
};

struct skepi_client {
    struct skepi_client *next;
    struct skepi_peer *peer; /* NULL: the link is gone, and workers are still on its tasks */
    uint32_t number;
    int known; /* it said HELLO */
    int gone;  /* nobody takes answers to further tasks: it said BYE, or the link is gone */
    struct skepi_outbox out;
    size_t refused; /* bytes of failures that the server made since `out` was not more than SKEPI_RESULTS_MAX */
    int blocked;    /* waits for room in its socket */
    struct skepi_line line;
    size_t given; /* of its tasks, to workers */
    struct skepi_said *said;
    skep_policy *policy; /* of its stores; NULL: not made yet */
    char **handed;       /* handles of big values that it was given: it evicts them, unless it dies before. A ring */
    unsigned n_handed;   /* so far */
};

struct skepi_seat { /* of one worker */
    int up;
    int revoked;                                /* it must be told that what follows is meant */
    int slow;                                   /* it has been in a task for long: nothing more until it answers */
    int dirty;                                  /* there is something to send */
    struct skepi_ticket *given[SKEPI_SEAT_MAX]; /* a ring, in order */
    unsigned first, n;
    uint64_t number;      /* of the last task that was sent, from 1 */
    uint64_t ahead_ns;    /* what the given tasks will take, about */
    uint64_t progress_ns; /* when it last answered or began */
    /* What skep_server_worker_stats says. */
    _Atomic uint64_t idle_since; /* skep_now_ns(); 0: it has something to do */
    _Atomic uint64_t tasks, failures, restarts, run, resolve, idle, resolves, referred, moved;
    _Atomic long pid;
};

struct skep_server {
    struct skepi_loop loop;
    const struct skepi_link_ops *link_ops;
    struct skepi_link *link;
    const struct skepi_engine_ops *engine_ops;
    struct skepi_engine *engine;
    struct skepi_watch wake; /* an eventfd */
    _Atomic int mode;        /* enum skepi_mode, as asked for */
    int acting;              /* the mode that the thread has begun to act on */
    int until_clients_gone;
    int n_seats, n_up;
    struct skepi_seat *seats;
    struct skepi_client *clients, *turn; /* whose turn it is to have a task taken */
    uint32_t client_number;
    int had_clients;
    unsigned n_clients; /* known, and there */
    struct skepi_method *methods, *last_method;
    unsigned n_methods;
    char *method_list; /* "a, b, c" */
    size_t waiting, given;
    uint64_t order;
    struct skepi_heap deadlines;
    struct skepi_ticket *spare;
    unsigned n_spare, in_turn;
    uint64_t now_ns, real_ns; /* of this round of the loop */
    uint64_t engine_ns;       /* when the engine's tick is due */
    skep_error hopeless;      /* code: why no worker starts any more; SKEP_OK: they do */
    struct skepi_janitor janitor;
    skep_policy *policy; /* of `allow`; NULL: "" */
    char *allow;         /* what handles may lead to; "": the stores of the clients, who are this user */
    char address[SKEP_URI_MAX], host[SKEPI_NAME_MAX];
    pthread_t thread;
    int has_thread;
    /* lock: rank 2; guards the next five, which other threads wait for. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int is_up, ended, n_up_seen;
    skep_error failure; /* SKEP_OK: none */
};

/* server.c */
void skepi_server_ask(struct skep_server *server, int mode); /* [any], in signal handlers too */

void skepi_server_changed(struct skep_server *server); /* who waits for the server should look */

/* clients.c */
extern const struct skepi_link_events skepi_client_events;
void skepi_clients_flush(struct skep_server *server);
int skepi_clients_unsent(const struct skep_server *server); /* 1: results wait to be sent to somebody who is there */
void skepi_client_done(struct skep_server *server, struct skepi_client *client); /* free it if it is gone and has no tasks */
void skepi_clients_introduce(struct skep_server *server, int seat); /* tell a new worker what clients have said */
void skepi_clients_fini(struct skep_server *server);

/* seats.c */
extern const struct skepi_engine_events skepi_worker_events;

/* waiting.c */
/* A task has come in. It takes a reference of the chunk. */
int skepi_ticket_new(struct skep_server *server, struct skepi_client *client, const struct skepi_parts *parts,
                     struct skepi_chunk *chunk, skep_error *err);
void skepi_tickets_drop(struct skep_server *server, struct skepi_client *client); /* it is gone: nobody waits for them */
void skepi_tickets_cancel(struct skep_server *server, int given_too, int code, const char *why);

/* dispatch.c */
void skepi_dispatch(struct skep_server *server);         /* give what can be given, and send it */
uint64_t skepi_dispatch_due(struct skep_server *server); /* what time demands; when to be called again */
void skepi_seat_say(struct skep_server *server, int seat, const struct skepi_control *control);

/* evict.c: objects that the queues made for a task whose sender is gone, or that a dead worker may have left. */
void skepi_evict_lost(struct skep_server *server, const struct skepi_ticket *ticket);
/* Those of a task or an answer: now, for its client is gone; or the client does it, unless it dies before. */
void skepi_evict_now(struct skep_server *server, struct skepi_client *client, const struct skepi_record *record);
void skepi_evict_later(struct skepi_client *client, const struct skepi_record *record);
void skepi_evict_handed(struct skep_server *server, struct skepi_client *client);
void skepi_forget_handed(struct skepi_client *client);

#endif
