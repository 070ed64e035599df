/* skep/handle.h - the text that travels: a URI with a fragment, and the policy that says which to believe.
 *
 * Units    bytes.
 * Errors   SKEP_EFORMAT: not a handle. SKEP_EVERSION: it has a word in capitals that this reader must understand
 *          and does not. SKEP_EDENIED: the policy refuses it. SKEP_ETOOBIG: does not fit.
 * Threads  values and immutable objects: [any].   Owners  skep_policy_unref.
 *
 *     shm://campaign#k=0f6f3bd5-...&n=1073741824&h=4be1...&c=safetensors
 *
 * In front of '#': where the store is, as others reach it, identity options only. After it: k key, n size,
 * x checksum ("t1." and 16 hexadecimal digits), c codec, h node id, l locator. A reader skips words in small
 * letters that it does not know and refuses those that begin with a capital.
 *
 * A handle is what a stranger says. Opening one never creates a store, never names a secret, a local file or
 * a tuning option, takes UUIDs as keys only, and obeys a policy: the argument, else SKEP_ALLOW in the
 * environment, else the default of the process.
 */
#ifndef SKEP_HANDLE_H
#define SKEP_HANDLE_H

#include <skep/api.h>
#include <skep/error.h>
#include <skep/ref.h>
#include <skep/uri.h>

SKEP_BEGIN_DECLS

#define SKEP_HANDLE_MAX 1152 /* bytes of a handle with its NUL: every one fits */
#define SKEP_CODEC_MAX  32   /* bytes of a codec's name with its NUL */

typedef struct skep_handle {
    size_t size; /* of this struct: SKEP_HANDLE_INIT sets it */
    skep_ref ref;
    char store[SKEP_URI_MAX];   /* in front of the '#' */
    char codec[SKEP_CODEC_MAX]; /* "" or "raw": plain bytes */
} skep_handle;
#define SKEP_HANDLE_INIT SKEP_INIT(sizeof(skep_handle), SKEP_REF_INIT, "", "")

SKEP_API SKEP_NODISCARD int skep_handle_parse(const char *text, skep_handle *out, skep_error *err);
/* SKEP_EINVAL: it has what skep_handle_parse refuses, as a key that is not a UUID. */
SKEP_API SKEP_NODISCARD int skep_handle_format(const skep_handle *handle, char *out, size_t cap);

/* Which stores handles may lead to: words separated by spaces or commas, each one of
 *     all | none | shm: (a whole scheme) | shm://NAME | file:///dir (and below) | redis://host:port
 */
typedef struct skep_policy skep_policy;
SKEP_API SKEP_NODISCARD int skep_policy_parse(const char *text, skep_policy **take, skep_error *err);
SKEP_API skep_policy *skep_policy_ref(skep_policy *policy);
SKEP_API void skep_policy_unref(skep_policy *policy);
/* NULL: SKEP_ALLOW, else what skep_policy_default set, else "memory: shm: file:": stores of this host that
 * exist already and belong to this user. That they do is seen when one is opened: whatever the policy, a handle opens a
 * directory of another user only if this process has it open as a store already. A link on the way there is followed. */
SKEP_API int skep_policy_check(const skep_policy *policy, const char *store_uri, skep_error *err);
/* What NULL means from now on in this process, unless SKEP_ALLOW is set. A worker sets the stores of its queues. */
SKEP_API void skep_policy_default(skep_policy *policy);

SKEP_END_DECLS
#endif
