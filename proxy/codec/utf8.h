/* utf8.h - UTF-8, one character at a time. */
#ifndef SKEP_PROXY_CODEC_UTF8_H
#define SKEP_PROXY_CODEC_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The character at `at`: its bytes, or 0 where there is none: overlong, a surrogate, above U+10FFFF, or cut short by `n`. */
size_t skepi_utf8(const unsigned char *at, size_t n, uint32_t *code);
/* Writes a character of at most four bytes; returns how many. */
size_t skepi_utf8_put(uint32_t code, char *out);
/* 1 if all of a NUL-terminated text is UTF-8. */
int skepi_utf8_valid(const char *text);

#endif
