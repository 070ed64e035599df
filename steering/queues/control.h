/* control.h - the messages that are not tasks: who is there, topics, the end.
 *
 * Threads  pure functions, no state.
 *
 * One form for all: two numbers and a few texts. What they mean is listed beside each kind.
 */
#ifndef SKEP_STEERING_QUEUES_CONTROL_H
#define SKEP_STEERING_QUEUES_CONTROL_H

#include "steering/queues/outbox.h"

enum skepi_control_kind {
    /* client to server; numbers and texts */
    SKEPI_HELLO = SKEPI_CONTROL, /* pid; the program's name. The first message */
    SKEPI_TOPIC,                 /* threshold, a number for this pair; the store's identity. Answered by AGREED or REFUSED */
    SKEPI_STORE,                 /* ; a store's identity that proxies of this client lead to */
    SKEPI_STOP,                  /* end the server when what it has is answered */
    SKEPI_BYE,                   /* it leaves by itself, and evicts what it was given; said back, behind all answers */
    /* server to client */
    SKEPI_WELCOME, /* pid; the server's name */
    SKEPI_AGREED,  /* 0, the number */
    SKEPI_REFUSED, /* code, the number; why */
    SKEPI_PING,    /* still there? Needs no answer */
    /* worker to server */
    SKEPI_METHODS, /* pid; the methods' names. The first message */
    /* server to worker */
    SKEPI_SETUP,  /* index, cache in bytes; what handles may lead to, or "" for the stores of the clients. The first */
    SKEPI_NAMES,  /* client + 2^32 * the number, threshold; the store's identity */
    SKEPI_ALSO,   /* client; a store's identity that its proxies lead to */
    SKEPI_FORGET, /* client: it is gone */
    SKEPI_LIFT,   /* what follows was not taken back: see page.h */
    SKEPI_CONTROL_END
};

enum { SKEPI_TEXTS_MAX = 256 };

struct skepi_control {
    uint8_t kind;
    uint64_t number[2];
    unsigned n;
    const char *text[SKEPI_TEXTS_MAX];
};

/* SKEP_EFORMAT; SKEP_EVERSION. The texts are lent by the message. */
int skepi_control_decode(const struct skepi_message *message, struct skepi_control *out, skep_error *err);
/* SKEP_ETOOBIG: longer than a packet. */
int skepi_control_add(struct skepi_outbox *box, const struct skepi_control *control);

#endif
