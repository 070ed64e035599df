/* id.c - the names of tasks: 64 random bits of the process, and a counter. */
#include "steering/task/id.h"

#include <pthread.h>
#include <skep/clock.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static _Atomic uint64_t prefix; /* 0: to be drawn */
static _Atomic uint64_t counter;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void draw(void)
{
    uint64_t fresh = 0;

    if (getrandom(&fresh, sizeof fresh, 0) != (ssize_t)sizeof fresh || fresh == 0)
        fresh = (skep_real_ns() << 16 ^ (uint64_t)getpid()) | 1;
    atomic_store_explicit(&prefix, fresh, memory_order_relaxed);
}

static void start(void)
{
    draw();
    pthread_atfork(NULL, NULL, draw);
}

void skepi_id_new(uint8_t id[16])
{
    uint64_t first, second;

    pthread_once(&once, start);
    first = atomic_load_explicit(&prefix, memory_order_relaxed);
    second = atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed);
    memcpy(id, &first, 8);
    for (int i = 0; i < 8; i++) /* the digits count up when read from left to right */
        id[8 + i] = (uint8_t)(second >> (56 - 8 * i));
}

static char *hex(char *out, const uint8_t *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    return out;
}

void skepi_id_text(const uint8_t id[16], char out[SKEPI_ID_TEXT])
{
    *hex(out, id, 16) = '\0';
}

void skepi_id_value_key(const uint8_t id[16], uint32_t attempt, char out[SKEPI_KEY_TEXT])
{
    static const uint8_t groups[] = {4, 2, 2, 2, 6};
    uint8_t key[16], *at = key;

    memcpy(key, id, 16);
    for (int i = 0; i < 4; i++) /* the counter is far from using these */
        key[8 + i] ^= (uint8_t)(attempt >> (24 - 8 * i));
    for (size_t i = 0; i < sizeof groups; at += groups[i++]) {
        if (i > 0)
            *out++ = '-';
        out = hex(out, at, groups[i]);
    }
    *out = '\0';
}
