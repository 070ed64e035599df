/* chunk.h - counted memory that messages are received into and sent from.
 *
 * Threads  [any] for ref and unref; who fills a chunk is its owner's business.
 *
 * Messages lie packed in a chunk, and whoever needs one longer holds a reference, so that nothing is copied from socket to
 * socket. Chunks of the standard size are kept and reused: a fresh page costs more than what it carries.
 */
#ifndef SKEP_STEERING_QUEUES_CHUNK_H
#define SKEP_STEERING_QUEUES_CHUNK_H

#include <stdatomic.h>
#include <stddef.h>

#define SKEPI_CHUNK_SIZE ((size_t)256 << 10)

struct skepi_chunk {
    _Atomic unsigned refs;
    size_t size;                                /* bytes at `data` */
    unsigned char *data;                        /* 64-byte aligned; somebody else's memory: at a multiple of 8 */
    void (*release)(struct skepi_chunk *chunk); /* of the last reference; NULL: it is one of skepi_chunk_new */
};

/* One reference, yours. NULL: out of memory. */
struct skepi_chunk *skepi_chunk_new(size_t size);
struct skepi_chunk *skepi_chunk_ref(struct skepi_chunk *chunk);
void skepi_chunk_unref(struct skepi_chunk *chunk);      /* NULL is fine */
int skepi_chunk_alone(const struct skepi_chunk *chunk); /* 1: the caller's reference is the only one */

#endif
