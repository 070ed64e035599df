/* json.c - the emitter; what it writes is always valid JSON in UTF-8. */
#include "tools/json.h"
#include "tools/text.h"
#include <inttypes.h>

static void quoted(FILE *to, const char *text)
{
    fputc('"', to);
    while (*text) {
        size_t n = cli_text_utf8(text);

        if (n == 0) {
            fputs("\\ufffd", to);
            text++;
        } else if (n == 1 && ((unsigned char)*text < 0x20 || *text == 0x7f)) {
            fprintf(to, "\\u%04x", (unsigned)*text++);
        } else {
            if (*text == '"' || *text == '\\')
                fputc('\\', to);
            fwrite(text, 1, n, to);
            text += n;
        }
    }
    fputc('"', to);
}

static void member(struct cli_json *j, const char *name)
{
    if (j->comma)
        fputc(',', j->to);
    j->comma = 1;
    if (name) {
        quoted(j->to, name);
        fputc(':', j->to);
    }
}

void cli_json_begin(struct cli_json *j, FILE *to, const char *record)
{
    *j = (struct cli_json){to, 0};
    fputc('{', to);
    cli_json_text(j, "record", record);
}

void cli_json_text(struct cli_json *j, const char *name, const char *value)
{
    if (!value) {
        cli_json_null(j, name);
        return;
    }
    member(j, name);
    quoted(j->to, value);
}

void cli_json_number(struct cli_json *j, const char *name, uint64_t value)
{
    member(j, name);
    fprintf(j->to, "%" PRIu64, value);
}

void cli_json_bool(struct cli_json *j, const char *name, int value)
{
    member(j, name);
    fputs(value ? "true" : "false", j->to);
}

void cli_json_null(struct cli_json *j, const char *name)
{
    member(j, name);
    fputs("null", j->to);
}

void cli_json_array(struct cli_json *j, const char *name)
{
    member(j, name);
    fputc('[', j->to);
    j->comma = 0;
}

void cli_json_array_end(struct cli_json *j)
{
    fputc(']', j->to);
    j->comma = 1;
}

void cli_json_end(struct cli_json *j)
{
    fputs("}\n", j->to);
}
