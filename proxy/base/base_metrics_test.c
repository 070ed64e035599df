/* base_metrics_test.c - counters, histograms, and the table of services for connectors. */
#include "proxy/base/host.h"
#include "proxy/base/metrics.h"
#include <skep/error.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void record_one(uint64_t ns, skep_metrics *out)
{
    static struct skepi_metrics zero;
    struct skepi_metrics *m = calloc(1, sizeof *m);

    assert_non_null(m);
    assert_memory_equal(m, &zero, sizeof zero);
    skepi_metrics_record(m, SKEP_OK, 10, 5, ns);
    *out = (skep_metrics)SKEP_METRICS_INIT;
    skepi_metrics_read(m, out);
    free(m);
}

static size_t only_bucket(const skep_metrics *m)
{
    size_t found = SKEP_METRICS_BUCKETS;

    for (size_t i = 0; i < SKEP_METRICS_BUCKETS; i++)
        if (m->bucket[i] != 0) {
            assert_int_equal(found, SKEP_METRICS_BUCKETS);
            assert_int_equal(m->bucket[i], 1);
            found = i;
        }
    assert_true(found < SKEP_METRICS_BUCKETS);
    return found;
}

static void buckets_are_narrow_and_in_order(void **state)
{
    size_t last = 0;

    (void)state;
    for (unsigned power = 0; power < 64; power++)
        for (uint64_t eighth = 0; eighth < 8; eighth++) {
            uint64_t ns = ((uint64_t)1 << power) + (power >= 3 ? eighth << (power - 3) : 0);
            skep_metrics m;
            size_t bucket;

            record_one(ns, &m);
            bucket = only_bucket(&m);
            assert_true(bucket >= last && bucket <= last + (power <= 3 ? 4 : 1));
            last = bucket;
            assert_true(skep_metrics_quantile(&m, 0.5) == ns); /* never above the largest seen */
        }
    assert_int_equal(last, SKEP_METRICS_BUCKETS - 1);
}

static void quantiles_are_right_to_a_bucket(void **state)
{
    struct skepi_metrics *m = calloc(1, sizeof *m);
    skep_metrics out = SKEP_METRICS_INIT;
    static const double qs[] = {0.01, 0.1, 0.5, 0.9, 0.99, 0.999};

    (void)state;
    assert_non_null(m);
    assert_int_equal(skep_metrics_quantile(&out, 0.5), 0);
    for (uint64_t i = 1; i <= 100000; i++)
        skepi_metrics_record(m, SKEP_OK, 3, 1, i * 100);
    skepi_metrics_record(m, SKEP_EIO, 1000, 1000, UINT64_MAX);
    skepi_metrics_read(m, &out);
    assert_int_equal(out.count, 100000);
    assert_int_equal(out.errors, 1);
    assert_int_equal(out.bytes, 300000);
    assert_int_equal(out.moved_bytes, 100000);
    assert_int_equal(out.max_ns, 10000000);
    assert_true(out.total_ns == (uint64_t)100 * 100000 * 100001 / 2);
    for (size_t i = 0; i < sizeof qs / sizeof qs[0]; i++) {
        double exact = qs[i] * 1e7, got = (double)skep_metrics_quantile(&out, qs[i]);

        assert_true(got >= exact * 0.999 && got <= exact * 1.125 + 8);
    }
    assert_int_equal(skep_metrics_quantile(&out, 1), 10000000);
    assert_int_equal(skep_metrics_quantile(&out, 7), 10000000);
    assert_true(skep_metrics_quantile(&out, -1) <= 112);
    assert_int_equal(skep_metrics_quantile(NULL, 0.5), 0);
    free(m);
}

static void an_older_caller_gets_what_it_has_room_for(void **state)
{
    struct skepi_metrics *m = calloc(1, sizeof *m);
    skep_metrics out;

    (void)state;
    assert_non_null(m);
    skepi_metrics_record(m, SKEP_OK, 3, 1, 5);
    memset(&out, 0x5a, sizeof out);
    out.size = offsetof(skep_metrics, bytes);
    skepi_metrics_read(m, &out);
    assert_int_equal(out.size, offsetof(skep_metrics, bytes));
    assert_int_equal(out.count, 1);
    assert_true(out.bytes == 0x5a5a5a5a5a5a5a5au);
    assert_int_equal(skep_metrics_quantile(&out, 0.5), 0);
    free(m);
}

static void *record_many(void *arg)
{
    for (uint64_t i = 0; i < 10000; i++)
        skepi_metrics_record(arg, i % 10 == 0 ? SKEP_ENOENT : SKEP_OK, 1, 0, i);
    return NULL;
}

static void threads_count_together(void **state)
{
    struct skepi_metrics *m = calloc(1, sizeof *m);
    skep_metrics out = SKEP_METRICS_INIT;
    pthread_t t[4];

    (void)state;
    assert_non_null(m);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, record_many, m), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    skepi_metrics_read(m, &out);
    assert_int_equal(out.count, 36000);
    assert_int_equal(out.errors, 4000);
    assert_int_equal(out.max_ns, 9999);
    free(m);
}

static void operations_have_names(void **state)
{
    (void)state;
    assert_string_equal(skep_op_name(SKEP_OP_PUT), "put");
    assert_string_equal(skep_op_name(SKEP_OP_HIT), "cache_hit");
    assert_string_equal(skep_op_name(-1), "?");
    assert_string_equal(skep_op_name(SKEP_OP_COUNT), "?");
}

/* A forgotten line in host.c would crash the first connector that needs it. */
static void the_host_table_is_full(void **state)
{
    const unsigned char *table = (const unsigned char *)&skepi_host;

    (void)state;
    assert_int_equal(skepi_host.size, sizeof skepi_host);
    assert_int_equal(skepi_host.abi, SKEP_CONNECTOR_ABI);
    for (size_t at = offsetof(skep_host, alloc); at < sizeof skepi_host; at += sizeof(void *)) {
        void *entry;

        memcpy(&entry, table + at, sizeof entry);
        assert_non_null(entry);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_are_narrow_and_in_order),
        cmocka_unit_test(quantiles_are_right_to_a_bucket),
        cmocka_unit_test(an_older_caller_gets_what_it_has_room_for),
        cmocka_unit_test(threads_count_together),
        cmocka_unit_test(operations_have_names),
        cmocka_unit_test(the_host_table_is_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
