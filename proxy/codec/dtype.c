/* dtype.c - element types, and how many bytes a shape of them takes. */
#include "proxy/codec/tensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct row {
    const char *name;
    size_t size; /* of the name */
    int bits;
};
#define ROW(name, text, bits) {text, sizeof text - 1, bits},
static const struct row rows[] = {SKEP_DTYPES(ROW)};
#undef ROW

const char *skep_dtype_name(int dtype)
{
    return dtype >= 0 && dtype < SKEP_DTYPE_COUNT ? rows[dtype].name : "?";
}

int skep_dtype_bits(int dtype)
{
    return dtype >= 0 && dtype < SKEP_DTYPE_COUNT ? rows[dtype].bits : 0;
}

int skepi_dtype_find(const char *name, size_t size)
{
    int dtype = 0;

    while (dtype < SKEP_DTYPE_COUNT && (rows[dtype].size != size || memcmp(rows[dtype].name, name, size) != 0))
        dtype++;
    return dtype;
}

/* In the order of the shape, as the reference does: what overflows before a 0 comes overflows. */
const char *skepi_tensor_bytes(int dtype, size_t rank, const uint64_t *shape, uint64_t *out)
{
    uint64_t bits = 1;

    for (size_t i = 0; i < rank; i++)
        if (__builtin_mul_overflow(bits, shape[i], &bits))
            return "has 2^64 elements or more";
    if (__builtin_mul_overflow(bits, (uint64_t)skep_dtype_bits(dtype), &bits))
        return "has 2^64 bits or more";
    if (bits % 8 != 0)
        return "does not fill whole bytes";
    *out = bits / 8;
    return NULL;
}

const char *skepi_shape_text(size_t rank, const uint64_t *shape, char out[SKEPI_SHAPE_MAX])
{
    size_t n = 1;

    out[0] = '[';
    for (size_t i = 0; i < rank; i++) {
        if (n + sizeof ", 18446744073709551615, ...]" > SKEPI_SHAPE_MAX) {
            n += (size_t)snprintf(out + n, SKEPI_SHAPE_MAX - n, ", ...");
            break;
        }
        n += (size_t)snprintf(out + n, SKEPI_SHAPE_MAX - n, "%s%" PRIu64, i > 0 ? ", " : "", shape[i]);
    }
    memcpy(out + n, "]", 2);
    return out;
}
