/* exit_status.c - one table from error codes to exit statuses, and the record of a failure, for every command. */
#include "benchmarks/exit_status.h"
#include "benchmarks/json.h"

const struct exit_status exit_statuses[] = {
    {0, "done, or yes", {SKEP_OK}},
    {1, "no, or what was asked for is not there", {SKEP_ENOENT}},
    {2, "the command line is wrong", {SKEP_EINVAL}},
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

int exit_status_of(int code)
{
    if (code == SKEP_OK)
        return 0;
    for (const struct exit_status *row = exit_statuses; row->meaning != NULL; row++)
        for (const int *c = row->codes; *c != SKEP_OK; c++)
            if (*c == code)
                return row->status;
    return exit_status_of(SKEP_EINTERNAL);
}

void exit_status_record(const char *command, const skep_error *err)
{
    struct json_line json = json_line_begin(stdout, "error");

    json_line_text(&json, "command", command);
    json_line_text(&json, "code", skep_err_name(err->code));
    json_line_uint(&json, "exit", (uint64_t)exit_status_of(err->code));
    json_line_text(&json, "text", err->text);
    json_line_end(&json);
}
