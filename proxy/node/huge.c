/* huge.c - huge pages for big segments, where the kernel gives them: fresh memory comes faster, a new mapping costs 512
 * times fewer faults, and reading it less.
 *
 * MADV_COLLAPSE (Linux 6.1) makes a huge page of a range whatever the settings for transparent huge pages in shared memory
 * are, unless they are "deny". It fills holes, but the first page of the range must be there: fallocate sees to that, which,
 * unlike a touch, says when there is no room.
 */
#include "proxy/node/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define STEP        (8 * SKEPI_HUGE)    /* how much between two looks at the clock */
#define TOO_SLOW_NS UINT64_C(250000000) /* a step, far slower than fresh memory ever is: the kernel hunts for free pages */
#define TRIES       3                   /* then small pages it is */

static int seed(int fd, uint64_t from, uint64_t to)
{
    for (; from < to; from += SKEPI_HUGE)
        while (fallocate(fd, 0, (off_t)from, 1) != 0)
            if (errno != EINTR)
                return -1;
    return 0;
}

static uint64_t huge_end(const struct skepi_seg *seg)
{
    return seg->size & ~(SKEPI_HUGE - 1);
}

int skepi_huge_wanted(const skep_node *node, const struct skepi_seg *seg)
{
    return seg->small_from < huge_end(seg) && seg->huge_tries < TRIES &&
           !atomic_load_explicit(&node->no_huge, memory_order_relaxed);
}

/* 0: went well, and fast enough to go on. */
static int one_step(skep_node *node, const struct skepi_seg *seg, uint64_t at, uint64_t to)
{
    uint64_t began = skep_now_ns();

    if (seed(seg->fd, at, to) != 0)
        return -1;
    if (madvise((char *)seg->map + at, to - at, MADV_COLLAPSE) != 0) {
        if (errno == EINVAL)
            atomic_store_explicit(&node->no_huge, 1, memory_order_relaxed);
        return -1;
    }
    return skep_now_ns() - began > TOO_SLOW_NS;
}

void skepi_huge_fill(skep_node *node, struct skepi_seg *seg)
{
    uint64_t end = huge_end(seg);
    int rc = 0;

    seg->small_from = (seg->small_from + SKEPI_HUGE - 1) & ~(SKEPI_HUGE - 1);
    while (rc == 0 && seg->small_from < end) {
        uint64_t to = end - seg->small_from < STEP ? end : seg->small_from + STEP;

        if ((rc = one_step(node, seg, seg->small_from, to)) >= 0)
            seg->small_from = to;
    }
    seg->huge_tries += rc != 0;
}

/* Huge pages are mapped as such only where the address is a multiple of theirs. Newer kernels see to it by themselves. */
static void *map_aligned(int fd, size_t size, int prot)
{
    char *around = mmap(NULL, size + SKEPI_HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), *at;
    size_t before, rest, page = (size_t)sysconf(_SC_PAGESIZE);

    if (around == MAP_FAILED)
        return MAP_FAILED;
    before = (size_t)(-(uintptr_t)around & (SKEPI_HUGE - 1));
    at = mmap(around + before, size, prot, MAP_SHARED | MAP_FIXED, fd, 0);
    if (at == MAP_FAILED) {
        munmap(around, size + SKEPI_HUGE);
        return MAP_FAILED;
    }
    rest = (size + page - 1) & ~(page - 1);
    if (before > 0)
        munmap(around, before);
    if (rest < size + SKEPI_HUGE - before)
        munmap(at + rest, (size + SKEPI_HUGE - before - rest + page - 1) & ~(page - 1));
    return at;
}

void *skepi_map(int fd, size_t size, int prot)
{
    void *map = mmap(NULL, size, prot, MAP_SHARED, fd, 0), *better;

    if (map == MAP_FAILED || size < SKEPI_HUGE || ((uintptr_t)map & (SKEPI_HUGE - 1)) == 0)
        return map;
    if ((better = map_aligned(fd, size, prot)) == MAP_FAILED)
        return map;
    munmap(map, size);
    return better;
}
