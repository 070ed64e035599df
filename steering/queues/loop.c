/* loop.c - waits for descriptors and calls who watches them. */
#include "steering/queues/loop.h"

#include <errno.h>
#include <limits.h>
#include <skep/clock.h>
#include <string.h>
#include <unistd.h>

int skepi_loop_init(struct skepi_loop *loop, skep_error *err)
{
    loop->n = 0;
    if ((loop->fd = epoll_create1(EPOLL_CLOEXEC)) < 0)
        return skep_fail(err, skep_err_from_errno(errno), "epoll_create1: %s", strerror(errno));
    return SKEP_OK;
}

int skepi_loop_add(struct skepi_loop *loop, struct skepi_watch *watch, uint32_t events, skep_error *err)
{
    struct epoll_event event = {.events = events, .data = {.ptr = watch}};

    if (epoll_ctl(loop->fd, EPOLL_CTL_ADD, watch->fd, &event) != 0)
        return skep_fail(err, skep_err_from_errno(errno), "epoll_ctl: %s", strerror(errno));
    return SKEP_OK;
}

void skepi_loop_change(struct skepi_loop *loop, struct skepi_watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data = {.ptr = watch}};

    epoll_ctl(loop->fd, EPOLL_CTL_MOD, watch->fd, &event);
}

void skepi_loop_remove(struct skepi_loop *loop, struct skepi_watch *watch)
{
    epoll_ctl(loop->fd, EPOLL_CTL_DEL, watch->fd, NULL);
    for (int i = 0; i < loop->n; i++)
        if (loop->events[i].data.ptr == watch)
            loop->events[i].data.ptr = NULL;
}

/* Milliseconds for epoll_wait, rounded up so that a deadline has passed when it returns. */
static int wait_ms(uint64_t by_ns)
{
    uint64_t now, ms;

    if (by_ns == SKEP_FOREVER)
        return -1;
    if (by_ns == 0 || by_ns <= (now = skep_now_ns()))
        return 0;
    ms = (by_ns - now + 999999) / 1000000;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

int skepi_loop_run(struct skepi_loop *loop, uint64_t by_ns, uint64_t *now_ns, uint64_t *real_ns)
{
    int n = epoll_wait(loop->fd, loop->events, SKEPI_LOOP_EVENTS, wait_ms(by_ns));

    if (now_ns != NULL)
        *now_ns = skep_now_ns();
    if (real_ns != NULL)
        *real_ns = skep_real_ns();
    if (n < 0)
        return errno == EINTR ? 0 : SKEP_EINTERNAL;
    loop->n = n;
    for (int i = 0; i < n; i++) {
        struct skepi_watch *watch = loop->events[i].data.ptr;

        if (watch != NULL)
            watch->func(watch, loop->events[i].events);
    }
    loop->n = 0;
    return n;
}

void skepi_loop_fini(struct skepi_loop *loop)
{
    if (loop->fd >= 0)
        close(loop->fd);
    loop->fd = -1;
}
