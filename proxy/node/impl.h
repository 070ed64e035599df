/* impl.h - what the files of the node store share.
 *
 * A store is a directory with one plain file an object, named by its key, and one hidden entry, ".skep":
 *
 *     .skep/id      "skep-node 1 <16 hexadecimal digits>": the format and the node id      (shared memory only)
 *     .skep/lock    openers hold it shared, the last one to leave exclusively              (shared memory only)
 *     .skep/session there: the store goes with its last opener                             (shared memory only)
 *     .skep/pool/   evicted segments, warm, to be written again                            (shared memory only)
 *     .skep/tmp/    unfinished writes that could not be nameless; their writer holds a lock on them
 *     .skep/names/  name -> handle
 *
 * What may be done with a file depends on its size alone. Below SKEPI_POOLED_MIN it is never written again after its commit,
 * so that readers need no lock. From there on it may be: a reader holds a shared lock for as long as it looks, a writer
 * needs the exclusive one, and whoever gets a lock then asks whether the name still leads to the file. A pooled file never
 * shrinks below that size, so a reader that sees a small one knows that it never was in the pool.
 */
#ifndef SKEP_PROXY_NODE_IMPL_H
#define SKEP_PROXY_NODE_IMPL_H

#include <pthread.h>
#include <skep/node.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/stat.h>

#define SKEPI_POOLED_MIN  ((uint64_t)1 << 20)  /* smaller files are neither pooled nor locked */
#define SKEPI_COPIED_MAX  ((uint64_t)16 << 10) /* up to here a get copies: cheaper than a mapping, and those are counted */
#define SKEPI_POOL_COUNT  64                   /* most segments in a pool */
#define SKEPI_SHARED_MODE (S_ISVTX | 0600)     /* of objects in shared memory: the mark of skep's own files */
#define SKEPI_KEPT_COUNT  8                    /* most segments that one process keeps mapped */
#define SKEPI_HUGE        ((uint64_t)2 << 20)  /* a huge page */
#define SKEPI_NAME_MAX    64                   /* of an entry that skep names, with its NUL */
#define SKEPI_NAMES_LIMIT 63                   /* bytes of a name -> handle name */
#define SKEPI_PIECE       ((size_t)256 << 10)  /* what a fused checksum and copy do at a time: stays in the cache */

/* One file that is being written, or that is kept. Dead: fd -1 and no map. */
enum skepi_seg_home { SKEPI_SEG_NAMELESS, SKEPI_SEG_POOL, SKEPI_SEG_TMP };
struct skepi_seg {
    int fd;
    enum skepi_seg_home home;
    char name[SKEPI_NAME_MAX]; /* in the pool or in tmp */
    void *map;                 /* writable, or NULL */
    size_t map_size;
    uint64_t size;       /* of the file */
    uint64_t small_from; /* as far as is known, from here on it has no huge pages yet */
    int huge_tries;      /* how often that was tried for naught */
};
#define SKEPI_SEG_INIT                                                                                                      \
    {                                                                                                                       \
        .fd = -1                                                                                                            \
    }

struct skepi_kept {
    int fd; /* open as long as the entry is: so (dev, ino) stay this file's */
    dev_t dev;
    ino_t ino;
    void *map;
    size_t map_size;
    uint64_t small_from; /* as in skepi_seg */
    int huge_tries;
    uint64_t used; /* when: a count */
};

struct skepi_cgroup { /* version 0: none */
    int version;
    size_t top; /* length of the part of `path` that is the mount point: no cgroup above it */
    char path[2048];
};

struct skep_node {
    int disk; /* 1: a directory on a disk; 0: in shared memory */
    int base; /* descriptors; -1: none */
    int dir;
    int meta; /* this and `tmp` of a disk store: by skepi_node_meta, under `lazy` */
    int pool;
    int tmp;
    int lock;
    uint64_t id;
    int session;
    int map; /* SKEP_NODE_MAP_* */
    int sync;
    int remote;             /* 1: on a network file system */
    mode_t mode;            /* of objects */
    _Atomic int no_tmpfile; /* O_TMPFILE was refused once */
    _Atomic int no_huge;    /* MADV_COLLAPSE was */
    _Atomic int no_fd_link; /* linking a descriptor without /proc was */
    uint64_t pool_bytes;
    char *name;  /* of the store in its base directory */
    char *place; /* the file system, in error texts */

    pthread_mutex_t lazy; /* rank 60, guards the making of meta and tmp; I/O under it happens once */

    pthread_mutex_t kept_mu;                      /* rank 61, guards the four below; nothing is taken under it */
    struct skepi_kept kept[SKEPI_KEPT_COUNT + 1]; /* one more for a moment */
    int n_kept;
    uint64_t kept_clock;

    struct skepi_cgroup cgroup[2]; /* found when opened */
    _Atomic uint64_t credit;       /* bytes that may be written before the next look at the space */
    _Atomic uint64_t credit_by_ns; /* and until when */
};

/* ---- fs.c: small calls on files ---- */

int skepi_openat(int dir, const char *name, int flags, mode_t mode); /* adds CLOEXEC and NOFOLLOW */
void skepi_closefd(int *fd);
int skepi_flock(int fd, int how);                    /* 0, or -1 with errno */
int skepi_flock_by(int fd, int how, uint64_t by_ns); /* the same, with short pauses; EWOULDBLOCK at the deadline */
void skepi_unlock(int *fd); /* and close: a child that was forked meanwhile has the descriptor too, and with it the lock */
int skepi_same(int dir, const char *name, const struct stat *of); /* 1: the name leads to this open file */
int skepi_file_fits(uint64_t size, skep_error *err);              /* may a file be so big? a write beyond that would kill */
uint64_t skepi_random(void);
void skepi_unique(char out[SKEPI_NAME_MAX], const char *prefix, uint64_t number); /* prefix number - random */
int skepi_slurp(int dir, const char *name, char *out, size_t cap);   /* a small text file; its length, or -1 with errno */
int skepi_spill(int dir, const char *name, const char *text);        /* make one; 0, or -1 with errno */
int skepi_remove_tree(int dir, const char *name, int depth);         /* 0, or -1 with errno; what is gone already is fine */
int skepi_errno(skep_error *err, int errnum, const char *what);      /* "what: reason", and the code */
int skepi_is_local(int dir);                                         /* 1: on a file system that lies on this host alone */
int skepi_read_all(int fd, void *dst, size_t size, uint64_t offset); /* bytes read up to the end, or -1 */
int skepi_key_ok(const char *key, skep_error *err);
void skepi_pause(unsigned *round, uint64_t by_ns); /* sleeps a little longer each time, 2 ms at most */

/* Calls `each` for every entry but "." and ".."; stops at nonzero, and returns it. -1 with errno: can't be read. */
typedef int (*skepi_dir_func)(int dir, const char *name, unsigned char type, uint64_t ino, void *arg);
int skepi_dir_each(int dir, const char *name, skepi_dir_func each, void *arg);

/* ---- layout.c: where a store lies, and making one ---- */

int skepi_base_open(const char *directory, int existing, int *fd, char place[SKEP_URI_MAX], skep_error *err);
int skepi_store_make(int base, const char *name, int session, skep_error *err); /* SKEP_OK too if it is there */
int skepi_store_enter(skep_node *node, uint64_t by_ns, skep_error *err);        /* SKEP_ENOENT: there is none */
int skepi_store_named(const skep_node *node); /* 1: its name still leads to its directory */
int skepi_disk_enter(skep_node *node, const char *path, int existing, skep_error *err);
/* A disk store's .skep, tmp and names: opened if they are there now, or made. Who uses them calls it before. */
int skepi_node_meta(skep_node *node, int make, skep_error *err);

/* ---- lifetime.c: what happens when openers leave, or died ---- */

/* The three that reap call `func` when they hold no lock any more; SKEP_ENOMEM: of some they could not tell. */
void skepi_node_leave(skep_node *node); /* the last opener empties the pool; removes a session store, or an empty one */
/* Stores and half-made stores that nobody has open: with `remove`, what they leave behind goes. `own` is left alone; where
 * it is NULL, what is unfinished in stores that somebody has open is looked at too. */
int skepi_base_reap(int base, const char *place, const char *own, int remove, skep_garbage_func func, void *arg);
/* One store: all of the above if nobody has it open, else unfinished writes. */
int skepi_store_reap(int base, const char *place, const char *name, int remove, skep_garbage_func func, void *arg);
/* Unfinished writes whose writer is dead, of the store at `place`. */
int skepi_tmp_reap(int tmp, const char *place, int remove, skep_garbage_func func, void *arg);

/* ---- space.c, cgroup.c ---- */

struct skepi_room {
    uint64_t used, limit;
    char what[SKEP_URI_MAX];
};
void skepi_size_text(uint64_t bytes, char out[32]); /* "1.5 GiB" */
/* Is there room for `fresh` more bytes of pages? Asked before each write; looks when it must. */
int skepi_space(skep_node *node, uint64_t fresh, skep_error *err);
int skepi_no_space(skep_node *node, uint64_t size, skep_error *err); /* the error of a write that met a full file system */
/* Where this process stands among the memory cgroups. `root` is put before every path: "" but in tests. */
void skepi_cgroup_find(const char *root, struct skepi_cgroup out[2]);
/* The tightest of it and those above it: 1 and *out, or 0 where none has a limit. */
int skepi_cgroup_room(const struct skepi_cgroup at[2], struct skepi_room *out);

/* ---- segment.c ---- */

int skepi_seg_new(skep_node *node, struct skepi_seg *seg, skep_error *err); /* nameless, or in tmp with a lock */
/* Exactly `size` bytes (not 0), every one backed by the file system, mapped. */
int skepi_seg_ready(skep_node *node, struct skepi_seg *seg, uint64_t size, uint64_t by_ns, skep_error *err);
/* Visible under `key`, whole; ends the segment. SKEP_EEXIST: the key is taken; the segment is as before. */
int skepi_seg_publish(skep_node *node, struct skepi_seg *seg, const char *key, skep_error *err);
void skepi_seg_drop(skep_node *node, struct skepi_seg *seg); /* gives up what is not published */

/* ---- huge.c ---- */

/* Huge pages for a mapped segment from `small_from` on, holes or not, as far as the kernel will. */
void skepi_huge_fill(skep_node *node, struct skepi_seg *seg);
int skepi_huge_wanted(const skep_node *node, const struct skepi_seg *seg);
void *skepi_map(int fd, size_t size, int prot); /* shared, from the file's start; MAP_FAILED with errno */

/* ---- pool.c, kept.c ---- */

int skepi_pool_fits(const struct stat *st); /* 1: a file whose readers all hold a lock, so that it may be written again */
int skepi_pool_take(skep_node *node, uint64_t size, struct skepi_seg *seg); /* 1: had one, locked; 0: none fits */
void skepi_pool_trim(skep_node *node, uint64_t bytes, int count);           /* drop the oldest until within these */
void skepi_pool_name(char out[SKEPI_NAME_MAX], uint64_t size);
int skepi_pool_dispose(int pool, const char *name);          /* 1: gone; 0: a writer has it */
void skepi_kept_add(skep_node *node, struct skepi_seg *seg); /* takes the descriptor and the mapping; unlocked already */
int skepi_kept_take(skep_node *node, ino_t ino, struct skepi_seg *seg); /* 1: was kept; ask whether it is the same file */
void skepi_kept_sweep(skep_node *node, int all); /* lets go of those whose file has no name any more, or of all */
void skepi_kept_leave(skep_node *node);          /* of all, in a child of fork: not if another thread was just at it */

/* ---- the operations ---- */

int skepi_node_put(skep_node *node, skep_ref *ref, const struct iovec *iov, int n, const skep_put *how, skep_error *err);
int skepi_node_reserve(skep_node *node, skep_ref *ref, size_t size, uint64_t by_ns, skep_node_slot **take, void **memory,
                       skep_error *err);
int skepi_node_commit(skep_node *node, skep_node_slot *take, skep_ref *ref, skep_error *err);
void skepi_node_abort(skep_node *node, skep_node_slot *take);
int skepi_node_get(skep_node *node, const skep_ref *ref, uint64_t by_ns, skep_buf **take, uint32_t *how, skep_error *err);
int skepi_node_read(skep_node *node, const skep_ref *ref, uint64_t offset, size_t size, void *dst, uint64_t by_ns,
                    skep_error *err);
int skepi_node_exists(skep_node *node, const skep_ref *ref, uint64_t *size_bytes, skep_error *err);
int skepi_node_evict(skep_node *node, const skep_ref *ref, skep_error *err);
int skepi_node_wait(skep_node *node, const skep_ref *ref, uint64_t by_ns, skep_error *err);
int skepi_node_list(skep_node *node, skep_entry_func func, void *arg, skep_error *err);
int skepi_node_names(const char *directory, skep_store_func func, void *arg, skep_error *err);
int skepi_node_name_set(skep_node *node, const char *name, const char *handle, skep_error *err);
int skepi_node_name_get(skep_node *node, const char *name, char *out, size_t cap, skep_error *err);
int skepi_names_each(skep_node *node, skep_entry_func func, void *arg, int *stopped);
int skepi_node_gc(const skep_node_opts *opts, int dry_run, skep_garbage_func func, void *arg, skep_error *err);

#endif
