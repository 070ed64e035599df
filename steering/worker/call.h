/* call.h - one run of a method: its inputs as they came, what it returned, what it cost. */
#ifndef SKEP_STEERING_WORKER_CALL_H
#define SKEP_STEERING_WORKER_CALL_H

#include "steering/task/record.h"
#include "steering/worker/models.h"
#include "steering/worker/names.h"

#include <skep/worker.h>

struct skep_call {
    struct skepi_models *models; /* of the worker */
    struct skepi_names *names;
    int worker;
    /* Of the task. */
    struct skepi_parts parts;
    struct skepi_value *inputs; /* `room` of them, kept from task to task */
    uint32_t n_inputs, room;
    const struct skepi_name *topic; /* NULL: it has no store */
    struct skepi_value value;
    int returned;
    int made; /* the value is an object that was put for it */
    uint64_t made_ns, made_bytes;
    struct skepi_fetched fetched;
    skep_error failure; /* code SKEP_OK: none was given */
    char id[33];
    char text[SKEPI_COPY_MAX]; /* a small value, or the handle of a big one */
};

_Static_assert(SKEPI_COPY_MAX >= SKEP_HANDLE_MAX, "a handle fits where a small value does");

/* The inputs of a decoded task. SKEP_ENOMEM. */
int skepi_call_begin(struct skep_call *call, const struct skepi_parts *parts);
/* Let go of what the method was lent and has returned. */
void skepi_call_end(struct skep_call *call);
void skepi_call_fini(struct skep_call *call);

#endif
