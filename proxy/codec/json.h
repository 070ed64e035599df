/* json.h - a pull reader of strict JSON (RFC 8259), for headers: no tree, no memory of its own.
 *
 * It reads bytes that it may change: a string is unescaped where it stands and its closing quote becomes a NUL, so texts
 * need no memory beside the input. Bad input is SKEP_EFORMAT with a text that says where; after that the reader is dead.
 *
 *     skepi_json_init(&j, text, size, err);
 *     rc = skepi_json_enter(&j, '{');
 *     while (rc == SKEP_OK && (rc = skepi_json_member(&j, &key)) == SKEP_OK && key.text != NULL)
 *         rc = is(key, "shape") ? read_shape(&j) : skepi_json_skip(&j);
 */
#ifndef SKEP_PROXY_CODEC_JSON_H
#define SKEP_PROXY_CODEC_JSON_H

#include <skep/error.h>
#include <stddef.h>
#include <stdint.h>

#define SKEPI_JSON_DEPTH 127 /* arrays and objects within one another: what the format's reference takes */

struct skepi_json {
    char *begin, *at, *end;
    const char *tensor; /* the one that is being read, for error texts; NULL: none */
    skep_error *err;
    int depth;
    int fresh; /* the array or object that was just entered has had no value yet */
};

struct skepi_json_text { /* UTF-8, a NUL behind it; it may have NULs inside */
    char *text;
    size_t size;
};

void skepi_json_init(struct skepi_json *j, char *text, size_t size, skep_error *err);
int skepi_json_fail(struct skepi_json *j, const char *format, ...) SKEP_PRINTF(2, 3); /* at the current byte */

int skepi_json_peek(struct skepi_json *j);                /* the byte that begins what comes; -1 at the end */
int skepi_json_enter(struct skepi_json *j, char bracket); /* '{' or '[' */
int skepi_json_member(struct skepi_json *j, struct skepi_json_text *key); /* text NULL: the object ended */
int skepi_json_element(struct skepi_json *j, int *more);                  /* 0: the array ended */
int skepi_json_string(struct skepi_json *j, const char *what, struct skepi_json_text *out);
int skepi_json_u64(struct skepi_json *j, const char *what, uint64_t *out); /* no sign, fraction or exponent */
int skepi_json_null(struct skepi_json *j);
int skepi_json_skip(struct skepi_json *j); /* any value, judged no less strictly */
int skepi_json_end(struct skepi_json *j);  /* only white space is left */

/* A text for people: in quotes, what does not print or is not ASCII as \uXXXX or \xXX, cut short with dots if it is long. */
#define SKEPI_QUOTE_MAX 160
const char *skepi_quote(const char *text, char out[SKEPI_QUOTE_MAX]);

#endif
