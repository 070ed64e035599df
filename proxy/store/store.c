/* store.c - what a store says of itself, and the operations that need no more than a look at the connector's table. */
#include "proxy/store/store.h"

#include "proxy/store/dispatch.h"

#include <string.h>

#define NAME_MAX_BYTES 63

int skepi_store_fail(const skep_store *store, int rc, const skep_error *said, skep_error *err)
{
    char text[SKEP_ERROR_TEXT_MAX]; /* `said` and `err` may be the same */

    if (err == NULL)
        return rc;
    memcpy(text, said->text, sizeof text);
    return skep_fail(err, rc, "%.200s: %s", store->identity, text[0] != 0 ? text : skep_err_text(rc));
}

uint64_t skepi_store_by(const skep_store *store, uint64_t by_ns)
{
    if (by_ns != SKEP_FOREVER || store->config.timeout_ns == SKEP_FOREVER)
        return by_ns;
    return skep_in_ns(store->config.timeout_ns);
}

int skepi_ref_check(const skep_store *store, const skep_ref *ref, skep_error *err)
{
    const char *key;
    size_t n;

    if (ref == NULL || ref->size < sizeof *ref)
        return skep_fail(err, SKEP_EINVAL, "%.200s: no reference, or not begun with SKEP_REF_INIT", store->identity);
    key = ref->key;
    for (n = 0; n < SKEP_KEY_MAX && key[n] != 0; n++)
        if (key[n] == '/' || (unsigned char)key[n] < 0x20 || key[n] == 0x7f)
            return skep_fail(err, SKEP_EINVAL, "%.200s: a key with a character that none may have", store->identity);
    if (n == 0 || n == SKEP_KEY_MAX || key[0] == '.')
        return skep_fail(err, SKEP_EINVAL, "%.200s: a key that is empty, too long or begins with a dot", store->identity);
    return SKEP_OK;
}

int skepi_store_begin(skep_store *store, const skep_ref *refs, size_t n, uint64_t *by_ns, skep_error *said, skep_error *err)
{
    int rc = SKEP_OK;

    said->text[0] = 0;
    *by_ns = skepi_store_by(store, *by_ns);
    for (size_t i = 0; i < n && rc == SKEP_OK; i++)
        rc = skepi_ref_check(store, &refs[i], err);
    return rc == SKEP_OK ? skepi_store_ready(store, *by_ns, err) : rc;
}

void skepi_store_public(skep_store *store, char out[SKEP_URI_MAX])
{
    pthread_mutex_lock(&store->mu);
    memcpy(out, store->public_identity[0] != 0 ? store->public_identity : store->identity, SKEP_URI_MAX);
    pthread_mutex_unlock(&store->mu);
}

int skep_store_identity(skep_store *store, char *out, size_t cap)
{
    char text[SKEP_URI_MAX];
    size_t n;

    if (store == NULL || out == NULL)
        return SKEP_EINVAL;
    skepi_store_public(store, text);
    n = strlen(text) + 1;
    if (n > cap)
        return SKEP_ETOOBIG;
    memcpy(out, text, n);
    return SKEP_OK;
}

int skep_store_describe(skep_store *store, char *out, size_t cap)
{
    return store != NULL && out != NULL ? skep_uri_describe(store->uri, out, cap) : SKEP_EINVAL;
}

uint64_t skep_store_threshold(skep_store *store)
{
    return store->config.threshold;
}

int skep_store_metrics(skep_store *store, int op, skep_metrics *out)
{
    if (store == NULL || out == NULL || op < 0 || op >= SKEP_OP_COUNT)
        return SKEP_EINVAL;
    skepi_metrics_read(&store->metrics[op], out);
    return SKEP_OK;
}

int skep_store_exists(skep_store *store, const skep_ref *ref, uint64_t by_ns, int *out, uint64_t *size_bytes,
                      skep_error *err)
{
    uint64_t t0 = skep_now_ns();
    uint64_t size = 0;
    skep_error e;
    int rc;

    rc = skepi_store_begin(store, ref, 1, &by_ns, &e, err);
    if (rc != SKEP_OK)
        return rc;
    rc = skepi_do_exists(store, ref, by_ns, &size, &e);
    skepi_metrics_record(&store->metrics[SKEP_OP_EXISTS], rc == SKEP_ENOENT ? SKEP_OK : rc, size, 0, skep_now_ns() - t0);
    if (rc != SKEP_OK && rc != SKEP_ENOENT)
        return skepi_store_fail(store, rc, &e, err);
    *out = rc == SKEP_OK;
    if (size_bytes != NULL && rc == SKEP_OK)
        *size_bytes = size;
    return SKEP_OK;
}

int skep_store_wait(skep_store *store, const skep_ref *ref, uint64_t by_ns, skep_error *err)
{
    uint64_t t0 = skep_now_ns();
    skep_error e;
    int rc;

    rc = skepi_store_begin(store, ref, 1, &by_ns, &e, err);
    if (rc != SKEP_OK)
        return rc;
    rc = skepi_do_wait(store, ref, by_ns, &e);
    skepi_metrics_record(&store->metrics[SKEP_OP_WAIT], rc, 0, 0, skep_now_ns() - t0);
    return rc == SKEP_OK ? SKEP_OK : skepi_store_fail(store, rc, &e, err);
}

int skep_store_evict(skep_store *store, const skep_ref *ref, uint64_t by_ns, skep_error *err)
{
    uint64_t t0 = skep_now_ns();
    skep_error e;
    int rc;

    rc = skepi_store_begin(store, ref, 1, &by_ns, &e, err);
    if (rc != SKEP_OK)
        return rc;
    skepi_cache_drop(&store->cache, ref->key); /* before, so that the connector may reuse the memory at once */
    rc = store->ops->evict(store->self, ref, by_ns, &e);
    skepi_cache_drop(&store->cache, ref->key); /* and after: a get may have come between */
    skepi_metrics_record(&store->metrics[SKEP_OP_EVICT], rc, ref->size_bytes != SKEP_SIZE_UNKNOWN ? ref->size_bytes : 0, 0,
                         skep_now_ns() - t0);
    return rc == SKEP_OK ? SKEP_OK : skepi_store_fail(store, rc, &e, err);
}

int skep_store_list(skep_store *store, skep_entry_func func, void *arg, skep_error *err)
{
    uint64_t by_ns = SKEP_FOREVER;
    skep_error e;
    int rc;

    if (func == NULL)
        return skep_fail(err, SKEP_EINVAL, "%.200s: list without a function", store->identity);
    rc = skepi_store_begin(store, NULL, 0, &by_ns, &e, err);
    if (rc != SKEP_OK)
        return rc;
    rc = skepi_do_list(store, func, arg, &e);
    return rc >= 0 ? rc : skepi_store_fail(store, rc, &e, err);
}

static int check_name(const skep_store *store, const char *name, skep_error *err)
{
    skep_ref ref;

    if (skep_ref_key(name, &ref) != SKEP_OK || strlen(name) > NAME_MAX_BYTES)
        return skep_fail(err, SKEP_EINVAL, "%.200s: a name has 1 to %d bytes, no '/', no control character, no leading dot",
                         store->identity, NAME_MAX_BYTES);
    return SKEP_OK;
}

int skep_store_name_set(skep_store *store, const char *name, const char *handle, uint64_t by_ns, skep_error *err)
{
    skep_handle parsed = SKEP_HANDLE_INIT;
    skep_error e;
    int rc;

    rc = check_name(store, name, err);
    if (rc == SKEP_OK && handle != NULL) {
        rc = skep_handle_parse(handle, &parsed, &e);
        if (rc != SKEP_OK)
            return skepi_store_fail(store, rc, &e, err);
    }
    if (rc == SKEP_OK)
        rc = skepi_store_begin(store, NULL, 0, &by_ns, &e, err);
    if (rc != SKEP_OK)
        return rc;
    rc = skepi_do_name_set(store, name, handle, by_ns, &e);
    return rc == SKEP_OK ? SKEP_OK : skepi_store_fail(store, rc, &e, err);
}

int skep_store_name_get(skep_store *store, const char *name, char *out, size_t cap, uint64_t by_ns, skep_error *err)
{
    skep_error e;
    int rc;

    rc = check_name(store, name, err);
    if (rc == SKEP_OK)
        rc = skepi_store_begin(store, NULL, 0, &by_ns, &e, err);
    if (rc != SKEP_OK)
        return rc;
    rc = skepi_do_name_get(store, name, out, cap, by_ns, &e);
    return rc == SKEP_OK ? SKEP_OK : skepi_store_fail(store, rc, &e, err);
}
