/* status.c - one table from error codes to exit statuses. */
#include "tools/status.h"
#include "benchmarks/json.h"
#include "tools/signals.h"
#include "tools/text.h"
#include <stdarg.h>
#include <stdio.h>

const struct cli_status_row cli_statuses[] = {
    {CLI_DONE, "done, or yes", {SKEP_OK}},
    {CLI_NO, "no, or what was asked for is not there", {SKEP_ENOENT}},
    {CLI_USAGE, "the command line is wrong", {SKEP_EINVAL}},
    {3, "not permitted", {SKEP_EDENIED}},
    {4, "no room: the store, the memory or a limit", {SKEP_ENOSPC, SKEP_ETOOBIG, SKEP_ENOMEM}},
    {5, "the data are damaged or malformed", {SKEP_ECORRUPT, SKEP_EFORMAT}},
    {6, "input or output failed, or a backend is not reachable", {SKEP_EIO, SKEP_EUNREACH, SKEP_ECLOSED}},
    {7, "the deadline passed", {SKEP_ETIMEDOUT, SKEP_ECANCELED}},
    {8, "not supported by this build, connector or version", {SKEP_ENOTSUP, SKEP_EVERSION}},
    {9, "exists already, or is in use", {SKEP_EEXIST, SKEP_EBUSY}},
    {10, "a task failed, or skep itself is broken", {SKEP_EFAILED, SKEP_EINTERNAL}},
    {0, NULL, {SKEP_OK}},
};

int cli_status_of(int code)
{
    if (code == SKEP_OK)
        return CLI_DONE;
    for (const struct cli_status_row *row = cli_statuses; row->meaning; row++) {
        for (const int *c = row->codes; *c != SKEP_OK; c++) {
            if (*c == code)
                return row->status;
        }
    }
    return cli_status_of(SKEP_EINTERNAL);
}

int cli_fail(const struct cli_call *call, const skep_error *err)
{
    int status = cli_status_of(err->code);

    if (cli_signals_got())
        return status;
    fprintf(stderr, "skep %s: ", call->command->name);
    cli_text_print(stderr, err->text);
    fputc('\n', stderr);
    if (status == CLI_USAGE)
        fprintf(stderr, "Try: skep %s --help\n", call->command->name);
    if (call->json) {
        struct json_line j;

        j = json_line_begin(stdout, "error");
        json_line_text(&j, "command", call->command->name);
        json_line_text(&j, "code", skep_err_name(err->code));
        json_line_uint(&j, "exit", (uint64_t)status);
        json_line_text(&j, "text", err->text);
        json_line_end(&j);
    }
    return status;
}

int cli_failf(const struct cli_call *call, int code, const char *format, ...)
{
    skep_error err = {code, ""};
    va_list ap;

    va_start(ap, format);
    vsnprintf(err.text, sizeof err.text, format, ap);
    va_end(ap);
    return cli_fail(call, &err);
}
