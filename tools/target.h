/* target.h - the object that a command line means: a handle, or a store's URI with --name or --key. */
#ifndef SKEP_TOOLS_TARGET_H
#define SKEP_TOOLS_TARGET_H

#include "tools/command.h"
#include <skep/proxy.h>

struct cli_target_args {
    const char *name, *key;
    struct cli_number wait;
};

/* The rows of these options for a struct that has a `target` of that type. */
#define CLI_TARGET_ROWS(type)                                                                                               \
    {'n', "name", CLI_TEXT, "NAME", offsetof(type, target.name), "the object that NAME stands for in the store URI"},       \
        {'k', "key", CLI_TEXT, "KEY", offsetof(type, target.key), "the object with this key in the store URI"},             \
    {                                                                                                                       \
        'w', "wait", CLI_TIME, "TIME", offsetof(type, target.wait), "if it is not there yet, wait for it that long"         \
    }

/* A proxy of the object, once it is there if --wait says so. A handle is opened without I/O else.
 * SKEP_EINVAL: not a handle, or a URI with no object named. SKEP_ENOENT: no such name, or it did not appear in time.
 * SKEP_EDENIED: a name leads to another store: names are others' words, and are believed for their own store only,
 * unless SKEP_ALLOW allows it. */
int cli_target_open(const struct cli_call *call, const char *word, const struct cli_target_args *args, skep_proxy **take,
                    skep_error *err);

/* One line of standard input, for "-" in place of a handle. SKEP_ENOENT: there is none. */
int cli_target_line(char out[SKEP_HANDLE_MAX], skep_error *err);
/* Call `func` for every word, and for every line of standard input in place of "-". Returns the first status that is not
 * 0, but goes on behind it. */
int cli_target_each(struct cli_call *call, int (*func)(struct cli_call *call, const char *word));

#endif
