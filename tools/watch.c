/* watch.c - a thread that asks the kernel ten times a second how much of a mapping is resident in this process. */
#include "tools/watch.h"
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#define PAUSE_NS 100000000

/* Bytes of the mapping at `map` that have been touched: its Rss in /proc/self/smaps. */
static uint64_t touched(const void *map)
{
    FILE *f = fopen("/proc/self/smaps", "re");
    char line[512];
    uint64_t kib = 0;
    int here = 0;

    while (f && fgets(line, sizeof line, f)) {
        uintptr_t from, to;

        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &from, &to) == 2)
            here = from == (uintptr_t)map;
        else if (here && sscanf(line, "Rss: %" SCNu64, &kib) == 1)
            break;
    }
    if (f)
        fclose(f);
    return kib * 1024;
}

static void *run(void *arg)
{
    struct cli_watch *w = arg;
    uint64_t most = 0;

    pthread_mutex_lock(&w->mu);
    while (!w->ended) {
        struct timespec until;
        uint64_t now;

        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += PAUSE_NS;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&w->wake, &w->mu, &until);
        if (w->ended)
            break;
        pthread_mutex_unlock(&w->mu);
        now = touched(w->map);
        most = now > most ? now : most; /* the kernel may take pages back */
        cli_progress_at(w->progress, most);
        pthread_mutex_lock(&w->mu);
    }
    pthread_mutex_unlock(&w->mu);
    return NULL;
}

void cli_watch_begin(struct cli_watch *w, struct cli_progress *progress, const void *map)
{
    pthread_condattr_t clock;
    sigset_t all, before;

    *w = (struct cli_watch){.progress = progress, .map = map};
    if (!progress->on)
        return;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&w->mu, NULL);
    pthread_cond_init(&w->wake, &clock);
    pthread_condattr_destroy(&clock);
    sigfillset(&all); /* signals are the main thread's: it is its calls that they interrupt */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    w->running = pthread_create(&w->thread, NULL, run, w) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void cli_watch_end(struct cli_watch *w)
{
    if (!w->running)
        return;
    pthread_mutex_lock(&w->mu);
    w->ended = 1;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->mu);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->mu);
    w->running = 0;
}
