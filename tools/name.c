/* name.c - skep name: small, mutable words that stand for handles ("latest"). */
#include "benchmarks/json.h"
#include "tools/status.h"
#include "tools/stores.h"
#include "tools/target.h"
#include "tools/text.h"
#include <stdio.h>
#include <string.h>

struct name_args {
    int remove;
};

static void print(const struct cli_call *call, const char *name, const char *handle)
{
    struct json_line j;

    if (call->json) {
        j = json_line_begin(stdout, "name");
        json_line_text(&j, "name", name);
        json_line_text(&j, "handle", handle);
        json_line_end(&j);
    } else if (handle) {
        cli_text_print(stdout, handle);
        putchar('\n');
    }
}

static int show_entry(const skep_entry *entry, void *arg)
{
    const struct cli_call *call = arg;

    if (!entry->name)
        return 0;
    if (!call->json) {
        cli_text_print(stdout, entry->name);
        putchar('\t');
    }
    print(call, entry->name, entry->handle);
    return 0;
}

static int set(const struct cli_call *call, skep_store *store, const char *name, const char *word, skep_error *err)
{
    char line[SKEP_HANDLE_MAX];
    skep_handle handle = SKEP_HANDLE_INIT;
    int rc = SKEP_OK;

    if (strcmp(word, "-") == 0) {
        rc = cli_target_line(line, err);
        word = line;
    }
    if (rc == SKEP_OK && (rc = skep_handle_parse(word, &handle, err)) == SKEP_EFORMAT)
        err->code = rc = SKEP_EINVAL;
    if (rc == SKEP_OK)
        rc = skep_store_name_set(store, name, word, call->by_ns, err);
    if (rc == SKEP_OK && call->json)
        print(call, name, word);
    return rc;
}

static int act(const struct cli_call *call, skep_store *store, skep_error *err)
{
    const struct name_args *args = call->args;
    const char *name = call->words[1];
    char handle[SKEP_HANDLE_MAX];
    int rc;

    if (call->n_words == 1)
        return skep_store_list(store, show_entry, (void *)call, err);
    if (call->n_words == 3)
        return set(call, store, name, call->words[2], err);
    if (args->remove)
        rc = skep_store_name_set(store, name, NULL, call->by_ns, err);
    else
        rc = skep_store_name_get(store, name, handle, sizeof handle, call->by_ns, err);
    if (rc == SKEP_OK)
        print(call, name, args->remove ? NULL : handle);
    return rc;
}

static int name_run(struct cli_call *call)
{
    const struct name_args *args = call->args;
    skep_store *store = NULL;
    skep_error err;
    int rc;

    if (args->remove && call->n_words != 2)
        return cli_failf(call, SKEP_EINVAL, "--remove needs a URI and a NAME, and no handle");
    rc = cli_store_open(call, call->words[0], 1, &store, &err);
    if (rc == SKEP_OK)
        rc = act(call, store, &err);
    skep_store_unref(store);
    return rc == SKEP_OK ? CLI_DONE : cli_fail(call, &err);
}

static const struct cli_option name_options[] = {
    {0, "remove", CLI_FLAG, NULL, offsetof(struct name_args, remove), "let NAME stand for nothing; its object stays"},
    {0, NULL, 0, NULL, 0, NULL},
};

const struct cli_command cli_name = {
    .name = "name",
    .usage = "URI [NAME [HANDLE|-]]",
    .summary = "show, set or remove names that stand for handles",
    .about =
        "With a URI alone: every name and its handle. With NAME: its handle. With HANDLE: NAME stands for it from now on. "
        "A name is replaced whole, so readers see the old handle or the new one.",
    .examples =
        "skep name shm://campaign\nskep name shm://campaign latest\nskep name shm://campaign latest 'shm://campaign#k=...'",
    .options = name_options,
    .args_size = sizeof(struct name_args),
    .min_words = 1,
    .max_words = 3,
    .run = name_run,
};
