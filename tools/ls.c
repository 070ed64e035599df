/* ls.c - skep ls: the stores of this user on this host, or the objects and names of one. */
#include "benchmarks/json.h"
#include "tools/signals.h"
#include "tools/status.h"
#include "tools/stores.h"
#include "tools/text.h"
#include <inttypes.h>
#include <stdio.h>

struct ls_args {
    int handles, bytes;
};

/* ---- one store ----------------------------------------------------------------------------------- */

struct walk {
    const struct cli_call *call;
    const struct ls_args *args;
    char identity[SKEP_URI_MAX];
    uint64_t objects, names;
    int now_names; /* this pass shows names, the one before it objects */
};

static void name_json(const skep_entry *entry)
{
    struct json_line j;

    j = json_line_begin(stdout, "name");
    json_line_text(&j, "name", entry->name);
    json_line_text(&j, "handle", entry->handle);
    json_line_end(&j);
}

static void object_json(const skep_entry *entry, const char *handle)
{
    struct json_line j;

    j = json_line_begin(stdout, "object");
    json_line_text(&j, "handle", handle);
    json_line_text(&j, "key", entry->ref.key);
    if (entry->ref.size_bytes == SKEP_SIZE_UNKNOWN)
        json_line_null(&j, "size_bytes");
    else
        json_line_uint(&j, "size_bytes", entry->ref.size_bytes);
    if (entry->made_ns == 0)
        json_line_null(&j, "made_ns");
    else
        json_line_uint(&j, "made_ns", entry->made_ns);
    json_line_end(&j);
}

static void object_text(const skep_entry *entry, const struct walk *w)
{
    char size[CLI_TEXT_MAX] = "?", when[CLI_TEXT_MAX];

    if (entry->ref.size_bytes != SKEP_SIZE_UNKNOWN && w->args->bytes)
        snprintf(size, sizeof size, "%" PRIu64, entry->ref.size_bytes);
    else if (entry->ref.size_bytes != SKEP_SIZE_UNKNOWN)
        cli_text_size(entry->ref.size_bytes, size);
    if (w->objects == 1)
        printf("%14s  %-19s  %s\n", "SIZE", "MADE", "KEY");
    printf("%14s  %-19s  ", size, cli_text_when(entry->made_ns, when));
    cli_text_print(stdout, entry->ref.key);
    putchar('\n');
}

static void show_object(const skep_entry *entry, struct walk *w)
{
    char handle[SKEP_HANDLE_MAX];
    int has = cli_entry_handle(w->identity, &entry->ref, handle) == SKEP_OK;

    w->objects++;
    if (w->call->json) {
        object_json(entry, has ? handle : NULL);
    } else if (!w->args->handles) {
        object_text(entry, w);
    } else if (has) {
        cli_text_print(stdout, handle);
        putchar('\n');
    }
}

static void show_name(const skep_entry *entry, struct walk *w)
{
    if (w->call->json) {
        name_json(entry);
        return;
    }
    cli_text_print(stdout, entry->name);
    fputs(" -> ", stdout);
    cli_text_print(stdout, entry->handle);
    putchar('\n');
}

static int show_entry(const skep_entry *entry, void *arg)
{
    struct walk *w = arg;

    if (!entry->name && !w->now_names)
        show_object(entry, w);
    else if (entry->name && w->now_names)
        show_name(entry, w);
    else if (entry->name)
        w->names++;
    return cli_signals_got() || ferror(stdout) ? SKEP_ECANCELED : 0;
}

static int list_store(struct cli_call *call, const char *uri)
{
    struct walk w = {.call = call, .args = call->args};
    skep_store *store;
    skep_error err = {SKEP_ECANCELED, "interrupted"};
    int rc = cli_store_open(call, uri, 1, &store, &err);

    if (rc != SKEP_OK)
        return cli_fail(call, &err);
    rc = skep_store_identity(store, w.identity, sizeof w.identity);
    if (rc != SKEP_OK)
        skep_fail(&err, rc, "%s: its identity is too long for a handle", uri);
    else
        rc = skep_store_list(store, show_entry, &w, &err);
    w.now_names = 1;
    if (rc == SKEP_OK && w.names > 0 && !w.args->handles)
        rc = skep_store_list(store, show_entry, &w, &err);
    skep_store_unref(store);
    if (rc == SKEP_OK || ferror(stdout))
        return CLI_DONE;
    return cli_fail(call, &err);
}

/* ---- all stores ---------------------------------------------------------------------------------- */

struct sum {
    struct cli_call *call;
    struct cli_tally all;
    uint64_t stores;
    int status;
};

static void store_json(const char *uri, const struct cli_tally *t)
{
    struct json_line j;

    j = json_line_begin(stdout, "store");
    json_line_text(&j, "uri", uri);
    json_line_uint(&j, "objects", t->objects);
    json_line_uint(&j, "size_bytes", t->bytes);
    json_line_uint(&j, "names", t->names);
    json_line_end(&j);
}

static void store_text(const char *uri, const struct cli_tally *t, int exact)
{
    char size[CLI_TEXT_MAX];

    if (exact)
        snprintf(size, sizeof size, "%" PRIu64, t->bytes);
    else
        cli_text_size(t->bytes, size);
    printf("%14s  %8" PRIu64 "  %6" PRIu64 "  ", size, t->objects, t->names);
    cli_text_print(stdout, uri);
    putchar('\n');
}

static int show_store(const char *uri, void *arg)
{
    struct sum *s = arg;
    const struct ls_args *args = s->call->args;
    struct cli_tally t;
    skep_store *store = NULL;
    skep_error err;
    int rc = cli_store_open(s->call, uri, 1, &store, &err);

    if (rc == SKEP_OK)
        rc = cli_store_tally(store, &t, &err);
    skep_store_unref(store);
    if (rc == SKEP_ENOENT) /* it went between the walk and here */
        return 0;
    if (rc != SKEP_OK) {
        s->status = cli_fail(s->call, &err);
        return cli_signals_got();
    }
    if (s->call->json) {
        store_json(uri, &t);
    } else {
        if (s->stores == 0)
            printf("%14s  %8s  %6s  %s\n", "SIZE", "OBJECTS", "NAMES", "STORE");
        store_text(uri, &t, args->bytes);
    }
    s->stores++;
    s->all.objects += t.objects;
    s->all.bytes += t.bytes;
    s->all.names += t.names;
    return cli_signals_got();
}

static int list_stores(struct cli_call *call)
{
    const struct ls_args *args = call->args;
    struct sum s = {.call = call};
    skep_error err;
    int rc = cli_stores_each(show_store, &s, &err);

    if (rc < 0)
        return cli_fail(call, &err);
    if (!call->json && s.stores > 1)
        store_text("together", &s.all, args->bytes);
    return s.status;
}

static int ls_run(struct cli_call *call)
{
    const struct ls_args *args = call->args;

    if (call->n_words == 0 && args->handles)
        return cli_failf(call, SKEP_EINVAL, "--handles needs a store");
    return call->n_words ? list_store(call, call->words[0]) : list_stores(call);
}

static const struct cli_option ls_options[] = {
    {'H', "handles", CLI_FLAG, NULL, offsetof(struct ls_args, handles), "only the handles, one a line"},
    {'b', "bytes", CLI_FLAG, NULL, offsetof(struct ls_args, bytes), "sizes in bytes, unrounded"},
    {0, NULL, 0, NULL, 0, NULL},
};

const struct cli_command cli_ls = {
    .name = "ls",
    .usage = "[URI]",
    .summary = "list what is in a store, or all stores in this host's memory",
    .about =
        "Without a URI: every node store that is yours on this host, used by a program now or not, with what lies in it. "
        "This is your RAM: skep evict --all URI and skep gc give it back.",
    .examples = "skep ls\nskep ls shm://campaign\nskep ls --handles shm://campaign | skep evict -",
    .options = ls_options,
    .args_size = sizeof(struct ls_args),
    .max_words = 1,
    .run = ls_run,
};
