/* node_disk_test.c - the same engine on a directory of a disk: plain files that others can use, and files that others made.
 */
#include "proxy/node/node_testing.h"

#include <sys/wait.h>

static char base[64]; /* of the test */
static char path[96]; /* of the store: made by its opener */

static int set_up(void **state)
{
    make_folder(base, "/tmp");
    snprintf(path, sizeof path, "%s/store", base);
    *state = open_disk(path);
    return 0;
}

static int tear_down(void **state)
{
    NODE.close(*state, 0);
    remove_folder(base);
    return 0;
}

static void look_at(const char *key, struct stat *st)
{
    char full[512];

    snprintf(full, sizeof full, "%s/%s", path, key);
    assert_int_equal(lstat(full, st), 0);
}

static void write_foreign(const char *key, size_t size, uint64_t seed, mode_t mode)
{
    char full[512];
    char *bytes = malloc(size);
    FILE *f;

    snprintf(full, sizeof full, "%s/%s", path, key);
    fill_bytes(bytes, size, seed);
    assert_non_null(f = fopen(full, "we"));
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(full, mode), 0);
    free(bytes);
}

static uint32_t get_how(skep_node *node, const char *key, size_t size, uint64_t seed)
{
    skep_ref ref = ref_of(key);
    uint32_t how = 99;
    skep_buf *buf;

    OK(NODE.get(node, &ref, 0, &buf, &how, &err));
    assert_int_equal(skep_buf_size(buf), size);
    assert_int_equal((uintptr_t)skep_buf_data(buf) % 64, 0);
    assert_true(right_bytes(skep_buf_data(buf), size, seed));
    skep_buf_unref(buf);
    return how;
}

static void objects_are_plain_files(void **state)
{
    static const size_t sizes[] = {0, 1, 16384, 16385, 1000000, 5 * MIB + 3};
    skep_node *node = *state;
    mode_t old = umask(022);
    struct stat st;

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char full[128];
        char *bytes = malloc(sizes[i] + 1);
        FILE *f;

        put_object(node, "model.safetensors", sizes[i], i);
        look_at("model.safetensors", &st);
        assert_true(S_ISREG(st.st_mode));
        assert_int_equal(st.st_mode & 07777, 0444);
        assert_int_equal(st.st_size, sizes[i]);
        snprintf(full, sizeof full, "%s/model.safetensors", path);
        assert_non_null(f = fopen(full, "re"));
        assert_int_equal(fread(bytes, 1, sizes[i] + 1, f), sizes[i]);
        assert_true(right_bytes(bytes, sizes[i], i));
        fclose(f);
        free(bytes);
        assert_int_equal(get_how(node, "model.safetensors", sizes[i], i), sizes[i] > 16384 ? SKEP_HOW_MAPPED : 0);
        assert_int_equal(entries_in(path, "."), 1); /* and nothing else */
        OK(NODE.evict(node, &(skep_ref){.key = "model.safetensors"}, &err));
    }
    umask(old);
}

static void umask_is_honoured(void **state)
{
    mode_t old = umask(077);
    struct stat st;

    put_object(*state, "mine", 100, 1);
    umask(old);
    look_at("mine", &st);
    assert_int_equal(st.st_mode & 07777, 0400);
}

static void foreign_files_are_read(void **state)
{
    skep_node *node = *state;
    char key[SKEP_KEY_MAX];

    write_foreign("weights v2, final.bin", 100000, 5, 0644);
    assert_int_equal(get_how(node, "weights v2, final.bin", 100000, 5), 0); /* somebody may still write to it: a copy */
    memset(key, 'k', SKEP_KEY_MAX - 1);
    key[SKEP_KEY_MAX - 1] = '\0';
    write_foreign(key, 10, 6, 0600);
    assert_int_equal(get_how(node, key, 10, 6), 0);
    OK(NODE.evict(node, &(skep_ref){.key = "weights v2, final.bin"}, &err));
}

static void mapping_is_a_choice(void **state)
{
    skep_node *node = *state;

    put_object(node, "ours", 100000, 1);
    write_foreign("theirs", 100000, 2, 0644);
    node->map = SKEP_NODE_MAP_OFF;
    assert_int_equal(get_how(node, "ours", 100000, 1), 0);
    node->map = SKEP_NODE_MAP_ON;
    assert_int_equal(get_how(node, "theirs", 100000, 2), SKEP_HOW_MAPPED);
    node->map = SKEP_NODE_MAP_AUTO;
    assert_int_equal(get_how(node, "ours", 100000, 1), SKEP_HOW_MAPPED);
    node->remote = 1; /* as on a network file system */
    assert_int_equal(get_how(node, "ours", 100000, 1), 0);
    put_object(node, "sent", 100000, 3);
    assert_int_equal(get_how(node, "sent", 100000, 3), 0);
}

static void synced(void **state)
{
    skep_node *node = *state;
    skep_ref ref;

    node->sync = 1;
    ref = put_object(node, "safe", 100000, 3);
    check_object(node, &ref, 100000, 3);
    node->no_tmpfile = 1;
    ref = put_object(node, "safe too", 100000, 3);
    check_object(node, &ref, 100000, 3);
}

static void links_are_not_followed(void **state)
{
    skep_node *node = *state;
    skep_ref ref = ref_of("link");
    skep_buf *buf;
    uint32_t how;
    char byte, full[128], other[96];

    snprintf(full, sizeof full, "%s/link", path);
    assert_int_equal(symlink("/etc/passwd", full), 0);
    assert_int_equal(NODE.get(node, &ref, 0, &buf, &how, &err), SKEP_EDENIED);
    assert_int_equal(NODE.read(node, &ref, 0, 1, &byte, 0, &err), SKEP_EDENIED);
    assert_int_equal(NODE.exists(node, &ref, NULL, &err), SKEP_ENOENT);
    ref.size_bytes = 5;
    assert_int_equal(NODE.get(node, &ref, 0, &buf, &how, &err), SKEP_EDENIED);

    snprintf(other, sizeof other, "%s/other", base);
    assert_int_equal(mkdir(other, 0700), 0);
    snprintf(full, sizeof full, "%s/.skep", path);
    assert_int_equal(symlink(other, full), 0);
    node->no_tmpfile = 1;
    assert_int_equal(try_put(node, "k", 10, 1, &ref), SKEP_EDENIED);
    assert_int_equal(NODE.name_set(node, "latest", "h", &err), SKEP_EDENIED);
    assert_int_equal(entries_in(other, "."), 0);
}

static void reader_keeps_its_bytes(void **state)
{
    skep_node *node = *state;
    skep_ref ref = put_object(node, "k", 3 * MIB, 1);
    skep_buf *buf;
    uint32_t how;

    OK(NODE.get(node, &ref, 0, &buf, &how, &err));
    OK(NODE.evict(node, &ref, &err));
    put_object(node, "k", 3 * MIB, 2);
    assert_true(right_bytes(skep_buf_data(buf), 3 * MIB, 1));
    skep_buf_unref(buf);
}

/* What is hidden in the store is made when it is first needed, by whoever it is. */
static void names_made_by_another(void **state)
{
    skep_node *node = *state, *other = open_disk(path);
    char out[SKEP_HANDLE_MAX];

    assert_int_equal(NODE.name_get(other, "latest", out, sizeof out, &err), SKEP_ENOENT);
    OK(NODE.name_set(other, "latest", NULL, &err));
    assert_int_equal(entries_in(path, "."), 0);
    OK(NODE.name_set(node, "latest", "file:///x#k=1", &err));
    OK(NODE.name_get(other, "latest", out, sizeof out, &err));
    assert_string_equal(out, "file:///x#k=1");
    NODE.close(other, 0);
}

static void leftovers_are_cleared(void **state)
{
    skep_node *node = *state;
    skep_node_opts opts = {.size = sizeof opts, .directory = path};
    int fd, n = 0;

    OK(NODE.name_set(node, "latest", "h", &err)); /* makes .skep */
    assert_true((fd = openat(node->tmp, "dead", O_RDWR | O_CREAT | O_CLOEXEC, 0444)) >= 0);
    close(fd);
    OK(NODE.gc(&opts, 1, NULL, &n, &err));
    assert_int_equal(entries_in(path, ".skep/tmp"), 1);
    NODE.close(open_disk(path), 0);
    assert_int_equal(entries_in(path, ".skep/tmp"), 0);
}

static void opening(void **state)
{
    skep_node_opts opts = {.size = sizeof opts, .by_ns = skep_in_ms(20000)};
    skep_node *node;
    char full[128];

    (void)state;
    snprintf(full, sizeof full, "%s/missing", base);
    opts.directory = full;
    opts.existing = 1;
    assert_int_equal(NODE.open(&opts, &node, &err), SKEP_ENOENT);
    snprintf(full, sizeof full, "%s/no/such", base);
    opts.existing = 0;
    assert_int_equal(NODE.open(&opts, &node, &err), SKEP_ENOENT);
    snprintf(full, sizeof full, "%s/plain", base);
    close(open(full, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_int_not_equal(NODE.open(&opts, &node, &err), SKEP_OK);
    assert_non_null(strstr(err.text, full));
    snprintf(full, sizeof full, "%s/linked", base); /* a link that the user names is the user's own */
    assert_int_equal(symlink(path, full), 0);
    OK(NODE.open(&opts, &node, &err));
    NODE.close(node, 0);
}

/* A directory that this user may read only: its files can be got, and nothing is made in it. */
static void read_only_directory(void **state)
{
    pid_t pid;
    int status;

    put_object(*state, "k", 100000, 1);
    assert_int_equal(chmod(base, 0755), 0);
    assert_int_equal(chmod(path, 0555), 0);
    if ((pid = fork_bound()) == 0) {
        skep_node_opts opts = {.size = sizeof opts, .directory = path, .by_ns = skep_in_ms(20000)};
        skep_node *node;
        skep_buf *buf;
        uint32_t how;

        if (geteuid() == 0 && (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0))
            _exit(2);
        if (NODE.open(&opts, &node, &err) != SKEP_OK ||
            NODE.get(node, &(skep_ref){.key = "k", .size_bytes = SKEP_SIZE_UNKNOWN}, 0, &buf, &how, &err) != SKEP_OK)
            _exit(3);
        skep_buf_unref(buf);
        if (try_put(node, "x", 10, 1, &(skep_ref){0}) != SKEP_EDENIED ||
            NODE.evict(node, &(skep_ref){.key = "k"}, &err) != SKEP_EDENIED)
            _exit(4);
        NODE.close(node, 0);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(chmod(path, 0755), 0);
    assert_int_equal(entries_in(path, "."), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(objects_are_plain_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(umask_is_honoured, set_up, tear_down),
        cmocka_unit_test_setup_teardown(foreign_files_are_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(mapping_is_a_choice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(synced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(links_are_not_followed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reader_keeps_its_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_made_by_another, set_up, tear_down),
        cmocka_unit_test_setup_teardown(leftovers_are_cleared, set_up, tear_down),
        cmocka_unit_test_setup_teardown(opening, set_up, tear_down),
        cmocka_unit_test_setup_teardown(read_only_directory, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
