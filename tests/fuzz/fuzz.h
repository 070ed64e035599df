/* fuzz.h - what every fuzz target has: the entry that libFuzzer and replay.c call, and a check that stops both. */
#ifndef SKEP_TESTS_FUZZ_H
#define SKEP_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The fuzzer takes an abort for a finding and keeps the input. */
#define CHECK(condition) ((condition) ? (void)0 : not_so(__FILE__, __LINE__, #condition))
_Noreturn static inline void not_so(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, condition);
    abort();
}

/* A copy of exactly these bytes, so that a sanitizer sees a step beyond them. */
static inline void *copy_of(const void *data, size_t size)
{
    char *copy = calloc(1, size > 0 ? size : 1);

    CHECK(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

/* The same as a text: a NUL at its end, and maybe some before. */
static inline char *text_of(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);

    CHECK(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    copy[size] = '\0';
    return copy;
}

#endif
