/* seats.c - workers as the server sees them: they come, answer and go. */
#include "steering/server/dispatch.h"

#include <skep/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what they were given ------------------------------------------------------------------------ */

struct skepi_ticket *skepi_seat_at(const struct skepi_seat *seat, unsigned i)
{
    return seat->given[(seat->first + i) % SKEPI_SEAT_MAX];
}

struct skepi_ticket *skepi_seat_pop_first(struct skepi_seat *seat)
{
    struct skepi_ticket *ticket = skepi_seat_at(seat, 0);

    seat->first = (seat->first + 1) % SKEPI_SEAT_MAX;
    seat->n--;
    seat->ahead_ns -= ticket->expected_ns;
    return ticket;
}

struct skepi_ticket *skepi_seat_pop_last(struct skepi_seat *seat)
{
    struct skepi_ticket *ticket = skepi_seat_at(seat, --seat->n);

    seat->ahead_ns -= ticket->expected_ns;
    return ticket;
}

static void add(_Atomic uint64_t *sum, uint64_t more)
{
    if (more > 0) /* one writer: no need for a locked instruction */
        atomic_store_explicit(sum, atomic_load_explicit(sum, memory_order_relaxed) + more, memory_order_relaxed);
}

/* The worker has nothing to do, or again something. */
void skepi_seat_idle(struct skep_server *server, struct skepi_seat *seat)
{
    atomic_store_explicit(&seat->idle_since, server->now_ns, memory_order_relaxed);
}

static void ends_idleness(struct skep_server *server, struct skepi_seat *seat)
{
    uint64_t since = atomic_exchange_explicit(&seat->idle_since, 0, memory_order_relaxed);

    if (since != 0)
        add(&seat->idle, server->now_ns - since);
}

void skepi_seat_busy(struct skep_server *server, struct skepi_seat *seat)
{
    ends_idleness(server, seat);
    seat->progress_ns = server->now_ns;
}

/* ---- answers ------------------------------------------------------------------------------------- */

static void learn(struct skepi_method *method, uint64_t ns)
{
    if (ns >= SKEPI_METHOD_UNKNOWN)
        ns = SKEPI_METHOD_UNKNOWN - 1;
    method->ns = method->ns == SKEPI_METHOD_UNKNOWN ? ns : (method->ns * 7 + ns) / 8;
}

static void count(struct skepi_seat *seat, const struct skepi_record *answer, const struct skepi_record *task)
{
    add(&seat->tasks, 1);
    add(&seat->failures, answer->code != SKEP_OK);
    add(&seat->run, answer->span[SKEP_SPAN_RUN]);
    add(&seat->resolve, answer->span[SKEP_SPAN_RESOLVE]);
    add(&seat->resolves, answer->resolves);
    add(&seat->moved, answer->moved_bytes);
    add(&seat->referred, task->referred_bytes + answer->referred_bytes);
}

static int worker_answer(void *arg, int worker, struct skepi_message *message, struct skepi_chunk *chunk, skep_error *err)
{
    struct skep_server *server = arg;
    struct skepi_seat *seat = &server->seats[worker];
    struct skepi_record *answer = (struct skepi_record *)message;
    struct skepi_ticket *ticket;
    struct skepi_client *client;
    struct skepi_parts parts;
    int rc = skepi_record_decode(message, message->length, &parts, err);

    if (rc != SKEP_OK)
        return rc;
    ticket = seat->n == 0 ? NULL : skepi_seat_at(seat, 0);
    if (ticket == NULL || memcmp(answer->id, ticket->record->id, sizeof answer->id) != 0 ||
        answer->attempt != ticket->record->attempt)
        return skep_fail(err, SKEP_EFORMAT, "it answered a task that it was not given, or not yet");
    skepi_seat_pop_first(seat);
    client = ticket->client;
    client->given--;
    server->given--;
    seat->slow = 0;
    seat->progress_ns = server->now_ns;
    if (seat->n == 0)
        skepi_seat_idle(server, seat);
    if (answer->stamp[SKEP_STAMP_STARTED] != 0)
        learn(ticket->method, answer->span[SKEP_SPAN_RUN] + answer->span[SKEP_SPAN_SERIALISE]);
    count(seat, answer, ticket->record);
    answer->reply = ticket->record->reply;
    answer->worker = worker;
    answer->stamp[SKEP_STAMP_SENT] = server->real_ns;
    skepi_ticket_ends(server, ticket);
    if (client->gone) {
        skepi_evict_now(server, client, ticket->record);
        skepi_evict_now(server, client, answer);
    } else if (skepi_outbox_pass(&client->out, message, message->length, chunk) != SKEP_OK) {
        skep_log(SKEP_LOG_ERROR, "server", "no memory to pass an answer on to %s", client->peer->name);
    } else {
        skepi_evict_later(client, ticket->record);
        skepi_evict_later(client, answer);
    }
    skepi_ticket_free(server, ticket);
    skepi_client_done(server, client);
    return SKEP_OK;
}

/* ---- workers come and go ------------------------------------------------------------------------- */

static int learn_methods(struct skep_server *server, const struct skepi_control *said)
{
    size_t size = 16;

    for (unsigned i = 0; i < said->n; i++)
        size += strlen(said->text[i]) + 2;
    server->methods = calloc(said->n + 1, sizeof *server->methods);
    server->method_list = calloc(1, size);
    if (server->methods == NULL || server->method_list == NULL) {
        free(server->methods);
        free(server->method_list);
        server->methods = NULL;
        server->method_list = NULL;
        return SKEP_ENOMEM;
    }
    for (unsigned i = 0; i < said->n; i++) {
        if (strlen(said->text[i]) >= SKEPI_NAME_MAX)
            continue; /* no task can name it */
        snprintf(server->methods[server->n_methods].name, SKEPI_NAME_MAX, "%s", said->text[i]);
        server->methods[server->n_methods++].ns = SKEPI_METHOD_UNKNOWN;
        if (i > 0)
            strncat(server->method_list, ", ", size - strlen(server->method_list) - 1);
        strncat(server->method_list, said->text[i], size - strlen(server->method_list) - 1);
    }
    if (said->n == 0)
        snprintf(server->method_list, size, "none");
    return SKEP_OK;
}

static void worker_up(void *arg, int worker, const struct skepi_control *methods)
{
    struct skep_server *server = arg;
    struct skepi_seat *seat = &server->seats[worker];

    if (server->methods == NULL && learn_methods(server, methods) != SKEP_OK)
        skep_log(SKEP_LOG_ERROR, "server", "no memory for the methods of the workers");
    server->hopeless.code = SKEP_OK;
    seat->up = 1;
    seat->number = 0;
    seat->revoked = seat->slow = 0;
    atomic_store_explicit(&seat->pid, server->engine_ops->pid(server->engine, worker), memory_order_relaxed);
    skepi_seat_idle(server, seat);
    skepi_clients_introduce(server, worker);
    server->n_up++;
    skepi_server_changed(server);
}

/* Its task in hand has failed with it; those that it had answered without sending are lost, and run again as another
 * attempt; those that it had not begun simply wait again. */
static void worker_down(void *arg, int worker, const struct skepi_death *death)
{
    struct skep_server *server = arg;
    struct skepi_seat *seat = &server->seats[worker];
    long pid = atomic_load_explicit(&seat->pid, memory_order_relaxed);
    char why[SKEP_ERROR_TEXT_MAX];

    if (seat->up)
        server->n_up--;
    seat->up = 0;
    ends_idleness(server, seat);
    if (server->acting == SKEPI_RUN)
        add(&seat->restarts, 1);
    while (seat->n > 0) {
        struct skepi_ticket *ticket = skepi_seat_pop_last(seat);
        struct skepi_client *client = ticket->client;

        if (ticket->number <= death->started)
            skepi_evict_lost(server, ticket);
        if (ticket->number != death->started || !death->in_method) {
            ticket->record->attempt += ticket->number <= death->started;
            skepi_ticket_put_back(server, ticket);
            continue;
        }
        add(&seat->tasks, 1);
        add(&seat->failures, 1);
        client->given--;
        server->given--;
        if (server->acting >= SKEPI_KILL)
            snprintf(why, sizeof why, "the task server was closed while method '%s' ran", ticket->method->name);
        else
            snprintf(why, sizeof why, "%s in method '%s'", death->how, ticket->method->name);
        skepi_ticket_fail(server, ticket, server->acting >= SKEPI_KILL ? SKEP_ECANCELED : SKEP_EFAILED, worker, pid, why);
        skepi_ticket_free(server, ticket);
        skepi_client_done(server, client);
    }
    server->engine_ns = 0;
}

static void engine_due(void *arg)
{
    struct skep_server *server = arg;

    server->engine_ns = 0;
}

static void workers_failed(void *arg, const skep_error *why)
{
    struct skep_server *server = arg;

    server->hopeless = *why;
    skepi_tickets_cancel(server, 0, why->code, why->text);
    skepi_server_changed(server);
}

const struct skepi_engine_events skepi_worker_events = {
    .up = worker_up,
    .answer = worker_answer,
    .down = worker_down,
    .due = engine_due,
    .failed = workers_failed,
};
