/* benchmarks/report.c - what a row came to, as a JSON record or as a line of a table. */
#include "benchmarks/report.h"
#include "benchmarks/human.h"
#include "benchmarks/json.h"

#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>

#define P999_LEAST 1000 /* samples without which the last tenth of a percent is one of them */

double bench_result_ratio(struct bench_result *result)
{
    uint64_t ours = bench_series_quantile(&result->ours, 0.5), theirs = bench_series_quantile(&result->theirs, 0.5);

    return result->raw != NULL && result->ours.count > 0 && theirs > 0 ? (double)ours / (double)theirs : -1;
}

/* Bytes that passed under the clock, a second; -1 where none did. */
static double rate(const struct bench_result *result)
{
    double bytes = result->op->flags & BENCH_OP_WHOLE   ? (double)result->size
                   : result->op->flags & BENCH_OP_RANGE ? (double)result->range
                                                        : 0;

    if (bytes <= 0 || result->ours.sum.ns == 0)
        return -1;
    return bytes * (double)result->ours.count * 1e9 / (double)result->ours.sum.ns;
}

static void quantile(struct json_line *json, const char *key, struct bench_series *series, double q)
{
    if (series->count == 0)
        json_line_null(json, key);
    else
        json_line_uint(json, key, bench_series_quantile(series, q));
}

static void mean(struct json_line *json, const char *key, const struct bench_series *series, uint64_t sum)
{
    if (series->count == 0)
        json_line_null(json, key);
    else
        json_line_real(json, key, bench_series_mean(series, sum));
}

static void baseline(struct json_line *json, struct bench_result *result)
{
    if (result->raw == NULL) {
        json_line_null(json, "baseline");
        json_line_null(json, "ratio");
        json_line_null(json, "cpu_ratio");
        return;
    }
    json_line_open(json, "baseline");
    json_line_text(json, "name", result->raw->name);
    quantile(json, "p50_ns", &result->theirs, 0.5);
    quantile(json, "p90_ns", &result->theirs, 0.9);
    mean(json, "mean_ns", &result->theirs, result->theirs.sum.ns);
    mean(json, "cpu_ns_per_op", &result->theirs, result->theirs.sum.cpu_ns);
    mean(json, "page_faults_per_op", &result->theirs, result->theirs.sum.faults);
    json_line_close(json);
    json_line_real(json, "ratio", bench_result_ratio(result));
    json_line_real(json, "cpu_ratio",
                   result->theirs.sum.cpu_ns > 0 ? (double)result->ours.sum.cpu_ns / (double)result->theirs.sum.cpu_ns : -1);
}

void bench_report_json(struct bench_result *result, FILE *out)
{
    struct json_line json = json_line_begin(out, "result");
    struct bench_series *ours = &result->ours;
    struct rusage usage;

    json_line_text(&json, "connector", result->road->scheme);
    json_line_text(&json, "uri", result->road->describe);
    json_line_text(&json, "op", result->op->name);
    json_line_uint(&json, "size_bytes", result->size);
    if (result->op->flags & BENCH_OP_RANGE)
        json_line_uint(&json, "range_bytes", result->range);
    json_line_uint(&json, "count", ours->count);
    json_line_uint(&json, "errors", result->errors);
    json_line_bool(&json, "verified", result->verified);
    json_line_text(&json, "checked", result->checked);
    quantile(&json, "p50_ns", ours, 0.5);
    quantile(&json, "p90_ns", ours, 0.9);
    quantile(&json, "p99_ns", ours, 0.99);
    if (ours->count >= P999_LEAST)
        quantile(&json, "p999_ns", ours, 0.999);
    quantile(&json, "max_ns", ours, 1);
    mean(&json, "mean_ns", ours, ours->sum.ns);
    json_line_real(&json, "bytes_per_s", rate(result));
    mean(&json, "cpu_ns_per_op", ours, ours->sum.cpu_ns);
    mean(&json, "cpu_user_ns_per_op", ours, ours->sum.user_ns);
    mean(&json, "cpu_sys_ns_per_op", ours, ours->sum.sys_ns);
    mean(&json, "page_faults_per_op", ours, ours->sum.faults);
    baseline(&json, result);
    mean(&json, "moved_bytes_per_op", ours, result->moved_bytes);
    json_line_bool(&json, "checksum", result->summed);
    json_line_text(&json, "own_pages", result->huge ? "huge" : "base");
    json_line_uint(&json, "warm_up", result->warm_up);
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        json_line_uint(&json, "rss_peak_bytes", (uint64_t)usage.ru_maxrss * 1024u);
    json_line_end(&json);
}

void bench_report_head(const struct bench_road *road, FILE *out)
{
    fprintf(out, "\n%s\n%-9s %9s %6s  %9s %9s %9s %9s  %10s  %9s %7s  %-17s %9s  %6s\n", road->describe, "op", "size", "n",
            "p50", "p90", "p99", "max", "rate", "cpu/op", "faults", "raw", "p50", "ratio");
}

void bench_report_line(struct bench_result *result, FILE *out)
{
    static const double quantiles[] = {0.5, 0.9, 0.99, 1};
    char word[BENCH_WORD_MAX], bar[BENCH_WORD_MAX];
    struct bench_series *ours = &result->ours;
    double per_second = rate(result), ratio = bench_result_ratio(result);

    fprintf(out, "%-9s %9s %6zu ", result->op->name, bench_human_size(result->size, word), ours->count);
    if (ours->count == 0) {
        fprintf(out, " failed\n");
        return;
    }
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++)
        fprintf(out, " %9s", bench_human_time(bench_series_quantile(ours, quantiles[i]), word));
    fprintf(out, "  %10s", per_second > 0 ? bench_human_rate(per_second, word) : "-");
    fprintf(out, "  %9s", bench_human_time((uint64_t)bench_series_mean(ours, ours->sum.cpu_ns), word));
    fprintf(out, " %7s", bench_human_count(bench_series_mean(ours, ours->sum.faults), word));
    if (ratio >= 0)
        fprintf(out, "  %-17s %9s  %6.2f %s", result->raw->name,
                bench_human_time(bench_series_quantile(&result->theirs, 0.5), word), ratio, bench_human_bar(ratio, bar));
    fprintf(out, "%s%s\n", result->errors > 0 ? "  ERRORS" : "", result->verified ? "" : "  not verified");
}
