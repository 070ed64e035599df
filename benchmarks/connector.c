/* benchmarks/connector.c - `skep bench connector`: every operation, size and connector, and what they came to. */
#include "benchmarks/connector.h"
#include "benchmarks/environment.h"
#include "benchmarks/fail.h"
#include "benchmarks/flush.h"
#include "benchmarks/human.h"
#include "benchmarks/runner.h"
#include "benchmarks/stop.h"

#include <stdlib.h>
#include <string.h>

struct run {
    const struct bench_plan *plan;
    struct bench_runner runner;
    uint64_t *p50s; /* of [op][size][uri]; 0: has none */
    int status;     /* of the first failure */
};

static uint64_t *p50_at(struct run *run, int op, size_t size, int uri)
{
    const struct bench_plan *plan = run->plan;

    return &run->p50s[((size_t)op * plan->sizes.count + size) * (size_t)plan->n_uris + (size_t)uri];
}

static void failed(struct run *run, int status)
{
    run->status = run->status != 0 ? run->status : status;
}

/* Asked to stop, or there is nobody to tell. */
static int is_over(void)
{
    return bench_stop_asked() || flush_output() != 0;
}

static int refuse(struct bench_road *road, const struct bench_op *op)
{
    if ((op->flags & BENCH_OP_SHARED) == 0 || road->shared)
        return 0;
    fprintf(stderr, "skep bench: %s: no other process sees its objects, so there is no %s\n", road->scheme, op->name);
    return 1;
}

static void one_row(struct run *run, struct bench_road *road, int op, size_t size, int uri)
{
    const struct bench_plan *plan = run->plan;
    struct bench_result result;

    bench_runner_row(&run->runner, road, plan->ops[op], (size_t)plan->sizes.bytes[size], &result);
    bench_human_progress_clear();
    if (plan->json)
        bench_report_json(&result, stdout);
    else
        bench_report_line(&result, stdout);
    (void)flush_output();
    *p50_at(run, op, size, uri) = bench_series_quantile(&result.ours, 0.5);
    failed(run, result.status);
    bench_result_free(&result);
}

static void one_road(struct run *run, int uri)
{
    const struct bench_plan *plan = run->plan;
    struct bench_road road;
    skep_error err;

    if (bench_road_open(plan->uris[uri], &road, &err) != SKEP_OK) {
        failed(run, bench_fail("skep bench", &err));
        return;
    }
    if (!plan->json)
        bench_report_head(&road, stdout);
    for (int op = 0; op < plan->n_ops; op++)
        for (size_t size = 0; size < plan->sizes.count && !is_over(); size++) {
            if (refuse(&road, plan->ops[op]))
                break;
            if (road.store == NULL && bench_road_again(&road, &err) != SKEP_OK) {
                failed(run, bench_fail("skep bench", &err));
                goto out;
            }
            one_row(run, &road, op, size, uri);
        }
out:
    bench_road_close(&road);
}

/* Which road is fastest, for which operation and size: where several were measured, people look here first. */
static void print_fastest(struct run *run)
{
    const struct bench_plan *plan = run->plan;
    char word[BENCH_WORD_MAX];

    if (plan->json || plan->n_uris < 2)
        return;
    printf("\nfastest by p50\n");
    for (int op = 0; op < plan->n_ops; op++)
        for (size_t size = 0; size < plan->sizes.count; size++) {
            int best = -1;

            for (int uri = 0; uri < plan->n_uris; uri++)
                if (*p50_at(run, op, size, uri) > 0 &&
                    (best < 0 || *p50_at(run, op, size, uri) < *p50_at(run, op, size, best)))
                    best = uri;
            if (best < 0)
                continue;
            printf("%-9s %9s ", plan->ops[op]->name, bench_human_size(plan->sizes.bytes[size], word));
            printf("%9s  %s", bench_human_time(*p50_at(run, op, size, best), word), plan->uris[best]);
            for (int uri = 0; uri < plan->n_uris; uri++)
                if (uri != best && *p50_at(run, op, size, uri) > 0)
                    printf("; %s %.3gx", plan->uris[uri],
                           (double)*p50_at(run, op, size, uri) / (double)*p50_at(run, op, size, best));
            putchar('\n');
        }
}

int bench_connector_main(int argc, char **argv, int whole_argc, char **whole)
{
    struct bench_environment env;
    struct bench_plan plan;
    struct run run;
    skep_error err;
    int rc = bench_plan_parse(argc, argv, &plan);

    if (rc != 0 || plan.help)
        return rc;
    memset(&run, 0, sizeof run);
    run.plan = &plan;
    bench_environment_read(&env);
    if (plan.json)
        bench_environment_json(&env, stdout, whole_argc, whole);
    else
        bench_environment_text(&env, stdout);
    run.p50s = calloc((size_t)plan.n_uris * (size_t)plan.n_ops * plan.sizes.count, sizeof *run.p50s);
    if (run.p50s == NULL)
        rc = skep_fail(&err, SKEP_ENOMEM, "no memory for %d connectors", plan.n_uris);
    else
        rc = bench_runner_init(&plan, &run.runner, &err);
    if (rc != SKEP_OK) {
        free(run.p50s);
        return bench_fail("skep bench", &err);
    }
    for (int uri = 0; uri < plan.n_uris && !is_over(); uri++)
        one_road(&run, uri);
    print_fastest(&run);
    bench_runner_fini(&run.runner);
    free(run.p50s);
    return run.status;
}
