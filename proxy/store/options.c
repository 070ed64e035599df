/* options.c - the options that every store has, whatever its connector. */
#include "proxy/store/options.h"

#include <string.h>

const skep_option skepi_store_options[] = {
    {"cache", SKEP_TYPE_SIZE, SKEP_CLASS_TUNING, "256m", NULL,
     "most bytes of fetched objects to keep for the next get; 0: none"},
    {"verify", SKEP_TYPE_CHOICE, SKEP_CLASS_TUNING, "auto", "auto|full|off",
     "compare with the checksum: what was read or sent, mapped objects too, or nothing"},
    {"checksum", SKEP_TYPE_CHOICE, SKEP_CLASS_TUNING, "auto", "auto|on|off",
     "make a checksum at each put; auto: where the medium is worth it"},
    {"threshold", SKEP_TYPE_SIZE, SKEP_CLASS_TUNING, "64k", NULL, "objects larger than this are worth a proxy"},
    {"timeout", SKEP_TYPE_TIME, SKEP_CLASS_TUNING, "forever", NULL, "the deadline of an operation that is given none"},
    {NULL, 0, 0, NULL, NULL, NULL},
};

void skepi_store_configure(const skep_uri *uri, int checksum_auto, struct skepi_store_config *out)
{
    const char *verify = skep_uri_option(uri, "verify");
    const char *checksum = skep_uri_option(uri, "checksum");

    out->cache_bytes = skep_uri_size(uri, "cache");
    out->threshold = skep_uri_size(uri, "threshold");
    out->timeout_ns = skep_uri_time(uri, "timeout");
    out->verify = strcmp(verify, "full") == 0  ? SKEPI_VERIFY_FULL
                  : strcmp(verify, "off") == 0 ? SKEPI_VERIFY_OFF
                                               : SKEPI_VERIFY_AUTO;
    out->checksum = strcmp(checksum, "on") == 0 || (strcmp(checksum, "auto") == 0 && checksum_auto);
}
