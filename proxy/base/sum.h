/* sum.h - the checksum of objects: XXH3 over the XXH3s (little-endian) of fixed 1 MiB chunks.
 *
 * The running form is the public skep_sum of connector.h.
 */
#ifndef SKEP_PROXY_BASE_SUM_H
#define SKEP_PROXY_BASE_SUM_H

#include <skep/connector.h>

#define SKEPI_SUM_CHUNK ((size_t)1 << 20)

void skepi_sum_init(skep_sum *sum);
void skepi_sum_update(skep_sum *sum, const void *data, size_t size);
uint64_t skepi_sum_final(const skep_sum *sum); /* does not end it */

uint64_t skepi_sum_all(const void *data, size_t size); /* of an object in memory */

#endif
