/* link.h - what carries messages between a task server and its clients: one table, and a file for each member.
 *
 * Threads  listen, notify, and what is called back: the thread of the loop. send: one thread at a time per peer, any.
 *          wait: any.   Owners  a link owns its peers.
 *
 * Messages of a peer arrive whole and in order, or the peer is gone. What a peer says is checked by who is called back.
 */
#ifndef SKEP_STEERING_QUEUES_LINK_H
#define SKEP_STEERING_QUEUES_LINK_H

#include "steering/queues/loop.h"
#include "steering/queues/outbox.h"

struct skepi_link_ops;

struct skepi_link { /* begins a member's own */
    const struct skepi_link_ops *ops;
};

struct skepi_peer { /* begins a member's own */
    struct skepi_link *link;
    void *user;    /* of who is called back */
    char name[96]; /* for people: "pid 4711" */
};

struct skepi_link_events {
    /* Listening: somebody connected. Other than SKEP_OK: it is let go, and nothing more is called. */
    int (*joined)(void *arg, struct skepi_peer *peer);
    /* Anything but SKEP_OK drops the peer. A reference of `chunk` keeps the message. */
    int (*message)(void *arg, struct skepi_peer *peer, struct skepi_message *message, struct skepi_chunk *chunk,
                   skep_error *err);
    void (*writable)(void *arg, struct skepi_peer *peer); /* where notify was asked for */
    /* The last call about it. Listening: the peer is freed behind it. Connected: at close. */
    void (*left)(void *arg, struct skepi_peer *peer, const skep_error *why);
};

struct skepi_link_ops {
    const char *scheme;
    int trusted; /* 1: the peers are this host's and this user's */
    const skep_option *options;
    /* SKEP_EBUSY: another server listens there. SKEP_EDENIED: not allowed to, and how it would be. */
    int (*listen)(const skep_uri *uri, struct skepi_loop *loop, const struct skepi_link_events *events, void *arg,
                  uint64_t by_ns, struct skepi_link **take, skep_error *err);
    /* Waits for the server until `by_ns`. SKEP_EUNREACH, SKEP_EDENIED. */
    int (*connect)(const skep_uri *uri, struct skepi_loop *loop, const struct skepi_link_events *events, void *arg,
                   uint64_t by_ns, struct skepi_link **take, struct skepi_peer **lend, skep_error *err);
    /* Where clients reach it. SKEP_ETOOBIG. */
    int (*address)(struct skepi_link *link, char *out, size_t cap);
    /* Send what goes without waiting, and let go of it. SKEP_OK, also if some is left; SKEP_ECLOSED; SKEP_ENOMEM. */
    int (*send)(struct skepi_peer *peer, struct skepi_outbox *box);
    void (*notify)(struct skepi_peer *peer, int on);       /* call `writable` when more can be sent */
    void (*wait)(struct skepi_peer *peer, uint64_t by_ns); /* until more can be sent, or the peer is gone */
    void (*close)(struct skepi_link *link);                /* and all its peers; NULL is fine */
};

extern const struct skepi_link_ops skepi_link_ipc;
extern const struct skepi_link_ops skepi_link_tcp; /* with SKEP_WITH_ZMQ */

/* The member for a URI, and the URI parsed with its options. SKEP_EINVAL, SKEP_ENOTSUP. */
int skepi_link_find(const char *text, const struct skepi_link_ops **ops, skep_uri **take, skep_error *err);

#endif
