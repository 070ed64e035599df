/* memory_conformance_test.c - the memory connector against the suite. */
#include "tests/conformance/conformance.h"

#include <stdio.h>

static int memory_up(char uri[SKEP_URI_MAX])
{
    static unsigned n;

    return snprintf(uri, SKEP_URI_MAX, "memory://conformance-%u", ++n) > 0 ? 0 : -1;
}

static void memory_down(const char *uri)
{
    (void)uri; /* gone with its last opener */
}

static const struct conf_fixture memory = {.scheme = "memory", .up = memory_up, .down = memory_down};

int main(int argc, char **argv)
{
    return conf_main(&memory, argc, argv);
}
