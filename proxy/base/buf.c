/* buf.c - counted, immutable bytes. */
#include "proxy/base/alloc.h"
#include <skep/buf.h>
#include <skep/error.h>

#include <stdatomic.h>
#include <string.h>

#define HEAD   64    /* a small copy lies this far behind its own struct, in one block */
#define INLINE 32768 /* copies up to here do; bigger ones get a block of their own, which begins at a page */

struct skep_buf {
    atomic_size_t refs;
    const void *data;
    size_t size;
    skep_buf_release release; /* NULL: nothing to release */
    void *arg;
    int inlined; /* this struct lies in a block, its bytes behind it */
};
_Static_assert(sizeof(struct skep_buf) <= HEAD, "the bytes of a small copy follow its struct");

static const char nothing[1];

static void init(skep_buf *b, const void *data, size_t size, skep_buf_release release, void *arg)
{
    atomic_init(&b->refs, 1);
    b->data = data != NULL ? data : nothing;
    b->size = size;
    b->release = release;
    b->arg = arg;
}

int skep_buf_wrap(void *data, size_t size, skep_buf_release release, void *arg, skep_buf **take)
{
    skep_buf *b;

    if (take == NULL || (data == NULL && size > 0))
        return SKEP_EINVAL;
    b = skepi_alloc(sizeof *b);
    if (b == NULL)
        return SKEP_ENOMEM;
    init(b, data, size, release, arg);
    *take = b;
    return SKEP_OK;
}

static void release_block(void *arg, void *data, size_t size)
{
    (void)size;
    (void)data;
    skepi_block_free(arg);
}

int skep_buf_copy(const void *data, size_t size, skep_buf **take)
{
    skep_buf *b;
    void *copy;
    int rc;

    if (take == NULL || (data == NULL && size > 0))
        return SKEP_EINVAL;
    copy = skepi_block_alloc(size <= INLINE ? HEAD + size : size);
    if (copy == NULL)
        return SKEP_ENOMEM;
    if (size <= INLINE) {
        b = copy;
        if (size > 0)
            memcpy((char *)copy + HEAD, data, size);
        init(b, (char *)copy + HEAD, size, NULL, NULL);
        b->inlined = 1;
        *take = b;
        return SKEP_OK;
    }
    rc = skep_buf_wrap(copy, size, release_block, copy, take);
    if (rc != SKEP_OK) {
        skepi_block_free(copy);
        return rc;
    }
    memcpy(copy, data, size);
    return SKEP_OK;
}

static void release_parent(void *arg, void *data, size_t size)
{
    (void)data;
    (void)size;
    skep_buf_unref(arg);
}

int skep_buf_slice(skep_buf *parent, size_t offset, size_t size, skep_buf **take)
{
    int rc;

    if (parent == NULL || take == NULL || offset > parent->size || size > parent->size - offset)
        return SKEP_EINVAL;
    if (parent->release == release_parent) { /* hang on the whole, not on a chain of parts */
        offset += (size_t)((const char *)parent->data - (const char *)((skep_buf *)parent->arg)->data);
        parent = parent->arg;
    }
    rc = skep_buf_wrap((char *)parent->data + offset, size, release_parent, parent, take);
    if (rc == SKEP_OK)
        skep_buf_ref(parent);
    return rc;
}

skep_buf *skep_buf_ref(skep_buf *buf)
{
    if (buf != NULL)
        atomic_fetch_add_explicit(&buf->refs, 1, memory_order_relaxed);
    return buf;
}

void skep_buf_unref(skep_buf *buf)
{
    /* acq_rel: what other holders read is read before the release */
    if (buf == NULL || atomic_fetch_sub_explicit(&buf->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (buf->release != NULL)
        buf->release(buf->arg, (void *)buf->data, buf->size);
    if (buf->inlined)
        skepi_block_free(buf);
    else
        skepi_free(buf);
}

const void *skep_buf_data(const skep_buf *buf)
{
    return buf->data;
}

size_t skep_buf_size(const skep_buf *buf)
{
    return buf->size;
}
