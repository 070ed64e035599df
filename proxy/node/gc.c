/* gc.c - what dead processes left behind, seen without opening a store: an opener clears up. */
#include "proxy/node/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int gc_disk(const char *directory, int dry_run, skep_garbage_func func, void *arg, skep_error *err)
{
    int rc = SKEP_OK, meta, tmp = -1, dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (dir < 0)
        return skepi_errno(err, errno, directory);
    if ((meta = skepi_openat(dir, ".skep", O_RDONLY | O_DIRECTORY, 0)) >= 0) /* step by step: no link is followed */
        tmp = skepi_openat(meta, "tmp", O_RDONLY | O_DIRECTORY, 0);
    if (tmp >= 0)
        rc = skepi_tmp_reap(tmp, directory, !dry_run, func, arg);
    skepi_closefd(&tmp);
    skepi_closefd(&meta);
    skepi_closefd(&dir);
    return rc == SKEP_OK ? rc : skep_fail(err, rc, "out of memory: not all is told");
}

static int gc_shared(const skep_node_opts *opts, int dry_run, skep_garbage_func func, void *arg, skep_error *err)
{
    int base, all = opts->name[0] == '\0';
    char place[SKEP_URI_MAX];
    struct stat st;
    int rc = skepi_base_open(opts->directory, 1, &base, place, err);

    if (rc == SKEP_ENOENT)
        return all ? SKEP_OK : skep_fail(err, rc, "no such store on this host");
    if (rc != SKEP_OK)
        return rc;
    if (all)
        rc = skepi_base_reap(base, place, NULL, !dry_run, func, arg);
    else if (fstatat(base, opts->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        rc = skepi_store_reap(base, place, opts->name, !dry_run, func, arg);
    else
        rc = skep_fail(err, SKEP_ENOENT, "no such store on this host");
    skepi_closefd(&base);
    return rc == SKEP_ENOMEM ? skep_fail(err, rc, "out of memory: not all is told") : rc;
}

int skepi_node_gc(const skep_node_opts *opts, int dry_run, skep_garbage_func func, void *arg, skep_error *err)
{
    return opts->name == NULL ? gc_disk(opts->directory, dry_run, func, arg, err) : gc_shared(opts, dry_run, func, arg, err);
}
