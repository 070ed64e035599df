/* names.c - a small mutable map, name -> handle: one file a name, replaced whole. */
#include "proxy/node/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int name_ok(const char *name, skep_error *err)
{
    if (strnlen(name, SKEPI_NAMES_LIMIT + 1) > SKEPI_NAMES_LIMIT)
        return skep_fail(err, SKEP_EINVAL, "not a name: longer than %d bytes", SKEPI_NAMES_LIMIT);
    return skepi_key_ok(name, err);
}

static int open_names(skep_node *node)
{
    skep_error ignored; /* not there is what the caller finds out next */

    (void)skepi_node_meta(node, 0, &ignored);
    if (node->meta < 0) {
        errno = ENOENT;
        return -1;
    }
    return skepi_openat(node->meta, "names", O_RDONLY | O_DIRECTORY, 0);
}

/* With sync=on: what was written, or a change in a directory, is on the disk. */
static int settle(const skep_node *node, int dir, const char *name)
{
    int fd, rc;

    if (!node->sync)
        return 0;
    if ((fd = skepi_openat(dir, name, O_RDONLY, 0)) < 0)
        return -1;
    rc = fsync(fd);
    close(fd);
    return rc;
}

static int replace(skep_node *node, int names, const char *name, const char *handle, skep_error *err)
{
    char temp[SKEPI_NAME_MAX];
    int rc;

    for (int tries = 0;; tries++) {
        skepi_unique(temp, "", skep_real_ns());
        if (skepi_spill(node->tmp, temp, handle) != 0)
            return errno == ENOSPC ? skepi_no_space(node, strlen(handle), err) : skepi_errno(err, errno, name);
        if (settle(node, node->tmp, temp) == 0 && renameat(node->tmp, temp, names, name) == 0)
            return settle(node, names, ".") == 0 ? SKEP_OK : skepi_errno(err, errno, name);
        if (errno != ENOENT || tries == 10) /* who tidies up may have taken it for a dead writer's */
            break;
    }
    rc = skepi_errno(err, errno, name);
    unlinkat(node->tmp, temp, 0);
    return rc;
}

int skepi_node_name_set(skep_node *node, const char *name, const char *handle, skep_error *err)
{
    int rc, names;

    if ((rc = name_ok(name, err)) != SKEP_OK)
        return rc;
    if (handle != NULL && strnlen(handle, SKEP_HANDLE_MAX) == SKEP_HANDLE_MAX)
        return skep_fail(err, SKEP_ETOOBIG, "%s: a handle has %d bytes at most", name, SKEP_HANDLE_MAX - 1);
    if (handle != NULL && (rc = skepi_node_meta(node, 1, err)) != SKEP_OK)
        return rc;
    if ((names = open_names(node)) < 0)
        return handle == NULL && errno == ENOENT ? SKEP_OK : skepi_errno(err, errno, ".skep/names");
    if (handle != NULL)
        rc = replace(node, names, name, handle, err);
    else if ((unlinkat(names, name, 0) != 0 && errno != ENOENT) || settle(node, names, ".") != 0)
        rc = skepi_errno(err, errno, name);
    close(names);
    return rc;
}

int skepi_node_name_get(skep_node *node, const char *name, char *out, size_t cap, skep_error *err)
{
    char text[SKEP_HANDLE_MAX];
    int rc, names, n;

    if ((rc = name_ok(name, err)) != SKEP_OK)
        return rc;
    names = open_names(node);
    n = names < 0 ? -1 : skepi_slurp(names, name, text, sizeof text);
    if (n < 0)
        rc = errno == ENOENT ? skep_fail(err, SKEP_ENOENT, "no name %s", name) : skepi_errno(err, errno, name);
    skepi_closefd(&names);
    if (n < 0)
        return rc;
    if ((size_t)n >= cap)
        return skep_fail(err, SKEP_ETOOBIG, "%s: its handle has %d bytes", name, n);
    memcpy(out, text, (size_t)n + 1);
    return SKEP_OK;
}

struct walk {
    skep_entry_func func;
    void *arg;
    int *stopped;
};

static int see_name(int dir, const char *name, unsigned char type, uint64_t ino, void *arg)
{
    struct walk *w = arg;
    skep_entry entry = {.size = sizeof entry, .ref = SKEP_REF_INIT, .name = name};
    char handle[SKEP_HANDLE_MAX];

    (void)type, (void)ino;
    if (name[0] == '.' || skepi_slurp(dir, name, handle, sizeof handle) < 0)
        return 0;
    entry.handle = handle;
    *w->stopped = w->func(&entry, w->arg);
    return *w->stopped != 0;
}

int skepi_names_each(skep_node *node, skep_entry_func func, void *arg, int *stopped)
{
    struct walk w = {func, arg, stopped};
    int names = open_names(node), rc;

    if (names < 0)
        return -1;
    rc = skepi_dir_each(names, ".", see_name, &w);
    close(names);
    return rc;
}
