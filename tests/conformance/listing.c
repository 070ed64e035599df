/* listing.c - conformance of what concerns several objects at once: lists, names, batches. */
#include "tests/conformance/conformance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

struct found {
    const char *key;
    int times;
    size_t size;
    uint64_t made_ns;
};

static int find_key(const skep_entry *entry, void *arg)
{
    struct found *found = arg;

    if (entry->name == NULL && strcmp(entry->ref.key, found->key) == 0) {
        found->times++;
        found->size = entry->ref.size_bytes;
        found->made_ns = entry->made_ns;
    }
    return 0;
}

static int stop_at_once(const skep_entry *entry, void *arg)
{
    (void)entry;
    ++*(int *)arg;
    return 42;
}

static int evict_entry(const skep_entry *entry, void *arg)
{
    return entry->name == NULL ? skep_store_evict(arg, &entry->ref, SKEP_FOREVER, NULL) : 0;
}

static void list(const char *uri)
{
    skep_store *store = conf_open(uri, NULL);
    skep_ref refs[5];
    int calls = 0;

    assert_int_equal(conf_count(store), 0);
    for (unsigned i = 0; i < 5; i++)
        refs[i] = conf_put(store, i * 1000, i);
    for (unsigned i = 0; i < 5; i++) {
        struct found found = {.key = refs[i].key};

        CONF_OK(skep_store_list(store, find_key, &found, &conf_err));
        assert_int_equal(found.times, 1);
        assert_int_equal(found.size, i * 1000);
        assert_true(found.made_ns == 0 || found.made_ns <= skep_real_ns() + 1000000000u);
    }
    assert_int_equal(skep_store_list(store, stop_at_once, &calls, &conf_err), 42);
    assert_int_equal(calls, 1);
    CONF_OK(skep_store_list(store, evict_entry, store, &conf_err)); /* a walk does not hold what an evict needs */
    assert_int_equal(conf_count(store), 0);
    CONF_FAILS(skep_store_list(store, NULL, NULL, &conf_err), SKEP_EINVAL);
    skep_store_unref(store);
}

static int find_name(const skep_entry *entry, void *arg)
{
    struct found *found = arg;

    if (entry->name != NULL && strcmp(entry->name, found->key) == 0 && strchr(entry->handle, '#') != NULL)
        found->times++;
    return 0;
}

static void names(const char *uri)
{
    skep_store *store = conf_open(uri, NULL);
    char handles[2][SKEP_HANDLE_MAX];
    char out[SKEP_HANDLE_MAX];
    struct found found = {.key = "latest"};
    char longest[65];

    for (unsigned i = 0; i < 2; i++) {
        skep_ref ref = conf_put(store, 10, i);
        skep_proxy *proxy = NULL;

        CONF_OK(skep_store_proxy_of(store, &ref, NULL, &proxy, &conf_err));
        CONF_OK(skep_proxy_handle(proxy, handles[i], sizeof handles[i]));
        skep_proxy_unref(proxy);
    }
    CONF_FAILS(skep_store_name_get(store, "latest", out, sizeof out, SKEP_FOREVER, &conf_err), SKEP_ENOENT);
    for (unsigned i = 0; i < 2; i++) {
        CONF_OK(skep_store_name_set(store, "latest", handles[i], SKEP_FOREVER, &conf_err));
        CONF_OK(skep_store_name_get(store, "latest", out, sizeof out, SKEP_FOREVER, &conf_err));
        assert_string_equal(out, handles[i]);
    }
    out[0] = 'x';
    CONF_FAILS(skep_store_name_get(store, "latest", out, strlen(handles[1]), SKEP_FOREVER, &conf_err), SKEP_ETOOBIG);
    assert_int_equal(out[0], 'x');
    if (conf_has(CONF_LIST)) {
        CONF_OK(skep_store_list(store, find_name, &found, &conf_err));
        assert_int_equal(found.times, 1);
        assert_int_equal(conf_count(store), 2);
    }
    CONF_OK(skep_store_name_set(store, "latest", NULL, SKEP_FOREVER, &conf_err));
    CONF_OK(skep_store_name_set(store, "latest", NULL, SKEP_FOREVER, &conf_err));
    CONF_FAILS(skep_store_name_get(store, "latest", out, sizeof out, SKEP_FOREVER, &conf_err), SKEP_ENOENT);
    memset(longest, 'n', sizeof longest - 1);
    longest[64] = 0;
    CONF_FAILS(skep_store_name_set(store, longest, handles[0], SKEP_FOREVER, &conf_err), SKEP_EINVAL);
    CONF_OK(skep_store_name_set(store, longest + 1, handles[0], SKEP_FOREVER, &conf_err));
    CONF_OK(skep_store_name_get(store, longest + 1, out, sizeof out, SKEP_FOREVER, &conf_err));
    CONF_FAILS(skep_store_name_set(store, "../up", handles[0], SKEP_FOREVER, &conf_err), SKEP_EINVAL);
    CONF_FAILS(skep_store_name_set(store, "latest", "no handle", SKEP_FOREVER, &conf_err), SKEP_EFORMAT);
    skep_store_unref(store);
}

static void batches(const char *uri)
{
    enum { N = 50 };
    skep_store *store = conf_open(uri, NULL);
    skep_buf *bufs[N] = {NULL};
    struct iovec items[N];
    skep_ref refs[N];
    int there[N];
    size_t done = 0;

    for (unsigned i = 0; i < N; i++) {
        items[i] = (struct iovec){malloc(i * 100 + 1), i * 100};
        assert_non_null(items[i].iov_base);
        conf_fill(items[i].iov_base, i * 100, i);
    }
    CONF_OK(skep_store_put_batch(store, items, N, NULL, refs, &done, &conf_err));
    assert_int_equal(done, N);
    conf_check(store, &refs[20], 2000, 20); /* one of them is in the cache then */
    CONF_OK(skep_store_get_batch(store, refs, N, SKEP_FOREVER, bufs, &done, &conf_err));
    assert_int_equal(done, N);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(skep_buf_size(bufs[i]), i * 100);
        assert_true(conf_is_filled(skep_buf_data(bufs[i]), i * 100, i));
        skep_buf_unref(bufs[i]);
        bufs[i] = NULL;
        free(items[i].iov_base);
    }
    CONF_OK(skep_store_evict(store, &refs[30], SKEP_FOREVER, &conf_err));
    CONF_OK(skep_store_exists_batch(store, refs, N, SKEP_FOREVER, there, &done, &conf_err));
    assert_int_equal(done, N);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(there[i], i != 30);
    CONF_FAILS(skep_store_get_batch(store, refs, N, SKEP_FOREVER, bufs, &done, &conf_err), SKEP_ENOENT);
    assert_int_equal(done, 30);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(bufs[i] != NULL, i < 30);
        skep_buf_unref(bufs[i]);
    }
    CONF_OK(skep_store_evict_batch(store, refs, N, SKEP_FOREVER, &done, &conf_err));
    assert_int_equal(done, N);
    assert_false(conf_there(store, &refs[0]));
    CONF_OK(skep_store_put_batch(store, NULL, 0, NULL, NULL, &done, &conf_err));
    assert_int_equal(done, 0);
    skep_store_unref(store);
}

static void batch_of_one_key(const char *uri)
{
    skep_store *store = conf_open(uri, NULL);
    skep_put_opts opts = SKEP_PUT_OPTS_INIT;
    char a[] = "a";
    char b[] = "b";
    struct iovec items[2] = {{a, 1}, {b, 1}};
    skep_ref refs[2];

    opts.key = "k";
    CONF_FAILS(skep_store_put_batch(store, items, 2, &opts, refs, NULL, &conf_err), SKEP_EINVAL);
    CONF_OK(skep_store_put_batch(store, items, 1, &opts, refs, NULL, &conf_err));
    assert_string_equal(refs[0].key, "k");
    skep_store_unref(store);
}

/* Whatever is wrong with the arguments, `done` says that nothing was. */
static void refused_batches(const char *uri)
{
    skep_store *store = conf_open(uri, NULL);
    skep_put_opts opts = {.key = "mine"}; /* not begun with its macro */
    char byte = 1;
    struct iovec good = {&byte, 1};
    struct iovec bad = {NULL, 1};
    skep_ref refs[2] = {SKEP_REF_INIT, SKEP_REF_INIT};
    skep_ref out = SKEP_REF_INIT;
    skep_buf *bufs[2];
    size_t done[10];
    int there[2];

    for (size_t i = 0; i < sizeof done / sizeof done[0]; i++)
        done[i] = 12345;
    CONF_OK(skep_ref_key("a", &refs[0]));
    CONF_FAILS(skep_store_put_batch(store, &bad, 1, NULL, &out, &done[0], &conf_err), SKEP_EINVAL);
    CONF_FAILS(skep_store_put_batch(store, &good, 1, NULL, NULL, &done[1], &conf_err), SKEP_EINVAL);
    CONF_FAILS(skep_store_put_batch(store, NULL, 1, NULL, &out, &done[2], &conf_err), SKEP_EINVAL);
    CONF_FAILS(skep_store_put_batch(store, &good, 1, &opts, &out, &done[3], &conf_err), SKEP_EINVAL);
    CONF_FAILS(skep_store_get_batch(store, refs, 2, SKEP_FOREVER, bufs, &done[4], &conf_err), SKEP_EINVAL);
    CONF_FAILS(skep_store_get_batch(store, refs, 2, SKEP_FOREVER, NULL, &done[5], &conf_err), SKEP_EINVAL);
    CONF_FAILS(skep_store_exists_batch(store, refs, 2, SKEP_FOREVER, there, &done[6], &conf_err), SKEP_EINVAL);
    CONF_FAILS(skep_store_exists_batch(store, NULL, 2, SKEP_FOREVER, there, &done[7], &conf_err), SKEP_EINVAL);
    CONF_FAILS(skep_store_evict_batch(store, refs, 2, SKEP_FOREVER, &done[8], &conf_err), SKEP_EINVAL);
    CONF_FAILS(skep_store_evict_batch(store, NULL, 2, SKEP_FOREVER, &done[9], &conf_err), SKEP_EINVAL);
    for (size_t i = 0; i < sizeof done / sizeof done[0]; i++)
        assert_int_equal(done[i], 0);
    skep_store_unref(store);
}

const struct conf_case conf_listing[] = {
    {"list", CONF_LIST, list},
    {"names", CONF_NAMES, names},
    {"batches", 0, batches},
    {"a batch under one key", 0, batch_of_one_key},
    {"refused batches", 0, refused_batches},
    {NULL, 0, NULL},
};
