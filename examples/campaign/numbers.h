/* numbers.h - the four floating-point formats that a model may have, as float and back, and repeatable randomness. */
#ifndef CAMPAIGN_NUMBERS_H
#define CAMPAIGN_NUMBERS_H

#include <stddef.h>
#include <stdint.h>

/* 1 for SKEP_F64, SKEP_F32, SKEP_F16, SKEP_BF16. */
int numbers_is_float(int dtype);

/* `n` elements of `dtype` at `src`, which may be unaligned, to floats; and the other way round, rounding to nearest even. */
void numbers_load(int dtype, const void *src, float *dst, size_t n);
void numbers_store(int dtype, const float *src, void *dst, size_t n);

/* A number that depends on its three arguments alone: what makes every run of a campaign the same. */
uint64_t numbers_mix(uint64_t seed, uint64_t a, uint64_t b);
float numbers_normal(uint64_t seed, uint64_t a, uint64_t b); /* about N(0, 1): a sum of uniforms, so no libm in it */

#endif
