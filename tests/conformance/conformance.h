/* conformance.h - one suite for every connector: a fixture names fresh stores, the cases do the rest.
 *
 *     static const struct conf_fixture tape = {.scheme = "tape", .up = tape_up, .down = tape_down};
 *     int main(int argc, char **argv) { return conf_main(&tape, argc, argv); }
 *
 * and in the connector's CMakeLists.txt: skep_test(tape_conformance SOURCES tape_conformance_test.c LIBS skep_conformance)
 *
 * Each case runs on a fresh store, and once more through "fault+", which must change nothing. A case that asks for a
 * capability that the connector does not claim is left out, and said so.
 */
#ifndef SKEP_TESTS_CONFORMANCE_H
#define SKEP_TESTS_CONFORMANCE_H

#include <skep/connector.h>
#include <skep/skep.h>

/* What a case may need beside SKEP_CAP_*. */
enum conf_need {
    CONF_LIST = 1u << 24,         /* the connector can list */
    CONF_NAMES = 1u << 25,        /* it has names */
    CONF_FAULT = 1u << 26,        /* runs through fault+ only */
    CONF_MALLOC_FORKS = 1u << 27, /* malloc works in a child of several threads; AddressSanitizer's does not always */
};

struct conf_case {
    const char *name; /* NULL ends an array */
    uint32_t needs;
    void (*run)(const char *uri);
};

struct conf_fixture {
    const char *scheme;
    int (*up)(char uri[SKEP_URI_MAX]); /* name a store that is not there yet; 0, or the suite fails */
    void (*down)(const char *uri);     /* remove what is left of it */
};

int conf_main(const struct conf_fixture *fixture, int argc, char **argv);
void conf_remove_tree(const char *path); /* for fixtures whose stores are directories */

/* ---- for the cases ---- */

extern const struct conf_case conf_objects[], conf_listing[], conf_sharing[], conf_proxies[], conf_faults[];

extern skep_error conf_err; /* the main thread's */

#define CONF_OK(call)          conf_ok(call, #call, __FILE__, __LINE__)
#define CONF_FAILS(call, code) conf_fails(call, code, #call, __FILE__, __LINE__)
void conf_ok(int rc, const char *call, const char *file, int line);
void conf_fails(int rc, int code, const char *call, const char *file, int line); /* and conf_err says so too */

skep_store *conf_open(const char *uri, const char *options); /* `options`: "a=b&c=d", or NULL */
void conf_with(const char *uri, const char *options, char out[SKEP_URI_MAX]);
int conf_has(uint32_t need); /* of this connector */
int conf_full(void);         /* full sizes are wanted */
int conf_rounds(int quick);  /* so many, or many more when long repetitions are wanted */

/* Bytes that tell where they belong: position and seed. */
void conf_fill(void *bytes, size_t size, unsigned seed);
int conf_is_filled(const void *bytes, size_t size, unsigned seed);
skep_ref conf_put(skep_store *store, size_t size, unsigned seed);                    /* a filled object */
void conf_check(skep_store *store, const skep_ref *ref, size_t size, unsigned seed); /* get gives it, aligned */
int conf_there(skep_store *store, const skep_ref *ref);                              /* exists says so */
size_t conf_count(skep_store *store);                                                /* objects that list shows */

/* Run this program again as a second process: conf_spawn("resolve", handle, "1000", "7"). `conf_wait` gives its exit code,
 * or minus the signal that ended it. */
#define conf_spawn(...) conf_spawn_args((const char *const[]){__VA_ARGS__, NULL})
int conf_spawn_args(const char *const *words);
int conf_wait(int pid);

#endif
