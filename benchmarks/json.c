/* benchmarks/json.c - one JSON object on one line, member by member. */
#include "benchmarks/json.h"

#include <inttypes.h>
#include <math.h>

/* Bytes of the UTF-8 character that begins here; 0: none does. */
static size_t character(const unsigned char *c)
{
    size_t length = *c < 0x80                 ? 1
                    : *c >= 0xc2 && *c < 0xe0 ? 2
                    : *c >= 0xe0 && *c < 0xf0 ? 3
                    : *c >= 0xf0 && *c < 0xf5 ? 4
                                              : 0;

    for (size_t i = 1; i < length; i++)
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    if ((*c == 0xe0 && c[1] < 0xa0) || (*c == 0xed && c[1] > 0x9f) || (*c == 0xf0 && c[1] < 0x90) ||
        (*c == 0xf4 && c[1] > 0x8f))
        return 0;
    return length;
}

/* Command lines may hold anything; JSON may not: what is not UTF-8 becomes U+FFFD. */
static void put_text(FILE *out, const char *text)
{
    const unsigned char *c = (const unsigned char *)text;

    fputc('"', out);
    while (*c != '\0') {
        size_t length = character(c);

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

static void put_key(struct bench_json *json, const char *key)
{
    fprintf(json->out, "%s\"%s\":", json->members++ > 0 ? "," : "", key);
}

struct bench_json bench_json_begin(FILE *out, const char *record)
{
    struct bench_json json = {out, 0};

    fputc('{', out);
    bench_json_text(&json, "record", record);
    return json;
}

void bench_json_text(struct bench_json *json, const char *key, const char *value)
{
    put_key(json, key);
    if (value == NULL)
        fputs("null", json->out);
    else
        put_text(json->out, value);
}

void bench_json_uint(struct bench_json *json, const char *key, uint64_t value)
{
    put_key(json, key);
    fprintf(json->out, "%" PRIu64, value);
}

void bench_json_int(struct bench_json *json, const char *key, int64_t value)
{
    put_key(json, key);
    fprintf(json->out, "%" PRId64, value);
}

void bench_json_real(struct bench_json *json, const char *key, double value)
{
    put_key(json, key);
    if (!isfinite(value) || value < 0)
        fputs("null", json->out);
    else
        fprintf(json->out, "%.10g", value);
}

void bench_json_bool(struct bench_json *json, const char *key, int value)
{
    put_key(json, key);
    fputs(value ? "true" : "false", json->out);
}

void bench_json_null(struct bench_json *json, const char *key)
{
    put_key(json, key);
    fputs("null", json->out);
}

void bench_json_open(struct bench_json *json, const char *key)
{
    put_key(json, key);
    fputc('{', json->out);
    json->members = 0;
}

void bench_json_close(struct bench_json *json)
{
    fputc('}', json->out);
    json->members = 1;
}

void bench_json_end(struct bench_json *json)
{
    fputs("}\n", json->out);
    fflush(json->out);
}
