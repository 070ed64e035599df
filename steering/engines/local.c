/* local.c - the engine of this host: the same executable, started again as worker processes. */
#include "steering/engines/engine.h"
#include "steering/engines/page.h"
#include "steering/engines/start.h"
#include "steering/queues/packet.h"
#include "steering/task/state.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <skep/clock.h>
#include <skep/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS UINT64_C(1000000)

enum {
    WORKERS_MAX = 1024,
    RECEIVE_BUDGET = 512 << 10,
    SOCKET_BUFFER = 1 << 20,
    PAUSE_MIN_MS = 10, /* before a worker that died at its start is started again; doubled each time */
    PAUSE_MAX_MS = 5000,
    HOPELESS = 5,         /* so many failed starts in a row are a failure of the engine */
    KILL_AFTER_MS = 1000, /* its socket is shut, then SIGKILL */
    DIE_WAIT_MS = 1000    /* after that */
};

struct worker {
    struct skepi_watch socket, death; /* fd -1: not open */
    struct local *engine;
    int index, state, nudge;
    pid_t pid;
    struct skepi_page *page;
    struct skepi_inbox in;
    struct skepi_outbox out;
    int blocked;       /* its socket is full */
    uint64_t due_ns;   /* DOWN: when to start it; STARTING: when it is too late; ENDING: when to kill it */
    unsigned failures; /* starts in a row that came to no task */
};

struct local {
    struct skepi_engine base;
    struct skepi_loop *loop;
    const struct skepi_engine_events *events;
    void *arg;
    struct skepi_starter starter;
    char *allow;
    uint64_t cache, start_ns;
    int n, ending;
    int proven;   /* a worker has been up: a start that fails is tried again */
    int complete; /* all have been up at once */
    struct worker workers[];
};

static const skep_option options[] = {
    {"workers", SKEP_TYPE_INT, SKEP_CLASS_IDENTITY, "0", NULL, "worker processes; 0: one for each processor"},
    {"cache", SKEP_TYPE_SIZE, SKEP_CLASS_TUNING, NULL, NULL,
     "bytes of resolved objects that a worker keeps; a quarter of the memory, shared among the workers, unless set"},
    {"start", SKEP_TYPE_TIME, SKEP_CLASS_TUNING, "30s", NULL, "how long a worker may take to say what it can do"},
    {NULL, 0, 0, NULL, NULL, NULL},
};

/* ---- the end of a process ------------------------------------------------------------------------ */

static int message_of(void *arg, struct skepi_message *message, struct skepi_chunk *chunk, skep_error *err);

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void unwatch(struct local *e, struct skepi_watch *watch)
{
    if (watch->fd >= 0)
        skepi_loop_remove(e->loop, watch);
    close_fd(&watch->fd);
}

static void release(struct worker *w)
{
    unwatch(w->engine, &w->socket);
    unwatch(w->engine, &w->death);
    close_fd(&w->nudge);
    if (w->page != NULL)
        munmap(w->page, sizeof *w->page);
    skepi_inbox_fini(&w->in);
    skepi_outbox_fini(&w->out);
    w->page = NULL;
    w->pid = 0;
    w->blocked = 0;
}

/* "worker 1 (pid 4711) was killed by signal 11 (Segmentation fault)" */
static void describe(const struct worker *w, const siginfo_t *info, char *out, size_t cap)
{
    int n = snprintf(out, cap, "worker %d (pid %ld) ", w->index, (long)w->pid);

    if (info->si_pid == 0)
        snprintf(out + n, cap - (size_t)n, "ended, and somebody else took its exit status");
    else if (info->si_code == CLD_EXITED)
        snprintf(out + n, cap - (size_t)n, "exited with status %d", info->si_status);
    else
        snprintf(out + n, cap - (size_t)n, "was killed by signal %d (%s)", info->si_status, strsignal(info->si_status));
}

/* Not by its pid: that may be another's, if the program has taken its exit status. */
static void kill_it(const struct worker *w)
{
    pidfd_send_signal(w->death.fd, SIGKILL, NULL, 0);
}

static int any_ready(const struct local *e)
{
    for (int i = 0; i < e->n; i++)
        if (e->workers[i].state == SKEPI_WORKER_READY)
            return 1;
    return 0;
}

static int all_ready(const struct local *e)
{
    for (int i = 0; i < e->n; i++)
        if (e->workers[i].state != SKEPI_WORKER_READY)
            return 0;
    return 1;
}

/* It is started again, but later each time. */
static void start_later(struct worker *w)
{
    uint64_t ns = PAUSE_MIN_MS * MS << (w->failures < 10 ? w->failures : 10);

    w->failures++;
    w->due_ns = skep_in_ns(ns < PAUSE_MAX_MS * MS ? ns : PAUSE_MAX_MS * MS);
}

/* Where the others get along without it, it is tried for ever; but until all have been there once, somebody waits for it. */
static void start_failed(struct worker *w, const skep_error *why)
{
    struct local *e = w->engine;

    start_later(w);
    e->events->due(e->arg);
    if (!e->ending && (!e->proven || ((!any_ready(e) || !e->complete) && w->failures >= HOPELESS)))
        e->events->failed(e->arg, why);
    else if (!e->ending)
        skep_log(SKEP_LOG_WARN, "local", "%s", why->text);
}

static void gone(struct worker *w, const siginfo_t *info)
{
    struct local *e = w->engine;
    int was = w->state;
    char how[160];
    skep_error why;
    struct skepi_death death = {.how = how};

    describe(w, info, how, sizeof how);
    if (w->page != NULL) {
        death.started = skepi_page_started(w->page);
        death.in_method = atomic_load(&w->page->ended) < death.started;
    }
    release(w);
    skepi_move(&skepi_worker_machine, &w->state, SKEPI_WORKER_DOWN);
    w->due_ns = 0;
    if (death.started > 0)
        w->failures = 0;
    if (was == SKEPI_WORKER_STARTING) {
        skep_fail(&why, SKEP_EFAILED, "%s before it said what it can do: does main call skep_worker_if_asked first?", how);
        start_failed(w, &why);
        return;
    }
    if (death.started == 0)
        start_later(w);
    e->events->down(e->arg, w->index, &death);
}

/* What it answered before it died counts. */
static void drain(struct worker *w)
{
    skep_error why;
    size_t bytes;

    while (w->socket.fd >= 0 &&
           skepi_packet_receive(w->socket.fd, &w->in, 0, RECEIVE_BUDGET, message_of, w, &bytes, &why) == SKEP_OK &&
           bytes > 0)
        ;
}

static void death_ready(struct skepi_watch *watch, uint32_t events)
{
    struct worker *w = (struct worker *)((char *)watch - offsetof(struct worker, death));
    siginfo_t info = {0};
    int rc;

    (void)events;
    while ((rc = waitid(P_PIDFD, (id_t)watch->fd, &info, WEXITED | WNOHANG)) != 0 && errno == EINTR)
        ;
    if (rc == 0 && info.si_pid == 0) /* its last thread is still on the way out: the descriptor stays ready */
        return;
    drain(w);
    gone(w, &info);
}

/* ---- talking ------------------------------------------------------------------------------------- */

static void flush(struct worker *w)
{
    int rc = w->socket.fd < 0 ? SKEP_OK : skepi_packet_send(w->socket.fd, &w->out, 0), left = w->out.n > 0 && rc == SKEP_OK;

    if (rc != SKEP_OK) /* it is about to die: `death` will tell */
        skepi_outbox_drop(&w->out, w->out.bytes);
    if (left != w->blocked && w->socket.fd >= 0)
        skepi_loop_change(w->engine->loop, &w->socket, EPOLLIN | (left ? EPOLLOUT : 0));
    w->blocked = left;
}

static int said_methods(struct worker *w, const struct skepi_message *message, skep_error *err)
{
    struct local *e = w->engine;
    struct skepi_control methods, setup = {.kind = SKEPI_SETUP, .number = {(uint64_t)w->index, e->cache}, .n = 1};
    int rc = skepi_control_decode(message, &methods, err);

    if (rc != SKEP_OK || w->state == SKEPI_WORKER_ENDING)
        return rc;
    if (methods.kind != SKEPI_METHODS || w->state != SKEPI_WORKER_STARTING)
        return skep_fail(err, SKEP_EFORMAT, "a message of kind %u out of turn", message->kind);
    setup.text[0] = e->allow;
    if ((rc = skepi_control_add(&w->out, &setup)) != SKEP_OK)
        return skep_fail(err, rc, "setting up a worker");
    skepi_move(&skepi_worker_machine, &w->state, SKEPI_WORKER_READY);
    e->proven = 1;
    e->complete = e->complete || all_ready(e);
    e->events->up(e->arg, w->index, &methods);
    flush(w);
    return SKEP_OK;
}

static int message_of(void *arg, struct skepi_message *message, struct skepi_chunk *chunk, skep_error *err)
{
    struct worker *w = arg;

    if (message->kind == SKEPI_ANSWER && w->state != SKEPI_WORKER_STARTING)
        return w->engine->events->answer(w->engine->arg, w->index, message, chunk, err);
    return said_methods(w, message, err);
}

static void socket_ready(struct skepi_watch *watch, uint32_t events)
{
    struct worker *w = (struct worker *)((char *)watch - offsetof(struct worker, socket));
    skep_error why;

    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 &&
        skepi_packet_receive(watch->fd, &w->in, 0, RECEIVE_BUDGET, message_of, w, NULL, &why) != SKEP_OK) {
        if (why.code != SKEP_ECLOSED)
            skep_log(SKEP_LOG_ERROR, "local", "worker %d (pid %ld) is ended: %s", w->index, (long)w->pid, why.text);
        unwatch(w->engine, &w->socket);
        kill_it(w); /* without its socket it is of no use; if it is dead already, nothing happens */
    } else if ((events & EPOLLOUT) != 0) {
        flush(w);
    }
}

/* ---- the start of a process ---------------------------------------------------------------------- */

/* Both ends of the socket, the page and the eventfd. */
static int make_channels(struct worker *w, int *theirs, int *page, skep_error *err)
{
    int pair[2] = {-1, -1}, buffer = SOCKET_BUFFER;

    w->nudge = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    *page = memfd_create("skep-worker", MFD_CLOEXEC);
    if (w->nudge < 0 || *page < 0 || ftruncate(*page, sizeof *w->page) != 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return skep_fail(err, skep_err_from_errno(errno), "descriptors for a worker: %s", strerror(errno));
    w->socket.fd = pair[0];
    *theirs = pair[1];
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    w->page = mmap(NULL, sizeof *w->page, PROT_READ | PROT_WRITE, MAP_SHARED, *page, 0);
    if (w->page == MAP_FAILED) {
        w->page = NULL;
        return skep_fail(err, skep_err_from_errno(errno), "a page for a worker: %s", strerror(errno));
    }
    return SKEP_OK;
}

static int watch_it(struct worker *w, skep_error *err)
{
    int rc;

    if ((w->death.fd = pidfd_open(w->pid, 0)) < 0)
        return skep_fail(err, skep_err_from_errno(errno), "pidfd_open: %s", strerror(errno));
    if ((rc = skepi_loop_add(w->engine->loop, &w->death, EPOLLIN, err)) == SKEP_OK)
        rc = skepi_loop_add(w->engine->loop, &w->socket, EPOLLIN, err);
    return rc;
}

/* One that does not even die, stuck in the kernel, is left to whoever inherits it. */
static void abandon(struct worker *w)
{
    struct pollfd p = {.fd = w->death.fd, .events = POLLIN};
    siginfo_t info = {0};

    if (w->death.fd >= 0) {
        kill_it(w);
        while (poll(&p, 1, DIE_WAIT_MS) < 0 && errno == EINTR)
            ;
        if (waitid(P_PIDFD, (id_t)w->death.fd, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0)
            skep_log(SKEP_LOG_WARN, "local", "worker %d (pid %ld) was killed and does not end", w->index, (long)w->pid);
    } else if (w->pid > 0) { /* just started, and nobody has waited for it */
        kill(w->pid, SIGKILL);
        while (waitpid(w->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    release(w);
}

static int start(struct worker *w, skep_error *err)
{
    int theirs = -1, page = -1, rc = make_channels(w, &theirs, &page, err);

    if (rc == SKEP_OK)
        rc = skepi_starter_run(&w->engine->starter, theirs, page, w->nudge, &w->pid, err);
    if (rc == SKEP_OK)
        rc = watch_it(w, err);
    close_fd(&theirs);
    close_fd(&page);
    if (rc != SKEP_OK) {
        abandon(w);
        return rc;
    }
    w->due_ns = skep_in_ns(w->engine->start_ns);
    return skepi_move(&skepi_worker_machine, &w->state, SKEPI_WORKER_STARTING);
}

/* ---- what is due --------------------------------------------------------------------------------- */

static void due(struct worker *w)
{
    skep_error why;

    switch (w->state) {
    case SKEPI_WORKER_DOWN:
        if (start(w, &why) != SKEP_OK)
            start_failed(w, &why);
        break;
    case SKEPI_WORKER_STARTING:
        skep_log(SKEP_LOG_WARN, "local", "worker %d (pid %ld) said nothing for %llu ms and is ended", w->index, (long)w->pid,
                 (unsigned long long)(w->engine->start_ns / MS));
        w->due_ns = SKEP_FOREVER;
        kill_it(w);
        break;
    case SKEPI_WORKER_ENDING:
        w->due_ns = SKEP_FOREVER;
        kill_it(w);
        break;
    default:
        break;
    }
}

static uint64_t local_tick(struct skepi_engine *engine, uint64_t now_ns)
{
    struct local *e = (struct local *)engine;
    uint64_t next = SKEP_FOREVER;

    for (int i = 0; i < e->n; i++) {
        struct worker *w = &e->workers[i];

        if (w->state == SKEPI_WORKER_READY || (w->state == SKEPI_WORKER_DOWN && e->ending))
            continue;
        if (w->due_ns <= now_ns)
            due(w);
        if (w->state != SKEPI_WORKER_READY && w->due_ns < next)
            next = w->due_ns;
    }
    return next;
}

static void local_end(struct skepi_engine *engine, int hard)
{
    struct local *e = (struct local *)engine;

    e->ending = 1;
    for (int i = 0; i < e->n; i++) {
        struct worker *w = &e->workers[i];

        if (w->state == SKEPI_WORKER_DOWN)
            continue;
        if (w->state != SKEPI_WORKER_ENDING) {
            skepi_move(&skepi_worker_machine, &w->state, SKEPI_WORKER_ENDING);
            w->due_ns = SKEP_FOREVER;
            if (w->socket.fd >= 0)
                shutdown(w->socket.fd, SHUT_WR);
        }
        if (hard && w->due_ns == SKEP_FOREVER) { /* its watcher sees it; a signal would disturb the method's sleep */
            w->due_ns = skep_in_ms(KILL_AFTER_MS);
            shutdown(w->socket.fd, SHUT_RDWR);
        }
    }
}

static int local_alive(struct skepi_engine *engine)
{
    struct local *e = (struct local *)engine;
    int alive = 0;

    for (int i = 0; i < e->n; i++)
        alive += e->workers[i].state != SKEPI_WORKER_DOWN;
    return alive;
}

/* ---- open and close ------------------------------------------------------------------------------ */

static int processors(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : (int)sysconf(_SC_NPROCESSORS_ONLN);
}

static uint64_t default_cache(int workers)
{
    struct sysinfo info;
    uint64_t memory = sysinfo(&info) == 0 ? (uint64_t)info.totalram * info.mem_unit : UINT64_C(1) << 30;

    return memory / 4 / (uint64_t)workers;
}

static void local_close(struct skepi_engine *engine)
{
    struct local *e = (struct local *)engine;

    if (e == NULL)
        return;
    for (int i = 0; i < e->n; i++)
        abandon(&e->workers[i]);
    skepi_starter_fini(&e->starter);
    free(e->allow);
    free(e);
}

static int local_open(const skep_uri *uri, const char *allow, struct skepi_loop *loop,
                      const struct skepi_engine_events *events, void *arg, struct skepi_engine **take, skep_error *err)
{
    int64_t n = skep_uri_int(uri, "workers");
    struct local *e;
    int rc;

    if (n < 0 || n > WORKERS_MAX)
        return skep_fail(err, SKEP_EINVAL, "local: %lld workers: 1 to %d can be", (long long)n, WORKERS_MAX);
    n = n == 0 ? processors() : n;
    if ((e = calloc(1, sizeof *e + (size_t)n * sizeof e->workers[0])) == NULL)
        return skep_fail(err, SKEP_ENOMEM, "local: no memory");
    *e = (struct local){.base = {&skepi_engine_local}, .loop = loop, .events = events, .arg = arg, .n = (int)n};
    e->cache = skep_uri_has(uri, "cache") ? skep_uri_size(uri, "cache") : default_cache((int)n);
    e->start_ns = skep_uri_time(uri, "start");
    for (int i = 0; i < e->n; i++)
        e->workers[i] =
            (struct worker){.socket = {-1, socket_ready}, .death = {-1, death_ready}, .engine = e, .index = i, .nudge = -1};
    rc = (e->allow = strdup(allow)) == NULL ? skep_fail(err, SKEP_ENOMEM, "local: no memory")
                                            : skepi_starter_init(&e->starter, err);
    for (int i = 0; i < e->n && rc == SKEP_OK; i++)
        rc = start(&e->workers[i], err);
    if (rc == SKEP_OK)
        *take = &e->base;
    else
        local_close(&e->base);
    return rc;
}

/* ---- the rest of the table ----------------------------------------------------------------------- */

static struct worker *at(struct skepi_engine *engine, int worker)
{
    return &((struct local *)engine)->workers[worker];
}

static int local_workers(struct skepi_engine *engine)
{
    return ((struct local *)engine)->n;
}

static long local_pid(struct skepi_engine *engine, int worker)
{
    return at(engine, worker)->pid;
}

static struct skepi_outbox *local_outbox(struct skepi_engine *engine, int worker)
{
    return &at(engine, worker)->out;
}

static void local_flush(struct skepi_engine *engine, int worker)
{
    if (!at(engine, worker)->blocked)
        flush(at(engine, worker));
}

static uint64_t local_revoke(struct skepi_engine *engine, int worker)
{
    return skepi_page_revoke(at(engine, worker)->page);
}

static void local_nudge(struct skepi_engine *engine, int worker)
{
    eventfd_write(at(engine, worker)->nudge, 1);
}

const struct skepi_engine_ops skepi_engine_local = {
    .scheme = "local",
    .help = "worker processes of this host: the same executable, started again",
    .options = options,
    .open = local_open,
    .workers = local_workers,
    .pid = local_pid,
    .outbox = local_outbox,
    .flush = local_flush,
    .revoke = local_revoke,
    .nudge = local_nudge,
    .tick = local_tick,
    .end = local_end,
    .alive = local_alive,
    .close = local_close,
};
