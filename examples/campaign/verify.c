/* verify.c - the campaign once more, in one process and one thread, to compare with. */
#include "campaign.h"
#include "numbers.h"
#include "refine.h"

#include <stdlib.h>
#include <string.h>

void findings_add(struct findings *found, const struct search *s)
{
    for (int i = 0; i < s->n; i++) {
        uint32_t bits;

        memcpy(&bits, &s->scores[i], sizeof bits);
        found->digest = numbers_mix(found->digest, bits, (uint64_t)i);
    }
    found->rounds++;
    found->best_score = s->best_score;
    memcpy(found->best, s->best, sizeof found->best);
}

static int score_pool(const struct options *o, const struct model *model, struct search *s, skep_error *err)
{
    int rc = SKEP_OK;

    for (int i = 0; rc == SKEP_OK && i < o->pool; i += o->batch)
        rc = score_batch(model, s->pool + (size_t)i * SCORE_WIDTH, o->batch, s->scores + i, NULL, NULL, err);
    return rc;
}

/* Two blocks of memory take turns. */
struct versions {
    const void *now;
    void *blocks[2];
    size_t size;
    int turn;
};

static int one_round(const struct options *o, struct versions *v, struct search *s, int last, struct findings *found,
                     skep_error *err)
{
    struct model model;
    int rc = model_open(v->now, v->size, &model, err);

    if (rc != SKEP_OK)
        return rc;
    rc = score_pool(o, &model, s, err);
    if (rc == SKEP_OK) {
        search_rank(s);
        findings_add(found, s);
    }
    if (rc == SKEP_OK && !last && found->rounds % o->refine_every == 0) {
        rc = refine_model(&model, v->now, v->size, s->best, v->blocks[v->turn], err);
        v->now = v->blocks[v->turn];
        v->turn = !v->turn;
        found->versions++;
    }
    model_close(&model);
    if (rc == SKEP_OK && !last)
        search_breed(s);
    return rc;
}

int verify_run(const struct options *o, int rounds, struct findings *found, skep_error *err)
{
    struct versions v = {0};
    struct search s = {0};
    skep_buf *start = NULL;
    int rc = search_open(&s, o->pool, err);

    if (rc == SKEP_OK)
        rc = start_model(o, NULL, NULL, &start, err);
    if (rc == SKEP_OK) {
        v.now = skep_buf_data(start);
        v.size = skep_buf_size(start);
        v.blocks[0] = malloc(v.size);
        v.blocks[1] = malloc(v.size);
        if (v.blocks[0] == NULL || v.blocks[1] == NULL)
            rc = skep_fail(err, SKEP_ENOMEM, "verify: no memory for two versions of %zu bytes", v.size);
    }
    *found = (struct findings){.versions = 1};
    for (int i = 1; rc == SKEP_OK && i <= rounds; i++)
        rc = one_round(o, &v, &s, i == rounds, found, err);
    free(v.blocks[0]);
    free(v.blocks[1]);
    skep_buf_unref(start);
    search_close(&s);
    return rc;
}
