/* state.h - state machines: one table of allowed edges each, and one function that moves. */
#ifndef SKEP_STEERING_TASK_STATE_H
#define SKEP_STEERING_TASK_STATE_H

struct skepi_machine {
    const char *what;         /* "task" */
    const char *const *names; /* of the states */
    const unsigned *edges;    /* [from]: a bit for every state that may follow */
};

/* SKEP_EINTERNAL, logged, and nothing moved: the table has no such edge. */
int skepi_move(const struct skepi_machine *machine, int *state, int to);

/* A task at its sender. */
enum skepi_task_state { SKEPI_TASK_BUILT, SKEPI_TASK_SENT, SKEPI_TASK_ANSWERED, SKEPI_TASK_RECEIVED };
extern const struct skepi_machine skepi_task_machine;

/* A task at the server: it may go back to waiting when its worker did not start it. */
enum skepi_ticket_state { SKEPI_TICKET_WAITING, SKEPI_TICKET_GIVEN, SKEPI_TICKET_ANSWERED };
extern const struct skepi_machine skepi_ticket_machine;

/* A worker, as its engine sees it. A dead one is started again, after a pause if it died at the start. */
enum skepi_worker_state { SKEPI_WORKER_DOWN, SKEPI_WORKER_STARTING, SKEPI_WORKER_READY, SKEPI_WORKER_ENDING };
extern const struct skepi_machine skepi_worker_machine;

#endif
