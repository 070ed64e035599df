/* progress.h - a progress bar on a terminal, for what takes long enough to wonder. */
#ifndef SKEP_TOOLS_PROGRESS_H
#define SKEP_TOOLS_PROGRESS_H

#include <stdint.h>

struct cli_progress { /* all zero: shows nothing */
    const char *label;
    uint64_t total; /* bytes, or SKEP_SIZE_UNKNOWN */
    uint64_t began_ns;
    uint64_t next_ns; /* when to paint again */
    int on;           /* standard error is a terminal that can go back in its line */
    int painted;
};

/* Nothing is shown before half a second has passed, and nothing ever where standard error is no terminal. */
void cli_progress_begin(struct cli_progress *p, const char *label, uint64_t total, int quiet);
void cli_progress_at(struct cli_progress *p, uint64_t done); /* cheap: call it after every piece */
void cli_progress_end(struct cli_progress *p);               /* wipes the line */

#endif
