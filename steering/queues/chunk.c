/* chunk.c - counted memory that messages are received into and sent from. */
#include "steering/queues/chunk.h"

#include <pthread.h>
#include <stdlib.h>

enum { SPARE_MAX = 32, HEAD = 64 };

/* lock: rank 9, no lock is taken under it; guards spare and n_spare. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct skepi_chunk *spare[SPARE_MAX];
static unsigned n_spare;

static struct skepi_chunk *take_spare(void)
{
    struct skepi_chunk *chunk = NULL;

    pthread_mutex_lock(&lock);
    if (n_spare > 0)
        chunk = spare[--n_spare];
    pthread_mutex_unlock(&lock);
    return chunk;
}

static int keep_spare(struct skepi_chunk *chunk)
{
    int kept;

    pthread_mutex_lock(&lock);
    if ((kept = n_spare < SPARE_MAX))
        spare[n_spare++] = chunk;
    pthread_mutex_unlock(&lock);
    return kept;
}

struct skepi_chunk *skepi_chunk_new(size_t size)
{
    struct skepi_chunk *chunk = size == SKEPI_CHUNK_SIZE ? take_spare() : NULL;
    void *memory;

    if (chunk == NULL) {
        if (size > (size_t)-1 - HEAD || posix_memalign(&memory, HEAD, HEAD + size) != 0)
            return NULL;
        chunk = memory;
        chunk->size = size;
        chunk->data = (unsigned char *)memory + HEAD;
        chunk->release = NULL;
    }
    atomic_init(&chunk->refs, 1);
    return chunk;
}

struct skepi_chunk *skepi_chunk_ref(struct skepi_chunk *chunk)
{
    atomic_fetch_add_explicit(&chunk->refs, 1, memory_order_relaxed);
    return chunk;
}

void skepi_chunk_unref(struct skepi_chunk *chunk)
{
    if (chunk == NULL || atomic_fetch_sub_explicit(&chunk->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (chunk->release != NULL)
        chunk->release(chunk);
    else if (chunk->size != SKEPI_CHUNK_SIZE || !keep_spare(chunk))
        free(chunk);
}

int skepi_chunk_alone(const struct skepi_chunk *chunk)
{
    return atomic_load_explicit(&chunk->refs, memory_order_acquire) == 1;
}
