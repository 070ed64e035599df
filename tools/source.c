/* source.c - reading straight to where the bytes will lie, or into blocks when nobody can say how many there are. */
#include "tools/source.h"
#include "tools/signals.h"
#include "tools/text.h"
#include <skep/ref.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE       ((size_t)8 << 20) /* between two looks at signals and the bar */
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

    *s = (struct cli_source){STDIN_FILENO, 0, "standard input", SKEP_SIZE_UNKNOWN};
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
        if (S_ISREG(st.st_mode) && st.st_size > 0 && (at = lseek(s->fd, 0, SEEK_CUR)) >= 0 && at <= st.st_size)
            s->size = (uint64_t)(st.st_size - at);
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
