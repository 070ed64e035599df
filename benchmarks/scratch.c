/* benchmarks/scratch.c - a directory of our own beside what is measured, gone when we are, however we end. */
#include "benchmarks/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define RANDOM_END "XXXXXX"

/* `depth` levels of directories, which is more than anything here makes. */
static void empty(int fd, int depth)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
    struct dirent *entry;

    if (dir == NULL) {
        if (copy >= 0)
            close(copy);
        return;
    }
    while ((entry = readdir(dir)) != NULL) {
        int inner;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 || unlinkat(fd, entry->d_name, 0) == 0 ||
            depth == 0)
            continue;
        if ((inner = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
            continue;
        empty(inner, depth - 1);
        close(inner);
        unlinkat(fd, entry->d_name, AT_REMOVEDIR);
    }
    closedir(dir);
}

/* One that has our prefix and our owner goes, unless its maker still has it. */
static void reap_one(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;

    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && st.st_uid == geteuid() && flock(fd, LOCK_EX | LOCK_NB) == 0) {
        empty(fd, 1);
        unlinkat(parent, name, AT_REMOVEDIR);
    }
    close(fd);
}

static void reap(const char *directory, const char *begin)
{
    DIR *dir = opendir(directory);
    struct dirent *entry;

    if (dir == NULL)
        return;
    while ((entry = readdir(dir)) != NULL)
        if (strlen(entry->d_name) == strlen(begin) + strlen(RANDOM_END) && strncmp(entry->d_name, begin, strlen(begin)) == 0)
            reap_one(dirfd(dir), entry->d_name);
    closedir(dir);
}

/* Between making it and locking it, another run may have taken it for a dead one's. */
static int make(const char *prefix, struct bench_scratch *out)
{
    struct stat st;

    for (int tries = 0; tries < 100; tries++) {
        snprintf(out->path, sizeof out->path, "%s" RANDOM_END, prefix);
        if (mkdtemp(out->path) == NULL)
            return -1;
        out->fd = open(out->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (out->fd >= 0 && flock(out->fd, LOCK_EX | LOCK_NB) == 0 && fstat(out->fd, &st) == 0 && st.st_nlink > 0)
            return 0;
        if (out->fd >= 0)
            close(out->fd);
        out->fd = -1;
    }
    errno = EBUSY;
    return -1;
}

int bench_scratch_open(const char *prefix, struct bench_scratch *out, skep_error *err)
{
    char directory[PATH_MAX];
    const char *slash = strrchr(prefix, '/');

    *out = (struct bench_scratch)BENCH_SCRATCH_INIT;
    if (slash == NULL || strlen(prefix) + sizeof RANDOM_END > sizeof out->path)
        return skep_fail(err, SKEP_EINVAL, "%.100s: not the beginning of a directory's path", prefix);
    snprintf(directory, sizeof directory, "%.*s", slash > prefix ? (int)(slash - prefix) : 1, prefix);
    reap(directory, slash + 1);
    if (make(prefix, out) == 0)
        return SKEP_OK;
    out->path[0] = '\0';
    return skep_fail(err, skep_err_from_errno(errno), "no directory of our own at %.200s: %s", prefix, strerror(errno));
}

void bench_scratch_close(struct bench_scratch *scratch)
{
    if (scratch->fd >= 0) {
        empty(scratch->fd, 1);
        rmdir(scratch->path);
        close(scratch->fd);
    }
    *scratch = (struct bench_scratch)BENCH_SCRATCH_INIT;
}
