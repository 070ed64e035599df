/* server_test.c - the task server: tasks that come early, workers that do not, objects that nobody waits for. */
#include "steering/testing.h"

#include "steering/engines/start.h"
#include "steering/queues/control.h"
#include "steering/queues/packet.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How workers start: "late FILE": when the file is there; "one FILE": only one at a time. */
#define HOW "SKEP_SERVER_TEST"

enum { BIG = 1 << 20 };

static char big[BIG];

static void pause_ms(long ms)
{
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};

    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

/* ---- methods ------------------------------------------------------------------------------------- */

static int nap(skep_call *call, void *unused)
{
    int64_t ms;

    (void)unused;
    if (skep_call_int(call, 0, &ms) != SKEP_OK)
        return SKEP_EINVAL;
    pause_ms(ms);
    return skep_call_return_int(call, ms);
}

static int makes(skep_call *call, void *unused)
{
    (void)unused;
    return skep_call_return_bytes(call, big, BIG);
}

/* An input that is not there is none of its failure's business. */
static int fails(skep_call *call, void *unused)
{
    int64_t value;

    (void)unused;
    (void)!skep_call_int(call, 7, &value);
    return SKEP_EIO;
}

/* What the worker makes of a signal, from what it inherited. */
static int signals(skep_call *call, void *unused)
{
    struct sigaction action;
    sigset_t blocked;
    int64_t number;

    (void)unused;
    if (skep_call_int(call, 0, &number) != SKEP_OK || sigaction((int)number, NULL, &action) != 0 ||
        pthread_sigmask(SIG_SETMASK, NULL, &blocked) != 0)
        return SKEP_EINVAL;
    return skep_call_return_bool(call, action.sa_handler == SIG_DFL && !sigismember(&blocked, (int)number));
}

static const skep_method methods[] = {
    {"nap", nap, NULL}, {"makes", makes, NULL}, {"fails", fails, NULL}, {"signals", signals, NULL}, {0},
};

static skep_task *nap_of(int64_t ms)
{
    skep_task *task = skep_task_new("nap");

    skep_task_add_int(task, ms);
    return task;
}

static void start_as_asked(const char *how)
{
    int fd;

    if (strncmp(how, "late ", 5) == 0) {
        while (access(how + 5, F_OK) != 0)
            pause_ms(2);
    } else if (strncmp(how, "one ", 4) == 0) {
        fd = open(how + 4, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return;
        pause_ms(300); /* so that the other is up */
        exit(3);
    }
}

/* ---- the start ----------------------------------------------------------------------------------- */

struct opening {
    char dir[32], file[64], uri[64];
    skep_server *server;
    skep_error err;
    int rc;
    uint64_t by_ns;
};

static void opening_init(struct opening *o, const char *how)
{
    char value[80];

    *o = (struct opening){.by_ns = skep_in_ms(60000)};
    snprintf(o->dir, sizeof o->dir, "/tmp/skep-steering-XXXXXX");
    assert_non_null(mkdtemp(o->dir));
    snprintf(o->file, sizeof o->file, "%s/file", o->dir);
    snprintf(o->uri, sizeof o->uri, "ipc://%s/socket", o->dir);
    snprintf(value, sizeof value, "%s %s", how, o->file);
    setenv(HOW, value, 1);
}

static void opening_fini(struct opening *o)
{
    unsetenv(HOW);
    skep_server_close(o->server);
    unlink(o->file);
    assert_int_equal(rmdir(o->dir), 0);
}

static void *open_it(void *arg)
{
    struct opening *o = arg;
    skep_server_opts opts = SKEP_SERVER_OPTS_INIT;

    opts.by_ns = o->by_ns;
    o->rc = skep_server_open(o->uri, "local:?workers=2", &opts, &o->server, &o->err);
    return NULL;
}

/* Tasks that were sent before any worker had said what it can do are run, or answered with what there is. */
static void early_tasks(void **state)
{
    struct opening o;
    skep_queues *queues;
    skep_task *task;
    pthread_t thread;
    int ok = 0;

    (void)state;
    opening_init(&o, "late");
    assert_int_equal(pthread_create(&thread, NULL, open_it, &o), 0);
    ASSERT_OK(skep_queues_open(o.uri, NULL, &queues, ERR));
    for (int i = 0; i < 3; i++) {
        task = i == 1 ? skep_task_new("fly") : nap_of(1);
        ASSERT_OK(skep_queues_send(queues, "default", &task, ERR));
    }
    assert_int_equal(skep_queues_receive(queues, NULL, skep_in_ms(50), &task, NULL), SKEP_ETIMEDOUT);
    close(open(o.file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    for (int i = 0; i < 3; i++) {
        ASSERT_OK(skep_queues_receive(queues, NULL, skep_in_ms(30000), &task, ERR));
        if (skep_task_ok(task)) {
            ok++;
        } else {
            assert_int_equal(skep_task_code(task), SKEP_EINVAL);
            assert_non_null(strstr(skep_task_failure(task), "no method 'fly' here; there are: nap, makes, "));
        }
        skep_task_free(task);
    }
    assert_int_equal(ok, 2);
    pthread_join(thread, NULL);
    assert_int_equal(o.rc, SKEP_OK);
    skep_queues_close(queues);
    opening_fini(&o);
}

/* One worker is up, the other never starts: opening fails, and says why. */
static void half_a_start(void **state)
{
    struct opening o;

    (void)state;
    opening_init(&o, "one");
    open_it(&o);
    assert_int_equal(o.rc, SKEP_EFAILED);
    assert_non_null(strstr(o.err.text, "exited with status 3"));
    opening_fini(&o);
}

/* ---- what nobody waits for ----------------------------------------------------------------------- */

/* A client that has values that it does not free, tasks that run and tasks that wait; it says so, and waits to be killed. */
static int client_main(const char *uri, const char *store_uri)
{
    skep_topic_opts opts = SKEP_TOPIC_OPTS_INIT;
    skep_queues *queues;
    skep_task *task;
    skep_error err;

    opts.threshold_bytes = 1000;
    if (skep_queues_open(uri, NULL, &queues, &err) != SKEP_OK ||
        skep_store_open(store_uri, NULL, &opts.store, &err) != SKEP_OK ||
        skep_queues_topic(queues, "default", &opts, &err) != SKEP_OK)
        return 1;
    for (int i = 0; i < 3; i++) {
        task = skep_task_new("makes");
        if (skep_queues_send(queues, "default", &task, &err) != SKEP_OK ||
            skep_queues_receive(queues, NULL, skep_in_ms(20000), &task, &err) != SKEP_OK || !skep_task_ok(task))
            return 1;
    }
    for (int i = 0; i < 4; i++) {
        task = nap_of(i < 1 ? 600000 : 1);
        skep_task_add_bytes(task, big, BIG);
        if (skep_queues_send(queues, "default", &task, &err) != SKEP_OK)
            return 1;
    }
    task = skep_task_new("fails"); /* once it is answered the server has them all */
    if (skep_queues_topic(queues, "last", NULL, &err) != SKEP_OK ||
        skep_queues_send(queues, "last", &task, &err) != SKEP_OK ||
        skep_queues_receive(queues, "last", skep_in_ms(20000), &task, &err) != SKEP_OK)
        return 1;
    (void)!write(STDOUT_FILENO, "y", 1);
    for (;;)
        pause();
}

static long spawn_client(const struct hive *h)
{
    const char *args[] = {"server_test", "client", h->uri, h->store_uri, NULL};
    int out;
    long pid = hive_spawn(args, &out);
    char said = 0;

    assert_int_equal(read(out, &said, 1), 1);
    assert_int_equal(said, 'y');
    close(out);
    return pid;
}

/* The server ends with its last client, and kills its workers: objects do not stay for that. */
static void killed_client_ends_all(void **state)
{
    skep_server_opts opts = SKEP_SERVER_OPTS_INIT;
    struct hive h;
    long client;

    (void)state;
    opts.until_clients_gone = 1;
    hive_open(&h, "ipc", "local:?workers=2", &opts);
    hive_store(&h, "other", 1000);
    client = spawn_client(&h);
    assert_int_equal(hive_objects(h.store), 4); /* three values, and the input of the task that runs */
    skep_queues_close(h.queues);
    h.queues = NULL;
    kill((pid_t)client, SIGKILL);
    waitpid((pid_t)client, NULL, 0);
    ASSERT_OK(skep_server_wait(h.server, skep_in_ms(30000), ERR));
    skep_server_close(h.server);
    h.server = NULL;
    assert_int_equal(hive_objects(h.store), 0);
    hive_close(&h);
}

static int is_one_left(void *store)
{
    return hive_objects(store) == 1;
}

/* Objects go while all workers are in methods. */
static void evicts_beside_methods(void **state)
{
    skep_task *task = nap_of(600000);
    struct hive h;
    long client;

    (void)state;
    hive_open(&h, "ipc", "local:?workers=2", NULL);
    hive_store(&h, "other", 1000);
    client = spawn_client(&h);
    hive_send(&h, "default", &task);
    kill((pid_t)client, SIGKILL);
    waitpid((pid_t)client, NULL, 0);
    assert_true(hive_wait(is_one_left, h.store)); /* the input of the task that runs */
    assert_int_equal(skep_queues_receive(h.queues, NULL, 0, &task, NULL), SKEP_ETIMEDOUT);
    skep_server_close(h.server);
    h.server = NULL;
    hive_close(&h);
}

/* ---- waiting ------------------------------------------------------------------------------------- */

/* What has expired is not kept until its turn would have come. */
static void expired_tasks_go(void **state)
{
    enum { TASKS = 200 };
    skep_task *task = nap_of(600000);
    struct hive h;
    long before, after;

    (void)state;
    hive_open(&h, "ipc", "local:?workers=1", NULL);
    hive_send(&h, "default", &task);
    before = hive_rss_kib();
    for (int i = 0; i < TASKS; i++) {
        task = nap_of(1);
        skep_task_add_bytes(task, big, BIG);
        skep_task_set_deadline(task, skep_in_ms(3));
        task = hive_run(&h, &task);
        assert_int_equal(skep_task_code(task), SKEP_ETIMEDOUT);
        skep_task_free(task);
    }
    after = hive_rss_kib();
    print_message("%ld KiB more\n", after - before);
    if (!HIVE_SANITIZED)
        assert_true(after - before < TASKS * (BIG >> 10) / 4);
    skep_server_close(h.server);
    h.server = NULL;
    hive_close(&h);
}

static long switches(void)
{
    DIR *dir = opendir("/proc/self/task");
    char path[300], line[200];
    struct dirent *e;
    FILE *file;
    long sum = 0, n;

    assert_non_null(dir);
    while ((e = readdir(dir)) != NULL) {
        snprintf(path, sizeof path, "/proc/self/task/%s/status", e->d_name);
        if ((file = fopen(path, "r")) == NULL)
            continue;
        while (fgets(line, sizeof line, file) != NULL)
            if (sscanf(line, "voluntary_ctxt_switches: %ld", &n) == 1)
                sum += n;
        fclose(file);
    }
    closedir(dir);
    return sum;
}

static void no_log(int level, const char *component, const char *text, void *arg)
{
    (void)level;
    (void)component;
    (void)text;
    (void)arg;
}

/* One task waits behind a long one at its worker: the server sleeps. */
static void sleeps_behind_a_long_task(void **state)
{
    skep_task *task;
    struct hive h;
    long before;

    (void)state;
    hive_open(&h, "ipc", "local:?workers=1", NULL);
    for (int i = 0; i < 60; i++) { /* now it takes next to nothing */
        task = nap_of(0);
        task = hive_run(&h, &task);
        skep_task_free(task);
    }
    for (int i = 0; i < 2; i++) {
        task = nap_of(i == 0 ? 1200 : 0);
        hive_send(&h, "default", &task);
    }
    pause_ms(200);
    before = switches();
    pause_ms(600);
    assert_in_range(switches() - before, 0, 100);
    for (int i = 0; i < 2; i++)
        skep_task_free(hive_receive(&h, NULL));
    hive_close(&h);
}

/* Who sends tasks that cannot be run, and never reads why, is shown out before its answers fill the memory. */
static void floods(void **state)
{
    enum { MOST = 2000000 };
    struct skepi_control hello = {.kind = SKEPI_HELLO, .n = 1, .text = {"flood"}};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct skepi_outbox box = {0};
    struct hive h;
    char method[SKEPI_NAME_MAX] = "";
    skep_task *task;
    int fd, n, rc = SKEP_OK;

    (void)state;
    memset(method, 'm', sizeof method - 1);
    hive_open(&h, "ipc", "local:?workers=1", NULL);
    skep_log_to(no_log, NULL);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", h.dir);
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(skepi_control_add(&box, &hello), SKEP_OK);
    for (n = 0; n < MOST && rc == SKEP_OK; n++) {
        struct skepi_draft draft = {.head.attempt = 1, .method = method, .topic = "default"};

        draft.head.message.kind = SKEPI_TASK;
        ASSERT_OK(skepi_outbox_add(&box, &draft, NULL, ERR));
        if (n % 512 == 0)
            rc = skepi_packet_send(fd, &box, 1);
    }
    skepi_outbox_fini(&box);
    assert_int_equal(rc, SKEP_ECLOSED);
    print_message("shown out after %d tasks\n", n);
    close(fd);
    task = nap_of(1);
    task = hive_run(&h, &task);
    assert_true(skep_task_ok(task));
    skep_task_free(task);
    skep_log_to(NULL, NULL);
    hive_close(&h);
}

/* ---- workers ------------------------------------------------------------------------------------- */

static int has_restarted(void *server)
{
    skep_worker_stats stats = SKEP_WORKER_STATS_INIT;

    ASSERT_OK(skep_server_worker_stats(server, 0, &stats));
    return stats.restarts > 0;
}

/* Sums do not go backwards with a worker that dies. */
static void idle_time_stays(void **state)
{
    skep_worker_stats stats = SKEP_WORKER_STATS_INIT;
    struct hive h;
    uint64_t idle;

    (void)state;
    hive_open(&h, "ipc", "local:?workers=1", NULL);
    pause_ms(300);
    ASSERT_OK(skep_server_worker_stats(h.server, 0, &stats));
    idle = stats.idle_ns;
    assert_true(idle > UINT64_C(200000000));
    kill((pid_t)stats.pid, SIGKILL);
    assert_true(hive_wait(has_restarted, h.server));
    for (int i = 0; i < 2; i++) {
        ASSERT_OK(skep_server_worker_stats(h.server, 0, &stats));
        assert_true(stats.idle_ns >= idle);
        skep_task_free(hive_run(&h, &(skep_task *){nap_of(1)})); /* the next is up */
    }
    hive_close(&h);
}

/* The code of a failure is what the method returned; the text of an input that could not be had explains it. */
static void codes(void **state)
{
    skep_task *task = skep_task_new("fails");
    struct hive h;

    (void)state;
    hive_open(&h, "ipc", "local:?workers=1", NULL);
    task = hive_run(&h, &task);
    assert_int_equal(skep_task_code(task), SKEP_EIO);
    assert_non_null(strstr(skep_task_failure(task), "input 7"));
    skep_task_free(task);
    hive_close(&h);
}

/* What the program makes of signals, and what a terminal sends to its group, is not the workers' business. */
static void own_signals(void **state)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    skep_worker_stats stats = SKEP_WORKER_STATS_INIT;
    skep_task *task = skep_task_new("signals");
    struct hive h;
    int flag;

    (void)state;
    sigaction(SIGALRM, &ignore, &before);
    hive_open(&h, "ipc", "local:?workers=1", NULL);
    sigaction(SIGALRM, &before, NULL);
    skep_task_add_int(task, SIGALRM);
    task = hive_run(&h, &task);
    ASSERT_OK(skep_task_value_bool(task, &flag));
    assert_true(flag);
    skep_task_free(task);
    ASSERT_OK(skep_server_worker_stats(h.server, 0, &stats));
    assert_int_equal(getpgid((pid_t)stats.pid), stats.pid);
    hive_close(&h);
}

static int is_busy(void *server)
{
    skep_worker_stats before = SKEP_WORKER_STATS_INIT, after = SKEP_WORKER_STATS_INIT;

    ASSERT_OK(skep_server_worker_stats(server, 0, &before));
    pause_ms(20);
    ASSERT_OK(skep_server_worker_stats(server, 0, &after));
    return before.idle_ns == after.idle_ns;
}

/* A worker that is told to end in the middle of a task: the task says by what. */
static void terminated_in_a_task(void **state)
{
    skep_worker_stats stats = SKEP_WORKER_STATS_INIT;
    skep_task *task = nap_of(600000);
    struct hive h;

    (void)state;
    hive_open(&h, "ipc", "local:?workers=1", NULL);
    hive_send(&h, "default", &task);
    assert_true(hive_wait(is_busy, h.server));
    ASSERT_OK(skep_server_worker_stats(h.server, 0, &stats));
    if (!HIVE_SANITIZED) /* they hold signals back while a thread waits */
        kill((pid_t)stats.pid, SIGTERM);
    else
        kill((pid_t)stats.pid, SIGKILL);
    task = hive_receive(&h, NULL);
    assert_int_equal(skep_task_code(task), SKEP_EFAILED);
    if (!HIVE_SANITIZED)
        assert_non_null(strstr(skep_task_failure(task), "was killed by signal 15 (Terminated) in method 'nap'"));
    skep_task_free(task);
    hive_close(&h);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(early_tasks),
        cmocka_unit_test(half_a_start),
        cmocka_unit_test(killed_client_ends_all),
        cmocka_unit_test(evicts_beside_methods),
        cmocka_unit_test(expired_tasks_go),
        cmocka_unit_test(sleeps_behind_a_long_task),
        cmocka_unit_test(idle_time_stays),
        cmocka_unit_test(codes),
        cmocka_unit_test(floods),
        cmocka_unit_test(own_signals),
        cmocka_unit_test(terminated_in_a_task),
    };
    const char *how = getenv(HOW);

    if (how != NULL && getenv(SKEPI_WORKER_VARIABLE) != NULL)
        start_as_asked(how);
    skep_worker_if_asked(argc, argv, methods);
    if (argc > 3 && strcmp(argv[1], "client") == 0)
        return client_main(argv[2], argv[3]);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
