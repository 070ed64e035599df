/* exit_status.h - one table from error codes to exit statuses, and the record of a failure, for every command. */
#ifndef SKEP_BENCH_EXIT_STATUS_H
#define SKEP_BENCH_EXIT_STATUS_H

#include <skep/error.h>

struct exit_status {
    int status;
    const char *meaning;
    int codes[4]; /* the SKEP_E* that end so; SKEP_OK ends the list */
};
extern const struct exit_status exit_statuses[]; /* NULL meaning ends it */

int exit_status_of(int code); /* the exit status for a SKEP_* */

/* {"record":"error", ...} on standard output. */
void exit_status_record(const char *command, const skep_error *err);

#endif
