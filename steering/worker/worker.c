/* worker.c - a worker process: takes tasks from its server, runs methods, answers. */
#include "steering/engines/page.h"
#include "steering/engines/start.h"
#include "steering/queues/packet.h"
#include "steering/task/id.h"
#include "steering/worker/call.h"
#include "steering/worker/watcher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

enum {
    HOLD_NS = 200000,      /* an answer waits for others that long, while methods take less */
    HOLD_BYTES = 48 << 10, /* or until they are so many */
    UNKNOWN_NS = HOLD_NS + 1,
};

struct method {
    const skep_method *as_given;
    uint64_t ns; /* what it takes, about; UNKNOWN_NS before it has run */
};

struct worker {
    struct skepi_page *page;
    struct skepi_inbox in;
    struct skepi_answers answers;
    struct skepi_models models;
    struct skepi_names names;
    struct skepi_watcher watcher;
    struct method *methods, *last; /* the last is probably the next */
    unsigned n_methods;
    int is_set_up;
    uint64_t seen;    /* the number of the last task that was received */
    uint64_t held_ns; /* since when an answer waits to be sent; 0: none does */
    size_t held;      /* bytes */
    uint64_t real_ns; /* what to add to skep_now_ns() for the time of day */
    char host[SKEPI_NAME_MAX];
    struct skep_call call;
};

/* ---- answers ------------------------------------------------------------------------------------- */

static void send_answers(struct worker *w)
{
    if (w->held_ns == 0)
        return;
    if (skepi_answers_flush(&w->answers) == SKEP_OK)
        skepi_models_sent(&w->models);
    w->held_ns = w->held = 0;
}

/* Why a task has no value. The code is one of the list, whatever the method made of it. */
static void fail_answer(struct skepi_draft *draft, const struct worker *w, int code, const char *why, char *text, size_t cap)
{
    draft->value = NULL;
    draft->head.code = code > 0 || strcmp(skep_err_name(code), "SKEP_E?") == 0 ? SKEP_EFAILED : code;
    snprintf(text, cap, "method '%s' failed in worker %d (pid %d): %s", w->call.parts.method, w->call.worker, (int)getpid(),
             why[0] == '\0' ? skep_err_text(draft->head.code) : why);
    draft->failure = text;
}

static int answer(struct worker *w, int code, const char *why, uint64_t started_ns, uint64_t ended_ns)
{
    struct skep_call *call = &w->call;
    struct skepi_draft draft = {.head = *call->parts.head, .host = w->host, .value = &call->value};
    char text[SKEP_ERROR_TEXT_MAX + SKEPI_NAME_MAX];
    skep_error err;
    int rc;

    draft.head.message.kind = SKEPI_ANSWER;
    draft.head.message.flags = 0;
    draft.head.code = SKEP_OK;
    draft.head.worker = call->worker;
    draft.head.pid = (uint32_t)getpid();
    draft.head.stamp[SKEP_STAMP_STARTED] = started_ns == 0 ? 0 : started_ns + w->real_ns;
    draft.head.stamp[SKEP_STAMP_ENDED] = started_ns == 0 ? 0 : ended_ns + w->real_ns;
    draft.head.span[SKEP_SPAN_SERIALISE] = call->made_ns;
    draft.head.span[SKEP_SPAN_RESOLVE] = call->fetched.ns;
    draft.head.span[SKEP_SPAN_RUN] = ended_ns - started_ns - call->made_ns;
    draft.head.moved_bytes = call->fetched.moved_bytes;
    draft.head.resolves = call->fetched.resolves;
    draft.head.referred_bytes = call->made_bytes;
    if (code != SKEP_OK)
        fail_answer(&draft, w, code, why, text, sizeof text);
    if ((rc = skepi_answers_add(&w->answers, &draft, &err)) != SKEP_OK) {
        fail_answer(&draft, w, rc, err.text, text, sizeof text);
        rc = skepi_answers_add(&w->answers, &draft, &err);
    }
    w->held += draft.head.message.length;
    return rc;
}

/* ---- tasks --------------------------------------------------------------------------------------- */

static struct method *find_method(struct worker *w, const char *name)
{
    if (w->last != NULL && strcmp(w->last->as_given->name, name) == 0)
        return w->last;
    for (unsigned i = 0; i < w->n_methods; i++)
        if (strcmp(w->methods[i].as_given->name, name) == 0)
            return w->last = &w->methods[i];
    return NULL;
}

static void learn(struct method *method, uint64_t ns)
{
    method->ns = method->ns == UNKNOWN_NS ? ns : (method->ns * 7 + ns) / 8;
}

/* Answers do not wait behind a method that takes long, or may. */
static void send_before(struct worker *w, const struct method *method)
{
    if (w->held_ns != 0 && (method->ns > HOLD_NS || w->held > HOLD_BYTES || skep_now_ns() - w->held_ns > HOLD_NS))
        send_answers(w);
}

static int run(struct worker *w, struct method *method)
{
    struct skep_call *call = &w->call;
    uint64_t started, ended;
    int code;

    send_before(w, method);
    atomic_store(&w->watcher.in_method, 1);
    if (atomic_load(&w->watcher.ending))
        return SKEP_ECLOSED;
    started = skep_now_ns();
    code = method->as_given->func(call, method->as_given->arg);
    ended = skep_now_ns();
    atomic_store(&w->watcher.in_method, 0);
    if (code != SKEP_OK && call->made) {
        skepi_models_unput(&w->models);
        call->made = 0;
        call->made_bytes = 0;
    }
    learn(method, ended - started);
    if (w->held_ns == 0)
        w->held_ns = ended;
    return answer(w, code, call->failure.text, started, ended);
}

/* A task that is answered without being run. */
static int refuse(struct worker *w, int code, const char *why)
{
    if (w->held_ns == 0)
        w->held_ns = skep_now_ns();
    return answer(w, code, why, 0, 0);
}

static int is_late(const struct skepi_record *head)
{
    return head->deadline_ns != 0 && skep_real_ns() > head->deadline_ns;
}

static int take_task(struct worker *w, const struct skepi_message *message, skep_error *err)
{
    struct skepi_parts parts;
    struct method *method;
    int rc = skepi_record_decode(message, message->length, &parts, err);

    if (rc != SKEP_OK)
        return rc;
    if (atomic_load(&w->watcher.ending))
        return SKEP_ECLOSED;
    if (!skepi_page_claim(w->page, ++w->seen))
        return SKEP_OK;
    if ((rc = skepi_call_begin(&w->call, &parts)) != SKEP_OK) {
        w->call.n_inputs = 0;
        rc = refuse(w, rc, "no memory for its inputs");
    } else if (is_late(parts.head)) {
        rc = refuse(w, SKEP_ETIMEDOUT, "its deadline had passed before it was started");
    } else if ((method = find_method(w, parts.method)) == NULL) {
        rc = refuse(w, SKEP_EINVAL, "this worker has no such method");
    } else {
        rc = run(w, method);
    }
    skepi_call_end(&w->call);
    atomic_store_explicit(&w->page->ended, w->seen, memory_order_release);
    return rc;
}

/* ---- what else the server says ------------------------------------------------------------------- */

static int set_up(struct worker *w, const struct skepi_control *said, skep_error *err)
{
    char name[16];

    if (w->is_set_up || said->n != 1)
        return skep_fail(err, SKEP_EFORMAT, "set up twice");
    w->is_set_up = 1;
    w->call.worker = (int)said->number[0];
    w->models.budget = said->number[1];
    snprintf(name, sizeof name, "skep-worker-%d", w->call.worker);
    prctl(PR_SET_NAME, name);
    return skepi_names_init(&w->names, said->text[0], err);
}

static int take_message(void *arg, struct skepi_message *message, struct skepi_chunk *chunk, skep_error *err)
{
    struct worker *w = arg;
    struct skepi_control said;
    int rc;

    (void)chunk;
    if (message->kind == SKEPI_TASK && w->is_set_up)
        return take_task(w, message, err);
    if ((rc = skepi_control_decode(message, &said, err)) != SKEP_OK)
        return rc;
    switch (said.kind) {
    case SKEPI_SETUP:
        return set_up(w, &said, err);
    case SKEPI_NAMES:
    case SKEPI_ALSO:
        return said.n != 1 ? skep_fail(err, SKEP_EFORMAT, "a topic of %u words", said.n)
                           : skepi_names_add(&w->names, &said, err);
    case SKEPI_FORGET:
        skepi_models_forget(&w->models);
        return skepi_names_forget(&w->names, (uint32_t)said.number[0], err);
    case SKEPI_LIFT:
        skepi_page_lift(w->page);
        return SKEP_OK;
    default:
        return skep_fail(err, SKEP_EFORMAT, "a message of kind %u", said.kind);
    }
}

/* ---- the process --------------------------------------------------------------------------------- */

static int say_methods(struct worker *w)
{
    struct skepi_outbox box = {0};
    struct skepi_control methods = {.kind = SKEPI_METHODS, .number = {(uint64_t)getpid(), 0}, .n = w->n_methods};
    int rc;

    for (unsigned i = 0; i < w->n_methods; i++)
        methods.text[i] = w->methods[i].as_given->name;
    if ((rc = skepi_control_add(&box, &methods)) == SKEP_OK)
        rc = skepi_packet_send(SKEPI_FD_SOCKET, &box, 1);
    skepi_outbox_fini(&box);
    return rc;
}

static int list_methods(struct worker *w, const skep_method *methods, skep_error *err)
{
    while (methods != NULL && methods[w->n_methods].name != NULL)
        w->n_methods++;
    if (w->n_methods > SKEPI_TEXTS_MAX)
        return skep_fail(err, SKEP_EINVAL, "%u methods: %d are the most", w->n_methods, SKEPI_TEXTS_MAX);
    if ((w->methods = calloc(w->n_methods + 1, sizeof *w->methods)) == NULL)
        return skep_fail(err, SKEP_ENOMEM, "no memory for methods");
    for (unsigned i = 0; i < w->n_methods; i++)
        w->methods[i] = (struct method){&methods[i], UNKNOWN_NS};
    return SKEP_OK;
}

static int take_descriptors(struct worker *w, skep_error *err)
{
    for (int fd = SKEPI_FD_SOCKET; fd < SKEPI_FD_END; fd++)
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
            return skep_fail(err, SKEP_EINVAL, SKEPI_WORKER_VARIABLE " is set, but no engine has started this process");
    w->page = mmap(NULL, sizeof *w->page, PROT_READ | PROT_WRITE, MAP_SHARED, SKEPI_FD_PAGE, 0);
    if (w->page == MAP_FAILED)
        return skep_fail(err, SKEP_EINVAL, "the page of a worker: %s", strerror(errno));
    close(SKEPI_FD_PAGE);
    return SKEP_OK;
}

static int start(struct worker *w, const skep_method *methods, skep_error *err)
{
    int rc;

    skepi_answers_init(&w->answers, SKEPI_FD_SOCKET);
    skepi_models_init(&w->models, 0);
    w->call.models = &w->models;
    w->call.names = &w->names;
    w->real_ns = skep_real_ns() - skep_now_ns();
    gethostname(w->host, sizeof w->host - 1);
    if ((rc = take_descriptors(w, err)) != SKEP_OK || (rc = list_methods(w, methods, err)) != SKEP_OK)
        return rc;
    w->watcher.sock = SKEPI_FD_SOCKET;
    w->watcher.nudge = SKEPI_FD_NUDGE;
    w->watcher.parent = (int)getppid();
    w->watcher.answers = &w->answers;
    w->watcher.models = &w->models;
    if ((rc = skepi_watcher_start(&w->watcher, err)) == SKEP_OK && say_methods(w) != SKEP_OK)
        rc = skep_fail(err, SKEP_ECLOSED, "the server is gone");
    return rc;
}

/* One packet after the other: many tasks with one call, and their answers with another. */
static int serve(struct worker *w, skep_error *err)
{
    int rc = SKEP_OK;

    while (rc == SKEP_OK && !atomic_load(&w->watcher.ending)) {
        rc = skepi_packet_receive(SKEPI_FD_SOCKET, &w->in, 1, 1, take_message, w, NULL, err);
        send_answers(w);
        w->real_ns = skep_real_ns() - skep_now_ns();
    }
    return rc;
}

void skep_worker_if_asked(int argc, char **argv, const skep_method *methods)
{
    static struct worker w; /* static: the watcher looks at it until the very end */
    const char *asked = getenv(SKEPI_WORKER_VARIABLE);
    skep_error why;
    int rc;

    (void)argc;
    (void)argv;
    if (asked == NULL)
        return;
    unsetenv(SKEPI_WORKER_VARIABLE); /* what a method starts is not a worker */
    skepi_models_quiet();
    rc =
        strcmp(asked, SKEPI_WORKER_VALUE) != 0
            ? skep_fail(&why, SKEP_EVERSION, "started as a worker of version %s: this is version " SKEPI_WORKER_VALUE, asked)
            : start(&w, methods, &why);
    if (rc == SKEP_OK)
        rc = serve(&w, &why);
    if (rc != SKEP_OK && rc != SKEP_ECLOSED)
        skep_log(SKEP_LOG_ERROR, "worker", "worker %d (pid %d): %s", w.call.worker, (int)getpid(), why.text);
    skepi_watcher_mourn(&w.watcher);
    skepi_call_fini(&w.call);
    skepi_models_fini(&w.models);
    skepi_names_fini(&w.names);
    skepi_inbox_fini(&w.in);
    exit(rc == SKEP_OK || rc == SKEP_ECLOSED ? EXIT_SUCCESS : EXIT_FAILURE);
}
