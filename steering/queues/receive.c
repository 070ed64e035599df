/* receive.c - from the socket to whoever waits.
 *
 * There is no reader thread, for waking one would cost more than all the rest: of the threads that wait for results one
 * polls the socket, takes what it waits for itself, hands the others theirs, and passes the polling on when it leaves.
 */
#include "steering/queues/queues.h"
#include "steering/task/id.h"
#include "steering/task/owned.h"

#include <errno.h>
#include <skep/log.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

enum {
    LOST_ATTEMPTS = 4, /* a task has hardly more */
    EVICT_LEAST_MS = 1000,
    EVICT_MOST_MS = 10000
};

/* ---- what came: called by the loop, without the lock --------------------------------------------- */

static int keep_arrival(struct skep_queues *q, struct skepi_message *message, struct skepi_chunk *chunk, skep_error *err)
{
    size_t room = q->room_arrivals == 0 ? 64 : q->room_arrivals * 2;
    struct skepi_arrival *more, *arrival;
    int rc;

    if (q->n_arrivals == q->room_arrivals) {
        if ((more = realloc(q->arrivals, room * sizeof *more)) == NULL)
            return skep_fail(err, SKEP_ENOMEM, "no memory for results");
        q->arrivals = more;
        q->room_arrivals = room;
    }
    arrival = &q->arrivals[q->n_arrivals];
    if ((rc = skepi_record_decode(message, message->length, &arrival->parts, err)) != SKEP_OK)
        return rc;
    arrival->chunk = skepi_chunk_ref(chunk);
    arrival->task = NULL;
    q->n_arrivals++;
    return SKEP_OK;
}

static void wake(struct skepi_waiter *w)
{
    w->woken = 1;
    pthread_cond_signal(&w->cond);
}

static void declaration_answered(struct skep_queues *q, const struct skepi_control *said)
{
    struct skepi_declared *d;

    pthread_mutex_lock(&q->lock);
    for (d = q->declared; d != NULL && d->number != said->number[1]; d = d->next)
        ;
    if (d != NULL && d->agreed == 0) {
        d->agreed = said->kind == SKEPI_AGREED ? 1 : (int)(int64_t)said->number[0];
        free(d->refusal);
        d->refusal = said->n > 0 ? strdup(said->text[0]) : NULL;
        for (struct skepi_waiter *w = q->waiters; w != NULL; w = w->next)
            if (w->for_answer)
                wake(w);
    }
    pthread_mutex_unlock(&q->lock);
}

static int queue_message(void *arg, struct skepi_peer *peer, struct skepi_message *message, struct skepi_chunk *chunk,
                         skep_error *err)
{
    struct skep_queues *q = arg;
    struct skepi_control said;
    int rc;

    (void)peer;
    if (message->kind == SKEPI_ANSWER)
        return keep_arrival(q, message, chunk, err);
    if ((rc = skepi_control_decode(message, &said, err)) != SKEP_OK)
        return rc;
    switch (said.kind) {
    case SKEPI_WELCOME:
        pthread_mutex_lock(&q->lock);
        q->welcomed = 1;
        q->window = said.number[1];
        pthread_mutex_unlock(&q->lock);
        return SKEP_OK;
    case SKEPI_AGREED:
    case SKEPI_REFUSED:
        if (said.kind == SKEPI_REFUSED && (int64_t)said.number[0] >= 0)
            return skep_fail(err, SKEP_EFORMAT, "a refusal without a code");
        declaration_answered(q, &said);
        return SKEP_OK;
    case SKEPI_BYE:
        pthread_mutex_lock(&q->lock);
        q->dismissed = 1;
        pthread_mutex_unlock(&q->lock);
        return SKEP_OK;
    case SKEPI_PING:
        return SKEP_OK;
    default:
        return skep_fail(err, SKEP_EFORMAT, "a message of kind %u", said.kind);
    }
}

static void queue_left(void *arg, struct skepi_peer *peer, const skep_error *why)
{
    struct skep_queues *q = arg;

    pthread_mutex_lock(&q->lock);
    q->left = 1;
    if (q->gone.code == SKEP_OK)
        skep_fail(&q->gone, why->code, "%s: the task server (%s) is gone%s%s", q->uri, peer->name,
                  why->code == SKEP_ECLOSED ? "" : ": ", why->code == SKEP_ECLOSED ? "" : why->text);
    pthread_mutex_unlock(&q->lock);
}

const struct skepi_link_events skepi_queues_events = {.message = queue_message, .left = queue_left};

/* ---- results ------------------------------------------------------------------------------------- */

/* The task that an answer is for leaves the register: it is answered once. With the lock held. */
static void find_task(struct skep_queues *q, struct skepi_arrival *arrival)
{
    const struct skepi_record *answer = arrival->parts.head;
    uint32_t i = (uint32_t)answer->reply;
    struct skepi_slot *slot = i < q->n_slots ? &q->slots[i] : NULL;

    if (slot == NULL || slot->task == NULL || slot->generation != (uint32_t)(answer->reply >> 32) ||
        memcmp(slot->task->head.id, answer->id, sizeof answer->id) != 0) {
        skep_log(SKEP_LOG_DEBUG, "queues", "an answer that nobody waits for is dropped");
        return;
    }
    arrival->task = slot->task;
    *slot = (struct skepi_slot){.generation = slot->generation + 1, .next = q->free_slot};
    q->free_slot = i;
    q->in_flight -= arrival->task->record_size;
}

/* The store has a big value: hold it, so that it is evicted with the task. Only what the worker was bound to call it is
 * believed. */
static int open_owned(skep_task *task, skep_error *err)
{
    skep_handle handle = SKEP_HANDLE_INIT;
    char identity[SKEP_URI_MAX], key[SKEPI_KEY_TEXT];
    int rc = skep_handle_parse(task->value.data, &handle, err);

    if (rc != SKEP_OK)
        return rc;
    skepi_id_value_key(task->head.id, task->head.attempt, key);
    if (task->store == NULL || skep_store_identity(task->store, identity, sizeof identity) != SKEP_OK ||
        strcmp(identity, handle.store) != 0 || strcmp(key, handle.ref.key) != 0)
        return skep_fail(err, SKEP_EDENIED, "the value is said to be %s in %s, where this task has none", handle.ref.key,
                         handle.store);
    if ((rc = skep_store_proxy_of(task->store, &handle.ref, handle.codec, &task->value.proxy, err)) == SKEP_OK &&
        (task->value.owned = skepi_owned_new(task->value.proxy)) == NULL)
        rc = skep_fail(err, SKEP_ENOMEM, "no memory for a proxy");
    return rc;
}

static void open_value(skep_task *task)
{
    char text[SKEP_ERROR_TEXT_MAX + 64];
    skep_error why;
    int rc;

    if ((task->value.flags & SKEPI_VALUE_OWNED) != 0)
        rc = open_owned(task, &why);
    else
        rc = skep_proxy_open(task->value.data, NULL, &task->value.proxy, &why);
    if (rc != SKEP_OK) {
        skep_fail(&why, rc, "%.400s", why.text);
        stpcpy(stpcpy(text, "the value can't be opened: "), why.text);
        skepi_task_fail(task, rc, text);
    }
}

static void take_answer(struct skep_queues *q, struct skepi_arrival *arrival)
{
    skep_task *task = arrival->task;

    task->head.attempt = arrival->parts.head->attempt;
    skepi_task_answer(task, &arrival->parts, arrival->chunk);
    task->head.stamp[SKEP_STAMP_RETURNED] = q->real_ns;
    if ((task->value.flags & SKEPI_VALUE_PROXIED) != 0)
        open_value(task);
}

/* A result for a topic: to a thread that waits for it, or for any. With the lock held. */
static void deliver(struct skep_queues *q, skep_task *task)
{
    struct skepi_topic *topic = task->at;
    struct skepi_waiter *w;

    task->next = NULL;
    *(topic->first == NULL ? &topic->first : &topic->last->next) = task;
    topic->last = task;
    for (w = q->waiters; w != NULL; w = w->next)
        if (!w->woken && !w->for_answer && (w->topic == NULL || w->topic == topic)) {
            wake(w);
            return;
        }
}

static skep_task *take_result(struct skepi_topic *topic)
{
    skep_task *task = topic->first;

    topic->first = task->next;
    skepi_move(&skepi_task_machine, &task->state, SKEPI_TASK_RECEIVED);
    return task;
}

static void wake_all(struct skep_queues *q)
{
    for (struct skepi_waiter *w = q->waiters; w != NULL; w = w->next)
        wake(w);
    if (q->polling)
        eventfd_write(q->wake.fd, 1);
    pthread_cond_broadcast(&q->idle);
}

/* ---- the server is gone -------------------------------------------------------------------------- */

/* One deadline for all that a poll evicts: that of who polls, within reason. What is not evicted by then stays. */
static uint64_t evict_deadline(uint64_t by_ns)
{
    uint64_t least = skep_in_ms(EVICT_LEAST_MS), most = skep_in_ms(EVICT_MOST_MS);

    return by_ns < least ? least : by_ns > most ? most : by_ns;
}

/* What the worker may have put, under the keys that it was bound to take. */
static void evict_lost_value(const skep_task *task, uint64_t by_ns)
{
    skep_ref refs[LOST_ATTEMPTS] = {SKEP_REF_INIT, SKEP_REF_INIT, SKEP_REF_INIT, SKEP_REF_INIT};
    char key[SKEPI_KEY_TEXT];
    skep_error why;

    if (task->store == NULL)
        return;
    for (uint32_t i = 0; i < LOST_ATTEMPTS; i++) {
        skepi_id_value_key(task->head.id, i + 1, key);
        if (skep_ref_key(key, &refs[i]) != SKEP_OK)
            return;
    }
    if (skep_store_evict_batch(task->store, refs, LOST_ATTEMPTS, by_ns, NULL, &why) != SKEP_OK)
        skep_log(SKEP_LOG_WARN, "queues", "the value of a task may stay in its store: %s", why.text);
}

/* All that was not answered fails here, so that everything sent comes back. With the lock held, let go of meanwhile. */
static void fail_all(struct skep_queues *q, uint64_t by_ns)
{
    skep_task *lost = NULL, *task;
    const uint64_t evict_by = evict_deadline(by_ns);
    char text[SKEP_ERROR_TEXT_MAX + 64];

    for (uint32_t i = 0; i < q->n_slots; i++) {
        if ((task = q->slots[i].task) == NULL)
            continue;
        q->slots[i] = (struct skepi_slot){.generation = q->slots[i].generation + 1, .next = q->free_slot};
        q->free_slot = i;
        task->next = lost;
        lost = task;
    }
    stpcpy(stpcpy(text, q->gone.text), ", and did not answer");
    pthread_mutex_unlock(&q->lock);
    for (task = lost; task != NULL; task = task->next) {
        skepi_move(&skepi_task_machine, &task->state, SKEPI_TASK_ANSWERED);
        skepi_task_fail(task, SKEP_EUNREACH, text);
        skepi_task_forget_inputs(task, evict_by);
        evict_lost_value(task, evict_by);
    }
    pthread_mutex_lock(&q->lock);
    while ((task = lost) != NULL) {
        lost = task->next;
        deliver(q, task);
    }
    wake_all(q);
}

/* ---- polling ------------------------------------------------------------------------------------- */

/* Hand out what the loop has gathered. With the lock held, let go of meanwhile. */
static void settle(struct skep_queues *q, uint64_t by_ns)
{
    size_t n = q->n_arrivals;
    uint64_t evict_by = 0;

    for (size_t i = 0; i < n; i++)
        find_task(q, &q->arrivals[i]);
    pthread_mutex_unlock(&q->lock);
    for (size_t i = 0; i < n; i++)
        if (q->arrivals[i].task != NULL)
            take_answer(q, &q->arrivals[i]);
    for (size_t i = 0; i < n; i++) {
        skepi_chunk_unref(q->arrivals[i].chunk);
        if (q->arrivals[i].task == NULL || !q->arrivals[i].task->has_owned)
            continue;
        evict_by = evict_by == 0 ? evict_deadline(by_ns) : evict_by;
        skepi_task_forget_inputs(q->arrivals[i].task, evict_by);
    }
    pthread_mutex_lock(&q->lock);
    q->n_arrivals = 0;
    for (size_t i = 0; i < n; i++)
        if (q->arrivals[i].task != NULL)
            deliver(q, q->arrivals[i].task);
}

void skepi_queues_poll(struct skep_queues *q, uint64_t by_ns)
{
    int had_left = q->left;

    q->polling = 1;
    if (q->words.n + q->out.n > 0)
        skepi_queues_flush(q);
    pthread_mutex_unlock(&q->lock);
    skepi_loop_run(&q->loop, by_ns, NULL, &q->real_ns);
    pthread_mutex_lock(&q->lock);
    if (q->n_arrivals > 0)
        settle(q, by_ns);
    if (!had_left && q->left)
        fail_all(q, by_ns);
    if (q->out.n > 0) /* the window may have room again */
        skepi_queues_flush(q);
    q->polling = 0;
}

static int timed_wait(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t by_ns)
{
    const struct timespec by = {(time_t)(by_ns / 1000000000), (long)(by_ns % 1000000000)};

    return by_ns == SKEP_FOREVER ? pthread_cond_wait(cond, lock) : pthread_cond_timedwait(cond, lock, &by);
}

void skepi_queues_wait(struct skep_queues *q, const struct skepi_topic *topic, int for_answer, uint64_t by_ns)
{
    struct skepi_waiter me = {.next = q->waiters, .topic = topic, .for_answer = for_answer}, **here = &q->waiters;
    pthread_condattr_t monotonic;
    int rc = 0;

    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&me.cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
    q->waiters = &me;
    while (!me.woken && rc != ETIMEDOUT)
        rc = timed_wait(&me.cond, &q->lock, by_ns);
    while (*here != &me)
        here = &(*here)->next;
    *here = me.next;
    pthread_cond_destroy(&me.cond);
}

static int has_result(const struct skep_queues *q, const struct skepi_topic *wanted)
{
    const struct skepi_topic *t = q->topics;

    if (wanted != NULL)
        return wanted->first != NULL;
    while (t != NULL && t->first == NULL)
        t = t->next;
    return t != NULL;
}

/* Somebody may have taken the result that another one was woken for. One who is awake and has something to take is enough:
 * he comes by here when he leaves. */
static void wake_for_results(struct skep_queues *q)
{
    struct skepi_waiter *asleep = NULL;

    for (struct skepi_waiter *w = q->waiters; w != NULL; w = w->next) {
        if (w->for_answer || !has_result(q, w->topic))
            continue;
        if (w->woken)
            return;
        asleep = w;
    }
    if (asleep != NULL)
        wake(asleep);
}

void skepi_queues_pass_on(struct skep_queues *q)
{
    struct skepi_waiter *w = q->waiters;

    wake_for_results(q);
    while (w != NULL && w->woken)
        w = w->next;
    if (!q->polling && w != NULL)
        wake(w);
}

void skepi_queues_poke(struct skep_queues *q)
{
    pthread_mutex_lock(&q->lock);
    wake_all(q);
    pthread_mutex_unlock(&q->lock);
}

/* ---- the calls ----------------------------------------------------------------------------------- */

static struct skepi_topic *with_result(struct skep_queues *q, struct skepi_topic *wanted)
{
    if (wanted != NULL)
        return wanted->first != NULL ? wanted : NULL;
    for (struct skepi_topic *t = q->topics; t != NULL; t = t->next)
        if (t->first != NULL)
            return t;
    return NULL;
}

static skep_task *received(struct skep_queues *q, struct skepi_topic *topic)
{
    skep_task *task = take_result(topic);

    topic->active--;
    if (--q->active == 0)
        pthread_cond_broadcast(&q->idle);
    return task;
}

/* With the lock held. */
static int receive(struct skep_queues *q, struct skepi_topic *wanted, uint64_t by_ns, struct skepi_watched *watched,
                   skep_task **take, skep_error *err)
{
    struct skepi_topic *topic;
    int late = 0;

    while ((topic = with_result(q, wanted)) == NULL) {
        if (watched != NULL && !watched->go_on(watched->arg))
            return SKEP_ECANCELED;
        if (q->left)
            return skep_fail(err, q->gone.code, "%s", q->gone.text);
        if (late)
            return skep_fail(err, SKEP_ETIMEDOUT, "%s: no result%s%s in time", q->uri, wanted == NULL ? "" : " of topic ",
                             wanted == NULL ? "" : wanted->name);
        late = by_ns != SKEP_FOREVER && skep_now_ns() >= by_ns; /* a last look, which does not wait */
        if (!q->polling)
            skepi_queues_poll(q, by_ns);
        else if (!late)
            skepi_queues_wait(q, wanted, 0, by_ns);
    }
    *take = received(q, topic);
    return SKEP_OK;
}

int skepi_queues_receive_while(struct skep_queues *q, const char *topic, struct skepi_watched *watched, int *has_one,
                               skep_task **take, skep_error *err)
{
    int rc;

    pthread_mutex_lock(&q->lock);
    if (*has_one && --watched->busy == 0 && !watched->go_on(watched->arg))
        wake_all(q); /* this was what the others waited for */
    rc = receive(q, skepi_topic_find(q, topic), SKEP_FOREVER, watched, take, err);
    *has_one = rc == SKEP_OK;
    watched->busy += (unsigned)*has_one;
    skepi_queues_pass_on(q);
    pthread_mutex_unlock(&q->lock);
    return rc;
}

int skep_queues_receive(skep_queues *queues, const char *topic, uint64_t by_ns, skep_task **take, skep_error *err)
{
    struct skepi_topic *wanted = NULL;
    int rc = SKEP_OK;

    pthread_mutex_lock(&queues->lock);
    if (topic != NULL && (wanted = skepi_topic_find(queues, topic)) == NULL)
        rc = skep_fail(err, SKEP_EINVAL, "topic '%s' is not declared: see skep_queues_topic", topic);
    else
        rc = receive(queues, wanted, by_ns, NULL, take, err);
    skepi_queues_pass_on(queues);
    pthread_mutex_unlock(&queues->lock);
    return rc;
}

size_t skepi_topic_active(struct skep_queues *q, const char *name)
{
    const struct skepi_topic *topic = skepi_topic_find(q, name);

    return topic == NULL ? 0 : topic->active;
}

size_t skep_queues_active(skep_queues *queues)
{
    size_t active;

    pthread_mutex_lock(&queues->lock);
    active = queues->active;
    pthread_mutex_unlock(&queues->lock);
    return active;
}

int skep_queues_wait_until_done(skep_queues *queues, uint64_t by_ns)
{
    int rc = 0;

    pthread_mutex_lock(&queues->lock);
    while (queues->active > 0 && rc != ETIMEDOUT)
        rc = timed_wait(&queues->idle, &queues->lock, by_ns);
    rc = queues->active == 0 ? SKEP_OK : SKEP_ETIMEDOUT;
    pthread_mutex_unlock(&queues->lock);
    return rc;
}
