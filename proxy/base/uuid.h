/* uuid.h - fresh keys. */
#ifndef SKEP_PROXY_BASE_UUID_H
#define SKEP_PROXY_BASE_UUID_H

#define SKEPI_UUID_SIZE 37 /* with its NUL */

/* A random UUID (version 4) in lower-case text. Threads and children of fork never see the same one. SKEP_EIO: the kernel
 * gives no random bytes; `out` is then unchanged. */
int skepi_uuid(char out[SKEPI_UUID_SIZE]);

#endif
