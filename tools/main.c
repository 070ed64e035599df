/* main.c - the skep command: one table of subcommands. */
#include "benchmarks/bench.h"
#include "benchmarks/flush.h"
#include "tools/command.h"
#include "tools/help.h"
#include "tools/signals.h"
#include "tools/status.h"
#include "tools/suggest.h"
#include "tools/text.h"
#include <skep/handle.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct cli_command *const cli_commands[] = {
    &cli_put,  &cli_get, &cli_info,       &cli_ls,    &cli_exists, &cli_evict,
    &cli_name, &cli_gc,  &cli_connectors, &cli_bench, &cli_help,   NULL,
};

struct common_args {
    int json, help;
    struct cli_number timeout;
};

static const struct cli_option common_options[] = {
    {'j', "json", CLI_FLAG, NULL, offsetof(struct common_args, json), "print one JSON object a line"},
    {0, "timeout", CLI_TIME, "TIME", offsetof(struct common_args, timeout),
     "give up after TIME: 500ms, 10s, 5m (default: forever)"},
    {'h', "help", CLI_FLAG, NULL, offsetof(struct common_args, help), "show this help"},
    {0, NULL, 0, NULL, 0, NULL},
};
enum { COMMON_OF_PLAIN = 2 }; /* of these, those from --help on */

const struct cli_option *cli_common_options_of(const struct cli_command *command)
{
    return common_options + (command->plain ? COMMON_OF_PLAIN : 0);
}

static int is_json(const char *word)
{
    return strcmp(word, "--json") == 0 || strcmp(word, "-j") == 0;
}

/* For failures that keep the command line from being read to its end. */
static int asks_for_json(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (is_json(argv[i]))
            return 1;
    }
    return 0;
}

const struct cli_command *cli_command_find(const char *name)
{
    for (const struct cli_command *const *c = cli_commands; *c; c++) {
        if (strcmp((*c)->name, name) == 0)
            return *c;
    }
    return NULL;
}

int cli_command_unknown(const char *name, int json)
{
    struct cli_suggest near = CLI_SUGGEST_INIT(name, strlen(name));
    skep_error err;

    for (const struct cli_command *const *c = cli_commands; *c; c++)
        cli_suggest_offer(&near, (*c)->name);
    if (name[0] == '-')
        skep_fail(&err, SKEP_EINVAL, "unknown option %s; the options of a command stand behind it: skep COMMAND %s", name,
                  name);
    else
        skep_fail(&err, SKEP_EINVAL, "unknown command \"%s\"%s%s%s", name, near.best ? "; did you mean skep " : "",
                  near.best ? near.best : "", near.best ? "?" : "");
    fputs("skep: ", stderr);
    cli_text_print(stderr, err.text);
    fputs("\nTry: skep --help\n", stderr);
    if (json)
        exit_status_record(name, &err);
    return CLI_USAGE;
}

/* Files opened later must not become standard input, output or error. */
static void fill_standard_descriptors(void)
{
    int fd;

    while ((fd = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0 && fd <= STDERR_FILENO)
        (void)fcntl(fd, F_SETFD, 0); /* workers inherit it as their own */
    if (fd >= 0)
        close(fd);
}

/* What is typed on one's own command line is one's own will: any store may be meant, unless SKEP_ALLOW says otherwise. */
static void trust_the_command_line(void)
{
    skep_policy *all;

    if (skep_policy_parse("all", &all, NULL) == SKEP_OK) {
        skep_policy_default(all);
        skep_policy_unref(all);
    }
}

static int check_words(struct cli_call *call)
{
    const struct cli_command *c = call->command;

    if (call->n_words < c->min_words)
        return cli_failf(call, SKEP_EINVAL, "too few arguments: wanted is %s", c->usage);
    if (call->n_words > c->max_words)
        return cli_failf(call, SKEP_EINVAL, "one argument too many: %s", call->words[c->max_words]);
    return CLI_DONE;
}

static int run(const struct cli_command *c, int argc, char **argv)
{
    struct common_args common = {0, 0, {0, 0}};
    void *args = calloc(1, c->args_size ? c->args_size : 1);
    struct cli_call call = {.command = c, .words = argv, .args = args, .by_ns = SKEP_FOREVER};
    static const struct cli_option none[] = {{0, NULL, 0, NULL, 0, NULL}};
    const struct cli_table tables[] = {{c->options ? c->options : none, args}, {cli_common_options_of(c), &common}};
    skep_error err = {SKEP_ENOMEM, "out of memory"};
    int rc = args ? cli_options_parse(argc, argv, tables, 2, &call.n_words, &err) : SKEP_ENOMEM;
    int status;

    call.json = common.json || (rc != SKEP_OK && asks_for_json(argc, argv));
    if (common.timeout.given)
        call.by_ns = skep_in_ns(common.timeout.value);
    if (rc != SKEP_OK) {
        status = cli_fail(&call, &err);
    } else if (common.help) {
        cli_help_command(stdout, c);
        status = CLI_DONE;
    } else {
        argv[call.n_words] = NULL;
        status = check_words(&call);
        if (status == CLI_DONE)
            status = c->run(&call);
    }
    free(args);
    return status;
}

/* What was printed must have arrived: a full disk behind standard output is a failure too. */
static int finish(int status)
{
    int errnum = flush_output();

    cli_signals_die();
    if (errnum == 0 || status != CLI_DONE)
        return status;
    fprintf(stderr, "skep: standard output: %s\n", strerror(errnum));
    return exit_status_of(skep_err_from_errno(errnum));
}

int main(int argc, char **argv)
{
    const struct cli_command *c;
    char json[] = "--json";

#if SKEP_BENCH_STEERING
    skep_worker_if_asked(argc, argv, skep_bench_methods); /* "skep bench steering" starts this program as its workers */
#endif
    fill_standard_descriptors();
    if (argc < 2) {
        cli_help_all(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        puts("skep " SKEP_VERSION);
        return finish(CLI_DONE);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        cli_help_all(stdout);
        return finish(CLI_DONE);
    }
    if (argc > 2 && is_json(argv[1])) { /* "skep --json ls" is "skep ls --json" */
        argv[1] = argv[2];
        argv[2] = json;
    }
    c = cli_command_find(argv[1]);
    if (!c)
        return finish(cli_command_unknown(argv[1], asks_for_json(argc - 1, argv + 1)));
    if (c->raw)
        return finish(c->raw(argc - 1, argv + 1));
    cli_signals_install();
    trust_the_command_line();
    return finish(run(c, argc - 2, argv + 2));
}
