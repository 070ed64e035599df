/* link.c - which member of the table carries a URI. */
#include "steering/queues/link.h"

#include <stdio.h>
#include <string.h>

static const struct skepi_link_ops *const links[] = {
    &skepi_link_ipc,
#ifdef SKEP_WITH_ZMQ
    &skepi_link_tcp,
#endif
};

/* ipc://@NAME is an abstract name; in other URIs a user would stand before '@'. */
static int parse(const char *text, const struct skepi_link_ops *ops, skep_uri **take, skep_error *err)
{
    char with_path[SKEP_URI_MAX];

    if (ops != &skepi_link_ipc || strncmp(text, "ipc://@", 7) != 0)
        return skep_uri_parse(text, &ops->options, 1, take, err);
    if (snprintf(with_path, sizeof with_path, "ipc:/%s", text + 6) >= (int)sizeof with_path)
        return skep_fail(err, SKEP_EINVAL, "%.80s...: longer than a URI", text);
    return skep_uri_parse(with_path, &ops->options, 1, take, err);
}

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
            return parse(text, links[i], take, err);
        }
    }
    return skep_fail(err, SKEP_ENOTSUP, "%s: no queues of that scheme in this build; there are ipc://PATH, ipc://@NAME%s",
                     text, sizeof links / sizeof links[0] > 1 ? " and tcp://HOST:PORT" : "");
}
