/* link.c - which member of the table carries a URI. */
#include "steering/queues/link.h"

#include <string.h>

static const struct skepi_link_ops *const links[] = {
    &skepi_link_ipc,
#ifdef SKEP_WITH_ZMQ
    &skepi_link_tcp,
#endif
};

int skepi_link_find(const char *text, const struct skepi_link_ops **ops, skep_uri **take, skep_error *err)
{
    const char *end = text == NULL ? NULL : strstr(text, "://");

    if (end == NULL)
        return skep_fail(err, SKEP_EINVAL, "%s: not a URI of queues, like ipc:///tmp/hive.sock",
                         text == NULL ? "NULL" : text);
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        size_t n = strlen(links[i]->scheme);

        if ((size_t)(end - text) == n && memcmp(text, links[i]->scheme, n) == 0) {
            *ops = links[i];
            return skep_uri_parse(text, &links[i]->options, 1, take, err);
        }
    }
    return skep_fail(err, SKEP_ENOTSUP, "%s: no queues of that scheme in this build; there are ipc://PATH%s", text,
                     sizeof links / sizeof links[0] > 1 ? " and tcp://HOST:PORT" : "");
}
