/* skep/codec.h - what the bytes of an object are, so that tools can check and show them.
 *
 * Units    bytes.   Errors  SKEP_EFORMAT: the bytes are not what the codec says.
 * Threads  [any].   Owners  nothing is owned.
 */
#ifndef SKEP_CODEC_H
#define SKEP_CODEC_H

#include <skep/api.h>
#include <skep/proxy.h>

SKEP_BEGIN_DECLS

typedef struct skep_codec {
    size_t size;
    const char *name; /* "safetensors": the c= word of a handle */
    const char *help; /* one line */
    /* 1 if such bytes begin so. `size` is the whole object's, `n` what is at hand: 16 bytes are enough. */
    int (*sniff)(const void *begin, size_t n, uint64_t size);
    /* Is the object well formed? Fetches no more than it must. */
    int (*check)(skep_proxy *proxy, uint64_t by_ns, skep_error *err);
} skep_codec;

SKEP_API const skep_codec *skep_codec_at(size_t index);       /* NULL past the end; "raw" comes last */
SKEP_API const skep_codec *skep_codec_find(const char *name); /* NULL and "" are raw; returns NULL: none of that name */
SKEP_API const skep_codec *skep_codec_sniff(const void *begin, size_t n, uint64_t size); /* never NULL: "raw" fits all */

SKEP_END_DECLS
#endif
