/* fuzz_handle.c - handles: what is taken has a form that is taken again and is the same; nothing in it leaves the store. */
#include <skep/handle.h>

#include "tests/fuzz/fuzz.h"

static void round_trip(const skep_handle *handle)
{
    char text[SKEP_HANDLE_MAX], again[SKEP_HANDLE_MAX];
    skep_handle other = SKEP_HANDLE_INIT;

    CHECK(skep_handle_format(handle, text, sizeof text) == SKEP_OK);
    CHECK(skep_handle_parse(text, &other, NULL) == SKEP_OK);
    CHECK(strcmp(handle->ref.key, other.ref.key) == 0 && strcmp(handle->ref.locator, other.ref.locator) == 0);
    CHECK(handle->ref.size_bytes == other.ref.size_bytes && handle->ref.node == other.ref.node);
    CHECK(handle->ref.flags == other.ref.flags && handle->ref.sum == other.ref.sum);
    CHECK(strcmp(handle->store, other.store) == 0);
    CHECK(skep_handle_format(&other, again, sizeof again) == SKEP_OK && strcmp(text, again) == 0);
    for (size_t cap = 0; cap <= strlen(text); cap += 7)
        CHECK(skep_handle_format(handle, again, cap) == SKEP_ETOOBIG);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    skep_handle handle = SKEP_HANDLE_INIT;
    char *text = text_of(data, size);
    skep_error err = {0};
    int rc = skep_handle_parse(text, &handle, &err);

    if (rc == SKEP_OK) {
        CHECK(skep_key_is_uuid(handle.ref.key));
        CHECK(handle.ref.size == sizeof handle.ref && memchr(handle.codec, '\0', sizeof handle.codec) != NULL);
        round_trip(&handle);
        (void)skep_policy_check(NULL, handle.store, NULL);
    } else {
        CHECK(err.code == rc && err.text[0] != '\0');
        CHECK(rc == SKEP_EFORMAT || rc == SKEP_EVERSION || rc == SKEP_ETOOBIG);
    }
    free(text);
    return 0;
}
