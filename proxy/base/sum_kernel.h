/* sum_kernel.h - XXH3 as one processor generation computes it: sum.c chooses among those that this build has. */
#ifndef SKEP_PROXY_BASE_SUM_KERNEL_H
#define SKEP_PROXY_BASE_SUM_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#define SKEPI_SUM_STATE 576 /* bytes of a running XXH3; `state` may lie anywhere */

struct skepi_sum_kernel {
    uint64_t (*once)(const void *data, size_t size);
    void (*init)(void *state);
    void (*update)(void *state, const void *data, size_t size);
    uint64_t (*final)(const void *state);
};

extern const struct skepi_sum_kernel skepi_sum_plain; /* what the build's own flags allow */
extern const struct skepi_sum_kernel skepi_sum_avx2;  /* this and the next only where SKEPI_SUM_X86 is defined */
extern const struct skepi_sum_kernel skepi_sum_avx512;

#endif
