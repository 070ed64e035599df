/* engine.c - which member of the table runs workers for a URI. */
#include "steering/engines/engine.h"

#include <string.h>

static const struct skepi_engine_ops *const engines[] = {&skepi_engine_local};

int skepi_engine_find(const char *text, const struct skepi_engine_ops **ops, skep_uri **take, skep_error *err)
{
    const char *end = text == NULL ? NULL : strchr(text, ':');

    if (end == NULL)
        return skep_fail(err, SKEP_EINVAL, "%s: not a URI of an engine, like local:?workers=4",
                         text == NULL ? "NULL" : text);
    for (size_t i = 0; i < sizeof engines / sizeof engines[0]; i++) {
        size_t n = strlen(engines[i]->scheme);

        if ((size_t)(end - text) == n && memcmp(text, engines[i]->scheme, n) == 0) {
            *ops = engines[i];
            return skep_uri_parse(text, &engines[i]->options, 1, take, err);
        }
    }
    return skep_fail(err, SKEP_ENOTSUP, "%s: no such engine in this build; there is local:?workers=N", text);
}
