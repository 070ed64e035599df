/* examples.h - the names that examples in comments and documents use without declaring them. */
#ifndef SKEP_TESTS_EXAMPLES_H
#define SKEP_TESTS_EXAMPLES_H

#include <skep/connector.h>
#include <skep/node.h>
#include <skep/skep.h>
#include <skep/steering.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef SKEP_EXAMPLE_IS_FILE /* it declares its own */
extern int rc;
extern skep_error err;
extern skep_store *store;
extern skep_ref ref;
extern skep_proxy *model;
extern skep_task *task;
extern skep_queues *queues;
extern skep_thinker *thinker;
extern skep_server *server;
extern char handle[SKEP_HANDLE_MAX];
extern char buffer[4096];
extern const void *data;
extern size_t size;
extern double best;
extern const skep_method methods[2];
double energy(double x, const void *weights, size_t size);
void steer(skep_thinker *thinker, void *model);
void simulated(skep_thinker *thinker, const skep_task *task, void *best);
#endif

#endif
