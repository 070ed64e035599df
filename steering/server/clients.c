/* clients.c - who sends tasks to a server, and what they say. */
#include "steering/server/server.h"

#include <skep/log.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    WINDOW_GRACE = 4,                    /* times the window: who sends more than that does not listen */
    REFUSED_MAX = SKEPI_RESULTS_MAX * 2, /* bytes of failures that it does not read, likewise */
};

/* ---- sending ------------------------------------------------------------------------------------- */

static void flush(struct skep_server *server, struct skepi_client *client)
{
    int left, rc;

    if (client->peer == NULL || client->blocked || client->out.n == 0)
        return;
    rc = server->link_ops->send(client->peer, &client->out);
    if (rc == SKEP_ECLOSED) /* the link will tell */
        skepi_outbox_drop(&client->out, client->out.bytes);
    if (client->out.bytes <= SKEPI_RESULTS_MAX)
        client->refused = 0;
    left = client->out.n > 0;
    if (left != client->blocked) {
        client->blocked = left;
        server->link_ops->notify(client->peer, left);
    }
}

void skepi_clients_flush(struct skep_server *server)
{
    for (struct skepi_client *c = server->clients; c != NULL; c = c->next)
        flush(server, c);
}

int skepi_clients_unsent(const struct skep_server *server)
{
    for (const struct skepi_client *c = server->clients; c != NULL; c = c->next)
        if (c->peer != NULL && c->out.n > 0)
            return 1;
    return 0;
}

static void client_writable(void *arg, struct skepi_peer *peer)
{
    struct skep_server *server = arg;
    struct skepi_client *client = peer->user;

    client->blocked = 0;
    flush(server, client);
    if (!client->blocked)
        server->link_ops->notify(peer, 0);
}

static int say(struct skepi_client *client, struct skepi_control control)
{
    return skepi_control_add(&client->out, &control);
}

/* ---- coming and going ---------------------------------------------------------------------------- */

static int client_joined(void *arg, struct skepi_peer *peer)
{
    struct skep_server *server = arg;
    struct skepi_client *client = calloc(1, sizeof *client);

    if (client == NULL)
        return SKEP_ENOMEM;
    client->peer = peer;
    client->number = ++server->client_number;
    skepi_line_init(&client->line);
    client->next = server->clients;
    server->clients = client;
    peer->user = client;
    return SKEP_OK;
}

static void forget_said(struct skepi_said **here)
{
    struct skepi_said *said = *here;

    *here = said->next;
    free(said);
}

void skepi_client_done(struct skep_server *server, struct skepi_client *client)
{
    const struct skepi_control forget = {.kind = SKEPI_FORGET, .number = {client->number, 0}};
    struct skepi_client **here = &server->clients;

    if (client->peer != NULL || client->given > 0)
        return;
    for (int i = 0; i < server->n_seats && client->said != NULL; i++)
        if (server->seats[i].up)
            skepi_seat_say(server, i, &forget);
    while (*here != client)
        here = &(*here)->next;
    *here = client->next;
    if (server->turn == client)
        server->turn = client->next;
    while (client->said != NULL)
        forget_said(&client->said);
    skep_policy_unref(client->policy);
    skepi_outbox_fini(&client->out);
    skepi_line_fini(&client->line);
    free(client);
}

/* From now on nobody waits for its tasks. */
static void goes(struct skep_server *server, struct skepi_client *client)
{
    if (client->gone)
        return;
    client->gone = 1;
    server->n_clients -= client->known != 0;
    skepi_tickets_drop(server, client);
    skepi_evict_handed(server, client);
    if (server->until_clients_gone && server->had_clients && server->n_clients == 0)
        skepi_server_ask(server, SKEPI_KILL); /* what runs runs for nobody */
}

static void client_left(void *arg, struct skepi_peer *peer, const skep_error *why)
{
    struct skep_server *server = arg;
    struct skepi_client *client = peer->user;

    if (why->code != SKEP_ECLOSED)
        skep_log(SKEP_LOG_WARN, "server", "the client %s was dropped: %s", peer->name, why->text);
    client->peer = NULL;
    skepi_outbox_drop(&client->out, client->out.bytes);
    goes(server, client);
    skepi_client_done(server, client);
}

void skepi_clients_fini(struct skep_server *server)
{
    while (server->clients != NULL) {
        struct skepi_client *client = server->clients;

        client->peer = NULL;
        client->given = 0;
        skepi_forget_handed(client); /* it lives on, and evicts them */
        goes(server, client);
        skepi_client_done(server, client);
    }
}

/* ---- what they say ------------------------------------------------------------------------------- */

static int keep_said(struct skep_server *server, struct skepi_client *client, const struct skepi_control *told)
{
    const struct skepi_control control = {.kind = told->kind == SKEPI_TOPIC ? SKEPI_NAMES : SKEPI_ALSO,
                                          .number = {client->number | told->number[1] << 32, told->number[0]},
                                          .n = 1};
    size_t size = strlen(told->text[0]) + 1;
    struct skepi_said **here = &client->said, *said = malloc(sizeof *said + size);

    if (said == NULL)
        return SKEP_ENOMEM;
    while (*here != NULL && ((*here)->control.kind != control.kind || (*here)->control.number[0] != control.number[0] ||
                             (control.kind == SKEPI_ALSO && strcmp((*here)->control.text[0], told->text[0]) != 0)))
        here = &(*here)->next;
    if (*here != NULL)
        forget_said(here);
    said->control = control;
    said->control.text[0] = memcpy(said + 1, told->text[0], size);
    said->next = client->said;
    client->said = said;
    skep_policy_unref(client->policy);
    client->policy = NULL;
    for (int i = 0; i < server->n_seats; i++)
        if (server->seats[i].up)
            skepi_seat_say(server, i, &said->control);
    return SKEP_OK;
}

void skepi_clients_introduce(struct skep_server *server, int seat)
{
    for (const struct skepi_client *c = server->clients; c != NULL; c = c->next)
        for (const struct skepi_said *s = c->said; s != NULL; s = s->next)
            skepi_seat_say(server, seat, &s->control);
}

/* May workers use that store? Over links that are not this user's own, only if whoever started the server said so. */
static int said_topic(struct skep_server *server, struct skepi_client *client, const struct skepi_control *told,
                      skep_error *err)
{
    skep_error why;
    int rc;

    if (told->n != 1 || told->text[0][0] == '\0' || told->number[1] == 0 || told->number[1] > UINT32_MAX)
        return skep_fail(err, SKEP_EFORMAT, "a topic of %u words and number %llu", told->n,
                         (unsigned long long)told->number[1]);
    rc = server->policy == NULL ? SKEP_OK : skep_policy_check(server->policy, told->text[0], &why);
    if (rc == SKEP_OK && (rc = keep_said(server, client, told)) != SKEP_OK)
        skep_fail(&why, rc, "no memory for a topic");
    if (rc == SKEP_OK)
        rc = say(client, (struct skepi_control){.kind = SKEPI_AGREED, .number = {0, told->number[1]}});
    else
        rc = say(client,
                 (struct skepi_control){
                     .kind = SKEPI_REFUSED, .number = {(uint64_t)(int64_t)rc, told->number[1]}, .n = 1, .text = {why.text}});
    return rc == SKEP_OK ? SKEP_OK : skep_fail(err, rc, "answering a topic");
}

static int said_hello(struct skep_server *server, struct skepi_client *client, const struct skepi_control *told,
                      skep_error *err)
{
    if (told->kind != SKEPI_HELLO || told->n != 1)
        return skep_fail(err, SKEP_EFORMAT, "it did not say hello, but %u", told->kind);
    client->known = server->had_clients = 1;
    server->n_clients++;
    if (say(client,
            (struct skepi_control){
                .kind = SKEPI_WELCOME, .number = {(uint64_t)getpid(), SKEPI_WINDOW}, .n = 1, .text = {"skep"}}) != SKEP_OK)
        return skep_fail(err, SKEP_ENOMEM, "no memory to welcome it");
    return SKEP_OK;
}

static int said(struct skep_server *server, struct skepi_client *client, const struct skepi_message *message,
                skep_error *err)
{
    struct skepi_control told;
    int rc = skepi_control_decode(message, &told, err);

    if (rc != SKEP_OK || client->gone)
        return rc;
    if (!client->known)
        return said_hello(server, client, &told, err);
    switch (told.kind) {
    case SKEPI_TOPIC:
        return said_topic(server, client, &told, err);
    case SKEPI_STORE:
        if (told.n != 1)
            return skep_fail(err, SKEP_EFORMAT, "a store of %u words", told.n);
        told.number[0] = told.number[1] = 0;
        return !server->link_ops->trusted ? SKEP_OK : keep_said(server, client, &told);
    case SKEPI_STOP:
        skepi_server_ask(server, SKEPI_DRAIN);
        return SKEP_OK;
    case SKEPI_BYE:
        skepi_forget_handed(client);
        goes(server, client);
        return say(client, told) == SKEP_OK ? SKEP_OK : skep_fail(err, SKEP_ENOMEM, "no memory to say good bye");
    case SKEPI_PING:
        return SKEP_OK;
    default:
        return skep_fail(err, SKEP_EFORMAT, "a message of kind %u", told.kind);
    }
}

static int client_message(void *arg, struct skepi_peer *peer, struct skepi_message *message, struct skepi_chunk *chunk,
                          skep_error *err)
{
    struct skep_server *server = arg;
    struct skepi_client *client = peer->user;
    struct skepi_parts parts;
    int rc;

    if (message->kind != SKEPI_TASK || !client->known || client->gone)
        return said(server, client, message, err);
    if ((rc = skepi_record_decode(message, message->length, &parts, err)) != SKEP_OK)
        return rc;
    if (client->refused > REFUSED_MAX)
        return skep_fail(err, SKEP_ETOOBIG, "it does not read why its tasks failed: %zu bytes wait", client->refused);
    if (client->line.bytes > WINDOW_GRACE * SKEPI_WINDOW)
        return skep_fail(err, SKEP_ETOOBIG, "it sends on although %zu bytes of its tasks wait here", client->line.bytes);
    return skepi_ticket_new(server, client, &parts, chunk, err);
}

const struct skepi_link_events skepi_client_events = {
    .joined = client_joined,
    .message = client_message,
    .writable = client_writable,
    .left = client_left,
};
