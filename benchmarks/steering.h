/* benchmarks/steering.h - `skep bench steering`: a thinker, a task server and workers, all started here. */
#ifndef SKEP_BENCH_STEERING_H
#define SKEP_BENCH_STEERING_H

#include "benchmarks/meter.h"
#include "benchmarks/scratch.h"

#include <skep/steering.h>

#define BENCH_METHOD_ECHO  "skep.bench.echo"  /* (int id [, bytes]) -> id + the sum of the bytes */
#define BENCH_METHOD_MODEL "skep.bench.model" /* (int work_ns [, bytes, int offset, int size]) -> the sum of that part */
#define BENCH_TOPIC        "bench"

/* What `skep bench steering` was asked to do. */
struct bench_tasks {
    const char *engine, *queue; /* queue NULL: a socket of our own */
    const char *store;          /* NULL: a shm store of our own */
    uint64_t tasks, window, round_trips;
    uint64_t payload_bytes, threshold_bytes;
    uint64_t model_bytes, read_bytes, work_ns; /* model_bytes 0: no model */
    int inlined;                               /* nothing becomes a proxy */
    int json, help;
};

/* 0, or main's exit status. */
int bench_tasks_parse(int argc, char **argv, struct bench_tasks *out);

/* What a run of tasks came to, summed over their records. */
struct bench_sums {
    uint64_t errors;
    uint64_t moved_bytes, referred_bytes, message_bytes, resolves;
    char failure[256]; /* of the first that failed */
};

/* A thinker's end, with what it sends. */
struct bench_sender {
    const struct bench_tasks *wanted;
    skep_queues *queues;
    skep_server *server;
    int workers;
    skep_store *store;
    skep_buf *payload; /* NULL: none */
    uint64_t payload_sum;
    skep_proxy *model; /* NULL: none */
    uint64_t model_seed;
    unsigned char *answered; /* a bit for each task of this run */
    struct bench_sums sums;
};

/* Round trips, and where their time went. */
struct bench_trips {
    struct bench_series all;
    struct bench_series stamp[SKEP_STAMP_COUNT]; /* from the stamp before it; nothing of the first */
    struct bench_series span[SKEP_SPAN_COUNT];
};
void bench_trips_free(struct bench_trips *trips);

enum bench_kind { BENCH_ECHO, BENCH_WORK, BENCH_MODEL };

/* Each returns SKEP_OK or what stopped it; tasks that failed are only counted. */
/* A window of them outstanding, from the first sent to the last received. */
int bench_send_many(struct bench_sender *sender, enum bench_kind kind, uint64_t tasks, uint64_t *elapsed_ns,
                    skep_error *err);
int bench_send_one_by_one(struct bench_sender *sender, enum bench_kind kind, uint64_t tasks, struct bench_trips *out,
                          skep_error *err);
/* Until every worker has resolved the model once. */
int bench_send_warm_up_model(struct bench_sender *sender, skep_error *err);

/* All that a campaign has. */
struct bench_session {
    struct bench_sender sender;
    struct bench_scratch dir; /* of the socket; fd -1: none of ours */
    char queue[SKEP_URI_MAX];
};
int bench_session_open(struct bench_session *s, const struct bench_tasks *wanted, skep_error *err);
/* Objects in our own store besides the model, once the queues had time to evict what they made: there should be none. */
uint64_t bench_session_left(const struct bench_session *s);
void bench_session_close(struct bench_session *s); /* after a failed open too: store, workers and socket are gone */

/* argv[0] is "steering". */
int bench_steering_main(int argc, char **argv, int whole_argc, char **whole);

#endif
