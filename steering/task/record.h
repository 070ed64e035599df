/* record.h - a task as it travels: one binary form for the way out and the way back.
 *
 *     head           struct skepi_record, little-endian
 *     texts          method, topic, host, info, failure: each with a NUL behind it; then zeros up to a multiple of 8
 *     inputs, value  each a struct skepi_record_value, then its bytes (a text with its NUL), then zeros up to a multiple of
 * 8
 *
 * The whole is a multiple of 8 long and lies at one, so that what it lends is aligned for doubles. An answer leaves out
 * what the sender knows already. Who passes records on reads the head, writes its own stamps into it, and copies nothing.
 *
 * Threads  pure functions, no state.
 */
#ifndef SKEP_STEERING_TASK_RECORD_H
#define SKEP_STEERING_TASK_RECORD_H

#include "steering/task/value.h"

#define SKEPI_RECORD_VERSION 1
#define SKEPI_MESSAGE_MAX    ((size_t)1 << 30) /* bytes of one message: more belongs into a store */
#define SKEPI_NAME_MAX       128               /* bytes of a method's, topic's or host's name with its NUL */
#define SKEPI_INPUTS_MAX     65535
#define SKEPI_NO_WORKER      (-1)

/* What begins every message, task or not. */
struct skepi_message {
    uint32_t length; /* of all of it: a multiple of 8 */
    uint8_t kind;    /* SKEPI_TASK, SKEPI_ANSWER, or a kind of control.h */
    uint8_t version; /* SKEPI_RECORD_VERSION */
    uint16_t flags;
};
enum { SKEPI_TASK = 1, SKEPI_ANSWER = 2, SKEPI_CONTROL = 16 };

enum skepi_record_flags {
    SKEPI_RECORD_VALUE = 1u << 0, /* a value follows the inputs */
    SKEPI_RECORD_OWNED = 1u << 1, /* an input or the value is an object that the queues made */
};

struct skepi_record {
    struct skepi_message message;
    uint8_t id[16];
    uint32_t attempt; /* 1 for the first */
    int32_t priority;
    uint64_t reply;       /* the sender's own, comes back unchanged */
    uint64_t deadline_ns; /* since 1970; 0: none */
    uint32_t client;      /* which of the server's clients sent it: the server writes it */
    uint32_t declared;    /* which of its client's declared stores a big value goes to; 0: to none */
    uint64_t stamp[SKEP_STAMP_COUNT];
    uint64_t span[SKEP_SPAN_COUNT];
    uint64_t moved_bytes, referred_bytes, message_bytes, resolves;
    int32_t code;                                          /* of an answer: SKEP_OK, or why there is no value */
    int32_t worker;                                        /* who answered, or SKEPI_NO_WORKER */
    uint32_t pid;                                          /* its process, or 0 */
    uint32_t inputs;                                       /* how many */
    uint16_t method_size, topic_size, host_size, reserved; /* of the texts, without their NULs */
    uint32_t info_size, failure_size;
};

struct skepi_record_value {
    uint8_t type;  /* SKEP_VALUE_* */
    uint8_t flags; /* SKEPI_VALUE_* */
    uint16_t reserved16;
    uint32_t reserved32;
    uint64_t bits; /* as in struct skepi_value */
};

/* ---- in ------------------------------------------------------------------------------------------ */

struct skepi_parts { /* all pointers lead into the record */
    const struct skepi_record *head;
    const char *method, *topic, *host, *info, *failure;
    const unsigned char *values; /* the first input */
};

/* Is this a record, whole and well formed? All is checked but what texts and handles say. SKEP_EFORMAT; SKEP_EVERSION. */
int skepi_record_decode(const void *data, size_t size, struct skepi_parts *out, skep_error *err);
/* The value at `*at`, which moves behind it. Only on what was decoded: `at` starts at `values`. */
void skepi_record_next(const unsigned char **at, struct skepi_value *out);

/* ---- out ----------------------------------------------------------------------------------------- */

struct skepi_draft {
    struct skepi_record head;                           /* sizes, counts, and flags are filled in by measuring */
    const char *method, *topic, *host, *info, *failure; /* NULL: "" */
    const struct skepi_value *inputs;
    uint32_t n_inputs;
    const struct skepi_value *value; /* NULL: none */
};

/* A payload longer than SKEPI_COPY_MAX is left out of the block: it is sent from where it is. */
struct skepi_gap {
    size_t at; /* offset in the block where the payload comes in between */
    const struct skepi_value *value;
};

/* Fill in the head and say how big the block is and how many gaps it has. SKEP_ETOOBIG, SKEP_EINVAL name the part. */
int skepi_record_measure(struct skepi_draft *draft, size_t *block, size_t *gaps, skep_error *err);
/* Write the block of a measured draft, and its gaps in order. */
void skepi_record_write(const struct skepi_draft *draft, void *block, struct skepi_gap *gaps);

#endif
