/* node_cgroup_test.c - what is left in a memory cgroup, read from trees that are made up. */
#include "proxy/node/node_testing.h"

static char root[64];

static int set_up(void **state)
{
    (void)state;
    make_folder(root, "/tmp");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    remove_folder(root);
    return 0;
}

/* A file below the root, with the folders on the way. */
static void write_file(const char *path, const char *text)
{
    char full[1024];
    FILE *f;

    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *at = full + strlen(root) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        mkdir(full, 0700);
        *at = '/';
    }
    f = fopen(full, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int room(struct skepi_room *out)
{
    struct skepi_cgroup at[2];

    skepi_cgroup_find(root, at);
    return skepi_cgroup_room(at, out);
}

#define V2_MOUNT "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
#define V1_MOUNT                                                                                                            \
    "40 31 0:36 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"                                                           \
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"

static void version_2(void **state)
{
    struct skepi_room out;

    (void)state;
    write_file("/proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda rw\n" V2_MOUNT);
    write_file("/proc/self/cgroup", "0::/jobs/mine\n");
    write_file("/sys/fs/cgroup/jobs/mine/memory.max", "max\n");
    write_file("/sys/fs/cgroup/jobs/mine/memory.current", "1000000\n");
    assert_int_equal(room(&out), 0); /* no limit anywhere */

    write_file("/sys/fs/cgroup/jobs/memory.max", "1073741824\n"); /* the one above has one */
    write_file("/sys/fs/cgroup/jobs/memory.current", "1000000000\n");
    write_file("/sys/fs/cgroup/jobs/memory.stat",
               "anon 5\nfile 7\ninactive_anon 3\ninactive_file 100000000\nactive_file 50000000\n");
    assert_int_equal(room(&out), 1);
    assert_int_equal(out.limit, 1073741824);
    assert_int_equal(out.used, 850000000 + 2097152);
    assert_non_null(strstr(out.what, "/sys/fs/cgroup/jobs"));

    write_file("/sys/fs/cgroup/jobs/mine/memory.max", "67108864\n"); /* the nearer one is tighter */
    assert_int_equal(room(&out), 1);
    assert_int_equal(out.limit, 67108864);
    assert_int_equal(out.used, 1000000 + 1048576);

    write_file("/sys/fs/cgroup/jobs/mine/memory.current", "99999999\n"); /* over its limit already */
    assert_int_equal(room(&out), 1);
    assert_int_equal(out.used, out.limit);
}

static void version_1(void **state)
{
    struct skepi_room out;

    (void)state;
    write_file("/proc/self/mountinfo", V1_MOUNT);
    write_file("/proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/a/b\n0::/\n");
    write_file("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
    write_file("/sys/fs/cgroup/memory/a/b/memory.usage_in_bytes", "5\n");
    assert_int_equal(room(&out), 0);

    write_file("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "67108864\n");
    write_file("/sys/fs/cgroup/memory/a/memory.usage_in_bytes", "50000000\n");
    write_file("/sys/fs/cgroup/memory/a/memory.stat",
               "inactive_file 1\nactive_file 1\ntotal_inactive_file 10000000\ntotal_active_file 0\n");
    assert_int_equal(room(&out), 1);
    assert_int_equal(out.limit, 67108864);
    assert_int_equal(out.used, 40000000 + 1048576);
}

/* In a container the mount shows a part of the hierarchy; the process's path is told from its root. */
static void inside_a_container(void **state)
{
    struct skepi_room out;

    (void)state;
    write_file("/proc/self/mountinfo",
               "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro,relatime - cgroup cgroup rw,memory\n");
    write_file("/proc/self/cgroup", "4:memory:/docker/abc\n");
    write_file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "67108864\n");
    write_file("/sys/fs/cgroup/memory/memory.usage_in_bytes", "1048576\n");
    assert_int_equal(room(&out), 1);
    assert_int_equal(out.limit, 67108864);

    write_file("/proc/self/cgroup", "4:memory:/docker/abc/inner\n");
    write_file("/sys/fs/cgroup/memory/inner/memory.limit_in_bytes", "33554432\n");
    write_file("/sys/fs/cgroup/memory/inner/memory.usage_in_bytes", "1048576\n");
    assert_int_equal(room(&out), 1);
    assert_int_equal(out.limit, 33554432);
}

/* A neighbour whose name begins as the container's does is not in it. */
static void beside_a_container(void **state)
{
    struct skepi_room out;

    (void)state;
    write_file("/proc/self/mountinfo",
               "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro,relatime - cgroup cgroup rw,memory\n");
    write_file("/proc/self/cgroup", "4:memory:/docker/abcdef\n");
    write_file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "67108864\n");
    write_file("/sys/fs/cgroup/memory/memory.usage_in_bytes", "1048576\n");
    assert_int_equal(room(&out), 1);
    assert_int_equal(out.limit, 67108864);
}

static void long_paths(void **state)
{
    char part[200], path[512], line[640];
    struct skepi_room out;

    (void)state;
    memset(part, 'x', sizeof part - 1);
    part[sizeof part - 1] = '\0';
    snprintf(path, sizeof path, "/%s/%s", part, part);
    write_file("/proc/self/mountinfo", V2_MOUNT);
    snprintf(line, sizeof line, "0::%s\n", path);
    write_file("/proc/self/cgroup", line);
    snprintf(line, sizeof line, "/sys/fs/cgroup%s/memory.max", path);
    write_file(line, "67108864\n");
    snprintf(line, sizeof line, "/sys/fs/cgroup%s/memory.current", path);
    write_file(line, "1048576\n");
    assert_int_equal(room(&out), 1);
    assert_int_equal(out.limit, 67108864);
}

static void nonsense(void **state)
{
    static const char *const mounts[] = {
        "", "\n\n", "garbage", "1 2 3\n - \n", "35 31 0:32 / /sys/fs/cgroup - cgroup2\n", V2_MOUNT};
    static const char *const groups[] = {"", ":", "::", "0:\n", "4:memory\n", "x:y:z\n"};
    struct skepi_room out;

    (void)state;
    assert_int_equal(room(&out), 0); /* no files at all */
    for (size_t i = 0; i < sizeof mounts / sizeof *mounts; i++)
        for (size_t k = 0; k < sizeof groups / sizeof *groups; k++) {
            write_file("/proc/self/mountinfo", mounts[i]);
            write_file("/proc/self/cgroup", groups[k]);
            assert_int_equal(room(&out), 0);
        }
    write_file("/proc/self/mountinfo", V2_MOUNT);
    write_file("/proc/self/cgroup", "0::/a\n");
    write_file("/sys/fs/cgroup/a/memory.max", "soon\n");
    write_file("/sys/fs/cgroup/a/memory.current", "\n");
    assert_int_equal(room(&out), 0);
}

static void sizes_in_words(void **state)
{
    char text[32];

    (void)state;
    skepi_size_text(0, text);
    assert_string_equal(text, "0 bytes");
    skepi_size_text(1023, text);
    assert_string_equal(text, "1023 bytes");
    skepi_size_text(1536, text);
    assert_string_equal(text, "1.5 KiB");
    skepi_size_text(UINT64_C(64) << 20, text);
    assert_string_equal(text, "64 MiB");
    skepi_size_text(UINT64_C(1) << 30, text);
    assert_string_equal(text, "1.0 GiB");
    skepi_size_text(UINT64_MAX, text);
    assert_string_equal(text, "16 EiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(version_2, set_up, tear_down),
        cmocka_unit_test_setup_teardown(version_1, set_up, tear_down),
        cmocka_unit_test_setup_teardown(inside_a_container, set_up, tear_down),
        cmocka_unit_test_setup_teardown(beside_a_container, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_paths, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nonsense, set_up, tear_down),
        cmocka_unit_test(sizes_in_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
