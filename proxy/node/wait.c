/* wait.c - until a key is there: told by inotify, and looking again now and then where that can't be relied on. */
#include "proxy/node/impl.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#define LOOK_AGAIN_NS UINT64_C(100000000) /* other hosts' files give no notice, nor does a directory that was replaced */

static int watch(const skep_node *node)
{
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    char path[32];

    if (fd < 0)
        return -1;
    snprintf(path, sizeof path, "/proc/self/fd/%d", node->dir);
    if (inotify_add_watch(fd, path, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) < 0)
        skepi_closefd(&fd);
    return fd;
}

/* Until something happens in the directory, or for a while. */
static void pause_for_news(int fd, unsigned *round, uint64_t by_ns)
{
    char events[4096];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    uint64_t now = skep_now_ns(), ns = by_ns - now < LOOK_AGAIN_NS ? by_ns - now : LOOK_AGAIN_NS;
    struct timespec t = {.tv_nsec = (long)ns};

    if (fd < 0) {
        skepi_pause(round, by_ns);
        return;
    }
    if (by_ns > now && ppoll(&p, 1, &t, NULL) > 0)
        while (read(fd, events, sizeof events) > 0)
            ;
}

int skepi_node_wait(skep_node *node, const skep_ref *ref, uint64_t by_ns, skep_error *err)
{
    skep_error why;
    int fd = -1, rc, watched = 0;
    unsigned round = 0;

    while ((rc = skepi_node_exists(node, ref, NULL, &why)) == SKEP_ENOENT) {
        if (skep_now_ns() >= by_ns) {
            rc = skep_fail(&why, SKEP_ETIMEDOUT, "%s: not there by the deadline", ref->key);
            break;
        }
        if (!watched) { /* then look once more, before waiting for news */
            fd = watch(node);
            watched = 1;
            continue;
        }
        pause_for_news(fd, &round, by_ns);
    }
    skepi_closefd(&fd);
    return rc == SKEP_OK ? SKEP_OK : skep_fail(err, rc, "%s", why.text);
}
