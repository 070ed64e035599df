/* cache_test.c - the cache keeps what fits, lets the oldest go, and never brings back what was dropped. */
#include "proxy/store/cache.h"

#include "proxy/base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <skep/error.h>
#include <stdio.h>
#include <string.h>

static skep_ref ref_of(const char *key, size_t size)
{
    skep_ref ref;

    assert_int_equal(skep_ref_key(key, &ref), SKEP_OK);
    ref.size_bytes = size;
    return ref;
}

static int has(struct skepi_cache *c, const char *key)
{
    skep_ref ref = ref_of(key, SKEP_SIZE_UNKNOWN);
    uint32_t epoch;
    skep_buf *buf = skepi_cache_get(c, &ref, &epoch);
    int there = buf != NULL;

    skep_buf_unref(buf);
    return there;
}

static void add(struct skepi_cache *c, const char *key, size_t size)
{
    static char bytes[100000];
    skep_ref ref = ref_of(key, size);
    uint32_t epoch;
    skep_buf *buf;

    assert_int_equal(skep_buf_copy(bytes, size, &buf), SKEP_OK);
    assert_null(skepi_cache_get(c, &ref, &epoch));
    skepi_cache_add(c, &ref, buf, epoch);
    skep_buf_unref(buf);
}

static void bounded_in_bytes(void **state)
{
    struct skepi_cache c = {0};
    char key[16];

    (void)state;
    assert_int_equal(skepi_cache_init(&c, 10000), SKEP_OK);
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "k%d", i);
        add(&c, key, 1000);
        assert_true(c.bytes <= 10000);
    }
    assert_int_equal(c.n, 10);
    assert_true(has(&c, "k99") && has(&c, "k90") && !has(&c, "k89"));
    add(&c, "exact", 10000);
    assert_int_equal(c.n, 1);
    add(&c, "too big", 10001);
    assert_true(has(&c, "exact") && !has(&c, "too big"));
    add(&c, "nothing", 0);
    assert_true(has(&c, "exact") && has(&c, "nothing"));
    skepi_cache_fini(&c);
}

static void oldest_first(void **state)
{
    struct skepi_cache c = {0};

    (void)state;
    assert_int_equal(skepi_cache_init(&c, 3000), SKEP_OK);
    add(&c, "a", 1000);
    add(&c, "b", 1000);
    add(&c, "c", 1000);
    assert_true(has(&c, "a")); /* which makes b the oldest */
    add(&c, "d", 1000);
    assert_true(has(&c, "a") && !has(&c, "b") && has(&c, "c") && has(&c, "d"));
    add(&c, "e", 2500);
    assert_true(!has(&c, "a") && !has(&c, "c") && !has(&c, "d") && has(&c, "e"));
    skepi_cache_fini(&c);
}

static void none(void **state)
{
    struct skepi_cache c = {0};

    (void)state;
    assert_int_equal(skepi_cache_init(&c, 0), SKEP_OK);
    add(&c, "a", 0);
    assert_false(has(&c, "a"));
    skepi_cache_drop(&c, "a");
    skepi_cache_fini(&c);
}

static void dropped_stays_dropped(void **state)
{
    struct skepi_cache c = {0};
    skep_ref ref = ref_of("a", 3);
    uint32_t epoch;
    skep_buf *buf;

    (void)state;
    assert_int_equal(skepi_cache_init(&c, 1000), SKEP_OK);
    assert_int_equal(skep_buf_copy("abc", 3, &buf), SKEP_OK);
    assert_null(skepi_cache_get(&c, &ref, &epoch)); /* a fetch begins */
    skepi_cache_drop(&c, "a");                      /* an evict comes between */
    skepi_cache_add(&c, &ref, buf, epoch);
    assert_false(has(&c, "a"));
    assert_null(skepi_cache_get(&c, &ref, &epoch));
    skepi_cache_add(&c, &ref, buf, epoch);
    skepi_cache_add(&c, &ref, buf, epoch); /* a second thread had fetched it too */
    assert_true(has(&c, "a"));
    assert_int_equal(c.n, 1);
    skepi_cache_drop(&c, "a");
    assert_false(has(&c, "a"));
    assert_int_equal(c.bytes, 0);
    skep_buf_unref(buf);
    skepi_cache_fini(&c);
}

static void only_what_was_asked_for(void **state)
{
    struct skepi_cache c = {0};
    skep_ref ref = ref_of("a", 3);
    uint32_t epoch;
    skep_buf *buf;
    skep_buf *same;

    (void)state;
    assert_int_equal(skepi_cache_init(&c, 1000), SKEP_OK);
    assert_int_equal(skep_buf_copy("abc", 3, &buf), SKEP_OK);
    ref.flags = SKEP_REF_SUM;
    ref.sum = 7;
    assert_null(skepi_cache_get(&c, &ref, &epoch));
    skepi_cache_add(&c, &ref, buf, epoch);
    same = skepi_cache_get(&c, &ref, &epoch);
    assert_ptr_equal(same, buf);
    skep_buf_unref(same);
    ref.sum = 8; /* another object under the same key */
    assert_null(skepi_cache_get(&c, &ref, &epoch));
    assert_int_equal(c.n, 0);
    ref.sum = 7;
    skepi_cache_add(&c, &ref, buf, epoch);
    ref.size_bytes = 4;
    assert_null(skepi_cache_get(&c, &ref, &epoch));
    assert_int_equal(c.n, 0);
    skep_buf_unref(buf);
    skepi_cache_fini(&c);
}

/* What was fetched by key alone was not compared with a checksum, so it is not for who has one. */
static void unverified(void **state)
{
    struct skepi_cache c = {0};
    skep_ref ref = ref_of("a", 3);
    uint32_t epoch;
    skep_buf *buf;

    (void)state;
    assert_int_equal(skepi_cache_init(&c, 1000), SKEP_OK);
    assert_int_equal(skep_buf_copy("abc", 3, &buf), SKEP_OK);
    assert_null(skepi_cache_get(&c, &ref, &epoch));
    skepi_cache_add(&c, &ref, buf, epoch);
    assert_true(has(&c, "a"));
    ref.flags = SKEP_REF_SUM;
    assert_null(skepi_cache_get(&c, &ref, &epoch));
    skepi_cache_add(&c, &ref, buf, epoch); /* fetched again, and compared */
    assert_true(has(&c, "a"));             /* which serves who has none, too */
    assert_int_equal(c.n, 1);
    skep_buf_unref(buf);
    skepi_cache_fini(&c);
}

static void bounded_in_entries(void **state)
{
    struct skepi_cache c = {0};
    char key[16];

    (void)state;
    assert_int_equal(skepi_cache_init(&c, (uint64_t)1 << 40), SKEP_OK);
    for (int i = 0; i < SKEPI_CACHE_ENTRIES_MAX + 100; i++) {
        snprintf(key, sizeof key, "k%d", i);
        add(&c, key, 1);
    }
    assert_int_equal(c.n, SKEPI_CACHE_ENTRIES_MAX);
    assert_true(c.n_buckets >= c.n); /* so a look-up takes the same time in a full cache */
    assert_true(!has(&c, "k99") && has(&c, "k100"));
    for (int i = 0; i < SKEPI_CACHE_ENTRIES_MAX + 100; i += 2) {
        snprintf(key, sizeof key, "k%d", i);
        skepi_cache_drop(&c, key);
        assert_false(has(&c, key));
    }
    assert_true(has(&c, "k101"));
    assert_int_equal(c.n, SKEPI_CACHE_ENTRIES_MAX / 2);
    skepi_cache_fini(&c);
}

static void without_memory(void **state)
{
    struct skepi_cache c = {0};
    skep_ref ref = ref_of("a", 3);
    uint32_t epoch;
    skep_buf *buf;

    (void)state;
    assert_int_equal(skepi_cache_init(&c, 1000), SKEP_OK);
    assert_int_equal(skep_buf_copy("abc", 3, &buf), SKEP_OK);
    for (size_t n = 1; n <= 2; n++) { /* the entry, then the table: nothing is kept, and nothing is wrong */
        assert_null(skepi_cache_get(&c, &ref, &epoch));
        skepi_alloc_fail_at(n);
        skepi_cache_add(&c, &ref, buf, epoch);
        assert_true(skepi_alloc_fail_at(0) >= n);
        assert_false(has(&c, "a"));
    }
    skepi_cache_add(&c, &ref, buf, epoch);
    assert_true(has(&c, "a"));
    skep_buf_unref(buf);
    skepi_cache_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounded_in_bytes),
        cmocka_unit_test(oldest_first),
        cmocka_unit_test(none),
        cmocka_unit_test(dropped_stays_dropped),
        cmocka_unit_test(only_what_was_asked_for),
        cmocka_unit_test(unverified),
        cmocka_unit_test(bounded_in_entries),
        cmocka_unit_test(without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
