/* benchmarks/secret.h - command lines go into records, secrets do not. */
#ifndef SKEP_BENCH_SECRET_H
#define SKEP_BENCH_SECRET_H

#include <stddef.h>

/* `word` with the values of options that its scheme calls secret, and a password in front of '@', as "***". */
void bench_secret_hide(const char *word, char *out, size_t cap);

#endif
