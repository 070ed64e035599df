/* refine.c - see refine.h.
 *
 * W' = W + rate * |W| / sqrt(rows * cols) * sqrt(max(rows, cols)) * y x' / (|y| |x|): a Hebbian step of rank one, where x
 * went in and y came out for the best candidate.
 */
#include "refine.h"
#include "numbers.h"
#include "score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct step {
    const unsigned char *data; /* the old object */
    unsigned char *to;         /* the new one */
    float *row;
    size_t row_cap;
};

static float length(const float *x, uint64_t n)
{
    double sum = 0;

    for (uint64_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return (float)sqrt(sum);
}

static int bend(void *arg, const struct matrix *m, const float *in, const float *out, skep_error *err)
{
    struct step *s = arg;
    size_t each = (size_t)skep_dtype_bits(m->tensor->dtype) / 8, stride = (size_t)m->cols * each;
    const unsigned char *from = s->data + m->tensor->offset;
    unsigned char *to = s->to + m->tensor->offset;
    float lengths = length(in, m->cols) * length(out, m->rows), rate;

    if (m->cols > s->row_cap) {
        free(s->row);
        s->row_cap = 0;
        if ((s->row = malloc(m->cols * sizeof *s->row)) == NULL)
            return skep_fail(err, SKEP_ENOMEM, "refine: out of memory");
        s->row_cap = m->cols;
    }
    numbers_load(m->tensor->dtype, from, s->row, m->cols); /* the first row stands for the size of all */
    rate = 0.05f * length(s->row, m->cols) / sqrtf((float)m->cols) * sqrtf((float)(m->rows > m->cols ? m->rows : m->cols));
    rate = lengths > 0 ? rate / lengths : 0;
    for (uint64_t r = 0; r < m->rows; r++) {
        float by = rate * out[r];

        numbers_load(m->tensor->dtype, from + r * stride, s->row, m->cols);
        for (uint64_t c = 0; c < m->cols; c++)
            s->row[c] += by * in[c];
        numbers_store(m->tensor->dtype, s->row, to + r * stride, m->cols);
    }
    return SKEP_OK;
}

int refine_model(const struct model *model, const void *data, size_t size, const float *best, void *to, skep_error *err)
{
    struct step s = {.data = data, .to = to};
    uint64_t begin = size;
    float score;
    int rc;

    for (size_t i = 0; i < model->n; i++)
        if (model->matrices[i].tensor->offset < begin)
            begin = model->matrices[i].tensor->offset;
    memcpy(to, data, begin); /* the header; every byte after it belongs to a tensor */
    rc = score_batch(model, best, 1, &score, bend, &s, err);
    free(s.row);
    return rc;
}
