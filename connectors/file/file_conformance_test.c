/* file_conformance_test.c - the file connector against the suite. */
#include "tests/conformance/conformance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int file_up(char uri[SKEP_URI_MAX])
{
    const char *tmp = getenv("TMPDIR");
    char path[SKEP_URI_MAX - 64];
    int n = snprintf(path, sizeof path, "%s/skep-conformance-XXXXXX", tmp != NULL ? tmp : "/tmp");

    if (n < 0 || (size_t)n >= sizeof path || mkdtemp(path) == NULL)
        return -1;
    return snprintf(uri, SKEP_URI_MAX, "file://%s/store", path) > 0 ? 0 : -1;
}

static void file_down(const char *uri)
{
    char path[SKEP_URI_MAX];

    snprintf(path, sizeof path, "%s", uri + strlen("file://"));
    path[strlen(path) - strlen("/store")] = 0;
    conf_remove_tree(path);
}

static const struct conf_fixture file = {.scheme = "file", .up = file_up, .down = file_down};

int main(int argc, char **argv)
{
    return conf_main(&file, argc, argv);
}
