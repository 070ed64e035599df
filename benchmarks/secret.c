/* benchmarks/secret.c - command lines go into records, secrets do not. */
#include "benchmarks/secret.h"

#include <skep/store.h>

#include <stdio.h>
#include <string.h>

struct search {
    const char *word;
    size_t scheme_length;
    const char *option; /* where an option begins, `option_length` long */
    size_t option_length;
    int secret;
};

static int is_secret(const skep_option *table, const struct search *search)
{
    for (; table != NULL && table->name != NULL; table++)
        if (table->klass == SKEP_CLASS_SECRET && strlen(table->name) == search->option_length &&
            strncmp(table->name, search->option, search->option_length) == 0)
            return 1;
    return 0;
}

/* A wrapper's URI ("fault+redis://") has the options of both: the scheme need only stand somewhere in it. */
static int look(const skep_connector_info *info, void *arg)
{
    struct search *search = arg;

    if (memmem(search->word, search->scheme_length, info->scheme, strlen(info->scheme)) == NULL)
        return 0;
    search->secret = is_secret(info->options, search) || is_secret(info->common, search);
    return search->secret;
}

void bench_secret_hide(const char *word, char *out, size_t cap)
{
    const char *where = strstr(word, "://"), *at = word, *name, *host_end, *sign;
    size_t used = 0;

    snprintf(out, cap, "%s", word);
    if (where == NULL)
        return;
    where += 3;
    host_end = where + strcspn(where, "/?#");
    sign = memchr(where, '@', (size_t)(host_end - where));
    name = sign != NULL ? memchr(where, ':', (size_t)(sign - where)) : NULL;
    if (name != NULL) {
        used = (size_t)snprintf(out, cap, "%.*s***", (int)(name + 1 - word), word);
        at = sign;
    }
    while (*at != '\0' && used < cap) {
        struct search search = {word, (size_t)(where - 3 - word), NULL, 0, 0};
        size_t step = strcspn(at, "?&") + 1;

        if (at[step - 1] == '\0')
            step--;
        used += (size_t)snprintf(out + used, cap - used, "%.*s", (int)step, at);
        at += step;
        search.option = at;
        search.option_length = strcspn(at, "=&#");
        if (at[search.option_length] != '=' || used >= cap)
            continue;
        skep_connectors(look, &search);
        if (search.secret) {
            used += (size_t)snprintf(out + used, cap - used, "%.*s=***", (int)search.option_length, at);
            at += strcspn(at, "&#");
        }
    }
}
