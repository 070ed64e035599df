/* host.c - the one table through which connectors call skep. */
#include "proxy/base/host.h"
#include "proxy/base/alloc.h"
#include "proxy/base/sum.h"
#include "proxy/store/connectors.h"

const skep_host skepi_host = {
    .size = sizeof(skep_host),
    .abi = SKEP_CONNECTOR_ABI,
    .alloc = skepi_block_alloc,
    .free = skepi_block_free,
    .fail = skep_fail,
    .from_errno = skep_err_from_errno,
    .log = skep_log,
    .now_ns = skep_now_ns,
    .buf_wrap = skep_buf_wrap,
    .buf_copy = skep_buf_copy,
    .buf_slice = skep_buf_slice,
    .buf_ref = skep_buf_ref,
    .buf_unref = skep_buf_unref,
    .buf_data = skep_buf_data,
    .buf_size = skep_buf_size,
    .uri_scheme = skep_uri_scheme,
    .uri_user = skep_uri_user,
    .uri_host = skep_uri_host,
    .uri_port = skep_uri_port,
    .uri_path = skep_uri_path,
    .uri_has = skep_uri_has,
    .uri_bool = skep_uri_bool,
    .uri_int = skep_uri_int,
    .uri_size = skep_uri_size,
    .uri_time = skep_uri_time,
    .uri_option = skep_uri_option,
    .sum_init = skepi_sum_init,
    .sum_update = skepi_sum_update,
    .sum_final = skepi_sum_final,
    .node = &skepi_node_api,
    .connector = skepi_connector_table,
};
