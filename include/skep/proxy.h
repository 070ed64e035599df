/* skep/proxy.h - a lazy reference to an object: no I/O until it is resolved, then resolved once.
 *
 * Units    bytes; `by_ns` is an absolute deadline.
 * Errors   those of the store (store.h) and of handles (handle.h). A resolve that failed can be tried again.
 * Threads  [any]: many threads that touch one proxy cause one fetch.
 * Owners   skep_proxy_unref; what resolve lends is valid until the last reference to the proxy goes.
 *
 *     skep_proxy_open(handle, NULL, &model, &err);
 *     skep_proxy_resolve(model, SKEP_FOREVER, &data, &size, &err);
 */
#ifndef SKEP_PROXY_H
#define SKEP_PROXY_H

#include <skep/api.h>
#include <skep/store.h>

SKEP_BEGIN_DECLS

typedef struct skep_proxy skep_proxy;

enum skep_proxy_state { SKEP_PROXY_UNRESOLVED, SKEP_PROXY_RESOLVING, SKEP_PROXY_RESOLVED, SKEP_PROXY_FAILED };

/* Put bytes and get the proxy of them. `opts` may be NULL. */
SKEP_API SKEP_NODISCARD int skep_store_proxy(skep_store *store, const void *data, size_t size, const skep_put_opts *opts,
                                             skep_proxy **take, skep_error *err);
/* The proxy of an object that was put before. `codec` may be NULL. No I/O. */
SKEP_API SKEP_NODISCARD int skep_store_proxy_of(skep_store *store, const skep_ref *ref, const char *codec, skep_proxy **take,
                                                skep_error *err);
/* The proxy that a handle stands for. `policy` NULL: see skep_policy_check. No I/O: the store is opened at the first touch.
 */
SKEP_API SKEP_NODISCARD int skep_proxy_open(const char *handle, const skep_policy *policy, skep_proxy **take,
                                            skep_error *err);

SKEP_API skep_proxy *skep_proxy_ref(skep_proxy *proxy); /* returns proxy */
SKEP_API void skep_proxy_unref(skep_proxy *proxy);

/* The text form. SKEP_ETOOBIG: does not fit; SKEP_HANDLE_MAX always does. */
SKEP_API int skep_proxy_handle(const skep_proxy *proxy, char *out, size_t cap);
SKEP_API const skep_ref *skep_proxy_ref_of(const skep_proxy *proxy); /* lend: until unref */
SKEP_API const char *skep_proxy_codec(const skep_proxy *proxy);      /* lend: until unref; "raw" mostly */
SKEP_API int skep_proxy_state(const skep_proxy *proxy);              /* SKEP_PROXY_* */

/* The bytes, fetched here, once. A deadline that passes leaves the fetch going for the others who wait. */
SKEP_API int skep_proxy_resolve(skep_proxy *proxy, uint64_t by_ns, const void **lend, size_t *size, skep_error *err);
/* The same as a buffer, which may outlive the proxy. */
SKEP_API SKEP_NODISCARD int skep_proxy_buf(skep_proxy *proxy, uint64_t by_ns, skep_buf **take, skep_error *err);
/* Start fetching in the background. Never waits; a failure shows at the next resolve, which tries again. */
SKEP_API int skep_proxy_prefetch(skep_proxy *proxy, skep_error *err);
/* A part, into the caller's memory; from the resolved bytes if they are there, else fetching only what it names. */
SKEP_API int skep_proxy_read(skep_proxy *proxy, uint64_t offset, size_t size, void *dst, uint64_t by_ns, skep_error *err);
/* The object's size: from the handle, else by asking the store. */
SKEP_API int skep_proxy_size(skep_proxy *proxy, uint64_t by_ns, uint64_t *out, skep_error *err);
/* Remove the object from its store. What this proxy has resolved stays valid. */
SKEP_API int skep_proxy_evict(skep_proxy *proxy, uint64_t by_ns, skep_error *err);
/* The store behind it, opened now if it was not. */
SKEP_API SKEP_NODISCARD int skep_proxy_store(skep_proxy *proxy, uint64_t by_ns, skep_store **take, skep_error *err);

SKEP_END_DECLS
#endif
