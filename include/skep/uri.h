/* skep/uri.h - everything that can be opened is named scheme://where?option=value, with a table behind it.
 *
 * Units    sizes take k, m, g, t (1024); times take ns, us, ms, s, m, h and are held in nanoseconds.
 * Errors   SKEP_EINVAL names the option and what is wrong with it; SKEP_ETOOBIG: longer than SKEP_URI_MAX; SKEP_ENOMEM.
 *          No error quotes what may be a secret.
 * Threads  a parsed URI is immutable: [any].   Owners  skep_uri_free; texts are lent until then.
 *
 * The one table of a scheme drives parsing, the environment (SKEP_<SCHEME>_<OPTION>, upper case), `skep info
 * SCHEME` and the manual; defaults are written nowhere else. What a caller writes in the URI goes over the
 * environment, that over the default. For "fault+shm:" SKEP_SHM_<OPTION> is asked first, then SKEP_FAULT_<OPTION>; an
 * empty variable counts as none. A path is percent-decoded and has no "//", "." or "..": what was checked is what is opened.
 */
#ifndef SKEP_URI_H
#define SKEP_URI_H

#include <skep/api.h>
#include <skep/error.h>
#include <stddef.h>
#include <stdint.h>

SKEP_BEGIN_DECLS

#define SKEP_URI_MAX 640 /* bytes of a URI with its NUL */

enum skep_option_type {
    SKEP_TYPE_BOOL, /* on|off|yes|no|true|false|1|0 */
    SKEP_TYPE_INT,  /* a signed 64-bit number */
    SKEP_TYPE_SIZE, /* bytes: 64k, 1g */
    SKEP_TYPE_TIME, /* 500ms, 10s; "forever" is SKEP_FOREVER */
    SKEP_TYPE_TEXT,
    SKEP_TYPE_CHOICE, /* one of `choices`, separated by '|' */
};
enum skep_option_class {
    SKEP_CLASS_IDENTITY, /* which thing it is: goes into handles */
    SKEP_CLASS_TUNING,   /* how it is used here: never in a handle, ignored when found in one */
    SKEP_CLASS_SECRET,   /* never in a handle, never taken from one, never printed */
    SKEP_CLASS_LOCAL,    /* a file or directory of this host: never in a handle, never taken from one */
};

typedef struct skep_option {
    const char *name;     /* NULL ends a table */
    int type;             /* SKEP_TYPE_* */
    int klass;            /* SKEP_CLASS_* */
    const char *fallback; /* the default, as it would be written in a URI; NULL: none (skep_uri_has is 0) */
    const char *choices;  /* SKEP_TYPE_CHOICE only, else NULL */
    const char *help;     /* one line */
} skep_option;

typedef struct skep_uri skep_uri;

/* Parse `text` against up to `n` tables, searched in order. The scheme in front of '+' ("fault+shm") is part
 * of the scheme. The tables must outlive the URI. SKEP_EINVAL: not a URI, an unknown option, a bad value: named in err.
 * [any] */
SKEP_API SKEP_NODISCARD int skep_uri_parse(const char *text, const skep_option *const *tables, size_t n, skep_uri **take,
                                           skep_error *err);
SKEP_API void skep_uri_free(skep_uri *uri);

/* The parts. Each is lent until skep_uri_free, and "" where the URI has none. */
SKEP_API const char *skep_uri_scheme(const skep_uri *uri);
SKEP_API const char *skep_uri_user(const skep_uri *uri);
SKEP_API const char *skep_uri_host(const skep_uri *uri); /* of shm://NAME it is NAME; [::1] without brackets */
SKEP_API int skep_uri_port(const skep_uri *uri);         /* 0 where there is none */
SKEP_API const char *skep_uri_path(const skep_uri *uri); /* percent-decoded, with its leading '/' */

/* Options by name. Asking for one that no table has, or as another type, is a bug in the caller: 0, "" or off. */
SKEP_API int skep_uri_has(const skep_uri *uri, const char *option); /* 1 if given, in the environment, or with a default */
SKEP_API int skep_uri_bool(const skep_uri *uri, const char *option);
SKEP_API int64_t skep_uri_int(const skep_uri *uri, const char *option);
SKEP_API uint64_t skep_uri_size(const skep_uri *uri, const char *option);
SKEP_API uint64_t skep_uri_time(const skep_uri *uri, const char *option); /* a duration in ns, not a deadline */
/* Any type, as text; "" where there is none. */
SKEP_API const char *skep_uri_option(const skep_uri *uri, const char *option);

/* The canonical URI of identity options only, sorted by name, without those at their default: what goes in
 * front of a handle's '#'. SKEP_ETOOBIG: does not fit. */
SKEP_API int skep_uri_identity(const skep_uri *uri, char *out, size_t cap);
/* The URI with every option filled in, secrets as "***". Opening it gives an equal thing. */
SKEP_API int skep_uri_describe(const skep_uri *uri, char *out, size_t cap);

/* "64k" -> 65536; "1.5g" too. SKEP_EINVAL: not a size. */
SKEP_API SKEP_NODISCARD int skep_size_parse(const char *text, uint64_t *out);
/* "500ms" -> 500000000; "forever" -> SKEP_FOREVER. SKEP_EINVAL: not a time. */
SKEP_API SKEP_NODISCARD int skep_time_parse(const char *text, uint64_t *out_ns);

SKEP_END_DECLS
#endif
