/* evict.c - an object goes: small ones at once; big ones into the pool, where their memory stays warm within its bounds. */
#include "proxy/node/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int gone(const skep_ref *ref, int rc, skep_error *err)
{
    return rc == 0 || errno == ENOENT ? SKEP_OK : skepi_errno(err, errno, ref->key);
}

int skepi_node_evict(skep_node *node, const skep_ref *ref, skep_error *err)
{
    char name[SKEPI_NAME_MAX];
    struct stat st;
    int rc = skepi_key_ok(ref->key, err);

    if (rc != SKEP_OK)
        return rc;
    /* To take a big object for a small one is safe: what is unlinked is not written again. */
    if (node->disk || ref->size_bytes < SKEPI_POOLED_MIN)
        return gone(ref, unlinkat(node->dir, ref->key, 0), err);
    if (fstatat(node->dir, ref->key, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return gone(ref, -1, err);
    if (!skepi_pool_fits(&st))
        return gone(ref, unlinkat(node->dir, ref->key, 0), err);
    skepi_pool_name(name, (uint64_t)st.st_size);
    /* Another file may take the key's place just now: whoever finds in the pool what does not fit there leaves it as it is.
     */
    if (renameat(node->dir, ref->key, node->pool, name) != 0)
        return gone(ref, -1, err);
    skepi_pool_trim(node, node->pool_bytes, SKEPI_POOL_COUNT);
    skepi_kept_sweep(node, 0);
    return SKEP_OK;
}
