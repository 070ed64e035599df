/* task.c - building a task, and its end. */
#include "steering/task/task.h"
#include "steering/task/id.h"
#include "steering/task/owned.h"

#include <stdlib.h>
#include <string.h>

struct block {
    struct block *next;
    max_align_t data[];
};

void *skepi_task_room(struct skep_task *task, size_t size)
{
    size_t used = (task->used + 7) & ~(size_t)7;
    struct block *block;

    if (size <= sizeof task->arena - used) {
        task->used = used + size;
        return task->arena + used;
    }
    if (size > SIZE_MAX - sizeof *block || (block = malloc(sizeof *block + size)) == NULL)
        return NULL;
    block->next = task->blocks;
    task->blocks = block;
    return block->data;
}

/* Remember the first thing that went wrong. */
static int wrong(struct skep_task *task, int code, const skep_error *why)
{
    if (task == NULL || task->state != SKEPI_TASK_BUILT || task->wrong != SKEP_OK)
        return code;
    task->wrong = code;
    if ((task->why = malloc(sizeof *task->why)) != NULL)
        skep_fail(task->why, code, "input %u of a task for '%s': %s", task->n_inputs, task->method,
                  why == NULL ? skep_err_text(code) : why->text);
    return code;
}

static const char *copy(struct skep_task *task, const char *text)
{
    size_t size = strlen(text) + 1;
    char *room = skepi_task_room(task, size);

    return room == NULL ? NULL : memcpy(room, text, size);
}

skep_task *skep_task_new(const char *method)
{
    skep_task *task = malloc(sizeof *task);
    skep_error why;

    if (task == NULL)
        return NULL;
    memset(task, 0, offsetof(struct skep_task, id_text));
    skepi_id_new(task->head.id);
    task->head.message.kind = SKEPI_TASK;
    task->head.attempt = 1;
    task->head.worker = SKEPI_NO_WORKER;
    task->head.stamp[SKEP_STAMP_CREATED] = skep_real_ns();
    task->inputs = task->few;
    task->room = SKEPI_TASK_INPUTS;
    task->method = task->info = task->failure = task->host = "";
    if (method == NULL || method[0] == '\0' || strlen(method) >= SKEPI_NAME_MAX ||
        skepi_text_check(method, strlen(method)) != SKEP_OK) {
        skep_fail(&why, SKEP_EINVAL, "a method's name has 1 to %d bytes of UTF-8", SKEPI_NAME_MAX - 1);
        wrong(task, SKEP_EINVAL, &why);
    } else if ((task->method = copy(task, method)) == NULL) {
        skep_task_free(task);
        return NULL;
    }
    return task;
}

void skepi_task_forget_inputs(struct skep_task *task, uint64_t by_ns)
{
    for (uint32_t i = 0; i < task->n_inputs && task->has_owned; i++) {
        skepi_owned_unref(task->inputs[i].owned, by_ns);
        task->inputs[i].owned = NULL;
    }
    task->has_owned = 0;
}

void skep_task_free(skep_task *task)
{
    if (task == NULL)
        return;
    for (uint32_t i = 0; i < task->n_inputs; i++)
        skepi_value_fini(&task->inputs[i]);
    if (task->inputs != task->few)
        free(task->inputs);
    skepi_value_fini(&task->value);
    skep_store_unref(task->store);
    skepi_chunk_unref(task->answer);
    while (task->blocks != NULL) {
        struct block *block = task->blocks;

        task->blocks = block->next;
        free(block);
    }
    free(task->why);
    free(task);
}

/* ---- inputs -------------------------------------------------------------------------------------- */

/* A place for one more input, zeroed; NULL with `*rc`. It counts once `task->n_inputs` does. */
static struct skepi_value *place(struct skep_task *task, int *rc)
{
    struct skepi_value *more;
    uint32_t room;

    if (task == NULL) {
        *rc = SKEP_ENOMEM;
        return NULL;
    }
    *rc = task->state != SKEPI_TASK_BUILT ? SKEP_EINVAL : task->n_inputs >= SKEPI_INPUTS_MAX ? SKEP_ETOOBIG : SKEP_OK;
    if (*rc == SKEP_OK && task->n_inputs == task->room) {
        room = task->room * 2;
        if ((more = malloc(room * sizeof *more)) == NULL) {
            *rc = SKEP_ENOMEM;
        } else {
            memcpy(more, task->inputs, task->n_inputs * sizeof *more);
            if (task->inputs != task->few)
                free(task->inputs);
            task->inputs = more;
            task->room = room;
        }
    }
    if (*rc != SKEP_OK) {
        wrong(task, *rc, NULL);
        return NULL;
    }
    task->inputs[task->n_inputs] = (struct skepi_value){0};
    return &task->inputs[task->n_inputs];
}

static int add_scalar(skep_task *task, int type, uint64_t bits)
{
    int rc;
    struct skepi_value *value = place(task, &rc);

    if (value == NULL)
        return rc;
    value->type = (uint8_t)type;
    value->bits = bits;
    task->n_inputs++;
    return SKEP_OK;
}

int skep_task_add_null(skep_task *task)
{
    return add_scalar(task, SKEP_VALUE_NULL, 0);
}

int skep_task_add_bool(skep_task *task, int value)
{
    return add_scalar(task, SKEP_VALUE_BOOL, value != 0);
}

int skep_task_add_int(skep_task *task, int64_t value)
{
    return add_scalar(task, SKEP_VALUE_INT, (uint64_t)value);
}

int skep_task_add_double(skep_task *task, double number)
{
    struct skepi_value value = {0};

    skepi_value_set_double(&value, number);
    return add_scalar(task, SKEP_VALUE_DOUBLE, value.bits);
}

/* Bytes or a text, copied: small ones into the task, big ones into a buffer that is sent from where it is. `extra`: 1 for
 * the NUL of a text. */
static int add_copy(skep_task *task, int type, const void *data, size_t size, size_t extra)
{
    int rc;
    struct skepi_value *value = place(task, &rc);
    void *room;

    if (value == NULL)
        return rc;
    if (data == NULL && size > 0)
        return wrong(task, SKEP_EINVAL, NULL);
    if (size + extra > SKEPI_COPY_MAX) {
        if ((rc = skep_buf_copy(data, size + extra, &value->buf)) != SKEP_OK)
            return wrong(task, rc, NULL);
        value->data = skep_buf_data(value->buf);
    } else {
        if ((room = skepi_task_room(task, size + extra)) == NULL)
            return wrong(task, SKEP_ENOMEM, NULL);
        if (size + extra > 0)
            memcpy(room, data, size + extra);
        value->data = room;
    }
    value->type = (uint8_t)type;
    value->bits = size;
    task->n_inputs++;
    return SKEP_OK;
}

int skep_task_add_bytes(skep_task *task, const void *data, size_t size)
{
    return add_copy(task, SKEP_VALUE_BYTES, data, size, 0);
}

int skep_task_add_string(skep_task *task, const char *text)
{
    skep_error why;

    if (text == NULL || skepi_text_check(text, strlen(text)) != SKEP_OK) {
        skep_fail(&why, SKEP_EINVAL, "not a text in UTF-8");
        return wrong(task, SKEP_EINVAL, &why);
    }
    return add_copy(task, SKEP_VALUE_STRING, text, strlen(text), 1);
}

int skep_task_add_json(skep_task *task, const char *text)
{
    skep_error why = {SKEP_OK, "not JSON: it is NULL"};

    if (text == NULL || skepi_json_check(text, strlen(text), &why) != SKEP_OK)
        return wrong(task, SKEP_EINVAL, &why);
    return add_copy(task, SKEP_VALUE_JSON, text, strlen(text), 1);
}

int skep_task_add_buf(skep_task *task, skep_buf *buf)
{
    int rc;
    struct skepi_value *value;

    if (buf == NULL)
        return wrong(task, SKEP_EINVAL, NULL);
    if ((value = place(task, &rc)) == NULL)
        return rc;
    *value = (struct skepi_value){
        .type = SKEP_VALUE_BYTES, .bits = skep_buf_size(buf), .data = skep_buf_data(buf), .buf = skep_buf_ref(buf)};
    task->n_inputs++;
    return SKEP_OK;
}

int skep_task_add_proxy(skep_task *task, skep_proxy *proxy)
{
    char handle[SKEP_HANDLE_MAX];
    int rc;
    struct skepi_value *value;

    if (proxy == NULL)
        return wrong(task, SKEP_EINVAL, NULL);
    if ((value = place(task, &rc)) == NULL)
        return rc;
    if ((rc = skep_proxy_handle(proxy, handle, sizeof handle)) != SKEP_OK)
        return wrong(task, rc, NULL);
    if ((value->data = copy(task, handle)) == NULL)
        return wrong(task, SKEP_ENOMEM, NULL);
    value->type = SKEP_VALUE_PROXY;
    value->flags = SKEPI_VALUE_PROXIED;
    value->bits = strlen(handle);
    value->proxy = skep_proxy_ref(proxy);
    value->owned = skepi_owned_find(proxy);
    task->has_owned |= value->owned != NULL;
    task->n_inputs++;
    return SKEP_OK;
}

/* ---- the rest ------------------------------------------------------------------------------------ */

int skep_task_set_info(skep_task *task, const char *text)
{
    const char *info;

    if (task == NULL)
        return SKEP_ENOMEM;
    if (text == NULL || task->state != SKEPI_TASK_BUILT || skepi_text_check(text, strlen(text)) != SKEP_OK)
        return wrong(task, SKEP_EINVAL, NULL);
    if ((info = copy(task, text)) == NULL)
        return wrong(task, SKEP_ENOMEM, NULL);
    task->info = info;
    return SKEP_OK;
}

int skep_task_set_priority(skep_task *task, int32_t priority)
{
    if (task == NULL)
        return SKEP_ENOMEM;
    task->head.priority = priority;
    return SKEP_OK;
}

int skep_task_set_deadline(skep_task *task, uint64_t by_ns)
{
    uint64_t now = skep_now_ns(), real = skep_real_ns();

    if (task == NULL)
        return SKEP_ENOMEM;
    if (by_ns == SKEP_FOREVER || (by_ns > now && by_ns - now > UINT64_MAX - real))
        task->head.deadline_ns = 0;
    else /* other hosts have another monotonic clock */
        task->head.deadline_ns = by_ns <= now ? real - (now - by_ns < real ? now - by_ns : real - 1) : real + (by_ns - now);
    return SKEP_OK;
}
