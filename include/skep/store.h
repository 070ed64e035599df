/* skep/store.h - put bytes somewhere and get a reference; hand a reference back and get the bytes.
 *
 * Units    bytes, nanoseconds; `by_ns` is an absolute deadline.
 * Errors   SKEP_EINVAL: a malformed URI or argument. SKEP_ENOTSUP: no such scheme, or the connector can't.
 *          SKEP_ENOENT: no such object. SKEP_ENOSPC: the medium is full; the text says how full.
 *          SKEP_ECORRUPT: length or checksum disagree. SKEP_ETIMEDOUT, SKEP_EUNREACH: the backend did not answer.
 * Threads  [any].   Owners  skep_store_unref; buffers by skep_buf_unref.
 *
 *     skep_store *store;
 *     skep_ref ref;
 *     if (skep_store_open("shm://demo", NULL, &store, &err) == SKEP_OK &&
 *         skep_store_put(store, "weights", 7, NULL, &ref, &err) == SKEP_OK)
 *         puts(ref.key);
 *
 * An object is immutable; a new version is a new object. Acknowledged means: it survives the death of any process.
 */
#ifndef SKEP_STORE_H
#define SKEP_STORE_H

#include <skep/api.h>
#include <skep/buf.h>
#include <skep/clock.h>
#include <skep/error.h>
#include <skep/handle.h>
#include <skep/metrics.h>
#include <skep/ref.h>
#include <skep/uri.h>
#include <sys/uio.h>

SKEP_BEGIN_DECLS

typedef struct skep_store skep_store;

/* ---- open ---------------------------------------------------------------------------------------- */

typedef struct skep_store_opts {
    size_t size;    /* of this struct: SKEP_STORE_OPTS_INIT sets it; 0 is SKEP_EINVAL */
    uint64_t by_ns; /* when opening must be done */
    int existing;   /* 1: do not create the store; SKEP_ENOENT where there is none */
} skep_store_opts;
#define SKEP_STORE_OPTS_INIT SKEP_INIT(sizeof(skep_store_opts), SKEP_FOREVER, 0)

/* Open the store that `uri` names, or share the one this process has open under the same identity: then the
 * first opener's tuning options hold, and a difference is logged. `opts` may be NULL. */
SKEP_API SKEP_NODISCARD int skep_store_open(const char *uri, const skep_store_opts *opts, skep_store **take,
                                            skep_error *err);
SKEP_API skep_store *skep_store_ref(skep_store *store); /* returns store */
SKEP_API void skep_store_unref(skep_store *store);      /* the last one closes; may block while others' calls end */

/* The canonical identity, as handles carry it, and the URI with every option filled in. SKEP_ETOOBIG: does not fit. */
SKEP_API int skep_store_identity(skep_store *store, char *out, size_t cap);
SKEP_API int skep_store_describe(skep_store *store, char *out, size_t cap);
SKEP_API uint64_t skep_store_threshold(skep_store *store); /* bytes: what is larger is worth a proxy */

/* ---- put ----------------------------------------------------------------------------------------- */

enum skep_sum_choice { SKEP_SUM_STORE, SKEP_SUM_YES, SKEP_SUM_NO };

typedef struct skep_put_opts {
    size_t size; /* of this struct: SKEP_PUT_OPTS_INIT sets it; 0 is SKEP_EINVAL */
    uint64_t by_ns;
    const char *codec; /* what the bytes are: "safetensors"; NULL: raw */
    const char *key;   /* a key of the caller's own; NULL: a fresh UUID. SKEP_EEXIST if it is taken */
    int checksum;      /* SKEP_SUM_*: by the store's option, or as said */
} skep_put_opts;
#define SKEP_PUT_OPTS_INIT SKEP_INIT(sizeof(skep_put_opts), SKEP_FOREVER, NULL, NULL, SKEP_SUM_STORE)

/* Copy bytes in under a fresh key. 0 bytes are a value. `opts` may be NULL. After an error nothing of it is visible,
 * but for SKEP_ETIMEDOUT and SKEP_EUNREACH of a remote connector, after which it is not known. */
SKEP_API int skep_store_put(skep_store *store, const void *data, size_t size, const skep_put_opts *opts, skep_ref *out,
                            skep_error *err);
/* The same, gathered from `n` pieces. */
SKEP_API int skep_store_putv(skep_store *store, const struct iovec *iov, int n, const skep_put_opts *opts, skep_ref *out,
                             skep_error *err);

/* Put in place: reserve, write into the memory, then commit or abort. A connector that can't lend memory of its
 * medium lends heap and copies at commit. `opts` is as for put; its texts are copied. [one] per slot */
typedef struct skep_slot skep_slot;
SKEP_API SKEP_NODISCARD int skep_store_reserve(skep_store *store, size_t size, const skep_put_opts *opts, skep_slot **take,
                                               skep_error *err);
SKEP_API void *skep_slot_data(skep_slot *slot); /* lend: until commit or abort; 64-byte aligned */
SKEP_API size_t skep_slot_size(const skep_slot *slot);
SKEP_API int skep_slot_commit(skep_slot **give, skep_ref *out, skep_error *err);
SKEP_API void skep_slot_abort(skep_slot *take);

/* ---- get ----------------------------------------------------------------------------------------- */

SKEP_API SKEP_NODISCARD int skep_store_get(skep_store *store, const skep_ref *ref, uint64_t by_ns, skep_buf **take,
                                           skep_error *err);
/* Part of an object into the caller's memory. Fetches what it names and no more, unless verify=full. SKEP_EINVAL: the
 * range leaves the object. */
SKEP_API int skep_store_read(skep_store *store, const skep_ref *ref, uint64_t offset, size_t size, void *dst, uint64_t by_ns,
                             skep_error *err);
/* `*out` is 1 or 0; `size_bytes` may be NULL. */
SKEP_API int skep_store_exists(skep_store *store, const skep_ref *ref, uint64_t by_ns, int *out, uint64_t *size_bytes,
                               skep_error *err);
/* Until the key is there. SKEP_ETIMEDOUT: it was not by then. */
SKEP_API int skep_store_wait(skep_store *store, const skep_ref *ref, uint64_t by_ns, skep_error *err);
/* No such object is not an error. A reader that has it keeps it unchanged. */
SKEP_API int skep_store_evict(skep_store *store, const skep_ref *ref, uint64_t by_ns, skep_error *err);

/* Many at once: one round trip where the connector has one. Stops at the first error; `*done` (may be NULL) says
 * how many were, after every error too. Outputs of those are valid. */
SKEP_API int skep_store_put_batch(skep_store *store, const struct iovec *items, size_t n, const skep_put_opts *opts,
                                  skep_ref *outs, size_t *done, skep_error *err);
SKEP_API int skep_store_get_batch(skep_store *store, const skep_ref *refs, size_t n, uint64_t by_ns, skep_buf **takes,
                                  size_t *done, skep_error *err);
SKEP_API int skep_store_exists_batch(skep_store *store, const skep_ref *refs, size_t n, uint64_t by_ns, int *outs,
                                     size_t *done, skep_error *err);
SKEP_API int skep_store_evict_batch(skep_store *store, const skep_ref *refs, size_t n, uint64_t by_ns, size_t *done,
                                    skep_error *err);

/* ---- what is there ------------------------------------------------------------------------------- */

typedef struct skep_entry {
    size_t size; /* of this struct, as the library knows it */
    skep_ref ref;
    uint64_t made_ns; /* real time, or 0 where the connector does not know */
    const char *name; /* a name's entry: the name, and `handle` is what it stands for; else NULL */
    const char *handle;
} skep_entry;
/* Return 0 to go on; anything else ends the walk, which then returns it. */
typedef int (*skep_entry_func)(const skep_entry *entry, void *arg);
SKEP_API int skep_store_list(skep_store *store, skep_entry_func func, void *arg, skep_error *err);

/* Names: small, mutable, name -> handle ("latest"), replaced whole. A name obeys the rules of keys, 63 bytes at most. */
/* `handle` NULL: remove the name. */
SKEP_API int skep_store_name_set(skep_store *store, const char *name, const char *handle, uint64_t by_ns, skep_error *err);
SKEP_API int skep_store_name_get(skep_store *store, const char *name, char *out, size_t cap, uint64_t by_ns,
                                 skep_error *err);

SKEP_API int skep_store_metrics(skep_store *store, int op, skep_metrics *out);

/* ---- connectors ---------------------------------------------------------------------------------- */

typedef struct skep_connector_info {
    size_t size;
    const char *scheme;
    const char *help; /* one line */
    int available;    /* 1, or 0: then `missing` says what is */
    const char *missing;
    uint32_t caps;              /* SKEP_CAP_* of connector.h */
    const skep_option *options; /* its own table; NULL where it is not available */
    const skep_option *common;  /* the table that every store has */
} skep_connector_info;
typedef int (*skep_connector_func)(const skep_connector_info *info, void *arg);
SKEP_API int skep_connectors(skep_connector_func func, void *arg);
/* The stores of one scheme ("shm", or with options "shm:?dir=/x") that this host and user have, as URIs: those nobody has
 * open too. */
typedef int (*skep_store_func)(const char *uri, void *arg);
SKEP_API int skep_stores(const char *scheme, skep_store_func func, void *arg, skep_error *err);

/* What dead processes left behind, in one store ("shm://campaign"), or in all that skep_stores finds ("shm"). It opens none,
 * as that would clear it up: with dry_run nothing changes. `func` (may be NULL) sees each thing. */
typedef struct skep_garbage {
    size_t size;
    const char *what; /* "unfinished write", "store of programs that ended", ... */
    const char *path;
    uint64_t bytes;
} skep_garbage;
typedef void (*skep_garbage_func)(const skep_garbage *garbage, void *arg);
SKEP_API int skep_gc(const char *uri, int dry_run, skep_garbage_func func, void *arg, skep_error *err);

SKEP_END_DECLS
#endif
