/* layout.c - where a store lies, and how one comes to be: complete under a hidden name first, then renamed into place. */
#include "proxy/node/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "proxy/base/alloc.h"

#define SHARED_MEMORY "/dev/shm"
#define FORMAT        "skep-node 1 "

/* Why a directory can't be opened. */
static int refuse(int dir, const char *name, skep_error *err)
{
    int errnum = errno;
    struct stat st;

    if (errnum == ENOTDIR && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(st.st_mode))
        return skep_fail(err, SKEP_EDENIED, "%s: %s", name,
                         S_ISLNK(st.st_mode) ? "a symbolic link, which is not followed" : "not a directory");
    return skepi_errno(err, errnum, name);
}

/* A directory that is this user's alone to change. `closed`: nobody else may look inside either. */
static int check_owner(int fd, const char *what, int closed, skep_error *err)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return skepi_errno(err, errno, what);
    if (st.st_uid != geteuid())
        return skep_fail(err, SKEP_EDENIED, "%s: belongs to user %u, not to this one (%u)", what, (unsigned)st.st_uid,
                         (unsigned)geteuid());
    if (st.st_mode & (closed ? 077 : 022))
        return skep_fail(err, SKEP_EDENIED, "%s: open to others (mode %03o, must be %s)", what,
                         (unsigned)(st.st_mode & 0777), closed ? "700" : "755 or less");
    return SKEP_OK;
}

int skepi_base_open(const char *directory, int existing, int *fd, char place[SKEP_URI_MAX], skep_error *err)
{
    char own[64];
    int rc;

    snprintf(own, sizeof own, SHARED_MEMORY "/skep-%u", (unsigned)geteuid());
    snprintf(place, SKEP_URI_MAX, "%s", directory != NULL ? directory : SHARED_MEMORY);
    if (directory == NULL)
        directory = own;
    if (!existing && mkdir(directory, 0700) != 0 && errno != EEXIST)
        return skepi_errno(err, errno, directory);
    if ((*fd = skepi_openat(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY, 0)) < 0)
        return refuse(AT_FDCWD, directory, err);
    if ((rc = check_owner(*fd, directory, 0, err)) != SKEP_OK)
        skepi_closefd(fd);
    return rc;
}

/* Fill a fresh, hidden store directory; `*lock` is its lock, held. */
static int furnish(int dir, int session, int *lock)
{
    char id[64];
    int meta;

    if (mkdirat(dir, ".skep", 0700) != 0 || (meta = skepi_openat(dir, ".skep", O_RDONLY | O_DIRECTORY, 0)) < 0)
        return -1;
    snprintf(id, sizeof id, FORMAT "%016" PRIx64 "\n", skepi_random());
    if ((*lock = skepi_openat(meta, "lock", O_RDWR | O_CREAT | O_EXCL, 0600)) < 0 ||
        skepi_flock(*lock, LOCK_SH | LOCK_NB) != 0 || mkdirat(meta, "pool", 0700) != 0 || mkdirat(meta, "tmp", 0700) != 0 ||
        mkdirat(meta, "names", 0700) != 0 || skepi_spill(meta, "id", id) != 0 ||
        (session && skepi_spill(meta, "session", "") != 0)) {
        close(meta);
        return -1;
    }
    close(meta);
    return 0;
}

int skepi_store_make(int base, const char *name, int session, skep_error *err)
{
    char hidden[SKEPI_NAME_MAX];
    int dir = -1, lock = -1, rc = SKEP_OK;
    struct stat st;

    if (fstatat(base, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return SKEP_OK;
    skepi_unique(hidden, ".new-", skep_real_ns());
    if (mkdirat(base, hidden, 0700) != 0 || (dir = skepi_openat(base, hidden, O_RDONLY | O_DIRECTORY, 0)) < 0 ||
        furnish(dir, session, &lock) != 0)
        rc = skepi_errno(err, errno, name);
    else if (renameat2(base, hidden, base, name, RENAME_NOREPLACE) != 0 && errno != EEXIST)
        rc = skepi_errno(err, errno, name);
    skepi_remove_tree(base, hidden, 3); /* gone already, if it was renamed */
    skepi_unlock(&lock);
    skepi_closefd(&dir);
    return rc;
}

static int read_id(skep_node *node, skep_error *err)
{
    char text[64];

    if (skepi_slurp(node->meta, "id", text, sizeof text) < 0)
        return skepi_errno(err, errno, node->name);
    if (strncmp(text, FORMAT, strlen(FORMAT)) != 0)
        return skep_fail(err, SKEP_EVERSION, "%s: a node store of another version (\"%.20s\")", node->name, text);
    node->id = strtoull(text + strlen(FORMAT), NULL, 16);
    return node->id != 0 ? SKEP_OK : skep_fail(err, SKEP_EFORMAT, "%s: its node id is not a number", node->name);
}

static int open_parts(skep_node *node, skep_error *err)
{
    if ((node->pool = skepi_openat(node->meta, "pool", O_RDONLY | O_DIRECTORY, 0)) < 0)
        return refuse(node->meta, "pool", err);
    if ((node->tmp = skepi_openat(node->meta, "tmp", O_RDONLY | O_DIRECTORY, 0)) < 0)
        return refuse(node->meta, "tmp", err);
    node->session = faccessat(node->meta, "session", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    return read_id(node, err);
}

static void leave_parts(skep_node *node)
{
    skepi_closefd(&node->tmp);
    skepi_closefd(&node->pool);
    skepi_unlock(&node->lock);
    skepi_closefd(&node->meta);
    skepi_closefd(&node->dir);
}

int skepi_store_named(const skep_node *node)
{
    struct stat st;

    return fstat(node->dir, &st) == 0 && skepi_same(node->base, node->name, &st);
}

/* One try. SKEP_EBUSY: the last opener was just leaving, and has taken the store with it. */
static int enter_once(skep_node *node, uint64_t by_ns, skep_error *err)
{
    int rc;

    if ((node->dir = skepi_openat(node->base, node->name, O_RDONLY | O_DIRECTORY, 0)) < 0)
        return errno == ENOENT ? skep_fail(err, SKEP_ENOENT, "no such store on this host")
                               : refuse(node->base, node->name, err);
    if ((rc = check_owner(node->dir, node->name, 1, err)) != SKEP_OK)
        return rc;
    if ((node->meta = skepi_openat(node->dir, ".skep", O_RDONLY | O_DIRECTORY, 0)) < 0 ||
        (node->lock = skepi_openat(node->meta, "lock", O_RDWR, 0600)) < 0)
        return errno != ENOENT           ? skepi_errno(err, errno, node->name)
               : skepi_store_named(node) ? skep_fail(err, SKEP_EFORMAT, "%s: a directory, but not a node store", node->name)
                                         : SKEP_EBUSY;
    if (skepi_flock_by(node->lock, LOCK_SH, by_ns) != 0)
        return errno == EWOULDBLOCK
                   ? skep_fail(err, SKEP_ETIMEDOUT, "%s: still being cleared by who closed it last", node->name)
                   : skepi_errno(err, errno, node->name);
    if (!skepi_store_named(node))
        return SKEP_EBUSY;
    return open_parts(node, err);
}

int skepi_store_enter(skep_node *node, uint64_t by_ns, skep_error *err)
{
    int rc = enter_once(node, by_ns, err);

    if (rc != SKEP_OK)
        leave_parts(node);
    return rc;
}

int skepi_disk_enter(skep_node *node, const char *path, int existing, skep_error *err)
{
    struct stat st;

    if (!existing && mkdir(path, 0777) != 0 && errno != EEXIST)
        return skepi_errno(err, errno, path);
    do /* the user names this path, so a link in it is the user's own */
        node->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (node->dir < 0 && errno == EINTR);
    if (node->dir < 0)
        return skepi_errno(err, errno, path);
    if (existing == SKEP_OPEN_HANDLE && (fstat(node->dir, &st) != 0 || st.st_uid != geteuid()))
        return skep_fail(err, SKEP_EDENIED,
                         "%s: another user's, which a handle alone does not lead to: open the store itself first", path);
    return skepi_node_meta(node, 0, err);
}

/* A directory beside the objects, for the same people as the store's own. */
static int make_like(int parent, const char *name, mode_t mode)
{
    int fd;

    if (mkdirat(parent, name, mode) != 0 && errno != EEXIST)
        return -1;
    if ((fd = skepi_openat(parent, name, O_RDONLY | O_DIRECTORY, 0)) >= 0)
        (void)!fchmod(fd, mode); /* past the umask; refused if another user made it, who did the same */
    return fd;
}

static int make_meta(skep_node *node, skep_error *err)
{
    struct stat st;
    int names;

    if (fstat(node->dir, &st) != 0)
        return skepi_errno(err, errno, node->place);
    st.st_mode &= 01777;
    if (node->meta < 0 && (node->meta = make_like(node->dir, ".skep", st.st_mode)) < 0)
        return refuse(node->dir, ".skep", err);
    if ((names = make_like(node->meta, "names", st.st_mode)) < 0)
        return refuse(node->meta, "names", err);
    close(names);
    if ((node->tmp = make_like(node->meta, "tmp", st.st_mode)) < 0)
        return refuse(node->meta, "tmp", err);
    if (node->sync && (fsync(node->meta) != 0 || fsync(node->dir) != 0))
        return skepi_errno(err, errno, node->place);
    return SKEP_OK;
}

int skepi_node_meta(skep_node *node, int make, skep_error *err)
{
    int rc = SKEP_OK;

    if (!node->disk)
        return SKEP_OK;
    pthread_mutex_lock(&node->lazy);
    if (node->meta < 0)
        node->meta = skepi_openat(node->dir, ".skep", O_RDONLY | O_DIRECTORY, 0);
    if (node->tmp < 0 && node->meta >= 0)
        node->tmp = skepi_openat(node->meta, "tmp", O_RDONLY | O_DIRECTORY, 0);
    if (node->tmp < 0 && make)
        rc = make_meta(node, err);
    pthread_mutex_unlock(&node->lazy);
    return rc;
}
