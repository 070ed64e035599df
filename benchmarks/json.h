/* benchmarks/json.h - one JSON object on one line, member by member.
 *
 * Keys are literals of this program and need no escaping; values are escaped: what is not UTF-8 becomes U+FFFD. A writer is
 * a plain value. A NULL key is for what stands in an array.
 */
#ifndef SKEP_BENCH_JSON_H
#define SKEP_BENCH_JSON_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct json_line {
    FILE *out;
    int members; /* of the innermost object or array so far */
};

struct json_line json_line_begin(FILE *out, const char *record);
void json_line_text(struct json_line *json, const char *key, const char *value); /* NULL: null */
void json_line_uint(struct json_line *json, const char *key, uint64_t value);
void json_line_int(struct json_line *json, const char *key, int64_t value);
void json_line_real(struct json_line *json, const char *key, double value); /* negative or not finite: null */
void json_line_bool(struct json_line *json, const char *key, int value);
void json_line_null(struct json_line *json, const char *key);
void json_line_open(struct json_line *json, const char *key); /* a nested object; they do not nest deeper */
void json_line_close(struct json_line *json);
void json_line_array(struct json_line *json, const char *key);
void json_line_array_end(struct json_line *json);
void json_line_end(struct json_line *json); /* ends the line and flushes it, so that a reader of a pipe sees each */

/* Bytes of the UTF-8 character that begins here; 0: none does. Looks at no byte behind the first that does not fit, so that
 * a NUL within `left` ends it in time. */
size_t json_line_utf8(const void *text, size_t left);

#endif
