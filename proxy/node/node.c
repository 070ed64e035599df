/* node.c - opening and closing a node store, and its table. */
#include "proxy/node/impl.h"

#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "proxy/base/alloc.h"
#include "proxy/base/host.h"

#define POOL_MAX  ((uint64_t)4 << 30)
#define POOL_PART 8

static void choose_pool(skep_node *node, uint64_t asked)
{
    struct statvfs v;

    node->pool_bytes = asked;
    if (asked != SKEP_NODE_POOL_AUTO)
        return;
    node->pool_bytes = POOL_MAX;
    if (fstatvfs(node->dir, &v) == 0 && (uint64_t)v.f_blocks * v.f_frsize / POOL_PART < POOL_MAX)
        node->pool_bytes = (uint64_t)v.f_blocks * v.f_frsize / POOL_PART;
}

static int open_shared(skep_node *node, const skep_node_opts *opts, skep_error *err)
{
    char place[SKEP_URI_MAX];
    unsigned round = 0;
    int rc;

    node->mode = SKEPI_SHARED_MODE; /* and they can be opened for writing again */
    if ((node->name = skepi_strdup(opts->name)) == NULL)
        return skep_fail(err, SKEP_ENOMEM, "out of memory");
    if ((rc = skepi_base_open(opts->directory, opts->existing, &node->base, place, err)) != SKEP_OK)
        return rc == SKEP_ENOENT ? skep_fail(err, rc, "no such store on this host") : rc;
    if ((node->place = skepi_strdup(place)) == NULL)
        return skep_fail(err, SKEP_ENOMEM, "out of memory");
    (void)skepi_base_reap(node->base, place, node->name, 1, NULL, NULL);
    do {
        if (round > 0)
            skepi_pause(&round, opts->by_ns);
        round++;
        if (!opts->existing && (rc = skepi_store_make(node->base, node->name, opts->session, err)) != SKEP_OK)
            return rc;
        rc = skepi_store_enter(node, opts->by_ns, err);
    } while ((rc == SKEP_EBUSY || (rc == SKEP_ENOENT && !opts->existing)) && skep_now_ns() < opts->by_ns);
    if (rc == SKEP_EBUSY)
        return opts->existing ? skep_fail(err, SKEP_ENOENT, "no such store on this host")
                              : skep_fail(err, SKEP_ETIMEDOUT, "%s: removed by others again and again", node->name);
    if (rc != SKEP_OK)
        return rc;
    if (opts->session && !node->session)
        skep_log(SKEP_LOG_INFO, "shm", "%s: there already, and to stay: lifetime=session has no effect", node->name);
    (void)skepi_tmp_reap(node->tmp, node->place, 1, NULL, NULL);
    skepi_cgroup_find("", node->cgroup);
    choose_pool(node, opts->pool_bytes);
    return SKEP_OK;
}

static int open_disk(skep_node *node, const skep_node_opts *opts, skep_error *err)
{
    int rc;

    node->disk = 1;
    node->mode = 0444; /* nobody writes an object again */
    node->map = opts->map;
    node->sync = opts->sync;
    if ((node->place = skepi_strdup(opts->directory)) == NULL)
        return skep_fail(err, SKEP_ENOMEM, "out of memory");
    if ((rc = skepi_disk_enter(node, opts->directory, opts->existing, err)) != SKEP_OK)
        return rc;
    node->remote = !skepi_is_local(node->dir);
    if (node->tmp >= 0 && opts->existing != SKEP_OPEN_HANDLE)
        (void)skepi_tmp_reap(node->tmp, node->place, 1, NULL, NULL);
    return SKEP_OK;
}

static void node_close(skep_node *node, int forked)
{
    if (node == NULL)
        return;
    if (forked) {
        skepi_kept_leave(node);
    } else {
        skepi_kept_sweep(node, 1);
        skepi_node_leave(node);
    }
    skepi_closefd(&node->tmp);
    skepi_closefd(&node->pool);
    skepi_closefd(&node->lock);
    skepi_closefd(&node->meta);
    skepi_closefd(&node->dir);
    skepi_closefd(&node->base);
    skepi_free(node->name);
    skepi_free(node->place);
    if (!forked) { /* else another thread may have held them at the fork */
        pthread_mutex_destroy(&node->lazy);
        pthread_mutex_destroy(&node->kept_mu);
    }
    skepi_free(node);
}

static int node_open(const skep_node_opts *opts, skep_node **take, skep_error *err)
{
    skep_node *node = skepi_alloc(sizeof *node);
    int rc;

    if (node == NULL)
        return skep_fail(err, SKEP_ENOMEM, "out of memory");
    node->base = node->dir = node->meta = node->pool = node->tmp = node->lock = -1;
    pthread_mutex_init(&node->lazy, NULL);
    pthread_mutex_init(&node->kept_mu, NULL);
    rc = opts->name != NULL ? open_shared(node, opts, err) : open_disk(node, opts, err);
    if (rc != SKEP_OK) {
        node_close(node, 1);
        return rc;
    }
    *take = node;
    return SKEP_OK;
}

static uint64_t node_id(const skep_node *node)
{
    return node->id;
}

const skep_node_api skepi_node_api = {
    .size = sizeof(skep_node_api),
    .open = node_open,
    .close = node_close,
    .id = node_id,
    .put = skepi_node_put,
    .reserve = skepi_node_reserve,
    .commit = skepi_node_commit,
    .abort = skepi_node_abort,
    .get = skepi_node_get,
    .read = skepi_node_read,
    .exists = skepi_node_exists,
    .evict = skepi_node_evict,
    .wait = skepi_node_wait,
    .list = skepi_node_list,
    .name_set = skepi_node_name_set,
    .name_get = skepi_node_name_get,
    .gc = skepi_node_gc,
    .names = skepi_node_names,
};
