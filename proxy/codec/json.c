/* json.c - the pull reader behind the safetensors header. */
#include "proxy/codec/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proxy/codec/utf8.h"

void skepi_json_init(struct skepi_json *j, char *text, size_t size, skep_error *err)
{
    *j = (struct skepi_json){.begin = text, .at = text, .end = text + size, .err = err};
}

/* One character, or one byte of what is none, as people may see it: at most sizeof "\\u{10ffff}" - 1 bytes. */
static int shown(uint32_t code, size_t size, char *out, size_t cap)
{
    if (size == 0)
        return snprintf(out, cap, "\\x%02x", (unsigned)code);
    if (code > 0xffff)
        return snprintf(out, cap, "\\u{%x}", (unsigned)code);
    if (code < 0x20 || code >= 0x7f)
        return snprintf(out, cap, "\\u%04x", (unsigned)code);
    return snprintf(out, cap, code == '"' || code == '\\' ? "\\%c" : "%c", (char)code);
}

const char *skepi_quote(const char *text, char out[SKEPI_QUOTE_MAX])
{
    const unsigned char *at = (const unsigned char *)text;
    size_t n = 0;

    out[n++] = '"';
    while (*at != '\0') {
        uint32_t code = *at;
        size_t size = skepi_utf8(at, strnlen((const char *)at, 4), &code);

        if (n + sizeof "\\u{10ffff}...\"" > SKEPI_QUOTE_MAX) {
            memcpy(out + n, "...", 3);
            n += 3;
            break;
        }
        n += (size_t)shown(code, size, out + n, SKEPI_QUOTE_MAX - n);
        at += size > 0 ? size : 1;
    }
    memcpy(out + n, "\"", 2);
    return out;
}

int skepi_json_fail(struct skepi_json *j, const char *format, ...)
{
    char text[300], quoted[SKEPI_QUOTE_MAX];
    va_list args;

    if (j->err == NULL)
        return SKEP_EFORMAT;
    va_start(args, format);
    if (vsnprintf(text, sizeof text, format, args) < 0)
        text[0] = '\0';
    va_end(args);
    return skep_fail(j->err, SKEP_EFORMAT, "%s%s%sheader byte %zu: %s", j->tensor ? "tensor " : "",
                     j->tensor ? skepi_quote(j->tensor, quoted) : "", j->tensor ? ": " : "", (size_t)(j->at - j->begin),
                     text);
}

/* "'x'", "byte 0x07" or "the end", for error texts. */
static const char *here(const struct skepi_json *j, char out[16])
{
    unsigned char c;

    if (j->at == j->end)
        return "the end";
    c = (unsigned char)*j->at;
    snprintf(out, 16, c > ' ' && c < 0x7f ? "'%c'" : "byte 0x%02x", c);
    return out;
}

static int unexpected(struct skepi_json *j, const char *wanted)
{
    char text[16];

    return skepi_json_fail(j, "%s expected, here is %s", wanted, here(j, text));
}

int skepi_json_peek(struct skepi_json *j)
{
    while (j->at < j->end && (*j->at == ' ' || *j->at == '\n' || *j->at == '\r' || *j->at == '\t'))
        j->at++;
    return j->at < j->end ? (unsigned char)*j->at : -1;
}

int skepi_json_enter(struct skepi_json *j, char bracket)
{
    if (skepi_json_peek(j) != bracket)
        return unexpected(j, bracket == '{' ? "an object" : "an array");
    if (++j->depth > SKEPI_JSON_DEPTH)
        return skepi_json_fail(j, "more than %d arrays and objects within one another", SKEPI_JSON_DEPTH);
    j->at++;
    j->fresh = 1;
    return SKEP_OK;
}

/* Over the comma in front of the next value, or over the bracket that ends all. */
static int next(struct skepi_json *j, char bracket, int *more)
{
    int c = skepi_json_peek(j), fresh = j->fresh;

    j->fresh = 0;
    if (c == bracket) {
        j->at++;
        j->depth--;
        *more = 0;
        return SKEP_OK;
    }
    *more = 1;
    if (fresh)
        return SKEP_OK;
    if (c != ',')
        return unexpected(j, bracket == '}' ? "',' or '}'" : "',' or ']'");
    j->at++;
    return SKEP_OK;
}

int skepi_json_element(struct skepi_json *j, int *more)
{
    return next(j, ']', more);
}

int skepi_json_member(struct skepi_json *j, struct skepi_json_text *key)
{
    int more, rc = next(j, '}', &more);

    if (rc != SKEP_OK)
        return rc;
    if (!more) {
        *key = (struct skepi_json_text){NULL, 0};
        return SKEP_OK;
    }
    rc = skepi_json_string(j, "a name", key);
    if (rc != SKEP_OK)
        return rc;
    if (skepi_json_peek(j) != ':')
        return unexpected(j, "':'");
    j->at++;
    return SKEP_OK;
}

/* ---- strings ------------------------------------------------------------------------------------- */

static int hex4(struct skepi_json *j, uint32_t *out)
{
    uint32_t code = 0;

    for (int i = 0; i < 4; i++, j->at++) {
        int c = j->at < j->end ? (unsigned char)*j->at : -1;
        int digit = c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;

        if (c < 0 || digit < 0)
            return unexpected(j, "a hexadecimal digit of \\u");
        code = code << 4 | (uint32_t)digit;
    }
    *out = code;
    return SKEP_OK;
}

/* Behind "\u": one code point, of two halves if the first is the high one. */
static int unicode_escape(struct skepi_json *j, char **to)
{
    uint32_t code = 0, low = 0;
    int rc = hex4(j, &code);

    if (rc != SKEP_OK)
        return rc;
    if (code >= 0xdc00 && code <= 0xdfff)
        return skepi_json_fail(j, "\\u%04x is the second half of a character without its first", (unsigned)code);
    if (code >= 0xd800 && code <= 0xdbff) {
        if (j->end - j->at < 2 || j->at[0] != '\\' || j->at[1] != 'u')
            return skepi_json_fail(j, "\\u%04x is the first half of a character without its second", (unsigned)code);
        j->at += 2;
        rc = hex4(j, &low);
        if (rc != SKEP_OK)
            return rc;
        if (low < 0xdc00 || low > 0xdfff)
            return skepi_json_fail(j, "\\u%04x\\u%04x are not the two halves of a character", (unsigned)code, (unsigned)low);
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    *to += skepi_utf8_put(code, *to);
    return SKEP_OK;
}

static int escape(struct skepi_json *j, char **to)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    const char *found;
    char c;

    j->at++;
    c = j->at < j->end ? *j->at : '\0';
    if (c == 'u') {
        j->at++;
        return unicode_escape(j, to);
    }
    found = c != '\0' ? strchr(from, c) : NULL;
    if (found == NULL)
        return unexpected(j, "one of \"\\/bfnrtu behind \\");
    *(*to)++ = into[found - from];
    j->at++;
    return SKEP_OK;
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* 1 if one of the 8 bytes is `byte`. */
static int has_byte(uint64_t bytes, unsigned char byte)
{
    uint64_t zero = bytes ^ EACH(byte);

    return ((zero - EACH(0x01)) & ~zero & EACH(0x80)) != 0;
}

/* 1 if all 8 bytes are ASCII that stands for itself: most of a header is looked at so, and by nothing slower. */
static int is_plain(const char *at)
{
    uint64_t bytes;

    memcpy(&bytes, at, sizeof bytes);
    return (bytes & EACH(0x80)) == 0 && ((bytes - EACH(0x20)) & EACH(0x80)) == 0 && !has_byte(bytes, '"') &&
           !has_byte(bytes, '\\');
}

/* Whole characters as they stand, up to what is not: a quote, a backslash, the end, or a fault. */
static char *plain(struct skepi_json *j, char *to)
{
    const char *from = j->at;
    size_t run;

    while (j->at < j->end) {
        unsigned char c = (unsigned char)*j->at;
        uint32_t code;
        size_t size = 1;

        if (j->end - j->at >= 8 && is_plain(j->at)) {
            j->at += 8;
            continue;
        }
        if (c < 0x20 || c == '"' || c == '\\')
            break;
        if (c >= 0x80 && (size = skepi_utf8((unsigned char *)j->at, (size_t)(j->end - j->at), &code)) == 0)
            break;
        j->at += size;
    }
    run = (size_t)(j->at - from);
    if (to != from)
        memmove(to, from, run);
    return to + run;
}

int skepi_json_string(struct skepi_json *j, const char *what, struct skepi_json_text *out)
{
    char *to, *text;
    int rc;

    if (skepi_json_peek(j) != '"')
        return unexpected(j, what);
    text = to = ++j->at;
    for (;;) {
        to = plain(j, to);
        if (j->at == j->end)
            return skepi_json_fail(j, "the string that begins at byte %zu does not end", (size_t)(text - 1 - j->begin));
        if (*j->at == '"')
            break;
        if ((unsigned char)*j->at >= 0x80)
            return skepi_json_fail(j, "invalid UTF-8");
        if (*j->at != '\\')
            return skepi_json_fail(j, "byte 0x%02x must be escaped in a string", (unsigned char)*j->at);
        rc = escape(j, &to);
        if (rc != SKEP_OK)
            return rc;
    }
    j->at++;
    *to = '\0';
    *out = (struct skepi_json_text){text, (size_t)(to - text)};
    return SKEP_OK;
}

/* ---- numbers and other values -------------------------------------------------------------------- */

static int is_digit(const struct skepi_json *j)
{
    return j->at < j->end && *j->at >= '0' && *j->at <= '9';
}

struct number {
    const char *begin, *digits, *dot, *exponent; /* dot and exponent: NULL where there is none */
    const char *end;
    int64_t power; /* of ten, saturated */
};

static int digits(struct skepi_json *j)
{
    if (!is_digit(j))
        return unexpected(j, "a digit");
    while (is_digit(j))
        j->at++;
    return SKEP_OK;
}

static int exponent(struct skepi_json *j, struct number *out)
{
    int minus = 0;

    out->exponent = j->at++;
    if (j->at < j->end && (*j->at == '+' || *j->at == '-'))
        minus = *j->at++ == '-';
    if (!is_digit(j))
        return unexpected(j, "a digit");
    for (; is_digit(j); j->at++)
        if (out->power < INT64_MAX / 32)
            out->power = out->power * 10 + (*j->at - '0');
    if (minus)
        out->power = -out->power;
    return SKEP_OK;
}

static int number(struct skepi_json *j, struct number *out)
{
    int rc = SKEP_OK;

    *out = (struct number){.begin = j->at};
    if (*j->at == '-')
        j->at++;
    out->digits = j->at;
    if (j->at < j->end && *j->at == '0')
        j->at++;
    else
        rc = digits(j);
    if (rc == SKEP_OK && is_digit(j))
        return skepi_json_fail(j, "a number does not begin with 0");
    if (rc == SKEP_OK && j->at < j->end && *j->at == '.') {
        out->dot = j->at++;
        rc = digits(j);
    }
    if (rc == SKEP_OK && j->at < j->end && (*j->at | 0x20) == 'e')
        rc = exponent(j, out);
    out->end = j->at;
    return rc;
}

/* The reference refuses numbers that no double can hold, where nobody reads them either. */
static int fits_double(const struct number *n)
{
    static const char least_too_big[] = "17976931348623158"; /* e308 behind its first digit */
    const char *mantissa_end = n->exponent ? n->exponent : n->end, *units_end = n->dot ? n->dot : mantissa_end;
    const char *at = n->digits, *limit = least_too_big;
    int64_t power;

    while (at < mantissa_end && (*at == '0' || *at == '.'))
        at++;
    if (at == mantissa_end)
        return 1;
    power = n->power + (at < units_end ? units_end - at - 1 : units_end - at);
    if (power != 308)
        return power < 308;
    for (; at < mantissa_end && *limit != '\0'; at++) {
        if (*at == '.')
            continue;
        if (*at != *limit)
            return *at < *limit;
        limit++;
    }
    return *limit != '\0';
}

int skepi_json_u64(struct skepi_json *j, const char *what, uint64_t *out)
{
    struct number n;
    uint64_t value = 0;
    char *begin;
    int c = skepi_json_peek(j), rc;

    if (c != '-' && (c < '0' || c > '9'))
        return unexpected(j, what);
    begin = j->at;
    rc = number(j, &n);
    if (rc != SKEP_OK)
        return rc;
    for (const char *d = n.digits; d < n.end; d++) {
        if (*n.begin == '-' || n.dot != NULL || n.exponent != NULL || value > (UINT64_MAX - (uint64_t)(*d - '0')) / 10) {
            j->at = begin;
            return skepi_json_fail(j, "%s expected, here is %.*s", what, n.end - n.begin > 40 ? 40 : (int)(n.end - n.begin),
                                   n.begin);
        }
        value = value * 10 + (uint64_t)(*d - '0');
    }
    *out = value;
    return SKEP_OK;
}

static int word(struct skepi_json *j, const char *wanted)
{
    size_t size = strlen(wanted);

    if ((size_t)(j->end - j->at) < size || memcmp(j->at, wanted, size) != 0)
        return unexpected(j, "a value");
    j->at += size;
    return SKEP_OK;
}

int skepi_json_null(struct skepi_json *j)
{
    skepi_json_peek(j);
    return word(j, "null");
}

static int skip_number(struct skepi_json *j)
{
    char *begin = j->at;
    struct number n;
    int rc = number(j, &n);

    if (rc == SKEP_OK && !fits_double(&n)) {
        j->at = begin;
        rc = skepi_json_fail(j, "the number is too big for a double");
    }
    return rc;
}

static int skip_array(struct skepi_json *j)
{
    int more, rc = skepi_json_enter(j, '[');

    while (rc == SKEP_OK && (rc = skepi_json_element(j, &more)) == SKEP_OK && more)
        rc = skepi_json_skip(j);
    return rc;
}

static int skip_object(struct skepi_json *j)
{
    struct skepi_json_text key = {NULL, 0};
    int rc = skepi_json_enter(j, '{');

    while (rc == SKEP_OK && (rc = skepi_json_member(j, &key)) == SKEP_OK && key.text != NULL)
        rc = skepi_json_skip(j);
    return rc;
}

int skepi_json_skip(struct skepi_json *j)
{
    struct skepi_json_text text;
    int c = skepi_json_peek(j);

    switch (c) {
    case '{':
        return skip_object(j);
    case '[':
        return skip_array(j);
    case '"':
        return skepi_json_string(j, "a string", &text);
    case 't':
        return word(j, "true");
    case 'f':
        return word(j, "false");
    case 'n':
        return word(j, "null");
    default:
        return c == '-' || (c >= '0' && c <= '9') ? skip_number(j) : unexpected(j, "a value");
    }
}

int skepi_json_end(struct skepi_json *j)
{
    return skepi_json_peek(j) < 0 ? SKEP_OK : unexpected(j, "the end");
}
