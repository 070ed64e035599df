/* benchmarks/ops.c - the operations that `skep bench connector` measures. */
#include "benchmarks/pattern.h"
#include "benchmarks/row.h"

#include <stdlib.h>
#include <string.h>

int bench_row_put(struct bench_row *row, skep_error *err)
{
    skep_ref ref = SKEP_REF_INIT;
    int rc = skep_store_put(row->road->store, row->source, row->size, NULL, &ref, err);

    if (rc == SKEP_OK) {
        row->ref = ref;
        row->there = 1;
    }
    return rc;
}

int bench_row_clean(struct bench_row *row, skep_error *err)
{
    int rc = SKEP_OK;

    skep_buf_unref(row->buf);
    row->buf = NULL;
    skep_proxy_unref(row->proxy);
    row->proxy = NULL;
    row->data = NULL;
    if (row->there)
        rc = skep_store_evict(row->road->store, &row->ref, SKEP_FOREVER, err);
    row->there = 0;
    return rc;
}

static int compare(const struct bench_row *row, const void *data, size_t size, size_t expected, skep_error *err)
{
    if (size != expected)
        return skep_fail(err, SKEP_ECORRUPT, "%zu bytes came back of %zu", size, expected);
    if (!bench_pattern_check(data, size, row->seed, row->offset))
        return skep_fail(err, SKEP_ECORRUPT, "the %zu bytes that came back are not those that were put", size);
    return SKEP_OK;
}

static int check_buf(struct bench_row *row, skep_error *err)
{
    return compare(row, skep_buf_data(row->buf), skep_buf_size(row->buf), row->size, err);
}

/* ---- put, get and both ------------------------------------------------------------------------------ */

static int run_get(struct bench_row *row, skep_error *err)
{
    int rc = skep_store_get(row->road->store, &row->ref, SKEP_FOREVER, &row->buf, err);

    if (rc == SKEP_OK)
        row->sink = bench_sum(skep_buf_data(row->buf), skep_buf_size(row->buf));
    return rc;
}

static int check_put(struct bench_row *row, skep_error *err)
{
    int rc = skep_store_get(row->road->store, &row->ref, SKEP_FOREVER, &row->buf, err);

    return rc == SKEP_OK ? check_buf(row, err) : rc;
}

static int run_putget(struct bench_row *row, skep_error *err)
{
    int rc = bench_row_put(row, err);

    return rc == SKEP_OK ? run_get(row, err) : rc;
}

/* The child holds the pool, so that dropping our store empties nothing but our own mappings. */
static int before_put_first(struct bench_row *row, skep_error *err)
{
    bench_road_drop(row->road);
    return bench_road_again(row->road, err);
}

/* ---- resolve ----------------------------------------------------------------------------------------- */

static int begin_resolve(struct bench_row *row, skep_error *err)
{
    return skep_policy_parse("all", &row->policy, err);
}

static void end_resolve(struct bench_row *row)
{
    skep_policy_unref(row->policy);
    row->policy = NULL;
}

static int before_resolve(struct bench_row *row, skep_error *err)
{
    skep_proxy *proxy;
    int rc = skep_store_proxy_of(row->road->store, &row->ref, NULL, &proxy, err);

    if (rc != SKEP_OK)
        return rc;
    rc = skep_proxy_handle(proxy, row->handle, sizeof row->handle);
    skep_proxy_unref(proxy);
    return rc == SKEP_OK ? rc : skep_fail(err, rc, "the handle has no text form");
}

/* From the text that travels to a pointer that can be used: its first byte has been read. */
static int run_resolve(struct bench_row *row, skep_error *err)
{
    int rc = skep_proxy_open(row->handle, row->policy, &row->proxy, err);

    if (rc == SKEP_OK)
        rc = skep_proxy_resolve(row->proxy, SKEP_FOREVER, &row->data, &row->data_size, err);
    if (rc == SKEP_OK && row->data_size > 0)
        row->sink = *(const volatile unsigned char *)row->data;
    return rc;
}

static int check_resolve(struct bench_row *row, skep_error *err)
{
    return compare(row, row->data, row->data_size, row->size, err);
}

/* ---- the small ones ---------------------------------------------------------------------------------- */

static int begin_read(struct bench_row *row, skep_error *err)
{
    row->part = calloc(1, row->range > 0 ? row->range : 1);
    return row->part != NULL ? SKEP_OK : skep_fail(err, SKEP_ENOMEM, "no %zu bytes for the part to read", row->range);
}

static void end_read(struct bench_row *row)
{
    free(row->part);
    row->part = NULL;
    row->offset = 0;
}

/* Anywhere in the object, at borders of 8 bytes. */
static int before_read(struct bench_row *row, skep_error *err)
{
    size_t room = row->size - row->range;

    (void)err;
    row->offset = room > 0 ? (size_t)(row->seed * 0x9e3779b97f4a7c15u % room) & ~(size_t)7 : 0;
    return SKEP_OK;
}

static int run_range(struct bench_row *row, skep_error *err)
{
    return skep_store_read(row->road->store, &row->ref, row->offset, row->range, row->part, SKEP_FOREVER, err);
}

static int check_range(struct bench_row *row, skep_error *err)
{
    return compare(row, row->part, row->range, row->range, err);
}

static int run_exists(struct bench_row *row, skep_error *err)
{
    return skep_store_exists(row->road->store, &row->ref, SKEP_FOREVER, &row->found, NULL, err);
}

static int check_exists(struct bench_row *row, skep_error *err)
{
    return row->found ? SKEP_OK : skep_fail(err, SKEP_ECORRUPT, "an object that was put is said not to exist");
}

static int run_evict(struct bench_row *row, skep_error *err)
{
    int rc = skep_store_evict(row->road->store, &row->ref, SKEP_FOREVER, err);

    if (rc == SKEP_OK)
        row->there = 0;
    return rc;
}

static int check_evict(struct bench_row *row, skep_error *err)
{
    int rc = skep_store_exists(row->road->store, &row->ref, SKEP_FOREVER, &row->found, NULL, err);

    if (rc == SKEP_OK && row->found)
        rc = skep_fail(err, SKEP_ECORRUPT, "an object that was evicted still exists");
    return rc;
}

const struct bench_op bench_ops[] = {
    {"put", "bytes into the store", BENCH_OP_PUTS | BENCH_OP_WHOLE, NULL, NULL, NULL, bench_row_put, check_put},
    {"get", "a new mapping, and every byte read once", BENCH_OP_OBJECT | BENCH_OP_GETS | BENCH_OP_WHOLE, NULL, NULL, NULL,
     run_get, check_buf},
    {"resolve", "from a handle's text to a pointer, its first byte read", BENCH_OP_OBJECT | BENCH_OP_GETS, begin_resolve,
     end_resolve, before_resolve, run_resolve, check_resolve},
    {"putget", "a put, a get, and every byte read once", BENCH_OP_PUTS | BENCH_OP_GETS | BENCH_OP_WHOLE, NULL, NULL, NULL,
     run_putget, check_buf},
    {"put-first", "a process's first put, into segments that another process keeps warm",
     BENCH_OP_PUTS | BENCH_OP_SHARED | BENCH_OP_WHOLE, bench_other_begin, bench_other_end, before_put_first, bench_row_put,
     check_put},
    {"read", "a part of the object (--range) into memory of our own", BENCH_OP_OBJECT | BENCH_OP_GETS | BENCH_OP_RANGE,
     begin_read, end_read, before_read, run_range, check_range},
    {"exists", "is the object there", BENCH_OP_OBJECT, NULL, NULL, NULL, run_exists, check_exists},
    {"evict", "remove the object", BENCH_OP_OBJECT, NULL, NULL, NULL, run_evict, check_evict},
    {NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL},
};

const struct bench_op *bench_op_find(const char *name, size_t length)
{
    for (const struct bench_op *op = bench_ops; op->name != NULL; op++)
        if (strlen(op->name) == length && strncmp(op->name, name, length) == 0)
            return op;
    return NULL;
}
