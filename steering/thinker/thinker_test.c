/* thinker_test.c - agents and result processors: when they end, and what run says. */
#include "steering/testing.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int square(skep_call *call, void *unused)
{
    double x;

    (void)unused;
    return skep_call_double(call, 0, &x) != SKEP_OK ? SKEP_EINVAL : skep_call_return_double(call, x * x);
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
    return SKEP_OK;
}

static const skep_method methods[] = {{"square", square, NULL}, {"nap", nap, NULL}, {0}};

struct shared {
    pthread_mutex_t lock;
    int results, others, seen_done, kept;
    double sum;
    skep_task *task;
};

static void init(struct shared *s)
{
    memset(s, 0, sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
}

static void add(struct shared *s, const skep_task *task)
{
    double value = 0;

    assert_int_equal(skep_task_value_double(task, &value), SKEP_OK);
    pthread_mutex_lock(&s->lock);
    s->results++;
    s->sum += value;
    pthread_mutex_unlock(&s->lock);
}

static void send_square(skep_thinker *thinker, const char *topic, double x)
{
    skep_task *task = skep_task_new("square");

    skep_task_add_double(task, x);
    skep_thinker_send(thinker, topic, &task);
}

static void steer(skep_thinker *thinker, void *arg)
{
    (void)arg;
    assert_string_equal(skep_thinker_agent_name(thinker), "steer");
    for (int i = 0; i < 1000; i++)
        send_square(thinker, "square", i);
}

static void squared(skep_thinker *thinker, const skep_task *task, void *arg)
{
    assert_string_equal(skep_thinker_agent_name(thinker), "square");
    add(arg, task);
}

/* The agent returns at once; the processor goes on until all is back. Twenty times: no result may overtake its task. */
static void all_come_back(void **state)
{
    struct hive h;
    struct shared s;
    skep_thinker *thinker;

    (void)state;
    hive_open(&h, "ipc", "local:?workers=2", NULL);
    for (int round = 0; round < 20; round++) {
        init(&s);
        ASSERT_OK(skep_thinker_new(h.queues, &thinker, ERR));
        ASSERT_OK(skep_thinker_agent(thinker, "steer", steer, NULL));
        ASSERT_OK(skep_thinker_result_processor(thinker, "square", squared, &s));
        ASSERT_OK(skep_thinker_run(thinker, ERR));
        assert_int_equal(s.results, 1000);
        assert_true(s.sum == 332833500.0);
        assert_int_equal(skep_thinker_run(thinker, NULL), SKEP_EINVAL); /* once */
        skep_thinker_free(thinker);
    }
    assert_int_equal(skep_queues_active(h.queues), 0);
    hive_close(&h);
}

/* ---- chains -------------------------------------------------------------------------------------- */

static void start_chain(skep_thinker *thinker, void *arg)
{
    (void)arg;
    send_square(thinker, "a", 1);
}

static void link_a(skep_thinker *thinker, const skep_task *task, void *arg)
{
    struct shared *s = arg;

    add(s, task);
    if (s->results < 100)
        send_square(thinker, "b", 1);
}

static void link_b(skep_thinker *thinker, const skep_task *task, void *arg)
{
    struct shared *s = arg;

    add(s, task);
    s->others++;
    send_square(thinker, "a", 1);
}

/* Processors that send to each other's topics after the last agent has returned: neither ends too early. */
static void processors_send_on(void **state)
{
    struct hive h;
    struct shared s;
    skep_thinker *thinker;

    (void)state;
    hive_open(&h, "ipc", "local:?workers=1", NULL);
    init(&s);
    ASSERT_OK(skep_thinker_new(h.queues, &thinker, ERR));
    skep_thinker_agent(thinker, "start", start_chain, NULL);
    skep_thinker_result_processor(thinker, "a", link_a, &s);
    skep_thinker_result_processor(thinker, "b", link_b, &s);
    ASSERT_OK(skep_thinker_run(thinker, ERR));
    assert_int_equal(s.results, 101);
    assert_int_equal(s.others, 50);
    skep_thinker_free(thinker);
    hive_close(&h);
}

/* ---- done ---------------------------------------------------------------------------------------- */

static void waits_for_done(skep_thinker *thinker, void *arg)
{
    struct shared *s = arg;

    assert_int_equal(skep_thinker_wait_done(thinker, skep_in_ms(20000)), SKEP_OK);
    assert_int_equal(skep_thinker_is_done(thinker), 1);
    pthread_mutex_lock(&s->lock);
    s->seen_done++;
    pthread_mutex_unlock(&s->lock);
}

static void enough(skep_thinker *thinker, const skep_task *task, void *arg)
{
    struct shared *s = arg;

    add(s, task);
    if (s->results == 10)
        skep_thinker_done(thinker);
    else if (s->results < 10)
        send_square(thinker, "square", 1);
}

static void send_one_and_wait(skep_thinker *thinker, void *arg)
{
    send_square(thinker, "square", 1);
    waits_for_done(thinker, arg);
}

static void done_is_seen_by_all(void **state)
{
    struct hive h;
    struct shared s;
    skep_thinker *thinker;

    (void)state;
    hive_open(&h, "ipc", "local:?workers=1", NULL);
    init(&s);
    ASSERT_OK(skep_thinker_new(h.queues, &thinker, ERR));
    skep_thinker_agent(thinker, "one", send_one_and_wait, &s);
    skep_thinker_agent(thinker, "two", waits_for_done, &s);
    skep_thinker_result_processor(thinker, "square", enough, &s);
    assert_int_equal(skep_thinker_is_done(thinker), 0);
    assert_int_equal(skep_thinker_wait_done(thinker, 0), SKEP_ETIMEDOUT);
    ASSERT_OK(skep_thinker_run(thinker, ERR));
    assert_int_equal(s.results, 10);
    assert_int_equal(s.seen_done, 2);
    assert_string_equal(skep_thinker_agent_name(thinker), "");
    skep_thinker_free(thinker);
    hive_close(&h);
}

static void keeps(skep_thinker *thinker, const skep_task *task, void *arg)
{
    struct shared *s = arg;

    add(s, task);
    s->task = skep_thinker_keep(thinker);
    assert_ptr_equal(s->task, task);
    assert_null(skep_thinker_keep(thinker));
}

static void kept_tasks(void **state)
{
    struct hive h;
    struct shared s;
    skep_thinker *thinker;

    (void)state;
    hive_open(&h, "ipc", "local:?workers=1", NULL);
    init(&s);
    ASSERT_OK(skep_thinker_new(h.queues, &thinker, ERR));
    skep_thinker_agent(thinker, "start", start_chain, NULL);
    skep_thinker_result_processor(thinker, "a", keeps, &s);
    ASSERT_OK(skep_thinker_run(thinker, ERR));
    skep_thinker_free(thinker);
    assert_string_equal(skep_task_topic(s.task), "a");
    skep_task_free(s.task);
    hive_close(&h);
}

/* ---- failures ------------------------------------------------------------------------------------ */

static void fails(skep_thinker *thinker, void *arg)
{
    (void)arg;
    skep_thinker_fail(thinker, "no more %s", "ideas");
}

static void sends_long(skep_thinker *thinker, void *arg)
{
    skep_task *task = skep_task_new("nap");

    (void)arg;
    skep_task_add_int(task, 1000000);
    skep_thinker_send(thinker, "square", &task);
    skep_thinker_wait_done(thinker, SKEP_FOREVER);
}

static void sends_to_nowhere(skep_thinker *thinker, void *arg)
{
    (void)arg;
    send_square(thinker, "nowhere", 1); /* not looked at: run tells */
    skep_thinker_wait_done(thinker, SKEP_FOREVER);
}

static void run_fails(skep_agent_func first, skep_agent_func second, skep_result_func third, const char *const *texts)
{
    skep_server_opts opts = SKEP_SERVER_OPTS_INIT;
    struct hive h;
    struct shared s;
    skep_thinker *thinker;
    skep_error err;

    opts.until_clients_gone = 1; /* what still runs is ended with us */
    hive_open(&h, "ipc", "local:?workers=1", &opts);
    init(&s);
    ASSERT_OK(skep_thinker_new(h.queues, &thinker, ERR));
    skep_thinker_agent(thinker, "first", first, &s);
    if (second != NULL)
        skep_thinker_agent(thinker, "second", second, &s);
    skep_thinker_result_processor(thinker, "square", third, &s);
    assert_int_equal(skep_thinker_run(thinker, &err), SKEP_EFAILED);
    print_message("%s\n", err.text);
    for (; *texts != NULL; texts++)
        assert_non_null(strstr(err.text, *texts));
    skep_thinker_free(thinker);
    hive_close(&h);
}

static void fails_on_a_result(skep_thinker *thinker, const skep_task *task, void *arg)
{
    (void)arg;
    skep_thinker_fail(thinker, "dislikes %s", skep_task_method(task));
}

static void send_one(skep_thinker *thinker, void *arg)
{
    (void)arg;
    send_square(thinker, "square", 1);
    skep_thinker_wait_done(thinker, SKEP_FOREVER);
}

/* A failing agent ends all, also what waits for a task of hours; run says which, and why. */
static void failing_agents(void **state)
{
    static const char *const first[] = {"agent 'first'", "no more ideas", NULL};
    static const char *const second[] = {"agent 'second'", "'nowhere' is not declared", NULL};
    static const char *const third[] = {"the result processor of topic 'square'", "dislikes square", NULL};

    (void)state;
    run_fails(fails, sends_long, squared, first);
    run_fails(sends_long, sends_to_nowhere, squared, second);
    run_fails(send_one, NULL, fails_on_a_result, third);
}

static void *close_server(void *server)
{
    skep_server_close(server);
    return NULL;
}

struct closing {
    skep_server *server;
    pthread_t thread;
};

static void closes_the_server(skep_thinker *thinker, void *arg)
{
    struct closing *c = arg;
    skep_task *task = skep_task_new("nap");

    skep_task_add_int(task, 3600000);
    skep_thinker_send(thinker, "square", &task);
    pthread_create(&c->thread, NULL, close_server, c->server);
    assert_int_equal(skep_thinker_wait_done(thinker, skep_in_ms(30000)), SKEP_OK);
}

static void sees_failure(skep_thinker *thinker, const skep_task *task, void *arg)
{
    (void)arg;
    assert_false(skep_task_ok(task));
    skep_thinker_done(thinker);
}

/* The server goes while a task runs: the task comes back as a failure, and the thinker can end. */
static void server_goes(void **state)
{
    struct hive h;
    struct closing c;
    skep_thinker *thinker;

    (void)state;
    hive_open(&h, "ipc", "local:?workers=1", NULL);
    c.server = h.server;
    h.server = NULL;
    ASSERT_OK(skep_thinker_new(h.queues, &thinker, ERR));
    skep_thinker_agent(thinker, "closes", closes_the_server, &c);
    skep_thinker_result_processor(thinker, "square", sees_failure, NULL);
    ASSERT_OK(skep_thinker_run(thinker, ERR));
    pthread_join(c.thread, NULL);
    skep_thinker_free(thinker);
    hive_close(&h);
}

/* ---- put together wrongly ------------------------------------------------------------------------ */

static void wrong_thinkers(void **state)
{
    struct hive h;
    struct shared s;
    skep_thinker *thinker;
    skep_error err;

    (void)state;
    hive_open(&h, "ipc", "local:?workers=1", NULL);
    init(&s);
    assert_int_equal(skep_thinker_new(NULL, &thinker, NULL), SKEP_EINVAL);
    ASSERT_OK(skep_thinker_new(h.queues, &thinker, ERR));
    assert_int_equal(skep_thinker_run(thinker, &err), SKEP_EINVAL); /* nobody */
    skep_thinker_result_processor(thinker, "square", squared, &s);
    assert_int_equal(skep_thinker_run(thinker, &err), SKEP_EINVAL); /* nobody who begins */
    skep_thinker_agent(thinker, "steer", steer, NULL);
    assert_int_equal(skep_thinker_result_processor(thinker, "square", squared, &s), SKEP_EINVAL);
    assert_int_equal(skep_thinker_run(thinker, &err), SKEP_EINVAL); /* what was wrong while it was put together */
    assert_non_null(strstr(err.text, "'square' has a result processor already"));
    skep_thinker_free(thinker);
    ASSERT_OK(skep_thinker_new(h.queues, &thinker, ERR));
    assert_int_equal(skep_thinker_agent(thinker, "steer", NULL, NULL), SKEP_EINVAL);
    assert_int_equal(skep_thinker_result_processor(thinker, "square", NULL, NULL), SKEP_EINVAL);
    skep_thinker_agent(thinker, "steer", steer, NULL);
    assert_int_equal(skep_thinker_run(thinker, &err), SKEP_EINVAL);
    assert_non_null(strstr(err.text, "'steer' was added without a function"));
    skep_thinker_free(thinker);
    skep_thinker_free(NULL);
    hive_close(&h);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_come_back),  cmocka_unit_test(processors_send_on), cmocka_unit_test(done_is_seen_by_all),
        cmocka_unit_test(kept_tasks),     cmocka_unit_test(failing_agents),     cmocka_unit_test(server_goes),
        cmocka_unit_test(wrong_thinkers),
    };

    skep_worker_if_asked(argc, argv, methods);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
