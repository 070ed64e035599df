/* shm.c - the objects of this host, in its shared memory: the node store under a name. */
#include <skep/node.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const skep_connector *skepi_shm_entry(const skep_host *given);

static const skep_host *host; /* set by the entry, then constant */

static char usual_dir[32]; /* same */

struct shm {
    skep_node *node;
};

static const skep_option shm_options[] = {
    {"lifetime", SKEP_TYPE_CHOICE, SKEP_CLASS_TUNING, "store", "store|session",
     "of a store that is made here: until it is emptied, or until its last opener ends"},
    {"pool", SKEP_TYPE_SIZE, SKEP_CLASS_TUNING, NULL, NULL,
     "most memory of evicted objects to keep warm while the store is open; an eighth of the file system, 4g at most, if not "
     "given; 0: none"},
    {"dir", SKEP_TYPE_TEXT, SKEP_CLASS_LOCAL, usual_dir, NULL, "directory of the stores, this user's alone"},
    {NULL, 0, 0, NULL, NULL, NULL},
};

static int name_chars(const char *text, size_t n)
{
    static const char fine[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

    for (; n > 0 && *text != '\0' && strchr(fine, *text) != NULL; n--)
        text++;
    return n == 0;
}

/* A directory's name, and the same in a URI without any escape. */
static int name_ok(const char *name)
{
    size_t n = strlen(name);

    return n > 0 && n <= 63 && name[0] != '.' && name_chars(name, n);
}

static int bad_name(skep_error *err)
{
    return host->fail(err, SKEP_EINVAL, "a store's name is wanted: 1 to 63 letters, digits, '-', '_' or '.', not first");
}

/* NULL: the usual one, which the node store makes if need be. */
static const char *directory_of(const skep_uri *uri)
{
    const char *dir = host->uri_option(uri, "dir");

    return strcmp(dir, usual_dir) != 0 ? dir : NULL;
}

static int shm_open_store(void *self, const skep_uri *uri, int existing, uint64_t by_ns, skep_error *err)
{
    struct shm *s = self;
    skep_node_opts opts = {.size = sizeof opts, .by_ns = by_ns, .existing = existing, .pool_bytes = SKEP_NODE_POOL_AUTO};
    const char *path = host->uri_path(uri);

    opts.name = host->uri_host(uri);
    if (*host->uri_user(uri) != '\0' || host->uri_port(uri) != 0)
        return host->fail(err, SKEP_EINVAL, "a name alone is wanted, without user and port");
    if (!name_ok(opts.name) || (*path != '\0' && strcmp(path, "/") != 0))
        return bad_name(err);
    opts.directory = directory_of(uri);
    if (host->uri_has(uri, "pool"))
        opts.pool_bytes = host->uri_size(uri, "pool");
    opts.session = strcmp(host->uri_option(uri, "lifetime"), "session") == 0;
    return host->node->open(&opts, &s->node, err);
}

static void shm_close(void *self, int forked)
{
    struct shm *s = self;

    host->node->close(s->node, forked);
}

static int shm_put(void *self, skep_ref *ref, const struct iovec *iov, int n, const skep_put *how, skep_error *err)
{
    return host->node->put(((struct shm *)self)->node, ref, iov, n, how, err);
}

static int shm_get(void *self, const skep_ref *ref, uint64_t by_ns, skep_buf **take, uint32_t *how, skep_error *err)
{
    return host->node->get(((struct shm *)self)->node, ref, by_ns, take, how, err);
}

static int shm_evict(void *self, const skep_ref *ref, uint64_t by_ns, skep_error *err)
{
    (void)by_ns;
    return host->node->evict(((struct shm *)self)->node, ref, err);
}

static int shm_exists(void *self, const skep_ref *ref, uint64_t by_ns, uint64_t *size_bytes, skep_error *err)
{
    (void)by_ns;
    return host->node->exists(((struct shm *)self)->node, ref, size_bytes, err);
}

static int shm_read(void *self, const skep_ref *ref, uint64_t offset, size_t size, void *dst, uint64_t by_ns,
                    skep_error *err)
{
    return host->node->read(((struct shm *)self)->node, ref, offset, size, dst, by_ns, err);
}

static int shm_reserve(void *self, skep_ref *ref, size_t size, uint64_t by_ns, void **slot, void **memory, skep_error *err)
{
    skep_node_slot *mine;
    int rc = host->node->reserve(((struct shm *)self)->node, ref, size, by_ns, &mine, memory, err);

    if (rc == SKEP_OK)
        *slot = mine;
    return rc;
}

static int shm_commit(void *self, void *slot, skep_ref *ref, skep_error *err)
{
    return host->node->commit(((struct shm *)self)->node, slot, ref, err);
}

static void shm_abort(void *self, void *slot)
{
    host->node->abort(((struct shm *)self)->node, slot);
}

static int shm_wait(void *self, const skep_ref *ref, uint64_t by_ns, skep_error *err)
{
    return host->node->wait(((struct shm *)self)->node, ref, by_ns, err);
}

static int shm_list(void *self, skep_entry_func func, void *arg, skep_error *err)
{
    return host->node->list(((struct shm *)self)->node, func, arg, err);
}

static int shm_name_set(void *self, const char *name, const char *handle, uint64_t by_ns, skep_error *err)
{
    (void)by_ns;
    return host->node->name_set(((struct shm *)self)->node, name, handle, err);
}

static int shm_name_get(void *self, const char *name, char *out, size_t cap, uint64_t by_ns, skep_error *err)
{
    (void)by_ns;
    return host->node->name_get(((struct shm *)self)->node, name, out, cap, err);
}

static int shm_gc(const skep_uri *uri, int dry_run, skep_garbage_func func, void *arg, skep_error *err)
{
    skep_node_opts opts = {.size = sizeof opts, .name = host->uri_host(uri)};

    if (opts.name[0] != '\0' && !name_ok(opts.name))
        return bad_name(err);
    opts.directory = directory_of(uri);
    return host->node->gc(&opts, dry_run, func, arg, err);
}

struct found {
    skep_store_func func;
    void *arg;
    const char *dir; /* what a URI must say to lead there; NULL: nothing */
};

/* shm://NAME, or shm://NAME?dir=DIRECTORY. 0: too long. */
static int write_uri(char out[SKEP_URI_MAX], const char *name, const char *dir)
{
    int n = snprintf(out, SKEP_URI_MAX, dir != NULL ? "shm://%s?dir=" : "shm://%s", name);

    for (; dir != NULL && *dir != '\0' && n + 4 <= SKEP_URI_MAX; dir++) {
        int plain = name_chars(dir, 1) || *dir == '/';

        n += snprintf(out + n, (size_t)(SKEP_URI_MAX - n), plain ? "%c" : "%%%02X", (unsigned char)*dir);
    }
    return dir == NULL || *dir == '\0';
}

static int see_store(const char *name, void *arg)
{
    const struct found *f = arg;
    char uri[SKEP_URI_MAX];

    if (!name_ok(name) || !write_uri(uri, name, f->dir))
        return 0;
    return f->func(uri, f->arg);
}

static int shm_stores(const skep_uri *uri, skep_store_func func, void *arg, skep_error *err)
{
    const char *dir = directory_of(uri), *everyones = getenv("SKEP_SHM_DIR");
    struct found f = {func, arg, host->uri_option(uri, "dir")};

    if (strcmp(everyones != NULL && *everyones != '\0' ? everyones : usual_dir, f.dir) == 0)
        f.dir = NULL;
    return host->node->names(dir, see_store, &f, err);
}

static const skep_connector shm_connector = {
    .size = sizeof(skep_connector),
    .abi = SKEP_CONNECTOR_ABI,
    .caps = SKEP_CAP_SHARED | SKEP_CAP_DURABLE | SKEP_CAP_MAPPED | SKEP_CAP_SUMS,
    .scheme = "shm",
    .help = "objects in this host's shared memory: shm://NAME",
    .self_size = sizeof(struct shm),
    .options = shm_options,
    .open = shm_open_store,
    .close = shm_close,
    .put = shm_put,
    .get = shm_get,
    .evict = shm_evict,
    .exists = shm_exists,
    .read = shm_read,
    .reserve = shm_reserve,
    .commit = shm_commit,
    .abort = shm_abort,
    .wait = shm_wait,
    .list = shm_list,
    .name_set = shm_name_set,
    .name_get = shm_name_get,
    .gc = shm_gc,
    .stores = shm_stores,
};

const skep_connector *skepi_shm_entry(const skep_host *given)
{
    if (given->abi != SKEP_CONNECTOR_ABI || given->node == NULL)
        return NULL;
    host = given;
    snprintf(usual_dir, sizeof usual_dir, "/dev/shm/skep-%u", (unsigned)geteuid());
    return &shm_connector;
}
