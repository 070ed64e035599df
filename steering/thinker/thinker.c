/* thinker.c - the program that decides what to compute next: agents and result processors as threads. */
#include "steering/queues/queues.h"

#include <pthread.h>
#include <skep/log.h>
#include <skep/thinker.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum kind { AGENT, PROCESSOR };

struct agent {
    struct agent *next;
    struct skep_thinker *thinker;
    enum kind kind;
    char name[SKEPI_NAME_MAX]; /* a processor's is its topic */
    skep_agent_func act;
    skep_result_func take;
    void *arg;
    skep_task *task; /* of a processor: what it looks at; NULL: it was kept */
    pthread_t thread;
};

struct skep_thinker {
    skep_queues *queues;
    struct agent *agents;         /* in the order in which they were added; constant while it runs */
    int running;                  /* it was run: nothing is added any more */
    struct skepi_watched watched; /* of the queues: processors that have a result in hand */
    pthread_mutex_t lock;         /* rank 3, taken under that of the queues too; guards what follows */
    pthread_cond_t is_done;
    int done;
    unsigned acting;    /* agents, not processors, that have not returned */
    skep_error failure; /* the first; code SKEP_OK: none */
};

static _Thread_local struct agent *self; /* of the calling thread */

static int go_on(void *arg);

/* ---- building ------------------------------------------------------------------------------------ */

int skep_thinker_new(skep_queues *queues, skep_thinker **take, skep_error *err)
{
    skep_thinker *thinker = calloc(1, sizeof *thinker);
    pthread_condattr_t monotonic;

    if (queues == NULL || thinker == NULL) {
        free(thinker);
        return queues == NULL ? skep_fail(err, SKEP_EINVAL, "a thinker needs queues")
                              : skep_fail(err, SKEP_ENOMEM, "no memory for a thinker");
    }
    thinker->queues = queues;
    thinker->watched = (struct skepi_watched){.go_on = go_on, .arg = thinker};
    pthread_mutex_init(&thinker->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&thinker->is_done, &monotonic);
    pthread_condattr_destroy(&monotonic);
    *take = thinker;
    return SKEP_OK;
}

void skep_thinker_free(skep_thinker *thinker)
{
    if (thinker == NULL)
        return;
    while (thinker->agents != NULL) {
        struct agent *agent = thinker->agents;

        thinker->agents = agent->next;
        free(agent);
    }
    pthread_cond_destroy(&thinker->is_done);
    pthread_mutex_destroy(&thinker->lock);
    free(thinker);
}

/* What goes wrong while it is put together is the failure that run returns, so that nothing needs checks one by one. */
static int wrong(skep_thinker *thinker, int code, const char *format, ...) SKEP_PRINTF(3, 4);
static int wrong(skep_thinker *thinker, int code, const char *format, ...)
{
    char text[SKEP_ERROR_TEXT_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    pthread_mutex_lock(&thinker->lock);
    if (thinker->failure.code == SKEP_OK)
        skep_fail(&thinker->failure, code, "%s", text);
    pthread_mutex_unlock(&thinker->lock);
    return code;
}

/* NULL with `*rc`, which run says too. */
static struct agent *add(skep_thinker *thinker, enum kind kind, const char *name, int has_func, void *arg, int *rc)
{
    struct agent **here = &thinker->agents, *agent;

    if (!has_func) {
        *rc = wrong(thinker, SKEP_EINVAL, "'%s' was added without a function", name == NULL ? "" : name);
        return NULL;
    }
    if (name == NULL || name[0] == '\0' || strlen(name) >= SKEPI_NAME_MAX) {
        *rc = wrong(thinker, SKEP_EINVAL, "an agent's name and a topic have 1 to %d bytes", SKEPI_NAME_MAX - 1);
        return NULL;
    }
    if (thinker->running) {
        *rc = wrong(thinker, SKEP_EINVAL, "'%s' was added to a thinker that runs already", name);
        return NULL;
    }
    if ((agent = calloc(1, sizeof *agent)) == NULL) {
        *rc = wrong(thinker, SKEP_ENOMEM, "no memory for '%s'", name);
        return NULL;
    }
    agent->thinker = thinker;
    agent->kind = kind;
    agent->arg = arg;
    memcpy(agent->name, name, strlen(name) + 1);
    while (*here != NULL)
        here = &(*here)->next;
    *here = agent;
    return agent;
}

int skep_thinker_agent(skep_thinker *thinker, const char *name, skep_agent_func func, void *arg)
{
    int rc = SKEP_OK;
    struct agent *agent = add(thinker, AGENT, name, func != NULL, arg, &rc);

    if (agent == NULL)
        return rc;
    agent->act = func;
    return SKEP_OK;
}

int skep_thinker_result_processor(skep_thinker *thinker, const char *topic, skep_result_func func, void *arg)
{
    struct agent *agent;
    skep_error why;
    int known, rc;

    for (agent = thinker->agents; agent != NULL; agent = agent->next)
        if (agent->kind == PROCESSOR && topic != NULL && strcmp(agent->name, topic) == 0)
            return wrong(thinker, SKEP_EINVAL, "topic '%s' has a result processor already", topic);
    if ((agent = add(thinker, PROCESSOR, topic, func != NULL, arg, &rc)) == NULL)
        return rc;
    agent->take = func;
    pthread_mutex_lock(&thinker->queues->lock);
    known = skepi_topic_find(thinker->queues, topic) != NULL;
    pthread_mutex_unlock(&thinker->queues->lock);
    if (!known && (rc = skep_queues_topic(thinker->queues, topic, NULL, &why)) != SKEP_OK)
        return wrong(thinker, rc, "%s", why.text);
    return SKEP_OK;
}

/* ---- inside -------------------------------------------------------------------------------------- */

static void set_done(skep_thinker *thinker)
{
    pthread_mutex_lock(&thinker->lock);
    thinker->done = 1;
    pthread_cond_broadcast(&thinker->is_done);
    pthread_mutex_unlock(&thinker->lock);
    skepi_queues_poke(thinker->queues); /* processors look whether there is anything left to wait for */
}

void skep_thinker_done(skep_thinker *thinker)
{
    set_done(thinker);
}

int skep_thinker_is_done(skep_thinker *thinker)
{
    int done;

    pthread_mutex_lock(&thinker->lock);
    done = thinker->done;
    pthread_mutex_unlock(&thinker->lock);
    return done;
}

int skep_thinker_wait_done(skep_thinker *thinker, uint64_t by_ns)
{
    const struct timespec by = {(time_t)(by_ns / 1000000000), (long)(by_ns % 1000000000)};
    int rc = 0, done;

    pthread_mutex_lock(&thinker->lock);
    while (!thinker->done && rc == 0)
        rc = by_ns == SKEP_FOREVER ? pthread_cond_wait(&thinker->is_done, &thinker->lock)
                                   : pthread_cond_timedwait(&thinker->is_done, &thinker->lock, &by);
    done = thinker->done;
    pthread_mutex_unlock(&thinker->lock);
    return done ? SKEP_OK : SKEP_ETIMEDOUT;
}

const char *skep_thinker_agent_name(skep_thinker *thinker)
{
    return self != NULL && self->thinker == thinker ? self->name : "";
}

static int fail_with(skep_thinker *thinker, const char *text)
{
    const struct agent *agent = self != NULL && self->thinker == thinker ? self : NULL;

    wrong(thinker, SKEP_EFAILED, "%s%s%s%s",
          agent == NULL          ? ""
          : agent->kind == AGENT ? "agent '"
                                 : "the result processor of topic '",
          agent == NULL ? "" : agent->name, agent == NULL ? "" : "' failed: ", text);
    set_done(thinker);
    return SKEP_EFAILED;
}

int skep_thinker_fail(skep_thinker *thinker, const char *format, ...)
{
    char text[SKEP_ERROR_TEXT_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return fail_with(thinker, text);
}

int skep_thinker_send(skep_thinker *thinker, const char *topic, skep_task **give)
{
    skep_error why;
    int rc = skep_queues_send(thinker->queues, topic, give, &why);

    if (rc != SKEP_OK)
        fail_with(thinker, why.text);
    return rc;
}

skep_task *skep_thinker_keep(skep_thinker *thinker)
{
    skep_task *task = NULL;

    if (self != NULL && self->thinker == thinker) {
        task = self->task;
        self->task = NULL;
    }
    return task;
}

skep_queues *skep_thinker_queues(skep_thinker *thinker)
{
    return thinker->queues;
}

/* ---- running ------------------------------------------------------------------------------------- */

/* A processor goes on until nothing can come any more: nobody is left that could send, and all that was sent on topics with
 * a processor is back. After a failure nobody waits for what is still under way. Called with the lock of the queues. */
static int go_on(void *arg)
{
    skep_thinker *thinker = arg;
    int end;

    pthread_mutex_lock(&thinker->lock);
    end = thinker->failure.code != SKEP_OK || (thinker->done && thinker->acting == 0 && thinker->watched.busy == 0);
    if (end && thinker->failure.code == SKEP_OK)
        for (struct agent *a = thinker->agents; a != NULL && end; a = a->next)
            end = a->kind != PROCESSOR || skepi_topic_active(thinker->queues, a->name) == 0;
    pthread_mutex_unlock(&thinker->lock);
    return !end;
}

static void process(struct agent *agent)
{
    skep_thinker *thinker = agent->thinker;
    skep_error why;
    int rc, has_one = 0;

    while ((rc = skepi_queues_receive_while(thinker->queues, agent->name, &thinker->watched, &has_one, &agent->task,
                                            &why)) == SKEP_OK) {
        agent->take(thinker, agent->task, agent->arg);
        skep_task_free(agent->task);
        agent->task = NULL;
    }
    if (rc != SKEP_ECANCELED && !skep_thinker_is_done(thinker)) /* the server is gone, and somebody may wait for more */
        fail_with(thinker, why.text);
}

static void *run_agent(void *arg)
{
    struct agent *agent = arg;
    skep_thinker *thinker = agent->thinker;

    self = agent;
    if (agent->kind == PROCESSOR) {
        process(agent);
        return NULL;
    }
    agent->act(thinker, agent->arg);
    pthread_mutex_lock(&thinker->lock);
    thinker->acting--;
    pthread_mutex_unlock(&thinker->lock);
    set_done(thinker);
    return NULL;
}

static int start_all(skep_thinker *thinker, struct agent **started_end)
{
    int rc = 0;

    for (struct agent *a = thinker->agents; a != NULL; a = a->next)
        thinker->acting += a->kind == AGENT;
    for (struct agent *a = thinker->agents; a != NULL && rc == 0; a = a->next) {
        if ((rc = pthread_create(&a->thread, NULL, run_agent, a)) != 0) {
            *started_end = a;
            wrong(thinker, SKEP_ENOMEM, "the thread of '%s': %s", a->name, strerror(rc));
            set_done(thinker);
        }
    }
    return rc;
}

static int failed(skep_thinker *thinker, skep_error *err)
{
    int rc;

    pthread_mutex_lock(&thinker->lock);
    if ((rc = thinker->failure.code) != SKEP_OK)
        skep_fail(err, rc, "%s", thinker->failure.text);
    pthread_mutex_unlock(&thinker->lock);
    return rc;
}

int skep_thinker_run(skep_thinker *thinker, skep_error *err)
{
    struct agent *end = NULL;
    int agents = 0, rc = failed(thinker, err);

    for (const struct agent *a = thinker->agents; a != NULL; a = a->next)
        agents += a->kind == AGENT;
    if (rc != SKEP_OK)
        return rc;
    if (thinker->running)
        return skep_fail(err, SKEP_EINVAL, "this thinker has run already");
    if (agents == 0)
        return skep_fail(err, SKEP_EINVAL, "a thinker without an agent has nothing to do");
    thinker->running = 1;
    start_all(thinker, &end);
    for (struct agent *a = thinker->agents; a != end; a = a->next)
        pthread_join(a->thread, NULL);
    return failed(thinker, err);
}
