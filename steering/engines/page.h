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

struct skepi_page { /* all zero: nothing started */
    /* The number of the last task that was started, and below it how many takings back the worker has not heard of: while
     * there is one, what it has received is not for it. Each has its own lift, so that the lift of an earlier one, still on
     * its way, does not undo a later one. */
    _Atomic uint64_t claim;
    _Atomic uint64_t ended; /* the number of the last task that was answered */
};
#define SKEPI_PAGE_SHIFT 16 /* a revoke takes 2 ms at least, and none follows until the worker has answered again */
#define SKEPI_PAGE_TAKEN ((UINT64_C(1) << SKEPI_PAGE_SHIFT) - 1)

/* The worker starts task `number`: 1, or 0 if it was taken back. */
static inline int skepi_page_claim(struct skepi_page *page, uint64_t number)
{
    uint64_t now = atomic_load(&page->claim);

    while ((now & SKEPI_PAGE_TAKEN) == 0)
        if (atomic_compare_exchange_weak(&page->claim, &now, number << SKEPI_PAGE_SHIFT))
            return 1;
    return 0;
}

static inline uint64_t skepi_page_started(struct skepi_page *page)
{
    return atomic_load(&page->claim) >> SKEPI_PAGE_SHIFT;
}

/* The engine takes back what was not started: the number of the last task that was. One lift must follow. */
static inline uint64_t skepi_page_revoke(struct skepi_page *page)
{
    return atomic_fetch_add(&page->claim, 1) >> SKEPI_PAGE_SHIFT;
}

/* The worker has heard of one taking back: what follows is meant for it, unless there is another. */
static inline void skepi_page_lift(struct skepi_page *page)
{
    atomic_fetch_sub(&page->claim, 1);
}

#endif
