/* modules_test.c - connectors that are not built in: found by scheme alone, checked before they are used, refused in words.
 */
#include <skep/connector.h>
#include <skep/skep.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void refuse(const char *uri, int code, const char *words)
{
    skep_store *store = NULL;
    skep_error err = {0, ""};
    int rc = skep_store_open(uri, NULL, &store, &err);

    if (rc != code || err.code != code || strstr(err.text, words) == NULL)
        fail_msg("%s: %s, \"%s\"; wanted are %s and \"%s\"", uri, skep_err_name(rc), err.text, skep_err_name(code), words);
    assert_null(store);
}

static void a_module(void **state)
{
    char identity[SKEP_URI_MAX];
    skep_store *store = NULL;
    skep_store *same = NULL;
    skep_store *other = NULL;
    skep_error err;
    skep_buf *buf = NULL;
    skep_ref ref;

    (void)state;
    assert_int_equal(skep_store_open("outside://x?flavour=sweet&cache=1m", NULL, &store, &err), SKEP_OK);
    assert_int_equal(skep_store_open("outside://x?flavour=sweet", NULL, &same, &err), SKEP_OK);
    assert_int_equal(skep_store_open("outside://x?flavour=sour", NULL, &other, &err), SKEP_OK);
    assert_ptr_equal(store, same);
    assert_ptr_not_equal(store, other);
    assert_int_equal(skep_store_identity(store, identity, sizeof identity), SKEP_OK);
    assert_string_equal(identity, "outside://x?flavour=sweet");
    assert_int_equal(skep_store_put(store, "abc", 3, NULL, &ref, &err), SKEP_OK);
    assert_int_equal(skep_store_get(store, &ref, SKEP_FOREVER, &buf, &err), SKEP_OK);
    assert_memory_equal(skep_buf_data(buf), "abc", 3);
    assert_int_equal(skep_store_get(other, &ref, SKEP_FOREVER, &buf, &err), SKEP_ENOENT);
    assert_int_equal(skep_store_name_set(store, "n", NULL, SKEP_FOREVER, &err), SKEP_ENOTSUP);
    skep_buf_unref(buf);
    skep_store_unref(store);
    skep_store_unref(same);
    skep_store_unref(other);
}

static void not_installed(void **state)
{
    (void)state;
    refuse("nowhere://x", SKEP_ENOTSUP, "skep-nowhere.so");
    refuse("nowhere://x", SKEP_ENOTSUP, SKEP_TEST_MODULES);
    refuse("badlibrary://x", SKEP_ENOTSUP, "libskep_missing.so");
    refuse("fault+nowhere://x", SKEP_ENOTSUP, "skep-nowhere.so");
}

static void no_paths(void **state)
{
    static const char *const uris[] = {"../evil://x",
                                       "/tmp/evil://x",
                                       "a/b://x",
                                       "Upper://x",
                                       "1st://x",
                                       "a b://x",
                                       "fault++memory://x",
                                       "+memory://x",
                                       "memory+://x",
                                       "",
                                       "://x",
                                       "averylongschemethatnobodywouldeverthinkofusingforanything://x"};

    (void)state;
    for (size_t i = 0; i < sizeof uris / sizeof uris[0]; i++)
        refuse(uris[i], SKEP_EINVAL, "");
}

static void relative_directories(void **state)
{
    (void)state;
    assert_int_equal(chdir(SKEP_TEST_MODULES), 0); /* where somebody else's program might stand */
    setenv("SKEP_MODULE_PATH", ".:::../modules", 1);
    refuse("badabi://x", SKEP_ENOTSUP, "skep-badabi.so");
    setenv("SKEP_MODULE_PATH", "/nonexistent:" SKEP_TEST_MODULES, 1);
    refuse("badabi://x", SKEP_EVERSION, "interface");
}

static void wrong_tables(void **state)
{
    (void)state;
    for (int again = 0; again < 2; again++) { /* the second time no other way */
        refuse("badabi://x", SKEP_EVERSION, "built for interface");
        refuse("badshort://x", SKEP_EVERSION, "ends before");
        refuse("badlack://x", SKEP_EINVAL, "lacks get");
        refuse("badoption://x", SKEP_EINVAL, "cache");
        refuse("badpair://x", SKEP_EINVAL, "reserve, commit and abort");
        refuse("badentry://x", SKEP_EVERSION, "skep_connector_entry");
        refuse("badhost://x", SKEP_EVERSION, "refuses");
        refuse("badscheme://x", SKEP_EINVAL, "another");
    }
}

static void wrappers(void **state)
{
    skep_store *store = NULL;
    skep_error err;

    (void)state;
    refuse("fault://x", SKEP_EINVAL, "in front of");
    refuse("memory+fault://x", SKEP_EINVAL, "does not stand in front");
    refuse("memory+memory://x", SKEP_EINVAL, "does not stand in front");
    refuse("fault+fault+memory://x", SKEP_EINVAL, "one fault+");
    refuse("fault+fault+fault+fault+fault+memory://x", SKEP_EINVAL, "");
    assert_int_equal(skep_store_open("fault+outside://x?flavour=a&fault_op=get&cache=0", NULL, &store, &err), SKEP_OK);
    skep_store_unref(store);
}

/* Handles carry the name that others reach a store by; here it leads to the store that is open. */
static void reached_by_another_name(void **state)
{
    static const char *const uris[][2] = {{"public://here", "public://from.afar:7000/store#k="},
                                          {"fault+public://here", "fault+public://from.afar:7000/store#k="}};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char handle[SKEP_HANDLE_MAX];
        char identity[SKEP_URI_MAX];
        skep_store *store = NULL;
        skep_store *behind = NULL;
        skep_proxy *made = NULL;
        skep_proxy *got = NULL;
        skep_policy *all = NULL;
        const void *bytes;
        skep_error err;
        size_t size;

        assert_int_equal(skep_policy_parse("all", &all, &err), SKEP_OK);
        assert_int_equal(skep_store_open(uris[i][0], NULL, &store, &err), SKEP_OK);
        assert_int_equal(skep_store_proxy(store, "abc", 3, NULL, &made, &err), SKEP_OK);
        assert_int_equal(skep_proxy_handle(made, handle, sizeof handle), SKEP_OK);
        assert_memory_equal(handle, uris[i][1], strlen(uris[i][1]));
        assert_int_equal(skep_store_identity(store, identity, sizeof identity), SKEP_OK);
        assert_memory_equal(handle, identity, strlen(identity));
        assert_int_equal(skep_proxy_open(handle, all, &got, &err), SKEP_OK);
        assert_int_equal(skep_proxy_store(got, SKEP_FOREVER, &behind, &err), SKEP_OK);
        assert_ptr_equal(behind, store);
        assert_int_equal(skep_proxy_resolve(got, SKEP_FOREVER, &bytes, &size, &err), SKEP_OK);
        assert_memory_equal(bytes, "abc", 3);
        skep_proxy_unref(made);
        skep_proxy_unref(got);
        skep_store_unref(behind);
        skep_store_unref(store);
        skep_policy_unref(all);
    }
}

static int see_connector(const skep_connector_info *info, void *arg)
{
    unsigned *seen = arg;

    assert_non_null(info->help);
    assert_non_null(info->common);
    assert_true(info->available);
    *seen |= strcmp(info->scheme, "memory") == 0 ? 1 : 0;
    *seen |= strcmp(info->scheme, "fault") == 0 && (info->caps & SKEP_CAP_WRAPS) ? 2 : 0;
    *seen |= strcmp(info->scheme, "memory") == 0 && strcmp(info->options[0].name, "limit") == 0 ? 4 : 0;
    return 0;
}

static int stop(const skep_connector_info *info, void *arg)
{
    (void)info, (void)arg;
    return 5;
}

static int no_store(const char *uri, void *arg)
{
    (void)uri, (void)arg;
    return 1;
}

static void listed(void **state)
{
    skep_error err;
    unsigned seen = 0;

    (void)state;
    assert_int_equal(skep_connectors(see_connector, &seen), 0);
    assert_int_equal(seen, 7);
    assert_int_equal(skep_connectors(stop, NULL), 5);
    assert_int_equal(skep_stores("memory", no_store, NULL, &err), 0);
    assert_int_equal(skep_stores("nowhere", no_store, NULL, &err), SKEP_ENOTSUP);
}

static void *open_when_all_do(pthread_barrier_t *together, const char *uri)
{
    skep_store *store = NULL;

    pthread_barrier_wait(together);
    return skep_store_open(uri, NULL, &store, NULL) == SKEP_OK ? store : NULL;
}

static void *open_outside(void *together)
{
    return open_when_all_do(together, "outside://race");
}

static void *open_slow(void *together)
{
    return open_when_all_do(together, "badslow://x");
}

static void loaded_once(void **state)
{
    enum { N = 6 };
    pthread_barrier_t together;
    pthread_t threads[N];
    void *stores[N];

    (void)state;
    pthread_barrier_init(&together, NULL, N);
    for (int i = 0; i < N; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_outside, &together), 0);
    for (int i = 0; i < N; i++) {
        pthread_join(threads[i], &stores[i]);
        assert_non_null(stores[i]);
        assert_ptr_equal(stores[i], stores[0]);
    }
    for (int i = 0; i < N; i++)
        skep_store_unref(stores[i]);
    pthread_barrier_destroy(&together);
}

/* A child that is born while another thread loads a module loads it itself. */
static void fork_while_loading(void **state)
{
    pthread_barrier_t together;
    skep_store *store = NULL;
    pthread_t thread;
    void *opened;
    int status = -1;
    pid_t pid;

    (void)state;
    pthread_barrier_init(&together, NULL, 2);
    assert_int_equal(pthread_create(&thread, NULL, open_slow, &together), 0);
    pthread_barrier_wait(&together);
    usleep(100000);
    pid = fork();
    if (pid == 0) {
        alarm(20);
        _exit(skep_store_open("badslow://x", NULL, &store, NULL) != SKEP_OK);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    pthread_join(thread, &opened);
    assert_non_null(opened);
    skep_store_unref(opened);
    pthread_barrier_destroy(&together);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loaded_once), /* first: nobody has loaded it yet */
        cmocka_unit_test(fork_while_loading),
        cmocka_unit_test(a_module),
        cmocka_unit_test(not_installed),
        cmocka_unit_test(no_paths),
        cmocka_unit_test(wrong_tables),
        cmocka_unit_test(wrappers),
        cmocka_unit_test(reached_by_another_name),
        cmocka_unit_test(listed),
        cmocka_unit_test(relative_directories),
    };

    setenv("SKEP_MODULE_PATH", SKEP_TEST_MODULES, 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
