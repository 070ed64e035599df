/* benchmarks/raw.c - the raw roads: what the same bytes cost without skep. */
#include "benchmarks/pattern.h"
#include "benchmarks/row.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE      ((size_t)1 << 20) /* of a write loop */
#define TMPFS_TINY ((size_t)1 << 16) /* below it, a file's names cost more than its bytes */
#define NEW_NAME   "new"
#define NAME       "object"

/* ---- pieces ---------------------------------------------------------------------------------------- */

static int write_all(int fd, const unsigned char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, bytes, size < PIECE ? size : PIECE);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : EIO;
        bytes += n;
        size -= (size_t)n;
    }
    return 0;
}

static int make_file(struct bench_row *row)
{
    int fd = openat(row->road->raw.fd, NEW_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int rc;

    if (fd < 0)
        return errno;
    rc = write_all(fd, row->source, row->size);
    if (close(fd) != 0 && rc == 0)
        rc = errno;
    if (rc == 0 && renameat(row->road->raw.fd, NEW_NAME, row->road->raw.fd, NAME) != 0)
        rc = errno;
    return rc;
}

static int map_file(struct bench_row *row)
{
    int fd = openat(row->road->raw.fd, NAME, O_RDONLY | O_CLOEXEC);
    void *map = NULL;
    int rc = 0;

    if (fd < 0)
        return errno;
    if (row->size > 0 && (map = mmap(NULL, row->size, PROT_READ, MAP_SHARED, fd, 0)) == MAP_FAILED) {
        map = NULL;
        rc = errno;
    }
    close(fd);
    row->raw_map = map;
    return rc;
}

static void remove_file(struct bench_row *row)
{
    unlinkat(row->road->raw.fd, NAME, 0);
    unlinkat(row->road->raw.fd, NEW_NAME, 0);
}

static void unmap(struct bench_row *row)
{
    if (row->raw_map != NULL)
        munmap(row->raw_map, row->size);
    row->raw_map = NULL;
}

static void unmap_and_remove(struct bench_row *row)
{
    unmap(row);
    remove_file(row);
}

/* ---- roads ----------------------------------------------------------------------------------------- */

static int run_memcpy(struct bench_row *row)
{
    memcpy(row->warm, row->source, row->size);
    row->sink = row->size > 0 ? row->warm[row->size - 1] : 0;
    return 0;
}

static int run_read(struct bench_row *row)
{
    row->sink = bench_sum(row->source, row->size);
    return 0;
}

static int run_memcpy_read(struct bench_row *row)
{
    memcpy(row->warm, row->source, row->size);
    row->sink = bench_sum(row->warm, row->size);
    return 0;
}

static int run_memcpy_range(struct bench_row *row)
{
    memcpy(row->warm, row->source + row->offset, row->range);
    row->sink = row->range > 0 ? row->warm[row->range - 1] : 0;
    return 0;
}

static int run_write_map(struct bench_row *row)
{
    int rc = make_file(row);

    if (rc == 0 && (rc = map_file(row)) == 0)
        row->sink = bench_sum(row->raw_map, row->size);
    return rc;
}

static int run_map(struct bench_row *row)
{
    int rc = map_file(row);

    if (rc == 0 && row->raw_map != NULL)
        row->sink = *(const volatile unsigned char *)row->raw_map;
    return rc;
}

static int run_pread(struct bench_row *row)
{
    int fd = openat(row->road->raw.fd, NAME, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return errno;
    n = pread(fd, row->warm, row->range, (off_t)row->offset);
    close(fd);
    return n == (ssize_t)row->range ? 0 : EIO;
}

static int run_stat(struct bench_row *row)
{
    struct stat st;

    return fstatat(row->road->raw.fd, NAME, &st, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : errno;
}

static int run_unlink(struct bench_row *row)
{
    return unlinkat(row->road->raw.fd, NAME, 0) == 0 ? 0 : errno;
}

static const struct bench_raw raw_memcpy = {"memcpy", NULL, NULL, run_memcpy, NULL, NULL};
static const struct bench_raw raw_read = {"read memory", NULL, NULL, run_read, NULL, NULL};
static const struct bench_raw raw_memcpy_read = {"memcpy+read", NULL, NULL, run_memcpy_read, NULL, NULL};
static const struct bench_raw raw_memcpy_range = {"memcpy", NULL, NULL, run_memcpy_range, NULL, NULL};
static const struct bench_raw raw_write = {"write+rename", NULL, NULL, make_file, remove_file, NULL};
static const struct bench_raw raw_write_map = {"write+rename+mmap", NULL, NULL, run_write_map, unmap_and_remove, NULL};
static const struct bench_raw raw_map = {"open+mmap", make_file, NULL, run_map, unmap, remove_file};
static const struct bench_raw raw_pread = {"open+pread", make_file, NULL, run_pread, NULL, remove_file};
static const struct bench_raw raw_stat = {"stat", make_file, NULL, run_stat, NULL, remove_file};
static const struct bench_raw raw_unlink = {"unlink", NULL, make_file, run_unlink, remove_file, NULL};

/* What is in memory is held against memory; but a small object of a shared store is a file with names, whatever the file
 * system, and is held against one. */
static const struct {
    const char *op;
    const struct bench_raw *memory; /* for a store in our own memory, and for large objects of one in shared memory */
    const struct bench_raw *file;
} roads[] = {
    {"put", &raw_memcpy, &raw_write}, {"put-first", &raw_memcpy, &raw_write},
    {"get", &raw_read, &raw_read},    {"putget", &raw_memcpy_read, &raw_write_map},
    {"resolve", NULL, &raw_map},      {"read", &raw_memcpy_range, &raw_pread},
    {"exists", NULL, &raw_stat},      {"evict", NULL, &raw_unlink},
};

const struct bench_raw *bench_raw_for(const struct bench_op *op, const struct bench_row *row)
{
    const struct bench_road *road = row->road;
    int puts_only = (op->flags & (BENCH_OP_PUTS | BENCH_OP_GETS)) == BENCH_OP_PUTS;

    for (size_t i = 0; i < sizeof roads / sizeof roads[0]; i++) {
        if (strcmp(roads[i].op, op->name) != 0)
            continue;
        if (road->raw.fd < 0 || (puts_only && road->in_memory && row->size >= TMPFS_TINY))
            return roads[i].memory;
        return roads[i].file;
    }
    return NULL;
}
