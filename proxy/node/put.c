/* put.c - bytes in: into a warm segment through its mapping, or into a fresh file with write, which clears no page twice. */
#include "proxy/node/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "proxy/base/sum.h"

#define BATCH 16 /* pieces a call */

static int total_of(const struct iovec *iov, int n, uint64_t *total, skep_error *err)
{
    uint64_t sum = 0;

    for (int i = 0; i < n; i++)
        if (__builtin_add_overflow(sum, (uint64_t)iov[i].iov_len, &sum))
            return skepi_file_fits(UINT64_MAX, err);
    *total = sum;
    return skepi_file_fits(sum, err);
}

static void copy_in(char *to, const struct iovec *iov, int n, skep_sum *sum)
{
    for (int i = 0; i < n; i++) {
        const char *from = iov[i].iov_base;
        size_t left = iov[i].iov_len;

        if (sum == NULL && left > 0) {
            memcpy(to, from, left);
            to += left;
            continue;
        }
        for (size_t piece; left > 0; left -= piece, from += piece, to += piece) {
            piece = left < SKEPI_PIECE ? left : SKEPI_PIECE;
            skepi_sum_update(sum, from, piece);
            memcpy(to, from, piece);
        }
    }
}

struct cursor {
    const struct iovec *iov;
    int n;
    int at;      /* which piece */
    size_t skip; /* how much of it is done */
};

/* The next pieces, `most` bytes at most. */
static int next_batch(struct cursor *c, size_t most, struct iovec out[BATCH])
{
    int k = 0;

    while (c->at < c->n && k < BATCH && most > 0) {
        size_t left = c->iov[c->at].iov_len - c->skip, len = left < most ? left : most;

        if (len > 0)
            out[k++] = (struct iovec){(char *)c->iov[c->at].iov_base + c->skip, len};
        most -= len;
        c->skip += len;
        if (len == left) {
            c->at++;
            c->skip = 0;
        }
    }
    return k;
}

static int write_batch(int fd, struct iovec *out, int k)
{
    while (k > 0) {
        ssize_t done = writev(fd, out, k);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -1;
        for (; k > 0 && (size_t)done >= out->iov_len; out++, k--)
            done -= (ssize_t)out->iov_len;
        if (k > 0) {
            out->iov_base = (char *)out->iov_base + done;
            out->iov_len -= (size_t)done;
        }
    }
    return 0;
}

static int write_out(int fd, const struct iovec *iov, int n, skep_sum *sum)
{
    struct cursor c = {iov, n, 0, 0};
    struct iovec out[BATCH];
    int k;

    while ((k = next_batch(&c, sum != NULL ? SKEPI_PIECE : (size_t)1 << 30, out)) > 0) {
        for (int j = 0; sum != NULL && j < k; j++)
            skepi_sum_update(sum, out[j].iov_base, out[j].iov_len);
        if (write_batch(fd, out, k) != 0)
            return -1;
    }
    return 0;
}

/* On a disk: what must have happened to the file before it becomes visible. */
static int settle(const skep_node *node, int fd)
{
    int copy;

    if (node->sync)
        return fsync(fd);
    if (!node->remote)
        return 0;
    /* a network file system says at close what became of the writes, and other hosts see them from then on */
    if ((copy = fcntl(fd, F_DUPFD_CLOEXEC, 0)) < 0)
        return -1;
    return close(copy);
}

static int fill_fresh(skep_node *node, struct skepi_seg *seg, const struct iovec *iov, int n, uint64_t total, skep_sum *sum,
                      skep_error *err)
{
    int rc;

    if ((rc = skepi_space(node, total, err)) != SKEP_OK || (rc = skepi_seg_new(node, seg, err)) != SKEP_OK)
        return rc;
    if (write_out(seg->fd, iov, n, sum) == 0 && (!node->disk || settle(node, seg->fd) == 0))
        return SKEP_OK;
    return errno == ENOSPC || errno == EDQUOT ? skepi_no_space(node, total, err) : skepi_errno(err, errno, "writing");
}

/* Through a mapping: into a segment of the pool, or into a new one of huge pages. */
static int fill_mapped(skep_node *node, struct skepi_seg *seg, const struct iovec *iov, int n, uint64_t total, skep_sum *sum,
                       uint64_t by_ns, skep_error *err)
{
    int rc = skepi_seg_ready(node, seg, total, by_ns, err);

    if (rc == SKEP_OK)
        copy_in(seg->map, iov, n, sum);
    return rc;
}

static int fill(skep_node *node, struct skepi_seg *seg, const struct iovec *iov, int n, uint64_t total, skep_sum *sum,
                uint64_t by_ns, skep_error *err)
{
    int rc;

    if (node->disk || total < SKEPI_POOLED_MIN)
        return fill_fresh(node, seg, iov, n, total, sum, err);
    if (skepi_pool_take(node, total, seg))
        return fill_mapped(node, seg, iov, n, total, sum, by_ns, err);
    if (total < 2 * SKEPI_HUGE || atomic_load_explicit(&node->no_huge, memory_order_relaxed))
        return fill_fresh(node, seg, iov, n, total, sum, err);
    if ((rc = skepi_seg_new(node, seg, err)) != SKEP_OK)
        return rc;
    return fill_mapped(node, seg, iov, n, total, sum, by_ns, err);
}

int skepi_node_put(skep_node *node, skep_ref *ref, const struct iovec *iov, int n, const skep_put *how, skep_error *err)
{
    struct skepi_seg seg = SKEPI_SEG_INIT;
    skep_sum running, *sum = how->want_sum ? &running : NULL;
    uint64_t total = 0;
    struct stat st;
    int rc;

    if ((rc = skepi_key_ok(ref->key, err)) != SKEP_OK || (rc = total_of(iov, n, &total, err)) != SKEP_OK)
        return rc;
    if (total >= SKEPI_POOLED_MIN && fstatat(node->dir, ref->key, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return skep_fail(err, SKEP_EEXIST, "the key %s is taken", ref->key); /* before the work; decided at the end */
    if (sum != NULL)
        skepi_sum_init(sum);
    if ((rc = fill(node, &seg, iov, n, total, sum, how->by_ns, err)) == SKEP_OK)
        rc = skepi_seg_publish(node, &seg, ref->key, err);
    if (rc != SKEP_OK) {
        skepi_seg_drop(node, &seg);
        return rc;
    }
    if (node->sync && fsync(node->dir) != 0) {
        rc = skepi_errno(err, errno, "writing the directory");
        unlinkat(node->dir, ref->key, 0);
        return rc;
    }
    ref->node = node->id;
    ref->size_bytes = total;
    if (sum != NULL) {
        ref->sum = skepi_sum_final(sum);
        ref->flags |= SKEP_REF_SUM;
    }
    return SKEP_OK;
}
