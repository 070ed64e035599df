/* skep/node.h - the node store, for connectors: the objects of one host, as files in a directory of its shared memory.
 *
 * Units    bytes; `by_ns` is an absolute deadline.   Errors  as store.h.   Threads  open and close [one]; the rest [any].
 * Owners   whoever opens closes; a slot ends by commit or abort.
 *
 * Reached through skep_host.node only. A writer that dies leaves nothing that the next opener does not reclaim; a
 * mapped reader never sees its bytes change; liveness is a held lock, never a pid; identity is never an inode number.
 */
#ifndef SKEP_NODE_H
#define SKEP_NODE_H

#include <skep/connector.h>

SKEP_BEGIN_DECLS

typedef struct skep_node_opts {
    size_t size;
    const char *directory; /* NULL: skep-<uid> in the shared-memory file system; made 0700 if missing, owner checked */
    const char *name;      /* of the store in it */
    uint64_t pool_bytes;   /* most that the pool of warm segments keeps */
    int existing;          /* 1: SKEP_ENOENT where there is none */
    int session;           /* 1: the store goes when its last opener does, however that ends */
} skep_node_opts;

struct skep_node_api {
    size_t size;
    int (*open)(const skep_node_opts *opts, skep_node **take, skep_error *err);
    void (*close)(skep_node *node, int forked);
    uint64_t (*id)(const skep_node *node);
    int (*put)(skep_node *node, skep_ref *ref, const struct iovec *iov, int n, const skep_put *how, skep_error *err);
    int (*reserve)(skep_node *node, skep_ref *ref, size_t size, skep_node_slot **take, void **memory, skep_error *err);
    int (*commit)(skep_node *node, skep_node_slot *take, skep_ref *ref, skep_error *err);
    void (*abort)(skep_node *node, skep_node_slot *take);
    int (*get)(skep_node *node, const skep_ref *ref, uint64_t by_ns, skep_buf **take, skep_error *err);
    int (*read)(skep_node *node, const skep_ref *ref, uint64_t offset, size_t size, void *dst, uint64_t by_ns,
                skep_error *err);
    int (*exists)(skep_node *node, const skep_ref *ref, uint64_t *size_bytes, skep_error *err);
    int (*evict)(skep_node *node, const skep_ref *ref, skep_error *err);
    int (*wait)(skep_node *node, const skep_ref *ref, uint64_t by_ns, skep_error *err);
    int (*list)(skep_node *node, skep_entry_func func, void *arg, skep_error *err);
    int (*name_set)(skep_node *node, const char *name, const char *handle, skep_error *err);
    int (*name_get)(skep_node *node, const char *name, char *out, size_t cap, skep_error *err);
    int (*gc)(skep_node *node, int dry_run, skep_garbage_func func, void *arg, skep_error *err);
    /* Names of the stores in a directory (NULL: the default one). */
    int (*names)(const char *directory, skep_store_func func, void *arg, skep_error *err);
};

SKEP_END_DECLS
#endif
