/* codec.c - the codecs of this build: one row each. */
#include <skep/codec.h>
#include <skep/safetensors.h>

#include <string.h>

#include "proxy/codec/tensors.h"

static int sniff_safetensors(const void *begin, size_t n, uint64_t size)
{
    const unsigned char *bytes = begin;
    size_t header_bytes;

    return n > SKEPI_ST_PREFIX && size > SKEPI_ST_PREFIX &&
           skepi_st_header_bytes(bytes, size, &header_bytes, NULL) == SKEP_OK && header_bytes > 1 &&
           bytes[SKEPI_ST_PREFIX] == '{';
}

static int check_safetensors(skep_proxy *proxy, uint64_t by_ns, skep_error *err)
{
    skep_safetensors *st;
    int rc = skep_safetensors_open(proxy, by_ns, &st, err);

    if (rc == SKEP_OK)
        skep_safetensors_free(st);
    return rc;
}

static int sniff_raw(const void *begin, size_t n, uint64_t size)
{
    (void)begin;
    (void)n;
    (void)size;
    return 1;
}

static int check_raw(skep_proxy *proxy, uint64_t by_ns, skep_error *err)
{
    uint64_t size;

    return skep_proxy_size(proxy, by_ns, &size, err);
}

static const skep_codec codecs[] = {
    {sizeof(skep_codec), "safetensors", "named tensors behind a JSON header", sniff_safetensors, check_safetensors},
    {sizeof(skep_codec), "raw", "plain bytes", sniff_raw, check_raw},
};
enum { N_CODECS = sizeof codecs / sizeof codecs[0] };

const skep_codec *skep_codec_at(size_t index)
{
    return index < N_CODECS ? &codecs[index] : NULL;
}

const skep_codec *skep_codec_find(const char *name)
{
    if (name == NULL || name[0] == '\0')
        return &codecs[N_CODECS - 1];
    for (size_t i = 0; i < N_CODECS; i++)
        if (strcmp(codecs[i].name, name) == 0)
            return &codecs[i];
    return NULL;
}

const skep_codec *skep_codec_sniff(const void *begin, size_t n, uint64_t size)
{
    size_t i = 0;

    while (!codecs[i].sniff(begin, n, size))
        i++;
    return &codecs[i];
}
