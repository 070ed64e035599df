/* pool.c - evicted segments of shared memory, kept warm for the next put: a fresh page costs several copies.
 *
 * A segment in the pool belongs to whoever holds its exclusive lock. A reader that still has it mapped holds the shared one,
 * so that nobody writes into it; it lies there until the reader lets go.
 */
#include "proxy/node/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

struct entry {
    char name[SKEPI_NAME_MAX];
    uint64_t size;
    uint64_t when;
    ino_t ino;
    int tried;
};
struct listing {
    struct entry entries[2 * SKEPI_POOL_COUNT]; /* more may lie there for a moment; the rest is seen the next time */
    int n;
};

/* Size, time, and something that no other has: what a listing must tell without asking for each entry. */
void skepi_pool_name(char out[SKEPI_NAME_MAX], uint64_t size)
{
    char head[24];

    snprintf(head, sizeof head, "%016" PRIx64 "-", size);
    skepi_unique(out, head, skep_real_ns());
}

static int add_entry(int dir, const char *name, unsigned char type, uint64_t ino, void *arg)
{
    struct listing *l = arg;
    struct entry *e = &l->entries[l->n];
    char *end;

    (void)dir, (void)type;
    if (strlen(name) >= sizeof e->name || l->n == 2 * SKEPI_POOL_COUNT)
        return 0;
    *e = (struct entry){.size = strtoull(name, &end, 16), .ino = (ino_t)ino};
    if (*end == '-')
        e->when = strtoull(end + 1, NULL, 16);
    memcpy(e->name, name, strlen(name) + 1);
    l->n++;
    return 0;
}

static int list_pool(int pool, struct listing *l)
{
    l->n = 0;
    return pool < 0 ? 0 : (skepi_dir_each(pool, ".", add_entry, l), l->n);
}

int skepi_pool_fits(const struct stat *st)
{
    return (uint64_t)st->st_size >= SKEPI_POOLED_MIN && (st->st_mode & 07777) == SKEPI_SHARED_MODE && st->st_nlink == 1;
}

int skepi_pool_dispose(int pool, const char *name)
{
    int fd = skepi_openat(pool, name, O_RDWR | O_NONBLOCK, 0);
    struct stat st;

    if (fd < 0)
        return errno == ENOENT;
    if (skepi_flock(fd, LOCK_EX | LOCK_NB) == 0) {
        if (fstat(fd, &st) == 0 && skepi_same(pool, name, &st)) {
            unlinkat(pool, name, 0);
            /* some process may keep it mapped: its pages go now, its size stays, as readers expect of a big file */
            if (skepi_pool_fits(&st))
                (void)!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, st.st_size);
        }
    } else if (skepi_flock(fd, LOCK_SH | LOCK_NB) == 0) {
        if (fstat(fd, &st) == 0 && skepi_same(pool, name, &st))
            unlinkat(pool, name, 0); /* readers keep it until they let go */
    } else {
        close(fd);
        return 0;
    }
    skepi_unlock(&fd);
    return 1;
}

static struct entry *oldest(struct listing *l)
{
    struct entry *best = NULL;

    for (int i = 0; i < l->n; i++)
        if (!l->entries[i].tried && (best == NULL || l->entries[i].when < best->when))
            best = &l->entries[i];
    return best;
}

void skepi_pool_trim(skep_node *node, uint64_t bytes, int count)
{
    struct listing l;
    struct entry *e;
    uint64_t total = 0;
    int n = list_pool(node->pool, &l);

    for (int i = 0; i < l.n; i++)
        total += l.entries[i].size;
    while ((total > bytes || n > count) && (e = oldest(&l)) != NULL) {
        e->tried = 1;
        if (skepi_pool_dispose(node->pool, e->name)) {
            total -= e->size;
            n--;
        }
    }
}

/* How badly a segment of `have` bytes suits an object of `want`; -1: not at all. */
static int misfit(uint64_t have, uint64_t want)
{
    if ((have + 4095) / 4096 == (want + 4095) / 4096)
        return 0;
    if (have > want)
        return have / 2 > want ? -1 : 1; /* shrinking it would throw away most of what is warm */
    return have >= want / 2 ? 2 : 3;
}

static struct entry *best_fit(struct listing *l, uint64_t want)
{
    struct entry *best = NULL;
    int grade, best_grade = 0;

    for (int i = 0; i < l->n; i++) {
        struct entry *e = &l->entries[i];

        if (e->tried || (grade = misfit(e->size, want)) < 0)
            continue;
        if (best == NULL || grade < best_grade || (grade == best_grade && e->when > best->when)) {
            best = e;
            best_grade = grade;
        }
    }
    return best;
}

/* Is the segment of this entry ours alone now? */
static int claim(const skep_node *node, const struct entry *e, struct skepi_seg *seg)
{
    struct stat st;

    if (skepi_flock(seg->fd, LOCK_EX | LOCK_NB) != 0)
        return 0;
    if (fstat(seg->fd, &st) != 0 || !skepi_pool_fits(&st) || !skepi_same(node->pool, e->name, &st)) {
        skepi_flock(seg->fd, LOCK_UN);
        return 0;
    }
    seg->home = SKEPI_SEG_POOL;
    seg->size = (uint64_t)st.st_size;
    memcpy(seg->name, e->name, sizeof seg->name);
    return 1;
}

int skepi_pool_take(skep_node *node, uint64_t size, struct skepi_seg *seg)
{
    struct listing l;
    struct entry *e;

    skepi_kept_sweep(node, 0);
    list_pool(node->pool, &l);
    while ((e = best_fit(&l, size)) != NULL) {
        int kept;

        *seg = (struct skepi_seg)SKEPI_SEG_INIT;
        e->tried = 1;
        kept = skepi_kept_take(node, e->ino, seg);
        if (!kept && (seg->fd = skepi_openat(node->pool, e->name, O_RDWR, 0)) < 0)
            continue;
        if (!kept)
            seg->small_from = e->size; /* whoever made it did what could be done */
        if (claim(node, e, seg))
            return 1;
        if (kept)
            skepi_kept_add(node, seg);
        else
            skepi_closefd(&seg->fd);
    }
    return 0;
}
