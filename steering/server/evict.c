/* evict.c - objects that the queues made and nobody waits for any more. */
#include "steering/server/server.h"
#include "steering/task/id.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EVICT_WAIT_MS = 2000 };

/* A worker has the stores open, and the time: the server's thread does it only when there is none. */
static void evict(struct skep_server *server, uint32_t client, const char *handle)
{
    const struct skepi_control control = {.kind = SKEPI_EVICT, .number = {client, 0}, .n = 1, .text = {handle}};
    skep_proxy *proxy;
    skep_error why;
    int rc;

    for (int i = 0; i < server->n_seats; i++)
        if (server->seats[i].up) {
            skepi_seat_say(server, i, &control);
            return;
        }
    if ((rc = skep_proxy_open(handle, NULL, &proxy, &why)) == SKEP_OK) {
        rc = skep_proxy_evict(proxy, skep_in_ms(EVICT_WAIT_MS), &why);
        skep_proxy_unref(proxy);
    }
    if (rc != SKEP_OK)
        skep_log(SKEP_LOG_WARN, "server", "an object stays in its store: %s", why.text);
}

static uint32_t values_of(const struct skepi_record *record)
{
    return record->inputs + ((record->message.flags & SKEPI_RECORD_VALUE) != 0);
}

static void hand(struct skepi_client *client, const char *handle)
{
    char **place;

    if (client->handed == NULL && (client->handed = calloc(SKEPI_HANDED_MAX, sizeof *client->handed)) == NULL)
        return;
    place = &client->handed[client->n_handed++ % SKEPI_HANDED_MAX];
    free(*place); /* so old that it is gone by now */
    *place = strdup(handle);
}

void skepi_evict_later(struct skepi_client *client, const struct skepi_record *record)
{
    const unsigned char *at;
    struct skepi_parts parts;
    struct skepi_value value;

    if ((record->message.flags & SKEPI_RECORD_OWNED) == 0 ||
        skepi_record_decode(record, record->message.length, &parts, NULL) != SKEP_OK)
        return;
    at = parts.values;
    for (uint32_t n = values_of(record); n > 0; n--) {
        skepi_record_next(&at, &value);
        if ((value.flags & SKEPI_VALUE_OWNED) != 0)
            hand(client, value.data);
    }
}

void skepi_forget_handed(struct skepi_client *client)
{
    for (unsigned i = 0; i < SKEPI_HANDED_MAX && client->handed != NULL; i++)
        free(client->handed[i]);
    free(client->handed);
    client->handed = NULL;
}

void skepi_evict_handed(struct skep_server *server, struct skepi_client *client)
{
    for (unsigned i = 0; i < SKEPI_HANDED_MAX && client->handed != NULL; i++)
        if (client->handed[i] != NULL)
            evict(server, client->number, client->handed[i]);
    skepi_forget_handed(client);
}

void skepi_evict_now(struct skep_server *server, struct skepi_client *client, const struct skepi_record *record)
{
    const unsigned char *at;
    struct skepi_parts parts;
    struct skepi_value value;

    if ((record->message.flags & SKEPI_RECORD_OWNED) == 0 ||
        skepi_record_decode(record, record->message.length, &parts, NULL) != SKEP_OK)
        return;
    at = parts.values;
    for (uint32_t n = values_of(record); n > 0; n--) {
        skepi_record_next(&at, &value);
        if ((value.flags & SKEPI_VALUE_OWNED) != 0)
            evict(server, client->number, value.data);
    }
}

/* The value of the attempt that its worker died with: it may have been put already, under the key that it was bound to get.
 */
void skepi_evict_lost(struct skep_server *server, const struct skepi_ticket *ticket)
{
    char key[SKEPI_KEY_TEXT], handle[SKEP_HANDLE_MAX];
    struct skepi_parts parts;

    if (ticket->client->said == NULL ||
        skepi_record_decode(ticket->record, ticket->record->message.length, &parts, NULL) != SKEP_OK)
        return;
    for (const struct skepi_said *s = ticket->client->said; s != NULL; s = s->next) {
        if (s->control.kind != SKEPI_NAMES || strcmp(s->control.text[0], parts.topic) != 0 || s->control.text[1][0] == '\0')
            continue;
        skepi_id_value_key(ticket->record->id, ticket->record->attempt, key);
        if (snprintf(handle, sizeof handle, "%s#k=%s", s->control.text[1], key) < (int)sizeof handle)
            evict(server, ticket->client->number, handle);
        return;
    }
}
