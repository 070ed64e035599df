/* benchmarks/runner.c - takes the samples of one row: ours, and beside each one of the raw road. */
#include "benchmarks/runner.h"
#include "benchmarks/environment.h"
#include "benchmarks/fail.h"
#include "benchmarks/human.h"
#include "benchmarks/pattern.h"
#include "benchmarks/stop.h"

#include <skep/clock.h>

#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#define ERRORS_MAX 3 /* of one row, after which it is given up */
#define HUGE_PAGE  ((size_t)2 << 20)

/* ---- memory of our own ---------------------------------------------------------------------------------- */

int bench_runner_init(const struct bench_plan *plan, struct bench_runner *out, skep_error *err)
{
    uint64_t available = bench_environment_memory_available(), largest = 0;
    char size[BENCH_WORD_MAX], needed[BENCH_WORD_MAX], have[BENCH_WORD_MAX];

    memset(out, 0, sizeof *out);
    out->plan = plan;
    for (size_t i = 0; i < plan->sizes.count; i++)
        if (plan->sizes.bytes[i] > largest)
            largest = plan->sizes.bytes[i];
    /* Beside the two halves there is the object itself, and its raw twin, in memory too for shm and memory. */
    if (available != 0 && largest > available / 4)
        return skep_fail(err, SKEP_ENOMEM, "for objects of %s, %s of memory are needed, %s are available",
                         bench_human_size(largest, size), bench_human_size(largest * 4, needed),
                         bench_human_size(available, have));
    out->half = ((size_t)largest + HUGE_PAGE) & ~(HUGE_PAGE - 1);
    out->memory = mmap(NULL, out->half * 2 + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (out->memory == MAP_FAILED) {
        out->memory = NULL;
        return skep_fail(err, SKEP_ENOMEM, "no %s of memory", bench_human_size(out->half * 2, needed));
    }
    if (plan->huge)
        madvise(out->memory, out->half * 2 + HUGE_PAGE, MADV_HUGEPAGE); /* where the kernel has none, base pages serve */
    bench_human_progress("touching %s of memory", bench_human_size(out->half * 2, needed));
    memset(out->memory, 1, out->half * 2 + HUGE_PAGE);
    bench_meter_init(&out->meter);
    return SKEP_OK;
}

void bench_runner_fini(struct bench_runner *runner)
{
    if (runner->memory != NULL)
        munmap(runner->memory, runner->half * 2 + HUGE_PAGE);
    runner->memory = NULL;
}

/* ---- one sample ----------------------------------------------------------------------------------------- */

static uint64_t moved_so_far(skep_store *store)
{
    static const int ops[] = {SKEP_OP_GET, SKEP_OP_READ, SKEP_OP_RESOLVE};
    uint64_t bytes = 0;

    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        skep_metrics metrics = SKEP_METRICS_INIT;

        if (skep_store_metrics(store, ops[i], &metrics) == SKEP_OK)
            bytes += metrics.moved_bytes;
    }
    return bytes;
}

static int sample_raw(struct bench_runner *runner, const struct bench_raw *raw, struct bench_row *row,
                      struct bench_cost *cost, skep_error *err)
{
    int rc = raw->before != NULL ? raw->before(row) : 0;

    if (rc == 0) {
        bench_meter_start(&runner->meter);
        rc = raw->run(row);
        bench_meter_stop(&runner->meter, cost);
    }
    if (raw->after != NULL)
        raw->after(row);
    if (rc != 0)
        return skep_fail(err, skep_err_from_errno(rc), "the raw road (%s): %s", raw->name, strerror(rc));
    return SKEP_OK;
}

static int sample_ours(struct bench_runner *runner, const struct bench_op *op, struct bench_row *row,
                       struct bench_cost *cost, uint64_t *moved, skep_error *err)
{
    uint64_t before = moved_so_far(row->road->store);
    int rc;

    bench_meter_start(&runner->meter);
    rc = op->run(row, err);
    bench_meter_stop(&runner->meter, cost);
    *moved = moved_so_far(row->road->store) - before;
    return rc;
}

static int prepare(struct bench_runner *runner, const struct bench_op *op, struct bench_row *row, skep_error *err)
{
    int rc = SKEP_OK;

    row->seed = ++runner->seed;
    bench_pattern_fill(row->source, row->size, row->seed);
    if (op->flags & BENCH_OP_OBJECT)
        rc = bench_row_put(row, err);
    if (rc == SKEP_OK && op->before != NULL)
        rc = op->before(row, err);
    return rc;
}

/* One of ours and one of theirs, taking turns at being first. */
static int sample(struct bench_runner *runner, struct bench_result *result, struct bench_row *row, int timed,
                  skep_error *err)
{
    const struct bench_raw *raw = result->raw;
    struct bench_cost ours, theirs;
    uint64_t moved;
    int rc = prepare(runner, result->op, row, err), raw_first = runner->seed % 2 == 0;

    if (rc == SKEP_OK && raw != NULL && raw_first)
        rc = sample_raw(runner, raw, row, &theirs, err);
    if (rc == SKEP_OK)
        rc = sample_ours(runner, result->op, row, &ours, &moved, err);
    if (rc == SKEP_OK && raw != NULL && !raw_first)
        rc = sample_raw(runner, raw, row, &theirs, err);
    if (rc == SKEP_OK && !runner->plan->no_verify)
        rc = result->op->check(row, err);
    if (rc != SKEP_OK || !timed)
        return rc;
    result->summed |= (row->ref.flags & SKEP_REF_SUM) != 0;
    result->moved_bytes += moved;
    rc = bench_series_add(&result->ours, &ours);
    if (rc == SKEP_OK && raw != NULL)
        rc = bench_series_add(&result->theirs, &theirs);
    return rc == SKEP_OK ? rc : skep_fail(err, rc, "no memory for the samples");
}

/* ---- one row -------------------------------------------------------------------------------------------- */

static void complain(struct bench_result *result, const skep_error *err)
{
    char size[BENCH_WORD_MAX];
    int status = bench_failf("skep bench", err->code, "%s of %s: %s", result->op->name, bench_human_size(result->size, size),
                             err->text);

    result->status = result->errors++ == 0 ? status : result->status;
}

static void show_progress(const struct bench_result *result, const struct bench_samples *wanted, uint64_t done)
{
    char size[BENCH_WORD_MAX];

    if (wanted->most == wanted->least)
        bench_human_progress("%s %s %s: %" PRIu64 " of %" PRIu64, result->road->scheme, result->op->name,
                             bench_human_size(result->size, size), done, wanted->most);
    else
        bench_human_progress("%s %s %s: %" PRIu64, result->road->scheme, result->op->name,
                             bench_human_size(result->size, size), done);
}

static void samples(struct bench_runner *runner, struct bench_result *result, struct bench_row *row)
{
    const struct bench_plan *plan = runner->plan;
    struct bench_samples wanted = bench_plan_samples(plan, row->size);
    uint64_t started = 0, shown = 0;

    result->warm_up = wanted.warm_up;
    for (uint64_t n = 0; n < wanted.warm_up + wanted.most && result->errors < ERRORS_MAX && !bench_stop_asked(); n++) {
        uint64_t now = skep_now_ns();
        skep_error err;

        if (n == wanted.warm_up)
            started = now;
        if (n >= wanted.warm_up + wanted.least && plan->count == 0 && now - started >= plan->row_ns)
            break;
        if (now - shown > 100000000u) {
            show_progress(result, &wanted, n);
            shown = now;
        }
        if (sample(runner, result, row, n >= wanted.warm_up, &err) != SKEP_OK)
            complain(result, &err);
        if (bench_row_clean(row, &err) != SKEP_OK)
            complain(result, &err);
    }
}

/* What the library compared under the clock: with a checksum there, what was moved, or all if verify=full. A part cannot be
 * compared without the rest. */
static const char *what_was_checked(const struct bench_result *result)
{
    const struct bench_road *road = result->road;
    int part = (result->op->flags & BENCH_OP_RANGE) != 0 && result->range < result->size;

    if ((result->op->flags & BENCH_OP_GETS) == 0 || !result->summed || road->verify_off)
        return "none";
    return road->verify_full || (result->moved_bytes > 0 && !part) ? "full" : "none";
}

void bench_runner_row(struct bench_runner *runner, struct bench_road *road, const struct bench_op *op, size_t size,
                      struct bench_result *out)
{
    struct bench_row row = {.road = road, .size = size, .ref = SKEP_REF_INIT};
    size_t align = HUGE_PAGE - (uintptr_t)runner->memory % HUGE_PAGE;
    skep_error err;
    int raw_rc = 0;

    memset(out, 0, sizeof *out);
    row.range = runner->plan->range < size ? (size_t)runner->plan->range : size;
    row.source = runner->memory + align;
    row.warm = row.source + runner->half;
    row.seed = runner->seed;
    out->road = road;
    out->op = op;
    out->size = size;
    out->range = row.range;
    out->huge = runner->plan->huge;
    out->raw = bench_raw_for(op, &row);
    if (out->raw != NULL && out->raw->begin != NULL && (raw_rc = out->raw->begin(&row)) != 0) {
        skep_fail(&err, SKEP_EIO, "the raw road (%s): %s", out->raw->name, strerror(raw_rc));
        complain(out, &err);
    } else if (op->begin != NULL && op->begin(&row, &err) != SKEP_OK) {
        complain(out, &err);
    } else {
        samples(runner, out, &row);
    }
    if (op->end != NULL)
        op->end(&row);
    if (out->raw != NULL && out->raw->end != NULL)
        out->raw->end(&row);
    out->verified = !runner->plan->no_verify && out->errors == 0 && out->ours.count > 0;
    out->checked = what_was_checked(out);
}

void bench_result_free(struct bench_result *result)
{
    bench_series_free(&result->ours);
    bench_series_free(&result->theirs);
}
