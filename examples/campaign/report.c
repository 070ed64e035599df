/* report.c - what people see: progress while it runs, and at the end what was found, what it cost and what did not move. */
#include "campaign.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void report_add(struct report *r, const skep_task *task)
{
    const char *name = skep_task_worker(task);
    int i = 0;

    while (i < r->n && strcmp(r->workers[i].name, name) != 0)
        i++;
    if (i == r->n && r->n < REPORT_WORKERS)
        snprintf(r->workers[r->n++].name, sizeof r->workers[0].name, "%s", name);
    if (i < r->n) {
        r->workers[i].tasks++;
        r->workers[i].run_ns += skep_task_span_ns(task, SKEP_SPAN_RUN);
        r->workers[i].resolve_ns += skep_task_span_ns(task, SKEP_SPAN_RESOLVE);
        r->workers[i].resolves += skep_task_resolves(task);
    }
    r->tasks++;
    r->message_bytes += skep_task_message_bytes(task);
    r->referred_bytes += skep_task_referred_bytes(task);
    r->moved_bytes += skep_task_moved_bytes(task);
    r->end_ns = skep_now_ns();
}

static double seconds(const struct report *r)
{
    return r->end_ns > r->begin_ns ? (double)(r->end_ns - r->begin_ns) / 1e9 : 1e-9;
}

/* 3 digits and a unit of 1024. */
static const char *human(uint64_t bytes, char out[16])
{
    static const char units[][4] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double x = (double)bytes;
    int u = 0;

    for (; x >= 1000 && u < 4; u++)
        x /= 1024;
    snprintf(out, 16, u == 0 || x >= 100 ? "%.0f %s" : x >= 10 ? "%.1f %s" : "%.2f %s", x, units[u]);
    return out;
}

/* A line that is written over on a terminal; else a line now and then. */
void report_progress(const struct options *o, const struct report *r, const struct findings *found)
{
    static uint64_t last;
    int terminal = isatty(2), ended = (long)r->tasks + o->pool / o->batch > o->budget;
    uint64_t now = skep_now_ns();
    char bar[31];

    if (!ended && now - last < (terminal ? 100000000u : 1000000000u))
        return;
    last = now;
    memset(bar, '.', sizeof bar - 1);
    memset(bar, '#', (size_t)(30.0 * (double)r->tasks / (double)o->budget));
    bar[30] = '\0';
    if (terminal)
        fprintf(stderr, "\r[%s] %llu of %ld tasks, model %d, best %.4f, %.1f tasks/s%s", bar, (unsigned long long)r->tasks,
                o->budget, found->versions, (double)found->best_score, (double)r->tasks / seconds(r), ended ? "\n" : " ");
    else
        fprintf(stderr, "round %d: %llu of %ld tasks, model %d, best %.4f, %.1f tasks/s\n", found->rounds,
                (unsigned long long)r->tasks, o->budget, found->versions, (double)found->best_score,
                (double)r->tasks / seconds(r));
}

static void print_json(const struct options *o, const struct report *r, const struct findings *found)
{
    uint64_t run_ns = 0, resolves = 0;

    for (int i = 0; i < r->n; i++) {
        run_ns += r->workers[i].run_ns;
        resolves += r->workers[i].resolves;
    }
    printf("{\"record\":\"campaign\",\"inline\":%s,\"tasks\":%llu,\"rounds\":%d,\"versions\":%d,\"best_score\":%.9g,"
           "\"digest\":\"%016llx\",\"seconds\":%.6f,\"tasks_per_s\":%.3f,\"workers\":%d,\"run_ns\":%llu,\"resolves\":%llu,"
           "\"referred_bytes\":%llu,\"message_bytes\":%llu,\"moved_bytes\":%llu,\"published_bytes\":%llu}\n",
           o->is_inline ? "true" : "false", (unsigned long long)r->tasks, found->rounds, found->versions,
           (double)found->best_score, (unsigned long long)found->digest, seconds(r), (double)r->tasks / seconds(r), r->n,
           (unsigned long long)run_ns, (unsigned long long)resolves, (unsigned long long)r->referred_bytes,
           (unsigned long long)r->message_bytes, (unsigned long long)r->moved_bytes, (unsigned long long)r->published_bytes);
}

static void print_workers(const struct report *r)
{
    printf("\n%-24s %8s %10s %10s %10s %9s\n", "worker", "tasks", "computing", "resolving", "waiting", "resolved");
    for (int i = 0; i < r->n; i++) {
        const struct report_worker *w = &r->workers[i];
        double run = (double)w->run_ns / 1e9, resolve = (double)w->resolve_ns / 1e9, all = seconds(r);

        printf("%-24s %8llu %8.2f s %8.4f s %8.2f s %9llu\n", w->name, (unsigned long long)w->tasks, run - resolve, resolve,
               all > run ? all - run : 0, (unsigned long long)w->resolves);
    }
}

void report_print(const struct options *o, const struct report *r, const struct findings *found)
{
    char a[16], b[16], c[16];

    if (o->json) {
        print_json(o, r, found);
        return;
    }
    printf("\nbest score        %.6f after %d rounds with %d versions of the model\n", (double)found->best_score,
           found->rounds, found->versions);
    printf("best candidate    %.4f %.4f %.4f ... (%d numbers)\n", (double)found->best[0], (double)found->best[1],
           (double)found->best[2], SCORE_WIDTH);
    printf("tasks             %llu in %.2f s: %.1f tasks/s\n", (unsigned long long)r->tasks, seconds(r),
           (double)r->tasks / seconds(r));
    print_workers(r);
    if (o->is_inline)
        printf("\nthe tasks carried %s: the model travelled in each of them\n", human(r->message_bytes, a));
    else
        printf("\nthe tasks would have carried %s; they carried %s, and %s of objects were copied to workers\n",
               human(r->referred_bytes + r->message_bytes, a), human(r->message_bytes, b), human(r->moved_bytes, c));
    if (!o->is_inline)
        printf("the thinker put %llu versions of the model: %s in all\n", (unsigned long long)r->published,
               human(r->published_bytes, a));
}
