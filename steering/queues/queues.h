/* queues.h - the sender's end of the queues inside: topics, tasks under way, results that wait to be received.
 *
 * Threads  [any]; `lock` guards all that is not constant. It is never held across I/O.
 *
 * queues.c open, close, topics; send.c from a task to the socket; receive.c from the socket to whoever waits.
 */
#ifndef SKEP_STEERING_QUEUES_QUEUES_H
#define SKEP_STEERING_QUEUES_QUEUES_H

#include "steering/queues/control.h"
#include "steering/queues/link.h"
#include "steering/task/task.h"

#include <pthread.h>
#include <skep/queues.h>

/* A store and a threshold, told to the server once under a number of their own. Each task carries the number that its topic
 * had when it was sent, so that topics may change while tasks are under way. Lives as long as the queues. */
struct skepi_declared {
    struct skepi_declared *next;
    uint32_t number;
    unsigned topics;   /* that have it now */
    skep_store *store; /* a reference; NULL: no topic has it now */
    uint64_t threshold;
    int agreed;    /* the server: 1: agrees; a SKEP_E*: refuses, `refusal` says why; 0: has not answered yet */
    char *refusal; /* NULL: none */
    char identity[];
};

struct skepi_topic { /* lives as long as the queues */
    struct skepi_topic *next;
    char name[SKEPI_NAME_MAX];
    struct skepi_declared *declared; /* where big values go; NULL: they stay where they are */
    skep_task *first, *last;         /* results */
    size_t active;                   /* sent, and not received yet */
};

struct skepi_slot { /* a task that is under way; `next` where it is none */
    skep_task *task;
    uint32_t generation, next;
};

struct skepi_arrival { /* an answer, as it came from the socket */
    struct skepi_parts parts;
    struct skepi_chunk *chunk;
    skep_task *task; /* NULL: nobody waits for it */
};

struct skepi_waiter { /* a thread that waits and does not poll */
    struct skepi_waiter *next;
    const struct skepi_topic *topic; /* NULL: any */
    int for_answer;                  /* not for a result: for what the server says to a declaration */
    int woken;
    pthread_cond_t cond;
};

struct skepi_reached { /* a store that the server knows proxies of this client lead to */
    struct skepi_reached *next;
    char identity[];
};

struct skep_queues {
    const struct skepi_link_ops *ops; /* constant, as the next five */
    struct skepi_link *link;
    struct skepi_peer *peer;
    struct skepi_watch wake; /* an eventfd: whoever polls shall look again */
    uint64_t window;         /* bytes that may be unanswered */
    char uri[SKEP_URI_MAX];

    struct skepi_loop loop;         /* of the thread that polls */
    struct skepi_arrival *arrivals; /* of the same */
    size_t n_arrivals, room_arrivals;
    uint64_t real_ns;

    pthread_mutex_t lock; /* rank 1; guards what follows, but for `sending` while `flushing` is set */
    pthread_cond_t idle;  /* nothing is active any more, or the link is gone */
    struct skepi_topic *topics, *last_topic;
    struct skepi_declared *declared;
    uint32_t n_declared;
    struct skepi_reached *reached;
    struct skepi_slot *slots;
    uint32_t n_slots, free_slot; /* UINT32_MAX: none */
    size_t active;
    skep_error gone;         /* code: the server is gone; SKEP_OK: it is there */
    int left;                /* and all that it said was taken: nothing more comes */
    int welcomed, dismissed; /* the server has said WELCOME, BYE */

    struct skepi_outbox words;        /* what is not a task: in front of the tasks, and whatever the window is */
    struct skepi_outbox out, sending; /* tasks; what is on its way to the socket */
    int stop_asked;                   /* STOP goes behind the tasks that the window takes */
    uint64_t in_flight;               /* bytes of unanswered tasks that were sent */
    int flushing;                     /* somebody sends */
    int stalled;                      /* the socket is full: the helper waits for it */
    unsigned tokens;                  /* sends that may go at once, each with a call of its own */
    uint64_t token_ns, sends;
    pthread_t helper;
    int has_helper, helper_asleep, closing;
    pthread_cond_t help;

    int polling; /* somebody polls the socket */
    struct skepi_waiter *waiters;
};

/* send.c, with the lock held */
struct skepi_topic *skepi_topic_find(struct skep_queues *queues, const char *name); /* NULL: not declared */
void skepi_queues_flush(struct skep_queues *queues); /* send what may be sent; lets go of the lock meanwhile */
int skepi_queues_say(struct skep_queues *queues, const struct skepi_control *control); /* in front of tasks not sent yet */
int skepi_queues_unsent(const struct skep_queues *queues);                             /* 1: there is something to be sent */
void skepi_queues_end_helper(struct skep_queues *queues);                              /* without the lock */

/* receive.c */
extern const struct skepi_link_events skepi_queues_events;
/* Poll once, until `by_ns` at most, and hand out what came. With the lock held, which it lets go of meanwhile. */
void skepi_queues_poll(struct skep_queues *queues, uint64_t by_ns);
/* Wait until somebody else who polls has a result of `topic`, or, `for_answer`, what the server says to a declaration; or
 * wants this thread to poll. With the lock held. */
void skepi_queues_wait(struct skep_queues *queues, const struct skepi_topic *topic, int for_answer, uint64_t by_ns);
/* The last act of who polled or waited: somebody else polls, and nobody sleeps on a result. With the lock held. */
void skepi_queues_pass_on(struct skep_queues *queues);
void skepi_queues_poke(struct skep_queues *queues); /* all who wait shall look again. Without the lock */

/* For thinkers: as skep_queues_receive, but SKEP_ECANCELED when `go_on` says 0. It is called with the lock held, and again
 * whenever something changes. A thread that has a result counts in `busy` until it asks for the next one. */
struct skepi_watched {
    int (*go_on)(void *arg);
    void *arg;
    unsigned busy; /* guarded by the lock */
};
int skepi_queues_receive_while(struct skep_queues *queues, const char *topic, struct skepi_watched *watched, int *has_one,
                               skep_task **take, skep_error *err);
size_t skepi_topic_active(struct skep_queues *queues, const char *topic); /* with the lock held */

#endif
