/* safetensors.c - an open safetensors object: its header is in memory, its tensors where they are. */
#include "proxy/codec/tensors.h"

#include <inttypes.h>
#include <string.h>

#include "proxy/base/alloc.h"
#include "proxy/codec/json.h"

static int fetch(const struct skep_safetensors *st, uint64_t offset, size_t size, void *dst, uint64_t by_ns, skep_error *err)
{
    if (st->data == NULL)
        return skep_proxy_read(st->proxy, offset, size, dst, by_ns, err);
    memcpy(dst, st->data + offset, size);
    return SKEP_OK;
}

static int load(struct skep_safetensors *st, uint64_t by_ns, skep_error *err)
{
    unsigned char prefix[SKEPI_ST_PREFIX];
    int rc;

    if (st->object_bytes < sizeof prefix)
        return skep_fail(err, SKEP_EFORMAT, "an object of %" PRIu64 " bytes has no room for the length of a header",
                         st->object_bytes);
    rc = fetch(st, 0, sizeof prefix, prefix, by_ns, err);
    if (rc == SKEP_OK)
        rc = skepi_st_header_bytes(prefix, st->object_bytes, &st->header_bytes, err);
    if (rc != SKEP_OK)
        return rc;
    st->header = skepi_alloc(st->header_bytes + 1);
    if (st->header == NULL)
        return skep_fail(err, SKEP_ENOMEM, "out of memory for a header of %zu bytes", st->header_bytes);
    if (st->header_bytes > 0)
        rc = fetch(st, sizeof prefix, st->header_bytes, st->header, by_ns, err);
    return rc == SKEP_OK ? skepi_st_read_header(st, err) : rc;
}

static int out_of_memory(skep_error *err)
{
    return skep_fail(err, SKEP_ENOMEM, "out of memory");
}

int skep_safetensors_parse(const void *data, size_t size, skep_safetensors **take, skep_error *err)
{
    skep_safetensors *st = skepi_alloc(sizeof *st);
    int rc;

    if (st == NULL)
        return out_of_memory(err);
    st->data = data;
    st->object_bytes = data != NULL ? size : 0;
    rc = load(st, 0, err);
    if (rc != SKEP_OK) {
        skep_safetensors_free(st);
        return rc;
    }
    *take = st;
    return SKEP_OK;
}

static int open_proxy(struct skep_safetensors *st, skep_proxy *proxy, uint64_t by_ns, skep_error *err)
{
    const void *data;
    size_t size;
    int rc;

    st->proxy = skep_proxy_ref(proxy);
    if (skep_proxy_state(proxy) == SKEP_PROXY_RESOLVED) {
        rc = skep_proxy_resolve(proxy, by_ns, &data, &size, err);
        if (rc == SKEP_OK) {
            st->data = data;
            st->object_bytes = size;
        }
    } else {
        rc = skep_proxy_size(proxy, by_ns, &st->object_bytes, err);
    }
    return rc == SKEP_OK ? load(st, by_ns, err) : rc;
}

int skep_safetensors_open(skep_proxy *proxy, uint64_t by_ns, skep_safetensors **take, skep_error *err)
{
    char quoted[SKEPI_QUOTE_MAX];
    skep_safetensors *st;
    int rc;

    if (proxy == NULL)
        return skep_fail(err, SKEP_EINVAL, "no proxy to open");
    st = skepi_alloc(sizeof *st);
    if (st == NULL)
        return out_of_memory(err);
    rc = open_proxy(st, proxy, by_ns, err);
    if (rc == SKEP_OK) {
        *take = st;
        return SKEP_OK;
    }
    if (rc == SKEP_EFORMAT && err != NULL)
        skep_fail(err, rc, "object %s: %s", skepi_quote(skep_proxy_ref_of(proxy)->key, quoted), err->text);
    skep_safetensors_free(st);
    return rc;
}

void skep_safetensors_free(skep_safetensors *st)
{
    if (st == NULL)
        return;
    skepi_free(st->by_name);
    skepi_free(st->meta);
    skepi_free(st->dims);
    skepi_free(st->tensors);
    skepi_free(st->header);
    skep_proxy_unref(st->proxy);
    skepi_free(st);
}

size_t skep_safetensors_count(const skep_safetensors *st)
{
    return st->n;
}

const skep_tensor *skep_safetensors_at(const skep_safetensors *st, size_t index)
{
    return index < st->n ? &st->tensors[index] : NULL;
}

const skep_tensor *skep_safetensors_find(const skep_safetensors *st, const char *name)
{
    size_t low = 0, high = st->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, st->by_name[middle]->name);

        if (order == 0)
            return st->by_name[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

size_t skep_safetensors_meta_count(const skep_safetensors *st)
{
    return st->n_meta;
}

int skep_safetensors_meta_at(const skep_safetensors *st, size_t index, const char **key, const char **value)
{
    if (index >= st->n_meta)
        return SKEP_EINVAL;
    *key = st->meta[index].key;
    *value = st->meta[index].value;
    return SKEP_OK;
}

int skep_safetensors_read(const skep_safetensors *st, const skep_tensor *tensor, void *dst, size_t cap, uint64_t by_ns,
                          skep_error *err)
{
    char quoted[SKEPI_QUOTE_MAX];

    if (tensor == NULL)
        return skep_fail(err, SKEP_EINVAL, "no tensor is named");
    if (tensor->offset > st->object_bytes || tensor->bytes > st->object_bytes - tensor->offset)
        return skep_fail(err, SKEP_EINVAL, "tensor %s does not lie in this object", skepi_quote(tensor->name, quoted));
    if (tensor->bytes > cap)
        return skep_fail(err, SKEP_ETOOBIG, "tensor %s has %" PRIu64 " bytes, there is room for %zu",
                         skepi_quote(tensor->name, quoted), tensor->bytes, cap);
    if (tensor->bytes == 0)
        return SKEP_OK;
    if (dst == NULL)
        return skep_fail(err, SKEP_EINVAL, "tensor %s has nowhere to go", skepi_quote(tensor->name, quoted));
    return fetch(st, tensor->offset, (size_t)tensor->bytes, dst, by_ns, err);
}
