/* dispatch.c - which task goes to which worker, and what comes back.
 *
 * A worker is given tasks ahead, so that it need not wait for the next, and so that one call carries many: about half a
 * millisecond of work by what the methods took lately, one task at a time while that is not known. What it has not started
 * is taken back when it stays in one task for long and another worker is idle.
 */
#include "steering/server/server.h"

#include <skep/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    AHEAD_NS = 500000,    /* work that a worker is given ahead */
    LONG_NS = 20000000,   /* behind a task of that length another waits well: the way there and back is nothing against it */
    WAKE_NS = 20000,      /* work that is not worth waking another worker for */
    OVERHEAD_NS = 500,    /* of a task that does nothing */
    STUCK_NS = 2000000,   /* without an answer: what is given ahead may be stuck behind one task */
    SEAT_BYTES = 1 << 20, /* unsent tasks of a worker whose socket is full */
    SPARE_TICKETS = 256,
};

/* ---- tickets ------------------------------------------------------------------------------------- */

static struct skepi_ticket *ticket_alloc(struct skep_server *server)
{
    struct skepi_ticket *ticket = server->spare;

    if (ticket == NULL)
        return calloc(1, sizeof *ticket);
    server->spare = ticket->next;
    server->n_spare--;
    *ticket = (struct skepi_ticket){0};
    return ticket;
}

static void ticket_free(struct skep_server *server, struct skepi_ticket *ticket)
{
    skepi_chunk_unref(ticket->chunk);
    if (server->n_spare >= SPARE_TICKETS) {
        free(ticket);
        return;
    }
    ticket->chunk = NULL;
    ticket->next = server->spare;
    server->spare = ticket;
    server->n_spare++;
}

/* It has its answer: out of the heap of deadlines, and of whatever counts it. */
static void ticket_ends(struct skep_server *server, struct skepi_ticket *ticket)
{
    skepi_move(&skepi_ticket_machine, &ticket->state, SKEPI_TICKET_ANSWERED);
    if (ticket->place != 0)
        skepi_heap_remove(&server->deadlines, ticket->place);
}

/* The server's own answer: why there is no other. */
static void fail(struct skep_server *server, struct skepi_ticket *ticket, int code, int worker, long pid, const char *why)
{
    struct skepi_client *client = ticket->client;
    struct skepi_draft draft = {.head = *ticket->record, .failure = why};
    size_t before = client->out.bytes;
    skep_error err;

    ticket_ends(server, ticket);
    if (client->gone) {
        skepi_evict_now(server, client, ticket->record);
        return;
    }
    draft.head.message.kind = SKEPI_ANSWER;
    draft.head.message.flags = 0;
    draft.head.code = code;
    draft.head.worker = worker;
    draft.head.pid = (uint32_t)pid;
    draft.host = pid == 0 ? NULL : server->host;
    draft.head.stamp[SKEP_STAMP_SENT] = server->real_ns;
    if (skepi_outbox_add(&client->out, &draft, NULL, &err) != SKEP_OK)
        skep_log(SKEP_LOG_ERROR, "server", "a task of %s is not answered: %s", client->peer->name, err.text);
    client->refused += client->out.bytes - before;
    skepi_evict_later(client, ticket->record);
}

static struct skepi_method *find_method(struct skep_server *server, const char *name)
{
    if (server->last_method != NULL && strcmp(server->last_method->name, name) == 0)
        return server->last_method;
    for (unsigned i = 0; i < server->n_methods; i++)
        if (strcmp(server->methods[i].name, name) == 0)
            return server->last_method = &server->methods[i];
    return NULL;
}

/* Nothing but an answer can be made of it. */
static void refuse(struct skep_server *server, struct skepi_ticket *ticket, int code, const char *why)
{
    fail(server, ticket, code, SKEPI_NO_WORKER, 0, why);
    ticket_free(server, ticket);
}

static void refuse_method(struct skep_server *server, struct skepi_ticket *ticket, const char *method)
{
    char why[SKEP_ERROR_TEXT_MAX];

    snprintf(why, sizeof why, "there is no method '%s' here; there are: %s", method, server->method_list);
    refuse(server, ticket, SKEP_EINVAL, why);
}

int skepi_ticket_new(struct skep_server *server, struct skepi_client *client, const struct skepi_parts *parts,
                     struct skepi_chunk *chunk, skep_error *err)
{
    struct skepi_record *record = (struct skepi_record *)(uintptr_t)parts->head; /* it lies where it was received */
    struct skepi_ticket *ticket = ticket_alloc(server);

    if (ticket == NULL)
        return skep_fail(err, SKEP_ENOMEM, "no memory for a task");
    record->client = client->number;
    record->stamp[SKEP_STAMP_RECEIVED] = server->real_ns;
    ticket->record = record;
    ticket->priority = record->priority;
    ticket->chunk = skepi_chunk_ref(chunk);
    ticket->client = client;
    ticket->order = ++server->order;
    if (server->acting != SKEPI_RUN) {
        refuse(server, ticket, SKEP_ECANCELED, "the task server ends");
    } else if (server->hopeless.code != SKEP_OK) {
        refuse(server, ticket, server->hopeless.code, server->hopeless.text);
    } else if (server->methods != NULL && (ticket->method = find_method(server, parts->method)) == NULL) {
        refuse_method(server, ticket, parts->method);
    } else if ((record->deadline_ns != 0 && skepi_heap_add(&server->deadlines, ticket) != SKEP_OK) ||
               skepi_line_add(&client->line, ticket) != SKEP_OK) {
        refuse(server, ticket, SKEP_ENOMEM, "no memory for a task at the server");
    } else {
        server->waiting++;
    }
    return SKEP_OK;
}

/* ---- lines --------------------------------------------------------------------------------------- */

/* Of a task that came before any worker had said what there is. 0: there is none, and the task has that answer. */
static int find_late(struct skep_server *server, struct skepi_ticket *ticket)
{
    struct skepi_parts parts;

    if (ticket->method != NULL)
        return 1;
    if (skepi_record_decode(ticket->record, ticket->record->message.length, &parts, NULL) != SKEP_OK)
        parts.method = "";
    if ((ticket->method = find_method(server, parts.method)) == NULL)
        refuse_method(server, ticket, parts.method);
    return ticket->method != NULL;
}

static struct skepi_ticket *take_waiting(struct skep_server *server, struct skepi_client *client)
{
    struct skepi_ticket *ticket;

    while ((ticket = skepi_line_take(&client->line)) != NULL && ticket->state != SKEPI_TICKET_WAITING)
        ticket_free(server, ticket);
    return ticket;
}

/* The next task of the client whose turn it is, or of the next that has one. NULL: none can be given. */
static struct skepi_ticket *next_ticket(struct skep_server *server)
{
    struct skepi_client *client = server->turn, *start = NULL;
    struct skepi_ticket *ticket;

    while (server->waiting > 0) {
        if (client == NULL)
            client = server->clients;
        if (client == start)
            return NULL;
        start = start == NULL ? client : start;
        ticket = client->line.n > 0 && client->out.bytes <= SKEPI_RESULTS_MAX ? take_waiting(server, client) : NULL;
        if (ticket == NULL) {
            client = client->next;
            continue;
        }
        server->turn = client->line.n > 0 && ++server->in_turn % 32 != 0 ? client : client->next;
        server->waiting--;
        if (find_late(server, ticket))
            return ticket;
        start = NULL; /* it is answered: the same client once more */
    }
    return NULL;
}

/* It was not started: it waits again, in front. */
static void put_back(struct skep_server *server, struct skepi_ticket *ticket)
{
    struct skepi_client *client = ticket->client;

    client->given--;
    server->given--;
    if (client->gone) {
        skepi_evict_now(server, client, ticket->record);
        ticket_ends(server, ticket);
        ticket_free(server, ticket);
        skepi_client_done(server, client);
        return;
    }
    skepi_move(&skepi_ticket_machine, &ticket->state, SKEPI_TICKET_WAITING);
    if ((ticket->record->deadline_ns != 0 && skepi_heap_add(&server->deadlines, ticket) != SKEP_OK) ||
        skepi_line_return(&client->line, ticket) != SKEP_OK)
        refuse(server, ticket, SKEP_ENOMEM, "no memory for a task at the server");
    else
        server->waiting++;
}

void skepi_tickets_drop(struct skep_server *server, struct skepi_client *client)
{
    struct skepi_ticket *ticket;

    while ((ticket = skepi_line_take(&client->line)) != NULL) {
        if (ticket->state == SKEPI_TICKET_WAITING) {
            server->waiting--;
            skepi_evict_now(server, client, ticket->record);
            ticket_ends(server, ticket);
        }
        ticket_free(server, ticket);
    }
}

/* ---- seats --------------------------------------------------------------------------------------- */

static struct skepi_ticket *given_at(const struct skepi_seat *seat, unsigned i)
{
    return seat->given[(seat->first + i) % SKEPI_SEAT_MAX];
}

static struct skepi_ticket *pop_first(struct skepi_seat *seat)
{
    struct skepi_ticket *ticket = given_at(seat, 0);

    seat->first = (seat->first + 1) % SKEPI_SEAT_MAX;
    seat->n--;
    seat->ahead_ns -= ticket->expected_ns;
    return ticket;
}

static struct skepi_ticket *pop_last(struct skepi_seat *seat)
{
    struct skepi_ticket *ticket = given_at(seat, --seat->n);

    seat->ahead_ns -= ticket->expected_ns;
    return ticket;
}

static void add(_Atomic uint64_t *sum, uint64_t more)
{
    if (more > 0) /* one writer: no need for a locked instruction */
        atomic_store_explicit(sum, atomic_load_explicit(sum, memory_order_relaxed) + more, memory_order_relaxed);
}

/* The worker has nothing to do, or again something. */
static void becomes_idle(struct skep_server *server, struct skepi_seat *seat)
{
    atomic_store_explicit(&seat->idle_since, server->now_ns, memory_order_relaxed);
}

static void ends_idleness(struct skep_server *server, struct skepi_seat *seat)
{
    uint64_t since = atomic_exchange_explicit(&seat->idle_since, 0, memory_order_relaxed);

    if (since != 0)
        add(&seat->idle, server->now_ns - since);
}

static void becomes_busy(struct skep_server *server, struct skepi_seat *seat)
{
    ends_idleness(server, seat);
    seat->progress_ns = server->now_ns;
}

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
        becomes_busy(server, seat);
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
        pop_last(seat);
        put_back(server, ticket);
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

        if (!may_give(seat, OVERHEAD_NS, generous) || (ticket = next_ticket(server)) == NULL)
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
    ticket = seat->n == 0 ? NULL : given_at(seat, 0);
    if (ticket == NULL || memcmp(answer->id, ticket->record->id, sizeof answer->id) != 0 ||
        answer->attempt != ticket->record->attempt)
        return skep_fail(err, SKEP_EFORMAT, "it answered a task that it was not given, or not yet");
    pop_first(seat);
    client = ticket->client;
    client->given--;
    server->given--;
    seat->slow = 0;
    seat->progress_ns = server->now_ns;
    if (seat->n == 0)
        becomes_idle(server, seat);
    if (answer->stamp[SKEP_STAMP_STARTED] != 0)
        learn(ticket->method, answer->span[SKEP_SPAN_RUN] + answer->span[SKEP_SPAN_SERIALISE]);
    count(seat, answer, ticket->record);
    answer->reply = ticket->record->reply;
    answer->worker = worker;
    answer->stamp[SKEP_STAMP_SENT] = server->real_ns;
    ticket_ends(server, ticket);
    if (client->gone) {
        skepi_evict_now(server, client, ticket->record);
        skepi_evict_now(server, client, answer);
    } else if (skepi_outbox_pass(&client->out, message, message->length, chunk) != SKEP_OK) {
        skep_log(SKEP_LOG_ERROR, "server", "no memory to pass an answer on to %s", client->peer->name);
    } else {
        skepi_evict_later(client, ticket->record);
        skepi_evict_later(client, answer);
    }
    ticket_free(server, ticket);
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
    becomes_idle(server, seat);
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
        struct skepi_ticket *ticket = pop_last(seat);
        struct skepi_client *client = ticket->client;

        if (ticket->number <= death->started)
            skepi_evict_lost(server, ticket);
        if (ticket->number != death->started || !death->in_method) {
            ticket->record->attempt += ticket->number <= death->started;
            put_back(server, ticket);
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
        fail(server, ticket, server->acting >= SKEPI_KILL ? SKEP_ECANCELED : SKEP_EFAILED, worker, pid, why);
        ticket_free(server, ticket);
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

/* ---- time ---------------------------------------------------------------------------------------- */

/* Tasks whose deadline passed while they waited. */
static uint64_t expire(struct skep_server *server)
{
    struct skepi_ticket *ticket, *next;
    struct skepi_client *client;

    while ((ticket = skepi_heap_first(&server->deadlines)) != NULL) {
        if (ticket->record->deadline_ns > server->real_ns)
            return server->now_ns + (ticket->record->deadline_ns - server->real_ns);
        client = ticket->client;
        skepi_line_forget(&client->line, ticket);
        server->waiting--;
        fail(server, ticket, SKEP_ETIMEDOUT, SKEPI_NO_WORKER, 0, "its deadline passed before a worker was free");
        skepi_chunk_unref(ticket->chunk);
        ticket->chunk = NULL;
        ticket->record = NULL;
        for (ticket = skepi_line_purge(&client->line); ticket != NULL; ticket = next) {
            next = ticket->next;
            ticket_free(server, ticket);
        }
    }
    return SKEP_FOREVER;
}

static int any_idle(const struct skep_server *server)
{
    for (int i = 0; i < server->n_seats; i++)
        if (server->seats[i].up && server->seats[i].n == 0)
            return 1;
    return 0;
}

static void take_back(struct skep_server *server, int index)
{
    struct skepi_seat *seat = &server->seats[index];
    uint64_t started;

    if (seat->revoked) /* and nothing was given since */
        return;
    started = server->engine_ops->revoke(server->engine, index);
    seat->revoked = 1;
    while (seat->n > 0 && given_at(seat, seat->n - 1)->number > started)
        put_back(server, pop_last(seat));
    if (seat->n == 0)
        becomes_idle(server, seat);
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
            take_back(server, i);
    }
    return watch ? server->now_ns + STUCK_NS : SKEP_FOREVER;
}

uint64_t skepi_dispatch_due(struct skep_server *server)
{
    uint64_t expires = expire(server), stuck = unstick(server);

    return expires < stuck ? expires : stuck;
}

void skepi_tickets_cancel(struct skep_server *server, int given_too, int code, const char *why)
{
    struct skepi_ticket *ticket;

    for (int i = 0; i < server->n_seats && given_too; i++)
        if (server->seats[i].up && server->seats[i].n > 0)
            take_back(server, i);
    for (struct skepi_client *c = server->clients; c != NULL; c = c->next)
        while ((ticket = skepi_line_take(&c->line)) != NULL) {
            if (ticket->state == SKEPI_TICKET_WAITING) {
                server->waiting--;
                fail(server, ticket, code, SKEPI_NO_WORKER, 0, why);
            }
            ticket_free(server, ticket);
        }
}
