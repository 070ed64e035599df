/* tcp.c - links between hosts: ZeroMQ, a ROUTER where a server listens and a DEALER at each client. */
#include "steering/queues/tcp.h"

#include <errno.h>
#include <pthread.h>
#include <skep/clock.h>
#include <skep/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum {
    LINGER_MS = 1000,
    HEARTBEAT_MS = 2000,
    SILENCE_MS = 10000 /* of ZeroMQ's own heartbeats: the host at the other end is gone */
};

static const skep_option options[] = {
    {"open", SKEP_TYPE_BOOL, SKEP_CLASS_TUNING, "no", NULL,
     "listen to other hosts too: whoever reaches the port can have methods run"},
    {NULL, 0, 0, NULL, NULL, NULL},
};

static int zmq_fails(skep_error *err, const char *what)
{
    return skep_fail(err, errno == EADDRINUSE ? SKEP_EBUSY : skep_err_from_errno(errno), "%s: %s", what,
                     zmq_strerror(errno));
}

static void socket_ready(struct skepi_watch *watch, uint32_t events)
{
    (void)events;
    skepi_tcp_receive_some((struct skepi_tcp *)((char *)watch - offsetof(struct skepi_tcp, socket)));
}

/* ---- open and close ------------------------------------------------------------------------------ */

static void unwatch(struct skepi_tcp *tcp, struct skepi_watch *watch, int ours)
{
    if (watch->fd < 0)
        return;
    skepi_loop_remove(tcp->loop, watch);
    if (ours)
        close(watch->fd);
}

static void tcp_close(struct skepi_link *link)
{
    struct skepi_tcp *tcp = (struct skepi_tcp *)link;

    if (tcp == NULL)
        return;
    unwatch(tcp, &tcp->socket, 0);
    unwatch(tcp, &tcp->monitor, 0);
    unwatch(tcp, &tcp->again, 1);
    while (tcp->peers != NULL) {
        struct skepi_tcp_peer *peer = tcp->peers;

        tcp->peers = peer->next;
        free(peer);
    }
    unwatch(tcp, &tcp->timer, 1);
    skepi_inbox_fini(&tcp->in);
    if (tcp->zmq != NULL && tcp->events_of != NULL)
        zmq_socket_monitor(tcp->zmq, NULL, 0);
    if (tcp->events_of != NULL)
        zmq_close(tcp->events_of);
    if (tcp->zmq != NULL)
        zmq_close(tcp->zmq);
    while (tcp->context != NULL && zmq_ctx_term(tcp->context) != 0 && errno == EINTR)
        ;
    pthread_mutex_destroy(&tcp->lock);
    free(tcp);
}

static int watch_fd(struct skepi_tcp *tcp, struct skepi_watch *watch, int fd, void (*func)(struct skepi_watch *, uint32_t),
                    skep_error *err)
{
    if (fd < 0)
        return skep_fail(err, skep_err_from_errno(errno), "a descriptor for tcp://: %s", strerror(errno));
    *watch = (struct skepi_watch){fd, func};
    return skepi_loop_add(tcp->loop, watch, EPOLLIN, err);
}

static int watch_zmq(struct skepi_tcp *tcp, void *zmq, struct skepi_watch *watch,
                     void (*func)(struct skepi_watch *, uint32_t), skep_error *err)
{
    int fd = -1;
    size_t size = sizeof fd;

    if (zmq_getsockopt(zmq, ZMQ_FD, &fd, &size) != 0)
        return zmq_fails(err, "ZeroMQ's descriptor");
    return watch_fd(tcp, watch, fd, func, err);
}

static void set(void *zmq, int option, int value)
{
    zmq_setsockopt(zmq, option, &value, sizeof value);
}

static int tcp_new(int listens, struct skepi_loop *loop, const struct skepi_link_events *events, void *arg,
                   struct skepi_tcp **out, skep_error *err)
{
    const int64_t most = (int64_t)SKEPI_MESSAGE_MAX;
    struct skepi_tcp *tcp = calloc(1, sizeof *tcp);
    int rc = SKEP_OK;

    if (tcp == NULL)
        return skep_fail(err, SKEP_ENOMEM, "no memory for a link");
    *tcp = (struct skepi_tcp){.base = {&skepi_link_tcp}, .loop = loop, .events = events, .arg = arg, .listens = listens};
    tcp->socket.fd = tcp->again.fd = tcp->timer.fd = tcp->monitor.fd = -1;
    pthread_mutex_init(&tcp->lock, NULL);
    if ((tcp->context = zmq_ctx_new()) == NULL ||
        (tcp->zmq = zmq_socket(tcp->context, listens ? ZMQ_ROUTER : ZMQ_DEALER)) == NULL) {
        rc = zmq_fails(err, "ZeroMQ");
    } else {
        set(tcp->zmq, ZMQ_LINGER, LINGER_MS);
        set(tcp->zmq, ZMQ_IPV6, 1);
        set(tcp->zmq, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS);
        set(tcp->zmq, ZMQ_HEARTBEAT_TIMEOUT, SILENCE_MS);
        zmq_setsockopt(tcp->zmq, ZMQ_MAXMSGSIZE, &most, sizeof most);
        if (listens)
            set(tcp->zmq, ZMQ_ROUTER_MANDATORY, 1);
        rc = watch_fd(tcp, &tcp->again, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), skepi_tcp_again_ready, err);
    }
    if (rc == SKEP_OK)
        *out = tcp;
    else
        tcp_close(&tcp->base);
    return rc;
}

/* What of the URI is the host; in brackets where it has colons. */
static void endpoint(const skep_uri *uri, char *out, size_t cap)
{
    const char *host = skep_uri_host(uri);
    int six = strchr(host, ':') != NULL;
    char port[8];

    snprintf(port, sizeof port, "%d", skep_uri_port(uri));
    snprintf(out, cap, "tcp://%s%s%s:%s", six ? "[" : "", host, six ? "]" : "", skep_uri_port(uri) == 0 ? "*" : port);
}

static int is_loopback(const char *host)
{
    return strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 || strncmp(host, "127.", 4) == 0;
}

static int check_uri(const skep_uri *uri, skep_error *err)
{
    const char *host = skep_uri_host(uri), *path = skep_uri_path(uri);

    if (host[0] == '\0' || (path[0] != '\0' && strcmp(path, "/") != 0))
        return skep_fail(err, SKEP_EINVAL, "tcp://%s%s: not tcp://HOST:PORT", host, path);
    return SKEP_OK;
}

/* Where others reach it: the port that it got, and a name where it listens to all. */
static int find_address(struct skepi_tcp *tcp, const char *host, skep_error *err)
{
    char text[256], name[128] = "";
    size_t size = sizeof text;
    const char *port;

    if (zmq_getsockopt(tcp->zmq, ZMQ_LAST_ENDPOINT, text, &size) != 0 || (port = strrchr(text, ':')) == NULL)
        return zmq_fails(err, "ZeroMQ's address");
    if (strcmp(host, "*") == 0 || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0)
        gethostname(name, sizeof name - 1);
    if (name[0] != '\0')
        snprintf(tcp->address, sizeof tcp->address, "tcp://%s%s", name, port);
    else
        snprintf(tcp->address, sizeof tcp->address, strchr(host, ':') != NULL ? "tcp://[%s]%s" : "tcp://%s%s", host, port);
    return SKEP_OK;
}

static int tcp_listen(const skep_uri *uri, struct skepi_loop *loop, const struct skepi_link_events *events, void *arg,
                      uint64_t by_ns, struct skepi_link **take, skep_error *err)
{
    const char *host = skep_uri_host(uri);
    char where[SKEP_URI_MAX];
    struct skepi_tcp *tcp = NULL;
    int rc = check_uri(uri, err);

    (void)by_ns;
    if (rc != SKEP_OK)
        return rc;
    if (!is_loopback(host) && !skep_uri_bool(uri, "open"))
        return skep_fail(err, SKEP_EDENIED,
                         "tcp://%s:%d: whoever reaches that port can have methods run here; with ?open=yes "
                         "it listens all the same",
                         host, skep_uri_port(uri));
    if ((rc = tcp_new(1, loop, events, arg, &tcp, err)) != SKEP_OK)
        return rc;
    endpoint(uri, where, sizeof where);
    if (zmq_bind(tcp->zmq, where) != 0)
        rc = zmq_fails(err, where);
    if (rc == SKEP_OK)
        rc = find_address(tcp, host, err);
    if (rc == SKEP_OK)
        rc = watch_zmq(tcp, tcp->zmq, &tcp->socket, socket_ready, err);
    if (rc == SKEP_OK)
        rc = watch_fd(tcp, &tcp->timer, timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), skepi_tcp_timer_ready,
                      err);
    if (rc == SKEP_OK)
        *take = &tcp->base;
    else
        tcp_close(&tcp->base);
    return rc;
}

/* Until the connection stands. */
static int wait_connected(struct skepi_tcp *tcp, const char *where, uint64_t by_ns, skep_error *err)
{
    uint64_t told_ns = skep_in_ms(5000), now;
    int event, connected = 0;

    while (!connected) {
        while ((event = skepi_tcp_next_event(tcp)) != 0)
            connected = event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
        if (connected)
            break;
        if ((now = skep_now_ns()) >= by_ns)
            return skep_fail(err, SKEP_EUNREACH, "%s: no task server is there", where);
        if (now > told_ns) {
            skep_log(SKEP_LOG_WARN, "queues", "still waiting for a task server at %s", where);
            told_ns = SKEP_FOREVER;
        }
        zmq_poll(&(zmq_pollitem_t){.socket = tcp->events_of, .events = ZMQ_POLLIN}, 1, 20);
    }
    return SKEP_OK;
}

static int tcp_connect(const skep_uri *uri, struct skepi_loop *loop, const struct skepi_link_events *events, void *arg,
                       uint64_t by_ns, struct skepi_link **take, struct skepi_peer **lend, skep_error *err)
{
    char where[SKEP_URI_MAX], name[64];
    struct skepi_tcp *tcp = NULL;
    struct skepi_tcp_peer *peer;
    int rc = check_uri(uri, err);

    if (rc == SKEP_OK && skep_uri_port(uri) == 0)
        rc = skep_fail(err, SKEP_EINVAL, "tcp://%s: without a port", skep_uri_host(uri));
    if (rc != SKEP_OK || (rc = tcp_new(0, loop, events, arg, &tcp, err)) != SKEP_OK)
        return rc;
    endpoint(uri, where, sizeof where);
    snprintf(name, sizeof name, "inproc://events-%p", (void *)tcp);
    if (zmq_socket_monitor(tcp->zmq, name, ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED) != 0 ||
        (tcp->events_of = zmq_socket(tcp->context, ZMQ_PAIR)) == NULL || zmq_connect(tcp->events_of, name) != 0 ||
        zmq_connect(tcp->zmq, where) != 0)
        rc = zmq_fails(err, where);
    if (rc == SKEP_OK)
        rc = wait_connected(tcp, where, by_ns, err);
    if (rc == SKEP_OK && (rc = watch_zmq(tcp, tcp->zmq, &tcp->socket, socket_ready, err)) == SKEP_OK)
        rc = watch_zmq(tcp, tcp->events_of, &tcp->monitor, skepi_tcp_monitor_ready, err);
    if (rc == SKEP_OK && (peer = skepi_tcp_peer_new(tcp, "", 0)) == NULL)
        rc = skep_fail(err, SKEP_ENOMEM, "no memory for a connection");
    if (rc != SKEP_OK) {
        tcp_close(&tcp->base);
        return rc;
    }
    snprintf(peer->base.name, sizeof peer->base.name, "at %.80s", where + strlen("tcp://"));
    eventfd_write(tcp->again.fd, 1); /* look at the events that came before anybody polled */
    *take = &tcp->base;
    *lend = &peer->base;
    return SKEP_OK;
}

/* ---- the rest of the table ----------------------------------------------------------------------- */

static int tcp_address(struct skepi_link *link, char *out, size_t cap)
{
    int n = snprintf(out, cap, "%s", ((struct skepi_tcp *)link)->address);

    return n < 0 || (size_t)n >= cap ? SKEP_ETOOBIG : SKEP_OK;
}

static void tcp_notify(struct skepi_peer *peer, int on)
{
    ((struct skepi_tcp_peer *)peer)->wants = on;
    if (on)
        skepi_tcp_set_timer(skepi_tcp_of(peer), SKEPI_TCP_RETRY_MS);
}

static void tcp_wait(struct skepi_peer *peer, uint64_t by_ns)
{
    const struct timespec pause = {0, SKEPI_TCP_RETRY_MS * 1000000};

    (void)peer;
    if (by_ns > skep_now_ns())
        nanosleep(&pause, NULL);
}

const struct skepi_link_ops skepi_link_tcp = {
    .scheme = "tcp",
    .trusted = 0,
    .options = options,
    .listen = tcp_listen,
    .connect = tcp_connect,
    .address = tcp_address,
    .send = skepi_tcp_send,
    .notify = tcp_notify,
    .wait = tcp_wait,
    .close = tcp_close,
};
