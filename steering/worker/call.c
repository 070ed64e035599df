/* call.c - one run of a method: what it is lent, and what it returns. */
#include "steering/worker/call.h"
#include "steering/task/id.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- begin and end ------------------------------------------------------------------------------- */

int skepi_call_begin(struct skep_call *call, const struct skepi_parts *parts)
{
    const struct skepi_record *head = parts->head;
    const unsigned char *at = parts->values;

    if (head->inputs > call->room) {
        free(call->inputs);
        call->room = 0;
        if ((call->inputs = malloc(head->inputs * sizeof *call->inputs)) == NULL)
            return SKEP_ENOMEM;
        call->room = head->inputs;
    }
    call->parts = *parts;
    call->n_inputs = head->inputs;
    call->returned = call->made = 0;
    call->made_ns = call->made_bytes = 0;
    call->value = (struct skepi_value){0};
    call->fetched = (struct skepi_fetched){0};
    call->failure.code = SKEP_OK;
    call->failure.text[0] = call->id[0] = '\0';
    for (uint32_t i = 0; i < call->n_inputs; i++)
        skepi_record_next(&at, &call->inputs[i]);
    call->topic = skepi_names_find(call->names, head->client, head->declared);
    return SKEP_OK;
}

void skepi_call_end(struct skep_call *call)
{
    for (uint32_t i = 0; i < call->n_inputs; i++)
        skep_buf_unref(call->inputs[i].buf);
    call->n_inputs = 0;
    skepi_value_fini(&call->value);
    skepi_models_task_ended(call->models);
}

void skepi_call_fini(struct skep_call *call)
{
    free(call->inputs);
    call->inputs = NULL;
    call->room = 0;
}

/* ---- inputs -------------------------------------------------------------------------------------- */

static struct skepi_value *input(const skep_call *call, int index)
{
    return index < 0 || (uint32_t)index >= call->n_inputs ? NULL : &call->inputs[index];
}

/* What goes wrong with an input is why the method fails, unless it says otherwise. */
static int wrong_input(skep_call *call, int index, int code, const char *why)
{
    if (call->failure.code == SKEP_OK)
        skep_fail(&call->failure, code, "input %d: %s", index, why);
    return code;
}

static const char *type_name(int type)
{
    static const char *const names[] = {"null",     "a boolean", "an integer", "a double",
                                        "a string", "JSON",      "bytes",      "a proxy"};

    return names[type];
}

static int wrong_type(skep_call *call, int index, int wanted)
{
    const struct skepi_value *value = input(call, index);
    char why[96];

    if (value == NULL)
        snprintf(why, sizeof why, "there are %u", call->n_inputs);
    else
        snprintf(why, sizeof why, "it is %s, not %s", type_name(value->type), type_name(wanted));
    return wrong_input(call, index, SKEP_EINVAL, why);
}

int skep_call_inputs(const skep_call *call)
{
    return (int)call->n_inputs;
}

int skep_call_type(const skep_call *call, int index)
{
    const struct skepi_value *value = input(call, index);

    return value == NULL ? SKEP_EINVAL : value->type;
}

int skep_call_bool(skep_call *call, int index, int *out)
{
    const struct skepi_value *value = input(call, index);

    return value == NULL || skepi_value_bool(value, out) != SKEP_OK ? wrong_type(call, index, SKEP_VALUE_BOOL) : SKEP_OK;
}

int skep_call_int(skep_call *call, int index, int64_t *out)
{
    const struct skepi_value *value = input(call, index);

    return value == NULL || skepi_value_int(value, out) != SKEP_OK ? wrong_type(call, index, SKEP_VALUE_INT) : SKEP_OK;
}

int skep_call_double(skep_call *call, int index, double *out)
{
    const struct skepi_value *value = input(call, index);

    return value == NULL || skepi_value_double(value, out) != SKEP_OK ? wrong_type(call, index, SKEP_VALUE_DOUBLE) : SKEP_OK;
}

/* The proxy of an input, resolved if `fetched` is given. */
static int find_proxy(skep_call *call, int index, struct skepi_fetched *fetched)
{
    struct skepi_value *value = input(call, index);
    skep_error why;
    int rc = skepi_models_get(call->models, value->data, skepi_names_policy(call->names),
                              (value->flags & SKEPI_VALUE_OWNED) != 0, fetched, &value->proxy, &why);

    return rc == SKEP_OK ? SKEP_OK : wrong_input(call, index, rc, why.text);
}

static int lend(skep_call *call, int index, int kind, const void **out, size_t *size)
{
    struct skepi_value *value = input(call, index);
    skep_error why;
    int rc;

    if (value == NULL || (value->type != kind && value->type != SKEP_VALUE_PROXY))
        return wrong_type(call, index, kind);
    if ((value->flags & SKEPI_VALUE_PROXIED) != 0) {
        if ((rc = find_proxy(call, index, &call->fetched)) != SKEP_OK)
            return rc;
        if (!skepi_models_enter(call->models))
            return wrong_input(call, index, SKEP_ECLOSED, "the worker ends");
        rc = skepi_value_resolve(value, kind, out, size, &why);
        skepi_models_exit(call->models);
        return rc == SKEP_OK ? SKEP_OK : wrong_input(call, index, rc, why.text);
    }
    if (kind != SKEP_VALUE_BYTES && skepi_text_check(value->data, (size_t)value->bits) != SKEP_OK)
        return wrong_input(call, index, SKEP_EFORMAT, "not a text in UTF-8");
    *out = value->data;
    *size = (size_t)value->bits;
    return SKEP_OK;
}

static int lend_text(skep_call *call, int index, int kind, const char **out)
{
    const void *data;
    size_t size;
    int rc = lend(call, index, kind, &data, &size);

    if (rc == SKEP_OK)
        *out = data;
    return rc;
}

int skep_call_string(skep_call *call, int index, const char **out)
{
    return lend_text(call, index, SKEP_VALUE_STRING, out);
}

int skep_call_json(skep_call *call, int index, const char **out)
{
    return lend_text(call, index, SKEP_VALUE_JSON, out);
}

int skep_call_bytes(skep_call *call, int index, const void **out, size_t *size)
{
    return lend(call, index, SKEP_VALUE_BYTES, out, size);
}

int skep_call_proxy(skep_call *call, int index, skep_proxy **out)
{
    struct skepi_value *value = input(call, index);
    int rc;

    if (value == NULL || (value->flags & SKEPI_VALUE_PROXIED) == 0)
        return wrong_type(call, index, SKEP_VALUE_PROXY);
    if ((rc = find_proxy(call, index, NULL)) == SKEP_OK)
        *out = value->proxy;
    return rc;
}

/* ---- the value ----------------------------------------------------------------------------------- */

int skep_call_fail(skep_call *call, int code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(call->failure.text, sizeof call->failure.text, format, args);
    va_end(args);
    call->failure.code = code < 0 ? code : SKEP_EFAILED;
    return call->failure.code;
}

static int return_scalar(skep_call *call, int type, uint64_t bits)
{
    if (call->returned)
        return skep_call_fail(call, SKEP_EINVAL, "a second value was returned");
    call->returned = 1;
    call->value.type = (uint8_t)type;
    call->value.bits = bits;
    return SKEP_OK;
}

int skep_call_return_null(skep_call *call)
{
    return return_scalar(call, SKEP_VALUE_NULL, 0);
}

int skep_call_return_bool(skep_call *call, int value)
{
    return return_scalar(call, SKEP_VALUE_BOOL, value != 0);
}

int skep_call_return_int(skep_call *call, int64_t value)
{
    return return_scalar(call, SKEP_VALUE_INT, (uint64_t)value);
}

int skep_call_return_double(skep_call *call, double number)
{
    struct skepi_value value = {0};

    skepi_value_set_double(&value, number);
    return return_scalar(call, SKEP_VALUE_DOUBLE, value.bits);
}

/* Into the topic's store, where it is worth it. 1: it is there, and `value` is its handle. Where the store fails, a value
 * that took hours is better sent as it is than lost. */
static int put(skep_call *call, struct skepi_value *value, const void *data, size_t size)
{
    uint64_t since = skep_now_ns();
    char key[SKEPI_KEY_TEXT];
    skep_proxy *proxy;
    skep_error why;
    int rc;

    if (call->topic == NULL || size <= call->topic->threshold)
        return 0;
    skepi_id_value_key(call->parts.head->id, call->parts.head->attempt, key);
    rc = skepi_models_put(call->models, call->topic->store, key, data, size, &proxy, &why);
    if (rc != SKEP_OK) {
        skep_log(SKEP_LOG_WARN, "worker", "a value of %zu bytes of '%s' travels as it is: %s", size, call->parts.method,
                 why.text);
    } else {
        skep_proxy_handle(proxy, call->text, sizeof call->text); /* SKEP_HANDLE_MAX always fits */
        *value = (struct skepi_value){.type = value->type,
                                      .flags = SKEPI_VALUE_PROXIED | SKEPI_VALUE_OWNED,
                                      .bits = strlen(call->text),
                                      .data = call->text,
                                      .proxy = proxy};
        call->made = 1;
        call->made_bytes = size;
    }
    call->made_ns += skep_now_ns() - since;
    return rc == SKEP_OK;
}

/* `extra`: 1 for the NUL of a text. `buf`: what holds the data, or NULL: they must be copied. */
static int return_data(skep_call *call, int type, const void *data, size_t size, size_t extra, skep_buf *buf)
{
    struct skepi_value value = {.type = (uint8_t)type, .bits = size, .data = data};
    int rc;

    if (call->returned)
        return skep_call_fail(call, SKEP_EINVAL, "a second value was returned");
    if (!put(call, &value, data, size + extra)) {
        if (buf != NULL) {
            value.buf = skep_buf_ref(buf);
        } else if (size + extra <= SKEPI_COPY_MAX) {
            value.data = size + extra == 0 ? call->text : memcpy(call->text, data, size + extra);
        } else {
            if ((rc = skep_buf_copy(data, size + extra, &value.buf)) != SKEP_OK)
                return skep_call_fail(call, rc, "no memory for a value of %zu bytes", size);
            value.data = skep_buf_data(value.buf);
        }
    }
    call->value = value;
    call->returned = 1;
    return SKEP_OK;
}

int skep_call_return_string(skep_call *call, const char *text)
{
    if (text == NULL || skepi_text_check(text, strlen(text)) != SKEP_OK)
        return skep_call_fail(call, SKEP_EINVAL, "the value is not a text in UTF-8");
    return return_data(call, SKEP_VALUE_STRING, text, strlen(text), 1, NULL);
}

int skep_call_return_json(skep_call *call, const char *text)
{
    skep_error why;

    if (text == NULL)
        return skep_call_fail(call, SKEP_EINVAL, "the value is NULL, not JSON");
    if (skepi_json_check(text, strlen(text), &why) != SKEP_OK)
        return skep_call_fail(call, SKEP_EINVAL, "the value is %s", why.text);
    return return_data(call, SKEP_VALUE_JSON, text, strlen(text), 1, NULL);
}

int skep_call_return_bytes(skep_call *call, const void *data, size_t size)
{
    if (data == NULL && size > 0)
        return skep_call_fail(call, SKEP_EINVAL, "the value is %zu bytes at NULL", size);
    return return_data(call, SKEP_VALUE_BYTES, data, size, 0, NULL);
}

int skep_call_return_buf(skep_call *call, skep_buf *buf)
{
    if (buf == NULL)
        return skep_call_fail(call, SKEP_EINVAL, "the value is NULL, not a buffer");
    return return_data(call, SKEP_VALUE_BYTES, skep_buf_data(buf), skep_buf_size(buf), 0, buf);
}

int skep_call_return_proxy(skep_call *call, skep_proxy *proxy)
{
    uint64_t size;

    if (call->returned)
        return skep_call_fail(call, SKEP_EINVAL, "a second value was returned");
    if (proxy == NULL)
        return skep_call_fail(call, SKEP_EINVAL, "the value is NULL, not a proxy");
    skep_proxy_handle(proxy, call->text, sizeof call->text);
    size = skep_proxy_ref_of(proxy)->size_bytes;
    call->made_bytes = size == SKEP_SIZE_UNKNOWN ? 0 : size;
    call->value = (struct skepi_value){
        .type = SKEP_VALUE_PROXY, .flags = SKEPI_VALUE_PROXIED, .bits = strlen(call->text), .data = call->text};
    call->returned = 1;
    return SKEP_OK;
}

/* ---- what else it may ask ------------------------------------------------------------------------ */

const char *skep_call_method(const skep_call *call)
{
    return call->parts.method;
}

const char *skep_call_task_id(const skep_call *call)
{
    skepi_id_text(call->parts.head->id, ((skep_call *)(uintptr_t)call)->id);
    return call->id;
}

int skep_call_worker_index(const skep_call *call)
{
    return call->worker;
}
