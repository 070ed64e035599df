/* queues.c - the sender's end of the queues: open, close, topics. */
#include "steering/queues/queues.h"

#include <errno.h>
#include <skep/connector.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum {
    ANSWER_MS = 10000, /* for a server that is there to welcome, and to agree to a topic */
    BYE_MS = 1000      /* and to take the last words */
};

static void woken(struct skepi_watch *watch, uint32_t events)
{
    eventfd_t count;

    (void)events;
    eventfd_read(watch->fd, &count);
}

/* ---- topics -------------------------------------------------------------------------------------- */

/* With the lock held, or alone. */
static struct skepi_topic *add_topic(struct skep_queues *q, const char *name)
{
    struct skepi_topic *topic = calloc(1, sizeof *topic), **here = &q->topics;

    if (topic == NULL)
        return NULL;
    memcpy(topic->name, name, strlen(name) + 1);
    while (*here != NULL)
        here = &(*here)->next;
    *here = topic;
    return topic;
}

struct shared {
    const char *identity;
    int no;
};

static int look_at(const skep_connector_info *info, void *arg)
{
    struct shared *shared = arg;
    size_t n = strlen(info->scheme);

    if (strncmp(shared->identity, info->scheme, n) == 0 && shared->identity[n] == ':' && info->available)
        shared->no = (info->caps & (SKEP_CAP_SHARED | SKEP_CAP_REMOTE)) == 0;
    return 0;
}

/* The store's name for workers. SKEP_EINVAL: other processes do not see what is in it. */
static int name_store(skep_store *store, char identity[SKEP_URI_MAX], skep_error *err)
{
    struct shared shared = {identity, 0};
    int rc = skep_store_identity(store, identity, SKEP_URI_MAX);

    if (rc != SKEP_OK)
        return skep_fail(err, rc, "the store's name does not fit");
    skep_connectors(look_at, &shared);
    return shared.no ? skep_fail(err, SKEP_EINVAL, "%s is in this process alone: workers do not see what is in it", identity)
                     : SKEP_OK;
}

/* Until the server has agreed, or not. With the lock held. */
static int wait_for_answer(struct skep_queues *q, const struct skepi_declared *declared, const char *name, skep_error *err)
{
    uint64_t by_ns = skep_in_ms(ANSWER_MS);

    while (declared->agreed == 0 && q->gone.code == SKEP_OK && skep_now_ns() < by_ns) {
        if (q->polling)
            skepi_queues_wait(q, NULL, 1, by_ns);
        else
            skepi_queues_poll(q, by_ns);
    }
    skepi_queues_pass_on(q);
    if (declared->agreed == 1)
        return SKEP_OK;
    if (declared->agreed < 0)
        return skep_fail(err, declared->agreed, "topic '%s': %s", name, declared->refusal == NULL ? "" : declared->refusal);
    if (q->gone.code != SKEP_OK)
        return skep_fail(err, q->gone.code, "%s", q->gone.text);
    return skep_fail(err, SKEP_EUNREACH, "%s: the task server does not answer", q->uri);
}

/* The declaration of that pair, new or known. With the lock held. NULL: out of memory. */
static struct skepi_declared *declare(struct skep_queues *q, const char *identity, uint64_t threshold)
{
    struct skepi_declared *d = q->declared;
    struct skepi_control control = {.kind = SKEPI_TOPIC, .number = {threshold}, .n = 1, .text = {identity}};
    size_t size = strlen(identity) + 1;

    while (d != NULL && (d->threshold != threshold || strcmp(d->identity, identity) != 0))
        d = d->next;
    if (d != NULL && d->agreed >= 0)
        return d;
    control.number[1] = d != NULL ? d->number : q->n_declared + 1;
    if (d == NULL && (d = calloc(1, sizeof *d + size)) == NULL)
        return NULL;
    if (skepi_queues_say(q, &control) != SKEP_OK) {
        if (d->number == 0)
            free(d);
        return NULL;
    }
    d->agreed = 0; /* who was refused asks again */
    if (d->number == 0) {
        d->number = ++q->n_declared;
        d->threshold = threshold;
        memcpy(d->identity, identity, size);
        d->next = q->declared;
        q->declared = d;
    }
    skepi_queues_flush(q); /* whoever polls may do so for long */
    return d;
}

/* What the topic does with big values from now on. With the lock held. `*old` gets what is to be let go of without it. */
static int set_store(struct skep_queues *q, struct skepi_topic *topic, const skep_topic_opts *o, const char *identity,
                     skep_store **old, skep_error *err)
{
    struct skepi_declared *d = NULL, *before;
    uint64_t threshold = o->threshold_bytes;
    int rc;

    if (o->store != NULL) {
        if (threshold == SKEP_SIZE_UNKNOWN)
            threshold = skep_store_threshold(o->store);
        if ((d = declare(q, identity, threshold)) == NULL)
            return skep_fail(err, SKEP_ENOMEM, "no memory for topic '%s'", topic->name);
        if ((rc = wait_for_answer(q, d, topic->name, err)) != SKEP_OK)
            return rc;
        if (d->topics++ == 0)
            d->store = skep_store_ref(o->store);
    }
    before = topic->declared;
    topic->declared = d;
    if (before != NULL && --before->topics == 0) {
        *old = before->store;
        before->store = NULL;
    }
    return SKEP_OK;
}

int skep_queues_topic(skep_queues *queues, const char *name, const skep_topic_opts *opts, skep_error *err)
{
    skep_topic_opts o = SKEP_TOPIC_OPTS_INIT;
    char identity[SKEP_URI_MAX] = "";
    struct skepi_topic *topic;
    skep_store *old = NULL;
    int rc;

    if (opts != NULL)
        memcpy(&o, opts, opts->size < sizeof o ? opts->size : sizeof o);
    if (name == NULL || name[0] == '\0' || strlen(name) >= SKEPI_NAME_MAX || skepi_text_check(name, strlen(name)) != SKEP_OK)
        return skep_fail(err, SKEP_EINVAL, "a topic's name has 1 to %d bytes of UTF-8", SKEPI_NAME_MAX - 1);
    if (o.store != NULL && (rc = name_store(o.store, identity, err)) != SKEP_OK)
        return rc;
    pthread_mutex_lock(&queues->lock);
    if ((topic = skepi_topic_find(queues, name)) == NULL && (topic = add_topic(queues, name)) == NULL)
        rc = skep_fail(err, SKEP_ENOMEM, "no memory for topic '%s'", name);
    else
        rc = set_store(queues, topic, &o, identity, &old, err);
    pthread_mutex_unlock(&queues->lock);
    skep_store_unref(old);
    return rc;
}

int skep_queues_stop_server(skep_queues *queues, skep_error *err)
{
    int rc;

    pthread_mutex_lock(&queues->lock);
    if ((rc = queues->gone.code) != SKEP_OK) {
        skep_fail(err, rc, "%s", queues->gone.text);
    } else {
        queues->stop_asked = 1;
        skepi_queues_flush(queues);
    }
    pthread_mutex_unlock(&queues->lock);
    return rc;
}

/* ---- open and close ------------------------------------------------------------------------------ */

static struct skep_queues *queues_new(void)
{
    struct skep_queues *q = calloc(1, sizeof *q);
    pthread_condattr_t monotonic;

    if (q == NULL)
        return NULL;
    q->loop.fd = q->wake.fd = -1;
    q->wake.func = woken;
    q->free_slot = UINT32_MAX;
    q->window = SKEPI_RUN_MAX; /* until the server says */
    pthread_mutex_init(&q->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&q->idle, &monotonic);
    pthread_cond_init(&q->help, NULL);
    pthread_condattr_destroy(&monotonic);
    return q;
}

static void free_topics(struct skep_queues *q)
{
    while (q->topics != NULL) {
        struct skepi_topic *topic = q->topics;

        q->topics = topic->next;
        while (topic->first != NULL) {
            skep_task *task = topic->first;

            topic->first = task->next;
            skep_task_free(task);
        }
        free(topic);
    }
    while (q->declared != NULL) {
        struct skepi_declared *d = q->declared;

        q->declared = d->next;
        skep_store_unref(d->store);
        free(d->refusal);
        free(d);
    }
    while (q->reached != NULL) {
        struct skepi_reached *r = q->reached;

        q->reached = r->next;
        free(r);
    }
}

/* The last words, in place of all that was not sent. The server says them back behind its last answer: what comes until then
 * is taken, so that no value is left that nobody knows of. */
static void say_bye(struct skep_queues *q)
{
    const struct skepi_control bye = {.kind = SKEPI_BYE};
    uint64_t by_ns = skep_in_ms(BYE_MS);

    if (q->peer == NULL || !q->welcomed)
        return;
    pthread_mutex_lock(&q->lock);
    skepi_outbox_drop(&q->out, q->out.bytes);
    if (skepi_queues_say(q, &bye) == SKEP_OK)
        while (!q->dismissed && !q->left && skep_now_ns() < by_ns) {
            q->stalled = 0; /* the helper has ended */
            skepi_queues_flush(q);
            skepi_queues_poll(q, skepi_queues_unsent(q) ? skep_in_ms(1) : by_ns);
        }
    pthread_mutex_unlock(&q->lock);
}

void skep_queues_close(skep_queues *queues)
{
    if (queues == NULL)
        return;
    skepi_queues_end_helper(queues);
    say_bye(queues);
    if (queues->ops != NULL)
        queues->ops->close(queues->link);
    for (uint32_t i = 0; i < queues->n_slots; i++)
        skep_task_free(queues->slots[i].task); /* the server evicts what its workers make of it */
    free_topics(queues);
    for (size_t i = 0; i < queues->n_arrivals; i++)
        skepi_chunk_unref(queues->arrivals[i].chunk);
    skepi_outbox_fini(&queues->words);
    skepi_outbox_fini(&queues->out);
    skepi_outbox_fini(&queues->sending);
    if (queues->wake.fd >= 0)
        close(queues->wake.fd);
    skepi_loop_fini(&queues->loop);
    pthread_cond_destroy(&queues->help);
    pthread_cond_destroy(&queues->idle);
    pthread_mutex_destroy(&queues->lock);
    free(queues->arrivals);
    free(queues->slots);
    free(queues);
}

static int connect_to(struct skep_queues *q, const char *text, uint64_t by_ns, skep_error *err)
{
    skep_uri *uri;
    int rc = skepi_loop_init(&q->loop, err);

    if (rc != SKEP_OK)
        return rc;
    if ((q->wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
        return skep_fail(err, skep_err_from_errno(errno), "eventfd: %s", strerror(errno));
    if ((rc = skepi_loop_add(&q->loop, &q->wake, EPOLLIN, err)) != SKEP_OK ||
        (rc = skepi_link_find(text, &q->ops, &uri, err)) != SKEP_OK)
        return rc;
    if (strlen(text) < sizeof q->uri)
        memcpy(q->uri, text, strlen(text) + 1);
    rc = q->ops->connect(uri, &q->loop, &skepi_queues_events, q, by_ns, &q->link, &q->peer, err);
    skep_uri_free(uri);
    return rc;
}

/* The first words: whoever welcomes us is a task server, of our version. */
static int say_hello(struct skep_queues *q, uint64_t by_ns, skep_error *err)
{
    const struct skepi_control hello = {
        .kind = SKEPI_HELLO, .number = {(uint64_t)getpid(), 0}, .n = 1, .text = {program_invocation_short_name}};
    uint64_t patience = skep_in_ms(ANSWER_MS);
    int rc;

    by_ns = by_ns < patience ? by_ns : patience;
    pthread_mutex_lock(&q->lock);
    rc = skepi_queues_say(q, &hello);
    while (rc == SKEP_OK && !q->welcomed && q->gone.code == SKEP_OK && skep_now_ns() < by_ns)
        skepi_queues_poll(q, by_ns);
    if (rc != SKEP_OK)
        skep_fail(err, rc, "no memory to open %s", q->uri);
    else if (q->gone.code != SKEP_OK)
        rc = skep_fail(err, SKEP_EUNREACH, "%s", q->gone.text);
    else if (!q->welcomed)
        rc = skep_fail(err, SKEP_EUNREACH, "%s: who listens there does not answer", q->uri);
    pthread_mutex_unlock(&q->lock);
    return rc;
}

int skep_queues_open(const char *uri, const skep_queues_opts *opts, skep_queues **take, skep_error *err)
{
    skep_queues_opts o = SKEP_QUEUES_OPTS_INIT;
    struct skep_queues *q = queues_new();
    int rc;

    if (q == NULL)
        return skep_fail(err, SKEP_ENOMEM, "no memory for queues");
    if (opts != NULL)
        memcpy(&o, opts, opts->size < sizeof o ? opts->size : sizeof o);
    if (add_topic(q, "default") == NULL)
        rc = skep_fail(err, SKEP_ENOMEM, "no memory for queues");
    else if ((rc = connect_to(q, uri, o.by_ns, err)) == SKEP_OK)
        rc = say_hello(q, o.by_ns, err);
    if (rc == SKEP_OK)
        *take = q;
    else
        skep_queues_close(q);
    return rc;
}
