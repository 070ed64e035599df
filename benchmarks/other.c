/* benchmarks/other.c - another process of this host, which warms segments that this one has never mapped.
 *
 * The child opens the store, puts an object of the row's size and evicts it, so that its pages are in the pool, and keeps
 * the store open until its pipe closes: with it open, the pool outlives every opening of ours.
 */
#include "benchmarks/row.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#define WARM_MS 120000 /* 1 GiB of pages that the host never backed takes seconds */

/* Says what went wrong, or "", and waits for the other end to close. */
static void serve(struct bench_row *row, int fd)
{
    skep_error err = {SKEP_OK, ""};
    char end;
    int rc = bench_road_again(row->road, &err);

    if (rc == SKEP_OK && (rc = bench_row_put(row, &err)) == SKEP_OK)
        rc = bench_row_clean(row, &err);
    if (rc == SKEP_OK)
        err.text[0] = '\0';
    if (send(fd, err.text, strlen(err.text) + 1, MSG_NOSIGNAL) > 0)
        while (recv(fd, &end, 1, 0) < 0 && errno == EINTR)
            ;
    bench_road_drop(row->road);
}

static int wait_warm(struct bench_row *row, skep_error *err)
{
    struct pollfd p = {row->other_fd, POLLIN, 0};
    char text[SKEP_ERROR_TEXT_MAX];
    ssize_t n = 0;

    if (poll(&p, 1, WARM_MS) == 1)
        n = recv(row->other_fd, text, sizeof text, 0);
    if (n <= 0)
        return skep_fail(err, SKEP_EIO, "the other process ended, or was not ready after %d s", WARM_MS / 1000);
    if (text[0] != '\0')
        return skep_fail(err, SKEP_EIO, "in the other process: %.*s", (int)n, text);
    return SKEP_OK;
}

int bench_other_begin(struct bench_row *row, skep_error *err)
{
    pid_t parent = getpid();
    int fds[2], rc;

    bench_road_drop(row->road); /* a child of fork starts best with nothing open */
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
        return skep_fail(err, skep_err_from_errno(errno), "socketpair: %s", strerror(errno));
    row->other = fork();
    if (row->other == 0) {
        signal(SIGINT, SIG_IGN); /* the parent decides when the run is over */
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        close(fds[0]);
        if (getppid() == parent)
            serve(row, fds[1]);
        _exit(0);
    }
    close(fds[1]);
    row->other_fd = fds[0];
    if (row->other < 0) {
        row->other = 0;
        close(fds[0]);
        return skep_fail(err, skep_err_from_errno(errno), "fork: %s", strerror(errno));
    }
    if ((rc = wait_warm(row, err)) != SKEP_OK)
        return rc;
    return bench_road_again(row->road, err);
}

void bench_other_end(struct bench_row *row)
{
    if (row->other == 0)
        return;
    close(row->other_fd);
    while (waitpid(row->other, NULL, 0) < 0 && errno == EINTR)
        ;
    row->other = 0;
}
