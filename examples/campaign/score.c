/* score.c - see score.h.
 *
 * A candidate is the first hidden state h of SCORE_WIDTH numbers. For each tensor W in turn: h is spread over W's columns,
 * y = W h, y is folded back to SCORE_WIDTH numbers g, and h += tanh(g) / sqrt(number of tensors). The score is h . target.
 */
#include "score.h"
#include "numbers.h"

#include <cblas.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct work {
    float h[SCORE_BATCH * SCORE_WIDTH]; /* the hidden states, a row a candidate */
    float *in;                          /* n rows of at most COLUMNS: h spread over a block of columns */
    float *panel;                       /* a block of the tensor as floats, where it can't be multiplied as it lies */
    float *out;                         /* n rows of m->rows: the products */
    size_t out_cap;
    int n;
};

enum { COLUMNS = 8192 };

/* A sign for each column and row, so that they do not all do the same. */
static float sign_of(uint64_t i)
{
    return numbers_mix(7, i, 0) & 1 ? 1.0f : -1.0f;
}

static void spread(const struct work *w, uint64_t from, int cols)
{
    for (int j = 0; j < cols; j++) {
        float s = sign_of(from + (uint64_t)j);

        for (int i = 0; i < w->n; i++)
            w->in[(size_t)i * (size_t)cols + (size_t)j] =
                s * w->h[i * SCORE_WIDTH + (int)((from + (uint64_t)j) % SCORE_WIDTH)];
    }
}

/* Rows `row` to `row + rows`, columns `col` to `col + cols` as floats: as they lie, or converted. */
static const float *block(const struct work *w, const struct matrix *m, uint64_t row, int rows, uint64_t col, int cols,
                          int *stride)
{
    size_t each = (size_t)skep_dtype_bits(m->tensor->dtype) / 8;
    const unsigned char *at = (const unsigned char *)m->tensor->data + (row * m->cols + col) * each;

    if (m->tensor->dtype == SKEP_F32 && m->tensor->aligned && m->cols <= INT_MAX) {
        *stride = (int)m->cols;
        return (const float *)(const void *)at;
    }
    for (int r = 0; r < rows; r++)
        numbers_load(m->tensor->dtype, at + (size_t)r * m->cols * each, w->panel + (size_t)r * (size_t)cols, (size_t)cols);
    *stride = cols;
    return w->panel;
}

static void multiply(struct work *w, const struct matrix *m)
{
    for (uint64_t col = 0; col < m->cols; col += COLUMNS) {
        int cols = m->cols - col < COLUMNS ? (int)(m->cols - col) : COLUMNS;
        int most = SCORE_PANEL / cols, stride;

        spread(w, col, cols);
        for (uint64_t row = 0; row < m->rows; row += (uint64_t)most) {
            int rows = m->rows - row < (uint64_t)most ? (int)(m->rows - row) : most;
            const float *a = block(w, m, row, rows, col, cols, &stride);

            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, w->n, rows, cols, 1.0f, w->in, cols, a, stride,
                        col == 0 ? 0.0f : 1.0f, w->out + row, (int)m->rows);
        }
    }
}

static void fold(struct work *w, const struct matrix *m, float step)
{
    uint64_t folds = (m->rows + SCORE_WIDTH - 1) / SCORE_WIDTH;
    float scale = 1.0f / sqrtf((float)m->cols * (float)folds);

    for (int i = 0; i < w->n; i++) {
        float g[SCORE_WIDTH] = {0};

        for (uint64_t r = 0; r < m->rows; r++)
            g[r % SCORE_WIDTH] += sign_of(r) * w->out[(size_t)i * m->rows + r];
        for (int k = 0; k < SCORE_WIDTH; k++)
            w->h[i * SCORE_WIDTH + k] += step * tanhf(8.0f * scale * g[k]);
    }
}

/* What `seen` is shown: the hidden state spread over all columns, before the matrix has changed it. */
static int show(const struct work *w, const struct matrix *m, const float *h, score_seen seen, void *arg, skep_error *err)
{
    float *in = malloc(m->cols * sizeof *in);
    int rc;

    if (in == NULL)
        return skep_fail(err, SKEP_ENOMEM, "score: out of memory");
    for (uint64_t j = 0; j < m->cols; j++)
        in[j] = sign_of(j) * h[j % SCORE_WIDTH];
    rc = seen(arg, m, in, w->out, err);
    free(in);
    return rc;
}

static int make_room(struct work *w, const struct matrix *m, skep_error *err)
{
    size_t need = (size_t)w->n * m->rows;

    if (m->rows > INT_MAX)
        return skep_fail(err, SKEP_ETOOBIG, "tensor '%s' has more than %d rows", m->tensor->name, INT_MAX);
    if (need <= w->out_cap)
        return SKEP_OK;
    free(w->out);
    w->out_cap = 0;
    if ((w->out = malloc(need * sizeof *w->out)) == NULL)
        return skep_fail(err, SKEP_ENOMEM, "score: out of memory");
    w->out_cap = need;
    return SKEP_OK;
}

static int run(struct work *w, const struct model *model, score_seen seen, void *arg, skep_error *err)
{
    float step = 1.0f / sqrtf((float)model->n), before[SCORE_WIDTH];
    int rc = SKEP_OK;

    for (size_t t = 0; rc == SKEP_OK && t < model->n; t++) {
        const struct matrix *m = &model->matrices[t];

        if ((rc = make_room(w, m, err)) != SKEP_OK)
            break;
        memcpy(before, w->h, sizeof before);
        multiply(w, m);
        fold(w, m, step);
        if (seen != NULL)
            rc = show(w, m, before, seen, arg, err);
    }
    return rc;
}

int score_batch(const struct model *model, const float *candidates, int n, float *scores, score_seen seen, void *arg,
                skep_error *err)
{
    struct work *w;
    int rc;

    if (n < 1 || n > SCORE_BATCH)
        return skep_fail(err, SKEP_EINVAL, "score: %d candidates, but 1 to %d are scored at once", n, SCORE_BATCH);
    if ((w = calloc(1, sizeof *w)) == NULL)
        return skep_fail(err, SKEP_ENOMEM, "score: out of memory");
    w->n = n;
    w->in = malloc((size_t)n * COLUMNS * sizeof *w->in);
    w->panel = malloc(SCORE_PANEL * sizeof *w->panel);
    if (w->in == NULL || w->panel == NULL) {
        rc = skep_fail(err, SKEP_ENOMEM, "score: out of memory");
    } else {
        memcpy(w->h, candidates, (size_t)n * SCORE_WIDTH * sizeof *candidates);
        rc = run(w, model, seen, arg, err);
    }
    for (int i = 0; rc == SKEP_OK && i < n; i++) {
        scores[i] = 0;
        for (int k = 0; k < SCORE_WIDTH; k++)
            scores[i] += w->h[i * SCORE_WIDTH + k] * numbers_normal(11, (uint64_t)k, 0);
    }
    free(w->out);
    free(w->panel);
    free(w->in);
    free(w);
    return rc;
}
