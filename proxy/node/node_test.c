/* node_test.c - one node store in one process: objects, pool, kept segments, names, slots, errors. */
#include "proxy/node/node_testing.h"

#include "proxy/base/alloc.h"
#include "proxy/base/sum.h"

#include <pthread.h>
#include <sys/file.h>
#include <time.h>

static char base[64];

static int set_up(void **state)
{
    make_folder(base, "/dev/shm");
    *state = open_shared(base, "s");
    return 0;
}

static int tear_down(void **state)
{
    NODE.close(*state, 0);
    remove_folder(base);
    return 0;
}

static void every_size(void **state)
{
    static const size_t sizes[] = {0,       1,       7,           4095,    4096,        4097,
                                   16383,   16384,   16385,       100000,  MIB - 1,     MIB,
                                   MIB + 1, 2 * MIB, 4 * MIB - 1, 4 * MIB, 4 * MIB + 1, 9 * MIB + 4097};
    skep_node *node = *state;

    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            skep_ref ref = put_object(node, "object", sizes[i], 7 * i + (size_t)round), bare = ref_of("object");
            uint64_t size = 1;

            assert_int_equal(ref.size_bytes, sizes[i]);
            assert_int_equal(ref.node, NODE.id(node));
            check_object(node, &ref, sizes[i], 7 * i + (size_t)round);
            check_object(node, &bare, sizes[i], 7 * i + (size_t)round);
            OK(NODE.exists(node, &bare, &size, &err));
            assert_int_equal(size, sizes[i]);
            OK(NODE.evict(node, round == 1 ? &bare : &ref, &err));
            assert_int_equal(NODE.exists(node, &bare, NULL, &err), SKEP_ENOENT);
        }
}

static void gathered_and_summed(void **state)
{
    static const size_t totals[] = {0, 10, 300000, 3 * MIB + 5, 6 * MIB};
    skep_node *node = *state;
    char *bytes = malloc(6 * MIB);

    fill_bytes(bytes, 6 * MIB, 5);
    for (size_t t = 0; t < sizeof totals / sizeof *totals; t++) {
        skep_put how = {.size = sizeof how, .by_ns = SKEP_FOREVER, .want_sum = 1};
        skep_ref ref = ref_of("gathered");
        struct iovec iov[40];
        size_t left = totals[t], at = 0;
        skep_buf *buf;
        uint32_t said;

        for (int i = 0; i < 40; i++) { /* empty pieces among them */
            size_t piece = i == 39 ? left : i % 3 == 0 ? 0 : left / 7;

            iov[i] = (struct iovec){bytes + at, piece};
            at += piece;
            left -= piece;
        }
        OK(NODE.put(node, &ref, iov, 40, &how, &err));
        assert_true(ref.flags & SKEP_REF_SUM);
        assert_int_equal(ref.sum, skepi_sum_all(bytes, totals[t]));
        OK(NODE.get(node, &ref, 0, &buf, &said, &err));
        assert_int_equal(skep_buf_size(buf), totals[t]);
        assert_memory_equal(skep_buf_data(buf), bytes, totals[t]);
        skep_buf_unref(buf);
        OK(NODE.evict(node, &ref, &err));
    }
    free(bytes);
}

static void mapped_or_copied(void **state)
{
    skep_node *node = *state;
    skep_ref small = put_object(node, "small", 16384, 1), big = put_object(node, "big", 16385, 2);
    skep_buf *buf;
    uint32_t how;

    OK(NODE.get(node, &small, 0, &buf, &how, &err));
    assert_int_equal(how, 0);
    assert_int_equal((uintptr_t)skep_buf_data(buf) % 64, 0);
    skep_buf_unref(buf);
    OK(NODE.get(node, &big, 0, &buf, &how, &err));
    assert_int_equal(how, SKEP_HOW_MAPPED);
    skep_buf_unref(buf);
}

static void taken_key(void **state)
{
    static const size_t sizes[] = {3, 2 * MIB, 5 * MIB};
    skep_node *node = *state;
    skep_ref first, again;

    for (size_t i = 0; i < 3; i++) {
        first = put_object(node, "key", sizes[i], 1);
        assert_int_equal(try_put(node, "key", sizes[i], 2, &again), SKEP_EEXIST);
        check_object(node, &first, sizes[i], 1);
        OK(NODE.evict(node, &first, &err));
        OK(NODE.evict(node, &first, &err)); /* gone already: fine */
    }
}

static void bad_keys(void **state)
{
    static const char *const bad[] = {"", ".", "..", ".skep", ".hidden", "a/b", "/etc/passwd", "../s/x"};
    skep_node *node = *state;
    skep_ref ref;
    skep_buf *buf;
    uint32_t how;
    char byte;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(try_put(node, bad[i], 1, 1, &ref), SKEP_EINVAL);
        ref = ref_of(bad[i]);
        assert_int_equal(NODE.get(node, &ref, 0, &buf, &how, &err), SKEP_EINVAL);
        ref.size_bytes = 1;
        assert_int_equal(NODE.get(node, &ref, 0, &buf, &how, &err), SKEP_EINVAL);
        assert_int_equal(NODE.read(node, &ref, 0, 1, &byte, 0, &err), SKEP_EINVAL);
        assert_int_equal(NODE.exists(node, &ref, NULL, &err), SKEP_EINVAL);
        assert_int_equal(NODE.evict(node, &ref, &err), SKEP_EINVAL);
        assert_int_equal(NODE.wait(node, &ref, 0, &err), SKEP_EINVAL);
    }
    ref = ref_of("x");
    memset(ref.key, 'x', SKEP_KEY_MAX); /* no end */
    assert_int_equal(NODE.exists(node, &ref, NULL, &err), SKEP_EINVAL);
}

static void ranges(void **state)
{
    static const size_t sizes[] = {1000, 3 * MIB};
    skep_node *node = *state;
    char bytes[1000], expect[1000];

    for (size_t i = 0; i < 2; i++) {
        skep_ref ref = put_object(node, "r", sizes[i], 9);
        char *all = malloc(sizes[i]);

        fill_bytes(all, sizes[i], 9);
        memcpy(expect, all + sizes[i] - 100, 100);
        OK(NODE.read(node, &ref, sizes[i] - 100, 100, bytes, 0, &err));
        assert_memory_equal(bytes, expect, 100);
        OK(NODE.read(node, &ref, sizes[i], 0, bytes, 0, &err));
        assert_int_equal(NODE.read(node, &ref, sizes[i] - 99, 100, bytes, 0, &err), SKEP_EINVAL);
        assert_int_equal(NODE.read(node, &ref, UINT64_MAX, 2, bytes, 0, &err), SKEP_EINVAL);
        ref.size_bytes++;
        assert_int_equal(NODE.read(node, &ref, 0, 1, bytes, 0, &err), SKEP_ECORRUPT);
        free(all);
        OK(NODE.evict(node, &ref, &err));
    }
}

static void wrong_size_is_corrupt(void **state)
{
    static const size_t sizes[] = {10, 100000, 3 * MIB};
    skep_node *node = *state;
    skep_buf *buf = NULL;
    uint32_t how;

    for (size_t i = 0; i < 3; i++) {
        skep_ref ref = put_object(node, "c", sizes[i], 9), other = ref;

        other.size_bytes++;
        assert_int_equal(NODE.get(node, &other, 0, &buf, &how, &err), SKEP_ECORRUPT);
        other.size_bytes -= 2;
        assert_int_equal(NODE.get(node, &other, 0, &buf, &how, &err), SKEP_ECORRUPT);
        assert_null(buf);
        OK(NODE.evict(node, &ref, &err));
    }
}

static void evicted_memory_is_warm_again(void **state)
{
    skep_node *node = *state;
    skep_ref ref = put_object(node, "a", 3 * MIB, 1);
    struct stat before, after;

    assert_int_equal(fstatat(node->dir, "a", &before, 0), 0);
    OK(NODE.evict(node, &ref, &err));
    assert_int_equal(entries_in(base, "s/.skep/pool"), 1);
    ref = put_object(node, "b", 3 * MIB - 100, 2);
    assert_int_equal(fstatat(node->dir, "b", &after, 0), 0);
    assert_int_equal(before.st_ino, after.st_ino); /* neither was freed in between: the node keeps it open */
    assert_int_equal(entries_in(base, "s/.skep/pool"), 0);
    check_object(node, &ref, 3 * MIB - 100, 2);
}

static void reader_keeps_its_bytes(void **state)
{
    static const size_t sizes[] = {16385, 2 * MIB, 5 * MIB};
    skep_node *node = *state;

    for (size_t i = 0; i < 3; i++) {
        skep_ref ref = put_object(node, "old", sizes[i], 1), other;
        skep_buf *buf;
        uint32_t how;

        OK(NODE.get(node, &ref, 0, &buf, &how, &err));
        OK(NODE.evict(node, &ref, &err));
        for (int k = 0; k < 4; k++) { /* none of these may be written into what is being read */
            other = put_object(node, "new", sizes[i], 100);
            OK(NODE.evict(node, &other, &err));
        }
        assert_true(right_bytes(skep_buf_data(buf), sizes[i], 1));
        skep_buf_unref(buf);
    }
}

static void pool_is_bounded(void **state)
{
    skep_node_opts opts = shared_opts(base, "bounded");
    skep_node *node;
    char key[32];
    skep_ref refs[6];

    (void)state;
    opts.pool_bytes = 7 * MIB;
    OK(NODE.open(&opts, &node, &err));
    for (int i = 0; i < 6; i++) {
        snprintf(key, sizeof key, "k%d", i);
        refs[i] = put_object(node, key, 2 * MIB, 1);
    }
    for (int i = 0; i < 6; i++)
        OK(NODE.evict(node, &refs[i], &err));
    assert_int_equal(entries_in(base, "bounded/.skep/pool"), 3);
    assert_in_range(bytes_below(base), 6 * MIB, 6 * MIB + 65536);
    NODE.close(node, 0);
    assert_int_equal(entries_in(base, "."), 1); /* only the store of the fixture */
}

static void no_pool(void **state)
{
    skep_node_opts opts = shared_opts(base, "none");
    skep_node *node;
    skep_ref ref;

    (void)state;
    opts.pool_bytes = 0;
    OK(NODE.open(&opts, &node, &err));
    ref = put_object(node, "k", 2 * MIB, 1);
    OK(NODE.evict(node, &ref, &err));
    assert_int_equal(entries_in(base, "none/.skep/pool"), 0);
    NODE.close(node, 0);
}

static void slots(void **state)
{
    static const size_t sizes[] = {0, 1, 5000, 3 * MIB, 5 * MIB};
    skep_node *node = *state;

    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            skep_ref ref = ref_of("slot");
            skep_node_slot *slot;
            void *memory;

            OK(NODE.reserve(node, &ref, sizes[i], SKEP_FOREVER, &slot, &memory, &err));
            assert_int_equal((uintptr_t)memory % 64, 0);
            fill_bytes(memory, sizes[i], i);
            assert_int_equal(NODE.exists(node, &ref, NULL, &err), SKEP_ENOENT);
            OK(NODE.commit(node, slot, &ref, &err));
            check_object(node, &ref, sizes[i], i);
            OK(NODE.reserve(node, &ref, sizes[i], SKEP_FOREVER, &slot, &memory, &err));
            assert_int_equal(NODE.commit(node, slot, &ref, &err), SKEP_EEXIST);
            check_object(node, &ref, sizes[i], i);
            OK(NODE.evict(node, &ref, &err));
            OK(NODE.reserve(node, &ref, sizes[i], SKEP_FOREVER, &slot, &memory, &err));
            NODE.abort(node, slot);
            assert_int_equal(NODE.exists(node, &ref, NULL, &err), SKEP_ENOENT);
        }
}

static int gather(const skep_entry *entry, void *arg)
{
    char *text = arg;
    size_t n = strlen(text);

    snprintf(text + n, 256 - n, "%s=%llu ", entry->name != NULL ? entry->name : entry->ref.key,
             entry->name != NULL ? (unsigned long long)strlen(entry->handle) : (unsigned long long)entry->ref.size_bytes);
    return 0;
}

static int stop(const skep_entry *entry, void *arg)
{
    (void)entry, (void)arg;
    return 42;
}

static void listing_and_names(void **state)
{
    skep_node *node = *state;
    char text[256] = "", out[SKEP_HANDLE_MAX], longest[SKEP_HANDLE_MAX + 1];

    assert_int_equal(NODE.name_get(node, "latest", out, sizeof out, &err), SKEP_ENOENT);
    put_object(node, "one", 5, 1);
    OK(NODE.name_set(node, "latest", "shm://s#k=1", &err));
    OK(NODE.name_set(node, "latest", "shm://s#k=22", &err));
    OK(NODE.name_get(node, "latest", out, sizeof out, &err));
    assert_string_equal(out, "shm://s#k=22");
    assert_int_equal(NODE.name_get(node, "latest", out, 12, &err), SKEP_ETOOBIG);
    OK(NODE.list(node, gather, text, &err));
    assert_string_equal(text, "one=5 latest=12 ");
    assert_int_equal(NODE.list(node, stop, NULL, &err), 42);
    OK(NODE.name_set(node, "latest", NULL, &err));
    OK(NODE.name_set(node, "latest", NULL, &err));
    assert_int_equal(NODE.name_get(node, "latest", out, sizeof out, &err), SKEP_ENOENT);
    memset(longest, 'h', sizeof longest);
    longest[SKEP_HANDLE_MAX] = '\0';
    assert_int_equal(NODE.name_set(node, "latest", longest, &err), SKEP_ETOOBIG);
    longest[SKEP_HANDLE_MAX - 1] = '\0';
    OK(NODE.name_set(node, "latest", longest, &err));
    OK(NODE.name_get(node, "latest", out, sizeof out, &err));
    assert_string_equal(out, longest);
    memset(longest, 'n', 64);
    longest[64] = '\0';
    assert_int_equal(NODE.name_set(node, longest, "h", &err), SKEP_EINVAL);
    assert_int_equal(NODE.name_set(node, "a/b", "h", &err), SKEP_EINVAL);
    assert_int_equal(NODE.name_set(node, ".id", "h", &err), SKEP_EINVAL);
}

static void *put_soon(void *arg)
{
    struct timespec t = {0, 20000000};

    nanosleep(&t, NULL);
    put_object(arg, "awaited", 100, 3);
    return NULL;
}

static void waiting(void **state)
{
    skep_node *node = *state;
    skep_ref ref = ref_of("awaited");
    uint64_t began = skep_now_ns();
    pthread_t thread;

    assert_int_equal(NODE.wait(node, &ref, 0, &err), SKEP_ETIMEDOUT);
    assert_int_equal(NODE.wait(node, &ref, skep_in_ms(30), &err), SKEP_ETIMEDOUT);
    assert_in_range(skep_now_ns() - began, 30000000, 5000000000);
    assert_int_equal(pthread_create(&thread, NULL, put_soon, node), 0);
    OK(NODE.wait(node, &ref, skep_in_ms(20000), &err));
    pthread_join(thread, NULL);
    OK(NODE.wait(node, &ref, 0, &err));
}

/* Things that lie in the directory but are no objects of skep's. */
static void foreign_things(void **state)
{
    skep_node *node = *state;
    skep_ref link = ref_of("link"), fifo = ref_of("fifo"), folder = ref_of("folder"), plain = ref_of("plain");
    skep_ref *none[] = {&link, &fifo, &folder};
    char text[256] = "";
    skep_buf *buf;
    uint32_t how;
    int fd;

    assert_int_equal(symlinkat("/etc/passwd", node->dir, "link"), 0);
    assert_int_equal(mkfifoat(node->dir, "fifo", 0600), 0);
    assert_int_equal(mkdirat(node->dir, "folder", 0700), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(NODE.get(node, none[i], 0, &buf, &how, &err), SKEP_EDENIED);
        none[i]->size_bytes = 100;
        assert_int_equal(NODE.get(node, none[i], 0, &buf, &how, &err), SKEP_EDENIED);
        assert_int_equal(NODE.exists(node, none[i], NULL, &err), SKEP_ENOENT);
        assert_int_equal(try_put(node, none[i]->key, 10, 1, &(skep_ref){0}), SKEP_EEXIST);
    }
    assert_true((fd = openat(node->dir, "plain", O_WRONLY | O_CREAT | O_CLOEXEC, 0644)) >= 0);
    assert_int_equal(ftruncate(fd, 3 * (off_t)MIB), 0);
    OK(NODE.get(node, &plain, 0, &buf, &how, &err));
    assert_int_equal(how, 0); /* its writer may still have it open: a copy */
    skep_buf_unref(buf);
    OK(NODE.list(node, gather, text, &err));
    assert_string_equal(text, "plain=3145728 ");
    OK(NODE.evict(node, &plain, &err)); /* and it is never written into */
    assert_int_equal(entries_in(base, "s/.skep/pool"), 0);
    close(fd);
}

static void linked_elsewhere_is_not_written_again(void **state)
{
    skep_node *node = *state;
    skep_ref ref = put_object(node, "a", 2 * MIB, 1);

    assert_int_equal(linkat(node->dir, "a", node->base, "mine", 0), 0);
    OK(NODE.evict(node, &ref, &err));
    assert_int_equal(entries_in(base, "s/.skep/pool"), 0);
}

/* A writer that was stopped between making its object visible and letting go of it. */
static void reader_keeps_its_deadline(void **state)
{
    skep_node *node = *state;
    skep_ref ref = put_object(node, "k", 2 * MIB, 1);
    int fd = openat(node->dir, "k", O_RDWR | O_CLOEXEC);
    uint64_t by_ns = skep_in_ms(30);
    skep_buf *buf;
    uint32_t how;

    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(NODE.get(node, &ref, 0, &buf, &how, &err), SKEP_ETIMEDOUT);
    assert_int_equal(NODE.get(node, &ref, by_ns, &buf, &how, &err), SKEP_ETIMEDOUT);
    assert_true(skep_now_ns() >= by_ns);
    close(fd);
    check_object(node, &ref, 2 * MIB, 1);
}

/* Every allocation fails once: an error, nothing half-done, nothing lost. */
static void out_of_memory(void **state)
{
    skep_node_opts opts = shared_opts(base, "memory");
    int failed = 0;

    (void)state;
    for (size_t nth = 1;; nth++) {
        skep_node *node = NULL;
        skep_put how = {.size = sizeof how, .by_ns = SKEP_FOREVER};
        char bytes[20000] = "x";
        struct iovec iov = {bytes, sizeof bytes};
        skep_ref ref = ref_of("k"), bare = ref_of("k"), slot_ref = ref_of("slot");
        skep_node_slot *slot = NULL;
        skep_buf *buf = NULL;
        uint32_t said;
        void *memory;
        int rc;

        skepi_alloc_fail_at(nth);
        if ((rc = NODE.open(&opts, &node, &err)) == SKEP_OK && (rc = NODE.put(node, &ref, &iov, 1, &how, &err)) == SKEP_OK &&
            (rc = NODE.get(node, &bare, 0, &buf, &said, &err)) == SKEP_OK &&
            (rc = NODE.reserve(node, &slot_ref, 2 * MIB, SKEP_FOREVER, &slot, &memory, &err)) == SKEP_OK)
            NODE.abort(node, slot);
        skepi_alloc_fail_at(0);
        skep_buf_unref(buf);
        if (node != NULL)
            OK(NODE.evict(node, &ref, &err));
        NODE.close(node, 0);
        assert_int_equal(entries_in(base, "."), 1);
        if (rc == SKEP_OK)
            break;
        assert_int_equal(rc, SKEP_ENOMEM);
        failed++;
    }
    assert_true(failed >= 3);
}

/* A file system that knows neither nameless files nor huge pages. */
static void plain_file_system(void **state)
{
    skep_node *node = *state;

    node->no_tmpfile = 1;
    node->no_huge = 1;
    every_size(state);
    taken_key(state);
    slots(state);
    assert_int_equal(entries_in(base, "s/.skep/tmp"), 0);
}

static void *churn(void *arg)
{
    skep_node *node = *(skep_node **)arg;
    char key[64];

    for (int i = 0; i < 60; i++) {
        size_t size = (size_t)(i % 4) * MIB + 5000;
        skep_ref ref;

        snprintf(key, sizeof key, "%p-%d", arg, i);
        ref = put_object(node, key, size, (uint64_t)(uintptr_t)arg + (uint64_t)i);
        check_object(node, &ref, size, (uint64_t)(uintptr_t)arg + (uint64_t)i);
        OK(NODE.evict(node, &ref, &err));
    }
    return NULL;
}

static void many_threads(void **state)
{
    pthread_t threads[4];
    skep_node *args[4];

    for (int i = 0; i < 4; i++) {
        args[i] = *state;
        assert_int_equal(pthread_create(&threads[i], NULL, churn, &args[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_size, set_up, tear_down),
        cmocka_unit_test_setup_teardown(gathered_and_summed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(mapped_or_copied, set_up, tear_down),
        cmocka_unit_test_setup_teardown(taken_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ranges, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wrong_size_is_corrupt, set_up, tear_down),
        cmocka_unit_test_setup_teardown(evicted_memory_is_warm_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reader_keeps_its_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pool_is_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_pool, set_up, tear_down),
        cmocka_unit_test_setup_teardown(slots, set_up, tear_down),
        cmocka_unit_test_setup_teardown(listing_and_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(waiting, set_up, tear_down),
        cmocka_unit_test_setup_teardown(foreign_things, set_up, tear_down),
        cmocka_unit_test_setup_teardown(linked_elsewhere_is_not_written_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reader_keeps_its_deadline, set_up, tear_down),
        cmocka_unit_test_setup_teardown(out_of_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(plain_file_system, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_threads, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
