/* packet_test.c - messages over a SEQPACKET socket: small and big, in any mixture, and what is not one. */
#include "steering/queues/control.h"
#include "steering/queues/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct seen {
    unsigned n;
    uint64_t bytes;
    int wrong;
};

static unsigned char pattern(unsigned n, size_t i)
{
    return (unsigned char)(n * 7 + i);
}

/* The n-th record has one input of bytes that only it can have. */
static int look(void *arg, struct skepi_message *message, struct skepi_chunk *chunk, skep_error *err)
{
    struct seen *seen = arg;
    struct skepi_parts parts;
    struct skepi_value value;
    const unsigned char *at, *data;
    int rc = skepi_record_decode(message, message->length, &parts, err);

    (void)chunk;
    if (rc != SKEP_OK)
        return rc;
    at = parts.values;
    skepi_record_next(&at, &value);
    data = value.data;
    seen->wrong |= parts.head->reply != seen->n;
    for (size_t i = 0; i < value.bits; i += 1 + value.bits / 1000)
        seen->wrong |= data[i] != pattern(seen->n, i);
    seen->n++;
    seen->bytes += value.bits;
    return SKEP_OK;
}

static void add(struct skepi_outbox *box, unsigned n, size_t size)
{
    struct skepi_value value = {.type = SKEP_VALUE_BYTES, .bits = size};
    struct skepi_draft draft = {.method = "m", .inputs = &value, .n_inputs = 1};
    unsigned char *data = malloc(size + 1);

    for (size_t i = 0; i < size; i++)
        data[i] = pattern(n, i);
    if (size > SKEPI_COPY_MAX) {
        assert_int_equal(skep_buf_copy(data, size, &value.buf), SKEP_OK);
        value.data = skep_buf_data(value.buf);
    } else {
        value.data = data;
    }
    draft.head.message.kind = SKEPI_TASK;
    draft.head.attempt = 1;
    draft.head.reply = n;
    assert_int_equal(skepi_outbox_add(box, &draft, NULL, NULL), SKEP_OK);
    skep_buf_unref(value.buf);
    free(data);
}

/* All that is in the box, through a socket whose buffer is far smaller. */
static void pump(int pair[2], struct skepi_outbox *box, struct skepi_inbox *in, struct seen *seen)
{
    size_t bytes = 1;

    while (box->n > 0 || bytes > 0) {
        assert_int_equal(skepi_packet_send(pair[0], box, 0), SKEP_OK);
        assert_int_equal(skepi_packet_receive(pair[1], in, 0, SIZE_MAX, look, seen, &bytes, NULL), SKEP_OK);
    }
}

static void sizes(void **state)
{
    static const size_t some[] = {0,
                                  1,
                                  100,
                                  3800,
                                  SKEPI_COPY_MAX,
                                  SKEPI_COPY_MAX + 1,
                                  60000,
                                  65000,
                                  65280,
                                  65520,
                                  65536,
                                  SKEPI_RUN_MAX * 2,
                                  200000,
                                  0,
                                  300000,
                                  8,
                                  700000,
                                  1000000,
                                  (size_t)5 * 1024 * 1024,
                                  16,
                                  17};
    const unsigned n = sizeof some / sizeof some[0];
    struct skepi_outbox box = {0};
    struct skepi_inbox in = {0};
    struct seen seen = {0};
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    for (unsigned i = 0; i < n; i++)
        add(&box, i, some[i]);
    pump(pair, &box, &in, &seen);
    assert_int_equal(seen.n, n);
    assert_false(seen.wrong);
    assert_int_equal(box.bytes, 0);
    srandom(3);
    for (unsigned i = 0; i < 3000; i++) {
        add(&box, n + i, (size_t)(random() % 100 == 0 ? random() % 200000 : random() % 300));
        if (i % 500 == 499)
            pump(pair, &box, &in, &seen);
    }
    assert_int_equal(seen.n, n + 3000);
    assert_false(seen.wrong);
    skepi_outbox_fini(&box);
    skepi_inbox_fini(&in);
    close(pair[0]);
    close(pair[1]);
}

/* Passed on from where they were received, small ones next to each other in one piece. */
static int pass(void *arg, struct skepi_message *message, struct skepi_chunk *chunk, skep_error *err)
{
    (void)err;
    return skepi_outbox_pass(arg, message, message->length, chunk);
}

static void passing_on(void **state)
{
    struct skepi_outbox first = {0}, second = {0}, third = {0};
    struct skepi_inbox in = {0}, last = {0};
    struct seen seen = {0};
    int a[2], b[2];
    size_t bytes;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, a), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, b), 0);
    for (unsigned i = 0; i < 200; i++)
        add(&first, i, i == 150 ? 100000 : 50);
    while (seen.n < 200) {
        assert_int_equal(skepi_packet_send(a[0], &first, 0), SKEP_OK);
        assert_int_equal(skepi_packet_receive(a[1], &in, 0, SIZE_MAX, pass, &second, &bytes, NULL), SKEP_OK);
        assert_true(second.n <= 4);
        skepi_outbox_move(&third, &second, 1);
        assert_int_equal(skepi_packet_send(b[0], &third, 0), SKEP_OK);
        assert_int_equal(skepi_packet_receive(b[1], &last, 0, SIZE_MAX, look, &seen, &bytes, NULL), SKEP_OK);
    }
    assert_false(seen.wrong);
    skepi_outbox_fini(&first);
    skepi_outbox_fini(&second);
    skepi_outbox_fini(&third);
    skepi_inbox_fini(&in);
    skepi_inbox_fini(&last);
    for (int i = 0; i < 2; i++) {
        close(a[i]);
        close(b[i]);
    }
}

static int receive_raw(const void *packet, size_t size)
{
    struct skepi_inbox in = {0};
    struct seen seen = {0};
    int pair[2], rc;

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    assert_int_equal(send(pair[0], packet, size, 0), (ssize_t)size);
    rc = skepi_packet_receive(pair[1], &in, 0, 1, look, &seen, NULL, NULL);
    skepi_inbox_fini(&in);
    close(pair[0]);
    close(pair[1]);
    return rc;
}

static void garbage(void **state)
{
    struct {
        struct skepi_packet head;
        struct skepi_message message;
    } p = {{0x31706b73, 0, {0}, sizeof(struct skepi_message)}, {8, SKEPI_TASK, 1, 0}};
    char noise[3000];

    (void)state;
    memset(noise, 0x5a, sizeof noise);
    assert_int_equal(receive_raw(noise, sizeof noise), SKEP_EFORMAT);
    assert_int_equal(receive_raw(noise, 3), SKEP_EFORMAT);
    assert_int_equal(receive_raw(&p, sizeof p), SKEP_EFORMAT); /* a message that is no record */
    p.message.length = 16;
    assert_int_equal(receive_raw(&p, sizeof p), SKEP_EFORMAT); /* longer than its packet */
    p.message.length = 0;
    assert_int_equal(receive_raw(&p, sizeof p), SKEP_EFORMAT); /* without length */
    p.head.kind = 2;
    assert_int_equal(receive_raw(&p, sizeof p), SKEP_EFORMAT); /* a later part without a first */
    p.head.kind = 1;
    p.head.total = UINT64_MAX & ~UINT64_C(7);
    assert_int_equal(receive_raw(&p, sizeof p), SKEP_EFORMAT); /* endless */
    p.head.kind = 7;
    assert_int_equal(receive_raw(&p, sizeof p), SKEP_EFORMAT);
}

static void peer_gone(void **state)
{
    struct skepi_outbox box = {0};
    struct skepi_inbox in = {0};
    struct seen seen = {0};
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    close(pair[1]);
    add(&box, 0, 10);
    assert_int_equal(skepi_packet_send(pair[0], &box, 0), SKEP_ECLOSED);
    assert_int_equal(skepi_packet_receive(pair[0], &in, 0, 1, look, &seen, NULL, NULL), SKEP_ECLOSED);
    skepi_outbox_fini(&box);
    skepi_inbox_fini(&in);
    close(pair[0]);
}

static void controls(void **state)
{
    struct skepi_control said = {.kind = SKEPI_NAMES, .number = {7, 9}, .n = 2, .text = {"topic", ""}}, read;
    struct skepi_outbox box = {0};
    unsigned char bytes[256];
    struct skepi_message *message;

    (void)state;
    assert_int_equal(skepi_control_add(&box, &said), SKEP_OK);
    message = (void *)memcpy(bytes, skepi_outbox_at(&box, 0)->data, box.bytes);
    assert_int_equal(skepi_control_decode(message, &read, NULL), SKEP_OK);
    assert_int_equal(read.kind, SKEPI_NAMES);
    assert_int_equal(read.number[0], 7);
    assert_int_equal(read.number[1], 9);
    assert_int_equal(read.n, 2);
    assert_string_equal(read.text[0], "topic");
    assert_string_equal(read.text[1], "");
    message->flags = 200; /* more texts than there are */
    assert_int_equal(skepi_control_decode(message, &read, NULL), SKEP_EFORMAT);
    message->flags = 2;
    message->version = 9;
    assert_int_equal(skepi_control_decode(message, &read, NULL), SKEP_EVERSION);
    message->version = 1;
    message->kind = SKEPI_CONTROL_END;
    assert_int_equal(skepi_control_decode(message, &read, NULL), SKEP_EFORMAT);
    message->kind = SKEPI_NAMES;
    message->length = 16;
    assert_int_equal(skepi_control_decode(message, &read, NULL), SKEP_EFORMAT);
    skepi_outbox_fini(&box);
}

/* A peer that goes without having read all that was sent to it: what it had sent is still received. */
static void last_words(void **state)
{
    struct skepi_outbox box = {0};
    struct skepi_inbox in = {0};
    struct seen seen = {0};
    size_t bytes;
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    add(&box, 0, 100);
    assert_int_equal(skepi_packet_send(pair[0], &box, 0), SKEP_OK);
    add(&box, 0, 100);
    assert_int_equal(skepi_packet_send(pair[1], &box, 0), SKEP_OK);
    close(pair[0]);
    assert_int_equal(skepi_packet_receive(pair[1], &in, 0, 1, look, &seen, &bytes, NULL), SKEP_OK);
    assert_int_equal(seen.n, 1);
    assert_int_equal(skepi_packet_receive(pair[1], &in, 0, 1, look, &seen, &bytes, NULL), SKEP_ECLOSED);
    close(pair[1]);
    skepi_inbox_fini(&in);
    skepi_outbox_fini(&box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),     cmocka_unit_test(passing_on), cmocka_unit_test(garbage),
        cmocka_unit_test(peer_gone), cmocka_unit_test(controls),   cmocka_unit_test(last_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
