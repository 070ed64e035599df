/* options.h - options of a command line: one table parses them and prints their help. */
#ifndef SKEP_TOOLS_OPTIONS_H
#define SKEP_TOOLS_OPTIONS_H

#include <skep/error.h>
#include <stddef.h>
#include <stdint.h>

enum cli_kind {
    CLI_FLAG, /* int: set to 1 */
    CLI_TEXT, /* const char *: lent from argv */
    CLI_SIZE, /* struct cli_number: 64k, 1g */
    CLI_TIME, /* struct cli_number: 500ms, 10s, forever; in nanoseconds */
};

struct cli_number {
    int given;
    uint64_t value;
};

struct cli_option {
    char letter;       /* 0: it has none */
    const char *name;  /* without the dashes; NULL ends a table */
    int kind;          /* CLI_* */
    const char *value; /* how its value is called in the help; NULL for a flag */
    size_t at;         /* offset of what it sets in the struct of its table */
    const char *help;
};

struct cli_table {
    const struct cli_option *options;
    void *into; /* zeroed; what the offsets count from */
};

/* Take the options out of argv[0..argc-1] and move what is left to its front: `*n_words`, in their order. "--" ends the
 * options and "-" is a word. SKEP_EINVAL: an unknown option (with the nearest one), a value missing or wrong. */
int cli_options_parse(int argc, char **argv, const struct cli_table *tables, size_t n_tables, int *n_words, skep_error *err);

#endif
