/* crash_test.c - workers that die, in every way and at any time: each task is answered once, and the rest goes on. */
#include "steering/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- methods ------------------------------------------------------------------------------------- */

static int same(skep_call *call, void *unused)
{
    int64_t value;

    (void)unused;
    return skep_call_int(call, 0, &value) != SKEP_OK ? SKEP_EINVAL : skep_call_return_int(call, value);
}

static int dies(skep_call *call, void *unused)
{
    int64_t how;

    (void)unused;
    if (skep_call_int(call, 0, &how) != SKEP_OK)
        return SKEP_EINVAL;
    if (how > 0) {
        signal((int)how, SIG_DFL); /* whatever a sanitizer makes of it */
        raise((int)how);
    }
    _exit((int)-how);
}

static int ends(skep_call *call, void *unused)
{
    (void)call;
    (void)unused;
    exit(3);
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
    return skep_call_return_int(call, getpid());
}

/* With the model in its hands. */
static int naps(skep_call *call, void *unused)
{
    const void *model;
    size_t size;

    return skep_call_bytes(call, 1, &model, &size) != SKEP_OK ? SKEP_EINVAL : nap(call, unused);
}

static int makes(skep_call *call, void *unused)
{
    static char bytes[100000];
    int64_t die;

    (void)unused;
    if (skep_call_int(call, 0, &die) != SKEP_OK || skep_call_return_bytes(call, bytes, sizeof bytes) != SKEP_OK)
        return SKEP_EINVAL;
    if (die)
        _exit(9);
    return SKEP_OK;
}

static const skep_method methods[] = {
    {"same", same, NULL},
    {"dies", dies, NULL},
    {"ends", ends, NULL},
    {"nap", nap, NULL},
    {"makes", makes, NULL},
    {"naps", naps, NULL},
    {0},
};

static skep_task *task_of(const char *method, int64_t value)
{
    skep_task *task = skep_task_new(method);

    skep_task_add_int(task, value);
    return task;
}

/* ---- one death ----------------------------------------------------------------------------------- */

static void every_way(void **state)
{
    static const struct {
        int how;
        const char *text;
    } ways[] = {{SIGSEGV, "was killed by signal 11 (Segmentation fault)"},
                {SIGABRT, "was killed by signal 6 (Aborted)"},
                {SIGKILL, "was killed by signal 9 (Killed)"},
                {-3, "exited with status 3"},
                {0, "exited with status 0"}};
    struct hive h;
    skep_task *task;
    char pid[32];

    (void)state;
    hive_open(&h, "ipc", "local:?workers=1", NULL);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        skep_worker_stats stats = SKEP_WORKER_STATS_INIT;

        ASSERT_OK(skep_server_worker_stats(h.server, 0, &stats));
        assert_int_equal(stats.restarts, i);
        snprintf(pid, sizeof pid, "(pid %ld)", stats.pid);
        task = task_of("dies", ways[i].how);
        task = hive_run(&h, &task);
        assert_int_equal(skep_task_code(task), SKEP_EFAILED);
        assert_non_null(strstr(skep_task_failure(task), ways[i].text));
        assert_non_null(strstr(skep_task_failure(task), "in method 'dies'"));
        assert_non_null(strstr(skep_task_failure(task), "worker 0"));
        assert_non_null(strstr(skep_task_failure(task), pid));
        assert_int_equal(skep_task_worker_index(task), 0);
        skep_task_free(task);
        task = task_of("same", 5); /* the worker is replaced */
        task = hive_run(&h, &task);
        assert_true(skep_task_ok(task));
        assert_int_equal(skep_task_attempt(task), 1);
        skep_task_free(task);
    }
    task = skep_task_new("ends");
    task = hive_run(&h, &task);
    assert_non_null(strstr(skep_task_failure(task), "exited with status 3 in method 'ends'"));
    skep_task_free(task);
    hive_close(&h);
}

/* ---- under load ---------------------------------------------------------------------------------- */

struct tally {
    unsigned char *seen;
    int n, failed, again;
};

static void tally_init(struct tally *t, int n)
{
    *t = (struct tally){.seen = calloc((size_t)n, 1), .n = n};
}

/* A result, which says which it is by its info. */
static void tally_add(struct tally *t, skep_task *task)
{
    long which = strtol(skep_task_info(task), NULL, 10);
    int64_t value;

    assert_in_range(which, 0, t->n - 1);
    assert_int_equal(t->seen[which]++, 0);
    if (skep_task_ok(task)) {
        if (strcmp(skep_task_method(task), "same") == 0) {
            ASSERT_OK(skep_task_value_int(task, &value));
            assert_int_equal(value, which);
        }
    } else {
        assert_int_equal(skep_task_code(task), SKEP_EFAILED);
        t->failed++;
    }
    t->again += skep_task_attempt(task) > 1;
    skep_task_free(task);
}

static void send_numbered(struct hive *h, const char *method, int64_t value, int which)
{
    skep_task *task = task_of(method, value);
    char info[16];

    snprintf(info, sizeof info, "%d", which);
    skep_task_set_info(task, info);
    hive_send(h, "default", &task);
}

/* Batches of hundreds with a crash in them now and then: only the one that crashed fails. */
static void crashes_in_batches(void **state)
{
    enum { N = 20000, EACH = 1000 };
    struct hive h;
    struct tally t;
    int sent = 0;

    (void)state;
    tally_init(&t, N);
    hive_open(&h, "ipc", "local:?workers=2", NULL);
    for (int got = 0; got < N; got++) {
        for (; sent < N && sent - got < 3000; sent++)
            send_numbered(&h, sent % EACH == EACH / 2 ? "dies" : "same", sent % EACH == EACH / 2 ? SIGKILL : sent, sent);
        tally_add(&t, hive_receive(&h, NULL));
    }
    assert_int_equal(t.failed, N / EACH);
    print_message("%d ran again, for their answers had gone with a worker\n", t.again);
    free(t.seen);
    hive_close(&h);
}

/* Workers are killed from outside while they are busy. */
static void killed_under_load(void **state)
{
    enum { N = 30000, KILLS = 15 };
    struct hive h;
    struct tally t;
    int sent = 0;

    (void)state;
    tally_init(&t, N);
    hive_open(&h, "ipc", "local:?workers=2", NULL);
    for (int got = 0; got < N; got++) {
        for (; sent < N && sent - got < 2000; sent++)
            send_numbered(&h, sent % 100 == 0 ? "nap" : "same", sent % 100 == 0 ? 1 : sent, sent);
        tally_add(&t, hive_receive(&h, NULL));
        if (got % (N / KILLS) == N / KILLS / 2) {
            skep_worker_stats stats = SKEP_WORKER_STATS_INIT;

            ASSERT_OK(skep_server_worker_stats(h.server, got % 2, &stats));
            kill((pid_t)stats.pid, SIGKILL);
        }
    }
    assert_in_range(t.failed, 0, KILLS);
    free(t.seen);
    hive_close(&h);
}

/* A value that was put, and its worker gone before it could say so. */
static void lost_values(void **state)
{
    struct hive h;
    skep_task *task;

    (void)state;
    hive_open(&h, "ipc", "local:?workers=2", NULL);
    hive_store(&h, "default", 1000);
    for (int i = 0; i < 6; i++) {
        task = task_of("makes", i % 2);
        task = hive_run(&h, &task);
        assert_int_equal(skep_task_ok(task), i % 2 == 0);
        skep_task_free(task);
    }
    hive_close(&h); /* nothing is left */
}

/* ---- the server ---------------------------------------------------------------------------------- */

static int serve(const char *uri, int workers)
{
    skep_server *server;
    skep_error err;
    char engine[64];

    snprintf(engine, sizeof engine, "local:?workers=%d", workers);
    if (skep_server_open(uri, engine, NULL, &server, &err) != SKEP_OK) {
        printf("%s\n", err.text);
        fflush(stdout);
        return 1;
    }
    for (int i = 0; i < workers; i++) {
        skep_worker_stats stats = SKEP_WORKER_STATS_INIT;

        (void)!skep_server_worker_stats(server, i, &stats);
        printf("%ld ", stats.pid);
    }
    printf("\n");
    fflush(stdout);
    (void)!skep_server_wait(server, SKEP_FOREVER, NULL);
    skep_server_close(server);
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

/* Not there, or dead: whoever inherits orphans may take his time. */
static int is_gone(void *pid)
{
    char path[32], state = 'Z';
    FILE *stat_file;

    snprintf(path, sizeof path, "/proc/%d/stat", *(pid_t *)pid);
    if ((stat_file = fopen(path, "r")) == NULL)
        return 1;
    if (fscanf(stat_file, "%*d (%*[^)]) %c", &state) != 1)
        state = 'Z';
    fclose(stat_file);
    return state == 'Z' || state == 'X';
}

/* Its workers end, idle or in the middle of a method; another server takes its place. */
static void killed_server(void **state)
{
    char dir[] = "/tmp/skep-steering-XXXXXX", uri[64], line[128], *end = line;
    const char *args[] = {"crash_test", "serve", uri, NULL};
    skep_queues *queues;
    skep_task *task;
    struct stat st;
    long server;
    pid_t pid;
    int out;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(uri, sizeof uri, "ipc://%s/socket", dir);
    for (int round = 0; round < 2; round++) {
        server = hive_spawn(args, &out);
        read_line(out, line, sizeof line);
        end = line;
        ASSERT_OK(skep_queues_open(uri, NULL, &queues, ERR));
        task = task_of("nap", 60000);
        ASSERT_OK(skep_queues_send(queues, "default", &task, ERR));
        task = task_of("same", 1);
        ASSERT_OK(skep_queues_send(queues, "default", &task, ERR));
        ASSERT_OK(skep_queues_receive(queues, NULL, skep_in_ms(20000), &task, ERR));
        skep_task_free(task);
        kill((pid_t)server, SIGKILL);
        waitpid((pid_t)server, NULL, 0);
        for (int i = 0; i < 2; i++) {
            pid = (pid_t)strtol(end, &end, 10);
            assert_true(pid > 0);
            assert_true(hive_wait(is_gone, &pid));
        }
        skep_queues_close(queues);
        assert_int_equal(stat(uri + strlen("ipc://"), &st), 0); /* stale: the next replaces it */
    }
    unlink(uri + strlen("ipc://"));
    assert_int_equal(rmdir(dir), 0);
}

static int both_busy(void *server)
{
    skep_worker_stats before[2] = {SKEP_WORKER_STATS_INIT, SKEP_WORKER_STATS_INIT}, after = SKEP_WORKER_STATS_INIT;
    const struct timespec pause = {0, 20000000};
    int busy = 0;

    for (int i = 0; i < 2; i++)
        ASSERT_OK(skep_server_worker_stats(server, i, &before[i]));
    nanosleep(&pause, NULL);
    for (int i = 0; i < 2; i++) {
        ASSERT_OK(skep_server_worker_stats(server, i, &after));
        busy += after.idle_ns == before[i].idle_ns;
    }
    return busy == 2;
}

/* A whole campaign in one process: a store for its session, a model in it, workers that have mapped it and compute. */
static int campaign(const char *uri, const char *store_uri)
{
    static char bytes[200000];
    skep_server *server;
    skep_queues *queues;
    skep_store *store;
    skep_proxy *model;
    skep_task *task;

    if (skep_store_open(store_uri, NULL, &store, NULL) != SKEP_OK ||
        skep_store_proxy(store, bytes, sizeof bytes, NULL, &model, NULL) != SKEP_OK ||
        skep_server_open(uri, "local:?workers=2", NULL, &server, NULL) != SKEP_OK ||
        skep_queues_open(uri, NULL, &queues, NULL) != SKEP_OK)
        return 1;
    for (int i = 0; i < 3; i++) { /* the first comes back; then both are in a method */
        task = skep_task_new("naps");
        skep_task_add_int(task, i == 0 ? 1 : 60000);
        skep_task_add_proxy(task, model);
        if (skep_queues_send(queues, "default", &task, NULL) != SKEP_OK)
            return 1;
        if (i == 0 && skep_queues_receive(queues, NULL, skep_in_ms(20000), &task, NULL) != SKEP_OK)
            return 1;
    }
    while (!both_busy(server))
        ;
    for (int i = 0; i < 2; i++) {
        skep_worker_stats stats = SKEP_WORKER_STATS_INIT;

        (void)!skep_server_worker_stats(server, i, &stats);
        printf("%ld ", stats.pid);
    }
    printf("\n");
    fflush(stdout);
    pause();
    return 0;
}

static int is_there(const char *name)
{
    char path[128];
    struct stat st;

    snprintf(path, sizeof path, "/dev/shm/skep-%u/%s", geteuid(), name);
    return stat(path, &st) == 0;
}

/* kill -9 of the thinker and its server: the workers end in the middle of their methods, and the last of them takes the
 * session's store with it. */
static void killed_campaign(void **state)
{
    char uri[64], name[64], store_uri[128], line[128], *end = line;
    const char *args[] = {"crash_test", "campaign", uri, store_uri, NULL};
    pid_t pids[2];
    long pid;
    int out;

    (void)state;
    snprintf(uri, sizeof uri, "ipc://@skep-campaign-%ld", (long)getpid());
    snprintf(name, sizeof name, "steering-crash-%ld", (long)getpid());
    snprintf(store_uri, sizeof store_uri, "shm://%s?lifetime=session", name);
    pid = hive_spawn(args, &out);
    read_line(out, line, sizeof line);
    assert_true(is_there(name));
    for (int i = 0; i < 2; i++)
        assert_true((pids[i] = (pid_t)strtol(end, &end, 10)) > 0);
    kill((pid_t)pid, SIGKILL);
    waitpid((pid_t)pid, NULL, 0);
    for (int i = 0; i < 2; i++)
        assert_true(hive_wait(is_gone, &pids[i]));
    assert_false(is_there(name));
}

/* A worker does not end because the terminal says ^C to all; it ends when its server says so. */
static void interrupts(void **state)
{
    struct hive h;
    skep_worker_stats stats = SKEP_WORKER_STATS_INIT;
    skep_task *task;
    pid_t pid;

    (void)state;
    hive_open(&h, "ipc", "local:?workers=1", NULL);
    ASSERT_OK(skep_server_worker_stats(h.server, 0, &stats));
    task = task_of("nap", 100);
    hive_send(&h, "default", &task);
    kill((pid_t)stats.pid, SIGINT);
    task = hive_receive(&h, NULL);
    assert_true(skep_task_ok(task));
    skep_task_free(task);
    pid = (pid_t)stats.pid;
    if (!HIVE_SANITIZED) {  /* they hold signals back while a thread waits */
        kill(pid, SIGTERM); /* idle: it goes, and is replaced */
        assert_true(hive_wait(is_gone, &pid));
    }
    task = task_of("nap", 1);
    task = hive_run(&h, &task);
    assert_true(skep_task_ok(task));
    skep_task_free(task);
    hive_close(&h);
}

/* Closing does not wait for what runs for hours. */
static void close_while_running(void **state)
{
    struct hive h;
    skep_task *task;
    uint64_t since;
    int ran = 0;

    (void)state;
    hive_open(&h, "ipc", "local:?workers=2", NULL);
    for (int i = 0; i < 4; i++) {
        task = task_of("nap", 3600000);
        hive_send(&h, "default", &task);
    }
    assert_true(hive_wait(both_busy, h.server));
    since = skep_now_ns();
    skep_server_close(h.server);
    h.server = NULL;
    assert_true(skep_now_ns() - since < UINT64_C(15000000000));
    for (int i = 0; i < 4; i++) {
        task = hive_receive(&h, NULL);
        assert_int_equal(skep_task_code(task), SKEP_ECANCELED);
        ran += strstr(skep_task_failure(task), "was closed while method 'nap' ran") != NULL;
        skep_task_free(task);
    }
    assert_int_equal(ran, 2);
    hive_close(&h);
}

/* ---- workers that do not start ------------------------------------------------------------------- */

static void expect_no_start(const char *role, int code, const char *text)
{
    char dir[] = "/tmp/skep-steering-XXXXXX", uri[64], line[512];
    const char *args[] = {"crash_test", role, uri, NULL};
    long pid;
    int out, status;

    assert_non_null(mkdtemp(dir));
    snprintf(uri, sizeof uri, "ipc://%s/socket", dir);
    pid = hive_spawn(args, &out);
    read_line(out, line, sizeof line);
    assert_int_equal(waitpid((pid_t)pid, &status, 0), pid);
    print_message("%s: %s\n", role, line);
    assert_int_equal(WEXITSTATUS(status), code);
    assert_non_null(strstr(line, text));
    assert_int_equal(rmdir(dir), 0);
}

static void no_start(void **state)
{
    (void)state;
    expect_no_start("bad-exit", 1, "exited with status 42 before it said what it can do");
    expect_no_start("bad-crash", 1, "was killed by signal 6");
    expect_no_start("bad-silent", 1, "0 of 2 workers were up in time");
    expect_no_start("bad-server", 1, "exited with status 1");
}

/* Programs whose main does not call skep_worker_if_asked first. */
static int bad_main(const char *role, const char *uri)
{
    skep_server_opts opts = SKEP_SERVER_OPTS_INIT;
    const int is_worker = getenv("SKEP_WORKER") != NULL;
    skep_server *server;
    skep_error err;

    if (is_worker && strcmp(role, "bad-exit") == 0)
        return 42;
    if (is_worker && strcmp(role, "bad-crash") == 0) {
        signal(SIGABRT, SIG_DFL);
        raise(SIGABRT);
    }
    if (is_worker && strcmp(role, "bad-silent") == 0)
        return pause(), 0;
    opts.by_ns = skep_in_ms(strcmp(role, "bad-silent") == 0 ? 300 : 30000);
    if (skep_server_open(uri, "local:?workers=2", &opts, &server, &err) == SKEP_OK)
        return 0;
    if (is_worker && strstr(err.text, "must call skep_worker_if_asked first") == NULL)
        return 2; /* it was not told why */
    if (!is_worker)
        printf("%s\n", err.text);
    fflush(stdout);
    return 1;
}

/* ---- strangers ----------------------------------------------------------------------------------- */

static int silent_log_lines;

static void count_lines(int level, const char *component, const char *text, void *arg)
{
    (void)level;
    (void)component;
    (void)arg;
    if (strstr(text, "was dropped") != NULL)
        silent_log_lines++;
}

/* Who does not speak the language is shown out; nobody else notices. */
static void garbage(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct hive h;
    skep_task *task;
    char noise[5000];
    int fd;

    (void)state;
    memset(noise, 'n', sizeof noise);
    hive_open(&h, "ipc", "local:?workers=1", NULL);
    skep_log_to(count_lines, NULL);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", h.dir);
    for (int i = 0; i < 5; i++) {
        fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
        if (i > 0) /* the first only knocks */
            assert_true(send(fd, noise, sizeof noise / (size_t)i, MSG_NOSIGNAL) > 0);
        if (i == 4)
            assert_int_equal(recv(fd, noise, sizeof noise, 0), 0); /* shown out */
        close(fd);
        task = task_of("same", i);
        task = hive_run(&h, &task);
        assert_true(skep_task_ok(task));
        skep_task_free(task);
    }
    skep_log_to(NULL, NULL);
    assert_int_equal(silent_log_lines, 4);
    hive_close(&h);
}

static void one_server_a_place(void **state)
{
    struct hive h;
    skep_server *second;
    skep_queues *queues;
    skep_queues_opts opts = SKEP_QUEUES_OPTS_INIT;
    skep_error err;
    struct stat st;
    char uri[128];
    int fd;

    (void)state;
    hive_open(&h, "ipc", "local:?workers=1", NULL);
    assert_int_equal(skep_server_open(h.uri, "local:?workers=1", NULL, &second, &err), SKEP_EBUSY);
    assert_non_null(strstr(err.text, h.uri));
    assert_int_equal(stat(h.uri + strlen("ipc://"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);

    snprintf(uri, sizeof uri, "ipc://%s/file", h.dir);
    fd = open(uri + strlen("ipc://"), O_CREAT | O_WRONLY, 0600);
    close(fd);
    assert_int_equal(skep_server_open(uri, "local:?workers=1", NULL, &second, &err), SKEP_EEXIST);
    unlink(uri + strlen("ipc://"));
    opts.by_ns = skep_in_ms(50);
    assert_int_equal(skep_queues_open(uri, &opts, &queues, &err), SKEP_EUNREACH);
    assert_non_null(strstr(err.text, uri));

    assert_int_equal(skep_server_open("ipc://", "local:", NULL, &second, &err), SKEP_EINVAL);
    assert_int_equal(skep_server_open("carrier-pigeon://x", "local:", NULL, &second, &err), SKEP_ENOTSUP);
    snprintf(uri, sizeof uri, "ipc://@skep-crash-%ld", (long)getpid());
    assert_int_equal(skep_server_open(uri, "cloud:", NULL, &second, &err), SKEP_ENOTSUP);
    assert_int_equal(skep_server_open(uri, "local:?wrkers=2", NULL, &second, &err), SKEP_EINVAL);
    assert_non_null(strstr(err.text, "wrkers"));
    assert_int_equal(skep_server_open(uri, "local:?workers=-1", NULL, &second, &err), SKEP_EINVAL);
    ASSERT_OK(skep_server_open(uri, "local:?workers=1", NULL, &second, ERR)); /* a name that leaves no file */
    ASSERT_OK(skep_queues_open(uri, NULL, &queues, ERR));
    skep_queues_close(queues);
    skep_server_close(second);
    hive_close(&h);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way),   cmocka_unit_test(crashes_in_batches), cmocka_unit_test(killed_under_load),
        cmocka_unit_test(lost_values), cmocka_unit_test(killed_server),      cmocka_unit_test(killed_campaign),
        cmocka_unit_test(interrupts),  cmocka_unit_test(no_start),           cmocka_unit_test(close_while_running),
        cmocka_unit_test(garbage),     cmocka_unit_test(one_server_a_place),
    };

    if (argc > 2 && strncmp(argv[1], "bad-", 4) == 0)
        return bad_main(argv[1], argv[2]);
    skep_worker_if_asked(argc, argv, methods);
    if (argc > 2 && strcmp(argv[1], "serve") == 0)
        return serve(argv[2], 2);
    if (argc > 3 && strcmp(argv[1], "campaign") == 0)
        return campaign(argv[2], argv[3]);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
