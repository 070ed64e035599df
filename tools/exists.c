/* exists.c - skep exists: the answer is the exit status. */
#include "benchmarks/json.h"
#include "tools/status.h"
#include "tools/target.h"
#include <limits.h>
#include <stdio.h>

struct exists_args {
    struct cli_target_args target;
};

static void print_json(const char *word, int there, uint64_t size)
{
    struct json_line j;

    j = json_line_begin(stdout, "exists");
    json_line_text(&j, "object", word);
    json_line_bool(&j, "exists", there);
    if (there && size != SKEP_SIZE_UNKNOWN)
        json_line_uint(&j, "size_bytes", size);
    else
        json_line_null(&j, "size_bytes");
    json_line_end(&j);
}

static int ask(const struct cli_call *call, skep_proxy *proxy, int *there, uint64_t *size, skep_error *err)
{
    skep_store *store;
    int rc = skep_proxy_store(proxy, call->by_ns, &store, err);

    if (rc != SKEP_OK)
        return rc;
    rc = skep_store_exists(store, skep_proxy_ref_of(proxy), call->by_ns, there, size, err);
    skep_store_unref(store);
    return rc;
}

static int one(struct cli_call *call, const char *word)
{
    const struct exists_args *args = call->args;
    uint64_t size = SKEP_SIZE_UNKNOWN;
    skep_proxy *proxy = NULL;
    skep_error err;
    int there = 0;
    int rc = cli_target_open(call, word, &args->target, &proxy, &err);

    if (rc == SKEP_OK)
        rc = ask(call, proxy, &there, &size, &err);
    skep_proxy_unref(proxy);
    if (rc != SKEP_OK && rc != SKEP_ENOENT) /* no such store, no such name: that is a no */
        return cli_fail(call, &err);
    if (call->json)
        print_json(word, there, size);
    return there ? CLI_DONE : CLI_NO;
}

static int exists_run(struct cli_call *call)
{
    return cli_target_each(call, one);
}

static const struct cli_option exists_options[] = {
    CLI_TARGET_ROWS(struct exists_args),
    {0, NULL, 0, NULL, 0, NULL},
};

const struct cli_command cli_exists = {
    .name = "exists",
    .usage = "HANDLE|-... | URI --name NAME | URI --key KEY",
    .summary = "say by the exit status whether objects are there",
    .about = "Exit status 0: all of them are. 1: one is not. Nothing is printed, but with --json a record for each.",
    .examples = "skep exists \"$handle\" && echo still there\nskep exists shm://campaign --name done --wait 1h",
    .options = exists_options,
    .args_size = sizeof(struct exists_args),
    .min_words = 1,
    .max_words = INT_MAX,
    .run = exists_run,
};
