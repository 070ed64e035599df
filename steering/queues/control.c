/* control.c - the messages that are not tasks. */
#include "steering/queues/control.h"

#include <string.h>

struct wire {
    struct skepi_message message; /* flags: how many texts */
    uint64_t number[2];
};

_Static_assert(sizeof(struct wire) == 24, "the form of messages is fixed");

int skepi_control_decode(const struct skepi_message *message, struct skepi_control *out, skep_error *err)
{
    const struct wire *w = (const void *)message;
    const char *at = (const char *)(w + 1), *end = (const char *)message + message->length;

    if (message->version != SKEPI_RECORD_VERSION)
        return skep_fail(err, SKEP_EVERSION, "a peer of version %u: this is version %u", message->version,
                         SKEPI_RECORD_VERSION);
    if (message->length < sizeof *w || message->kind < SKEPI_CONTROL || message->kind >= SKEPI_CONTROL_END ||
        message->flags > SKEPI_TEXTS_MAX)
        return skep_fail(err, SKEP_EFORMAT, "a message of kind %u with %u bytes", message->kind, message->length);
    out->kind = message->kind;
    out->number[0] = w->number[0];
    out->number[1] = w->number[1];
    out->n = message->flags;
    for (unsigned i = 0; i < out->n; i++) {
        size_t size = strnlen(at, (size_t)(end - at));

        if (size == (size_t)(end - at) || skepi_text_check(at, size) != SKEP_OK)
            return skep_fail(err, SKEP_EFORMAT, "a message of kind %u whose texts are cut or not UTF-8", message->kind);
        out->text[i] = at;
        at += size + 1;
    }
    return SKEP_OK;
}

int skepi_control_add(struct skepi_outbox *box, const struct skepi_control *control)
{
    struct wire w = {.message = {.kind = control->kind, .version = SKEPI_RECORD_VERSION, .flags = (uint16_t)control->n},
                     .number = {control->number[0], control->number[1]}};
    size_t size = sizeof w, padded;
    char *room, *at;
    int rc;

    for (unsigned i = 0; i < control->n; i++)
        size += strlen(control->text[i]) + 1;
    padded = (size + 7) & ~(size_t)7;
    if (padded > SKEPI_RUN_MAX)
        return SKEP_ETOOBIG;
    if ((room = skepi_outbox_room(box, padded)) == NULL)
        return SKEP_ENOMEM;
    w.message.length = (uint32_t)padded;
    memcpy(room, &w, sizeof w);
    at = room + sizeof w;
    for (unsigned i = 0; i < control->n; i++)
        at = stpcpy(at, control->text[i]) + 1;
    memset(at, 0, padded - size);
    if ((rc = skepi_outbox_pass(box, room, padded, box->chunk)) == SKEP_OK)
        box->used += padded;
    return rc;
}
