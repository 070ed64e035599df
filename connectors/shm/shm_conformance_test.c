/* shm_conformance_test.c - the shm connector against the suite. */
#include "tests/conformance/conformance.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int shm_up(char uri[SKEP_URI_MAX])
{
    static unsigned n;

    return snprintf(uri, SKEP_URI_MAX, "shm://conformance-%ld-%u", (long)getpid(), ++n) > 0 ? 0 : -1;
}

static void shm_down(const char *uri)
{
    char path[SKEP_URI_MAX + 32];

    snprintf(path, sizeof path, "/dev/shm/skep-%u/%s", (unsigned)getuid(), uri + strlen("shm://"));
    conf_remove_tree(path);
}

static const struct conf_fixture shm = {.scheme = "shm", .up = shm_up, .down = shm_down};

int main(int argc, char **argv)
{
    return conf_main(&shm, argc, argv);
}
