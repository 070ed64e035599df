/* dispatch.c - which task goes to which worker.
 *
 * A worker is given tasks ahead, so that it need not wait for the next, and so that one call carries many: about half a
 * millisecond of work by what the methods took lately, one task at a time while that is not known. What it has not started
 * is taken back when it stays in one task for long and another worker is idle.
 */
#include "steering/server/dispatch.h"

#include <skep/log.h>

enum {
    AHEAD_NS = 500000,    /* work that a worker is given ahead */
    LONG_NS = 20000000,   /* behind a task of that length another waits well: the way there and back is nothing against it */
    WAKE_NS = 20000,      /* work that is not worth waking another worker for */
    OVERHEAD_NS = 500,    /* of a task that does nothing */
    STUCK_NS = 2000000,   /* without an answer: what is given ahead may be stuck behind one task */
    SEAT_BYTES = 1 << 20, /* unsent tasks of a worker whose socket is full */
};

/* ---- giving -------------------------------------------------------------------------------------- */

void skepi_seat_say(struct skep_server *server, int seat, const struct skepi_control *control)
{
    if (skepi_control_add(server->engine_ops->outbox(server->engine, seat), control) != SKEP_OK)
        skep_log(SKEP_LOG_ERROR, "server", "no memory to tell worker %d what it needs", seat);
    server->seats[seat].dirty = 1;
}

static int may_give(const struct skepi_seat *seat, uint64_t cost, int generous)
{
    if (seat->n == 0)
        return 1;
    if (seat->slow || seat->n >= SKEPI_SEAT_MAX || cost >= SKEPI_METHOD_UNKNOWN)
        return 0;
    if (seat->ahead_ns + cost <= AHEAD_NS)
        return 1;
    return generous && seat->n == 1 && cost < LONG_NS && seat->ahead_ns < LONG_NS;
}

static void give(struct skep_server *server, int index, struct skepi_ticket *ticket, uint64_t cost)
{
    static const struct skepi_control lift = {.kind = SKEPI_LIFT};
    struct skepi_seat *seat = &server->seats[index];
    struct skepi_outbox *box = server->engine_ops->outbox(server->engine, index);
    struct skepi_record *record = ticket->record;

    if (seat->revoked) {
        skepi_seat_say(server, index, &lift);
        seat->revoked = 0;
    }
    if (seat->n == 0)
        skepi_seat_busy(server, seat);
    record->stamp[SKEP_STAMP_SUBMITTED] = server->real_ns;
    ticket->number = ++seat->number;
    ticket->expected_ns = cost;
    skepi_move(&skepi_ticket_machine, &ticket->state, SKEPI_TICKET_GIVEN);
    if (ticket->place != 0)
        skepi_heap_remove(&server->deadlines, ticket->place); /* from here on the worker looks at the deadline */
    seat->given[(seat->first + seat->n++) % SKEPI_SEAT_MAX] = ticket;
    seat->ahead_ns += cost;
    seat->dirty = 1;
    ticket->client->given++;
    server->given++;
    if (skepi_outbox_pass(box, record, record->message.length, ticket->chunk) != SKEP_OK) {
        seat->number--;
        skepi_seat_pop_last(seat);
        skepi_ticket_put_back(server, ticket);
    }
}

/* Up to `share` tasks, or a little more if they are next to nothing. */
static void fill(struct skep_server *server, int index, size_t share, int generous)
{
    struct skepi_seat *seat = &server->seats[index];
    const struct skepi_outbox *box = server->engine_ops->outbox(server->engine, index);
    size_t done = 0;

    while (server->waiting > 0 && box->bytes <= SEAT_BYTES && (done < share || seat->ahead_ns < WAKE_NS)) {
        struct skepi_ticket *ticket;
        uint64_t cost;

        if (!may_give(seat, OVERHEAD_NS, generous) || (ticket = skepi_ticket_next(server)) == NULL)
            return;
        cost = ticket->method->ns + OVERHEAD_NS;
        if (!may_give(seat, cost, generous)) {
            skepi_line_return(&ticket->client->line, ticket);
            server->waiting++;
            return;
        }
        give(server, index, ticket, cost);
        done++;
    }
}

/* First those who have nothing to do, then those who could have more; what waits is shared among them. */
static void give_out(struct skep_server *server, int generous)
{
    size_t takers = 0;

    for (int i = 0; i < server->n_seats; i++)
        takers += server->seats[i].up && (generous || server->seats[i].n == 0);
    for (int i = 0; i < server->n_seats && server->waiting > 0; i++)
        if (server->seats[i].up && (generous || server->seats[i].n == 0))
            fill(server, i, (server->waiting + takers - 1) / takers, generous), takers--;
}

void skepi_dispatch(struct skep_server *server)
{
    if (server->waiting > 0 && server->methods != NULL && server->acting <= SKEPI_DRAIN) {
        give_out(server, 0);
        if (server->waiting > 0)
            give_out(server, 1);
    }
    for (int i = 0; i < server->n_seats; i++)
        if (server->seats[i].dirty) {
            server->seats[i].dirty = 0;
            server->engine_ops->flush(server->engine, i);
        }
    skepi_clients_flush(server);
}

/* ---- time ---------------------------------------------------------------------------------------- */

static int any_idle(const struct skep_server *server)
{
    for (int i = 0; i < server->n_seats; i++)
        if (server->seats[i].up && server->seats[i].n == 0)
            return 1;
    return 0;
}

void skepi_seat_take_back(struct skep_server *server, int index)
{
    struct skepi_seat *seat = &server->seats[index];
    uint64_t started;

    if (seat->revoked) /* and nothing was given since */
        return;
    started = server->engine_ops->revoke(server->engine, index);
    seat->revoked = 1;
    while (seat->n > 0 && skepi_seat_at(seat, seat->n - 1)->number > started)
        skepi_ticket_put_back(server, skepi_seat_pop_last(seat));
    if (seat->n == 0)
        skepi_seat_idle(server, seat);
}

/* A worker that has not answered for a while may hold answers back behind its task, and tasks that others could do. */
static uint64_t unstick(struct skep_server *server)
{
    int watch = 0;

    for (int i = 0; i < server->n_seats; i++) {
        struct skepi_seat *seat = &server->seats[i];

        if (!seat->up || seat->n < 2)
            continue;
        if (!seat->slow && server->now_ns - seat->progress_ns < STUCK_NS) {
            watch = 1;
            continue;
        }
        if (!seat->slow)
            server->engine_ops->nudge(server->engine, i);
        seat->slow = 1;
        if (any_idle(server))
            skepi_seat_take_back(server, i);
    }
    return watch ? server->now_ns + STUCK_NS : SKEP_FOREVER;
}

uint64_t skepi_dispatch_due(struct skep_server *server)
{
    uint64_t expires = skepi_tickets_expire(server), stuck = unstick(server);

    return expires < stuck ? expires : stuck;
}
