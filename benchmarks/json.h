/* benchmarks/json.h - one JSON object on one line, member by member.
 *
 * Keys are literals of this program and need no escaping; values are escaped. A writer is a plain value.
 */
#ifndef SKEP_BENCH_JSON_H
#define SKEP_BENCH_JSON_H

#include <stdint.h>
#include <stdio.h>

struct bench_json {
    FILE *out;
    int members; /* of the innermost object so far */
};

struct bench_json bench_json_begin(FILE *out, const char *record);
void bench_json_text(struct bench_json *json, const char *key, const char *value); /* NULL: null */
void bench_json_uint(struct bench_json *json, const char *key, uint64_t value);
void bench_json_int(struct bench_json *json, const char *key, int64_t value);
void bench_json_real(struct bench_json *json, const char *key, double value); /* negative or not finite: null */
void bench_json_bool(struct bench_json *json, const char *key, int value);
void bench_json_null(struct bench_json *json, const char *key);
void bench_json_open(struct bench_json *json, const char *key); /* a nested object; they do not nest deeper */
void bench_json_close(struct bench_json *json);
void bench_json_end(struct bench_json *json); /* ends the line and flushes it, so that a reader of a pipe sees each */

#endif
