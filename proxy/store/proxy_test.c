/* proxy_test.c - the edges between a proxy's states, and what a proxy does without a store. */
#include "proxy/store/proxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static void edges(void **state)
{
    static const struct {
        int from, to;
    } allowed[] = {
        {SKEP_PROXY_UNRESOLVED, SKEP_PROXY_RESOLVING}, {SKEP_PROXY_RESOLVING, SKEP_PROXY_RESOLVED},
        {SKEP_PROXY_RESOLVING, SKEP_PROXY_FAILED},     {SKEP_PROXY_RESOLVING, SKEP_PROXY_UNRESOLVED},
        {SKEP_PROXY_FAILED, SKEP_PROXY_RESOLVING},
    };

    (void)state;
    for (int from = SKEP_PROXY_UNRESOLVED; from <= SKEP_PROXY_FAILED; from++) {
        for (int to = SKEP_PROXY_UNRESOLVED; to <= SKEP_PROXY_FAILED; to++) {
            int may = 0;

            for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
                may |= allowed[i].from == from && allowed[i].to == to;
            assert_int_equal(skepi_proxy_may(from, to), may);
        }
    }
}

static void not_handles(void **state)
{
    static const char *const texts[] = {"",
                                        "memory://x",
                                        "memory://x#",
                                        "memory://x#k=",
                                        "memory://x#k=../../etc/passwd&n=1",
                                        "memory://x#k=plain-key&n=1",
                                        "#k=00000000-0000-4000-8000-000000000000"};
    skep_proxy *proxy = NULL;
    skep_error err;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_not_equal(skep_proxy_open(texts[i], NULL, &proxy, &err), SKEP_OK);
        assert_null(proxy);
    }
    assert_int_equal(skep_proxy_open(NULL, NULL, &proxy, &err), SKEP_EINVAL);
}

static void policy_of_the_environment(void **state)
{
    static const char handle[] = "memory://x#k=00000000-0000-4000-8000-000000000000&n=1";
    skep_proxy *proxy = NULL;
    skep_error err;

    (void)state;
    setenv("SKEP_ALLOW", "shm:", 1);
    assert_int_equal(skep_proxy_open(handle, NULL, &proxy, &err), SKEP_EDENIED);
    setenv("SKEP_ALLOW", "shm: memory://x", 1);
    assert_int_equal(skep_proxy_open(handle, NULL, &proxy, &err), SKEP_OK);
    unsetenv("SKEP_ALLOW");
    skep_proxy_unref(proxy);
    assert_int_equal(skep_proxy_open("fault+memory://x#k=00000000-0000-4000-8000-000000000000", NULL, &proxy, &err),
                     SKEP_EDENIED);
    assert_int_equal(skep_proxy_open("nowhere://x#k=00000000-0000-4000-8000-000000000000", NULL, &proxy, &err),
                     SKEP_EDENIED);
}

/* The store of a handle is the one that is open, and nothing in the handle tunes it. */
static void options_of_a_handle(void **state)
{
    static const char handle[] = "memory://x?cache=1&threshold=3#k=00000000-0000-4000-8000-000000000000&n=1";
    skep_store *store = NULL;
    skep_store *behind = NULL;
    skep_proxy *proxy = NULL;
    skep_error err;

    (void)state;
    assert_int_equal(skep_store_open("memory://x", NULL, &store, &err), SKEP_OK);
    assert_int_equal(skep_proxy_open(handle, NULL, &proxy, &err), SKEP_OK);
    assert_int_equal(skep_proxy_store(proxy, SKEP_FOREVER, &behind, &err), SKEP_OK);
    assert_ptr_equal(store, behind);
    assert_int_equal(skep_store_threshold(behind), 65536);
    skep_store_unref(behind);
    skep_proxy_unref(proxy);
    skep_store_unref(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edges),
        cmocka_unit_test(not_handles),
        cmocka_unit_test(policy_of_the_environment),
        cmocka_unit_test(options_of_a_handle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
