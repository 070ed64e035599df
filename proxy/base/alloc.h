/* alloc.h - memory inside libskep: one door, so that tests can make it fail.
 *
 * skepi_alloc and kin are for structs and texts. Bytes of objects come from skepi_block_alloc, which keeps and reuses big
 * blocks: a fresh page costs several times what copying into a warm one does.
 */
#ifndef SKEP_PROXY_BASE_ALLOC_H
#define SKEP_PROXY_BASE_ALLOC_H

#include <stddef.h>

void *skepi_alloc(size_t size);            /* zeroed; NULL: out of memory */
void *skepi_array(size_t n, size_t each);  /* zeroed; NULL: out of memory, or n * each overflows */
void *skepi_resize(void *p, size_t n, size_t each); /* as realloc; new bytes are not zeroed */
char *skepi_strdup(const char *text);
void skepi_free(void *p); /* NULL is fine */

void *skepi_block_alloc(size_t size); /* 64-byte aligned, not zeroed; from the pool if it has one that fits */
void skepi_block_free(void *p);       /* back to the pool, within its bound; NULL is fine */

/* Tests only: let the n-th allocation from now fail (1 = the next one; 0 = none), in this process. Returns how many
 * allocations were made since the last call. */
size_t skepi_alloc_fail_at(size_t n);

#endif
