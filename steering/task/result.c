/* result.c - a task that came back: its value or failure, its inputs, its figures. */
#include "steering/task/id.h"
#include "steering/task/task.h"

#include <stdio.h>
#include <string.h>

/* ---- taking an answer over ----------------------------------------------------------------------- */

/* Small parts are copied, so that one result does not keep a whole chunk of them; big ones stay where they are. */
static const void *keep(struct skep_task *task, const void *data, size_t size, struct skepi_chunk *chunk)
{
    void *room;

    if (size > SKEPI_COPY_MAX) {
        if (task->answer == NULL)
            task->answer = skepi_chunk_ref(chunk);
        return data;
    }
    return (room = skepi_task_room(task, size)) == NULL ? NULL : memcpy(room, data, size);
}

static int keep_texts(struct skep_task *task, const struct skepi_parts *answer, struct skepi_chunk *chunk)
{
    const struct skepi_record *head = answer->head;

    if (head->failure_size > 0)
        task->failure = keep(task, answer->failure, (size_t)head->failure_size + 1, chunk);
    if (head->host_size > 0)
        task->host = keep(task, answer->host, (size_t)head->host_size + 1, chunk);
    if (task->failure != NULL && task->host != NULL)
        return SKEP_OK;
    task->failure = task->host = "";
    return SKEP_ENOMEM;
}

static int keep_value(struct skep_task *task, const struct skepi_parts *answer, struct skepi_chunk *chunk)
{
    const unsigned char *at = answer->values;
    struct skepi_value value = {0};

    for (uint32_t i = 0; i <= answer->head->inputs; i++)
        skepi_record_next(&at, &value);
    if (!skepi_value_is_scalar(&value)) {
        value.data = keep(task, value.data, (size_t)value.bits + (size_t)skepi_value_is_text(&value), chunk);
        if (value.data == NULL)
            return SKEP_ENOMEM;
    }
    task->value = value;
    return SKEP_OK;
}

static void keep_figures(struct skepi_record *head, const struct skepi_record *answer)
{
    for (int i = SKEP_STAMP_RECEIVED; i < SKEP_STAMP_RETURNED; i++)
        head->stamp[i] = answer->stamp[i];
    for (int i = 0; i < SKEP_SPAN_COUNT; i++)
        head->span[i] += answer->span[i];
    head->moved_bytes = answer->moved_bytes;
    head->resolves = answer->resolves;
    head->referred_bytes += answer->referred_bytes;
    head->message_bytes += answer->message.length;
    head->worker = answer->worker;
    head->pid = answer->pid;
    head->code = answer->code;
    head->message.flags = answer->message.flags;
}

int skepi_task_answer(struct skep_task *task, const struct skepi_parts *answer, struct skepi_chunk *chunk)
{
    int rc = keep_texts(task, answer, chunk);

    keep_figures(&task->head, answer->head);
    if (rc == SKEP_OK && (answer->head->message.flags & SKEPI_RECORD_VALUE) != 0)
        rc = keep_value(task, answer, chunk);
    if (rc != SKEP_OK)
        skepi_task_fail(task, rc, "no memory for the answer");
    return skepi_move(&skepi_task_machine, &task->state, SKEPI_TASK_ANSWERED);
}

void skepi_task_fail(struct skep_task *task, int code, const char *text)
{
    size_t size = strlen(text) + 1;
    char *room = skepi_task_room(task, size);

    task->head.code = code;
    task->failure = room == NULL ? skep_err_text(code) : memcpy(room, text, size);
    skepi_value_fini(&task->value);
}

/* ---- what it says -------------------------------------------------------------------------------- */

const char *skep_task_id(const skep_task *task)
{
    skep_task *t = (skep_task *)(uintptr_t)task;

    if (t == NULL)
        return "";
    skepi_id_text(t->head.id, t->id_text);
    return t->id_text;
}

const char *skep_task_method(const skep_task *task)
{
    return task == NULL ? "" : task->method;
}

const char *skep_task_topic(const skep_task *task)
{
    return task == NULL ? "" : task->topic;
}

const char *skep_task_info(const skep_task *task)
{
    return task == NULL ? "" : task->info;
}

int skep_task_priority(const skep_task *task)
{
    return task == NULL ? 0 : task->head.priority;
}

int skep_task_attempt(const skep_task *task)
{
    return task == NULL ? 0 : (int)task->head.attempt;
}

int skep_task_ok(const skep_task *task)
{
    return task != NULL && task->state >= SKEPI_TASK_ANSWERED && task->head.code == SKEP_OK;
}

int skep_task_code(const skep_task *task)
{
    return task == NULL ? SKEP_ENOMEM : task->head.code;
}

const char *skep_task_failure(const skep_task *task)
{
    return task == NULL ? "" : task->failure;
}

const char *skep_task_worker(const skep_task *task)
{
    skep_task *t = (skep_task *)(uintptr_t)task;

    if (t == NULL || t->head.pid == 0)
        return "";
    snprintf(t->worker_text, sizeof t->worker_text, "%s:%u", t->host, t->head.pid);
    return t->worker_text;
}

int skep_task_worker_index(const skep_task *task)
{
    return task == NULL ? SKEPI_NO_WORKER : task->head.worker;
}

/* ---- values -------------------------------------------------------------------------------------- */

/* The value, if there is one. */
static struct skepi_value *value_of(const skep_task *task)
{
    return skep_task_ok(task) ? (struct skepi_value *)(uintptr_t)&task->value : NULL;
}

static struct skepi_value *input_of(const skep_task *task, int index)
{
    return task == NULL || index < 0 || (uint32_t)index >= task->n_inputs ? NULL : &task->inputs[index];
}

static int lend(struct skepi_value *value, int kind, const void **out, size_t *size)
{
    if (value == NULL)
        return SKEP_EINVAL;
    if (value->proxy != NULL)
        return skepi_value_resolve(value, kind, out, size, NULL);
    if (value->type != kind)
        return SKEP_EINVAL;
    if (kind != SKEP_VALUE_BYTES && skepi_text_check(value->data, (size_t)value->bits) != SKEP_OK)
        return SKEP_EFORMAT;
    *out = value->data;
    *size = (size_t)value->bits;
    return SKEP_OK;
}

static int lend_text(struct skepi_value *value, int kind, const char **out)
{
    const void *data;
    size_t size;
    int rc = lend(value, kind, &data, &size);

    if (rc == SKEP_OK)
        *out = data;
    return rc;
}

static int take_proxy(struct skepi_value *value, skep_proxy **take)
{
    if (value == NULL || value->proxy == NULL)
        return SKEP_EINVAL;
    *take = skep_proxy_ref(value->proxy);
    return SKEP_OK;
}

int skep_task_value_type(const skep_task *task)
{
    struct skepi_value *value = value_of(task);

    return value == NULL ? SKEP_EINVAL : value->type;
}

int skep_task_value_bool(const skep_task *task, int *out)
{
    struct skepi_value *value = value_of(task);

    return value == NULL ? SKEP_EINVAL : skepi_value_bool(value, out);
}

int skep_task_value_int(const skep_task *task, int64_t *out)
{
    struct skepi_value *value = value_of(task);

    return value == NULL ? SKEP_EINVAL : skepi_value_int(value, out);
}

int skep_task_value_double(const skep_task *task, double *out)
{
    struct skepi_value *value = value_of(task);

    return value == NULL ? SKEP_EINVAL : skepi_value_double(value, out);
}

int skep_task_value_string(const skep_task *task, const char **out)
{
    return lend_text(value_of(task), SKEP_VALUE_STRING, out);
}

int skep_task_value_json(const skep_task *task, const char **out)
{
    return lend_text(value_of(task), SKEP_VALUE_JSON, out);
}

int skep_task_value_bytes(const skep_task *task, const void **out, size_t *size)
{
    return lend(value_of(task), SKEP_VALUE_BYTES, out, size);
}

int skep_task_value_proxy(const skep_task *task, skep_proxy **take)
{
    return take_proxy(value_of(task), take);
}

int skep_task_inputs(const skep_task *task)
{
    return task == NULL ? 0 : (int)task->n_inputs;
}

int skep_task_input_type(const skep_task *task, int index)
{
    struct skepi_value *value = input_of(task, index);

    return value == NULL ? SKEP_EINVAL : value->type;
}

int skep_task_input_bool(const skep_task *task, int index, int *out)
{
    struct skepi_value *value = input_of(task, index);

    return value == NULL ? SKEP_EINVAL : skepi_value_bool(value, out);
}

int skep_task_input_int(const skep_task *task, int index, int64_t *out)
{
    struct skepi_value *value = input_of(task, index);

    return value == NULL ? SKEP_EINVAL : skepi_value_int(value, out);
}

int skep_task_input_double(const skep_task *task, int index, double *out)
{
    struct skepi_value *value = input_of(task, index);

    return value == NULL ? SKEP_EINVAL : skepi_value_double(value, out);
}

int skep_task_input_string(const skep_task *task, int index, const char **out)
{
    return lend_text(input_of(task, index), SKEP_VALUE_STRING, out);
}

int skep_task_input_json(const skep_task *task, int index, const char **out)
{
    return lend_text(input_of(task, index), SKEP_VALUE_JSON, out);
}

int skep_task_input_bytes(const skep_task *task, int index, const void **out, size_t *size)
{
    return lend(input_of(task, index), SKEP_VALUE_BYTES, out, size);
}

int skep_task_input_proxy(const skep_task *task, int index, skep_proxy **take)
{
    return take_proxy(input_of(task, index), take);
}

/* ---- figures ------------------------------------------------------------------------------------- */

#define SKEP_NAME(name, text) text,
static const char *const stamp_names[] = {SKEP_STAMPS(SKEP_NAME)};
static const char *const span_names[] = {SKEP_SPANS(SKEP_NAME)};
#undef SKEP_NAME

const char *skep_stamp_name(int stamp)
{
    return stamp < 0 || stamp >= SKEP_STAMP_COUNT ? "?" : stamp_names[stamp];
}

const char *skep_span_name(int span)
{
    return span < 0 || span >= SKEP_SPAN_COUNT ? "?" : span_names[span];
}

uint64_t skep_task_stamp_ns(const skep_task *task, int stamp)
{
    return task == NULL || stamp < 0 || stamp >= SKEP_STAMP_COUNT ? 0 : task->head.stamp[stamp];
}

uint64_t skep_task_span_ns(const skep_task *task, int span)
{
    return task == NULL || span < 0 || span >= SKEP_SPAN_COUNT ? 0 : task->head.span[span];
}

uint64_t skep_task_moved_bytes(const skep_task *task)
{
    return task == NULL ? 0 : task->head.moved_bytes;
}

uint64_t skep_task_referred_bytes(const skep_task *task)
{
    return task == NULL ? 0 : task->head.referred_bytes;
}

uint64_t skep_task_message_bytes(const skep_task *task)
{
    return task == NULL ? 0 : task->head.message_bytes;
}

uint64_t skep_task_resolves(const skep_task *task)
{
    return task == NULL ? 0 : task->head.resolves;
}
