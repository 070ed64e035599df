/* suite_test.c - tasks from a thinker to workers and back, over the link that the first argument names: ipc or tcp. */
#include "steering/testing.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *scheme;
static int full; /* SKEP_TEST_FULL: the sizes of the real thing */

/* ---- methods ------------------------------------------------------------------------------------- */

static int noop(skep_call *call, void *unused)
{
    (void)call;
    (void)unused;
    return SKEP_OK;
}

/* Gives back its first input, whatever it is. */
static int echo(skep_call *call, void *unused)
{
    skep_proxy *proxy;
    const char *text;
    const void *data;
    int64_t integer;
    double number;
    size_t size;
    int flag;

    (void)unused;
    switch (skep_call_type(call, 0)) {
    case SKEP_VALUE_NULL:
        return skep_call_return_null(call);
    case SKEP_VALUE_BOOL:
        return skep_call_bool(call, 0, &flag) != SKEP_OK ? SKEP_EINVAL : skep_call_return_bool(call, flag);
    case SKEP_VALUE_INT:
        return skep_call_int(call, 0, &integer) != SKEP_OK ? SKEP_EINVAL : skep_call_return_int(call, integer);
    case SKEP_VALUE_DOUBLE:
        return skep_call_double(call, 0, &number) != SKEP_OK ? SKEP_EINVAL : skep_call_return_double(call, number);
    case SKEP_VALUE_STRING:
        return skep_call_string(call, 0, &text) != SKEP_OK ? SKEP_EINVAL : skep_call_return_string(call, text);
    case SKEP_VALUE_JSON:
        return skep_call_json(call, 0, &text) != SKEP_OK ? SKEP_EINVAL : skep_call_return_json(call, text);
    case SKEP_VALUE_BYTES:
        return skep_call_bytes(call, 0, &data, &size) != SKEP_OK ? SKEP_EINVAL : skep_call_return_bytes(call, data, size);
    case SKEP_VALUE_PROXY:
        return skep_call_proxy(call, 0, &proxy) != SKEP_OK ? SKEP_EINVAL : skep_call_return_proxy(call, proxy);
    default:
        return SKEP_EINVAL;
    }
}

/* The sum of all bytes of all inputs. */
static int sum(skep_call *call, void *unused)
{
    const unsigned char *data;
    int64_t total = 0;
    size_t size;
    int rc;

    (void)unused;
    for (int i = 0; i < skep_call_inputs(call); i++) {
        if ((rc = skep_call_bytes(call, i, (const void **)&data, &size)) != SKEP_OK)
            return rc;
        for (size_t j = 0; j < size; j++)
            total += data[j];
    }
    return skep_call_return_int(call, total);
}

static int fails(skep_call *call, void *unused)
{
    const char *text;

    (void)unused;
    if (skep_call_inputs(call) == 0)
        return 77; /* not a code of the list */
    if (skep_call_string(call, 0, &text) != SKEP_OK)
        return SKEP_EINVAL;
    return skep_call_fail(call, SKEP_ECORRUPT, "could not %s", text);
}

/* Returns a value, and fails all the same. */
static int regrets(skep_call *call, void *unused)
{
    static char bytes[100000];

    (void)unused;
    if (skep_call_return_bytes(call, bytes, sizeof bytes) != SKEP_OK)
        return SKEP_EINVAL;
    return skep_call_fail(call, SKEP_ECANCELED, "changed its mind");
}

static int twice(skep_call *call, void *unused)
{
    (void)unused;
    skep_call_return_int(call, 1);
    return skep_call_return_int(call, 2);
}

static int make(skep_call *call, void *unused)
{
    unsigned char *bytes;
    skep_buf *buf;
    int64_t size;
    int rc;

    (void)unused;
    if (skep_call_int(call, 0, &size) != SKEP_OK || (bytes = malloc((size_t)size)) == NULL)
        return SKEP_EINVAL;
    memset(bytes, 'm', (size_t)size);
    rc = skep_buf_copy(bytes, (size_t)size, &buf);
    free(bytes);
    if (rc != SKEP_OK)
        return rc;
    rc = skep_call_return_buf(call, buf);
    skep_buf_unref(buf);
    return rc;
}

static int nap(skep_call *call, void *unused)
{
    struct timespec pause;
    int64_t ms;

    (void)unused;
    if (skep_call_int(call, 0, &ms) != SKEP_OK)
        return SKEP_EINVAL;
    pause = (struct timespec){ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
    return skep_call_return_int(call, skep_call_worker_index(call));
}

static const skep_method methods[] = {
    {"noop", noop, NULL},   {"echo", echo, NULL},       {"sum", sum, NULL},
    {"fails", fails, NULL}, {"regrets", regrets, NULL}, {"twice", twice, NULL},
    {"make", make, NULL},   {"nap", nap, NULL},         {0},
};

/* ---- values -------------------------------------------------------------------------------------- */

static void scalars(void **state)
{
    struct hive h;
    skep_task *task;
    int64_t integer = 0;
    double number = 0;
    int flag = 0;

    (void)state;
    hive_open(&h, scheme, "local:?workers=1", NULL);
    task = skep_task_new("echo");
    skep_task_add_null(task);
    task = hive_run(&h, &task);
    assert_true(skep_task_ok(task));
    assert_int_equal(skep_task_value_type(task), SKEP_VALUE_NULL);
    skep_task_free(task);

    task = skep_task_new("echo");
    skep_task_add_bool(task, 5);
    task = hive_run(&h, &task);
    ASSERT_OK(skep_task_value_bool(task, &flag));
    assert_int_equal(flag, 1);
    assert_int_equal(skep_task_value_int(task, &integer), SKEP_EINVAL);
    skep_task_free(task);

    task = skep_task_new("echo");
    skep_task_add_int(task, INT64_MIN);
    task = hive_run(&h, &task);
    ASSERT_OK(skep_task_value_int(task, &integer));
    assert_true(integer == INT64_MIN);
    ASSERT_OK(skep_task_value_double(task, &number));
    assert_true(number == -9223372036854775808.0);
    ASSERT_OK(skep_task_input_int(task, 0, &integer));
    assert_true(integer == INT64_MIN);
    assert_int_equal(skep_task_input_type(task, 1), SKEP_EINVAL);
    skep_task_free(task);

    task = skep_task_new("echo");
    skep_task_add_double(task, 1e-300);
    task = hive_run(&h, &task);
    ASSERT_OK(skep_task_value_double(task, &number));
    assert_true(number == 1e-300);
    skep_task_free(task);
    hive_close(&h);
}

static void texts(void **state)
{
    static const char *const some[] = {"", "a", "\xc3\xa9\xe2\x82\xac", NULL};
    struct hive h;
    skep_task *task;
    const char *text;
    char *big = malloc(200001);

    (void)state;
    memset(big, 'b', 200000);
    big[200000] = '\0';
    hive_open(&h, scheme, "local:?workers=1", NULL);
    for (int i = 0; i < 4; i++) {
        const char *sent = some[i] == NULL ? big : some[i];

        task = skep_task_new("echo");
        skep_task_add_string(task, sent);
        task = hive_run(&h, &task);
        ASSERT_OK(skep_task_value_string(task, &text));
        assert_string_equal(text, sent);
        ASSERT_OK(skep_task_input_string(task, 0, &text));
        assert_string_equal(text, sent);
        assert_int_equal(skep_task_value_json(task, &text), SKEP_EINVAL);
        skep_task_free(task);
    }
    task = skep_task_new("echo");
    skep_task_add_json(task, "{\"a\": [1, null]}");
    task = hive_run(&h, &task);
    ASSERT_OK(skep_task_value_json(task, &text));
    assert_string_equal(text, "{\"a\": [1, null]}");
    skep_task_free(task);
    hive_close(&h);
    free(big);
}

/* What building got wrong, the send says. */
static void building_errors(void **state)
{
    struct hive h;
    skep_task *task;
    skep_error err;

    (void)state;
    hive_open(&h, scheme, "local:?workers=1", NULL);
    task = skep_task_new("echo");
    assert_int_equal(skep_task_add_int(task, 1), SKEP_OK);
    assert_int_equal(skep_task_add_json(task, "{"), SKEP_EINVAL);
    assert_int_equal(skep_task_add_string(task, "\xff"), SKEP_EINVAL);
    assert_int_equal(skep_queues_send(h.queues, "default", &task, &err), SKEP_EINVAL);
    assert_null(task);
    assert_non_null(strstr(err.text, "input 1"));
    assert_non_null(strstr(err.text, "not JSON"));
    task = skep_task_new("");
    assert_int_equal(skep_queues_send(h.queues, "default", &task, &err), SKEP_EINVAL);
    assert_int_equal(skep_queues_send(h.queues, "default", &task, &err), SKEP_ENOMEM); /* NULL: out of memory */
    assert_int_equal(skep_task_add_int(NULL, 1), SKEP_ENOMEM);
    task = skep_task_new("echo");
    assert_int_equal(skep_queues_send(h.queues, "nowhere", &task, &err), SKEP_EINVAL);
    assert_non_null(strstr(err.text, "nowhere"));
    assert_int_equal(skep_queues_active(h.queues), 0);
    hive_close(&h);
}

static void inline_bytes(void **state)
{
    const size_t sizes[] = {0,     1,       4095,
                            4096,  4097,    65000,
                            65536, 1000003, full ? (size_t)300 << 20 : HIVE_SANITIZED ? (size_t)8 << 20 : (size_t)64 << 20};
    struct hive h;
    unsigned char *bytes = malloc(sizes[8]);
    skep_task *task;
    const void *data;
    size_t size;

    (void)state;
    for (size_t i = 0; i < sizes[8]; i++)
        bytes[i] = (unsigned char)(i * 2654435761u >> 13);
    hive_open(&h, scheme, "local:?workers=1", NULL);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        task = skep_task_new("echo");
        skep_task_add_bytes(task, bytes, sizes[i]);
        task = hive_run(&h, &task);
        assert_string_equal(skep_task_failure(task), "");
        ASSERT_OK(skep_task_value_bytes(task, &data, &size));
        assert_int_equal(size, sizes[i]);
        assert_int_equal((uintptr_t)data % 8, 0);
        assert_memory_equal(data, bytes, size);
        assert_true(skep_task_message_bytes(task) > 2 * size);
        skep_task_free(task);
    }
    hive_close(&h);
    free(bytes);
}

static void many_inputs(void **state)
{
    struct hive h;
    skep_task *task;
    skep_buf *buf;
    int64_t total;

    (void)state;
    hive_open(&h, scheme, "local:?workers=1", NULL);
    task = skep_task_new("sum");
    ASSERT_OK(skep_buf_copy("\1\1\1\1", 4, &buf));
    for (int i = 0; i < 1000; i++)
        skep_task_add_bytes(task, "\1\2\3", 3);
    for (int i = 0; i < 10; i++)
        skep_task_add_buf(task, buf);
    skep_buf_unref(buf);
    task = hive_run(&h, &task);
    ASSERT_OK(skep_task_value_int(task, &total));
    assert_int_equal(total, 6040);
    assert_int_equal(skep_task_inputs(task), 1010);
    skep_task_free(task);
    hive_close(&h);
}

/* ---- failures ------------------------------------------------------------------------------------ */

static void failing_methods(void **state)
{
    struct hive h;
    skep_task *task;
    int64_t integer;

    (void)state;
    hive_open(&h, scheme, "local:?workers=1", NULL);
    task = skep_task_new("fails");
    skep_task_add_string(task, "bend");
    task = hive_run(&h, &task);
    assert_false(skep_task_ok(task));
    assert_int_equal(skep_task_code(task), SKEP_ECORRUPT);
    assert_non_null(strstr(skep_task_failure(task), "could not bend"));
    assert_non_null(strstr(skep_task_failure(task), "'fails'"));
    assert_non_null(strstr(skep_task_failure(task), "worker 0"));
    assert_int_equal(skep_task_value_type(task), SKEP_EINVAL);
    assert_int_equal(skep_task_value_int(task, &integer), SKEP_EINVAL);
    skep_task_free(task);

    task = skep_task_new("fails");
    task = hive_run(&h, &task);
    assert_int_equal(skep_task_code(task), SKEP_EFAILED);
    skep_task_free(task);

    task = skep_task_new("fails");
    skep_task_add_int(task, 3);
    task = hive_run(&h, &task);
    assert_int_equal(skep_task_code(task), SKEP_EINVAL);
    assert_non_null(strstr(skep_task_failure(task), "input 0: it is an integer, not a string"));
    skep_task_free(task);

    task = skep_task_new("twice");
    task = hive_run(&h, &task);
    assert_int_equal(skep_task_code(task), SKEP_EINVAL);
    assert_non_null(strstr(skep_task_failure(task), "second value"));
    skep_task_free(task);

    task = skep_task_new("unheard-of");
    task = hive_run(&h, &task);
    assert_int_equal(skep_task_code(task), SKEP_EINVAL);
    assert_non_null(strstr(skep_task_failure(task), "'unheard-of'"));
    assert_non_null(strstr(skep_task_failure(task), "noop, echo, sum"));
    assert_int_equal(skep_task_worker_index(task), -1);
    assert_string_equal(skep_task_worker(task), "");
    skep_task_free(task);
    hive_close(&h);
}

/* ---- receiving ----------------------------------------------------------------------------------- */

static void topics_and_deadlines(void **state)
{
    struct hive h;
    skep_task *task;
    skep_error err;
    uint64_t since;

    (void)state;
    hive_open(&h, scheme, "local:?workers=1", NULL);
    ASSERT_OK(skep_queues_topic(h.queues, "a", NULL, ERR));
    ASSERT_OK(skep_queues_topic(h.queues, "b", NULL, ERR));
    assert_int_equal(skep_queues_receive(h.queues, "c", 0, &task, &err), SKEP_EINVAL);
    assert_int_equal(skep_queues_receive(h.queues, "a", 0, &task, &err), SKEP_ETIMEDOUT);
    since = skep_now_ns();
    assert_int_equal(skep_queues_receive(h.queues, NULL, skep_in_ms(30), &task, &err), SKEP_ETIMEDOUT);
    assert_in_range(skep_now_ns() - since, 30000000, 1000000000);
    ASSERT_OK(skep_queues_wait_until_done(h.queues, 0)); /* nothing was sent: done */

    task = skep_task_new("noop");
    skep_task_set_info(task, "for a");
    hive_send(&h, "a", &task);
    task = skep_task_new("noop");
    hive_send(&h, "b", &task);
    assert_int_equal(skep_queues_active(h.queues), 2);
    assert_int_equal(skep_queues_wait_until_done(h.queues, skep_in_ms(20)), SKEP_ETIMEDOUT);
    task = hive_receive(&h, "b");
    assert_string_equal(skep_task_topic(task), "b");
    assert_string_equal(skep_task_info(task), "");
    skep_task_free(task);
    task = hive_receive(&h, NULL);
    assert_string_equal(skep_task_topic(task), "a");
    assert_string_equal(skep_task_info(task), "for a");
    assert_string_equal(skep_task_method(task), "noop");
    assert_int_equal(strlen(skep_task_id(task)), 32);
    assert_int_equal(skep_task_attempt(task), 1);
    skep_task_free(task);
    ASSERT_OK(skep_queues_wait_until_done(h.queues, 0));
    hive_close(&h);
}

static void stamps(void **state)
{
    struct hive h;
    skep_task *task;

    (void)state;
    hive_open(&h, scheme, "local:?workers=1", NULL);
    task = skep_task_new("nap");
    skep_task_add_int(task, 20);
    task = hive_run(&h, &task);
    for (int i = 1; i < SKEP_STAMP_COUNT; i++) {
        assert_true(skep_task_stamp_ns(task, i) > 0);
        assert_true(skep_task_stamp_ns(task, i) + 1000000 >= skep_task_stamp_ns(task, i - 1)); /* two clocks are involved */
    }
    assert_in_range(skep_task_span_ns(task, SKEP_SPAN_RUN), 20000000, UINT64_C(10000000000));
    assert_int_equal(skep_task_span_ns(task, SKEP_SPAN_RESOLVE), 0);
    assert_true(skep_task_span_ns(task, SKEP_SPAN_SERIALISE) > 0);
    assert_int_equal(skep_task_worker_index(task), 0);
    assert_non_null(strchr(skep_task_worker(task), ':'));
    assert_string_equal(skep_stamp_name(SKEP_STAMP_STARTED), "started");
    assert_string_equal(skep_span_name(99), "?");
    skep_task_free(task);
    hive_close(&h);
}

/* Higher first, the rest in order, while one worker is busy. */
static void priorities(void **state)
{
    static const int given[] = {0, -1, 5, 0, 9, 5}, wanted[] = {4, 2, 5, 0, 3, 1};
    struct hive h;
    skep_task *task;
    char info[8];

    (void)state;
    hive_open(&h, scheme, "local:?workers=1", NULL);
    ASSERT_OK(skep_queues_topic(h.queues, "block", NULL, ERR));
    task = skep_task_new("nap");
    skep_task_add_int(task, 150);
    hive_send(&h, "block", &task);
    for (int i = 0; i < 6; i++) {
        task = skep_task_new("noop");
        snprintf(info, sizeof info, "%d", i);
        skep_task_set_info(task, info);
        skep_task_set_priority(task, given[i]);
        hive_send(&h, "default", &task);
    }
    for (int i = 0; i < 6; i++) {
        task = hive_receive(&h, "default");
        assert_int_equal(strtol(skep_task_info(task), NULL, 10), wanted[i]);
        assert_int_equal(skep_task_priority(task), given[wanted[i]]);
        skep_task_free(task);
    }
    skep_task_free(hive_receive(&h, "block"));
    hive_close(&h);
}

/* A task is not started after its deadline, and comes back then, not when a worker is free. */
static void task_deadlines(void **state)
{
    struct hive h;
    skep_task *task;
    uint64_t since = 0;

    (void)state;
    hive_open(&h, scheme, "local:?workers=1", NULL);
    task = skep_task_new("nap");
    skep_task_add_int(task, 500);
    hive_send(&h, "default", &task);
    for (int i = 0; i < 3; i++) {
        task = skep_task_new("noop");
        skep_task_set_deadline(task, i == 0 ? 0 : i == 1 ? skep_in_ms(50) : skep_in_ms(60000));
        hive_send(&h, "default", &task);
    }
    since = skep_now_ns();
    for (int i = 0; i < 2; i++) {
        task = hive_receive(&h, "default");
        assert_int_equal(skep_task_code(task), SKEP_ETIMEDOUT);
        assert_non_null(strstr(skep_task_failure(task), "deadline"));
        assert_int_equal(skep_task_stamp_ns(task, SKEP_STAMP_STARTED), 0);
        skep_task_free(task);
    }
    assert_true(skep_now_ns() - since < 450000000);
    for (int i = 0; i < 2; i++) {
        task = hive_receive(&h, "default");
        assert_true(skep_task_ok(task));
        skep_task_free(task);
    }
    hive_close(&h);
}

/* ---- many ---------------------------------------------------------------------------------------- */

/* Each comes back once; nothing grows. */
static void many_tasks(void **state)
{
    const int n = full ? 1000000 : HIVE_SANITIZED ? 20000 : 100000, window = 2000;
    struct hive h;
    skep_task *task;
    long before = 0;
    int sent = 0;
    unsigned char *seen = calloc((size_t)n, 1);
    int64_t which;

    (void)state;
    hive_open(&h, scheme, "local:?workers=2", NULL);
    for (int got = 0; got < n; got++) {
        for (; sent < n && sent - got < window; sent++) {
            task = skep_task_new("echo");
            skep_task_add_int(task, sent);
            hive_send(&h, "default", &task);
        }
        task = hive_receive(&h, NULL);
        ASSERT_OK(skep_task_value_int(task, &which));
        assert_int_equal(seen[which]++, 0);
        skep_task_free(task);
        if (got == n / 4)
            before = hive_rss_kib();
    }
    assert_true(HIVE_SANITIZED || hive_rss_kib() - before < 4096);
    free(seen);
    hive_close(&h);
}

/* More than the queues and the server want to hold at once, and nobody receives until all is sent. */
static void flood(void **state)
{
    enum { N = HIVE_SANITIZED ? 1000 : 4000 };
    static unsigned char bytes[60000];
    struct hive h;
    skep_task *task;
    int64_t total;

    (void)state;
    memset(bytes, 1, sizeof bytes);
    hive_open(&h, scheme, "local:?workers=2", NULL);
    for (int i = 0; i < N; i++) {
        task = skep_task_new("sum");
        skep_task_add_bytes(task, bytes, sizeof bytes); /* 240 MB in all, but for sanitizers */
        hive_send(&h, "default", &task);
    }
    for (int i = 0; i < N; i++) {
        task = hive_receive(&h, "default");
        ASSERT_OK(skep_task_value_int(task, &total));
        assert_int_equal(total, sizeof bytes);
        skep_task_free(task);
    }
    hive_close(&h);
}

struct user {
    struct hive *hive;
    char topic[8];
    int n, wrong;
};

static void *use(void *arg)
{
    struct user *user = arg;
    skep_task *task;
    int64_t value;

    for (int i = 0; i < user->n; i++) {
        task = skep_task_new("echo");
        skep_task_add_int(task, i);
        user->wrong |= skep_queues_send(user->hive->queues, user->topic, &task, NULL) != SKEP_OK;
        if (skep_queues_receive(user->hive->queues, user->topic, skep_in_ms(60000), &task, NULL) != SKEP_OK) {
            user->wrong = 1;
            break;
        }
        user->wrong |= skep_task_value_int(task, &value) != SKEP_OK || value != i;
        skep_task_free(task);
    }
    return NULL;
}

/* Each thread gets its own topic's results, whoever of them polls. */
static void many_threads(void **state)
{
    enum { N = 6 };
    struct hive h;
    struct user users[N];
    pthread_t threads[N];

    (void)state;
    hive_open(&h, scheme, "local:?workers=2", NULL);
    for (int i = 0; i < N; i++) {
        users[i] = (struct user){.hive = &h, .n = 500};
        snprintf(users[i].topic, sizeof users[i].topic, "t%d", i);
        ASSERT_OK(skep_queues_topic(h.queues, users[i].topic, NULL, ERR));
    }
    for (int i = 0; i < N; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use, &users[i]), 0);
    for (int i = 0; i < N; i++) {
        pthread_join(threads[i], NULL);
        assert_false(users[i].wrong);
    }
    hive_close(&h);
}

/* What is given ahead to a worker does not stay behind a task that takes long, nor do answers. */
static void long_and_short(void **state)
{
    struct hive h;
    skep_task *task;
    uint64_t since;
    int64_t zero = 0;

    (void)state;
    hive_open(&h, scheme, "local:?workers=2", NULL);
    ASSERT_OK(skep_queues_topic(h.queues, "long", NULL, ERR));
    for (int i = 0; i < 200; i++) { /* `nap` seems to take no time */
        task = skep_task_new("nap");
        skep_task_add_int(task, zero);
        task = hive_run(&h, &task);
        skep_task_free(task);
    }
    since = skep_now_ns();
    task = skep_task_new("nap");
    skep_task_add_int(task, 700);
    hive_send(&h, "long", &task);
    for (int i = 0; i < 300; i++) {
        task = skep_task_new("nap");
        skep_task_add_int(task, zero);
        hive_send(&h, "default", &task);
    }
    for (int i = 0; i < 300; i++)
        skep_task_free(hive_receive(&h, "default"));
    assert_true(skep_now_ns() - since < 600000000);
    skep_task_free(hive_receive(&h, "long"));
    hive_close(&h);
}

/* ---- the end ------------------------------------------------------------------------------------- */

static void client_stops_server(void **state)
{
    struct hive h;
    skep_task *task;
    skep_error err;

    (void)state;
    hive_open(&h, scheme, "local:?workers=1", NULL);
    for (int i = 0; i < 3; i++) {
        task = skep_task_new("nap");
        skep_task_add_int(task, 20);
        hive_send(&h, "default", &task);
    }
    ASSERT_OK(skep_queues_stop_server(h.queues, ERR));
    for (int i = 0; i < 3; i++) {
        task = hive_receive(&h, "default");
        assert_true(skep_task_ok(task)); /* it ends when what it has is answered */
        skep_task_free(task);
    }
    ASSERT_OK(skep_server_wait(h.server, skep_in_ms(20000), ERR));
    assert_int_equal(skep_queues_receive(h.queues, NULL, skep_in_ms(20000), &task, &err), SKEP_ECLOSED);
    assert_non_null(strstr(err.text, h.uri));
    task = skep_task_new("noop");
    assert_int_equal(skep_queues_send(h.queues, "default", &task, &err), SKEP_ECLOSED);
    hive_close(&h);
}

static void server_stops(void **state)
{
    struct hive h;
    skep_task *task;
    int ran = 0, canceled = 0;

    (void)state;
    hive_open(&h, scheme, "local:?workers=1", NULL);
    for (int i = 0; i < 50; i++) {
        task = skep_task_new("nap");
        skep_task_add_int(task, 100);
        hive_send(&h, "default", &task);
    }
    skep_task_free(hive_receive(&h, NULL));
    skep_server_stop(h.server);
    for (int i = 0; i < 49; i++) {
        task = hive_receive(&h, NULL);
        ran += skep_task_ok(task);
        canceled += skep_task_code(task) == SKEP_ECANCELED;
        skep_task_free(task);
    }
    assert_int_equal(ran + canceled, 49);
    assert_in_range(ran, 0, 3); /* those that had begun */
    ASSERT_OK(skep_server_wait(h.server, skep_in_ms(20000), ERR));
    hive_close(&h);
}

/* ---- other processes ----------------------------------------------------------------------------- */

/* A program that serves until it is told to stop, or dies. */
static int serve(const char *uri)
{
    skep_server *server;
    char where[SKEP_URI_MAX];
    skep_error err;

    if (skep_server_open(uri, "local:?workers=2", NULL, &server, &err) != SKEP_OK) {
        printf("%s\n", err.text);
        fflush(stdout);
        return 1;
    }
    skep_server_uri(server, where, sizeof where);
    printf("%s\n", where);
    fflush(stdout);
    (void)!skep_server_wait(server, SKEP_FOREVER, NULL);
    skep_server_close(server);
    return 0;
}

/* A thinker that sends tasks with big inputs and is killed before it has all results. */
static int think(const char *uri, const char *store_uri)
{
    static char bytes[50000];
    const struct timespec moment = {0, 100000000};
    skep_topic_opts opts = SKEP_TOPIC_OPTS_INIT;
    skep_queues *queues;
    skep_task *task;

    opts.threshold_bytes = 10000;
    if (skep_store_open(store_uri, NULL, &opts.store, NULL) != SKEP_OK ||
        skep_queues_open(uri, NULL, &queues, NULL) != SKEP_OK ||
        skep_queues_topic(queues, "default", &opts, NULL) != SKEP_OK)
        return 1;
    for (int i = 0; i < 20; i++) {
        task = skep_task_new(i % 2 == 0 ? "echo" : "nap");
        if (i % 2 == 0)
            skep_task_add_bytes(task, bytes, sizeof bytes);
        else
            skep_task_add_int(task, 30);
        if (skep_queues_send(queues, "default", &task, NULL) != SKEP_OK)
            return 1;
    }
    if (skep_queues_receive(queues, NULL, skep_in_ms(20000), &task, NULL) != SKEP_OK)
        return 1;
    nanosleep(&moment, NULL); /* ZeroMQ sends from a thread of its own */
    printf("sent\n");
    fflush(stdout);
    pause();
    return 0;
}

static void read_line(int fd, char *out, size_t cap)
{
    size_t n = 0;

    while (n + 1 < cap && read(fd, out + n, 1) == 1 && out[n] != '\n')
        n++;
    out[n] = '\0';
    close(fd);
}

static void server_is_killed(void **state)
{
    char dir[] = "/tmp/skep-steering-XXXXXX", uri[SKEP_URI_MAX], where[SKEP_URI_MAX];
    const char *args[] = {"suite_test", scheme, "serve", uri, NULL};
    skep_queues *queues;
    skep_task *task;
    skep_error err;
    long pid;
    int out, status;

    (void)state;
    assert_non_null(mkdtemp(dir));
    if (strcmp(scheme, "tcp") == 0)
        snprintf(uri, sizeof uri, "tcp://127.0.0.1:0");
    else
        snprintf(uri, sizeof uri, "ipc://%s/socket", dir);
    pid = hive_spawn(args, &out);
    read_line(out, where, sizeof where);
    ASSERT_OK(skep_queues_open(where, NULL, &queues, ERR));
    for (int i = 0; i < 10; i++) {
        task = skep_task_new("nap");
        skep_task_add_int(task, 10000);
        ASSERT_OK(skep_queues_send(queues, "default", &task, ERR));
    }
    assert_int_equal(skep_queues_receive(queues, NULL, skep_in_ms(50), &task, &err), SKEP_ETIMEDOUT);
    kill((pid_t)pid, SIGKILL);
    assert_int_equal(waitpid((pid_t)pid, &status, 0), pid);
    for (int i = 0; i < 10; i++) {
        ASSERT_OK(skep_queues_receive(queues, NULL, skep_in_ms(10000), &task, ERR));
        assert_int_equal(skep_task_code(task), SKEP_EUNREACH);
        assert_non_null(strstr(skep_task_failure(task), where));
        skep_task_free(task);
    }
    assert_int_equal(skep_queues_receive(queues, NULL, skep_in_ms(10000), &task, &err), SKEP_ECLOSED);
    ASSERT_OK(skep_queues_wait_until_done(queues, 0));
    skep_queues_close(queues);
    unlink(where + strlen("ipc://"));
    assert_int_equal(rmdir(dir), 0);
}

/* Its tasks are dropped, what the queues put for it is evicted, and others are served as before. */
static void client_is_killed(void **state)
{
    const char *args[] = {"suite_test", scheme, "think", NULL, NULL, NULL};
    struct hive h;
    skep_task *task;
    char line[16];
    long pid;
    int out;

    (void)state;
    hive_open(&h, scheme, "local:?workers=1", NULL);
    hive_store(&h, "default", 10000);
    args[3] = h.uri;
    args[4] = h.store_uri;
    pid = hive_spawn(args, &out);
    read_line(out, line, sizeof line);
    assert_string_equal(line, "sent");
    assert_true(hive_objects(h.store) > 0);
    kill((pid_t)pid, SIGKILL);
    assert_int_equal(waitpid((pid_t)pid, NULL, 0), pid);
    assert_true(hive_wait(hive_is_empty, h.store));
    task = skep_task_new("noop");
    task = hive_run(&h, &task);
    assert_true(skep_task_ok(task));
    skep_task_free(task);
    skep_queues_close(h.queues);
    h.queues = NULL;
    hive_close(&h);
}

static void until_clients_gone(void **state)
{
    skep_server_opts opts = SKEP_SERVER_OPTS_INIT;
    struct hive h;
    skep_task *task;

    (void)state;
    opts.until_clients_gone = 1;
    hive_open(&h, scheme, "local:?workers=1", &opts);
    task = skep_task_new("nap");
    skep_task_add_int(task, 60000);
    hive_send(&h, "default", &task);
    skep_queues_close(h.queues);
    h.queues = NULL;
    ASSERT_OK(skep_server_wait(h.server, skep_in_ms(20000), ERR));
    hive_close(&h);
}

/* ---- stores -------------------------------------------------------------------------------------- */

static void thresholds(void **state)
{
    static const char *const kinds[] = {"bytes", "string", "json"};
    struct hive h;
    skep_task *task;
    skep_proxy *proxy;
    char *text = malloc(100003), handle[SKEP_HANDLE_MAX];
    const void *data;
    const char *back;
    size_t size;

    (void)state;
    memset(text, 'x', 100002);
    text[0] = text[100001] = '"';
    text[100002] = '\0';
    hive_open(&h, scheme, "local:?workers=2", NULL);
    hive_store(&h, "default", 1000);
    for (int kind = 0; kind < 3; kind++) {
        task = skep_task_new("echo");
        if (kind == 0)
            skep_task_add_bytes(task, text, 100002);
        else if (kind == 1)
            skep_task_add_string(task, text);
        else
            skep_task_add_json(task, text);
        hive_send(&h, "default", &task);
        task = hive_receive(&h, "default");
        assert_string_equal(skep_task_failure(task), "");
        assert_int_equal(hive_objects(h.store), 1); /* the value; the input is gone */
        assert_int_equal(skep_task_value_type(task), kind == 0   ? SKEP_VALUE_BYTES
                                                     : kind == 1 ? SKEP_VALUE_STRING
                                                                 : SKEP_VALUE_JSON);
        if (kind == 0)
            ASSERT_OK(skep_task_value_bytes(task, &data, &size));
        else if (kind == 1)
            ASSERT_OK(skep_task_value_string(task, &back));
        else
            ASSERT_OK(skep_task_value_json(task, &back));
        if (kind == 0)
            assert_int_equal(size, 100002);
        assert_memory_equal(kind == 0 ? data : back, text, 100002);
        ASSERT_OK(skep_task_value_proxy(task, &proxy));
        ASSERT_OK(skep_proxy_handle(proxy, handle, sizeof handle));
        skep_proxy_unref(proxy);
        assert_true(skep_task_message_bytes(task) < 2000);
        assert_in_range(skep_task_referred_bytes(task), 200004, 200006);
        assert_int_equal(skep_task_resolves(task), 1);
        assert_int_equal(skep_task_moved_bytes(task), 0); /* shared memory: mapped */
        skep_task_free(task);
        assert_int_equal(hive_objects(h.store), 0);
        print_message("%s: ok\n", kinds[kind]);
    }
    task = skep_task_new("regrets"); /* its value is put, and taken back */
    task = hive_run(&h, &task);
    assert_int_equal(skep_task_code(task), SKEP_ECANCELED);
    assert_int_equal(hive_objects(h.store), 0);
    skep_task_free(task);
    hive_close(&h);
    free(text);
}

/* A value that is sent on outlives the task that it came with. */
static void values_sent_on(void **state)
{
    struct hive h;
    skep_task *task, *next;
    skep_proxy *proxy;
    int64_t total;

    (void)state;
    hive_open(&h, scheme, "local:?workers=2", NULL);
    hive_store(&h, "default", 1000);
    task = skep_task_new("make");
    skep_task_add_int(task, 50000);
    task = hive_run(&h, &task);
    ASSERT_OK(skep_task_value_proxy(task, &proxy));
    next = skep_task_new("sum");
    skep_task_add_proxy(next, proxy);
    skep_task_add_proxy(next, proxy);
    skep_proxy_unref(proxy);
    skep_task_free(task);
    assert_int_equal(hive_objects(h.store), 1);
    next = hive_run(&h, &next);
    assert_string_equal(skep_task_failure(next), "");
    ASSERT_OK(skep_task_value_int(next, &total));
    assert_int_equal(total, 100000 * 'm');
    assert_int_equal(hive_objects(h.store), 0); /* the last that needed it was answered */
    skep_task_free(next);
    hive_close(&h);
}

/* A model of the thinker's own: resolved once a worker, never evicted by the queues. */
static void models(void **state)
{
    const size_t size = full ? (size_t)1 << 30 : (size_t)32 << 20;
    struct hive h;
    skep_proxy *model;
    skep_task *task;
    char *bytes = calloc(1, size);
    uint64_t resolves = 0, moved = 0;

    (void)state;
    hive_open(&h, scheme, "local:?workers=2", NULL);
    hive_store(&h, "default", 1000);
    ASSERT_OK(skep_store_proxy(h.store, bytes, size, NULL, &model, ERR));
    free(bytes);
    for (int i = 0; i < 40; i++) {
        task = skep_task_new(i % 2 == 0 ? "noop" : "echo");
        if (i % 2 == 0)
            task = (skep_task_free(task), skep_task_new("sum"));
        skep_task_add_proxy(task, model);
        hive_send(&h, "default", &task);
    }
    for (int i = 0; i < 40; i++) {
        task = hive_receive(&h, "default");
        assert_string_equal(skep_task_failure(task), "");
        resolves += skep_task_resolves(task);
        moved += skep_task_moved_bytes(task);
        if (strcmp(skep_task_method(task), "echo") == 0) {
            skep_proxy *same = NULL;

            assert_int_equal(skep_task_value_type(task), SKEP_VALUE_PROXY);
            ASSERT_OK(skep_task_value_proxy(task, &same));
            assert_string_equal(skep_proxy_ref_of(same)->key, skep_proxy_ref_of(model)->key);
            skep_proxy_unref(same);
        }
        skep_task_free(task);
    }
    assert_in_range(resolves, 1, 2);
    assert_int_equal(moved, 0);
    assert_int_equal(hive_objects(h.store), 1);
    ASSERT_OK(skep_proxy_evict(model, SKEP_FOREVER, ERR));
    skep_proxy_unref(model);
    hive_close(&h);
}

/* Two models and a budget for one: each is fetched again when it has made room for the other. */
static void budgets(void **state)
{
    struct hive h;
    skep_proxy *model[2];
    skep_task *task;
    static char bytes[100000];
    uint64_t resolves = 0;

    (void)state;
    hive_open(&h, scheme, "local:?workers=1&cache=150k", NULL);
    hive_store(&h, "default", SKEP_SIZE_UNKNOWN - 1);
    for (int i = 0; i < 2; i++)
        ASSERT_OK(skep_store_proxy(h.store, bytes, sizeof bytes, NULL, &model[i], ERR));
    for (int i = 0; i < 12; i++) { /* a a a b b b a a a b b b */
        task = skep_task_new("sum");
        skep_task_add_proxy(task, model[i / 3 % 2]);
        task = hive_run(&h, &task);
        assert_true(skep_task_ok(task));
        resolves += skep_task_resolves(task);
        skep_task_free(task);
    }
    assert_int_equal(resolves, 4);
    for (int i = 0; i < 2; i++) {
        ASSERT_OK(skep_proxy_evict(model[i], SKEP_FOREVER, ERR));
        skep_proxy_unref(model[i]);
    }
    hive_close(&h);
}

/* Unanswered, unreceived, unsent: whatever is dropped takes its objects with it. */
static void dropped_tasks(void **state)
{
    static char bytes[50000];
    struct hive h;
    skep_task *task;

    (void)state;
    hive_open(&h, scheme, "local:?workers=2", NULL);
    hive_store(&h, "default", 1000);
    for (int i = 0; i < 30; i++) {
        task = skep_task_new(i % 3 == 0 ? "nap" : "echo");
        if (i % 3 == 0)
            skep_task_add_int(task, 10);
        else
            skep_task_add_bytes(task, bytes, sizeof bytes);
        hive_send(&h, "default", &task);
    }
    skep_task_free(hive_receive(&h, NULL));
    hive_close(&h);
}

/* ---- policies ------------------------------------------------------------------------------------ */

static void policies(void **state)
{
    static char bytes[50000];
    skep_server_opts opts = SKEP_SERVER_OPTS_INIT;
    skep_topic_opts topic = SKEP_TOPIC_OPTS_INIT;
    struct hive h;
    skep_proxy *proxy;
    skep_task *task;
    skep_error err;
    char uri[96];

    (void)state;
    opts.allow = "file:///nowhere";
    hive_open(&h, scheme, "local:?workers=1", &opts);
    snprintf(uri, sizeof uri, "shm://steering-test-%ld?lifetime=session", (long)getpid());
    ASSERT_OK(skep_store_open(uri, NULL, &h.store, ERR));
    topic.store = h.store;
    assert_int_equal(skep_queues_topic(h.queues, "default", &topic, &err), SKEP_EDENIED);
    assert_non_null(strstr(err.text, "steering-test"));
    ASSERT_OK(skep_store_proxy(h.store, bytes, sizeof bytes, NULL, &proxy, ERR));
    task = skep_task_new("sum");
    skep_task_add_proxy(task, proxy);
    task = hive_run(&h, &task);
    assert_int_equal(skep_task_code(task), SKEP_EDENIED);
    assert_non_null(strstr(skep_task_failure(task), "input 0"));
    skep_task_free(task);
    ASSERT_OK(skep_proxy_evict(proxy, SKEP_FOREVER, ERR));
    skep_proxy_unref(proxy);
    hive_close(&h);
}

/* A store that only this process sees is no store for a topic. */
static void private_stores(void **state)
{
    skep_topic_opts topic = SKEP_TOPIC_OPTS_INIT;
    struct hive h;
    skep_error err;

    (void)state;
    hive_open(&h, scheme, "local:?workers=1", NULL);
    ASSERT_OK(skep_store_open("memory:", NULL, &topic.store, ERR));
    assert_int_equal(skep_queues_topic(h.queues, "default", &topic, &err), SKEP_EINVAL);
    assert_non_null(strstr(err.text, "memory:"));
    skep_store_unref(topic.store);
    hive_close(&h);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars),
        cmocka_unit_test(texts),
        cmocka_unit_test(building_errors),
        cmocka_unit_test(inline_bytes),
        cmocka_unit_test(many_inputs),
        cmocka_unit_test(failing_methods),
        cmocka_unit_test(topics_and_deadlines),
        cmocka_unit_test(stamps),
        cmocka_unit_test(priorities),
        cmocka_unit_test(task_deadlines),
        cmocka_unit_test(many_tasks),
        cmocka_unit_test(flood),
        cmocka_unit_test(many_threads),
        cmocka_unit_test(long_and_short),
        cmocka_unit_test(client_stops_server),
        cmocka_unit_test(server_stops),
        cmocka_unit_test(server_is_killed),
        cmocka_unit_test(client_is_killed),
        cmocka_unit_test(until_clients_gone),
        cmocka_unit_test(thresholds),
        cmocka_unit_test(values_sent_on),
        cmocka_unit_test(models),
        cmocka_unit_test(budgets),
        cmocka_unit_test(dropped_tasks),
        cmocka_unit_test(policies),
        cmocka_unit_test(private_stores),
    };

    skep_worker_if_asked(argc, argv, methods);
    scheme = argc > 1 ? argv[1] : "ipc";
    full = getenv("SKEP_TEST_FULL") != NULL;
    if (argc > 3 && strcmp(argv[2], "serve") == 0)
        return serve(argv[3]);
    if (argc > 4 && strcmp(argv[2], "think") == 0)
        return think(argv[3], argv[4]);
    if (argc > 2)
        cmocka_set_test_filter(argv[2]);
    if (strcmp(scheme, "tcp") == 0)
        setenv("SKEP_ALLOW", "shm:", 0); /* whoever starts a server for others says which stores they may name */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
