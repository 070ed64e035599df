/* fuzz_policy.c - a policy in the first line, the store of a handle in the second. */
#include <skep/handle.h>

#include "tests/fuzz/fuzz.h"

static int allows(const char *words, const char *store)
{
    skep_policy *policy;
    skep_error err = {0};
    int rc = skep_policy_parse(words, &policy, &err);

    if (rc != SKEP_OK) {
        CHECK(err.code == rc && err.text[0] != '\0');
        return -1;
    }
    rc = skep_policy_check(policy, store, &err);
    CHECK(rc == SKEP_OK ? err.code == 0 : err.code == rc && err.text[0] != '\0');
    skep_policy_unref(policy);
    return rc == SKEP_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *words = text_of(data, size), *store = strchr(words, '\n');
    int any;

    if (store != NULL)
        *store++ = '\0';
    else
        store = words;
    any = allows("all", store);
    CHECK(allows("none", store) == 0);
    CHECK(allows(words, store) != 1 || any == 1); /* what is no URI is never allowed */
    if (any == 1 && strpbrk(store, " ,\t\n") == NULL && strcmp(store, "all") != 0 && strcmp(store, "none") != 0)
        CHECK(allows(store, store) == 1);
    free(words);
    return 0;
}
