/* stores.h - opening the stores that a command line names, and what can be said of connectors and stores. */
#ifndef SKEP_TOOLS_STORES_H
#define SKEP_TOOLS_STORES_H

#include "tools/command.h"
#include <skep/store.h>

/* skep_store_open until the call's deadline. SKEP_EINVAL for a handle where a store is wanted; a mistyped scheme gets a
 * suggestion. */
int cli_store_open(const struct cli_call *call, const char *uri, int existing, skep_store **take, skep_error *err);

struct cli_connector {
    skep_connector_info info;
    char missing[SKEP_ERROR_TEXT_MAX]; /* what info.missing points to: the library lends it for the walk only */
};
/* 1 and the connector of `scheme` ("shm"); 0: there is none of that name, and `near` (may be NULL) is the nearest, or NULL.
 */
int cli_connector_find(const char *scheme, size_t length, struct cli_connector *out, const char **near);
/* 1 if what is put under this URI can be found by another process. Unknown schemes are given the benefit. */
int cli_store_outlives(const char *uri);
/* 1 if it was opened as a session store, by its URI or the environment: such a store goes with its last opener. */
int cli_store_is_session(skep_store *store);

/* {"record":"connector", ...} */
void cli_connector_json(const skep_connector_info *info);
/* "shared durable mapped". Returns out. */
const char *cli_connector_caps(uint32_t caps, char out[128]);

/* Call `func` for every store of this user and host, whatever its scheme, until it returns something else than 0. */
int cli_stores_each(int (*func)(const char *uri, void *arg), void *arg, skep_error *err);

struct cli_tally {
    uint64_t objects, bytes, names;
};
int cli_store_tally(skep_store *store, struct cli_tally *out, skep_error *err);

/* The handle of an object that a walk has found. SKEP_ETOOBIG: does not fit. */
int cli_entry_handle(const char *identity, const skep_ref *ref, char out[SKEP_HANDLE_MAX]);

#endif
