/* json.h - writes one JSON object a line. */
#ifndef SKEP_TOOLS_JSON_H
#define SKEP_TOOLS_JSON_H

#include <stdint.h>
#include <stdio.h>

struct cli_json {
    FILE *to;
    int comma; /* the next member needs one in front */
};

/* Every line says what it is: {"record":"put", ... }. A NULL name inside an array. */
void cli_json_begin(struct cli_json *j, FILE *to, const char *record);
void cli_json_text(struct cli_json *j, const char *name, const char *value); /* NULL: null; bad UTF-8 becomes U+FFFD */
void cli_json_number(struct cli_json *j, const char *name, uint64_t value);
void cli_json_bool(struct cli_json *j, const char *name, int value);
void cli_json_null(struct cli_json *j, const char *name);
void cli_json_array(struct cli_json *j, const char *name);
void cli_json_array_end(struct cli_json *j);
void cli_json_end(struct cli_json *j);

#endif
