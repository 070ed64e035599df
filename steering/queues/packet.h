/* packet.h - messages over a connected unix SEQPACKET socket: many in a packet, big ones cut into packets.
 *
 * Threads  [one] in each direction.
 *
 * A packet is a head of 16 bytes and either a run of small messages or a part of a big one; the parts of a big message
 * follow each other, and go straight to where the message is put together.
 */
#ifndef SKEP_STEERING_QUEUES_PACKET_H
#define SKEP_STEERING_QUEUES_PACKET_H

#include "steering/queues/outbox.h"

struct skepi_packet { /* the head, little-endian */
    uint32_t magic;
    uint8_t kind; /* 0: a run; 1: the first part of a big message; 2: a further one */
    uint8_t zero[3];
    uint64_t total; /* bytes behind the head of a run; of the whole of a big message */
};

struct skepi_inbox {           /* all zero: nothing received yet */
    struct skepi_chunk *chunk; /* small messages are received behind `used` */
    size_t used;
    struct skepi_chunk *big; /* a big message, of which `have` bytes of `total` are there */
    size_t have, total;
};

/* Called for every message in turn; what it wants to keep it takes a reference of `chunk` for. What it returns other than
 * SKEP_OK ends the receive. */
typedef int (*skepi_message_func)(void *arg, struct skepi_message *message, struct skepi_chunk *chunk, skep_error *err);

/* Call `func` for each message of a run of `size` bytes. SKEP_EFORMAT: they do not fill it. */
int skepi_run_each(unsigned char *run, size_t size, struct skepi_chunk *chunk, skepi_message_func func, void *arg,
                   skep_error *err);
/* Room for a run behind what the inbox has received. SKEP_ENOMEM. */
int skepi_inbox_room(struct skepi_inbox *in);

/* Send what the socket takes, and let go of it. SKEP_OK, also if not all went; SKEP_ECLOSED: the peer is gone. */
int skepi_packet_send(int fd, struct skepi_outbox *box, int wait);

/* Receive what is there, at most about `budget` bytes. `*bytes` (may be NULL): how much it was; 0 without an error: nothing
 * is there. SKEP_ECLOSED: the peer is gone. SKEP_EFORMAT: it does not speak this language. Those of `func`. */
int skepi_packet_receive(int fd, struct skepi_inbox *in, int wait, size_t budget, skepi_message_func func, void *arg,
                         size_t *bytes, skep_error *err);
void skepi_inbox_fini(struct skepi_inbox *in);

#endif
