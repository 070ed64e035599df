/* objects.c - conformance of what one opener does with objects: sizes, pieces, keys, ranges, checksums. */
#include "tests/conformance/conformance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((size_t)1 << 20)

static void sizes(const char *uri)
{
    static const size_t all[] = {0, 1, 7, 63, 64, 65, 4095, 4096, 4097, MIB - 1, MIB, MIB + 1, 3 * MIB + 17, 1024 * MIB + 1};
    size_t n = sizeof all / sizeof all[0] - !conf_full();
    skep_store *store = conf_open(uri, "cache=0");

    for (size_t i = 0; i < n; i++) {
        skep_ref ref = conf_put(store, all[i], (unsigned)i);

        assert_int_equal(ref.size_bytes, all[i]);
        assert_true(skep_key_is_uuid(ref.key));
        conf_check(store, &ref, all[i], (unsigned)i);
        CONF_OK(skep_store_evict(store, &ref, SKEP_FOREVER, &conf_err));
    }
    skep_store_unref(store);
}

static void pieces(const char *uri)
{
    skep_store *store = conf_open(uri, NULL);
    unsigned char bytes[5000];
    struct iovec iov[] = {{NULL, 0}, {bytes, 1},           {bytes + 1, 0}, {bytes + 1, 2999},
                          {NULL, 0}, {bytes + 3000, 2000}, {bytes, 0}};
    skep_ref ref;

    conf_fill(bytes, sizeof bytes, 3);
    CONF_OK(skep_store_putv(store, iov, 7, NULL, &ref, &conf_err));
    conf_check(store, &ref, sizeof bytes, 3);
    CONF_OK(skep_store_putv(store, NULL, 0, NULL, &ref, &conf_err));
    conf_check(store, &ref, 0, 0);
    CONF_OK(skep_store_putv(store, iov, 1, NULL, &ref, &conf_err));
    conf_check(store, &ref, 0, 0);
    iov[0].iov_len = 1;
    CONF_FAILS(skep_store_putv(store, iov, 7, NULL, &ref, &conf_err), SKEP_EINVAL);
    CONF_FAILS(skep_store_putv(store, iov, -1, NULL, &ref, &conf_err), SKEP_EINVAL);
    iov[0] = (struct iovec){bytes, SIZE_MAX};
    iov[1] = (struct iovec){bytes, SIZE_MAX};
    CONF_FAILS(skep_store_putv(store, iov, 2, NULL, &ref, &conf_err), SKEP_ETOOBIG);
    skep_store_unref(store);
}

static void many_pieces(const char *uri)
{
    enum { N = 3000 }; /* more than a system call takes at once */
    skep_store *store = conf_open(uri, NULL);
    unsigned char *bytes = malloc(N * 3);
    struct iovec *iov = malloc(N * sizeof *iov);
    skep_ref ref;

    assert_true(bytes != NULL && iov != NULL);
    conf_fill(bytes, N * 3, 5);
    for (int i = 0; i < N; i++)
        iov[i] = (struct iovec){bytes + i * 3, 3};
    CONF_OK(skep_store_putv(store, iov, N, NULL, &ref, &conf_err));
    conf_check(store, &ref, N * 3, 5);
    free(iov);
    free(bytes);
    skep_store_unref(store);
}

static void foreign_keys(const char *uri)
{
    char longest[SKEP_KEY_MAX];
    const char *keys[] = {"a",
                          "model.safetensors",
                          "with space",
                          "per%cent#hash?q&a=b+c",
                          "\xc3\xa4\xe2\x82\xac",
                          "~tilde",
                          "-dash",
                          "UPPER:colon*star'quote\"",
                          "tmp.",
                          "lock",
                          "names",
                          longest};
    skep_store *store = conf_open(uri, "cache=0");
    skep_put_opts opts = SKEP_PUT_OPTS_INIT;
    size_t n = sizeof keys / sizeof keys[0];
    unsigned char bytes[100];
    skep_ref ref;

    memset(longest, 'k', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    for (size_t i = 0; i < n; i++) {
        opts.key = keys[i];
        conf_fill(bytes, sizeof bytes, (unsigned)i);
        CONF_OK(skep_store_put(store, bytes, sizeof bytes, &opts, &ref, &conf_err));
        assert_string_equal(ref.key, keys[i]);
        CONF_FAILS(skep_store_put(store, "other", 5, &opts, &ref, &conf_err), SKEP_EEXIST);
    }
    for (size_t i = 0; i < n; i++) {
        CONF_OK(skep_ref_key(keys[i], &ref));
        conf_check(store, &ref, sizeof bytes, (unsigned)i);
    }
    if (conf_has(CONF_LIST))
        assert_int_equal(conf_count(store), n);
    for (size_t i = 0; i < n; i++) {
        CONF_OK(skep_ref_key(keys[i], &ref));
        CONF_OK(skep_store_evict(store, &ref, SKEP_FOREVER, &conf_err));
        assert_false(conf_there(store, &ref));
    }
    skep_store_unref(store);
}

static void bad_keys(const char *uri)
{
    static const char *const keys[] = {"", ".", "..", ".hidden", "a/b", "/etc/passwd", "../x", "new\nline", "\x7f", "\x01"};
    skep_store *store = conf_open(uri, NULL);
    skep_put_opts opts = SKEP_PUT_OPTS_INIT;
    char too_long[SKEP_KEY_MAX + 1];
    skep_ref out = SKEP_REF_INIT;
    skep_buf *buf = NULL;

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        skep_ref ref = SKEP_REF_INIT;

        opts.key = keys[i];
        CONF_FAILS(skep_store_put(store, "x", 1, &opts, &out, &conf_err), SKEP_EINVAL);
        assert_int_equal(skep_ref_key(keys[i], &out), SKEP_EINVAL);
        snprintf(ref.key, sizeof ref.key, "%s", keys[i]); /* as a caller might who makes his references himself */
        CONF_FAILS(skep_store_get(store, &ref, SKEP_FOREVER, &buf, &conf_err), SKEP_EINVAL);
        CONF_FAILS(skep_store_evict(store, &ref, SKEP_FOREVER, &conf_err), SKEP_EINVAL);
    }
    memset(too_long, 'k', sizeof too_long - 1);
    too_long[sizeof too_long - 1] = 0;
    opts.key = too_long;
    CONF_FAILS(skep_store_put(store, "x", 1, &opts, &out, &conf_err), SKEP_EINVAL);
    memset(out.key, 'k', sizeof out.key); /* no NUL at all */
    CONF_FAILS(skep_store_get(store, &out, SKEP_FOREVER, &buf, &conf_err), SKEP_EINVAL);
    memset(&out, 0, sizeof out);
    CONF_FAILS(skep_store_get(store, &out, SKEP_FOREVER, &buf, &conf_err), SKEP_EINVAL);
    assert_null(buf);
    if (conf_has(CONF_LIST))
        assert_int_equal(conf_count(store), 0);
    skep_store_unref(store);
}

/* Options of size 0 were not begun with their macro: a key in them would silently be lost. */
static void options_of_no_size(const char *uri)
{
    skep_store *store = conf_open(uri, NULL);
    skep_store_opts how_to_open = {.existing = 1};
    skep_put_opts opts = {.key = "mine"};
    skep_store *none = NULL;
    skep_proxy *proxy = NULL;
    skep_slot *slot = NULL;
    skep_ref ref;

    CONF_FAILS(skep_store_put(store, "x", 1, &opts, &ref, &conf_err), SKEP_EINVAL);
    assert_non_null(strstr(conf_err.text, "SKEP_PUT_OPTS_INIT"));
    CONF_FAILS(skep_store_reserve(store, 1, &opts, &slot, &conf_err), SKEP_EINVAL);
    CONF_FAILS(skep_store_proxy(store, "x", 1, &opts, &proxy, &conf_err), SKEP_EINVAL);
    CONF_FAILS(skep_store_open(uri, &how_to_open, &none, &conf_err), SKEP_EINVAL);
    assert_non_null(strstr(conf_err.text, "SKEP_STORE_OPTS_INIT"));
    assert_true(slot == NULL && proxy == NULL && none == NULL);
    opts.size = offsetof(skep_put_opts, checksum); /* an older caller's */
    opts.by_ns = SKEP_FOREVER;
    CONF_OK(skep_store_put(store, "x", 1, &opts, &ref, &conf_err));
    assert_string_equal(ref.key, "mine");
    skep_store_unref(store);
}

static void get_after_evict(const char *uri)
{
    skep_store *store = conf_open(uri, NULL);
    skep_ref ref = conf_put(store, 100, 1);
    skep_buf *buf = NULL;
    char byte = 'x';

    conf_check(store, &ref, 100, 1); /* it is in the cache now */
    CONF_OK(skep_store_evict(store, &ref, SKEP_FOREVER, &conf_err));
    CONF_OK(skep_store_evict(store, &ref, SKEP_FOREVER, &conf_err));
    CONF_FAILS(skep_store_get(store, &ref, SKEP_FOREVER, &buf, &conf_err), SKEP_ENOENT);
    CONF_FAILS(skep_store_read(store, &ref, 0, 1, &byte, SKEP_FOREVER, &conf_err), SKEP_ENOENT);
    assert_null(buf);
    assert_int_equal(byte, 'x');
    assert_false(conf_there(store, &ref));
    skep_store_unref(store);
}

static void key_used_again(const char *uri)
{
    skep_store *store = conf_open(uri, NULL);
    skep_put_opts opts = SKEP_PUT_OPTS_INIT;
    unsigned char bytes[700];
    skep_ref ref;

    opts.key = "again";
    for (unsigned i = 0; i < 20; i++) {
        conf_fill(bytes, sizeof bytes - i, i);
        CONF_OK(skep_store_put(store, bytes, sizeof bytes - i, &opts, &ref, &conf_err));
        conf_check(store, &ref, sizeof bytes - i, i);
        CONF_OK(skep_store_evict(store, &ref, SKEP_FOREVER, &conf_err));
    }
    skep_store_unref(store);
}

static void buffers_outlive(const char *uri)
{
    skep_store *store = conf_open(uri, "cache=0");
    skep_ref ref = conf_put(store, 3 * MIB, 1);
    skep_ref small = conf_put(store, 10, 2);
    skep_buf *buf = NULL;
    skep_buf *same = NULL;
    skep_buf *few = NULL;

    CONF_OK(skep_store_get(store, &ref, SKEP_FOREVER, &buf, &conf_err));
    CONF_OK(skep_store_get(store, &ref, SKEP_FOREVER, &same, &conf_err));
    CONF_OK(skep_store_get(store, &small, SKEP_FOREVER, &few, &conf_err));
    CONF_OK(skep_store_evict(store, &ref, SKEP_FOREVER, &conf_err));
    CONF_OK(skep_store_evict(store, &small, SKEP_FOREVER, &conf_err));
    for (unsigned i = 0; i < 4; i++) { /* what the store makes of the memory must not show */
        skep_ref other = conf_put(store, 3 * MIB, 100 + i);

        CONF_OK(skep_store_evict(store, &other, SKEP_FOREVER, &conf_err));
    }
    assert_true(conf_is_filled(skep_buf_data(buf), 3 * MIB, 1));
    skep_store_unref(store);
    assert_true(conf_is_filled(skep_buf_data(buf), 3 * MIB, 1));
    skep_buf_unref(buf);
    assert_true(conf_is_filled(skep_buf_data(same), 3 * MIB, 1));
    skep_buf_unref(same);
    assert_true(conf_is_filled(skep_buf_data(few), 10, 2));
    skep_buf_unref(few);
}

static void ranges(const char *uri)
{
    static const size_t size = MIB + 100;
    static const struct {
        uint64_t offset;
        size_t size;
        int rc;
    } all[] = {
        {0, 0, SKEP_OK},
        {0, 1, SKEP_OK},
        {0, MIB + 100, SKEP_OK},
        {MIB - 1, 2, SKEP_OK},
        {MIB + 99, 1, SKEP_OK},
        {MIB + 100, 0, SKEP_OK},
        {MIB + 100, 1, SKEP_EINVAL},
        {MIB + 101, 0, SKEP_EINVAL},
        {0, MIB + 101, SKEP_EINVAL},
        {UINT64_MAX, 1, SKEP_EINVAL},
        {1, SIZE_MAX, SKEP_EINVAL},
    };
    skep_store *store = conf_open(uri, "cache=0");
    skep_ref known = conf_put(store, size, 9);
    unsigned char *whole = malloc(size);
    unsigned char *part = malloc(size + 1);
    skep_ref unknown = known;

    assert_true(whole != NULL && part != NULL);
    conf_fill(whole, size, 9);
    unknown.size_bytes = SKEP_SIZE_UNKNOWN;
    unknown.flags = 0;
    for (size_t i = 0; i < 2 * sizeof all / sizeof all[0]; i++) {
        const skep_ref *ref = i % 2 == 0 ? &known : &unknown;
        size_t n = all[i / 2].size;

        part[n < size ? n : size] = 0x5a;
        if (all[i / 2].rc != SKEP_OK) {
            CONF_FAILS(skep_store_read(store, ref, all[i / 2].offset, n, part, SKEP_FOREVER, &conf_err), all[i / 2].rc);
            continue;
        }
        CONF_OK(skep_store_read(store, ref, all[i / 2].offset, n, part, SKEP_FOREVER, &conf_err));
        assert_memory_equal(part, whole + all[i / 2].offset, n);
        assert_int_equal(part[n], 0x5a);
    }
    free(part);
    free(whole);
    skep_store_unref(store);
}

static void reserve_commit(const char *uri)
{
    static const size_t all[] = {0, 1, 4097, MIB + 1};
    skep_store *store = conf_open(uri, "cache=0&checksum=on");

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        skep_slot *slot = NULL;
        skep_ref ref;

        CONF_OK(skep_store_reserve(store, all[i], NULL, &slot, &conf_err));
        assert_int_equal(skep_slot_size(slot), all[i]);
        assert_int_equal((uintptr_t)skep_slot_data(slot) % 64, 0);
        conf_fill(skep_slot_data(slot), all[i], (unsigned)i);
        if (conf_has(CONF_LIST))
            assert_int_equal(conf_count(store), i);
        CONF_OK(skep_slot_commit(&slot, &ref, &conf_err));
        assert_null(slot);
        assert_true(ref.flags & SKEP_REF_SUM);
        conf_check(store, &ref, all[i], (unsigned)i);
    }
    skep_store_unref(store);
}

static void reserve_abort(const char *uri)
{
    skep_store *store = conf_open(uri, NULL);
    skep_put_opts opts = SKEP_PUT_OPTS_INIT;
    char key[] = "mine"; /* its text is copied: it may go */
    skep_slot *slot = NULL;
    skep_slot *late = NULL;
    skep_ref ref;

    opts.key = key;
    CONF_OK(skep_store_reserve(store, 1000, &opts, &slot, &conf_err));
    CONF_OK(skep_store_reserve(store, 1000, &opts, &late, &conf_err));
    memset(key, 'x', sizeof key - 1);
    memset(skep_slot_data(slot), 1, 1000);
    skep_slot_abort(slot);
    skep_slot_abort(NULL);
    CONF_OK(skep_ref_key("mine", &ref));
    assert_false(conf_there(store, &ref));
    opts.key = "mine";
    CONF_OK(skep_store_put(store, "first", 5, &opts, NULL, &conf_err));
    CONF_FAILS(skep_slot_commit(&late, &ref, &conf_err), SKEP_EEXIST);
    assert_null(late);
    CONF_FAILS(skep_slot_commit(&late, &ref, &conf_err), SKEP_EINVAL);
    if (conf_has(CONF_LIST))
        assert_int_equal(conf_count(store), 1);
    skep_store_unref(store);
}

static void wrong_size(const char *uri)
{
    skep_store *store = conf_open(uri, NULL);
    skep_ref ref = conf_put(store, 100, 1);
    skep_buf *buf = NULL;

    conf_check(store, &ref, 100, 1);
    ref.size_bytes = 101;
    CONF_FAILS(skep_store_get(store, &ref, SKEP_FOREVER, &buf, &conf_err), SKEP_ECORRUPT);
    assert_non_null(strstr(conf_err.text, "100"));
    assert_non_null(strstr(conf_err.text, "101"));
    assert_null(buf);
    skep_store_unref(store);
}

static void checksums(const char *uri)
{
    skep_store *store = conf_open(uri, "checksum=on&verify=full");
    skep_put_opts opts = SKEP_PUT_OPTS_INIT;
    unsigned char bytes[3000];
    char part[10];
    skep_buf *buf = NULL;
    skep_ref with;
    skep_ref without;
    skep_ref alone;

    conf_fill(bytes, sizeof bytes, 4);
    CONF_OK(skep_store_put(store, bytes, sizeof bytes, NULL, &with, &conf_err));
    assert_true(with.flags & SKEP_REF_SUM);
    conf_check(store, &with, sizeof bytes, 4);
    opts.checksum = SKEP_SUM_NO;
    CONF_OK(skep_store_put(store, bytes, sizeof bytes, &opts, &without, &conf_err));
    assert_false(without.flags & SKEP_REF_SUM);
    conf_check(store, &without, sizeof bytes, 4);
    with.sum ^= 1;
    CONF_FAILS(skep_store_get(store, &with, SKEP_FOREVER, &buf, &conf_err), SKEP_ECORRUPT);
    CONF_FAILS(skep_store_read(store, &with, 5, sizeof part, part, SKEP_FOREVER, &conf_err), SKEP_ECORRUPT);
    assert_null(buf);
    CONF_OK(skep_ref_key(with.key, &alone));
    conf_check(store, &alone, sizeof bytes, 4); /* which leaves it in the cache, not compared with anything */
    CONF_FAILS(skep_store_get(store, &with, SKEP_FOREVER, &buf, &conf_err), SKEP_ECORRUPT);
    assert_null(buf);
    skep_store_unref(store);
}

static void waiting_in_vain(const char *uri)
{
    skep_store *store = conf_open(uri, "timeout=30ms");
    uint64_t begin = skep_now_ns();
    skep_ref ref;

    CONF_OK(skep_ref_key("never", &ref));
    CONF_FAILS(skep_store_wait(store, &ref, 0, &conf_err), SKEP_ETIMEDOUT);
    assert_true(skep_now_ns() - begin < 1000000000u);
    begin = skep_now_ns();
    CONF_FAILS(skep_store_wait(store, &ref, skep_in_ms(50), &conf_err), SKEP_ETIMEDOUT);
    assert_true(skep_now_ns() - begin >= 50000000u);
    begin = skep_now_ns();
    CONF_FAILS(skep_store_wait(store, &ref, SKEP_FOREVER, &conf_err), SKEP_ETIMEDOUT); /* timeout= ends it */
    assert_true(skep_now_ns() - begin >= 30000000u);
    CONF_OK(skep_store_put(store, "x", 1,
                           &(skep_put_opts){.size = sizeof(skep_put_opts), .by_ns = SKEP_FOREVER, .key = "never"}, NULL,
                           &conf_err));
    CONF_OK(skep_store_wait(store, &ref, 0, &conf_err));
    skep_store_unref(store);
}

static void errors_name_the_store(const char *uri)
{
    skep_store *store = conf_open(uri, NULL);
    char identity[SKEP_URI_MAX];
    skep_buf *buf = NULL;
    skep_ref ref;

    CONF_OK(skep_store_identity(store, identity, sizeof identity));
    assert_int_equal(skep_store_identity(store, identity, 3), SKEP_ETOOBIG);
    CONF_OK(skep_ref_key("nothing", &ref));
    CONF_FAILS(skep_store_get(store, &ref, SKEP_FOREVER, &buf, &conf_err), SKEP_ENOENT);
    assert_memory_equal(conf_err.text, identity, strlen(identity));
    assert_non_null(strstr(conf_err.text, "nothing"));
    assert_int_equal(skep_store_get(store, &ref, SKEP_FOREVER, &buf, NULL), SKEP_ENOENT);
    skep_store_unref(store);
}

static void counts(const char *uri)
{
    skep_store *store = conf_open(uri, NULL);
    skep_metrics m = SKEP_METRICS_INIT;
    skep_ref ref = conf_put(store, 1000, 1);
    skep_buf *buf = NULL;

    conf_check(store, &ref, 1000, 1);
    conf_check(store, &ref, 1000, 1);
    CONF_OK(skep_store_evict(store, &ref, SKEP_FOREVER, &conf_err));
    CONF_FAILS(skep_store_get(store, &ref, SKEP_FOREVER, &buf, &conf_err), SKEP_ENOENT);
    CONF_OK(skep_store_metrics(store, SKEP_OP_PUT, &m));
    assert_int_equal(m.count, 1);
    assert_int_equal(m.bytes, 1000);
    assert_true(m.total_ns > 0 && m.max_ns > 0 && skep_metrics_quantile(&m, 0.5) > 0);
    CONF_OK(skep_store_metrics(store, SKEP_OP_GET, &m));
    assert_int_equal(m.count, 2);
    assert_int_equal(m.errors, 1);
    assert_int_equal(m.bytes, 2000);
    assert_true(m.moved_bytes == 0 || m.moved_bytes == 1000);
    CONF_OK(skep_store_metrics(store, SKEP_OP_HIT, &m));
    assert_int_equal(m.count, 1);
    CONF_OK(skep_store_metrics(store, SKEP_OP_EXISTS, &m));
    assert_int_equal(m.count, 2);
    assert_int_equal(skep_store_metrics(store, SKEP_OP_COUNT, &m), SKEP_EINVAL);
    skep_store_unref(store);
}

const struct conf_case conf_objects[] = {
    {"sizes", 0, sizes},
    {"pieces", 0, pieces},
    {"more pieces than a system call takes", 0, many_pieces},
    {"foreign keys", 0, foreign_keys},
    {"bad keys", 0, bad_keys},
    {"options of no size", 0, options_of_no_size},
    {"get after evict", 0, get_after_evict},
    {"a key used again", 0, key_used_again},
    {"buffers outlive object and store", 0, buffers_outlive},
    {"ranges", 0, ranges},
    {"reserve and commit", 0, reserve_commit},
    {"reserve and abort", 0, reserve_abort},
    {"a size that is not the object's", 0, wrong_size},
    {"checksums", 0, checksums},
    {"waiting in vain", 0, waiting_in_vain},
    {"errors name the store", 0, errors_name_the_store},
    {"counts", 0, counts},
    {NULL, 0, NULL},
};
