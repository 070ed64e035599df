/* skep/thinker.h - the program that decides what to compute next: agents are its threads.
 *
 * Units    none.
 * Errors   SKEP_EFAILED: an agent failed; the text says which and why. SKEP_EINVAL: unknown topic. Those of queues.h.
 * Threads  agent and result_processor [own], before run; the rest [any].
 * Owners   skep_thinker_free; the queues stay the caller's.
 *
 *     skep_thinker_agent(thinker, "steer", steer, model);
 *     skep_thinker_result_processor(thinker, "simulate", simulated, &best);
 *     rc = skep_thinker_run(thinker, &err);
 *
 * When an agent returns, the `done` flag is set. Result processors run until `done` is set, no agent is left, and every task
 * sent on their topics is back and was looked at. After a failure they end at once: what is under way is dropped.
 */
#ifndef SKEP_THINKER_H
#define SKEP_THINKER_H

#include <skep/queues.h>

SKEP_BEGIN_DECLS

typedef struct skep_thinker skep_thinker;

typedef void (*skep_agent_func)(skep_thinker *thinker, void *arg);
/* The task is lent for the call; skep_thinker_keep takes it over. */
typedef void (*skep_result_func)(skep_thinker *thinker, const skep_task *task, void *arg);

SKEP_API SKEP_NODISCARD int skep_thinker_new(skep_queues *queues, skep_thinker **take, skep_error *err);
SKEP_API void skep_thinker_free(skep_thinker *thinker);

/* An error of these two is also what run returns, so that it need not be looked at. */
SKEP_API int skep_thinker_agent(skep_thinker *thinker, const char *name, skep_agent_func func, void *arg);
/* Declares the topic if nobody has; one processor a topic. */
SKEP_API int skep_thinker_result_processor(skep_thinker *thinker, const char *topic, skep_result_func func, void *arg);

/* Start every agent and processor, and return when all have ended. Once. SKEP_EINVAL: there is no agent. */
SKEP_API int skep_thinker_run(skep_thinker *thinker, skep_error *err);

/* ---- inside agents and processors ---------------------------------------------------------------- */

/* Gives the task away. An error is the agent's failure too, as if it had called skep_thinker_fail: it need not be looked at.
 * Who wants to go on after one uses skep_queues_send. */
SKEP_API int skep_thinker_send(skep_thinker *thinker, const char *topic, skep_task **give);
SKEP_API void skep_thinker_done(skep_thinker *thinker);                     /* set the flag: agents should end */
SKEP_API int skep_thinker_is_done(skep_thinker *thinker);                   /* 1 if it is set */
SKEP_API int skep_thinker_wait_done(skep_thinker *thinker, uint64_t by_ns); /* SKEP_OK once it is set, else SKEP_ETIMEDOUT */
/* This agent can't go on: sets `done`, and run returns SKEP_EFAILED with the agent's name and this text. */
SKEP_API int skep_thinker_fail(skep_thinker *thinker, const char *format, ...) SKEP_PRINTF(2, 3);
/* In a processor: the task of this call becomes yours; NULL if it is already. */
SKEP_API skep_task *skep_thinker_keep(skep_thinker *thinker);
SKEP_API skep_queues *skep_thinker_queues(skep_thinker *thinker);
SKEP_API const char *skep_thinker_agent_name(skep_thinker *thinker); /* of the calling thread; "" elsewhere */

SKEP_END_DECLS
#endif
