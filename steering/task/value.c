/* value.c - one input or value of a task. */
#include "steering/task/owned.h"
#include "steering/task/value.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { EVICT_WAIT_MS = 10000 };

int skepi_value_is_scalar(const struct skepi_value *value)
{
    return value->type <= SKEP_VALUE_DOUBLE;
}

int skepi_value_is_text(const struct skepi_value *value)
{
    return (value->flags & SKEPI_VALUE_PROXIED) != 0 || value->type == SKEP_VALUE_STRING || value->type == SKEP_VALUE_JSON;
}

int skepi_value_bool(const struct skepi_value *value, int *out)
{
    if (value->type != SKEP_VALUE_BOOL)
        return SKEP_EINVAL;
    *out = value->bits != 0;
    return SKEP_OK;
}

int skepi_value_int(const struct skepi_value *value, int64_t *out)
{
    if (value->type != SKEP_VALUE_INT)
        return SKEP_EINVAL;
    *out = (int64_t)value->bits;
    return SKEP_OK;
}

int skepi_value_double(const struct skepi_value *value, double *out)
{
    if (value->type == SKEP_VALUE_INT)
        *out = (double)(int64_t)value->bits;
    else if (value->type == SKEP_VALUE_DOUBLE)
        memcpy(out, &value->bits, sizeof *out);
    else
        return SKEP_EINVAL;
    return SKEP_OK;
}

void skepi_value_set_double(struct skepi_value *value, double number)
{
    value->type = SKEP_VALUE_DOUBLE;
    memcpy(&value->bits, &number, sizeof number);
}

/* The length of the UTF-8 character at `at`, or 0: RFC 3629's table, over-long forms and surrogates refused. */
static size_t character(const unsigned char *at, size_t left)
{
    unsigned char low = 0x80, high = 0xbf;
    size_t size = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : at[0] < 0xf5 ? 4 : 0;

    if (size == 0 || size > left)
        return 0;
    if (at[0] == 0xe0)
        low = 0xa0;
    else if (at[0] == 0xed)
        high = 0x9f;
    else if (at[0] == 0xf0)
        low = 0x90;
    else if (at[0] == 0xf4)
        high = 0x8f;
    for (size_t i = 1; i < size; i++, low = 0x80, high = 0xbf)
        if (at[i] < low || at[i] > high)
            return 0;
    return size;
}

int skepi_text_check(const char *text, size_t size)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + size;
    const uint64_t high_bits = UINT64_C(0x8080808080808080);
    uint64_t eight;
    size_t n;

    if (memchr(text, '\0', size) != NULL)
        return SKEP_EFORMAT;
    for (; at < end; at += n) {
        n = 8;
        if ((size_t)(end - at) >= 8) {
            memcpy(&eight, at, 8);
            if ((eight & high_bits) == 0)
                continue;
        }
        if ((n = character(at, (size_t)(end - at))) == 0)
            return SKEP_EFORMAT;
    }
    return SKEP_OK;
}

int skepi_json_check(const char *text, size_t size, skep_error *err)
{
    json_error_t why;
    json_t *tree = json_loadb(text, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);

    if (tree == NULL)
        return skep_fail(err, SKEP_EINVAL, "not JSON: %s at line %d, column %d", why.text, why.line, why.column);
    json_decref(tree);
    return SKEP_OK;
}

static void free_text(void *arg, void *data, size_t size)
{
    (void)arg;
    (void)size;
    free(data);
}

/* A text of an object that nobody ended with a NUL. */
static int copy_text(struct skepi_value *value, const void *data, size_t size)
{
    char *text = malloc(size + 1);
    int rc;

    if (text == NULL)
        return SKEP_ENOMEM;
    memcpy(text, data, size);
    text[size] = '\0';
    rc = skep_buf_wrap(text, size + 1, free_text, NULL, &value->buf);
    if (rc != SKEP_OK)
        free(text);
    return rc;
}

int skepi_value_resolve(struct skepi_value *value, int kind, const void **lend, size_t *size, skep_error *err)
{
    const int ended = (value->flags & SKEPI_VALUE_OWNED) != 0 && value->type != SKEP_VALUE_BYTES;
    const void *data;
    size_t n;
    int rc;

    if (value->type != SKEP_VALUE_PROXY && value->type != kind)
        return skep_fail(err, SKEP_EINVAL, "it is of another type");
    if ((rc = skep_proxy_resolve(value->proxy, SKEP_FOREVER, &data, &n, err)) != SKEP_OK)
        return rc;
    if (ended && (n == 0 || ((const char *)data)[--n] != '\0'))
        return skep_fail(err, SKEP_EFORMAT, "the object is not the text that its handle says");
    if (kind != SKEP_VALUE_BYTES && skepi_text_check(data, n) != SKEP_OK)
        return skep_fail(err, SKEP_EFORMAT, "the object of %zu bytes is not a text in UTF-8", n);
    if (kind != SKEP_VALUE_BYTES && !ended) {
        if (value->buf == NULL && copy_text(value, data, n) != SKEP_OK)
            return skep_fail(err, SKEP_ENOMEM, "no memory for a text of %zu bytes", n);
        data = skep_buf_data(value->buf);
    }
    *lend = data;
    *size = n;
    return SKEP_OK;
}

void skepi_value_fini(struct skepi_value *value)
{
    skep_buf_unref(value->buf);
    skep_proxy_unref(value->proxy);
    skepi_owned_unref(value->owned, value->owned == NULL ? 0 : skep_in_ms(EVICT_WAIT_MS));
    *value = (struct skepi_value){0};
}
