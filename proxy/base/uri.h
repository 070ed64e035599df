/* uri.h - the pure parts of URIs: syntax without tables, percent-encoding, and the stricter reading of what a handle says.
 *
 * Forms: scheme:  scheme:?a=b  scheme:/path  scheme://[user@][host][:port][/path][?a=b&c=d]. The scheme is of small
 * letters, digits, '.' and '-', and may have others in front of it ("fault+shm"). Paths are percent-decoded and then
 * normalised: no "//", ".", "..", nor a '/' at the end, so that what a policy looked at is what is opened. The names of
 * options are small letters, digits, '_' and '-'; their values are percent-decoded.
 *
 * In the environment an option is SKEP_<SCHEME>_<OPTION>. For a wrapped URI ("fault+shm:") the schemes are asked from the
 * last to the first: SKEP_SHM_X, then SKEP_FAULT_X. An empty variable counts as none. What is not a letter or a digit
 * becomes '_' in a variable's name.
 */
#ifndef SKEP_PROXY_BASE_URI_H
#define SKEP_PROXY_BASE_URI_H

#include <skep/handle.h>
#include <skep/uri.h>

/* A URI taken apart. Texts lie in `text`, and are "" where the URI has none. */
struct skepi_parts {
    const char *scheme, *user, *host, *path, *query; /* query as written, without '?' */
    int port;                                        /* 0: none */
    char text[SKEP_URI_MAX + 8];
};

/* Pure; `out` holds pointers into itself and must not be copied. SKEP_EINVAL: not a URI, or a handle, or an option given
 * twice; SKEP_ETOOBIG: longer than SKEP_URI_MAX. What follows '?' may be a secret: no error quotes it. */
int skepi_uri_split(const char *text, struct skepi_parts *out, skep_error *err);

/* What an error or a log may quote of a text that was to be a URI: up to '?', and nothing in front of '@', for there may be
 * secrets. Returns `out`. */
#define SKEPI_SHOWN_MAX 96
const char *skepi_uri_show(const char *text, char out[SKEPI_SHOWN_MAX]);

/* One name=value of a query or of a handle's fragment, as written. */
struct skepi_pair {
    const char *name, *value;
    size_t name_size, value_size;
};
/* The pair at *at, which is moved behind it. 1: there was one; 0: the text is at its end; SKEP_EINVAL: not name=value. */
int skepi_pair_next(const char **at, struct skepi_pair *out);
/* 1 if a pair in front of `pair`, in the text that begins at `begin`, has the same name. */
int skepi_pair_repeats(const char *begin, const struct skepi_pair *pair);

/* As skep_uri_parse, for the part in front of a handle's '#': a stranger's word. Secret and local options are refused
 * (SKEP_EDENIED) by name; tuning options, whose table must know them, are dropped; identity options come from the text and
 * the table alone, since the environment of this process does not say which store somebody else meant. */
int skepi_uri_from_handle(const char *text, const skep_option *const *tables, size_t n, skep_uri **take, skep_error *err);

/* Appends to out[*at], which is always ended by a NUL. SKEP_ETOOBIG: does not fit in `cap`. */
int skepi_text_append(char *out, size_t cap, size_t *at, const char *text);
/* The same, percent-encoded: letters, digits, "._~-" and the characters of `stand` stay as they are. */
int skepi_percent_append(char *out, size_t cap, size_t *at, const char *text, const char *stand);
#define SKEPI_STAND ":/@" /* in paths, option values and the words of handles */
/* Decodes `n` bytes to `out`, which has room for as many and a NUL. SKEP_EINVAL: a bad %XX, or a control character. */
int skepi_percent_decode(const char *text, size_t n, char *out);

/* One option's value, read (option.c). */
#define SKEPI_NUMBER_MAX 32
struct skepi_value {
    int64_t number;              /* of BOOL and INT */
    uint64_t amount;             /* of SIZE and TIME */
    char text[SKEPI_NUMBER_MAX]; /* canonical: "on", "64k"; "" for TEXT and CHOICE, which are so as given */
};
/* On SKEP_EINVAL, *wants says what would have been right: "a size (64k, 1g)". */
int skepi_option_parse(const skep_option *option, const char *given, struct skepi_value *out, const char **wants);

#endif
