/* benchmarks/session.c - store, task server, workers and queues of `skep bench steering`: up, and down again. */
#include "benchmarks/pattern.h"
#include "benchmarks/steering.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define START_MS   60000 /* for the workers to be there */
#define EVICTED_MS 2000  /* for the last evictions */
#define MODEL_SEED 2026

static int open_server(struct bench_session *s, const struct bench_tasks *wanted, skep_error *err)
{
    skep_server_opts opts = SKEP_SERVER_OPTS_INIT;
    char store[SKEP_URI_MAX];
    int rc;

    if (wanted->queue == NULL) {
        const char *tmp = getenv("TMPDIR");
        char prefix[64]; /* a socket's path is short */

        snprintf(prefix, sizeof prefix, "%.40s/skep-bench-", tmp != NULL && tmp[0] == '/' ? tmp : "/tmp");
        if ((rc = bench_scratch_open(prefix, &s->dir, err)) != SKEP_OK)
            return rc;
        /* a folder in it, because ours is locked, and a task server locks the one that its socket is in */
        if (mkdirat(s->dir.fd, "queue", 0700) != 0)
            return skep_fail(err, skep_err_from_errno(errno), "%.200s/queue: %s", s->dir.path, strerror(errno));
        snprintf(s->queue, sizeof s->queue, "ipc://%.500s/queue/socket", s->dir.path);
    } else if ((size_t)snprintf(s->queue, sizeof s->queue, "%s", wanted->queue) >= sizeof s->queue) {
        return skep_fail(err, SKEP_ETOOBIG, "--queue: longer than a URI may be");
    }
    opts.by_ns = skep_in_ms(START_MS);
    /* over tcp:// a server allows no store of its own accord */
    if (s->sender.store != NULL && (rc = skep_store_identity(s->sender.store, store, sizeof store)) != SKEP_OK)
        return skep_fail(err, rc, "the store has no identity");
    opts.allow = s->sender.store != NULL ? store : NULL;
    if ((rc = skep_server_open(s->queue, wanted->engine, &opts, &s->sender.server, err)) != SKEP_OK)
        return rc;
    s->sender.workers = skep_server_workers(s->sender.server);
    return skep_server_uri(s->sender.server, s->queue, sizeof s->queue);
}

static int open_queues(struct bench_session *s, const struct bench_tasks *wanted, skep_error *err)
{
    skep_queues_opts opts = SKEP_QUEUES_OPTS_INIT;
    skep_topic_opts topic = SKEP_TOPIC_OPTS_INIT;
    int rc;

    opts.by_ns = skep_in_ms(START_MS);
    if ((rc = skep_queues_open(s->queue, &opts, &s->sender.queues, err)) != SKEP_OK)
        return rc;
    topic.store = s->sender.store;
    topic.threshold_bytes = wanted->threshold_bytes;
    return skep_queues_topic(s->sender.queues, BENCH_TOPIC, &topic, err);
}

static int open_store(struct bench_session *s, const struct bench_tasks *wanted, skep_error *err)
{
    char own[SKEP_URI_MAX];

    if (wanted->inlined || (wanted->payload_bytes == 0 && wanted->model_bytes == 0))
        return SKEP_OK;
    snprintf(own, sizeof own, "shm://skep-bench-%ld?lifetime=session", (long)getpid());
    return skep_store_open(wanted->store != NULL ? wanted->store : own, NULL, &s->sender.store, err);
}

static void free_payload(void *unused, void *data, size_t size)
{
    (void)unused;
    (void)size;
    free(data);
}

static int make_payload(struct bench_session *s, size_t size, skep_error *err)
{
    void *data = malloc(size);
    int rc;

    if (data == NULL)
        return skep_fail(err, SKEP_ENOMEM, "no memory for a payload of %zu bytes", size);
    bench_pattern_fill(data, size, MODEL_SEED);
    s->sender.payload_sum = bench_sum(data, size);
    if ((rc = skep_buf_wrap(data, size, free_payload, NULL, &s->sender.payload)) == SKEP_OK)
        return rc;
    free(data);
    return skep_fail(err, rc, "no memory for a payload");
}

/* Written in place: the model is put once, and nowhere else. */
static int make_model(struct bench_session *s, size_t size, skep_error *err)
{
    skep_ref ref = SKEP_REF_INIT;
    skep_slot *slot;
    int rc = skep_store_reserve(s->sender.store, size, NULL, &slot, err);

    if (rc != SKEP_OK)
        return rc;
    bench_pattern_fill(skep_slot_data(slot), size, MODEL_SEED);
    s->sender.model_seed = MODEL_SEED;
    if ((rc = skep_slot_commit(&slot, &ref, err)) != SKEP_OK)
        return rc;
    return skep_store_proxy_of(s->sender.store, &ref, NULL, &s->sender.model, err);
}

int bench_session_open(struct bench_session *s, const struct bench_tasks *wanted, skep_error *err)
{
    int rc;

    memset(s, 0, sizeof *s);
    s->dir.fd = -1;
    s->sender.wanted = wanted;
    if ((rc = open_store(s, wanted, err)) != SKEP_OK || (rc = open_server(s, wanted, err)) != SKEP_OK ||
        (rc = open_queues(s, wanted, err)) != SKEP_OK)
        return rc;
    if (wanted->payload_bytes > 0)
        rc = make_payload(s, (size_t)wanted->payload_bytes, err);
    if (rc == SKEP_OK && wanted->model_bytes > 0)
        rc = make_model(s, (size_t)wanted->model_bytes, err);
    return rc;
}

static int count_object(const skep_entry *entry, void *arg)
{
    if (entry->name == NULL)
        ++*(uint64_t *)arg;
    return 0;
}

uint64_t bench_session_left(const struct bench_session *s)
{
    const struct timespec pause = {0, 10000000};
    uint64_t left = 0, by_ns = skep_in_ms(EVICTED_MS);

    if (s->sender.store == NULL || s->sender.wanted->store != NULL)
        return 0;
    for (;;) {
        left = 0;
        if (skep_store_list(s->sender.store, count_object, &left, NULL) != SKEP_OK)
            return 0; /* a store that can't be listed says nothing */
        left -= s->sender.model != NULL && left > 0;
        if (left == 0 || skep_now_ns() >= by_ns)
            return left;
        nanosleep(&pause, NULL);
    }
}

void bench_session_close(struct bench_session *s)
{
    skep_buf_unref(s->sender.payload);
    if (s->sender.model != NULL)
        skep_proxy_evict(s->sender.model, SKEP_FOREVER, NULL);
    skep_proxy_unref(s->sender.model);
    skep_queues_close(s->sender.queues);
    skep_server_close(s->sender.server);
    skep_store_unref(s->sender.store);
    free(s->sender.answered);
    bench_scratch_close(&s->dir);
}
