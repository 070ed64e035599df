/* start.c - how a worker process is started. */
#include "steering/engines/start.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int no_memory(skep_error *err)
{
    return skep_fail(err, SKEP_ENOMEM, "no memory to start workers");
}

/* The whole of a file of /proc, which does not say how long it is; a NUL behind it. */
static int read_proc(const char *path, char **out, size_t *size, skep_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t room = 4096, used = 0;
    char *text = malloc(room), *more;
    ssize_t n = -1;

    while (fd >= 0 && text != NULL && (n = read(fd, text + used, room - used - 1)) > 0) {
        used += (size_t)n;
        if (room - used > 1)
            continue;
        if ((more = realloc(text, room *= 2)) == NULL)
            break;
        text = more;
    }
    if (fd >= 0)
        close(fd);
    if (n != 0) {
        free(text);
        return fd < 0 ? skep_fail(err, SKEP_EIO, "%s: %s", path, strerror(errno)) : no_memory(err);
    }
    text[used] = '\0';
    *out = text;
    *size = used;
    return SKEP_OK;
}

static int split_arguments(struct skepi_starter *s, size_t size, skep_error *err)
{
    size_t n = 0;

    for (size_t i = 0; i < size; i++)
        n += s->cmdline[i] == '\0';
    if ((s->argv = calloc(n + 2, sizeof *s->argv)) == NULL)
        return no_memory(err);
    n = 0;
    for (char *at = s->cmdline; at < s->cmdline + size; at += strlen(at) + 1)
        s->argv[n++] = at;
    if (n == 0)
        s->argv[0] = s->cmdline;
    return SKEP_OK;
}

/* A copy: the program may change its environment while the engine's thread starts a worker. */
static int copy_environment(struct skepi_starter *s, skep_error *err)
{
    static const char variable[] = SKEPI_WORKER_VARIABLE "=" SKEPI_WORKER_VALUE;
    const size_t name = sizeof SKEPI_WORKER_VARIABLE; /* with its '=' */
    size_t n = 0, used = 0;

    while (environ[n] != NULL)
        n++;
    if ((s->env = calloc(n + 2, sizeof *s->env)) == NULL || (s->env[used++] = strdup(variable)) == NULL)
        return no_memory(err);
    for (size_t i = 0; i < n && environ[i] != NULL; i++)
        if (strncmp(environ[i], variable, name) != 0 && (s->env[used++] = strdup(environ[i])) == NULL)
            return no_memory(err);
    return SKEP_OK;
}

int skepi_starter_init(struct skepi_starter *starter, skep_error *err)
{
    size_t size = 0;
    int rc = read_proc("/proc/self/cmdline", &starter->cmdline, &size, err);

    if (rc == SKEP_OK && (rc = split_arguments(starter, size, err)) == SKEP_OK)
        rc = copy_environment(starter, err);
    if (rc != SKEP_OK)
        skepi_starter_fini(starter);
    return rc;
}

void skepi_starter_fini(struct skepi_starter *starter)
{
    for (char **e = starter->env; e != NULL && *e != NULL; e++)
        free(*e);
    free(starter->env);
    free(starter->argv);
    free(starter->cmdline);
    *starter = (struct skepi_starter){0};
}

/* A group of its own: what a terminal sends to the program's is the program's to act on; it tells the workers.
 * Nothing of what the program does with signals is a worker's, but for what was ignored when it started (nohup). */
static int set_signals(posix_spawnattr_t *attr)
{
    static const int ours[] = {SIGINT, SIGTERM, SIGALRM, SIGPIPE, SIGCHLD, SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    sigset_t none, plain;
    int rc;

    sigemptyset(&none);
    sigemptyset(&plain);
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        sigaddset(&plain, ours[i]);
    if ((rc = posix_spawnattr_setsigmask(attr, &none)) == 0 && (rc = posix_spawnattr_setsigdefault(attr, &plain)) == 0)
        rc = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    return rc;
}

int skepi_starter_run(const struct skepi_starter *starter, int sock, int page, int nudge, pid_t *out, skep_error *err)
{
    const int given[] = {sock, page, nudge};
    int high[3] = {-1, -1, -1}, rc = 0; /* above the known places, so that none is overwritten before it is copied */
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;

    if (posix_spawn_file_actions_init(&actions) != 0)
        return no_memory(err);
    if (posix_spawnattr_init(&attr) != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return no_memory(err);
    }
    rc = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    for (int i = 0; i < 3 && rc == 0; i++) {
        if ((high[i] = fcntl(given[i], F_DUPFD_CLOEXEC, SKEPI_FD_END)) < 0)
            rc = errno;
        else
            rc = posix_spawn_file_actions_adddup2(&actions, high[i], SKEPI_FD_SOCKET + i);
    }
    if (rc == 0 && (rc = set_signals(&attr)) == 0)
        rc = posix_spawn(out, "/proc/self/exe", &actions, &attr, starter->argv, starter->env);
    for (int i = 0; i < 3; i++)
        if (high[i] >= 0)
            close(high[i]);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    if (rc != 0)
        return skep_fail(err, SKEP_EFAILED, "a worker process could not be started: %s", strerror(rc));
    return SKEP_OK;
}
