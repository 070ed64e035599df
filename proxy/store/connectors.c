/* connectors.c - finds the connector of a scheme, loads it when it is first used, and composes "fault+shm" from two. */
#include "connectors/registry.h"
#include "proxy/base/alloc.h"
#include "proxy/base/host.h"
#include "proxy/base/uri.h"
#include "proxy/store/connectors.h"
#include "proxy/store/fork.h"
#include "proxy/store/options.h"
#include "proxy/store/sync.h"

#include <stdio.h>
#include <string.h>

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER; /* rank 30; guards `known`, its links and `ready` */
static pthread_cond_t loaded = PTHREAD_COND_INITIALIZER;
static struct skepi_connector *known;

/* The operations that a wrapper has only if what it wraps has them. */
/* clang-format off */
#define OPTIONAL_OPS(X)                                                                 \
    X(exists) X(read) X(reserve) X(commit) X(abort) X(wait) X(list)                     \
    X(name_set) X(name_get) X(identity)                                                 \
    X(put_batch) X(get_batch) X(exists_batch) X(evict_batch)
/* clang-format on */

static const struct skepi_connector_row *find_row(const char *scheme)
{
    const struct skepi_connector_row *row = skepi_connectors;

    while (row->scheme != NULL && strcmp(row->scheme, scheme) != 0)
        row++;
    return row->scheme != NULL ? row : NULL;
}

static int load_simple(struct skepi_connector *c, skep_error *err)
{
    const struct skepi_connector_row *row = find_row(c->scheme);
    const skep_connector *table;
    int rc = SKEP_OK;

    if (row != NULL && row->entry != NULL)
        table = row->entry(&skepi_host);
    else
        rc = skepi_module_load(c->scheme, row != NULL ? row->package : NULL, &table, err);
    if (rc == SKEP_OK)
        rc = skepi_connector_check(table, c->scheme, err);
    if (rc != SKEP_OK)
        return rc;
    memcpy(&c->table, table, table->size < sizeof c->table ? table->size : sizeof c->table);
    if (table->options != NULL)
        c->options[c->n_options++] = table->options;
    c->options[c->n_options++] = skepi_store_options;
    return SKEP_OK;
}

static int lookup(const char *scheme, const struct skepi_connector **lend, skep_error *err);

/* "fault+shm": fault's table without what shm lacks, with shm's capabilities and the options of both. */
static int load_wrapped(struct skepi_connector *c, size_t outer_len, skep_error *err)
{
    const struct skepi_connector *outer;
    const struct skepi_connector *inner;
    char name[SKEPI_SCHEME_MAX];
    int rc;

    memcpy(name, c->scheme, outer_len);
    name[outer_len] = 0;
    rc = lookup(name, &outer, err);
    if (rc == SKEP_OK)
        rc = lookup(c->scheme + outer_len + 1, &inner, err);
    if (rc != SKEP_OK)
        return rc;
    if (!(outer->table.caps & SKEP_CAP_WRAPS) || (inner->table.caps & SKEP_CAP_WRAPS))
        return skep_fail(err, SKEP_EINVAL, "%s: %s does not stand in front of %s", c->scheme, name, inner->scheme);
    if (outer->n_options - 1 + inner->n_options > sizeof c->options / sizeof c->options[0])
        return skep_fail(err, SKEP_EINVAL, "%s: more than %d in front of one another", c->scheme, SKEPI_WRAPS_MAX - 1);
    c->table = outer->table;
    c->table.caps = inner->table.caps;
    c->table.stores = NULL;
    c->table.gc = inner->table.gc;
#define TAKE_OUT(op)                                                                                                        \
    if (inner->table.op == NULL)                                                                                            \
        c->table.op = NULL;
    OPTIONAL_OPS(TAKE_OUT)
#undef TAKE_OUT
    memcpy(c->options, outer->options, (outer->n_options - 1) * sizeof c->options[0]);
    memcpy(c->options + outer->n_options - 1, inner->options, inner->n_options * sizeof c->options[0]);
    c->n_options = outer->n_options - 1 + inner->n_options;
    return SKEP_OK;
}

static int load(struct skepi_connector *c, skep_error *err)
{
    const char *plus = strchr(c->scheme, '+');
    int rc = plus != NULL ? load_wrapped(c, (size_t)(plus - c->scheme), err) : load_simple(c, err);

    c->table.scheme = c->scheme;
    return rc;
}

static void forget(struct skepi_connector *c)
{
    struct skepi_connector **link = &known;

    while (*link != c)
        link = &(*link)->next;
    *link = c->next;
    skepi_free(c);
}

static struct skepi_connector *find_known(const char *scheme)
{
    struct skepi_connector *c = known;

    while (c != NULL && strcmp(c->scheme, scheme) != 0)
        c = c->next;
    return c;
}

/* Find it or say that this thread loads it, under one hold of the lock; load outside of it, while others wait. */
static int lookup(const char *scheme, const struct skepi_connector **lend, skep_error *err)
{
    struct skepi_connector *c;
    int rc = SKEP_OK;

    pthread_mutex_lock(&mu);
    while ((c = find_known(scheme)) != NULL && !c->ready)
        skepi_cond_wait(&loaded, &mu, SKEP_FOREVER); /* dlopen knows no deadline, so its waiters need none */
    if (c == NULL) {
        c = skepi_alloc(sizeof *c);
        if (c == NULL) {
            pthread_mutex_unlock(&mu);
            return skep_fail(err, SKEP_ENOMEM, "%s: out of memory", scheme);
        }
        memcpy(c->scheme, scheme, strlen(scheme) + 1);
        c->next = known;
        known = c;
        pthread_mutex_unlock(&mu);
        rc = load(c, err);
        pthread_mutex_lock(&mu);
        if (rc == SKEP_OK)
            c->ready = 1;
        else
            forget(c);
        pthread_cond_broadcast(&loaded);
    }
    pthread_mutex_unlock(&mu);
    if (rc == SKEP_OK)
        *lend = c;
    return rc;
}

/* The scheme in front of "://", or all of `uri`. Nothing that passes can name a path. */
static int take_scheme(const char *uri, char out[SKEPI_SCHEME_MAX], skep_error *err)
{
    size_t n = strspn(uri, "abcdefghijklmnopqrstuvwxyz0123456789+-");
    int well = n > 0 && n < SKEPI_SCHEME_MAX && (uri[n] == 0 || uri[n] == ':') && uri[0] >= 'a' && uri[0] <= 'z';
    char shown[SKEPI_SHOWN_MAX];

    if (!well)
        return skep_fail(err, SKEP_EINVAL, "%s: not a URI: scheme://where?option=value is", skepi_uri_show(uri, shown));
    memcpy(out, uri, n);
    out[n] = 0;
    if (strstr(out, "++") != NULL || out[n - 1] == '+')
        return skep_fail(err, SKEP_EINVAL, "%s: an empty name beside a +", out);
    return SKEP_OK;
}

int skepi_connector_find(const char *uri, const struct skepi_connector **lend, skep_error *err)
{
    const struct skepi_connector *c;
    char scheme[SKEPI_SCHEME_MAX];
    int rc;

    skepi_fork_watch();
    rc = take_scheme(uri, scheme, err);
    if (rc == SKEP_OK)
        rc = lookup(scheme, &c, err);
    if (rc != SKEP_OK)
        return rc;
    if (c->table.caps & SKEP_CAP_WRAPS)
        return skep_fail(err, SKEP_EINVAL, "%s: stands in front of another connector: %s+memory://...", scheme, scheme);
    *lend = c;
    return SKEP_OK;
}

int skepi_connector_table(const char *scheme, const skep_connector **lend, skep_error *err)
{
    const struct skepi_connector *c = NULL;
    int rc = skepi_connector_find(scheme, &c, err);

    if (rc == SKEP_OK)
        *lend = &c->table;
    return rc;
}

int skep_connectors(skep_connector_func func, void *arg)
{
    int rc = 0;

    if (func == NULL)
        return SKEP_EINVAL;
    for (const struct skepi_connector_row *row = skepi_connectors; row->scheme != NULL && rc == 0; row++) {
        skep_connector_info info = {.size = sizeof info, .scheme = row->scheme, .help = row->help};
        const struct skepi_connector *c;
        skep_error err;

        info.common = skepi_store_options;
        info.available = lookup(row->scheme, &c, &err) == SKEP_OK;
        if (info.available) {
            info.help = c->table.help;
            info.caps = c->table.caps;
            info.options = c->n_options > 1 ? c->options[0] : NULL;
        } else {
            info.missing = err.text;
        }
        rc = func(&info, arg);
    }
    return rc;
}

/* A store's URI, or a scheme alone, taken apart with the tables of the scheme. */
static int find_place(const char *place, const struct skepi_connector **lend, skep_uri **take, skep_error *err)
{
    char shown[SKEPI_SHOWN_MAX];
    char text[SKEP_URI_MAX];
    int n = snprintf(text, sizeof text, "%s%s", place, strchr(place, ':') != NULL ? "" : ":");
    int rc;

    if (n < 0 || (size_t)n >= sizeof text)
        return skep_fail(err, SKEP_ETOOBIG, "%s: longer than the %d characters of a URI", skepi_uri_show(place, shown),
                         SKEP_URI_MAX - 1);
    rc = skepi_connector_find(text, lend, err);
    return rc == SKEP_OK ? skep_uri_parse(text, (*lend)->options, (*lend)->n_options, take, err) : rc;
}

static int place_fail(const char *place, int rc, const skep_error *e, skep_error *err)
{
    char shown[SKEPI_SHOWN_MAX];

    return skep_fail(err, rc, "%s: %s", skepi_uri_show(place, shown), e->text[0] != 0 ? e->text : skep_err_text(rc));
}

int skep_stores(const char *scheme, skep_store_func func, void *arg, skep_error *err)
{
    const struct skepi_connector *c;
    skep_error e = {0, ""};
    skep_uri *uri;
    int rc;

    if (scheme == NULL || func == NULL)
        return skep_fail(err, SKEP_EINVAL, "skep_stores: no scheme or no function");
    rc = find_place(scheme, &c, &uri, err);
    if (rc != SKEP_OK)
        return rc;
    if (c->table.stores != NULL)
        rc = c->table.stores(uri, func, arg, &e);
    skep_uri_free(uri);
    return rc < 0 ? place_fail(scheme, rc, &e, err) : rc;
}

int skep_gc(const char *place, int dry_run, skep_garbage_func func, void *arg, skep_error *err)
{
    const struct skepi_connector *c;
    skep_error e = {0, ""};
    skep_uri *uri;
    int rc, all;

    if (place == NULL)
        return skep_fail(err, SKEP_EINVAL, "skep_gc: no URI");
    rc = find_place(place, &c, &uri, err);
    if (rc != SKEP_OK)
        return rc;
    all = skep_uri_host(uri)[0] == 0 && skep_uri_path(uri)[0] == 0;
    if (c->table.gc != NULL && (!all || c->table.stores != NULL))
        rc = c->table.gc(uri, dry_run, func, arg, &e);
    skep_uri_free(uri);
    return rc == SKEP_OK ? SKEP_OK : place_fail(place, rc, &e, err);
}

void skepi_connectors_fork(enum skepi_fork_when when)
{
    if (when == SKEPI_FORK_BEFORE) {
        pthread_mutex_lock(&mu);
        return;
    }
    if (when == SKEPI_FORK_CHILD) {
        for (struct skepi_connector **link = &known; *link != NULL;) {
            if ((*link)->ready)
                link = &(*link)->next;
            else
                *link = (*link)->next; /* its loader stayed in the parent; the memory may be half written, so it is left */
        }
        skepi_cond_init(&loaded);
    }
    pthread_mutex_unlock(&mu);
}
