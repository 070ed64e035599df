/* lint.h - what clang-tidy must know of skep_fail, and can't see: it returns the code that it was given, which is not
 * SKEP_OK. Included before every file that is linted. */
#ifndef SKEP_TESTS_LINT_H
#define SKEP_TESTS_LINT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <skep/error.h>

static inline int skep_fail_code(int code, int unused)
{
    (void)unused;
    if (code >= SKEP_OK)
        __builtin_unreachable();
    return code;
}
#define skep_fail(err, code, ...) skep_fail_code(code, (skep_fail)(err, code, __VA_ARGS__))

#endif
