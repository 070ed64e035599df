/* get.c - bytes out: mapped where they can be, copied where that is cheaper or safer. */
#include "proxy/node/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proxy/base/alloc.h"

static int absent(const skep_node *node, const skep_ref *ref, skep_error *err)
{
    if (ref->node != 0 && node->id != 0 && ref->node != node->id)
        return skep_fail(err, SKEP_ENOENT, "no object %s: it was put into node store %016" PRIx64 ", this is %016" PRIx64,
                         ref->key, ref->node, node->id);
    return skep_fail(err, SKEP_ENOENT, "no object %s, or evicted", ref->key);
}

/* Made by skep: no foreign writer has it open. */
static int ours(const skep_node *node, const struct stat *st)
{
    return node->disk ? (st->st_mode & 0222) == 0 : (st->st_mode & 07777) == node->mode;
}

/* One try: 1 had, 0 try again at once, -1 try again later, or an error code below that. */
#define AGAIN 1
#define LATER 2
static int open_once(skep_node *node, const skep_ref *ref, int *fd, struct stat *st, skep_error *err)
{
    if ((*fd = skepi_openat(node->dir, ref->key, O_RDONLY | O_NONBLOCK, 0)) < 0)
        return errno == ENOENT ? absent(node, ref, err) : skepi_errno(err, errno, ref->key);
    if (fstat(*fd, st) != 0)
        return skepi_errno(err, errno, ref->key);
    if (!S_ISREG(st->st_mode))
        return skep_fail(err, SKEP_EDENIED, "%s: not a plain file", ref->key);
    if (node->disk || (uint64_t)st->st_size < SKEPI_POOLED_MIN || !ours(node, st))
        return SKEP_OK; /* never written again by skep */
    if (skepi_flock(*fd, LOCK_SH | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? LATER : skepi_errno(err, errno, ref->key);
    if (!skepi_same(node->dir, ref->key, st))
        return AGAIN; /* evicted in between, perhaps written again already */
    return fstat(*fd, st) == 0 ? SKEP_OK : skepi_errno(err, errno, ref->key);
}

/* Closes it, and its lock with it. */
static void let_go(const skep_node *node, int *fd)
{
    if (node->disk)
        skepi_closefd(fd);
    else
        skepi_unlock(fd);
}

/* The object, in a state in which its bytes can't change for as long as the descriptor, or a mapping of it, lives. */
static int open_object(skep_node *node, const skep_ref *ref, uint64_t by_ns, int *fd, struct stat *st, skep_error *err)
{
    unsigned round = 0, again = 0;
    int rc = skepi_key_ok(ref->key, err);

    if (rc != SKEP_OK)
        return rc;
    while ((rc = open_once(node, ref, fd, st, err)) > 0) {
        let_go(node, fd);
        /* the first time it is evicted and written again is looked past at once, whatever the deadline */
        if ((rc == LATER || again++ > 0) && skep_now_ns() >= by_ns)
            return skep_fail(err, SKEP_ETIMEDOUT, "%s: %s", ref->key,
                             rc == LATER ? "its writer has not let go of it" : "evicted and put again, again and again");
        if (rc == LATER)
            skepi_pause(&round, by_ns);
    }
    if (rc != SKEP_OK)
        let_go(node, fd);
    return rc;
}

static int check_size(const skep_ref *ref, uint64_t size, skep_error *err)
{
    if (ref->size_bytes == SKEP_SIZE_UNKNOWN || ref->size_bytes == size)
        return SKEP_OK;
    return skep_fail(err, SKEP_ECORRUPT, "%s: %" PRIu64 " bytes long, not %" PRIu64, ref->key, size, ref->size_bytes);
}

static void release_map(void *arg, void *data, size_t size)
{
    (void)arg;
    munmap(data, size);
}

static void release_block(void *arg, void *data, size_t size)
{
    (void)arg, (void)size;
    skepi_block_free(data);
}

static int hand_out_map(int fd, size_t size, skep_buf **take)
{
    void *map = skepi_map(fd, size, PROT_READ);
    int rc;

    if (map == MAP_FAILED)
        return SKEP_ENOMEM;
    if ((rc = skep_buf_wrap(map, size, release_map, NULL, take)) != SKEP_OK)
        munmap(map, size);
    return rc;
}

static int hand_out_copy(int fd, size_t size, skep_buf **take, skep_error *err)
{
    void *block = skepi_block_alloc(size > 0 ? size : 1);
    int rc;

    if (block == NULL)
        return skep_fail(err, SKEP_ENOMEM, "no memory for %zu bytes", size);
    if (skepi_read_all(fd, block, size, 0) != 0) {
        rc = errno == ENODATA ? skep_fail(err, SKEP_ECORRUPT, "became shorter while it was read")
                              : skepi_errno(err, errno, "reading it");
        skepi_block_free(block);
        return rc;
    }
    if ((rc = skep_buf_wrap(block, size, release_block, NULL, take)) == SKEP_OK)
        return SKEP_OK;
    skepi_block_free(block);
    return skep_fail(err, rc, "out of memory");
}

/* An object that is known to be small: one read tells whether it has that size, and so that it can't change. */
static int get_small(skep_node *node, const skep_ref *ref, skep_buf **take, skep_error *err)
{
    char bytes[SKEPI_COPIED_MAX + 1];
    int fd, rc = skepi_key_ok(ref->key, err);
    ssize_t n;

    if (rc != SKEP_OK)
        return rc;
    if ((fd = skepi_openat(node->dir, ref->key, O_RDONLY | O_NONBLOCK, 0)) < 0)
        return errno == ENOENT ? absent(node, ref, err) : skepi_errno(err, errno, ref->key);
    do
        n = pread(fd, bytes, (size_t)ref->size_bytes + 1, 0);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        rc = check_size(ref, (uint64_t)n, err);
    else
        rc = errno == EISDIR || errno == ESPIPE ? skep_fail(err, SKEP_EDENIED, "%s: not a plain file", ref->key)
                                                : skepi_errno(err, errno, ref->key);
    close(fd);
    if (rc == SKEP_OK && (rc = skep_buf_copy(bytes, (size_t)n, take)) != SKEP_OK)
        return skep_fail(err, rc, "out of memory");
    return rc;
}

int skepi_node_get(skep_node *node, const skep_ref *ref, uint64_t by_ns, skep_buf **take, uint32_t *how, skep_error *err)
{
    struct stat st = {0};
    int fd, rc, map;

    *how = 0;
    if (ref->size_bytes <= SKEPI_COPIED_MAX)
        return get_small(node, ref, take, err);
    if ((rc = open_object(node, ref, by_ns, &fd, &st, err)) != SKEP_OK)
        return rc;
    map = node->map == SKEP_NODE_MAP_ON || (node->map == SKEP_NODE_MAP_AUTO && !node->remote && ours(node, &st));
    if ((rc = check_size(ref, (uint64_t)st.st_size, err)) == SKEP_OK && map && (uint64_t)st.st_size > SKEPI_COPIED_MAX &&
        hand_out_map(fd, (size_t)st.st_size, take) == SKEP_OK) {
        *how = SKEP_HOW_MAPPED;
        close(fd); /* the mapping keeps the lock */
        return SKEP_OK;
    }
    if (rc == SKEP_OK) /* also where the kernel gives no more mappings: they are counted */
        rc = hand_out_copy(fd, (size_t)st.st_size, take, err);
    let_go(node, &fd);
    return rc;
}

int skepi_node_read(skep_node *node, const skep_ref *ref, uint64_t offset, size_t size, void *dst, uint64_t by_ns,
                    skep_error *err)
{
    struct stat st = {0};
    int fd, rc;

    if ((rc = open_object(node, ref, by_ns, &fd, &st, err)) != SKEP_OK)
        return rc;
    if ((rc = check_size(ref, (uint64_t)st.st_size, err)) == SKEP_OK &&
        (offset > (uint64_t)st.st_size || size > (uint64_t)st.st_size - offset))
        rc = skep_fail(err, SKEP_EINVAL, "%s: %zu bytes from %" PRIu64 " on leave the object, which has %" PRIu64, ref->key,
                       size, offset, (uint64_t)st.st_size);
    if (rc == SKEP_OK && skepi_read_all(fd, dst, size, offset) != 0)
        rc = errno == ENODATA ? skep_fail(err, SKEP_ECORRUPT, "%s: became shorter while it was read", ref->key)
                              : skepi_errno(err, errno, ref->key);
    let_go(node, &fd);
    return rc;
}

int skepi_node_exists(skep_node *node, const skep_ref *ref, uint64_t *size_bytes, skep_error *err)
{
    struct stat st;
    int rc = skepi_key_ok(ref->key, err);

    if (rc != SKEP_OK)
        return rc;
    if (fstatat(node->dir, ref->key, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? absent(node, ref, err) : skepi_errno(err, errno, ref->key);
    if (!S_ISREG(st.st_mode))
        return absent(node, ref, err);
    if (size_bytes != NULL)
        *size_bytes = (uint64_t)st.st_size;
    return SKEP_OK;
}
