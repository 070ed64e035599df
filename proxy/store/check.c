/* check.c - a connector's table is checked once, so that nothing later needs to doubt it. */
#include "proxy/store/connectors.h"
#include "proxy/store/options.h"

#include <string.h>

#define ROWS_MAX 64
#define SELF_MAX ((size_t)1 << 20)

static const char *missing_required(const skep_connector *t)
{
    return t->open == NULL    ? "open"
           : t->close == NULL ? "close"
           : t->put == NULL   ? "put"
           : t->get == NULL   ? "get"
           : t->evict == NULL ? "evict"
                              : NULL;
}

/* Does the table reach to its member, and is it set? */
#define HAS(t, member) ((t)->size >= offsetof(skep_connector, member) + sizeof(t)->member && (t)->member != NULL)

static const char *half_of_a_pair(const skep_connector *t)
{
    int slots = HAS(t, reserve) + HAS(t, commit) + HAS(t, abort);

    if (slots != 0 && slots != 3)
        return "reserve, commit and abort";
    if (HAS(t, name_set) != HAS(t, name_get))
        return "name_set and name_get";
    return NULL;
}

static int is_common(const char *name)
{
    for (const skep_option *o = skepi_store_options; o->name != NULL; o++)
        if (strcmp(o->name, name) == 0)
            return 1;
    return 0;
}

static const char *row_fault(const skep_option *o)
{
    if (o->name[0] == 0 || o->name[strspn(o->name, "abcdefghijklmnopqrstuvwxyz0123456789_")] != 0)
        return "a name in small letters, digits and _ is needed";
    if (is_common(o->name))
        return "every store has an option of that name";
    if (o->type < SKEP_TYPE_BOOL || o->type > SKEP_TYPE_CHOICE)
        return "no such type";
    if (o->klass < SKEP_CLASS_IDENTITY || o->klass > SKEP_CLASS_LOCAL)
        return "no such class";
    if ((o->type == SKEP_TYPE_CHOICE) != (o->choices != NULL))
        return "choices belong to a choice";
    return o->help == NULL ? "help is missing" : NULL;
}

static int check_options(const skep_option *options, const char *scheme, skep_error *err)
{
    for (size_t i = 0; options != NULL && options[i].name != NULL; i++) {
        const char *fault = i < ROWS_MAX ? row_fault(&options[i]) : "too many options";

        if (fault != NULL)
            return skep_fail(err, SKEP_EINVAL, "%s: the connector's option %s: %s", scheme, options[i].name, fault);
    }
    return SKEP_OK;
}

int skepi_connector_check(const skep_connector *table, const char *scheme, skep_error *err)
{
    const char *what;

    if (table->abi != SKEP_CONNECTOR_ABI)
        return skep_fail(err, SKEP_EVERSION, "%s: the connector is built for interface %u, this skep has %u", scheme,
                         (unsigned)table->abi, (unsigned)SKEP_CONNECTOR_ABI);
    if (table->size < offsetof(skep_connector, evict) + sizeof table->evict)
        return skep_fail(err, SKEP_EVERSION, "%s: the connector's table of %zu bytes ends before its required operations",
                         scheme, table->size);
    if (table->scheme == NULL || strcmp(table->scheme, scheme) != 0)
        return skep_fail(err, SKEP_EINVAL, "%s: the connector's table is of %s", scheme,
                         table->scheme != NULL ? table->scheme : "nothing");
    if (table->self_size == 0 || table->self_size > SELF_MAX)
        return skep_fail(err, SKEP_EINVAL, "%s: the connector's self_size is %zu; 1 to %zu make sense", scheme,
                         table->self_size, SELF_MAX);
    what = missing_required(table);
    if (what != NULL)
        return skep_fail(err, SKEP_EINVAL, "%s: the connector's table lacks %s", scheme, what);
    what = half_of_a_pair(table);
    if (what != NULL)
        return skep_fail(err, SKEP_EINVAL, "%s: the connector's table has some of %s, but not all", scheme, what);
    return check_options(table->options, scheme, err);
}
