/* alloc.h - memory inside libskep: one door, so that tests can make it fail.
 *
 * skepi_alloc and kin are for structs and texts. Bytes of objects come from skepi_block_alloc, which keeps and reuses big
 * blocks: a fresh page costs several times what copying into a warm one does.
 */
#ifndef SKEP_PROXY_BASE_ALLOC_H
#define SKEP_PROXY_BASE_ALLOC_H

#include <stddef.h>

void *skepi_alloc(size_t size);                     /* zeroed; NULL: out of memory */
void *skepi_array(size_t n, size_t each);           /* zeroed; NULL: out of memory, or n * each overflows */
void *skepi_resize(void *p, size_t n, size_t each); /* as realloc; new bytes are not zeroed */
char *skepi_strdup(const char *text);
void skepi_free(void *p); /* NULL is fine */

void *skepi_block_alloc(size_t size); /* 64-byte aligned (from 64 KiB on: at a page), not zeroed; NULL: out of memory */
void skepi_block_free(void *p);       /* back to the pool, within its bound; NULL is fine */
/* Keep at most so many bytes from now on; returns how many are kept. SKEP_BLOCK_POOL sets it at start. */
size_t skepi_block_pool(size_t most);

/* Tests only: let the n-th allocation from now fail (1 = the next one; 0 = none), in this process. Returns how many were
 * made since the call before; they are counted only after one whose `n` was not 0. Blocks count too. */
size_t skepi_alloc_fail_at(size_t n);
/* 1 if the allocation that is about to be made must fail. For who allocates by other means than the above. */
int skepi_alloc_denied(void);

#endif
