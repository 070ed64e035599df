/* slot.c - put in place: memory of the store itself, lent until commit or abort. */
#include "proxy/node/impl.h"

#include <sys/mman.h>

#include "proxy/base/alloc.h"

struct skep_node_slot {
    struct skepi_seg seg;
    uint64_t size;
    _Alignas(64) char nothing[64]; /* what an object of 0 bytes is written into */
};

int skepi_node_reserve(skep_node *node, skep_ref *ref, size_t size, uint64_t by_ns, skep_node_slot **take, void **memory,
                       skep_error *err)
{
    skep_node_slot *slot;
    int rc;

    if (node->disk)
        return skep_fail(err, SKEP_ENOTSUP, "a disk is not written through mappings");
    if ((rc = skepi_key_ok(ref->key, err)) != SKEP_OK)
        return rc;
    if ((rc = skepi_file_fits(size, err)) != SKEP_OK)
        return rc;
    if ((slot = skepi_block_alloc(sizeof *slot)) == NULL)
        return skep_fail(err, SKEP_ENOMEM, "out of memory");
    *slot = (skep_node_slot){.seg = SKEPI_SEG_INIT, .size = size};
    if (size < SKEPI_POOLED_MIN || !skepi_pool_take(node, size, &slot->seg))
        rc = skepi_seg_new(node, &slot->seg, err);
    if (rc == SKEP_OK && size > 0)
        rc = skepi_seg_ready(node, &slot->seg, size, by_ns, err);
    if (rc != SKEP_OK) {
        skepi_node_abort(node, slot);
        return rc;
    }
    *take = slot;
    *memory = size > 0 ? slot->seg.map : slot->nothing;
    return SKEP_OK;
}

int skepi_node_commit(skep_node *node, skep_node_slot *take, skep_ref *ref, skep_error *err)
{
    uint64_t size = take->size;
    int rc;

    if (size < SKEPI_POOLED_MIN && take->seg.map != NULL) { /* too small to be kept */
        munmap(take->seg.map, take->seg.map_size);
        take->seg.map = NULL;
    }
    rc = skepi_seg_publish(node, &take->seg, ref->key, err);
    skepi_node_abort(node, take);
    if (rc != SKEP_OK)
        return rc;
    ref->node = node->id;
    ref->size_bytes = size;
    return SKEP_OK;
}

void skepi_node_abort(skep_node *node, skep_node_slot *take)
{
    if (take == NULL)
        return;
    skepi_seg_drop(node, &take->seg);
    skepi_block_free(take);
}
