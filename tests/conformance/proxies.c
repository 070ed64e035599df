/* proxies.c - conformance of lazy references: handles, one fetch for many, prefetch, parts, failures that pass. */
#include "tests/conformance/conformance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void by_handle(const char *uri)
{
    skep_store *store = conf_open(uri, NULL);
    skep_put_opts opts = SKEP_PUT_OPTS_INIT;
    char handle[SKEP_HANDLE_MAX];
    char again[SKEP_HANDLE_MAX];
    char part[4] = "";
    skep_proxy *made = NULL;
    skep_proxy *got = NULL;
    skep_store *behind = NULL;
    const void *bytes;
    uint64_t wide = 0;
    size_t size;

    opts.codec = "safetensors";
    CONF_OK(skep_store_proxy(store, "weights", 7, &opts, &made, &conf_err));
    CONF_OK(skep_proxy_handle(made, handle, sizeof handle));
    assert_int_equal(skep_proxy_handle(made, again, 10), SKEP_ETOOBIG);
    CONF_OK(skep_proxy_open(handle, NULL, &got, &conf_err));
    CONF_OK(skep_proxy_handle(got, again, sizeof again));
    assert_string_equal(handle, again);
    assert_string_equal(skep_proxy_codec(got), "safetensors");
    assert_string_equal(skep_proxy_ref_of(got)->key, skep_proxy_ref_of(made)->key);
    assert_int_equal(skep_proxy_state(got), SKEP_PROXY_UNRESOLVED);
    CONF_OK(skep_proxy_size(got, 0, &wide, &conf_err));
    assert_int_equal(wide, 7);
    CONF_OK(skep_proxy_read(got, 2, 3, part, SKEP_FOREVER, &conf_err));
    assert_string_equal(part, "igh");
    assert_int_equal(skep_proxy_state(got), SKEP_PROXY_UNRESOLVED);
    CONF_OK(skep_proxy_store(got, SKEP_FOREVER, &behind, &conf_err));
    assert_ptr_equal(behind, store);
    skep_store_unref(behind);
    skep_store_unref(store); /* the proxies keep it */
    CONF_OK(skep_proxy_resolve(got, SKEP_FOREVER, &bytes, &size, &conf_err));
    assert_int_equal(skep_proxy_state(got), SKEP_PROXY_RESOLVED);
    assert_int_equal(size, 7);
    assert_memory_equal(bytes, "weights", 7);
    CONF_OK(skep_proxy_evict(made, SKEP_FOREVER, &conf_err));
    assert_memory_equal(bytes, "weights", 7);
    CONF_OK(skep_proxy_read(got, 0, 3, part, 0, &conf_err));
    CONF_FAILS(skep_proxy_read(got, 6, 2, part, 0, &conf_err), SKEP_EINVAL);
    CONF_FAILS(skep_proxy_resolve(made, SKEP_FOREVER, &bytes, &size, &conf_err), SKEP_ENOENT);
    assert_int_equal(skep_proxy_state(made), SKEP_PROXY_FAILED);
    skep_proxy_unref(made);
    skep_proxy_unref(got);
    skep_proxy_unref(NULL);
}

static void no_store_behind(const char *uri)
{
    char handle[SKEP_HANDLE_MAX];
    skep_proxy *proxy = NULL;
    const void *bytes = NULL;
    size_t size = 1;

    snprintf(handle, sizeof handle, "%s#k=00000000-0000-4000-8000-000000000000&n=1", uri);
    CONF_OK(skep_proxy_open(handle, NULL, &proxy, &conf_err)); /* no I/O yet */
    CONF_FAILS(skep_proxy_resolve(proxy, SKEP_FOREVER, &bytes, &size, &conf_err), SKEP_ENOENT);
    assert_true(bytes == NULL && size == 1);
    skep_proxy_unref(proxy);
}

static void refused_by_policy(const char *uri)
{
    skep_store *store = conf_open(uri, NULL);
    char handle[SKEP_HANDLE_MAX];
    skep_policy *policy = NULL;
    skep_proxy *proxy = NULL;
    skep_proxy *none = NULL;

    CONF_OK(skep_store_proxy(store, "x", 1, NULL, &proxy, &conf_err));
    CONF_OK(skep_proxy_handle(proxy, handle, sizeof handle));
    skep_proxy_unref(proxy);
    CONF_OK(skep_policy_parse("redis://elsewhere:6379", &policy, &conf_err));
    CONF_FAILS(skep_proxy_open(handle, policy, &none, &conf_err), SKEP_EDENIED);
    assert_null(none);
    skep_policy_unref(policy);
    skep_store_unref(store);
}

static void put_later(const char *uri)
{
    skep_store *store = conf_open(uri, NULL);
    skep_put_opts opts = SKEP_PUT_OPTS_INIT;
    skep_proxy *proxy = NULL;
    const void *bytes;
    uint64_t size = 0;
    size_t n;
    skep_ref ref;

    CONF_OK(skep_ref_key("later", &ref));
    CONF_OK(skep_store_proxy_of(store, &ref, NULL, &proxy, &conf_err));
    assert_string_equal(skep_proxy_codec(proxy), "raw");
    CONF_FAILS(skep_proxy_size(proxy, SKEP_FOREVER, &size, &conf_err), SKEP_ENOENT);
    CONF_FAILS(skep_proxy_resolve(proxy, SKEP_FOREVER, &bytes, &n, &conf_err), SKEP_ENOENT);
    assert_int_equal(skep_proxy_state(proxy), SKEP_PROXY_FAILED);
    opts.key = "later";
    CONF_OK(skep_store_put(store, "now", 3, &opts, NULL, &conf_err));
    CONF_OK(skep_proxy_size(proxy, SKEP_FOREVER, &size, &conf_err));
    assert_int_equal(size, 3);
    CONF_OK(skep_proxy_resolve(proxy, SKEP_FOREVER, &bytes, &n, &conf_err));
    assert_memory_equal(bytes, "now", 3);
    CONF_FAILS(skep_store_proxy_of(store, &ref, "Bad Codec", &proxy, &conf_err), SKEP_EINVAL);
    skep_proxy_unref(proxy);
    skep_store_unref(store);
}

struct toucher {
    skep_proxy *proxy;
    pthread_barrier_t *together;
    uint64_t by_ns;
    int rc;
    const void *bytes;
    size_t size;
    skep_error err;
};

static void *touch(void *arg)
{
    struct toucher *t = arg;

    pthread_barrier_wait(t->together);
    t->rc = skep_proxy_resolve(t->proxy, t->by_ns, &t->bytes, &t->size, &t->err);
    return NULL;
}

static void one_fetch_for_many(const char *uri)
{
    enum { N = 8 };
    unsigned rounds = (unsigned)conf_rounds(20);
    skep_store *store = conf_open(uri, "cache=0");
    skep_metrics m = SKEP_METRICS_INIT;
    pthread_barrier_t together;

    pthread_barrier_init(&together, NULL, N);
    for (unsigned round = 0; round < rounds; round++) {
        skep_ref ref = conf_put(store, 100000, round);
        struct toucher touchers[N];
        pthread_t threads[N];
        skep_proxy *proxy = NULL;

        CONF_OK(skep_store_proxy_of(store, &ref, NULL, &proxy, &conf_err));
        for (int i = 0; i < N; i++) {
            touchers[i] = (struct toucher){.proxy = proxy, .together = &together, .by_ns = SKEP_FOREVER};
            assert_int_equal(pthread_create(&threads[i], NULL, touch, &touchers[i]), 0);
        }
        for (int i = 0; i < N; i++) {
            pthread_join(threads[i], NULL);
            assert_int_equal(touchers[i].rc, SKEP_OK);
            assert_ptr_equal(touchers[i].bytes, touchers[0].bytes);
        }
        assert_true(conf_is_filled(touchers[0].bytes, 100000, round));
        skep_proxy_unref(proxy);
    }
    pthread_barrier_destroy(&together);
    CONF_OK(skep_store_metrics(store, SKEP_OP_RESOLVE, &m));
    assert_int_equal(m.count, rounds);
    skep_store_unref(store);
}

static void wait_until_resolved(skep_proxy *proxy)
{
    uint64_t by_ns = skep_in_ms(20000);

    while (skep_proxy_state(proxy) != SKEP_PROXY_RESOLVED && skep_now_ns() < by_ns)
        usleep(1000);
    assert_int_equal(skep_proxy_state(proxy), SKEP_PROXY_RESOLVED);
}

static void prefetch(const char *uri)
{
    enum { N = 20 };
    skep_store *store = conf_open(uri, "cache=0");
    skep_proxy *proxies[N];
    skep_metrics m = SKEP_METRICS_INIT;
    const void *bytes;
    size_t size;

    for (unsigned i = 0; i < N; i++) {
        skep_ref ref = conf_put(store, 5000, i);

        CONF_OK(skep_store_proxy_of(store, &ref, NULL, &proxies[i], &conf_err));
        CONF_OK(skep_proxy_prefetch(proxies[i], &conf_err));
        CONF_OK(skep_proxy_prefetch(proxies[i], &conf_err));
    }
    for (unsigned i = 0; i < N; i++) {
        wait_until_resolved(proxies[i]);
        CONF_OK(skep_proxy_resolve(proxies[i], 0, &bytes, &size, &conf_err));
        assert_true(size == 5000 && conf_is_filled(bytes, size, i));
        CONF_OK(skep_proxy_prefetch(proxies[i], &conf_err));
        skep_proxy_unref(proxies[i]);
    }
    CONF_OK(skep_store_metrics(store, SKEP_OP_RESOLVE, &m));
    assert_int_equal(m.count, N);
    skep_store_unref(store);
}

static void prefetch_in_vain(const char *uri)
{
    skep_store *store = conf_open(uri, NULL);
    skep_proxy *proxy = NULL;
    const void *bytes;
    uint64_t by_ns = skep_in_ms(20000);
    size_t size;
    skep_ref ref;

    CONF_OK(skep_ref_key("nowhere", &ref));
    CONF_OK(skep_store_proxy_of(store, &ref, NULL, &proxy, &conf_err));
    CONF_OK(skep_proxy_prefetch(proxy, &conf_err));
    while (skep_proxy_state(proxy) != SKEP_PROXY_FAILED && skep_now_ns() < by_ns)
        usleep(1000);
    CONF_FAILS(skep_proxy_resolve(proxy, SKEP_FOREVER, &bytes, &size, &conf_err), SKEP_ENOENT);
    skep_proxy_unref(proxy);
    for (int i = 0; i < 50; i++) { /* let go of before anybody could look */
        CONF_OK(skep_store_proxy_of(store, &ref, NULL, &proxy, &conf_err));
        CONF_OK(skep_proxy_prefetch(proxy, &conf_err));
        skep_proxy_unref(proxy);
    }
    skep_store_unref(store);
}

static void buffer_outlives_proxy(const char *uri)
{
    skep_store *store = conf_open(uri, NULL);
    skep_ref ref = conf_put(store, 70000, 2);
    skep_proxy *proxy = NULL;
    skep_buf *buf = NULL;

    CONF_OK(skep_store_proxy_of(store, &ref, NULL, &proxy, &conf_err));
    assert_ptr_equal(skep_proxy_ref(proxy), proxy);
    CONF_OK(skep_proxy_buf(proxy, SKEP_FOREVER, &buf, &conf_err));
    skep_proxy_unref(proxy);
    skep_proxy_unref(proxy);
    skep_store_unref(store);
    assert_true(conf_is_filled(skep_buf_data(buf), 70000, 2));
    skep_buf_unref(buf);
}

/* ---- through fault+ ---- */

/* One thread fetches slowly; another's deadline passes, and the fetch goes on. */
static void deadline_of_one(const char *uri)
{
    skep_store *store = conf_open(uri, "cache=0&fault_op=get&fault_kind=delay&fault_nth=1&fault_delay=400ms");
    skep_ref ref = conf_put(store, 1000, 1);
    struct toucher patient;
    pthread_barrier_t together;
    skep_proxy *proxy = NULL;
    const void *bytes = NULL;
    pthread_t thread;
    size_t size;

    CONF_OK(skep_store_proxy_of(store, &ref, NULL, &proxy, &conf_err));
    pthread_barrier_init(&together, NULL, 1);
    patient = (struct toucher){.proxy = proxy, .together = &together, .by_ns = SKEP_FOREVER};
    assert_int_equal(pthread_create(&thread, NULL, touch, &patient), 0);
    while (skep_proxy_state(proxy) == SKEP_PROXY_UNRESOLVED)
        usleep(1000);
    CONF_FAILS(skep_proxy_resolve(proxy, 0, &bytes, &size, &conf_err), SKEP_ETIMEDOUT);
    CONF_FAILS(skep_proxy_resolve(proxy, skep_in_ms(30), &bytes, &size, &conf_err), SKEP_ETIMEDOUT);
    assert_null(bytes);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&together);
    assert_int_equal(patient.rc, SKEP_OK);
    CONF_OK(skep_proxy_resolve(proxy, 0, &bytes, &size, &conf_err));
    assert_true(conf_is_filled(bytes, 1000, 1));
    skep_proxy_unref(proxy);
    skep_store_unref(store);
}

/* The one that fetches runs out of time; another, who has more, takes over. */
static void deadline_of_the_fetcher(const char *uri)
{
    skep_store *store = conf_open(uri, "cache=0&fault_op=get&fault_kind=delay&fault_nth=1&fault_delay=20s");
    skep_ref ref = conf_put(store, 1000, 1);
    struct toucher hasty;
    pthread_barrier_t together;
    skep_proxy *proxy = NULL;
    const void *bytes;
    pthread_t thread;
    size_t size;

    CONF_OK(skep_store_proxy_of(store, &ref, NULL, &proxy, &conf_err));
    pthread_barrier_init(&together, NULL, 1);
    hasty = (struct toucher){.proxy = proxy, .together = &together, .by_ns = skep_in_ms(200)};
    assert_int_equal(pthread_create(&thread, NULL, touch, &hasty), 0);
    while (skep_proxy_state(proxy) == SKEP_PROXY_UNRESOLVED)
        usleep(1000);
    CONF_OK(skep_proxy_resolve(proxy, skep_in_ms(10000), &bytes, &size, &conf_err));
    assert_true(conf_is_filled(bytes, 1000, 1));
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&together);
    assert_int_equal(hasty.rc, SKEP_ETIMEDOUT);
    skep_proxy_unref(proxy);
    skep_store_unref(store);
}

/* All who wait for a fetch that fails get its failure; the next touch tries again. */
static void failure_of_all(const char *uri)
{
    enum { N = 4 };
    skep_store *store = conf_open(uri, "cache=0&fault_op=get&fault_kind=delay&fault_nth=1&fault_delay=300ms");
    skep_put_opts opts = SKEP_PUT_OPTS_INIT;
    skep_metrics m = SKEP_METRICS_INIT;
    struct toucher touchers[N];
    pthread_t threads[N];
    pthread_barrier_t together;
    skep_proxy *proxy = NULL;
    const void *bytes;
    size_t size;
    skep_ref ref;

    CONF_OK(skep_ref_key("late", &ref));
    CONF_OK(skep_store_proxy_of(store, &ref, NULL, &proxy, &conf_err));
    pthread_barrier_init(&together, NULL, N);
    for (int i = 0; i < N; i++) {
        touchers[i] = (struct toucher){.proxy = proxy, .together = &together, .by_ns = SKEP_FOREVER};
        assert_int_equal(pthread_create(&threads[i], NULL, touch, &touchers[i]), 0);
    }
    for (int i = 0; i < N; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(touchers[i].rc, SKEP_ENOENT);
        assert_int_equal(touchers[i].err.code, SKEP_ENOENT);
        assert_string_equal(touchers[i].err.text, touchers[0].err.text);
    }
    pthread_barrier_destroy(&together);
    CONF_OK(skep_store_metrics(store, SKEP_OP_RESOLVE, &m));
    assert_int_equal(m.errors, 1);
    assert_int_equal(skep_proxy_state(proxy), SKEP_PROXY_FAILED);
    opts.key = "late";
    CONF_OK(skep_store_put(store, "now", 3, &opts, NULL, &conf_err));
    CONF_OK(skep_proxy_resolve(proxy, SKEP_FOREVER, &bytes, &size, &conf_err));
    assert_memory_equal(bytes, "now", 3);
    skep_proxy_unref(proxy);
    skep_store_unref(store);
}

/* A child of fork is born while another thread fetches: it has no such thread, and fetches itself. */
static void fork_during_fetch(const char *uri)
{
    skep_store *store = conf_open(uri, "cache=0&fault_op=get&fault_kind=delay&fault_nth=1&fault_delay=300ms");
    skep_ref ref = conf_put(store, 1000, 1);
    struct toucher slow;
    pthread_barrier_t together;
    skep_proxy *proxy = NULL;
    pthread_t thread;
    pid_t pid;

    CONF_OK(skep_store_proxy_of(store, &ref, NULL, &proxy, &conf_err));
    pthread_barrier_init(&together, NULL, 1);
    slow = (struct toucher){.proxy = proxy, .together = &together, .by_ns = SKEP_FOREVER};
    assert_int_equal(pthread_create(&thread, NULL, touch, &slow), 0);
    while (skep_proxy_state(proxy) == SKEP_PROXY_UNRESOLVED)
        usleep(1000);
    pid = fork();
    if (pid == 0) {
        const void *bytes;
        size_t size;

        if (skep_proxy_state(proxy) != SKEP_PROXY_UNRESOLVED)
            _exit(1);
        _exit(skep_proxy_resolve(proxy, skep_in_ms(10000), &bytes, &size, NULL) != SKEP_OK ||
              !conf_is_filled(bytes, 1000, 1));
    }
    assert_int_equal(conf_wait(pid), 0);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&together);
    assert_int_equal(slow.rc, SKEP_OK);
    skep_proxy_unref(proxy);
    skep_store_unref(store);
}

const struct conf_case conf_proxies[] = {
    {"by handle", 0, by_handle},
    {"no store behind a handle", 0, no_store_behind},
    {"refused by policy", 0, refused_by_policy},
    {"put later", 0, put_later},
    {"one fetch for many", 0, one_fetch_for_many},
    {"prefetch", 0, prefetch},
    {"prefetch in vain", 0, prefetch_in_vain},
    {"a buffer outlives its proxy", 0, buffer_outlives_proxy},
    {"deadline of one who waits", CONF_FAULT, deadline_of_one},
    {"deadline of the one who fetches", CONF_FAULT, deadline_of_the_fetcher},
    {"a fetch fails, the next does not", CONF_FAULT, failure_of_all},
    {"fork during a fetch", CONF_FAULT | SKEP_CAP_SHARED, fork_during_fetch},
    {NULL, 0, NULL},
};
