/* safetensors_test.c - headers in memory: what is read out of good ones, and what is said of bad ones. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <skep/safetensors.h>

#include "proxy/base/alloc.h"

/* An object of exactly these bytes, on the heap: 8 bytes of length, the header, `data_bytes` bytes that count up. */
struct object {
    unsigned char *bytes;
    size_t size;
};

static struct object object_new(const char *header, size_t header_bytes, size_t data_bytes)
{
    struct object o = {NULL, 8 + header_bytes + data_bytes};

    o.bytes = malloc(o.size);
    assert_non_null(o.bytes);
    for (int i = 0; i < 8; i++)
        o.bytes[i] = (unsigned char)((uint64_t)header_bytes >> (8 * i));
    memcpy(o.bytes + 8, header, header_bytes);
    for (size_t i = 0; i < data_bytes; i++)
        o.bytes[8 + header_bytes + i] = (unsigned char)i;
    return o;
}

static int parse(const char *header, size_t data_bytes, skep_safetensors **st, skep_error *err)
{
    struct object o = object_new(header, strlen(header), data_bytes);
    int rc = skep_safetensors_parse(o.bytes, o.size, st, err);

    free(o.bytes);
    return rc;
}

/* ---- good ones ----------------------------------------------------------------------------------- */

static void reads(void **state)
{
    static const char header[] =
        "{\"__metadata__\":{\"format\":\"np\",\"\":\"\\u00e9\"},"
        "\"b\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[8,32]},"
        "\"a.\\u0041\":{\"data_offsets\":[0,8],\"dtype\":\"I64\",\"shape\":[]},"
        "\"e\":{\"dtype\":\"F16\",\"shape\":[0,5],\"data_offsets\":[32,32]},"
        "\"h\":{\"dtype\":\"F4\",\"shape\":[2,3],\"data_offsets\":[32,35],\"later\":[{\"x\":null}]}} \n";
    struct object o = object_new(header, sizeof header - 1, 35);
    skep_safetensors *st;
    const skep_tensor *t;
    const char *key, *value;
    unsigned char copy[24] = {0};
    skep_error err;

    (void)state;
    assert_int_equal(skep_safetensors_parse(o.bytes, o.size, &st, &err), SKEP_OK);
    assert_int_equal(skep_safetensors_count(st), 4);
    assert_string_equal(skep_safetensors_at(st, 0)->name, "a.A");
    assert_string_equal(skep_safetensors_at(st, 1)->name, "b");
    assert_string_equal(skep_safetensors_at(st, 2)->name, "e");
    assert_string_equal(skep_safetensors_at(st, 3)->name, "h");
    assert_null(skep_safetensors_at(st, 4));

    t = skep_safetensors_find(st, "b");
    assert_ptr_equal(t, skep_safetensors_at(st, 1));
    assert_int_equal(t->size, sizeof *t);
    assert_int_equal(t->dtype, SKEP_F32);
    assert_int_equal(t->rank, 2);
    assert_int_equal(t->shape[0], 2);
    assert_int_equal(t->shape[1], 3);
    assert_int_equal(t->offset, sizeof header - 1 + 8 + 8);
    assert_int_equal(t->bytes, 24);
    assert_ptr_equal(t->data, o.bytes + t->offset);
    assert_int_equal(skep_safetensors_read(st, t, copy, sizeof copy, 0, &err), SKEP_OK);
    assert_memory_equal(copy, t->data, sizeof copy);
    assert_int_equal(copy[0], 8);

    assert_int_equal(skep_safetensors_find(st, "a.A")->rank, 0);
    assert_int_equal(skep_safetensors_find(st, "e")->bytes, 0);
    assert_int_equal(skep_safetensors_read(st, skep_safetensors_find(st, "e"), NULL, 0, 0, &err), SKEP_OK);
    assert_int_equal(skep_safetensors_find(st, "h")->bytes, 3);
    assert_null(skep_safetensors_find(st, ""));
    assert_null(skep_safetensors_find(st, "bb"));
    assert_null(skep_safetensors_find(st, "__metadata__"));

    assert_int_equal(skep_safetensors_meta_count(st), 2);
    assert_int_equal(skep_safetensors_meta_at(st, 0, &key, &value), SKEP_OK);
    assert_string_equal(key, "format");
    assert_string_equal(value, "np");
    assert_int_equal(skep_safetensors_meta_at(st, 1, &key, &value), SKEP_OK);
    assert_string_equal(key, "");
    assert_string_equal(value, "\xc3\xa9");
    assert_int_equal(skep_safetensors_meta_at(st, 2, &key, &value), SKEP_EINVAL);
    skep_safetensors_free(st);
    free(o.bytes);
}

static void read_refuses(void **state)
{
    static const char header[] = "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}";
    struct object o = object_new(header, sizeof header - 1, 4);
    skep_safetensors *st;
    skep_tensor t;
    char room[8];
    skep_error err;

    (void)state;
    assert_int_equal(skep_safetensors_parse(o.bytes, o.size, &st, &err), SKEP_OK);
    t = *skep_safetensors_at(st, 0);
    assert_int_equal(skep_safetensors_read(st, &t, room, 3, 0, &err), SKEP_ETOOBIG);
    assert_string_equal(err.text, "tensor \"a\" has 4 bytes, there is room for 3");
    assert_int_equal(skep_safetensors_read(st, NULL, room, sizeof room, 0, &err), SKEP_EINVAL);
    assert_int_equal(skep_safetensors_read(st, &t, NULL, 4, 0, &err), SKEP_EINVAL);
    assert_string_equal(err.text, "tensor \"a\" has nowhere to go");
    assert_int_equal(skep_safetensors_open(NULL, 0, &st, &err), SKEP_EINVAL);
    t.bytes = 5;
    assert_int_equal(skep_safetensors_read(st, &t, room, sizeof room, 0, &err), SKEP_EINVAL);
    assert_string_equal(err.text, "tensor \"a\" does not lie in this object");
    t.offset = UINT64_MAX;
    assert_int_equal(skep_safetensors_read(st, &t, room, sizeof room, 0, NULL), SKEP_EINVAL);
    skep_safetensors_free(st);
    free(o.bytes);
}

/* Whether a tensor's data are aligned is told by their address, wherever the object begins. */
static void alignment(void **state)
{
    static const struct {
        const char *dtype;
        int elements, align;
    } rows[] = {{"F64", 1, 8}, {"C64", 1, 4}, {"F32", 2, 4}, {"BF16", 4, 2}, {"U8", 8, 1}, {"F6_E2M3", 8, 1}};
    unsigned char *memory = malloc(256);

    (void)state;
    assert_non_null(memory);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int shift = 0; shift < 8; shift++) {
            char header[128];
            int bytes = strcmp(rows[i].dtype, "F6_E2M3") == 0 ? 6 : 8;
            int n = snprintf(header, sizeof header, "{\"a\":{\"dtype\":\"%s\",\"shape\":[%d],\"data_offsets\":[0,%d]}}",
                             rows[i].dtype, rows[i].elements, bytes);
            struct object o = object_new(header, (size_t)n, (size_t)bytes);
            skep_safetensors *st;

            memcpy(memory + shift, o.bytes, o.size);
            assert_int_equal(skep_safetensors_parse(memory + shift, o.size, &st, NULL), SKEP_OK);
            assert_int_equal(skep_safetensors_at(st, 0)->aligned, (shift + 8 + n) % rows[i].align == 0);
            skep_safetensors_free(st);
            free(o.bytes);
        }
    }
    free(memory);
}

static void small_ones(void **state)
{
    skep_safetensors *st;

    (void)state;
    assert_int_equal(parse("{}", 0, &st, NULL), SKEP_OK);
    assert_int_equal(skep_safetensors_count(st), 0);
    assert_int_equal(skep_safetensors_meta_count(st), 0);
    assert_null(skep_safetensors_find(st, "a"));
    skep_safetensors_free(st);
    assert_int_equal(parse("{\"__metadata__\":null}", 0, &st, NULL), SKEP_OK); /* as the reference does */
    skep_safetensors_free(st);
    skep_safetensors_free(NULL);
}

static void dtypes(void **state)
{
    (void)state;
    assert_string_equal(skep_dtype_name(SKEP_BOOL), "BOOL");
    assert_string_equal(skep_dtype_name(SKEP_F8_E5M2FNUZ), "F8_E5M2FNUZ");
    assert_string_equal(skep_dtype_name(SKEP_U64), "U64");
    assert_string_equal(skep_dtype_name(-1), "?");
    assert_string_equal(skep_dtype_name(SKEP_DTYPE_COUNT), "?");
    assert_int_equal(skep_dtype_bits(SKEP_F4), 4);
    assert_int_equal(skep_dtype_bits(SKEP_C64), 64);
    assert_int_equal(skep_dtype_bits(SKEP_DTYPE_COUNT), 0);
}

/* ---- bad ones ------------------------------------------------------------------------------------ */

#define U8_1 "{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}"

static void refusals(void **state)
{
    static const struct {
        const char *header;
        size_t data_bytes;
        const char *wanted;
    } bad[] = {
        {"", 0, "header byte 0: the header does not begin with '{'"},
        {" {}", 0, "header byte 0: the header does not begin with '{'"},
        {"[]", 0, "header byte 0: the header does not begin with '{'"},
        {"{", 0, "header byte 1: a name expected, here is the end"},
        {"{}}", 0, "header byte 2: the end expected, here is '}'"},
        {"{} \x01", 0, "header byte 3: the end expected, here is byte 0x01"},
        {"{\"\xff\":1}", 0, "header byte 2: invalid UTF-8"},
        {"{\"a\":" U8_1 ",}", 1, "header byte 53: a name expected, here is '}'"},
        {"{\"a\":null}", 0, "tensor \"a\": header byte 5: an object expected, here is 'n'"},
        {"{\"a\":[\"U8\",[1],[0,1]]}", 1, "tensor \"a\": header byte 5: an object expected, here is '['"},
        {"{\"a\":{}}", 0, "tensor \"a\": header byte 7: it has no dtype"},
        {"{\"a\":{\"dtype\":\"U8\"}}", 0, "tensor \"a\": header byte 19: it has no shape"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, "tensor \"a\": header byte 31: it has no data_offsets"},
        {"{\"a\":{\"dtype\":\"u8\"}}", 0, "tensor \"a\": header byte 18: there is no dtype \"u8\""},
        {"{\"a\":{\"dtype\":\"U8\\u0000\"}}", 0, "tensor \"a\": header byte 24: there is no dtype \"U8\""},
        {"{\"a\":{\"dtype\":8}}", 0, "tensor \"a\": header byte 14: the name of a dtype expected, here is '8'"},
        {"{\"a\":{\"dtype\":{\"U8\":null}}}", 0, "tensor \"a\": header byte 14: the name of a dtype expected, here is '{'"},
        {"{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\"}}", 0, "tensor \"a\": header byte 27: dtype appears twice"},
        {"{\"a\":{\"shape\":[1],\"shape\":[1]}}", 0, "tensor \"a\": header byte 26: shape appears twice"},
        {"{\"a\":{\"shape\":1}}", 0, "tensor \"a\": header byte 14: an array expected, here is '1'"},
        {"{\"a\":{\"shape\":[-1]}}", 0, "tensor \"a\": header byte 15: a whole number of 64 bits expected, here is -1"},
        {"{\"a\":{\"shape\":[1.0]}}", 0, "tensor \"a\": header byte 15: a whole number of 64 bits expected, here is 1.0"},
        {"{\"a\":{\"shape\":[18446744073709551616]}}", 0,
         "tensor \"a\": header byte 15: a whole number of 64 bits expected, here is 18446744073709551616"},
        {"{\"a\":{\"data_offsets\":[0]}}", 0, "tensor \"a\": header byte 24: data_offsets has 1 of two numbers"},
        {"{\"a\":{\"data_offsets\":[0,1,2]}}", 0, "tensor \"a\": header byte 26: data_offsets has more than two numbers"},
        {"{\"a\":{\"data_offsets\":[8,4]}}", 0, "tensor \"a\": header byte 26: data_offsets [8, 4] are reversed"},
        {"{\"a\":{\"x\":1e999}}", 0, "tensor \"a\": header byte 10: the number is too big for a double"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,20]}}", 20,
         "tensor \"a\": header byte 56: F32 of shape [2, 3] takes 24 bytes, its data_offsets span 20"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,0]}}", 0,
         "tensor \"a\": header byte 51: U8 of shape [] takes 1 bytes, its data_offsets span 0"},
        {"{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,2]}}", 2,
         "tensor \"a\": header byte 52: F4 of shape [3] does not fill whole bytes"},
        {"{\"a\":{\"dtype\":\"F6_E3M2\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2,
         "tensor \"a\": header byte 57: F6_E3M2 of shape [2] does not fill whole bytes"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0,
         "tensor \"a\": header byte 72: U8 of shape [4294967296, 4294967296] has 2^64 elements or more"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[9223372036854775808,4,0],\"data_offsets\":[0,0]}}", 0,
         "tensor \"a\": header byte 74: U8 of shape [9223372036854775808, 4, 0] has 2^64 elements or more"},
        {"{\"a\":{\"dtype\":\"F64\",\"shape\":[1152921504606846976],\"data_offsets\":[0,0]}}", 0,
         "tensor \"a\": header byte 71: F64 of shape [1152921504606846976] has 2^64 bits or more"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[18446744073709551615],\"data_offsets\":[0,18446744073709551615]}}", 0,
         "tensor \"a\": header byte 90: U8 of shape [18446744073709551615] has 2^64 bits or more"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[4,5]}}", 5,
         "tensor \"a\" begins at byte 4 of the data, the one before it ends at 0: a hole"},
        {"{\"a\":" U8_1 ",\"b\":" U8_1 "}", 1,
         "tensor \"b\" begins at byte 0 of the data, the one before it ends at 1: they overlap"},
        {"{\"a\":" U8_1 "}", 2, "the tensors end at byte 1 of the data, the object has 2: trailing bytes"},
        {"{\"a\":" U8_1 "}", 0, "the tensors end at byte 1 of the data, the object has 0: it is cut short"},
        {"{}", 1, "the tensors end at byte 0 of the data, the object has 1: trailing bytes"},
        {"{\"a\":" U8_1 ",\"\\u0061\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}", 2,
         "two tensors are named \"a\""},
        {"{\"a\\u0000b\":" U8_1 "}", 1, "header byte 12: the text that ends here has a NUL in it"},
        {"{\"\\u001b[2J\\n\":{}}", 0, "tensor \"\\u001b[2J\\u000a\": header byte 17: it has no dtype"},
        {"{\"__metadata__\":[]}", 0, "header byte 16: an object expected, here is '['"},
        {"{\"__metadata__\":{\"a\":1}}", 0,
         "header byte 21: a string (as every value of __metadata__) expected, here is '1'"},
        {"{\"__metadata__\":{\"a\":null}}", 0,
         "header byte 21: a string (as every value of __metadata__) expected, here is 'n'"},
        {"{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}", 0, "__metadata__ has \"a\" twice"},
        {"{\"__metadata__\":{\"a\":\"\\u0000\"}}", 0, "header byte 29: the text that ends here has a NUL in it"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "header byte 34: __metadata__ appears twice"},
    };
    skep_error err;
    skep_safetensors *st = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        memset(&err, 0, sizeof err);
        if (parse(bad[i].header, bad[i].data_bytes, &st, &err) != SKEP_EFORMAT)
            fail_msg("%s was taken", bad[i].header);
        assert_int_equal(err.code, SKEP_EFORMAT);
        assert_string_equal(err.text, bad[i].wanted);
        assert_int_equal(parse(bad[i].header, bad[i].data_bytes, &st, NULL), SKEP_EFORMAT);
        assert_null(st);
    }
}

static void lengths(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *wanted;
    } bad[] = {
        {"", 0, "an object of 0 bytes has no room for the length of a header"},
        {"\0\0\0\0\0\0\0", 7, "an object of 7 bytes has no room for the length of a header"},
        {"\x02\0\0\0\0\0\0\0{", 9, "its header of 2 bytes does not fit in an object of 9"},
        {"\x01\xe1\xf5\x05\0\0\0\0{}", 10, "its header would have 100000001 bytes; the format allows 100000000"},
        {"\0\xe1\xf5\x05\0\0\0\0{}", 10, "its header of 100000000 bytes does not fit in an object of 10"},
        {"\xff\xff\xff\xff\xff\xff\xff\xff{}", 10,
         "its header would have 18446744073709551615 bytes; the format allows 100000000"},
    };
    skep_safetensors *st = NULL;
    skep_error err;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(skep_safetensors_parse(bad[i].bytes, bad[i].size, &st, &err), SKEP_EFORMAT);
        assert_string_equal(err.text, bad[i].wanted);
    }
    assert_int_equal(skep_safetensors_parse(NULL, 0, &st, &err), SKEP_EFORMAT);
    assert_null(st);
}

/* A name of any length goes into a text that says it is cut. */
static void long_names(void **state)
{
    char header[3000];
    skep_safetensors *st;
    skep_error err;
    int n = snprintf(header, sizeof header, "{\"%01000d\":{\"dtype\":\"%01000d\"}}", 0, 0);

    (void)state;
    assert_true(n > 2000);
    assert_int_equal(parse(header, 0, &st, &err), SKEP_EFORMAT);
    assert_non_null(strstr(err.text, "000...\": header byte 2015: there is no dtype \"000"));
    assert_string_equal(err.text + strlen(err.text) - 5, "0...\"");
}

/* ---- memory -------------------------------------------------------------------------------------- */

static void out_of_memory(void **state)
{
    static const char header[] =
        "{\"__metadata__\":{\"a\":\"1\",\"b\":\"2\"},"
        "\"b\":{\"dtype\":\"F32\",\"shape\":[2,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,8]}}";
    struct object o = object_new(header, sizeof header - 1, 8);
    skep_safetensors *st = NULL;
    skep_error err;
    size_t failed = 0;

    (void)state;
    for (size_t n = 1; n < 20; n++) {
        int rc;

        skepi_alloc_fail_at(n);
        rc = skep_safetensors_parse(o.bytes, o.size, &st, &err);
        skepi_alloc_fail_at(0);
        if (rc == SKEP_OK) {
            assert_non_null(skep_safetensors_find(st, "b"));
            skep_safetensors_free(st);
            st = NULL;
            continue;
        }
        assert_int_equal(rc, SKEP_ENOMEM);
        assert_int_equal(err.code, SKEP_ENOMEM);
        assert_null(st);
        failed++;
    }
    assert_int_equal(failed, 8); /* the three that cut arrays to size may fail */
    free(o.bytes);
}

/* Many tensors, written in the worst order: neither sorting nor finding may be quadratic. */
static void many(void **state)
{
    size_t n = getenv("SKEP_TEST_FULL") ? 1200000 : 60000, at = 0, cap = n * 80 + 16;
    char *header = malloc(cap), name[32];
    struct object o;
    skep_safetensors *st;
    skep_error err;

    (void)state;
    assert_non_null(header);
    for (size_t i = n; i-- > 0;)
        at +=
            (size_t)snprintf(header + at, cap - at, "%c\"t%zu\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%zu,%zu]}",
                             at == 0 ? '{' : ',', i * 7919 % n, i, i + 1);
    header[at++] = '}';
    o = object_new(header, at, n);
    free(header);
    assert_int_equal(skep_safetensors_parse(o.bytes, o.size, &st, &err), SKEP_OK);
    assert_int_equal(skep_safetensors_count(st), n);
    for (size_t i = 0; i < n; i++) {
        const skep_tensor *t;

        snprintf(name, sizeof name, "t%zu", i * 7919 % n);
        t = skep_safetensors_find(st, name);
        assert_ptr_equal(t, skep_safetensors_at(st, i));
        assert_int_equal(*(const unsigned char *)t->data, (unsigned char)i);
    }
    skep_safetensors_free(st);
    free(o.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),      cmocka_unit_test(read_refuses), cmocka_unit_test(alignment),
        cmocka_unit_test(small_ones), cmocka_unit_test(dtypes),       cmocka_unit_test(refusals),
        cmocka_unit_test(lengths),    cmocka_unit_test(long_names),   cmocka_unit_test(out_of_memory),
        cmocka_unit_test(many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
