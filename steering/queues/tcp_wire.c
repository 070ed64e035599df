/* tcp_wire.c - messages over ZeroMQ, out and in, and who they come from.
 *
 * A ZeroMQ message is a run of small messages, or one big message.
 */
#include "steering/queues/tcp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <zmq.h>

enum { RECEIVE_MESSAGES = 64 };

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
static int try_send(struct skepi_tcp *tcp, const struct skepi_tcp_peer *peer, zmq_msg_t *message)
{
    if (tcp->listens && zmq_send(tcp->zmq, peer->identity, peer->identity_size, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : SKEP_ECLOSED;
    while (zmq_msg_send(message, tcp->zmq, ZMQ_DONTWAIT) < 0)
        if (errno != EINTR)
            return errno == EAGAIN ? 0 : SKEP_ECLOSED;
    return 1;
}

/* A call on the socket may have taken notice of what the descriptor would have told whoever polls. With the lock held. */
static void look_again(struct skepi_tcp *tcp)
{
    int what = 0;
    size_t size = sizeof what;

    if (zmq_getsockopt(tcp->zmq, ZMQ_EVENTS, &what, &size) == 0 && (what & ZMQ_POLLIN) != 0)
        eventfd_write(tcp->again.fd, 1);
}

int skepi_tcp_send(struct skepi_peer *peer, struct skepi_outbox *box)
{
    struct skepi_tcp *tcp = skepi_tcp_of(peer);
    zmq_msg_t message;
    size_t size;
    int went = 1, rc = SKEP_OK;

    if (!tcp->listens && skepi_tcp_is_cut(tcp))
        return SKEP_ECLOSED;
    while (box->n > 0 && went == 1 && rc == SKEP_OK) {
        if ((rc = next_message(box, &message, &size)) != SKEP_OK)
            break;
        pthread_mutex_lock(&tcp->lock);
        went = try_send(tcp, (struct skepi_tcp_peer *)peer, &message);
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
    struct skepi_tcp *tcp;
    struct skepi_tcp_peer *peer;
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

static struct skepi_tcp_peer *find_peer(struct skepi_tcp *tcp, const void *identity, size_t size)
{
    struct skepi_tcp_peer *peer = tcp->last;

    if (peer != NULL && peer->identity_size == size && memcmp(peer->identity, identity, size) == 0)
        return peer;
    for (peer = tcp->peers; peer != NULL; peer = peer->next)
        if (peer->identity_size == size && memcmp(peer->identity, identity, size) == 0)
            return tcp->last = peer;
    return NULL;
}

struct skepi_tcp_peer *skepi_tcp_peer_new(struct skepi_tcp *tcp, const void *identity, size_t size)
{
    struct skepi_tcp_peer *peer = calloc(1, sizeof *peer);

    if (peer == NULL)
        return NULL;
    peer->base.link = &tcp->base;
    memcpy(peer->identity, identity, size);
    peer->identity_size = size;
    if (tcp->listens && tcp->peers == NULL)
        skepi_tcp_set_timer(tcp, SKEPI_TCP_BEAT_MS);
    peer->next = tcp->peers;
    tcp->peers = peer;
    return peer;
}

void skepi_tcp_peer_free(struct skepi_tcp *tcp, struct skepi_tcp_peer *peer)
{
    struct skepi_tcp_peer **here = &tcp->peers;

    while (*here != peer)
        here = &(*here)->next;
    *here = peer->next;
    tcp->last = NULL;
    free(peer);
    if (tcp->listens && tcp->peers == NULL)
        skepi_tcp_set_timer(tcp, 0);
}

void skepi_tcp_refuse(struct skepi_tcp *tcp, struct skepi_tcp_peer *peer, const skep_error *why)
{
    if (!peer->refused)
        tcp->events->left(tcp->arg, &peer->base, why);
    peer->refused = 1;
    peer->wants = 0;
}

/* Who has sent this? Somebody new is introduced. NULL: it is dropped. */
static struct skepi_tcp_peer *sender_of(struct skepi_tcp *tcp, zmq_msg_t *identity)
{
    struct skepi_tcp_peer *peer;
    const char *from;

    if (!tcp->listens)
        return tcp->peers;
    peer = find_peer(tcp, zmq_msg_data(identity), zmq_msg_size(identity));
    if (peer == NULL && zmq_msg_size(identity) <= SKEPI_TCP_IDENTITY_MAX &&
        (peer = skepi_tcp_peer_new(tcp, zmq_msg_data(identity), zmq_msg_size(identity))) != NULL) {
        from = zmq_msg_gets(identity, "Peer-Address");
        snprintf(peer->base.name, sizeof peer->base.name, "at %s", from == NULL ? "?" : from);
        if (tcp->events->joined(tcp->arg, &peer->base) != SKEP_OK)
            peer->refused = 1;
    }
    return peer == NULL || peer->refused ? NULL : peer;
}

/* One ZeroMQ message with its parts. 0: there is none. With the lock held. */
static int receive_parts(struct skepi_tcp *tcp, zmq_msg_t *identity, zmq_msg_t *body)
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

int skepi_tcp_receive_one(struct skepi_tcp *tcp)
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
        skepi_tcp_refuse(tcp, to.peer, &why);
    zmq_msg_close(&identity);
    zmq_msg_close(&body);
    return got;
}

void skepi_tcp_receive_some(struct skepi_tcp *tcp)
{
    int n = 0;

    while (n < RECEIVE_MESSAGES && skepi_tcp_receive_one(tcp))
        n++;
    pthread_mutex_lock(&tcp->lock);
    look_again(tcp);
    pthread_mutex_unlock(&tcp->lock);
}
