/* signals.c - the handlers only note, so that the command unwinds as after any failure. */
#include "tools/signals.h"
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

static atomic_int got; /* lock-free, so handlers may use them */
static atomic_int at_once;
static _Atomic(const char *) doomed;

static void end_by(int sig)
{
    signal(sig, SIG_DFL);
    raise(sig);
}

/* A signal between a look at `got` and a call that then waits would be slept through: calls are woken until we end. */
static void wake(int sig)
{
    (void)sig;
    alarm(1);
}

static void note(int sig)
{
    int none = 0;
    const char *path;

    if (atomic_compare_exchange_strong(&got, &none, sig) && !atomic_load(&at_once)) {
        wake(sig);
        return;
    }
    if (sig == SIGPIPE)
        return;
    if ((path = atomic_load(&doomed)) != NULL)
        unlink(path);
    end_by(sig); /* blocked here: it comes as soon as this handler returns */
}

void cli_signals_install(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    struct sigaction action = {.sa_handler = note};
    struct sigaction before;

    sigemptyset(&action.sa_mask);
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = wake}, NULL);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        sigaction(signals[i], NULL, &before);
        /* nohup and shells' background jobs ask that a signal be ignored */
        if (before.sa_handler != SIG_IGN || signals[i] == SIGPIPE)
            sigaction(signals[i], &action, NULL);
    }
}

int cli_signals_got(void)
{
    return atomic_load(&got);
}

void cli_signals_at_once(int on)
{
    atomic_store(&at_once, on);
}

void cli_signals_doom(const char *path)
{
    atomic_store(&doomed, path);
}

void cli_signals_die(void)
{
    int sig = cli_signals_got();

    if (sig)
        end_by(sig);
}
