/* owned.h - objects that the queues made: each lives as long as a task or value here needs it, and is then evicted.
 *
 * Threads  [any].   Owners  skepi_owned_unref; the last one evicts the object, which may wait for its store.
 *
 * They are found again by their proxies, so that a value which is sent on as an input of another task outlives the task
 * that it came from.
 */
#ifndef SKEP_STEERING_TASK_OWNED_H
#define SKEP_STEERING_TASK_OWNED_H

#include <skep/skep.h>

struct skepi_owned;

/* The object behind the proxy, which gets a reference, is the queues' now. NULL: out of memory. */
struct skepi_owned *skepi_owned_new(skep_proxy *proxy);
/* One more reference, if the object behind the proxy is the queues'; else NULL. */
struct skepi_owned *skepi_owned_find(const skep_proxy *proxy);
void skepi_owned_unref(struct skepi_owned *owned, uint64_t by_ns); /* until when the store has time; NULL is fine */

#endif
