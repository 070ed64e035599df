/* loop.h - waits for descriptors and calls who watches them.
 *
 * Threads  [one]: the thread that runs the loop.
 *
 * A watch may be removed while events wait to be handed out: its function is not called again.
 */
#ifndef SKEP_STEERING_QUEUES_LOOP_H
#define SKEP_STEERING_QUEUES_LOOP_H

#include <skep/error.h>
#include <stdint.h>
#include <sys/epoll.h>

enum { SKEPI_LOOP_EVENTS = 64 };

struct skepi_watch { /* part of who watches */
    int fd;
    void (*func)(struct skepi_watch *watch, uint32_t events); /* EPOLLIN, EPOLLOUT, EPOLLHUP, ... */
};

struct skepi_loop { /* all zero, fd -1: not open */
    int fd;
    int n; /* events that wait to be handed out */
    struct epoll_event events[SKEPI_LOOP_EVENTS];
};

int skepi_loop_init(struct skepi_loop *loop, skep_error *err);
int skepi_loop_add(struct skepi_loop *loop, struct skepi_watch *watch, uint32_t events, skep_error *err);
void skepi_loop_change(struct skepi_loop *loop, struct skepi_watch *watch, uint32_t events);
void skepi_loop_remove(struct skepi_loop *loop, struct skepi_watch *watch); /* the descriptor stays open */
/* Wait until `by_ns` at most and hand out what happened; how many there were, or a SKEP_E*. In front of that the time is
 * noted, monotonic and of day, where it is wanted. */
int skepi_loop_run(struct skepi_loop *loop, uint64_t by_ns, uint64_t *now_ns, uint64_t *real_ns);
void skepi_loop_fini(struct skepi_loop *loop);

#endif
