/* help.c - help for people and as Markdown, all of it from the tables. */
#include "tools/help.h"
#include "tools/status.h"
#include "tools/text.h"
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define INDENT 28 /* where the text of an option begins */

static const char title[] = "skep moves large data by passing small handles.";

static const struct {
    const char *name, *meaning;
} variables[] = {
    {"SKEP_ALLOW", "which stores a handle may lead to: all, none, shm:, shm://NAME, file:///dir, ... A handle that you give "
                   "to skep yourself may lead anywhere unless this is set. See also --name."},
    {"SKEP_LOG", "error, warn (unless said otherwise), info or debug: what is told on standard error"},
    {"SKEP_SCHEME_OPTION", "the default of an option, such as SKEP_SHM_CHECKSUM=on; skep info SCHEME lists them"},
};

static void option_name(const struct cli_option *o, char *out, size_t cap)
{
    char letter[] = "-x, ";

    letter[1] = o->letter;
    snprintf(out, cap, "%s--%s%s%s", o->letter ? letter : "", o->name, o->value ? " " : "", o->value ? o->value : "");
}

static void print_options(FILE *to, const struct cli_option *options)
{
    char name[64];

    for (const struct cli_option *o = options; o && o->name; o++) {
        int n;

        option_name(o, name, sizeof name);
        n = fprintf(to, "  %s%s", o->letter ? "" : "    ", name);
        if (n + 2 > INDENT)
            n = fprintf(to, "\n") - 1;
        fprintf(to, "%*s", INDENT - n, "");
        cli_text_wrap(to, o->help, INDENT, INDENT);
    }
}

static void print_lines(FILE *to, const char *lines, const char *before)
{
    while (*lines) {
        size_t n = strcspn(lines, "\n");

        fprintf(to, "%s%.*s\n", before, (int)n, lines);
        lines += n + (lines[n] == '\n');
    }
}

void cli_help_command(FILE *to, const struct cli_command *c)
{
    fprintf(to, "skep %s - %s\n\nUsage: skep %s %s\n", c->name, c->summary, c->name, c->usage);
    if (c->about) {
        fputc('\n', to);
        cli_text_wrap(to, c->about, 0, 0);
    }
    fputs("\nOptions:\n", to);
    print_options(to, c->options);
    print_options(to, cli_common_options_of(c));
    if (c->examples) {
        fputs("\nExamples:\n", to);
        print_lines(to, c->examples, "  $ ");
    }
}

static void print_statuses(FILE *to)
{
    for (const struct exit_status *row = exit_statuses; row->meaning; row++) {
        fprintf(to, "  %-9d", row->status);
        cli_text_wrap(to, row->meaning, 11, 11);
    }
    fputs("  128 + N  ended by signal N\n", to);
}

void cli_help_all(FILE *to)
{
    cli_text_wrap(to, title, 0, 0);
    fputs("\nUsage: skep COMMAND [OPTION]... [ARGUMENT]...\n       skep --help | --version | help COMMAND\n\nCommands:\n",
          to);
    for (const struct cli_command *const *c = cli_commands; *c; c++)
        fprintf(to, "  %-12s%s\n", (*c)->name, (*c)->summary);
    fputs("\nExamples:\n"
          "  $ skep put shm://campaign model.safetensors\n"
          "  shm://campaign#k=...\n"
          "  $ skep info 'shm://campaign#k=...'\n"
          "  $ skep get 'shm://campaign#k=...' -o copy.safetensors\n"
          "  $ skep ls\n",
          to);
    fputs("\nExit status:\n", to);
    print_statuses(to);
    fputs("\nEnvironment:\n", to);
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        fprintf(to, "  %s\n      ", variables[i].name);
        cli_text_wrap(to, variables[i].meaning, 6, 6);
    }
    fputs("\nMore: skep COMMAND --help\n", to);
}

/* ---- Markdown ------------------------------------------------------------------------------------ */

/* Inside a table '|' would end the cell. */
static void cell(FILE *to, const char *text)
{
    for (; *text; text++)
        fprintf(to, "%s%c", *text == '|' ? "\\" : "", *text);
}

static void markdown_options(FILE *to, const struct cli_option *options)
{
    char name[64];

    for (const struct cli_option *o = options; o && o->name; o++) {
        option_name(o, name, sizeof name);
        fprintf(to, "| `%s` | ", name);
        cell(to, o->help);
        fputs(" |\n", to);
    }
}

static void markdown_command(FILE *to, const struct cli_command *c)
{
    fprintf(to, "\n## skep %s\n\n`skep %s` - %s.\n\n```\nskep %s %s\n```\n", c->name, c->name, c->summary, c->name,
            c->usage);
    if (c->raw) {
        fprintf(to, "\nIts own help is longer: `skep %s --help`.\n", c->name);
        return;
    }
    if (c->about)
        fprintf(to, "\n%s\n", c->about);
    fputs("\n| option | meaning |\n| --- | --- |\n", to);
    markdown_options(to, c->options);
    markdown_options(to, cli_common_options_of(c));
    if (c->examples) {
        fputs("\n```\n", to);
        print_lines(to, c->examples, "$ ");
        fputs("```\n", to);
    }
}

static void markdown_all(FILE *to)
{
    fprintf(
        to,
        "# The skep command\n\n"
        "<!-- made by `skep help --markdown`; a test compares -->\n\n%s\n\n"
        "`skep COMMAND --help` shows what stands here. With `--json` every command but help prints one JSON object a line, "
        "each with "
        "a `\"record\"` that says what it is; sizes are in bytes, times in nanoseconds, and fields say so in their names. "
        "A failure is then a record `\"error\"` as well, with the code's name, the exit status and the text.\n",
        title);
    fputs("\n| command | what it does |\n| --- | --- |\n", to);
    for (const struct cli_command *const *c = cli_commands; *c; c++)
        fprintf(to, "| [`skep %s`](#skep-%s) | %s |\n", (*c)->name, (*c)->name, (*c)->summary);
    fputs("\n| exit status | meaning |\n| --- | --- |\n", to);
    for (const struct exit_status *row = exit_statuses; row->meaning; row++)
        fprintf(to, "| %d | %s |\n", row->status, row->meaning);
    fputs("| 128 + N | ended by signal N |\n\n| environment | meaning |\n| --- | --- |\n", to);
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        fprintf(to, "| `%s` | %s |\n", variables[i].name, variables[i].meaning);
    for (const struct cli_command *const *c = cli_commands; *c; c++)
        markdown_command(to, *c);
}

/* ---- skep help ----------------------------------------------------------------------------------- */

struct help_args {
    int markdown;
};

static const struct cli_option help_options[] = {
    {0, "markdown", CLI_FLAG, NULL, offsetof(struct help_args, markdown),
     "print the whole manual of the command as Markdown"},
    {0, NULL, 0, NULL, 0, NULL},
};

static int help_run(struct cli_call *call)
{
    const struct help_args *args = call->args;
    char help_word[] = "--help";
    const struct cli_command *c;

    if (args->markdown) {
        markdown_all(stdout);
        return CLI_DONE;
    }
    if (call->n_words == 0) {
        cli_help_all(stdout);
        return CLI_DONE;
    }
    c = cli_command_find(call->words[0]);
    if (!c)
        return cli_command_unknown(call->words[0], 0);
    if (c->raw)
        return c->raw(2, (char *[]){call->words[0], help_word, NULL});
    cli_help_command(stdout, c);
    return CLI_DONE;
}

const struct cli_command cli_help = {
    .name = "help",
    .usage = "[COMMAND]",
    .summary = "what skep can do, or how one command is used",
    .examples = "skep help put\nskep help --markdown > command.md",
    .options = help_options,
    .args_size = sizeof(struct help_args),
    .max_words = 1,
    .plain = 1,
    .run = help_run,
};
