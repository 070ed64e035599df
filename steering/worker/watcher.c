/* watcher.c - the thread of a worker that sees what happens while a method runs. */
#include "steering/worker/watcher.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_SECONDS = 5, MOURN_MS = 100 };

static _Atomic int nudge_of_signal = -1; /* lock-free, as signal handlers demand */
static _Atomic int terminated;

static void on_terminate(int number)
{
    int saved = errno;

    (void)number;
    atomic_store(&terminated, 1);
    eventfd_write(atomic_load(&nudge_of_signal), 1);
    errno = saved;
}

/* A handler rather than SIG_IGN, which programs that a method starts would inherit. */
static void on_interrupt(int number)
{
    (void)number;
}

/* The thread of the method stumbles over what the exit has taken away: it waits for the end. */
static void on_fault(int number)
{
    (void)number;
    for (;;)
        pause();
}

void skepi_watcher_mourn(const struct skepi_watcher *watcher)
{
    const struct timespec pause = {0, 500000};
    struct pollfd p = {.fd = watcher->sock, .events = 0};
    uint64_t by_ns = skep_in_ms(MOURN_MS);

    if (watcher->parent == 0 || poll(&p, 1, 0) != 1 || (p.revents & POLLHUP) == 0)
        return;
    while (getppid() == watcher->parent && skep_now_ns() < by_ns)
        nanosleep(&pause, NULL);
}

/* Whatever the program has made of that signal, it ends this process, or will. */
static void make_deadly(int number)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t one;

    sigemptyset(&one);
    sigaddset(&one, number);
    sigaction(number, &action, NULL);
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
}

/* The method goes on, but its worker ends here: stores are closed, so that nothing of theirs stays behind. */
static void leave(struct skepi_watcher *w)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    struct sigaction action = {.sa_handler = on_fault};

    make_deadly(SIGALRM);
    alarm(EXIT_SECONDS); /* a store that does not close is no reason to stay */
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        sigaction(faults[i], &action, NULL);
    skepi_answers_flush(w->answers);
    skepi_watcher_mourn(w);
    skepi_models_leave(w->models);
    if (atomic_load(&terminated)) { /* the task fails for it, and it should say so */
        make_deadly(SIGTERM);
        raise(SIGTERM);
    }
    _exit(0);
}

static void *watch(void *arg)
{
    struct skepi_watcher *w = arg;
    struct pollfd p[2] = {{.fd = w->sock, .events = 0}, {.fd = w->nudge, .events = POLLIN}};
    eventfd_t count;

    for (;;) {
        if (poll(p, 2, -1) < 0)
            continue;
        if ((p[0].revents & (POLLHUP | POLLERR)) != 0 || atomic_load(&terminated)) {
            atomic_store(&w->ending, 1);
            if (atomic_load(&w->in_method))
                leave(w);
            shutdown(w->sock, SHUT_RD); /* the main thread wakes, and ends in its own way */
            return NULL;
        }
        if ((p[1].revents & POLLIN) != 0 && eventfd_read(w->nudge, &count) == 0)
            skepi_answers_flush(w->answers);
    }
}

int skepi_watcher_start(struct skepi_watcher *watcher, skep_error *err)
{
    struct sigaction action = {.sa_handler = on_terminate, .sa_flags = SA_RESTART};
    sigset_t all, before;
    pthread_t thread;
    int rc;

    atomic_store(&nudge_of_signal, watcher->nudge);
    sigaction(SIGTERM, &action, NULL);
    action.sa_handler = on_interrupt;
    sigaction(SIGINT, &action, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&thread, NULL, watch, watcher);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0)
        return skep_fail(err, SKEP_ENOMEM, "the watcher of a worker: %s", strerror(rc));
    pthread_detach(thread);
    return SKEP_OK;
}
