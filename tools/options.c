/* options.c - short and long options, in any order with words, over tables. */
#include "tools/options.h"
#include "tools/suggest.h"
#include <skep/uri.h>
#include <string.h>

struct parse { /* where the walk is */
    int argc;
    char **argv;
    int at; /* the next one to look at */
    const struct cli_table *tables;
    size_t n_tables;
    skep_error *err;
};

struct found {
    const struct cli_option *option; /* NULL: none */
    void *into;
};

static struct found find(const struct parse *p, char letter, const char *name, size_t length)
{
    for (size_t t = 0; t < p->n_tables; t++) {
        for (const struct cli_option *o = p->tables[t].options; o->name; o++) {
            if (letter ? o->letter == letter : strncmp(o->name, name, length) == 0 && o->name[length] == '\0')
                return (struct found){o, p->tables[t].into};
        }
    }
    return (struct found){NULL, NULL};
}

static int unknown_long(const struct parse *p, const char *name, size_t length)
{
    struct cli_suggest near = CLI_SUGGEST_INIT(name, length);

    for (size_t t = 0; t < p->n_tables; t++) {
        for (const struct cli_option *o = p->tables[t].options; o->name; o++)
            cli_suggest_offer(&near, o->name);
    }
    if (near.best)
        return skep_fail(p->err, SKEP_EINVAL, "unknown option --%.*s; did you mean --%s?", (int)length, name, near.best);
    return skep_fail(p->err, SKEP_EINVAL, "unknown option --%.*s", (int)length, name);
}

static int set_number(const struct parse *p, const struct cli_option *o, struct cli_number *number, const char *value)
{
    int is_size = o->kind == CLI_SIZE;
    int rc = is_size ? skep_size_parse(value, &number->value) : skep_time_parse(value, &number->value);

    if (rc != SKEP_OK)
        return skep_fail(p->err, SKEP_EINVAL, "--%s: \"%s\" is not a %s", o->name, value,
                         is_size ? "size, such as 4096, 64k or 1.5g" : "time, such as 500ms, 10s or forever");
    number->given = 1;
    return SKEP_OK;
}

static int set(const struct parse *p, struct found f, const char *value)
{
    void *field = (char *)f.into + f.option->at;

    switch (f.option->kind) {
    case CLI_FLAG:
        *(int *)field = 1;
        return SKEP_OK;
    case CLI_TEXT:
        *(const char **)field = value;
        return SKEP_OK;
    default:
        return set_number(p, f.option, field, value);
    }
}

/* The value of an option that stands in the next word. */
static int next_value(struct parse *p, const struct cli_option *o, const char **value)
{
    if (p->at == p->argc)
        return skep_fail(p->err, SKEP_EINVAL, "--%s needs its %s", o->name, o->value);
    *value = p->argv[p->at++];
    return SKEP_OK;
}

static int parse_long(struct parse *p, const char *name)
{
    size_t length = strcspn(name, "=");
    const char *value = name[length] == '=' ? name + length + 1 : NULL;
    struct found f = find(p, 0, name, length);
    int rc = SKEP_OK;

    if (!f.option)
        return unknown_long(p, name, length);
    if (f.option->kind == CLI_FLAG && value)
        return skep_fail(p->err, SKEP_EINVAL, "--%s takes no value", f.option->name);
    if (f.option->kind != CLI_FLAG && !value)
        rc = next_value(p, f.option, &value);
    return rc == SKEP_OK ? set(p, f, value) : rc;
}

/* "-fo FILE": flags may stand together, and the last one may take what follows as its value. */
static int parse_short(struct parse *p, const char *letters)
{
    for (; *letters; letters++) {
        struct found f = find(p, *letters, NULL, 0);
        const char *value = letters[1] ? letters + 1 : NULL;
        int rc = SKEP_OK;

        if (!f.option)
            return skep_fail(p->err, SKEP_EINVAL, "unknown option -%c", *letters);
        if (f.option->kind != CLI_FLAG && !value)
            rc = next_value(p, f.option, &value);
        if (rc == SKEP_OK)
            rc = set(p, f, value);
        if (rc != SKEP_OK || f.option->kind != CLI_FLAG)
            return rc;
    }
    return SKEP_OK;
}

int cli_options_parse(int argc, char **argv, const struct cli_table *tables, size_t n_tables, int *n_words, skep_error *err)
{
    struct parse p = {argc, argv, 0, tables, n_tables, err};
    int words = 0;
    int ended = 0;

    while (p.at < argc) {
        char *word = argv[p.at++];
        int rc = SKEP_OK;

        if (ended || word[0] != '-' || word[1] == '\0')
            argv[words++] = word;
        else if (strcmp(word, "--") == 0)
            ended = 1;
        else if (word[1] == '-')
            rc = parse_long(&p, word + 2);
        else
            rc = parse_short(&p, word + 1);
        if (rc != SKEP_OK)
            return rc;
    }
    *n_words = words;
    return SKEP_OK;
}
