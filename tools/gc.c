/* gc.c - skep gc: what dead processes left behind. */
#include "benchmarks/json.h"
#include "tools/signals.h"
#include "tools/status.h"
#include "tools/stores.h"
#include "tools/text.h"
#include <skep/connector.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct gc_args {
    int dry_run;
};

struct sweep {
    struct cli_call *call;
    uint64_t things, bytes;
    int status;
};

static void show(const skep_garbage *garbage, void *arg)
{
    struct sweep *s = arg;
    const struct gc_args *args = s->call->args;
    char size[CLI_TEXT_MAX];
    struct json_line j;

    s->things++;
    s->bytes += garbage->bytes;
    if (s->call->json) {
        j = json_line_begin(stdout, "garbage");
        json_line_text(&j, "what", garbage->what);
        json_line_text(&j, "path", garbage->path);
        json_line_uint(&j, "size_bytes", garbage->bytes);
        json_line_bool(&j, "removed", !args->dry_run);
        json_line_end(&j);
        return;
    }
    printf("%10s  %s: ", cli_text_size(garbage->bytes, size), garbage->what);
    cli_text_print(stdout, garbage->path);
    putchar('\n');
}

/* Of one store, or of all of a scheme. */
static void sweep(struct sweep *s, const char *uri)
{
    const struct gc_args *args = s->call->args;
    skep_error err;

    if (skep_gc(uri, args->dry_run, show, s, &err) != SKEP_OK)
        s->status = cli_fail(s->call, &err);
}

static int sweep_scheme(const skep_connector_info *info, void *arg)
{
    if (info->available && !(info->caps & SKEP_CAP_WRAPS))
        sweep(arg, info->scheme);
    return cli_signals_got();
}

static int gc_run(struct cli_call *call)
{
    const struct gc_args *args = call->args;
    struct sweep s = {.call = call};
    char size[CLI_TEXT_MAX];

    if (call->n_words && !strstr(call->words[0], "://"))
        return cli_failf(call, SKEP_EINVAL, "%s is not a store: wanted is a URI such as shm://campaign", call->words[0]);
    if (call->n_words)
        sweep(&s, call->words[0]);
    else
        skep_connectors(sweep_scheme, &s);
    if (call->json || s.status != CLI_DONE)
        return s.status;
    if (s.things == 0)
        puts("nothing was left behind");
    else
        printf("%10s  in %" PRIu64 " things %s\n", cli_text_size(s.bytes, size), s.things,
               args->dry_run ? "would be freed" : "freed");
    return CLI_DONE;
}

static const struct cli_option gc_options[] = {
    {0, "dry-run", CLI_FLAG, NULL, offsetof(struct gc_args, dry_run), "only say what would be removed"},
    {0, NULL, 0, NULL, 0, NULL},
};

const struct cli_command cli_gc = {
    .name = "gc",
    .usage = "[URI]",
    .summary = "remove what dead programs left behind",
    .about = "Looking with --dry-run changes nothing. In one store, or without a URI in every node store of yours on this "
             "host. Objects are not garbage: they stay until "
             "they are evicted. What a living program works on is left alone.",
    .examples = "skep gc --dry-run\nskep gc shm://campaign",
    .options = gc_options,
    .args_size = sizeof(struct gc_args),
    .max_words = 1,
    .run = gc_run,
};
