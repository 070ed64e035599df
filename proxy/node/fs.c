/* fs.c - small calls on files that every part of the node store makes. */
#include "proxy/node/impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

int skepi_openat(int dir, const char *name, int flags, mode_t mode)
{
    int fd;

    do
        fd = openat(dir, name, flags | O_CLOEXEC | O_NOFOLLOW, mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

void skepi_closefd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

int skepi_flock(int fd, int how)
{
    int rc;

    do
        rc = flock(fd, how);
    while (rc != 0 && errno == EINTR);
    return rc;
}

void skepi_unlock(int *fd)
{
    if (*fd >= 0)
        skepi_flock(*fd, LOCK_UN);
    skepi_closefd(fd);
}

void skepi_pause(unsigned *round, uint64_t by_ns)
{
    uint64_t ns = *round < 6 ? UINT64_C(30000) << *round : 2000000, now = skep_now_ns();
    struct timespec t;

    if (by_ns <= now)
        return;
    if (ns > by_ns - now)
        ns = by_ns - now;
    ++*round;
    t.tv_sec = 0;
    t.tv_nsec = (long)ns;
    nanosleep(&t, NULL);
}

int skepi_flock_by(int fd, int how, uint64_t by_ns)
{
    unsigned round = 0;

    while (skepi_flock(fd, how | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK)
            return -1;
        if (skep_now_ns() >= by_ns) {
            errno = EWOULDBLOCK;
            return -1;
        }
        skepi_pause(&round, by_ns);
    }
    return 0;
}

int skepi_same(int dir, const char *name, const struct stat *of)
{
    struct stat st;

    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == of->st_ino && st.st_dev == of->st_dev;
}

static uint64_t file_limit(void)
{
    struct rlimit l;

    return getrlimit(RLIMIT_FSIZE, &l) != 0 || l.rlim_cur > INT64_MAX ? INT64_MAX : (uint64_t)l.rlim_cur;
}

int skepi_file_fits(uint64_t size, skep_error *err)
{
    char want[32], most[32];

    if (size > INT64_MAX)
        return skep_fail(err, SKEP_ETOOBIG, "more bytes than a file can have");
    if (size <= file_limit())
        return SKEP_OK;
    skepi_size_text(size, want);
    skepi_size_text(file_limit(), most);
    return skep_fail(err, SKEP_ETOOBIG, "%s, but a file of this process may have %s (ulimit -f)", want, most);
}

uint64_t skepi_random(void)
{
    uint64_t value = 0;

    while (value == 0)
        if (getrandom(&value, sizeof value, 0) != (ssize_t)sizeof value)
            value = skep_real_ns() * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)getpid() << 32;
    return value;
}

void skepi_unique(char out[SKEPI_NAME_MAX], const char *prefix, uint64_t number)
{
    snprintf(out, SKEPI_NAME_MAX, "%s%016llx-%016llx", prefix, (unsigned long long)number,
             (unsigned long long)skepi_random());
}

int skepi_read_all(int fd, void *dst, size_t size, uint64_t offset)
{
    size_t done = 0;

    while (done < size) {
        size_t piece = size - done > (size_t)1 << 30 ? (size_t)1 << 30 : size - done;
        ssize_t n = pread(fd, (char *)dst + done, piece, (off_t)(offset + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    if (done == size)
        return 0;
    errno = ENODATA;
    return -1;
}

int skepi_slurp(int dir, const char *name, char *out, size_t cap)
{
    int fd = skepi_openat(dir, name, O_RDONLY | O_NONBLOCK, 0), saved = 0;
    size_t have = 0;

    if (fd < 0)
        return -1;
    while (saved == 0 && have < cap) { /* the kernel gives its tables piecewise */
        ssize_t n = read(fd, out + have, cap - have);

        if (n == 0)
            break;
        if (n > 0)
            have += (size_t)n;
        else if (errno != EINTR)
            saved = errno;
    }
    close(fd);
    if (saved == 0 && have == cap)
        saved = EFBIG;
    if (saved != 0) {
        errno = saved;
        return -1;
    }
    out[have] = '\0';
    return (int)have;
}

int skepi_spill(int dir, const char *name, const char *text)
{
    size_t size = strlen(text);
    int fd, saved;
    ssize_t n;

    if (size > file_limit()) {
        errno = EFBIG;
        return -1;
    }
    if ((fd = skepi_openat(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0600)) < 0)
        return -1;
    do
        n = write(fd, text, size);
    while (n < 0 && errno == EINTR);
    saved = n < 0 ? errno : ENOSPC;
    close(fd);
    if (n == (ssize_t)size)
        return 0;
    unlinkat(dir, name, 0);
    errno = saved;
    return -1;
}

static struct dirent *next_entry(DIR *handle, int *failed)
{
    struct dirent *d;

    errno = 0;
    d = readdir(handle);
    *failed = d == NULL ? errno : 0;
    return d;
}

int skepi_dir_each(int dir, const char *name, skepi_dir_func each, void *arg)
{
    int fd = skepi_openat(dir, name, O_RDONLY | O_DIRECTORY, 0), rc = 0, failed = 0;
    struct dirent *d;
    DIR *handle;

    if (fd < 0)
        return -1;
    if ((handle = fdopendir(fd)) == NULL) {
        close(fd);
        return -1;
    }
    while (rc == 0 && (d = next_entry(handle, &failed)) != NULL)
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
            rc = each(fd, d->d_name, d->d_type, d->d_ino, arg);
    closedir(handle);
    if (failed == 0)
        return rc;
    errno = failed;
    return -1;
}

static int remove_entry(int dir, const char *name, unsigned char type, uint64_t ino, void *arg)
{
    int depth = *(const int *)arg;

    (void)ino;
    if (type != DT_DIR && (unlinkat(dir, name, 0) == 0 || errno == ENOENT))
        return 0;
    return skepi_remove_tree(dir, name, depth - 1) == 0 ? 0 : -1;
}

int skepi_remove_tree(int dir, const char *name, int depth)
{
    if (depth <= 0) {
        errno = ELOOP;
        return -1;
    }
    if (skepi_dir_each(dir, name, remove_entry, &depth) != 0 && errno != ENOENT)
        return -1;
    return unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -1;
}

/* File systems that lie on this host alone, where a mapping is as fast and as true as a read. */
int skepi_is_local(int dir)
{
    static const unsigned long local[] = {
        0xEF53,     /* ext2, 3, 4 */
        0x58465342, /* xfs */
        0x9123683E, /* btrfs */
        0x01021994, /* tmpfs */
        0x858458F6, /* ramfs */
        0x2FC12FC1, /* zfs */
        0xF2F52010, /* f2fs */
        0xCA451A4E, /* bcachefs */
        0x794C7630, /* overlayfs */
        0x3153464A, /* jfs */
        0x52654973, /* reiserfs */
    };
    struct statfs s;

    if (fstatfs(dir, &s) != 0)
        return 0;
    for (size_t i = 0; i < sizeof local / sizeof *local; i++)
        if ((unsigned long)s.f_type == local[i])
            return 1;
    return 0;
}

int skepi_errno(skep_error *err, int errnum, const char *what)
{
    char reason[128];

    if (errnum == ELOOP)
        return skep_fail(err, SKEP_EDENIED, "%s: is a symbolic link", what);
    return skep_fail(err, skep_err_from_errno(errnum), "%s: %s", what, strerror_r(errnum, reason, sizeof reason));
}

int skepi_key_ok(const char *key, skep_error *err)
{
    size_t n = strnlen(key, SKEP_KEY_MAX);

    if (n == 0 || n == SKEP_KEY_MAX || key[0] == '.' || memchr(key, '/', n) != NULL)
        return skep_fail(err, SKEP_EINVAL, "not a key: 1 to %d bytes, no '/', no leading '.'", SKEP_KEY_MAX - 1);
    return SKEP_OK;
}
