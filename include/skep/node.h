/* skep/node.h - the node store, for connectors: the objects of one host, as files in one directory.
 *
 * Units    bytes; `by_ns` is an absolute deadline.   Errors  as store.h.   Threads  open and close [one]; the rest [any].
 * Owners   whoever opens closes; a slot ends by commit or abort.
 *
 * Reached through skep_host.node only. One engine, two kinds of directory: in shared memory, with a pool of warm segments
 * and reader locks; on a disk, given by its path, without them. A writer that dies leaves nothing that the next opener does
 * not reclaim; a mapped reader never sees its bytes change; liveness is a held lock, never a pid; identity is never an
 * inode number.
 */
#ifndef SKEP_NODE_H
#define SKEP_NODE_H

#include <skep/connector.h>

SKEP_BEGIN_DECLS

#define SKEP_NODE_POOL_AUTO UINT64_MAX /* an eighth of the file system, 4 GiB at most */

enum skep_node_map { SKEP_NODE_MAP_AUTO, SKEP_NODE_MAP_ON, SKEP_NODE_MAP_OFF };

typedef struct skep_node_opts {
    size_t size;
    const char *directory; /* shared memory: where the stores are (NULL: skep-<uid>, made 0700). disk: the store itself */
    const char *name;      /* shared memory: of the store in it. NULL: a disk store */
    uint64_t by_ns;        /* when opening must be done */
    int existing;          /* SKEP_OPEN_*; but SKEP_OPEN_MAKE: SKEP_ENOENT where there is none */

    /* Shared memory only. */
    uint64_t pool_bytes; /* most that the pool of warm segments keeps, or SKEP_NODE_POOL_AUTO */
    int session; /* 1: a store made here goes when its last opener does; if that was killed: at the next opening or gc */

    /* Disk only. */
    int map;  /* SKEP_NODE_MAP_*: hand out mappings; auto: on a local file system, of files that skep made */
    int sync; /* 1: an acknowledged object survives a power loss */
} skep_node_opts;

struct skep_node_api {
    size_t size;
    int (*open)(const skep_node_opts *opts, skep_node **take, skep_error *err);
    void (*close)(skep_node *node, int forked);
    uint64_t (*id)(const skep_node *node); /* 0 for a disk store */
    int (*put)(skep_node *node, skep_ref *ref, const struct iovec *iov, int n, const skep_put *how, skep_error *err);
    int (*reserve)(skep_node *node, skep_ref *ref, size_t size, uint64_t by_ns, skep_node_slot **take, void **memory,
                   skep_error *err);
    int (*commit)(skep_node *node, skep_node_slot *take, skep_ref *ref, skep_error *err);
    void (*abort)(skep_node *node, skep_node_slot *take);
    int (*get)(skep_node *node, const skep_ref *ref, uint64_t by_ns, skep_buf **take, uint32_t *how, skep_error *err);
    int (*read)(skep_node *node, const skep_ref *ref, uint64_t offset, size_t size, void *dst, uint64_t by_ns,
                skep_error *err);
    int (*exists)(skep_node *node, const skep_ref *ref, uint64_t *size_bytes, skep_error *err);
    int (*evict)(skep_node *node, const skep_ref *ref, skep_error *err);
    int (*wait)(skep_node *node, const skep_ref *ref, uint64_t by_ns, skep_error *err);
    int (*list)(skep_node *node, skep_entry_func func, void *arg, skep_error *err);
    int (*name_set)(skep_node *node, const char *name, const char *handle, skep_error *err);
    int (*name_get)(skep_node *node, const char *name, char *out, size_t cap, skep_error *err);
    /* Of the store that `opts` names, which it does not open, or of all in the directory: name is "". */
    int (*gc)(const skep_node_opts *opts, int dry_run, skep_garbage_func func, void *arg, skep_error *err);
    /* Names of the shared-memory stores in a directory (NULL: the default one). */
    int (*names)(const char *directory, skep_store_func func, void *arg, skep_error *err);
};

SKEP_END_DECLS
#endif
