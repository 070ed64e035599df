/* sharing.c - conformance of stores that several use: openers, threads, processes, children of fork. */
#include "tests/conformance/conformance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS 4

static void count_warnings(int level, const char *component, const char *text, void *arg)
{
    (void)component;
    if (level == SKEP_LOG_WARN && strstr(text, "cache=1m") != NULL)
        ++*(int *)arg;
}

static void shared_by_identity(const char *uri)
{
    skep_store *one = conf_open(uri, NULL);
    skep_store *two = conf_open(uri, NULL);
    skep_store *three;
    int warnings = 0;

    assert_ptr_equal(one, two);
    skep_log_to(count_warnings, &warnings);
    for (int i = 0; i < 3; i++) { /* the first opener wins; that is said once */
        three = conf_open(uri, "cache=1m");
        assert_ptr_equal(one, three);
        skep_store_unref(three);
    }
    skep_log_to(NULL, NULL);
    assert_int_equal(warnings, 1);
    skep_store_unref(one);
    skep_store_unref(two);
    skep_store_unref(NULL);
}

static void only_existing(const char *uri)
{
    skep_store_opts opts = SKEP_STORE_OPTS_INIT;
    skep_store *store = NULL;
    skep_store *made;

    opts.existing = 1;
    CONF_FAILS(skep_store_open(uri, &opts, &store, &conf_err), SKEP_ENOENT);
    assert_null(store);
    made = conf_open(uri, NULL);
    CONF_OK(skep_store_open(uri, &opts, &store, &conf_err));
    skep_store_unref(store);
    skep_store_unref(made);
}

static void reopen(const char *uri)
{
    skep_store *store = conf_open(uri, NULL);
    skep_ref ref = conf_put(store, 2000, 1);
    skep_buf *buf = NULL;

    for (int i = 0; i < 3; i++) {
        skep_store_unref(store);
        store = conf_open(uri, NULL);
        CONF_OK(skep_store_get(store, &ref, SKEP_FOREVER, &buf, &conf_err));
        assert_true(skep_buf_size(buf) == 2000 && conf_is_filled(skep_buf_data(buf), 2000, 1));
        skep_buf_unref(buf);
    }
    skep_store_unref(store);
}

static void describes_itself(const char *uri)
{
    skep_store *store = conf_open(uri, "cache=5m&verify=full&threshold=1k");
    char first[SKEP_URI_MAX];
    char again[SKEP_URI_MAX];

    CONF_OK(skep_store_describe(store, first, sizeof first));
    assert_non_null(strstr(first, "cache=5m"));
    assert_non_null(strstr(first, "timeout=forever"));
    assert_int_equal(skep_store_threshold(store), 1024);
    skep_store_unref(store);
    store = conf_open(first, NULL);
    CONF_OK(skep_store_describe(store, again, sizeof again));
    assert_string_equal(first, again);
    assert_int_equal(skep_store_threshold(store), 1024);
    skep_store_unref(store);
}

static void unknown_option(const char *uri)
{
    char text[SKEP_URI_MAX];
    skep_store *store = NULL;

    conf_with(uri, "colour=blue", text);
    CONF_FAILS(skep_store_open(text, NULL, &store, &conf_err), SKEP_EINVAL);
    assert_non_null(strstr(conf_err.text, "colour"));
    conf_with(uri, "cache=much", text);
    CONF_FAILS(skep_store_open(text, NULL, &store, &conf_err), SKEP_EINVAL);
    assert_non_null(strstr(conf_err.text, "cache"));
    assert_null(store);
}

static void see_garbage(const skep_garbage *garbage, void *arg)
{
    (void)garbage;
    ++*(int *)arg;
}

static void gc_leaves_live_objects(const char *uri)
{
    skep_store *store = conf_open(uri, "cache=0");
    skep_ref ref = conf_put(store, 5000, 1);
    skep_slot *slot = NULL;
    skep_buf *buf = NULL;
    int garbage = 0;

    CONF_OK(skep_store_reserve(store, 100, NULL, &slot, &conf_err));
    memset(skep_slot_data(slot), 7, 100);
    for (int dry_run = 1; dry_run >= 0; dry_run--)
        CONF_OK(skep_gc(uri, dry_run, see_garbage, &garbage, &conf_err));
    assert_int_equal(garbage, 0); /* an unfinished write of a living process is none */
    CONF_OK(skep_slot_commit(&slot, NULL, &conf_err));
    CONF_OK(skep_gc(uri, 0, NULL, NULL, &conf_err));
    CONF_OK(skep_store_get(store, &ref, SKEP_FOREVER, &buf, &conf_err));
    assert_true(conf_is_filled(skep_buf_data(buf), 5000, 1));
    skep_buf_unref(buf);
    if (conf_has(CONF_LIST))
        assert_int_equal(conf_count(store), 2);
    skep_store_unref(store);
}

/* ---- threads ---- */

struct work {
    skep_store *store;
    const char *key;
    unsigned id;
    _Atomic int *stop;
    int keeps;  /* half of what it puts */
    int failed; /* the line where it did */
    unsigned rounds;
    skep_error err;
};

#define FAIL_HERE(w) ((w)->failed = (w)->failed != 0 ? (w)->failed : __LINE__)

static void start(pthread_t *threads, struct work *work, int n, void *(*run)(void *))
{
    for (int i = 0; i < n; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run, &work[i]), 0);
}

static void finish(pthread_t *threads, struct work *work, int n)
{
    for (int i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
        if (work[i].failed != 0)
            fail_msg("thread %d failed in line %d: %s", i, work[i].failed, work[i].err.text);
    }
}

static void *write_and_read(void *arg)
{
    struct work *w = arg;
    unsigned char bytes[2000];

    for (unsigned i = 0; i < 100 && w->failed == 0; i++) {
        unsigned seed = w->id * 1000 + i;
        size_t size = sizeof bytes - i;
        skep_buf *buf;
        skep_ref ref;

        conf_fill(bytes, size, seed);
        if (skep_store_put(w->store, bytes, size, NULL, &ref, &w->err) != SKEP_OK) {
            FAIL_HERE(w);
        } else if (skep_store_get(w->store, &ref, SKEP_FOREVER, &buf, &w->err) != SKEP_OK) {
            FAIL_HERE(w);
        } else {
            if (skep_buf_size(buf) != size || !conf_is_filled(skep_buf_data(buf), size, seed))
                FAIL_HERE(w);
            skep_buf_unref(buf);
        }
        if (w->failed == 0 && !(w->keeps && i % 2) && skep_store_evict(w->store, &ref, SKEP_FOREVER, &w->err) != SKEP_OK)
            FAIL_HERE(w);
    }
    return NULL;
}

static void many_writers(const char *uri)
{
    skep_store *store = conf_open(uri, "cache=100k");
    struct work work[THREADS];
    pthread_t threads[THREADS];

    for (unsigned i = 0; i < THREADS; i++)
        work[i] = (struct work){.store = store, .id = i, .keeps = 1};
    start(threads, work, THREADS, write_and_read);
    finish(threads, work, THREADS);
    if (conf_has(CONF_LIST))
        assert_int_equal(conf_count(store), THREADS * 50);
    skep_store_unref(store);
}

/* Puts under one key and evicts, again and again; each object is filled with the seed that its size names. */
static void *replace(void *arg)
{
    struct work *w = arg;
    skep_put_opts opts = SKEP_PUT_OPTS_INIT;
    unsigned char bytes[4096];
    skep_ref ref;

    opts.key = w->key;
    for (unsigned i = 0; i < 300 && w->failed == 0; i++) {
        size_t size = 3000 + i;

        conf_fill(bytes, size, (unsigned)size);
        if (skep_store_put(w->store, bytes, size, &opts, &ref, &w->err) != SKEP_OK ||
            skep_store_evict(w->store, &ref, SKEP_FOREVER, &w->err) != SKEP_OK)
            FAIL_HERE(w);
    }
    atomic_store(w->stop, 1);
    return NULL;
}

static void *look(void *arg)
{
    struct work *w = arg;
    skep_ref ref;
    size_t last = 0;

    if (skep_ref_key(w->key, &ref) != SKEP_OK)
        FAIL_HERE(w);
    while (!atomic_load(w->stop) && w->failed == 0) {
        skep_buf *buf;
        int rc = skep_store_get(w->store, &ref, SKEP_FOREVER, &buf, &w->err);

        w->rounds++;
        if (rc == SKEP_ENOENT)
            continue;
        if (rc != SKEP_OK) {
            FAIL_HERE(w);
            break;
        }
        if (!conf_is_filled(skep_buf_data(buf), skep_buf_size(buf), (unsigned)skep_buf_size(buf)))
            FAIL_HERE(w);
        if (skep_buf_size(buf) < last) /* the cache must not bring back what was evicted */
            FAIL_HERE(w);
        last = skep_buf_size(buf);
        skep_buf_unref(buf);
    }
    return NULL;
}

static void reading_while_evicting(const char *uri)
{
    skep_store *store = conf_open(uri, NULL);
    struct work work[THREADS];
    pthread_t threads[THREADS];
    _Atomic int stop = 0;

    for (unsigned i = 0; i < THREADS; i++)
        work[i] = (struct work){.store = store, .key = "one", .id = i, .stop = &stop};
    for (int i = conf_rounds(1); i > 0; i--) {
        atomic_store(&stop, 0);
        start(threads, work, 1, replace);
        start(threads + 1, work + 1, THREADS - 1, look);
        finish(threads, work, THREADS);
    }
    skep_store_unref(store);
}

static void *put_soon(void *arg)
{
    struct work *w = arg;
    skep_put_opts opts = SKEP_PUT_OPTS_INIT;

    usleep(30000);
    opts.key = w->key;
    if (skep_store_put(w->store, "here", 4, &opts, NULL, &w->err) != SKEP_OK)
        FAIL_HERE(w);
    return NULL;
}

static void wait_for_thread(const char *uri)
{
    skep_store *store = conf_open(uri, NULL);
    struct work work = {.store = store, .key = "soon"};
    pthread_t thread;
    skep_ref ref;

    CONF_OK(skep_ref_key("soon", &ref));
    start(&thread, &work, 1, put_soon);
    CONF_OK(skep_store_wait(store, &ref, skep_in_ms(20000), &conf_err));
    assert_true(conf_there(store, &ref));
    finish(&thread, &work, 1);
    skep_store_unref(store);
}

/* ---- processes ---- */

static void handle_of(skep_store *store, const skep_ref *ref, char out[SKEP_HANDLE_MAX])
{
    skep_proxy *proxy = NULL;

    CONF_OK(skep_store_proxy_of(store, ref, NULL, &proxy, &conf_err));
    CONF_OK(skep_proxy_handle(proxy, out, SKEP_HANDLE_MAX));
    skep_proxy_unref(proxy);
}

static void second_process(const char *uri)
{
    skep_store *store = conf_open(uri, NULL);
    skep_ref big = conf_put(store, 3000000, 1);
    skep_ref none = conf_put(store, 0, 0);
    char handle[SKEP_HANDLE_MAX];
    skep_buf *buf = NULL;

    handle_of(store, &big, handle);
    assert_int_equal(conf_wait(conf_spawn("resolve", handle, "3000000", "1")), 0);
    assert_int_equal(conf_wait(conf_spawn("resolve", handle, "3000001", "1")), 1); /* it does look */
    CONF_OK(skep_store_get(store, &big, SKEP_FOREVER, &buf, &conf_err));
    assert_int_equal(conf_wait(conf_spawn("evict", handle)), 0);
    assert_int_equal(conf_wait(conf_spawn("resolve", handle, "3000000", "1")), 1);
    assert_true(conf_is_filled(skep_buf_data(buf), 3000000, 1));
    assert_false(conf_there(store, &big));
    skep_buf_unref(buf);
    handle_of(store, &none, handle);
    assert_int_equal(conf_wait(conf_spawn("resolve", handle, "0", "0")), 0);
    skep_store_unref(store);
}

static void wait_for_process(const char *uri)
{
    skep_store *store = conf_open(uri, NULL);
    skep_buf *buf = NULL;
    skep_ref ref;
    int child;

    CONF_OK(skep_ref_key("from-afar", &ref));
    child = conf_spawn("put", uri, "from-afar", "5000", "3", "50");
    CONF_OK(skep_store_wait(store, &ref, skep_in_ms(30000), &conf_err));
    CONF_OK(skep_store_get(store, &ref, SKEP_FOREVER, &buf, &conf_err));
    assert_true(skep_buf_size(buf) == 5000 && conf_is_filled(skep_buf_data(buf), 5000, 3));
    skep_buf_unref(buf);
    assert_int_equal(conf_wait(child), 0);
    skep_store_unref(store);
}

static void names_from_process(const char *uri)
{
    skep_store *store = conf_open(uri, NULL);
    skep_ref ref = conf_put(store, 10, 1);
    char handle[SKEP_HANDLE_MAX];
    char out[SKEP_HANDLE_MAX];

    handle_of(store, &ref, handle);
    assert_int_equal(conf_wait(conf_spawn("name", uri, "latest", handle)), 0);
    CONF_OK(skep_store_name_get(store, "latest", out, sizeof out, SKEP_FOREVER, &conf_err));
    assert_string_equal(out, handle);
    skep_store_unref(store);
}

static void many_processes(const char *uri)
{
    enum { N = 4 };
    skep_store *store = conf_open(uri, NULL);
    int children[N];
    int won = 0;

    for (int i = 0; i < N; i++) /* one key: one of them is first */
        children[i] = conf_spawn("put", uri, "contested", "100000", "8", "0");
    for (int i = 0; i < N; i++)
        won += conf_wait(children[i]) == 0;
    assert_int_equal(won, 1);
    if (conf_has(CONF_LIST))
        assert_int_equal(conf_count(store), 1);
    skep_store_unref(store);
}

/* ---- fork ---- */

/* In a child of fork: go on using everything the parent had. Returns the line that failed, or 0; no assertion, since that
 * would jump into the parent's test. */
static int use_in_child(skep_store *store, const skep_ref *before, skep_proxy *unresolved, skep_buf *mapped, skep_ref *out)
{
    int seen = conf_has(SKEP_CAP_SHARED) ? SKEP_OK : SKEP_ENOENT;
    unsigned char bytes[3000];
    skep_error err;
    skep_buf *buf = NULL;
    const void *data;
    size_t size;

    if (!conf_is_filled(skep_buf_data(mapped), 1000, 1))
        return __LINE__;
    if (skep_store_get(store, before, SKEP_FOREVER, &buf, &err) != seen)
        return __LINE__;
    skep_buf_unref(buf);
    if (skep_proxy_resolve(unresolved, SKEP_FOREVER, &data, &size, &err) != seen)
        return __LINE__;
    conf_fill(bytes, sizeof bytes, 2);
    if (skep_store_put(store, bytes, sizeof bytes, NULL, out, &err) != SKEP_OK)
        return __LINE__;
    if (skep_store_get(store, out, SKEP_FOREVER, &buf, &err) != SKEP_OK)
        return __LINE__;
    if (skep_buf_size(buf) != sizeof bytes || !conf_is_filled(skep_buf_data(buf), sizeof bytes, 2))
        return __LINE__;
    skep_buf_unref(buf);
    return 0;
}

static int exit_code(pid_t pid)
{
    int code = conf_wait(pid);

    if (code != 0)
        print_error("the child failed: %d (a line, modulo 256, or minus a signal)\n", code);
    return code;
}

static void fork_and_go_on(const char *uri)
{
    skep_store *store = conf_open(uri, "cache=0");
    skep_ref before = conf_put(store, 1000, 1);
    skep_proxy *unresolved = NULL;
    skep_buf *mapped = NULL;
    int pipes[2];

    CONF_OK(skep_store_proxy_of(store, &before, NULL, &unresolved, &conf_err));
    CONF_OK(skep_store_get(store, &before, SKEP_FOREVER, &mapped, &conf_err));
    assert_int_equal(pipe(pipes), 0);
    for (int closes = 0; closes < 2; closes++) {
        skep_ref made;
        skep_buf *buf = NULL;
        pid_t pid = fork();

        if (pid == 0) {
            int line = use_in_child(store, &before, unresolved, mapped, &made);

            if (line == 0 && write(pipes[1], &made, sizeof made) != (ssize_t)sizeof made)
                line = __LINE__;
            if (closes) {
                skep_proxy_unref(unresolved);
                skep_buf_unref(mapped);
                skep_store_unref(store);
            }
            _exit(line & 0xff);
        }
        conf_put(store, 500, 3); /* at the same time */
        assert_int_equal(exit_code(pid), 0);
        assert_int_equal(read(pipes[0], &made, sizeof made), sizeof made);
        CONF_OK(skep_store_get(store, &before, SKEP_FOREVER, &buf, &conf_err));
        assert_true(conf_is_filled(skep_buf_data(buf), 1000, 1));
        skep_buf_unref(buf);
        assert_int_equal(conf_there(store, &made), conf_has(SKEP_CAP_SHARED));
        assert_true(conf_is_filled(skep_buf_data(mapped), 1000, 1));
    }
    close(pipes[0]);
    close(pipes[1]);
    skep_buf_unref(mapped);
    skep_proxy_unref(unresolved);
    skep_store_unref(store);
}

static void *churn(void *arg)
{
    struct work *w = arg;

    while (!atomic_load(w->stop) && w->failed == 0)
        write_and_read(w);
    return NULL;
}

/* Other threads are in the middle of anything when this one forks. */
static void fork_under_load(const char *uri)
{
    skep_store *store = conf_open(uri, "cache=100k");
    struct work work[2];
    pthread_t threads[2];
    _Atomic int stop = 0;

    for (unsigned i = 0; i < 2; i++)
        work[i] = (struct work){.store = store, .id = i, .stop = &stop};
    start(threads, work, 2, churn);
    for (int i = conf_rounds(10); i > 0; i--) {
        pid_t pid = fork();

        if (pid == 0) {
            struct work mine = {.store = store, .id = 77};
            int failed;

            write_and_read(&mine);
            failed = mine.failed;
            skep_store_unref(store);
            _exit(failed & 0xff);
        }
        assert_int_equal(exit_code(pid), 0);
    }
    atomic_store(&stop, 1);
    finish(threads, work, 2);
    skep_store_unref(store);
}

static void slot_across_fork(const char *uri)
{
    skep_store *store = conf_open(uri, NULL);
    skep_slot *slot = NULL;
    skep_ref ref;
    pid_t pid;

    CONF_OK(skep_store_reserve(store, 100, NULL, &slot, &conf_err));
    conf_fill(skep_slot_data(slot), 100, 6);
    pid = fork();
    if (pid == 0) /* its key is the parent's to publish */
        _exit(skep_slot_commit(&slot, &ref, NULL) != SKEP_ECLOSED);
    assert_int_equal(exit_code(pid), 0);
    pid = fork();
    if (pid == 0) {
        skep_slot_abort(slot);
        _exit(0);
    }
    assert_int_equal(exit_code(pid), 0);
    if (conf_has(SKEP_CAP_SHARED | CONF_LIST))
        assert_int_equal(conf_count(store), 0);
    CONF_OK(skep_slot_commit(&slot, &ref, &conf_err));
    assert_true(conf_there(store, &ref));
    skep_store_unref(store);
}

const struct conf_case conf_sharing[] = {
    {"shared by identity", 0, shared_by_identity},
    {"only existing stores", 0, only_existing},
    {"reopen", SKEP_CAP_DURABLE, reopen},
    {"describes itself", 0, describes_itself},
    {"unknown options", 0, unknown_option},
    {"gc leaves live objects", 0, gc_leaves_live_objects},
    {"many writers", 0, many_writers},
    {"reading while evicting", 0, reading_while_evicting},
    {"wait for a thread", 0, wait_for_thread},
    {"a second process", SKEP_CAP_SHARED, second_process},
    {"wait for a process", SKEP_CAP_SHARED, wait_for_process},
    {"names from a process", SKEP_CAP_SHARED | CONF_NAMES, names_from_process},
    {"many processes", SKEP_CAP_SHARED, many_processes},
    {"fork, and both go on", 0, fork_and_go_on},
    {"fork under load", CONF_MALLOC_FORKS, fork_under_load},
    {"a slot across fork", 0, slot_across_fork},
    {NULL, 0, NULL},
};
