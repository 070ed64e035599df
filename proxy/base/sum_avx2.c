/* sum_avx2.c - XXH3 compiled for AVX2. */
#define KERNEL skepi_sum_avx2
#include "proxy/base/sum_kernel.inc"
