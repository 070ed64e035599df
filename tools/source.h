/* source.h - where the bytes of a put come from: a file, or a stream of a length that is not known. */
#ifndef SKEP_TOOLS_SOURCE_H
#define SKEP_TOOLS_SOURCE_H

#include "tools/progress.h"
#include <skep/error.h>
#include <stddef.h>
#include <sys/uio.h>

struct cli_source {
    int fd;
    int owned; /* fd is ours to close */
    const char *label;
    uint64_t size; /* bytes still to come, or SKEP_SIZE_UNKNOWN */
    uint64_t from; /* where a regular file is read from */
    int regular;
};

/* "-" is standard input; where that is a regular file, its length is known. */
int cli_source_open(struct cli_source *s, const char *path, skep_error *err);
void cli_source_close(struct cli_source *s);
/* Exactly `size` bytes into `into`, and no more to come. SKEP_EIO: there are fewer or more. SKEP_ECANCELED: a signal. */
int cli_source_read(struct cli_source *s, void *into, size_t size, struct cli_progress *p, skep_error *err);

/* The bytes of a regular file, mapped, so that a store copies them straight from the page cache. Should the file shrink
 * meanwhile, the command says so and ends at once. SKEP_ENOTSUP: not a file that can be mapped. */
struct cli_map {      /* all zero: nothing mapped */
    const void *data; /* `size` bytes of the source */
    void *base;
    size_t length;
};
int cli_source_map(const struct cli_source *s, struct cli_map *map, skep_error *err);
void cli_map_free(struct cli_map *map);

/* What a stream held, in blocks that are never copied to grow. */
struct cli_spool {             /* all zero: empty */
    struct iovec blocks[1024]; /* filled parts; what the kernel takes in one gathering call */
    size_t mapped[1024];       /* whole lengths */
    int n;
    uint64_t size;
};
/* Everything to its end. SKEP_ENOSPC: more than half of the memory that there was. */
int cli_source_spool(struct cli_source *s, struct cli_spool *spool, struct cli_progress *p, skep_error *err);
void cli_spool_free(struct cli_spool *spool);

#endif
