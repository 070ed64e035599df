/* benchmarks/bench.c - `skep bench`: which benchmark, and what there is. */
#include "benchmarks/bench.h"
#include "benchmarks/args.h"
#include "benchmarks/connector.h"
#include "benchmarks/fail.h"
#include "benchmarks/stop.h"
#if SKEP_BENCH_STEERING
#include "benchmarks/steering.h"
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *help;
    int (*run)(int argc, char **argv, int whole_argc, char **whole);
} benchmarks[] = {
    {"connector", "put, get and resolve on connectors, beside the raw road for the same bytes", bench_connector_main},
#if SKEP_BENCH_STEERING
    {"steering", "tasks a second, round trips, and tasks that read a model", bench_steering_main},
#endif
};
#define BENCHMARKS (sizeof benchmarks / sizeof benchmarks[0])

static int help(FILE *out)
{
    fputs("usage: skep bench connector URI... [options]\n", out);
#if SKEP_BENCH_STEERING
    fputs("       skep bench steering --engine URI --tasks N [options]\n", out);
#endif
    fputs("\n", out);
    for (size_t i = 0; i < BENCHMARKS; i++)
        fprintf(out, "  %-10s %s\n", benchmarks[i].name, benchmarks[i].help);
    fputs("\n`skep bench connector --help` and so on show the options, with examples.\n", out);
    return 0;
}

/* Options are found by moving the words about; the record wants them as they were typed. */
static int run(size_t which, int argc, char **argv)
{
    char **words = calloc((size_t)argc + 1, sizeof *words);
    int rc;

    if (words == NULL)
        return bench_failf("skep bench", SKEP_ENOMEM, "no memory");
    memcpy(words, argv, (size_t)argc * sizeof *words);
    bench_stop_install();
    rc = benchmarks[which].run(argc - 1, words + 1, argc, argv);
    free(words);
    bench_stop_finish();
    return rc;
}

int skep_bench_main(int argc, char **argv)
{
    const char *name;

    bench_fail_read(argc, argv);
    if (argc > 2 && strcmp(argv[1], "--json") == 0) { /* as well in front of the benchmark's name */
        char *json = argv[1];

        argv[1] = argv[2];
        argv[2] = json;
    }
    name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return help(stdout);
    for (size_t i = 0; i < BENCHMARKS; i++)
        if (strcmp(name, benchmarks[i].name) == 0)
            return run(i, argc, argv);
    if (strcmp(name, "steering") == 0)
        return bench_failf("skep bench", SKEP_ENOTSUP, "this build is without steering, so there is nothing to measure");
    if (name[0] == '\0')
        return bench_args_fail("skep bench", "which benchmark?");
    return bench_args_fail("skep bench", "no benchmark '%s'", name);
}
