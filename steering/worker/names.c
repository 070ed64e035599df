/* names.c - the stores of the clients, and the policy for handles that follows from them. */
#include "steering/worker/names.h"

#include <stdlib.h>
#include <string.h>

/* The policy that allows the stores of all clients: this user's, since they came over ipc://. */
static int renew_policy(struct skepi_names *names, skep_error *err)
{
    size_t size = sizeof "none";
    skep_policy *policy = NULL;
    char *text, *at;
    int rc;

    if (names->allow != NULL)
        return SKEP_OK;
    for (const struct skepi_name *n = names->first; n != NULL; n = n->next)
        size += strlen(n->store) + 1;
    if ((text = malloc(size)) == NULL)
        return skep_fail(err, SKEP_ENOMEM, "no memory for a policy");
    at = stpcpy(text, "none");
    for (const struct skepi_name *n = names->first; n != NULL; n = n->next) {
        at = at == text + 4 ? text : stpcpy(at, " ");
        at = stpcpy(at, n->store);
    }
    if ((rc = skep_policy_parse(text, &policy, err)) == SKEP_OK) {
        skep_policy_unref(names->policy);
        names->policy = policy;
        skep_policy_default(policy);
    }
    free(text);
    return rc;
}

int skepi_names_init(struct skepi_names *names, const char *allow, skep_error *err)
{
    int rc;

    *names = (struct skepi_names){0};
    if (allow[0] == '\0')
        return renew_policy(names, err);
    if ((rc = skep_policy_parse(allow, &names->allow, err)) == SKEP_OK)
        skep_policy_default(names->allow);
    return rc;
}

/* The entry of that number; with 0 that of the store. */
static struct skepi_name *find(struct skepi_names *names, uint32_t client, uint32_t declared, const char *store)
{
    struct skepi_name *n;

    for (n = names->first; n != NULL; n = n->next)
        if (n->client == client && n->declared == declared && (declared != 0 || strcmp(n->store, store) == 0))
            break;
    return n;
}

int skepi_names_add(struct skepi_names *names, const struct skepi_control *said, skep_error *err)
{
    const uint32_t client = (uint32_t)said->number[0], declared = (uint32_t)(said->number[0] >> 32);
    size_t size = strlen(said->text[0]) + 1;
    struct skepi_name *old = find(names, client, declared, said->text[0]), **here = &names->first;
    struct skepi_name *fresh = malloc(sizeof *fresh + size);

    if (fresh == NULL)
        return skep_fail(err, SKEP_ENOMEM, "no memory for the name of a store");
    *fresh = (struct skepi_name){.next = names->first, .client = client, .declared = declared, .threshold = said->number[1]};
    memcpy(fresh->store, said->text[0], size);
    names->first = fresh;
    names->last_found = NULL;
    if (old != NULL) {
        while (*here != old)
            here = &(*here)->next;
        *here = old->next;
        free(old);
    }
    return renew_policy(names, err);
}

int skepi_names_forget(struct skepi_names *names, uint32_t client, skep_error *err)
{
    struct skepi_name **here = &names->first;

    names->last_found = NULL;
    while (*here != NULL) {
        struct skepi_name *n = *here;

        if (n->client == client) {
            *here = n->next;
            free(n);
        } else {
            here = &n->next;
        }
    }
    return renew_policy(names, err);
}

const struct skepi_name *skepi_names_find(struct skepi_names *names, uint32_t client, uint32_t declared)
{
    struct skepi_name *n = names->last_found;

    if (declared == 0 || (n != NULL && n->client == client && n->declared == declared))
        return declared == 0 ? NULL : n;
    if ((n = find(names, client, declared, "")) != NULL)
        names->last_found = n;
    return n;
}

skep_policy *skepi_names_policy(const struct skepi_names *names)
{
    return names->allow != NULL ? names->allow : names->policy;
}

void skepi_names_fini(struct skepi_names *names)
{
    while (names->first != NULL) {
        struct skepi_name *n = names->first;

        names->first = n->next;
        free(n);
    }
    skep_policy_unref(names->allow);
    skep_policy_unref(names->policy);
    *names = (struct skepi_names){0};
}
