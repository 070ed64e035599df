/* benchmarks/send.c - sends tasks as a thinker does, and checks that each is answered, once, and rightly. */
#include "benchmarks/human.h"
#include "benchmarks/pattern.h"
#include "benchmarks/steering.h"
#include "benchmarks/stop.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MS      60000 /* for one answer, with others before it */
#define WARM_UP_ROUNDS 1000
#define WORKERS_MAX    256

/* How a kind of task is made, and which answer the `index`th one of a run must have. */
struct kind {
    skep_task *(*make)(struct bench_sender *sender, uint64_t index);
    int (*index)(struct bench_sender *sender, const skep_task *task, uint64_t *out); /* 0: the answer is none of ours */
};

/* ---- echo: the answer is the index, the payload's sum added ------------------------------------------- */

static skep_task *make_echo(struct bench_sender *sender, uint64_t index)
{
    skep_task *task = skep_task_new(BENCH_METHOD_ECHO);

    skep_task_add_int(task, (int64_t)index);
    if (sender->payload != NULL)
        skep_task_add_buf(task, sender->payload);
    return task;
}

static int index_of_echo(struct bench_sender *sender, const skep_task *task, uint64_t *out)
{
    int64_t value;

    if (skep_task_value_int(task, &value) != SKEP_OK)
        return 0;
    *out = (uint64_t)value - sender->payload_sum;
    return 1;
}

/* ---- model: the sender's words say which part was read, the answer is its sum --------------------------- */

/* Parts one after the other, so that a run goes over the whole model. */
static uint64_t part_offset(const struct bench_tasks *wanted, uint64_t index)
{
    uint64_t parts = wanted->model_bytes / wanted->read_bytes;

    return index % parts * wanted->read_bytes;
}

static skep_task *make_work(struct bench_sender *sender, uint64_t index)
{
    skep_task *task = skep_task_new(BENCH_METHOD_MODEL);
    char info[32];

    snprintf(info, sizeof info, "%" PRIu64, index);
    skep_task_set_info(task, info);
    skep_task_add_int(task, (int64_t)sender->wanted->work_ns);
    return task;
}

static skep_task *make_model(struct bench_sender *sender, uint64_t index)
{
    skep_task *task = make_work(sender, index);

    skep_task_add_proxy(task, sender->model);
    skep_task_add_int(task, (int64_t)part_offset(sender->wanted, index));
    skep_task_add_int(task, (int64_t)sender->wanted->read_bytes);
    return task;
}

static int index_of_work(struct bench_sender *sender, const skep_task *task, uint64_t *out)
{
    int64_t value;

    (void)sender;
    *out = strtoull(skep_task_info(task), NULL, 10);
    return skep_task_value_int(task, &value) == SKEP_OK && value == 0;
}

static int index_of_model(struct bench_sender *sender, const skep_task *task, uint64_t *out)
{
    const struct bench_tasks *wanted = sender->wanted;
    int64_t value;

    *out = strtoull(skep_task_info(task), NULL, 10);
    return skep_task_value_int(task, &value) == SKEP_OK &&
           (uint64_t)value == bench_pattern_sum((size_t)wanted->read_bytes, sender->model_seed, part_offset(wanted, *out));
}

static const struct kind kinds[] = {
    [BENCH_ECHO] = {make_echo, index_of_echo},
    [BENCH_WORK] = {make_work, index_of_work},
    [BENCH_MODEL] = {make_model, index_of_model},
};

/* ---- sending -------------------------------------------------------------------------------------------- */

static void wrong(struct bench_sender *sender, const char *what)
{
    if (sender->sums.errors++ == 0)
        snprintf(sender->sums.failure, sizeof sender->sums.failure, "%.250s", what);
}

static void count(struct bench_sender *sender, const struct kind *kind, const skep_task *task, uint64_t tasks)
{
    struct bench_sums *sums = &sender->sums;
    uint64_t index;

    sums->moved_bytes += skep_task_moved_bytes(task);
    sums->referred_bytes += skep_task_referred_bytes(task);
    sums->message_bytes += skep_task_message_bytes(task);
    sums->resolves += skep_task_resolves(task);
    if (!skep_task_ok(task))
        wrong(sender, skep_task_failure(task));
    else if (!kind->index(sender, task, &index) || index >= tasks)
        wrong(sender, "a task came back with a wrong answer");
    else if (sender->answered[index / 8] & 1u << index % 8)
        wrong(sender, "a task came back twice");
    else
        sender->answered[index / 8] |= (unsigned char)(1u << index % 8);
}

static int send_one(struct bench_sender *sender, const struct kind *kind, uint64_t index, skep_error *err)
{
    skep_task *task = kind->make(sender, index);

    return skep_queues_send(sender->queues, BENCH_TOPIC, &task, err);
}

static int receive_one(struct bench_sender *sender, const struct kind *kind, uint64_t tasks, skep_task **take,
                       skep_error *err)
{
    int rc = skep_queues_receive(sender->queues, BENCH_TOPIC, skep_in_ms(ANSWER_MS), take, err);

    if (rc == SKEP_OK)
        count(sender, kind, *take, tasks);
    return rc;
}

static int start(struct bench_sender *sender, uint64_t tasks, skep_error *err)
{
    free(sender->answered);
    sender->answered = calloc(1, (size_t)(tasks / 8 + 1));
    return sender->answered != NULL ? SKEP_OK : skep_fail(err, SKEP_ENOMEM, "no memory for %" PRIu64 " tasks", tasks);
}

static int interrupted(skep_error *err)
{
    return bench_stop_asked() ? skep_fail(err, SKEP_ECANCELED, "interrupted") : SKEP_OK;
}

/* Take back answers `from` to `to` of a run of `tasks`. */
static int receive_up_to(struct bench_sender *sender, const struct kind *kind, uint64_t tasks, uint64_t from, uint64_t to,
                         skep_error *err)
{
    int rc = SKEP_OK;

    for (uint64_t n = from; rc == SKEP_OK && n < to; n++) {
        skep_task *task = NULL;

        rc = receive_one(sender, kind, tasks, &task, err);
        skep_task_free(task);
    }
    bench_human_progress("%" PRIu64 " of %" PRIu64 " tasks", to, tasks);
    return rc == SKEP_OK ? interrupted(err) : rc;
}

/* A window of tasks is kept outstanding; half of it is taken back at a time, so that queues have more than one to carry. */
int bench_send_many(struct bench_sender *sender, enum bench_kind which, uint64_t tasks, uint64_t *elapsed_ns,
                    skep_error *err)
{
    uint64_t sent = 0, received = 0, window = sender->wanted->window, began_ns;
    int rc = start(sender, tasks, err);

    began_ns = skep_now_ns();
    while (rc == SKEP_OK && received < tasks) {
        uint64_t until;

        while (rc == SKEP_OK && sent < tasks && sent - received < window)
            rc = send_one(sender, &kinds[which], sent++, err);
        until = sent == tasks ? sent : sent - window / 2;
        if (rc == SKEP_OK)
            rc = receive_up_to(sender, &kinds[which], tasks, received, until, err);
        received = until;
    }
    *elapsed_ns = skep_now_ns() - began_ns;
    return rc;
}

static int add_ns(struct bench_series *series, uint64_t ns)
{
    struct bench_cost cost = {ns, 0, 0, 0, 0};

    return bench_series_add(series, &cost);
}

static int note_trip(struct bench_trips *out, const struct bench_cost *cost, const skep_task *task)
{
    uint64_t last = skep_task_stamp_ns(task, 0);
    int rc = bench_series_add(&out->all, cost);

    for (int i = 1; rc == SKEP_OK && i < SKEP_STAMP_COUNT; i++) {
        uint64_t now = skep_task_stamp_ns(task, i);

        if (now == 0)
            continue;
        rc = add_ns(&out->stamp[i], now > last ? now - last : 0);
        last = now;
    }
    for (int i = 0; rc == SKEP_OK && i < SKEP_SPAN_COUNT; i++)
        rc = add_ns(&out->span[i], skep_task_span_ns(task, i));
    return rc;
}

void bench_trips_free(struct bench_trips *trips)
{
    bench_series_free(&trips->all);
    for (int i = 0; i < SKEP_STAMP_COUNT; i++)
        bench_series_free(&trips->stamp[i]);
    for (int i = 0; i < SKEP_SPAN_COUNT; i++)
        bench_series_free(&trips->span[i]);
}

int bench_send_one_by_one(struct bench_sender *sender, enum bench_kind which, uint64_t tasks, struct bench_trips *out,
                          skep_error *err)
{
    const struct kind *kind = &kinds[which];
    struct bench_meter meter;
    struct bench_cost cost;
    int rc = start(sender, tasks, err);

    bench_meter_init(&meter);
    for (uint64_t i = 0; rc == SKEP_OK && i < tasks; i++) {
        skep_task *task = NULL;

        bench_meter_start(&meter);
        rc = send_one(sender, kind, i, err);
        if (rc == SKEP_OK)
            rc = receive_one(sender, kind, tasks, &task, err);
        bench_meter_stop(&meter, &cost);
        if (rc == SKEP_OK && (rc = note_trip(out, &cost, task)) != SKEP_OK)
            rc = skep_fail(err, rc, "no memory for the samples");
        skep_task_free(task);
        if (rc == SKEP_OK)
            rc = interrupted(err);
    }
    return rc;
}

/* One task a worker; `seen` says which of them answered. */
static int round_of_models(struct bench_sender *sender, unsigned char seen[WORKERS_MAX], skep_error *err)
{
    uint64_t workers = (uint64_t)sender->workers;
    int rc = start(sender, workers, err);

    for (uint64_t i = 0; rc == SKEP_OK && i < workers; i++)
        rc = send_one(sender, &kinds[BENCH_MODEL], i, err);
    for (uint64_t i = 0; rc == SKEP_OK && i < workers; i++) {
        skep_task *task = NULL;
        int worker = -1;

        if ((rc = receive_one(sender, &kinds[BENCH_MODEL], workers, &task, err)) == SKEP_OK)
            worker = skep_task_worker_index(task);
        if (worker >= 0 && worker < WORKERS_MAX)
            seen[worker] = 1;
        skep_task_free(task);
    }
    return rc == SKEP_OK ? interrupted(err) : rc;
}

/* With all of them at work at once, each gets a task sooner or later. */
int bench_send_warm_up_model(struct bench_sender *sender, skep_error *err)
{
    unsigned char seen[WORKERS_MAX] = {0};
    int missing = sender->workers, rc = SKEP_OK;

    for (int round = 0; rc == SKEP_OK && missing > 0 && round < WARM_UP_ROUNDS; round++) {
        rc = round_of_models(sender, seen, err);
        missing = sender->workers;
        for (int i = 0; i < WORKERS_MAX; i++)
            missing -= seen[i];
    }
    if (rc == SKEP_OK && missing > 0)
        rc = skep_fail(err, SKEP_EFAILED, "%d of %d workers never got a task", missing, sender->workers);
    return rc;
}
