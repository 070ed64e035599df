/* base_nomem_test.c - the n-th allocation fails, for every n: each call says SKEP_ENOMEM and leaks nothing (under the
 * address sanitizer), and leaves its outputs alone. */
#include "proxy/base/alloc.h"
#include "proxy/base/uri.h"
#include <skep/buf.h>
#include <skep/error.h>
#include <skep/handle.h>
#include <skep/uri.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define MOST 50 /* allocations that any of the roads below makes */

static const skep_option own[] = {
    {"area", SKEP_TYPE_TEXT, SKEP_CLASS_IDENTITY, NULL, NULL, ""},
    {"tag", SKEP_TYPE_TEXT, SKEP_CLASS_TUNING, NULL, NULL, ""},
    {"pool", SKEP_TYPE_SIZE, SKEP_CLASS_TUNING, "1g", NULL, ""},
    {NULL, 0, 0, NULL, NULL, NULL},
};
static const skep_option *const tables[] = {own};

/* `road` must fail with SKEP_ENOMEM for the first n, and then, with as many allocations as it needs, succeed. */
static void walk(int (*road)(void))
{
    size_t n = 1;

    for (; n < MOST; n++) {
        size_t made;
        int rc;

        skepi_alloc_fail_at(n);
        rc = road();
        made = skepi_alloc_fail_at(0);
        if (rc == SKEP_OK) {
            assert_true(made < n);
            break;
        }
        assert_int_equal(rc, SKEP_ENOMEM);
        assert_int_equal(made, n); /* it gave up there */
    }
    assert_true(n > 1 && n < MOST);
}

static int uri_road(void)
{
    skep_uri *uri = NULL;
    skep_error err = {0, ""};
    int rc = skep_uri_parse("shm://x?pool=1", tables, 1, &uri, &err);

    assert_int_equal(err.code, rc);
    assert_int_equal(uri == NULL, rc != SKEP_OK);
    skep_uri_free(uri);
    return rc;
}

static int handle_uri_road(void)
{
    skep_uri *uri = NULL;
    int rc = skepi_uri_from_handle("shm://x?area=b&pool=1", tables, 1, &uri, NULL);

    assert_int_equal(uri == NULL, rc != SKEP_OK);
    skep_uri_free(uri);
    return rc;
}

static int policy_road(void)
{
    skep_policy *p = NULL;
    int rc = skep_policy_parse("shm: file:///scratch", &p, NULL);

    assert_int_equal(p == NULL, rc != SKEP_OK);
    skep_policy_unref(p);
    return rc;
}

static int check_road(void)
{
    return skep_policy_check(NULL, "shm://x", NULL);
}

static int copy_and_slice(size_t size)
{
    static const char bytes[200000];
    skep_buf *whole = NULL, *part = NULL;
    int rc = skep_buf_copy(bytes, size, &whole);

    if (rc == SKEP_OK)
        rc = skep_buf_slice(whole, 1, 2, &part);
    assert_int_equal(part == NULL, rc != SKEP_OK);
    skep_buf_unref(whole);
    skep_buf_unref(part);
    return rc;
}

static int small_buf_road(void)
{
    return copy_and_slice(10);
}

static int big_buf_road(void)
{
    return copy_and_slice(200000);
}

static void never_released(void *arg, void *data, size_t size)
{
    (void)data;
    (void)size;
    ++*(int *)arg;
}

static int wrap_road(void)
{
    static char bytes[4];
    int released = 0;
    skep_buf *b = NULL;
    int rc = skep_buf_wrap(bytes, sizeof bytes, never_released, &released, &b);

    assert_int_equal(released, 0); /* who could not wrap still owns the bytes */
    skep_buf_unref(b);
    assert_int_equal(released, rc == SKEP_OK);
    return rc;
}

static void every_road_survives(void **state)
{
    int (*const roads[])(void) = {uri_road,       handle_uri_road, policy_road, check_road,
                                  small_buf_road, big_buf_road,    wrap_road};

    (void)state;
    setenv("SKEP_SHM_TAG", "from the environment", 1); /* which is copied */
    for (size_t i = 0; i < sizeof roads / sizeof roads[0]; i++)
        walk(roads[i]);
    unsetenv("SKEP_SHM_TAG");
}

/* Reading and writing handles takes no memory at all. */
static void handles_need_no_memory(void **state)
{
    static const char text[] =
        "shm://x?area=b#k=0f6f3bd5-1111-4222-8333-444455556666&n=5&x=t1.0123456789abcdef&c=safetensors";
    skep_handle h = SKEP_HANDLE_INIT;
    char out[SKEP_HANDLE_MAX];
    int parsed, formatted;

    (void)state;
    skepi_alloc_fail_at(1);
    parsed = skep_handle_parse(text, &h, NULL);
    formatted = skep_handle_format(&h, out, sizeof out);
    assert_int_equal(skepi_alloc_fail_at(0), 0);
    assert_int_equal(parsed, SKEP_OK);
    assert_int_equal(formatted, SKEP_OK);
    assert_string_equal(out, text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_road_survives),
        cmocka_unit_test(handles_need_no_memory),
    };

    unsetenv("SKEP_ALLOW");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
