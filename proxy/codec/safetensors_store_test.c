/* safetensors_store_test.c - tensors through stores: put from where they lie, one of them read without the rest, and the
 * codecs that tell such objects from others. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skep/skep.h>

static char directory[64], uri_memory[64], uri_file[96], uri_shm[64];

static const uint64_t one[] = {1};

static skep_store *store_new(const char *uri)
{
    skep_error err;
    skep_store *store;

    if (skep_store_open(uri, NULL, &store, &err) != SKEP_OK)
        fail_msg("%s", err.text);
    return store;
}

/* Another proxy of the same object, which knows nothing yet. */
static skep_proxy *fresh(skep_store *store, const skep_proxy *proxy)
{
    skep_proxy *other;

    assert_int_equal(skep_store_proxy_of(store, skep_proxy_ref_of(proxy), "safetensors", &other, NULL), SKEP_OK);
    assert_int_equal(skep_proxy_state(other), SKEP_PROXY_UNRESOLVED);
    return other;
}

static uint64_t read_bytes(skep_store *store)
{
    skep_metrics m = SKEP_METRICS_INIT;

    assert_int_equal(skep_store_metrics(store, SKEP_OP_READ, &m), SKEP_OK);
    return m.bytes;
}

static uint64_t got(skep_store *store)
{
    skep_metrics m = SKEP_METRICS_INIT;

    assert_int_equal(skep_store_metrics(store, SKEP_OP_GET, &m), SKEP_OK);
    return m.count;
}

/* ---- a model: a small tensor amid a big one ------------------------------------------------------ */

enum { SMALL = 1024 };

static skep_proxy *put_model(skep_store *store, uint64_t big_bytes, const float *small)
{
    static const uint64_t small_shape[] = {SMALL / 4, 4};
    const skep_meta meta = {"format", "skep"};
    skep_tensor tensors[] = {SKEP_TENSOR_INIT, SKEP_TENSOR_INIT, SKEP_TENSOR_INIT};
    char *big = calloc(1, big_bytes);
    skep_proxy *proxy;
    skep_error err;

    assert_non_null(big);
    tensors[0].name = "big";
    tensors[0].dtype = SKEP_U8;
    tensors[0].rank = 1;
    tensors[0].shape = &big_bytes;
    tensors[0].data = big;
    tensors[1].name = "small";
    tensors[1].dtype = SKEP_F32;
    tensors[1].rank = 2;
    tensors[1].shape = small_shape;
    tensors[1].data = small;
    tensors[2].name = "other";
    tensors[2].dtype = SKEP_I16;
    tensors[2].rank = 1;
    tensors[2].shape = one;
    tensors[2].data = "\x07";
    if (skep_safetensors_put(store, tensors, 3, &meta, 1, NULL, &proxy, &err) != SKEP_OK)
        fail_msg("%s", err.text);
    free(big);
    return proxy;
}

static void read_one(skep_store *store, const skep_proxy *proxy, const float *small)
{
    skep_proxy *lazy = fresh(store, proxy);
    uint64_t before = read_bytes(store), gets = got(store), header;
    static float copy[SMALL];
    skep_safetensors *st;
    const skep_tensor *t;
    skep_error err;

    assert_int_equal(skep_safetensors_open(lazy, SKEP_FOREVER, &st, &err), SKEP_OK);
    header = skep_safetensors_at(st, 0)->offset; /* of the object's first tensor: what lies before it is the header */
    assert_int_equal(read_bytes(store) - before, header);
    t = skep_safetensors_find(st, "small");
    assert_non_null(t);
    assert_null(t->data);
    assert_int_equal(t->aligned, 0);
    assert_int_equal(t->bytes, sizeof copy);
    assert_int_equal(skep_safetensors_read(st, t, copy, sizeof copy, SKEP_FOREVER, &err), SKEP_OK);
    assert_memory_equal(copy, small, sizeof copy);
    assert_int_equal(read_bytes(store) - before, header + sizeof copy);
    assert_int_equal(got(store), gets);
    assert_int_equal(skep_proxy_state(lazy), SKEP_PROXY_UNRESOLVED);
    skep_proxy_unref(lazy); /* what is open keeps it */
    memset(copy, 0, sizeof copy);
    assert_int_equal(skep_safetensors_read(st, t, copy, sizeof copy, SKEP_FOREVER, &err), SKEP_OK);
    assert_memory_equal(copy, small, sizeof copy);
    skep_safetensors_free(st);
}

static void resolved(skep_store *store, const skep_proxy *proxy, const float *small)
{
    skep_proxy *whole = fresh(store, proxy);
    const unsigned char *data;
    skep_safetensors *st;
    const skep_tensor *t;
    const char *key, *value;
    const void *lend;
    size_t size;

    assert_int_equal(skep_proxy_resolve(whole, SKEP_FOREVER, &lend, &size, NULL), SKEP_OK);
    data = lend;
    assert_int_equal(skep_safetensors_open(whole, SKEP_FOREVER, &st, NULL), SKEP_OK);
    assert_int_equal(skep_safetensors_count(st), 3);
    t = skep_safetensors_at(st, 0);
    assert_string_equal(t->name, "small");
    assert_ptr_equal(t->data, data + t->offset);
    assert_memory_equal(t->data, small, SMALL * sizeof(float));
    assert_int_equal(t->aligned, 1); /* the header is padded for it, and objects begin aligned */
    t = skep_safetensors_at(st, 2);
    assert_string_equal(t->name, "big");
    assert_int_equal(t->offset + t->bytes, size);
    assert_int_equal(skep_safetensors_meta_at(st, 0, &key, &value), SKEP_OK);
    assert_string_equal(value, "skep");
    skep_safetensors_free(st);
    skep_proxy_unref(whole);
}

static void model_in(const char *uri)
{
    uint64_t big = getenv("SKEP_TEST_FULL") ? (uint64_t)1 << 30 : (uint64_t)3 << 20;
    static float small[SMALL];
    skep_store *store = store_new(uri);
    skep_proxy *proxy;

    for (int i = 0; i < SMALL; i++)
        small[i] = (float)i;
    proxy = put_model(store, big, small);
    assert_string_equal(skep_proxy_codec(proxy), "safetensors");
    read_one(store, proxy, small);
    resolved(store, proxy, small);
    assert_int_equal(skep_proxy_evict(proxy, SKEP_FOREVER, NULL), SKEP_OK);
    skep_proxy_unref(proxy);
    skep_store_unref(store);
}

static void model_in_memory(void **state)
{
    (void)state;
    model_in(uri_memory);
}

static void model_in_file(void **state)
{
    (void)state;
    model_in(uri_file);
}

static void model_in_shm(void **state)
{
    (void)state;
    model_in(uri_shm);
}

/* More pieces than one writev takes. */
static void many_pieces(void **state)
{
    enum { N = 3000 };
    static skep_tensor tensors[N];
    static char names[N][12], data[N];
    skep_store *store = store_new(uri_file);
    skep_proxy *proxy, *lazy;
    skep_safetensors *st;
    skep_error err;

    (void)state;
    for (int i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "%d", i);
        data[i] = (char)i;
        tensors[i] = (skep_tensor)SKEP_TENSOR_INIT;
        tensors[i].name = names[i];
        tensors[i].dtype = SKEP_I8;
        tensors[i].data = &data[i];
    }
    assert_int_equal(skep_safetensors_put(store, tensors, N, NULL, 0, NULL, &proxy, &err), SKEP_OK);
    lazy = fresh(store, proxy);
    assert_int_equal(skep_proxy_resolve(lazy, SKEP_FOREVER, &(const void *){NULL}, &(size_t){0}, NULL), SKEP_OK);
    assert_int_equal(skep_safetensors_open(lazy, SKEP_FOREVER, &st, &err), SKEP_OK);
    assert_int_equal(skep_safetensors_count(st), N);
    for (int i = 0; i < N; i++)
        assert_int_equal(*(const char *)skep_safetensors_find(st, names[i])->data, data[i]);
    skep_safetensors_free(st);
    skep_proxy_unref(lazy);
    skep_proxy_unref(proxy);
    skep_store_unref(store);
}

/* ---- what goes wrong ----------------------------------------------------------------------------- */

static void put_refuses(void **state)
{
    skep_store *store = store_new(uri_memory);
    skep_put_opts opts = SKEP_PUT_OPTS_INIT;
    skep_tensor t = SKEP_TENSOR_INIT;
    skep_proxy *proxy = NULL;
    skep_error err;

    (void)state;
    t.name = "a";
    assert_int_equal(skep_safetensors_put(store, &t, 1, NULL, 0, NULL, &proxy, &err), SKEP_EINVAL);
    assert_string_equal(err.text, "tensor \"a\": 4 bytes, but no data");
    t.name = NULL;
    assert_int_equal(skep_safetensors_put(store, &t, 1, NULL, 0, NULL, &proxy, &err), SKEP_EINVAL);
    assert_int_equal(skep_safetensors_put(store, &t, SIZE_MAX / sizeof t, NULL, 0, NULL, &proxy, &err), SKEP_ETOOBIG);
    opts.key = "model";
    assert_int_equal(skep_safetensors_put(store, NULL, 0, NULL, 0, &opts, &proxy, &err), SKEP_OK);
    assert_string_equal(skep_proxy_ref_of(proxy)->key, "model");
    skep_proxy_unref(proxy);
    proxy = NULL;
    assert_int_equal(skep_safetensors_put(store, NULL, 0, NULL, 0, &opts, &proxy, &err), SKEP_EEXIST);
    assert_null(proxy);
    skep_store_unref(store);
}

static void open_refuses(void **state)
{
    static const unsigned char bad[] = "\x02\0\0\0\0\0\0\0{}x";
    skep_store *store = store_new(uri_memory);
    skep_safetensors *st = NULL;
    skep_proxy *proxy;
    skep_error err;
    char wanted[400];

    (void)state;
    assert_int_equal(skep_store_proxy(store, bad, sizeof bad - 1, NULL, &proxy, NULL), SKEP_OK);
    snprintf(wanted, sizeof wanted, "object \"%s\": the tensors end at byte 0 of the data, the object has 1: trailing bytes",
             skep_proxy_ref_of(proxy)->key);
    for (int resolve = 0; resolve < 2; resolve++) {
        if (resolve)
            assert_int_equal(skep_proxy_resolve(proxy, SKEP_FOREVER, &(const void *){NULL}, &(size_t){0}, NULL), SKEP_OK);
        assert_int_equal(skep_safetensors_open(proxy, SKEP_FOREVER, &st, &err), SKEP_EFORMAT);
        assert_string_equal(err.text, wanted);
        assert_int_equal(skep_safetensors_open(proxy, SKEP_FOREVER, &st, NULL), SKEP_EFORMAT);
    }
    skep_proxy_unref(proxy);

    assert_int_equal(skep_store_proxy(store, bad, sizeof bad - 2, NULL, &proxy, NULL), SKEP_OK);
    assert_int_equal(skep_proxy_evict(proxy, SKEP_FOREVER, NULL), SKEP_OK);
    assert_int_equal(skep_safetensors_open(proxy, SKEP_FOREVER, &st, &err), SKEP_ENOENT);
    assert_null(st);
    skep_proxy_unref(proxy);
    skep_store_unref(store);
}

/* The store fails in the first read (the length), the second (the header) or the third (a tensor). */
static void store_fails(void **state)
{
    static float small[SMALL];
    skep_error err;

    (void)state;
    for (int nth = 1; nth <= 3; nth++) {
        skep_safetensors *st = NULL;
        skep_proxy *proxy, *lazy;
        skep_store *store;
        char uri[160];
        int rc;

        snprintf(uri, sizeof uri, "fault+%s?fault_op=read&fault_nth=%d&fault_error=eio", uri_file, nth);
        store = store_new(uri);
        proxy = put_model(store, 16, small);
        lazy = fresh(store, proxy);
        rc = skep_safetensors_open(lazy, SKEP_FOREVER, &st, &err);
        assert_int_equal(rc, nth < 3 ? SKEP_EIO : SKEP_OK);
        if (rc == SKEP_OK)
            rc = skep_safetensors_read(st, skep_safetensors_find(st, "small"), small, sizeof small, SKEP_FOREVER, &err);
        assert_int_equal(rc, SKEP_EIO);
        skep_safetensors_free(st);
        skep_proxy_unref(lazy);
        skep_proxy_unref(proxy);
        skep_store_unref(store);
    }
}

/* ---- codecs -------------------------------------------------------------------------------------- */

static void sniffs(void **state)
{
    static const struct {
        const char *begin;
        size_t n;
        uint64_t size;
        const char *wanted;
    } rows[] = {
        {"\x02\0\0\0\0\0\0\0{}", 10, 10, "safetensors"},
        {"\x20\0\0\0\0\0\0\0{\"__meta", 16, 40, "safetensors"},
        {"\x20\0\0\0\0\0\0\0{\"__meta", 16, 39, "raw"}, /* the header would leave the object */
        {"\x02\0\0\0\0\0\0\0[]", 10, 10, "raw"},
        {"\x01\0\0\0\0\0\0\0{}", 10, 10, "raw"},
        {"\x02\0\0\0\0\0\0\0", 8, 10, "raw"},
        {"\x02\0\0\0\0\0\0\0", 8, 8, "raw"},
        {"\xff\xff\xff\xff\xff\xff\xff\xff{}", 10, 10, "raw"},
        {"", 0, 0, "raw"},
        {"\x93NUMPY", 6, 1000, "raw"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_string_equal(skep_codec_sniff(rows[i].begin, rows[i].n, rows[i].size)->name, rows[i].wanted);
}

static void table(void **state)
{
    size_t n = 0;

    (void)state;
    for (const skep_codec *c; (c = skep_codec_at(n)) != NULL; n++) {
        assert_int_equal(c->size, sizeof *c);
        assert_true(strlen(c->name) < SKEP_CODEC_MAX && c->help[0] != '\0');
        assert_ptr_equal(skep_codec_find(c->name), c);
    }
    assert_string_equal(skep_codec_at(n - 1)->name, "raw");
    assert_ptr_equal(skep_codec_find(NULL), skep_codec_at(n - 1));
    assert_ptr_equal(skep_codec_find(""), skep_codec_at(n - 1));
    assert_null(skep_codec_find("pickle"));
}

static void checks(void **state)
{
    static float small[SMALL];
    skep_store *store = store_new(uri_file);
    skep_proxy *model = put_model(store, 100, small), *plain, *lazy = fresh(store, model);
    const skep_codec *safetensors = skep_codec_find("safetensors"), *raw = skep_codec_find("raw");
    skep_error err;

    (void)state;
    assert_int_equal(skep_store_proxy(store, "weights", 7, NULL, &plain, NULL), SKEP_OK);
    assert_int_equal(safetensors->check(lazy, SKEP_FOREVER, &err), SKEP_OK);
    assert_int_equal(skep_proxy_state(lazy), SKEP_PROXY_UNRESOLVED);
    assert_int_equal(raw->check(lazy, SKEP_FOREVER, &err), SKEP_OK);
    assert_int_equal(safetensors->check(plain, SKEP_FOREVER, &err), SKEP_EFORMAT);
    assert_non_null(strstr(err.text, ": an object of 7 bytes has no room for the length of a header"));
    skep_proxy_unref(lazy);
    skep_proxy_unref(plain);
    skep_proxy_unref(model);
    skep_store_unref(store);
}

/* ---- where ---------------------------------------------------------------------------------------- */

static int set_up(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/skep-codec-XXXXXX");
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(uri_memory, sizeof uri_memory, "memory://codec-%d", (int)getpid());
    snprintf(uri_file, sizeof uri_file, "file://%s", directory);
    snprintf(uri_shm, sizeof uri_shm, "shm://codec-test-%d", (int)getpid());
    return 0;
}

static int evict(const skep_entry *entry, void *store)
{
    return entry->name != NULL ? SKEP_OK : skep_store_evict(store, &entry->ref, SKEP_FOREVER, NULL);
}

static int tear_down(void **state)
{
    skep_store *store = store_new(uri_file);

    (void)state;
    assert_int_equal(skep_store_list(store, evict, store, NULL), SKEP_OK);
    skep_store_unref(store);
    return rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(model_in_memory), cmocka_unit_test(model_in_file), cmocka_unit_test(model_in_shm),
        cmocka_unit_test(many_pieces),     cmocka_unit_test(put_refuses),   cmocka_unit_test(open_refuses),
        cmocka_unit_test(store_fails),     cmocka_unit_test(sniffs),        cmocka_unit_test(table),
        cmocka_unit_test(checks),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
