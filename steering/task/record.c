/* record.c - a task as it travels: checked, read and written. */
#include "steering/task/record.h"

#include <stddef.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "records are little-endian and used where they lie");
_Static_assert(sizeof(struct skepi_message) == 8 && sizeof(struct skepi_record) == 200, "the form of records is fixed");
_Static_assert(sizeof(struct skepi_record_value) == 16, "the form of records is fixed");

static uint64_t align8(uint64_t n)
{
    return (n + 7) & ~UINT64_C(7);
}

/* ---- in ------------------------------------------------------------------------------------------ */

static int zeros(const unsigned char *at, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (at[i] != 0)
            return 0;
    return 1;
}

static int check_head(const struct skepi_record *head, size_t size, skep_error *err)
{
    if (size < sizeof *head || head->message.length != size || size % 8 != 0 || size > SKEPI_MESSAGE_MAX)
        return skep_fail(err, SKEP_EFORMAT, "a record of %zu bytes that says %u", size,
                         size < sizeof head->message ? 0 : head->message.length);
    if (head->message.version != SKEPI_RECORD_VERSION)
        return skep_fail(err, SKEP_EVERSION, "a record of version %u: this is version %u", head->message.version,
                         SKEPI_RECORD_VERSION);
    if (head->message.kind != SKEPI_TASK && head->message.kind != SKEPI_ANSWER)
        return skep_fail(err, SKEP_EFORMAT, "a record of kind %u", head->message.kind);
    if ((head->message.flags & ~(SKEPI_RECORD_VALUE | SKEPI_RECORD_OWNED)) != 0 || head->reserved != 0)
        return skep_fail(err, SKEP_EFORMAT, "a record with unknown flags %#x", head->message.flags);
    if (head->inputs > SKEPI_INPUTS_MAX || head->method_size >= SKEPI_NAME_MAX || head->topic_size >= SKEPI_NAME_MAX ||
        head->host_size >= SKEPI_NAME_MAX)
        return skep_fail(err, SKEP_EFORMAT, "a record with %u inputs and names of %u, %u and %u bytes", head->inputs,
                         head->method_size, head->topic_size, head->host_size);
    if (head->attempt == 0 || head->code > 0)
        return skep_fail(err, SKEP_EFORMAT, "a record of attempt %u with code %d", head->attempt, head->code);
    return SKEP_OK;
}

/* The text of `size` bytes at `*at`, which moves behind its NUL; NULL: there is none before `end`. */
static const char *text(const unsigned char **at, const unsigned char *end, size_t size)
{
    const char *found = (const char *)*at;

    if ((size_t)(end - *at) <= size || found[size] != '\0' || skepi_text_check(found, size) != SKEP_OK)
        return NULL;
    *at += size + 1;
    return found;
}

static int check_texts(struct skepi_parts *out, const unsigned char **at, const unsigned char *end, skep_error *err)
{
    const unsigned char *start = *at;
    const struct skepi_record *head = out->head;
    size_t padding;

    if ((out->method = text(at, end, head->method_size)) == NULL || (out->topic = text(at, end, head->topic_size)) == NULL ||
        (out->host = text(at, end, head->host_size)) == NULL || (out->info = text(at, end, head->info_size)) == NULL ||
        (out->failure = text(at, end, head->failure_size)) == NULL)
        return skep_fail(err, SKEP_EFORMAT, "a record whose texts are cut or not UTF-8");
    padding = (size_t)(align8((uint64_t)(*at - start)) - (uint64_t)(*at - start));
    if ((size_t)(end - *at) < padding || !zeros(*at, padding))
        return skep_fail(err, SKEP_EFORMAT, "a record with %zu bytes of rubbish behind its texts", padding);
    *at += padding;
    return SKEP_OK;
}

/* 1 if the head of a value makes sense; `*payload`: how many bytes follow it. */
static int value_makes_sense(const struct skepi_record_value *v, uint64_t *payload)
{
    const struct skepi_value value = {.type = v->type, .flags = v->flags};

    *payload = 0;
    if (v->type > SKEP_VALUE_PROXY || (v->flags & ~(SKEPI_VALUE_PROXIED | SKEPI_VALUE_OWNED)) != 0 || v->reserved16 != 0 ||
        v->reserved32 != 0)
        return 0;
    if (skepi_value_is_scalar(&value))
        return v->flags == 0 && (v->type != SKEP_VALUE_NULL || v->bits == 0) && (v->type != SKEP_VALUE_BOOL || v->bits <= 1);
    if (v->type == SKEP_VALUE_PROXY && v->flags != SKEPI_VALUE_PROXIED)
        return 0;
    if ((v->flags & SKEPI_VALUE_OWNED) != 0 && (v->flags & SKEPI_VALUE_PROXIED) == 0)
        return 0;
    if ((v->flags & SKEPI_VALUE_PROXIED) != 0 && v->bits >= SKEP_HANDLE_MAX)
        return 0;
    *payload = v->bits + (uint64_t)skepi_value_is_text(&value);
    return v->bits <= SKEPI_MESSAGE_MAX;
}

static int check_value(const unsigned char **at, const unsigned char *end, unsigned *flags)
{
    struct skepi_record_value v;
    struct skepi_value value;
    uint64_t payload, room;

    if ((size_t)(end - *at) < sizeof v)
        return 0;
    memcpy(&v, *at, sizeof v);
    *at += sizeof v;
    room = (uint64_t)(end - *at);
    if (!value_makes_sense(&v, &payload) || align8(payload) > room || !zeros(*at + payload, align8(payload) - payload))
        return 0;
    value = (struct skepi_value){.type = v.type, .flags = v.flags};
    if (payload > 0 && skepi_value_is_text(&value) && (*at)[payload - 1] != '\0')
        return 0;
    *flags |= v.flags;
    *at += align8(payload);
    return 1;
}

int skepi_record_decode(const void *data, size_t size, struct skepi_parts *out, skep_error *err)
{
    struct skepi_parts parts = {.head = data};
    const unsigned char *at = (const unsigned char *)data + sizeof *parts.head, *end = (const unsigned char *)data + size;
    unsigned flags = 0, values;
    int rc;

    if ((uintptr_t)data % 8 != 0)
        return skep_fail(err, SKEP_EFORMAT, "a record that does not lie at a multiple of 8");
    if ((rc = check_head(parts.head, size, err)) != SKEP_OK || (rc = check_texts(&parts, &at, end, err)) != SKEP_OK)
        return rc;
    parts.values = at;
    values = parts.head->inputs + ((parts.head->message.flags & SKEPI_RECORD_VALUE) != 0);
    for (unsigned i = 0; i < values; i++)
        if (!check_value(&at, end, &flags))
            return skep_fail(err, SKEP_EFORMAT, "a record whose input %u is malformed", i);
    if (at != end)
        return skep_fail(err, SKEP_EFORMAT, "a record with %zu bytes behind its end", (size_t)(end - at));
    if (((flags & SKEPI_VALUE_OWNED) != 0) != ((parts.head->message.flags & SKEPI_RECORD_OWNED) != 0))
        return skep_fail(err, SKEP_EFORMAT, "a record whose flags and values disagree");
    *out = parts;
    return SKEP_OK;
}

void skepi_record_next(const unsigned char **at, struct skepi_value *out)
{
    struct skepi_record_value v;

    memcpy(&v, *at, sizeof v);
    *at += sizeof v;
    *out = (struct skepi_value){.type = v.type, .flags = v.flags, .bits = v.bits};
    if (skepi_value_is_scalar(out))
        return;
    out->data = *at;
    *at += align8(v.bits + (uint64_t)skepi_value_is_text(out));
}

/* ---- out ----------------------------------------------------------------------------------------- */

static size_t length(const char *s)
{
    return s == NULL ? 0 : strlen(s);
}

static size_t payload_of(const struct skepi_value *value)
{
    return skepi_value_is_scalar(value) ? 0 : (size_t)value->bits + (size_t)skepi_value_is_text(value);
}

/* Add what a value takes in the record and in the block. */
static int measure_value(const struct skepi_value *value, uint64_t *total, size_t *block, size_t *gaps)
{
    size_t payload = payload_of(value), padded = (size_t)align8(payload);

    if (payload > SKEPI_MESSAGE_MAX)
        return SKEP_ETOOBIG;
    *total += sizeof(struct skepi_record_value) + padded;
    *block += sizeof(struct skepi_record_value) + padded;
    if (payload > SKEPI_COPY_MAX) {
        *block -= payload;
        ++*gaps;
    }
    return *total > SKEPI_MESSAGE_MAX ? SKEP_ETOOBIG : SKEP_OK;
}

static int measure_texts(struct skepi_draft *draft, size_t *size, skep_error *err)
{
    size_t method = length(draft->method), topic = length(draft->topic), host = length(draft->host);
    size_t info = length(draft->info), failure = length(draft->failure);

    if (method >= SKEPI_NAME_MAX || topic >= SKEPI_NAME_MAX || host >= SKEPI_NAME_MAX)
        return skep_fail(err, SKEP_EINVAL, "a name of %zu bytes: %d are the most",
                         method > topic ? method
                         : topic > host ? topic
                                        : host,
                         SKEPI_NAME_MAX - 1);
    if (info > SKEPI_MESSAGE_MAX / 4 || failure > SKEPI_MESSAGE_MAX / 4)
        return skep_fail(err, SKEP_ETOOBIG, "a text of %zu bytes", info > failure ? info : failure);
    draft->head.method_size = (uint16_t)method;
    draft->head.topic_size = (uint16_t)topic;
    draft->head.host_size = (uint16_t)host;
    draft->head.info_size = (uint32_t)info;
    draft->head.failure_size = (uint32_t)failure;
    *size = (size_t)align8(method + topic + host + info + failure + 5);
    return SKEP_OK;
}

int skepi_record_measure(struct skepi_draft *draft, size_t *block, size_t *gaps, skep_error *err)
{
    struct skepi_message *message = &draft->head.message;
    size_t texts = 0;
    uint64_t total;
    int rc = measure_texts(draft, &texts, err);
    unsigned owned = draft->value == NULL ? 0 : draft->value->flags;

    if (rc != SKEP_OK)
        return rc;
    if (draft->n_inputs > SKEPI_INPUTS_MAX)
        return skep_fail(err, SKEP_ETOOBIG, "%u inputs: %d are the most", draft->n_inputs, SKEPI_INPUTS_MAX);
    *gaps = 0;
    *block = sizeof draft->head + texts;
    total = *block;
    for (uint32_t i = 0; i < draft->n_inputs && rc == SKEP_OK; i++) {
        rc = measure_value(&draft->inputs[i], &total, block, gaps);
        owned |= draft->inputs[i].flags;
    }
    if (draft->value != NULL && rc == SKEP_OK)
        rc = measure_value(draft->value, &total, block, gaps);
    if (rc != SKEP_OK)
        return skep_fail(err, rc, "a task with over %zu MiB of inputs or value: give its topic a store, or send a proxy",
                         SKEPI_MESSAGE_MAX >> 20);
    message->length = (uint32_t)total;
    message->version = SKEPI_RECORD_VERSION;
    message->flags = (uint16_t)((draft->value == NULL ? 0 : SKEPI_RECORD_VALUE) |
                                ((owned & SKEPI_VALUE_OWNED) == 0 ? 0 : SKEPI_RECORD_OWNED));
    draft->head.inputs = draft->n_inputs;
    return SKEP_OK;
}

static unsigned char *put_text(unsigned char *at, const char *s, size_t size)
{
    memcpy(at, s == NULL ? "" : s, size);
    at[size] = '\0';
    return at + size + 1;
}

static unsigned char *put_zeros(unsigned char *at, uint64_t from)
{
    size_t n = (size_t)(align8(from) - from);

    memset(at, 0, n);
    return at + n;
}

static unsigned char *put_value(unsigned char *at, const struct skepi_value *value, const unsigned char *block,
                                struct skepi_gap **gaps)
{
    const struct skepi_record_value v = {.type = value->type, .flags = value->flags, .bits = value->bits};
    size_t payload = payload_of(value);

    memcpy(at, &v, sizeof v);
    at += sizeof v;
    if (payload > SKEPI_COPY_MAX) {
        *(*gaps)++ = (struct skepi_gap){(size_t)(at - block), value};
    } else if (payload > 0) {
        memcpy(at, value->data, payload);
        at += payload;
    }
    return put_zeros(at, payload);
}

void skepi_record_write(const struct skepi_draft *draft, void *block, struct skepi_gap *gaps)
{
    const struct skepi_record *head = &draft->head;
    unsigned char *texts = (unsigned char *)block + sizeof *head, *at = texts;

    memcpy(block, head, sizeof *head);
    at = put_text(at, draft->method, head->method_size);
    at = put_text(at, draft->topic, head->topic_size);
    at = put_text(at, draft->host, head->host_size);
    at = put_text(at, draft->info, head->info_size);
    at = put_text(at, draft->failure, head->failure_size);
    at = put_zeros(at, (uint64_t)(at - texts));
    for (uint32_t i = 0; i < draft->n_inputs; i++)
        at = put_value(at, &draft->inputs[i], block, &gaps);
    if (draft->value != NULL)
        put_value(at, draft->value, block, &gaps);
}
