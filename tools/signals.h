/* signals.h - an interrupt, or a reader that went away, ends a command in order: nothing half-made is left. */
#ifndef SKEP_TOOLS_SIGNALS_H
#define SKEP_TOOLS_SIGNALS_H

/* From now on SIGINT, SIGTERM, SIGHUP and SIGPIPE are noted, once; the second of the first three ends the process at
 * once. Calls that wait return EINTR, once a second at least. */
void cli_signals_install(void);
int cli_signals_got(void); /* the signal that asked us to end, or 0 */
/* 1: for now the first signal ends the process at once, because a call runs that can't be stopped in between, and that the
 * death of this process leaves nothing of. */
void cli_signals_at_once(int on);
/* The file that a second signal removes before it ends the process; NULL: none. Kept by address. */
void cli_signals_doom(const char *path);
/* End as the noted signal would have: the parent sees which it was. Returns if there was none. */
void cli_signals_die(void);

#endif
