/* benchmarks/stop.h - an interrupt ends a run in order: objects are evicted, files and workers are gone. */
#ifndef SKEP_BENCH_STOP_H
#define SKEP_BENCH_STOP_H

/* From now on SIGINT, SIGTERM and SIGHUP are noted; another one, seconds later, ends the process at once. */
void bench_stop_install(void);
int bench_stop_asked(void); /* the signal, or 0 */
/* Puts the handlers back that were there, and ends as the noted signal would have. Returns if there was none. */
void bench_stop_finish(void);

#endif
