/* file_test.c - the file connector through the public calls: its URIs, its options, its checksums, files of others. */
#include <skep/skep.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those four first */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static skep_error err;
static char base[64];

#define OK(call) assert_string_equal((call) == SKEP_OK ? "" : err.text, "")

static int set_up(void **state)
{
    char uri[128];
    skep_store *store;

    snprintf(base, sizeof base, "/tmp/skep-test-XXXXXX");
    assert_non_null(mkdtemp(base));
    snprintf(uri, sizeof uri, "file://%s/objects?cache=0", base);
    OK(skep_store_open(uri, NULL, &store, &err));
    *state = store;
    return 0;
}

static int tear_down(void **state)
{
    char path[128];

    skep_store_unref(*state);
    snprintf(path, sizeof path, "%s/objects", base);
    assert_int_equal(rmdir(path), 0); /* nothing hidden was made in it */
    assert_int_equal(rmdir(base), 0);
    return 0;
}

static void bad_uris(void **state)
{
    static const char *const bad[] = {"file://",
                                      "file://relative/path",
                                      "file:relative",
                                      "file:///x?map=maybe",
                                      "file://elsewhere/x",
                                      "file://u@localhost/x",
                                      "file://localhost:1/x",
                                      "file:///x?sync=2",
                                      "file:///x?color=red"};
    skep_store *store;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(skep_store_open(bad[i], NULL, &store, &err), SKEP_EINVAL);
}

static char *path_of(const char *key)
{
    static char path[512];

    snprintf(path, sizeof path, "%s/objects/%s", base, key);
    return path;
}

static void write_file(const char *key, const char *text)
{
    FILE *f = fopen(path_of(key), "we");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void localhost_is_nowhere_else(void **state)
{
    char uri[128];
    skep_store *store;

    snprintf(uri, sizeof uri, "file://localhost%s/objects", base);
    OK(skep_store_open(uri, NULL, &store, &err));
    assert_ptr_equal(store, *state);
    skep_store_unref(store);
}

/* A stranger's handle leads to this user's directories, and changes nothing there by being opened. */
static void handles_of_others(void **state)
{
    char handle[256], path[160], left[224];
    const void *bytes;
    skep_proxy *proxy;
    skep_store *store;
    size_t size;
    FILE *f;

    (void)state;
    if (geteuid() != 0) {
        print_message("not run: needs root, to give a directory to another user\n");
        skip();
    }
    snprintf(path, sizeof path, "%s/theirs", base);
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(left, sizeof left, "%s/.skep", path);
    assert_int_equal(mkdir(left, 0755), 0);
    snprintf(left, sizeof left, "%s/.skep/tmp", path);
    assert_int_equal(mkdir(left, 0755), 0);
    snprintf(left, sizeof left, "%s/.skep/tmp/x", path);
    assert_non_null(f = fopen(left, "we"));
    fclose(f);
    snprintf(handle, sizeof handle, "%s/0f6f3bd5-9c0a-4a57-8f52-6f2b8f0e6c11", path);
    assert_non_null(f = fopen(handle, "we"));
    fclose(f);
    snprintf(handle, sizeof handle, "file://%s#k=0f6f3bd5-9c0a-4a57-8f52-6f2b8f0e6c11", path);
    OK(skep_proxy_open(handle, NULL, &proxy, &err));
    OK(skep_proxy_resolve(proxy, SKEP_FOREVER, &bytes, &size, &err));
    skep_proxy_unref(proxy);
    assert_int_equal(access(left, F_OK), 0);
    assert_int_equal(chown(path, 1234, 1234), 0);
    OK(skep_proxy_open(handle, NULL, &proxy, &err));
    assert_int_equal(skep_proxy_resolve(proxy, SKEP_FOREVER, &bytes, &size, &err), SKEP_EDENIED);
    assert_int_equal(access(left, F_OK), 0);
    snprintf(handle, sizeof handle, "file://%s", path);
    OK(skep_store_open(handle, NULL, &store, &err)); /* who says it himself may */
    OK(skep_proxy_resolve(proxy, SKEP_FOREVER, &bytes, &size, &err));
    skep_proxy_unref(proxy);
    skep_store_unref(store);
    assert_int_equal(access(left, F_OK), -1);
    snprintf(left, sizeof left, "%s/0f6f3bd5-9c0a-4a57-8f52-6f2b8f0e6c11", path);
    assert_int_equal(unlink(left), 0);
    snprintf(left, sizeof left, "%s/.skep/tmp", path);
    assert_int_equal(rmdir(left), 0);
    snprintf(left, sizeof left, "%s/.skep", path);
    assert_int_equal(rmdir(left), 0);
    assert_int_equal(rmdir(path), 0);
}

static void summed_by_default(void **state)
{
    size_t size = 100000;
    char *bytes = calloc(1, size);
    skep_ref ref;
    skep_buf *buf;

    OK(skep_store_put(*state, bytes, size, NULL, &ref, &err));
    assert_true(ref.flags & SKEP_REF_SUM);
    assert_int_equal(access(path_of(ref.key), F_OK), 0);
    OK(skep_store_get(*state, &ref, SKEP_FOREVER, &buf, &err));
    assert_memory_equal(skep_buf_data(buf), bytes, size);
    skep_buf_unref(buf);
    OK(skep_store_evict(*state, &ref, SKEP_FOREVER, &err));
    assert_int_equal(access(path_of(ref.key), F_OK), -1);
    free(bytes);
}

/* Read, not mapped: then the checksum is compared. */
static void damage_is_noticed(void **state)
{
    skep_ref ref;
    skep_buf *buf;

    OK(skep_store_put(*state, "0123456789", 10, NULL, &ref, &err));
    assert_int_equal(chmod(path_of(ref.key), 0600), 0);
    write_file(ref.key, "0123x56789");
    assert_int_equal(skep_store_get(*state, &ref, SKEP_FOREVER, &buf, &err), SKEP_ECORRUPT);
    write_file(ref.key, "0123");
    assert_int_equal(skep_store_get(*state, &ref, SKEP_FOREVER, &buf, &err), SKEP_ECORRUPT);
    OK(skep_store_evict(*state, &ref, SKEP_FOREVER, &err));
}

static void a_key_of_ones_own(void **state)
{
    skep_put_opts opts = SKEP_PUT_OPTS_INIT;
    skep_ref ref;

    opts.key = "model.safetensors";
    OK(skep_store_put(*state, "model", 5, &opts, &ref, &err));
    assert_int_equal(access(path_of("model.safetensors"), F_OK), 0);
    assert_int_equal(skep_store_put(*state, "other", 5, &opts, &ref, &err), SKEP_EEXIST);
    OK(skep_store_evict(*state, &ref, SKEP_FOREVER, &err));
}

static void foreign_file(void **state)
{
    skep_ref ref;
    skep_buf *buf;

    write_file("notes.txt", "hello");
    OK(skep_ref_key("notes.txt", &ref));
    OK(skep_store_get(*state, &ref, SKEP_FOREVER, &buf, &err));
    assert_int_equal(skep_buf_size(buf), 5);
    assert_memory_equal(skep_buf_data(buf), "hello", 5);
    skep_buf_unref(buf);
    OK(skep_store_evict(*state, &ref, SKEP_FOREVER, &err));
}

static void reserved_room(void **state)
{
    skep_slot *slot;
    skep_ref ref;
    skep_buf *buf;

    OK(skep_store_reserve(*state, 100000, NULL, &slot, &err));
    memset(skep_slot_data(slot), 7, 100000);
    OK(skep_slot_commit(&slot, &ref, &err));
    OK(skep_store_get(*state, &ref, SKEP_FOREVER, &buf, &err));
    assert_int_equal(((const char *)skep_buf_data(buf))[99999], 7);
    skep_buf_unref(buf);
    OK(skep_store_evict(*state, &ref, SKEP_FOREVER, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bad_uris, set_up, tear_down),
        cmocka_unit_test_setup_teardown(localhost_is_nowhere_else, set_up, tear_down),
        cmocka_unit_test_setup_teardown(handles_of_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(summed_by_default, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damage_is_noticed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_key_of_ones_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(foreign_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reserved_room, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
