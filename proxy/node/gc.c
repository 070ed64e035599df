/* gc.c - what dead processes left behind, in this store and in those beside it. */
#include "proxy/node/impl.h"

int skepi_node_gc(skep_node *node, int dry_run, skep_garbage_func func, void *arg, skep_error *err)
{
    int rc = skepi_node_meta(node, 0, err);

    if (rc != SKEP_OK)
        return rc;
    if (node->tmp >= 0)
        skepi_tmp_reap(node->tmp, !dry_run, func, arg);
    if (!node->disk)
        skepi_base_reap(node->base, node->place, node->name, !dry_run, func, arg);
    return SKEP_OK;
}
