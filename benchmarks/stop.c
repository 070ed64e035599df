/* benchmarks/stop.c - an interrupt ends a run in order. */
#include "benchmarks/stop.h"

#include <signal.h>
#include <string.h>
#include <time.h>

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
#define SIGNALS (sizeof signals / sizeof signals[0])

#define AGAIN_S 1 /* timeout(1) and some shells send a signal to the process and to its group: that is one */

static volatile sig_atomic_t asked;
static time_t asked_s; /* touched by the handler only, which the three signals can't interrupt */
static struct sigaction before[SIGNALS];

static void note(int signal)
{
    struct sigaction end = {.sa_handler = SIG_DFL};
    struct timespec now = {0, 0};

    clock_gettime(CLOCK_MONOTONIC, &now);
    if (asked == 0) {
        asked = signal;
        asked_s = now.tv_sec;
    } else if (now.tv_sec - asked_s > AGAIN_S) {
        sigaction(signal, &end, NULL);
        raise(signal); /* pending until this handler returns */
    }
}

void bench_stop_install(void)
{
    struct sigaction action;

    memset(&action, 0, sizeof action);
    action.sa_handler = note;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < SIGNALS; i++)
        sigaddset(&action.sa_mask, signals[i]);
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
