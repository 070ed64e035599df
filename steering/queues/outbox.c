/* outbox.c - messages that wait to be sent to one peer. */
#include "steering/queues/outbox.h"

#include <stdlib.h>
#include <string.h>

struct skepi_piece *skepi_outbox_at(const struct skepi_outbox *box, size_t i)
{
    return &box->pieces[(box->first + i) & (box->room - 1)];
}

static int grow(struct skepi_outbox *box, size_t more)
{
    size_t room = box->room == 0 ? 16 : box->room;
    struct skepi_piece *pieces;

    if (box->n + more <= box->room)
        return SKEP_OK;
    while (room < box->n + more)
        room *= 2;
    if ((pieces = malloc(room * sizeof *pieces)) == NULL)
        return SKEP_ENOMEM;
    for (size_t i = 0; i < box->n; i++)
        pieces[i] = *skepi_outbox_at(box, i);
    free(box->pieces);
    box->pieces = pieces;
    box->first = 0;
    box->room = room;
    return SKEP_OK;
}

/* There is room. The piece takes a reference to its chunk or buffer. */
static void append(struct skepi_outbox *box, struct skepi_piece piece)
{
    if (piece.chunk != NULL)
        skepi_chunk_ref(piece.chunk);
    if (piece.buf != NULL)
        skep_buf_ref(piece.buf);
    *skepi_outbox_at(box, box->n++) = piece;
    box->bytes += piece.size;
}

/* 1: it lies right behind the last run, which can take it. */
static int extend(struct skepi_outbox *box, const unsigned char *data, size_t size, const struct skepi_chunk *chunk)
{
    struct skepi_piece *last = box->n == 0 ? NULL : skepi_outbox_at(box, box->n - 1);

    if (last == NULL || last->big != 0 || last->chunk != chunk || last->data + last->size != data ||
        last->size + size > SKEPI_RUN_MAX)
        return 0;
    last->size += size;
    box->bytes += size;
    return 1;
}

int skepi_outbox_pass(struct skepi_outbox *box, const void *message, size_t size, struct skepi_chunk *chunk)
{
    if (size <= SKEPI_RUN_MAX && extend(box, message, size, chunk))
        return SKEP_OK;
    if (grow(box, 1) != SKEP_OK)
        return SKEP_ENOMEM;
    append(box, (struct skepi_piece){.data = message,
                                     .size = size,
                                     .big = size <= SKEPI_RUN_MAX ? 0 : size,
                                     .begins = size > SKEPI_RUN_MAX,
                                     .chunk = chunk});
    return SKEP_OK;
}

void *skepi_outbox_room(struct skepi_outbox *box, size_t size)
{
    struct skepi_chunk *chunk = box->chunk;

    if (size > SKEPI_CHUNK_SIZE)
        return NULL;
    if (chunk != NULL && box->n == 0 && skepi_chunk_alone(chunk))
        box->used = 0;
    if (chunk == NULL || chunk->size - box->used < size) {
        if ((chunk = skepi_chunk_new(SKEPI_CHUNK_SIZE)) == NULL)
            return NULL;
        skepi_chunk_unref(box->chunk);
        box->chunk = chunk;
        box->used = 0;
    }
    return chunk->data + box->used;
}

static int add_small(struct skepi_outbox *box, const struct skepi_draft *draft, size_t size)
{
    void *room = skepi_outbox_room(box, size);

    if (room == NULL)
        return SKEP_ENOMEM;
    skepi_record_write(draft, room, NULL);
    if (skepi_outbox_pass(box, room, size, box->chunk) != SKEP_OK)
        return SKEP_ENOMEM;
    box->used += size;
    return SKEP_OK;
}

/* The block and its payloads as one chain of pieces. Payloads are kept by their buffers, or copied if they have none. */
static void chain(struct skepi_outbox *box, struct skepi_chunk *block, size_t block_size, const struct skepi_gap *gaps,
                  size_t n_gaps, size_t left)
{
    size_t from = 0;

    /* The block begins with the head, so that the first piece is never empty. */
    for (size_t i = 0; i <= n_gaps; i++) {
        size_t to = i < n_gaps ? gaps[i].at : block_size;
        const struct skepi_value *value = i < n_gaps ? gaps[i].value : NULL;

        if (to > from)
            append(box, (struct skepi_piece){
                            .data = block->data + from, .size = to - from, .big = left, .begins = i == 0, .chunk = block});
        left -= to - from;
        from = to;
        if (value == NULL)
            break;
        append(box, (struct skepi_piece){.data = value->data,
                                         .size = (size_t)value->bits + (size_t)skepi_value_is_text(value),
                                         .big = left,
                                         .buf = value->buf});
        left -= (size_t)value->bits + (size_t)skepi_value_is_text(value);
    }
}

static int add_big(struct skepi_outbox *box, const struct skepi_draft *draft, size_t block_size, size_t n_gaps)
{
    struct skepi_gap *gaps = n_gaps == 0 ? NULL : malloc(n_gaps * sizeof *gaps);
    struct skepi_chunk *block = skepi_chunk_new(block_size);
    int rc = SKEP_ENOMEM;

    if ((n_gaps == 0 || gaps != NULL) && block != NULL && (rc = grow(box, 2 * n_gaps + 1)) == SKEP_OK) {
        skepi_record_write(draft, block->data, gaps);
        chain(box, block, block_size, gaps, n_gaps, draft->head.message.length);
    }
    skepi_chunk_unref(block);
    free(gaps);
    return rc;
}

int skepi_outbox_add(struct skepi_outbox *box, struct skepi_draft *draft, size_t *size, skep_error *err)
{
    size_t block, gaps;
    int rc = skepi_record_measure(draft, &block, &gaps, err);

    if (rc != SKEP_OK)
        return rc;
    if (draft->head.message.length <= SKEPI_RUN_MAX && gaps == 0)
        rc = add_small(box, draft, block);
    else
        rc = add_big(box, draft, block, gaps);
    if (rc != SKEP_OK)
        return skep_fail(err, rc, "no memory for a message of %u bytes", draft->head.message.length);
    if (size != NULL)
        *size = draft->head.message.length;
    return SKEP_OK;
}

void skepi_outbox_drop(struct skepi_outbox *box, size_t size)
{
    box->bytes -= size;
    while (size > 0) {
        struct skepi_piece *piece = skepi_outbox_at(box, 0);

        if (size < piece->size) {
            piece->data += size;
            piece->size -= size;
            piece->big -= piece->big == 0 ? 0 : size;
            piece->begins = 0;
            return;
        }
        size -= piece->size;
        skepi_chunk_unref(piece->chunk);
        skep_buf_unref(piece->buf);
        box->first = (box->first + 1) & (box->room - 1);
        box->n--;
    }
}

/* How many pieces the message or run at the front is. */
static size_t chain_length(const struct skepi_outbox *box)
{
    size_t n = 0, left = skepi_outbox_at(box, 0)->big;

    do
        left -= left == 0 ? 0 : skepi_outbox_at(box, n)->size;
    while (n++, left > 0);
    return n;
}

size_t skepi_outbox_move(struct skepi_outbox *to, struct skepi_outbox *from, size_t most)
{
    size_t moved = 0;

    while (from->n > 0 && moved < most) {
        size_t n = chain_length(from);

        if (grow(to, n) != SKEP_OK)
            break;
        for (; n > 0; n--, from->n--) {
            struct skepi_piece piece = *skepi_outbox_at(from, 0);

            *skepi_outbox_at(to, to->n++) = piece;
            moved += piece.size;
            from->first = (from->first + 1) & (from->room - 1);
        }
    }
    to->bytes += moved;
    from->bytes -= moved;
    return moved;
}

void skepi_outbox_fini(struct skepi_outbox *box)
{
    skepi_outbox_drop(box, box->bytes);
    skepi_chunk_unref(box->chunk);
    free(box->pieces);
    *box = (struct skepi_outbox){0};
}
