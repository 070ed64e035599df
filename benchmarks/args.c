/* benchmarks/args.c - what words on the command line mean: lists of sizes, counts, durations. */
#include "benchmarks/args.h"
#include "benchmarks/fail.h"

#include <skep/clock.h>
#include <skep/uri.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD_MAX 64

int bench_args_fail(const char *who, const char *format, ...)
{
    skep_error err = {SKEP_EINVAL, ""};
    va_list args;
    int status;

    va_start(args, format);
    vsnprintf(err.text, sizeof err.text, format, args);
    va_end(args);
    status = bench_fail(who, &err);
    fprintf(stderr, "%s --help shows what there is\n", who);
    return status;
}

int bench_args_unknown(const char *who, int result, char **argv, int option_index, int option_char)
{
    const char *word = argv[option_index - 1];

    if (result == ':')
        return bench_args_fail(who, "%s needs a value", word);
    if (option_char != 0 && word[0] == '-' && word[1] != '-')
        return bench_args_fail(who, "unknown option -%c", option_char);
    return bench_args_fail(who, "unknown option %s", word);
}

int bench_args_size(const char *who, const char *option, const char *text, uint64_t *out)
{
    uint64_t size;

    if (skep_size_parse(text, &size) != SKEP_OK)
        return bench_args_fail(who, "%s: '%s' is not a size (64, 1k, 100m, 1g)", option, text);
    if (size > SIZE_MAX / 8)
        return bench_args_fail(who, "%s: %s is more than this machine can address", option, text);
    *out = size;
    return 0;
}

int bench_args_count(const char *who, const char *option, const char *text, uint64_t *out)
{
    char *end;
    unsigned long long value;

    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || value == 0)
        return bench_args_fail(who, "%s: '%s' is not a number from 1 up", option, text);
    *out = value;
    return 0;
}

int bench_args_time(const char *who, const char *option, const char *text, uint64_t *out)
{
    uint64_t ns;

    if (skep_time_parse(text, &ns) != SKEP_OK || ns == SKEP_FOREVER)
        return bench_args_fail(who, "%s: '%s' is not a time (200us, 2ms, 1s)", option, text);
    *out = ns;
    return 0;
}

int bench_args_seconds(const char *who, const char *option, const char *text, uint64_t *out)
{
    char *end;
    double value = strtod(text, &end);

    if (end != text && *end == '\0') {
        if (!(value > 0) || value > 1e6)
            return bench_args_fail(who, "%s: %s is not between 0 and 1000000 seconds", option, text);
        *out = (uint64_t)(value * 1e9);
        return 0;
    }
    return bench_args_time(who, option, text, out);
}

static int add_size(const char *who, const char *option, uint64_t size, struct bench_sizes *out)
{
    if (out->count == BENCH_SIZES_MAX)
        return bench_args_fail(who, "%s: more than %d sizes", option, BENCH_SIZES_MAX);
    out->bytes[out->count++] = size;
    return 0;
}

/* "FROM:TO" or "FROM:TO:xSTEP"; `word` is taken apart. */
static int add_range(const char *who, const char *option, char *word, struct bench_sizes *out)
{
    char *to = strchr(word, ':'), *step;
    uint64_t from_bytes = 0, to_bytes = 0, factor = 2;
    int rc;

    *to++ = '\0';
    step = strchr(to, ':');
    if (step != NULL) {
        *step++ = '\0';
        if (step[0] != 'x' || bench_args_count(who, option, step + 1, &factor) != 0 || factor < 2)
            return bench_args_fail(who, "%s: a range's step is x2 or more, not '%s'", option, step);
    }
    if ((rc = bench_args_size(who, option, word, &from_bytes)) != 0 ||
        (rc = bench_args_size(who, option, to, &to_bytes)) != 0)
        return rc;
    if (from_bytes == 0 || from_bytes > to_bytes)
        return bench_args_fail(who, "%s: a range goes from 1 or more upwards, not from %s to %s", option, word, to);
    for (uint64_t size = from_bytes; size <= to_bytes; size *= factor) {
        if ((rc = add_size(who, option, size, out)) != 0)
            return rc;
        if (size > to_bytes / factor)
            break;
    }
    return 0;
}

int bench_args_sizes(const char *who, const char *option, const char *text, struct bench_sizes *out)
{
    const char *next = text;

    out->count = 0;
    while (next != NULL) {
        const char *comma = strchr(next, ',');
        size_t length = comma != NULL ? (size_t)(comma - next) : strlen(next);
        char word[WORD_MAX];
        uint64_t size = 0;
        int rc;

        if (length == 0 || length >= sizeof word)
            return bench_args_fail(who, "%s: '%s' is not a list of sizes (64,1k,1m or 64:1g or 64:1g:x4)", option, text);
        memcpy(word, next, length);
        word[length] = '\0';
        if (strchr(word, ':') != NULL)
            rc = add_range(who, option, word, out);
        else if ((rc = bench_args_size(who, option, word, &size)) == 0)
            rc = add_size(who, option, size, out);
        if (rc != 0)
            return rc;
        next = comma != NULL ? comma + 1 : NULL;
    }
    return 0;
}
