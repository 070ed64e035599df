/* fork.h - what a child of fork must know: that it is one, and that no lock was held when it began.
 *
 * The generation is a number that differs between a process and its children. Who keeps something that a child can't use
 * (an open connector, a fetch by another thread) keeps the generation beside it, and looks.
 */
#ifndef SKEP_PROXY_STORE_FORK_H
#define SKEP_PROXY_STORE_FORK_H

#include <stdatomic.h>
#include <stdint.h>

extern _Atomic uint64_t skepi_fork_generation; /* never 0; changes in a child, before fork returns there */

/* Watch forks from now on; called by whoever makes the first store or proxy. */
void skepi_fork_watch(void);

enum skepi_fork_when { SKEPI_FORK_BEFORE, SKEPI_FORK_PARENT, SKEPI_FORK_CHILD };

/* The parts of this folder that have locks. Before: take them all; after: give them back, and in the child mend what another
 * thread had begun. */
void skepi_prefetch_fork(enum skepi_fork_when when);
void skepi_proxies_fork(enum skepi_fork_when when);
void skepi_connectors_fork(enum skepi_fork_when when);
void skepi_registry_fork(enum skepi_fork_when when); /* with its stores and their caches */

#endif
