/* get.c - bytes out of a store: whole objects, through the cache and checked, and parts of them. */
#include "proxy/base/sum.h"
#include "proxy/store/dispatch.h"

#include <string.h>

static int sum_is_due(const skep_store *store, const skep_ref *ref, uint32_t how)
{
    if (!(ref->flags & SKEP_REF_SUM) || store->config.verify == SKEPI_VERIFY_OFF)
        return 0;
    return store->config.verify == SKEPI_VERIFY_FULL || !(how & (SKEP_HOW_MAPPED | SKEP_HOW_VERIFIED));
}

int skepi_store_verify(const skep_store *store, const skep_ref *ref, skep_buf *buf, uint32_t how, skep_error *e)
{
    size_t size = skep_buf_size(buf);
    uint64_t sum;

    if (ref->size_bytes != SKEP_SIZE_UNKNOWN && ref->size_bytes != size)
        return skep_fail(e, SKEP_ECORRUPT, "%s: %zu bytes came, %llu were put", ref->key, size,
                         (unsigned long long)ref->size_bytes);
    if (!sum_is_due(store, ref, how))
        return SKEP_OK;
    sum = skepi_sum_all(skep_buf_data(buf), size);
    if (sum != ref->sum)
        return skep_fail(e, SKEP_ECORRUPT, "%s: the checksum of what came is t1.%016llx, of what was put t1.%016llx",
                         ref->key, (unsigned long long)sum, (unsigned long long)ref->sum);
    return SKEP_OK;
}

static int fetch_uncached(skep_store *store, int op, const skep_ref *ref, uint64_t by_ns, uint64_t t0, skep_buf **take,
                          skep_error *err)
{
    skep_buf *buf = NULL;
    uint64_t size = 0;
    uint32_t how = 0;
    skep_error e;
    int rc;

    e.text[0] = 0;
    rc = store->ops->get(store->self, ref, by_ns, &buf, &how, &e);
    if (rc == SKEP_OK) {
        size = skep_buf_size(buf);
        rc = skepi_store_verify(store, ref, buf, how, &e);
        if (rc != SKEP_OK)
            skep_buf_unref(buf);
    }
    skepi_metrics_record(&store->metrics[op], rc, size, how & SKEP_HOW_MAPPED ? 0 : size, skep_now_ns() - t0);
    if (rc != SKEP_OK)
        return skepi_store_fail(store, rc, &e, err);
    *take = buf;
    return SKEP_OK;
}

int skepi_store_fetch(skep_store *store, int op, const skep_ref *ref, uint64_t by_ns, skep_buf **take, skep_error *err)
{
    uint64_t t0 = skep_now_ns();
    uint32_t epoch;
    skep_buf *buf;
    int rc;

    rc = skepi_ref_check(store, ref, err);
    if (rc != SKEP_OK)
        return rc;
    buf = skepi_cache_get(&store->cache, ref, &epoch);
    if (buf != NULL) {
        uint64_t ns = skep_now_ns() - t0;

        skepi_metrics_record(&store->metrics[SKEP_OP_HIT], SKEP_OK, skep_buf_size(buf), 0, ns);
        skepi_metrics_record(&store->metrics[op], SKEP_OK, skep_buf_size(buf), 0, ns);
        *take = buf;
        return SKEP_OK;
    }
    by_ns = skepi_store_by(store, by_ns);
    rc = skepi_store_ready(store, by_ns, err);
    if (rc == SKEP_OK)
        rc = fetch_uncached(store, op, ref, by_ns, t0, &buf, err);
    if (rc != SKEP_OK)
        return rc;
    skepi_cache_add(&store->cache, ref, buf, epoch);
    *take = buf;
    return SKEP_OK;
}

int skep_store_get(skep_store *store, const skep_ref *ref, uint64_t by_ns, skep_buf **take, skep_error *err)
{
    return skepi_store_fetch(store, SKEP_OP_GET, ref, by_ns, take, err);
}

static int leaves(const skep_store *store, const skep_ref *ref, uint64_t have, uint64_t offset, size_t size, skep_error *err)
{
    if (offset <= have && size <= have - offset)
        return SKEP_OK;
    return skep_fail(err, SKEP_EINVAL, "%.200s: %s: %zu bytes at %llu leave the object of %llu bytes", store->identity,
                     ref->key, size, (unsigned long long)offset, (unsigned long long)have);
}

/* The object is at hand, or all of it must be checked. */
static int read_from_buf(skep_store *store, const skep_ref *ref, skep_buf *buf, uint64_t offset, size_t size, void *dst,
                         skep_error *err)
{
    int rc = leaves(store, ref, skep_buf_size(buf), offset, size, err);

    if (rc == SKEP_OK && size > 0)
        memcpy(dst, (const char *)skep_buf_data(buf) + offset, size);
    skep_buf_unref(buf);
    return rc;
}

int skep_store_read(skep_store *store, const skep_ref *ref, uint64_t offset, size_t size, void *dst, uint64_t by_ns,
                    skep_error *err)
{
    uint64_t t0 = skep_now_ns();
    skep_error e;
    skep_buf *buf;
    uint32_t epoch;
    int rc;

    rc = skepi_ref_check(store, ref, err);
    if (rc == SKEP_OK && ref->size_bytes != SKEP_SIZE_UNKNOWN)
        rc = leaves(store, ref, ref->size_bytes, offset, size, err);
    if (rc == SKEP_OK && dst == NULL && size > 0)
        rc = skep_fail(err, SKEP_EINVAL, "%.200s: read to NULL", store->identity);
    if (rc != SKEP_OK)
        return rc;
    by_ns = skepi_store_by(store, by_ns);
    if (store->config.verify == SKEPI_VERIFY_FULL && (ref->flags & SKEP_REF_SUM)) {
        rc = skepi_store_fetch(store, SKEP_OP_READ, ref, by_ns, &buf, err);
        return rc == SKEP_OK ? read_from_buf(store, ref, buf, offset, size, dst, err) : rc;
    }
    buf = skepi_cache_get(&store->cache, ref, &epoch);
    if (buf != NULL) {
        skepi_metrics_record(&store->metrics[SKEP_OP_READ], SKEP_OK, size, size, skep_now_ns() - t0);
        return read_from_buf(store, ref, buf, offset, size, dst, err);
    }
    rc = skepi_store_ready(store, by_ns, err);
    if (rc != SKEP_OK)
        return rc;
    e.text[0] = 0;
    rc = skepi_do_read(store, ref, offset, size, dst, by_ns, &e);
    skepi_metrics_record(&store->metrics[SKEP_OP_READ], rc, size, size, skep_now_ns() - t0);
    return rc == SKEP_OK ? SKEP_OK : skepi_store_fail(store, rc, &e, err);
}
