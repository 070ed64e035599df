/* tcp_alive.c - who is still there.
 *
 * ZeroMQ does not tell who is gone: a server sends each client a word twice a second, which fails when it is; a client
 * watches its socket's own events.
 */
#include "steering/queues/control.h"
#include "steering/queues/tcp.h"

#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <zmq.h>

/* ---- a server's clients -------------------------------------------------------------------------- */

void skepi_tcp_set_timer(struct skepi_tcp *tcp, int ms)
{
    const struct itimerspec every = {{ms / 1000, ms % 1000 * 1000000L}, {ms / 1000, ms % 1000 * 1000000L}};

    timerfd_settime(tcp->timer.fd, 0, &every, NULL);
}

/* A word to a client. 0: it is gone. */
static int is_there(struct skepi_tcp_peer *peer)
{
    const struct skepi_control ping = {.kind = SKEPI_PING};
    struct skepi_outbox box = {0};
    int rc = skepi_control_add(&box, &ping);

    if (rc == SKEP_OK)
        rc = skepi_tcp_send(&peer->base, &box);
    skepi_outbox_fini(&box);
    return rc != SKEP_ECLOSED;
}

void skepi_tcp_timer_ready(struct skepi_watch *watch, uint32_t events)
{
    struct skepi_tcp *tcp = (struct skepi_tcp *)((char *)watch - offsetof(struct skepi_tcp, timer));
    struct skepi_tcp_peer *next;
    skep_error gone;
    uint64_t count;
    int wants = 0;

    (void)events;
    if (read(watch->fd, &count, sizeof count) < 0)
        return;
    skep_fail(&gone, SKEP_ECLOSED, "the peer is gone");
    for (struct skepi_tcp_peer *peer = tcp->peers; peer != NULL; peer = next) {
        next = peer->next;
        if (peer->wants && !peer->refused)
            tcp->events->writable(tcp->arg, &peer->base);
        if (!is_there(peer)) {
            skepi_tcp_refuse(tcp, peer, &gone);
            skepi_tcp_peer_free(tcp, peer);
            continue;
        }
        wants |= peer->wants;
    }
    if (tcp->peers != NULL)
        skepi_tcp_set_timer(tcp, wants ? SKEPI_TCP_RETRY_MS : SKEPI_TCP_BEAT_MS);
}

/* ---- a client's server --------------------------------------------------------------------------- */

int skepi_tcp_next_event(struct skepi_tcp *tcp)
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
static int is_disconnected(struct skepi_tcp *tcp)
{
    int event;

    while (tcp->events_of != NULL && (event = skepi_tcp_next_event(tcp)) != 0)
        tcp->disconnected |= event == ZMQ_EVENT_DISCONNECTED;
    return tcp->disconnected;
}

/* ZeroMQ takes messages for who is gone. */
int skepi_tcp_is_cut(struct skepi_tcp *tcp)
{
    int cut;

    pthread_mutex_lock(&tcp->lock);
    if ((cut = is_disconnected(tcp)))
        eventfd_write(tcp->again.fd, 1);
    pthread_mutex_unlock(&tcp->lock);
    return cut;
}

static void look_at_events(struct skepi_tcp *tcp)
{
    skep_error gone;
    int disconnected;

    pthread_mutex_lock(&tcp->lock);
    disconnected = is_disconnected(tcp);
    pthread_mutex_unlock(&tcp->lock);
    if (!disconnected || tcp->peers->refused)
        return;
    while (skepi_tcp_receive_one(tcp)) /* what it said before counts */
        ;
    skep_fail(&gone, SKEP_ECLOSED, "the peer is gone");
    skepi_tcp_refuse(tcp, tcp->peers, &gone);
}

void skepi_tcp_monitor_ready(struct skepi_watch *watch, uint32_t events)
{
    (void)events;
    look_at_events((struct skepi_tcp *)((char *)watch - offsetof(struct skepi_tcp, monitor)));
}

void skepi_tcp_again_ready(struct skepi_watch *watch, uint32_t events)
{
    eventfd_t count;

    (void)events;
    eventfd_read(watch->fd, &count);
    skepi_tcp_receive_some((struct skepi_tcp *)((char *)watch - offsetof(struct skepi_tcp, again)));
    look_at_events((struct skepi_tcp *)((char *)watch - offsetof(struct skepi_tcp, again)));
}
