/* command.h - what a subcommand is, and what it is given when it runs. */
#ifndef SKEP_TOOLS_COMMAND_H
#define SKEP_TOOLS_COMMAND_H

#include "tools/options.h"
#include <skep/clock.h>

struct cli_command;

/* One use of a command. */
struct cli_call {
    const struct cli_command *command;
    char **words; /* what is left of the command line without options, NULL at its end */
    int n_words;
    const void *args; /* the command's own struct, filled from its table */
    int json;
    uint64_t by_ns; /* when all of it must be done */
};

struct cli_command {
    const char *name;
    const char *usage;    /* what follows the options: "URI FILE|-" */
    const char *summary;  /* one line, without a full stop */
    const char *about;    /* paragraphs, separated by an empty line; NULL: none */
    const char *examples; /* lines as typed; NULL: none */
    const struct cli_option *options;
    size_t args_size;
    int min_words, max_words;          /* INT_MAX: any number */
    int plain;                         /* what it prints is for people, and it waits for nothing */
    int (*run)(struct cli_call *call); /* gives an exit status */
    /* Instead of all of the above but name, usage and summary: takes its arguments as they are. */
    int (*raw)(int argc, char **argv);
};

extern const struct cli_command *const cli_commands[];        /* NULL ends it */
const struct cli_command *cli_command_find(const char *name); /* NULL: there is none */
/* Says so with the nearest, and as a record if `json`; returns CLI_USAGE. */
int cli_command_unknown(const char *name, int json);
/* The options that it has besides its own: --json and --timeout unless it is plain, and --help. */
const struct cli_option *cli_common_options_of(const struct cli_command *command);

extern const struct cli_command cli_put, cli_get, cli_info, cli_ls, cli_exists, cli_evict, cli_name, cli_gc, cli_connectors,
    cli_bench, cli_help;

#endif
