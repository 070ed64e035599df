/* block.c - memory for the bytes of objects: big blocks are kept when they are freed, because a page that was touched before
 * costs a copy a fraction of what a fresh one does.
 *
 * A block of 64 KiB or more is a mapping of its own. Lengths are rounded up to a power of two split in eight, so that a
 * freed block fits what comes next; the part that rounding adds is never touched and so costs nothing. In front of the
 * bytes lies one page with the block's header: the bytes begin at a page, from 2 MiB on at a huge page, and an object of a
 * round size fits its class exactly.
 *
 * The pool keeps at most an eighth of the machine's memory and never more than 2 GiB (SKEP_BLOCK_POOL=SIZE says otherwise,
 * 0 keeps nothing): enough for a worker that takes in one model after another, little enough beside a simulation. Over the
 * bound, the block that has lain longest goes first; a block that is bigger than the bound is not kept. Where the system
 * has huge pages, what is kept is marked MADV_FREE: the kernel takes it back when memory gets short, instead of killing
 * somebody, and until then it is as warm as before. With small pages that mark would halve the speed of the next copy.
 */
#include "proxy/base/alloc.h"
#include "proxy/base/fork.h"
#include <skep/log.h>
#include <skep/uri.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISONS
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define POISONS
#endif
#ifdef POISONS /* so that a use after free is found in blocks too */
#include <sanitizer/asan_interface.h>
#define POISON(p, size)   __asan_poison_memory_region(p, size)
#define UNPOISON(p, size) __asan_unpoison_memory_region(p, size)
#else
#define POISON(p, size)   ((void)(p), (void)(size))
#define UNPOISON(p, size) ((void)(p), (void)(size))
#endif

#define ALIGNMENT   64
#define FIRST_SHIFT 16 /* 64 KiB: the smallest block that is a mapping */
#define FIRST_BIG   ((size_t)1 << FIRST_SHIFT)
#define LAST_SHIFT  46
#define CLASSES     ((LAST_SHIFT - FIRST_SHIFT + 1) * 8)
#define LOOK_AHEAD  2 /* classes above the wanted one that may serve it: a block at most 3/8 too long */
#define HUGE_PAGE   ((size_t)2 << 20)
#define POOL_MOST   ((size_t)2 << 30)
#define POOL_SHARE  8

struct block {                   /* lies in the ALIGNMENT bytes in front of the block's own */
    size_t length;               /* of the bytes' mapping; 0: a small block from the heap */
    struct block *next, *before; /* in its class, most recently freed first */
    struct block *newer, *older; /* among all */
};
_Static_assert(sizeof(struct block) <= ALIGNMENT, "the header fits in front of the bytes");

/* Rank 95: nothing is taken under it, and no system call is made. Guards everything in `pool`. */
static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    struct block *class[CLASSES];
    struct block *newest, *oldest;
    size_t bytes, most;
} pool;
static size_t page;    /* set once, by start, as the next */
static int huge_pages; /* 1: MADV_HUGEPAGE is heard */
static pthread_once_t started = PTHREAD_ONCE_INIT;

void skepi_block_fork(int before)
{
    if (before)
        pthread_mutex_lock(&pool_lock);
    else
        pthread_mutex_unlock(&pool_lock);
}

static int has_huge_pages(void)
{
    char text[64] = "";
    int fd = open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;

    if (fd >= 0)
        close(fd);
    return n > 0 && strstr(text, "[never]") == NULL;
}

static void start(void)
{
    const char *text = getenv("SKEP_BLOCK_POOL");
    uint64_t share, wanted;

    page = (size_t)sysconf(_SC_PAGESIZE);
    huge_pages = has_huge_pages();
    share = (uint64_t)sysconf(_SC_PHYS_PAGES) * page / POOL_SHARE;
    pool.most = share < POOL_MOST ? (size_t)share : POOL_MOST;
    if (text != NULL && skep_size_parse(text, &wanted) == SKEP_OK)
        pool.most = wanted < SIZE_MAX ? (size_t)wanted : SIZE_MAX;
    else if (text != NULL && text[0] != '\0')
        skep_log(SKEP_LOG_WARN, "block", "SKEP_BLOCK_POOL=%s is not a size; the pool keeps up to %zu bytes", text,
                 pool.most);
    skepi_base_fork_watch();
}

/* The class that `size` belongs to, and the length of its blocks. */
static size_t class_of(size_t size, size_t *length)
{
    unsigned shift = 63 - (unsigned)__builtin_clzll(size);
    size_t step = (size_t)1 << (shift - 3), rounded = (size + step - 1) & ~(step - 1);

    shift = 63 - (unsigned)__builtin_clzll(rounded);
    *length = rounded;
    return (shift - FIRST_SHIFT) * 8 + ((rounded >> (shift - 3)) & 7);
}

static struct block *block_of(void *p)
{
    return (struct block *)((char *)p - ALIGNMENT);
}

static void *bytes_of(struct block *b)
{
    return (char *)b + ALIGNMENT;
}

static size_t whole_pages(size_t length)
{
    return (length + page - 1) & ~(page - 1);
}

static void unmap(struct block *b)
{
    char *bytes = bytes_of(b);
    size_t size = whole_pages(b->length);

    UNPOISON(bytes, b->length);
    munmap(bytes - page, page + size);
}

static void unmap_all(struct block *b)
{
    while (b != NULL) {
        struct block *next = b->next;

        unmap(b);
        b = next;
    }
}

/* Out of both lists. With pool_lock held, as the two that follow. */
static void unlink_block(struct block *b)
{
    size_t length, class = class_of(b->length, &length);

    *(b->before != NULL ? &b->before->next : &pool.class[class]) = b->next;
    if (b->next != NULL)
        b->next->before = b->before;
    *(b->newer != NULL ? &b->newer->older : &pool.newest) = b->older;
    *(b->older != NULL ? &b->older->newer : &pool.oldest) = b->newer;
    pool.bytes -= b->length;
}

static void link_block(struct block *b)
{
    size_t length, class = class_of(b->length, &length);

    b->before = NULL;
    b->next = pool.class[class];
    if (b->next != NULL)
        b->next->before = b;
    pool.class[class] = b;
    b->newer = NULL;
    b->older = pool.newest;
    *(b->older != NULL ? &b->older->newer : &pool.oldest) = b;
    pool.newest = b;
    pool.bytes += b->length;
}

/* Takes out the oldest until `most` bytes are left: a list by `next`, to be unmapped without the lock. */
static struct block *shrink(size_t most)
{
    struct block *gone = NULL;

    while (pool.bytes > most && pool.oldest != NULL) {
        struct block *b = pool.oldest;

        unlink_block(b);
        b->next = gone;
        gone = b;
    }
    return gone;
}

size_t skepi_block_pool(size_t most)
{
    struct block *gone;

    pthread_once(&started, start);
    pthread_mutex_lock(&pool_lock);
    pool.most = most;
    gone = shrink(most);
    most = pool.bytes;
    pthread_mutex_unlock(&pool_lock);
    unmap_all(gone);
    return most;
}

/* The bytes begin at a page, behind one for the header; big ones at a huge page. */
static struct block *map(size_t length)
{
    size_t align = length >= HUGE_PAGE ? HUGE_PAGE : page, size = whole_pages(length), total = page + size + align;
    char *start_of, *bytes, *end;
    struct block *b;

    start_of = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start_of == MAP_FAILED)
        return NULL;
    end = start_of + total;
    bytes = (char *)(((uintptr_t)start_of + page + align - 1) & ~(uintptr_t)(align - 1));
    if (bytes - page > start_of)
        munmap(start_of, (size_t)(bytes - page - start_of));
    if (end > bytes + size)
        munmap(bytes + size, (size_t)(end - (bytes + size)));
    if (align == HUGE_PAGE)
        (void)madvise(bytes, size, MADV_HUGEPAGE); /* a wish: kernels without huge pages refuse it */
    b = block_of(bytes);
    b->length = length;
    return b;
}

static void *big_alloc(size_t size)
{
    struct block *b = NULL;
    size_t length, class = class_of(size, &length);

    pthread_once(&started, start);
    pthread_mutex_lock(&pool_lock);
    for (size_t i = class; i <= class + LOOK_AHEAD && i < CLASSES && b == NULL; i++)
        b = pool.class[i];
    if (b != NULL)
        unlink_block(b);
    pthread_mutex_unlock(&pool_lock);
    if (b == NULL)
        b = map(length);
    if (b == NULL) { /* what the pool holds may be just what is missing */
        struct block *gone;

        pthread_mutex_lock(&pool_lock);
        gone = shrink(0);
        pthread_mutex_unlock(&pool_lock);
        unmap_all(gone);
        b = map(length);
    }
    if (b == NULL)
        return NULL;
    UNPOISON(bytes_of(b), b->length);
    return bytes_of(b);
}

void *skepi_block_alloc(size_t size)
{
    struct block *b;
    void *memory;

    if (skepi_alloc_denied() || size > (size_t)1 << LAST_SHIFT)
        return NULL;
    if (size >= FIRST_BIG)
        return big_alloc(size);
    if (posix_memalign(&memory, ALIGNMENT, ALIGNMENT + size) != 0)
        return NULL;
    b = memory;
    b->length = 0;
    return bytes_of(b);
}

void skepi_block_free(void *p)
{
    struct block *b, *gone;

    if (p == NULL)
        return;
    b = block_of(p);
    if (b->length == 0) {
        free(b);
        return;
    }
    if (huge_pages && b->length >= HUGE_PAGE)
        (void)madvise(p, whole_pages(b->length), MADV_FREE);
    POISON(p, b->length);
    pthread_mutex_lock(&pool_lock);
    if (b->length <= pool.most) {
        link_block(b);
        gone = shrink(pool.most);
    } else {
        b->next = NULL;
        gone = b;
    }
    pthread_mutex_unlock(&pool_lock);
    unmap_all(gone);
}
