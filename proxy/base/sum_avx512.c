/* sum_avx512.c - XXH3 compiled for AVX512. */
#define KERNEL skepi_sum_avx512
#include "proxy/base/sum_kernel.inc"
