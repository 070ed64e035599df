/* base_error_test.c - error codes and texts, the log, the clock. */
#include <skep/clock.h>
#include <skep/error.h>
#include <skep/log.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define NUMBER(name, number, text) number,
static const int codes[] = {SKEP_ERRORS(NUMBER)};
#undef NUMBER
#define CODES (sizeof codes / sizeof codes[0])

static void every_code_has_its_own_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < CODES; i++) {
        assert_int_equal(codes[i], -(int)i); /* no gaps: the table is indexed by number */
        assert_int_equal(strncmp(skep_err_name(codes[i]), i == 0 ? "SKEP_OK" : "SKEP_E", i == 0 ? 7 : 6), 0);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(skep_err_text(codes[i]), skep_err_text(codes[j]));
            assert_string_not_equal(skep_err_name(codes[i]), skep_err_name(codes[j]));
        }
    }
    assert_string_equal(skep_err_name(SKEP_ENOENT), "SKEP_ENOENT");
    assert_string_equal(skep_err_text(SKEP_EBUSY), "in use");
}

static void an_unknown_code_is_said_to_be_so(void **state)
{
    static const int unknown[] = {1, -(int)CODES, -1000000, 2147483647, -2147483647 - 1};

    (void)state;
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        assert_string_equal(skep_err_name(unknown[i]), "SKEP_E?");
        assert_string_equal(skep_err_text(unknown[i]), "unknown error");
    }
}

static void errno_has_a_nearest_code(void **state)
{
    (void)state;
    assert_int_equal(skep_err_from_errno(0), SKEP_OK);
    assert_int_equal(skep_err_from_errno(ENOENT), SKEP_ENOENT);
    assert_int_equal(skep_err_from_errno(ENOSPC), SKEP_ENOSPC);
    assert_int_equal(skep_err_from_errno(EDQUOT), SKEP_ENOSPC);
    assert_int_equal(skep_err_from_errno(EACCES), SKEP_EDENIED);
    assert_int_equal(skep_err_from_errno(ECONNREFUSED), SKEP_EUNREACH);
    assert_int_equal(skep_err_from_errno(EPIPE), SKEP_ECLOSED);
    assert_int_equal(skep_err_from_errno(EDOM), SKEP_EIO);
    for (int e = 1; e < 200; e++)
        assert_true(skep_err_from_errno(e) < 0);
}

static void fail_sets_the_error_and_returns_the_code(void **state)
{
    char big[2 * SKEP_ERROR_TEXT_MAX];
    skep_error err = {0, ""};

    (void)state;
    assert_int_equal(skep_fail(&err, SKEP_EINVAL, "%s is %d", "x", 3), SKEP_EINVAL);
    assert_int_equal(err.code, SKEP_EINVAL);
    assert_string_equal(err.text, "x is 3");
    assert_int_equal(skep_fail(NULL, SKEP_EIO, "nobody reads %s", "this"), SKEP_EIO);
    assert_int_equal(skep_fail(&err, SKEP_EIO, "shm://a: %s", err.text), SKEP_EIO); /* its own text as an argument */
    assert_string_equal(err.text, "shm://a: x is 3");
    memset(big, 'y', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    skep_fail(&err, SKEP_EIO, "%s", big);
    assert_int_equal(strlen(err.text), SKEP_ERROR_TEXT_MAX - 1);
}

/* ---- log ----------------------------------------------------------------------------------------- */

struct heard {
    atomic_int lines;
    int level;
    char component[32], text[1200];
};

static void hear(int level, const char *component, const char *text, void *arg)
{
    struct heard *h = arg;

    if (atomic_fetch_add(&h->lines, 1) == 0) {
        h->level = level;
        snprintf(h->component, sizeof h->component, "%s", component);
        snprintf(h->text, sizeof h->text, "%s", text);
    }
}

static void the_log_goes_where_it_is_told(void **state)
{
    struct heard h = {0};
    char big[5000];

    (void)state;
    skep_log_level(SKEP_LOG_WARN);
    skep_log_to(hear, &h);
    skep_log(SKEP_LOG_INFO, "shm", "too fine to be said");
    assert_int_equal(h.lines, 0);
    skep_log(SKEP_LOG_WARN, "shm", "%d bytes\nskep: error: forged", 7);
    assert_int_equal(h.lines, 1);
    assert_int_equal(h.level, SKEP_LOG_WARN);
    assert_string_equal(h.component, "shm");
    assert_string_equal(h.text, "7 bytes skep: error: forged");
    h.lines = 0;
    memset(big, 'z', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    skep_log(SKEP_LOG_ERROR, "shm", "%s", big);
    assert_true(strlen(h.text) > 900);
    skep_log_level(SKEP_LOG_DEBUG);
    skep_log(SKEP_LOG_DEBUG, "shm", "fine");
    assert_int_equal(h.lines, 2);
    skep_log_to(NULL, NULL);
    skep_log_level(SKEP_LOG_WARN);
}

/* What a child that runs `body` says on standard error. */
static void listen_to(void (*body)(void), char *out, size_t cap)
{
    int ends[2], status;
    size_t used = 0;
    ssize_t n;
    pid_t child;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        body();
        _exit(0);
    }
    close(ends[1]);
    while ((n = read(ends[0], out + used, cap - 1 - used)) > 0)
        used += (size_t)n;
    out[used] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void say_two(void)
{
    skep_log(SKEP_LOG_WARN, "file", "disk is %s", "full");
    skep_log(SKEP_LOG_DEBUG, "file", "not said");
}

static void say_fine(void)
{
    setenv("SKEP_LOG", "debug", 1);
    skep_log(SKEP_LOG_DEBUG, "file", "said");
}

static void say_errors_only(void)
{
    setenv("SKEP_LOG", "error", 1);
    skep_log(SKEP_LOG_WARN, "file", "not said");
    skep_log(SKEP_LOG_ERROR, "file", "said");
}

static void *say_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++)
        skep_log(SKEP_LOG_ERROR, "thread", "0123456789012345678901234567890123456789");
    return NULL;
}

static void say_from_threads(void)
{
    pthread_t t[2];

    for (int i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, say_many, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
}

static void lines_reach_standard_error_whole(void **state)
{
    static const char line[] = "skep: error: thread: 0123456789012345678901234567890123456789\n";
    char said[16384];

    (void)state;
    listen_to(say_two, said, sizeof said);
    assert_string_equal(said, "skep: warn: file: disk is full\n");
    listen_to(say_fine, said, sizeof said);
    assert_string_equal(said, "skep: debug: file: said\n");
    listen_to(say_errors_only, said, sizeof said);
    assert_string_equal(said, "skep: error: file: said\n");
    listen_to(say_from_threads, said, sizeof said);
    assert_int_equal(strlen(said), 100 * strlen(line));
    for (size_t i = 0; i < 100; i++)
        assert_memory_equal(said + i * strlen(line), line, strlen(line));
}

/* ---- clock --------------------------------------------------------------------------------------- */

static void deadlines_saturate(void **state)
{
    uint64_t before = skep_now_ns(), by = skep_in_ms(500), after = skep_now_ns();

    (void)state;
    assert_true(by >= before + 500000000u && by <= after + 500000000u);
    assert_true(skep_in_ns(0) >= before);
    assert_true(skep_in_ms(UINT64_MAX) == SKEP_FOREVER);
    assert_true(skep_in_ns(UINT64_MAX - 1) == SKEP_FOREVER);
    assert_true(skep_in_ms(UINT64_MAX / 1000000u) == SKEP_FOREVER);
    assert_true(skep_real_ns() > (uint64_t)1600000000 * 1000000000u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_its_own_text),      cmocka_unit_test(an_unknown_code_is_said_to_be_so),
        cmocka_unit_test(errno_has_a_nearest_code),         cmocka_unit_test(fail_sets_the_error_and_returns_the_code),
        cmocka_unit_test(lines_reach_standard_error_whole), /* before the next sets the level by hand */
        cmocka_unit_test(the_log_goes_where_it_is_told),    cmocka_unit_test(deadlines_saturate),
    };

    unsetenv("SKEP_LOG");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
