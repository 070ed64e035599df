/* id.h - the names of tasks: 128 bits that no other task has. */
#ifndef SKEP_STEERING_TASK_ID_H
#define SKEP_STEERING_TASK_ID_H

#include <stddef.h>
#include <stdint.h>

enum { SKEPI_ID_TEXT = 33, SKEPI_KEY_TEXT = 37 };

void skepi_id_new(uint8_t id[16]);                                 /* [any], in the children of fork too */
void skepi_id_text(const uint8_t id[16], char out[SKEPI_ID_TEXT]); /* 32 hexadecimal digits */
/* The key of the object that a big value of this attempt is put under: known before the worker puts it, so that it can be
 * evicted when the worker died with it. */
void skepi_id_value_key(const uint8_t id[16], uint32_t attempt, char out[SKEPI_KEY_TEXT]);

#endif
