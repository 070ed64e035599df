/* model.h - the model: any safetensors file of floating-point tensors, or one made up. */
#ifndef CAMPAIGN_MODEL_H
#define CAMPAIGN_MODEL_H

#include <skep/skep.h>

/* One tensor as the matrix it is multiplied as: `rows` by `cols`, row by row. A vector is one row. */
struct matrix {
    const skep_tensor *tensor;
    uint64_t rows, cols;
};

struct model {
    skep_safetensors *st;
    struct matrix *matrices; /* those with elements, in the order of their bytes */
    size_t n;
};

/* A model over bytes that stay the caller's until model_close. SKEP_EINVAL: a tensor that is not floating-point. */
int model_open(const void *data, size_t size, struct model *out, skep_error *err);
void model_close(struct model *model);

/* The bytes of version 0: a file, mapped. */
int model_load(const char *path, skep_buf **take, skep_error *err);
/* Or put into the store at once, or into memory if `store` is NULL: about `size` bytes of random layers, all four formats
 * among them, the same each time. Exactly one of the outputs is set. */
int model_generate(size_t size, skep_store *store, skep_proxy **take_proxy, skep_buf **take_buf, skep_error *err);

#endif
