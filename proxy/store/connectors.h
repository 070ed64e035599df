/* connectors.h - from a scheme to the table that serves it: built in, a module, or one in front of another. */
#ifndef SKEP_PROXY_STORE_CONNECTORS_H
#define SKEP_PROXY_STORE_CONNECTORS_H

#include <skep/connector.h>

#define SKEPI_SCHEME_MAX 48 /* bytes of "fault+shm" with its NUL */
#define SKEPI_WRAPS_MAX  4  /* connectors in front of one another, the last included */

/* Immutable, and there for ever, once found. */
struct skepi_connector {
    char scheme[SKEPI_SCHEME_MAX];
    skep_connector table;                            /* members that the connector did not know are NULL */
    const skep_option *options[SKEPI_WRAPS_MAX + 1]; /* of each, then the common ones */
    size_t n_options;
    struct skepi_connector *next; /* guarded by the lock of connectors.c */
    int ready;                    /* same: 0 while a thread is loading it */
};

/* `uri` is a URI, or a scheme alone. SKEP_EINVAL: not one. SKEP_ENOTSUP: no such connector, or its module or library is not
 * installed. SKEP_EVERSION: built for another skep. Loads a module, so it may do I/O. */
int skepi_connector_find(const char *uri, const struct skepi_connector **lend, skep_error *err);
/* skep_host.connector */
int skepi_connector_table(const char *scheme, const skep_connector **lend, skep_error *err);

/* module.c: load skep-<scheme>.so and call its entry. `scheme` was checked. `package` (may be NULL) is what to install. */
int skepi_module_load(const char *scheme, const char *package, const skep_connector **lend, skep_error *err);
/* check.c: is it a table that the core can use? `scheme` is what it must serve. */
int skepi_connector_check(const skep_connector *table, const char *scheme, skep_error *err);

#endif
