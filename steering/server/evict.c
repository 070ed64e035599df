/* evict.c - objects that the queues made and nobody waits for any more. */
#include "steering/server/server.h"
#include "steering/task/id.h"

#include <skep/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the client's handles may lead to: the server's policy, else the stores that it named, which are this user's. */
static skep_policy *policy_of(struct skep_server *server, struct skepi_client *client)
{
    size_t size = sizeof "none";
    char *text, *at;

    if (server->policy != NULL)
        return server->policy;
    if (client->policy != NULL)
        return client->policy;
    for (const struct skepi_said *s = client->said; s != NULL; s = s->next)
        size += strlen(s->control.text[0]) + 1;
    if ((text = malloc(size)) == NULL)
        return NULL;
    at = text;
    for (const struct skepi_said *s = client->said; s != NULL; s = s->next) {
        at = at == text ? text : stpcpy(at, " ");
        at = stpcpy(at, s->control.text[0]);
    }
    if (at == text)
        stpcpy(text, "none");
    if (skep_policy_parse(text, &client->policy, NULL) != SKEP_OK)
        client->policy = NULL;
    free(text);
    return client->policy;
}

static void evict(struct skep_server *server, struct skepi_client *client, const char *handle)
{
    skep_policy *policy = policy_of(server, client);

    if (policy != NULL)
        skepi_janitor_add(&server->janitor, policy, handle);
    else
        skep_log(SKEP_LOG_WARN, "server", "objects of a client stay in their stores: no memory to evict them");
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
            evict(server, client, client->handed[i]);
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
            evict(server, client, value.data);
    }
}

/* The value of the attempt that its worker died with: it may have been put already, under the key that it was bound to get.
 */
void skepi_evict_lost(struct skep_server *server, const struct skepi_ticket *ticket)
{
    char key[SKEPI_KEY_TEXT], handle[SKEP_HANDLE_MAX];

    for (const struct skepi_said *s = ticket->client->said; s != NULL; s = s->next) {
        if (s->control.kind != SKEPI_NAMES || s->control.number[0] >> 32 != ticket->record->declared)
            continue;
        skepi_id_value_key(ticket->record->id, ticket->record->attempt, key);
        if (snprintf(handle, sizeof handle, "%s#k=%s", s->control.text[0], key) < (int)sizeof handle)
            evict(server, ticket->client, handle);
        return;
    }
}
