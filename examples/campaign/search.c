/* search.c - see search.h. */
#include "search.h"
#include "numbers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int search_open(struct search *s, int n, skep_error *err)
{
    size_t numbers = (size_t)n * SCORE_WIDTH;

    *s = (struct search){.n = n};
    s->pool = malloc(numbers * sizeof *s->pool);
    s->next = malloc(numbers * sizeof *s->next);
    s->scores = calloc((size_t)n, sizeof *s->scores);
    s->rank = calloc((size_t)n, sizeof *s->rank);
    if (!s->pool || !s->next || !s->scores || !s->rank) {
        search_close(s);
        return skep_fail(err, SKEP_ENOMEM, "search: out of memory");
    }
    for (size_t i = 0; i < numbers; i++)
        s->pool[i] = numbers_normal(1, i, 0);
    return SKEP_OK;
}

void search_close(struct search *s)
{
    free(s->pool);
    free(s->next);
    free(s->scores);
    free(s->rank);
    *s = (struct search){0};
}

/* A score that is not a number is worse than any; equals go by their place in the pool. */
static int better(const struct search *s, int a, int b)
{
    float x = isnan(s->scores[a]) ? -INFINITY : s->scores[a], y = isnan(s->scores[b]) ? -INFINITY : s->scores[b];

    return x != y ? x > y : a < b;
}

void search_rank(struct search *s)
{
    for (int i = 0; i < s->n; i++) { /* by insertion: a pool is small */
        int at = i;

        for (; at > 0 && better(s, i, s->rank[at - 1]); at--)
            s->rank[at] = s->rank[at - 1];
        s->rank[at] = i;
    }
    s->best_round = s->round;
    s->best_score = s->scores[s->rank[0]];
    memcpy(s->best, s->pool + (size_t)s->rank[0] * SCORE_WIDTH, sizeof s->best);
}

void search_breed(struct search *s)
{
    int keep = s->n / 4 > 0 ? s->n / 4 : 1;
    float *swap = s->pool;

    s->round++;
    for (int i = 0; i < s->n; i++) {
        uint64_t dice = numbers_mix(2, (uint64_t)s->round, (uint64_t)i);
        const float *a = s->pool + (size_t)s->rank[i < keep ? i : (int)(dice % (uint64_t)keep)] * SCORE_WIDTH;
        const float *b = s->pool + (size_t)s->rank[(int)((dice >> 20) % (uint64_t)keep)] * SCORE_WIDTH;
        float *child = s->next + (size_t)i * SCORE_WIDTH;

        for (int k = 0; k < SCORE_WIDTH; k++)
            child[k] = i < keep ? a[k]
                                : (dice >> (k & 31) & 1 ? a[k] : b[k]) +
                                      0.2f * numbers_normal(3, (uint64_t)s->round * 65536u + (uint64_t)i, (uint64_t)k);
    }
    s->pool = s->next;
    s->next = swap;
}
