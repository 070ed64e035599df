/* watch.h - progress of a call that says nothing before it returns: how much of a mapped file it has touched. */
#ifndef SKEP_TOOLS_WATCH_H
#define SKEP_TOOLS_WATCH_H

#include "tools/progress.h"
#include <pthread.h>

struct cli_watch {                 /* all zero: not watching */
    struct cli_progress *progress; /* the watch's own between begin and end */
    const void *map;
    pthread_t thread;
    pthread_mutex_t mu;  /* rank 1, alone; guards ended */
    pthread_cond_t wake; /* ended was set */
    int ended;
    int running;
};

/* Paint the progress bar until the end. Where there is nothing to paint on, or no thread to be had: nothing. */
void cli_watch_begin(struct cli_watch *w, struct cli_progress *progress, const void *map);
void cli_watch_end(struct cli_watch *w);

#endif
