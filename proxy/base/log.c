/* log.c - one line at a time to standard error, or to the program's own function. */
#include "proxy/base/fork.h"
#include <skep/log.h>

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024

static const char *const words[] = {"error", "warn", "info", "debug"};
#define UNSET (-1)
static atomic_int most = UNSET; /* the finest level that is said; UNSET until first needed */

/* Where lines go. Rank 91: nothing is taken under it, and it is not held while a line is said. */
static pthread_mutex_t sink_lock = PTHREAD_MUTEX_INITIALIZER;
static skep_log_func sink_func; /* guarded by sink_lock, as sink_arg; NULL: standard error */
static void *sink_arg;

void skepi_log_fork(int before)
{
    if (before)
        pthread_mutex_lock(&sink_lock);
    else
        pthread_mutex_unlock(&sink_lock);
}

static int level_now(void)
{
    int level = atomic_load_explicit(&most, memory_order_relaxed);
    int expected = UNSET;
    const char *text;

    if (level != UNSET)
        return level;
    level = SKEP_LOG_WARN;
    text = getenv("SKEP_LOG");
    for (int i = 0; text != NULL && i <= SKEP_LOG_DEBUG; i++)
        if (strcmp(text, words[i]) == 0)
            level = i;
    return atomic_compare_exchange_strong(&most, &expected, level) ? level : expected; /* skep_log_level in between wins */
}

void skep_log_level(int level)
{
    atomic_store(&most, level < SKEP_LOG_ERROR ? SKEP_LOG_ERROR : level > SKEP_LOG_DEBUG ? SKEP_LOG_DEBUG : level);
}

void skep_log_to(skep_log_func func, void *arg)
{
    skepi_base_fork_watch();
    pthread_mutex_lock(&sink_lock);
    sink_func = func;
    sink_arg = arg;
    pthread_mutex_unlock(&sink_lock);
}

/* What a peer or a file said must not forge a line of its own. */
static void flatten(char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = ' ';
}

/* One write, so that lines of several threads and processes do not mix. */
static void say(int level, const char *component, const char *text)
{
    char line[LINE_MAX_BYTES + 64];
    int n = snprintf(line, sizeof line - 1, "skep: %s: %.32s: %s", words[level < SKEP_LOG_DEBUG ? level : SKEP_LOG_DEBUG],
                     component, text);

    if (n < 0)
        return;
    line[n++] = '\n';
    if (write(STDERR_FILENO, line, (size_t)n) < 0)
        return; /* there is nobody left to tell */
}

void skep_log(int level, const char *component, const char *format, ...)
{
    int kept = errno; /* who logs why a call failed may go on to report it */
    char text[LINE_MAX_BYTES];
    skep_log_func func;
    va_list args;
    void *arg;

    if (level < SKEP_LOG_ERROR || level > level_now())
        return;
    va_start(args, format);
    if (vsnprintf(text, sizeof text, format, args) < 0)
        text[0] = '\0';
    va_end(args);
    flatten(text);
    skepi_base_fork_watch();
    pthread_mutex_lock(&sink_lock);
    func = sink_func;
    arg = sink_arg;
    pthread_mutex_unlock(&sink_lock);
    if (func != NULL)
        func(level, component, text, arg);
    else
        say(level, component, text);
    errno = kept;
}
