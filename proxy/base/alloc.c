/* alloc.c - the heap, behind a door that tests can shut. */
#include "proxy/base/alloc.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static atomic_size_t fail_at; /* 0: not armed, nothing is counted */
static atomic_size_t made;

int skepi_alloc_denied(void)
{
    size_t at = atomic_load_explicit(&fail_at, memory_order_relaxed);

    return at != 0 && atomic_fetch_add(&made, 1) + 1 == at;
}

size_t skepi_alloc_fail_at(size_t n)
{
    atomic_store(&fail_at, n);
    return atomic_exchange(&made, 0);
}

/* n * each, and at least one byte; 0: more than there can be. */
static size_t total(size_t n, size_t each)
{
    size_t size;

    if (__builtin_mul_overflow(n, each, &size) || size > PTRDIFF_MAX)
        return 0;
    return size != 0 ? size : 1;
}

void *skepi_array(size_t n, size_t each)
{
    size_t size = total(n, each);

    return size == 0 || skepi_alloc_denied() ? NULL : calloc(1, size);
}

void *skepi_alloc(size_t size)
{
    return skepi_array(1, size);
}

void *skepi_resize(void *p, size_t n, size_t each)
{
    size_t size = total(n, each);

    return size == 0 || skepi_alloc_denied() ? NULL : realloc(p, size);
}

char *skepi_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = skepi_alloc(size);

    if (copy != NULL)
        memcpy(copy, text, size);
    return copy;
}

void skepi_free(void *p)
{
    free(p);
}
