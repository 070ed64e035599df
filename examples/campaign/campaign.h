/* campaign.h - what the parts of the campaign share. */
#ifndef CAMPAIGN_H
#define CAMPAIGN_H

#include "search.h"

#include <skep/steering.h>

struct options {
    const char *model;   /* a safetensors file; NULL: one is made up */
    size_t generate;     /* about that many bytes */
    long budget;         /* tasks in all */
    int pool, batch;     /* candidates in all, and in a task */
    int refine_every;    /* rounds */
    const char *workers; /* of the engine, as its URI has them */
    const char *queue;   /* NULL: a socket of its own */
    const char *store;   /* NULL: a node store of its own, which ends with the program */
    int is_inline;       /* the model travels in each task */
    int verify, json;
};

/* What was found, in a form that two runs can be compared by. */
struct findings {
    float best_score;
    float best[SCORE_WIDTH];
    int rounds, versions;
    uint64_t digest; /* of every score of every round */
    int signal;      /* that ended it, or 0 */
};

/* Sums of what the tasks say of themselves. */
enum { REPORT_WORKERS = 256 };
struct report {
    struct report_worker {
        char name[64];
        uint64_t tasks, run_ns, resolve_ns, resolves;
    } workers[REPORT_WORKERS];
    int n;
    uint64_t begin_ns, end_ns; /* first task sent, last result back; monotonic */
    uint64_t tasks, message_bytes, referred_bytes, moved_bytes;
    uint64_t published, published_bytes; /* versions of the model */
};

int score_method(skep_call *call, void *unused);

/* Only a signal ends a run early; then the findings are those of the rounds that were whole. */
int thinker_run(const struct options *o, skep_queues *queues, skep_store *store, struct findings *found,
                struct report *report, skep_error *err);
/* All of it again, in this process alone, from the same start and for as many rounds. */
int verify_run(const struct options *o, int rounds, struct findings *found, skep_error *err);

/* The n-th round is ranked: note it. */
void findings_add(struct findings *found, const struct search *s);

void report_add(struct report *report, const skep_task *task);
void report_progress(const struct options *o, const struct report *report, const struct findings *found);
void report_print(const struct options *o, const struct report *report, const struct findings *found);

/* Version 0: in the store as *model, or in memory as *bytes where there is no store. */
int start_model(const struct options *o, skep_store *store, skep_proxy **model, skep_buf **bytes, skep_error *err);

#endif
