/* skep/steering.h - thinkers, task servers and workers. What a program that links -lskep-steering includes.
 *
 * Each idea has its own header, which says its units, errors, threads and owners.
 */
#ifndef SKEP_STEERING_H
#define SKEP_STEERING_H

#include <skep/queues.h>
#include <skep/server.h>
#include <skep/task.h>
#include <skep/thinker.h>
#include <skep/worker.h>

#endif
