/* shm_test.c - the shm connector through the public calls: its names, its options, where it lies, and who it is. */
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
static char base[64], uri[128];

#define OK(call) assert_string_equal((call) == SKEP_OK ? "" : err.text, "")

static int set_up(void **state)
{
    skep_store *store;

    snprintf(base, sizeof base, "/dev/shm/skep-test-XXXXXX");
    assert_non_null(mkdtemp(base));
    snprintf(uri, sizeof uri, "shm://test?dir=%s", base);
    OK(skep_store_open(uri, NULL, &store, &err));
    *state = store;
    return 0;
}

static int tear_down(void **state)
{
    skep_store_unref(*state);
    assert_int_equal(rmdir(base), 0); /* an empty store goes with its last opener */
    return 0;
}

static void bad_names(void **state)
{
    static const char *const bad[] = {"shm://",
                                      "shm://.hidden",
                                      "shm://a/b",
                                      "shm://a%2Fb",
                                      "shm://x:1",
                                      "shm://u@x",
                                      "shm://x?lifetime=ever",
                                      "shm://x?pool=much",
                                      "shm://0123456789012345678901234567890123456789012345678901234567890123"};
    skep_store *store;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(skep_store_open(bad[i], NULL, &store, &err), SKEP_EINVAL);
}

static void handle_leads_back(void **state)
{
    char handle[SKEP_HANDLE_MAX];
    skep_proxy *proxy, *again;
    const void *bytes;
    size_t size;

    OK(skep_store_proxy(*state, "weights", 7, NULL, &proxy, &err));
    OK(skep_proxy_handle(proxy, handle, sizeof handle));
    assert_int_equal(strncmp(handle, "shm://test#k=", 13), 0); /* a directory of this host is nobody else's business */
    assert_non_null(strstr(handle, "&h="));
    OK(skep_proxy_open(handle, NULL, &again, &err));
    OK(skep_proxy_resolve(again, SKEP_FOREVER, &bytes, &size, &err));
    assert_int_equal(size, 7);
    assert_memory_equal(bytes, "weights", 7);
    skep_proxy_unref(again);
    OK(skep_proxy_evict(proxy, SKEP_FOREVER, &err));
    skep_proxy_unref(proxy);
}

static void same_name_elsewhere(void **state)
{
    char other[64], text[128];
    skep_store *store;

    (void)state;
    snprintf(other, sizeof other, "/dev/shm/skep-test-XXXXXX");
    assert_non_null(mkdtemp(other));
    snprintf(text, sizeof text, "shm://test?dir=%s", other);
    assert_int_equal(skep_store_open(text, NULL, &store, &err), SKEP_EBUSY);
    assert_non_null(strstr(err.text, base));
    assert_int_equal(skep_store_open("shm://test", NULL, &store, &err), SKEP_EBUSY); /* in the usual place */
    OK(skep_store_open(uri, NULL, &store, &err));
    skep_store_unref(store);
    assert_int_equal(rmdir(other), 0);
}

static void mapped_without_a_copy(void **state)
{
    size_t size = (size_t)3 << 20;
    char *bytes = malloc(size), path[SKEP_KEY_MAX + 80];
    skep_metrics m = {.size = sizeof m};
    skep_ref ref;
    skep_buf *buf;
    struct stat st;

    memset(bytes, 5, size);
    OK(skep_store_put(*state, bytes, size, NULL, &ref, &err));
    assert_int_equal(ref.flags & SKEP_REF_SUM, 0); /* not unless asked */
    assert_int_not_equal(ref.node, 0);
    snprintf(path, sizeof path, "%s/test/%s", base, ref.key);
    assert_int_equal(stat(path, &st), 0); /* the plain payload */
    assert_int_equal(st.st_size, size);
    OK(skep_store_get(*state, &ref, SKEP_FOREVER, &buf, &err));
    assert_memory_equal(skep_buf_data(buf), bytes, size);
    skep_buf_unref(buf);
    OK(skep_store_metrics(*state, SKEP_OP_GET, &m));
    assert_int_equal(m.moved_bytes, 0);
    OK(skep_store_evict(*state, &ref, SKEP_FOREVER, &err));
    free(bytes);
}

static void session_leaves_nothing(void **state)
{
    skep_store *store;
    skep_ref ref;
    char text[128], path[192];

    (void)state;
    snprintf(text, sizeof text, "shm://run?lifetime=session&dir=%s", base);
    OK(skep_store_open(text, NULL, &store, &err));
    OK(skep_store_put(store, "x", 1, NULL, &ref, &err));
    snprintf(path, sizeof path, "%s/run", base);
    assert_int_equal(access(path, F_OK), 0);
    skep_store_unref(store);
    assert_int_equal(access(path, F_OK), -1);
}

static void pool_is_an_option(void **state)
{
    size_t size = (size_t)2 << 20;
    char *bytes = calloc(1, size), path[192];
    skep_store *store;
    struct stat st;
    skep_ref ref;

    (void)state;
    snprintf(path, sizeof path, "shm://cold?pool=0&dir=%s", base);
    OK(skep_store_open(path, NULL, &store, &err));
    OK(skep_store_put(store, bytes, size, NULL, &ref, &err));
    OK(skep_store_evict(store, &ref, SKEP_FOREVER, &err));
    snprintf(path, sizeof path, "%s/cold/.skep/pool", base);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(rmdir(path), 0); /* empty */
    skep_store_unref(store);
    free(bytes);
}

/* What is found can be opened: it leads there. */
static int count(const char *text, void *arg)
{
    skep_store_opts opts = SKEP_STORE_OPTS_INIT;
    skep_store *store;

    assert_string_equal(text, uri);
    opts.existing = 1;
    OK(skep_store_open(text, &opts, &store, &err));
    skep_store_unref(store);
    ++*(int *)arg;
    return 0;
}

static void usual_place(void **state)
{
    char text[128];
    skep_store *a, *b;

    (void)state;
    OK(skep_store_open("shm://skep-test-usual", NULL, &a, &err));
    snprintf(text, sizeof text, "shm://skep-test-usual?dir=/dev/shm/skep-%u", (unsigned)geteuid());
    OK(skep_store_open(text, NULL, &b, &err));
    assert_ptr_equal(a, b);
    skep_store_unref(a);
    skep_store_unref(b);
}

static void stores_are_found(void **state)
{
    char scheme[128];
    int n = 0;

    (void)state;
    snprintf(scheme, sizeof scheme, "shm:?dir=%s", base);
    OK(skep_stores(scheme, count, &n, &err));
    assert_int_equal(n, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bad_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(handle_leads_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(same_name_elsewhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(mapped_without_a_copy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(session_leaves_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pool_is_an_option, set_up, tear_down),
        cmocka_unit_test_setup_teardown(usual_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stores_are_found, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
