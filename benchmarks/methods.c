/* benchmarks/methods.c - what the workers of `skep bench steering` can do. */
#include "benchmarks/bench.h"
#include "benchmarks/pattern.h"
#include "benchmarks/steering.h"

#include <time.h>

static uint64_t thread_cpu_ns(void)
{
    struct timespec t = {0, 0};

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Every byte of the payload is read: a method that takes a payload and does not look at it is nobody's. */
static int echo(skep_call *call, void *unused)
{
    const void *bytes;
    size_t size;
    uint64_t sum = 0;
    int64_t id;
    int rc = skep_call_int(call, 0, &id);

    (void)unused;
    if (rc == SKEP_OK && skep_call_inputs(call) > 1 && (rc = skep_call_bytes(call, 1, &bytes, &size)) == SKEP_OK)
        sum = bench_sum(bytes, size);
    return rc == SKEP_OK ? skep_call_return_int(call, (int64_t)((uint64_t)id + sum)) : rc;
}

/* The work is counted in the thread's own CPU time, as a computation is: it does not shrink when others need the core. */
static int model(skep_call *call, void *unused)
{
    const void *bytes;
    size_t size;
    int64_t work_ns, offset, length;
    uint64_t sum = 0, began_ns = thread_cpu_ns();
    int rc = skep_call_int(call, 0, &work_ns);

    (void)unused;
    if (rc != SKEP_OK)
        return rc;
    while (thread_cpu_ns() - began_ns < (uint64_t)work_ns)
        ;
    if (skep_call_inputs(call) > 1) {
        if ((rc = skep_call_bytes(call, 1, &bytes, &size)) != SKEP_OK || (rc = skep_call_int(call, 2, &offset)) != SKEP_OK ||
            (rc = skep_call_int(call, 3, &length)) != SKEP_OK)
            return rc;
        if (offset < 0 || length < 0 || (uint64_t)offset > size || (uint64_t)length > size - (uint64_t)offset)
            return skep_call_fail(call, SKEP_EINVAL, "%lld bytes at %lld leave the model's %zu", (long long)length,
                                  (long long)offset, size);
        sum = bench_sum((const char *)bytes + offset, (size_t)length);
    }
    return skep_call_return_int(call, (int64_t)sum);
}

const skep_method skep_bench_methods[] = {
    {BENCH_METHOD_ECHO, echo, NULL},
    {BENCH_METHOD_MODEL, model, NULL},
    {NULL, NULL, NULL},
};
