/* outbox.h - messages that wait to be sent to one peer, as pieces of memory that need not be copied again.
 *
 * Threads  [one]: whoever has the outbox.   Owners  skepi_outbox_fini drops what was not sent.
 *
 * Small messages are runs of whole records, one behind the other, at most a packet long; a link sends as many runs at once
 * as fit. A big message is a chain of pieces: the first says how long all of them are, and nothing comes between them.
 */
#ifndef SKEP_STEERING_QUEUES_OUTBOX_H
#define SKEP_STEERING_QUEUES_OUTBOX_H

#include "steering/queues/chunk.h"
#include "steering/task/record.h"

#define SKEPI_RUN_MAX ((size_t)65520) /* bytes of small messages in a packet; what is longer is big */

struct skepi_piece {
    const unsigned char *data;
    size_t size;
    size_t big;                /* 0: a run of small messages; else bytes of the big message from this piece on */
    int begins;                /* 1: the first byte of that big message is the first of this piece */
    struct skepi_chunk *chunk; /* one reference each; both NULL: static memory */
    skep_buf *buf;
};

struct skepi_outbox {           /* all zero: empty */
    struct skepi_piece *pieces; /* a ring of `room` places, a power of two */
    size_t first, n, room;
    size_t bytes;              /* in all pieces */
    struct skepi_chunk *chunk; /* what new messages are written into, and how much of it is used */
    size_t used;
};

/* Write a record at the end. [one] SKEP_ETOOBIG, SKEP_ENOMEM: nothing was added. `*size` (may be NULL): its length. */
int skepi_outbox_add(struct skepi_outbox *box, struct skepi_draft *draft, size_t *size, skep_error *err);
/* Pass on a whole message that lies in `chunk`, which gets a reference. */
int skepi_outbox_pass(struct skepi_outbox *box, const void *message, size_t size, struct skepi_chunk *chunk);
/* Room for a small message of `size` bytes; it is at the end once skepi_outbox_pass has been called on it. NULL: no memory.
 */
void *skepi_outbox_room(struct skepi_outbox *box, size_t size);

/* For links. The i-th piece from the front, and letting go of the first `size` bytes. */
struct skepi_piece *skepi_outbox_at(const struct skepi_outbox *box, size_t i);
void skepi_outbox_drop(struct skepi_outbox *box, size_t size);
/* Move whole messages from the front of `from` to the end of `to`, until they are `most` bytes or more; how many bytes they
 * are. Moves less when memory is short. */
size_t skepi_outbox_move(struct skepi_outbox *to, struct skepi_outbox *from, size_t most);
void skepi_outbox_fini(struct skepi_outbox *box);

#endif
