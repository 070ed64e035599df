/* source.c - reading straight to where the bytes will lie, or into blocks when nobody can say how many there are. */
#include "tools/source.h"
#include "tools/signals.h"
#include "tools/status.h"
#include "tools/text.h"
#include <skep/ref.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE       ((size_t)1 << 20) /* between two looks at signals and the bar */
#define BLOCK_LEAST ((size_t)1 << 20)
#define BLOCK_MOST  ((size_t)1 << 30)

static int fail(const struct cli_source *s, int errnum, skep_error *err)
{
    return skep_fail(err, skep_err_from_errno(errnum), "%s: %s", s->label, strerror(errnum));
}

int cli_source_open(struct cli_source *s, const char *path, skep_error *err)
{
    struct stat st;
    off_t at = 0;
    int rc;

    *s = (struct cli_source){STDIN_FILENO, 0, "standard input", SKEP_SIZE_UNKNOWN, 0, 0};
    if (strcmp(path, "-") != 0) {
        s->label = path;
        s->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (s->fd < 0)
            return fail(s, errno, err);
        s->owned = 1;
    }
    if (fstat(s->fd, &st) != 0) {
        rc = fail(s, errno, err);
    } else if (S_ISDIR(st.st_mode)) {
        rc = fail(s, EISDIR, err);
    } else {
        /* files of /proc say that they are empty, and are not: those are streams */
        if (S_ISREG(st.st_mode) && st.st_size > 0 && (at = lseek(s->fd, 0, SEEK_CUR)) >= 0 && at <= st.st_size) {
            s->size = (uint64_t)(st.st_size - at);
            s->from = (uint64_t)at;
            s->regular = 1;
        }
        return SKEP_OK;
    }
    cli_source_close(s);
    return rc;
}

void cli_source_close(struct cli_source *s)
{
    if (s->owned)
        close(s->fd);
    s->owned = 0;
}

/* Up to `size` bytes; 0 at the end, SKEP_* on failure. */
static ssize_t read_some(const struct cli_source *s, void *into, size_t size, skep_error *err)
{
    for (;;) {
        ssize_t n = cli_signals_got() ? 0 : read(s->fd, into, size < PIECE ? size : PIECE);

        if (cli_signals_got())
            return skep_fail(err, SKEP_ECANCELED, "%s: interrupted", s->label);
        if (n >= 0)
            return n;
        if (errno != EINTR)
            return fail(s, errno, err);
    }
}

int cli_source_read(struct cli_source *s, void *into, size_t size, struct cli_progress *p, skep_error *err)
{
    size_t done = 0;
    ssize_t n;
    char more;

    while (done < size) {
        n = read_some(s, (char *)into + done, size - done, err);
        if (n < 0)
            return (int)n;
        if (n == 0)
            return skep_fail(err, SKEP_EIO, "%s: ended after %zu of %zu bytes", s->label, done, size);
        done += (size_t)n;
        cli_progress_at(p, done);
    }
    n = read_some(s, &more, 1, err);
    if (n > 0)
        return skep_fail(err, SKEP_EIO, "%s: goes on after %zu bytes: it grew, or was said to be shorter", s->label, size);
    return (int)n;
}

/* ---- a mapped file ------------------------------------------------------------------------------- */

static struct { /* what the handler needs; set before the handler is */
    const char *from, *to;
    const char *label;
} mapped;

static void shrunk(int sig, siginfo_t *info, void *context)
{
    const char *at = info->si_addr;
    static const char text[] = ": became shorter, or could not be read, while it was put\n";

    (void)context;
    if (at >= mapped.from && at < mapped.to) {
        const struct iovec parts[] = {{(void *)mapped.label, strlen(mapped.label)}, {(void *)text, sizeof text - 1}};
        ssize_t ignored = writev(STDERR_FILENO, parts, 2);

        (void)ignored; /* there is nobody else to tell */
        _exit(exit_status_of(SKEP_EIO));
    }
    signal(sig, SIG_DFL); /* somebody else's: it comes again when this returns */
}

int cli_source_map(const struct cli_source *s, struct cli_map *map, skep_error *err)
{
    struct sigaction action = {.sa_sigaction = shrunk, .sa_flags = SA_SIGINFO};
    size_t before = (size_t)(s->from % (uint64_t)sysconf(_SC_PAGESIZE));
    void *base;

    *map = (struct cli_map){NULL, NULL, 0};
    if (!s->regular || s->size == 0)
        return skep_fail(err, SKEP_ENOTSUP, "%s: can't be mapped", s->label);
    base = mmap(NULL, (size_t)s->size + before, PROT_READ, MAP_SHARED, s->fd, (off_t)(s->from - before));
    if (base == MAP_FAILED)
        return skep_fail(err, SKEP_ENOTSUP, "%s: can't be mapped: %s", s->label, strerror(errno));
    madvise(base, (size_t)s->size + before, MADV_SEQUENTIAL);
    *map = (struct cli_map){(const char *)base + before, base, (size_t)s->size + before};
    mapped.from = base;
    mapped.to = (const char *)base + map->length;
    mapped.label = s->label;
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
    return SKEP_OK;
}

void cli_map_free(struct cli_map *map)
{
    if (map->base) {
        signal(SIGBUS, SIG_DFL);
        munmap(map->base, map->length);
    }
    *map = (struct cli_map){NULL, NULL, 0};
}

/* ---- a stream ------------------------------------------------------------------------------------ */

/* MemAvailable of the kernel; what can't be known is no limit. */
static uint64_t memory_available(void)
{
    static const char word[] = "MemAvailable:";
    FILE *f = fopen("/proc/meminfo", "re");
    char line[128];
    uint64_t kib = UINT64_MAX / 1024;

    while (f && fgets(line, sizeof line, f)) {
        if (strncmp(line, word, sizeof word - 1) == 0 && sscanf(line + sizeof word - 1, "%" SCNu64, &kib) == 1)
            break;
    }
    if (f)
        fclose(f);
    return kib * 1024;
}

static int add_block(const struct cli_source *s, struct cli_spool *spool, skep_error *err)
{
    size_t last = spool->n ? spool->mapped[spool->n - 1] : BLOCK_LEAST / 2;
    size_t size = last < BLOCK_MOST ? last * 2 : BLOCK_MOST;
    void *block;

    if ((size_t)spool->n == sizeof spool->blocks / sizeof *spool->blocks)
        return skep_fail(err, SKEP_ETOOBIG, "%s: longer than %" PRIu64 " bytes; say how long with --size", s->label,
                         spool->size);
    block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (block == MAP_FAILED)
        return fail(s, errno, err);
    madvise(block, size, MADV_HUGEPAGE); /* a wish: fewer page faults */
    spool->blocks[spool->n] = (struct iovec){block, 0};
    spool->mapped[spool->n++] = size;
    return SKEP_OK;
}

int cli_source_spool(struct cli_source *s, struct cli_spool *spool, struct cli_progress *p, skep_error *err)
{
    uint64_t limit = memory_available() / 2; /* the object itself may need as much again */
    char size[CLI_TEXT_MAX];

    for (;;) {
        struct iovec *block = spool->n ? &spool->blocks[spool->n - 1] : NULL;
        ssize_t n;

        if (!block || block->iov_len == spool->mapped[spool->n - 1]) {
            int rc = add_block(s, spool, err);

            if (rc != SKEP_OK)
                return rc;
            block = &spool->blocks[spool->n - 1];
        }
        n = read_some(s, (char *)block->iov_base + block->iov_len, spool->mapped[spool->n - 1] - block->iov_len, err);
        if (n <= 0)
            return (int)n;
        block->iov_len += (size_t)n;
        spool->size += (uint64_t)n;
        if (spool->size > limit)
            return skep_fail(err, SKEP_ENOSPC,
                             "%s: %s read, half of the free memory, and there is more; say how long it is with --size",
                             s->label, cli_text_size(spool->size, size));
        cli_progress_at(p, spool->size);
    }
}

void cli_spool_free(struct cli_spool *spool)
{
    while (spool->n > 0) {
        spool->n--;
        munmap(spool->blocks[spool->n].iov_base, spool->mapped[spool->n]);
    }
    spool->size = 0;
}
