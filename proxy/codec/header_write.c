/* header_write.c - tensors laid out as one safetensors object: the header, and what follows it in which order.
 *
 * Byte for byte what the format's reference writes: falling alignment, then names by their bytes; compact JSON; spaces up to
 * a multiple of 8. Metadata keep the caller's order; the reference's is that of a hash table, so only one pair can be equal.
 */
#include "proxy/codec/tensors.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/base/alloc.h"
#include "proxy/codec/json.h"
#include "proxy/codec/utf8.h"

/* The caller's elements are as big as the caller's header says. */
static const skep_tensor *tensor_at(const skep_tensor *tensors, size_t i)
{
    return (const skep_tensor *)(const void *)((const char *)tensors + i * tensors->size);
}

/* ---- what may be written ------------------------------------------------------------------------- */

static int check_shape(const skep_tensor *t, skep_error *err)
{
    char quoted[SKEPI_QUOTE_MAX], shape[SKEPI_SHAPE_MAX];
    const char *wrong;
    uint64_t bytes;

    if (t->dtype < 0 || t->dtype >= SKEP_DTYPE_COUNT)
        return skep_fail(err, SKEP_EINVAL, "tensor %s: there is no dtype %d", skepi_quote(t->name, quoted), t->dtype);
    if (t->rank < 0 || (t->rank > 0 && t->shape == NULL))
        return skep_fail(err, SKEP_EINVAL, "tensor %s: rank %d%s", skepi_quote(t->name, quoted), t->rank,
                         t->rank < 0 ? "" : " without a shape");
    wrong = skepi_tensor_bytes(t->dtype, (size_t)t->rank, t->shape, &bytes);
    if (wrong != NULL)
        return skep_fail(err, SKEP_EINVAL, "tensor %s: %s of shape %s %s", skepi_quote(t->name, quoted),
                         skep_dtype_name(t->dtype), skepi_shape_text((size_t)t->rank, t->shape, shape), wrong);
    return SKEP_OK;
}

static int check_tensor(const skep_tensor *tensors, size_t i, skep_error *err)
{
    const skep_tensor *t = tensor_at(tensors, i);
    char quoted[SKEPI_QUOTE_MAX];

    if (t->size != tensors->size || t->size < sizeof *t)
        return skep_fail(err, SKEP_EINVAL, "tensor %zu: its size member is %zu; SKEP_TENSOR_INIT sets it", i, t->size);
    if (t->name == NULL)
        return skep_fail(err, SKEP_EINVAL, "tensor %zu has no name", i);
    if (!skepi_utf8_valid(t->name))
        return skep_fail(err, SKEP_EINVAL, "tensor %s: its name is not UTF-8", skepi_quote(t->name, quoted));
    if (strcmp(t->name, SKEPI_ST_META) == 0)
        return skep_fail(err, SKEP_EINVAL, "tensor %s: the format keeps that name for itself", skepi_quote(t->name, quoted));
    return check_shape(t, err);
}

static int by_layout(const void *left, const void *right)
{
    const skep_tensor *a = *(const skep_tensor *const *)left, *b = *(const skep_tensor *const *)right;

    if (a->dtype != b->dtype)
        return a->dtype > b->dtype ? -1 : 1;
    return strcmp(a->name, b->name);
}

static int by_text(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static int check_twice(const char **names, size_t n, const char *what, skep_error *err)
{
    char quoted[SKEPI_QUOTE_MAX];

    qsort(names, n, sizeof names[0], by_text);
    for (size_t i = 1; i < n; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            return skep_fail(err, SKEP_EINVAL, "%s %s is there twice", what, skepi_quote(names[i], quoted));
    return SKEP_OK;
}

static int check_meta(const skep_meta *meta, size_t n, skep_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (meta[i].key == NULL || meta[i].value == NULL || !skepi_utf8_valid(meta[i].key) ||
            !skepi_utf8_valid(meta[i].value))
            return skep_fail(err, SKEP_EINVAL, "pair %zu of the metadata is not two texts in UTF-8", i);
    return SKEP_OK;
}

static int check_names(const skep_tensor *tensors, size_t n, const skep_meta *meta, size_t n_meta, skep_error *err)
{
    size_t most = n > n_meta ? n : n_meta;
    const char **names = most > 0 ? skepi_array(most, sizeof names[0]) : NULL;
    int rc;

    if (most == 0)
        return SKEP_OK;
    if (names == NULL)
        return skep_fail(err, SKEP_ENOMEM, "out of memory for %zu names", most);
    for (size_t i = 0; i < n; i++)
        names[i] = tensor_at(tensors, i)->name;
    rc = check_twice(names, n, "tensor", err);
    for (size_t i = 0; i < n_meta; i++)
        names[i] = meta[i].key;
    if (rc == SKEP_OK)
        rc = check_twice(names, n_meta, "metadata", err);
    skepi_free(names);
    return rc;
}

static int check(const skep_tensor *tensors, size_t n, const skep_meta *meta, size_t n_meta, skep_error *err)
{
    int rc = SKEP_OK;

    if ((n > 0 && tensors == NULL) || (n_meta > 0 && meta == NULL))
        return skep_fail(err, SKEP_EINVAL, "%zu tensors and %zu pairs of metadata, but a NULL", n, n_meta);
    for (size_t i = 0; rc == SKEP_OK && i < n; i++)
        rc = check_tensor(tensors, i, err);
    if (rc == SKEP_OK)
        rc = check_meta(meta, n_meta, err);
    return rc == SKEP_OK ? check_names(tensors, n, meta, n_meta, err) : rc;
}

/* ---- the text ------------------------------------------------------------------------------------ */

/* Written twice: `to` NULL only counts. */
struct sink {
    char *to;
    size_t n;
};

static void add(struct sink *s, const char *text, size_t size)
{
    if (s->to != NULL)
        memcpy(s->to + s->n, text, size);
    s->n += size;
}

static void add_text(struct sink *s, const char *text)
{
    add(s, text, strlen(text));
}

static void add_u64(struct sink *s, uint64_t value)
{
    char digits[21];

    add(s, digits, (size_t)snprintf(digits, sizeof digits, "%" PRIu64, value));
}

static void add_escape(struct sink *s, char c)
{
    static const char from[] = "\"\\\b\f\n\r\t", into[] = "\"\\bfnrt";
    const char *found = strchr(from, c);
    char text[7];

    if (found != NULL)
        add(s, (char[]){'\\', into[found - from]}, 2);
    else
        add(s, text, (size_t)snprintf(text, sizeof text, "\\u%04x", (unsigned)c));
}

static void add_string(struct sink *s, const char *text)
{
    static const char escaped[] = "\"\\\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14"
                                  "\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f";

    add(s, "\"", 1);
    for (;;) {
        size_t run = strcspn(text, escaped);

        add(s, text, run);
        text += run;
        if (*text == '\0')
            break;
        add_escape(s, *text++);
    }
    add(s, "\"", 1);
}

static void add_tensor(struct sink *s, const skep_tensor *t, uint64_t begin, uint64_t end)
{
    add_string(s, t->name);
    add_text(s, ":{\"" SKEPI_ST_DTYPE "\":\"");
    add_text(s, skep_dtype_name(t->dtype));
    add_text(s, "\",\"" SKEPI_ST_SHAPE "\":[");
    for (int i = 0; i < t->rank; i++) {
        if (i > 0)
            add(s, ",", 1);
        add_u64(s, t->shape[i]);
    }
    add_text(s, "],\"" SKEPI_ST_OFFSETS "\":[");
    add_u64(s, begin);
    add(s, ",", 1);
    add_u64(s, end);
    add_text(s, "]}");
}

static int add_tensors(struct sink *s, const skep_tensor *const *sorted, size_t n, int first, skep_error *err)
{
    uint64_t begin = 0, bytes = 0, end;

    for (size_t i = 0; i < n; i++, begin = end) {
        (void)skepi_tensor_bytes(sorted[i]->dtype, (size_t)sorted[i]->rank, sorted[i]->shape, &bytes); /* checked before */
        if (begin > SIZE_MAX / 2 || bytes > SIZE_MAX / 2)
            return skep_fail(err, SKEP_ETOOBIG, "the tensors take more than 2^63 bytes");
        end = begin + bytes;
        if (!first || i > 0)
            add(s, ",", 1);
        add_tensor(s, sorted[i], begin, end);
    }
    return SKEP_OK;
}

static int add_header(struct sink *s, const skep_tensor *const *sorted, size_t n, const skep_meta *meta, size_t n_meta,
                      skep_error *err)
{
    int rc;

    add_text(s, n_meta > 0 ? "{\"" SKEPI_ST_META "\":{" : "{");
    for (size_t i = 0; i < n_meta; i++) {
        if (i > 0)
            add(s, ",", 1);
        add_string(s, meta[i].key);
        add(s, ":", 1);
        add_string(s, meta[i].value);
    }
    if (n_meta > 0)
        add(s, "}", 1);
    rc = add_tensors(s, sorted, n, n_meta == 0, err);
    add(s, "}", 1);
    while (s->n % SKEPI_ST_PREFIX != 0)
        add(s, " ", 1);
    return rc;
}

static void release(void *arg, void *data, size_t size)
{
    (void)arg;
    (void)size;
    skepi_free(data);
}

static int format(const skep_tensor *const *sorted, size_t n, const skep_meta *meta, size_t n_meta, skep_buf **take,
                  skep_error *err)
{
    struct sink s = {NULL, 0};
    int rc = add_header(&s, sorted, n, meta, n_meta, err);
    size_t size = s.n;
    char *text;

    if (rc != SKEP_OK)
        return rc;
    if (size > SKEP_SAFETENSORS_HEADER_MAX)
        return skep_fail(err, SKEP_ETOOBIG, "a header of %zu bytes; the format allows %d", size,
                         SKEP_SAFETENSORS_HEADER_MAX);
    text = skepi_alloc(SKEPI_ST_PREFIX + size);
    if (text == NULL)
        return skep_fail(err, SKEP_ENOMEM, "out of memory for a header of %zu bytes", size);
    for (int i = 0; i < SKEPI_ST_PREFIX; i++)
        text[i] = (char)((uint64_t)size >> (8 * i));
    s = (struct sink){text + SKEPI_ST_PREFIX, 0};
    (void)add_header(&s, sorted, n, meta, n_meta, NULL); /* it went well a moment ago */
    rc = skep_buf_wrap(text, SKEPI_ST_PREFIX + size, release, NULL, take);
    if (rc == SKEP_OK)
        return SKEP_OK;
    skepi_free(text);
    return skep_fail(err, rc, "%s", skep_err_text(rc));
}

int skep_safetensors_header(const skep_tensor *tensors, size_t n, const skep_meta *meta, size_t n_meta, size_t *order,
                            skep_buf **take, skep_error *err)
{
    const skep_tensor **sorted = NULL;
    int rc = check(tensors, n, meta, n_meta, err);

    if (rc != SKEP_OK)
        return rc;
    if (n > 0 && (sorted = skepi_array(n, sizeof sorted[0])) == NULL)
        return skep_fail(err, SKEP_ENOMEM, "out of memory for the order of %zu tensors", n);
    for (size_t i = 0; i < n; i++)
        sorted[i] = tensor_at(tensors, i);
    if (n > 1)
        qsort(sorted, n, sizeof sorted[0], by_layout);
    rc = format(sorted, n, meta, n_meta, take, err);
    for (size_t i = 0; rc == SKEP_OK && order != NULL && i < n; i++)
        order[i] = (size_t)((const char *)sorted[i] - (const char *)tensors) / tensors->size;
    skepi_free(sorted);
    return rc;
}
