/* connectors.c - skep connectors: the ways of keeping objects that this build has. */
#include "tools/status.h"
#include "tools/stores.h"
#include <stdio.h>

static int show(const skep_connector_info *info, void *arg)
{
    const struct cli_call *call = arg;
    char caps[128];

    if (call->json) {
        cli_connector_json(info);
        return 0;
    }
    printf("%-10s  %-9s  %-32s  %s\n", info->scheme, info->available ? "available" : "missing",
           info->available ? cli_connector_caps(info->caps, caps) : "-", info->help ? info->help : "");
    if (!info->available && info->missing)
        printf("%-10s  %s\n", "", info->missing);
    return 0;
}

static int connectors_run(struct cli_call *call)
{
    if (!call->json)
        printf("%-10s  %-9s  %-32s  %s\n", "SCHEME", "STATE", "CAPABILITIES", "WHAT");
    skep_connectors(show, call);
    return CLI_DONE;
}

const struct cli_command cli_connectors = {
    .name = "connectors",
    .usage = "",
    .summary = "list the connectors of this build, and what others need",
    .about =
        "Capabilities: shared - other processes of this host see the same objects; remote - other hosts do; durable - "
        "objects outlive every process; mapped - a get need not copy; sums - a checksum costs no second pass; checksum - "
        "one is made unless said otherwise. skep info SCHEME lists the options of one.",
    .examples = "skep connectors\nskep connectors --json",
    .run = connectors_run,
};
