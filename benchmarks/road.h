/* benchmarks/road.h - one URI under measurement: its store, what is known of its medium, and where its raw road runs. */
#ifndef SKEP_BENCH_ROAD_H
#define SKEP_BENCH_ROAD_H

#include "benchmarks/scratch.h"

#include <skep/store.h>

#define BENCH_SCHEME_MAX 64

struct bench_road {
    char uri[SKEP_URI_MAX];      /* as opened: the caller's, with the cache off */
    char describe[SKEP_URI_MAX]; /* the same with every option filled in and no secret */
    char scheme[BENCH_SCHEME_MAX];
    skep_store *store;        /* NULL between close and open */
    int shared;               /* other processes of this host see its objects */
    int verify_full;          /* the store compares mapped objects too */
    int verify_off;           /* ... or nothing */
    int in_memory;            /* the file system of its objects is memory */
    struct bench_scratch raw; /* a directory of our own on that file system; fd -1: none */
};

/* Checks the URI, opens the store, makes the raw directory. */
int bench_road_open(const char *uri, struct bench_road *out, skep_error *err);
void bench_road_close(struct bench_road *road);

/* Let go of the store and open it again: what this process had mapped or pooled of it is gone. */
void bench_road_drop(struct bench_road *road);
int bench_road_again(struct bench_road *road, skep_error *err);

#endif
