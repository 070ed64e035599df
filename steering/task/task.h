/* task.h - the task behind skep/task.h: built here, sent by queues/send.c, answered by queues/receive.c.
 *
 * Threads  [one]: it belongs to the caller, then to the queues while it is sent, then to who receives it.
 */
#ifndef SKEP_STEERING_TASK_TASK_H
#define SKEP_STEERING_TASK_TASK_H

#include "steering/queues/chunk.h"
#include "steering/task/record.h"
#include "steering/task/state.h"

enum { SKEPI_TASK_INPUTS = 4, SKEPI_TASK_ARENA = 512 };

struct skep_task {
    struct skepi_record head; /* what the task and its answer say; sizes and flags are the record's business */
    int state;                /* enum skepi_task_state */
    int wrong;                /* the first error of building it, or SKEP_OK */
    skep_error *why;          /* and its text; NULL: there was no memory for it */
    uint32_t n_inputs, room;
    struct skepi_value *inputs; /* `few`, or memory of its own */
    struct skepi_value value;
    const char *method, *info, *failure, *host; /* in the arena, `blocks` or `answer`; never NULL */
    char topic[SKEPI_NAME_MAX];
    struct skepi_chunk *answer; /* what the big parts of an answer lie in */
    struct block *blocks;       /* what did not fit the arena */
    /* Of the queues, while it is theirs. */
    struct skep_task *next; /* the next result of its topic */
    struct skepi_topic *at; /* its topic */
    skep_store *store;      /* where its big inputs and value are, or NULL; one reference */
    uint32_t record_size;   /* its bytes on the way out */
    int has_owned;          /* an input is an object that the queues made or hold */
    size_t used;            /* of the arena */
    /* From here on nothing is zeroed. */
    char id_text[33], worker_text[SKEPI_NAME_MAX + 16];
    struct skepi_value few[SKEPI_TASK_INPUTS];
    _Alignas(8) char arena[SKEPI_TASK_ARENA];
};

/* Memory that lives as long as the task. NULL: there is none. */
void *skepi_task_room(struct skep_task *task, size_t size);

/* Take over what an answer says: its value, failure, stamps and figures. `chunk` holds the record. */
int skepi_task_answer(struct skep_task *task, const struct skepi_parts *answer, struct skepi_chunk *chunk);
/* The same where there is no answer: the server is gone, say. */
void skepi_task_fail(struct skep_task *task, int code, const char *text);
/* Its inputs are not needed any more: evict those that the queues made. */
void skepi_task_forget_inputs(struct skep_task *task, uint64_t by_ns);

#endif
