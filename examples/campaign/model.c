/* model.c - see model.h. */
#include "model.h"
#include "numbers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int add_matrix(struct model *model, const skep_tensor *tensor, skep_error *err)
{
    struct matrix *m = &model->matrices[model->n];

    if (!numbers_is_float(tensor->dtype))
        return skep_fail(err, SKEP_EINVAL, "tensor '%s' is %s: a model must be of F64, F32, F16 or BF16 tensors",
                         tensor->name, skep_dtype_name(tensor->dtype));
    if (tensor->bytes == 0)
        return SKEP_OK;
    m->tensor = tensor;
    m->rows = tensor->rank >= 2 ? tensor->shape[0] : 1;
    m->cols = tensor->bytes / ((uint64_t)skep_dtype_bits(tensor->dtype) / 8) / m->rows;
    model->n++;
    return SKEP_OK;
}

int model_open(const void *data, size_t size, struct model *out, skep_error *err)
{
    struct model model = {0};
    int rc = skep_safetensors_parse(data, size, &model.st, err);

    if (rc != SKEP_OK)
        return rc;
    model.matrices = calloc(skep_safetensors_count(model.st) + 1, sizeof *model.matrices);
    if (model.matrices == NULL)
        rc = skep_fail(err, SKEP_ENOMEM, "model: out of memory");
    for (size_t i = 0; rc == SKEP_OK && i < skep_safetensors_count(model.st); i++)
        rc = add_matrix(&model, skep_safetensors_at(model.st, i), err);
    if (rc == SKEP_OK && model.n == 0)
        rc = skep_fail(err, SKEP_EINVAL, "model: it has no tensor with elements");
    if (rc != SKEP_OK)
        model_close(&model);
    else
        *out = model;
    return rc;
}

void model_close(struct model *model)
{
    free(model->matrices);
    skep_safetensors_free(model->st);
    *model = (struct model){0};
}

static void unmap(void *arg, void *data, size_t size)
{
    (void)arg;
    munmap(data, size);
}

int model_load(const char *path, skep_buf **take, skep_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), rc;
    struct stat st;
    void *data = MAP_FAILED;

    if (fd < 0)
        return skep_fail(err, skep_err_from_errno(errno), "%s: %s", path, strerror(errno));
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
        data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (data == MAP_FAILED)
        return skep_fail(err, SKEP_EINVAL, "%s: not a file with bytes in it", path);
    rc = skep_buf_wrap(data, (size_t)st.st_size, unmap, NULL, take);
    if (rc != SKEP_OK) {
        munmap(data, (size_t)st.st_size);
        return skep_fail(err, rc, "%s: %s", path, skep_err_text(rc));
    }
    return SKEP_OK;
}

/* ---- one that is made up -------------------------------------------------------------------------------------------------
 */

struct layout {
    skep_tensor *tensors;
    char (*names)[32];
    uint64_t (*shapes)[2];
    size_t n, cap;
};

static void add_tensor(struct layout *l, const char *what, int dtype, uint64_t rows, uint64_t cols)
{
    skep_tensor *t = &l->tensors[l->n];

    *t = (skep_tensor)SKEP_TENSOR_INIT;
    snprintf(l->names[l->n], sizeof l->names[0], "layers.%03zu.%s", l->n / 2, what);
    l->shapes[l->n][0] = rows ? rows : cols;
    l->shapes[l->n][1] = cols;
    t->name = l->names[l->n];
    t->dtype = dtype;
    t->rank = rows ? 2 : 1;
    t->shape = l->shapes[l->n];
    t->bytes = (rows ? rows : 1) * cols * (uint64_t)skep_dtype_bits(dtype) / 8;
    l->n++;
}

/* Square layers of 2048 with a bias each; every eighth layer is one of the other formats. */
static void lay_out(struct layout *l, size_t size)
{
    static const int rare[] = {SKEP_BF16, SKEP_F16, SKEP_F64};
    uint64_t width = size >= (size_t)64 << 20 ? 2048 : 256;

    for (size_t used = 0; (l->n == 0 || used < size) && l->n + 2 <= l->cap;) {
        int dtype = l->n / 2 % 8 == 7 ? rare[l->n / 16 % 3] : SKEP_F32;
        uint64_t bytes = (uint64_t)skep_dtype_bits(dtype) / 8, rows = (size - used) / (width * bytes);

        rows = rows < 1 ? 1 : rows > width ? width : rows;
        add_tensor(l, "weight", dtype, rows, width);
        add_tensor(l, "bias", dtype, 0, width);
        used += (size_t)(width * bytes * (rows + 1));
    }
}

/* Written where it will lie: the bytes exist once. */
static void fill(const struct layout *l, const size_t *order, unsigned char *to)
{
    float block[1024];

    for (size_t i = 0; i < l->n; i++) {
        const skep_tensor *t = &l->tensors[order[i]];
        size_t each = (size_t)skep_dtype_bits(t->dtype) / 8, left = (size_t)t->bytes / each;

        for (uint64_t at = 0; left > 0; at += 1024) {
            size_t some = left < 1024 ? left : 1024;

            for (size_t j = 0; j < some; j++)
                block[j] = 0.02f * numbers_normal(order[i], at, j);
            numbers_store(t->dtype, block, to, some);
            to += some * each;
            left -= some;
        }
    }
}

static void free_buffer(void *arg, void *data, size_t size)
{
    (void)arg;
    (void)size;
    free(data);
}

static int place(const struct layout *l, skep_store *store, const size_t *order, skep_buf *header, skep_proxy **take_proxy,
                 skep_buf **take_buf, skep_error *err)
{
    skep_put_opts opts = SKEP_PUT_OPTS_INIT;
    skep_ref ref = SKEP_REF_INIT;
    skep_slot *slot = NULL;
    size_t begin = skep_buf_size(header), size = begin;
    unsigned char *to;
    int rc;

    opts.codec = "safetensors";
    for (size_t i = 0; i < l->n; i++)
        size += (size_t)l->tensors[i].bytes;
    if (store == NULL) {
        if ((to = malloc(size)) == NULL)
            return skep_fail(err, SKEP_ENOMEM, "model: no memory for %zu bytes", size);
        memcpy(to, skep_buf_data(header), begin);
        fill(l, order, to + begin);
        rc = skep_buf_wrap(to, size, free_buffer, NULL, take_buf);
        if (rc != SKEP_OK)
            free(to);
        return rc;
    }
    rc = skep_store_reserve(store, size, &opts, &slot, err);
    if (rc != SKEP_OK)
        return rc;
    to = skep_slot_data(slot);
    memcpy(to, skep_buf_data(header), begin);
    fill(l, order, to + begin);
    rc = skep_slot_commit(&slot, &ref, err);
    return rc != SKEP_OK ? rc : skep_store_proxy_of(store, &ref, "safetensors", take_proxy, err);
}

int model_generate(size_t size, skep_store *store, skep_proxy **take_proxy, skep_buf **take_buf, skep_error *err)
{
    struct layout l = {.cap = 2 * (size / 131072 + 2)}; /* a layer is 128 KiB at least */
    skep_meta meta = {"made_by", "campaign"};
    skep_buf *header = NULL;
    size_t *order;
    int rc;

    l.tensors = calloc(l.cap, sizeof *l.tensors);
    l.names = calloc(l.cap, sizeof *l.names);
    l.shapes = calloc(l.cap, sizeof *l.shapes);
    order = calloc(l.cap, sizeof *order);
    if (l.tensors && l.names && l.shapes && order) {
        lay_out(&l, size);
        rc = skep_safetensors_header(l.tensors, l.n, &meta, 1, order, &header, err);
    } else {
        rc = skep_fail(err, SKEP_ENOMEM, "model: out of memory");
    }
    if (rc == SKEP_OK)
        rc = place(&l, store, order, header, take_proxy, take_buf, err);
    skep_buf_unref(header);
    free(order);
    free(l.shapes);
    free(l.names);
    free(l.tensors);
    return rc;
}
