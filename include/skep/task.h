/* skep/task.h - one call of a method: its inputs and, later, its value or its failure, with the times of every step.
 *
 * Units    bytes; stamps in nanoseconds since 1970; spans in nanoseconds.
 * Errors   SKEP_EINVAL: no such input, or one of another type. Adding to a task remembers its first error: the send
 *          that gives the task away returns it, so that adders need no checks one by one.
 * Threads  [one].   Owners  skep_task_free; texts and bytes that a task lends are valid until then, bytes at a multiple
 * of 8. What the queues turned into a proxy keeps its type, is read as before, and is evicted with the last task that refers
 * to it: an input once it is answered, a value with the task that it came with, or the one it was added to.
 *
 *     skep_task *task = skep_task_new("simulate");
 *     skep_task_add_double(task, 0.5);
 *     skep_task_add_proxy(task, model);
 *     skep_thinker_send(thinker, "simulate", &task);
 */
#ifndef SKEP_TASK_H
#define SKEP_TASK_H

#include <skep/skep.h>

SKEP_BEGIN_DECLS

typedef struct skep_task skep_task;

enum skep_value_type {
    SKEP_VALUE_NULL,
    SKEP_VALUE_BOOL,
    SKEP_VALUE_INT,
    SKEP_VALUE_DOUBLE,
    SKEP_VALUE_STRING, /* UTF-8 */
    SKEP_VALUE_JSON,   /* one JSON text */
    SKEP_VALUE_BYTES,
    SKEP_VALUE_PROXY, /* a handle; reading it as bytes, string or JSON resolves it */
};

/* ---- for who sends ------------------------------------------------------------------------------- */

SKEP_API skep_task *skep_task_new(const char *method); /* NULL only when out of memory, which every call on it accepts */
SKEP_API void skep_task_free(skep_task *task); /* evicts a value that the queues turned into a proxy; may wait for it */

SKEP_API int skep_task_add_null(skep_task *task);
SKEP_API int skep_task_add_bool(skep_task *task, int value);
SKEP_API int skep_task_add_int(skep_task *task, int64_t value);
SKEP_API int skep_task_add_double(skep_task *task, double value);
SKEP_API int skep_task_add_string(skep_task *task, const char *text); /* copied; SKEP_EINVAL: not UTF-8 */
SKEP_API int skep_task_add_json(skep_task *task, const char *text);   /* copied; SKEP_EINVAL: not JSON */
SKEP_API int skep_task_add_bytes(skep_task *task, const void *data,
                                 size_t size);                        /* copied; a proxy above the topic's threshold */
SKEP_API int skep_task_add_buf(skep_task *task, skep_buf *buf);       /* the same without the copy: takes a reference */
SKEP_API int skep_task_add_proxy(skep_task *task, skep_proxy *proxy); /* its handle travels; the object stays yours */

SKEP_API int skep_task_set_info(skep_task *task, const char *text);     /* the sender's own words; come back unchanged */
SKEP_API int skep_task_set_priority(skep_task *task, int32_t priority); /* higher first; 0 unless set */
SKEP_API int skep_task_set_deadline(skep_task *task, uint64_t by_ns);   /* not started after it; SKEP_FOREVER unless set */

/* ---- for who receives ---------------------------------------------------------------------------- */

SKEP_API const char *skep_task_id(const skep_task *task); /* 32 hexadecimal digits */
SKEP_API const char *skep_task_method(const skep_task *task);
SKEP_API const char *skep_task_topic(const skep_task *task);
SKEP_API const char *skep_task_info(const skep_task *task); /* "" unless set */
SKEP_API int skep_task_priority(const skep_task *task);
SKEP_API int skep_task_attempt(const skep_task *task);         /* 1 for the first */
SKEP_API int skep_task_ok(const skep_task *task);              /* 1: it has a value; 0: it failed */
SKEP_API int skep_task_code(const skep_task *task);            /* SKEP_OK, or why it failed */
SKEP_API const char *skep_task_failure(const skep_task *task); /* "" or a sentence: what, which method, which worker */
SKEP_API const char *skep_task_worker(const skep_task *task);  /* "host:pid" of who ran it, "" if nobody did */
SKEP_API int skep_task_worker_index(const skep_task *task);    /* 0 to workers - 1, or -1 */

/* The value. A proxy is resolved by _string, _json, _bytes. SKEP_EINVAL: the task failed, or its value is of another type.
 */
SKEP_API int skep_task_value_type(const skep_task *task); /* SKEP_VALUE_*, or SKEP_EINVAL: it failed */
SKEP_API int skep_task_value_bool(const skep_task *task, int *out);
SKEP_API int skep_task_value_int(const skep_task *task, int64_t *out);
SKEP_API int skep_task_value_double(const skep_task *task, double *out); /* an int is converted */
SKEP_API int skep_task_value_string(const skep_task *task, const char **lend);
SKEP_API int skep_task_value_json(const skep_task *task, const char **lend);
SKEP_API int skep_task_value_bytes(const skep_task *task, const void **lend, size_t *size);
/* Of a proxy, and of what the queues turned into one: to read a part, or to add it to another task. */
SKEP_API int skep_task_value_proxy(const skep_task *task, skep_proxy **take);

/* The inputs, as they were sent. Objects that the queues made for them are gone. */
SKEP_API int skep_task_inputs(const skep_task *task);                /* how many */
SKEP_API int skep_task_input_type(const skep_task *task, int index); /* SKEP_VALUE_*, or SKEP_EINVAL */
SKEP_API int skep_task_input_bool(const skep_task *task, int index, int *out);
SKEP_API int skep_task_input_int(const skep_task *task, int index, int64_t *out);
SKEP_API int skep_task_input_double(const skep_task *task, int index, double *out);
SKEP_API int skep_task_input_string(const skep_task *task, int index, const char **lend);
SKEP_API int skep_task_input_json(const skep_task *task, int index, const char **lend);
SKEP_API int skep_task_input_bytes(const skep_task *task, int index, const void **lend, size_t *size);
SKEP_API int skep_task_input_proxy(const skep_task *task, int index, skep_proxy **take);

/* A stamp for every door that a task goes through, in this order; 0 where it did not. */
#define SKEP_STAMPS(X)                                                                                                      \
    X(SKEP_STAMP_CREATED, "created")     /* the sender made it */                                                           \
    X(SKEP_STAMP_RECEIVED, "received")   /* the task server has it */                                                       \
    X(SKEP_STAMP_SUBMITTED, "submitted") /* handed to a worker */                                                           \
    X(SKEP_STAMP_STARTED, "started")     /* the method began */                                                             \
    X(SKEP_STAMP_ENDED, "ended")         /* the method returned */                                                          \
    X(SKEP_STAMP_SENT, "sent")           /* the server sent the result */                                                   \
    X(SKEP_STAMP_RETURNED, "returned")   /* the sender has the result */
#define SKEP_SPANS(X)                                                                                                       \
    X(SKEP_SPAN_SERIALISE, "serialise") /* inputs and value turned into records and proxies */                              \
    X(SKEP_SPAN_RESOLVE, "resolve")     /* the method waited for proxies */                                                 \
    X(SKEP_SPAN_RUN, "run")             /* the method, resolving included */
#define SKEP_ENUM(name, text) name,
enum skep_stamp { SKEP_STAMPS(SKEP_ENUM) SKEP_STAMP_COUNT };
enum skep_span { SKEP_SPANS(SKEP_ENUM) SKEP_SPAN_COUNT };
#undef SKEP_ENUM
SKEP_API uint64_t skep_task_stamp_ns(const skep_task *task, int stamp);
SKEP_API uint64_t skep_task_span_ns(const skep_task *task, int span);
SKEP_API const char *skep_stamp_name(int stamp); /* "created"; "?" for an unknown one */
SKEP_API const char *skep_span_name(int span);
SKEP_API uint64_t
skep_task_moved_bytes(const skep_task *task); /* objects copied for it in the worker; a mapping moves none */
SKEP_API uint64_t
skep_task_referred_bytes(const skep_task *task); /* sizes of the objects behind its proxies, inputs and value */
SKEP_API uint64_t skep_task_message_bytes(const skep_task *task); /* its record on the queue, both ways */
SKEP_API uint64_t
skep_task_resolves(const skep_task *task); /* proxies fetched for it, those in the worker's cache not counted */

SKEP_END_DECLS
#endif
