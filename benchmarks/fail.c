/* benchmarks/fail.c - how `skep bench` says that something failed. */
#include "benchmarks/fail.h"
#include "benchmarks/exit_status.h"
#include "benchmarks/human.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int records;

void bench_fail_read(int argc, char **argv)
{
    records = 0;
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        records |= strcmp(argv[i], "--json") == 0;
}

int bench_fail(const char *who, const skep_error *err)
{
    bench_human_progress_clear();
    fprintf(stderr, "%s: %s\n", who, err->text);
    if (records)
        exit_status_record("bench", err);
    return exit_status_of(err->code);
}

int bench_failf(const char *who, int code, const char *format, ...)
{
    skep_error err = {code, ""};
    va_list args;

    va_start(args, format);
    vsnprintf(err.text, sizeof err.text, format, args);
    va_end(args);
    return bench_fail(who, &err);
}
