/* node_life_test.c - openers come, leave, fork and die: what of a store outlives them, and who may look inside. */
#include "proxy/node/node_testing.h"

#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>

static char base[64];

static int set_up(void **state)
{
    (void)state;
    make_folder(base, "/dev/shm");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    remove_folder(base);
    return 0;
}

/* A process that has a store open and does nothing else until it is killed. */
struct opener {
    pid_t pid;
};

static struct opener start_opener(const char *name, int session, const char *key)
{
    struct opener o;
    char ready;
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    if ((o.pid = fork_bound()) == 0) {
        skep_node_opts opts = shared_opts(base, name);
        skep_node *node;
        skep_ref ref;

        opts.session = session;
        if (NODE.open(&opts, &node, &err) != SKEP_OK || try_put(node, key, 2 * MIB, 1, &ref) != SKEP_OK ||
            write(fds[1], "r", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(fds[1]);
    assert_int_equal(read(fds[0], &ready, 1), 1);
    close(fds[0]);
    return o;
}

static void kill_opener(struct opener o)
{
    int status;

    assert_int_equal(kill(o.pid, SIGKILL), 0);
    assert_int_equal(waitpid(o.pid, &status, 0), o.pid);
    assert_true(WIFSIGNALED(status));
}

static int open_existing(const char *name, skep_node **node)
{
    skep_node_opts opts = shared_opts(base, name);

    opts.existing = 1;
    return NODE.open(&opts, node, &err);
}

static void identity_lasts(void **state)
{
    skep_node *a = open_shared(base, "s"), *b = open_shared(base, "s"), *other = open_shared(base, "other");
    uint64_t id = NODE.id(a);

    (void)state;
    assert_int_not_equal(id, 0);
    assert_int_equal(NODE.id(b), id);
    assert_int_not_equal(NODE.id(other), id);
    put_object(a, "stays", 10, 1);
    NODE.close(a, 0);
    NODE.close(b, 0);
    NODE.close(other, 0);
    a = open_shared(base, "s");
    assert_int_equal(NODE.id(a), id);
    NODE.close(a, 0);
}

static void last_closer_empties_the_pool(void **state)
{
    skep_node *a = open_shared(base, "s"), *b = open_shared(base, "s");
    skep_ref ref = put_object(a, "k", 3 * MIB, 1);

    (void)state;
    put_object(a, "stays", 10, 1);
    OK(NODE.evict(a, &ref, &err));
    NODE.close(a, 0);
    assert_int_equal(entries_in(base, "s/.skep/pool"), 1); /* b may want it */
    NODE.close(b, 0);
    assert_int_equal(entries_in(base, "s/.skep/pool"), 0);
    assert_in_range(bytes_below(base), 1, 65536);
}

static void empty_store_goes(void **state)
{
    skep_node *node = open_shared(base, "s");
    skep_ref ref = put_object(node, "k", 10, 1);

    (void)state;
    NODE.close(node, 0);
    assert_int_equal(open_existing("s", &node), SKEP_OK);
    OK(NODE.name_set(node, "latest", "x", &err));
    OK(NODE.evict(node, &ref, &err));
    NODE.close(node, 0);
    assert_int_equal(open_existing("s", &node), SKEP_OK); /* a name is content too */
    OK(NODE.name_set(node, "latest", NULL, &err));
    NODE.close(node, 0);
    assert_int_equal(entries_in(base, "."), 0);
    assert_int_equal(open_existing("s", &node), SKEP_ENOENT);
    assert_int_equal(entries_in(base, "."), 0);
}

static void session_ends_with_its_last_opener(void **state)
{
    skep_node_opts opts = shared_opts(base, "run");
    skep_node *a, *b;
    skep_ref ref;
    skep_buf *buf;
    uint32_t how;

    (void)state;
    opts.session = 1;
    OK(NODE.open(&opts, &a, &err));
    b = open_shared(base, "run"); /* who joins need not know */
    ref = put_object(b, "k", 3 * MIB, 1);
    NODE.close(b, 0);
    check_object(a, &ref, 3 * MIB, 1);
    OK(NODE.get(a, &ref, 0, &buf, &how, &err));
    NODE.close(a, 0);
    assert_int_equal(entries_in(base, "."), 0);
    assert_true(right_bytes(skep_buf_data(buf), 3 * MIB, 1)); /* what is mapped stays */
    skep_buf_unref(buf);
}

static void killed_session_goes_with_the_next_opener_of_any_store(void **state)
{
    struct opener one = start_opener("run", 1, "a"), two = start_opener("run", 1, "b");
    skep_node *other;

    (void)state;
    kill_opener(one);
    other = open_shared(base, "other");
    assert_int_equal(entries_in(base, "."), 2); /* the other opener lives */
    NODE.close(other, 0);
    kill_opener(two);
    assert_int_equal(entries_in(base, "."), 1);
    other = open_shared(base, "other");
    assert_int_equal(entries_in(base, "."), 1);
    assert_int_equal(entries_in(base, "other"), 1);
    NODE.close(other, 0);
    assert_int_equal(entries_in(base, "."), 0);
}

/* Its directory was removed by hand, and the name is another store's since: that one is not the old opener's to remove. */
static void old_opener_leaves_the_new_store(void **state)
{
    skep_node_opts opts = shared_opts(base, "s");
    skep_node *old, *node;
    char path[128];
    skep_ref ref;

    (void)state;
    opts.session = 1;
    OK(NODE.open(&opts, &old, &err));
    snprintf(path, sizeof path, "%s/s", base);
    remove_folder(path);
    node = open_shared(base, "s");
    ref = put_object(node, "k", 10, 1);
    NODE.close(old, 0);
    check_object(node, &ref, 10, 1);
    NODE.close(node, 0);
}

static void killed_store_keeps_its_objects(void **state)
{
    struct opener one = start_opener("s", 0, "a");
    skep_node *node;
    skep_ref ref = ref_of("a");

    (void)state;
    kill_opener(one);
    node = open_shared(base, "other");
    NODE.close(node, 0);
    node = open_shared(base, "s");
    check_object(node, &ref, 2 * MIB, 1);
    NODE.close(node, 0);
}

static void tell(const skep_garbage *garbage, void *arg)
{
    char *text = arg;
    size_t n = strlen(text);

    snprintf(text + n, 1024 - n, "%s: %s %d MiB; ", strrchr(garbage->path, '/'), garbage->what, (int)(garbage->bytes / MIB));
}

static int add_name(const char *name, void *arg)
{
    char *text = arg;
    size_t n = strlen(text);

    snprintf(text + n, 1024 - n, "%s ", name);
    return 0;
}

static void garbage_is_shown_then_removed(void **state)
{
    struct opener session, plain;
    skep_node *node = open_shared(base, "mine"), *theirs = open_shared(base, "theirs");
    skep_node_opts all = shared_opts(base, "");
    char text[1024] = "", before[1024];
    skep_ref ref = put_object(theirs, "gone", 3 * MIB, 1);
    int fd;

    (void)state;
    session = start_opener("run", 1, "a");
    plain = start_opener("theirs", 0, "b");
    OK(NODE.evict(theirs, &ref, &err));
    assert_true((fd = openat(node->tmp, "left", O_RDWR | O_CREAT | O_CLOEXEC, 0600)) >= 0);
    assert_int_equal(ftruncate(fd, 1), 0);
    OK(NODE.gc(&all, 1, tell, text, &err));
    assert_string_equal(text, "/left: unfinished write 0 MiB; ");
    assert_int_equal(flock(fd, LOCK_EX), 0); /* now it has a writer */
    text[0] = '\0';
    OK(NODE.gc(&all, 1, tell, text, &err));
    assert_string_equal(text, "");
    close(fd);
    kill_opener(session);
    kill_opener(plain);
    NODE.close(theirs, 1); /* as if killed: its lock goes, nothing else */
    OK(NODE.gc(&all, 1, tell, text, &err));
    assert_non_null(strstr(text, "/left: unfinished write 0 MiB"));
    assert_non_null(strstr(text, "/run: store of programs that ended 2 MiB"));
    assert_non_null(strstr(text, "/pool: warm memory of a store that nobody has open 3 MiB"));
    memcpy(before, text, sizeof before);
    text[0] = '\0';
    OK(NODE.gc(&all, 0, tell, text, &err));
    assert_string_equal(text, before); /* looking had changed nothing */
    text[0] = '\0';
    OK(NODE.gc(&all, 0, tell, text, &err));
    assert_string_equal(text, "");
    theirs = open_shared(base, "theirs");
    ref = ref_of("b");
    check_object(theirs, &ref, 2 * MIB, 1);
    NODE.close(theirs, 0);
    NODE.close(node, 0);
}

static void open_it(const skep_garbage *garbage, void *arg)
{
    skep_node_opts opts = shared_opts(base, "s");
    skep_node *node;

    (void)garbage;
    opts.by_ns = skep_in_ms(100);
    OK(NODE.open(&opts, &node, &err));
    NODE.close(node, 0);
    ++*(int *)arg;
}

/* Who hears of garbage may open the very store: no lock is held then. */
static void garbage_is_told_without_a_lock(void **state)
{
    skep_node *node = open_shared(base, "s");
    skep_node_opts all = shared_opts(base, "");
    skep_ref ref = put_object(node, "gone", 3 * MIB, 1);
    int n = 0;

    (void)state;
    put_object(node, "stays", 10, 1);
    OK(NODE.evict(node, &ref, &err));
    NODE.close(node, 1); /* as if killed */
    OK(NODE.gc(&all, 1, open_it, &n, &err));
    assert_int_equal(n, 1);
}

static void stores_are_listed(void **state)
{
    skep_node *a = open_shared(base, "a");
    char text[1024] = "", path[128];

    (void)state;
    snprintf(path, sizeof path, "%s/not-one", base);
    assert_int_equal(mkdir(path, 0700), 0);
    OK(NODE.names(base, add_name, text, &err));
    assert_string_equal(text, "a ");
    NODE.close(a, 0);
    snprintf(path, sizeof path, "%s/missing", base);
    OK(NODE.names(path, add_name, text, &err));
}

static void interrupted_making_and_removing(void **state)
{
    static const char *const hidden[] = {".new-old", ".new-young", ".dead-1"};
    struct timespec old[2] = {{1000000000, 0}, {1000000000, 0}};
    char path[128];
    skep_node *node;

    (void)state;
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", base, hidden[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    snprintf(path, sizeof path, "%s/.new-old", base);
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    node = open_shared(base, "s");
    assert_int_equal(entries_in(base, "."), 2); /* the young one may be somebody's work */
    NODE.close(node, 0);
    snprintf(path, sizeof path, "%s/.new-young", base);
    assert_int_equal(access(path, F_OK), 0);
}

static int child_status(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* A child inherits mappings and descriptors; what it does with them, and its end, must not free what the parent holds. */
static void fork_leaves_the_parents_locks(void **state)
{
    skep_node *node = open_shared(base, "s"), *other = open_shared(base, "s");
    skep_ref ref = put_object(node, "k", 3 * MIB, 1), next;
    skep_node_slot *slot;
    skep_buf *buf;
    uint32_t how;
    void *memory;
    pid_t pid;

    (void)state;
    OK(NODE.evict(node, &ref, &err));
    ref = put_object(node, "k", 3 * MIB, 1); /* now it is kept mapped */
    OK(NODE.get(node, &ref, 0, &buf, &how, &err));
    next = ref_of("slot");
    OK(NODE.reserve(node, &next, 3 * MIB, SKEP_FOREVER, &slot, &memory, &err));
    if ((pid = fork_bound()) == 0) {
        skep_buf_unref(buf);
        NODE.close(node, 1);
        NODE.close(other, 1);
        _exit(0);
    }
    assert_int_equal(child_status(pid), 0);
    fill_bytes(memory, 3 * MIB, 7);
    OK(NODE.commit(node, slot, &next, &err));
    OK(NODE.evict(other, &ref, &err));
    for (int i = 0; i < 3; i++) { /* the child's copy of the reader's lock is gone, the parent's holds */
        skep_ref fresh = put_object(other, "fresh", 3 * MIB, 50);

        OK(NODE.evict(other, &fresh, &err));
    }
    assert_true(right_bytes(skep_buf_data(buf), 3 * MIB, 1));
    check_object(other, &next, 3 * MIB, 7);
    skep_buf_unref(buf);
    OK(NODE.evict(other, &next, &err));
    NODE.close(other, 0);
    assert_int_equal(entries_in(base, "."), 1); /* the parent is still there, though the child left */
    NODE.close(node, 0);
    assert_int_equal(entries_in(base, "."), 0);
}

/* A child that has forgotten about the store, and lives on, is in nobody's way. */
static void child_outlives_the_parents_store(void **state)
{
    skep_node_opts opts = shared_opts(base, "s");
    skep_node *node = open_shared(base, "s");
    skep_ref ref = put_object(node, "k", 3 * MIB, 1);
    int fds[2];
    char byte;
    pid_t pid;

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    if ((pid = fork_bound()) == 0) {
        close(fds[1]);
        _exit(read(fds[0], &byte, 1) == 0 ? 0 : 1); /* until the parent closes its end */
    }
    NODE.close(node, 0);
    opts.by_ns = skep_in_ms(2000);
    OK(NODE.open(&opts, &node, &err));
    check_object(node, &ref, 3 * MIB, 1);
    OK(NODE.evict(node, &ref, &err));
    put_object(node, "k", 3 * MIB, 2);
    OK(NODE.evict(node, &ref, &err));
    NODE.close(node, 0);
    assert_int_equal(entries_in(base, "."), 0);
    close(fds[1]);
    close(fds[0]);
    assert_int_equal(child_status(pid), 0);
}

/* The last closer was stopped while it cleared up; who wants in waits no longer than it said. */
static void opener_keeps_its_deadline(void **state)
{
    skep_node_opts opts = shared_opts(base, "s");
    skep_node *node = open_shared(base, "s");
    int fd;

    (void)state;
    put_object(node, "k", 10, 1);
    NODE.close(node, 0);
    node = NULL;
    {
        char path[128];

        snprintf(path, sizeof path, "%s/s/.skep/lock", base);
        assert_true((fd = open(path, O_RDWR | O_CLOEXEC)) >= 0);
    }
    assert_int_equal(flock(fd, LOCK_EX), 0);
    opts.by_ns = skep_in_ms(30);
    assert_int_equal(NODE.open(&opts, &node, &err), SKEP_ETIMEDOUT);
    assert_true(skep_now_ns() >= opts.by_ns);
    close(fd);
}

static void others_directories_are_refused(void **state)
{
    skep_node_opts opts = shared_opts(base, "s");
    skep_node *node;
    char path[128], target[64];

    (void)state;
    assert_int_equal(chmod(base, 0777), 0);
    assert_int_equal(NODE.open(&opts, &node, &err), SKEP_EDENIED);
    assert_non_null(strstr(err.text, "open to others"));
    assert_int_equal(chmod(base, 0700), 0);

    snprintf(path, sizeof path, "%s/s", base);
    assert_int_equal(mkdir(path, 0755), 0); /* a store that others can look into */
    assert_int_equal(NODE.open(&opts, &node, &err), SKEP_EDENIED);
    assert_int_equal(chmod(path, 0700), 0);
    assert_int_equal(NODE.open(&opts, &node, &err), SKEP_EFORMAT); /* not one of skep's */
    assert_int_equal(rmdir(path), 0);

    make_folder(target, "/dev/shm");
    assert_int_equal(symlink(target, path), 0); /* a link where the store should be */
    assert_int_equal(NODE.open(&opts, &node, &err), SKEP_EDENIED);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(entries_in(target, "."), 0);

    snprintf(path, sizeof path, "%s/link", base);
    assert_int_equal(symlink(target, path), 0); /* a link where the directory of stores should be */
    opts.directory = path;
    assert_int_equal(NODE.open(&opts, &node, &err), SKEP_EDENIED);
    assert_int_equal(entries_in(target, "."), 0);
    remove_folder(target);
}

static void replaced_parts_are_refused(void **state)
{
    skep_node *node = open_shared(base, "s");
    char path[128], target[64];
    skep_node_opts opts = shared_opts(base, "s");

    (void)state;
    put_object(node, "k", 10, 1);
    NODE.close(node, 0);
    make_folder(target, "/dev/shm");
    snprintf(path, sizeof path, "%s/s/.skep/pool", base);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(symlink(target, path), 0);
    assert_int_equal(NODE.open(&opts, &node, &err), SKEP_EDENIED);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s/s/.skep/id", base);
    assert_int_equal(truncate(path, 0), 0);
    snprintf(path, sizeof path, "%s/s/.skep/pool", base);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(NODE.open(&opts, &node, &err), SKEP_EVERSION);
    remove_folder(target);
}

/* The other user tries to get in, and to prepare a trap. */
static void other_user(void **state)
{
    skep_node *node;
    pid_t pid;

    (void)state;
    if (geteuid() != 0) {
        print_message("not run: needs root, to act as a second user\n");
        skip();
    }
    node = open_shared(base, "s");
    put_object(node, "k", 10, 1);
    if ((pid = fork_bound()) == 0) {
        skep_node_opts opts = shared_opts(base, "s");
        skep_node *theirs;

        if (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0)
            _exit(2);
        if (NODE.open(&opts, &theirs, &err) != SKEP_EDENIED)
            _exit(3);
        opts.existing = 1;
        _exit(NODE.open(&opts, &theirs, &err) == SKEP_EDENIED ? 0 : 4);
    }
    assert_int_equal(child_status(pid), 0);
    NODE.close(node, 0);
    assert_int_equal(chown(base, 65534, 65534), 0); /* a directory that another user had made before */
    node = NULL;
    {
        skep_node_opts opts = shared_opts(base, "s");

        assert_int_equal(NODE.open(&opts, &node, &err), SKEP_EDENIED);
        assert_non_null(strstr(err.text, "belongs to user 65534"));
    }
    assert_int_equal(chown(base, 0, 0), 0);
}

/* Openers that find the store, openers that make it, and last ones that take it away, all at once; some are killed. */
static void open_and_close_churn(void **state)
{
    int rounds = getenv("SKEP_TEST_SOAK") != NULL ? 20 : 2;
    skep_node *node;

    (void)state;
    for (int r = 0; r < rounds; r++) {
        pid_t pids[6];

        for (int i = 0; i < 6; i++) {
            if ((pids[i] = fork_bound()) == 0) {
                for (int k = 0; k < 300; k++) {
                    skep_node_opts opts = shared_opts(base, "s");
                    skep_node *mine;
                    skep_ref ref;
                    char key[32];

                    opts.session = k % 2;
                    snprintf(key, sizeof key, "%d-%d", i, k);
                    if (NODE.open(&opts, &mine, &err) != SKEP_OK || try_put(mine, key, 100, 1, &ref) != SKEP_OK ||
                        NODE.exists(mine, &ref, NULL, &err) != SKEP_OK || NODE.evict(mine, &ref, &err) != SKEP_OK) {
                        fprintf(stderr, "churn: %s\n", err.text);
                        _exit(1);
                    }
                    if (i == 5 && k == 50)
                        kill(getpid(), SIGKILL);
                    NODE.close(mine, 0);
                }
                _exit(0);
            }
        }
        for (int i = 0; i < 6; i++)
            assert_int_equal(child_status(pids[i]), i == 5 ? SIGKILL : 0);
    }
    node = open_shared(base, "s");
    NODE.close(node, 0);
    assert_int_equal(entries_in(base, "."), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(identity_lasts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(last_closer_empties_the_pool, set_up, tear_down),
        cmocka_unit_test_setup_teardown(empty_store_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(session_ends_with_its_last_opener, set_up, tear_down),
        cmocka_unit_test_setup_teardown(killed_session_goes_with_the_next_opener_of_any_store, set_up, tear_down),
        cmocka_unit_test_setup_teardown(old_opener_leaves_the_new_store, set_up, tear_down),
        cmocka_unit_test_setup_teardown(killed_store_keeps_its_objects, set_up, tear_down),
        cmocka_unit_test_setup_teardown(garbage_is_shown_then_removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(garbage_is_told_without_a_lock, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stores_are_listed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(interrupted_making_and_removing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fork_leaves_the_parents_locks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(child_outlives_the_parents_store, set_up, tear_down),
        cmocka_unit_test_setup_teardown(opener_keeps_its_deadline, set_up, tear_down),
        cmocka_unit_test_setup_teardown(others_directories_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(replaced_parts_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_user, set_up, tear_down),
        cmocka_unit_test_setup_teardown(open_and_close_churn, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
