/* safetensors_write_test.c - headers as the format's reference writes them, and what is refused before anything is written.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <skep/safetensors.h>

#include "proxy/base/alloc.h"

static const uint64_t dims[] = {2, 3, 4};

static skep_tensor tensor(const char *name, int dtype, int rank)
{
    skep_tensor t = SKEP_TENSOR_INIT;

    t.name = name;
    t.dtype = dtype;
    t.rank = rank;
    t.shape = rank > 0 ? dims : NULL;
    return t;
}

/* `wanted`, with spaces up to a multiple of 8 behind it. */
static void expect(skep_buf *buf, const char *wanted)
{
    const unsigned char *bytes = skep_buf_data(buf);
    size_t n = strlen(wanted), padded = (n + 7) / 8 * 8;

    assert_int_equal(skep_buf_size(buf), 8 + padded);
    assert_int_equal(bytes[0], padded & 0xff);
    assert_int_equal(bytes[1], padded >> 8);
    assert_memory_equal(bytes + 2, "\0\0\0\0\0", 6);
    assert_memory_equal(bytes + 8, wanted, n);
    assert_memory_equal(bytes + 8 + n, "       ", padded - n);
    skep_buf_unref(buf);
}

static void layout(void **state)
{
    const skep_tensor tensors[] = {tensor("b", SKEP_U8, 1), tensor("z", SKEP_F32, 2), tensor("s", SKEP_F64, 0),
                                   tensor("a", SKEP_F32, 3), tensor("B", SKEP_U8, 1)};
    const skep_meta meta[] = {{"format", "np"}, {"\"\\/\b\f\n\r\t\x01\x1f\x7f\xc3\xa9", ""}};
    size_t order[5];
    skep_buf *buf;

    (void)state;
    assert_int_equal(skep_safetensors_header(tensors, 5, NULL, 0, order, &buf, NULL), SKEP_OK);
    expect(buf, "{\"s\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]},"
                "\"a\":{\"dtype\":\"F32\",\"shape\":[2,3,4],\"data_offsets\":[8,104]},"
                "\"z\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[104,128]},"
                "\"B\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[128,130]},"
                "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[130,132]}}");
    assert_memory_equal(order, ((size_t[]){2, 3, 1, 4, 0}), sizeof order);

    assert_int_equal(skep_safetensors_header(tensors, 1, meta, 2, NULL, &buf, NULL), SKEP_OK);
    expect(buf, "{\"__metadata__\":{\"format\":\"np\","
                "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa9\":\"\"},"
                "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}");

    assert_int_equal(skep_safetensors_header(NULL, 0, NULL, 0, NULL, &buf, NULL), SKEP_OK);
    expect(buf, "{}");
    assert_int_equal(skep_safetensors_header(NULL, 0, meta, 1, NULL, &buf, NULL), SKEP_OK);
    expect(buf, "{\"__metadata__\":{\"format\":\"np\"}}");
}

/* An array of a later, bigger skep_tensor is walked by the size that it states. */
static void bigger_struct(void **state)
{
    struct {
        skep_tensor t;
        uint64_t later[3];
    } tensors[2];
    size_t order[2];
    skep_buf *buf;

    (void)state;
    memset(tensors, 0xff, sizeof tensors);
    tensors[0].t = tensor("a", SKEP_U8, 1);
    tensors[1].t = tensor("b", SKEP_U16, 1);
    tensors[0].t.size = tensors[1].t.size = sizeof tensors[0];
    assert_int_equal(skep_safetensors_header(&tensors[0].t, 2, NULL, 0, order, &buf, NULL), SKEP_OK);
    assert_memory_equal(order, ((size_t[]){1, 0}), sizeof order);
    skep_buf_unref(buf);
}

static int refused(const skep_tensor *tensors, size_t n, const skep_meta *meta, size_t n_meta, const char *wanted)
{
    skep_error err = {0};
    skep_buf *buf = NULL;
    int rc = skep_safetensors_header(tensors, n, meta, n_meta, NULL, &buf, &err);

    assert_null(buf);
    assert_int_equal(err.code, rc);
    assert_string_equal(err.text, wanted);
    return rc;
}

static void refusals(void **state)
{
    static const uint64_t huge[] = {(uint64_t)1 << 40, (uint64_t)1 << 40}, large[] = {(uint64_t)1 << 60};
    const skep_meta twice[] = {{"a", ""}, {"b", ""}, {"a", ""}}, holes[] = {{"a", NULL}}, broken[] = {{"a", "\xff"}};
    skep_tensor t[9];

    (void)state;
    t[0] = tensor(NULL, SKEP_U8, 0);
    assert_int_equal(refused(t, 1, NULL, 0, "tensor 0 has no name"), SKEP_EINVAL);
    t[0] = tensor("a\xff", SKEP_U8, 0);
    assert_int_equal(refused(t, 1, NULL, 0, "tensor \"a\\xff\": its name is not UTF-8"), SKEP_EINVAL);
    t[0] = tensor("__metadata__", SKEP_U8, 0);
    assert_int_equal(refused(t, 1, NULL, 0, "tensor \"__metadata__\": the format keeps that name for itself"), SKEP_EINVAL);
    t[0] = tensor("a", SKEP_DTYPE_COUNT, 0);
    assert_int_equal(refused(t, 1, NULL, 0, "tensor \"a\": there is no dtype 22"), SKEP_EINVAL);
    t[0] = tensor("a", SKEP_U8, -1);
    assert_int_equal(refused(t, 1, NULL, 0, "tensor \"a\": rank -1"), SKEP_EINVAL);
    t[0] = tensor("a", SKEP_U8, 1);
    t[0].shape = NULL;
    assert_int_equal(refused(t, 1, NULL, 0, "tensor \"a\": rank 1 without a shape"), SKEP_EINVAL);
    t[0] = tensor("a", SKEP_U8, 2);
    t[0].shape = huge;
    assert_int_equal(
        refused(t, 1, NULL, 0, "tensor \"a\": U8 of shape [1099511627776, 1099511627776] has 2^64 elements or more"),
        SKEP_EINVAL);
    t[0] = tensor("a", SKEP_F6_E2M3, 1);
    assert_int_equal(refused(t, 1, NULL, 0, "tensor \"a\": F6_E2M3 of shape [2] does not fill whole bytes"), SKEP_EINVAL);
    t[0] = t[1] = tensor("a", SKEP_U8, 1);
    t[1].dtype = SKEP_U16;
    assert_int_equal(refused(t, 2, NULL, 0, "tensor \"a\" is there twice"), SKEP_EINVAL);
    t[1].size = 8;
    assert_int_equal(refused(t, 2, NULL, 0, "tensor 1: its size member is 8; SKEP_TENSOR_INIT sets it"), SKEP_EINVAL);
    t[0].size = 0;
    assert_int_equal(refused(t, 2, NULL, 0, "tensor 0: its size member is 0; SKEP_TENSOR_INIT sets it"), SKEP_EINVAL);
    assert_int_equal(refused(NULL, 2, NULL, 0, "2 tensors and 0 pairs of metadata, but a NULL"), SKEP_EINVAL);
    assert_int_equal(refused(NULL, 0, twice, 3, "metadata \"a\" is there twice"), SKEP_EINVAL);
    assert_int_equal(refused(NULL, 0, holes, 1, "pair 0 of the metadata is not two texts in UTF-8"), SKEP_EINVAL);
    assert_int_equal(refused(NULL, 0, broken, 1, "pair 0 of the metadata is not two texts in UTF-8"), SKEP_EINVAL);
    for (int i = 0; i < 9; i++) { /* 9 of 2^60 bytes */
        static const char *const names[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8"};

        t[i] = tensor(names[i], SKEP_U8, 1);
        t[i].shape = large;
    }
    assert_int_equal(refused(t, 9, NULL, 0, "the tensors take more than 2^63 bytes"), SKEP_ETOOBIG);
}

static void too_long(void **state)
{
    const size_t n = 100000000; /* of text, besides the quotes around it */
    char *text = malloc(n + 1);
    skep_meta meta = {"a", text};
    skep_error err;
    skep_buf *buf;

    (void)state;
    if (getenv("SKEP_TEST_FULL") == NULL) {
        free(text);
        return;
    }
    assert_non_null(text);
    memset(text, 'x', n);
    text[n] = '\0';
    assert_int_equal(skep_safetensors_header(NULL, 0, &meta, 1, NULL, &buf, &err), SKEP_ETOOBIG);
    assert_string_equal(err.text, "a header of 100000032 bytes; the format allows 100000000");
    free(text);
}

static void out_of_memory(void **state)
{
    const skep_tensor tensors[] = {tensor("b", SKEP_U8, 1), tensor("z", SKEP_F32, 2)};
    int rc = SKEP_ENOMEM;
    skep_error err;
    skep_buf *buf = NULL;
    size_t n = 0;

    (void)state;
    while (rc != SKEP_OK) {
        skepi_alloc_fail_at(++n);
        rc = skep_safetensors_header(tensors, 2, NULL, 0, NULL, &buf, &err);
        skepi_alloc_fail_at(0);
        if (rc != SKEP_OK) {
            assert_int_equal(rc, SKEP_ENOMEM);
            assert_int_equal(err.code, SKEP_ENOMEM);
        }
    }
    assert_in_range(n, 4, 10);
    skep_buf_unref(buf);
}

/* What is written is what is read, whatever is in the names. */
static void round_trip(void **state)
{
    enum { N = 500 };
    static char names[N][24];
    static skep_tensor tensors[N];
    static size_t order[N];
    skep_safetensors *st;
    skep_error err;
    unsigned char *object;
    skep_buf *buf;
    size_t at;

    (void)state;
    for (int i = 0; i < N; i++) {
        int dtype = i % SKEP_DTYPE_COUNT;

        snprintf(names[i], sizeof names[i], "%c\"\\\xc3\xa9%d", 1 + i % 40, i);
        tensors[i] = tensor(names[i], dtype, skep_dtype_bits(dtype) < 8 ? 3 : i % 4);
    }
    assert_int_equal(skep_safetensors_header(tensors, N, NULL, 0, order, &buf, &err), SKEP_OK);
    at = skep_buf_size(buf);
    object = malloc(at + N * 24 * 8);
    assert_non_null(object);
    memcpy(object, skep_buf_data(buf), at);
    for (int i = 0; i < N; i++) {
        const skep_tensor *t = &tensors[order[i]];
        size_t bytes = (size_t)skep_dtype_bits(t->dtype);

        for (int d = 0; d < t->rank; d++)
            bytes *= (size_t)dims[d];
        memset(object + at, i, bytes / 8);
        at += bytes / 8;
    }
    assert_int_equal(skep_safetensors_parse(object, at, &st, &err), SKEP_OK);
    assert_int_equal(skep_safetensors_count(st), N);
    for (int i = 0; i < N; i++) {
        const skep_tensor *t = skep_safetensors_at(st, (size_t)i), *from = &tensors[order[i]];

        assert_string_equal(t->name, from->name);
        assert_int_equal(t->dtype, from->dtype);
        assert_int_equal(t->rank, from->rank);
        assert_int_equal(((const unsigned char *)t->data)[t->bytes - 1], i & 0xff);
        assert_int_equal(t->aligned,
                         (uintptr_t)t->data % (t->dtype == SKEP_C64 ? 4u : (unsigned)(skep_dtype_bits(t->dtype) + 7) / 8) ==
                             0);
    }
    skep_safetensors_free(st);
    skep_buf_unref(buf);
    free(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout),   cmocka_unit_test(bigger_struct), cmocka_unit_test(refusals),
        cmocka_unit_test(too_long), cmocka_unit_test(out_of_memory), cmocka_unit_test(round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
