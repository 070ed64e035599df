/* text.h - sizes, times and strangers' words as people read them. */
#ifndef SKEP_TOOLS_TEXT_H
#define SKEP_TOOLS_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CLI_TEXT_MAX 48 /* enough for each of the texts made here */

/* "512 B", "1.5 GiB". Returns out. */
const char *cli_text_size(uint64_t bytes, char out[CLI_TEXT_MAX]);
/* The same and in full: "1.5 GiB (1610612736 bytes)". */
const char *cli_text_size_exact(uint64_t bytes, char out[CLI_TEXT_MAX]);
/* Nanoseconds since 1970 as local time: "2026-11-20 15:48:01"; "-" for 0. */
const char *cli_text_when(uint64_t real_ns, char out[CLI_TEXT_MAX]);
/* A checksum as handles write it: "t1.0123456789abcdef". */
const char *cli_text_sum(uint64_t sum, char out[CLI_TEXT_MAX]);

/* Print what somebody else wrote: control characters and malformed UTF-8 as \xNN, so that no terminal obeys them.
 * Returns the columns used, a character counting as one. */
size_t cli_text_print(FILE *to, const char *text);
size_t cli_text_columns(const char *text); /* what cli_text_print would use */
void cli_text_pad(FILE *to, size_t used, size_t columns);
/* Print prose from column `at` on, wrapped, later lines indented; an empty line in it stays one. */
void cli_text_wrap(FILE *to, const char *text, size_t at, size_t indent);
/* 1 if the bytes are text that a terminal can show: UTF-8 without control characters but \t, \n and \r. */
int cli_text_is_plain(const void *data, size_t size);

#endif
