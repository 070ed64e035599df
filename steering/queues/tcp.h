/* tcp.h - what the files of tcp:// share: a link over ZeroMQ, and its peers.
 *
 * Threads  as link.h says; `lock` guards the ZeroMQ sockets, which more than one thread asks.
 *
 * tcp.c open, close, the table; tcp_wire.c messages, and who they come from; tcp_alive.c who is still there.
 */
#ifndef SKEP_STEERING_QUEUES_TCP_H
#define SKEP_STEERING_QUEUES_TCP_H

#include "steering/queues/link.h"
#include "steering/queues/packet.h"

#include <pthread.h>

enum {
    SKEPI_TCP_IDENTITY_MAX = 255,
    SKEPI_TCP_BEAT_MS = 500, /* between the words to clients */
    SKEPI_TCP_RETRY_MS = 2   /* where a client takes no more for now */
};

struct skepi_tcp_peer {
    struct skepi_peer base;
    struct skepi_tcp_peer *next;
    unsigned char identity[SKEPI_TCP_IDENTITY_MAX]; /* "": the server, at a client */
    size_t identity_size;
    int refused; /* what it says is not listened to any more */
    int wants;   /* notify: it shall be told when more can be sent */
};

struct skepi_tcp {
    struct skepi_link base;
    struct skepi_loop *loop;
    const struct skepi_link_events *events;
    void *arg;
    struct skepi_watch socket;  /* ZMQ_FD: tells that something has changed */
    struct skepi_watch again;   /* an eventfd: there may be more than the descriptor tells */
    struct skepi_watch timer;   /* listening: words to clients, and retries */
    struct skepi_watch monitor; /* connected: the socket's events */
    pthread_mutex_t lock;       /* rank 7; guards the sockets, which are asked never to wait, and `disconnected` */
    int disconnected;           /* connected: it was once, and is not any more */
    void *context, *zmq, *events_of;
    struct skepi_inbox in;
    struct skepi_tcp_peer *peers, *last;
    int listens;
    char address[SKEP_URI_MAX];
};

static inline struct skepi_tcp *skepi_tcp_of(const struct skepi_peer *peer)
{
    return (struct skepi_tcp *)peer->link;
}

/* tcp_wire.c */
struct skepi_tcp_peer *skepi_tcp_peer_new(struct skepi_tcp *tcp, const void *identity,
                                          size_t size); /* NULL: out of memory */
void skepi_tcp_peer_free(struct skepi_tcp *tcp, struct skepi_tcp_peer *peer);
int skepi_tcp_send(struct skepi_peer *peer, struct skepi_outbox *box); /* as the table's */
int skepi_tcp_receive_one(struct skepi_tcp *tcp);                      /* 0: there was nothing */
void skepi_tcp_receive_some(struct skepi_tcp *tcp);
/* Its connection can't be ended from here: it is not listened to until it ends by itself. */
void skepi_tcp_refuse(struct skepi_tcp *tcp, struct skepi_tcp_peer *peer, const skep_error *why);

/* tcp_alive.c */
void skepi_tcp_set_timer(struct skepi_tcp *tcp, int ms); /* 0: none */
int skepi_tcp_next_event(
    struct skepi_tcp *tcp);                  /* the next of the socket's own events, or 0. With the lock held, or alone */
int skepi_tcp_is_cut(struct skepi_tcp *tcp); /* at a client: 1: the server is not connected any more */
void skepi_tcp_timer_ready(struct skepi_watch *watch, uint32_t events);
void skepi_tcp_monitor_ready(struct skepi_watch *watch, uint32_t events);
void skepi_tcp_again_ready(struct skepi_watch *watch, uint32_t events);

#endif
