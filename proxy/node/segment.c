/* segment.c - one file from nothing, or from the pool, to an object: exactly its size, backed in full, visible at once. */
#include "proxy/node/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE      ((uint64_t)4096)    /* the smallest there is */
#define ALLOCATED ((uint64_t)4 << 20) /* how much at a time */

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static int new_named(skep_node *node, struct skepi_seg *seg, skep_error *err)
{
    struct stat st;
    int rc = skepi_node_meta(node, 1, err);

    if (rc != SKEP_OK)
        return rc;
    for (int tries = 0; tries < 100; tries++) {
        skepi_unique(seg->name, "", skep_real_ns());
        if ((seg->fd = skepi_openat(node->tmp, seg->name, O_RDWR | O_CREAT | O_EXCL, node->mode)) < 0)
            return errno == ENOSPC ? skepi_no_space(node, 0, err) : skepi_errno(err, errno, "a new file");
        seg->home = SKEPI_SEG_TMP;
        /* who tidies up may have seen it before it was locked */
        if ((skepi_flock(seg->fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) && fstat(seg->fd, &st) == 0 &&
            st.st_nlink == 1)
            return SKEP_OK;
        skepi_closefd(&seg->fd);
    }
    return skep_fail(err, SKEP_EBUSY, "a new file: removed by others again and again");
}

int skepi_seg_new(skep_node *node, struct skepi_seg *seg, skep_error *err)
{
    *seg = (struct skepi_seg)SKEPI_SEG_INIT;
    if (!atomic_load_explicit(&node->no_tmpfile, memory_order_relaxed)) {
        seg->home = SKEPI_SEG_NAMELESS;
        if ((seg->fd = skepi_openat(node->dir, ".", O_RDWR | O_TMPFILE, node->mode)) >= 0)
            return SKEP_OK;
        if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT && errno != EINVAL && errno != ENOSYS)
            return errno == ENOSPC ? skepi_no_space(node, 0, err) : skepi_errno(err, errno, "a new file");
        atomic_store_explicit(&node->no_tmpfile, 1, memory_order_relaxed);
    }
    return new_named(node, seg, err);
}

static uint64_t pages(uint64_t size)
{
    return (size + PAGE - 1) / PAGE * PAGE;
}

/* In pieces: where a signal comes in, some kernels give back all that the call had got, so that a long one would never end
 * under a timer's. 0, or -1 with errno; EINTR: not by the deadline. */
static int allocate(int fd, uint64_t size, uint64_t by_ns)
{
    for (uint64_t at = 0; at < size; at += ALLOCATED) {
        uint64_t piece = size - at < ALLOCATED ? size - at : ALLOCATED;

        while (fallocate(fd, 0, (off_t)at, (off_t)piece) != 0)
            if (errno != EINTR || skep_now_ns() >= by_ns)
                return -1;
    }
    return 0;
}

/* Bytes of the first `size` that the file system has not set aside yet. */
static int missing(const struct skepi_seg *seg, uint64_t size, uint64_t *out, skep_error *err)
{
    struct stat st;
    uint64_t have;

    if (fstat(seg->fd, &st) != 0)
        return skepi_errno(err, errno, "asking for its size");
    have = (uint64_t)st.st_blocks * 512;
    *out = have < pages(size) ? pages(size) - have : 0;
    return SKEP_OK;
}

static int map_whole(struct skepi_seg *seg, skep_error *err)
{
    void *map;

    if (seg->map != NULL && seg->map_size >= seg->size)
        return SKEP_OK;
    if (seg->map != NULL)
        munmap(seg->map, seg->map_size);
    seg->map = NULL;
    seg->map_size = pages(seg->size);
    map = skepi_map(seg->fd, seg->map_size, PROT_READ | PROT_WRITE);
    if (map == MAP_FAILED)
        return skepi_errno(err, errno, "mapping it");
    seg->map = map;
    return SKEP_OK;
}

static int back_in_full(skep_node *node, struct skepi_seg *seg, uint64_t by_ns, skep_error *err)
{
    uint64_t lacks = 0;
    int rc;

    if ((rc = missing(seg, seg->size, &lacks, err)) != SKEP_OK)
        return rc;
    if (lacks > 0 && (rc = skepi_space(node, lacks, err)) != SKEP_OK)
        return rc;
    if (skepi_huge_wanted(node, seg))
        skepi_huge_fill(node, seg);
    else if (lacks == 0)
        return SKEP_OK;
    if ((rc = missing(seg, seg->size, &lacks, err)) != SKEP_OK || lacks == 0)
        return rc;
    if (allocate(seg->fd, seg->size, by_ns) == 0)
        return SKEP_OK;
    if (errno == EINTR)
        return skep_fail(err, SKEP_ETIMEDOUT, "reserving its space: not done by the deadline, signals kept coming");
    return errno == ENOSPC ? skepi_no_space(node, seg->size, err) : skepi_errno(err, errno, "reserving its space");
}

int skepi_seg_ready(skep_node *node, struct skepi_seg *seg, uint64_t size, uint64_t by_ns, skep_error *err)
{
    int rc, fresh_map = seg->map == NULL || seg->map_size < size;

    if (seg->size != size && ftruncate(seg->fd, (off_t)size) != 0)
        return errno == ENOSPC ? skepi_no_space(node, size, err) : skepi_errno(err, errno, "setting its size");
    seg->size = size;
    if (seg->small_from > size)
        seg->small_from = size;
    if ((rc = map_whole(seg, err)) != SKEP_OK || (rc = back_in_full(node, seg, by_ns, err)) != SKEP_OK)
        return rc;
    /* cheaper than a fault a page; where the kernel can't, the faults come */
    if (fresh_map && madvise(seg->map, seg->map_size, MADV_POPULATE_WRITE) != 0 && errno == EFAULT)
        return skepi_no_space(node, size, err); /* what a write would be killed for */
    return SKEP_OK;
}

static int link_nameless(skep_node *node, int fd, const char *key)
{
    char path[32];

    if (!atomic_load_explicit(&node->no_fd_link, memory_order_relaxed)) {
        if (linkat(fd, "", node->dir, key, AT_EMPTY_PATH) == 0)
            return 0;
        if (errno != ENOENT && errno != EPERM) /* older kernels ask for a capability */
            return -1;
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (linkat(AT_FDCWD, path, node->dir, key, AT_SYMLINK_FOLLOW) != 0)
        return -1;
    atomic_store_explicit(&node->no_fd_link, 1, memory_order_relaxed);
    return 0;
}

static int move_named(const skep_node *node, int from, const char *name, const char *key)
{
    if (renameat2(from, name, node->dir, key, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (linkat(from, name, node->dir, key, 0) != 0) /* a file system without that kind of rename */
        return -1;
    unlinkat(from, name, 0);
    return 0;
}

int skepi_seg_publish(skep_node *node, struct skepi_seg *seg, const char *key, skep_error *err)
{
    int rc = seg->home == SKEPI_SEG_NAMELESS
                 ? link_nameless(node, seg->fd, key)
                 : move_named(node, seg->home == SKEPI_SEG_POOL ? node->pool : node->tmp, seg->name, key);

    if (rc != 0 && errno == EEXIST)
        return skep_fail(err, SKEP_EEXIST, "the key %s is taken", key);
    if (rc != 0)
        return errno == ENOSPC || errno == EDQUOT ? skepi_no_space(node, seg->size, err)
               : errno == ENOENT                  ? skep_fail(err, SKEP_ENOENT, "%s: its store has been removed", key)
                                                  : skepi_errno(err, errno, key);
    if (seg->home != SKEPI_SEG_NAMELESS)
        skepi_flock(seg->fd, LOCK_UN); /* closing would not do: a kept mapping, or a child's copy, holds on to the lock */
    if (seg->map != NULL)
        skepi_kept_add(node, seg);
    else
        skepi_closefd(&seg->fd);
    return SKEP_OK;
}

/* A segment's name in the pool begins with its size. */
static void rename_in_pool(const skep_node *node, struct skepi_seg *seg)
{
    char name[SKEPI_NAME_MAX];

    skepi_pool_name(name, seg->size);
    if (renameat2(node->pool, seg->name, node->pool, name, RENAME_NOREPLACE) == 0)
        memcpy(seg->name, name, sizeof name);
}

void skepi_seg_drop(skep_node *node, struct skepi_seg *seg)
{
    if (seg->fd < 0)
        return;
    if (seg->home == SKEPI_SEG_TMP)
        unlinkat(node->tmp, seg->name, 0);
    if (seg->home == SKEPI_SEG_POOL) { /* it stays there, warm, if there is room */
        rename_in_pool(node, seg);
        skepi_flock(seg->fd, LOCK_UN);
        if (seg->map != NULL)
            skepi_kept_add(node, seg);
        else
            skepi_closefd(&seg->fd);
        skepi_pool_trim(node, node->pool_bytes, SKEPI_POOL_COUNT); /* it may have grown */
        skepi_kept_sweep(node, 0);
        return;
    }
    if (seg->map != NULL)
        munmap(seg->map, seg->map_size);
    seg->map = NULL;
    skepi_closefd(&seg->fd);
}
