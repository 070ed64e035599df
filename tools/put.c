/* put.c - skep put: a file or standard input into a store; its handle on standard output. */
#include "benchmarks/flush.h"
#include "benchmarks/json.h"
#include "tools/signals.h"
#include "tools/source.h"
#include "tools/status.h"
#include "tools/stores.h"
#include "tools/suggest.h"
#include "tools/text.h"
#include "tools/watch.h"
#include <skep/codec.h>
#include <skep/proxy.h>
#include <stdio.h>
#include <string.h>

struct put_args {
    const char *codec, *key, *name;
    int checksum, no_checksum, quiet;
    struct cli_number size;
};

struct put { /* one run of it */
    const struct cli_call *call;
    const struct put_args *args;
    skep_store *store;
    skep_put_opts opts;
    struct cli_source source;
    struct cli_progress progress;
    char begin[16]; /* of the object, for the codec */
    uint64_t began_ns;
    skep_ref ref;
    skep_proxy *proxy;
    char handle[SKEP_HANDLE_MAX];
};

static void see_begin(struct put *p, const void *data, uint64_t size)
{
    if (size > 0)
        memcpy(p->begin, data, size < sizeof p->begin ? (size_t)size : sizeof p->begin);
}

/* A file is copied by the store itself, from the page cache to where it will lie. */
static int put_mapped(struct put *p, const struct cli_map *map, skep_error *err)
{
    struct cli_watch watch;
    int rc;

    see_begin(p, map->data, p->source.size);
    cli_watch_begin(&watch, &p->progress, map->base);
    cli_signals_at_once(1);
    if (cli_signals_got())
        rc = skep_fail(err, SKEP_ECANCELED, "interrupted");
    else
        rc = skep_store_put(p->store, map->data, (size_t)p->source.size, &p->opts, &p->ref, err);
    cli_signals_at_once(0);
    cli_watch_end(&watch);
    return rc;
}

/* The store lends the memory, and the bytes are read straight into it. */
static int put_known(struct put *p, size_t size, skep_error *err)
{
    skep_slot *slot;
    int rc = skep_store_reserve(p->store, size, &p->opts, &slot, err);

    if (rc != SKEP_OK)
        return rc;
    rc = cli_source_read(&p->source, skep_slot_data(slot), size, &p->progress, err);
    if (rc != SKEP_OK) {
        skep_slot_abort(slot);
        return rc;
    }
    see_begin(p, skep_slot_data(slot), size);
    return skep_slot_commit(&slot, &p->ref, err);
}

static int put_stream(struct put *p, skep_error *err)
{
    static struct cli_spool spool; /* its tables are too big for a stack */
    int rc = cli_source_spool(&p->source, &spool, &p->progress, err);

    if (rc == SKEP_OK) {
        see_begin(p, spool.n ? spool.blocks[0].iov_base : "", spool.size);
        p->source.size = spool.size;
        rc = skep_store_putv(p->store, spool.blocks, spool.n, &p->opts, &p->ref, err);
    }
    cli_spool_free(&spool);
    return rc;
}

static int transfer(struct put *p, skep_error *err)
{
    struct cli_map map = {NULL, NULL, 0};
    int rc;

    if (p->args->size.given) {
        if (p->source.size != SKEP_SIZE_UNKNOWN && p->source.size != p->args->size.value)
            return skep_fail(err, SKEP_EINVAL, "--size: %s has %llu bytes", p->source.label,
                             (unsigned long long)p->source.size);
        p->source.size = p->args->size.value;
    }
    if (p->source.size != SKEP_SIZE_UNKNOWN && p->source.size > SIZE_MAX / 2)
        return skep_fail(err, SKEP_ETOOBIG, "%s: more bytes than this host can address", p->source.label);
    cli_progress_begin(&p->progress, p->source.label, p->source.size, p->args->quiet);
    if (p->source.size == SKEP_SIZE_UNKNOWN)
        rc = put_stream(p, err);
    else if (cli_source_map(&p->source, &map, NULL) == SKEP_OK)
        rc = put_mapped(p, &map, err);
    else
        rc = put_known(p, (size_t)p->source.size, err);
    cli_map_free(&map);
    cli_progress_end(&p->progress);
    return rc;
}

/* The object's codec is what was asked for, or what its beginning looks like and a look at it confirms. */
static int make_proxy(struct put *p, skep_error *err)
{
    size_t known = p->source.size < sizeof p->begin ? (size_t)p->source.size : sizeof p->begin;
    const skep_codec *codec =
        p->args->codec ? skep_codec_find(p->args->codec) : skep_codec_sniff(p->begin, known, p->source.size);
    int rc = skep_store_proxy_of(p->store, &p->ref, codec->name, &p->proxy, err);

    if (rc != SKEP_OK)
        return rc;
    rc = codec->check(p->proxy, p->call->by_ns, err);
    if (rc != SKEP_EFORMAT || p->args->codec)
        return rc;
    skep_proxy_unref(p->proxy);
    p->proxy = NULL;
    return skep_store_proxy_of(p->store, &p->ref, NULL, &p->proxy, err);
}

static void print_json(const struct put *p)
{
    struct json_line j;
    char sum[CLI_TEXT_MAX];

    j = json_line_begin(stdout, "put");
    json_line_text(&j, "handle", p->handle);
    json_line_text(&j, "key", p->ref.key);
    json_line_uint(&j, "size_bytes", p->source.size);
    json_line_text(&j, "codec", skep_proxy_codec(p->proxy));
    json_line_text(&j, "checksum", p->ref.flags & SKEP_REF_SUM ? cli_text_sum(p->ref.sum, sum) : NULL);
    json_line_text(&j, "name", p->args->name);
    json_line_uint(&j, "elapsed_ns", skep_now_ns() - p->began_ns);
    json_line_end(&j);
}

/* Name it and hand it out. A handle that reaches nobody would leave an object that nobody can find. */
static int publish(struct put *p, skep_error *err)
{
    int rc = make_proxy(p, err);
    int errnum;

    if (rc == SKEP_OK && skep_proxy_handle(p->proxy, p->handle, sizeof p->handle) != SKEP_OK)
        rc = skep_fail(err, SKEP_ETOOBIG, "the handle would be longer than %d characters", SKEP_HANDLE_MAX - 1);
    if (rc == SKEP_OK && cli_signals_got())
        rc = skep_fail(err, SKEP_ECANCELED, "interrupted");
    if (rc == SKEP_OK && p->args->name)
        rc = skep_store_name_set(p->store, p->args->name, p->handle, p->call->by_ns, err);
    if (rc != SKEP_OK)
        return rc;
    if (p->call->json)
        print_json(p);
    else
        puts(p->handle);
    if ((errnum = flush_output()) != 0 && !p->args->name)
        rc = skep_fail(err, skep_err_from_errno(errnum), "standard output: %s", strerror(errnum));
    return rc;
}

static int store_it(struct put *p, const char *uri, const char *path, skep_error *err)
{
    int rc = cli_source_open(&p->source, path, err);

    if (rc == SKEP_OK)
        rc = cli_store_open(p->call, uri, 0, &p->store, err);
    if (rc == SKEP_OK && cli_store_is_session(p->store))
        rc = skep_fail(err, SKEP_EINVAL,
                       "%s: with lifetime=session the store goes when this command ends, and the object with it; leave "
                       "that option to the program that keeps the store open",
                       uri);
    if (rc == SKEP_OK)
        rc = transfer(p, err);
    if (rc == SKEP_OK) {
        rc = publish(p, err);
        if (rc != SKEP_OK) /* the first error is the one to tell */
            skep_store_evict(p->store, &p->ref, skep_in_ms(10000), NULL);
    }
    skep_proxy_unref(p->proxy);
    skep_store_unref(p->store);
    cli_source_close(&p->source);
    return rc;
}

static int check_args(const struct cli_call *call, const struct put_args *args, skep_error *err)
{
    const char *uri = call->words[0];

    if (args->checksum && args->no_checksum)
        return skep_fail(err, SKEP_EINVAL, "--checksum or --no-checksum, not both");
    if (args->codec && !skep_codec_find(args->codec)) {
        struct cli_suggest near = CLI_SUGGEST_INIT(args->codec, strlen(args->codec));

        for (size_t i = 0; skep_codec_at(i); i++)
            cli_suggest_offer(&near, skep_codec_at(i)->name);
        return skep_fail(err, SKEP_EINVAL, "--codec: no codec is called \"%s\"%s%s%s", args->codec,
                         near.best ? "; did you mean " : "", near.best ? near.best : "", near.best ? "?" : "");
    }
    if (args->key && !skep_key_is_uuid(args->key))
        return skep_fail(err, SKEP_EINVAL, "--key: \"%s\" is not a UUID in small letters, and handles carry nothing else",
                         args->key);
    if (!strstr(uri, "://") && strstr(call->words[1], "://"))
        return skep_fail(err, SKEP_EINVAL, "the store comes first: skep put %s %s", call->words[1], uri);
    if (!cli_store_outlives(uri))
        return skep_fail(err, SKEP_EINVAL,
                         "%s: objects in it end with the process that made them, so with this command; "
                         "put them in shm:// or file:// instead",
                         uri);
    return SKEP_OK;
}

static int put_run(struct cli_call *call)
{
    const struct put_args *args = call->args;
    struct put p = {.call = call, .args = args, .opts = SKEP_PUT_OPTS_INIT, .began_ns = skep_now_ns()};
    skep_error err;
    int rc = check_args(call, args, &err);

    p.opts.by_ns = call->by_ns;
    p.opts.codec = args->codec;
    p.opts.key = args->key;
    p.opts.checksum = args->checksum ? SKEP_SUM_YES : args->no_checksum ? SKEP_SUM_NO : SKEP_SUM_STORE;
    if (rc == SKEP_OK)
        rc = store_it(&p, call->words[0], call->words[1], &err);
    return rc == SKEP_OK ? CLI_DONE : cli_fail(call, &err);
}

static const struct cli_option put_options[] = {
    {'c', "codec", CLI_TEXT, "NAME", offsetof(struct put_args, codec),
     "what the bytes are: raw, safetensors (default: seen from how they begin)"},
    {'n', "name", CLI_TEXT, "NAME", offsetof(struct put_args, name), "let NAME in this store stand for the new object"},
    {'k', "key", CLI_TEXT, "KEY", offsetof(struct put_args, key), "put it under KEY, a UUID (default: a fresh one)"},
    {0, "checksum", CLI_FLAG, NULL, offsetof(struct put_args, checksum),
     "put a checksum in the handle (default: as the store's option says)"},
    {0, "no-checksum", CLI_FLAG, NULL, offsetof(struct put_args, no_checksum), "put none in it"},
    {'s', "size", CLI_SIZE, "SIZE", offsetof(struct put_args, size),
     "how long a stream will be: saves gathering it in memory first"},
    {'q', "quiet", CLI_FLAG, NULL, offsetof(struct put_args, quiet), "no progress bar"},
    {0, NULL, 0, NULL, 0, NULL},
};

const struct cli_command cli_put = {
    .name = "put",
    .usage = "URI FILE|-",
    .summary = "put a file into a store and print its handle",
    .about = "The store is made if it is missing. The handle is all that is printed, and all that another process needs. "
             "Interrupted or failed, the command leaves nothing in the store.",
    .examples = "skep put shm://campaign model.safetensors\n"
                "handle=$(skep put file:///scratch/objects results.bin --checksum)\n"
                "skep put shm://campaign v2.safetensors --name latest\n"
                "zstdcat big.zst | skep put shm://campaign - --size 12g",
    .options = put_options,
    .args_size = sizeof(struct put_args),
    .min_words = 2,
    .max_words = 2,
    .run = put_run,
};
