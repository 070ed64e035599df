/* thinker.c - the steering: score a round of candidates, keep the best, refine the model now and then, go on. */
#include "campaign.h"
#include "numbers.h"
#include "refine.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ATTEMPTS = 3 };

static volatile sig_atomic_t interrupted; /* the signal */

static void interrupt(int signal_number)
{
    interrupted = signal_number;
}

struct thinking {
    const struct options *o;
    skep_store *store; /* NULL with --inline */
    skep_proxy *model; /* the version in use, in the store */
    skep_buf *bytes;   /* the same in memory, with --inline */
    struct findings *found;

    pthread_mutex_t mu; /* guards what follows between the agent and the processor */
    pthread_cond_t changed;
    struct search search;
    struct report *report;
    int missing; /* results of this round that are not back */
};

int start_model(const struct options *o, skep_store *store, skep_proxy **model, skep_buf **bytes, skep_error *err)
{
    skep_put_opts opts = SKEP_PUT_OPTS_INIT;
    struct model check;
    skep_buf *file = NULL;
    int rc;

    if (o->model == NULL)
        return model_generate(o->generate, store, model, bytes, err);
    rc = model_load(o->model, &file, err);
    if (rc == SKEP_OK)
        rc = model_open(skep_buf_data(file), skep_buf_size(file), &check, err);
    if (rc != SKEP_OK) {
        skep_buf_unref(file);
        return rc;
    }
    model_close(&check);
    if (store == NULL) {
        *bytes = file;
        return SKEP_OK;
    }
    opts.codec = "safetensors";
    rc = skep_store_proxy(store, skep_buf_data(file), skep_buf_size(file), &opts, model, err);
    skep_buf_unref(file);
    return rc;
}

static int bytes_of(struct thinking *t, const void **data, size_t *size, skep_error *err)
{
    if (t->bytes == NULL)
        return skep_proxy_resolve(t->model, SKEP_FOREVER, data, size, err);
    *data = skep_buf_data(t->bytes);
    *size = skep_buf_size(t->bytes);
    return SKEP_OK;
}

/* Whoever looks for "latest" finds this version, and the one before is gone. */
static int publish(struct thinking *t, skep_proxy *next, skep_error *err)
{
    char handle[SKEP_HANDLE_MAX];
    int rc = skep_proxy_handle(next, handle, sizeof handle);

    if (rc == SKEP_OK)
        rc = skep_store_name_set(t->store, "latest", handle, SKEP_FOREVER, err);
    if (rc == SKEP_OK && t->model != NULL) {
        rc = skep_proxy_evict(t->model, SKEP_FOREVER, err);
        skep_proxy_unref(t->model);
    }
    t->model = next;
    return rc;
}

static void free_bytes(void *arg, void *data, size_t size)
{
    (void)arg;
    (void)size;
    free(data);
}

static int refine_in_memory(struct thinking *t, const struct model *model, const void *data, size_t size, skep_error *err)
{
    void *to = malloc(size);
    skep_buf *next;
    int rc = to == NULL ? skep_fail(err, SKEP_ENOMEM, "no memory for %zu bytes", size)
                        : refine_model(model, data, size, t->search.best, to, err);

    if (rc == SKEP_OK)
        rc = skep_buf_wrap(to, size, free_bytes, NULL, &next);
    if (rc != SKEP_OK) {
        free(to);
        return rc;
    }
    skep_buf_unref(t->bytes);
    t->bytes = next;
    return SKEP_OK;
}

/* The next version is written where it will lie: it is in memory once. */
static int refine_in_store(struct thinking *t, const struct model *model, const void *data, size_t size, skep_error *err)
{
    skep_put_opts opts = SKEP_PUT_OPTS_INIT;
    skep_ref ref = SKEP_REF_INIT;
    skep_slot *slot;
    skep_proxy *next;
    int rc;

    opts.codec = "safetensors";
    rc = skep_store_reserve(t->store, size, &opts, &slot, err);
    if (rc != SKEP_OK)
        return rc;
    rc = refine_model(model, data, size, t->search.best, skep_slot_data(slot), err);
    if (rc != SKEP_OK) {
        skep_slot_abort(slot);
        return rc;
    }
    rc = skep_slot_commit(&slot, &ref, err);
    if (rc == SKEP_OK)
        rc = skep_store_proxy_of(t->store, &ref, "safetensors", &next, err);
    return rc != SKEP_OK ? rc : publish(t, next, err);
}

static int refine(struct thinking *t, skep_error *err)
{
    const void *data;
    size_t size;
    struct model model;
    int rc = bytes_of(t, &data, &size, err);

    if (rc != SKEP_OK || (rc = model_open(data, size, &model, err)) != SKEP_OK)
        return rc;
    rc = t->store ? refine_in_store(t, &model, data, size, err) : refine_in_memory(t, &model, data, size, err);
    model_close(&model);
    if (rc == SKEP_OK) {
        t->found->versions++;
        t->report->published++;
        t->report->published_bytes += size;
    }
    return rc;
}

/* The batch that begins at candidate `first`. 0: it can't be sent; run says why. */
static int send_batch(skep_thinker *thinker, struct thinking *t, int first, int attempt)
{
    skep_task *task = skep_task_new("score");
    char info[32];

    if (t->bytes != NULL)
        skep_task_add_buf(task, t->bytes);
    else
        skep_task_add_proxy(task, t->model);
    skep_task_add_bytes(task, t->search.pool + (size_t)first * SCORE_WIDTH,
                        (size_t)t->o->batch * SCORE_WIDTH * sizeof(float));
    snprintf(info, sizeof info, "%d %d", first, attempt);
    skep_task_set_info(task, info);
    return skep_thinker_send(thinker, "score", &task) == SKEP_OK;
}

static void send_round(skep_thinker *thinker, struct thinking *t, int tasks)
{
    pthread_mutex_lock(&t->mu);
    t->missing = tasks;
    pthread_mutex_unlock(&t->mu);
    for (int i = 0; i < tasks && !interrupted; i++)
        if (!send_batch(thinker, t, i * t->o->batch, 1))
            return;
}

/* 1: every result of the round is here. 0: the campaign is to end. */
static int wait_round(skep_thinker *thinker, struct thinking *t)
{
    int whole;

    pthread_mutex_lock(&t->mu);
    while (t->missing > 0 && !interrupted && !skep_thinker_is_done(thinker)) {
        struct timespec until;

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 100000000; /* to look at the signal again */
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&t->changed, &t->mu, &until);
    }
    whole = t->missing == 0;
    pthread_mutex_unlock(&t->mu);
    return whole;
}

static void steer(skep_thinker *thinker, void *arg)
{
    struct thinking *t = arg;
    int a_round = t->o->pool / t->o->batch;
    skep_error err;

    t->report->begin_ns = skep_now_ns();
    for (long left = t->o->budget / a_round; left > 0; left--) {
        send_round(thinker, t, a_round);
        if (!wait_round(thinker, t))
            return;
        search_rank(&t->search);
        findings_add(t->found, &t->search);
        if (!isfinite(t->found->best_score)) {
            skep_thinker_fail(thinker, "this model makes no finite number of any candidate");
            return;
        }
        report_progress(t->o, t->report, t->found);
        if (left > 1 && t->found->rounds % t->o->refine_every == 0 && refine(t, &err) != SKEP_OK) {
            skep_thinker_fail(thinker, "refining the model: %s", err.text);
            return;
        }
        if (left > 1)
            search_breed(&t->search);
    }
}

/* A worker that died is no fault of its task: another gets it. */
static void failed(skep_thinker *thinker, struct thinking *t, const skep_task *task, int first, int attempt)
{
    if (interrupted)
        return;
    if (skep_task_code(task) != SKEP_EFAILED || attempt == ATTEMPTS) {
        skep_thinker_fail(thinker, "%s", skep_task_failure(task));
        return;
    }
    fprintf(stderr, "campaign: %s; sent again\n", skep_task_failure(task));
    send_batch(thinker, t, first, attempt + 1);
}

static void scored(skep_thinker *thinker, const skep_task *task, void *arg)
{
    struct thinking *t = arg;
    const void *scores;
    size_t size;
    char *rest;
    int first = (int)strtol(skep_task_info(task), &rest, 10), attempt = (int)strtol(rest, NULL, 10);

    if (!skep_task_ok(task)) {
        failed(thinker, t, task, first, attempt);
        return;
    }
    if (skep_task_value_bytes(task, &scores, &size) != SKEP_OK || size != (size_t)t->o->batch * sizeof(float)) {
        skep_thinker_fail(thinker, "task %s came back without its %d scores", skep_task_id(task), t->o->batch);
        return;
    }
    pthread_mutex_lock(&t->mu);
    memcpy(t->search.scores + first, scores, size);
    report_add(t->report, task);
    t->missing--;
    pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->mu);
}

static int think(struct thinking *t, skep_queues *queues, skep_error *err)
{
    skep_topic_opts topic = SKEP_TOPIC_OPTS_INIT;
    skep_thinker *thinker;
    int rc;

    topic.store = t->store;
    rc = skep_queues_topic(queues, "score", &topic, err);
    if (rc != SKEP_OK || (rc = skep_thinker_new(queues, &thinker, err)) != SKEP_OK)
        return rc;
    skep_thinker_agent(thinker, "steer", steer, t);
    skep_thinker_result_processor(thinker, "score", scored, t);
    rc = skep_thinker_run(thinker, err);
    skep_thinker_free(thinker);
    return rc;
}

int thinker_run(const struct options *o, skep_queues *queues, skep_store *store, struct findings *found,
                struct report *report, skep_error *err)
{
    struct thinking t = {.o = o,
                         .store = store,
                         .found = found,
                         .report = report,
                         .mu = PTHREAD_MUTEX_INITIALIZER,
                         .changed = PTHREAD_COND_INITIALIZER};
    struct sigaction on_signal = {.sa_handler = interrupt, .sa_flags = (int)SA_RESETHAND}; /* the second time it kills */
    skep_proxy *first = NULL;
    skep_error ignored;
    int rc = search_open(&t.search, o->pool, err);

    sigaction(SIGINT, &on_signal, NULL);
    sigaction(SIGTERM, &on_signal, NULL);
    sigaction(SIGHUP, &on_signal, NULL);
    if (rc == SKEP_OK)
        rc = start_model(o, store, &first, &t.bytes, err);
    if (rc == SKEP_OK && first != NULL)
        rc = publish(&t, first, err);
    if (rc == SKEP_OK && t.model != NULL)
        rc = skep_proxy_size(t.model, SKEP_FOREVER, &report->published_bytes, err);
    if (rc == SKEP_OK) {
        report->published = 1;
        found->versions = 1;
        rc = think(&t, queues, err);
    }
    if (rc == SKEP_OK && interrupted)
        rc = skep_fail(err, SKEP_ECANCELED, "interrupted after %d rounds", found->rounds);
    found->signal = interrupted;
    if (t.model != NULL) {
        skep_store_name_set(store, "latest", NULL, SKEP_FOREVER, &ignored);
        skep_proxy_evict(t.model, SKEP_FOREVER, &ignored);
    }
    skep_proxy_unref(t.model);
    skep_buf_unref(t.bytes);
    search_close(&t.search);
    return rc;
}
