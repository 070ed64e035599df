/* sum_plain.c - XXH3 with what the build's own flags allow. */
#define KERNEL skepi_sum_plain
#include "proxy/base/sum_kernel.inc"
