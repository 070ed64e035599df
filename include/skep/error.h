/* skep/error.h - what went wrong: a number for programs, a sentence for people.
 *
 * Units    none.   Errors  this is where they are listed.   Threads  [any].   Owners  the caller owns a
 * skep_error; nothing in it needs releasing.
 *
 *     skep_error err;
 *     if (skep_store_open("shm://x", NULL, &store, &err) != SKEP_OK)
 *         fprintf(stderr, "%s: %s\n", skep_err_name(err.code), err.text);
 */
#ifndef SKEP_ERROR_H
#define SKEP_ERROR_H

#include <skep/api.h>

SKEP_BEGIN_DECLS

/* The whole list: name, number, text. The enum, the name table, the texts and the manual come from it. */
#define SKEP_ERRORS(X)                                                                                                      \
    X(SKEP_OK, 0, "success")                                                                                                \
    X(SKEP_EINVAL, -1, "invalid argument")                                                                                  \
    X(SKEP_ENOMEM, -2, "out of memory")                                                                                     \
    X(SKEP_ENOENT, -3, "no such object, or evicted")                                                                        \
    X(SKEP_EEXIST, -4, "exists already")                                                                                    \
    X(SKEP_EIO, -5, "input/output error")                                                                                   \
    X(SKEP_ENOSPC, -6, "no space left in the store")                                                                        \
    X(SKEP_ETOOBIG, -7, "too big")                                                                                          \
    X(SKEP_ETIMEDOUT, -8, "deadline passed")                                                                                \
    X(SKEP_EUNREACH, -9, "peer or backend not reachable")                                                                   \
    X(SKEP_ECORRUPT, -10, "data differ from what was put")                                                                  \
    X(SKEP_EDENIED, -11, "not permitted")                                                                                   \
    X(SKEP_ENOTSUP, -12, "not supported by this build, connector or medium")                                                \
    X(SKEP_ECLOSED, -13, "closed")                                                                                          \
    X(SKEP_ECANCELED, -14, "canceled")                                                                                      \
    X(SKEP_EBUSY, -15, "in use")                                                                                            \
    X(SKEP_EVERSION, -16, "versions do not fit")                                                                            \
    X(SKEP_EFORMAT, -17, "malformed")                                                                                       \
    X(SKEP_EFAILED, -18, "the task failed")                                                                                 \
    X(SKEP_EINTERNAL, -19, "an invariant of skep itself is broken")

#define SKEP_ERROR_ENUM(name, number, text) name = number,
enum skep_code { SKEP_ERRORS(SKEP_ERROR_ENUM) };
#undef SKEP_ERROR_ENUM

#define SKEP_ERROR_TEXT_MAX 508 /* bytes, the final NUL included */

typedef struct skep_error {
    int code;                       /* a SKEP_E* */
    char text[SKEP_ERROR_TEXT_MAX]; /* names the thing and the cause: "file:///x: permission denied" */
} skep_error;

SKEP_API const char *skep_err_name(int code); /* "SKEP_ENOENT"; an unknown code gives "SKEP_E?" [any] */
SKEP_API const char *skep_err_text(int code); /* the list's text; an unknown code gives "unknown error" [any] */
SKEP_API int skep_err_from_errno(int errnum); /* the nearest SKEP_E*; SKEP_EIO where none is near [any] */

/* Set `err` (may be NULL) and return `code`, so that `return skep_fail(err, SKEP_EINVAL, ...)` reads well. [any] */
SKEP_API int skep_fail(skep_error *err, int code, const char *format, ...) SKEP_PRINTF(3, 4);

SKEP_END_DECLS
#endif
