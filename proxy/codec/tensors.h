/* tensors.h - what an open safetensors object is made of, and what reader and writer share. */
#ifndef SKEP_PROXY_CODEC_TENSORS_H
#define SKEP_PROXY_CODEC_TENSORS_H

#include <skep/safetensors.h>

#define SKEPI_ST_PREFIX  8 /* the header's length, little-endian */
#define SKEPI_ST_META    "__metadata__"
#define SKEPI_ST_DTYPE   "dtype"
#define SKEPI_ST_SHAPE   "shape"
#define SKEPI_ST_OFFSETS "data_offsets"

struct skep_safetensors {
    skep_proxy *proxy;         /* NULL: the caller's memory */
    const unsigned char *data; /* the object; NULL: only its header was fetched */
    uint64_t object_bytes;
    char *header; /* its own copy, a NUL behind it; names and texts lie in it, unescaped where they stood */
    size_t header_bytes;
    skep_tensor *tensors; /* in the order of their bytes */
    size_t n;
    uint64_t *dims; /* of all shapes */
    size_t n_dims;
    const skep_tensor **by_name;
    skep_meta *meta;
    size_t n_meta;
};

/* The header's length out of the first 8 bytes. SKEP_EFORMAT: it can't be that of an object of `object_bytes`. */
int skepi_st_header_bytes(const unsigned char prefix[SKEPI_ST_PREFIX], uint64_t object_bytes, size_t *out, skep_error *err);
/* Read and check st->header, which has object_bytes, header_bytes and data set, and fill in the rest. */
int skepi_st_read_header(struct skep_safetensors *st, skep_error *err);

int skepi_dtype_find(const char *name, size_t size); /* SKEP_DTYPE_COUNT: none */
/* How many bytes a tensor takes. Returns what is wrong with its shape, or NULL. */
const char *skepi_tensor_bytes(int dtype, size_t rank, const uint64_t *shape, uint64_t *out);
/* "[2, 3]", cut short with dots if it is long. */
#define SKEPI_SHAPE_MAX 96
const char *skepi_shape_text(size_t rank, const uint64_t *shape, char out[SKEPI_SHAPE_MAX]);

#endif
