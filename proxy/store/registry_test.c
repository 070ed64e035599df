/* registry_test.c - one store for an identity, whoever opens it, when, and however slowly. */
#include <skep/skep.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 8

struct opener {
    const char *uri;
    pthread_barrier_t *together;
    uint64_t wait_ns; /* 0: for ever */
    int existing;
    skep_store *store;
    int rc;
    skep_error err;
};

static void *open_one(void *arg)
{
    struct opener *o = arg;
    skep_store_opts opts = SKEP_STORE_OPTS_INIT;

    if (o->together != NULL)
        pthread_barrier_wait(o->together);
    opts.by_ns = o->wait_ns != 0 ? skep_in_ns(o->wait_ns) : SKEP_FOREVER;
    opts.existing = o->existing;
    o->rc = skep_store_open(o->uri, &opts, &o->store, &o->err);
    return NULL;
}

static void one_new_name(void **state)
{
    static const char *const uris[] = {"memory://race", "fault+memory://race?fault_op=open&fault_kind=delay&fault_nth=1"};

    (void)state;
    for (int round = 0; round < 20; round++) {
        struct opener openers[THREADS];
        pthread_t threads[THREADS];
        pthread_barrier_t together;

        pthread_barrier_init(&together, NULL, THREADS);
        for (int i = 0; i < THREADS; i++) {
            openers[i] = (struct opener){.uri = uris[round == 0], .together = &together};
            assert_int_equal(pthread_create(&threads[i], NULL, open_one, &openers[i]), 0);
        }
        for (int i = 0; i < THREADS; i++) {
            pthread_join(threads[i], NULL);
            assert_int_equal(openers[i].rc, SKEP_OK);
            assert_ptr_equal(openers[i].store, openers[0].store);
        }
        for (int i = 0; i < THREADS; i++)
            skep_store_unref(openers[i].store);
        pthread_barrier_destroy(&together);
    }
}

/* One opens slowly and runs out of time; one who waits has less; one has more, and takes over. */
static void deadlines(void **state)
{
    static const char uri[] = "fault+memory://slow?fault_op=open&fault_kind=delay&fault_nth=1&fault_delay=300ms";
    struct opener slow = {.uri = uri, .wait_ns = 200000000};
    struct opener hasty = {.uri = uri, .wait_ns = 20000000};
    struct opener patient = {.uri = uri};
    pthread_t threads[2];

    (void)state;
    assert_int_equal(pthread_create(&threads[0], NULL, open_one, &slow), 0);
    usleep(50000);
    assert_int_equal(pthread_create(&threads[1], NULL, open_one, &patient), 0);
    open_one(&hasty);
    assert_int_equal(hasty.rc, SKEP_ETIMEDOUT);
    assert_null(hasty.store);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    assert_int_equal(slow.rc, SKEP_ETIMEDOUT);
    assert_int_equal(patient.rc, SKEP_OK);
    skep_store_unref(patient.store);
}

static void *let_go(void *store)
{
    skep_store_unref(store);
    return NULL;
}

static void being_closed(void **state)
{
    static const char uri[] = "fault+memory://closing?fault_op=close&fault_kind=delay&fault_nth=1&fault_delay=300ms";
    struct opener first = {.uri = uri};
    struct opener hasty = {.uri = uri, .wait_ns = 20000000};
    struct opener patient = {.uri = uri};
    pthread_t thread;
    skep_ref ref;
    int there = 1;

    (void)state;
    open_one(&first);
    assert_int_equal(first.rc, SKEP_OK);
    assert_int_equal(skep_store_put(first.store, "x", 1, NULL, &ref, NULL), SKEP_OK);
    assert_int_equal(pthread_create(&thread, NULL, let_go, first.store), 0);
    usleep(50000);
    open_one(&hasty);
    assert_int_equal(hasty.rc, SKEP_ETIMEDOUT);
    open_one(&patient);
    assert_int_equal(patient.rc, SKEP_OK);
    assert_int_equal(skep_store_exists(patient.store, &ref, SKEP_FOREVER, &there, NULL, NULL), SKEP_OK);
    assert_int_equal(there, 0); /* it is a new one */
    pthread_join(thread, NULL);
    skep_store_unref(patient.store);
}

/* A failure that lay in what another thread had asked for is not everybody's. */
static void failures_of_others(void **state)
{
    static const char uri[] = "fault+memory://fails?fault_op=open&fault_kind=delay&fault_nth=1&fault_delay=200ms";
    struct opener existing = {.uri = uri, .existing = 1};
    struct opener making = {.uri = uri};
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, open_one, &existing), 0);
    usleep(50000);
    open_one(&making);
    pthread_join(thread, NULL);
    assert_int_equal(existing.rc, SKEP_ENOENT);
    assert_int_equal(making.rc, SKEP_OK);
    skep_store_unref(making.store);
}

static void *open_and_close(void *arg)
{
    const char *uri = arg;
    skep_store *store;
    long bad = 0;

    for (int i = 0; i < 200; i++) {
        skep_ref ref;

        if (skep_store_open(uri, NULL, &store, NULL) != SKEP_OK)
            return (void *)1;
        bad |= skep_store_put(store, "x", 1, NULL, &ref, NULL);
        bad |= skep_store_evict(store, &ref, SKEP_FOREVER, NULL);
        skep_store_unref(store);
    }
    return (void *)bad;
}

static void opening_and_closing(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_and_close, (void *)(uintptr_t) "memory://churn"), 0);
    for (int i = 0; i < THREADS; i++) {
        void *bad;

        pthread_join(threads[i], &bad);
        assert_null(bad);
    }
}

/* A child that is born while others open and close can open all the same. */
static void fork_in_between(void **state)
{
    static const char closing[] = "fault+memory://closing?fault_op=close&fault_kind=delay&fault_nth=1&fault_delay=300ms";
    static const char opening[] = "fault+memory://opening?fault_op=open&fault_kind=delay&fault_nth=1&fault_delay=300ms";
    struct opener first = {.uri = closing};
    struct opener second = {.uri = opening};
    pthread_t threads[2];
    int status = -1;
    pid_t pid;

    (void)state;
    open_one(&first);
    assert_int_equal(first.rc, SKEP_OK);
    assert_int_equal(pthread_create(&threads[0], NULL, let_go, first.store), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, open_one, &second), 0);
    usleep(50000);
    pid = fork();
    if (pid == 0) {
        struct opener again[2] = {{.uri = closing, .wait_ns = 10000000000u}, {.uri = opening, .wait_ns = 10000000000u}};

        open_one(&again[0]);
        open_one(&again[1]);
        _exit(again[0].rc != SKEP_OK || again[1].rc != SKEP_OK);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    assert_int_equal(second.rc, SKEP_OK);
    skep_store_unref(second.store);
}

static void many_stores(void **state)
{
    enum { N = 300 };
    skep_store *stores[N];
    char uri[64];

    (void)state;
    for (int i = 0; i < N; i++) {
        snprintf(uri, sizeof uri, "memory://store-%d", i);
        assert_int_equal(skep_store_open(uri, NULL, &stores[i], NULL), SKEP_OK);
    }
    for (int i = 0; i < N; i++) {
        skep_store *again = NULL;

        snprintf(uri, sizeof uri, "memory://store-%d", i);
        assert_int_equal(skep_store_open(uri, NULL, &again, NULL), SKEP_OK);
        assert_ptr_equal(again, stores[i]);
        skep_store_unref(again);
        skep_store_unref(stores[i]);
    }
}

static int no_store(const char *uri, void *arg)
{
    (void)uri, (void)arg;
    return 0;
}

/* Whatever is wrong with a URI, what may be a secret in it is not quoted. */
static void secrets_are_not_shown(void **state)
{
    static const char *const texts[] = {
        "Redis://u:hunter2@h?password=hunter2",
        "redis_x://h?password=hunter2",
        "shm ://a?secret=hunter2",
        "://u:hunter2@h",
        "redis://:hunter2#x@h",
        "redis://u:hunter2?x@h",
        "fault++memory://h?password=hunter2",
        "memory://h?password=hunter2&pool=",
        "memory://u:hunter2@h",
    };
    char too_long[2 * SKEP_URI_MAX] = "memory://x/?password=hunter2&x=";
    char grows[SKEP_URI_MAX] = "memory://x/"; /* its canonical form is too long */
    skep_store *store = NULL;
    skep_error err;

    (void)state;
    memset(too_long + strlen(too_long), 'x', SKEP_URI_MAX);
    for (size_t i = 0; i <= sizeof texts / sizeof texts[0]; i++) {
        const char *text = i < sizeof texts / sizeof texts[0] ? texts[i] : too_long;

        assert_true(skep_store_open(text, NULL, &store, &err) < 0);
        assert_null(strstr(err.text, "hunter2"));
        assert_true(skep_stores(text, no_store, NULL, &err) < 0);
        assert_null(strstr(err.text, "hunter2"));
        assert_true(skep_gc(text, 1, NULL, NULL, &err) < 0);
        assert_null(strstr(err.text, "hunter2"));
    }
    memset(grows + strlen(grows), '$', 400);
    memcpy(grows + strlen(grows), "?threshold=4242", sizeof "?threshold=4242");
    assert_int_equal(skep_store_open(grows, NULL, &store, &err), SKEP_ETOOBIG);
    assert_null(strstr(err.text, "4242"));
    assert_non_null(strstr(err.text, "memory://x/$$"));
    assert_null(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_new_name),        cmocka_unit_test(deadlines),
        cmocka_unit_test(being_closed),        cmocka_unit_test(failures_of_others),
        cmocka_unit_test(opening_and_closing), cmocka_unit_test(fork_in_between),
        cmocka_unit_test(many_stores),         cmocka_unit_test(secrets_are_not_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
