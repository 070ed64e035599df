/* ipc.c - links of this host and this user: unix SEQPACKET sockets. */
#include "steering/queues/link.h"
#include "steering/queues/packet.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <skep/clock.h>
#include <skep/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    BACKLOG = 128,
    RECEIVE_BUDGET = 512 << 10,
    SOCKET_BUFFER = 1 << 20,
    LOCK_MS = 10000, /* for another server that starts at the same place */
    CROWDED_MS = 100 /* between looks whether there are descriptors again */
};

struct place {
    struct sockaddr_un address;
    socklen_t size;
    int is_file;     /* 0: an abstract name, which leaves no file and is gone with its server */
    char shown[120]; /* "ipc:///tmp/hive.sock", "ipc://@hive" */
};

struct ipc_peer {
    struct skepi_peer base;
    struct skepi_watch watch;
    struct skepi_inbox in;
    struct ipc_peer *next, **here; /* in its link's list */
};

struct ipc {
    struct skepi_link base;
    struct skepi_watch watch; /* the listening socket; fd -1 where it is connected */
    struct skepi_watch later; /* a timer: clients wait that there were no descriptors for */
    int crowded;              /* and that has been logged */
    struct skepi_loop *loop;
    const struct skepi_link_events *events;
    void *arg;
    struct ipc_peer *peers;
    struct place place;
};

static const skep_option options[] = {{NULL, 0, 0, NULL, NULL, NULL}};

/* ---- peers --------------------------------------------------------------------------------------- */

static struct ipc *link_of(struct skepi_peer *peer)
{
    return (struct ipc *)peer->link;
}

static void peer_free(struct ipc_peer *peer)
{
    struct ipc *ipc = link_of(&peer->base);

    if (peer->here != NULL) {
        *peer->here = peer->next;
        if (peer->next != NULL)
            peer->next->here = peer->here;
    }
    if (peer->watch.fd >= 0) {
        skepi_loop_remove(ipc->loop, &peer->watch);
        shutdown(peer->watch.fd, SHUT_RDWR); /* a child of this process may have it open too */
        close(peer->watch.fd);
    }
    skepi_inbox_fini(&peer->in);
    free(peer);
}

static void peer_left(struct ipc_peer *peer, const skep_error *why)
{
    struct ipc *ipc = link_of(&peer->base);

    skepi_loop_remove(ipc->loop, &peer->watch);
    ipc->events->left(ipc->arg, &peer->base, why);
    if (ipc->watch.fd >= 0)
        peer_free(peer);
}

static int peer_message(void *arg, struct skepi_message *message, struct skepi_chunk *chunk, skep_error *err)
{
    struct ipc_peer *peer = arg;
    struct ipc *ipc = link_of(&peer->base);

    return ipc->events->message(ipc->arg, &peer->base, message, chunk, err);
}

static void peer_ready(struct skepi_watch *watch, uint32_t events)
{
    struct ipc_peer *peer = (struct ipc_peer *)((char *)watch - offsetof(struct ipc_peer, watch));
    struct ipc *ipc = link_of(&peer->base);
    skep_error why;

    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 &&
        skepi_packet_receive(watch->fd, &peer->in, 0, RECEIVE_BUDGET, peer_message, peer, NULL, &why) != SKEP_OK)
        peer_left(peer, &why);
    else if ((events & EPOLLOUT) != 0)
        ipc->events->writable(ipc->arg, &peer->base);
}

/* Takes the socket, also when it fails. */
static int peer_new(struct ipc *ipc, int fd, struct ipc_peer **out, skep_error *err)
{
    struct ipc_peer *peer = calloc(1, sizeof *peer);
    struct ucred who;
    socklen_t size = sizeof who;
    int buffer = SOCKET_BUFFER, rc;

    if (peer == NULL) {
        close(fd);
        return skep_fail(err, SKEP_ENOMEM, "no memory for a connection");
    }
    peer->base.link = &ipc->base;
    peer->watch = (struct skepi_watch){fd, peer_ready};
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0)
        rc = skep_fail(err, SKEP_EIO, "who is there: %s", strerror(errno));
    else if (who.uid != geteuid())
        rc = skep_fail(err, SKEP_EDENIED, "user %u is at the other end: ipc:// is for one user, and this is user %u",
                       who.uid, geteuid());
    else
        rc = skepi_loop_add(ipc->loop, &peer->watch, EPOLLIN, err);
    if (rc != SKEP_OK) {
        peer_free(peer);
        return rc;
    }
    snprintf(peer->base.name, sizeof peer->base.name, "pid %d", (int)who.pid);
    peer->next = ipc->peers;
    peer->here = &ipc->peers;
    if (peer->next != NULL)
        peer->next->here = &peer->next;
    ipc->peers = peer;
    *out = peer;
    return SKEP_OK;
}

/* ---- where --------------------------------------------------------------------------------------- */

/* ipc://PATH and ipc:///PATH: what stands between the slashes is the host of other URIs. ipc://@NAME has come as /@NAME. */
static int find_place(const skep_uri *uri, struct place *out, skep_error *err)
{
    const char *host = skep_uri_host(uri), *path = skep_uri_path(uri);
    size_t n = strlen(host), size;

    memset(out, 0, sizeof *out);
    out->is_file = n > 0 || strncmp(path, "/@", 2) != 0;
    path += out->is_file ? 0 : 1;
    size = n + strlen(path);
    if (size < (out->is_file ? 1 : 2))
        return skep_fail(err, SKEP_EINVAL, "ipc:// without a path or a name");
    if (size >= sizeof out->address.sun_path)
        return skep_fail(err, SKEP_EINVAL, "ipc://%s%s: %zu bytes; the names of sockets have %zu at most", host, path, size,
                         sizeof out->address.sun_path - 1);
    out->address.sun_family = AF_UNIX;
    memcpy(out->address.sun_path, host, n);
    memcpy(out->address.sun_path + n, path, size - n + 1);
    snprintf(out->shown, sizeof out->shown, "ipc://%s", out->address.sun_path);
    out->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    if (out->is_file)
        out->size++; /* with its NUL */
    else
        out->address.sun_path[0] = '\0'; /* it stands where the '@' is shown */
    return SKEP_OK;
}

/* A connected socket, or -1 with errno. */
static int reach(const struct place *place)
{
    const struct timeval patience = {1, 0}; /* a stopped server does not accept */
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), why;

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (const struct sockaddr *)&place->address, place->size) == 0)
        return fd;
    why = errno;
    close(fd);
    errno = why;
    return -1;
}

/* The process that serves there; 0: nobody; -1: somebody. */
static pid_t served_by(const struct place *place)
{
    struct ucred who = {0};
    socklen_t size = sizeof who;
    int fd = reach(place);

    if (fd < 0)
        return errno == ENOENT || errno == ECONNREFUSED ? 0 : -1;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0)
        who.pid = -1;
    close(fd);
    return who.pid;
}

static int try_lock(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), why;

    if (fd < 0)
        return -1;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0) {
        if (st.st_nlink > 0)
            return fd;
        errno = EWOULDBLOCK; /* who had it has removed it */
    }
    why = errno;
    close(fd);
    errno = why;
    return -1;
}

/* PATH.lock, a file of its own: whoever looks whether a server lives and then replaces its socket is alone. The file is
 * there only as long as the lock. */
static int lock_place(const struct place *place, uint64_t by_ns, int *out, skep_error *err)
{
    const struct timespec pause = {0, 5000000};
    char path[sizeof place->address.sun_path + 8];
    uint64_t most = skep_in_ms(LOCK_MS);

    by_ns = by_ns < most ? by_ns : most;
    snprintf(path, sizeof path, "%s.lock", place->address.sun_path);
    while ((*out = try_lock(path)) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return skep_fail(err, skep_err_from_errno(errno), "%s: its lock %s: %s", place->shown, path, strerror(errno));
        if (skep_now_ns() >= by_ns)
            return skep_fail(err, SKEP_EBUSY, "%s: somebody else holds its lock %s", place->shown, path);
        nanosleep(&pause, NULL);
    }
    return SKEP_OK;
}

static void unlock_place(const struct place *place, int fd)
{
    char path[sizeof place->address.sun_path + 8];

    if (fd < 0)
        return;
    snprintf(path, sizeof path, "%s.lock", place->address.sun_path);
    unlink(path);
    close(fd);
}

/* ---- listening ----------------------------------------------------------------------------------- */

/* No descriptors: leave those who wait alone for a moment, for the socket would tell of them without end. */
static void rest(struct ipc *ipc)
{
    const struct itimerspec once = {.it_value = {CROWDED_MS / 1000, CROWDED_MS % 1000 * 1000000L}};
    struct rlimit limit = {0, 0};
    int why = errno;

    getrlimit(RLIMIT_NOFILE, &limit);
    if (!ipc->crowded)
        skep_log(SKEP_LOG_WARN, "ipc", "clients of %s wait: %s; this process may have %llu descriptors (ulimit -n)",
                 ipc->place.shown, strerror(why), (unsigned long long)limit.rlim_cur);
    ipc->crowded = 1;
    skepi_loop_change(ipc->loop, &ipc->watch, 0);
    timerfd_settime(ipc->later.fd, 0, &once, NULL);
}

static void accept_all(struct ipc *ipc)
{
    struct ipc_peer *peer;
    skep_error why;
    int fd;

    while ((fd = accept4(ipc->watch.fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        if (peer_new(ipc, fd, &peer, &why) != SKEP_OK)
            skep_log(SKEP_LOG_WARN, "ipc", "a client of %s was turned away: %s", ipc->place.shown, why.text);
        else if (ipc->events->joined(ipc->arg, &peer->base) != SKEP_OK)
            peer_free(peer);
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
        rest(ipc);
    else
        ipc->crowded = 0;
}

static void listen_ready(struct skepi_watch *watch, uint32_t events)
{
    (void)events;
    accept_all((struct ipc *)((char *)watch - offsetof(struct ipc, watch)));
}

static void later_ready(struct skepi_watch *watch, uint32_t events)
{
    struct ipc *ipc = (struct ipc *)((char *)watch - offsetof(struct ipc, later));
    uint64_t count;

    (void)events;
    if (read(watch->fd, &count, sizeof count) < 0)
        return;
    skepi_loop_change(ipc->loop, &ipc->watch, EPOLLIN);
    accept_all(ipc);
}

/* Bind, replacing the socket file of a server that is no more. The place is locked. */
static int bind_alone(int fd, const struct place *place, skep_error *err)
{
    const struct sockaddr *where = (const struct sockaddr *)&place->address;
    struct stat st;
    pid_t pid;

    if (bind(fd, where, place->size) == 0)
        return SKEP_OK;
    if (errno != EADDRINUSE)
        return skep_fail(err, skep_err_from_errno(errno), "%s: %s", place->shown, strerror(errno));
    if (place->is_file && (lstat(place->address.sun_path, &st) != 0 || !S_ISSOCK(st.st_mode)))
        return skep_fail(err, SKEP_EEXIST, "%s: there is a file of that name, which is not a socket", place->shown);
    if ((pid = served_by(place)) != 0 || !place->is_file)
        return skep_fail(err, SKEP_EBUSY, "%s: another server listens there (pid %d)", place->shown, (int)pid);
    unlink(place->address.sun_path);
    if (bind(fd, where, place->size) != 0)
        return skep_fail(err, skep_err_from_errno(errno), "%s: %s", place->shown, strerror(errno));
    return SKEP_OK;
}

static int start_listening(struct ipc *ipc, uint64_t by_ns, skep_error *err)
{
    const struct place *place = &ipc->place;
    int lock = -1, fd, rc = place->is_file ? lock_place(place, by_ns, &lock, err) : SKEP_OK;

    if (rc != SKEP_OK)
        return rc;
    if ((fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0) {
        rc = skep_fail(err, skep_err_from_errno(errno), "%s: %s", place->shown, strerror(errno));
    } else {
        fchmod(fd, 0600); /* before bind, which gives the file these permissions: it is never open to others */
        rc = bind_alone(fd, place, err);
        if (rc == SKEP_OK && listen(fd, BACKLOG) != 0)
            rc = skep_fail(err, SKEP_EIO, "%s: %s", place->shown, strerror(errno));
    }
    unlock_place(place, lock);
    if (rc != SKEP_OK && fd >= 0)
        close(fd);
    else
        ipc->watch = (struct skepi_watch){fd, listen_ready};
    return rc;
}

/* Unless somebody else has put a socket of his own there. No lock is needed: nobody replaces the socket of a server that
 * listens still. Those who wait to be accepted are in the way of the look. */
static void remove_file(const struct ipc *ipc)
{
    pid_t pid = -1;
    int fd;

    for (int i = 0; i < 3 && pid == -1; i++) {
        while ((fd = accept4(ipc->watch.fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
            close(fd);
        pid = served_by(&ipc->place);
    }
    if (pid == getpid())
        unlink(ipc->place.address.sun_path);
}

static void ipc_close(struct skepi_link *link)
{
    struct ipc *ipc = (struct ipc *)link;

    if (ipc == NULL)
        return;
    while (ipc->peers != NULL)
        peer_free(ipc->peers);
    if (ipc->watch.fd >= 0) {
        if (ipc->place.is_file)
            remove_file(ipc);
        skepi_loop_remove(ipc->loop, &ipc->watch);
        close(ipc->watch.fd);
    }
    if (ipc->later.fd >= 0) {
        skepi_loop_remove(ipc->loop, &ipc->later);
        close(ipc->later.fd);
    }
    free(ipc);
}

static int ipc_new(const skep_uri *uri, struct skepi_loop *loop, const struct skepi_link_events *events, void *arg,
                   struct ipc **out, skep_error *err)
{
    struct ipc *ipc = calloc(1, sizeof *ipc);
    int rc;

    if (ipc == NULL)
        return skep_fail(err, SKEP_ENOMEM, "no memory for a link");
    *ipc = (struct ipc){.base = {&skepi_link_ipc},
                        .watch = {-1, NULL},
                        .later = {-1, later_ready},
                        .loop = loop,
                        .events = events,
                        .arg = arg};
    if ((rc = find_place(uri, &ipc->place, err)) == SKEP_OK)
        *out = ipc;
    else
        free(ipc);
    return rc;
}

static int watch_later(struct ipc *ipc, skep_error *err)
{
    if ((ipc->later.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) < 0)
        return skep_fail(err, skep_err_from_errno(errno), "a timer: %s", strerror(errno));
    return skepi_loop_add(ipc->loop, &ipc->later, EPOLLIN, err);
}

static int ipc_listen(const skep_uri *uri, struct skepi_loop *loop, const struct skepi_link_events *events, void *arg,
                      uint64_t by_ns, struct skepi_link **take, skep_error *err)
{
    struct ipc *ipc;
    int rc = ipc_new(uri, loop, events, arg, &ipc, err);

    if (rc != SKEP_OK)
        return rc;
    if ((rc = watch_later(ipc, err)) == SKEP_OK && (rc = start_listening(ipc, by_ns, err)) == SKEP_OK &&
        (rc = skepi_loop_add(loop, &ipc->watch, EPOLLIN, err)) == SKEP_OK) {
        *take = &ipc->base;
        return SKEP_OK;
    }
    ipc_close(&ipc->base);
    return rc;
}

/* ---- connecting ---------------------------------------------------------------------------------- */

/* Try until the server is there. What tells that it is not yet: no file, or nobody behind it. */
static int reach_by(const struct place *place, uint64_t by_ns, int *out, skep_error *err)
{
    uint64_t told_ns = skep_in_ms(5000), now;
    struct timespec pause = {0, 1000000};

    while ((*out = reach(place)) < 0) {
        if (errno != ENOENT && errno != ECONNREFUSED && errno != EAGAIN && errno != EINTR)
            return skep_fail(err, errno == EACCES ? SKEP_EDENIED : SKEP_EUNREACH, "%s: %s", place->shown, strerror(errno));
        if ((now = skep_now_ns()) >= by_ns)
            return skep_fail(err, SKEP_EUNREACH, "%s: no task server is there: %s", place->shown, strerror(errno));
        if (now > told_ns) {
            skep_log(SKEP_LOG_WARN, "queues", "still waiting for a task server at %s", place->shown);
            told_ns = SKEP_FOREVER;
        }
        nanosleep(&pause, NULL);
        if (pause.tv_nsec < 32000000)
            pause.tv_nsec *= 2;
    }
    return SKEP_OK;
}

static int ipc_connect(const skep_uri *uri, struct skepi_loop *loop, const struct skepi_link_events *events, void *arg,
                       uint64_t by_ns, struct skepi_link **take, struct skepi_peer **lend, skep_error *err)
{
    struct ipc *ipc;
    struct ipc_peer *peer;
    int fd, rc = ipc_new(uri, loop, events, arg, &ipc, err);

    if (rc != SKEP_OK)
        return rc;
    if ((rc = reach_by(&ipc->place, by_ns, &fd, err)) == SKEP_OK && (rc = peer_new(ipc, fd, &peer, err)) == SKEP_OK) {
        *take = &ipc->base;
        *lend = &peer->base;
        return SKEP_OK;
    }
    ipc_close(&ipc->base);
    return rc;
}

/* ---- both ---------------------------------------------------------------------------------------- */

static int ipc_address(struct skepi_link *link, char *out, size_t cap)
{
    int n = snprintf(out, cap, "%s", ((struct ipc *)link)->place.shown);

    return n < 0 || (size_t)n >= cap ? SKEP_ETOOBIG : SKEP_OK;
}

static int ipc_send(struct skepi_peer *peer, struct skepi_outbox *box)
{
    return skepi_packet_send(((struct ipc_peer *)peer)->watch.fd, box, 0);
}

static void ipc_notify(struct skepi_peer *peer, int on)
{
    skepi_loop_change(link_of(peer)->loop, &((struct ipc_peer *)peer)->watch, EPOLLIN | (on ? EPOLLOUT : 0));
}

static void ipc_wait(struct skepi_peer *peer, uint64_t by_ns)
{
    struct pollfd p = {.fd = ((struct ipc_peer *)peer)->watch.fd, .events = POLLOUT};
    uint64_t now = skep_now_ns(), ms = by_ns <= now ? 0 : (by_ns - now + 999999) / 1000000;

    poll(&p, 1, by_ns == SKEP_FOREVER ? -1 : ms > INT_MAX ? INT_MAX : (int)ms);
}

const struct skepi_link_ops skepi_link_ipc = {
    .scheme = "ipc",
    .trusted = 1,
    .options = options,
    .listen = ipc_listen,
    .connect = ipc_connect,
    .address = ipc_address,
    .send = ipc_send,
    .notify = ipc_notify,
    .wait = ipc_wait,
    .close = ipc_close,
};
