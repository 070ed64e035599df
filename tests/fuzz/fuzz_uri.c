/* fuzz_uri.c - URIs against a table with every type and class. What is taken has one canonical form, which is taken again.
 */
#include <skep/uri.h>

#include "proxy/base/uri.h"
#include "tests/fuzz/fuzz.h"

static const skep_option options[] = {
    {"bool", SKEP_TYPE_BOOL, SKEP_CLASS_IDENTITY, "off", NULL, ""},
    {"int", SKEP_TYPE_INT, SKEP_CLASS_IDENTITY, "-7", NULL, ""},
    {"size", SKEP_TYPE_SIZE, SKEP_CLASS_IDENTITY, "64k", NULL, ""},
    {"time", SKEP_TYPE_TIME, SKEP_CLASS_IDENTITY, "10s", NULL, ""},
    {"text", SKEP_TYPE_TEXT, SKEP_CLASS_IDENTITY, NULL, NULL, ""},
    {"choice", SKEP_TYPE_CHOICE, SKEP_CLASS_IDENTITY, "auto", "auto|full|off", ""},
    {"tuning", SKEP_TYPE_SIZE, SKEP_CLASS_TUNING, "1g", NULL, ""},
    {NULL, 0, 0, NULL, NULL, NULL},
};
static const skep_option more[] = {
    {"secret", SKEP_TYPE_TEXT, SKEP_CLASS_SECRET, NULL, NULL, ""},
    {"local", SKEP_TYPE_TEXT, SKEP_CLASS_LOCAL, NULL, NULL, ""},
    {NULL, 0, 0, NULL, NULL, NULL},
};
static const skep_option *const tables[] = {options, more};

static void equal(const skep_uri *a, const skep_uri *b)
{
    CHECK(strcmp(skep_uri_scheme(a), skep_uri_scheme(b)) == 0);
    CHECK(strcmp(skep_uri_user(a), skep_uri_user(b)) == 0);
    CHECK(strcmp(skep_uri_host(a), skep_uri_host(b)) == 0);
    CHECK(skep_uri_port(a) == skep_uri_port(b));
    CHECK(strcmp(skep_uri_path(a), skep_uri_path(b)) == 0);
    CHECK(skep_uri_bool(a, "bool") == skep_uri_bool(b, "bool"));
    CHECK(skep_uri_int(a, "int") == skep_uri_int(b, "int"));
    CHECK(skep_uri_size(a, "size") == skep_uri_size(b, "size"));
    CHECK(skep_uri_time(a, "time") == skep_uri_time(b, "time"));
    for (const skep_option *o = options; o->name != NULL; o++)
        if (o->klass == SKEP_CLASS_IDENTITY)
            CHECK(strcmp(skep_uri_option(a, o->name), skep_uri_option(b, o->name)) == 0);
}

static void identity(const skep_uri *uri)
{
    char first[SKEP_URI_MAX], second[SKEP_URI_MAX];
    skep_uri *again;
    int rc = skep_uri_identity(uri, first, sizeof first);

    if (rc != SKEP_OK) {
        CHECK(rc == SKEP_ETOOBIG); /* escapes take more room than what was written */
        return;
    }
    CHECK(strstr(first, "secret=") == NULL || strstr(skep_uri_path(uri), "secret=") != NULL ||
          strstr(skep_uri_option(uri, "text"), "secret=") != NULL);
    CHECK(skep_uri_parse(first, tables, 2, &again, NULL) == SKEP_OK);
    equal(uri, again);
    CHECK(skep_uri_identity(again, second, sizeof second) == SKEP_OK && strcmp(first, second) == 0);
    skep_uri_free(again);
    CHECK(skepi_uri_from_handle(first, tables, 2, &again, NULL) == SKEP_OK);
    equal(uri, again);
    skep_uri_free(again);
}

static void describe(const skep_uri *uri)
{
    char text[2 * SKEP_URI_MAX];
    skep_uri *again;
    int rc = skep_uri_describe(uri, text, sizeof text);

    CHECK(rc == SKEP_OK || rc == SKEP_ETOOBIG);
    if (rc == SKEP_OK && strlen(text) < SKEP_URI_MAX && skep_uri_parse(text, tables, 2, &again, NULL) == SKEP_OK) {
        equal(uri, again);
        CHECK(skep_uri_size(uri, "tuning") == skep_uri_size(again, "tuning"));
        skep_uri_free(again);
    }
}

static void from_handle(const char *text)
{
    skep_error err = {0};
    skep_uri *uri;
    int rc = skepi_uri_from_handle(text, tables, 2, &uri, &err);

    if (rc != SKEP_OK) {
        CHECK(err.code == rc && err.text[0] != '\0');
        return;
    }
    CHECK(!skep_uri_has(uri, "secret") && !skep_uri_has(uri, "local"));
    CHECK(skep_uri_size(uri, "tuning") == (uint64_t)1 << 30);
    identity(uri);
    skep_uri_free(uri);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = text_of(data, size);
    skep_error err = {0};
    skep_uri *uri = NULL;
    int rc = skep_uri_parse(text, tables, 2, &uri, &err);

    if (rc == SKEP_OK) {
        identity(uri);
        describe(uri);
        skep_uri_free(uri);
    } else {
        CHECK(err.code == rc && err.text[0] != '\0' && uri == NULL);
    }
    from_handle(text);
    free(text);
    return 0;
}
