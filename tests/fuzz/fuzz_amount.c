/* fuzz_amount.c - sizes and times as people write them. */
#include <skep/uri.h>

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = text_of(data, size);
    uint64_t amount = 77;
    int rc = skep_size_parse(text, &amount);

    CHECK(rc == SKEP_OK || (rc == SKEP_EINVAL && amount == 77));
    amount = 77;
    rc = skep_time_parse(text, &amount);
    CHECK(rc == SKEP_OK || (rc == SKEP_EINVAL && amount == 77));
    free(text);
    return 0;
}
