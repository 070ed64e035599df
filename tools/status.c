/* status.c - how a command says that it failed. */
#include "tools/status.h"
#include "tools/signals.h"
#include "tools/text.h"
#include <stdarg.h>
#include <stdio.h>

int cli_fail(const struct cli_call *call, const skep_error *err)
{
    int status = exit_status_of(err->code);

    if (cli_signals_got())
        return status;
    fprintf(stderr, "skep %s: ", call->command->name);
    cli_text_print(stderr, err->text);
    fputc('\n', stderr);
    if (status == CLI_USAGE)
        fprintf(stderr, "Try: skep %s --help\n", call->command->name);
    if (call->json)
        exit_status_record(call->command->name, err);
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
