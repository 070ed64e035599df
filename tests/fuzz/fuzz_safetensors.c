/* fuzz_safetensors.c - an input is a whole object, and also a header whose object is made to fit it. What is taken must be
 * sound, and must be the same again when it is written and read. */
#include <skep/safetensors.h>

#include "tests/fuzz/fuzz.h"

#define DATA_MAX 65536

static void sound(const skep_safetensors *st, const uint8_t *object, size_t size)
{
    size_t n = skep_safetensors_count(st);
    uint64_t end = 0;

    for (size_t i = 0; i < n; i++) {
        const skep_tensor *t = skep_safetensors_at(st, i);

        CHECK(skep_safetensors_find(st, t->name) == t);
        CHECK(i == 0 || t->offset == end);
        CHECK(t->bytes <= size && t->offset <= size - t->bytes && t->offset >= 10);
        CHECK(t->data == object + t->offset);
        CHECK(skep_dtype_bits(t->dtype) > 0 && t->rank >= 0);
        end = t->offset + t->bytes;
    }
    CHECK(n == 0 || end == size);
    CHECK(skep_safetensors_at(st, n) == NULL && skep_safetensors_find(st, "\x01 not there") == NULL);
}

static int same(const skep_tensor *a, const skep_tensor *b)
{
    return strcmp(a->name, b->name) == 0 && a->dtype == b->dtype && a->rank == b->rank && a->bytes == b->bytes &&
           (a->rank == 0 || memcmp(a->shape, b->shape, (size_t)a->rank * sizeof a->shape[0]) == 0) &&
           memcmp(a->data, b->data, a->bytes) == 0;
}

/* The object that the tensors make: its header, then their bytes in the order that goes with it. */
static uint8_t *written(const skep_tensor *tensors, size_t n, const skep_meta *meta, size_t n_meta, size_t most,
                        size_t *size)
{
    size_t *order = calloc(n + 1, sizeof *order);
    skep_buf *header;
    uint8_t *object;

    CHECK(order != NULL && skep_safetensors_header(tensors, n, meta, n_meta, order, &header, NULL) == SKEP_OK);
    object = malloc(skep_buf_size(header) + most);
    CHECK(object != NULL);
    memcpy(object, skep_buf_data(header), skep_buf_size(header));
    *size = skep_buf_size(header);
    for (size_t i = 0; i < n; i++) {
        memcpy(object + *size, tensors[order[i]].data, tensors[order[i]].bytes);
        *size += tensors[order[i]].bytes;
    }
    skep_buf_unref(header);
    free(order);
    return object;
}

static void round_trip(const skep_safetensors *st, size_t most)
{
    size_t n = skep_safetensors_count(st), n_meta = skep_safetensors_meta_count(st), size;
    skep_tensor *tensors = calloc(n + 1, sizeof *tensors);
    skep_meta *meta = calloc(n_meta + 1, sizeof *meta);
    skep_safetensors *again;
    uint8_t *object;

    CHECK(tensors != NULL && meta != NULL);
    for (size_t i = 0; i < n; i++)
        tensors[i] = *skep_safetensors_at(st, i);
    for (size_t i = 0; i < n_meta; i++)
        CHECK(skep_safetensors_meta_at(st, i, &meta[i].key, &meta[i].value) == SKEP_OK);
    object = written(tensors, n, meta, n_meta, most, &size);
    CHECK(skep_safetensors_parse(object, size, &again, NULL) == SKEP_OK);
    CHECK(skep_safetensors_count(again) == n && skep_safetensors_meta_count(again) == n_meta);
    for (size_t i = 0; i < n; i++)
        CHECK(same(skep_safetensors_find(again, tensors[i].name), &tensors[i]));
    for (size_t i = 0; i < n_meta; i++) {
        const char *key, *value;

        CHECK(skep_safetensors_meta_at(again, i, &key, &value) == SKEP_OK);
        CHECK(strcmp(key, meta[i].key) == 0 && strcmp(value, meta[i].value) == 0);
    }
    skep_safetensors_free(again);
    free(object);
    free(meta);
    free(tensors);
}

static void judge(const uint8_t *object, size_t size)
{
    skep_error err = {0};
    skep_safetensors *st = NULL;
    int rc = skep_safetensors_parse(object, size, &st, &err);

    if (rc == SKEP_OK) {
        CHECK(err.code == 0 && st != NULL);
        sound(st, object, size);
        round_trip(st, size);
        skep_safetensors_free(st);
        return;
    }
    CHECK(rc == SKEP_EFORMAT && err.code == rc && err.text[0] != '\0' && st == NULL);
    for (const char *c = err.text; *c != '\0'; c++)
        CHECK(*c >= ' ' && *c < 0x7f); /* what a stranger wrote is printable here */
}

/* The biggest number in it: of a good header, where its last tensor ends. */
static size_t data_bytes(const uint8_t *header, size_t size)
{
    size_t most = 0, value = 0;

    for (size_t i = 0; i < size; i++) {
        value = header[i] >= '0' && header[i] <= '9' && value < DATA_MAX ? value * 10 + (header[i] - (size_t)'0') : 0;
        most = value > most && value <= DATA_MAX ? value : most;
    }
    return most;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t behind = data_bytes(data, size);
    uint8_t *object = copy_of(data, size);

    judge(object, size);
    free(object);
    object = calloc(1, 8 + size + behind);
    CHECK(object != NULL);
    for (int i = 0; i < 8; i++)
        object[i] = (uint8_t)((uint64_t)size >> (8 * i));
    if (size > 0)
        memcpy(object + 8, data, size);
    judge(object, 8 + size + behind);
    free(object);
    return 0;
}
