/* get.c - skep get: an object, one of its tensors, or a range of either, to a file or standard output. */
#include "benchmarks/json.h"
#include "tools/output.h"
#include "tools/signals.h"
#include "tools/status.h"
#include "tools/suggest.h"
#include "tools/target.h"
#include "tools/text.h"
#include <skep/safetensors.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE ((size_t)64 << 20) /* of a part that is fetched piece by piece */

struct get_args {
    struct cli_target_args target;
    const char *output, *tensor, *range;
    int force, quiet;
};

struct get { /* one run of it */
    const struct cli_call *call;
    const struct get_args *args;
    skep_proxy *proxy;
    struct cli_output output;
    struct cli_progress progress;
    uint64_t size; /* of the whole object */
    uint64_t from; /* what is wanted of it */
    uint64_t length;
};

static int to_terminal(const struct get *g)
{
    return !g->args->force && isatty(g->output.fd);
}

static int refuse_binary(const struct get *g, const void *data, size_t size, skep_error *err)
{
    if (!to_terminal(g) || cli_text_is_plain(data, size))
        return SKEP_OK;
    return skep_fail(err, SKEP_EINVAL,
                     "these bytes are no text, and %s is a terminal: give -o FILE, or -f to send them anyway",
                     g->output.label);
}

static int choose_tensor(struct get *g, skep_error *err)
{
    const char *name = g->args->tensor;
    struct cli_suggest near = CLI_SUGGEST_INIT(name, strlen(name));
    skep_safetensors *st;
    const skep_tensor *tensor;
    int rc = skep_safetensors_open(g->proxy, g->call->by_ns, &st, err);

    if (rc != SKEP_OK)
        return rc;
    tensor = skep_safetensors_find(st, name);
    if (tensor) {
        g->from = tensor->offset;
        g->length = tensor->bytes;
    } else {
        for (size_t i = 0; i < skep_safetensors_count(st); i++)
            cli_suggest_offer(&near, skep_safetensors_at(st, i)->name);
        rc = skep_fail(err, SKEP_ENOENT, "there is no tensor \"%s\" among %zu%s%s%s", name, skep_safetensors_count(st),
                       near.best ? "; did you mean \"" : "", near.best ? near.best : "", near.best ? "\"?" : "");
    }
    skep_safetensors_free(st);
    return rc;
}

/* "4k:1m", "4k:" to the end, ":16" from the beginning; within the tensor if one was chosen. */
static int choose_range(struct get *g, skep_error *err)
{
    const char *colon = strchr(g->args->range, ':');
    char first[32];
    uint64_t offset = 0;
    uint64_t length = 0;
    int ok = colon && (size_t)(colon - g->args->range) < sizeof first;

    if (ok && colon > g->args->range) {
        snprintf(first, sizeof first, "%.*s", (int)(colon - g->args->range), g->args->range);
        ok = skep_size_parse(first, &offset) == SKEP_OK;
    }
    if (ok && colon[1])
        ok = skep_size_parse(colon + 1, &length) == SKEP_OK;
    if (!ok)
        return skep_fail(err, SKEP_EINVAL, "--range: \"%s\" is not OFFSET:LENGTH, such as 4k:512 or 1m:", g->args->range);
    if (offset <= g->length && !colon[1])
        length = g->length - offset;
    if (offset > g->length || length > g->length - offset)
        return skep_fail(err, SKEP_EINVAL, "--range: %s leaves the %s of %" PRIu64 " bytes", g->args->range,
                         g->args->tensor ? "tensor" : "object", g->length);
    g->from += offset;
    g->length = length;
    return SKEP_OK;
}

static int choose(struct get *g, skep_error *err)
{
    int rc = skep_proxy_size(g->proxy, g->call->by_ns, &g->size, err);

    g->length = g->size;
    if (rc == SKEP_OK && g->args->tensor)
        rc = choose_tensor(g, err);
    if (rc == SKEP_OK && g->args->range)
        rc = choose_range(g, err);
    return rc;
}

static int send_whole(struct get *g, skep_error *err)
{
    const void *data;
    size_t size;
    int rc = skep_proxy_resolve(g->proxy, g->call->by_ns, &data, &size, err);

    if (rc == SKEP_OK)
        rc = refuse_binary(g, data, size, err);
    if (rc == SKEP_OK)
        rc = cli_output_write(&g->output, data, size, &g->progress, 0, err);
    return rc;
}

/* Only what is wanted is fetched, in pieces so that memory stays bounded. */
static int send_part(struct get *g, skep_error *err)
{
    size_t piece = g->length < PIECE || to_terminal(g) ? (size_t)g->length : PIECE;
    char *data = malloc(piece ? piece : 1);
    uint64_t done = 0;
    int rc = data ? SKEP_OK : skep_fail(err, SKEP_ENOMEM, "no memory for a piece of %zu bytes", piece);

    while (rc == SKEP_OK && done < g->length) {
        size_t n = g->length - done < piece ? (size_t)(g->length - done) : piece;

        rc = skep_proxy_read(g->proxy, g->from + done, n, data, g->call->by_ns, err);
        if (rc == SKEP_OK)
            rc = refuse_binary(g, data, n, err);
        if (rc == SKEP_OK)
            rc = cli_output_write(&g->output, data, n, &g->progress, done, err);
        done += n;
    }
    free(data);
    return rc;
}

static int fetch(struct get *g, skep_error *err)
{
    int part = g->args->tensor || g->args->range;
    int rc = choose(g, err);

    if (rc == SKEP_OK)
        rc = cli_output_open(&g->output, g->args->output, err);
    if (rc != SKEP_OK)
        return rc;
    cli_progress_begin(&g->progress, g->output.label, g->length, g->args->quiet);
    rc = part ? send_part(g, err) : send_whole(g, err);
    cli_progress_end(&g->progress);
    if (rc == SKEP_OK)
        rc = cli_output_commit(&g->output, err);
    return rc;
}

static void print_json(const struct get *g, uint64_t began_ns)
{
    char handle[SKEP_HANDLE_MAX];
    struct json_line j;

    j = json_line_begin(stdout, "get");
    json_line_text(&j, "handle", skep_proxy_handle(g->proxy, handle, sizeof handle) == SKEP_OK ? handle : NULL);
    json_line_text(&j, "file", g->args->output);
    json_line_uint(&j, "offset_bytes", g->from);
    json_line_uint(&j, "size_bytes", g->length);
    json_line_uint(&j, "object_size_bytes", g->size);
    json_line_uint(&j, "elapsed_ns", skep_now_ns() - began_ns);
    json_line_end(&j);
}

static int get_run(struct cli_call *call)
{
    const struct get_args *args = call->args;
    struct get g = {.call = call, .args = args};
    uint64_t began_ns = skep_now_ns();
    char line[SKEP_HANDLE_MAX];
    const char *word = call->words[0];
    skep_error err;
    int rc = SKEP_OK;

    if (call->json && (!args->output || strcmp(args->output, "-") == 0))
        return cli_failf(call, SKEP_EINVAL,
                         "--json needs -o FILE: standard output can't carry both the bytes and the record");
    if (strcmp(word, "-") == 0) {
        rc = cli_target_line(line, &err);
        word = line;
    }
    if (rc == SKEP_OK)
        rc = cli_target_open(call, word, &args->target, &g.proxy, &err);
    if (rc == SKEP_OK)
        rc = fetch(&g, &err);
    if (rc == SKEP_OK && call->json)
        print_json(&g, began_ns);
    cli_output_discard(&g.output);
    skep_proxy_unref(g.proxy);
    return rc == SKEP_OK ? CLI_DONE : cli_fail(call, &err);
}

static const struct cli_option get_options[] = {
    {'o', "output", CLI_TEXT, "FILE", offsetof(struct get_args, output),
     "write to FILE, which appears whole or not at all (default: -, standard output)"},
    {'t', "tensor", CLI_TEXT, "NAME", offsetof(struct get_args, tensor),
     "only the bytes of this tensor of a safetensors object: only they and the header are fetched"},
    {'r', "range", CLI_TEXT, "OFF:LEN", offsetof(struct get_args, range),
     "only LEN bytes from OFF, such as 4k:512; of the tensor with --tensor; without LEN to the end"},
    CLI_TARGET_ROWS(struct get_args),
    {'f', "force", CLI_FLAG, NULL, offsetof(struct get_args, force), "write what is no text to a terminal, too"},
    {'q', "quiet", CLI_FLAG, NULL, offsetof(struct get_args, quiet), "no progress bar"},
    {0, NULL, 0, NULL, 0, NULL},
};

const struct cli_command cli_get = {
    .name = "get",
    .usage = "HANDLE | - | URI --name NAME | URI --key KEY",
    .summary = "fetch an object, one of its tensors, or a range",
    .about = "In place of a handle, - reads one from standard input. Quote handles: a shell takes & for itself.",
    .examples = "skep get 'shm://campaign#k=...' -o copy.safetensors\n"
                "skep get shm://campaign --name latest --tensor layers.0.weight > weight.bin\n"
                "skep get 'file:///scratch/objects#k=...' --range 4k:512 | xxd\n"
                "skep get shm://campaign --name result --wait 5m -o result.bin",
    .options = get_options,
    .args_size = sizeof(struct get_args),
    .min_words = 1,
    .max_words = 1,
    .run = get_run,
};
