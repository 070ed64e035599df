/* info.c - skep info: of an object, a store, or a scheme. */
#include "tools/info.h"
#include "benchmarks/json.h"
#include "tools/status.h"
#include "tools/stores.h"
#include "tools/suggest.h"
#include "tools/text.h"
#include <skep/connector.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- a store ------------------------------------------------------------------------------------- */

struct store_facts {
    char identity[SKEP_URI_MAX], describe[SKEP_URI_MAX * 2];
    struct cli_tally tally;
    int listed; /* the connector can list */
};

static int learn(skep_store *store, struct store_facts *f, skep_error *err)
{
    int rc = skep_store_identity(store, f->identity, sizeof f->identity);

    if (rc == SKEP_OK)
        rc = skep_store_describe(store, f->describe, sizeof f->describe);
    if (rc != SKEP_OK)
        return skep_fail(err, rc, "its description is too long");
    rc = cli_store_tally(store, &f->tally, err);
    f->listed = rc == SKEP_OK;
    return rc == SKEP_ENOTSUP ? SKEP_OK : rc;
}

static void store_json(const struct store_facts *f)
{
    struct json_line j;

    j = json_line_begin(stdout, "store");
    json_line_text(&j, "uri", f->identity);
    json_line_text(&j, "describe", f->describe);
    if (f->listed) {
        json_line_uint(&j, "objects", f->tally.objects);
        json_line_uint(&j, "size_bytes", f->tally.bytes);
        json_line_uint(&j, "names", f->tally.names);
    }
    json_line_end(&j);
}

static void store_text(const struct store_facts *f)
{
    char size[CLI_TEXT_MAX];

    printf("store      ");
    cli_text_print(stdout, f->identity);
    printf("\noptions    ");
    cli_text_print(stdout, f->describe);
    if (f->listed)
        printf("\nobjects    %" PRIu64 "\nbytes      %s\nnames      %" PRIu64 "\n", f->tally.objects,
               cli_text_size_exact(f->tally.bytes, size), f->tally.names);
    else
        printf("\nobjects    this connector can't list them\n");
}

int cli_info_store(struct cli_call *call, const char *uri)
{
    static struct store_facts facts; /* too big for comfort on a stack */
    skep_store *store = NULL;
    skep_error err;
    int rc = cli_store_open(call, uri, 1, &store, &err);

    if (rc == SKEP_OK)
        rc = learn(store, &facts, &err);
    skep_store_unref(store);
    if (rc != SKEP_OK)
        return cli_fail(call, &err);
    if (call->json)
        store_json(&facts);
    else
        store_text(&facts);
    return CLI_DONE;
}

/* ---- a scheme ------------------------------------------------------------------------------------ */

static const char *const type_names[] = {"bool", "int", "size", "time", "text", "choice"};
static const char *const class_names[] = {"identity", "tuning", "secret", "local"};

/* SKEP_<SCHEME>_<OPTION>, upper case. */
static void environment_name(const char *scheme, const char *option, char *out, size_t cap)
{
    snprintf(out, cap, "SKEP_%s_%s", scheme, option);
    for (char *c = out; *c; c++) {
        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - 'a' + 'A');
        else if (*c == '-' || *c == '+' || *c == '.')
            *c = '_';
    }
}

static void option_json(const char *scheme, const skep_option *o, const char *environment)
{
    struct json_line j;

    j = json_line_begin(stdout, "option");
    json_line_text(&j, "scheme", scheme);
    json_line_text(&j, "name", o->name);
    json_line_text(&j, "type", type_names[o->type]);
    json_line_text(&j, "class", class_names[o->klass]);
    json_line_text(&j, "default", o->fallback);
    json_line_text(&j, "choices", o->choices);
    json_line_text(&j, "environment", environment);
    json_line_text(&j, "help", o->help);
    json_line_end(&j);
}

/* The help stands below: the rest is a table, and help is as long as it needs to be. */
static void option_text(const skep_option *o, const char *environment)
{
    printf("%-14s %-9s %-9s %-26s %s\n    ", o->name, class_names[o->klass], o->fallback ? o->fallback : "-", environment,
           o->choices ? o->choices : type_names[o->type]);
    cli_text_wrap(stdout, o->help, 4, 4);
}

static void show_options(const struct cli_call *call, const char *scheme, const skep_option *options)
{
    char environment[96];

    for (const skep_option *o = options; o && o->name; o++) {
        environment_name(scheme, o->name, environment, sizeof environment);
        if (call->json)
            option_json(scheme, o, environment);
        else
            option_text(o, environment);
    }
}

static void show_scheme(const struct cli_call *call, const struct cli_connector *c)
{
    char caps[128];

    if (call->json) {
        cli_connector_json(&c->info);
    } else {
        printf("scheme        %s%s\n", c->info.scheme, c->info.caps & SKEP_CAP_WRAPS ? "+" : "://");
        printf("what          %s\n", c->info.help ? c->info.help : "-");
        printf("state         %s%s\n", c->info.available ? "available" : "missing: ", c->missing);
        printf("capabilities  %s\n", cli_connector_caps(c->info.caps, caps));
        printf("\n%-14s %-9s %-9s %-26s %s\n", "OPTION", "CLASS", "DEFAULT", "ENVIRONMENT", "VALUES");
    }
    show_options(call, c->info.scheme, c->info.options);
    show_options(call, c->info.scheme, c->info.common);
}

static int find_part(struct cli_call *call, const char *scheme, const char *part, struct cli_connector *c)
{
    size_t length = strcspn(part, "+");
    int last = part[length] == '\0';
    const char *near;

    if (!cli_connector_find(part, length, c, &near))
        return cli_failf(call, SKEP_ENOENT,
                         "\"%s\" is no handle, no store and no scheme of this build%s%s%s; skep connectors lists those",
                         scheme, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    if (last ? part > scheme && c->info.caps & SKEP_CAP_WRAPS : !(c->info.caps & SKEP_CAP_WRAPS))
        return cli_failf(call, SKEP_EINVAL, "\"%s\": %s stands %s", scheme, c->info.scheme,
                         last ? "in front of another scheme" : "last: it wraps none");
    return CLI_DONE;
}

/* "fault+shm" is both of them, in turn. */
int cli_info_scheme(struct cli_call *call, const char *scheme)
{
    struct cli_connector c;
    int status = CLI_DONE;

    for (const char *part = scheme; status == CLI_DONE && part; part = strchr(part, '+') ? strchr(part, '+') + 1 : NULL)
        status = find_part(call, scheme, part, &c);
    for (const char *part = scheme; status == CLI_DONE && part;) {
        const char *plus = strchr(part, '+');

        find_part(call, scheme, part, &c);
        show_scheme(call, &c);
        if (plus && !call->json)
            putchar('\n');
        status = c.info.available ? CLI_DONE : CLI_NO;
        part = plus ? plus + 1 : NULL;
    }
    return status;
}

/* ---- what is no store's ------------------------------------------------------------------------- */

static const struct other_scheme {
    const char *scheme, *what;
} other_schemes[] = {
    {"local", "a task server's engine, as in local:?workers=4, whose options the manual lists in server.md"},
    {"ipc", "a road to a task server, ipc://PATH; the manual tells of it in tasks.md"},
    {"tcp", "a road to a task server, tcp://HOST:PORT; the manual tells of it in tasks.md"},
};

static const struct other_scheme *find_other(const char *word)
{
    size_t length = strcspn(word, ":");

    for (size_t i = 0; i < sizeof other_schemes / sizeof *other_schemes; i++) {
        if (strlen(other_schemes[i].scheme) == length && memcmp(other_schemes[i].scheme, word, length) == 0)
            return &other_schemes[i];
    }
    return NULL;
}

/* ---- skep info ----------------------------------------------------------------------------------- */

static int info_run(struct cli_call *call)
{
    const struct cli_info_args *args = call->args;
    const struct other_scheme *other;
    const char *word = call->words[0];
    int names_object = args->target.name || args->target.key || args->target.wait.given;

    if (names_object || strchr(word, '#') || strcmp(word, "-") == 0)
        return cli_target_each(call, cli_info_object);
    if ((other = find_other(word)) != NULL)
        return cli_failf(call, SKEP_ENOTSUP,
                         "\"%s\": that is %s; this command knows stores and their schemes: skep connectors", word,
                         other->what);
    return strchr(word, ':') ? cli_info_store(call, word) : cli_info_scheme(call, word);
}

static const struct cli_option info_options[] = {
    CLI_TARGET_ROWS(struct cli_info_args),
    {0, NULL, 0, NULL, 0, NULL},
};

const struct cli_command cli_info = {
    .name = "info",
    .usage = "HANDLE | - | URI | SCHEME | URI --name NAME | URI --key KEY",
    .summary = "what is known of an object, a store, or a scheme and its options",
    .about =
        "Of an object: its size, codec and checksum, where it lies, whether it is there (exit status 1 if not), and the "
        "tensors of a model, of which only the header is read. Of a store: its options and how much is in it. Of a scheme: "
        "what it can do, and the table of its options; of fault+shm, both.",
    .examples =
        "skep info 'shm://campaign#k=...'\nskep info shm://campaign\nskep info shm\nskep info shm://campaign --name latest",
    .options = info_options,
    .args_size = sizeof(struct cli_info_args),
    .min_words = 1,
    .max_words = 1,
    .run = info_run,
};
