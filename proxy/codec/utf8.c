/* utf8.c - UTF-8, one character at a time. */
#include "proxy/codec/utf8.h"

#include <string.h>

size_t skepi_utf8(const unsigned char *at, size_t n, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = n == 0         ? 0
                  : at[0] < 0x80 ? 1
                  : at[0] < 0xc0 ? 0
                  : at[0] < 0xe0 ? 2
                  : at[0] < 0xf0 ? 3
                  : at[0] < 0xf8 ? 4
                                 : 0;
    uint32_t value;

    if (size == 0 || size > n)
        return 0;
    value = size == 1 ? at[0] : at[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (at[i] & 0x3fu);
    }
    if (value < least[size] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return 0;
    *code = value;
    return size;
}

size_t skepi_utf8_put(uint32_t code, char *out)
{
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

    for (size_t i = size - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(lead[size] | code);
    return size;
}

int skepi_utf8_valid(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t left = strlen(text), size;
    uint32_t code;

    for (; left > 0; at += size, left -= size)
        if ((size = skepi_utf8(at, left, &code)) == 0)
            return 0;
    return 1;
}
