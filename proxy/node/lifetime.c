/* lifetime.c - what happens to a store when its last opener leaves, and to what dead ones left behind.
 *
 * Openers hold the lock file shared. Whoever gets it exclusively is alone, and may clear the store: a newcomer waits for the
 * lock meanwhile, then asks whether the directory is still the one that bears the name. A store is removed by renaming it to
 * a hidden name first, so that it goes at once, and a removal that was interrupted is finished by the next opener.
 */
#include "proxy/node/impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "proxy/base/alloc.h"

#define HALF_MADE_NS UINT64_C(10000000000)    /* a younger one is perhaps some opener's first microseconds */
#define FORGOTTEN_NS UINT64_C(86400000000000) /* an unfinished write on a file system without locks */

struct note {
    struct note *next;
    const char *what;
    uint64_t bytes;
    char path[];
};

/* What was found. The caller's function hears of it at the end, when no lock is held: it may open the very store. */
struct garbage {
    skep_garbage_func func;
    void *arg;
    const char *what;
    const char *place;
    struct note *first, *last;
    int lost; /* no memory for a note */
};

static void report(struct garbage *g, const char *a, const char *b, uint64_t bytes)
{
    size_t size = strlen(g->place) + strlen(a) + strlen(b) + 3;
    struct note *note;

    if (g->func == NULL)
        return;
    if ((note = skepi_alloc(sizeof *note + size)) == NULL) {
        g->lost = 1;
        return;
    }
    note->next = NULL;
    note->what = g->what;
    note->bytes = bytes;
    snprintf(note->path, size, "%s%s%s%s%s", g->place, *a ? "/" : "", a, *b ? "/" : "", b);
    if (g->last != NULL)
        g->last->next = note;
    else
        g->first = note;
    g->last = note;
}

static int tell_all(struct garbage *g)
{
    struct note *note;

    while ((note = g->first) != NULL) {
        skep_garbage out = {.size = sizeof out, .what = note->what, .path = note->path, .bytes = note->bytes};

        g->first = note->next;
        g->func(&out, g->arg);
        skepi_free(note);
    }
    return g->lost ? SKEP_ENOMEM : SKEP_OK;
}

static int old_enough(int fd, uint64_t ns)
{
    struct stat st;

    return fstat(fd, &st) == 0 && skep_real_ns() > (uint64_t)st.st_mtim.tv_sec * 1000000000u + ns;
}

struct reap {
    struct garbage g;
    int remove;
    const char *own;   /* the opener's store: left alone; NULL: nobody is opening one */
    const char *under; /* where the files lie that are being looked at */
    int remote;        /* they are on a network file system, where a lock may be seen on its own host alone */
};

static int is_forgotten(int fd, int remote)
{
    if (remote)
        return old_enough(fd, FORGOTTEN_NS);
    return skepi_flock(fd, LOCK_EX | LOCK_NB) == 0 || (errno != EWOULDBLOCK && old_enough(fd, FORGOTTEN_NS));
}

static int reap_tmp(int dir, const char *name, unsigned char type, uint64_t ino, void *arg)
{
    struct reap *r = arg;
    int fd = skepi_openat(dir, name, O_RDONLY | O_NONBLOCK, 0);
    struct stat st;

    (void)type, (void)ino;
    if (fd < 0)
        return 0;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && is_forgotten(fd, r->remote)) {
        report(&r->g, r->under, name, (uint64_t)st.st_blocks * 512);
        if (r->remove)
            unlinkat(dir, name, 0);
    }
    skepi_unlock(&fd);
    return 0;
}

int skepi_tmp_reap(int tmp, const char *place, int remove, skep_garbage_func func, void *arg)
{
    struct reap r = {
        .g = {.func = func, .arg = arg, .what = "unfinished write", .place = place}, .remove = remove, .under = ".skep/tmp"};

    r.remote = !skepi_is_local(tmp);
    skepi_dir_each(tmp, ".", reap_tmp, &r);
    return tell_all(&r.g);
}

static int add_blocks(int dir, const char *name, unsigned char type, uint64_t ino, void *arg)
{
    struct stat st;

    (void)ino;
    if (type == DT_DIR)
        skepi_dir_each(dir, name, add_blocks, arg);
    else if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        *(uint64_t *)arg += (uint64_t)st.st_blocks * 512;
    return 0;
}

static int is_entry(int dir, const char *name, unsigned char type, uint64_t ino, void *arg)
{
    (void)dir, (void)type, (void)ino, (void)arg;
    return strcmp(name, ".skep") != 0;
}

/* 1: neither objects nor names. */
static int is_empty(int dir, int meta)
{
    return skepi_dir_each(dir, ".", is_entry, NULL) == 0 && skepi_dir_each(meta, "names", is_entry, NULL) == 0;
}

static void remove_store(int base, const char *name)
{
    char dead[SKEPI_NAME_MAX];

    skepi_unique(dead, ".dead-", skep_real_ns());
    if (renameat2(base, name, base, dead, RENAME_NOREPLACE) == 0)
        skepi_remove_tree(base, dead, 4);
}

void skepi_node_leave(skep_node *node)
{
    if (node->lock < 0 || skepi_flock(node->lock, LOCK_EX | LOCK_NB) != 0)
        return; /* not the last */
    skepi_pool_trim(node, 0, 0);
    (void)skepi_tmp_reap(node->tmp, node->place, 1, NULL, NULL);
    /* Its directory may have been removed by hand, and the name be another's since. */
    if ((node->session || is_empty(node->dir, node->meta)) && skepi_store_named(node))
        remove_store(node->base, node->name);
    skepi_flock(node->lock, LOCK_UN); /* a child of fork may have the descriptor for long */
}

/* A store whose lock is had: clear what its dead openers left. */
static void reap_store(int base, const char *name, int dir, int meta, struct reap *r)
{
    int session = faccessat(meta, "session", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    uint64_t bytes = 0;

    if (session || is_empty(dir, meta)) {
        add_blocks(base, name, DT_DIR, 0, &bytes);
        r->g.what = session ? "store of programs that ended" : "empty store";
        if (session || bytes > 0)
            report(&r->g, name, "", bytes);
        if (r->remove)
            remove_store(base, name);
        return;
    }
    skepi_dir_each(meta, "pool", add_blocks, &bytes);
    if (bytes > 0) {
        r->g.what = "warm memory of a store that nobody has open";
        report(&r->g, name, ".skep/pool", bytes);
    }
    if (r->remove && bytes > 0) {
        skep_node only = {.pool = skepi_openat(meta, "pool", O_RDONLY | O_DIRECTORY, 0)};

        if (only.pool >= 0)
            skepi_pool_trim(&only, 0, 0);
        skepi_closefd(&only.pool);
    }
    r->g.what = "unfinished write";
    r->under = name;
    skepi_dir_each(meta, "tmp", reap_tmp, r);
}

static void reap_hidden(int base, const char *name, int dir, struct reap *r)
{
    uint64_t bytes = 0;

    if (strncmp(name, ".dead-", 6) != 0 && !old_enough(dir, HALF_MADE_NS))
        return;
    add_blocks(base, name, DT_DIR, 0, &bytes);
    r->g.what = "store that was being made or removed";
    report(&r->g, name, "", bytes);
    if (r->remove)
        skepi_remove_tree(base, name, 4);
}

static int reap_entry(int base, const char *name, unsigned char type, uint64_t ino, void *arg)
{
    struct reap *r = arg;
    int dir, meta, lock = -1, hidden = strncmp(name, ".new-", 5) == 0 || strncmp(name, ".dead-", 6) == 0;

    (void)type, (void)ino;
    if ((name[0] == '.' && !hidden) || (r->own != NULL && strcmp(name, r->own) == 0) ||
        (dir = skepi_openat(base, name, O_RDONLY | O_DIRECTORY, 0)) < 0)
        return 0;
    meta = skepi_openat(dir, ".skep", O_RDONLY | O_DIRECTORY, 0);
    if (meta >= 0)
        lock = skepi_openat(meta, "lock", O_RDWR, 0);
    if (lock < 0 ? hidden : skepi_flock(lock, LOCK_EX | LOCK_NB) == 0) {
        struct stat st;

        if (hidden)
            reap_hidden(base, name, dir, r);
        else if (fstat(dir, &st) == 0 && skepi_same(base, name, &st))
            reap_store(base, name, dir, meta, r);
    } else if (meta >= 0 && r->own == NULL) {
        r->g.what = "unfinished write";
        r->under = name;
        skepi_dir_each(meta, "tmp", reap_tmp, r);
    }
    skepi_unlock(&lock);
    skepi_closefd(&meta);
    skepi_closefd(&dir);
    return 0;
}

int skepi_base_reap(int base, const char *place, const char *own, int remove, skep_garbage_func func, void *arg)
{
    struct reap r = {.g = {.func = func, .arg = arg, .place = place}, .remove = remove, .own = own};

    skepi_dir_each(base, ".", reap_entry, &r);
    return tell_all(&r.g);
}

int skepi_store_reap(int base, const char *place, const char *name, int remove, skep_garbage_func func, void *arg)
{
    struct reap r = {.g = {.func = func, .arg = arg, .place = place}, .remove = remove};

    reap_entry(base, name, DT_DIR, 0, &r);
    return tell_all(&r.g);
}
