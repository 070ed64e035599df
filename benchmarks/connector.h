/* benchmarks/connector.h - `skep bench connector`. */
#ifndef SKEP_BENCH_CONNECTOR_H
#define SKEP_BENCH_CONNECTOR_H

/* argv[0] is "connector"; `whole` is bench's command line, for the record. Returns main's exit status. */
int bench_connector_main(int argc, char **argv, int whole_argc, char **whole);

#endif
