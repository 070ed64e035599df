/* worker.c - what a worker does: score a batch of candidates with the model that the task names. */
#include "campaign.h"

int score_method(skep_call *call, void *unused)
{
    const void *bytes, *candidates;
    size_t size, n;
    float scores[SCORE_BATCH];
    struct model model;
    skep_error err;
    int rc;

    (void)unused;
    if ((rc = skep_call_bytes(call, 0, &bytes, &size)) != SKEP_OK ||
        (rc = skep_call_bytes(call, 1, &candidates, &n)) != SKEP_OK)
        return rc;
    n /= SCORE_WIDTH * sizeof(float);
    if ((rc = model_open(bytes, size, &model, &err)) != SKEP_OK)
        return skep_call_fail(call, rc, "%s", err.text);
    rc = score_batch(&model, candidates, (int)n, scores, NULL, NULL, &err);
    model_close(&model);
    return rc == SKEP_OK ? skep_call_return_bytes(call, scores, n * sizeof *scores)
                         : skep_call_fail(call, rc, "%s", err.text);
}
