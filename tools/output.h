/* output.h - where fetched bytes go: standard output, or a file that appears whole or not at all. */
#ifndef SKEP_TOOLS_OUTPUT_H
#define SKEP_TOOLS_OUTPUT_H

#include "tools/progress.h"
#include <skep/error.h>
#include <limits.h>
#include <stddef.h>

struct cli_output { /* all zero: not open */
    int open;
    int fd;
    const char *label; /* for messages */
    char *final;       /* what the file will be called; NULL: bytes go straight to what `fd` is */
    char *temporary;   /* what it is called meanwhile; NULL: it has no name yet */
};

/* NULL and "-" are standard output. A device or a pipe is written to directly; anything else is written beside its place
 * and moved there by commit. */
int cli_output_open(struct cli_output *o, const char *path, skep_error *err);
/* SKEP_ECANCELED: a signal came. The progress may be NULL. */
int cli_output_write(struct cli_output *o, const void *data, size_t size, struct cli_progress *p, uint64_t before,
                     skep_error *err);
int cli_output_commit(struct cli_output *o, skep_error *err);
void cli_output_discard(struct cli_output *o); /* after commit too: does nothing then */

#endif
