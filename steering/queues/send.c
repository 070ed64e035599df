/* send.c - from a task to the socket.
 *
 * A lone task goes at once, with one call. Who sends many in a row pays for a call only now and then: each send spends a
 * token, which come back with time, and when there are none left the messages gather, until they fill a packet, until the
 * sender waits for a result, or until a helper thread sends them a moment later.
 */
#include "steering/queues/queues.h"
#include "steering/task/owned.h"

#include <signal.h>
#include <skep/log.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    TOKENS = 16,
    TOKEN_NS = 40000,
    GATHER_BYTES = 48 << 10,
    HELPER_PAUSE_NS = 200000,
    STALL_MS = 100,
};

/* ---- the socket; the lock is held ---------------------------------------------------------------- */

static void *help(void *arg)
{
    const struct timespec pause = {0, HELPER_PAUSE_NS};
    struct skep_queues *q = arg;
    uint64_t seen = 0;

    pthread_mutex_lock(&q->lock);
    while (!q->closing) {
        if (q->stalled) {
            pthread_mutex_unlock(&q->lock);
            q->ops->wait(q->peer, skep_in_ms(STALL_MS));
            pthread_mutex_lock(&q->lock);
            q->stalled = 0;
        }
        skepi_queues_flush(q);
        if (q->stalled || q->closing)
            continue;
        if (q->sends != seen) { /* there is traffic: the next may need help soon */
            seen = q->sends;
            pthread_mutex_unlock(&q->lock);
            nanosleep(&pause, NULL);
            pthread_mutex_lock(&q->lock);
        } else {
            q->helper_asleep = 1;
            pthread_cond_wait(&q->help, &q->lock);
            q->helper_asleep = 0;
        }
    }
    pthread_mutex_unlock(&q->lock);
    return NULL;
}

static void call_helper(struct skep_queues *q)
{
    sigset_t all, before;

    if (q->helper_asleep) {
        pthread_cond_signal(&q->help);
    } else if (!q->has_helper && !q->closing) {
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        q->has_helper = pthread_create(&q->helper, NULL, help, q) == 0;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
}

void skepi_queues_end_helper(struct skep_queues *q)
{
    int has;

    pthread_mutex_lock(&q->lock);
    q->closing = 1;
    has = q->has_helper;
    pthread_cond_signal(&q->help);
    pthread_mutex_unlock(&q->lock);
    if (has)
        pthread_join(q->helper, NULL);
}

/* What may go now: words first, since tasks may need them, then tasks as the window takes them. */
static void gather(struct skep_queues *q)
{
    const struct skepi_control stop = {.kind = SKEPI_STOP};

    skepi_outbox_move(&q->sending, &q->words, q->words.bytes);
    if (q->in_flight < q->window)
        q->in_flight += skepi_outbox_move(&q->sending, &q->out, (size_t)(q->window - q->in_flight));
    if (q->stop_asked && skepi_control_add(&q->sending, &stop) == SKEP_OK)
        q->stop_asked = 0;
}

int skepi_queues_unsent(const struct skep_queues *q)
{
    return q->words.n + q->out.n + q->sending.n > 0 || q->stop_asked;
}

void skepi_queues_flush(struct skep_queues *q)
{
    int rc = SKEP_OK;

    if (q->flushing || (q->stalled && q->has_helper))
        return; /* who does it sees what is new when he is done */
    q->flushing = 1;
    while (rc == SKEP_OK && q->gone.code == SKEP_OK) {
        gather(q);
        if (q->sending.n == 0)
            break;
        pthread_mutex_unlock(&q->lock);
        rc = q->ops->send(q->peer, &q->sending);
        pthread_mutex_lock(&q->lock);
        if (rc == SKEP_OK && q->sending.n > 0) {
            q->stalled = 1;
            call_helper(q);
            break;
        }
    }
    if (rc == SKEP_ECLOSED && q->gone.code == SKEP_OK)
        skep_fail(&q->gone, SKEP_ECLOSED, "%s: the task server (%s) is gone", q->uri, q->peer->name);
    if (q->gone.code != SKEP_OK) {
        skepi_outbox_drop(&q->words, q->words.bytes);
        skepi_outbox_drop(&q->out, q->out.bytes);
        skepi_outbox_drop(&q->sending, q->sending.bytes);
    }
    q->flushing = 0;
}

/* Now, or soon? */
static void flush_in_time(struct skep_queues *q, uint64_t now_ns)
{
    uint64_t fresh = (now_ns - q->token_ns) / TOKEN_NS;

    q->sends++;
    if (fresh > 0) {
        q->tokens = fresh + q->tokens > TOKENS ? TOKENS : (unsigned)fresh + q->tokens;
        q->token_ns = now_ns;
    }
    if (q->tokens > 0 || q->out.bytes >= GATHER_BYTES) {
        q->tokens -= q->tokens > 0;
        skepi_queues_flush(q);
    } else if (!q->flushing && !q->stalled) {
        call_helper(q);
    }
}

int skepi_queues_say(struct skep_queues *q, const struct skepi_control *control)
{
    return skepi_control_add(&q->words, control);
}

/* ---- inputs -------------------------------------------------------------------------------------- */

static size_t object_size(const struct skepi_value *value)
{
    return (size_t)value->bits + (size_t)skepi_value_is_text(value);
}

static int is_big(const struct skepi_value *value, const struct skepi_declared *declared)
{
    return declared != NULL && !skepi_value_is_scalar(value) && (value->flags & SKEPI_VALUE_PROXIED) == 0 &&
           object_size(value) > declared->threshold;
}

static int any_big(const skep_task *task, const struct skepi_declared *declared)
{
    for (uint32_t i = 0; i < task->n_inputs; i++)
        if (is_big(&task->inputs[i], declared))
            return 1;
    return 0;
}

/* Put one input into the store; its handle takes its place. */
static int proxy_input(skep_task *task, struct skepi_value *value, skep_store *store, skep_error *err)
{
    struct skepi_value fresh = {.type = value->type, .flags = SKEPI_VALUE_PROXIED | SKEPI_VALUE_OWNED};
    char handle[SKEP_HANDLE_MAX], *room;
    int rc = skep_store_proxy(store, value->data, object_size(value), NULL, &fresh.proxy, err);

    if (rc != SKEP_OK)
        return rc;
    if ((fresh.owned = skepi_owned_new(fresh.proxy)) == NULL) {
        skep_proxy_evict(fresh.proxy, SKEP_FOREVER, NULL);
        skepi_value_fini(&fresh);
        return skep_fail(err, SKEP_ENOMEM, "no memory for a proxy");
    }
    skep_proxy_handle(fresh.proxy, handle, sizeof handle);
    fresh.bits = strlen(handle);
    if ((room = skepi_task_room(task, (size_t)fresh.bits + 1)) == NULL) {
        skepi_value_fini(&fresh);
        return skep_fail(err, SKEP_ENOMEM, "no memory for a handle");
    }
    fresh.data = memcpy(room, handle, (size_t)fresh.bits + 1);
    skepi_value_fini(value);
    *value = fresh;
    task->has_owned = 1;
    return SKEP_OK;
}

/* Inputs above the threshold go to the store. Without the lock. */
static int proxy_inputs(skep_task *task, const struct skepi_declared *declared, skep_error *err)
{
    int rc = SKEP_OK;

    for (uint32_t i = 0; i < task->n_inputs && rc == SKEP_OK; i++)
        if (is_big(&task->inputs[i], declared))
            rc = proxy_input(task, &task->inputs[i], task->store, err);
    return rc;
}

static void count_referred(skep_task *task)
{
    for (uint32_t i = 0; i < task->n_inputs; i++) {
        const skep_proxy *proxy = task->inputs[i].proxy;

        if (proxy != NULL && skep_proxy_ref_of(proxy)->size_bytes != SKEP_SIZE_UNKNOWN)
            task->head.referred_bytes += skep_proxy_ref_of(proxy)->size_bytes;
    }
}

/* ---- the task; the lock is held ------------------------------------------------------------------ */

struct skepi_topic *skepi_topic_find(struct skep_queues *q, const char *name)
{
    struct skepi_topic *topic = q->last_topic;

    if (name == NULL)
        return NULL;
    if (topic != NULL && strcmp(topic->name, name) == 0)
        return topic;
    for (topic = q->topics; topic != NULL && strcmp(topic->name, name) != 0; topic = topic->next)
        ;
    if (topic != NULL)
        q->last_topic = topic;
    return topic;
}

/* Tell the server of stores that this client's own proxies lead to, so that its workers follow them. */
static int reach(struct skep_queues *q, const struct skepi_value *value)
{
    const char *handle = value->data, *end = strchr(handle, '#');
    size_t size = end == NULL ? (size_t)value->bits : (size_t)(end - handle);
    struct skepi_reached *r;
    struct skepi_control control = {.kind = SKEPI_STORE, .n = 1};

    for (const struct skepi_declared *d = q->declared; d != NULL; d = d->next)
        if (d->agreed == 1 && strlen(d->identity) == size && memcmp(d->identity, handle, size) == 0)
            return SKEP_OK;
    for (r = q->reached; r != NULL; r = r->next)
        if (strlen(r->identity) == size && memcmp(r->identity, handle, size) == 0)
            return SKEP_OK;
    if ((r = malloc(sizeof *r + size + 1)) == NULL)
        return SKEP_ENOMEM;
    memcpy(r->identity, handle, size);
    r->identity[size] = '\0';
    r->next = q->reached;
    q->reached = r;
    control.text[0] = r->identity;
    return skepi_queues_say(q, &control);
}

static int reach_all(struct skep_queues *q, const skep_task *task)
{
    int rc = SKEP_OK;

    for (uint32_t i = 0; i < task->n_inputs && rc == SKEP_OK; i++)
        if ((task->inputs[i].flags & SKEPI_VALUE_PROXIED) != 0)
            rc = reach(q, &task->inputs[i]);
    return rc;
}

static int more_slots(struct skep_queues *q)
{
    uint32_t n = q->n_slots == 0 ? 256 : q->n_slots * 2;
    struct skepi_slot *slots = n < q->n_slots ? NULL : realloc(q->slots, n * sizeof *slots);

    if (slots == NULL)
        return SKEP_ENOMEM;
    for (uint32_t i = q->n_slots; i < n; i++)
        slots[i] = (struct skepi_slot){.next = i + 1 < n ? i + 1 : UINT32_MAX};
    q->free_slot = q->n_slots;
    q->slots = slots;
    q->n_slots = n;
    return SKEP_OK;
}

/* Registered first: no result overtakes it. */
static int register_task(struct skep_queues *q, skep_task *task, struct skepi_topic *topic)
{
    uint32_t i;

    if (q->free_slot == UINT32_MAX && more_slots(q) != SKEP_OK)
        return SKEP_ENOMEM;
    i = q->free_slot;
    q->free_slot = q->slots[i].next;
    q->slots[i].task = task;
    task->head.reply = i | (uint64_t)q->slots[i].generation << 32;
    task->at = topic;
    topic->active++;
    q->active++;
    return SKEP_OK;
}

static void unregister(struct skep_queues *q, const skep_task *task)
{
    uint32_t i = (uint32_t)task->head.reply;

    q->slots[i] = (struct skepi_slot){.generation = q->slots[i].generation + 1, .next = q->free_slot};
    q->free_slot = i;
    task->at->active--;
    q->active--;
}

static int write_task(struct skep_queues *q, skep_task *task, skep_error *err)
{
    struct skepi_draft draft = {.head = task->head,
                                .method = task->method,
                                .topic = task->topic,
                                .info = task->info,
                                .inputs = task->inputs,
                                .n_inputs = task->n_inputs};
    size_t size;
    int rc = skepi_outbox_add(&q->out, &draft, &size, err);

    if (rc == SKEP_OK) {
        task->record_size = (uint32_t)size;
        task->head.message_bytes = size;
    }
    return rc;
}

static int enter(struct skep_queues *q, skep_task *task, struct skepi_topic *topic, skep_error *err)
{
    int rc = q->gone.code;

    if (rc != SKEP_OK)
        return skep_fail(err, rc, "%s", q->gone.text);
    if (q->ops->trusted && (rc = reach_all(q, task)) != SKEP_OK)
        return skep_fail(err, rc, "no memory to send a task");
    memcpy(task->topic, topic->name, sizeof task->topic);
    if ((rc = register_task(q, task, topic)) != SKEP_OK)
        return skep_fail(err, rc, "no memory to send a task");
    if ((rc = write_task(q, task, err)) != SKEP_OK)
        unregister(q, task);
    else
        skepi_move(&skepi_task_machine, &task->state, SKEPI_TASK_SENT);
    return rc;
}

/* ---- the call ------------------------------------------------------------------------------------ */

static int check(const skep_task *task, skep_error *err)
{
    if (task == NULL)
        return skep_fail(err, SKEP_ENOMEM, "no memory for a task");
    if (task->wrong != SKEP_OK)
        return skep_fail(err, task->wrong, "%s", task->why == NULL ? skep_err_text(task->wrong) : task->why->text);
    if (task->state != SKEPI_TASK_BUILT)
        return skep_fail(err, SKEP_EINVAL, "task '%s' was sent before", task->method);
    return SKEP_OK;
}

static int send_task(struct skep_queues *q, const char *name, skep_task *task, skep_error *err)
{
    uint64_t since = skep_now_ns(), now;
    const struct skepi_declared *declared;
    struct skepi_topic *topic;
    int rc = SKEP_OK;

    pthread_mutex_lock(&q->lock);
    if ((topic = skepi_topic_find(q, name)) == NULL) {
        rc = skep_fail(err, SKEP_EINVAL, "topic '%s' is not declared: see skep_queues_topic", name == NULL ? "NULL" : name);
    } else if ((declared = topic->declared) != NULL) {
        task->store = skep_store_ref(declared->store);
        task->head.declared = declared->number;
        if (any_big(task, declared)) {
            pthread_mutex_unlock(&q->lock);
            rc = proxy_inputs(task, declared, err);
            pthread_mutex_lock(&q->lock);
        }
    }
    if (rc == SKEP_OK) {
        count_referred(task);
        rc = enter(q, task, topic, err);
    }
    if (rc == SKEP_OK) {
        now = skep_now_ns();
        task->head.span[SKEP_SPAN_SERIALISE] = now - since;
        flush_in_time(q, now);
    }
    pthread_mutex_unlock(&q->lock);
    return rc;
}

int skep_queues_send(skep_queues *queues, const char *topic, skep_task **give, skep_error *err)
{
    skep_task *task = *give;
    int rc = check(task, err);

    *give = NULL;
    if (rc == SKEP_OK)
        rc = send_task(queues, topic, task, err);
    if (rc != SKEP_OK)
        skep_task_free(task);
    return rc;
}
