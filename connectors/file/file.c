/* file.c - objects as plain files in a directory: what a model is put as is what other tools open. */
#include <skep/node.h>

#include <string.h>

const skep_connector *skepi_file_entry(const skep_host *given);

static const skep_host *host; /* set by the entry, then constant */

struct file {
    skep_node *node;
};

static const skep_option file_options[] = {
    {"map", SKEP_TYPE_CHOICE, SKEP_CLASS_TUNING, "auto", "auto|on|off",
     "hand out mappings instead of copies; auto: of files that skep made, on a file system of this host"},
    {"sync", SKEP_TYPE_BOOL, SKEP_CLASS_TUNING, "off", NULL, "an acknowledged object survives a power loss"},
    {NULL, 0, 0, NULL, NULL, NULL},
};

static int map_choice(const char *word)
{
    return strcmp(word, "on") == 0 ? SKEP_NODE_MAP_ON : strcmp(word, "off") == 0 ? SKEP_NODE_MAP_OFF : SKEP_NODE_MAP_AUTO;
}

static int take_directory(const skep_uri *uri, skep_node_opts *opts, skep_error *err)
{
    opts->directory = host->uri_path(uri); /* "localhost" has been taken out of it */
    if (opts->directory[0] != '/' || *host->uri_host(uri) != '\0' || *host->uri_user(uri) != '\0' ||
        host->uri_port(uri) != 0)
        return host->fail(err, SKEP_EINVAL, "a directory is wanted, with its whole path: file:///scratch/objects");
    return SKEP_OK;
}

static int file_open(void *self, const skep_uri *uri, int existing, uint64_t by_ns, skep_error *err)
{
    struct file *f = self;
    skep_node_opts opts = {.size = sizeof opts, .by_ns = by_ns, .existing = existing};
    int rc = take_directory(uri, &opts, err);

    if (rc != SKEP_OK)
        return rc;
    opts.map = map_choice(host->uri_option(uri, "map"));
    opts.sync = host->uri_bool(uri, "sync");
    return host->node->open(&opts, &f->node, err);
}

static void file_close(void *self, int forked)
{
    struct file *f = self;

    host->node->close(f->node, forked);
}

static int file_put(void *self, skep_ref *ref, const struct iovec *iov, int n, const skep_put *how, skep_error *err)
{
    return host->node->put(((struct file *)self)->node, ref, iov, n, how, err);
}

static int file_get(void *self, const skep_ref *ref, uint64_t by_ns, skep_buf **take, uint32_t *how, skep_error *err)
{
    return host->node->get(((struct file *)self)->node, ref, by_ns, take, how, err);
}

static int file_evict(void *self, const skep_ref *ref, uint64_t by_ns, skep_error *err)
{
    (void)by_ns;
    return host->node->evict(((struct file *)self)->node, ref, err);
}

static int file_exists(void *self, const skep_ref *ref, uint64_t by_ns, uint64_t *size_bytes, skep_error *err)
{
    (void)by_ns;
    return host->node->exists(((struct file *)self)->node, ref, size_bytes, err);
}

static int file_read(void *self, const skep_ref *ref, uint64_t offset, size_t size, void *dst, uint64_t by_ns,
                     skep_error *err)
{
    return host->node->read(((struct file *)self)->node, ref, offset, size, dst, by_ns, err);
}

static int file_wait(void *self, const skep_ref *ref, uint64_t by_ns, skep_error *err)
{
    return host->node->wait(((struct file *)self)->node, ref, by_ns, err);
}

static int file_list(void *self, skep_entry_func func, void *arg, skep_error *err)
{
    return host->node->list(((struct file *)self)->node, func, arg, err);
}

static int file_name_set(void *self, const char *name, const char *handle, uint64_t by_ns, skep_error *err)
{
    (void)by_ns;
    return host->node->name_set(((struct file *)self)->node, name, handle, err);
}

static int file_name_get(void *self, const char *name, char *out, size_t cap, uint64_t by_ns, skep_error *err)
{
    (void)by_ns;
    return host->node->name_get(((struct file *)self)->node, name, out, cap, err);
}

static int file_gc(const skep_uri *uri, int dry_run, skep_garbage_func func, void *arg, skep_error *err)
{
    skep_node_opts opts = {.size = sizeof opts};
    int rc = take_directory(uri, &opts, err);

    return rc == SKEP_OK ? host->node->gc(&opts, dry_run, func, arg, err) : rc;
}

static const skep_connector file_connector = {
    .size = sizeof(skep_connector),
    .abi = SKEP_CONNECTOR_ABI,
    .caps = SKEP_CAP_SHARED | SKEP_CAP_DURABLE | SKEP_CAP_MAPPED | SKEP_CAP_SUMS | SKEP_CAP_CHECKSUM,
    .scheme = "file",
    .help = "objects as plain files in a directory: file:///DIRECTORY",
    .self_size = sizeof(struct file),
    .options = file_options,
    .open = file_open,
    .close = file_close,
    .put = file_put,
    .get = file_get,
    .evict = file_evict,
    .exists = file_exists,
    .read = file_read,
    .wait = file_wait,
    .list = file_list,
    .name_set = file_name_set,
    .name_get = file_name_get,
    .gc = file_gc,
};

const skep_connector *skepi_file_entry(const skep_host *given)
{
    if (given->abi != SKEP_CONNECTOR_ABI || given->node == NULL)
        return NULL;
    host = given;
    return &file_connector;
}
