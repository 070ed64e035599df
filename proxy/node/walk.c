/* walk.c - what is there: the objects of a store, the stores of a directory. */
#include "proxy/node/impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct walk {
    skep_node *node;
    skep_entry_func func;
    void *arg;
    int stopped; /* what func returned */
};

static int see_object(int dir, const char *name, unsigned char type, uint64_t ino, void *arg)
{
    struct walk *w = arg;
    skep_entry entry = {.size = sizeof entry, .ref = SKEP_REF_INIT};
    const struct timespec *made;
    struct stat st;

    (void)ino;
    if (name[0] == '.' || (type != DT_REG && type != DT_UNKNOWN) || strlen(name) >= sizeof entry.ref.key ||
        fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
        return 0;
    memcpy(entry.ref.key, name, strlen(name) + 1);
    entry.ref.size_bytes = (uint64_t)st.st_size;
    entry.ref.node = w->node->id;
    made = w->node->disk ? &st.st_mtim : &st.st_ctim; /* a segment that is used again keeps the first one's time */
    entry.made_ns = (uint64_t)made->tv_sec * 1000000000u + (uint64_t)made->tv_nsec;
    w->stopped = w->func(&entry, w->arg);
    return w->stopped != 0;
}

int skepi_node_list(skep_node *node, skep_entry_func func, void *arg, skep_error *err)
{
    struct walk w = {node, func, arg, 0};

    if (skepi_dir_each(node->dir, ".", see_object, &w) < 0)
        return skepi_errno(err, errno, node->place);
    if (w.stopped == 0 && skepi_names_each(node, func, arg, &w.stopped) < 0 && errno != ENOENT)
        return skepi_errno(err, errno, node->place);
    return w.stopped;
}

struct stores {
    skep_store_func func;
    void *arg;
    int stopped;
};

static int see_store(int base, const char *name, unsigned char type, uint64_t ino, void *arg)
{
    struct stores *s = arg;
    int dir, is_store;

    (void)type, (void)ino;
    if (name[0] == '.' || (dir = skepi_openat(base, name, O_RDONLY | O_DIRECTORY, 0)) < 0)
        return 0;
    is_store = faccessat(dir, ".skep/id", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    close(dir);
    if (is_store)
        s->stopped = s->func(name, s->arg);
    return s->stopped != 0;
}

int skepi_node_names(const char *directory, skep_store_func func, void *arg, skep_error *err)
{
    struct stores s = {func, arg, 0};
    char place[SKEP_URI_MAX];
    skep_error why;
    int base, rc = skepi_base_open(directory, 1, &base, place, &why);

    if (rc == SKEP_ENOENT)
        return SKEP_OK;
    if (rc != SKEP_OK)
        return skep_fail(err, rc, "%s", why.text);
    rc = skepi_dir_each(base, ".", see_store, &s) < 0 ? skepi_errno(err, errno, place) : SKEP_OK;
    close(base);
    return rc == SKEP_OK ? s.stopped : rc;
}
