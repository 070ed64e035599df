/* base_sum_test.c - checksums against values that another implementation computed (python-xxhash 4.1.0, libxxhash 0.8.4). */
#include "proxy/base/sum.h"
#include "proxy/base/sum_kernel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Of the first `size` bytes that the generator in set_up makes: XXH3 of all, and XXH3 over the chunks' XXH3s. */
static const struct golden {
    size_t size;
    uint64_t whole, chunked;
} goldens[] = {
    {0, 0x2d06800538d394c2, 0x2d06800538d394c2},       {1, 0xd0d496e05c553485, 0xe188938e092a425e},
    {3, 0xcb412fafd0e16539, 0xe3779c4bbb6650cb},       {4, 0x4f4b99fe84f2cafd, 0x18c0fd3f5639239b},
    {8, 0x33277cb46c5eaeb4, 0x8b5e3fb215505257},       {9, 0xc6f81e3bea15d8e5, 0xbe6137546d7d00dc},
    {16, 0xa647e24121484fc9, 0x046e66a8f6401050},      {17, 0xf771e8fe473186fa, 0xf8926dc4c8d4c9f6},
    {128, 0xd177816bc64b1bb4, 0x8f87b328083e5012},     {129, 0x765fa4d985fe65ee, 0x9f337df31b02b65f},
    {240, 0x46e148ac50290d2d, 0xe56a489f721d7e74},     {241, 0x98aa8179cc71fcb5, 0x57f74f326ee745e1},
    {256, 0xacc6ad644701a151, 0xc7f7dcf71f326cf1},     {257, 0x4f91b53b35dd0f51, 0x3087cadcb5978fc9},
    {1000, 0x74400067ef559be0, 0x7004688a88ee2e4a},    {1024, 0x0bd018ef80ebcb8f, 0x7267005c401e9396},
    {4096, 0x8d2d725c460268bb, 0x31aacf1e62fc61c8},    {65537, 0x59949c73b3330962, 0x912bae643df49477},
    {1048575, 0x508bc69f5821647a, 0xb49f94cdacf02e64}, {1048576, 0xaeec981f9409a587, 0x3444c3b43a5085af},
    {1048577, 0x547a2c9aeb313896, 0x0b2e5e50fceb5b8d}, {2097152, 0x57858f76ea32a920, 0xbc1fd2c8b1c9c912},
    {3158073, 0xa07d3478866464df, 0xcdddfdd2fc0b9455}, {5242887, 0x9b646cbcdbbfab03, 0x7c7648d46d92d16b},
};
#define GOLDENS (sizeof goldens / sizeof goldens[0])

static unsigned char *bytes; /* one more than the largest size, so that they can be moved off their alignment */

static int set_up(void **state)
{
    size_t n = goldens[GOLDENS - 1].size;
    uint32_t x = 1;

    (void)state;
    bytes = malloc(n + 1);
    for (size_t i = 0; bytes != NULL && i < n; i++) {
        x = x * 1103515245u + 12345u;
        bytes[i] = (unsigned char)(x >> 24);
    }
    return bytes != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    free(bytes);
    return 0;
}

static void every_kernel_computes_the_same(void **state)
{
    const struct skepi_sum_kernel *kernels[3] = {&skepi_sum_plain};
    size_t n = 1;

    (void)state;
#ifdef __x86_64__
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2"))
        kernels[n++] = &skepi_sum_avx2;
    if (__builtin_cpu_supports("avx512f"))
        kernels[n++] = &skepi_sum_avx512;
#endif
    print_message("%zu kernels\n", n);
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < GOLDENS; i++) {
            unsigned char kept[SKEPI_SUM_STATE + 1], *running = kept + 1; /* not aligned */

            assert_true(kernels[k]->once(bytes, goldens[i].size) == goldens[i].whole);
            kernels[k]->init(running);
            kernels[k]->update(running, bytes, goldens[i].size / 3);
            kernels[k]->update(running, bytes + goldens[i].size / 3, goldens[i].size - goldens[i].size / 3);
            assert_true(kernels[k]->final(running) == goldens[i].whole);
        }
}

static void sums_are_the_golden_ones(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDENS; i++)
        assert_true(skepi_sum_all(bytes, goldens[i].size) == goldens[i].chunked);
    assert_true(skepi_sum_all(NULL, 0) == goldens[0].chunked);
}

static void pieces_of_any_size_give_the_same(void **state)
{
    static const size_t pieces[] = {
        1, 63, 64, 1000, 4096, 65536 - 64, SKEPI_SUM_CHUNK - 1, SKEPI_SUM_CHUNK, SKEPI_SUM_CHUNK + 1, 3 * SKEPI_SUM_CHUNK};

    (void)state;
    for (size_t i = 0; i < GOLDENS; i++)
        for (size_t p = goldens[i].size > SKEPI_SUM_CHUNK / 8 ? 3 : 0; p < sizeof pieces / sizeof pieces[0]; p++) {
            skep_sum sum;

            skepi_sum_init(&sum);
            for (size_t at = 0; at < goldens[i].size; at += pieces[p]) {
                size_t left = goldens[i].size - at;

                skepi_sum_update(&sum, bytes + at, left < pieces[p] ? left : pieces[p]);
            }
            assert_true(skepi_sum_final(&sum) == goldens[i].chunked);
            assert_true(skepi_sum_final(&sum) == goldens[i].chunked); /* it did not end */
        }
}

static void a_sum_may_be_copied_and_go_on(void **state)
{
    struct {
        char off;
        unsigned char at[sizeof(skep_sum) + 64];
    } room;
    const struct golden *g = &goldens[GOLDENS - 1];
    size_t half = g->size / 2;
    skep_sum first, *second;

    (void)state;
    skepi_sum_init(&first);
    skepi_sum_update(&first, bytes, half);
    second = (skep_sum *)(((uintptr_t)room.at + 7) & ~(uintptr_t)7);
    memcpy(second, &first, sizeof first);
    skepi_sum_update(&first, bytes, 77); /* the copy does not notice */
    skepi_sum_update(second, bytes + half, g->size - half);
    assert_true(skepi_sum_final(second) == g->chunked);
}

static void one_bit_shows(void **state)
{
    const struct golden *g = &goldens[GOLDENS - 1];

    (void)state;
    for (size_t at = 0; at < g->size; at += g->size / 7) {
        bytes[at] ^= 0x10;
        assert_true(skepi_sum_all(bytes, g->size) != g->chunked);
        bytes[at] ^= 0x10;
    }
    assert_true(skepi_sum_all(bytes, g->size) == g->chunked);
}

static void alignment_does_not_matter(void **state)
{
    size_t n = goldens[GOLDENS - 1].size;

    (void)state;
    memmove(bytes + 1, bytes, n);
    assert_true(skepi_sum_all(bytes + 1, n) == goldens[GOLDENS - 1].chunked);
    memmove(bytes, bytes + 1, n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_computes_the_same),
        cmocka_unit_test(sums_are_the_golden_ones),
        cmocka_unit_test(pieces_of_any_size_give_the_same),
        cmocka_unit_test(a_sum_may_be_copied_and_go_on),
        cmocka_unit_test(one_bit_shows),
        cmocka_unit_test(alignment_does_not_matter),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
