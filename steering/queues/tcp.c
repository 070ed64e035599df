/* tcp.c - links between hosts: ZeroMQ, a ROUTER where a server listens and a DEALER at each client.
 *
 * A ZeroMQ message is a run of small messages, or one big message. ZeroMQ does not tell who is gone: a server sends each
 * client a word twice a second, which fails when it is; a client watches its socket's own events.
 */
#include "steering/queues/control.h"
#include "steering/queues/link.h"
#include "steering/queues/packet.h"

#include <errno.h>
#include <poll.h>
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
    IDENTITY_MAX = 255,
    LINGER_MS = 1000,
    BEAT_MS = 500, /* between the words to clients */
    RETRY_MS = 2,  /* where a client takes no more for now */
    HEARTBEAT_MS = 2000,
    SILENCE_MS = 10000, /* of ZeroMQ's own heartbeats: the host at the other end is gone */
    RECEIVE_MESSAGES = 64,
};

struct tcp_peer {
    struct skepi_peer base;
    struct tcp_peer *next;
    unsigned char identity[IDENTITY_MAX]; /* "": the server, at a client */
    size_t identity_size;
    int refused; /* what it says is not listened to any more */
    int wants;   /* notify: it shall be told when more can be sent */
};

struct tcp {
    struct skepi_link base;
    struct skepi_loop *loop;
    const struct skepi_link_events *events;
    void *arg;
    struct skepi_watch socket;  /* ZMQ_FD: tells that something has changed */
    struct skepi_watch again;   /* an eventfd: there may be more than the descriptor tells */
    struct skepi_watch timer;   /* listening: words to clients, and retries */
    struct skepi_watch monitor; /* connected: the socket's events */
    pthread_mutex_t lock;       /* rank 7; guards the sockets, which are asked never to wait, and `disconnected` */
    int disconnected;           /* connected: it was once, and is not any more */
    void *context, *zmq, *events_of;
    struct skepi_inbox in;
    struct tcp_peer *peers, *last;
    int listens;
    char address[SKEP_URI_MAX];
};

static const skep_option options[] = {
    {"open", SKEP_TYPE_BOOL, SKEP_CLASS_TUNING, "no", NULL,
     "listen to other hosts too: whoever reaches the port can have methods run"},
    {NULL, 0, 0, NULL, NULL, NULL},
};

static struct tcp *link_of(struct skepi_peer *peer)
{
    return (struct tcp *)peer->link;
}

static int zmq_fails(skep_error *err, const char *what)
{
    return skep_fail(err, errno == EADDRINUSE ? SKEP_EBUSY : skep_err_from_errno(errno), "%s: %s", what,
                     zmq_strerror(errno));
}

/* ---- out ----------------------------------------------------------------------------------------- */

static void release_chunk(void *data, void *hint)
{
    (void)data;
    skepi_chunk_unref(hint);
}

/* The next ZeroMQ message: a big one, or as many runs as fit. A big one that lies in one piece is not copied. */
static int next_message(const struct skepi_outbox *box, zmq_msg_t *out, size_t *size)
{
    const struct skepi_piece *piece = skepi_outbox_at(box, 0);
    size_t n = 1;
    char *at;

    *size = piece->size;
    if (piece->big != 0 && piece->big == piece->size && piece->chunk != NULL) {
        if (zmq_msg_init_data(out, (void *)(uintptr_t)piece->data, piece->size, release_chunk, piece->chunk) != 0)
            return SKEP_ENOMEM;
        skepi_chunk_ref(piece->chunk);
        return SKEP_OK;
    }
    if (piece->big != 0)
        for (*size = piece->big; n < box->n && skepi_outbox_at(box, n)->big != 0 && !skepi_outbox_at(box, n)->begins;)
            n++;
    else
        for (; n < box->n && skepi_outbox_at(box, n)->big == 0 && skepi_outbox_at(box, n)->size <= SKEPI_RUN_MAX - *size;
             n++)
            *size += skepi_outbox_at(box, n)->size;
    if (zmq_msg_init_size(out, *size) != 0)
        return SKEP_ENOMEM;
    at = zmq_msg_data(out);
    for (size_t i = 0; i < n; at += skepi_outbox_at(box, i++)->size)
        memcpy(at, skepi_outbox_at(box, i)->data, skepi_outbox_at(box, i)->size);
    return SKEP_OK;
}

/* 1: it went; 0: it does not for now; SKEP_ECLOSED. With the lock held. */
static int try_send(struct tcp *tcp, const struct tcp_peer *peer, zmq_msg_t *message)
{
    if (tcp->listens && zmq_send(tcp->zmq, peer->identity, peer->identity_size, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : SKEP_ECLOSED;
    while (zmq_msg_send(message, tcp->zmq, ZMQ_DONTWAIT) < 0)
        if (errno != EINTR)
            return errno == EAGAIN ? 0 : SKEP_ECLOSED;
    return 1;
}

/* A call on the socket may have taken notice of what the descriptor would have told whoever polls. With the lock held. */
static void look_again(struct tcp *tcp)
{
    int what = 0;
    size_t size = sizeof what;

    if (zmq_getsockopt(tcp->zmq, ZMQ_EVENTS, &what, &size) == 0 && (what & ZMQ_POLLIN) != 0)
        eventfd_write(tcp->again.fd, 1);
}

/* The next of the socket's own events, or 0. With the lock held. */
static int next_event(struct tcp *tcp)
{
    zmq_msg_t message;
    uint16_t event = 0;

    zmq_msg_init(&message);
    if (zmq_msg_recv(&message, tcp->events_of, ZMQ_DONTWAIT) >= 0) {
        if (zmq_msg_size(&message) >= sizeof event)
            memcpy(&event, zmq_msg_data(&message), sizeof event);
        while (zmq_msg_more(&message) && zmq_msg_recv(&message, tcp->events_of, ZMQ_DONTWAIT) >= 0)
            ;
    }
    zmq_msg_close(&message);
    return event;
}

/* At a client: 1: the server is not connected any more. All events are taken, for only then the descriptor tells of further
 * ones. With the lock held. */
static int is_disconnected(struct tcp *tcp)
{
    int event;

    while (tcp->events_of != NULL && (event = next_event(tcp)) != 0)
        tcp->disconnected |= event == ZMQ_EVENT_DISCONNECTED;
    return tcp->disconnected;
}

/* ZeroMQ takes messages for who is gone. */
static int is_cut(struct tcp *tcp)
{
    int cut;

    pthread_mutex_lock(&tcp->lock);
    if ((cut = is_disconnected(tcp)))
        eventfd_write(tcp->again.fd, 1);
    pthread_mutex_unlock(&tcp->lock);
    return cut;
}

static int tcp_send(struct skepi_peer *peer, struct skepi_outbox *box)
{
    struct tcp *tcp = link_of(peer);
    zmq_msg_t message;
    size_t size;
    int went = 1, rc = SKEP_OK;

    if (!tcp->listens && is_cut(tcp))
        return SKEP_ECLOSED;
    while (box->n > 0 && went == 1 && rc == SKEP_OK) {
        if ((rc = next_message(box, &message, &size)) != SKEP_OK)
            break;
        pthread_mutex_lock(&tcp->lock);
        went = try_send(tcp, (struct tcp_peer *)peer, &message);
        look_again(tcp);
        pthread_mutex_unlock(&tcp->lock);
        if (went == 1)
            skepi_outbox_drop(box, size);
        zmq_msg_close(&message);
    }
    return went < 0 ? went : rc;
}

/* ---- in ------------------------------------------------------------------------------------------ */

struct wrapped { /* a big message, where ZeroMQ has received it */
    struct skepi_chunk chunk;
    zmq_msg_t message;
};

static void release_wrapped(struct skepi_chunk *chunk)
{
    struct wrapped *wrapped = (struct wrapped *)chunk;

    zmq_msg_close(&wrapped->message);
    free(wrapped);
}

struct to_peer {
    struct tcp *tcp;
    struct tcp_peer *peer;
};

static int message_of(void *arg, struct skepi_message *message, struct skepi_chunk *chunk, skep_error *err)
{
    struct to_peer *to = arg;

    return to->tcp->events->message(to->tcp->arg, &to->peer->base, message, chunk, err);
}

/* Takes the ZeroMQ message. Small ones are copied together: they come from wherever ZeroMQ had them. */
static int take_message(struct to_peer *to, zmq_msg_t *message, skep_error *err)
{
    struct skepi_inbox *in = &to->tcp->in;
    size_t size = zmq_msg_size(message);
    unsigned char *data = zmq_msg_data(message);
    struct wrapped *wrapped = NULL;
    int rc;

    if (size > SKEPI_RUN_MAX && (uintptr_t)data % 8 == 0) {
        if ((wrapped = calloc(1, sizeof *wrapped)) == NULL)
            return skep_fail(err, SKEP_ENOMEM, "no memory for a message of %zu bytes", size);
        wrapped->chunk = (struct skepi_chunk){.size = size, .data = data, .release = release_wrapped};
        atomic_init(&wrapped->chunk.refs, 1);
        zmq_msg_init(&wrapped->message);
        zmq_msg_move(&wrapped->message, message);
        rc = skepi_run_each(data, size, &wrapped->chunk, message_of, to, err);
        skepi_chunk_unref(&wrapped->chunk);
        return rc;
    }
    if (size > SKEPI_RUN_MAX)
        return skep_fail(err, SKEP_EINTERNAL, "ZeroMQ has put a message of %zu bytes at an odd place", size);
    if (skepi_inbox_room(in) != SKEP_OK)
        return skep_fail(err, SKEP_ENOMEM, "no memory to receive into");
    memcpy(in->chunk->data + in->used, data, size);
    data = in->chunk->data + in->used;
    in->used += (size + 7) & ~(size_t)7;
    return skepi_run_each(data, size, in->chunk, message_of, to, err);
}

static struct tcp_peer *find_peer(struct tcp *tcp, const void *identity, size_t size)
{
    struct tcp_peer *peer = tcp->last;

    if (peer != NULL && peer->identity_size == size && memcmp(peer->identity, identity, size) == 0)
        return peer;
    for (peer = tcp->peers; peer != NULL; peer = peer->next)
        if (peer->identity_size == size && memcmp(peer->identity, identity, size) == 0)
            return tcp->last = peer;
    return NULL;
}

static void set_timer(struct tcp *tcp, int ms)
{
    const struct itimerspec every = {{ms / 1000, ms % 1000 * 1000000L}, {ms / 1000, ms % 1000 * 1000000L}};

    timerfd_settime(tcp->timer.fd, 0, &every, NULL);
}

static struct tcp_peer *peer_new(struct tcp *tcp, const void *identity, size_t size)
{
    struct tcp_peer *peer = calloc(1, sizeof *peer);

    if (peer == NULL)
        return NULL;
    peer->base.link = &tcp->base;
    memcpy(peer->identity, identity, size);
    peer->identity_size = size;
    if (tcp->listens && tcp->peers == NULL)
        set_timer(tcp, BEAT_MS);
    peer->next = tcp->peers;
    tcp->peers = peer;
    return peer;
}

static void peer_free(struct tcp *tcp, struct tcp_peer *peer)
{
    struct tcp_peer **here = &tcp->peers;

    while (*here != peer)
        here = &(*here)->next;
    *here = peer->next;
    tcp->last = NULL;
    free(peer);
    if (tcp->listens && tcp->peers == NULL)
        set_timer(tcp, 0);
}

/* Its connection can't be ended from here: it is not listened to until it ends by itself. */
static void refuse(struct tcp *tcp, struct tcp_peer *peer, const skep_error *why)
{
    if (!peer->refused)
        tcp->events->left(tcp->arg, &peer->base, why);
    peer->refused = 1;
    peer->wants = 0;
}

/* Who has sent this? Somebody new is introduced. NULL: it is dropped. */
static struct tcp_peer *sender_of(struct tcp *tcp, zmq_msg_t *identity)
{
    struct tcp_peer *peer;
    const char *from;

    if (!tcp->listens)
        return tcp->peers;
    peer = find_peer(tcp, zmq_msg_data(identity), zmq_msg_size(identity));
    if (peer == NULL && zmq_msg_size(identity) <= IDENTITY_MAX &&
        (peer = peer_new(tcp, zmq_msg_data(identity), zmq_msg_size(identity))) != NULL) {
        from = zmq_msg_gets(identity, "Peer-Address");
        snprintf(peer->base.name, sizeof peer->base.name, "at %s", from == NULL ? "?" : from);
        if (tcp->events->joined(tcp->arg, &peer->base) != SKEP_OK)
            peer->refused = 1;
    }
    return peer == NULL || peer->refused ? NULL : peer;
}

/* One ZeroMQ message with its parts. 0: there is none. With the lock held. */
static int receive_parts(struct tcp *tcp, zmq_msg_t *identity, zmq_msg_t *body)
{
    zmq_msg_t rest;

    if (zmq_msg_recv(tcp->listens ? identity : body, tcp->zmq, ZMQ_DONTWAIT) < 0)
        return 0;
    if (tcp->listens && (!zmq_msg_more(identity) || zmq_msg_recv(body, tcp->zmq, ZMQ_DONTWAIT) < 0))
        return 1;
    while (zmq_msg_more(body)) { /* nobody of ours sends more parts */
        zmq_msg_init(&rest);
        if (zmq_msg_recv(&rest, tcp->zmq, ZMQ_DONTWAIT) < 0 || !zmq_msg_more(&rest)) {
            zmq_msg_close(&rest);
            break;
        }
        zmq_msg_close(&rest);
    }
    return 1;
}

static int receive_one(struct tcp *tcp)
{
    zmq_msg_t identity, body;
    struct to_peer to = {.tcp = tcp};
    skep_error why;
    int got;

    zmq_msg_init(&identity);
    zmq_msg_init(&body);
    pthread_mutex_lock(&tcp->lock);
    got = receive_parts(tcp, &identity, &body);
    pthread_mutex_unlock(&tcp->lock);
    if (got && (to.peer = sender_of(tcp, &identity)) != NULL && take_message(&to, &body, &why) != SKEP_OK)
        refuse(tcp, to.peer, &why);
    zmq_msg_close(&identity);
    zmq_msg_close(&body);
    return got;
}

static void receive_some(struct tcp *tcp)
{
    int n = 0;

    while (n < RECEIVE_MESSAGES && receive_one(tcp))
        n++;
    pthread_mutex_lock(&tcp->lock);
    look_again(tcp);
    pthread_mutex_unlock(&tcp->lock);
}

static void socket_ready(struct skepi_watch *watch, uint32_t events)
{
    (void)events;
    receive_some((struct tcp *)((char *)watch - offsetof(struct tcp, socket)));
}

/* ---- who is still there -------------------------------------------------------------------------- */

/* A word to a client. 0: it is gone. */
static int is_there(struct tcp *tcp, struct tcp_peer *peer)
{
    const struct skepi_control ping = {.kind = SKEPI_PING};
    struct skepi_outbox box = {0};
    int rc = skepi_control_add(&box, &ping);

    if (rc == SKEP_OK)
        rc = tcp_send(&peer->base, &box);
    (void)tcp;
    skepi_outbox_fini(&box);
    return rc != SKEP_ECLOSED;
}

static void timer_ready(struct skepi_watch *watch, uint32_t events)
{
    struct tcp *tcp = (struct tcp *)((char *)watch - offsetof(struct tcp, timer));
    struct tcp_peer *next;
    skep_error gone;
    uint64_t count;
    int wants = 0;

    (void)events;
    if (read(watch->fd, &count, sizeof count) < 0)
        return;
    skep_fail(&gone, SKEP_ECLOSED, "the peer is gone");
    for (struct tcp_peer *peer = tcp->peers; peer != NULL; peer = next) {
        next = peer->next;
        if (peer->wants && !peer->refused)
            tcp->events->writable(tcp->arg, &peer->base);
        if (!is_there(tcp, peer)) {
            refuse(tcp, peer, &gone);
            peer_free(tcp, peer);
            continue;
        }
        wants |= peer->wants;
    }
    if (tcp->peers != NULL)
        set_timer(tcp, wants ? RETRY_MS : BEAT_MS);
}

static void look_at_events(struct tcp *tcp)
{
    skep_error gone;
    int disconnected;

    pthread_mutex_lock(&tcp->lock);
    disconnected = is_disconnected(tcp);
    pthread_mutex_unlock(&tcp->lock);
    if (!disconnected || tcp->peers->refused)
        return;
    while (receive_one(tcp)) /* what it said before counts */
        ;
    skep_fail(&gone, SKEP_ECLOSED, "the peer is gone");
    refuse(tcp, tcp->peers, &gone);
}

static void monitor_ready(struct skepi_watch *watch, uint32_t events)
{
    (void)events;
    look_at_events((struct tcp *)((char *)watch - offsetof(struct tcp, monitor)));
}

static void again_ready(struct skepi_watch *watch, uint32_t events)
{
    eventfd_t count;

    (void)events;
    eventfd_read(watch->fd, &count);
    receive_some((struct tcp *)((char *)watch - offsetof(struct tcp, again)));
    look_at_events((struct tcp *)((char *)watch - offsetof(struct tcp, again)));
}

/* ---- open and close ------------------------------------------------------------------------------ */

static void unwatch(struct tcp *tcp, struct skepi_watch *watch, int ours)
{
    if (watch->fd < 0)
        return;
    skepi_loop_remove(tcp->loop, watch);
    if (ours)
        close(watch->fd);
}

static void tcp_close(struct skepi_link *link)
{
    struct tcp *tcp = (struct tcp *)link;

    if (tcp == NULL)
        return;
    unwatch(tcp, &tcp->socket, 0);
    unwatch(tcp, &tcp->monitor, 0);
    unwatch(tcp, &tcp->again, 1);
    while (tcp->peers != NULL) {
        struct tcp_peer *peer = tcp->peers;

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

static int watch_fd(struct tcp *tcp, struct skepi_watch *watch, int fd, void (*func)(struct skepi_watch *, uint32_t),
                    skep_error *err)
{
    if (fd < 0)
        return skep_fail(err, skep_err_from_errno(errno), "a descriptor for tcp://: %s", strerror(errno));
    *watch = (struct skepi_watch){fd, func};
    return skepi_loop_add(tcp->loop, watch, EPOLLIN, err);
}

static int watch_zmq(struct tcp *tcp, void *zmq, struct skepi_watch *watch, void (*func)(struct skepi_watch *, uint32_t),
                     skep_error *err)
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

static int tcp_new(int listens, struct skepi_loop *loop, const struct skepi_link_events *events, void *arg, struct tcp **out,
                   skep_error *err)
{
    const int64_t most = (int64_t)SKEPI_MESSAGE_MAX;
    struct tcp *tcp = calloc(1, sizeof *tcp);
    int rc = SKEP_OK;

    if (tcp == NULL)
        return skep_fail(err, SKEP_ENOMEM, "no memory for a link");
    *tcp = (struct tcp){.base = {&skepi_link_tcp}, .loop = loop, .events = events, .arg = arg, .listens = listens};
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
        rc = watch_fd(tcp, &tcp->again, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), again_ready, err);
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
static int find_address(struct tcp *tcp, const char *host, skep_error *err)
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
    struct tcp *tcp = NULL;
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
        rc = watch_fd(tcp, &tcp->timer, timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), timer_ready, err);
    if (rc == SKEP_OK)
        *take = &tcp->base;
    else
        tcp_close(&tcp->base);
    return rc;
}

/* Until the connection stands. */
static int wait_connected(struct tcp *tcp, const char *where, uint64_t by_ns, skep_error *err)
{
    uint64_t told_ns = skep_in_ms(5000), now;
    int event, connected = 0;

    while (!connected) {
        while ((event = next_event(tcp)) != 0)
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
    struct tcp *tcp = NULL;
    struct tcp_peer *peer;
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
        rc = watch_zmq(tcp, tcp->events_of, &tcp->monitor, monitor_ready, err);
    if (rc == SKEP_OK && (peer = peer_new(tcp, "", 0)) == NULL)
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
    int n = snprintf(out, cap, "%s", ((struct tcp *)link)->address);

    return n < 0 || (size_t)n >= cap ? SKEP_ETOOBIG : SKEP_OK;
}

static void tcp_notify(struct skepi_peer *peer, int on)
{
    ((struct tcp_peer *)peer)->wants = on;
    if (on)
        set_timer(link_of(peer), RETRY_MS);
}

static void tcp_wait(struct skepi_peer *peer, uint64_t by_ns)
{
    const struct timespec pause = {0, RETRY_MS * 1000000};

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
    .send = tcp_send,
    .notify = tcp_notify,
    .wait = tcp_wait,
    .close = tcp_close,
};
