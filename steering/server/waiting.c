/* waiting.c - tasks from when they come in until a worker is given them, and the answers that the server itself makes. */
#include "steering/server/dispatch.h"

#include <skep/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SPARE_TICKETS = 256 };

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

void skepi_ticket_free(struct skep_server *server, struct skepi_ticket *ticket)
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
void skepi_ticket_ends(struct skep_server *server, struct skepi_ticket *ticket)
{
    skepi_move(&skepi_ticket_machine, &ticket->state, SKEPI_TICKET_ANSWERED);
    if (ticket->place != 0)
        skepi_heap_remove(&server->deadlines, ticket->place);
}

/* The server's own answer: why there is no other. */
void skepi_ticket_fail(struct skep_server *server, struct skepi_ticket *ticket, int code, int worker, long pid,
                       const char *why)
{
    struct skepi_client *client = ticket->client;
    struct skepi_draft draft = {.head = *ticket->record, .failure = why};
    size_t before = client->out.bytes;
    skep_error err;

    skepi_ticket_ends(server, ticket);
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
    skepi_ticket_fail(server, ticket, code, SKEPI_NO_WORKER, 0, why);
    skepi_ticket_free(server, ticket);
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
        skepi_ticket_free(server, ticket);
    return ticket;
}

/* The next task of the client whose turn it is, or of the next that has one. NULL: none can be given. */
struct skepi_ticket *skepi_ticket_next(struct skep_server *server)
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
void skepi_ticket_put_back(struct skep_server *server, struct skepi_ticket *ticket)
{
    struct skepi_client *client = ticket->client;

    client->given--;
    server->given--;
    if (client->gone) {
        skepi_evict_now(server, client, ticket->record);
        skepi_ticket_ends(server, ticket);
        skepi_ticket_free(server, ticket);
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
            skepi_ticket_ends(server, ticket);
        }
        skepi_ticket_free(server, ticket);
    }
}

/* ---- the end of waiting -------------------------------------------------------------------------- */

/* Tasks whose deadline passed while they waited. */
uint64_t skepi_tickets_expire(struct skep_server *server)
{
    struct skepi_ticket *ticket, *next;
    struct skepi_client *client;

    while ((ticket = skepi_heap_first(&server->deadlines)) != NULL) {
        if (ticket->record->deadline_ns > server->real_ns)
            return server->now_ns + (ticket->record->deadline_ns - server->real_ns);
        client = ticket->client;
        skepi_line_forget(&client->line, ticket);
        server->waiting--;
        skepi_ticket_fail(server, ticket, SKEP_ETIMEDOUT, SKEPI_NO_WORKER, 0,
                          "its deadline passed before a worker was free");
        skepi_chunk_unref(ticket->chunk);
        ticket->chunk = NULL;
        ticket->record = NULL;
        for (ticket = skepi_line_purge(&client->line); ticket != NULL; ticket = next) {
            next = ticket->next;
            skepi_ticket_free(server, ticket);
        }
    }
    return SKEP_FOREVER;
}

void skepi_tickets_cancel(struct skep_server *server, int given_too, int code, const char *why)
{
    struct skepi_ticket *ticket;

    for (int i = 0; i < server->n_seats && given_too; i++)
        if (server->seats[i].up && server->seats[i].n > 0)
            skepi_seat_take_back(server, i);
    for (struct skepi_client *c = server->clients; c != NULL; c = c->next)
        while ((ticket = skepi_line_take(&c->line)) != NULL) {
            if (ticket->state == SKEPI_TICKET_WAITING) {
                server->waiting--;
                skepi_ticket_fail(server, ticket, code, SKEPI_NO_WORKER, 0, why);
            }
            skepi_ticket_free(server, ticket);
        }
}
