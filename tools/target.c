/* target.c - from words to proxies. */
#include "tools/target.h"
#include "tools/progress.h"
#include "tools/signals.h"
#include "tools/status.h"
#include "tools/stores.h"
#include <skep/handle.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SLICE_MS 100 /* between two looks at signals while waiting */

static int open_handle(const char *word, const struct cli_target_args *args, skep_proxy **take, skep_error *err)
{
    int rc;

    if (args->name || args->key)
        return skep_fail(err, SKEP_EINVAL, "--%s goes with a store's URI, and this is a handle: %s",
                         args->name ? "name" : "key", word);
    rc = skep_proxy_open(word, NULL, take, err);
    if (rc == SKEP_EFORMAT) /* of a handle that was typed it is the command line that is wrong */
        err->code = rc = SKEP_EINVAL;
    return rc;
}

static int open_named(const struct cli_call *call, skep_store *store, const char *name, skep_proxy **take, skep_error *err)
{
    char text[SKEP_HANDLE_MAX], identity[SKEP_URI_MAX];
    skep_handle handle = SKEP_HANDLE_INIT;
    int rc = skep_store_name_get(store, name, text, sizeof text, call->by_ns, err);

    if (rc == SKEP_OK)
        rc = skep_handle_parse(text, &handle, err);
    if (rc != SKEP_OK)
        return rc;
    if (skep_store_identity(store, identity, sizeof identity) == SKEP_OK && strcmp(identity, handle.store) == 0)
        return skep_store_proxy_of(store, &handle.ref, handle.codec, take, err);
    if (!getenv("SKEP_ALLOW"))
        return skep_fail(err, SKEP_EDENIED,
                         "the name \"%s\" leads to another store, %s: give that handle itself, or allow it "
                         "with SKEP_ALLOW",
                         name, handle.store);
    return skep_proxy_open(text, NULL, take, err);
}

static int open_keyed(skep_store *store, const char *key, skep_proxy **take, skep_error *err)
{
    skep_ref ref = SKEP_REF_INIT;

    if (skep_ref_key(key, &ref) != SKEP_OK)
        return skep_fail(err, SKEP_EINVAL, "--key: \"%s\" can't be a key", key);
    return skep_store_proxy_of(store, &ref, NULL, take, err);
}

static int open_in_store(const struct cli_call *call, const char *uri, const struct cli_target_args *args, skep_proxy **take,
                         skep_error *err)
{
    skep_store *store;
    int rc;

    if (!strstr(uri, "://"))
        return skep_fail(err, SKEP_EINVAL,
                         "%s is not a handle: wanted is what skep put printed, or a store's URI with --name", uri);
    if (!args->name == !args->key)
        return skep_fail(err, SKEP_EINVAL, "%s is a store: give a handle, or %s of --name and --key with it", uri,
                         args->name ? "only one" : "one");
    rc = cli_store_open(call, uri, 1, &store, err);
    if (rc != SKEP_OK)
        return rc;
    rc = args->name ? open_named(call, store, args->name, take, err) : open_keyed(store, args->key, take, err);
    skep_store_unref(store);
    return rc;
}

static int open_once(const struct cli_call *call, const char *word, const struct cli_target_args *args, skep_proxy **take,
                     skep_error *err)
{
    return strchr(word, '#') ? open_handle(word, args, take, err) : open_in_store(call, word, args, take, err);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Wait for the object of a proxy until `by_ns`, which is near. */
static int wait_object(skep_proxy *proxy, uint64_t by_ns, skep_error *err)
{
    skep_store *store;
    int rc = skep_proxy_store(proxy, by_ns, &store, err);

    if (rc != SKEP_OK)
        return rc;
    rc = skep_store_wait(store, skep_proxy_ref_of(proxy), by_ns, err);
    skep_store_unref(store);
    return rc;
}

/* Store, name and object may each be missing still: all of it is tried again, a slice at a time. */
static int open_waiting(const struct cli_call *call, const char *word, const struct cli_target_args *args, skep_proxy **take,
                        skep_error *err)
{
    uint64_t until = earlier(call->by_ns, skep_in_ns(args->wait.value));
    struct cli_progress progress;
    int rc;

    cli_progress_begin(&progress, "waiting", SKEP_SIZE_UNKNOWN, 0);
    for (;;) {
        uint64_t slice = earlier(until, skep_in_ms(SLICE_MS));
        skep_proxy *proxy = NULL;
        uint64_t now;

        rc = open_once(call, word, args, &proxy, err);
        if (rc == SKEP_OK)
            rc = wait_object(proxy, slice, err);
        if (rc == SKEP_OK) {
            *take = proxy;
            break;
        }
        skep_proxy_unref(proxy);
        now = skep_now_ns();
        if ((rc != SKEP_ENOENT && rc != SKEP_ETIMEDOUT) || now >= until || cli_signals_got())
            break;
        if (now < slice)
            nanosleep(&(struct timespec){0, (long)(slice - now)}, NULL);
        cli_progress_at(&progress, 0);
    }
    cli_progress_end(&progress);
    if (rc != SKEP_ETIMEDOUT && rc != SKEP_ENOENT)
        return rc;
    return skep_fail(err, until < call->by_ns ? SKEP_ENOENT : SKEP_ETIMEDOUT, "%s: not there after %.1f s", word,
                     (double)(skep_now_ns() - progress.began_ns) * 1e-9);
}

int cli_target_open(const struct cli_call *call, const char *word, const struct cli_target_args *args, skep_proxy **take,
                    skep_error *err)
{
    return args->wait.given ? open_waiting(call, word, args, take, err) : open_once(call, word, args, take, err);
}

int cli_target_line(char out[SKEP_HANDLE_MAX], skep_error *err)
{
    char line[SKEP_HANDLE_MAX + 2];
    size_t length;

    do { /* empty lines are skipped */
        if (!fgets(line, sizeof line, stdin))
            return skep_fail(err, SKEP_ENOENT, "standard input: there is no handle in it");
        length = strcspn(line, "\r\n");
    } while (length == 0);
    if (length >= SKEP_HANDLE_MAX)
        return skep_fail(err, SKEP_EINVAL, "standard input: a line is longer than any handle");
    line[length] = '\0';
    memcpy(out, line, length + 1);
    return SKEP_OK;
}

static int each_line(struct cli_call *call, int (*func)(struct cli_call *call, const char *word))
{
    char word[SKEP_HANDLE_MAX];
    skep_error err;
    int status = CLI_DONE;

    while (!cli_signals_got()) {
        int rc = cli_target_line(word, &err);
        int one;

        if (rc == SKEP_ENOENT)
            break;
        one = rc == SKEP_OK ? func(call, word) : cli_fail(call, &err);
        status = status == CLI_DONE ? one : status;
        if (rc != SKEP_OK)
            break;
    }
    return status;
}

int cli_target_each(struct cli_call *call, int (*func)(struct cli_call *call, const char *word))
{
    int status = CLI_DONE;

    for (int i = 0; i < call->n_words && !cli_signals_got(); i++) {
        const char *word = call->words[i];
        int one = strcmp(word, "-") == 0 ? each_line(call, func) : func(call, word);

        status = status == CLI_DONE ? one : status;
    }
    return status;
}
