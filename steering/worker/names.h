/* names.h - what the clients of a server have told about their stores, as a worker knows it.
 *
 * Threads  [own].
 */
#ifndef SKEP_STEERING_WORKER_NAMES_H
#define SKEP_STEERING_WORKER_NAMES_H

#include "steering/queues/control.h"

struct skepi_name { /* a store of a client's topics; or one that its proxies lead to */
    struct skepi_name *next;
    uint32_t client, declared; /* 0: its proxies lead there */
    uint64_t threshold;        /* bytes: what is larger goes to the store */
    char store[];
};

struct skepi_names { /* all zero: none */
    struct skepi_name *first, *last_found;
    skep_policy *allow; /* given by the server, or NULL: the stores named here */
    skep_policy *policy;
};

/* `allow`: "" for the stores of the clients. */
int skepi_names_init(struct skepi_names *names, const char *allow, skep_error *err);
int skepi_names_add(struct skepi_names *names, const struct skepi_control *said, skep_error *err); /* NAMES, ALSO */
int skepi_names_forget(struct skepi_names *names, uint32_t client, skep_error *err);
const struct skepi_name *skepi_names_find(struct skepi_names *names, uint32_t client, uint32_t declared); /* or NULL */
skep_policy *skepi_names_policy(const struct skepi_names *names); /* lend: until the next change */
void skepi_names_fini(struct skepi_names *names);

#endif
