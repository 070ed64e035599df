/* benchmarks/pattern.c - payloads that can be told apart, and the loop that reads every byte once. */
#include "benchmarks/pattern.h"

#include <string.h>

#define STEP  0x9e3779b97f4a7c15u
#define LANES 8 /* 128 bytes a round: enough loads in flight to be bound by memory */

/* Two words; what compilers turn into one register of any machine, with no flags asked for. */
typedef uint64_t pair __attribute__((vector_size(16)));

static uint64_t start_of(uint64_t seed)
{
    uint64_t x = (seed + 1) * STEP;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    return x ^ (x >> 27);
}

static uint64_t word_at(uint64_t seed, uint64_t index)
{
    return start_of(seed) + index * STEP;
}

void bench_pattern_fill(void *memory, size_t size, uint64_t seed)
{
    unsigned char *p = memory;
    uint64_t word = word_at(seed, 0);
    size_t at = 0;

    for (pair w = {word, word + STEP}, step = {2 * STEP, 2 * STEP}; size - at >= sizeof w; at += sizeof w, w += step)
        memcpy(p + at, &w, sizeof w);
    for (; at < size; at += sizeof word) {
        word = word_at(seed, at / sizeof word);
        memcpy(p + at, &word, size - at < sizeof word ? size - at : sizeof word);
    }
}

/* Bytes up to the next word's border, or all that are left. */
static int check_piece(const unsigned char *p, size_t size, uint64_t seed, uint64_t offset)
{
    uint64_t word = word_at(seed, offset / sizeof word);

    return memcmp(p, (const unsigned char *)&word + offset % sizeof word, size) == 0;
}

int bench_pattern_check(const void *memory, size_t size, uint64_t seed, uint64_t offset)
{
    const unsigned char *p = memory;
    size_t at = 0;
    uint64_t word;
    pair differ = {0, 0};

    if (offset % sizeof word != 0) {
        size_t head = sizeof word - (size_t)(offset % sizeof word);

        at = head < size ? head : size;
        if (!check_piece(p, at, seed, offset))
            return 0;
    }
    word = word_at(seed, (offset + at) / sizeof word);
    for (pair w = {word, word + STEP}, step = {2 * STEP, 2 * STEP}; size - at >= sizeof w; at += sizeof w, w += step) {
        pair there;

        memcpy(&there, p + at, sizeof there);
        differ |= there ^ w;
    }
    if ((differ[0] | differ[1]) != 0)
        return 0;
    for (; at < size; at += sizeof word)
        if (!check_piece(p + at, size - at < sizeof word ? size - at : sizeof word, seed, offset + at))
            return 0;
    return 1;
}

uint64_t bench_pattern_sum(size_t size, uint64_t seed, uint64_t offset)
{
    uint64_t n = size / sizeof(uint64_t);
    uint64_t pairs = n % 2 == 0 ? n / 2 * (n - 1) : (n - 1) / 2 * n; /* 0 + 1 + ... + n-1, right modulo 2^64 */

    return n > 0 ? n * word_at(seed, offset / sizeof(uint64_t)) + pairs * STEP : 0;
}

uint64_t bench_sum(const void *memory, size_t size)
{
    const unsigned char *p = memory;
    pair sums[LANES] = {{0, 0}};
    uint64_t sum = 0, word;
    size_t at = 0;

    for (; size - at >= sizeof sums; at += sizeof sums)
        for (size_t i = 0; i < LANES; i++) {
            pair there;

            memcpy(&there, p + at + i * sizeof there, sizeof there);
            sums[i] += there;
        }
    for (size_t i = 0; i < LANES; i++)
        sum += sums[i][0] + sums[i][1];
    for (; size - at >= sizeof word; at += sizeof word) {
        memcpy(&word, p + at, sizeof word);
        sum += word;
    }
    for (; at < size; at++)
        sum += p[at];
    return sum;
}
