/* score.h - what a model makes of a candidate: every tensor takes part, by matrix products. */
#ifndef CAMPAIGN_SCORE_H
#define CAMPAIGN_SCORE_H

#include "model.h"

enum {
    SCORE_WIDTH = 64,     /* numbers in a candidate */
    SCORE_BATCH = 64,     /* most candidates that are scored at once */
    SCORE_PANEL = 1 << 20 /* most elements of a tensor that are converted at once */
};

/* Called for each matrix when `n` is 1: what went in (`cols` numbers) and what came out (`rows`). */
typedef int (*score_seen)(void *arg, const struct matrix *m, const float *in, const float *out, skep_error *err);

/* The scores of `n` candidates of SCORE_WIDTH numbers. The same bytes give the same scores, to the last bit, in any process
 * of one machine. `seen` may be NULL. */
int score_batch(const struct model *model, const float *candidates, int n, float *scores, score_seen seen, void *arg,
                skep_error *err);

#endif
