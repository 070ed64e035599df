/* numbers.c - see numbers.h. */
#include "numbers.h"

#include <skep/safetensors.h>
#include <string.h>

int numbers_is_float(int dtype)
{
    return dtype == SKEP_F64 || dtype == SKEP_F32 || dtype == SKEP_F16 || dtype == SKEP_BF16;
}

static float float_of(uint32_t bits)
{
    float f;

    memcpy(&f, &bits, sizeof f);
    return f;
}

static uint32_t bits_of(float f)
{
    uint32_t bits;

    memcpy(&bits, &f, sizeof bits);
    return bits;
}

/* Multiplying by 2^112 moves the exponent to float's bias and makes subnormals normal, all without a branch. */
static float half_to_float(uint16_t h)
{
    uint32_t magnitude = (uint32_t)(h & 0x7fff) << 13;
    uint32_t special = magnitude >= 0x0f800000u ? 0x7f800000u : 0; /* infinity and NaN keep an exponent of ones */

    return float_of(bits_of(float_of(magnitude) * float_of(0x77800000u)) | special | (uint32_t)(h & 0x8000) << 16);
}

static uint16_t float_to_half(float f)
{
    uint32_t bits = bits_of(f), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;

    if (magnitude >= 0x7f800000u)
        return (uint16_t)(sign | 0x7c00 | (magnitude > 0x7f800000u ? 0x200 : 0));
    if (magnitude >= 0x477ff000u) /* rounds past 65504 */
        return (uint16_t)(sign | 0x7c00);
    if (magnitude < 0x38800000u) /* subnormal: adding 0.5 lets the float unit round at the right bit */
        return (uint16_t)(sign | (bits_of(float_of(magnitude) + 0.5f) - 0x3f000000u));
    return (uint16_t)(sign | ((magnitude + 0xfff + (magnitude >> 13 & 1) - 0x38000000u) >> 13));
}

static uint16_t float_to_brain(float f)
{
    uint32_t bits = bits_of(f);

    if ((bits & 0x7fffffff) > 0x7f800000u)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

void numbers_load(int dtype, const void *src, float *dst, size_t n)
{
    const unsigned char *from = src;

    if (dtype == SKEP_F32) {
        memcpy(dst, src, n * sizeof *dst);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        double d;
        uint16_t h;

        if (dtype == SKEP_F64) {
            memcpy(&d, from + i * sizeof d, sizeof d);
            dst[i] = (float)d;
            continue;
        }
        memcpy(&h, from + i * sizeof h, sizeof h);
        dst[i] = dtype == SKEP_BF16 ? float_of((uint32_t)h << 16) : half_to_float(h);
    }
}

void numbers_store(int dtype, const float *src, void *dst, size_t n)
{
    unsigned char *to = dst;

    if (dtype == SKEP_F32) {
        memcpy(dst, src, n * sizeof *src);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (dtype == SKEP_F64) {
            double d = (double)src[i];

            memcpy(to + i * sizeof d, &d, sizeof d);
        } else {
            uint16_t h = dtype == SKEP_BF16 ? float_to_brain(src[i]) : float_to_half(src[i]);

            memcpy(to + i * sizeof h, &h, sizeof h);
        }
    }
}

uint64_t numbers_mix(uint64_t seed, uint64_t a, uint64_t b)
{
    uint64_t z = seed + a * 0x9e3779b97f4a7c15u + b * 0xd1b54a32d192ed03u + 0x8cb92ba72f3d8dd7u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

float numbers_normal(uint64_t seed, uint64_t a, uint64_t b)
{
    uint64_t bits = numbers_mix(seed, a, b);
    int sum = 0;

    for (int i = 0; i < 4; i++) /* four uniforms of 16 bits: their sum has a deviation of 37837 */
        sum += (int)(bits >> 16 * i & 0xffff);
    return (float)(sum - 131070) / 37837.0f;
}
