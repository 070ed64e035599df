/* safetensors_put.c - tensors go to a store as they lie in memory, behind a header. */
#include "proxy/codec/tensors.h"

#include <inttypes.h>
#include <limits.h>

#include "proxy/base/alloc.h"
#include "proxy/codec/json.h"
#include "proxy/store/store.h"

struct pieces {
    skep_buf *header;
    size_t *order;
    struct iovec *iov;
    int n;
};

static int gather(struct pieces *p, const skep_tensor *tensors, size_t n, skep_error *err)
{
    char quoted[SKEPI_QUOTE_MAX];

    p->iov[p->n++] = (struct iovec){(void *)(uintptr_t)skep_buf_data(p->header), skep_buf_size(p->header)};
    for (size_t i = 0; i < n; i++) {
        const skep_tensor *t = (const void *)((const char *)tensors + p->order[i] * tensors->size);
        uint64_t bytes = 0;

        (void)skepi_tensor_bytes(t->dtype, (size_t)t->rank, t->shape, &bytes); /* skep_safetensors_header checked it */
        if (bytes > 0 && t->data == NULL)
            return skep_fail(err, SKEP_EINVAL, "tensor %s: %" PRIu64 " bytes, but no data", skepi_quote(t->name, quoted),
                             bytes);
        if (bytes > 0)
            p->iov[p->n++] = (struct iovec){(void *)(uintptr_t)t->data, (size_t)bytes};
    }
    return SKEP_OK;
}

static int prepare(struct pieces *p, const skep_tensor *tensors, size_t n, const skep_meta *meta, size_t n_meta,
                   skep_error *err)
{
    int rc;

    if (n >= INT_MAX)
        return skep_fail(err, SKEP_ETOOBIG, "%zu tensors; at most %d go in one object", n, INT_MAX - 1);
    p->order = skepi_array(n + 1, sizeof p->order[0]);
    p->iov = skepi_array(n + 1, sizeof p->iov[0]);
    if (p->order == NULL || p->iov == NULL)
        return skep_fail(err, SKEP_ENOMEM, "out of memory for the list of %zu tensors", n);
    rc = skep_safetensors_header(tensors, n, meta, n_meta, p->order, &p->header, err);
    return rc == SKEP_OK ? gather(p, tensors, n, err) : rc;
}

static int put(skep_store *store, const struct pieces *p, const skep_put_opts *opts, skep_proxy **take, skep_error *err)
{
    skep_put_opts mine;
    skep_ref ref;
    int rc;

    rc = skepi_put_opts_read(opts, &mine, err);
    if (rc != SKEP_OK)
        return rc;
    mine.codec = "safetensors";
    rc = skep_store_putv(store, p->iov, p->n, &mine, &ref, err);
    if (rc != SKEP_OK)
        return rc;
    rc = skep_store_proxy_of(store, &ref, mine.codec, take, err);
    if (rc != SKEP_OK) /* nobody will ever know its key */
        (void)skep_store_evict(store, &ref, mine.by_ns, NULL);
    return rc;
}

int skep_safetensors_put(skep_store *store, const skep_tensor *tensors, size_t n, const skep_meta *meta, size_t n_meta,
                         const skep_put_opts *opts, skep_proxy **take, skep_error *err)
{
    struct pieces p = {0};
    int rc = prepare(&p, tensors, n, meta, n_meta, err);

    if (rc == SKEP_OK)
        rc = put(store, &p, opts, take, err);
    skep_buf_unref(p.header);
    skepi_free(p.iov);
    skepi_free(p.order);
    return rc;
}
