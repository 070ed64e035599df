/* clock.c - the monotonic clock of every deadline, and the real one of time stamps. */
#include <skep/clock.h>

#include <time.h>

static uint64_t read_clock(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t); /* can't fail: both clocks exist on every Linux */
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t skep_now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t skep_real_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

uint64_t skep_in_ns(uint64_t nanoseconds)
{
    uint64_t now = skep_now_ns();

    return nanoseconds > SKEP_FOREVER - now ? SKEP_FOREVER : now + nanoseconds;
}

uint64_t skep_in_ms(uint64_t milliseconds)
{
    return milliseconds > SKEP_FOREVER / 1000000u ? SKEP_FOREVER : skep_in_ns(milliseconds * 1000000u);
}
