/* skep/ref.h - what names one object inside a store: its key, and what is known of it beforehand.
 *
 * Units    bytes.   Errors  SKEP_EINVAL.   Threads  a value: [any] to read.   Owners  the caller; nothing to release.
 *
 * A skep_ref is a plain value: copy it, keep it, send its parts. The text form that carries the store as
 * well is a handle (handle.h).
 */
#ifndef SKEP_REF_H
#define SKEP_REF_H

#include <skep/api.h>
#include <stddef.h>
#include <stdint.h>

SKEP_BEGIN_DECLS

#define SKEP_KEY_MAX      256 /* bytes of a key with its NUL; skep's own keys are UUIDs of 36 characters */
#define SKEP_LOCATOR_MAX  96  /* bytes of a connector's locator with its NUL */
#define SKEP_SIZE_UNKNOWN UINT64_MAX

enum skep_ref_flags {
    SKEP_REF_SUM = 1u << 0, /* `sum` is the object's checksum */
};

typedef struct skep_ref {
    size_t size;                    /* of this struct: SKEP_REF_INIT sets it */
    uint64_t size_bytes;            /* of the object, or SKEP_SIZE_UNKNOWN */
    uint64_t sum;                   /* XXH3 over the XXH3s of 1 MiB chunks, if flags has SKEP_REF_SUM */
    uint64_t node;                  /* id of the node store that holds it, or 0 */
    uint32_t flags;                 /* SKEP_REF_* */
    char key[SKEP_KEY_MAX];         /* no '/', no NUL inside, no leading dot */
    char locator[SKEP_LOCATOR_MAX]; /* what the connector wants to find again; "" mostly */
} skep_ref;
#define SKEP_REF_INIT SKEP_INIT(sizeof(skep_ref), SKEP_SIZE_UNKNOWN, 0, 0, 0, "", "")

/* A reference to `key` of which nothing else is known. SKEP_EINVAL: too long, empty, or a character that no key may have. */
SKEP_API SKEP_NODISCARD int skep_ref_key(const char *key, skep_ref *out);
SKEP_API int skep_key_is_uuid(const char *key); /* 1 for 8-4-4-4-12 lower-case hexadecimal digits, else 0 */

SKEP_END_DECLS
#endif
