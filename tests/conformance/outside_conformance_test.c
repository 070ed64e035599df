/* outside_conformance_test.c - a module that has the required operations only, against the suite: what is missing, the core
 * answers. */
#include "tests/conformance/conformance.h"

#include <stdio.h>
#include <stdlib.h>

static int outside_up(char uri[SKEP_URI_MAX])
{
    static unsigned n;

    return snprintf(uri, SKEP_URI_MAX, "outside://store-%u", ++n) > 0 ? 0 : -1;
}

static void outside_down(const char *uri)
{
    (void)uri; /* gone with its last opener */
}

static const struct conf_fixture outside = {.scheme = "outside", .up = outside_up, .down = outside_down};

int main(int argc, char **argv)
{
    setenv("SKEP_MODULE_PATH", SKEP_TEST_MODULES, 1);
    return conf_main(&outside, argc, argv);
}
