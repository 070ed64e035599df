/* stores.c - one place for what commands do with stores and connectors as a whole. */
#include "tools/stores.h"
#include "benchmarks/json.h"
#include "tools/suggest.h"
#include <skep/connector.h>
#include <stdio.h>
#include <string.h>

struct search {
    const char *scheme;
    size_t length;
    struct cli_connector *out;
    struct cli_suggest near;
};

static int look(const skep_connector_info *info, void *arg)
{
    struct search *s = arg;

    cli_suggest_offer(&s->near, info->scheme);
    if (strlen(info->scheme) != s->length || memcmp(info->scheme, s->scheme, s->length) != 0)
        return 0;
    s->out->info = *info;
    snprintf(s->out->missing, sizeof s->out->missing, "%s", info->missing ? info->missing : "");
    s->out->info.missing = s->out->missing;
    return 1;
}

int cli_connector_find(const char *scheme, size_t length, struct cli_connector *out, const char **near)
{
    struct search s = {scheme, length, out, CLI_SUGGEST_INIT(scheme, length)};
    int found = skep_connectors(look, &s);

    if (near)
        *near = s.near.best;
    return found;
}

/* The connector at the bottom: "shm" of "fault+shm://x". */
static int find_by_uri(const char *uri, struct cli_connector *out, const char **near)
{
    size_t length = strcspn(uri, ":");
    const char *plus = memrchr(uri, '+', length);
    const char *scheme = plus ? plus + 1 : uri;

    return cli_connector_find(scheme, length - (size_t)(scheme - uri), out, near);
}

int cli_store_outlives(const char *uri)
{
    struct cli_connector c;

    return !find_by_uri(uri, &c, NULL) || !c.info.available ||
           (c.info.caps & (SKEP_CAP_SHARED | SKEP_CAP_REMOTE | SKEP_CAP_DURABLE)) != 0;
}

int cli_store_is_session(skep_store *store)
{
    static const char lifetime[] = "lifetime=session";
    char describe[SKEP_URI_MAX * 2];
    const char *option;

    if (skep_store_describe(store, describe, sizeof describe) != SKEP_OK)
        return 0;
    for (option = strpbrk(describe, "?&"); option; option = strpbrk(option + 1, "?&")) {
        if (strncmp(option + 1, lifetime, strlen(lifetime)) == 0 && strchr("&", option[1 + strlen(lifetime)]))
            return 1;
    }
    return 0;
}

int cli_store_open(const struct cli_call *call, const char *uri, int existing, skep_store **take, skep_error *err)
{
    skep_store_opts opts = SKEP_STORE_OPTS_INIT;
    struct cli_connector c;
    const char *near;
    size_t used;
    int rc;

    if (strchr(uri, '#'))
        return skep_fail(err, SKEP_EINVAL, "%s is a handle; wanted is a store: what stands in front of '#'", uri);
    if (!strstr(uri, "://"))
        return skep_fail(err, SKEP_EINVAL,
                         "%s is not a store: wanted is a URI such as shm://campaign or file:///scratch/objects", uri);
    opts.by_ns = call->by_ns;
    opts.existing = existing;
    rc = skep_store_open(uri, &opts, take, err);
    if (rc != SKEP_OK && !find_by_uri(uri, &c, &near) && near) {
        used = strlen(err->text);
        snprintf(err->text + used, sizeof err->text - used, "; did you mean %s://?", near);
    }
    return rc;
}

static const struct cap_name {
    uint32_t cap;
    const char *name;
} cap_names[] = {
    {SKEP_CAP_SHARED, "shared"}, {SKEP_CAP_REMOTE, "remote"},     {SKEP_CAP_DURABLE, "durable"}, {SKEP_CAP_MAPPED, "mapped"},
    {SKEP_CAP_SUMS, "sums"},     {SKEP_CAP_CHECKSUM, "checksum"}, {SKEP_CAP_WRAPS, "wraps"},
};

const char *cli_connector_caps(uint32_t caps, char out[128])
{
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; i < sizeof cap_names / sizeof *cap_names; i++) {
        if (caps & cap_names[i].cap)
            used += (size_t)snprintf(out + used, 128 - used, "%s%s", used ? " " : "", cap_names[i].name);
    }
    return out;
}

void cli_connector_json(const skep_connector_info *info)
{
    struct json_line j;

    j = json_line_begin(stdout, "connector");
    json_line_text(&j, "scheme", info->scheme);
    json_line_bool(&j, "available", info->available);
    json_line_text(&j, "missing", info->available ? NULL : info->missing);
    json_line_array(&j, "capabilities");
    for (size_t i = 0; i < sizeof cap_names / sizeof *cap_names; i++) {
        if (info->caps & cap_names[i].cap)
            json_line_text(&j, NULL, cap_names[i].name);
    }
    json_line_array_end(&j);
    json_line_text(&j, "help", info->help);
    json_line_end(&j);
}

struct each {
    int (*func)(const char *uri, void *arg);
    void *arg;
    skep_error *err;
};

static int stores_of(const skep_connector_info *info, void *arg)
{
    struct each *e = arg;

    if (!info->available || info->caps & SKEP_CAP_WRAPS)
        return 0;
    return skep_stores(info->scheme, e->func, e->arg, e->err);
}

int cli_stores_each(int (*func)(const char *uri, void *arg), void *arg, skep_error *err)
{
    struct each e = {func, arg, err};

    return skep_connectors(stores_of, &e);
}

static int count(const skep_entry *entry, void *arg)
{
    struct cli_tally *t = arg;

    if (entry->name) {
        t->names++;
    } else {
        t->objects++;
        t->bytes += entry->ref.size_bytes == SKEP_SIZE_UNKNOWN ? 0 : entry->ref.size_bytes;
    }
    return 0;
}

int cli_store_tally(skep_store *store, struct cli_tally *out, skep_error *err)
{
    *out = (struct cli_tally){0, 0, 0};
    return skep_store_list(store, count, out, err);
}

int cli_entry_handle(const char *identity, const skep_ref *ref, char out[SKEP_HANDLE_MAX])
{
    skep_handle handle = SKEP_HANDLE_INIT;

    handle.ref = *ref;
    snprintf(handle.store, sizeof handle.store, "%s", identity);
    return skep_handle_format(&handle, out, SKEP_HANDLE_MAX);
}
