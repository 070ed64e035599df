/* packet.c - messages over a connected unix SEQPACKET socket. */
#include "steering/queues/packet.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define MAGIC UINT32_C(0x31706b73) /* "skp1" */

enum kind { RUN, BIG_FIRST, BIG_MORE };
enum { PACKETS = 8, PIECES = 64 };

_Static_assert(sizeof(struct skepi_packet) == 16, "the form of packets is fixed");

/* ---- out ----------------------------------------------------------------------------------------- */

struct burst { /* packets that are sent with one call */
    struct mmsghdr message[PACKETS];
    struct skepi_packet head[PACKETS];
    struct iovec iov[PACKETS][PIECES + 1];
    size_t payload[PACKETS];
    unsigned n;
};

/* A place in an outbox: `skip` bytes behind the begin of its i-th piece. */
struct place {
    size_t i, skip;
};

static size_t take(struct place *at, const struct skepi_piece *piece, size_t most, struct iovec *iov)
{
    size_t size = piece->size - at->skip;

    if (size > most)
        size = most;
    *iov = (struct iovec){(void *)(uintptr_t)(piece->data + at->skip), size};
    at->skip += size;
    if (at->skip == piece->size)
        *at = (struct place){at->i + 1, 0};
    return size;
}

/* As many whole runs as fit. */
static size_t fill_run(const struct skepi_outbox *box, struct place *at, struct iovec *iov, size_t *n)
{
    size_t size = 0;

    while (at->i < box->n && *n <= PIECES) {
        const struct skepi_piece *piece = skepi_outbox_at(box, at->i);

        if (piece->big != 0 || piece->size > SKEPI_RUN_MAX - size)
            break;
        size += take(at, piece, piece->size, &iov[(*n)++]);
    }
    return size;
}

/* The next part of a big message of which `left` bytes are left. */
static size_t fill_part(const struct skepi_outbox *box, struct place *at, size_t left, struct iovec *iov, size_t *n)
{
    size_t size = 0, most = left < SKEPI_RUN_MAX ? left : SKEPI_RUN_MAX;

    while (size < most && *n <= PIECES)
        size += take(at, skepi_outbox_at(box, at->i), most - size, &iov[(*n)++]);
    return size;
}

static void fill(struct burst *b, const struct skepi_outbox *box, struct place *at)
{
    const struct skepi_piece *piece = skepi_outbox_at(box, at->i);
    struct skepi_packet *head = &b->head[b->n];
    struct iovec *iov = b->iov[b->n];
    size_t n = 1, size, left = piece->big == 0 ? 0 : piece->big - at->skip;

    *head = (struct skepi_packet){.magic = MAGIC, .kind = RUN};
    if (piece->big == 0) {
        head->total = size = fill_run(box, at, iov, &n);
    } else {
        head->kind = piece->begins && at->skip == 0 ? BIG_FIRST : BIG_MORE;
        head->total = left;
        size = fill_part(box, at, left, iov, &n);
    }
    iov[0] = (struct iovec){head, sizeof *head};
    b->payload[b->n] = size;
    b->message[b->n++].msg_hdr = (struct msghdr){.msg_iov = iov, .msg_iovlen = n};
}

int skepi_packet_send(int fd, struct skepi_outbox *box, int wait)
{
    struct burst b;

    while (box->n > 0) {
        struct place at = {0, 0};
        int sent;

        for (b.n = 0; b.n < PACKETS && at.i < box->n;)
            fill(&b, box, &at);
        sent = sendmmsg(fd, b.message, b.n, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT));
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return errno == EAGAIN ? SKEP_OK : errno == ENOBUFS || errno == ENOMEM ? SKEP_ENOMEM : SKEP_ECLOSED;
        for (int i = 0; i < sent; i++)
            skepi_outbox_drop(box, b.payload[i]);
        if (!wait && (unsigned)sent < b.n)
            return SKEP_OK;
    }
    return SKEP_OK;
}

/* ---- in ------------------------------------------------------------------------------------------ */

int skepi_inbox_room(struct skepi_inbox *in)
{
    struct skepi_chunk *chunk = in->chunk;

    if (chunk != NULL && skepi_chunk_alone(chunk))
        in->used = 0;
    if (chunk == NULL || chunk->size - in->used < SKEPI_RUN_MAX) {
        if ((chunk = skepi_chunk_new(SKEPI_CHUNK_SIZE)) == NULL)
            return SKEP_ENOMEM;
        skepi_chunk_unref(in->chunk);
        in->chunk = chunk;
        in->used = 0;
    }
    return SKEP_OK;
}

int skepi_run_each(unsigned char *run, size_t size, struct skepi_chunk *chunk, skepi_message_func func, void *arg,
                   skep_error *err)
{
    unsigned char *at = run, *end = run + size;
    int rc = SKEP_OK;

    while (at < end && rc == SKEP_OK) {
        struct skepi_message *message = (void *)at;

        if ((size_t)(end - at) < sizeof *message || message->length < sizeof *message || message->length % 8 != 0 ||
            message->length > (size_t)(end - at))
            return skep_fail(err, SKEP_EFORMAT, "a packet whose messages do not fill it");
        at += message->length;
        rc = func(arg, message, chunk, err);
    }
    return rc;
}

static int take_run(struct skepi_inbox *in, size_t size, skepi_message_func func, void *arg, skep_error *err)
{
    unsigned char *run = in->chunk->data + in->used;

    in->used += (size + 7) & ~(size_t)7;
    return skepi_run_each(run, size, in->chunk, func, arg, err);
}

static int end_big(struct skepi_inbox *in, skepi_message_func func, void *arg, skep_error *err)
{
    struct skepi_chunk *chunk = in->big;
    struct skepi_message *message = (void *)chunk->data;
    int rc = SKEP_OK;

    in->big = NULL;
    if (message->length != in->total)
        rc = skep_fail(err, SKEP_EFORMAT, "a message of %zu bytes that says %u", in->total, message->length);
    else
        rc = func(arg, message, chunk, err);
    skepi_chunk_unref(chunk);
    return rc;
}

/* The first part was received where small messages go; the others follow it into a chunk of their own. */
static int begin_big(struct skepi_inbox *in, const struct skepi_packet *head, size_t size, skep_error *err)
{
    if (head->total > SKEPI_MESSAGE_MAX || head->total < size || head->total % 8 != 0 || size < sizeof(struct skepi_message))
        return skep_fail(err, SKEP_EFORMAT, "a message of %llu bytes: %zu are the most", (unsigned long long)head->total,
                         SKEPI_MESSAGE_MAX);
    if ((in->big = skepi_chunk_new((size_t)head->total)) == NULL)
        return skep_fail(err, SKEP_ENOMEM, "no memory for a message of %llu bytes", (unsigned long long)head->total);
    memcpy(in->big->data, in->chunk->data + in->used, size);
    in->total = (size_t)head->total;
    in->have = size;
    return SKEP_OK;
}

static int take_packet(struct skepi_inbox *in, const struct skepi_packet *head, size_t size, skepi_message_func func,
                       void *arg, skep_error *err)
{
    int rc = SKEP_OK, more = in->big != NULL;

    if (head->magic != MAGIC || head->kind != (more ? BIG_MORE : head->kind) || (!more && head->kind == BIG_MORE) ||
        (head->kind == RUN && head->total != size) || (more && head->total != in->total - in->have) || size == 0)
        return skep_fail(err, SKEP_EFORMAT, "a packet of %zu bytes that is not skep's", size);
    if (head->kind == RUN)
        return take_run(in, size, func, arg, err);
    if (more)
        in->have += size;
    else
        rc = begin_big(in, head, size, err);
    return rc == SKEP_OK && in->have == in->total ? end_big(in, func, arg, err) : rc;
}

/* One packet. `*bytes` 0 without an error: nothing is there. */
static int receive_one(int fd, struct skepi_inbox *in, int wait, skepi_message_func func, void *arg, size_t *bytes,
                       skep_error *err)
{
    struct skepi_packet head;
    struct iovec iov[2] = {{&head, sizeof head}, {NULL, 0}};
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = 2};
    ssize_t size;

    *bytes = 0;
    if (in->big == NULL && skepi_inbox_room(in) != SKEP_OK)
        return skep_fail(err, SKEP_ENOMEM, "no memory to receive into");
    if (in->big != NULL)
        iov[1] = (struct iovec){in->big->data + in->have, in->total - in->have};
    else
        iov[1] = (struct iovec){in->chunk->data + in->used, SKEPI_RUN_MAX};
    do
        size = recvmsg(fd, &message, wait ? 0 : MSG_DONTWAIT);
    while (size < 0 && (errno == EINTR || errno == ECONNRESET)); /* reset: said once, in front of what the peer had sent */
    if (size < 0 && errno == EAGAIN)
        return SKEP_OK;
    if (size <= 0)
        return skep_fail(err, SKEP_ECLOSED, "the peer is gone");
    if ((size_t)size < sizeof head || (message.msg_flags & MSG_TRUNC) != 0)
        return skep_fail(err, SKEP_EFORMAT, "a packet of %zd bytes that is not skep's", size);
    *bytes = (size_t)size;
    return take_packet(in, &head, (size_t)size - sizeof head, func, arg, err);
}

int skepi_packet_receive(int fd, struct skepi_inbox *in, int wait, size_t budget, skepi_message_func func, void *arg,
                         size_t *bytes, skep_error *err)
{
    size_t sum = 0, one;
    int rc;

    do {
        rc = receive_one(fd, in, wait && sum == 0, func, arg, &one, err);
        sum += one;
    } while (rc == SKEP_OK && one > 0 && sum < budget);
    if (bytes != NULL)
        *bytes = sum;
    return rc;
}

void skepi_inbox_fini(struct skepi_inbox *in)
{
    skepi_chunk_unref(in->chunk);
    skepi_chunk_unref(in->big);
    *in = (struct skepi_inbox){0};
}
