/* benchmarks/human.c - sizes, times and rates as people read them, and a line that says how far a run is. */
#include "benchmarks/human.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BAR_UNIT 8 /* characters for a ratio of 1 */
#define BAR_MAX  20

/* Three digits that matter. */
static char *with_unit(double value, const char *unit, char *out)
{
    snprintf(out, BENCH_WORD_MAX, "%.*f %s", value < 9.995 ? 2 : value < 99.95 ? 1 : 0, value, unit);
    return out;
}

char *bench_human_size(uint64_t bytes, char *out)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;

    while (value >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1024;
        unit++;
    }
    snprintf(out, BENCH_WORD_MAX, "%.4g %s", value, units[unit]);
    return out;
}

char *bench_human_time(uint64_t ns, char *out)
{
    if (ns < 1000) {
        snprintf(out, BENCH_WORD_MAX, "%" PRIu64 " ns", ns);
        return out;
    }
    if (ns < 1000000)
        return with_unit((double)ns / 1e3, "us", out);
    if (ns < 1000000000)
        return with_unit((double)ns / 1e6, "ms", out);
    return with_unit((double)ns / 1e9, "s", out);
}

char *bench_human_rate(double per_second, char *out)
{
    static const char *const units[] = {"B/s", "KiB/s", "MiB/s", "GiB/s", "TiB/s"};
    size_t unit = 0;

    while (per_second >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
        per_second /= 1024;
        unit++;
    }
    return with_unit(per_second, units[unit], out);
}

char *bench_human_count(double count, char *out)
{
    if (count < 10000)
        snprintf(out, BENCH_WORD_MAX, "%.4g", count);
    else if (count < 1e6)
        snprintf(out, BENCH_WORD_MAX, "%.3gk", count / 1e3);
    else
        snprintf(out, BENCH_WORD_MAX, "%.3gM", count / 1e6);
    return out;
}

char *bench_human_bar(double ratio, char *out)
{
    double wanted = ratio * BAR_UNIT + 0.5;
    int filled = wanted >= BAR_MAX ? BAR_MAX : wanted > 0 ? (int)wanted : 0;
    int length = filled > BAR_UNIT ? filled : BAR_UNIT;
    int at = 0;

    for (int i = 0; i < length; i++) {
        if (i == BAR_UNIT)
            out[at++] = '|';
        out[at++] = i < filled ? '#' : ' ';
    }
    if (length == BAR_UNIT)
        out[at++] = '|';
    if (filled == BAR_MAX)
        out[at - 1] = '>';
    out[at] = '\0';
    return out;
}

void bench_human_progress(const char *format, ...)
{
    va_list args;

    if (!isatty(STDERR_FILENO))
        return;
    fputs("\r\033[K", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fflush(stderr);
}

void bench_human_progress_clear(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}
