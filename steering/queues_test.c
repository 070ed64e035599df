/* queues_test.c - the sender's end of the queues where others do not play along: locks held, servers mute, full or gone. */
#include "steering/queues/queues.h"
#include "steering/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static void nap_ms(int64_t ms)
{
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};

    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

static int nap(skep_call *call, void *unused)
{
    int64_t ms;

    (void)unused;
    if (skep_call_int(call, 0, &ms) != SKEP_OK)
        return SKEP_EINVAL;
    nap_ms(ms);
    return SKEP_OK;
}

static int big(skep_call *call, void *unused)
{
    static char bytes[100000];

    (void)unused;
    return skep_call_return_bytes(call, bytes, sizeof bytes);
}

static const skep_method methods[] = {{"nap", nap, NULL}, {"big", big, NULL}, {0}};

static void send_nap(struct hive *h, const char *topic, int64_t ms)
{
    skep_task *task = skep_task_new("nap");

    skep_task_add_int(task, ms);
    hive_send(h, topic, &task);
}

static void receive_all(struct hive *h, size_t n)
{
    for (; n > 0; n--)
        skep_task_free(hive_receive(h, NULL));
}

static uint64_t ms_since(uint64_t since)
{
    return (skep_now_ns() - since) / 1000000;
}

static struct sockaddr_un address_of(const char *uri)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof address.sun_path, "%.100s", uri + strlen("ipc://"));
    return address;
}

/* ---- opening ------------------------------------------------------------------------------------- */

/* Whoever may lock the folder of the socket holds nobody up; whoever holds its lock does so until the deadline. */
static void locks(void **state)
{
    skep_server_opts opts = SKEP_SERVER_OPTS_INIT;
    struct hive h;
    char dir[] = "/tmp/skep-steering-XXXXXX", uri[64], path[64];
    skep_server *server;
    skep_error err;
    uint64_t since;
    int fd;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(uri, sizeof uri, "ipc://%s/socket", dir);
    snprintf(path, sizeof path, "%s/socket.lock", dir);
    assert_true((fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    opts.by_ns = skep_in_ms(200);
    since = skep_now_ns();
    assert_int_equal(skep_server_open(uri, "local:?workers=1", &opts, &server, &err), SKEP_EBUSY);
    assert_non_null(strstr(err.text, path));
    assert_in_range(ms_since(since), 150, 5000);
    close(fd);
    assert_true((fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    alarm(30); /* a server that waits for the folder waits without end */
    ASSERT_OK(skep_server_open(uri, "local:?workers=1", NULL, &server, ERR));
    skep_server_close(server);
    alarm(0);
    close(fd);
    assert_int_equal(rmdir(dir), 0); /* neither socket nor lock is left */
    hive_open(&h, "ipc", "local:?workers=1", NULL);
    hive_close(&h);
}

/* No descriptors for clients that wait: the server waits too, and takes them when there are some. */
static void no_descriptors(void **state)
{
    struct rlimit before, none;
    struct sockaddr_un address;
    struct timespec from, to;
    skep_queues *queues;
    struct hive h;
    int fds[4];

    (void)state;
    hive_open(&h, "ipc", "local:?workers=1", NULL);
    address = address_of(h.uri);
    for (int i = 0; i < 4; i++)
        assert_true((fds[i] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) >= 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){3, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(connect(fds[i], (const struct sockaddr *)&address, sizeof address), 0);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    nap_ms(400);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true((to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000 < 100);
    ASSERT_OK(skep_queues_open(h.uri, NULL, &queues, ERR));
    skep_queues_close(queues);
    for (int i = 0; i < 4; i++)
        close(fds[i]);
    hive_close(&h);
}

/* Somebody listens, and says nothing. */
static void mute_server(void **state)
{
    skep_queues_opts opts = SKEP_QUEUES_OPTS_INIT;
    char dir[] = "/tmp/skep-steering-XXXXXX", uri[64];
    struct sockaddr_un address;
    skep_queues *queues;
    skep_error err;
    uint64_t since;
    int fd;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(uri, sizeof uri, "ipc://%s/socket", dir);
    address = address_of(uri);
    assert_true((fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 5), 0);
    since = skep_now_ns();
    opts.by_ns = skep_in_ms(200);
    assert_int_equal(skep_queues_open(uri, &opts, &queues, &err), SKEP_EUNREACH);
    assert_in_range(ms_since(since), 150, 5000);
    close(fd);
    unlink(address.sun_path);
    assert_int_equal(rmdir(dir), 0);
}

/* ---- receiving ----------------------------------------------------------------------------------- */

struct receiver {
    struct hive *hive;
    const char *topic;
    int rc;
    pthread_t thread;
};

static void *receive_one(void *arg)
{
    struct receiver *r = arg;
    skep_task *task = NULL;

    r->rc = skep_queues_receive(r->hive->queues, r->topic, skep_in_ms(30000), &task, NULL);
    skep_task_free(task);
    return NULL;
}

static int n_waiting(struct hive *h)
{
    int n;

    pthread_mutex_lock(&h->queues->lock);
    n = h->queues->polling;
    for (struct skepi_waiter *w = h->queues->waiters; w != NULL; w = w->next)
        n++;
    pthread_mutex_unlock(&h->queues->lock);
    return n;
}

struct crowd {
    struct hive *hive;
    int n;
};

static int all_wait(void *arg)
{
    struct crowd *crowd = arg;

    return n_waiting(crowd->hive) == crowd->n;
}

static int all_received(void *queues)
{
    return skep_queues_active(queues) == 0;
}

/* Who waits for any result takes the one that somebody else was woken for: that one's turn is not lost. */
static void stolen_results(void **state)
{
    struct hive h;
    struct receiver r[] = {{&h, "p", 1, 0}, {&h, "s", 1, 0}, {&h, "t", 1, 0}, {&h, NULL, 1, 0}, {&h, "default", 1, 0}};
    struct crowd crowd = {&h, 0};
    uint64_t since;

    (void)state;
    hive_open(&h, "ipc", "local:?workers=1", NULL);
    ASSERT_OK(skep_queues_topic(h.queues, "t", NULL, ERR));
    ASSERT_OK(skep_queues_topic(h.queues, "s", NULL, ERR));
    ASSERT_OK(skep_queues_topic(h.queues, "p", NULL, ERR));
    for (; crowd.n < 5;) {
        pthread_create(&r[crowd.n].thread, NULL, receive_one, &r[crowd.n]);
        crowd.n++;
        assert_true(hive_wait(all_wait, &crowd));
    }
    send_nap(&h, "default", 60);
    send_nap(&h, "s", 60);
    send_nap(&h, "t", 60);
    pthread_mutex_lock(&h.queues->lock); /* so that the answers for s and t are taken at once */
    nap_ms(400);
    pthread_mutex_unlock(&h.queues->lock);
    since = skep_now_ns();
    assert_true(hive_wait(all_received, h.queues));
    assert_in_range(ms_since(since), 0, 10000); /* long before the receivers' time is over */
    for (int i = 0; i < 5; i++) /* one for whoever is left: which of them took what, is up to the scheduler */
        if (r[i].topic != NULL)
            send_nap(&h, r[i].topic, 0);
    for (int i = 0; i < 5; i++)
        pthread_join(r[i].thread, NULL);
    for (int i = 0; i < 5; i++)
        assert_int_equal(r[i].rc, SKEP_OK);
    receive_all(&h, skep_queues_active(h.queues));
    hive_close(&h);
}

/* A topic is declared while somebody else polls. */
static void topic_while_polled(void **state)
{
    struct hive h;
    struct receiver r = {&h, "default", 1, 0};
    struct crowd crowd = {&h, 1};
    uint64_t since;

    (void)state;
    hive_open(&h, "ipc", "local:?workers=1", NULL);
    pthread_create(&r.thread, NULL, receive_one, &r);
    assert_true(hive_wait(all_wait, &crowd));
    since = skep_now_ns();
    hive_store(&h, "x", 1000);
    assert_in_range(ms_since(since), 0, 2000);
    send_nap(&h, "default", 0);
    pthread_join(r.thread, NULL);
    assert_int_equal(r.rc, SKEP_OK);
    hive_close(&h);
}

/* A slow store: evicting inputs takes a result's receiver no longer than a moment over its time. */
static void slow_store(void **state)
{
    static char bytes[5000];
    skep_topic_opts opts = SKEP_TOPIC_OPTS_INIT;
    skep_task *task;
    struct hive h;
    uint64_t since;
    char uri[160];

    (void)state;
    hive_open(&h, "ipc", "local:?workers=1", NULL);
    snprintf(uri, sizeof uri,
             "fault+shm://steering-slow-%ld?lifetime=session&fault_op=any&fault_every=1&fault_kind=delay&fault_delay=300ms",
             (long)getpid());
    ASSERT_OK(skep_store_open(uri, NULL, &opts.store, ERR));
    opts.threshold_bytes = 1000;
    ASSERT_OK(skep_queues_topic(h.queues, "default", &opts, ERR));
    for (int i = 0; i < 10; i++) {
        task = skep_task_new("nap");
        skep_task_add_int(task, 0);
        skep_task_add_bytes(task, bytes, sizeof bytes);
        hive_send(&h, "default", &task);
    }
    nap_ms(200);
    since = skep_now_ns();
    ASSERT_OK(skep_queues_receive(h.queues, NULL, skep_in_ms(100), &task, ERR));
    assert_in_range(ms_since(since), 0, 2000);
    skep_task_free(task);
    receive_all(&h, 9);
    skep_store_unref(opts.store);
    hive_close(&h);
}

/* ---- sending ------------------------------------------------------------------------------------- */

/* Sends fail once the server is gone, though nobody receives; what was sent before comes back. */
static void sends_to_nobody(void **state)
{
    skep_task *task;
    struct hive h;
    const struct skepi_link_ops *ops;
    skep_uri *uri;
    int rc = strcmp(*state, "tcp") == 0 ? skepi_link_find("tcp://127.0.0.1:1", &ops, &uri, NULL) : SKEP_ENOTSUP, n = 0;

    if (rc == SKEP_OK)
        skep_uri_free(uri);
    else if (strcmp(*state, "tcp") == 0)
        skip(); /* this build has no tcp:// */
    rc = SKEP_OK;
    hive_open(&h, *state, "local:?workers=1", NULL);
    skep_server_close(h.server);
    h.server = NULL;
    while (rc == SKEP_OK && n < 1000) {
        task = skep_task_new("nap");
        skep_task_add_int(task, 0);
        rc = skep_queues_send(h.queues, "default", &task, NULL);
        n += rc == SKEP_OK;
        nap_ms(1);
    }
    assert_int_equal(rc, SKEP_ECLOSED);
    for (; n > 0; n--) {
        task = hive_receive(&h, NULL);
        assert_int_equal(skep_task_code(task), SKEP_EUNREACH);
        skep_task_free(task);
    }
    assert_int_equal(skep_queues_receive(h.queues, NULL, skep_in_ms(1000), &task, NULL), SKEP_ECLOSED);
    hive_close(&h);
}

/* Tasks that wait for the window do not hold up what is not a task. */
static void topic_behind_window(void **state)
{
    static char eight[8 << 20];
    skep_task *task;
    struct hive h;
    uint64_t since;

    (void)state;
    hive_open(&h, "ipc", "local:?workers=1", NULL);
    send_nap(&h, "default", 3000);
    for (int i = 0; i < 20; i++) {
        task = skep_task_new("nap");
        skep_task_add_int(task, 0);
        skep_task_add_bytes(task, eight, sizeof eight);
        hive_send(&h, "default", &task);
    }
    since = skep_now_ns();
    hive_store(&h, "x", 1000);
    assert_in_range(ms_since(since), 0, 2000);
    receive_all(&h, 21);
    hive_close(&h);
}

/* A topic gets another store while its tasks are under way: each task keeps to the one that it was sent with. */
static void store_changes(void **state)
{
    skep_task *task;
    struct hive h;

    (void)state;
    hive_open(&h, "ipc", "local:?workers=1", NULL);
    ASSERT_OK(skep_queues_topic(h.queues, "t", NULL, ERR));
    for (int round = 0; round < 2; round++) {
        send_nap(&h, "t", 200);
        for (int i = 0; i < 2; i++) {
            task = skep_task_new("big");
            hive_send(&h, "t", &task);
        }
        if (round == 0)
            hive_store(&h, "t", 1000);
        else
            ASSERT_OK(skep_queues_topic(h.queues, "t", NULL, ERR));
        for (int i = 0; i < 3; i++) {
            task = hive_receive(&h, "t");
            if (!skep_task_ok(task))
                fail_msg("%s", skep_task_failure(task));
            skep_task_free(task);
        }
    }
    hive_close(&h);
}

/* Later than any clock goes is never. */
static void far_deadlines(void **state)
{
    const uint64_t deadlines[] = {SKEP_FOREVER, SKEP_FOREVER - 1, SKEP_FOREVER - 1000000000, skep_in_ms(60000)};
    skep_task *task;
    struct hive h;

    (void)state;
    hive_open(&h, "ipc", "local:?workers=1", NULL);
    for (int i = 0; i < 4; i++) {
        task = skep_task_new("nap");
        skep_task_add_int(task, 0);
        assert_int_equal(skep_task_set_deadline(task, deadlines[i]), SKEP_OK);
        task = hive_run(&h, &task);
        assert_string_equal(skep_task_failure(task), "");
        skep_task_free(task);
    }
    hive_close(&h);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(locks),
        cmocka_unit_test(no_descriptors),
        cmocka_unit_test(mute_server),
        cmocka_unit_test(stolen_results),
        cmocka_unit_test(topic_while_polled),
        cmocka_unit_test(slow_store),
        cmocka_unit_test(far_deadlines),
        {"sends_to_nobody (ipc)", sends_to_nobody, NULL, NULL, (void *)(uintptr_t) "ipc"},
        {"sends_to_nobody (tcp)", sends_to_nobody, NULL, NULL, (void *)(uintptr_t) "tcp"},
        cmocka_unit_test(topic_behind_window),
        cmocka_unit_test(store_changes),
    };

    skep_worker_if_asked(argc, argv, methods);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
