/* status.h - how a command says that it failed. */
#ifndef SKEP_TOOLS_STATUS_H
#define SKEP_TOOLS_STATUS_H

#include "benchmarks/exit_status.h"
#include "tools/command.h"
#include <skep/error.h>

enum { CLI_DONE = 0, CLI_NO = 1, CLI_USAGE = 2 }; /* of exit_statuses, those with a meaning here */

/* Say on standard error what failed, and with --json also as a record on standard output. Returns the exit status. After a
 * signal it says nothing: that is why the thing failed. */
int cli_fail(const struct cli_call *call, const skep_error *err);
int cli_failf(const struct cli_call *call, int code, const char *format, ...) SKEP_PRINTF(3, 4);

#endif
