/* search.h - the pool of candidates and how it moves on: the best stay, the rest are bred from them. */
#ifndef CAMPAIGN_SEARCH_H
#define CAMPAIGN_SEARCH_H

#include "score.h"

struct search {
    float *pool;   /* n candidates of SCORE_WIDTH numbers */
    float *scores; /* of this round */
    float *next;
    int *rank; /* indices by falling score */
    int n;
    int round;
    int best_round;
    float best_score; /* of the last round that was ranked, and the candidate that had it */
    float best[SCORE_WIDTH];
};

int search_open(struct search *s, int n, skep_error *err); /* round 0: random candidates, the same in each run */
void search_close(struct search *s);
void search_rank(struct search *s);  /* the scores are in: find the best. Depends on them alone, not on who came first */
void search_breed(struct search *s); /* the next round */

#endif
