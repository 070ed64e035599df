/* fuzz_record.c - what comes from a socket: a run of messages, records and others. What is taken for one is written again as
 * it was. */
#include "tests/fuzz/fuzz.h"

#include "steering/queues/control.h"
#include "steering/queues/packet.h"

static void write_again(const struct skepi_parts *parts)
{
    const struct skepi_record *head = parts->head;
    const unsigned char *at = parts->values;
    struct skepi_outbox box = {0};
    struct skepi_draft draft = {.head = *head,
                                .method = parts->method,
                                .topic = parts->topic,
                                .host = parts->host,
                                .info = parts->info,
                                .failure = parts->failure,
                                .n_inputs = head->inputs};
    struct skepi_value value, *inputs = calloc(head->inputs + 1, sizeof *inputs);
    size_t size, from = 0;

    CHECK(inputs != NULL);
    for (uint32_t i = 0; i < head->inputs; i++) {
        skepi_record_next(&at, &inputs[i]);
        CHECK(inputs[i].type <= SKEP_VALUE_PROXY);
    }
    draft.inputs = inputs;
    if ((head->message.flags & SKEPI_RECORD_VALUE) != 0) {
        skepi_record_next(&at, &value);
        draft.value = &value;
    }
    CHECK(at == (const unsigned char *)head + head->message.length);
    CHECK(skepi_outbox_add(&box, &draft, &size, NULL) == SKEP_OK);
    CHECK(size == head->message.length);
    for (size_t i = 0; i < box.n; from += skepi_outbox_at(&box, i++)->size)
        CHECK(memcmp((const char *)head + from, skepi_outbox_at(&box, i)->data, skepi_outbox_at(&box, i)->size) == 0);
    CHECK(from == size);
    skepi_outbox_fini(&box);
    free(inputs);
}

static int take(void *arg, struct skepi_message *message, struct skepi_chunk *chunk, skep_error *err)
{
    struct skepi_parts parts;
    struct skepi_control said;

    (void)arg;
    (void)chunk;
    if (skepi_record_decode(message, message->length, &parts, err) == SKEP_OK)
        write_again(&parts);
    if (skepi_control_decode(message, &said, err) == SKEP_OK)
        for (unsigned i = 0; i < said.n; i++)
            CHECK(strlen(said.text[i]) < message->length);
    return SKEP_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char *run = copy_of(data, size); /* of malloc, as records want to lie */
    skep_error err;

    (void)skepi_run_each(run, size, NULL, take, NULL, &err);
    free(run);
    return 0;
}
