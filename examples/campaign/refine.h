/* refine.h - the next version of a model: each tensor is bent a little towards what the best candidate made of it. */
#ifndef CAMPAIGN_REFINE_H
#define CAMPAIGN_REFINE_H

#include "model.h"

/* Write the version that follows `model` (whose object is `size` bytes at `data`) for `best` (SCORE_WIDTH numbers) to `to`.
 */
int refine_model(const struct model *model, const void *data, size_t size, const float *best, void *to, skep_error *err);

#endif
