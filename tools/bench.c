/* bench.c - skep bench: the benchmarks are a library of their own, with their own options and help. */
#include "benchmarks/bench.h"
#include "tools/command.h"

const struct cli_command cli_bench = {
    .name = "bench",
    .usage = "connector|steering [OPTION]... [ARGUMENT]...",
    .summary = "measure connectors and steering against the raw roads beneath them",
    .raw = skep_bench_main,
};
