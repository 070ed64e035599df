/* dispatch.c - what a missing optional operation means. */
#include "proxy/store/dispatch.h"

#include "proxy/base/alloc.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define PAUSE_FIRST_NS 1000000u   /* 1 ms: what a producer on this host may take */
#define PAUSE_MOST_NS  100000000u /* 100 ms: what nobody minds, and no backend feels */

int skepi_do_exists(skep_store *s, const skep_ref *ref, uint64_t by_ns, uint64_t *size_bytes, skep_error *e)
{
    uint32_t how = 0;
    skep_buf *buf;
    int rc;

    if (s->ops->exists != NULL)
        return s->ops->exists(s->self, ref, by_ns, size_bytes, e);
    rc = s->ops->get(s->self, ref, by_ns, &buf, &how, e);
    if (rc != SKEP_OK)
        return rc;
    *size_bytes = skep_buf_size(buf);
    skep_buf_unref(buf);
    return SKEP_OK;
}

int skepi_do_read(skep_store *s, const skep_ref *ref, uint64_t offset, size_t size, void *dst, uint64_t by_ns, skep_error *e)
{
    uint32_t how = 0;
    skep_buf *buf;
    size_t have;
    int rc;

    if (s->ops->read != NULL)
        return s->ops->read(s->self, ref, offset, size, dst, by_ns, e);
    rc = s->ops->get(s->self, ref, by_ns, &buf, &how, e);
    if (rc != SKEP_OK)
        return rc;
    have = skep_buf_size(buf);
    rc = skepi_store_verify(s, ref, buf, how, e);
    if (rc == SKEP_OK && (offset > have || size > have - offset))
        rc = skep_fail(e, SKEP_EINVAL, "%s: %zu bytes at %llu leave the object of %zu bytes", ref->key, size,
                       (unsigned long long)offset, have);
    if (rc == SKEP_OK && size > 0)
        memcpy(dst, (const char *)skep_buf_data(buf) + offset, size);
    skep_buf_unref(buf);
    return rc;
}

static void sleep_until(uint64_t at_ns)
{
    struct timespec at = {.tv_sec = (time_t)(at_ns / 1000000000u), .tv_nsec = (long)(at_ns % 1000000000u)};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        continue;
}

int skepi_do_wait(skep_store *s, const skep_ref *ref, uint64_t by_ns, skep_error *e)
{
    uint64_t pause = PAUSE_FIRST_NS;
    uint64_t size_bytes;
    int rc;

    if (s->ops->wait != NULL)
        return s->ops->wait(s->self, ref, by_ns, e);
    for (;;) {
        uint64_t now;

        rc = skepi_do_exists(s, ref, by_ns, &size_bytes, e);
        if (rc != SKEP_ENOENT)
            return rc;
        now = skep_now_ns();
        if (now >= by_ns)
            return skep_fail(e, SKEP_ETIMEDOUT, "%s: not there when the deadline passed", ref->key);
        sleep_until(by_ns - now < pause ? by_ns : now + pause);
        pause = pause * 2 < PAUSE_MOST_NS ? pause * 2 : PAUSE_MOST_NS;
    }
}

static int lacks(skep_store *s, const char *what, skep_error *e)
{
    return skep_fail(e, SKEP_ENOTSUP, "%s stores have no %s", s->connector->scheme, what);
}

int skepi_do_list(skep_store *s, skep_entry_func func, void *arg, skep_error *e)
{
    return s->ops->list != NULL ? s->ops->list(s->self, func, arg, e) : lacks(s, "list", e);
}

int skepi_do_name_set(skep_store *s, const char *name, const char *handle, uint64_t by_ns, skep_error *e)
{
    return s->ops->name_set != NULL ? s->ops->name_set(s->self, name, handle, by_ns, e) : lacks(s, "names", e);
}

int skepi_do_name_get(skep_store *s, const char *name, char *out, size_t cap, uint64_t by_ns, skep_error *e)
{
    return s->ops->name_get != NULL ? s->ops->name_get(s->self, name, out, cap, by_ns, e) : lacks(s, "names", e);
}

int skepi_do_reserve(skep_store *s, skep_ref *ref, size_t size, uint64_t by_ns, struct skepi_room *room, skep_error *e)
{
    if (s->ops->reserve != NULL)
        return s->ops->reserve(s->self, ref, size, by_ns, &room->slot, &room->memory, e);
    room->memory = skepi_block_alloc(size);
    return room->memory != NULL ? SKEP_OK : skep_fail(e, SKEP_ENOMEM, "out of memory for %zu bytes", size);
}

int skepi_do_commit(skep_store *s, struct skepi_room *room, skep_ref *ref, size_t size, const skep_put *how, skep_error *e)
{
    struct iovec iov = {.iov_base = room->memory, .iov_len = size};
    int rc;

    if (s->ops->commit != NULL)
        return s->ops->commit(s->self, room->slot, ref, e);
    rc = s->ops->put(s->self, ref, &iov, 1, how, e);
    skepi_block_free(room->memory);
    return rc;
}

void skepi_do_abort(skep_store *s, struct skepi_room *room)
{
    if (s->ops->abort != NULL)
        s->ops->abort(s->self, room->slot);
    else
        skepi_block_free(room->memory);
}

int skepi_do_put_batch(skep_store *s, skep_ref *refs, const struct iovec *items, size_t n, const skep_put *how, size_t *done,
                       skep_error *e)
{
    int rc = SKEP_OK;

    if (s->ops->put_batch != NULL)
        return s->ops->put_batch(s->self, refs, items, n, how, done, e);
    for (*done = 0; *done < n; ++*done) {
        rc = s->ops->put(s->self, &refs[*done], &items[*done], 1, how, e);
        if (rc != SKEP_OK)
            break;
    }
    return rc;
}

int skepi_do_get_batch(skep_store *s, const skep_ref *refs, size_t n, uint64_t by_ns, skep_buf **takes, uint32_t *hows,
                       size_t *done, skep_error *e)
{
    int rc = SKEP_OK;

    if (s->ops->get_batch != NULL)
        return s->ops->get_batch(s->self, refs, n, by_ns, takes, hows, done, e);
    for (*done = 0; *done < n; ++*done) {
        rc = s->ops->get(s->self, &refs[*done], by_ns, &takes[*done], &hows[*done], e);
        if (rc != SKEP_OK)
            break;
    }
    return rc;
}

int skepi_do_exists_batch(skep_store *s, const skep_ref *refs, size_t n, uint64_t by_ns, int *outs, size_t *done,
                          skep_error *e)
{
    if (s->ops->exists_batch != NULL)
        return s->ops->exists_batch(s->self, refs, n, by_ns, outs, done, e);
    for (*done = 0; *done < n; ++*done) {
        uint64_t size_bytes;
        int rc = skepi_do_exists(s, &refs[*done], by_ns, &size_bytes, e);

        if (rc != SKEP_OK && rc != SKEP_ENOENT)
            return rc;
        outs[*done] = rc == SKEP_OK;
    }
    return SKEP_OK;
}

int skepi_do_evict_batch(skep_store *s, const skep_ref *refs, size_t n, uint64_t by_ns, size_t *done, skep_error *e)
{
    int rc = SKEP_OK;

    if (s->ops->evict_batch != NULL)
        return s->ops->evict_batch(s->self, refs, n, by_ns, done, e);
    for (*done = 0; *done < n; ++*done) {
        rc = s->ops->evict(s->self, &refs[*done], by_ns, e);
        if (rc != SKEP_OK)
            break;
    }
    return rc;
}
