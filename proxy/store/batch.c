/* batch.c - many objects at once: one round trip where the connector has one. */
#include "proxy/base/alloc.h"
#include "proxy/base/sum.h"
#include "proxy/store/dispatch.h"

/* `done` operations took `ns` together, `bytes` of them copied; then one failed, or none. */
static void record(skep_store *store, int op, size_t done, int rc, uint64_t bytes, uint64_t moved_bytes, uint64_t ns)
{
    for (size_t i = 0; i < done; i++)
        skepi_metrics_record(&store->metrics[op], SKEP_OK, bytes / done, moved_bytes / done, ns / done);
    if (rc != SKEP_OK)
        skepi_metrics_record(&store->metrics[op], rc, 0, 0, 0);
}

static int finish(skep_store *store, int rc, size_t n, size_t *done, const skep_error *e, skep_error *err)
{
    if (done != NULL)
        *done = n;
    return rc == SKEP_OK ? SKEP_OK : skepi_store_fail(store, rc, e, err);
}

/* Is what the caller handed over there? Until something is done, `*done` is 0. */
static int check_arrays(const skep_store *store, const void *in, const void *out, size_t n, size_t *done, skep_error *err)
{
    if (done != NULL)
        *done = 0;
    if (n > 0 && (in == NULL || out == NULL))
        return skep_fail(err, SKEP_EINVAL, "%.200s: a batch of %zu without items, references or results", store->identity,
                         n);
    return SKEP_OK;
}

static int begin(skep_store *store, const skep_ref *refs, const void *outs, size_t n, uint64_t *by_ns, size_t *done,
                 skep_error *said, skep_error *err)
{
    int rc = check_arrays(store, refs, outs, n, done, err);

    return rc == SKEP_OK ? skepi_store_begin(store, refs, n, by_ns, said, err) : rc;
}

static int begin_puts(skep_store *store, const struct iovec *items, size_t n, const skep_put_opts *opts, int sum_here,
                      skep_ref *outs, skep_error *err)
{
    if (opts->key != NULL && n > 1)
        return skep_fail(err, SKEP_EINVAL, "%.200s: one key for %zu objects", store->identity, n);
    for (size_t i = 0; i < n; i++) {
        int rc;

        if (items[i].iov_base == NULL && items[i].iov_len > 0)
            return skep_fail(err, SKEP_EINVAL, "%.200s: object %zu of a batch is NULL", store->identity, i);
        rc = skepi_put_ref(store, opts, items[i].iov_len, &outs[i], err);
        if (rc != SKEP_OK)
            return rc;
        if (sum_here) {
            outs[i].sum = skepi_sum_all(items[i].iov_base, items[i].iov_len);
            outs[i].flags |= SKEP_REF_SUM;
        }
    }
    return SKEP_OK;
}

int skep_store_put_batch(skep_store *store, const struct iovec *items, size_t n, const skep_put_opts *given, skep_ref *outs,
                         size_t *done, skep_error *err)
{
    uint64_t t0 = skep_now_ns();
    struct skepi_put_plan plan;
    skep_put_opts opts;
    uint64_t bytes = 0;
    size_t made = 0;
    skep_error e;
    int rc;

    rc = check_arrays(store, items, outs, n, done, err);
    if (rc == SKEP_OK)
        rc = skepi_put_opts_read(given, &opts, err);
    if (rc != SKEP_OK)
        return rc;
    skepi_put_plan(store, &opts, &plan);
    rc = begin_puts(store, items, n, &opts, plan.sum_here, outs, err);
    if (rc == SKEP_OK)
        rc = skepi_store_begin(store, NULL, 0, &plan.how.by_ns, &e, err);
    if (rc != SKEP_OK)
        return rc;
    rc = skepi_do_put_batch(store, outs, items, n, &plan.how, &made, &e);
    for (size_t i = 0; i < made; i++)
        bytes += items[i].iov_len;
    record(store, SKEP_OP_PUT, made, rc, bytes, bytes, skep_now_ns() - t0);
    return finish(store, rc, made, done, &e, err);
}

/* Check what came and count it; what is not as it was put ends the batch there. */
static int accept_gets(skep_store *store, const skep_ref *refs, const uint32_t *hows, const uint32_t *epochs,
                       skep_buf **takes, size_t *n, uint64_t *bytes, uint64_t *moved, skep_error *e)
{
    size_t came = *n;
    int rc = SKEP_OK;

    for (*n = 0; *n < came && rc == SKEP_OK; ++*n) {
        uint64_t size = skep_buf_size(takes[*n]);

        rc = skepi_store_verify(store, &refs[*n], takes[*n], hows[*n], e);
        if (rc != SKEP_OK)
            break;
        *bytes += size;
        *moved += hows[*n] & SKEP_HOW_MAPPED ? 0 : size;
        skepi_cache_add(&store->cache, &refs[*n], takes[*n], epochs[*n]);
    }
    for (size_t i = *n; i < came; i++) {
        skep_buf_unref(takes[i]);
        takes[i] = NULL;
    }
    return rc;
}

/* The run of objects from `refs` on that the cache has, or that it has not. */
static size_t take_cached(skep_store *store, const skep_ref *refs, size_t n, skep_buf **takes, uint32_t *epochs, int *cached)
{
    size_t i;

    for (i = 0; i < n; i++) {
        skep_buf *buf = skepi_cache_get(&store->cache, &refs[i], &epochs[i]);

        if (i == 0)
            *cached = buf != NULL;
        if ((buf != NULL) != *cached) {
            skep_buf_unref(buf);
            break;
        }
        takes[i] = buf;
    }
    return i;
}

static int get_run(skep_store *store, const skep_ref *refs, size_t n, uint64_t by_ns, skep_buf **takes, uint32_t *work,
                   size_t *done, skep_error *e)
{
    uint64_t t0 = skep_now_ns();
    uint32_t *epochs = work;
    uint32_t *hows = work + n;
    uint64_t bytes = 0, moved = 0;
    int cached = 0;
    int rc;
    int bad;

    n = take_cached(store, refs, n, takes, epochs, &cached);
    if (cached) {
        for (size_t i = 0; i < n; i++)
            bytes += skep_buf_size(takes[i]);
        record(store, SKEP_OP_GET, n, SKEP_OK, bytes, 0, skep_now_ns() - t0);
        record(store, SKEP_OP_HIT, n, SKEP_OK, bytes, 0, skep_now_ns() - t0);
        *done = n;
        return SKEP_OK;
    }
    for (size_t i = 0; i < n; i++)
        hows[i] = 0;
    *done = 0;
    rc = skepi_do_get_batch(store, refs, n, by_ns, takes, hows, done, e);
    bad = accept_gets(store, refs, hows, epochs, takes, done, &bytes, &moved, e);
    rc = bad != SKEP_OK ? bad : rc;
    record(store, SKEP_OP_GET, *done, rc, bytes, moved, skep_now_ns() - t0);
    return rc;
}

int skep_store_get_batch(skep_store *store, const skep_ref *refs, size_t n, uint64_t by_ns, skep_buf **takes, size_t *done,
                         skep_error *err)
{
    uint32_t *work;
    size_t got = 0;
    skep_error e;
    int rc;

    rc = begin(store, refs, takes, n, &by_ns, done, &e, err);
    if (rc != SKEP_OK)
        return rc;
    work = skepi_array(n + 1, 2 * sizeof *work);
    if (work == NULL)
        return skep_fail(err, SKEP_ENOMEM, "%.200s: out of memory", store->identity);
    while (got < n && rc == SKEP_OK) {
        size_t run = 0;

        rc = get_run(store, refs + got, n - got, by_ns, takes + got, work, &run, &e);
        got += run;
    }
    skepi_free(work);
    return finish(store, rc, got, done, &e, err);
}

int skep_store_exists_batch(skep_store *store, const skep_ref *refs, size_t n, uint64_t by_ns, int *outs, size_t *done,
                            skep_error *err)
{
    uint64_t t0 = skep_now_ns();
    size_t asked = 0;
    skep_error e;
    int rc;

    rc = begin(store, refs, outs, n, &by_ns, done, &e, err);
    if (rc != SKEP_OK)
        return rc;
    rc = skepi_do_exists_batch(store, refs, n, by_ns, outs, &asked, &e);
    record(store, SKEP_OP_EXISTS, asked, rc, 0, 0, skep_now_ns() - t0);
    return finish(store, rc, asked, done, &e, err);
}

int skep_store_evict_batch(skep_store *store, const skep_ref *refs, size_t n, uint64_t by_ns, size_t *done, skep_error *err)
{
    uint64_t t0 = skep_now_ns();
    size_t gone = 0;
    skep_error e;
    int rc;

    rc = begin(store, refs, refs, n, &by_ns, done, &e, err);
    if (rc != SKEP_OK)
        return rc;
    for (size_t i = 0; i < n; i++)
        skepi_cache_drop(&store->cache, refs[i].key);
    rc = skepi_do_evict_batch(store, refs, n, by_ns, &gone, &e);
    for (size_t i = 0; i < n; i++)
        skepi_cache_drop(&store->cache, refs[i].key); /* a get may have come between */
    record(store, SKEP_OP_EVICT, gone, rc, 0, 0, skep_now_ns() - t0);
    return finish(store, rc, gone, done, &e, err);
}
