/* uuid.c - random UUIDs, sixteen for each call of the kernel. */
#include "proxy/base/uuid.h"
#include "proxy/base/fork.h"
#include <skep/error.h>

#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>

#define RAW   16
#define BATCH 16 /* 256 bytes: so many getrandom gives at once, or none */

/* Bytes drawn in advance by a thread; a child of fork must not use those of its parent. */
static _Thread_local struct {
    unsigned left, fork; /* fork: the value of `forks` when they were drawn */
    unsigned char bytes[BATCH * RAW];
} stock;
static atomic_uint forks;

void skepi_uuid_forked(void)
{
    atomic_fetch_add(&forks, 1);
}

static int refill(void)
{
    skepi_base_fork_watch();
    if (getrandom(stock.bytes, sizeof stock.bytes, 0) != (ssize_t)sizeof stock.bytes)
        return SKEP_EIO;
    stock.fork = atomic_load(&forks);
    stock.left = BATCH;
    return SKEP_OK;
}

int skepi_uuid(char out[SKEPI_UUID_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char raw[RAW], *from;

    if ((stock.left == 0 || stock.fork != atomic_load_explicit(&forks, memory_order_relaxed)) && refill() != SKEP_OK)
        return SKEP_EIO;
    from = stock.bytes + --stock.left * RAW;
    memcpy(raw, from, RAW);
    raw[6] = (raw[6] & 0x0f) | 0x40; /* version 4, variant 1 */
    raw[8] = (raw[8] & 0x3f) | 0x80;
    for (size_t i = 0; i < RAW; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *out++ = '-';
        *out++ = digits[raw[i] >> 4];
        *out++ = digits[raw[i] & 15];
    }
    *out = '\0';
    return SKEP_OK;
}
