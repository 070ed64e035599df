/* sync.c - condition variables on the monotonic clock. */
#include "proxy/store/sync.h"

#include <skep/clock.h>
#include <skep/error.h>
#include <errno.h>
#include <time.h>

int skepi_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    int rc;

    if (pthread_condattr_init(&attr) != 0)
        return SKEP_ENOMEM;
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    rc = pthread_cond_init(cond, &attr) == 0 ? SKEP_OK : SKEP_ENOMEM;
    pthread_condattr_destroy(&attr);
    return rc;
}

int skepi_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mu, uint64_t by_ns)
{
    struct timespec at;

    if (by_ns == 0)
        return SKEP_ETIMEDOUT;
    if (by_ns / 1000000000u > INT32_MAX) { /* centuries: for ever, and every time_t can hold what remains */
        pthread_cond_wait(cond, mu);
        return SKEP_OK;
    }
    at.tv_sec = (time_t)(by_ns / 1000000000u);
    at.tv_nsec = (long)(by_ns % 1000000000u);
    return pthread_cond_timedwait(cond, mu, &at) == ETIMEDOUT ? SKEP_ETIMEDOUT : SKEP_OK;
}
