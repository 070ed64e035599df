/* status.h - exit statuses, and how a command says that it failed. */
#ifndef SKEP_TOOLS_STATUS_H
#define SKEP_TOOLS_STATUS_H

#include "tools/command.h"
#include <skep/error.h>

enum { CLI_DONE = 0, CLI_NO = 1, CLI_USAGE = 2 };

struct cli_status_row {
    int status;
    const char *meaning;
    int codes[4]; /* the SKEP_E* that end so; SKEP_OK ends the list */
};
extern const struct cli_status_row cli_statuses[]; /* NULL meaning ends it */

int cli_status_of(int code); /* the exit status for a SKEP_* */

/* Say on standard error what failed, and with --json also as a record on standard output. Returns the exit status. After a
 * signal it says nothing: that is why the thing failed. */
int cli_fail(const struct cli_call *call, const skep_error *err);
int cli_failf(const struct cli_call *call, int code, const char *format, ...) SKEP_PRINTF(3, 4);

#endif
