/* registry.c - one line a connector. */
#include "connectors/registry.h"

const skep_connector *skepi_memory_entry(const skep_host *host);
const skep_connector *skepi_file_entry(const skep_host *host);
const skep_connector *skepi_shm_entry(const skep_host *host);
const skep_connector *skepi_fault_entry(const skep_host *host);

const struct skepi_connector_row skepi_connectors[] = {
    {"memory", skepi_memory_entry, NULL, NULL},
    {"file", skepi_file_entry, NULL, NULL},
    {"shm", skepi_shm_entry, NULL, NULL},
    {"fault", skepi_fault_entry, NULL, NULL},
    {NULL, NULL, NULL, NULL},
};
