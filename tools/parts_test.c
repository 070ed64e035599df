/* parts_test.c - the parts that commands are made of: options, suggestions, JSON, texts, statuses. */
#include "benchmarks/json.h"
#include "tools/options.h"
#include "tools/status.h"
#include "tools/suggest.h"
#include "tools/text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

/* ---- options ------------------------------------------------------------------------------------- */

struct args {
    int flag, other;
    const char *text;
    struct cli_number size, time;
};

static const struct cli_option options[] = {
    {'f', "flag", CLI_FLAG, NULL, offsetof(struct args, flag), ""},
    {'o', "other", CLI_FLAG, NULL, offsetof(struct args, other), ""},
    {'t', "text", CLI_TEXT, "TEXT", offsetof(struct args, text), ""},
    {0, "size", CLI_SIZE, "SIZE", offsetof(struct args, size), ""},
    {'T', "time", CLI_TIME, "TIME", offsetof(struct args, time), ""},
    {0, NULL, 0, NULL, 0, NULL},
};

/* `words` is an argv: its order changes, never its texts. */
static int parse(int argc, const char **words, struct args *args, int *n_words, skep_error *err)
{
    struct cli_table table = {options, args};

    *args = (struct args){0};
    return cli_options_parse(argc, (char **)words, &table, 1, n_words, err);
}

static void options_of_all_kinds(void **state)
{
    const char *argv[] = {"one", "-fot", "a b", "two", "--size=64k", "-", "--time", "500ms", "--", "--flag", "-x"};
    struct args a;
    skep_error err;
    int n;

    (void)state;
    assert_int_equal(parse(COUNT(argv), argv, &a, &n, &err), SKEP_OK);
    assert_int_equal(a.flag, 1);
    assert_int_equal(a.other, 1);
    assert_string_equal(a.text, "a b");
    assert_true(a.size.given && a.time.given);
    assert_int_equal(a.size.value, 65536);
    assert_int_equal(a.time.value, 500000000);
    assert_int_equal(n, 5);
    for (int i = 0; i < n; i++)
        assert_string_equal(argv[i], ((const char *[]){"one", "two", "-", "--flag", "-x"})[i]);
}

static void options_refused(void **state)
{
    static const struct {
        const char *words[2];
        const char *text;
    } cases[] = {
        {{"--flga"}, "unknown option --flga; did you mean --flag?"},
        {{"--completely-different=1"}, "unknown option --completely-different"},
        {{"-q"}, "unknown option -q"},
        {{"-fq"}, "unknown option -q"},
        {{"--flag=1"}, "--flag takes no value"},
        {{"--text"}, "--text needs its TEXT"},
        {{"-t"}, "--text needs its TEXT"},
        {{"--size", "-1"}, "--size: \"-1\" is not a size, such as 4096, 64k or 1.5g"},
        {{"-T5"}, "--time: \"5\" is not a time, such as 500ms, 10s or forever"},
    };

    (void)state;
    for (int i = 0; i < COUNT(cases); i++) {
        const char *argv[] = {cases[i].words[0], cases[i].words[1]};
        struct args a;
        skep_error err;
        int n = -1;

        assert_int_equal(parse(argv[1] ? 2 : 1, argv, &a, &n, &err), SKEP_EINVAL);
        assert_string_equal(err.text, cases[i].text);
        assert_int_equal(n, -1);
    }
}

static void no_words_at_all(void **state)
{
    struct args a;
    int n;

    (void)state;
    assert_int_equal(parse(0, NULL, &a, &n, NULL), SKEP_OK);
    assert_int_equal(n, 0);
}

/* ---- suggestions --------------------------------------------------------------------------------- */

static const char *nearest(const char *typed)
{
    static const char *const words[] = {"put", "get", "connectors", "exists", "safetensors", "ls"};
    struct cli_suggest near = CLI_SUGGEST_INIT(typed, strlen(typed));

    for (int i = 0; i < COUNT(words); i++)
        cli_suggest_offer(&near, words[i]);
    return near.best;
}

static void suggestions(void **state)
{
    char longest[400];

    (void)state;
    assert_string_equal(nearest("putt"), "put");
    assert_string_equal(nearest("gte"), "get");
    assert_string_equal(nearest("conn"), "connectors");
    assert_string_equal(nearest("exsits"), "exists");
    assert_string_equal(nearest("safetensor"), "safetensors");
    assert_null(nearest("quite-different"));
    assert_null(nearest(""));
    assert_null(nearest("zz"));
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_null(nearest(longest));
}

/* ---- texts --------------------------------------------------------------------------------------- */

static void sizes(void **state)
{
    char out[CLI_TEXT_MAX];

    (void)state;
    assert_string_equal(cli_text_size(0, out), "0 B");
    assert_string_equal(cli_text_size(1023, out), "1023 B");
    assert_string_equal(cli_text_size(1024, out), "1.0 KiB");
    assert_string_equal(cli_text_size(1048575, out), "1.0 MiB");
    assert_string_equal(cli_text_size(UINT64_MAX, out), "16.0 EiB");
    assert_string_equal(cli_text_size_exact(1023, out), "1023 bytes");
    assert_string_equal(cli_text_size_exact(UINT64_MAX, out), "16.0 EiB (18446744073709551615 bytes)");
    assert_string_equal(cli_text_when(0, out), "-");
    assert_int_equal(strlen(cli_text_when(1700000000000000000u, out)), 19);
    assert_string_equal(cli_text_sum(0xabc, out), "t1.0000000000000abc");
}

static void utf8(void **state)
{
    static const struct {
        const char *text;
        size_t n;
    } cases[] = {
        {"a", 1},        {"\xc3\xa9", 2}, {"\xe2\x82\xac", 3}, {"\xf0\x9f\x90\x9d", 4},
        {"\xc0\x80", 0}, {"\xe0\x80", 0}, {"\xed\xa0\x80", 0}, {"\xf4\x90\x80\x80", 0},
        {"\xff", 0},     {"\xe2\x82", 0}, {"\x80", 0},
    };

    (void)state;
    for (int i = 0; i < COUNT(cases); i++)
        assert_int_equal(json_line_utf8(cases[i].text, 4), cases[i].n);
}

static void plain_text(void **state)
{
    (void)state;
    assert_int_equal(cli_text_is_plain("", 0), 1);
    assert_int_equal(cli_text_is_plain("a\tb\r\n\xc3\xa9", 7), 1);
    assert_int_equal(cli_text_is_plain("a\0b", 3), 0);
    assert_int_equal(cli_text_is_plain("\033[31m", 5), 0);
    assert_int_equal(cli_text_is_plain("\xc2\x9b", 2), 0);
    assert_int_equal(cli_text_is_plain("\xc3\xa9", 1), 0); /* cut in a character */
}

static void strangers_words(void **state)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);

    (void)state;
    assert_non_null(to);
    assert_int_equal(cli_text_print(to, "\xc3\xa9\033\xff\xc2\x9b"), 1 + 4 + 4 + 8);
    cli_text_pad(to, 3, 5);
    cli_text_pad(to, 5, 3);
    fclose(to);
    assert_string_equal(text, "\xc3\xa9\\x1b\\xff\\xc2\\x9b  ");
    assert_int_equal(cli_text_columns("\xc3\xa9\033"), 5);
    free(text);
}

/* ---- statuses ------------------------------------------------------------------------------------ */

static void every_code_has_one_status(void **state)
{
#define CODE(name, number, text) name,
    static const int codes[] = {SKEP_ERRORS(CODE)};
#undef CODE

    (void)state;
    for (int i = 0; i < COUNT(codes); i++) {
        int rows = codes[i] == SKEP_OK;

        for (const struct exit_status *row = exit_statuses; row->meaning; row++) {
            for (int c = 0; c < COUNT(row->codes) && row->codes[c] != SKEP_OK; c++)
                rows += row->codes[c] == codes[i];
        }
        assert_int_equal(rows, 1);
        assert_true(exit_status_of(codes[i]) < 126); /* those above belong to the shell */
        assert_true((exit_status_of(codes[i]) == 0) == (codes[i] == SKEP_OK));
    }
    assert_int_equal(exit_status_of(-12345), exit_status_of(SKEP_EINTERNAL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_of_all_kinds),
        cmocka_unit_test(options_refused),
        cmocka_unit_test(no_words_at_all),
        cmocka_unit_test(suggestions),
        cmocka_unit_test(sizes),
        cmocka_unit_test(utf8),
        cmocka_unit_test(plain_text),
        cmocka_unit_test(strangers_words),
        cmocka_unit_test(every_code_has_one_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
