/* host.h - the services that connectors get. */
#ifndef SKEP_PROXY_BASE_HOST_H
#define SKEP_PROXY_BASE_HOST_H

#include <skep/node.h>

extern const skep_host skepi_host;         /* host.c */
extern const skep_node_api skepi_node_api; /* node/node.c */

#endif
