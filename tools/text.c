/* text.c - formatting for people. */
#include "tools/text.h"

#include "benchmarks/json.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#define COLUMNS 79 /* of help and other prose */

const char *cli_text_size(uint64_t bytes, char out[CLI_TEXT_MAX])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    size_t unit = 0;

    while (value >= 1023.95 && unit + 1 < sizeof units / sizeof *units) {
        value /= 1024;
        unit++;
    }
    snprintf(out, CLI_TEXT_MAX, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return out;
}

const char *cli_text_size_exact(uint64_t bytes, char out[CLI_TEXT_MAX])
{
    char brief[CLI_TEXT_MAX];

    if (bytes < 1024)
        snprintf(out, CLI_TEXT_MAX, "%" PRIu64 " bytes", bytes);
    else
        snprintf(out, CLI_TEXT_MAX, "%.9s (%" PRIu64 " bytes)", cli_text_size(bytes, brief), bytes);
    return out;
}

const char *cli_text_when(uint64_t real_ns, char out[CLI_TEXT_MAX])
{
    time_t seconds = (time_t)(real_ns / 1000000000u);
    struct tm tm;

    if (real_ns == 0 || !localtime_r(&seconds, &tm) || strftime(out, CLI_TEXT_MAX, "%Y-%m-%d %H:%M:%S", &tm) == 0)
        snprintf(out, CLI_TEXT_MAX, "-");
    return out;
}

const char *cli_text_sum(uint64_t sum, char out[CLI_TEXT_MAX])
{
    snprintf(out, CLI_TEXT_MAX, "t1.%016" PRIx64, sum);
    return out;
}

static int is_control(const unsigned char *s, size_t n)
{
    return n == 1 ? s[0] < 0x20 || s[0] == 0x7f : n == 2 && s[0] == 0xc2 && s[1] < 0xa0;
}

/* `to` NULL: count only. */
static size_t print(FILE *to, const char *text)
{
    size_t columns = 0;

    while (*text) {
        size_t n = json_line_utf8(text, 4);
        int escape = n == 0 || is_control((const unsigned char *)text, n);

        n = n ? n : 1;
        columns += escape ? 4 * n : 1;
        for (size_t i = 0; to && i < n; i++)
            fprintf(to, escape ? "\\x%02x" : "%c", (unsigned char)text[i]);
        text += n;
    }
    return columns;
}

size_t cli_text_print(FILE *to, const char *text)
{
    return print(to, text);
}

size_t cli_text_columns(const char *text)
{
    return print(NULL, text);
}

void cli_text_pad(FILE *to, size_t used, size_t columns)
{
    fprintf(to, "%*s", used < columns ? (int)(columns - used) : 0, "");
}

void cli_text_wrap(FILE *to, const char *text, size_t at, size_t indent)
{
    while (*text) {
        size_t word = strcspn(text, " \n");

        if (at > indent && at + 1 + word > COLUMNS) {
            fprintf(to, "\n%*s", (int)indent, "");
            at = indent;
        }
        if (at > indent)
            at += (size_t)fprintf(to, " ");
        fwrite(text, 1, word, to);
        at += word;
        text += word;
        if (strncmp(text, "\n\n", 2) == 0) {
            fprintf(to, "\n\n%*s", (int)indent, "");
            at = indent;
        }
        text += strspn(text, " \n");
    }
    fputc('\n', to);
}

int cli_text_is_plain(const void *data, size_t size)
{
    const unsigned char *s = data;

    for (size_t i = 0; i < size;) {
        size_t n = json_line_utf8(s + i, size - i);

        if (n == 0 || (is_control(s + i, n) && !strchr("\t\n\r", s[i])) || s[i] == '\0')
            return 0;
        i += n;
    }
    return 1;
}
