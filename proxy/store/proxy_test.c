/* proxy_test.c - the edges between a proxy's states, and what a proxy does without a store. */
#include "proxy/store/proxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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

static int comes_to(skep_proxy *proxy, int state)
{
    uint64_t by_ns = skep_in_ms(10000);

    while (skep_proxy_state(proxy) != state && skep_now_ns() < by_ns)
        usleep(1000);
    return skep_proxy_state(proxy) == state;
}

/* More is queued for prefetch than threads fetch, and the process forks. The child fetches what it asks for, nothing else;
 * its store begins empty, so a fetch shows as one that failed. */
static void prefetch_across_fork(void **state)
{
    enum { N = 6, THREADS = 4 };
    static const char uri[] = "fault+memory://queued?fault_op=get&fault_kind=delay&fault_every=1&fault_delay=500ms&cache=0";
    skep_store *store = NULL;
    skep_proxy *proxies[N];
    int status = -1;
    skep_error err;
    pid_t pid;

    (void)state;
    assert_int_equal(skep_store_open(uri, NULL, &store, &err), SKEP_OK);
    for (int i = 0; i < N; i++) {
        assert_int_equal(skep_store_proxy(store, "x", 1, NULL, &proxies[i], &err), SKEP_OK);
        assert_int_equal(skep_proxy_prefetch(proxies[i], &err), SKEP_OK);
    }
    for (int i = 0; i < THREADS; i++) /* all of them are asleep in a get then */
        while (skep_proxy_state(proxies[i]) == SKEP_PROXY_UNRESOLVED)
            usleep(1000);
    pid = fork();
    if (pid == 0) {
        alarm(30);
        if (skep_proxy_prefetch(proxies[N - 1], NULL) != SKEP_OK || !comes_to(proxies[N - 1], SKEP_PROXY_FAILED))
            _exit(1);
        for (int i = THREADS; i < N - 1; i++)
            if (skep_proxy_state(proxies[i]) != SKEP_PROXY_UNRESOLVED || atomic_load(&proxies[i]->refs) != 1)
                _exit(2);
        _exit(0);
    }
    for (int i = 0; i < N; i++)
        assert_true(comes_to(proxies[i], SKEP_PROXY_RESOLVED));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    for (int i = 0; i < N; i++)
        skep_proxy_unref(proxies[i]);
    skep_store_unref(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edges),
        cmocka_unit_test(not_handles),
        cmocka_unit_test(policy_of_the_environment),
        cmocka_unit_test(options_of_a_handle),
        cmocka_unit_test(prefetch_across_fork),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
