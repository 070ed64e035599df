/* skep/safetensors.h - named tensors in an object, read without copying and written without a second copy.
 *
 * Source   the safetensors format: 8 bytes little-endian header length N (at most 100,000,000), N bytes of JSON that
 *          begin with '{', then the tensors' bytes, in order, without holes; https://github.com/huggingface/safetensors
 * Units    bytes; shapes in elements.
 * Errors   SKEP_EFORMAT: the format's own reference refuses it, or names in it are not unique or have a NUL; the text says
 *          what and where. SKEP_EINVAL: what is to be written makes no such object. SKEP_ETOOBIG: a header above the limit,
 *          or too little room for a tensor. SKEP_ENOMEM. Those of the proxy and the store.
 * Threads  an open file is immutable: [any].   Owners  skep_safetensors_free; names, shapes and data are lent until then.
 *
 *     skep_safetensors *st;
 *     if (skep_safetensors_open(model, SKEP_FOREVER, &st, &err) == SKEP_OK) {
 *         const skep_tensor *t = skep_safetensors_find(st, "layers.0.weight");
 *         if (t && skep_safetensors_read(st, t, buffer, sizeof buffer, SKEP_FOREVER, &err) == SKEP_OK) ...
 *         skep_safetensors_free(st);
 *     }
 */
#ifndef SKEP_SAFETENSORS_H
#define SKEP_SAFETENSORS_H

#include <skep/api.h>
#include <skep/proxy.h>

SKEP_BEGIN_DECLS

#define SKEP_SAFETENSORS_HEADER_MAX 100000000

/* dtype, its name in the format, bits an element: in the order of rising alignment that the format's reference sorts by. */
#define SKEP_DTYPES(X)                                                                                                      \
    X(SKEP_BOOL, "BOOL", 8)                                                                                                 \
    X(SKEP_F4, "F4", 4)                                                                                                     \
    X(SKEP_F6_E2M3, "F6_E2M3", 6)                                                                                           \
    X(SKEP_F6_E3M2, "F6_E3M2", 6)                                                                                           \
    X(SKEP_U8, "U8", 8)                                                                                                     \
    X(SKEP_I8, "I8", 8)                                                                                                     \
    X(SKEP_F8_E5M2, "F8_E5M2", 8)                                                                                           \
    X(SKEP_F8_E4M3, "F8_E4M3", 8)                                                                                           \
    X(SKEP_F8_E8M0, "F8_E8M0", 8)                                                                                           \
    X(SKEP_F8_E4M3FNUZ, "F8_E4M3FNUZ", 8)                                                                                   \
    X(SKEP_F8_E5M2FNUZ, "F8_E5M2FNUZ", 8)                                                                                   \
    X(SKEP_I16, "I16", 16)                                                                                                  \
    X(SKEP_U16, "U16", 16)                                                                                                  \
    X(SKEP_F16, "F16", 16)                                                                                                  \
    X(SKEP_BF16, "BF16", 16)                                                                                                \
    X(SKEP_I32, "I32", 32)                                                                                                  \
    X(SKEP_U32, "U32", 32)                                                                                                  \
    X(SKEP_F32, "F32", 32)                                                                                                  \
    X(SKEP_C64, "C64", 64)                                                                                                  \
    X(SKEP_F64, "F64", 64)                                                                                                  \
    X(SKEP_I64, "I64", 64)                                                                                                  \
    X(SKEP_U64, "U64", 64)
#define SKEP_DTYPE_ENUM(name, text, bits) name,
enum skep_dtype { SKEP_DTYPES(SKEP_DTYPE_ENUM) SKEP_DTYPE_COUNT };
#undef SKEP_DTYPE_ENUM

SKEP_API const char *skep_dtype_name(int dtype); /* "F32"; "?" for an unknown one */
SKEP_API int skep_dtype_bits(int dtype);         /* bits an element; 0 for an unknown one */

typedef struct skep_tensor {
    size_t size;           /* of this struct: SKEP_TENSOR_INIT sets it */
    const char *name;      /* UTF-8, NUL at its end */
    int dtype;             /* SKEP_F32, ... */
    int rank;              /* dimensions; 0 is a scalar */
    const uint64_t *shape; /* `rank` numbers of elements */
    uint64_t offset;       /* of its first byte in the object */
    uint64_t bytes;
    const void *data; /* its bytes, uncopied; NULL when only the header was read */
    int aligned;      /* 1 if `data` is aligned for its dtype */
} skep_tensor;
#define SKEP_TENSOR_INIT SKEP_INIT(sizeof(skep_tensor), NULL, SKEP_F32, 0, NULL, 0, 0, NULL, 0)

typedef struct skep_safetensors skep_safetensors;

/* Read the header of an object. Of an unresolved proxy only the header's bytes are fetched and the tensors' `data` is
 * NULL; of a resolved one every tensor points into it. Keeps the proxy. Takes at most ten times the header's bytes of
 * memory. */
SKEP_API SKEP_NODISCARD int skep_safetensors_open(skep_proxy *proxy, uint64_t by_ns, skep_safetensors **take,
                                                  skep_error *err);
/* Read bytes in memory, which the caller keeps until skep_safetensors_free. */
SKEP_API SKEP_NODISCARD int skep_safetensors_parse(const void *data, size_t size, skep_safetensors **take, skep_error *err);
SKEP_API void skep_safetensors_free(skep_safetensors *st);

SKEP_API size_t skep_safetensors_count(const skep_safetensors *st);
/* In the order of their bytes; NULL past the end. */
SKEP_API const skep_tensor *skep_safetensors_at(const skep_safetensors *st, size_t index);
SKEP_API const skep_tensor *skep_safetensors_find(const skep_safetensors *st,
                                                  const char *name);     /* NULL: none of that name */
SKEP_API size_t skep_safetensors_meta_count(const skep_safetensors *st); /* pairs of "__metadata__" */
SKEP_API int skep_safetensors_meta_at(const skep_safetensors *st, size_t index, const char **key, const char **value);

/* A tensor's bytes into the caller's memory, aligned as that is; a ranged read where the object is not resolved.
 * SKEP_ETOOBIG: cap is smaller than the tensor. */
SKEP_API int skep_safetensors_read(const skep_safetensors *st, const skep_tensor *tensor, void *dst, size_t cap,
                                   uint64_t by_ns, skep_error *err);

typedef struct skep_meta {
    const char *key, *value;
} skep_meta;

/* Put tensors (name, dtype, rank, shape, data; offset and bytes are computed) as one object: header and pieces go down
 * as an iovec, uncopied, ordered by falling alignment then name as the reference does. */
SKEP_API SKEP_NODISCARD int skep_safetensors_put(skep_store *store, const skep_tensor *tensors, size_t n,
                                                 const skep_meta *meta, size_t n_meta, const skep_put_opts *opts,
                                                 skep_proxy **take, skep_error *err);
/* What stands in front of the tensors' bytes, the 8 bytes of length included, and in `order` (n entries, may be NULL) which
 * tensor follows which: for who writes the bytes himself. `data` is not looked at. */
SKEP_API SKEP_NODISCARD int skep_safetensors_header(const skep_tensor *tensors, size_t n, const skep_meta *meta,
                                                    size_t n_meta, size_t *order, skep_buf **take, skep_error *err);

SKEP_END_DECLS
#endif
