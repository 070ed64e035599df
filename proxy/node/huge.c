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

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define STEP        (8 * SKEPI_HUGE)   /* how much between two looks at the clock */
#define TOO_SLOW_NS UINT64_C(80000000) /* a step: the kernel is hunting for free pages, small ones will do then */

static int seed(int fd, uint64_t from, uint64_t to)
{
    for (; from < to; from += SKEPI_HUGE)
        while (fallocate(fd, 0, (off_t)from, 1) != 0)
            if (errno != EINTR)
                return -1;
    return 0;
}

void skepi_huge_fill(skep_node *node, const struct skepi_seg *seg, uint64_t from)
{
    uint64_t end = seg->size & ~(SKEPI_HUGE - 1), at = (from + SKEPI_HUGE - 1) & ~(SKEPI_HUGE - 1);

    while (at < end && !atomic_load_explicit(&node->no_huge, memory_order_relaxed)) {
        uint64_t to = end - at < STEP ? end : at + STEP, began = skep_now_ns();

        if (seed(seg->fd, at, to) != 0)
            return;
        if (madvise((char *)seg->map + at, to - at, MADV_COLLAPSE) != 0) {
            if (errno == EINVAL)
                atomic_store_explicit(&node->no_huge, 1, memory_order_relaxed);
            return;
        }
        if (skep_now_ns() - began > TOO_SLOW_NS)
            return;
        at = to;
    }
}

/* Huge pages are mapped as such only where the address is a multiple of theirs. Newer kernels see to it by themselves. */
static void *map_aligned(int fd, size_t size, int prot)
{
    char *around = mmap(NULL, size + SKEPI_HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), *at;
    size_t before, rest;

    if (around == MAP_FAILED)
        return MAP_FAILED;
    before = (size_t)(-(uintptr_t)around & (SKEPI_HUGE - 1));
    at = mmap(around + before, size, prot, MAP_SHARED | MAP_FIXED, fd, 0);
    if (at == MAP_FAILED) {
        munmap(around, size + SKEPI_HUGE);
        return MAP_FAILED;
    }
    rest = (size + 4095) & ~(size_t)4095;
    if (before > 0)
        munmap(around, before);
    if (rest < size + SKEPI_HUGE - before)
        munmap(at + rest, (size + SKEPI_HUGE - before - rest + 4095) & ~(size_t)4095);
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
