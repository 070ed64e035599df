/* benchmarks/bench_test.c - the parts that figures rest on: arguments, statistics, payloads, what is shown of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "benchmarks/args.h"
#include "benchmarks/human.h"
#include "benchmarks/json.h"
#include "benchmarks/meter.h"
#include "benchmarks/pattern.h"
#include "benchmarks/plan.h"
#include "benchmarks/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- arguments ------------------------------------------------------------------------------------------- */

static void sizes_are_lists_and_ranges(void **state)
{
    struct bench_sizes s;

    (void)state;
    assert_int_equal(bench_args_sizes("t", "--sizes", "64,1k,1g", &s), 0);
    assert_int_equal(s.count, 3);
    assert_int_equal(s.bytes[1], 1024);
    assert_int_equal(s.bytes[2], (uint64_t)1 << 30);
    assert_int_equal(bench_args_sizes("t", "--sizes", "64:1g", &s), 0);
    assert_int_equal(s.count, 25);
    assert_int_equal(s.bytes[24], (uint64_t)1 << 30);
    assert_int_equal(bench_args_sizes("t", "--sizes", "0,1k:100k:x4,3", &s), 0);
    assert_int_equal(s.count, 6); /* 0, 1k, 4k, 16k, 64k, 3 */
    assert_int_equal(s.bytes[4], 65536);
    assert_int_equal(s.bytes[5], 3);
}

static void bad_sizes_are_refused(void **state)
{
    static const char *const bad[] = {"",
                                      ",",
                                      "1k,",
                                      "x",
                                      "1k:",
                                      ":1k",
                                      "2k:1k",
                                      "0:1k",
                                      "1k:2k:4",
                                      "1k:2k:x1",
                                      "-1",
                                      "1k:2k:x",
                                      "1k:2k:x2:3",
                                      "1:1t:x2,1:1t:x2",
                                      "99999999999999999999g"};
    struct bench_sizes s;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(bench_args_sizes("t", "--sizes", bad[i], &s), 2);
}

static void counts_and_seconds(void **state)
{
    uint64_t v;

    (void)state;
    assert_int_equal(bench_args_count("t", "--count", "12", &v), 0);
    assert_int_equal(v, 12);
    assert_int_equal(bench_args_count("t", "--count", "0", &v), 2);
    assert_int_equal(bench_args_count("t", "--count", "-3", &v), 2);
    assert_int_equal(bench_args_count("t", "--count", "3x", &v), 2);
    assert_int_equal(bench_args_seconds("t", "--seconds", "0.5", &v), 0);
    assert_int_equal(v, 500000000);
    assert_int_equal(bench_args_seconds("t", "--seconds", "200ms", &v), 0);
    assert_int_equal(v, 200000000);
    assert_int_equal(bench_args_seconds("t", "--seconds", "0", &v), 2);
    assert_int_equal(bench_args_seconds("t", "--seconds", "nan", &v), 2);
    assert_int_equal(bench_args_seconds("t", "--seconds", "soon", &v), 2);
}

static int plan_of(struct bench_plan *plan, int argc, ...)
{
    static char words[16][64];
    char *argv[17] = {NULL};
    va_list args;

    va_start(args, argc);
    for (int i = 0; i < argc; i++) {
        snprintf(words[i], sizeof words[i], "%s", va_arg(args, const char *));
        argv[i] = words[i];
    }
    va_end(args);
    return bench_plan_parse(argc, argv, plan);
}

static void plans(void **state)
{
    struct bench_plan plan;

    (void)state;
    assert_int_equal(plan_of(&plan, 7, "connector", "memory://a", "--ops", "put,read", "memory://b", "--count", "5"), 0);
    assert_int_equal(plan.n_uris, 2);
    assert_int_equal(plan.n_ops, 2);
    assert_string_equal(plan.ops[1]->name, "read");
    assert_int_equal(plan.sizes.count, 5);
    assert_int_equal(bench_plan_samples(&plan, 1 << 30).most, 5);
    assert_int_equal(plan_of(&plan, 2, "connector", "--json"), 2);
    assert_int_equal(plan_of(&plan, 4, "connector", "memory://a", "--ops", "put,"), 2);
    assert_int_equal(plan_of(&plan, 3, "connector", "memory://a", "--nonsense"), 2);
    assert_int_equal(plan_of(&plan, 3, "connector", "memory://a", "--count"), 2);
    assert_int_equal(plan_of(&plan, 6, "connector", "memory://a", "--count", "1", "--seconds", "1"), 2);
    assert_int_equal(plan_of(&plan, 4, "connector", "memory://a", "--pages", "small"), 2);
}

/* ---- statistics ------------------------------------------------------------------------------------------ */

static void quantiles_are_exact(void **state)
{
    struct bench_series s = {NULL, 0, 0, 0, {0, 0, 0, 0, 0}};
    struct bench_cost cost = {0, 2, 0, 0, 1};

    (void)state;
    assert_int_equal(bench_series_quantile(&s, 0.5), 0);
    for (uint64_t i = 0; i < 2000; i++) { /* 1 to 2000, out of order */
        cost.ns = i * 7 % 2000 + 1;
        assert_int_equal(bench_series_add(&s, &cost), SKEP_OK);
    }
    assert_int_equal(bench_series_quantile(&s, 0.5), 1000);
    assert_int_equal(bench_series_quantile(&s, 0.9), 1800);
    assert_int_equal(bench_series_quantile(&s, 0.99), 1980);
    assert_int_equal(bench_series_quantile(&s, 0.999), 1998);
    assert_int_equal(bench_series_quantile(&s, 1), 2000);
    cost.ns = 5000;
    assert_int_equal(bench_series_add(&s, &cost), SKEP_OK);
    assert_int_equal(bench_series_quantile(&s, 1), 5000); /* sorted again */
    assert_true(bench_series_mean(&s, s.sum.cpu_ns) == 2.0);
    bench_series_free(&s);
}

static void the_meter_sees_cpu_and_faults(void **state)
{
    struct bench_meter meter;
    struct bench_cost cost;
    size_t size = (size_t)1 << 20;
    unsigned char *fresh;

    (void)state;
    bench_meter_init(&meter);
    assert_non_null(fresh = malloc(size * 4)); /* large enough to be mapped, and so untouched */
    bench_meter_start(&meter);
    for (size_t i = 0; i < size * 4; i += 4096)
        ((volatile unsigned char *)fresh)[i] = 1;
    bench_meter_stop(&meter, &cost);
    free(fresh);
    assert_true(cost.ns > 0);
    assert_true(cost.cpu_ns > 0);
    assert_true(cost.faults > 0);
}

/* ---- payloads -------------------------------------------------------------------------------------------- */

static void patterns_tell_all_apart(void **state)
{
    static const size_t sizes[] = {0, 1, 7, 8, 9, 15, 16, 17, 127, 128, 129, 4096, 70001};
    unsigned char *p = malloc(70016), *copy = malloc(70016);

    (void)state;
    assert_non_null(p);
    assert_non_null(copy);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t n = sizes[i];

        bench_pattern_fill(p, n, 17 + i);
        assert_true(bench_pattern_check(p, n, 17 + i, 0));
        assert_int_equal(bench_pattern_check(p, n, 18 + i, 0), n == 0);
        for (size_t at = 0; at < n; at += n / 5 + 1) {
            p[at] ^= 1;
            assert_false(bench_pattern_check(p, n, 17 + i, 0));
            p[at] ^= 1;
            memcpy(copy, p + at, n - at); /* a part of it, where it is not aligned either */
            assert_true(bench_pattern_check(copy, n - at, 17 + i, at));
            assert_false(n - at > 8 && bench_pattern_check(copy, n - at, 17 + i, at + 8));
        }
    }
    free(p);
    free(copy);
}

static void sums_are_known_beforehand(void **state)
{
    unsigned char *p = malloc(70000);
    uint64_t expected = 0, word;

    (void)state;
    assert_non_null(p);
    bench_pattern_fill(p, 70000, 5);
    for (size_t i = 0; i < 70000; i += 8) {
        memcpy(&word, p + i, 8);
        expected += word;
    }
    assert_true(bench_sum(p, 70000) == expected);
    assert_true(bench_pattern_sum(70000, 5, 0) == expected);
    assert_true(bench_pattern_sum(4096, 5, 800) == bench_sum(p + 800, 4096));
    assert_true(bench_pattern_sum(4104, 5, 800) == bench_sum(p + 800, 4104));
    assert_true(bench_sum("\1\2\3", 3) == 6);
    free(p);
}

/* ---- what is shown --------------------------------------------------------------------------------------- */

static void people_read_it(void **state)
{
    char word[BENCH_WORD_MAX];

    (void)state;
    assert_string_equal(bench_human_size(1 << 20, word), "1 MiB");
    assert_string_equal(bench_human_time(950, word), "950 ns");
    assert_string_equal(bench_human_time(12345, word), "12.3 us");
    assert_string_equal(bench_human_time(2000000000, word), "2.00 s");
    assert_string_equal(bench_human_rate(10.0 * 1073741824, word), "10.0 GiB/s");
    assert_string_equal(bench_human_bar(1, word), "########|");
    assert_string_equal(bench_human_bar(0.5, word), "####    |");
    assert_string_equal(bench_human_bar(1.5, word), "########|####");
    assert_true(strlen(bench_human_bar(1e9, word)) < BENCH_WORD_MAX);
}

static void json_escapes(void **state)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    struct json_line json;

    (void)state;
    assert_non_null(out);
    json = json_line_begin(out, "r");
    json_line_text(&json, "a", "q\"\\\n\xff\xc3\xa9");
    json_line_open(&json, "b");
    json_line_uint(&json, "c", 1);
    json_line_bool(&json, "d", 1);
    json_line_close(&json);
    json_line_real(&json, "e", -1);
    json_line_text(&json, "f", NULL);
    json_line_array(&json, "g");
    json_line_uint(&json, NULL, UINT64_MAX);
    json_line_text(&json, NULL, "\x01 \x7f \xed\xa0\x80");
    json_line_array_end(&json);
    json_line_array(&json, "h");
    json_line_array_end(&json);
    json_line_end(&json);
    fclose(out);
    assert_string_equal(text, "{\"record\":\"r\",\"a\":\"q\\\"\\\\\\u000a\\ufffd\xc3\xa9\",\"b\":{\"c\":1,\"d\":true},"
                              "\"e\":null,\"f\":null,\"g\":[18446744073709551615,\"\\u0001 \\u007f "
                              "\\ufffd\\ufffd\\ufffd\"],\"h\":[]}\n");
    free(text);
}

static void passwords_are_hidden(void **state)
{
    char out[128];

    (void)state;
    bench_secret_hide("redis://me:pass@host:1/0?x=1", out, sizeof out);
    assert_string_equal(out, "redis://me:***@host:1/0?x=1");
    bench_secret_hide("memory://a?cache=0", out, sizeof out);
    assert_string_equal(out, "memory://a?cache=0");
    bench_secret_hide("--json", out, sizeof out);
    assert_string_equal(out, "--json");
    bench_secret_hide("shm://a-name-that-does-not-fit?x=1", out, 12);
    assert_true(strlen(out) < 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_lists_and_ranges),
        cmocka_unit_test(bad_sizes_are_refused),
        cmocka_unit_test(counts_and_seconds),
        cmocka_unit_test(plans),
        cmocka_unit_test(quantiles_are_exact),
        cmocka_unit_test(the_meter_sees_cpu_and_faults),
        cmocka_unit_test(patterns_tell_all_apart),
        cmocka_unit_test(sums_are_known_beforehand),
        cmocka_unit_test(people_read_it),
        cmocka_unit_test(json_escapes),
        cmocka_unit_test(passwords_are_hidden),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
