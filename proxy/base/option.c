/* option.c - the values that options take, and their canonical texts. */
#include "proxy/base/uri.h"

#include <inttypes.h>
#include <skep/clock.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};
static const struct unit size_units[] = {
    {"t", (uint64_t)1 << 40}, {"g", 1 << 30}, {"m", 1 << 20}, {"k", 1 << 10}, {"", 1}, {NULL, 0},
};
static const struct unit time_units[] = {
    {"h", 3600000000000u}, {"m", 60000000000u}, {"s", 1000000000}, {"ms", 1000000}, {"us", 1000}, {"ns", 1}, {NULL, 0},
};
#define FRACTION_DIGITS 6 /* as many as the biggest unit allows without overflow: 3.6e12 * 1e6 */

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits from *text on. SKEP_EINVAL: none, or more than 64 bits hold. */
static int read_digits(const char **text, uint64_t *out)
{
    uint64_t n = 0;

    if (!is_digit(**text))
        return SKEP_EINVAL;
    for (; is_digit(**text); ++*text)
        if (__builtin_mul_overflow(n, (uint64_t)10, &n) || __builtin_add_overflow(n, (uint64_t)(**text - '0'), &n))
            return SKEP_EINVAL;
    *out = n;
    return SKEP_OK;
}

/* Millionths from the digits behind a point. SKEP_EINVAL: none, or too many. */
static int read_fraction(const char **text, uint64_t *out)
{
    uint64_t n = 0;
    int digits = 0;

    for (; is_digit(**text) && digits < FRACTION_DIGITS; ++*text, digits++)
        n = n * 10 + (uint64_t)(**text - '0');
    if (digits == 0 || is_digit(**text))
        return SKEP_EINVAL;
    for (; digits < FRACTION_DIGITS; digits++)
        n *= 10;
    *out = n;
    return SKEP_OK;
}

static const struct unit *find_unit(const struct unit *units, const char *name)
{
    for (; units->name != NULL; units++)
        if (strcmp(units->name, name) == 0)
            return units;
    return NULL;
}

/* A number with an optional fraction, then a unit: rounded down to a whole byte or nanosecond. */
static int read_amount(const char *text, const struct unit *units, uint64_t *out)
{
    uint64_t whole, millionths = 0;
    const struct unit *unit;

    if (read_digits(&text, &whole) != SKEP_OK)
        return SKEP_EINVAL;
    if (*text == '.') {
        text++;
        if (read_fraction(&text, &millionths) != SKEP_OK)
            return SKEP_EINVAL;
    }
    unit = find_unit(units, text);
    if (unit == NULL && *text == '\0' && whole == 0 && millionths == 0)
        unit = units; /* nought needs no unit */
    if (unit == NULL || __builtin_mul_overflow(whole, unit->factor, &whole) ||
        __builtin_add_overflow(whole, millionths * unit->factor / 1000000u, &whole))
        return SKEP_EINVAL;
    *out = whole;
    return SKEP_OK;
}

int skep_size_parse(const char *text, uint64_t *out)
{
    char small[SKEPI_NUMBER_MAX + 32];
    size_t n = text != NULL ? strlen(text) : 0;

    if (n == 0 || n >= sizeof small || out == NULL)
        return SKEP_EINVAL;
    memcpy(small, text, n + 1);
    if (small[n - 1] >= 'A' && small[n - 1] <= 'Z') /* 64K is 64k */
        small[n - 1] = (char)(small[n - 1] - 'A' + 'a');
    return read_amount(small, size_units, out);
}

int skep_time_parse(const char *text, uint64_t *out_ns)
{
    if (text == NULL || out_ns == NULL)
        return SKEP_EINVAL;
    if (strcmp(text, "forever") == 0) {
        *out_ns = SKEP_FOREVER;
        return SKEP_OK;
    }
    return read_amount(text, time_units, out_ns);
}

/* The biggest unit of which it is a whole number. */
static void write_amount(uint64_t amount, const struct unit *units, char out[SKEPI_NUMBER_MAX])
{
    while (units[1].name != NULL && (amount == 0 || amount % units->factor != 0))
        units++;
    snprintf(out, SKEPI_NUMBER_MAX, "%" PRIu64 "%s", amount / units->factor, units->name);
}

static int read_bool(const char *text, int64_t *out)
{
    static const char *const words[2][4] = {{"off", "no", "false", "0"}, {"on", "yes", "true", "1"}};

    for (int value = 0; value < 2; value++)
        for (int i = 0; i < 4; i++)
            if (strcmp(text, words[value][i]) == 0) {
                *out = value;
                return SKEP_OK;
            }
    return SKEP_EINVAL;
}

static int read_int(const char *text, int64_t *out)
{
    int negative = text[0] == '-';
    uint64_t n, most = (uint64_t)INT64_MAX + (uint64_t)negative;

    text += negative;
    if (read_digits(&text, &n) != SKEP_OK || *text != '\0' || n > most)
        return SKEP_EINVAL;
    *out = negative ? (int64_t)(0 - n) : (int64_t)n;
    return SKEP_OK;
}

static int is_choice(const char *choices, const char *text)
{
    size_t n = strlen(text);

    while (choices != NULL && *choices != '\0') {
        size_t word = strcspn(choices, "|");

        if (word == n && memcmp(choices, text, n) == 0)
            return 1;
        choices += word + (choices[word] == '|');
    }
    return 0;
}

static int has_control(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return 1;
    return 0;
}

int skepi_option_parse(const skep_option *option, const char *given, struct skepi_value *out, const char **wants)
{
    struct skepi_value value = {0, 0, ""};
    int rc = SKEP_OK;

    switch (option->type) {
    case SKEP_TYPE_BOOL:
        *wants = "on or off";
        rc = read_bool(given, &value.number);
        snprintf(value.text, sizeof value.text, "%s", value.number ? "on" : "off");
        break;
    case SKEP_TYPE_INT:
        *wants = "a whole number";
        rc = read_int(given, &value.number);
        snprintf(value.text, sizeof value.text, "%" PRId64, value.number);
        break;
    case SKEP_TYPE_SIZE:
        *wants = "a size (4096, 64k, 1g)";
        rc = skep_size_parse(given, &value.amount);
        write_amount(value.amount, size_units, value.text);
        break;
    case SKEP_TYPE_TIME:
        *wants = "a time (500ms, 10s, forever)";
        rc = skep_time_parse(given, &value.amount);
        if (value.amount == SKEP_FOREVER)
            snprintf(value.text, sizeof value.text, "forever");
        else
            write_amount(value.amount, time_units, value.text);
        break;
    case SKEP_TYPE_CHOICE:
        *wants = option->choices;
        rc = is_choice(option->choices, given) ? SKEP_OK : SKEP_EINVAL;
        break;
    default:
        *wants = "text without control characters";
        rc = has_control(given) ? SKEP_EINVAL : SKEP_OK;
        break;
    }
    if (rc == SKEP_OK)
        *out = value;
    return rc;
}
