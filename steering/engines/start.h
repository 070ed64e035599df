/* start.h - how a worker process is started, and what it finds when it starts.
 *
 * A worker is this executable with this program's arguments, an environment variable that says so, and three descriptors at
 * known places. skep_worker_if_asked takes it from there.
 */
#ifndef SKEP_STEERING_ENGINES_START_H
#define SKEP_STEERING_ENGINES_START_H

#include <skep/error.h>
#include <sys/types.h>

#define SKEPI_WORKER_VARIABLE "SKEP_WORKER"
#define SKEPI_WORKER_VALUE    "1" /* the version of what is agreed here */

enum skepi_worker_fd { SKEPI_FD_SOCKET = 3, SKEPI_FD_PAGE, SKEPI_FD_NUDGE, SKEPI_FD_END };

struct skepi_starter { /* the program as it was when the engine was opened; all zero: none */
    char *cmdline;
    char **argv, **env;
};

int skepi_starter_init(struct skepi_starter *starter, skep_error *err);
void skepi_starter_fini(struct skepi_starter *starter);
/* Start a worker with these descriptors, which stay the caller's. */
int skepi_starter_run(const struct skepi_starter *starter, int sock, int page, int nudge, pid_t *out, skep_error *err);

#endif
