/* evict.c - skep evict: objects, or all that a store holds. */
#include "benchmarks/json.h"
#include "tools/signals.h"
#include "tools/status.h"
#include "tools/stores.h"
#include "tools/target.h"
#include "tools/text.h"
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 256

struct evict_args {
    struct cli_target_args target;
    int all, foreign;
};

/* ---- objects ------------------------------------------------------------------------------------- */

static int evict_proxy(struct cli_call *call, skep_proxy *proxy, int *was, skep_error *err)
{
    skep_store *store;
    int rc = skep_proxy_store(proxy, call->by_ns, &store, err);

    if (rc != SKEP_OK)
        return rc;
    rc = skep_store_exists(store, skep_proxy_ref_of(proxy), call->by_ns, was, NULL, err);
    if (rc == SKEP_OK)
        rc = skep_proxy_evict(proxy, call->by_ns, err);
    skep_store_unref(store);
    return rc;
}

static int evict_one(struct cli_call *call, const char *word)
{
    const struct evict_args *args = call->args;
    skep_proxy *proxy = NULL;
    skep_error err;
    struct json_line j;
    int was = 0;
    int rc = cli_target_open(call, word, &args->target, &proxy, &err);

    if (rc == SKEP_OK)
        rc = evict_proxy(call, proxy, &was, &err);
    skep_proxy_unref(proxy);
    /* no store, no object in it; but a name that is not there was meant to be */
    if (rc != SKEP_OK && (rc != SKEP_ENOENT || args->target.name))
        return cli_fail(call, &err);
    if (call->json) {
        j = json_line_begin(stdout, "evict");
        json_line_text(&j, "object", word);
        json_line_bool(&j, "existed", was);
        json_line_end(&j);
    }
    return CLI_DONE;
}

/* ---- all of a store ------------------------------------------------------------------------------ */

struct heap { /* what a walk has found; evicting while walking would change what is walked */
    skep_ref *refs;
    size_t n_refs, cap_refs;
    char (*names)[SKEP_KEY_MAX];
    size_t n_names, cap_names;
    uint64_t bytes;
    int foreign;   /* objects under keys that are not skep's own are wanted too */
    uint64_t left; /* those that were found and not taken */
};

static int grow(void **array, size_t n, size_t *cap, size_t each)
{
    size_t more = *cap ? *cap * 2 : 64;
    void *bigger;

    if (n < *cap)
        return SKEP_OK;
    bigger = more <= SIZE_MAX / each ? realloc(*array, more * each) : NULL;
    if (!bigger)
        return SKEP_ENOMEM;
    *array = bigger;
    *cap = more;
    return SKEP_OK;
}

static int gather(const skep_entry *entry, void *arg)
{
    struct heap *h = arg;
    void *array = entry->name ? (void *)h->names : (void *)h->refs;
    int rc;

    /* a file store's directory may hold files that are somebody's own: what skep did not name it does not take unasked */
    if (!entry->name && !h->foreign && !skep_key_is_uuid(entry->ref.key)) {
        h->left++;
        return SKEP_OK;
    }
    rc = entry->name ? grow(&array, h->n_names, &h->cap_names, sizeof *h->names)
                     : grow(&array, h->n_refs, &h->cap_refs, sizeof *h->refs);
    if (rc != SKEP_OK)
        return rc;
    if (entry->name) {
        h->names = array;
        snprintf(h->names[h->n_names++], SKEP_KEY_MAX, "%s", entry->name);
    } else {
        h->refs = array;
        h->refs[h->n_refs++] = entry->ref;
        h->bytes += entry->ref.size_bytes == SKEP_SIZE_UNKNOWN ? 0 : entry->ref.size_bytes;
    }
    return cli_signals_got() ? SKEP_ECANCELED : SKEP_OK;
}

static int clear(const struct cli_call *call, skep_store *store, struct heap *h, skep_error *err)
{
    int rc = skep_store_list(store, gather, h, err);

    /* names first: nobody should find one that leads nowhere */
    for (size_t i = 0; rc == SKEP_OK && i < h->n_names; i++)
        rc = skep_store_name_set(store, h->names[i], NULL, call->by_ns, err);
    for (size_t i = 0; rc == SKEP_OK && i < h->n_refs; i += BATCH) {
        size_t n = h->n_refs - i < BATCH ? h->n_refs - i : BATCH;

        rc = cli_signals_got() ? SKEP_ECANCELED : skep_store_evict_batch(store, h->refs + i, n, call->by_ns, NULL, err);
    }
    return rc;
}

static void print_cleared(const struct cli_call *call, const char *uri, const struct heap *h)
{
    char size[CLI_TEXT_MAX];
    struct json_line j;

    if (call->json) {
        j = json_line_begin(stdout, "evict_all");
        json_line_text(&j, "uri", uri);
        json_line_uint(&j, "objects", h->n_refs);
        json_line_uint(&j, "size_bytes", h->bytes);
        json_line_uint(&j, "names", h->n_names);
        json_line_uint(&j, "left", h->left);
        json_line_end(&j);
    } else {
        cli_text_print(stdout, uri);
        printf(": %zu objects and %zu names evicted, %s\n", h->n_refs, h->n_names, cli_text_size(h->bytes, size));
        if (h->left)
            printf("%" PRIu64 " under keys that are not skep's own are left; --foreign takes them too\n", h->left);
    }
}

static int evict_all(struct cli_call *call, const char *uri)
{
    const struct evict_args *args = call->args;
    struct heap h = {.foreign = args->foreign};
    skep_store *store = NULL;
    skep_error err = {SKEP_ECANCELED, "interrupted"};
    int rc = cli_store_open(call, uri, 1, &store, &err);

    if (rc == SKEP_OK) {
        rc = clear(call, store, &h, &err);
        if (rc == SKEP_ENOMEM)
            skep_fail(&err, rc, "%s: no memory to list its objects", uri);
        rc = rc == SKEP_ENOENT ? SKEP_OK : rc; /* others have emptied it meanwhile, and it went */
    }
    skep_store_unref(store);
    if (rc == SKEP_OK)
        print_cleared(call, uri, &h);
    free(h.refs);
    free(h.names);
    return rc == SKEP_OK ? CLI_DONE : cli_fail(call, &err);
}

static int evict_run(struct cli_call *call)
{
    const struct evict_args *args = call->args;

    if (args->foreign && !args->all)
        return cli_failf(call, SKEP_EINVAL, "--foreign goes with --all");
    if (args->all && (args->target.name || args->target.key || args->target.wait.given))
        return cli_failf(call, SKEP_EINVAL, "--all means everything: --name, --key and --wait do not go with it");
    return cli_target_each(call, args->all ? evict_all : evict_one);
}

static const struct cli_option evict_options[] = {
    {'a', "all", CLI_FLAG, NULL, offsetof(struct evict_args, all), "every object and every name of the store URI"},
    {0, "foreign", CLI_FLAG, NULL, offsetof(struct evict_args, foreign),
     "with --all: also what lies under keys that are no UUIDs, such as other files in the directory of a file store"},
    CLI_TARGET_ROWS(struct evict_args),
    {0, NULL, 0, NULL, 0, NULL},
};

const struct cli_command cli_evict = {
    .name = "evict",
    .usage = "HANDLE|-... | URI --name NAME | URI --key KEY | --all URI...",
    .summary = "remove objects from their stores",
    .about = "A program that has an object open keeps it unchanged. An object that is gone already is no failure; with "
             "--all, a store that is not there is one. --name removes the "
             "object, and the name stays: skep name URI NAME --remove.",
    .examples = "skep evict 'shm://campaign#k=...'\nskep evict --all shm://campaign",
    .options = evict_options,
    .args_size = sizeof(struct evict_args),
    .min_words = 1,
    .max_words = INT_MAX,
    .run = evict_run,
};
