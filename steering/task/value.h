/* value.h - one input or value of a task: a scalar, a text, bytes, or a handle that stands for one of these. */
#ifndef SKEP_STEERING_TASK_VALUE_H
#define SKEP_STEERING_TASK_VALUE_H

#include <skep/task.h>

/* What is longer is neither copied into a record nor out of one: the bytes are sent from, and kept, where they are. */
#define SKEPI_COPY_MAX ((size_t)4096)

enum skepi_value_flags {
    SKEPI_VALUE_PROXIED = 1u << 0, /* `data` is a handle, and the object is what `type` says */
    SKEPI_VALUE_OWNED = 1u << 1,   /* the queues made that object, and evict it */
};

struct skepi_owned; /* owned.h */

struct skepi_value {   /* all zero: null */
    uint8_t type;      /* SKEP_VALUE_*: what it was given as. Of what the queues proxied, what it was before */
    uint8_t flags;     /* SKEPI_VALUE_* */
    uint64_t bits;     /* null 0, a boolean, an integer or a double; else the size of `data`, without the NUL of a text */
    const void *data;  /* string, JSON and handles end with a NUL; bytes need not */
    skep_buf *buf;     /* what keeps `data`, or NULL: its owner does */
    skep_proxy *proxy; /* PROXIED: the proxy, or NULL: not opened yet */
    struct skepi_owned *owned; /* the object is not evicted while this is held */
};

int skepi_value_is_scalar(const struct skepi_value *value);
int skepi_value_is_text(const struct skepi_value *value); /* `data` is followed by a NUL */

/* Read as a type, in the manner of all getters: SKEP_EINVAL, and `out` untouched, where it is another. */
int skepi_value_bool(const struct skepi_value *value, int *out);
int skepi_value_int(const struct skepi_value *value, int64_t *out);
int skepi_value_double(const struct skepi_value *value, double *out); /* an int is converted */
void skepi_value_set_double(struct skepi_value *value, double number);

/* A text as long as `size` with its NUL behind it: SKEP_EFORMAT where it has a NUL inside or is not UTF-8. */
int skepi_text_check(const char *text, size_t size);
int skepi_json_check(const char *text, size_t size, skep_error *err); /* SKEP_EINVAL: not one JSON text */

/* The bytes behind a proxied value, resolved by now. What the queues proxied as a text has its NUL in the object, and is
 * lent as it lies; a text of somebody else's object is copied into `buf`, once. `kind`: SKEP_VALUE_STRING, _JSON or _BYTES.
 */
int skepi_value_resolve(struct skepi_value *value, int kind, const void **lend, size_t *size, skep_error *err);

void skepi_value_fini(struct skepi_value *value); /* evicts what it alone owned */

#endif
