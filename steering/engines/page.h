/* page.h - the page that a worker shares with its engine: how far it has come.
 *
 * Threads  [any]: one word, changed by compare and swap.
 *
 * Tasks have numbers, from 1, in the order in which they are sent to a worker. The worker claims each before it starts it,
 * so that after a crash everyone knows which task it was in, also in the middle of a batch; and what is not claimed can be
 * taken back by the engine, so that no task waits behind a long one while another worker is idle.
 */
#ifndef SKEP_STEERING_ENGINES_PAGE_H
#define SKEP_STEERING_ENGINES_PAGE_H

#include <stdatomic.h>
#include <stdint.h>

struct skepi_page {         /* all zero: nothing started */
    _Atomic uint64_t claim; /* twice the number of the last task that was started, plus 1: what follows was taken back */
    _Atomic uint64_t ended; /* the number of the last task that was answered */
};

/* The worker starts task `number`: 1, or 0 if it was taken back. */
static inline int skepi_page_claim(struct skepi_page *page, uint64_t number)
{
    uint64_t now = atomic_load(&page->claim);

    while ((now & 1) == 0)
        if (atomic_compare_exchange_weak(&page->claim, &now, number << 1))
            return 1;
    return 0;
}

/* The engine takes back what was not started: the number of the last task that was. */
static inline uint64_t skepi_page_revoke(struct skepi_page *page)
{
    return atomic_fetch_or(&page->claim, 1) >> 1;
}

/* The worker has seen that what follows is meant for it again. */
static inline void skepi_page_lift(struct skepi_page *page)
{
    atomic_fetch_and(&page->claim, ~UINT64_C(1));
}

#endif
