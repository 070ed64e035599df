/* uri.c - a URI against its scheme's tables of options: caller over environment over default. */
#include "proxy/base/uri.h"
#include "proxy/base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct held {
    const skep_option *option;
    const char *text; /* canonical; NULL: no value */
    char *owned;      /* what `text` points to, where it came from the environment and may change there */
    struct skepi_value value;
};

struct skep_uri {
    struct skepi_parts parts;
    char given[SKEP_URI_MAX]; /* the decoded values of the query: a value and its NUL are no longer than "=value" */
    size_t given_size;
    size_t n;
    struct held held[]; /* one an option, in the order of the tables */
};

/* What parsing needs to know beside the URI. */
struct parse {
    const skep_option *const *tables;
    size_t n_tables;
    int stranger; /* the text comes from a handle */
    skep_error *err;
};

/* ---- tables -------------------------------------------------------------------------------------- */

static const skep_option *find_option(const struct parse *p, const char *name, size_t size)
{
    for (size_t t = 0; t < p->n_tables; t++)
        for (const skep_option *o = p->tables[t]; o != NULL && o->name != NULL; o++)
            if (strlen(o->name) == size && memcmp(o->name, name, size) == 0)
                return o;
    return NULL;
}

static int is_shadowed(const struct parse *p, const skep_option *o)
{
    return find_option(p, o->name, strlen(o->name)) != o;
}

static size_t count_options(const struct parse *p)
{
    size_t n = 0;

    for (size_t t = 0; t < p->n_tables; t++)
        for (const skep_option *o = p->tables[t]; o != NULL && o->name != NULL; o++)
            n++;
    return n;
}

static int unknown_option(const struct parse *p, const char *scheme, const struct skepi_pair *pair)
{
    char known[SKEP_ERROR_TEXT_MAX] = "";
    size_t used = 0;

    for (size_t t = 0; t < p->n_tables; t++)
        for (const skep_option *o = p->tables[t]; o != NULL && o->name != NULL; o++) {
            (void)skepi_text_append(known, sizeof known, &used, used > 0 ? ", " : "");
            (void)skepi_text_append(known, sizeof known, &used, o->name);
        }
    return skep_fail(p->err, SKEP_EINVAL, "%s: has no option '%.*s'; it has: %s", scheme, (int)pair->name_size, pair->name,
                     used > 0 ? known : "none");
}

/* ---- the environment ----------------------------------------------------------------------------- */

/* Appends in capitals, with '_' for what is neither letter nor digit. */
static size_t append_capitals(char *out, size_t cap, size_t at, const char *text, size_t n)
{
    for (size_t i = 0; i < n && at + 1 < cap; i++) {
        char c = text[i];

        if (c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        else if (!(c >= '0' && c <= '9'))
            c = '_';
        out[at++] = c;
    }
    out[at] = '\0';
    return at;
}

/* The variable that speaks for an option, whose name goes to `name`; NULL: none is set. */
static const char *environment(const char *scheme, const char *option, char *name, size_t cap)
{
    const char *end = scheme + strlen(scheme);

    while (end > scheme) { /* the last scheme first */
        const char *begin = end, *text;
        size_t at;

        while (begin > scheme && begin[-1] != '+')
            begin--;
        at = (size_t)snprintf(name, cap, "SKEP_");
        at = append_capitals(name, cap, at, begin, (size_t)(end - begin));
        at = append_capitals(name, cap, at, "_", 1);
        append_capitals(name, cap, at, option, strlen(option));
        text = getenv(name);
        if (text != NULL && text[0] != '\0')
            return text;
        end = begin > scheme ? begin - 1 : scheme;
    }
    return NULL;
}

/* ---- values -------------------------------------------------------------------------------------- */

static int bad_value(const struct parse *p, const skep_option *o, const char *where, const char *text, const char *wants)
{
    if (o->klass == SKEP_CLASS_SECRET)
        return skep_fail(p->err, SKEP_EINVAL, "%s: must be %s", where, wants);
    return skep_fail(p->err, SKEP_EINVAL, "%s: '%.64s' must be %s", where, text, wants);
}

/* Reads `text`, which must stay where it is while the URI lives, as the option's value. */
static int set_value(const struct parse *p, struct held *h, const char *where, const char *text)
{
    const char *wants = "";

    if (skepi_option_parse(h->option, text, &h->value, &wants) != SKEP_OK)
        return bad_value(p, h->option, where, text, wants);
    h->text = h->value.text[0] != '\0' ? h->value.text : text;
    return SKEP_OK;
}

static int set_from_environment(const struct parse *p, const skep_uri *uri, struct held *h)
{
    char name[SKEP_URI_MAX + 64];
    const char *text = environment(uri->parts.scheme, h->option->name, name, sizeof name);

    if (text == NULL)
        return SKEP_OK;
    h->owned = skepi_strdup(text);
    if (h->owned == NULL)
        return skep_fail(p->err, SKEP_ENOMEM, "out of memory for the value of %.64s", name);
    return set_value(p, h, name, h->owned);
}

/* Where nobody gave a value. */
static int set_unsaid(const struct parse *p, const skep_uri *uri, struct held *h)
{
    int rc = SKEP_OK;

    if (!(p->stranger && h->option->klass == SKEP_CLASS_IDENTITY))
        rc = set_from_environment(p, uri, h);
    if (rc != SKEP_OK || h->text != NULL || h->option->fallback == NULL)
        return rc;
    rc = set_value(p, h, h->option->name, h->option->fallback);
    return rc == SKEP_OK ? rc
                         : skep_fail(p->err, SKEP_EINTERNAL, "%s: the default of option '%s' is not one of its values",
                                     uri->parts.scheme, h->option->name);
}

static struct held *find_held(const skep_uri *uri, const char *name)
{
    for (size_t i = 0; i < uri->n; i++)
        if (strcmp(uri->held[i].option->name, name) == 0)
            return (struct held *)&uri->held[i];
    return NULL;
}

static int set_given(const struct parse *p, skep_uri *uri, const struct skepi_pair *pair)
{
    const skep_option *o = find_option(p, pair->name, pair->name_size);
    char where[160], *text = uri->given + uri->given_size;

    if (o == NULL)
        return unknown_option(p, uri->parts.scheme, pair);
    if (p->stranger && (o->klass == SKEP_CLASS_SECRET || o->klass == SKEP_CLASS_LOCAL))
        return skep_fail(p->err, SKEP_EDENIED, "%s: a handle may not set option '%s', which is %s", uri->parts.scheme,
                         o->name, o->klass == SKEP_CLASS_SECRET ? "a secret" : "a path of this host");
    if (p->stranger && o->klass == SKEP_CLASS_TUNING)
        return SKEP_OK;
    skepi_percent_decode(pair->value, pair->value_size, text); /* which skepi_uri_split saw succeed */
    uri->given_size += strlen(text) + 1;
    snprintf(where, sizeof where, "%.60s: option '%.60s'", uri->parts.scheme, o->name);
    return set_value(p, find_held(uri, o->name), where, text);
}

static int set_all(const struct parse *p, skep_uri *uri)
{
    const char *at = uri->parts.query;
    struct skepi_pair pair;
    int rc = SKEP_OK;

    for (size_t t = 0; t < p->n_tables; t++)
        for (const skep_option *o = p->tables[t]; o != NULL && o->name != NULL; o++)
            if (!is_shadowed(p, o))
                uri->held[uri->n++].option = o;
    while (rc == SKEP_OK && skepi_pair_next(&at, &pair) == 1)
        rc = set_given(p, uri, &pair);
    for (size_t i = 0; i < uri->n && rc == SKEP_OK; i++)
        if (uri->held[i].text == NULL)
            rc = set_unsaid(p, uri, &uri->held[i]);
    return rc;
}

static int parse(const struct parse *p, const char *text, skep_uri **take)
{
    skep_uri *uri;
    int rc;

    uri = skepi_alloc(sizeof *uri + count_options(p) * sizeof uri->held[0]);
    if (uri == NULL)
        return skep_fail(p->err, SKEP_ENOMEM, "out of memory for a URI");
    rc = skepi_uri_split(text, &uri->parts, p->err);
    if (rc == SKEP_OK)
        rc = set_all(p, uri);
    if (rc != SKEP_OK) {
        skep_uri_free(uri);
        return rc;
    }
    *take = uri;
    return SKEP_OK;
}

int skep_uri_parse(const char *text, const skep_option *const *tables, size_t n, skep_uri **take, skep_error *err)
{
    struct parse p = {tables, n, 0, err};

    return parse(&p, text, take);
}

int skepi_uri_from_handle(const char *text, const skep_option *const *tables, size_t n, skep_uri **take, skep_error *err)
{
    struct parse p = {tables, n, 1, err};

    return parse(&p, text, take);
}

void skep_uri_free(skep_uri *uri)
{
    if (uri == NULL)
        return;
    for (size_t i = 0; i < uri->n; i++)
        skepi_free(uri->held[i].owned);
    skepi_free(uri);
}

/* ---- asking -------------------------------------------------------------------------------------- */

const char *skep_uri_scheme(const skep_uri *uri)
{
    return uri->parts.scheme;
}

const char *skep_uri_user(const skep_uri *uri)
{
    return uri->parts.user;
}

const char *skep_uri_host(const skep_uri *uri)
{
    return uri->parts.host;
}

int skep_uri_port(const skep_uri *uri)
{
    return uri->parts.port;
}

const char *skep_uri_path(const skep_uri *uri)
{
    return uri->parts.path;
}

/* NULL: no such option, no value, or one of another type. */
static const struct held *ask(const skep_uri *uri, const char *option, int type)
{
    const struct held *h = find_held(uri, option);

    return h != NULL && h->text != NULL && h->option->type == type ? h : NULL;
}

int skep_uri_has(const skep_uri *uri, const char *option)
{
    const struct held *h = find_held(uri, option);

    return h != NULL && h->text != NULL;
}

int skep_uri_bool(const skep_uri *uri, const char *option)
{
    const struct held *h = ask(uri, option, SKEP_TYPE_BOOL);

    return h != NULL && h->value.number != 0;
}

int64_t skep_uri_int(const skep_uri *uri, const char *option)
{
    const struct held *h = ask(uri, option, SKEP_TYPE_INT);

    return h != NULL ? h->value.number : 0;
}

uint64_t skep_uri_size(const skep_uri *uri, const char *option)
{
    const struct held *h = ask(uri, option, SKEP_TYPE_SIZE);

    return h != NULL ? h->value.amount : 0;
}

uint64_t skep_uri_time(const skep_uri *uri, const char *option)
{
    const struct held *h = ask(uri, option, SKEP_TYPE_TIME);

    return h != NULL ? h->value.amount : 0;
}

const char *skep_uri_option(const skep_uri *uri, const char *option)
{
    const struct held *h = find_held(uri, option);

    return h != NULL && h->text != NULL ? h->text : "";
}

/* ---- writing ------------------------------------------------------------------------------------- */

#define WRITTEN_MAX 4096

struct writer {
    char out[WRITTEN_MAX];
    size_t at;
    int rc, options;
};

static void write_text(struct writer *w, const char *text)
{
    if (w->rc == SKEP_OK)
        w->rc = skepi_text_append(w->out, sizeof w->out, &w->at, text);
}

static void write_coded(struct writer *w, const char *text, const char *stand)
{
    if (w->rc == SKEP_OK)
        w->rc = skepi_percent_append(w->out, sizeof w->out, &w->at, text, stand);
}

static int hand_out(const struct writer *w, char *out, size_t cap)
{
    if (w->rc != SKEP_OK || w->at >= cap)
        return SKEP_ETOOBIG;
    memcpy(out, w->out, w->at + 1);
    return SKEP_OK;
}

static void write_where(struct writer *w, const struct skepi_parts *parts)
{
    char port[16];

    write_text(w, parts->scheme);
    write_text(w, ":");
    if (parts->user[0] != '\0' || parts->host[0] != '\0' || parts->port != 0 || parts->path[0] != '\0')
        write_text(w, "//");
    write_coded(w, parts->user, "");
    write_text(w, parts->user[0] != '\0' ? "@" : "");
    write_text(w, strchr(parts->host, ':') != NULL ? "[" : "");
    write_text(w, parts->host);
    write_text(w, strchr(parts->host, ':') != NULL ? "]" : "");
    snprintf(port, sizeof port, ":%d", parts->port);
    write_text(w, parts->port != 0 ? port : "");
    write_coded(w, parts->path, SKEPI_STAND);
}

static void write_option(struct writer *w, const struct held *h)
{
    write_text(w, w->options++ > 0 ? "&" : "?");
    write_text(w, h->option->name);
    write_text(w, "=");
    if (h->option->klass == SKEP_CLASS_SECRET)
        write_text(w, "***");
    else
        write_coded(w, h->text, SKEPI_STAND);
}

static int is_default(const struct held *h)
{
    struct skepi_value value;
    const char *wants;

    if (h->option->fallback == NULL || skepi_option_parse(h->option, h->option->fallback, &value, &wants) != SKEP_OK)
        return 0;
    return strcmp(h->text, value.text[0] != '\0' ? value.text : h->option->fallback) == 0;
}

/* The identity option to write after `last` by name; NULL: none is left. */
static const struct held *next_identity(const skep_uri *uri, const struct held *last)
{
    const struct held *next = NULL;

    for (size_t i = 0; i < uri->n; i++) {
        const struct held *h = &uri->held[i];

        if (h->option->klass != SKEP_CLASS_IDENTITY || h->text == NULL || is_default(h))
            continue;
        if ((last == NULL || strcmp(h->option->name, last->option->name) > 0) &&
            (next == NULL || strcmp(h->option->name, next->option->name) < 0))
            next = h;
    }
    return next;
}

int skep_uri_identity(const skep_uri *uri, char *out, size_t cap)
{
    struct writer w = {.rc = SKEP_OK};
    const struct held *h = NULL;

    write_where(&w, &uri->parts);
    while (w.rc == SKEP_OK && (h = next_identity(uri, h)) != NULL)
        write_option(&w, h);
    return hand_out(&w, out, cap);
}

int skep_uri_describe(const skep_uri *uri, char *out, size_t cap)
{
    struct writer w = {.rc = SKEP_OK};

    write_where(&w, &uri->parts);
    for (size_t i = 0; i < uri->n; i++)
        if (uri->held[i].text != NULL)
            write_option(&w, &uri->held[i]);
    return hand_out(&w, out, cap);
}
