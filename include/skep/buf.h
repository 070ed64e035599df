/* skep/buf.h - reference-counted, immutable bytes: a mapping, a pooled block, or the caller's own memory.
 *
 * Units    bytes.   Errors  SKEP_ENOMEM, SKEP_EINVAL.   Threads  [any]; the bytes never change.
 * Owners   every reference is given back with skep_buf_unref; the last one calls the release function.
 *
 *     skep_buf *b;
 *     if (skep_store_get(store, &ref, SKEP_FOREVER, &b, NULL) == SKEP_OK) {
 *         fwrite(skep_buf_data(b), 1, skep_buf_size(b), stdout);
 *         skep_buf_unref(b);
 *     }
 */
#ifndef SKEP_BUF_H
#define SKEP_BUF_H

#include <skep/api.h>
#include <stddef.h>

SKEP_BEGIN_DECLS

typedef struct skep_buf skep_buf;

/* Called once, by whichever thread drops the last reference. */
typedef void (*skep_buf_release)(void *arg, void *data, size_t size);

/* Bytes that somebody else keeps alive until `release` is called (NULL: for ever). */
SKEP_API SKEP_NODISCARD int skep_buf_wrap(void *data, size_t size, skep_buf_release release, void *arg, skep_buf **take);
/* A copy of `size` bytes, 64-byte aligned. */
SKEP_API SKEP_NODISCARD int skep_buf_copy(const void *data, size_t size, skep_buf **take);
/* Part of another buffer, which it keeps alive. SKEP_EINVAL: the range leaves the parent. */
SKEP_API SKEP_NODISCARD int skep_buf_slice(skep_buf *parent, size_t offset, size_t size, skep_buf **take);

SKEP_API skep_buf *skep_buf_ref(skep_buf *buf); /* returns buf */
SKEP_API void skep_buf_unref(skep_buf *buf);
SKEP_API const void *skep_buf_data(const skep_buf *buf); /* lend: until your reference goes; never NULL */
SKEP_API size_t skep_buf_size(const skep_buf *buf);

SKEP_END_DECLS
#endif
