/* benchmarks/stop.h - an interrupt ends a run in order: objects are evicted, files and workers are gone. */
#ifndef SKEP_BENCH_STOP_H
#define SKEP_BENCH_STOP_H

void bench_stop_install(void); /* from now on SIGINT, SIGTERM and SIGHUP are noted; the second one ends the process */
int bench_stop_asked(void);    /* the signal, or 0 */
void bench_stop_finish(void);  /* puts the handlers back that were there, and ends as the noted signal would have */

#endif
