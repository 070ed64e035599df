/* ticket.h - a task as the server holds it, and the lines that tickets wait in.
 *
 * Threads  [one]: the server's.
 */
#ifndef SKEP_STEERING_SERVER_TICKET_H
#define SKEP_STEERING_SERVER_TICKET_H

#include "steering/queues/chunk.h"
#include "steering/task/record.h"
#include "steering/task/state.h"

struct skepi_client;
struct skepi_method;

struct skepi_ticket {
    struct skepi_record *record; /* in the chunk that it was received into, passed on from there */
    struct skepi_chunk *chunk;   /* both NULL: ANSWERED where it stands */
    struct skepi_client *client;
    struct skepi_method *method; /* NULL: it came before any worker had said which there are */
    struct skepi_ticket *next;   /* in a line */
    uint64_t order;              /* by arrival */
    int priority;
    uint64_t number;      /* GIVEN: the how manieth of its worker */
    uint64_t expected_ns; /* GIVEN: what its method took lately */
    int state;            /* enum skepi_ticket_state */
    size_t place;         /* in the heap of deadlines, from 1; 0: not there */
};

/* ---- heaps --------------------------------------------------------------------------------------- */

struct skepi_heap {                /* all zero: empty */
    struct skepi_ticket **tickets; /* from 1 */
    size_t n, room;
    int (*before)(const struct skepi_ticket *a, const struct skepi_ticket *b);
    int keeps_places; /* `place` says where a ticket is, so that it can be removed */
};

int skepi_heap_add(struct skepi_heap *heap, struct skepi_ticket *ticket); /* SKEP_ENOMEM */
struct skepi_ticket *skepi_heap_first(const struct skepi_heap *heap);     /* NULL: empty */
void skepi_heap_remove(struct skepi_heap *heap, size_t place);
void skepi_heap_fini(struct skepi_heap *heap);

int skepi_before_by_priority(const struct skepi_ticket *a, const struct skepi_ticket *b);
int skepi_before_by_deadline(const struct skepi_ticket *a, const struct skepi_ticket *b);

/* ---- lines --------------------------------------------------------------------------------------- */

/* Higher priorities first, else first come first served. Priority 0, which nearly all have, costs nothing to order. */
struct skepi_line {                    /* skepi_line_init */
    struct skepi_ticket *first, *last; /* of priority 0 */
    struct skepi_heap others;
    size_t n;     /* WAITING: those that were answered where they stood are not counted */
    size_t bytes; /* of their records */
    size_t stale; /* those that were answered where they stand */
};

void skepi_line_init(struct skepi_line *line);
int skepi_line_add(struct skepi_line *line, struct skepi_ticket *ticket); /* SKEP_ENOMEM */
/* Back to where it came from, in front of all of its priority. */
int skepi_line_return(struct skepi_line *line, struct skepi_ticket *ticket);
/* The next one out of the line; NULL: none waits. ANSWERED ones come out in between. */
struct skepi_ticket *skepi_line_take(struct skepi_line *line);
/* It is answered where it stands. */
void skepi_line_forget(struct skepi_line *line, const struct skepi_ticket *ticket);
/* Those that were, once they are most of the line, out of it; chained by `next`. NULL: they are few. */
struct skepi_ticket *skepi_line_purge(struct skepi_line *line);
void skepi_line_fini(struct skepi_line *line); /* it is empty */

#endif
