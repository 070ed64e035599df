/* options.h - the table of options that every store has. */
#ifndef SKEP_PROXY_STORE_OPTIONS_H
#define SKEP_PROXY_STORE_OPTIONS_H

#include <skep/uri.h>

extern const skep_option skepi_store_options[];

enum skepi_verify { SKEPI_VERIFY_AUTO, SKEPI_VERIFY_FULL, SKEPI_VERIFY_OFF };

struct skepi_store_config {
    uint64_t cache_bytes;
    uint64_t threshold;
    uint64_t timeout_ns; /* SKEP_FOREVER: none */
    enum skepi_verify verify;
    int checksum; /* 1: puts make one unless told otherwise */
};

/* What `uri` says of them; `checksum_auto` is what checksum=auto means for its connector. */
void skepi_store_configure(const skep_uri *uri, int checksum_auto, struct skepi_store_config *out);

#endif
