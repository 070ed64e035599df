/* flush.c - whether what was printed has arrived. */
#include "benchmarks/flush.h"

#include <errno.h>

static int first;

int flush_output(void)
{
    errno = 0;
    if (fflush(stdout) != 0 || ferror(stdout)) {
        if (first == 0)
            first = errno != 0 ? errno : EIO;
    }
    return first;
}
