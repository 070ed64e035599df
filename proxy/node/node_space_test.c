/* node_space_test.c - a full file system and a small memory cgroup: a clear error with the numbers, and nobody is killed.
 *
 * Needs a mount namespace of its own (root, or user namespaces) for the first, a cgroup that it may write for the second.
 */
#include "proxy/node/node_testing.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

static char base[64];
static int can_mount; /* why not: in no_mount */
static char no_mount[128];

static void spill(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd >= 0) {
        (void)!write(fd, text, strlen(text));
        close(fd);
    }
}

/* From here on this process's mounts are its own. */
static void leave_mounts(void)
{
    char map[64];
    unsigned uid = geteuid(), gid = getegid();

    if (unshare(CLONE_NEWNS | (uid == 0 ? 0 : CLONE_NEWUSER)) != 0) {
        snprintf(no_mount, sizeof no_mount, "no mount namespace: %s", strerror(errno));
        return;
    }
    if (uid != 0) {
        spill("/proc/self/setgroups", "deny");
        snprintf(map, sizeof map, "%u %u 1", uid, uid);
        spill("/proc/self/uid_map", map);
        snprintf(map, sizeof map, "%u %u 1", gid, gid);
        spill("/proc/self/gid_map", map);
    }
    can_mount = mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
    if (!can_mount)
        snprintf(no_mount, sizeof no_mount, "no private mounts: %s", strerror(errno));
}

static void mount_small(const char *options)
{
    if (!can_mount) {
        print_message("not run: %s\n", no_mount);
        skip();
    }
    make_folder(base, "/tmp");
    if (mount("tmpfs", base, "tmpfs", 0, options) != 0) {
        print_message("not run: can't mount a tmpfs: %s\n", strerror(errno));
        remove_folder(base);
        skip();
    }
}

static void unmount_small(void)
{
    assert_int_equal(umount(base), 0);
    remove_folder(base);
}

/* Puts until there is no room, and counts. */
static int fill_up(skep_node *node, size_t size, int most)
{
    char key[32];
    skep_ref ref;
    int n, rc = SKEP_OK;

    for (n = 0; n < most; n++) {
        snprintf(key, sizeof key, "k%zu-%d", size, n);
        if ((rc = try_put(node, key, size, (uint64_t)n, &ref)) != SKEP_OK)
            break;
    }
    assert_int_equal(rc, SKEP_ENOSPC);
    return n;
}

static void check_filled(skep_node *node, size_t size, int n)
{
    for (int i = 0; i < n; i++) {
        char key[32];
        skep_ref ref;

        snprintf(key, sizeof key, "k%zu-%d", size, i);
        ref = ref_of(key);
        check_object(node, &ref, size, (uint64_t)i);
    }
}

static void full_shared_memory(void **state)
{
    skep_node *node;
    skep_ref ref;
    int big, middle, small;

    (void)state;
    mount_small("size=64m,mode=700");
    node = open_shared(base, "s");
    assert_int_equal(try_put(node, "k", 1024 * MIB, 1, &ref), SKEP_ENOSPC);
    assert_non_null(strstr(err.text, "1.0 GiB does not fit: "));
    assert_non_null(strstr(err.text, " of 64 MiB of "));
    assert_non_null(strstr(err.text, base));
    big = fill_up(node, 5 * MIB, 100);
    assert_in_range(big, 11, 12);
    middle = fill_up(node, MIB + 5, 100);
    small = fill_up(node, 5000, 10000);
    assert_true(small > 0);
    assert_non_null(strstr(err.text, "64 MiB of 64 MiB"));
    check_filled(node, 5 * MIB, big);
    check_filled(node, MIB + 5, middle);
    check_filled(node, 5000, small);
    ref = ref_of("k5242880-0"); /* what is evicted makes room, though it is kept warm at first */
    OK(NODE.evict(node, &ref, &err));
    put_object(node, "other", MIB + 5, 3);
    ref = ref_of("k5242880-1");
    OK(NODE.evict(node, &ref, &err));
    assert_true(fill_up(node, 100000, 1000) > 60);
    NODE.close(node, 0);
    unmount_small();
}

static void full_shared_memory_in_place(void **state)
{
    skep_node_slot *slot;
    skep_node *node;
    skep_ref ref = ref_of("k");
    void *memory;

    (void)state;
    mount_small("size=16m,mode=700");
    node = open_shared(base, "s");
    assert_int_equal(NODE.reserve(node, &ref, 17 * MIB, SKEP_FOREVER, &slot, &memory, &err), SKEP_ENOSPC);
    OK(NODE.reserve(node, &ref, 15 * MIB, SKEP_FOREVER, &slot, &memory, &err));
    fill_bytes(memory, 15 * MIB, 1); /* every page of it is there: no signal */
    assert_int_equal(try_put(node, "x", 2 * MIB, 1, &ref), SKEP_ENOSPC);
    OK(NODE.commit(node, slot, &ref, &err));
    NODE.close(node, 0);
    unmount_small();
}

static void no_inodes(void **state)
{
    skep_node *node;

    (void)state;
    mount_small("size=64m,mode=700,nr_inodes=64");
    node = open_shared(base, "s");
    assert_true(fill_up(node, 10, 100) > 10);
    assert_non_null(strstr(err.text, "all 64 of "));
    NODE.close(node, 0);
    unmount_small();
}

static void full_disk(void **state)
{
    skep_node *node;
    skep_ref ref;
    int n;

    (void)state;
    mount_small("size=16m,mode=700");
    node = open_disk(base);
    assert_int_equal(try_put(node, "k", 1024 * MIB, 1, &ref), SKEP_ENOSPC);
    assert_non_null(strstr(err.text, " of 16 MiB of "));
    n = fill_up(node, 3 * MIB, 100);
    assert_int_equal(n, 5);
    assert_true(fill_up(node, 4096, 10000) > 0);
    assert_int_equal(NODE.name_set(node, "latest", "h", &err), SKEP_ENOSPC);
    check_filled(node, 3 * MIB, n);
    assert_int_equal(try_put(node, "named", 3 * MIB, 1, &ref), SKEP_ENOSPC);
    ref = ref_of("named");
    assert_int_equal(NODE.exists(node, &ref, NULL, &err), SKEP_ENOENT);
    node->no_tmpfile = 1;
    ref = ref_of("k3145728-0");
    OK(NODE.evict(node, &ref, &err));
    assert_int_equal(try_put(node, "named", 4 * MIB, 1, &ref), SKEP_ENOSPC);
    assert_int_equal(NODE.exists(node, &ref, NULL, &err), SKEP_ENOENT);
    put_object(node, "named", MIB, 1);
    NODE.close(node, 0);
    unmount_small();
}

/* Two writers want the last room at once: one of them may be told that it is gone, none is killed. */
static void two_writers(void **state)
{
    pid_t pids[2];

    (void)state;
    mount_small("size=32m,mode=700");
    for (int i = 0; i < 2; i++) {
        if ((pids[i] = fork_bound()) == 0) {
            for (int k = 0; k < 12; k++) {
                skep_node *node = open_shared(base, "s");
                skep_ref ref;
                char key[32];
                int rc;

                snprintf(key, sizeof key, "%d-%d", i, k);
                rc = try_put(node, key, 20 * MIB, 1, &ref);
                if ((rc != SKEP_OK && rc != SKEP_ENOSPC) || (rc == SKEP_OK && NODE.evict(node, &ref, &err) != SKEP_OK))
                    _exit(1);
                NODE.close(node, 0);
            }
            _exit(0);
        }
    }
    for (int i = 0; i < 2; i++) {
        int status;

        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    unmount_small();
}

/* Nothing of what was evicted is held beyond the pool's bytes: neither in the pool nor by a mapping. */
static void pool_is_bounded(void **state)
{
    skep_node_opts opts;
    skep_node_slot *slot;
    skep_node *node;
    skep_ref ref;
    void *memory;

    (void)state;
    make_folder(base, "/dev/shm");
    opts = shared_opts(base, "s");
    opts.pool_bytes = 8 * MIB;
    OK(NODE.open(&opts, &node, &err));
    for (int i = 0; i < 4; i++) {
        uint64_t held = 0;
        char key[8];

        snprintf(key, sizeof key, "k%d", i);
        ref = ref_of(key);
        OK(NODE.reserve(node, &ref, 3 * MIB, SKEP_FOREVER, &slot, &memory, &err));
        OK(NODE.commit(node, slot, &ref, &err));
        for (int k = 0; k < node->n_kept; k++)
            held += node->kept[k].map_size;
        assert_in_range(held, 3 * MIB, 8 * MIB);
    }
    OK(NODE.evict(node, &ref, &err));
    ref = ref_of("aborted"); /* what it took from the pool has grown too big for it */
    OK(NODE.reserve(node, &ref, 16 * MIB, SKEP_FOREVER, &slot, &memory, &err));
    assert_int_equal(entries_in(base, "s/.skep/pool"), 1);
    NODE.abort(node, slot);
    assert_int_equal(entries_in(base, "s/.skep/pool"), 0);
    assert_in_range(node->n_kept, 0, 2);
    NODE.close(node, 0);
    remove_folder(base);
}

/* A put above the limit of a file's size is an error, not a signal. */
static void file_size_limit(void **state)
{
    struct rlimit old, few = {.rlim_cur = 2 * MIB, .rlim_max = RLIM_INFINITY};
    char path[64];
    skep_node *nodes[2];
    skep_node_slot *slot;
    skep_ref ref;
    void *memory;

    (void)state;
    make_folder(base, "/dev/shm");
    make_folder(path, "/tmp");
    nodes[0] = open_shared(base, "s");
    nodes[1] = open_disk(path);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    few.rlim_max = old.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &few), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(try_put(nodes[i], "big", 2 * MIB + 1, 1, &ref), SKEP_ETOOBIG);
        assert_non_null(strstr(err.text, "2.0 MiB (ulimit -f)"));
        put_object(nodes[i], "fits", 2 * MIB, 1);
    }
    ref = ref_of("slot");
    assert_int_equal(NODE.reserve(nodes[0], &ref, 5 * MIB, SKEP_FOREVER, &slot, &memory, &err), SKEP_ETOOBIG);
    few.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &few), 0);
    assert_int_equal(NODE.name_set(nodes[0], "latest", "h", &err), SKEP_ETOOBIG);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    NODE.close(nodes[1], 0);
    NODE.close(nodes[0], 0);
    remove_folder(path);
    remove_folder(base);
}

/* ---- a memory cgroup ---- */

static char group[256];

static void enter_group(void)
{
    char path[300], pid[32];

    snprintf(path, sizeof path, "%s/cgroup.procs", group);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    spill(path, pid);
}

/* A child group of this process's own, with a limit; version 1 or 2, whichever can be had. */
static int make_group(const char *limit)
{
    struct skepi_cgroup at[2];
    char path[300];

    skepi_cgroup_find("", at);
    for (int i = 0; i < 2; i++) {
        if (at[i].version == 0)
            continue;
        snprintf(group, sizeof group, "%.200s/skep-test-%d", at[i].path, (int)getpid());
        if (mkdir(group, 0700) != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", group, i == 0 ? "memory.limit_in_bytes" : "memory.max");
        spill(path, limit);
        if (access(path, W_OK) == 0)
            return 1;
        rmdir(group);
    }
    return 0;
}

#ifdef __SANITIZE_THREAD__ /* gcc */
#define THREAD_SANITIZER
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) /* clang */
#define THREAD_SANITIZER
#endif
#endif

static void in_group(void (*func)(void), const char *limit)
{
    int status = -1;
    pid_t pid;

#ifdef THREAD_SANITIZER
    print_message("not run: the sanitizer's own memory, four times the data, is charged to the group\n");
    skip();
#endif
    if (!make_group(limit)) {
        print_message("not run: no memory cgroup that may be written\n");
        skip();
    }
    make_folder(base, "/dev/shm");
    if ((pid = fork_bound()) == 0) {
        enter_group();
        func();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    remove_folder(base);
    for (int i = 0; rmdir(group) != 0 && i < 1000; i++)
        usleep(1000);
    assert_int_equal(status, 0); /* neither killed, nor a check of the child's failed */
}

#define CHECK(condition)                                                                                                    \
    do {                                                                                                                    \
        if (!(condition)) {                                                                                                 \
            fprintf(stderr, "line %d: %s (%s)\n", __LINE__, #condition, err.text);                                          \
            _exit(1);                                                                                                       \
        }                                                                                                                   \
    } while (0)

/* No help of cmocka here: it jumps, in a child. The sources are small: what the test itself uses counts too. */
static int put_plain(skep_node *node, const char *key, size_t size)
{
    static char page[65536];
    struct iovec iov[1024];
    skep_put how = {.size = sizeof how, .by_ns = SKEP_FOREVER};
    skep_ref ref = ref_of(key);
    int n = (int)(size / sizeof page);

    memset(page, 7, sizeof page);
    for (int i = 0; i < n; i++)
        iov[i] = (struct iovec){page, sizeof page};
    if (n == 0)
        iov[n++] = (struct iovec){page, size};
    return NODE.put(node, &ref, iov, n, &how, &err);
}

static int put_until_full(skep_node *node, size_t size, int most)
{
    char key[64];
    int n, rc = SKEP_OK;

    for (n = 0; n < most && rc == SKEP_OK; n++) {
        snprintf(key, sizeof key, "k%zu-%d", size, n);
        rc = put_plain(node, key, size);
    }
    CHECK(rc == SKEP_ENOSPC);
    CHECK(strstr(err.text, "cgroup") != NULL);
    CHECK(strstr(err.text, " of 64 MiB of ") != NULL);
    return n - 1;
}

static void small_group(void)
{
    skep_node_opts opts = shared_opts(base, "s");
    skep_node_slot *slot;
    skep_node *node = NULL;
    skep_ref ref = ref_of("slot"), one;
    void *memory;
    int n;

    CHECK(NODE.open(&opts, &node, &err) == SKEP_OK);
    CHECK(NODE.reserve(node, &ref, 1024 * MIB, SKEP_FOREVER, &slot, &memory, &err) == SKEP_ENOSPC);
    CHECK(strstr(err.text, "1.0 GiB does not fit: ") != NULL);
    CHECK(NODE.reserve(node, &ref, 20 * MIB, SKEP_FOREVER, &slot, &memory, &err) == SKEP_OK);
    memset(memory, 1, 20 * MIB);
    CHECK(NODE.commit(node, slot, &ref, &err) == SKEP_OK);
    n = put_until_full(node, 8 * MIB, 100);
    CHECK(n >= 2 && n <= 5);
    put_until_full(node, MIB, 100);
    one = ref_of("k1048576-0");
    CHECK(NODE.evict(node, &one, &err) == SKEP_OK); /* into the pool; but the pool makes room */
    CHECK(put_until_full(node, 4096, 100000) > 100);
    CHECK(NODE.evict(node, &ref, &err) == SKEP_OK);
    CHECK(put_until_full(node, 64 * 1024, 1000) > 200);
    NODE.close(node, 0);
}

static void memory_cgroup(void **state)
{
    (void)state;
    in_group(small_group, "67108864");
}

/* What is in the page cache of the group's files is room: the kernel takes it back. */
static void group_full_of_cache(void)
{
    static char bytes[MIB];
    char path[128];
    skep_node_opts opts = shared_opts(base, "s");
    skep_node *node = NULL;
    int fd;

    snprintf(path, sizeof path, "/tmp/skep-test-cache-%d", (int)getpid());
    CHECK((fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) >= 0);
    unlink(path);
    for (int i = 0; i < 100; i++)
        CHECK(write(fd, bytes, sizeof bytes) == (ssize_t)sizeof bytes);
    CHECK(fsync(fd) == 0);
    CHECK(NODE.open(&opts, &node, &err) == SKEP_OK);
    CHECK(put_plain(node, "k", 32 * MIB) == SKEP_OK);
    NODE.close(node, 0);
    close(fd);
}

static void memory_cgroup_with_cache(void **state)
{
    (void)state;
    in_group(group_full_of_cache, "67108864");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_shared_memory),
        cmocka_unit_test(full_shared_memory_in_place),
        cmocka_unit_test(no_inodes),
        cmocka_unit_test(full_disk),
        cmocka_unit_test(two_writers),
        cmocka_unit_test(pool_is_bounded),
        cmocka_unit_test(file_size_limit),
        cmocka_unit_test(memory_cgroup),
        cmocka_unit_test(memory_cgroup_with_cache),
    };

    leave_mounts();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
