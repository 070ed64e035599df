/* policy.c - which stores a stranger's handle may lead to. */
#include "proxy/base/alloc.h"
#include "proxy/base/fork.h"
#include "proxy/base/uri.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define BUILT_IN   "memory: shm: file:"
#define SEPARATORS " ,\t\n"

struct rule {
    int everything;           /* the word "all" */
    struct skepi_parts store; /* a part that is "" or 0 matches any, but for the scheme */
};

struct skep_policy {
    atomic_size_t refs;
    size_t n;
    struct rule rules[];
};

/* What NULL stands for. Rank 90: nothing is taken under it. */
static pthread_mutex_t default_lock = PTHREAD_MUTEX_INITIALIZER;
static skep_policy *default_policy; /* guarded by default_lock; NULL: BUILT_IN */

void skepi_policy_fork(int before)
{
    if (before)
        pthread_mutex_lock(&default_lock);
    else
        pthread_mutex_unlock(&default_lock);
}

/* ---- parsing ------------------------------------------------------------------------------------- */

static size_t count_words(const char *text)
{
    size_t n = 0;

    for (text += strspn(text, SEPARATORS); *text != '\0'; text += strspn(text, SEPARATORS), n++)
        text += strcspn(text, SEPARATORS);
    return n;
}

static int parse_word(skep_policy *policy, const char *word, size_t size, skep_error *err)
{
    struct rule *rule = &policy->rules[policy->n];
    char copy[SKEP_URI_MAX];
    skep_error why;

    if (size >= sizeof copy)
        return skep_fail(err, SKEP_EINVAL, "policy: '%.64s...' is longer than any URI", word);
    memcpy(copy, word, size);
    copy[size] = '\0';
    if (strcmp(copy, "none") == 0)
        return SKEP_OK;
    rule->everything = strcmp(copy, "all") == 0;
    if (!rule->everything && skepi_uri_split(copy, &rule->store, &why) != SKEP_OK)
        return skep_fail(err, SKEP_EINVAL, "policy: %s (words are all, none, a scheme as shm:, or a store's URI)", why.text);
    policy->n++;
    return SKEP_OK;
}

int skep_policy_parse(const char *text, skep_policy **take, skep_error *err)
{
    skep_policy *policy;
    size_t words;
    int rc = SKEP_OK;

    words = text != NULL ? count_words(text) : 0;
    if (words == 0 || take == NULL)
        return skep_fail(err, SKEP_EINVAL, "policy: it is empty: say all, none, or which stores");
    policy = skepi_alloc(sizeof *policy + words * sizeof policy->rules[0]);
    if (policy == NULL)
        return skep_fail(err, SKEP_ENOMEM, "out of memory for a policy");
    atomic_init(&policy->refs, 1);
    for (text += strspn(text, SEPARATORS); *text != '\0' && rc == SKEP_OK; text += strspn(text, SEPARATORS)) {
        size_t size = strcspn(text, SEPARATORS);

        rc = parse_word(policy, text, size, err);
        text += size;
    }
    if (rc != SKEP_OK) {
        skep_policy_unref(policy);
        return rc;
    }
    *take = policy;
    return SKEP_OK;
}

skep_policy *skep_policy_ref(skep_policy *policy)
{
    if (policy != NULL)
        atomic_fetch_add_explicit(&policy->refs, 1, memory_order_relaxed);
    return policy;
}

void skep_policy_unref(skep_policy *policy)
{
    if (policy != NULL && atomic_fetch_sub_explicit(&policy->refs, 1, memory_order_acq_rel) == 1)
        skepi_free(policy);
}

/* ---- checking ------------------------------------------------------------------------------------ */

/* 1 if `path` is `top` or lies below it. Both are normal: skepi_uri_split resolved their "..". */
static int is_below(const char *path, const char *top)
{
    size_t n = strlen(top);

    if (strcmp(top, "/") == 0)
        return path[0] == '/';
    return strncmp(path, top, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

static int rule_allows(const struct rule *rule, const struct skepi_parts *store)
{
    const struct skepi_parts *r = &rule->store;

    if (rule->everything)
        return 1;
    return strcmp(r->scheme, store->scheme) == 0 && /* whole: "shm:" does not speak for "fault+shm:" */
           (r->user[0] == '\0' || strcmp(r->user, store->user) == 0) &&
           (r->host[0] == '\0' || strcmp(r->host, store->host) == 0) && (r->port == 0 || r->port == store->port) &&
           (r->path[0] == '\0' || is_below(store->path, r->path)) &&
           (r->query[0] == '\0' || strcmp(r->query, store->query) == 0);
}

static int check(const skep_policy *policy, const struct skepi_parts *store, skep_error *err)
{
    for (size_t i = 0; i < policy->n; i++)
        if (rule_allows(&policy->rules[i], store))
            return SKEP_OK;
    return skep_fail(err, SKEP_EDENIED,
                     "%s://%s%s: the policy on handles does not allow this store (SKEP_ALLOW names those "
                     "it does)",
                     store->scheme, store->host, store->path);
}

/* What NULL stands for now, as a reference of the caller's. */
static int policy_now(skep_policy **take, skep_error *err)
{
    const char *text = getenv("SKEP_ALLOW");

    if (text != NULL && text[0] != '\0') {
        skep_error why;
        int rc = skep_policy_parse(text, take, &why);

        return rc == SKEP_OK ? rc : skep_fail(err, rc, "SKEP_ALLOW: %s", why.text);
    }
    skepi_base_fork_watch();
    pthread_mutex_lock(&default_lock);
    *take = skep_policy_ref(default_policy);
    pthread_mutex_unlock(&default_lock);
    return *take != NULL ? SKEP_OK : skep_policy_parse(BUILT_IN, take, err);
}

int skep_policy_check(const skep_policy *policy, const char *store_uri, skep_error *err)
{
    struct skepi_parts store;
    skep_policy *now = NULL;
    int rc;

    rc = skepi_uri_split(store_uri, &store, err);
    if (rc == SKEP_OK && policy == NULL) {
        rc = policy_now(&now, err);
        policy = now;
    }
    if (rc == SKEP_OK && policy != NULL)
        rc = check(policy, &store, err);
    skep_policy_unref(now);
    return rc;
}

void skep_policy_default(skep_policy *policy)
{
    skep_policy *old;

    skepi_base_fork_watch();
    skep_policy_ref(policy);
    pthread_mutex_lock(&default_lock);
    old = default_policy;
    default_policy = policy;
    pthread_mutex_unlock(&default_lock);
    skep_policy_unref(old);
}
