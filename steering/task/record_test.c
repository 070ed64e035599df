/* record_test.c - records: what is written is read again, and nothing else is taken for one. */
#include "steering/task/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* A record as it lies on the wire: the block with its gaps filled. Yours to free. */
static unsigned char *flatten(struct skepi_draft *draft, size_t *size)
{
    size_t block, n_gaps, from = 0;
    struct skepi_gap gaps[16];
    unsigned char *parts, *whole, *at;

    assert_int_equal(skepi_record_measure(draft, &block, &n_gaps, NULL), SKEP_OK);
    assert_true(n_gaps < 16);
    parts = malloc(block);
    at = whole = malloc(draft->head.message.length);
    skepi_record_write(draft, parts, gaps);
    for (size_t i = 0; i <= n_gaps; i++) {
        size_t to = i < n_gaps ? gaps[i].at : block;

        memcpy(at, parts + from, to - from);
        at += to - from;
        from = to;
        if (i < n_gaps) {
            size_t payload = (size_t)gaps[i].value->bits + (size_t)skepi_value_is_text(gaps[i].value);

            memcpy(at, gaps[i].value->data, payload);
            at += payload;
        }
    }
    *size = draft->head.message.length;
    assert_int_equal(at - whole, *size);
    free(parts);
    return whole;
}

static struct skepi_draft sample(struct skepi_value inputs[8], char *big)
{
    struct skepi_draft draft = {
        .method = "simulate", .topic = "t", .info = "mine: \xc3\xa9", .inputs = inputs, .n_inputs = 8};

    memset(big, 'x', SKEPI_COPY_MAX + 1);
    draft.head.message.kind = SKEPI_TASK;
    draft.head.attempt = 1;
    draft.head.priority = -3;
    draft.head.reply = 77;
    memcpy(draft.head.id, "0123456789abcdef", 16);
    for (int i = 0; i < SKEP_STAMP_COUNT; i++)
        draft.head.stamp[i] = (uint64_t)i + 1;
    inputs[0] = (struct skepi_value){0};
    inputs[1] = (struct skepi_value){.type = SKEP_VALUE_BOOL, .bits = 1};
    inputs[2] = (struct skepi_value){.type = SKEP_VALUE_INT, .bits = (uint64_t)-5};
    inputs[3] = (struct skepi_value){0};
    skepi_value_set_double(&inputs[3], 0.25);
    inputs[4] = (struct skepi_value){.type = SKEP_VALUE_STRING, .bits = 3, .data = "abc"};
    inputs[5] = (struct skepi_value){.type = SKEP_VALUE_JSON, .bits = 2, .data = "{}"};
    inputs[6] = (struct skepi_value){.type = SKEP_VALUE_BYTES, .bits = SKEPI_COPY_MAX + 1, .data = big};
    inputs[7] = (struct skepi_value){
        .type = SKEP_VALUE_BYTES, .flags = SKEPI_VALUE_PROXIED | SKEPI_VALUE_OWNED, .bits = 9, .data = "shm://x#k"};
    return draft;
}

static void round_trip(void **state)
{
    char big[SKEPI_COPY_MAX + 1];
    struct skepi_value inputs[8], read;
    struct skepi_draft draft = sample(inputs, big);
    struct skepi_parts parts;
    const unsigned char *at;
    size_t size;
    unsigned char *record = flatten(&draft, &size);

    (void)state;
    assert_int_equal(size % 8, 0);
    assert_int_equal(skepi_record_decode(record, size, &parts, NULL), SKEP_OK);
    assert_string_equal(parts.method, "simulate");
    assert_string_equal(parts.topic, "t");
    assert_string_equal(parts.info, "mine: \xc3\xa9");
    assert_string_equal(parts.host, "");
    assert_string_equal(parts.failure, "");
    assert_int_equal(parts.head->priority, -3);
    assert_int_equal(parts.head->reply, 77);
    assert_int_equal(parts.head->inputs, 8);
    assert_int_equal(parts.head->message.flags, SKEPI_RECORD_OWNED);
    at = parts.values;
    for (int i = 0; i < 8; i++) {
        skepi_record_next(&at, &read);
        assert_int_equal(read.type, inputs[i].type);
        assert_int_equal(read.flags, inputs[i].flags);
        assert_int_equal(read.bits, inputs[i].bits);
        assert_int_equal((uintptr_t)read.data % 8, 0);
        if (!skepi_value_is_scalar(&read))
            assert_memory_equal(read.data, inputs[i].data, inputs[i].bits);
    }
    assert_ptr_equal(at, record + size);
    free(record);
}

static void answers_carry_a_value(void **state)
{
    struct skepi_value value = {.type = SKEP_VALUE_BYTES, .bits = 0, .data = ""}, read;
    struct skepi_draft draft = {.host = "here", .failure = "", .value = &value};
    struct skepi_parts parts;
    const unsigned char *at;
    size_t size;
    unsigned char *record;

    (void)state;
    draft.head.message.kind = SKEPI_ANSWER;
    draft.head.attempt = 2;
    record = flatten(&draft, &size);
    assert_int_equal(skepi_record_decode(record, size, &parts, NULL), SKEP_OK);
    assert_int_equal(parts.head->message.flags, SKEPI_RECORD_VALUE);
    at = parts.values;
    skepi_record_next(&at, &read);
    assert_int_equal(read.type, SKEP_VALUE_BYTES);
    assert_int_equal(read.bits, 0);
    free(record);
}

/* Every cut and every changed byte is refused, or is another well-formed record; nothing outside is read (asan). */
static void damaged_records(void **state)
{
    char big[SKEPI_COPY_MAX + 1];
    struct skepi_value inputs[8];
    struct skepi_draft draft = sample(inputs, big);
    struct skepi_parts parts;
    size_t size;
    unsigned char *record = flatten(&draft, &size), *cut;

    (void)state;
    for (size_t n = 0; n < size; n += 8) {
        cut = malloc(n == 0 ? 1 : n);
        memcpy(cut, record, n);
        assert_int_equal(skepi_record_decode(cut, n, &parts, NULL), SKEP_EFORMAT);
        free(cut);
    }
    for (size_t i = 0; i < size; i++)
        for (int bit = 0; bit < 8; bit++) {
            record[i] ^= (unsigned char)(1 << bit);
            if (skepi_record_decode(record, size, &parts, NULL) == SKEP_OK)
                assert_true(strlen(parts.method) < SKEPI_NAME_MAX);
            record[i] ^= (unsigned char)(1 << bit);
        }
    assert_int_equal(skepi_record_decode(record, size, &parts, NULL), SKEP_OK);
    free(record);
}

static int decode_with(size_t offset, uint64_t value, size_t bytes)
{
    char big[SKEPI_COPY_MAX + 1];
    struct skepi_value inputs[8];
    struct skepi_draft draft = sample(inputs, big);
    struct skepi_parts parts;
    size_t size;
    unsigned char *record = flatten(&draft, &size);
    int rc;

    memcpy(record + offset, &value, bytes);
    rc = skepi_record_decode(record, size, &parts, NULL);
    free(record);
    return rc;
}

static void refusals(void **state)
{
    const size_t values = sizeof(struct skepi_record) + 8 + 1 + 1 + 1 + 1 + 8 + 1 + 1 + 2; /* behind the texts */
    _Alignas(8) char odd[512] = {0};
    struct skepi_parts parts;

    (void)state;
    assert_int_equal(values % 8, 0);
    assert_int_equal(decode_with(offsetof(struct skepi_message, version), 2, 1), SKEP_EVERSION);
    assert_int_equal(decode_with(offsetof(struct skepi_message, kind), 9, 1), SKEP_EFORMAT);
    assert_int_equal(decode_with(offsetof(struct skepi_message, length), 8, 4), SKEP_EFORMAT);
    assert_int_equal(decode_with(offsetof(struct skepi_message, flags), 0x80, 2), SKEP_EFORMAT);
    assert_int_equal(decode_with(offsetof(struct skepi_message, flags), 0, 2), SKEP_EFORMAT); /* but an input is owned */
    assert_int_equal(decode_with(offsetof(struct skepi_record, attempt), 0, 4), SKEP_EFORMAT);
    assert_int_equal(decode_with(offsetof(struct skepi_record, inputs), 9, 4), SKEP_EFORMAT);
    assert_int_equal(decode_with(offsetof(struct skepi_record, inputs), UINT32_MAX, 4), SKEP_EFORMAT);
    assert_int_equal(decode_with(offsetof(struct skepi_record, method_size), 500, 2), SKEP_EFORMAT);
    assert_int_equal(decode_with(offsetof(struct skepi_record, info_size), UINT32_MAX, 4), SKEP_EFORMAT);
    assert_int_equal(decode_with(sizeof(struct skepi_record), 0xff, 1), SKEP_EFORMAT);  /* a method that is not UTF-8 */
    assert_int_equal(decode_with(sizeof(struct skepi_record) + 3, 0, 1), SKEP_EFORMAT); /* or has a NUL */
    assert_int_equal(decode_with(values, 99, 1), SKEP_EFORMAT);                         /* an unknown type */
    assert_int_equal(decode_with(values + 1, SKEPI_VALUE_PROXIED, 1), SKEP_EFORMAT);    /* a null behind a proxy */
    assert_int_equal(decode_with(values + 8, 1, 8), SKEP_EFORMAT);                      /* a null that says something */
    assert_int_equal(decode_with(values + 16 + 8, 2, 8), SKEP_EFORMAT);                 /* a boolean of 2 */
    assert_int_equal(decode_with(values + 64 + 8, UINT64_MAX, 8), SKEP_EFORMAT);        /* a string without end */
    assert_int_equal(decode_with(values + 64 + 16 + 3, 'x', 1), SKEP_EFORMAT);          /* without its NUL */
    assert_int_equal(skepi_record_decode(odd + 4, sizeof odd - 8, &parts, NULL), SKEP_EFORMAT); /* not at a multiple of 8 */
}

static void too_big(void **state)
{
    struct skepi_value inputs[2] = {{.type = SKEP_VALUE_BYTES, .bits = SKEPI_MESSAGE_MAX - 4096, .data = ""},
                                    {.type = SKEP_VALUE_BYTES, .bits = 8192, .data = ""}};
    struct skepi_draft draft = {.method = "m", .inputs = inputs, .n_inputs = 1};
    char name[SKEPI_NAME_MAX + 1];
    size_t block, gaps;

    (void)state;
    assert_int_equal(skepi_record_measure(&draft, &block, &gaps, NULL), SKEP_OK);
    assert_int_equal(gaps, 1);
    draft.n_inputs = 2;
    assert_int_equal(skepi_record_measure(&draft, &block, &gaps, NULL), SKEP_ETOOBIG);
    draft.n_inputs = SKEPI_INPUTS_MAX + 1;
    assert_int_equal(skepi_record_measure(&draft, &block, &gaps, NULL), SKEP_ETOOBIG);
    memset(name, 'n', SKEPI_NAME_MAX);
    name[SKEPI_NAME_MAX] = '\0';
    draft = (struct skepi_draft){.method = name};
    assert_int_equal(skepi_record_measure(&draft, &block, &gaps, NULL), SKEP_EINVAL);
}

static void texts(void **state)
{
    static const char *const good[] = {
        "", "plain", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x90\x9d", "\xef\xbf\xbf", "12345678\xc3\xa9"};
    static const char *const bad[] = {
        "\x80",        "\xc3",        "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80",
        "1234567\xff", "12345678\xff"};
    skep_error err;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(skepi_text_check(good[i], strlen(good[i])), SKEP_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(skepi_text_check(bad[i], strlen(bad[i])), SKEP_EFORMAT);
    assert_int_equal(skepi_text_check("a\0b", 3), SKEP_EFORMAT);
    assert_int_equal(skepi_json_check("[1, {\"a\": null}]", 16, &err), SKEP_OK);
    assert_int_equal(skepi_json_check("3", 1, &err), SKEP_OK);
    assert_int_equal(skepi_json_check("{", 1, &err), SKEP_EINVAL);
    assert_non_null(strstr(err.text, "line 1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),      cmocka_unit_test(answers_carry_a_value),
        cmocka_unit_test(damaged_records), cmocka_unit_test(refusals),
        cmocka_unit_test(too_big),         cmocka_unit_test(texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
