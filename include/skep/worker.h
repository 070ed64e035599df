/* skep/worker.h - methods, and the calls that they answer.
 *
 * Units    bytes, nanoseconds.
 * Errors   SKEP_EINVAL: no such input or one of another type; those of resolving. What a method returns other than
 *          SKEP_OK makes the task a failure with that code, and with the text of skep_call_fail where it was called.
 * Threads  a call belongs to the thread that runs the method: [own].
 * Owners   what a call lends is valid until the method returns; resolved objects stay in the worker's cache for the next
 * task.
 *
 *     static int simulate(skep_call *call, void *unused)
 *     {
 *         double x;
 *         if (skep_call_double(call, 0, &x) != SKEP_OK)
 *             return SKEP_EINVAL;
 *         return skep_call_return_double(call, x * x);
 *     }
 *     static const skep_method methods[] = {{"simulate", simulate, NULL}, {0}};
 *     int main(int argc, char **argv) { skep_worker_if_asked(argc, argv, methods); ... }
 */
#ifndef SKEP_WORKER_H
#define SKEP_WORKER_H

#include <skep/task.h>

SKEP_BEGIN_DECLS

typedef struct skep_call skep_call;
typedef int (*skep_method_func)(skep_call *call, void *arg);
typedef struct skep_method {
    const char *name; /* NULL ends a table */
    skep_method_func func;
    void *arg;
} skep_method;

/* If an engine started this process as a worker: serve `methods`, then exit. Else: return at once. Call it first in main. */
SKEP_API void skep_worker_if_asked(int argc, char **argv, const skep_method *methods);

/* Inputs, from 0. A proxy is resolved by _string, _json, _bytes: from the worker's cache if it is there. Bytes lie at a
 * multiple of 8, those of an object at one of 64. An error is why the method fails, if it returns one and says nothing else.
 */
SKEP_API int skep_call_inputs(const skep_call *call);
SKEP_API int skep_call_type(const skep_call *call, int index); /* SKEP_VALUE_*, as it was added; or SKEP_EINVAL */
SKEP_API int skep_call_bool(skep_call *call, int index, int *out);
SKEP_API int skep_call_int(skep_call *call, int index, int64_t *out);
SKEP_API int skep_call_double(skep_call *call, int index, double *out); /* an int is converted */
SKEP_API int skep_call_string(skep_call *call, int index, const char **lend);
SKEP_API int skep_call_json(skep_call *call, int index, const char **lend);
SKEP_API int skep_call_bytes(skep_call *call, int index, const void **lend, size_t *size);
SKEP_API int skep_call_proxy(skep_call *call, int index, skep_proxy **lend); /* as it is: to read one tensor, say */

/* The value: one of these, once; none is null. Above the topic's threshold it becomes a proxy; if the store fails, it
 * travels as it is, and that is logged. */
SKEP_API int skep_call_return_null(skep_call *call);
SKEP_API int skep_call_return_bool(skep_call *call, int value);
SKEP_API int skep_call_return_int(skep_call *call, int64_t value);
SKEP_API int skep_call_return_double(skep_call *call, double value);
SKEP_API int skep_call_return_string(skep_call *call, const char *text);
SKEP_API int skep_call_return_json(skep_call *call, const char *text);
SKEP_API int skep_call_return_bytes(skep_call *call, const void *data, size_t size); /* copied */
SKEP_API int skep_call_return_buf(skep_call *call, skep_buf *buf);                   /* takes a reference */
SKEP_API int skep_call_return_proxy(skep_call *call, skep_proxy *proxy);             /* the object stays whoever's it is */
/* Why the method fails: returns `code`, for `return skep_call_fail(call, SKEP_EINVAL, "...")`. */
SKEP_API int skep_call_fail(skep_call *call, int code, const char *format, ...) SKEP_PRINTF(3, 4);

SKEP_API const char *skep_call_method(const skep_call *call);
SKEP_API const char *skep_call_task_id(const skep_call *call);
SKEP_API int skep_call_worker_index(const skep_call *call); /* 0 to workers - 1 */

SKEP_END_DECLS
#endif
