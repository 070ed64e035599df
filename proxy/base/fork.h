/* fork.h - the locks of this folder stay whole across fork, and a child does not go on with its parent's random bytes.
 *
 * Ranks: 90 policy, 91 log, 95 blocks. All are leaves: nothing is called while one is held.
 */
#ifndef SKEP_PROXY_BASE_FORK_H
#define SKEP_PROXY_BASE_FORK_H

/* Watch forks from now on. Whoever registers handlers of its own with pthread_atfork calls this first: before a fork the
 * handlers run in reverse order of registration, and its locks, of lower rank, must be taken before these. */
void skepi_base_fork_watch(void);

/* `before` 1: take the lock; 0, after the fork on either side: give it back. */
void skepi_policy_fork(int before);
void skepi_log_fork(int before);
void skepi_block_fork(int before);
void skepi_uuid_forked(void); /* in the child */

#endif
