/* registry.h - the list of connectors that this build knows. */
#ifndef SKEP_CONNECTORS_REGISTRY_H
#define SKEP_CONNECTORS_REGISTRY_H

#include <skep/connector.h>

struct skepi_connector_row {
    const char *scheme;              /* NULL ends the list */
    skep_connector_entry_func entry; /* built in; NULL: a module skep-<scheme>.so, loaded when first used */
    const char *package;             /* what to install where the module or its library is missing; NULL: nothing */
    const char *help;                /* one line, for a module that can't be loaded; NULL where `entry` is set */
};

extern const struct skepi_connector_row skepi_connectors[];

#endif
