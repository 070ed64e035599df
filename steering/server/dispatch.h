/* dispatch.h - what waiting.c, dispatch.c and seats.c have of each other. */
#ifndef SKEP_STEERING_SERVER_DISPATCH_H
#define SKEP_STEERING_SERVER_DISPATCH_H

#include "steering/server/server.h"

/* waiting.c */
/* The next task of the client whose turn it is, or of the next that has one. NULL: none can be given. */
struct skepi_ticket *skepi_ticket_next(struct skep_server *server);
void skepi_ticket_put_back(struct skep_server *server,
                           struct skepi_ticket *ticket); /* it was not started: it waits again, in front */
/* The server's own answer: why there is no other. */
void skepi_ticket_fail(struct skep_server *server, struct skepi_ticket *ticket, int code, int worker, long pid,
                       const char *why);
void skepi_ticket_ends(struct skep_server *server, struct skepi_ticket *ticket); /* it has its answer */
void skepi_ticket_free(struct skep_server *server, struct skepi_ticket *ticket);
uint64_t skepi_tickets_expire(struct skep_server *server); /* those whose deadline passed; when the next one does */

/* seats.c */
struct skepi_ticket *skepi_seat_at(const struct skepi_seat *seat, unsigned i); /* the i-th that it was given */
struct skepi_ticket *skepi_seat_pop_first(struct skepi_seat *seat);
struct skepi_ticket *skepi_seat_pop_last(struct skepi_seat *seat);
void skepi_seat_idle(struct skep_server *server, struct skepi_seat *seat); /* it has nothing to do, */
void skepi_seat_busy(struct skep_server *server, struct skepi_seat *seat); /* or again something */

/* dispatch.c */
void skepi_seat_take_back(struct skep_server *server, int index); /* what it has not started */

#endif
