/* server.c - the task server: its thread, its start and its end. */
#include "steering/server/server.h"
#include "steering/engines/start.h"

#include <errno.h>
#include <signal.h>
#include <skep/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum {
    CLOSE_GRACE_MS = 5000,  /* for what runs when the server is closed */
    SEND_GRACE_MS = 1000,   /* for results of clients that do not read */
    KILL_GRACE_MS = 10000,  /* for workers that are made to end: what does not die then is stuck in the kernel */
    WORKER_GRACE_MS = 1000, /* for workers that were told to end, before they are made to */
    EVICT_GRACE_MS = 5000,  /* for objects that nobody waits for */
};

/* ---- waiting for it ------------------------------------------------------------------------------ */

void skepi_server_changed(struct skep_server *server)
{
    pthread_mutex_lock(&server->lock);
    server->n_up_seen = server->n_up;
    server->is_up = server->is_up || server->n_up == server->n_seats;
    if (!server->is_up && server->failure.code == SKEP_OK)
        server->failure = server->hopeless;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

/* Until `*flag` or a failure, with the lock held. */
static int wait_for(struct skep_server *server, const int *flag, uint64_t by_ns)
{
    const struct timespec by = {(time_t)(by_ns / 1000000000), (long)(by_ns % 1000000000)};
    int rc = 0;

    while (!*flag && server->failure.code == SKEP_OK && rc != ETIMEDOUT) {
        if (by_ns == SKEP_FOREVER)
            pthread_cond_wait(&server->changed, &server->lock);
        else
            rc = pthread_cond_timedwait(&server->changed, &server->lock, &by);
    }
    return *flag ? SKEP_OK : server->failure.code != SKEP_OK ? server->failure.code : SKEP_ETIMEDOUT;
}

void skepi_server_ask(struct skep_server *server, int mode)
{
    int now = atomic_load(&server->mode), saved = errno;

    while (now < mode && !atomic_compare_exchange_weak(&server->mode, &now, mode))
        ;
    eventfd_write(server->wake.fd, 1);
    errno = saved;
}

static void woken(struct skepi_watch *watch, uint32_t events)
{
    eventfd_t count;

    (void)events;
    eventfd_read(watch->fd, &count);
}

/* ---- the thread ---------------------------------------------------------------------------------- */

/* One round: wait, take what has come, give and send what can be. */
static void round_of(struct skep_server *server, uint64_t by_ns)
{
    uint64_t due = skepi_dispatch_due(server);

    if (server->engine_ns <= server->now_ns)
        server->engine_ns = server->engine_ops->tick(server->engine, server->now_ns);
    due = due < server->engine_ns ? due : server->engine_ns;
    skepi_dispatch(server);
    skepi_loop_run(&server->loop, due < by_ns ? due : by_ns, &server->now_ns, &server->real_ns);
}

/* Do what a new mode demands, once; and again for what came back since. */
static void act(struct skep_server *server)
{
    int mode = atomic_load(&server->mode);

    if (mode >= SKEPI_CANCEL && (mode != server->acting || server->waiting > 0))
        skepi_tickets_cancel(server, mode != server->acting, SKEP_ECANCELED,
                             "the task server was stopped before it was started");
    server->acting = mode;
}

static int finished(const struct skep_server *server)
{
    return server->acting >= SKEPI_KILL || (server->acting >= SKEPI_DRAIN && server->waiting == 0 && server->given == 0);
}

/* Go on until `done`, or the deadline. */
static void rounds(struct skep_server *server, int (*go_on)(const struct skep_server *), uint64_t by_ns)
{
    while (go_on(server) && server->now_ns < by_ns)
        round_of(server, by_ns);
}

static int workers_alive(const struct skep_server *server)
{
    return server->engine_ops->alive(server->engine) > 0;
}

/* What is left: results to be sent, workers to be ended, the socket. */
static void end(struct skep_server *server)
{
    const int killed = server->acting >= SKEPI_KILL;

    server->engine_ops->end(server->engine, killed);
    server->engine_ns = 0;
    if (!killed) {
        rounds(server, workers_alive, skep_in_ms(WORKER_GRACE_MS));
        server->engine_ops->end(server->engine, 1);
    }
    rounds(server, workers_alive, skep_in_ms(KILL_GRACE_MS));
    skepi_tickets_cancel(server, 0, SKEP_ECANCELED, "the task server was closed");
    skepi_dispatch(server);
    rounds(server, skepi_clients_unsent, skep_in_ms(SEND_GRACE_MS));
    server->link_ops->close(server->link);
    server->link = NULL;
    skepi_clients_fini(server);
}

static void *run(void *arg)
{
    struct skep_server *server = arg;

    server->now_ns = skep_now_ns();
    server->real_ns = skep_real_ns();
    while (act(server), !finished(server))
        round_of(server, SKEP_FOREVER);
    end(server);
    pthread_mutex_lock(&server->lock);
    server->ended = 1;
    if (!server->is_up && server->failure.code == SKEP_OK)
        skep_fail(&server->failure, SKEP_ECLOSED, "%s: ended before it was up", server->address);
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

static int start_thread(struct skep_server *server, skep_error *err)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all); /* the program's signals are for its own threads */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&server->thread, NULL, run, server);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    server->has_thread = rc == 0;
    return rc == 0 ? SKEP_OK : skep_fail(err, SKEP_ENOMEM, "the server's thread: %s", strerror(rc));
}

/* ---- open and close ------------------------------------------------------------------------------ */

static struct skep_server *server_new(void)
{
    struct skep_server *server = calloc(1, sizeof *server);
    pthread_condattr_t monotonic;

    if (server == NULL)
        return NULL;
    server->loop.fd = server->wake.fd = -1;
    server->wake.func = woken;
    server->deadlines = (struct skepi_heap){.before = skepi_before_by_deadline, .keeps_places = 1};
    gethostname(server->host, sizeof server->host - 1);
    pthread_mutex_init(&server->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&server->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return server;
}

/* Accepts what is half-built; the thread has ended. */
static void server_free(struct skep_server *server)
{
    struct skepi_ticket *ticket;

    if (server->engine_ops != NULL)
        server->engine_ops->close(server->engine);
    if (server->link != NULL)
        server->link_ops->close(server->link);
    skepi_clients_fini(server);
    skepi_janitor_close(&server->janitor, skep_in_ms(EVICT_GRACE_MS));
    while ((ticket = server->spare) != NULL) {
        server->spare = ticket->next;
        free(ticket);
    }
    skepi_heap_fini(&server->deadlines);
    if (server->wake.fd >= 0)
        close(server->wake.fd);
    skepi_loop_fini(&server->loop);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->lock);
    free(server->methods);
    free(server->method_list);
    skep_policy_unref(server->policy);
    free(server->allow);
    free(server->seats);
    free(server);
}

static int open_link(struct skep_server *server, const char *text, uint64_t by_ns, skep_error *err)
{
    skep_uri *uri;
    int rc = skepi_link_find(text, &server->link_ops, &uri, err);

    if (rc != SKEP_OK)
        return rc;
    rc = server->link_ops->listen(uri, &server->loop, &skepi_client_events, server, by_ns, &server->link, err);
    if (rc == SKEP_OK && server->link_ops->address(server->link, server->address, sizeof server->address) != SKEP_OK)
        rc = skep_fail(err, SKEP_ETOOBIG, "%s: where it listens is longer than a URI", text);
    skep_uri_free(uri);
    return rc;
}

/* Whom to believe: the caller, else the environment, else who uses the link. */
static int find_allowed(struct skep_server *server, const char *given, skep_error *err)
{
    const char *allow = given != NULL ? given : getenv("SKEP_ALLOW");
    int rc;

    if (allow == NULL || allow[0] == '\0')
        allow = server->link_ops->trusted ? "" : "none";
    if (allow[0] != '\0' && (rc = skep_policy_parse(allow, &server->policy, err)) != SKEP_OK)
        return rc;
    return (server->allow = strdup(allow)) != NULL ? SKEP_OK : skep_fail(err, SKEP_ENOMEM, "no memory for a policy");
}

static int open_engine(struct skep_server *server, const char *text, skep_error *err)
{
    skep_uri *uri;
    int rc = skepi_engine_find(text, &server->engine_ops, &uri, err);

    if (rc != SKEP_OK)
        return rc;
    rc = server->engine_ops->open(uri, server->allow, &server->loop, &skepi_worker_events, server, &server->engine, err);
    skep_uri_free(uri);
    if (rc != SKEP_OK)
        return rc;
    server->n_seats = server->engine_ops->workers(server->engine);
    if ((server->seats = calloc((size_t)server->n_seats, sizeof *server->seats)) == NULL)
        return skep_fail(err, SKEP_ENOMEM, "no memory for %d workers", server->n_seats);
    return SKEP_OK;
}

static int open_loop(struct skep_server *server, skep_error *err)
{
    int rc = skepi_loop_init(&server->loop, err);

    if (rc != SKEP_OK)
        return rc;
    if ((server->wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
        return skep_fail(err, skep_err_from_errno(errno), "eventfd: %s", strerror(errno));
    return skepi_loop_add(&server->loop, &server->wake, EPOLLIN, err);
}

/* Every worker has said what it can do, or the reason why not. */
static int wait_until_up(struct skep_server *server, uint64_t by_ns, skep_error *err)
{
    int rc;

    pthread_mutex_lock(&server->lock);
    rc = wait_for(server, &server->is_up, by_ns);
    if (rc == SKEP_ETIMEDOUT)
        rc = skep_fail(err, rc, "%s: %d of %d workers were up in time", server->address, server->n_up_seen, server->n_seats);
    else if (rc != SKEP_OK)
        rc = skep_fail(err, rc, "%s: %s", server->address, server->failure.text);
    pthread_mutex_unlock(&server->lock);
    return rc;
}

int skep_server_open(const char *uri, const char *engine, const skep_server_opts *opts, skep_server **take, skep_error *err)
{
    skep_server_opts o = SKEP_SERVER_OPTS_INIT;
    struct skep_server *server;
    int rc;

    if (opts != NULL)
        memcpy(&o, opts, opts->size < sizeof o ? opts->size : sizeof o);
    if (getenv(SKEPI_WORKER_VARIABLE) != NULL)
        return skep_fail(err, SKEP_EINVAL,
                         "this process was started as a worker, but its main opens a task server: it must "
                         "call skep_worker_if_asked first");
    if ((server = server_new()) == NULL)
        return skep_fail(err, SKEP_ENOMEM, "no memory for a task server");
    server->until_clients_gone = o.until_clients_gone;
    rc = open_loop(server, err);
    if (rc == SKEP_OK)
        rc = open_link(server, uri, o.by_ns, err);
    if (rc == SKEP_OK)
        rc = find_allowed(server, o.allow, err);
    if (rc == SKEP_OK)
        rc = open_engine(server, engine, err);
    if (rc == SKEP_OK)
        rc = skepi_janitor_start(&server->janitor, err);
    if (rc == SKEP_OK)
        rc = start_thread(server, err);
    if (rc == SKEP_OK)
        rc = wait_until_up(server, o.by_ns, err);
    if (rc == SKEP_OK) {
        *take = server;
    } else if (server->has_thread) {
        skepi_server_ask(server, SKEPI_KILL);
        skep_server_close(server);
    } else {
        server_free(server);
    }
    return rc;
}

int skep_server_wait(skep_server *server, uint64_t by_ns, skep_error *err)
{
    int rc;

    pthread_mutex_lock(&server->lock);
    rc = wait_for(server, &server->ended, by_ns);
    pthread_mutex_unlock(&server->lock);
    return rc == SKEP_OK ? rc : skep_fail(err, rc, "%s: the task server still runs", server->address);
}

void skep_server_stop(skep_server *server)
{
    if (server != NULL)
        skepi_server_ask(server, SKEPI_CANCEL);
}

void skep_server_close(skep_server *server)
{
    if (server == NULL)
        return;
    skep_server_stop(server);
    pthread_mutex_lock(&server->lock);
    server->failure.code = SKEP_OK;
    if (wait_for(server, &server->ended, skep_in_ms(CLOSE_GRACE_MS)) != SKEP_OK)
        skepi_server_ask(server, SKEPI_KILL);
    pthread_mutex_unlock(&server->lock);
    pthread_join(server->thread, NULL);
    server_free(server);
}

/* ---- what it tells ------------------------------------------------------------------------------- */

int skep_server_uri(skep_server *server, char *out, size_t cap)
{
    size_t size = strlen(server->address) + 1;

    if (size > cap)
        return SKEP_ETOOBIG;
    memcpy(out, server->address, size);
    return SKEP_OK;
}

int skep_server_workers(skep_server *server)
{
    return server->n_seats;
}

static uint64_t read_sum(const _Atomic uint64_t *sum)
{
    return atomic_load_explicit(sum, memory_order_relaxed);
}

int skep_server_worker_stats(skep_server *server, int index, skep_worker_stats *out)
{
    skep_worker_stats stats = SKEP_WORKER_STATS_INIT;
    const struct skepi_seat *seat;
    uint64_t since, now = skep_now_ns();

    if (index < 0 || index >= server->n_seats)
        return SKEP_EINVAL;
    seat = &server->seats[index];
    since = read_sum(&seat->idle_since);
    stats.size = out->size < sizeof stats ? out->size : sizeof stats;
    stats.index = index;
    stats.pid = atomic_load_explicit(&seat->pid, memory_order_relaxed);
    stats.tasks = read_sum(&seat->tasks);
    stats.failures = read_sum(&seat->failures);
    stats.restarts = read_sum(&seat->restarts);
    stats.run_ns = read_sum(&seat->run);
    stats.resolve_ns = read_sum(&seat->resolve);
    stats.idle_ns = read_sum(&seat->idle) + (since == 0 || since > now ? 0 : now - since);
    stats.resolves = read_sum(&seat->resolves);
    stats.referred_bytes = read_sum(&seat->referred);
    stats.moved_bytes = read_sum(&seat->moved);
    memcpy(out, &stats, stats.size);
    return SKEP_OK;
}
