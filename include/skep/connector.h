/* skep/connector.h - for who writes a connector: one table of operations, and the host's services.
 *
 * Units    bytes; `by_ns` is an absolute deadline of skep_now_ns().
 * Errors   as store.h. Text in `err` (never NULL here) names the thing and the cause; the core puts the store's URI first.
 * Threads  open and close [one]; the rest [any].
 * Owners   `self` is `self_size` zeroed bytes that the core owns; a connector has no other mutable state.
 *
 * A connector is one `const` table, its file's only global name besides the entry. It calls skep through the host table
 * alone, so that the same file serves built in and as a module (skep-<scheme>.so, which exports skep_connector_entry).
 * The core answers for missing optional operations: they stay NULL. See CONTRIBUTING.md for the steps.
 */
#ifndef SKEP_CONNECTOR_H
#define SKEP_CONNECTOR_H

#include <skep/api.h>
#include <skep/buf.h>
#include <skep/clock.h>
#include <skep/error.h>
#include <skep/log.h>
#include <skep/ref.h>
#include <skep/store.h>
#include <skep/uri.h>

SKEP_BEGIN_DECLS

#define SKEP_CONNECTOR_ABI 1

enum skep_cap {
    SKEP_CAP_SHARED = 1u << 0,   /* other processes of this host see the same objects */
    SKEP_CAP_REMOTE = 1u << 1,   /* other hosts do */
    SKEP_CAP_DURABLE = 1u << 2,  /* objects outlive every process */
    SKEP_CAP_MAPPED = 1u << 3,   /* a get may hand out mapped memory, uncopied */
    SKEP_CAP_SUMS = 1u << 4,     /* put computes the checksum itself when `want_sum` is set, fused into its copy */
    SKEP_CAP_CHECKSUM = 1u << 5, /* its medium is one where checksum=auto means yes */
    /* It stands in front of another ("fault+shm"): one `self`, the inner one's inside it. The core gives it the inner one's
     * capabilities, parses the options of both, and takes out of its table what the inner table lacks. */
    SKEP_CAP_WRAPS = 1u << 6,
};

/* How a store is opened. */
enum skep_open {
    SKEP_OPEN_MAKE = 0,     /* it is made where there is none */
    SKEP_OPEN_EXISTING = 1, /* never created */
    SKEP_OPEN_HANDLE = 2,   /* nor changed by being opened, and of files of this host only what is this user's: a stranger's
                             * handle leads there */
};

/* What a get says of how the bytes came. */
enum skep_how {
    SKEP_HOW_MAPPED = 1u << 0,   /* not copied: this host's memory, or lazily from its disk */
    SKEP_HOW_VERIFIED = 1u << 1, /* compared with a checksum on the way already */
};

/* A running checksum: update in order, any sizes. A value: it may be copied. */
typedef struct skep_sum {
    uint64_t opaque[152];
} skep_sum;

/* A node store: the objects of one host in a directory of its shared memory (nodestore in proxy/). */
typedef struct skep_node skep_node;
typedef struct skep_node_slot skep_node_slot;
typedef struct skep_node_api skep_node_api; /* skep/node.h */

typedef struct skep_connector skep_connector;

/* The host's services. Grows at its end only. */
typedef struct skep_host {
    size_t size;
    uint32_t abi; /* SKEP_CONNECTOR_ABI: an entry that was built for another returns NULL */

    void *(*alloc)(size_t size); /* 64-byte aligned, not zeroed; NULL: out of memory */
    void (*free)(void *p);       /* NULL is fine */
    int (*fail)(skep_error *err, int code, const char *format, ...) SKEP_PRINTF(3, 4);
    int (*from_errno)(int errnum);
    void (*log)(int level, const char *component, const char *format, ...) SKEP_PRINTF(3, 4);
    uint64_t (*now_ns)(void);

    int (*buf_wrap)(void *data, size_t size, skep_buf_release release, void *arg, skep_buf **take);
    int (*buf_copy)(const void *data, size_t size, skep_buf **take);
    int (*buf_slice)(skep_buf *parent, size_t offset, size_t size, skep_buf **take);
    skep_buf *(*buf_ref)(skep_buf *buf);
    void (*buf_unref)(skep_buf *buf);
    const void *(*buf_data)(const skep_buf *buf);
    size_t (*buf_size)(const skep_buf *buf);

    const char *(*uri_scheme)(const skep_uri *uri);
    const char *(*uri_user)(const skep_uri *uri);
    const char *(*uri_host)(const skep_uri *uri);
    int (*uri_port)(const skep_uri *uri);
    const char *(*uri_path)(const skep_uri *uri);
    int (*uri_has)(const skep_uri *uri, const char *option);
    int (*uri_bool)(const skep_uri *uri, const char *option);
    int64_t (*uri_int)(const skep_uri *uri, const char *option);
    uint64_t (*uri_size)(const skep_uri *uri, const char *option);
    uint64_t (*uri_time)(const skep_uri *uri, const char *option);
    const char *(*uri_option)(const skep_uri *uri, const char *option);

    void (*sum_init)(skep_sum *sum);
    void (*sum_update)(skep_sum *sum, const void *data, size_t size);
    uint64_t (*sum_final)(const skep_sum *sum);

    const skep_node_api *node;

    /* For a connector that wraps another ("fault+shm"): the table of `scheme`, which stays. SKEP_ENOTSUP: none such. */
    int (*connector)(const char *scheme, const skep_connector **lend, skep_error *err);
} skep_host;

/* How a put is wanted, beside the bytes. */
typedef struct skep_put {
    size_t size;
    uint64_t by_ns;
    int want_sum; /* set ref->sum and SKEP_REF_SUM, if SKEP_CAP_SUMS */
} skep_put;

struct skep_connector {
    size_t size;        /* sizeof of this struct when the connector was built */
    uint32_t abi;       /* SKEP_CONNECTOR_ABI then: checked before anything else is read */
    uint32_t caps;      /* SKEP_CAP_*: what the conformance suite will hold it to */
    const char *scheme; /* "redis": names it in URIs, logs, tests and benchmarks */
    const char *help;   /* one line */
    size_t self_size;
    const skep_option *options; /* NULL name ends it */

    /* Required. */

    /* `existing`: SKEP_OPEN_*. The core calls close exactly once, after a failed open too. [one] */
    int (*open)(void *self, const skep_uri *uri, int existing, uint64_t by_ns, skep_error *err);
    /* Waits for its own threads. In a child of fork (`forked` 1) it lets go of what the parent still uses: closes
     * descriptors, unlocks nothing. [one] */
    void (*close)(void *self, int forked);
    /* ref->key is set; fill in what else there is to know (node, locator, sum). Visible whole or not at all. An existing
     * key: SKEP_EEXIST. */
    int (*put)(void *self, skep_ref *ref, const struct iovec *iov, int n, const skep_put *how, skep_error *err);
    int (*get)(void *self, const skep_ref *ref, uint64_t by_ns, skep_buf **take, uint32_t *how, skep_error *err);
    int (*evict)(void *self, const skep_ref *ref, uint64_t by_ns, skep_error *err); /* no such key: SKEP_OK */

    /* Optional: the comment says what NULL means. New members go at the end, and only there. */

    int (*exists)(void *self, const skep_ref *ref, uint64_t by_ns, uint64_t *size_bytes,
                  skep_error *err); /* SKEP_OK or SKEP_ENOENT; NULL: get, and drop */
    int (*read)(void *self, const skep_ref *ref, uint64_t offset, size_t size, void *dst, uint64_t by_ns,
                skep_error *err); /* NULL: get, and copy */
    int (*reserve)(void *self, skep_ref *ref, size_t size, uint64_t by_ns, void **slot, void **memory,
                   skep_error *err);                                       /* NULL: heap, put at commit */
    int (*commit)(void *self, void *slot, skep_ref *ref, skep_error *err); /* ends the slot, failed or not */
    void (*abort)(void *self, void *slot);
    int (*wait)(void *self, const skep_ref *ref, uint64_t by_ns, skep_error *err); /* NULL: exists, with growing pauses */
    int (*list)(void *self, skep_entry_func func, void *arg, skep_error *err);     /* NULL: SKEP_ENOTSUP */
    /* NULL: SKEP_ENOTSUP. */
    int (*name_set)(void *self, const char *name, const char *handle, uint64_t by_ns, skep_error *err);
    int (*name_get)(void *self, const char *name, char *out, size_t cap, uint64_t by_ns, skep_error *err);
    /* Without `self`: what is left behind in the store of `uri`, or of all if it names none. NULL: nothing ever is */
    int (*gc)(const skep_uri *uri, int dry_run, skep_garbage_func func, void *arg, skep_error *err);
    /* Without `self`: the stores of this host; `uri` names none and has the options. NULL: none */
    int (*stores)(const skep_uri *uri, skep_store_func func, void *arg, skep_error *err);
    /* The identity as others reach it, where that is not the URI's own (an advertised address). NULL: the URI's. */
    int (*identity)(void *self, char *out, size_t cap, skep_error *err);
    /* NULL, each of the four: one by one. */
    int (*put_batch)(void *self, skep_ref *refs, const struct iovec *items, size_t n, const skep_put *how, size_t *done,
                     skep_error *err);
    int (*get_batch)(void *self, const skep_ref *refs, size_t n, uint64_t by_ns, skep_buf **takes, uint32_t *hows,
                     size_t *done, skep_error *err);
    int (*exists_batch)(void *self, const skep_ref *refs, size_t n, uint64_t by_ns, int *outs, size_t *done,
                        skep_error *err);
    int (*evict_batch)(void *self, const skep_ref *refs, size_t n, uint64_t by_ns, size_t *done, skep_error *err);
};

/* What a module exports, and what a built-in connector has under a name of its own. NULL: `host` is not one it can use. */
typedef const skep_connector *(*skep_connector_entry_func)(const skep_host *host);

SKEP_END_DECLS
#endif
