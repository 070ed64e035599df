/* benchmarks/pattern.h - payloads that can be told apart: every 64-bit word depends on a seed and on where it lies.
 *
 * A word is start(seed) + position * step, so that stale, shifted or exchanged pages are all found, filling and checking
 * run at memory speed, and the sum of any part is known without having the bytes.
 */
#ifndef SKEP_BENCH_PATTERN_H
#define SKEP_BENCH_PATTERN_H

#include <stddef.h>
#include <stdint.h>

void bench_pattern_fill(void *memory, size_t size, uint64_t seed);
/* 1 if `size` bytes are what lies at `offset` of the payload of this seed. */
int bench_pattern_check(const void *memory, size_t size, uint64_t seed, uint64_t offset);
/* What bench_sum gives for them. `offset` and `size` are multiples of 8. */
uint64_t bench_pattern_sum(size_t size, uint64_t seed, uint64_t offset);

/* Reads every byte once, as fast as memory gives them: the sum of all 64-bit words, and of the bytes that are left. */
uint64_t bench_sum(const void *memory, size_t size);

#endif
