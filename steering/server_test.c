/* server_test.c - the task server: tasks that come early, workers that do not, objects that nobody waits for. */
#include "steering/testing.h"

#include "steering/engines/start.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
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

static const skep_method methods[] = {{"nap", nap, NULL}, {"makes", makes, NULL}, {0}};

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
            assert_non_null(strstr(skep_task_failure(task), "no method 'fly' here; there are: nap, makes"));
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

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(early_tasks),
        cmocka_unit_test(half_a_start),
    };
    const char *how = getenv(HOW);

    if (how != NULL && getenv(SKEPI_WORKER_VARIABLE) != NULL)
        start_as_asked(how);
    skep_worker_if_asked(argc, argv, methods);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
