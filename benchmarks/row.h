/* benchmarks/row.h - one row of the table: one connector, operation and size, with what its samples need.
 *
 * A sample goes: fill the source with bytes that no sample had before, put them if the operation needs an object, `before`;
 * then, under the clock, `run`; then `check`, which compares, and bench_row_clean, which lets go of all and evicts.
 */
#ifndef SKEP_BENCH_ROW_H
#define SKEP_BENCH_ROW_H

#include "benchmarks/road.h"

#include <skep/proxy.h>

#include <sys/types.h>

struct bench_row {
    struct bench_road *road;
    size_t size;           /* of the object */
    size_t range;          /* of the part that `read` asks for */
    uint64_t seed;         /* of this sample's bytes */
    unsigned char *source; /* this sample's bytes, in memory of our own */
    unsigned char *warm;   /* as much memory of our own, touched before */

    int there; /* `ref` is an object that we must evict */
    skep_ref ref;
    skep_buf *buf;
    skep_proxy *proxy;
    skep_policy *policy; /* lets our own handles in */
    char handle[SKEP_HANDLE_MAX];
    const void *data; /* what resolve lent */
    size_t data_size;
    unsigned char *part; /* what `read` fills */
    size_t offset;       /* where it begins */
    int found;
    volatile uint64_t sink; /* what was read, so that the reading is not optimised away */

    pid_t other; /* the process that warms segments for put-first, or 0 */
    int other_fd;

    void *raw_map; /* NULL: none */
};

enum bench_op_flags {
    BENCH_OP_OBJECT = 1u << 0, /* there must be an object */
    BENCH_OP_SHARED = 1u << 1, /* only for stores that other processes see */
    BENCH_OP_PUTS = 1u << 2,   /* run makes the object */
    BENCH_OP_GETS = 1u << 3,   /* run hands out bytes: the store may have checked them */
    BENCH_OP_WHOLE = 1u << 4,  /* every byte of the object passes under the clock */
    BENCH_OP_RANGE = 1u << 5,  /* `range` bytes of it do */
};

struct bench_op {
    const char *name; /* NULL ends the table */
    const char *help; /* one line */
    unsigned flags;
    int (*begin)(struct bench_row *row, skep_error *err);  /* once a row; NULL: nothing */
    void (*end)(struct bench_row *row);                    /* after a failed begin too; NULL: nothing */
    int (*before)(struct bench_row *row, skep_error *err); /* NULL: nothing */
    int (*run)(struct bench_row *row, skep_error *err);
    int (*check)(struct bench_row *row, skep_error *err); /* SKEP_ECORRUPT: not what was put */
};

extern const struct bench_op bench_ops[];
const struct bench_op *bench_op_find(const char *name, size_t length); /* NULL: none of that name */

int bench_row_put(struct bench_row *row, skep_error *err); /* the source becomes `ref` */
int bench_row_clean(struct bench_row *row, skep_error *err);

/* The raw road for the same bytes. */
struct bench_raw {
    const char *name;
    int (*begin)(struct bench_row *row);  /* once a row; NULL: nothing. Each gives 0 or an errno */
    int (*before)(struct bench_row *row); /* NULL: nothing */
    int (*run)(struct bench_row *row);
    void (*after)(struct bench_row *row); /* NULL: nothing */
    void (*end)(struct bench_row *row);   /* after a failed begin too; NULL: nothing */
};

const struct bench_raw *bench_raw_for(const struct bench_op *op, const struct bench_row *row); /* NULL: there is none */

/* put-first: another process of this host keeps segments warm that this one has never mapped. */
int bench_other_begin(struct bench_row *row, skep_error *err);
void bench_other_end(struct bench_row *row);

#endif
