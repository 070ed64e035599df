/* benchmarks/stop.c - an interrupt ends a run in order. */
#include "benchmarks/stop.h"

#include <signal.h>
#include <string.h>

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
#define SIGNALS (sizeof signals / sizeof signals[0])

static volatile sig_atomic_t asked;
static struct sigaction before[SIGNALS];

static void note(int signal)
{
    asked = signal;
}

void bench_stop_install(void)
{
    struct sigaction action;

    memset(&action, 0, sizeof action);
    action.sa_handler = note;
    action.sa_flags = SA_RESETHAND;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &action, &before[i]);
}

int bench_stop_asked(void)
{
    return asked;
}

void bench_stop_finish(void)
{
    int signal = asked;

    for (size_t i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &before[i], NULL);
    asked = 0;
    if (signal != 0)
        raise(signal);
}
