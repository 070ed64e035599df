/* output.c - a file without a name where the file system has such (it can leave nothing behind), else a hidden one. */
#include "tools/output.h"
#include "tools/signals.h"
#include "tools/text.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE ((size_t)1 << 20) /* between two looks at signals and the bar */

static int fail(const struct cli_output *o, int errnum, skep_error *err)
{
    return skep_fail(err, skep_err_from_errno(errnum), "%s: %s", o->label, strerror(errnum));
}

/* The folder that `path` lies in, with what `rest` says behind it. */
static char *beside(const char *path, const char *rest)
{
    const char *slash = strrchr(path, '/');
    size_t folder = slash ? (size_t)(slash - path) + 1 : 0;
    size_t length = strlen(rest);
    char *out = malloc(folder + length + 1);

    if (out) {
        memcpy(out, path, folder);
        memcpy(out + folder, rest, length + 1);
    }
    return out;
}

static int name_temporary(struct cli_output *o)
{
    char name[32];
    uint64_t number;

    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
        return EIO;
    snprintf(name, sizeof name, ".skep-%016" PRIx64, number);
    o->temporary = beside(o->final, name);
    return o->temporary ? 0 : ENOMEM;
}

static int create(struct cli_output *o, mode_t mode)
{
    char *folder = beside(o->final, ".");
    int errnum;

    if (!folder)
        return ENOMEM;
    o->fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
    free(folder);
    if (o->fd >= 0)
        return 0;
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
        return errno;
    if ((errnum = name_temporary(o)) != 0)
        return errnum;
    cli_signals_doom(o->temporary);
    o->fd = open(o->temporary, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, mode);
    return o->fd >= 0 ? 0 : errno;
}

static int open_file(struct cli_output *o, const char *path, const struct stat *there, skep_error *err)
{
    int errnum;

    /* what a symbolic link leads to is replaced, not the link */
    o->final = there ? realpath(path, NULL) : strdup(path);
    if (!o->final)
        return fail(o, errno, err);
    if (there && access(o->final, W_OK) != 0)
        return fail(o, errno, err);
    if ((errnum = create(o, 0666)) != 0)
        return fail(o, errnum, err);
    o->open = 1;
    if (there && fchmod(o->fd, there->st_mode & 07777) != 0)
        return fail(o, errno, err);
    return SKEP_OK;
}

int cli_output_open(struct cli_output *o, const char *path, skep_error *err)
{
    struct stat there;
    int rc = SKEP_OK;

    *o = (struct cli_output){.fd = STDOUT_FILENO, .label = "standard output"};
    if (!path || strcmp(path, "-") == 0)
        return SKEP_OK;
    o->label = path;
    if (stat(path, &there) != 0) {
        rc = errno == ENOENT ? open_file(o, path, NULL, err) : fail(o, errno, err);
    } else if (S_ISREG(there.st_mode)) {
        rc = open_file(o, path, &there, err);
    } else {
        o->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        o->open = o->fd >= 0;
        rc = o->open ? SKEP_OK : fail(o, errno, err);
    }
    if (rc != SKEP_OK)
        cli_output_discard(o);
    return rc;
}

int cli_output_write(struct cli_output *o, const void *data, size_t size, struct cli_progress *p, uint64_t before,
                     skep_error *err)
{
    const char *from = data;
    size_t done = 0;

    while (done < size) {
        size_t piece = size - done < PIECE ? size - done : PIECE;
        ssize_t n = cli_signals_got() ? 0 : write(o->fd, from + done, piece);

        if (cli_signals_got())
            return skep_fail(err, SKEP_ECANCELED, "%s: interrupted", o->label);
        if (n < 0 && errno != EINTR)
            return fail(o, errno, err);
        done += n > 0 ? (size_t)n : 0;
        if (p)
            cli_progress_at(p, before + done);
    }
    return SKEP_OK;
}

/* Give the nameless file its name. A link can't replace what is there, a rename can. */
static int link_final(struct cli_output *o)
{
    char self[64];
    int errnum;

    snprintf(self, sizeof self, "/proc/self/fd/%d", o->fd);
    if (linkat(AT_FDCWD, self, AT_FDCWD, o->final, AT_SYMLINK_FOLLOW) == 0)
        return 0;
    if (errno != EEXIST)
        return errno;
    if ((errnum = name_temporary(o)) != 0)
        return errnum;
    cli_signals_doom(o->temporary);
    if (linkat(AT_FDCWD, self, AT_FDCWD, o->temporary, AT_SYMLINK_FOLLOW) != 0)
        return errno;
    return rename(o->temporary, o->final) == 0 ? 0 : errno;
}

int cli_output_commit(struct cli_output *o, skep_error *err)
{
    int fd = o->fd;
    int errnum = 0;

    if (!o->open)
        return SKEP_OK;
    if (o->final && !o->temporary)
        errnum = link_final(o);
    else if (o->final)
        errnum = rename(o->temporary, o->final) == 0 ? 0 : errno;
    if (errnum)
        return fail(o, errnum, err);
    cli_signals_doom(NULL);
    free(o->temporary);
    o->temporary = NULL;
    o->open = 0;
    return close(fd) == 0 ? SKEP_OK : fail(o, errno, err);
}

void cli_output_discard(struct cli_output *o)
{
    if (o->temporary)
        unlink(o->temporary);
    cli_signals_doom(NULL);
    if (o->open)
        close(o->fd);
    free(o->temporary);
    free(o->final);
    *o = (struct cli_output){.fd = -1};
}
