/* memory_test.c - what only the memory connector promises: its limit, and that a get copies nothing. */
#include "proxy/base/alloc.h"

#include <skep/skep.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

static void limit(void **state)
{
    static char bytes[6000];
    skep_store *store = NULL;
    skep_slot *slot = NULL;
    skep_error err;
    skep_ref first, second;

    (void)state;
    assert_int_equal(skep_store_open("memory://small?limit=10000", NULL, &store, &err), SKEP_OK);
    assert_int_equal(skep_store_put(store, bytes, 6000, NULL, &first, &err), SKEP_OK);
    assert_int_equal(skep_store_put(store, bytes, 6000, NULL, &second, &err), SKEP_ENOSPC);
    assert_non_null(strstr(err.text, "6000 bytes do not fit: 6000 of limit=10000"));
    assert_int_equal(skep_store_put(store, bytes, 4000, NULL, &second, &err), SKEP_OK); /* to the byte */
    assert_int_equal(skep_store_put(store, bytes, 1, NULL, &second, &err), SKEP_ENOSPC);
    assert_int_equal(skep_store_put(store, bytes, 0, NULL, &second, &err), SKEP_OK);
    assert_int_equal(skep_store_evict(store, &first, SKEP_FOREVER, &err), SKEP_OK);
    assert_int_equal(skep_store_evict(store, &first, SKEP_FOREVER, &err), SKEP_OK); /* counted once */
    assert_int_equal(skep_store_put(store, bytes, 6000, NULL, &first, &err), SKEP_OK);
    assert_int_equal(skep_store_put(store, bytes, 1, NULL, &second, &err), SKEP_ENOSPC);
    assert_int_equal(skep_store_reserve(store, 10001, NULL, &slot, &err), SKEP_ENOSPC);
    assert_non_null(strstr(err.text, "10001"));
    assert_int_equal(skep_store_reserve(store, 10000, NULL, &slot, &err), SKEP_OK);
    assert_int_equal(skep_slot_commit(&slot, NULL, &err), SKEP_ENOSPC);
    skep_store_unref(store);
}

static void uncopied(void **state)
{
    skep_metrics m = SKEP_METRICS_INIT;
    skep_store *store = NULL;
    skep_slot *slot = NULL;
    skep_buf *one, *two;
    skep_error err;
    skep_ref ref;
    void *memory;

    (void)state;
    assert_int_equal(skep_store_open("memory://uncopied?cache=0", NULL, &store, &err), SKEP_OK);
    assert_int_equal(skep_store_reserve(store, 100000, NULL, &slot, &err), SKEP_OK);
    memory = skep_slot_data(slot);
    memset(memory, 1, 100000);
    assert_int_equal(skep_slot_commit(&slot, &ref, &err), SKEP_OK);
    assert_int_equal(skep_store_get(store, &ref, SKEP_FOREVER, &one, &err), SKEP_OK);
    assert_int_equal(skep_store_get(store, &ref, SKEP_FOREVER, &two, &err), SKEP_OK);
    assert_ptr_equal(skep_buf_data(one), memory);
    assert_ptr_equal(skep_buf_data(two), memory);
    assert_int_equal(skep_store_metrics(store, SKEP_OP_PUT, &m), SKEP_OK);
    assert_int_equal(m.moved_bytes, 0);
    assert_int_equal(skep_store_metrics(store, SKEP_OP_GET, &m), SKEP_OK);
    assert_int_equal(m.bytes, 200000);
    assert_int_equal(m.moved_bytes, 0);
    skep_buf_unref(one);
    skep_buf_unref(two);
    skep_store_unref(store);
}

static void only_a_name(void **state)
{
    static const char *const uris[] = {"memory://host:80", "memory://user@host", "memory://name/path", "memory:/path"};
    skep_store *store = NULL;
    skep_store *unnamed = NULL;
    skep_error err;

    (void)state;
    for (size_t i = 0; i < sizeof uris / sizeof uris[0]; i++)
        assert_int_equal(skep_store_open(uris[i], NULL, &store, &err), SKEP_EINVAL);
    assert_int_equal(skep_store_open("memory:", NULL, &unnamed, &err), SKEP_OK);
    assert_int_equal(skep_store_open("memory://", NULL, &store, &err), SKEP_OK);
    assert_ptr_equal(store, unnamed);
    skep_store_unref(store);
    skep_store_unref(unnamed);
}

static int count(const skep_entry *entry, void *arg)
{
    int *n = arg;

    *n += entry->name != NULL ? 100 : 1;
    return 0;
}

static int do_put(skep_store *store, skep_error *err)
{
    return skep_store_put(store, "abc", 3, NULL, NULL, err);
}

static int do_name(skep_store *store, skep_error *err)
{
    return skep_store_name_set(store, "latest", "memory://x#k=00000000-0000-4000-8000-000000000000", SKEP_FOREVER, err);
}

static int do_list(skep_store *store, skep_error *err)
{
    int n = 0;

    return skep_store_list(store, count, &n, err);
}

/* Each allocation of each operation fails once; nothing of what failed is left, and the next try succeeds. */
static void without_memory(void **state)
{
    static int (*const all[])(skep_store *, skep_error *) = {do_put, do_name, do_list};
    static const int after[] = {1, 101, 101};
    skep_store *store = NULL;
    skep_error err;

    (void)state;
    assert_int_equal(skep_store_open("memory://full?limit=3&cache=0", NULL, &store, &err), SKEP_OK);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        size_t made = 0;
        int rc = SKEP_ENOMEM;

        for (size_t at = 1; rc != SKEP_OK; at++) {
            int n = 0;

            assert_int_equal(rc, SKEP_ENOMEM);
            assert_int_equal(skep_store_list(store, count, &n, &err), 0);
            assert_int_equal(n, i == 0 ? 0 : after[i - 1]);
            skepi_alloc_fail_at(at);
            rc = all[i](store, &err);
            made = skepi_alloc_fail_at(0);
        }
        assert_true(made >= 2);
    }
    skep_store_unref(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limit),
        cmocka_unit_test(uncopied),
        cmocka_unit_test(only_a_name),
        cmocka_unit_test(without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
