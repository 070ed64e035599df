/* base_buf_test.c - memory: the heap's door, blocks and their pool, buffers, keys and UUIDs. */
#include "proxy/base/alloc.h"
#include "proxy/base/uuid.h"
#include <skep/buf.h>
#include <skep/error.h>
#include <skep/ref.h>

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

/* What a thread returns when it saw something wrong; NULL: nothing. */
static void *complain(const char *what)
{
    print_error("%s\n", what);
    return (void *)(uintptr_t)what;
}

/* ---- heap ---------------------------------------------------------------------------------------- */

static void memory_arithmetic_is_checked(void **state)
{
    char *p;

    (void)state;
    assert_null(skepi_array(SIZE_MAX / 2, 3));
    assert_null(skepi_resize(NULL, SIZE_MAX / 2, 3));
    assert_null(skepi_block_alloc(SIZE_MAX));
    assert_null(skepi_block_alloc((size_t)1 << 47));
    p = skepi_array(0, 8);
    assert_non_null(p);
    p = skepi_resize(p, 0, 8); /* not a free in disguise */
    assert_non_null(p);
    p = skepi_resize(p, 100, 1);
    assert_non_null(p);
    skepi_free(p);
    skepi_free(NULL);
    skepi_block_free(NULL);
    p = skepi_alloc(100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(p[i], 0);
    skepi_free(p);
}

static void the_nth_allocation_fails(void **state)
{
    void *a, *b, *c;

    (void)state;
    skepi_alloc_fail_at(2);
    a = skepi_alloc(1);
    b = skepi_strdup("x");
    c = skepi_block_alloc(1);
    assert_non_null(a);
    assert_null(b);
    assert_non_null(c);
    assert_int_equal(skepi_alloc_fail_at(0), 3);
    skepi_free(a);
    skepi_block_free(c);
    a = skepi_alloc(1);
    skepi_free(a);
    assert_int_equal(skepi_alloc_fail_at(0), 0); /* not counted unless asked for */
}

/* ---- blocks -------------------------------------------------------------------------------------- */

static void blocks_are_aligned_and_whole(void **state)
{
    static const size_t sizes[] = {0,       1,           63,         64,          1000,        65535,
                                   65536,   65537,       100 * 1000, MIB - 1,     MIB,         MIB + 1,
                                   2 * MIB, 2 * MIB + 1, 3 * MIB,    9 * MIB - 1, 16 * MIB + 1};
    unsigned char *p[sizeof sizes / sizeof sizes[0]];

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        p[i] = skepi_block_alloc(sizes[i]);
        assert_non_null(p[i]);
        assert_int_equal((uintptr_t)p[i] % (sizes[i] >= 64 * KIB ? (size_t)sysconf(_SC_PAGESIZE) : 64), 0);
        memset(p[i], (int)i, sizes[i]);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t j = 0; j < sizes[i]; j += 61)
            assert_int_equal(p[i][j], i);
        skepi_block_free(p[i]);
    }
}

/* What a process that starts with SKEP_BLOCK_POOL=`bound` keeps of a freed MiB. */
static void environment_keeps(const char *bound, size_t expected)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        setenv("SKEP_BLOCK_POOL", bound, 1);
        skepi_block_free(skepi_block_alloc(MIB));
        _exit(skepi_block_pool(SIZE_MAX) != expected);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void the_environment_bounds_the_pool(void **state)
{
    (void)state;
    environment_keeps("0", 0);
    environment_keeps("512k", 0);
    environment_keeps("1m", MIB);
    environment_keeps("", MIB);
}

static void a_freed_block_is_used_again(void **state)
{
    void *a, *b;

    (void)state;
    skepi_block_pool(0);
    skepi_block_pool(64 * MIB);
    a = skepi_block_alloc(10 * MIB);
    skepi_block_free(a);
    assert_int_equal(skepi_block_pool(64 * MIB), 10 * MIB);
    b = skepi_block_alloc(9 * MIB); /* a little smaller: the same block serves */
    assert_ptr_equal(a, b);
    assert_int_equal(skepi_block_pool(64 * MIB), 0);
    skepi_block_free(b);
    b = skepi_block_alloc(5 * MIB); /* half as big: would waste it */
    assert_ptr_not_equal(a, b);
    skepi_block_free(b);
    b = skepi_block_alloc(11 * MIB);
    assert_ptr_not_equal(a, b);
    skepi_block_free(b);
    a = skepi_block_alloc(4 * KIB); /* small ones are the heap's */
    skepi_block_free(a);
    assert_int_equal(skepi_block_pool(64 * MIB), 26 * MIB);
    assert_int_equal(skepi_block_pool(0), 0);
}

static void the_pool_keeps_to_its_bound(void **state)
{
    void *p[6];

    (void)state;
    skepi_block_pool(0);
    skepi_block_pool(4 * MIB);
    for (int i = 0; i < 6; i++)
        p[i] = skepi_block_alloc(MIB);
    for (int i = 0; i < 6; i++)
        skepi_block_free(p[i]);
    assert_int_equal(skepi_block_pool(4 * MIB), 4 * MIB);
    skepi_block_free(skepi_block_alloc(5 * MIB)); /* bigger than the bound: not kept, and nothing goes for it */
    assert_int_equal(skepi_block_pool(4 * MIB), 4 * MIB);
    skepi_block_free(skepi_block_alloc(2 * MIB)); /* the two that lay longest go */
    assert_int_equal(skepi_block_pool(4 * MIB), 4 * MIB);
    assert_int_equal(skepi_block_pool(MIB), 0); /* the newest is the 2 MiB one, which no longer fits */
    skepi_block_free(skepi_block_alloc(MIB));
    assert_int_equal(skepi_block_pool(MIB), MIB);
    assert_int_equal(skepi_block_pool(0), 0);
    skepi_block_free(skepi_block_alloc(MIB));
    assert_int_equal(skepi_block_pool(0), 0);
}

static void *churn(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;
    unsigned char *held[8] = {NULL};

    for (int i = 0; i < 2000; i++) {
        int slot = (int)(seed % 8);

        seed = seed * 1103515245u + 12345u;
        if (held[slot] != NULL && held[slot][100] != (unsigned char)slot)
            return complain("another thread wrote to this block");
        skepi_block_free(held[slot]);
        held[slot] = skepi_block_alloc(64 * KIB + (seed >> 8) % (512 * KIB));
        if (held[slot] == NULL)
            return complain("no memory");
        held[slot][100] = (unsigned char)slot;
    }
    for (int i = 0; i < 8; i++)
        skepi_block_free(held[i]);
    return NULL;
}

static void threads_share_the_pool(void **state)
{
    pthread_t t[4];

    (void)state;
    skepi_block_pool(2 * MIB);
    for (uintptr_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, churn, (void *)(i + 1)), 0);
    for (int i = 0; i < 4; i++) {
        void *complaint;

        pthread_join(t[i], &complaint);
        assert_null(complaint);
    }
    assert_true(skepi_block_pool(2 * MIB) <= 2 * MIB);
    skepi_block_pool(0);
}

static atomic_int stop_churning;

static void *churn_until_stopped(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop_churning))
        skepi_block_free(skepi_block_alloc(128 * KIB));
    return NULL;
}

/* Somebody holds the pool's lock most of the time: a child that inherited it held would hang. */
static void the_pool_survives_fork(void **state)
{
    pthread_t t;

    (void)state;
    skepi_block_pool(2 * MIB);
    assert_int_equal(pthread_create(&t, NULL, churn_until_stopped, NULL), 0);
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        int status;

        if (child == 0) {
            void *p;

            alarm(20);
            p = skepi_block_alloc(MIB);
            if (p != NULL)
                memset(p, 1, MIB);
            skepi_block_free(p);
            _exit(p == NULL);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    atomic_store(&stop_churning, 1);
    pthread_join(t, NULL);
    skepi_block_pool(0);
}

/* ---- buffers ------------------------------------------------------------------------------------- */

struct released {
    atomic_int times;
    void *data;
    size_t size;
};

static void count_release(void *arg, void *data, size_t size)
{
    struct released *r = arg;

    r->data = data;
    r->size = size;
    atomic_fetch_add(&r->times, 1);
}

static void a_wrapped_buffer_is_released_once(void **state)
{
    struct released r = {0, NULL, 0};
    char bytes[] = "weights";
    skep_buf *b = NULL;

    (void)state;
    assert_int_equal(skep_buf_wrap(bytes, 7, count_release, &r, &b), SKEP_OK);
    assert_ptr_equal(skep_buf_data(b), bytes);
    assert_int_equal(skep_buf_size(b), 7);
    assert_ptr_equal(skep_buf_ref(b), b);
    skep_buf_unref(b);
    assert_int_equal(r.times, 0);
    skep_buf_unref(b);
    assert_int_equal(r.times, 1);
    assert_ptr_equal(r.data, bytes);
    assert_int_equal(r.size, 7);
    skep_buf_unref(NULL);
    assert_null(skep_buf_ref(NULL));
}

static void empty_buffers_have_an_address(void **state)
{
    skep_buf *a, *b, *c;

    (void)state;
    assert_int_equal(skep_buf_wrap(NULL, 0, NULL, NULL, &a), SKEP_OK);
    assert_int_equal(skep_buf_copy(NULL, 0, &b), SKEP_OK);
    assert_int_equal(skep_buf_slice(a, 0, 0, &c), SKEP_OK);
    assert_non_null(skep_buf_data(a));
    assert_non_null(skep_buf_data(b));
    assert_non_null(skep_buf_data(c));
    assert_int_equal(skep_buf_size(a) + skep_buf_size(b) + skep_buf_size(c), 0);
    skep_buf_unref(a);
    skep_buf_unref(b);
    skep_buf_unref(c);
}

static void what_is_no_buffer_is_refused(void **state)
{
    skep_buf *b = NULL, *whole;

    (void)state;
    assert_int_equal(skep_buf_wrap(NULL, 1, NULL, NULL, &b), SKEP_EINVAL);
    assert_int_equal(skep_buf_copy(NULL, 1, &b), SKEP_EINVAL);
    assert_int_equal(skep_buf_slice(NULL, 0, 0, &b), SKEP_EINVAL);
    assert_int_equal(skep_buf_copy("0123456789", 10, &whole), SKEP_OK);
    assert_int_equal(skep_buf_slice(whole, 11, 0, &b), SKEP_EINVAL);
    assert_int_equal(skep_buf_slice(whole, 5, 6, &b), SKEP_EINVAL);
    assert_int_equal(skep_buf_slice(whole, 5, SIZE_MAX, &b), SKEP_EINVAL);
    assert_int_equal(skep_buf_slice(whole, SIZE_MAX, 6, &b), SKEP_EINVAL);
    assert_null(b);
    skep_buf_unref(whole);
}

static void copies_are_aligned(void **state)
{
    static const size_t sizes[] = {1, 64, 1000, 32767, 32768, 32769, 65536, 3 * MIB + 5};
    unsigned char *bytes = malloc(4 * MIB);

    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < 4 * MIB; i++)
        bytes[i] = (unsigned char)(i * 7);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        skep_buf *b;

        assert_int_equal(skep_buf_copy(bytes, sizes[i], &b), SKEP_OK);
        assert_int_equal((uintptr_t)skep_buf_data(b) % 64, 0);
        assert_int_equal(skep_buf_size(b), sizes[i]);
        assert_memory_equal(skep_buf_data(b), bytes, sizes[i]);
        skep_buf_unref(b);
    }
    free(bytes);
}

static void a_slice_keeps_the_whole(void **state)
{
    struct released r = {0, NULL, 0};
    char bytes[] = "0123456789";
    skep_buf *whole, *part, *part_of_part;

    (void)state;
    assert_int_equal(skep_buf_wrap(bytes, 10, count_release, &r, &whole), SKEP_OK);
    assert_int_equal(skep_buf_slice(whole, 2, 6, &part), SKEP_OK);
    skep_buf_unref(whole);
    assert_int_equal(skep_buf_slice(part, 1, 3, &part_of_part), SKEP_OK);
    skep_buf_unref(part);
    assert_int_equal(r.times, 0);
    assert_int_equal(skep_buf_size(part_of_part), 3);
    assert_memory_equal(skep_buf_data(part_of_part), "345", 3);
    skep_buf_unref(part_of_part);
    assert_int_equal(r.times, 1);
}

static void *take_and_drop(void *arg)
{
    skep_buf *whole = arg;

    for (int i = 0; i < 5000; i++) {
        skep_buf *part;

        if (skep_buf_slice(whole, (size_t)i % 100, 1, &part) != SKEP_OK)
            return complain("no slice");
        if (*(const char *)skep_buf_data(part) != (char)(i % 100))
            return complain("wrong byte");
        skep_buf_unref(part);
    }
    skep_buf_unref(whole);
    return NULL;
}

static void threads_share_a_buffer(void **state)
{
    struct released r = {0, NULL, 0};
    char bytes[100];
    pthread_t t[4];
    skep_buf *b;

    (void)state;
    for (int i = 0; i < 100; i++)
        bytes[i] = (char)i;
    assert_int_equal(skep_buf_wrap(bytes, sizeof bytes, count_release, &r, &b), SKEP_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, take_and_drop, skep_buf_ref(b)), 0);
    skep_buf_unref(b);
    for (int i = 0; i < 4; i++) {
        void *complaint;

        pthread_join(t[i], &complaint);
        assert_null(complaint);
    }
    assert_int_equal(r.times, 1);
}

/* ---- keys and UUIDs ------------------------------------------------------------------------------ */

static void keys_obey_the_rules(void **state)
{
    static const char *const good[] = {"a",   "latest", "0f6f3bd5-1111-4222-8333-444455556666",
                                       "a b", "a.b",    "gr\xc3\xbc\xc3\x9f"};
    static const char *const bad[] = {"", ".", "..", ".hidden", "a/b", "/", "a\nb", "a\x7f", "\x1b[2J"};
    char big[SKEP_KEY_MAX + 1];
    skep_ref ref;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(skep_ref_key(good[i], &ref), SKEP_OK);
        assert_string_equal(ref.key, good[i]);
        assert_int_equal(ref.size, sizeof ref);
        assert_true(ref.size_bytes == SKEP_SIZE_UNKNOWN);
        assert_int_equal(ref.flags, 0);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(skep_ref_key(bad[i], &ref), SKEP_EINVAL);
    assert_int_equal(skep_ref_key(NULL, &ref), SKEP_EINVAL);
    memset(big, 'k', sizeof big);
    big[SKEP_KEY_MAX] = '\0'; /* 256 bytes: one too many */
    assert_int_equal(skep_ref_key(big, &ref), SKEP_EINVAL);
    big[SKEP_KEY_MAX - 1] = '\0';
    assert_int_equal(skep_ref_key(big, &ref), SKEP_OK);
}

static void uuids_are_told_from_other_keys(void **state)
{
    (void)state;
    assert_int_equal(skep_key_is_uuid("0f6f3bd5-1111-4222-8333-444455556666"), 1);
    assert_int_equal(skep_key_is_uuid("0F6f3bd5-1111-4222-8333-444455556666"), 0);
    assert_int_equal(skep_key_is_uuid("0f6f3bd5-1111-4222-8333-44445555666"), 0);
    assert_int_equal(skep_key_is_uuid("0f6f3bd5-1111-4222-8333-4444555566667"), 0);
    assert_int_equal(skep_key_is_uuid("0f6f3bd5x1111-4222-8333-444455556666"), 0);
    assert_int_equal(skep_key_is_uuid("../../../../../../../etc/passwd-----"), 0);
    assert_int_equal(skep_key_is_uuid(""), 0);
    assert_int_equal(skep_key_is_uuid(NULL), 0);
}

#define UUIDS_EACH 2000

static void *draw(void *arg)
{
    char(*out)[SKEPI_UUID_SIZE] = arg;

    for (int i = 0; i < UUIDS_EACH; i++)
        if (skepi_uuid(out[i]) != SKEP_OK)
            return complain("no UUID");
    return NULL;
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void uuids_differ_among_threads(void **state)
{
    static char all[4 * UUIDS_EACH][SKEPI_UUID_SIZE];
    pthread_t t[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, draw, all[i * UUIDS_EACH]), 0);
    for (int i = 0; i < 4; i++) {
        void *complaint;

        pthread_join(t[i], &complaint);
        assert_null(complaint);
    }
    qsort(all, 4 * UUIDS_EACH, SKEPI_UUID_SIZE, compare);
    for (size_t i = 0; i < 4 * UUIDS_EACH; i++) {
        assert_int_equal(skep_key_is_uuid(all[i]), 1);
        assert_int_equal(all[i][14], '4');
        assert_non_null(strchr("89ab", all[i][19]));
        if (i > 0)
            assert_string_not_equal(all[i], all[i - 1]);
    }
}

static void uuids_differ_across_fork(void **state)
{
    char mine[32][SKEPI_UUID_SIZE], theirs[32][SKEPI_UUID_SIZE];
    int ends[2], status;
    pid_t child;

    (void)state;
    assert_int_equal(skepi_uuid(mine[0]), SKEP_OK); /* some are drawn in advance now */
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    child = fork();
    if (child == 0) {
        for (int i = 0; i < 32; i++)
            if (skepi_uuid(theirs[i]) != SKEP_OK)
                _exit(1);
        _exit(write(ends[1], theirs, sizeof theirs) != (ssize_t)sizeof theirs);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(read(ends[0], theirs, sizeof theirs), sizeof theirs);
    close(ends[0]);
    close(ends[1]);
    for (int i = 0; i < 32; i++)
        assert_int_equal(skepi_uuid(mine[i]), SKEP_OK);
    for (int i = 0; i < 32; i++)
        for (int j = 0; j < 32; j++)
            assert_string_not_equal(mine[i], theirs[j]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_environment_bounds_the_pool), /* before the pool starts here */
        cmocka_unit_test(memory_arithmetic_is_checked),
        cmocka_unit_test(the_nth_allocation_fails),
        cmocka_unit_test(blocks_are_aligned_and_whole),
        cmocka_unit_test(a_freed_block_is_used_again),
        cmocka_unit_test(the_pool_keeps_to_its_bound),
        cmocka_unit_test(threads_share_the_pool),
        cmocka_unit_test(the_pool_survives_fork),
        cmocka_unit_test(a_wrapped_buffer_is_released_once),
        cmocka_unit_test(empty_buffers_have_an_address),
        cmocka_unit_test(what_is_no_buffer_is_refused),
        cmocka_unit_test(copies_are_aligned),
        cmocka_unit_test(a_slice_keeps_the_whole),
        cmocka_unit_test(threads_share_a_buffer),
        cmocka_unit_test(keys_obey_the_rules),
        cmocka_unit_test(uuids_are_told_from_other_keys),
        cmocka_unit_test(uuids_differ_among_threads),
        cmocka_unit_test(uuids_differ_across_fork),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
