/* benchmarks/steering.c - `skep bench steering`: measures, and says what it came to. */
#include "benchmarks/steering.h"
#include "benchmarks/environment.h"
#include "benchmarks/fail.h"
#include "benchmarks/flush.h"
#include "benchmarks/human.h"
#include "benchmarks/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODEL_ROUNDS 20    /* the tasks with and without the model take turns in as many pieces */
#define WARM_UP      10000 /* no-op tasks before the clock, so that every pool has grown */

struct result {
    struct bench_trips trips;
    uint64_t elapsed_ns, plain_ns; /* plain: the same tasks without the model */
    int64_t rss_growth_bytes;
    uint64_t objects_left;
};

/* ---- measuring ---------------------------------------------------------------------------------------------- */

static int64_t rss_of(long pid)
{
    char path[64], line[128] = "";
    long long pages = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%ld/statm", pid);
    if ((file = fopen(path, "re")) == NULL)
        return 0;
    if (fgets(line, sizeof line, file) != NULL)
        pages = strtoll(line + strcspn(line, " "), NULL, 10);
    fclose(file);
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

/* Thinker and server, which are this process, and every worker. */
static int64_t rss_now(const struct bench_sender *sender)
{
    int64_t sum = rss_of((long)getpid());

    for (int i = 0; i < sender->workers; i++) {
        skep_worker_stats stats = SKEP_WORKER_STATS_INIT;

        if (skep_server_worker_stats(sender->server, i, &stats) == SKEP_OK)
            sum += rss_of(stats.pid);
    }
    return sum;
}

static int measure_tasks(struct bench_sender *sender, struct result *out, skep_error *err)
{
    const struct bench_tasks *wanted = sender->wanted;
    struct bench_trips ignored;
    uint64_t ignored_ns, warm_up = wanted->tasks < WARM_UP ? wanted->tasks : WARM_UP;
    int rc;

    memset(&ignored, 0, sizeof ignored);
    if ((rc = bench_send_many(sender, BENCH_ECHO, warm_up, &ignored_ns, err)) != SKEP_OK ||
        (rc = bench_send_one_by_one(sender, BENCH_ECHO, warm_up < 200 ? warm_up : 200, &ignored, err)) != SKEP_OK)
        goto out;
    if ((rc = bench_send_one_by_one(sender, BENCH_ECHO, wanted->round_trips, &out->trips, err)) != SKEP_OK)
        goto out;
    sender->sums.moved_bytes = sender->sums.referred_bytes = sender->sums.message_bytes = sender->sums.resolves = 0;
    out->rss_growth_bytes = -rss_now(sender);
    rc = bench_send_many(sender, BENCH_ECHO, wanted->tasks, &out->elapsed_ns, err);
    out->rss_growth_bytes += rss_now(sender);
out:
    bench_trips_free(&ignored);
    return rc;
}

/* Both kinds of task take turns, so that what else the machine does meets both. */
static int measure_model(struct bench_sender *sender, struct result *out, skep_error *err)
{
    uint64_t tasks = sender->wanted->tasks, rounds = tasks < MODEL_ROUNDS ? tasks : MODEL_ROUNDS, done = 0;
    int rc = bench_send_warm_up_model(sender, err);

    out->rss_growth_bytes = -rss_now(sender);
    for (uint64_t round = 0; rc == SKEP_OK && round < rounds; round++) {
        uint64_t piece = tasks * (round + 1) / rounds - done, ns;

        for (uint64_t turn = 0; rc == SKEP_OK && turn < 2; turn++) {
            int with_model = (round + turn) % 2 == 0;

            rc = bench_send_many(sender, with_model ? BENCH_MODEL : BENCH_WORK, piece, &ns, err);
            *(with_model ? &out->elapsed_ns : &out->plain_ns) += ns;
        }
        done += piece;
    }
    out->rss_growth_bytes += rss_now(sender);
    if (rc == SKEP_OK)
        rc = bench_send_one_by_one(sender, BENCH_MODEL, sender->wanted->round_trips, &out->trips, err);
    return rc;
}

/* ---- reporting ---------------------------------------------------------------------------------------------- */

static double tasks_per_s(const struct bench_tasks *wanted, uint64_t ns)
{
    return ns > 0 ? (double)wanted->tasks * 1e9 / (double)ns : -1;
}

static double ratio(const struct result *result)
{
    return result->plain_ns > 0 ? (double)result->elapsed_ns / (double)result->plain_ns : -1;
}

static void report_json(const struct bench_session *s, struct result *result)
{
    const struct bench_tasks *wanted = s->sender.wanted;
    const struct bench_sums *sums = &s->sender.sums;
    struct json_line json = json_line_begin(stdout, "steering");

    json_line_text(&json, "engine", wanted->engine);
    json_line_text(&json, "queue", s->queue);
    json_line_uint(&json, "workers", (uint64_t)s->sender.workers);
    json_line_uint(&json, "tasks", wanted->tasks);
    json_line_uint(&json, "payload_bytes", wanted->payload_bytes);
    json_line_real(&json, "tasks_per_s", tasks_per_s(wanted, result->elapsed_ns));
    json_line_uint(&json, "p50_ns", bench_series_quantile(&result->trips.all, 0.5));
    json_line_uint(&json, "p99_ns", bench_series_quantile(&result->trips.all, 0.99));
    json_line_uint(&json, "bytes_moved", sums->moved_bytes);
    json_line_uint(&json, "bytes_referred", sums->referred_bytes);
    json_line_uint(&json, "bytes_messages", sums->message_bytes);
    json_line_uint(&json, "resolves", sums->resolves);
    json_line_uint(&json, "errors", sums->errors);
    json_line_uint(&json, "elapsed_ns", result->elapsed_ns);
    json_line_uint(&json, "round_trips", result->trips.all.count);
    json_line_uint(&json, "window", wanted->window);
    json_line_int(&json, "rss_growth_bytes", result->rss_growth_bytes);
    json_line_uint(&json, "objects_left", result->objects_left);
    json_line_open(&json, "stages_p50_ns");
    for (int i = 1; i < SKEP_STAMP_COUNT; i++)
        json_line_uint(&json, skep_stamp_name(i), bench_series_quantile(&result->trips.stamp[i], 0.5));
    json_line_close(&json);
    json_line_open(&json, "spans_p50_ns");
    for (int i = 0; i < SKEP_SPAN_COUNT; i++)
        json_line_uint(&json, skep_span_name(i), bench_series_quantile(&result->trips.span[i], 0.5));
    json_line_close(&json);
    if (wanted->model_bytes > 0) {
        json_line_uint(&json, "model_bytes", wanted->model_bytes);
        json_line_uint(&json, "read_bytes", wanted->read_bytes);
        json_line_uint(&json, "work_ns", wanted->work_ns);
        json_line_open(&json, "baseline");
        json_line_text(&json, "name", "without a model");
        json_line_uint(&json, "elapsed_ns", result->plain_ns);
        json_line_close(&json);
        json_line_real(&json, "ratio", ratio(result));
    }
    json_line_end(&json);
}

static void report_text(const struct bench_session *s, struct result *result)
{
    const struct bench_tasks *wanted = s->sender.wanted;
    const struct bench_sums *sums = &s->sender.sums;
    char a[BENCH_WORD_MAX], b[BENCH_WORD_MAX], c[BENCH_WORD_MAX], d[BENCH_WORD_MAX];
    int64_t growth = result->rss_growth_bytes;

    printf("\n%s over %s, %d workers, %" PRIu64 " tasks", wanted->engine, s->queue, s->sender.workers, wanted->tasks);
    if (wanted->payload_bytes > 0)
        printf(" of %s%s", bench_human_size(wanted->payload_bytes, a), wanted->inlined ? ", inline" : "");
    printf("\n  rate         %s tasks/s, %" PRIu64 " outstanding\n",
           bench_human_count(tasks_per_s(wanted, result->elapsed_ns), a), wanted->window);
    printf("  round trip   p50 %s, p99 %s, max %s, one outstanding\n",
           bench_human_time(bench_series_quantile(&result->trips.all, 0.5), a),
           bench_human_time(bench_series_quantile(&result->trips.all, 0.99), b),
           bench_human_time(bench_series_quantile(&result->trips.all, 1), c));
    printf("  of which    ");
    for (int i = 1; i < SKEP_STAMP_COUNT; i++)
        printf(" %s %s,", skep_stamp_name(i), bench_human_time(bench_series_quantile(&result->trips.stamp[i], 0.5), a));
    printf(" each after the one before; p50\n");
    printf("  bytes        referred to %s, moved %s, in messages %s; %" PRIu64 " resolves\n",
           bench_human_size(sums->referred_bytes, a), bench_human_size(sums->moved_bytes, b),
           bench_human_size(sums->message_bytes, c), sums->resolves);
    printf("  memory       %s%s over the run\n", growth < 0 ? "-" : "+",
           bench_human_size((uint64_t)(growth < 0 ? -growth : growth), a));
    if (wanted->model_bytes > 0)
        printf("  model        of %s, each task reads %s: %s, the same tasks without it %s, ratio %.3f\n",
               bench_human_size(wanted->model_bytes, a), bench_human_size(wanted->read_bytes, b),
               bench_human_time(result->elapsed_ns, c), bench_human_time(result->plain_ns, d), ratio(result));
    printf("  errors       %" PRIu64 "\n", sums->errors);
}

/* What was wrong with a run that came to its end: an exit status. */
static int complaints(const struct bench_session *s, const struct result *result)
{
    const struct bench_sums *sums = &s->sender.sums;
    int status = 0;

    if (sums->errors > 0)
        status =
            bench_failf("skep bench", SKEP_EFAILED, "%" PRIu64 " tasks failed; the first: %s", sums->errors, sums->failure);
    if (result->objects_left > 0)
        status = bench_failf("skep bench", SKEP_EFAILED, "%" PRIu64 " objects of tasks are left in the store",
                             result->objects_left);
    return status;
}

static int measure(struct bench_session *s, const struct bench_tasks *wanted, struct result *result)
{
    skep_error err;
    int rc = bench_session_open(s, wanted, &err);

    if (rc == SKEP_OK)
        rc = wanted->model_bytes > 0 ? measure_model(&s->sender, result, &err) : measure_tasks(&s->sender, result, &err);
    bench_human_progress_clear();
    if (rc != SKEP_OK)
        return bench_fail("skep bench", &err);
    result->objects_left = bench_session_left(s);
    if (wanted->json)
        report_json(s, result);
    else
        report_text(s, result);
    return complaints(s, result);
}

int bench_steering_main(int argc, char **argv, int whole_argc, char **whole)
{
    struct bench_environment env;
    struct bench_tasks wanted;
    struct bench_session s;
    struct result result;
    int rc = bench_tasks_parse(argc, argv, &wanted);

    if (rc != 0 || wanted.help)
        return rc;
    memset(&result, 0, sizeof result);
    bench_environment_read(&env);
    if (wanted.json)
        bench_environment_json(&env, stdout, whole_argc, whole);
    else
        bench_environment_text(&env, stdout);
    if (flush_output() != 0)
        return 0; /* main says so */
    rc = measure(&s, &wanted, &result);
    bench_session_close(&s);
    bench_trips_free(&result.trips);
    return rc;
}
