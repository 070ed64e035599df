/* benchmarks/json.c - one JSON object on one line, member by member. */
#include "benchmarks/json.h"
#include "benchmarks/flush.h"

#include <inttypes.h>
#include <math.h>

size_t json_line_utf8(const void *text, size_t left)
{
    const unsigned char *s = text;
    size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;

    if (n == 0 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    /* overlong forms, surrogates, and what lies past U+10FFFF */
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
        (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

/* Command lines may hold anything; JSON may not: what is not UTF-8 becomes U+FFFD. */
static void put_text(FILE *out, const char *text)
{
    const unsigned char *c = (const unsigned char *)text;

    fputc('"', out);
    while (*c != '\0') {
        size_t length = json_line_utf8(c, 4);

        if (length == 0)
            fputs("\\ufffd", out);
        else if (*c == '"' || *c == '\\')
            fprintf(out, "\\%c", *c);
        else if (*c < 0x20 || *c == 0x7f)
            fprintf(out, "\\u%04x", *c);
        else
            fwrite(c, 1, length, out);
        c += length > 0 ? length : 1;
    }
    fputc('"', out);
}

static void put_key(struct json_line *json, const char *key)
{
    if (json->members++ > 0)
        fputc(',', json->out);
    if (key != NULL)
        fprintf(json->out, "\"%s\":", key);
}

struct json_line json_line_begin(FILE *out, const char *record)
{
    struct json_line json = {out, 0};

    fputc('{', out);
    json_line_text(&json, "record", record);
    return json;
}

void json_line_text(struct json_line *json, const char *key, const char *value)
{
    put_key(json, key);
    if (value == NULL)
        fputs("null", json->out);
    else
        put_text(json->out, value);
}

void json_line_uint(struct json_line *json, const char *key, uint64_t value)
{
    put_key(json, key);
    fprintf(json->out, "%" PRIu64, value);
}

void json_line_int(struct json_line *json, const char *key, int64_t value)
{
    put_key(json, key);
    fprintf(json->out, "%" PRId64, value);
}

void json_line_real(struct json_line *json, const char *key, double value)
{
    put_key(json, key);
    if (!isfinite(value) || value < 0)
        fputs("null", json->out);
    else
        fprintf(json->out, "%.10g", value);
}

void json_line_bool(struct json_line *json, const char *key, int value)
{
    put_key(json, key);
    fputs(value ? "true" : "false", json->out);
}

void json_line_null(struct json_line *json, const char *key)
{
    put_key(json, key);
    fputs("null", json->out);
}

void json_line_open(struct json_line *json, const char *key)
{
    put_key(json, key);
    fputc('{', json->out);
    json->members = 0;
}

void json_line_close(struct json_line *json)
{
    fputc('}', json->out);
    json->members = 1;
}

void json_line_array(struct json_line *json, const char *key)
{
    put_key(json, key);
    fputc('[', json->out);
    json->members = 0;
}

void json_line_array_end(struct json_line *json)
{
    fputc(']', json->out);
    json->members = 1;
}

void json_line_end(struct json_line *json)
{
    fputs("}\n", json->out);
    if (json->out == stdout)
        (void)flush_output(); /* it is remembered */
    else
        fflush(json->out);
}
