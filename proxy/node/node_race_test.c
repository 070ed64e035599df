/* node_race_test.c - what others do in the worst moment: between a file's being opened and its being locked.
 *
 * The program is linked with flock, renameat and other calls wrapped, so that a test can act just before a chosen lock is
 * asked for or a file is renamed, and can let a directory be unreadable.
 */
#include "proxy/node/node_testing.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <sys/wait.h>

int __real_flock(int fd, int how);
int __wrap_flock(int fd, int how);

static char base[64];
static void (*act)(void *); /* once, before the next lock of the kind `act_how` */
static void *act_arg;
static int act_how, skip_first;

int __wrap_flock(int fd, int how)
{
    void (*now)(void *) = act;

    if (now != NULL && how == act_how && skip_first-- == 0) {
        act = NULL;
        now(act_arg);
    }
    return __real_flock(fd, how);
}

static void before_lock(int how, void (*func)(void *), void *arg)
{
    act_how = how;
    act_arg = arg;
    skip_first = 0;
    act = func;
}

int __real_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to);
static void (*before_rename)(void *); /* once */

int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    void (*now)(void *) = before_rename;

    before_rename = NULL;
    if (now != NULL)
        now(act_arg);
    return __real_renameat(from_dir, from, to_dir, to);
}

struct dirent *__real_readdir(DIR *dir);
struct dirent *__wrap_readdir(DIR *dir);
static int readdir_fails;

struct dirent *__wrap_readdir(DIR *dir)
{
    if (readdir_fails) {
        errno = EIO;
        return NULL;
    }
    return __real_readdir(dir);
}

int __real_fallocate(int fd, int mode, off_t at, off_t size);
int __wrap_fallocate(int fd, int mode, off_t at, off_t size);
static off_t interrupted_from = INT64_MAX; /* a call for so much is interrupted by a timer before it is done */

int __wrap_fallocate(int fd, int mode, off_t at, off_t size)
{
    if (size >= interrupted_from) {
        errno = EINTR;
        return -1;
    }
    return __real_fallocate(fd, mode, at, size);
}

int __real_fstatfs(int fd, struct statfs *out);
int __wrap_fstatfs(int fd, struct statfs *out);
static int on_nfs;

int __wrap_fstatfs(int fd, struct statfs *out)
{
    int rc = __real_fstatfs(fd, out);

    if (on_nfs)
        out->f_type = 0x6969;
    return rc;
}

void *__real_mmap(void *addr, size_t size, int prot, int flags, int fd, off_t at);
void *__wrap_mmap(void *addr, size_t size, int prot, int flags, int fd, off_t at);
static int no_mappings;

void *__wrap_mmap(void *addr, size_t size, int prot, int flags, int fd, off_t at)
{
    if (no_mappings && fd >= 0) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return __real_mmap(addr, size, prot, flags, fd, at);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
static int syncs;

int __wrap_fsync(int fd)
{
    syncs++;
    return __real_fsync(fd);
}

static int set_up(void **state)
{
    make_folder(base, "/dev/shm");
    *state = open_shared(base, "s");
    return 0;
}

static int tear_down(void **state)
{
    act = NULL;
    before_rename = NULL;
    readdir_fails = on_nfs = no_mappings = 0;
    interrupted_from = INT64_MAX;
    NODE.close(*state, 0);
    remove_folder(base);
    return 0;
}

static ino_t inode_of(skep_node *node, const char *key)
{
    struct stat st;

    assert_int_equal(fstatat(node->dir, key, &st, 0), 0);
    return st.st_ino;
}

static void write_over_as_b(void *arg)
{
    skep_ref a = ref_of("a");
    ino_t before = inode_of(arg, "a");

    OK(NODE.evict(arg, &a, &err));
    put_object(arg, "b", 2 * MIB, 2);
    assert_int_equal(inode_of(arg, "b"), before); /* else this test tests nothing */
}

static void write_over_as_a(void *arg)
{
    skep_ref a = ref_of("a");
    ino_t before = inode_of(arg, "a");

    OK(NODE.evict(arg, &a, &err));
    put_object(arg, "a", 2 * MIB - 9, 3);
    assert_int_equal(inode_of(arg, "a"), before);
}

static void reader_opens_then_another_object_is_there(void **state)
{
    skep_node *node = *state, *other = open_shared(base, "s");
    skep_ref a = put_object(other, "a", 2 * MIB, 1);
    skep_buf *buf;
    uint32_t how;
    char byte;

    before_lock(LOCK_SH | LOCK_NB, write_over_as_b, other);
    assert_int_equal(NODE.get(node, &a, skep_in_ms(1000), &buf, &how, &err), SKEP_ENOENT);
    assert_null(act);
    a = ref_of("b");
    check_object(node, &a, 2 * MIB, 2);
    OK(NODE.evict(node, &a, &err));
    a = put_object(other, "a", 2 * MIB, 1);
    before_lock(LOCK_SH | LOCK_NB, write_over_as_b, other);
    assert_int_equal(NODE.read(node, &a, 0, 1, &byte, skep_in_ms(1000), &err), SKEP_ENOENT);
    assert_null(act);
    NODE.close(other, 0);
}

static void reader_opens_then_the_key_has_new_bytes(void **state)
{
    skep_node *node = *state, *other = open_shared(base, "s");
    skep_ref a = ref_of("a");

    put_object(other, "a", 2 * MIB, 1);
    before_lock(LOCK_SH | LOCK_NB, write_over_as_a, other);
    check_object(node, &a, 2 * MIB - 9, 3);
    assert_null(act);
    NODE.close(other, 0);
}

static void put_c(void *arg)
{
    put_object(arg, "c", 2 * MIB, 4);
}

static void writer_opens_a_segment_that_another_takes(void **state)
{
    skep_node *node = *state, *other = open_shared(base, "s");
    skep_ref a = put_object(node, "a", 2 * MIB, 1);

    OK(NODE.evict(node, &a, &err));
    before_lock(LOCK_EX | LOCK_NB, put_c, other);
    a = put_object(node, "a", 2 * MIB, 5);
    assert_null(act);
    check_object(node, &a, 2 * MIB, 5);
    a = ref_of("c");
    check_object(node, &a, 2 * MIB, 4);
    NODE.close(other, 0);
}

static void dispose_meets_a_segment_that_another_takes(void **state)
{
    skep_node *node = *state, *other = open_shared(base, "s");
    skep_ref a = put_object(node, "a", 2 * MIB, 1);

    OK(NODE.evict(node, &a, &err));
    before_lock(LOCK_EX | LOCK_NB, put_c, other);
    skepi_pool_trim(node, 0, 0);
    assert_null(act);
    a = ref_of("c");
    check_object(node, &a, 2 * MIB, 4);
    NODE.close(other, 0);
}

#define SMALL (MIB / 2)
static skep_buf *small_reader;

/* Another process evicts the big object, puts a small one under its key, and reads that. */
static void take_its_place(void *arg)
{
    skep_node *node = arg;
    skep_ref a = ref_of("a");
    uint32_t how;

    assert_int_equal(unlinkat(node->dir, "a", 0), 0);
    put_object(node, "a", SMALL, 9);
    OK(NODE.get(node, &a, 0, &small_reader, &how, &err));
    assert_int_equal(how, SKEP_HOW_MAPPED);
}

/* Its readers hold no lock, so it is neither written over nor emptied. */
static void a_small_object_is_evicted_for_a_big_one(void **state)
{
    skep_node *node = *state;
    skep_ref a;

    for (int empty = 0; empty < 2; empty++) {
        a = put_object(node, "a", 4 * MIB, 1);
        act_arg = node;
        before_rename = take_its_place;
        OK(NODE.evict(node, &a, &err));
        assert_null(before_rename);
        if (empty)
            skepi_pool_trim(node, 0, 0);
        else
            put_object(node, "next", 3 * MIB, 2);
        assert_true(right_bytes(skep_buf_data(small_reader), SMALL, 9));
        skep_buf_unref(small_reader);
    }
}

static int see_entry(const skep_entry *entry, void *arg)
{
    (void)entry;
    ++*(int *)arg;
    return 0;
}

static void unreadable_is_not_empty(void **state)
{
    skep_node *node = *state;
    int n = 0;

    put_object(node, "a", 10, 1);
    readdir_fails = 1;
    assert_int_equal(NODE.list(node, see_entry, &n, &err), SKEP_EIO);
    NODE.close(node, 0); /* it looks empty, but who knows */
    readdir_fails = 0;
    *state = node = open_shared(base, "s");
    check_object(node, &(skep_ref){.key = "a", .size_bytes = 10}, 10, 1);
}

static void close_it(void *arg)
{
    NODE.close(arg, 0);
}

static void opener_meets_the_last_closer(void **state)
{
    skep_node *last = open_shared(base, "t"), *node;
    uint64_t id = NODE.id(last);
    skep_ref ref;

    (void)state;
    before_lock(LOCK_SH | LOCK_NB, close_it, last);
    node = open_shared(base, "t"); /* what it had found is gone: it makes one */
    assert_null(act);
    assert_int_not_equal(NODE.id(node), id);
    ref = put_object(node, "a", 10, 1);
    check_object(node, &ref, 10, 1);
    OK(NODE.evict(node, &ref, &err));
    NODE.close(node, 0);
    assert_int_equal(entries_in(base, "."), 1);
}

static void existing_only_meets_the_last_closer(void **state)
{
    skep_node_opts opts = shared_opts(base, "t");
    skep_node *last = open_shared(base, "t"), *node;

    (void)state;
    opts.existing = 1;
    before_lock(LOCK_SH | LOCK_NB, close_it, last);
    assert_int_equal(NODE.open(&opts, &node, &err), SKEP_ENOENT);
    assert_null(act);
}

static void be_killed_while_removing(void *arg)
{
    skep_node *last = arg;

    assert_int_equal(renameat(last->base, "t", last->base, ".dead-t"), 0);
    NODE.close(last, 1);
}

static void opener_meets_a_killed_closer(void **state)
{
    skep_node *last = open_shared(base, "t"), *node;
    uint64_t id = NODE.id(last);

    (void)state;
    before_lock(LOCK_SH | LOCK_NB, be_killed_while_removing, last);
    node = open_shared(base, "t");
    assert_null(act);
    assert_int_not_equal(NODE.id(node), id);
    NODE.close(node, 0);
    node = open_shared(base, "t"); /* which also finishes the removal */
    NODE.close(node, 0);
    assert_int_equal(entries_in(base, "."), 1);
}

static skep_node *came;

static void open_t(void *arg)
{
    (void)arg;
    came = open_shared(base, "t");
}

static void closer_meets_an_opener(void **state)
{
    skep_node *node = open_shared(base, "t");
    skep_ref ref;

    (void)state;
    before_lock(LOCK_EX | LOCK_NB, open_t, NULL);
    NODE.close(node, 0);
    assert_null(act);
    ref = put_object(came, "a", 10, 1); /* the store is still there, under its name */
    node = open_shared(base, "t");
    check_object(node, &ref, 10, 1);
    NODE.close(came, 0);
    OK(NODE.evict(node, &ref, &err));
    NODE.close(node, 0);
}

static void a_timer_interrupts(void **state)
{
    skep_node *node = *state;
    skep_node_slot *slot;
    skep_ref ref = ref_of("a");
    void *memory;

    node->no_huge = 1;
    interrupted_from = 5 * MIB;
    OK(NODE.reserve(node, &ref, 16 * MIB, skep_in_ms(20000), &slot, &memory, &err));
    fill_bytes(memory, 16 * MIB, 1);
    OK(NODE.commit(node, slot, &ref, &err));
    check_object(node, &ref, 16 * MIB, 1);
    interrupted_from = 1;
    ref = ref_of("b");
    assert_int_equal(NODE.reserve(node, &ref, 16 * MIB, skep_in_ms(20), &slot, &memory, &err), SKEP_ETIMEDOUT);
}

static void no_more_mappings(void **state)
{
    skep_node *node = *state;
    skep_ref ref = put_object(node, "a", 3 * MIB, 1);
    skep_buf *buf;
    uint32_t how;

    no_mappings = 1;
    OK(NODE.get(node, &ref, 0, &buf, &how, &err));
    assert_int_equal(how, 0);
    assert_true(right_bytes(skep_buf_data(buf), 3 * MIB, 1));
    skep_buf_unref(buf);
}

/* On a network file system another host's writer may hold a lock that is not seen here. */
static void unfinished_on_a_network_file_system(void **state)
{
    struct timespec old[2] = {{1000000000, 0}, {1000000000, 0}};
    char path[64];
    skep_node *node;
    int fd;

    (void)state;
    make_folder(path, "/tmp");
    on_nfs = 1;
    node = open_disk(path);
    OK(NODE.name_set(node, "latest", "h", &err)); /* makes .skep */
    assert_true((fd = openat(node->tmp, "theirs", O_RDWR | O_CREAT | O_CLOEXEC, 0444)) >= 0);
    NODE.close(open_disk(path), 0);
    assert_int_equal(entries_in(path, ".skep/tmp"), 1);
    assert_int_equal(futimens(fd, old), 0);
    NODE.close(open_disk(path), 0);
    assert_int_equal(entries_in(path, ".skep/tmp"), 0);
    close(fd);
    NODE.close(node, 0);
    remove_folder(path);
}

/* The file, the directory of the names, and the first time the two above it. */
static void synced_names(void **state)
{
    char path[64];
    skep_node *node;

    (void)state;
    make_folder(path, "/tmp");
    node = open_disk(path);
    node->sync = 1;
    syncs = 0;
    OK(NODE.name_set(node, "latest", "h", &err));
    assert_int_equal(syncs, 4);
    OK(NODE.name_set(node, "latest", "i", &err));
    assert_int_equal(syncs, 6);
    OK(NODE.name_set(node, "latest", NULL, &err));
    assert_int_equal(syncs, 7);
    NODE.close(node, 0);
    remove_folder(path);
}

static pid_t child;

static void fork_now(void *arg)
{
    (void)arg;
    if ((child = fork_bound()) == 0)
        for (;;)
            pause();
}

/* Another thread forks while an opener looks through a store that nobody has open: the child knows nothing of its lock. */
static void forked_while_a_lock_is_held(void **state)
{
    skep_node *node = open_shared(base, "t");
    skep_node_opts opts = shared_opts(base, "t");

    (void)state;
    put_object(node, "a", 10, 1);
    NODE.close(node, 0);
    before_lock(LOCK_EX | LOCK_NB, fork_now, NULL);
    NODE.close(open_shared(base, "u"), 0);
    assert_null(act);
    opts.by_ns = skep_in_ms(100);
    assert_int_equal(NODE.open(&opts, &node, &err), SKEP_OK);
    NODE.close(node, 0);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static void reap(void *arg)
{
    skep_node *node = arg;

    skepi_tmp_reap(node->tmp, "", 1, NULL, NULL);
}

static void writer_meets_who_tidies_up(void **state)
{
    skep_node *node = *state;
    skep_ref ref;

    node->no_tmpfile = 1;
    before_lock(LOCK_EX | LOCK_NB, reap, node);
    ref = put_object(node, "a", 100, 1);
    assert_null(act);
    check_object(node, &ref, 100, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reader_opens_then_another_object_is_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reader_opens_then_the_key_has_new_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(writer_opens_a_segment_that_another_takes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(dispose_meets_a_segment_that_another_takes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_small_object_is_evicted_for_a_big_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unreadable_is_not_empty, set_up, tear_down),
        cmocka_unit_test_setup_teardown(forked_while_a_lock_is_held, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_timer_interrupts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(synced_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_more_mappings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unfinished_on_a_network_file_system, set_up, tear_down),
        cmocka_unit_test_setup_teardown(opener_meets_the_last_closer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(existing_only_meets_the_last_closer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(opener_meets_a_killed_closer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(closer_meets_an_opener, set_up, tear_down),
        cmocka_unit_test_setup_teardown(writer_meets_who_tidies_up, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
