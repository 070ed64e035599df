/* header_read.c - the header of a safetensors object: read, and judged by the format's rules.
 *
 * What the format's reference (the Python and Rust package, 0.8.0) refuses is refused here. Refused here too, though it lets
 * it pass: white space in front of the '{' that the format's text demands; a tensor's or a metadata text's name that appears
 * twice (the reference drops one); a NUL in a name or a metadata text, which no C string can carry; a tensor written as an
 * array and a dtype written as an object, which are accidents of its parser.
 *
 * Memory: a few arrays whose lengths the header's own bytes bound. The worst is a header full of dimensions: 8 bytes for 2.
 */
#include "proxy/codec/tensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/base/alloc.h"
#include "proxy/codec/json.h"

struct reader {
    struct skepi_json j;
    struct skep_safetensors *st;
    size_t tensors_cap, dims_cap, meta_cap;
    int has_meta;
};

/* Bytes of the shortest text that says one of them. */
enum {
    LEAST_DIM = sizeof "0," - 1,
    LEAST_PAIR = sizeof "\"\":\"\"," - 1,
    LEAST_TENSOR = sizeof "\"\":{\"dtype\":\"F4\",\"shape\":[0],\"data_offsets\":[0,0]}," - 1,
};

enum { HAS_DTYPE = 1, HAS_SHAPE = 2, HAS_OFFSETS = 4, HAS_ALL = 7 };

int skepi_st_header_bytes(const unsigned char prefix[SKEPI_ST_PREFIX], uint64_t object_bytes, size_t *out, skep_error *err)
{
    uint64_t n = 0;

    for (int i = SKEPI_ST_PREFIX - 1; i >= 0; i--)
        n = n << 8 | prefix[i];
    if (n > SKEP_SAFETENSORS_HEADER_MAX)
        return skep_fail(err, SKEP_EFORMAT, "its header would have %" PRIu64 " bytes; the format allows %d", n,
                         SKEP_SAFETENSORS_HEADER_MAX);
    if (n > object_bytes - SKEPI_ST_PREFIX)
        return skep_fail(err, SKEP_EFORMAT, "its header of %" PRIu64 " bytes does not fit in an object of %" PRIu64, n,
                         object_bytes);
    *out = (size_t)n;
    return SKEP_OK;
}

static int out_of_memory(const struct reader *r)
{
    return skep_fail(r->j.err, SKEP_ENOMEM, "out of memory for what a header of %zu bytes says", r->st->header_bytes);
}

/* Room for one more element behind `n`: the array where it lies now, or NULL. It doubles, but not beyond what the rest of
 * the header can say, where an element takes `least` bytes. */
static void *grown(const struct reader *r, void *array, size_t n, size_t *cap, size_t each, size_t least)
{
    size_t most, wanted = *cap < 8 ? 16 : *cap * 2;

    if (n < *cap)
        return array;
    most = n + (size_t)(r->j.end - r->j.at) / least + 1;
    if (wanted > most)
        wanted = most;
    array = skepi_resize(array, wanted, each);
    if (array != NULL)
        *cap = wanted;
    return array;
}

static void *cut(void *array, size_t n, size_t cap, size_t each)
{
    void *smaller = n > 0 && n < cap ? skepi_resize(array, n, each) : NULL;

    return smaller != NULL ? smaller : array;
}

/* ---- what the JSON says -------------------------------------------------------------------------- */

static int is(struct skepi_json_text text, const char *name)
{
    return text.size == strlen(name) && memcmp(text.text, name, text.size) == 0;
}

static int no_nul(struct reader *r, struct skepi_json_text text)
{
    return strlen(text.text) == text.size ? SKEP_OK : skepi_json_fail(&r->j, "the text that ends here has a NUL in it");
}

static int read_meta_pair(struct reader *r, struct skepi_json_text key)
{
    struct skep_safetensors *st = r->st;
    struct skepi_json_text value;
    skep_meta *meta;
    int rc = no_nul(r, key);

    if (rc == SKEP_OK)
        rc = skepi_json_string(&r->j, "a string (as every value of " SKEPI_ST_META ")", &value);
    if (rc == SKEP_OK)
        rc = no_nul(r, value);
    if (rc != SKEP_OK)
        return rc;
    meta = grown(r, st->meta, st->n_meta, &r->meta_cap, sizeof *meta, LEAST_PAIR);
    if (meta == NULL)
        return out_of_memory(r);
    st->meta = meta;
    meta[st->n_meta++] = (skep_meta){key.text, value.text};
    return SKEP_OK;
}

static int read_meta(struct reader *r)
{
    struct skepi_json_text key;
    int rc;

    if (r->has_meta)
        return skepi_json_fail(&r->j, SKEPI_ST_META " appears twice");
    r->has_meta = 1;
    if (skepi_json_peek(&r->j) == 'n')
        return skepi_json_null(&r->j);
    rc = skepi_json_enter(&r->j, '{');
    while (rc == SKEP_OK && (rc = skepi_json_member(&r->j, &key)) == SKEP_OK && key.text != NULL)
        rc = read_meta_pair(r, key);
    return rc;
}

static int read_dtype(struct reader *r, skep_tensor *t)
{
    struct skepi_json_text text;
    char quoted[SKEPI_QUOTE_MAX];
    int rc = skepi_json_string(&r->j, "the name of a dtype", &text);

    if (rc != SKEP_OK)
        return rc;
    t->dtype = skepi_dtype_find(text.text, text.size);
    if (t->dtype == SKEP_DTYPE_COUNT)
        return skepi_json_fail(&r->j, "there is no dtype %s", skepi_quote(text.text, quoted));
    return SKEP_OK;
}

static int read_shape(struct reader *r, skep_tensor *t)
{
    struct skep_safetensors *st = r->st;
    int more, rc = skepi_json_enter(&r->j, '[');

    while (rc == SKEP_OK && (rc = skepi_json_element(&r->j, &more)) == SKEP_OK && more) {
        uint64_t *dims = grown(r, st->dims, st->n_dims, &r->dims_cap, sizeof *dims, LEAST_DIM);

        if (dims == NULL)
            return out_of_memory(r);
        st->dims = dims;
        rc = skepi_json_u64(&r->j, "a whole number of 64 bits", &dims[st->n_dims++]);
        t->rank++;
    }
    return rc;
}

static int read_offsets(struct reader *r, skep_tensor *t)
{
    uint64_t offsets[2];
    int n = 0, more, rc = skepi_json_enter(&r->j, '[');

    while (rc == SKEP_OK && (rc = skepi_json_element(&r->j, &more)) == SKEP_OK && more) {
        if (n == 2)
            return skepi_json_fail(&r->j, SKEPI_ST_OFFSETS " has more than two numbers");
        rc = skepi_json_u64(&r->j, "a whole number of 64 bits", &offsets[n++]);
    }
    if (rc != SKEP_OK)
        return rc;
    if (n < 2)
        return skepi_json_fail(&r->j, SKEPI_ST_OFFSETS " has %d of two numbers", n);
    if (offsets[1] < offsets[0])
        return skepi_json_fail(&r->j, SKEPI_ST_OFFSETS " [%" PRIu64 ", %" PRIu64 "] are reversed", offsets[0], offsets[1]);
    t->offset = offsets[0];
    t->bytes = offsets[1] - offsets[0];
    return SKEP_OK;
}

static int read_member(struct reader *r, struct skepi_json_text key, skep_tensor *t, int *has)
{
    int which = is(key, SKEPI_ST_DTYPE)     ? HAS_DTYPE
                : is(key, SKEPI_ST_SHAPE)   ? HAS_SHAPE
                : is(key, SKEPI_ST_OFFSETS) ? HAS_OFFSETS
                                            : 0;

    if (*has & which)
        return skepi_json_fail(&r->j, "%s appears twice", key.text);
    *has |= which;
    switch (which) {
    case HAS_DTYPE:
        return read_dtype(r, t);
    case HAS_SHAPE:
        return read_shape(r, t);
    case HAS_OFFSETS:
        return read_offsets(r, t);
    default:
        return skepi_json_skip(&r->j);
    }
}

/* A tensor by itself: all three members, and offsets that span what dtype and shape take. */
static int judge(struct reader *r, const skep_tensor *t, int has)
{
    const uint64_t *shape = t->rank > 0 ? r->st->dims + (r->st->n_dims - (size_t)t->rank) : NULL;
    const char *wrong;
    char text[SKEPI_SHAPE_MAX];
    uint64_t bytes;

    if (has != HAS_ALL)
        return skepi_json_fail(&r->j, "it has no %s",
                               !(has & HAS_DTYPE)   ? SKEPI_ST_DTYPE
                               : !(has & HAS_SHAPE) ? SKEPI_ST_SHAPE
                                                    : SKEPI_ST_OFFSETS);
    wrong = skepi_tensor_bytes(t->dtype, (size_t)t->rank, shape, &bytes);
    if (wrong != NULL)
        return skepi_json_fail(&r->j, "%s of shape %s %s", skep_dtype_name(t->dtype),
                               skepi_shape_text((size_t)t->rank, shape, text), wrong);
    if (bytes != t->bytes)
        return skepi_json_fail(&r->j, "%s of shape %s takes %" PRIu64 " bytes, its " SKEPI_ST_OFFSETS " span %" PRIu64,
                               skep_dtype_name(t->dtype), skepi_shape_text((size_t)t->rank, shape, text), bytes, t->bytes);
    return SKEP_OK;
}

static int read_tensor(struct reader *r, struct skepi_json_text name)
{
    struct skep_safetensors *st = r->st;
    skep_tensor *tensors, t = SKEP_TENSOR_INIT;
    struct skepi_json_text key;
    int has = 0, rc = no_nul(r, name);

    if (rc != SKEP_OK)
        return rc;
    t.name = r->j.tensor = name.text;
    rc = skepi_json_enter(&r->j, '{');
    while (rc == SKEP_OK && (rc = skepi_json_member(&r->j, &key)) == SKEP_OK && key.text != NULL)
        rc = read_member(r, key, &t, &has);
    if (rc == SKEP_OK)
        rc = judge(r, &t, has);
    if (rc != SKEP_OK)
        return rc;
    tensors = grown(r, st->tensors, st->n, &r->tensors_cap, sizeof *tensors, LEAST_TENSOR);
    if (tensors == NULL)
        return out_of_memory(r);
    st->tensors = tensors;
    tensors[st->n++] = t;
    r->j.tensor = NULL;
    return SKEP_OK;
}

static int read_all(struct reader *r)
{
    struct skepi_json_text key;
    int rc;

    if (r->st->header_bytes == 0 || r->st->header[0] != '{')
        return skepi_json_fail(&r->j, "the header does not begin with '{'");
    rc = skepi_json_enter(&r->j, '{');
    while (rc == SKEP_OK && (rc = skepi_json_member(&r->j, &key)) == SKEP_OK && key.text != NULL)
        rc = is(key, SKEPI_ST_META) ? read_meta(r) : read_tensor(r, key);
    return rc == SKEP_OK ? skepi_json_end(&r->j) : rc;
}

/* ---- what holds between tensors ------------------------------------------------------------------ */

/* Names lie in the header in the order they were written in: a total order, the same on every host. */
static int by_bytes(const void *left, const void *right)
{
    const skep_tensor *a = left, *b = right;

    if (a->offset != b->offset)
        return a->offset < b->offset ? -1 : 1;
    if (a->bytes != b->bytes)
        return a->bytes < b->bytes ? -1 : 1;
    return (a->name > b->name) - (a->name < b->name);
}

static int by_name(const void *left, const void *right)
{
    return strcmp((*(const skep_tensor *const *)left)->name, (*(const skep_tensor *const *)right)->name);
}

static int by_key(const void *left, const void *right)
{
    return strcmp((*(const skep_meta *const *)left)->key, (*(const skep_meta *const *)right)->key);
}

static void place_shapes(struct skep_safetensors *st)
{
    size_t dim = 0;

    for (size_t i = 0; i < st->n; i++) {
        if (st->tensors[i].rank > 0)
            st->tensors[i].shape = &st->dims[dim];
        dim += (size_t)st->tensors[i].rank;
    }
}

static void sort_by_bytes(struct skep_safetensors *st)
{
    size_t i = 1;

    while (i < st->n && by_bytes(&st->tensors[i - 1], &st->tensors[i]) < 0)
        i++;
    if (i < st->n)
        qsort(st->tensors, st->n, sizeof st->tensors[0], by_bytes);
}

/* One behind the other from 0 to the object's end. */
static int check_cover(const struct skep_safetensors *st, skep_error *err)
{
    uint64_t end = 0, data_bytes = st->object_bytes - SKEPI_ST_PREFIX - st->header_bytes;
    char quoted[SKEPI_QUOTE_MAX];

    for (size_t i = 0; i < st->n; i++) {
        const skep_tensor *t = &st->tensors[i];

        if (t->offset != end)
            return skep_fail(err, SKEP_EFORMAT,
                             "tensor %s begins at byte %" PRIu64 " of the data, the one before it ends at %" PRIu64 ": %s",
                             skepi_quote(t->name, quoted), t->offset, end, t->offset > end ? "a hole" : "they overlap");
        end += t->bytes;
    }
    if (end != data_bytes)
        return skep_fail(err, SKEP_EFORMAT,
                         "the tensors end at byte %" PRIu64 " of the data, the object has %" PRIu64 ": %s", end, data_bytes,
                         end > data_bytes ? "it is cut short" : "trailing bytes");
    return SKEP_OK;
}

static int align(int dtype)
{
    int bits = dtype == SKEP_C64 ? 32 : skep_dtype_bits(dtype); /* a pair of floats */

    return bits > 8 ? bits / 8 : 1;
}

static void place_data(struct skep_safetensors *st)
{
    for (size_t i = 0; i < st->n; i++) {
        skep_tensor *t = &st->tensors[i];

        t->offset += SKEPI_ST_PREFIX + st->header_bytes;
        if (st->data != NULL) {
            t->data = st->data + t->offset;
            t->aligned = (uintptr_t)t->data % (unsigned)align(t->dtype) == 0;
        }
    }
}

static int index_names(struct skep_safetensors *st, skep_error *err)
{
    char quoted[SKEPI_QUOTE_MAX];

    if (st->n == 0)
        return SKEP_OK;
    st->by_name = skepi_array(st->n, sizeof st->by_name[0]);
    if (st->by_name == NULL)
        return skep_fail(err, SKEP_ENOMEM, "out of memory for the names of %zu tensors", st->n);
    for (size_t i = 0; i < st->n; i++)
        st->by_name[i] = &st->tensors[i];
    qsort(st->by_name, st->n, sizeof st->by_name[0], by_name);
    for (size_t i = 1; i < st->n; i++)
        if (strcmp(st->by_name[i - 1]->name, st->by_name[i]->name) == 0)
            return skep_fail(err, SKEP_EFORMAT, "two tensors are named %s", skepi_quote(st->by_name[i]->name, quoted));
    return SKEP_OK;
}

static int check_keys(const struct skep_safetensors *st, skep_error *err)
{
    char quoted[SKEPI_QUOTE_MAX];
    const skep_meta **sorted;
    int rc = SKEP_OK;

    if (st->n_meta < 2)
        return SKEP_OK;
    sorted = skepi_array(st->n_meta, sizeof sorted[0]);
    if (sorted == NULL)
        return skep_fail(err, SKEP_ENOMEM, "out of memory for %zu texts of " SKEPI_ST_META, st->n_meta);
    for (size_t i = 0; i < st->n_meta; i++)
        sorted[i] = &st->meta[i];
    qsort(sorted, st->n_meta, sizeof sorted[0], by_key);
    for (size_t i = 1; rc == SKEP_OK && i < st->n_meta; i++)
        if (strcmp(sorted[i - 1]->key, sorted[i]->key) == 0)
            rc = skep_fail(err, SKEP_EFORMAT, SKEPI_ST_META " has %s twice", skepi_quote(sorted[i]->key, quoted));
    skepi_free(sorted);
    return rc;
}

int skepi_st_read_header(struct skep_safetensors *st, skep_error *err)
{
    struct reader r = {.st = st};
    int rc;

    skepi_json_init(&r.j, st->header, st->header_bytes, err);
    rc = read_all(&r);
    if (rc != SKEP_OK)
        return rc;
    st->tensors = cut(st->tensors, st->n, r.tensors_cap, sizeof st->tensors[0]);
    st->dims = cut(st->dims, st->n_dims, r.dims_cap, sizeof st->dims[0]);
    st->meta = cut(st->meta, st->n_meta, r.meta_cap, sizeof st->meta[0]);
    place_shapes(st);
    sort_by_bytes(st);
    rc = index_names(st, err);
    if (rc == SKEP_OK)
        rc = check_keys(st, err);
    if (rc == SKEP_OK)
        rc = check_cover(st, err);
    if (rc == SKEP_OK)
        place_data(st);
    return rc;
}
