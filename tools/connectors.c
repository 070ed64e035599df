/* connectors.c - skep connectors: the ways of keeping objects that this build has. */
#include "tools/status.h"
#include "tools/stores.h"
#include <stdio.h>
#include <string.h>

struct table {
    const struct cli_call *call;
    int scheme, caps; /* columns */
};

static int widen(int columns, const char *text)
{
    int length = (int)strlen(text);

    return length > columns ? length : columns;
}

static int measure(const skep_connector_info *info, void *arg)
{
    struct table *t = arg;
    char caps[128];

    t->scheme = widen(t->scheme, info->scheme);
    if (info->available)
        t->caps = widen(t->caps, cli_connector_caps(info->caps, caps));
    return 0;
}

static int show(const skep_connector_info *info, void *arg)
{
    const struct table *t = arg;
    char caps[128];

    if (t->call->json) {
        cli_connector_json(info);
        return 0;
    }
    printf("%-*s  %-9s  %-*s  %s\n", t->scheme, info->scheme, info->available ? "available" : "missing", t->caps,
           info->available ? cli_connector_caps(info->caps, caps) : "-", info->help ? info->help : "");
    if (!info->available && info->missing)
        printf("%-*s  %s\n", t->scheme, "", info->missing);
    return 0;
}

static int connectors_run(struct cli_call *call)
{
    static const char scheme[] = "SCHEME", caps[] = "CAPABILITIES";
    struct table t = {call, (int)strlen(scheme), (int)strlen(caps)};

    if (!call->json) {
        skep_connectors(measure, &t);
        printf("%-*s  %-9s  %-*s  %s\n", t.scheme, scheme, "STATE", t.caps, caps, "WHAT");
    }
    skep_connectors(show, &t);
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
