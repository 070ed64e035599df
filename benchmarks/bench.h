/* benchmarks/bench.h - `skep bench`: what every road costs here, beside the raw road for the same bytes.
 *
 * The command calls skep_bench_main with what follows `skep` on its command line: argv[0] is "bench". Built with steering
 * (SKEP_BENCH_STEERING is 1), its main calls, before anything else,
 *
 *     skep_worker_if_asked(argc, argv, skep_bench_methods);
 *
 * because `skep bench steering` starts the same executable again as its workers.
 */
#ifndef SKEP_BENCH_H
#define SKEP_BENCH_H

#if SKEP_BENCH_STEERING
#include <skep/worker.h>
extern const skep_method skep_bench_methods[];
#endif

/* 0: all ran and all payloads were right. Else the exit status of the first failure; standard error says what. */
int skep_bench_main(int argc, char **argv);

#endif
