/* progress.c - one line on standard error, painted ten times a second at most. */
#include "tools/progress.h"
#include "tools/text.h"
#include <skep/clock.h>
#include <skep/ref.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PATIENCE_NS 500000000u
#define REPAINT_NS  100000000u
#define BAR_MOST    40
#define BAR_LEAST   8

void cli_progress_begin(struct cli_progress *p, const char *label, uint64_t total, int quiet)
{
    const char *term = getenv("TERM");
    uint64_t now = skep_now_ns();

    *p = (struct cli_progress){label, total, now, now + PATIENCE_NS, 0, 0};
    p->on = !quiet && isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
}

static size_t terminal_columns(void)
{
    struct winsize size;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* "model: [#####.....]  45 %  1.2 GiB of 2.6 GiB  850.0 MiB/s  2 s left" */
static void compose(const struct cli_progress *p, uint64_t done, double seconds, char *out, size_t cap, size_t columns)
{
    char bar[BAR_MOST + 1], figures[128], sizes[3][CLI_TEXT_MAX];
    double fraction = p->total ? (double)done / (double)p->total : 1;
    double rate = (double)done / seconds;
    size_t width, full;
    int n;

    if (fraction > 1)
        fraction = 1;
    n = snprintf(figures, sizeof figures, " %3.0f %%  %.9s of %.9s  %.9s/s  %.0f s left", fraction * 100,
                 cli_text_size(done, sizes[0]), cli_text_size(p->total, sizes[1]), cli_text_size((uint64_t)rate, sizes[2]),
                 rate > 0 ? (double)(p->total - (done < p->total ? done : p->total)) / rate : 0);
    width = columns > (size_t)n + 32 + BAR_LEAST ? columns - (size_t)n - 32 : BAR_LEAST;
    width = width < BAR_MOST ? width : BAR_MOST;
    full = (size_t)(fraction * (double)width);
    memset(bar, '.', width);
    memset(bar, '#', full);
    bar[width] = '\0';
    snprintf(out, cap, "%.24s: [%s]%s", p->label, bar, figures);
}

static void paint(struct cli_progress *p, uint64_t done, uint64_t now)
{
    char line[256], sizes[2][CLI_TEXT_MAX];
    double seconds = (double)(now - p->began_ns) * 1e-9;
    size_t columns = terminal_columns();

    if (p->total != SKEP_SIZE_UNKNOWN)
        compose(p, done, seconds, line, sizeof line, columns);
    else if (done > 0)
        snprintf(line, sizeof line, "%.24s: %s  %s/s", p->label, cli_text_size(done, sizes[0]),
                 cli_text_size((uint64_t)((double)done / seconds), sizes[1]));
    else
        snprintf(line, sizeof line, "%.24s: %.0f s", p->label, seconds);
    /* one column stays free: a full line would wrap, and could not be wiped */
    if (columns - 1 < sizeof line)
        line[columns - 1] = '\0';
    fputc('\r', stderr);
    cli_text_print(stderr, line);
    fputs("\033[K", stderr);
    fflush(stderr);
    p->painted = 1;
}

void cli_progress_at(struct cli_progress *p, uint64_t done)
{
    uint64_t now;

    if (!p->on || (now = skep_now_ns()) < p->next_ns)
        return;
    p->next_ns = now + REPAINT_NS;
    paint(p, done, now);
}

void cli_progress_end(struct cli_progress *p)
{
    if (p->painted) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
    p->on = 0;
    p->painted = 0;
}
