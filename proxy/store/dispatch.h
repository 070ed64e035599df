/* dispatch.h - a connector's operations as the store calls them, those that the connector lacks included.
 *
 * The store is ready, `e` is never NULL and says what the connector says, without the store's name.
 */
#ifndef SKEP_PROXY_STORE_DISPATCH_H
#define SKEP_PROXY_STORE_DISPATCH_H

#include "proxy/store/store.h"

/* SKEP_OK or SKEP_ENOENT, with *size_bytes. */
int skepi_do_exists(skep_store *s, const skep_ref *ref, uint64_t by_ns, uint64_t *size_bytes, skep_error *e);
int skepi_do_read(skep_store *s, const skep_ref *ref, uint64_t offset, size_t size, void *dst, uint64_t by_ns,
                  skep_error *e);
int skepi_do_wait(skep_store *s, const skep_ref *ref, uint64_t by_ns, skep_error *e);
int skepi_do_list(skep_store *s, skep_entry_func func, void *arg, skep_error *e);
int skepi_do_name_set(skep_store *s, const char *name, const char *handle, uint64_t by_ns, skep_error *e);
int skepi_do_name_get(skep_store *s, const char *name, char *out, size_t cap, uint64_t by_ns, skep_error *e);

/* Memory to write an object into: the medium's, or heap. */
struct skepi_room {
    void *memory;
    void *slot; /* the connector's; unused where it lends none */
};
int skepi_do_reserve(skep_store *s, skep_ref *ref, size_t size, uint64_t by_ns, struct skepi_room *room, skep_error *e);
/* Both end the room. `how` is for a connector that lends no memory. */
int skepi_do_commit(skep_store *s, struct skepi_room *room, skep_ref *ref, size_t size, const skep_put *how, skep_error *e);
void skepi_do_abort(skep_store *s, struct skepi_room *room);

int skepi_do_put_batch(skep_store *s, skep_ref *refs, const struct iovec *items, size_t n, const skep_put *how, size_t *done,
                       skep_error *e);
int skepi_do_get_batch(skep_store *s, const skep_ref *refs, size_t n, uint64_t by_ns, skep_buf **takes, uint32_t *hows,
                       size_t *done, skep_error *e);
int skepi_do_exists_batch(skep_store *s, const skep_ref *refs, size_t n, uint64_t by_ns, int *outs, size_t *done,
                          skep_error *e);
int skepi_do_evict_batch(skep_store *s, const skep_ref *refs, size_t n, uint64_t by_ns, size_t *done, skep_error *e);

#endif
