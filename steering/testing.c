/* testing.c - a hive of server and queues for tests. */
#include "steering/testing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 60000 };

static size_t entries(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *e;
    size_t n = 0;

    while (dir != NULL && (e = readdir(dir)) != NULL)
        n += e->d_name[0] != '.';
    if (dir != NULL)
        closedir(dir);
    return n;
}

int hive_fds(void)
{
    return (int)entries("/proc/self/fd") - 1; /* without that of the look itself */
}

long hive_rss_kib(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long pages = 0;

    if (file == NULL || fscanf(file, "%*d %ld", &pages) != 1)
        pages = 0;
    if (file != NULL)
        fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

int hive_wait(int (*what)(void *arg), void *arg)
{
    const struct timespec pause = {0, 2000000};
    uint64_t by_ns = skep_in_ms(PATIENCE_MS);

    while (!what(arg)) {
        if (skep_now_ns() > by_ns)
            return 0;
        nanosleep(&pause, NULL);
    }
    return 1;
}

void hive_open(struct hive *hive, const char *scheme, const char *engine, const skep_server_opts *opts)
{
    char uri[64];

    *hive = (struct hive){.fds = hive_fds()};
    snprintf(hive->dir, sizeof hive->dir, "/tmp/skep-steering-XXXXXX");
    assert_non_null(mkdtemp(hive->dir));
    if (strcmp(scheme, "tcp") == 0)
        snprintf(uri, sizeof uri, "tcp://127.0.0.1:0");
    else
        snprintf(uri, sizeof uri, "ipc://%s/socket", hive->dir);
    ASSERT_OK(skep_server_open(uri, engine, opts, &hive->server, ERR));
    ASSERT_OK(skep_server_uri(hive->server, hive->uri, sizeof hive->uri));
    ASSERT_OK(skep_queues_open(hive->uri, NULL, &hive->queues, ERR));
}

void hive_store(struct hive *hive, const char *topic, uint64_t threshold)
{
    skep_topic_opts opts = SKEP_TOPIC_OPTS_INIT;
    static int number;
    char uri[128];

    if (hive->store == NULL) {
        snprintf(hive->store_uri, sizeof hive->store_uri, "shm://steering-test-%ld-%d", (long)getpid(), ++number);
        snprintf(uri, sizeof uri, "%s?lifetime=session", hive->store_uri);
        ASSERT_OK(skep_store_open(uri, NULL, &hive->store, ERR));
    }
    opts.store = hive->store;
    opts.threshold_bytes = threshold;
    ASSERT_OK(skep_queues_topic(hive->queues, topic, &opts, ERR));
}

static int count_entry(const skep_entry *entry, void *arg)
{
    (void)entry;
    ++*(size_t *)arg;
    return 0;
}

size_t hive_objects(skep_store *store)
{
    size_t n = 0;

    ASSERT_OK(skep_store_list(store, count_entry, &n, ERR));
    return n;
}

int hive_is_empty(void *store)
{
    return hive_objects(store) == 0;
}

/* Other children may be: a sanitizer's own, which turns addresses into names. */
static void close_server(struct hive *hive)
{
    int n = hive->server == NULL ? 0 : skep_server_workers(hive->server);
    long pids[64];

    assert_in_range(n, 0, 64);
    for (int i = 0; i < n; i++) {
        skep_worker_stats stats = SKEP_WORKER_STATS_INIT;

        ASSERT_OK(skep_server_worker_stats(hive->server, i, &stats));
        pids[i] = stats.pid;
    }
    skep_server_close(hive->server);
    for (int i = 0; i < n; i++)
        assert_true(kill((pid_t)pids[i], 0) != 0 && errno == ESRCH);
}

void hive_close(struct hive *hive)
{
    skep_queues_close(hive->queues);
    close_server(hive);
    if (hive->store != NULL) {
        if (!hive_wait(hive_is_empty, hive->store))
            fail_msg("%zu objects are left", hive_objects(hive->store));
        skep_store_unref(hive->store);
    }
    assert_int_equal(entries(hive->dir), 0);
    assert_int_equal(rmdir(hive->dir), 0);
    assert_in_range(hive_fds(), hive->fds,
                    hive->fds + 2 * HIVE_SANITIZED); /* a sanitizer may have begun to talk to a child */
}

void hive_send(struct hive *hive, const char *topic, skep_task **give)
{
    ASSERT_OK(skep_queues_send(hive->queues, topic, give, ERR));
    assert_null(*give);
}

skep_task *hive_receive(struct hive *hive, const char *topic)
{
    skep_task *task = NULL;

    ASSERT_OK(skep_queues_receive(hive->queues, topic, skep_in_ms(PATIENCE_MS), &task, ERR));
    return task;
}

skep_task *hive_run(struct hive *hive, skep_task **give)
{
    hive_send(hive, "default", give);
    return hive_receive(hive, "default");
}

long hive_spawn(const char *const *args, int *read_end)
{
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int out[2];

    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    assert_int_equal(posix_spawn(&pid, "/proc/self/exe", &actions, NULL, (char *const *)(uintptr_t)args, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    *read_end = out[0];
    return pid;
}
