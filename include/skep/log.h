/* skep/log.h - what skep says beside its results. Warnings and errors go to standard error unless told otherwise.
 *
 * Units    none.   Errors  none.   Threads  skep_log_to [one], the rest [any].   Owners  texts are lent for the call.
 *
 * A thing is logged once, where it is first decided; what a call returns as an error is not logged too.
 * SKEP_LOG=error|warn|info|debug in the environment sets the level at start.
 */
#ifndef SKEP_LOG_H
#define SKEP_LOG_H

#include <skep/api.h>

SKEP_BEGIN_DECLS

enum skep_log_level { SKEP_LOG_ERROR, SKEP_LOG_WARN, SKEP_LOG_INFO, SKEP_LOG_DEBUG };

/* `component` is a folder's word ("shm", "server"); `text` is one line without an end. Must not call skep. */
typedef void (*skep_log_func)(int level, const char *component, const char *text, void *arg);

SKEP_API void skep_log_to(skep_log_func func, void *arg); /* NULL: back to standard error */
SKEP_API void skep_log_level(int most);                   /* say nothing finer than this */
SKEP_API void skep_log(int level, const char *component, const char *format, ...) SKEP_PRINTF(3, 4);

SKEP_END_DECLS
#endif
