/* state.c - state machines: one table of allowed edges each, and one function that moves. */
#include "steering/task/state.h"

#include <skep/error.h>
#include <skep/log.h>

#define TO(state) (1u << (state))

static const char *const task_names[] = {"built", "sent", "answered", "received"};
static const unsigned task_edges[] = {
    [SKEPI_TASK_BUILT] = TO(SKEPI_TASK_SENT),
    [SKEPI_TASK_SENT] = TO(SKEPI_TASK_ANSWERED),
    [SKEPI_TASK_ANSWERED] = TO(SKEPI_TASK_RECEIVED),
    [SKEPI_TASK_RECEIVED] = 0,
};
const struct skepi_machine skepi_task_machine = {"task", task_names, task_edges};

static const char *const ticket_names[] = {"waiting", "given", "answered"};
static const unsigned ticket_edges[] = {
    [SKEPI_TICKET_WAITING] = TO(SKEPI_TICKET_GIVEN) | TO(SKEPI_TICKET_ANSWERED),
    [SKEPI_TICKET_GIVEN] = TO(SKEPI_TICKET_WAITING) | TO(SKEPI_TICKET_ANSWERED),
    [SKEPI_TICKET_ANSWERED] = 0,
};
const struct skepi_machine skepi_ticket_machine = {"task at the server", ticket_names, ticket_edges};

static const char *const worker_names[] = {"down", "starting", "ready", "ending"};
static const unsigned worker_edges[] = {
    [SKEPI_WORKER_DOWN] = TO(SKEPI_WORKER_STARTING),
    [SKEPI_WORKER_STARTING] = TO(SKEPI_WORKER_READY) | TO(SKEPI_WORKER_ENDING) | TO(SKEPI_WORKER_DOWN),
    [SKEPI_WORKER_READY] = TO(SKEPI_WORKER_ENDING) | TO(SKEPI_WORKER_DOWN),
    [SKEPI_WORKER_ENDING] = TO(SKEPI_WORKER_DOWN),
};
const struct skepi_machine skepi_worker_machine = {"worker", worker_names, worker_edges};

int skepi_move(const struct skepi_machine *machine, int *state, int to)
{
    if ((machine->edges[*state] & TO(to)) == 0) {
        skep_log(SKEP_LOG_ERROR, "steering", "a %s can't go from %s to %s", machine->what, machine->names[*state],
                 machine->names[to]);
        return SKEP_EINTERNAL;
    }
    *state = to;
    return SKEP_OK;
}
