/* suggest.h - "did you mean ...?": the nearest of some words to one that was mistyped. */
#ifndef SKEP_TOOLS_SUGGEST_H
#define SKEP_TOOLS_SUGGEST_H

#include <stddef.h>

struct cli_suggest {
    const char *typed;
    size_t length;
    const char *best; /* NULL: none is near */
    size_t distance;
};
#define CLI_SUGGEST_INIT(typed, length)                                                                                     \
    {                                                                                                                       \
        (typed), (length), NULL, 0                                                                                          \
    }

/* Consider one word. It is kept by address. */
void cli_suggest_offer(struct cli_suggest *near, const char *word);

#endif
