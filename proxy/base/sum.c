/* sum.c - XXH3 over the XXH3s of 1 MiB chunks. */
#include "proxy/base/sum.h"
#include "proxy/base/sum_kernel.h"

#include <stdatomic.h>
#include <string.h>

/* What a skep_sum holds. A whole chunk that lies in one piece never touches `chunk`. */
struct running {
    uint64_t filled; /* bytes in `chunk` */
    uint64_t chunks; /* sums in `root` */
    unsigned char chunk[SKEPI_SUM_STATE], root[SKEPI_SUM_STATE];
};
_Static_assert(sizeof(struct running) <= sizeof(skep_sum), "skep_sum is big enough");

static const struct skepi_sum_kernel *choose(void)
{
#ifdef SKEPI_SUM_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f"))
        return &skepi_sum_avx512;
    if (__builtin_cpu_supports("avx2"))
        return &skepi_sum_avx2;
#endif
    return &skepi_sum_plain;
}

/* Threads that come first together all choose the same. */
static const struct skepi_sum_kernel *kernel(void)
{
    static _Atomic(const struct skepi_sum_kernel *) chosen;
    const struct skepi_sum_kernel *k = atomic_load_explicit(&chosen, memory_order_relaxed);

    if (k == NULL) {
        k = choose();
        atomic_store_explicit(&chosen, k, memory_order_relaxed);
    }
    return k;
}

static uint64_t little_endian(uint64_t n)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return __builtin_bswap64(n);
#else
    return n;
#endif
}

static void add_chunk(const struct skepi_sum_kernel *k, struct running *r, uint64_t sum)
{
    sum = little_endian(sum);
    if (r->chunks++ == 0)
        k->init(r->root);
    k->update(r->root, &sum, sizeof sum);
}

void skepi_sum_init(skep_sum *sum)
{
    struct running *r = (struct running *)sum->opaque;

    r->filled = 0;
    r->chunks = 0;
}

/* Adds to the chunk that is not full; returns how many bytes that took. */
static size_t fill(const struct skepi_sum_kernel *k, struct running *r, const void *data, size_t size)
{
    size_t n = SKEPI_SUM_CHUNK - (size_t)r->filled;

    if (n > size)
        n = size;
    if (r->filled == 0)
        k->init(r->chunk);
    k->update(r->chunk, data, n);
    r->filled += n;
    if (r->filled == SKEPI_SUM_CHUNK) {
        add_chunk(k, r, k->final(r->chunk));
        r->filled = 0;
    }
    return n;
}

void skepi_sum_update(skep_sum *sum, const void *data, size_t size)
{
    const struct skepi_sum_kernel *k = kernel();
    struct running *r = (struct running *)sum->opaque;
    const unsigned char *from = data;

    while (size > 0) {
        size_t n = SKEPI_SUM_CHUNK;

        if (r->filled == 0 && size >= n)
            add_chunk(k, r, k->once(from, n));
        else
            n = fill(k, r, from, size);
        from += n;
        size -= n;
    }
}

uint64_t skepi_sum_final(const skep_sum *sum)
{
    const struct skepi_sum_kernel *k = kernel();
    struct running r;

    memcpy(&r, sum->opaque, sizeof r);
    if (r.filled > 0)
        add_chunk(k, &r, k->final(r.chunk));
    return r.chunks > 0 ? k->final(r.root) : k->once(NULL, 0);
}

uint64_t skepi_sum_all(const void *data, size_t size)
{
    skep_sum sum;

    skepi_sum_init(&sum);
    skepi_sum_update(&sum, data, size);
    return skepi_sum_final(&sum);
}
