/* json_test.c - the pull reader: what it takes, what it refuses, and where it says the fault is. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/codec/json.h"
#include "proxy/codec/utf8.h"

/* A reader of exactly these bytes, on the heap so that a sanitizer sees a step beyond them. */
struct input {
    struct skepi_json j;
    skep_error err;
    char *copy;
};

static struct skepi_json *input_new(struct input *in, const char *text, size_t size)
{
    in->copy = malloc(size > 0 ? size : 1);
    assert_non_null(in->copy);
    memcpy(in->copy, text, size);
    skepi_json_init(&in->j, in->copy, size, &in->err);
    return &in->j;
}

static int skip_all(const char *text, size_t size, skep_error *err)
{
    struct input in;
    struct skepi_json *j = input_new(&in, text, size);
    int rc = skepi_json_skip(j);

    if (rc == SKEP_OK)
        rc = skepi_json_end(j);
    if (rc != SKEP_OK)
        *err = in.err;
    free(in.copy);
    return rc;
}

static void values(void **state)
{
    static const char *const good[] = {
        "null",
        " true ",
        "\t\nfalse\r",
        "0",
        "-0",
        "-0.0e-00",
        "12",
        "1.5E+3",
        "0e999999999999999999999",
        "1e-99999999999999999999",
        "1.7976931348623157e308",
        "17976931348623157e292",
        "0.00017976931348623157E+312",
        "[]",
        "{}",
        "[1,[2,{\"a\":[]}]]",
        "{\"a\":{\"b\":\"c\"},\"\":1}",
        "\"\"",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\uD83D\\uDE00\"",
        "\"\x7f\xc2\x80\xf4\x8f\xbf\xbf\"",
    };
    skep_error err;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (skip_all(good[i], strlen(good[i]), &err) != SKEP_OK)
            fail_msg("%s: %s", good[i], err.text);
}

static void faults(void **state)
{
    static const struct {
        const char *text, *wanted;
    } bad[] = {
        {"", "header byte 0: a value expected, here is the end"},
        {"  ", "header byte 2: a value expected, here is the end"},
        {"nul", "header byte 0: a value expected, here is 'n'"},
        {"truth", "header byte 0: a value expected, here is 't'"},
        {"NaN", "header byte 0: a value expected, here is 'N'"},
        {"+1", "header byte 0: a value expected, here is '+'"},
        {"-", "header byte 1: a digit expected, here is the end"},
        {"01", "header byte 1: a number does not begin with 0"},
        {"-01", "header byte 2: a number does not begin with 0"},
        {"1.", "header byte 2: a digit expected, here is the end"},
        {".5", "header byte 0: a value expected, here is '.'"},
        {"1e", "header byte 2: a digit expected, here is the end"},
        {"1e+", "header byte 3: a digit expected, here is the end"},
        {"1.8e308", "header byte 0: the number is too big for a double"},
        {" -1e400", "header byte 1: the number is too big for a double"},
        {"1e99999999999999999999", "header byte 0: the number is too big for a double"},
        {"17976931348623158e292", "header byte 0: the number is too big for a double"},
        {"0.0001e313", "header byte 0: the number is too big for a double"},
        {"1 2", "header byte 2: the end expected, here is '2'"},
        {"[1,]", "header byte 3: a value expected, here is ']'"},
        {"[1", "header byte 2: ',' or ']' expected, here is the end"},
        {"[1 2]", "header byte 3: ',' or ']' expected, here is '2'"},
        {"[,1]", "header byte 1: a value expected, here is ','"},
        {"[1}", "header byte 2: ',' or ']' expected, here is '}'"},
        {"{\"a\":1,}", "header byte 7: a name expected, here is '}'"},
        {"{\"a\" 1}", "header byte 5: ':' expected, here is '1'"},
        {"{a:1}", "header byte 1: a name expected, here is 'a'"},
        {"{\"a\":1 \"b\":2}", "header byte 7: ',' or '}' expected, here is '\"'"},
        {"{1:2}", "header byte 1: a name expected, here is '1'"},
        {"\"abc", "header byte 4: the string that begins at byte 0 does not end"},
        {"\"a\\", "header byte 3: one of \"\\/bfnrtu behind \\ expected, here is the end"},
        {"\"a\\x\"", "header byte 3: one of \"\\/bfnrtu behind \\ expected, here is 'x'"},
        {"\"a\nb\"", "header byte 2: byte 0x0a must be escaped in a string"},
        {"\"\\u12g4\"", "header byte 5: a hexadecimal digit of \\u expected, here is 'g'"},
        {"\"\\u12", "header byte 5: a hexadecimal digit of \\u expected, here is the end"},
        {"\"\\ud800\"", "header byte 7: \\ud800 is the first half of a character without its second"},
        {"\"\\ud800\\n\"", "header byte 7: \\ud800 is the first half of a character without its second"},
        {"\"\\ud800\\u0041\"", "header byte 13: \\ud800\\u0041 are not the two halves of a character"},
        {"\"\\udfff\"", "header byte 7: \\udfff is the second half of a character without its first"},
        {"\"\xff\"", "header byte 1: invalid UTF-8"},
        {"\"a\xc3\"", "header byte 2: invalid UTF-8"},
        {"\"\xc0\x80\"", "header byte 1: invalid UTF-8"},
        {"\"\xed\xa0\x80\"", "header byte 1: invalid UTF-8"},
        {"\"\xf4\x90\x80\x80\"", "header byte 1: invalid UTF-8"},
        {"\xef\xbb\xbf{}", "header byte 0: a value expected, here is byte 0xef"},
        {"{}\x01", "header byte 2: the end expected, here is byte 0x01"},
    };
    skep_error err;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(skip_all(bad[i].text, strlen(bad[i].text), &err), SKEP_EFORMAT);
        assert_int_equal(err.code, SKEP_EFORMAT);
        assert_string_equal(err.text, bad[i].wanted);
    }
    assert_int_equal(skip_all("{}\0", 3, &err), SKEP_EFORMAT);
    assert_string_equal(err.text, "header byte 2: the end expected, here is byte 0x00");
}

static void depth(void **state)
{
    char text[4 * SKEPI_JSON_DEPTH];
    skep_error err;

    (void)state;
    for (int n = SKEPI_JSON_DEPTH; n <= SKEPI_JSON_DEPTH + 1; n++) {
        memset(text, '[', (size_t)n);
        memset(text + n, ']', (size_t)n);
        assert_int_equal(skip_all(text, 2 * (size_t)n, &err), n == SKEPI_JSON_DEPTH ? SKEP_OK : SKEP_EFORMAT);
    }
    assert_string_equal(err.text, "header byte 127: more than 127 arrays and objects within one another");
    memset(text, '[', sizeof text);
    assert_int_equal(skip_all(text, sizeof text, &err), SKEP_EFORMAT);
}

/* Side by side is not within one another. */
static void breadth(void **state)
{
    char text[1024] = "[";
    skep_error err;

    (void)state;
    for (int i = 0; i < 300; i++)
        memcpy(text + 1 + 3 * i, "{},", 3);
    memcpy(text + 900, "]", 2);
    assert_int_equal(skip_all(text, 901, &err), SKEP_OK);
}

static void strings(void **state)
{
    static const char text[] = "\"a\\n\\u00e9\\ud83d\\ude00\xc3\xa9z\\u0000\" \"\"";
    static const char wanted[] = "a\n\xc3\xa9\xf0\x9f\x98\x80\xc3\xa9z";
    struct skepi_json_text out;
    struct input in;
    struct skepi_json *j = input_new(&in, text, sizeof text - 1);

    (void)state;
    assert_int_equal(skepi_json_string(j, "a string", &out), SKEP_OK);
    assert_int_equal(out.size, sizeof wanted); /* the NUL that was escaped, too */
    assert_memory_equal(out.text, wanted, sizeof wanted);
    assert_int_equal(out.text[out.size], '\0');
    assert_int_equal(skepi_json_string(j, "a string", &out), SKEP_OK);
    assert_int_equal(out.size, 0);
    assert_int_equal(skepi_json_end(j), SKEP_OK);
    free(in.copy);
}

static void numbers(void **state)
{
    static const struct {
        const char *text;
        uint64_t value;
        const char *wanted;
    } rows[] = {
        {"0", 0, NULL},
        {" 18446744073709551615", UINT64_MAX, NULL},
        {"18446744073709551616", 0, "header byte 0: N expected, here is 18446744073709551616"},
        {"99999999999999999999999999999999999999999999999", 0,
         "header byte 0: N expected, here is 9999999999999999999999999999999999999999"},
        {"-1", 0, "header byte 0: N expected, here is -1"},
        {"-0", 0, "header byte 0: N expected, here is -0"},
        {"1.0", 0, "header byte 0: N expected, here is 1.0"},
        {"1e3", 0, "header byte 0: N expected, here is 1e3"},
        {"\"1\"", 0, "header byte 0: N expected, here is '\"'"},
        {"00", 0, "header byte 1: a number does not begin with 0"},
        {"", 0, "header byte 0: N expected, here is the end"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct input in;
        uint64_t value = 7;
        int rc = skepi_json_u64(input_new(&in, rows[i].text, strlen(rows[i].text)), "N", &value);

        assert_int_equal(rc, rows[i].wanted != NULL ? SKEP_EFORMAT : SKEP_OK);
        assert_true(value == (rows[i].wanted != NULL ? 7 : rows[i].value));
        if (rows[i].wanted != NULL)
            assert_string_equal(in.err.text, rows[i].wanted);
        free(in.copy);
    }
}

/* Every prefix of a good text is refused, and no byte beyond it is looked at. */
static void prefixes(void **state)
{
    static const char text[] = "{\"a\\u00e9\\ud83d\\ude00\xc3\xa9\":[1,2.5e3,true,null,{\"b\":\"c\"}],\"d\":-1}";
    skep_error err;

    (void)state;
    for (size_t n = 0; n < sizeof text - 1; n++)
        assert_int_equal(skip_all(text, n, &err), SKEP_EFORMAT);
    assert_int_equal(skip_all(text, sizeof text - 1, &err), SKEP_OK);
}

static void quoting(void **state)
{
    char out[SKEPI_QUOTE_MAX], text[1000];

    (void)state;
    assert_string_equal(skepi_quote("layers.0.weight", out), "\"layers.0.weight\"");
    assert_string_equal(skepi_quote("", out), "\"\"");
    assert_string_equal(skepi_quote("a\x1b[2J\"\\\n\x7f", out), "\"a\\u001b[2J\\\"\\\\\\u000a\\u007f\"");
    assert_string_equal(skepi_quote("\xc2\x9b\xe2\x80\xae\xf0\x9f\x98\x80", out), "\"\\u009b\\u202e\\u{1f600}\"");
    assert_string_equal(skepi_quote("\xff\xc3", out), "\"\\xff\\xc3\"");
    for (size_t n = 100; n < sizeof text; n++) { /* whatever the length, it ends in time */
        memset(text, n % 2 ? 'x' : '\x01', n);
        text[n] = '\0';
        assert_true(strlen(skepi_quote(text, out)) < SKEPI_QUOTE_MAX);
        assert_int_equal(out[strlen(out) - 1], '"');
    }
    assert_non_null(strstr(out, "...\""));
}

static void utf8(void **state)
{
    char out[4];
    uint32_t code, n = 0;

    (void)state;
    for (uint32_t c = 0; c <= 0x110000; c++) {
        size_t size = c <= 0x10ffff ? skepi_utf8_put(c, out) : 0;

        if (c == 0x110000)
            memcpy(out, "\xf4\x90\x80\x80", size = 4);
        if (skepi_utf8((unsigned char *)out, size, &code) == 0) {
            n++;
            continue;
        }
        assert_int_equal(code, c);
        assert_int_equal(skepi_utf8((unsigned char *)out, size - 1, &code), 0);
    }
    assert_int_equal(n, 0x800 + 1); /* the surrogates, and what is beyond the last */
    assert_true(skepi_utf8_valid("") && skepi_utf8_valid("a\xc3\xa9") && !skepi_utf8_valid("a\xc3"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),   cmocka_unit_test(faults),  cmocka_unit_test(depth),
        cmocka_unit_test(breadth),  cmocka_unit_test(strings), cmocka_unit_test(numbers),
        cmocka_unit_test(prefixes), cmocka_unit_test(quoting), cmocka_unit_test(utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
