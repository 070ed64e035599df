/* base_uri_test.c - URIs: parts, options from their three sources, identity, description, and every refusal. */
#include "proxy/base/uri.h"
#include <skep/clock.h>
#include <skep/uri.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const skep_option own[] = {
    {"db", SKEP_TYPE_INT, SKEP_CLASS_IDENTITY, "0", NULL, "which database"},
    {"area", SKEP_TYPE_TEXT, SKEP_CLASS_IDENTITY, NULL, NULL, "part of the store"},
    {"block", SKEP_TYPE_SIZE, SKEP_CLASS_IDENTITY, "64k", NULL, "unit of storage"},
    {"session", SKEP_TYPE_BOOL, SKEP_CLASS_IDENTITY, "off", NULL, "ends with its last opener"},
    {"pool", SKEP_TYPE_SIZE, SKEP_CLASS_TUNING, "1g", NULL, "most that is kept"},
    {"threads", SKEP_TYPE_INT, SKEP_CLASS_TUNING, NULL, NULL, "how many"},
    {"secret", SKEP_TYPE_TEXT, SKEP_CLASS_SECRET, NULL, NULL, "password"},
    {"pin", SKEP_TYPE_INT, SKEP_CLASS_SECRET, NULL, NULL, "a number nobody else knows"},
    {"cert", SKEP_TYPE_TEXT, SKEP_CLASS_LOCAL, NULL, NULL, "file of this host"},
    {NULL, 0, 0, NULL, NULL, NULL},
};
static const skep_option common[] = {
    {"verify", SKEP_TYPE_CHOICE, SKEP_CLASS_TUNING, "auto", "auto|full|off", "when to compare checksums"},
    {"stall", SKEP_TYPE_TIME, SKEP_CLASS_TUNING, "10s", NULL, "longest silence"},
    {"pool", SKEP_TYPE_SIZE, SKEP_CLASS_TUNING, "7", NULL, "hidden by the scheme's own"},
    {NULL, 0, 0, NULL, NULL, NULL},
};
static const skep_option *const tables[] = {own, common};

static skep_uri *parse_ok(const char *text)
{
    skep_error err = {0, ""};
    skep_uri *uri = NULL;
    int rc = skep_uri_parse(text, tables, 2, &uri, &err);

    if (rc != SKEP_OK)
        print_error("%s: %s\n", text, err.text);
    assert_int_equal(rc, SKEP_OK);
    assert_int_equal(err.code, 0); /* set only on failure */
    return uri;
}

static void refused(const char *text, int code, const char *because)
{
    skep_uri *uri = NULL;
    skep_error err = {0, ""};
    int rc = skep_uri_parse(text, tables, 2, &uri, &err);

    if (rc != code || strstr(err.text, because) == NULL)
        print_error("'%s' gave %s: '%s', not '%s'\n", text, skep_err_name(rc), err.text, because);
    assert_int_equal(rc, code);
    assert_int_equal(err.code, code);
    assert_non_null(strstr(err.text, because));
    assert_null(uri);
    assert_int_equal(skep_uri_parse(text, tables, 2, &uri, NULL), code);
}

/* ---- parts --------------------------------------------------------------------------------------- */

static void parts_are_found(void **state)
{
    static const struct {
        const char *text, *scheme, *user, *host;
        int port;
        const char *path, *identity;
    } rows[] = {
        {"memory:", "memory", "", "", 0, "", "memory:"},
        {"memory://", "memory", "", "", 0, "", "memory:"},
        {"memory:?pool=1g", "memory", "", "", 0, "", "memory:"},
        {"shm://campaign", "shm", "", "campaign", 0, "", "shm://campaign"},
        {"shm://campaign/", "shm", "", "campaign", 0, "", "shm://campaign"},
        {"shm://A.b-c_d~e", "shm", "", "A.b-c_d~e", 0, "", "shm://A.b-c_d~e"},
        {"fault+shm://x?db=1", "fault+shm", "", "x", 0, "", "fault+shm://x?db=1"},
        {"file:///scratch/objects", "file", "", "", 0, "/scratch/objects", "file:///scratch/objects"},
        {"file:/scratch/objects", "file", "", "", 0, "/scratch/objects", "file:///scratch/objects"},
        {"file:///", "file", "", "", 0, "/", "file:///"},
        {"file:///a/./b//c/../d/", "file", "", "", 0, "/a/b/d", "file:///a/b/d"},
        {"file:///a/%2e%2e/b", "file", "", "", 0, "/b", "file:///b"},
        {"file:///..a/b...", "file", "", "", 0, "/..a/b...", "file:///..a/b..."},
        {"file:///a%20b%25%3f%23", "file", "", "", 0, "/a b%?#", "file:///a%20b%25%3F%23"},
        {"file:///gr\xc3\xbc\xc3\x9f", "file", "", "", 0, "/gr\xc3\xbc\xc3\x9f", "file:///gr%C3%BC%C3%9F"},
        {"redis://10.0.0.5:6379/0", "redis", "", "10.0.0.5", 6379, "/0", "redis://10.0.0.5:6379/0"},
        {"redis://me@host/0", "redis", "me", "host", 0, "/0", "redis://me@host/0"},
        {"redis://a%40b%3ac%2f@host:1", "redis", "a@b:c/", "host", 1, "", "redis://a%40b%3Ac%2F@host:1"},
        {"zmq://[::1]:5555/n", "zmq", "", "::1", 5555, "/n", "zmq://[::1]:5555/n"},
        {"zmq://[fe80::1:2]", "zmq", "", "fe80::1:2", 0, "", "zmq://[fe80::1:2]"},
        {"zmq://:5555/n", "zmq", "", "", 5555, "/n", "zmq://:5555/n"},
        {"tcp://*:65535", "tcp", "", "*", 65535, "", "tcp://*:65535"},
        {"tcp://127.0.0.1:0", "tcp", "", "127.0.0.1", 0, "", "tcp://127.0.0.1"},
        {"shm://x/a@b:c", "shm", "", "x", 0, "/a@b:c", "shm://x/a@b:c"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        skep_uri *uri = parse_ok(rows[i].text), *again;
        char identity[SKEP_URI_MAX], second[SKEP_URI_MAX];

        assert_string_equal(skep_uri_scheme(uri), rows[i].scheme);
        assert_string_equal(skep_uri_user(uri), rows[i].user);
        assert_string_equal(skep_uri_host(uri), rows[i].host);
        assert_int_equal(skep_uri_port(uri), rows[i].port);
        assert_string_equal(skep_uri_path(uri), rows[i].path);
        assert_int_equal(skep_uri_identity(uri, identity, sizeof identity), SKEP_OK);
        assert_string_equal(identity, rows[i].identity);
        again = parse_ok(identity);
        assert_int_equal(skep_uri_identity(again, second, sizeof second), SKEP_OK);
        assert_string_equal(identity, second);
        skep_uri_free(again);
        skep_uri_free(uri);
    }
    skep_uri_free(NULL);
}

static void what_is_no_uri_is_refused(void **state)
{
    char big[SKEP_URI_MAX + 1];

    (void)state;
    refused(NULL, SKEP_EINVAL, "no URI was given");
    refused("", SKEP_EINVAL, "must begin with a scheme");
    refused("shm", SKEP_EINVAL, "after the scheme comes ':'");
    refused("/scratch/objects", SKEP_EINVAL, "/scratch/objects: not a URI: it must begin with a scheme");
    refused("://x", SKEP_EINVAL, "must begin with a scheme");
    refused("Shm://x", SKEP_EINVAL, "small letters");
    refused("fault+://x", SKEP_EINVAL, "must begin with a scheme");
    refused("fault+1://x", SKEP_EINVAL, "must begin with a scheme");
    refused("shm_://x", SKEP_EINVAL, "after the scheme comes ':'");
    refused("file:scratch", SKEP_EINVAL, "after the scheme comes //");
    refused("shm://a b", SKEP_EINVAL, "byte 7 is a space or a control character: write %20");
    refused("shm://a\nb", SKEP_EINVAL, "write %0A");
    refused("shm://a%20b", SKEP_EINVAL, "the host begins with a dot or has a character");
    refused("shm://..", SKEP_EINVAL, "the host begins with a dot");
    refused("zmq://[::1", SKEP_EINVAL, "what is in brackets must be an IPv6 address, as in [::1]");
    refused("zmq://[]", SKEP_EINVAL, "what is in brackets");
    refused("zmq://[::g]", SKEP_EINVAL, "what is in brackets");
    refused("zmq://[abc]", SKEP_EINVAL, "what is in brackets");
    refused("zmq://[1:2:3]", SKEP_EINVAL, "what is in brackets");
    refused("zmq://[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]", SKEP_EINVAL, "what is in brackets");
    refused("zmq://[::1]x", SKEP_EINVAL, "the host begins with a dot or has a character");
    refused("tcp://**:1", SKEP_EINVAL, "the host begins with a dot or has a character");
    refused("tcp://h:", SKEP_EINVAL, "the port must be a number from 0 to 65535");
    refused("tcp://h:65536", SKEP_EINVAL, "the port must be");
    refused("tcp://h:123456", SKEP_EINVAL, "the port must be");
    refused("tcp://h:01", SKEP_EINVAL, "the port must be");
    refused("tcp://h:-1", SKEP_EINVAL, "the port must be");
    refused("tcp://@h", SKEP_EINVAL, "the user in front of '@' is empty");
    refused("tcp://a%zz@h", SKEP_EINVAL, "the user in front of '@'");
    refused("file:///a%2", SKEP_EINVAL, "the path is not well encoded");
    refused("file:///a%00b", SKEP_EINVAL, "the path is not well encoded");
    refused("file:///a%xyb", SKEP_EINVAL, "the path is not well encoded");
    refused("file:///../etc", SKEP_EINVAL, "the path leads above the root");
    refused("file:///a/%2e./../etc", SKEP_EINVAL, "the path leads above the root");
    refused("shm://x#k=0f6f3bd5-1111-4222-8333-444455556666", SKEP_EINVAL, "looks like a handle");
    memset(big, 'a', sizeof big - 1);
    memcpy(big, "shm://", 6);
    big[SKEP_URI_MAX] = '\0';
    refused(big, SKEP_ETOOBIG, "a URI has 639 bytes at most");
    big[SKEP_URI_MAX - 1] = '\0';
    skep_uri_free(parse_ok(big));
}

static void no_error_shows_a_password(void **state)
{
    static const char *const texts[] = {
        "redis://me:hush@host",      "redis://me:hush@host:x",   "redis://me:hush@host/%zz", "Redis://me:hush@host",
        "redis://h?secret=hush&",    "redis://h?secret=hush%zz", "redis://h?pin=hush",       "redis://h?secret=hush#k=1",
        "redis://h?pin=1hush&pin=2", "redis://:hush#x@host",     "redis://me:hush?x@host",   "redis://me@x:hush?x=1@host",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        skep_uri *uri = NULL;
        skep_error err;

        assert_int_equal(skep_uri_parse(texts[i], tables, 2, &uri, &err), SKEP_EINVAL);
        assert_null(strstr(err.text, "hush"));
    }
    refused("redis://me:hush@host", SKEP_EINVAL, "a password does not belong in front of '@'");
}

/* ---- options ------------------------------------------------------------------------------------- */

static void defaults_come_from_the_table(void **state)
{
    skep_uri *uri = parse_ok("shm://x");

    (void)state;
    assert_int_equal(skep_uri_int(uri, "db"), 0);
    assert_true(skep_uri_size(uri, "pool") == (uint64_t)1 << 30); /* the first table's */
    assert_true(skep_uri_time(uri, "stall") == 10000000000u);
    assert_int_equal(skep_uri_bool(uri, "session"), 0);
    assert_string_equal(skep_uri_option(uri, "verify"), "auto");
    assert_int_equal(skep_uri_has(uri, "verify"), 1);
    assert_int_equal(skep_uri_has(uri, "area"), 0);
    assert_string_equal(skep_uri_option(uri, "area"), "");
    assert_int_equal(skep_uri_has(uri, "threads"), 0);
    assert_int_equal(skep_uri_int(uri, "threads"), 0);
    /* What no table has, or another type. */
    assert_int_equal(skep_uri_has(uri, "nonsense"), 0);
    assert_string_equal(skep_uri_option(uri, "nonsense"), "");
    assert_int_equal(skep_uri_size(uri, "db"), 0);
    assert_int_equal(skep_uri_int(uri, "pool"), 0);
    assert_int_equal(skep_uri_time(uri, "pool"), 0);
    assert_int_equal(skep_uri_bool(uri, "stall"), 0);
    skep_uri_free(uri);
}

static void the_caller_goes_over_the_environment_over_the_default(void **state)
{
    skep_uri *uri;

    (void)state;
    setenv("SKEP_SHM_POOL", "2k", 1);
    setenv("SKEP_SHM_STALL", "3ms", 1);
    setenv("SKEP_SHM_DB", "", 1); /* empty counts as none */
    uri = parse_ok("shm://x?stall=forever");
    assert_int_equal(skep_uri_size(uri, "pool"), 2048);
    assert_true(skep_uri_time(uri, "stall") == SKEP_FOREVER);
    assert_int_equal(skep_uri_int(uri, "db"), 0);
    skep_uri_free(uri);
    uri = parse_ok("file:///x"); /* another scheme's variables */
    assert_true(skep_uri_size(uri, "pool") == (uint64_t)1 << 30);
    skep_uri_free(uri);

    setenv("SKEP_FAULT_POOL", "3k", 1); /* the last scheme is asked first, then those in front of it */
    setenv("SKEP_FAULT_THREADS", "5", 1);
    uri = parse_ok("fault+shm://x");
    assert_int_equal(skep_uri_size(uri, "pool"), 2048);
    assert_int_equal(skep_uri_int(uri, "threads"), 5);
    skep_uri_free(uri);
    unsetenv("SKEP_FAULT_POOL");
    unsetenv("SKEP_FAULT_THREADS");

    setenv("SKEP_SHM_POOL", "much", 1);
    refused("shm://x", SKEP_EINVAL, "SKEP_SHM_POOL: 'much' must be a size");
    skep_uri_free(parse_ok("shm://x?pool=1")); /* not asked */
    setenv("SKEP_SHM_PIN", "hush", 1);
    unsetenv("SKEP_SHM_POOL");
    refused("shm://x", SKEP_EINVAL, "SKEP_SHM_PIN: must be a whole number");
    unsetenv("SKEP_SHM_PIN");
    unsetenv("SKEP_SHM_STALL");
    unsetenv("SKEP_SHM_DB");
}

static void a_value_from_the_environment_stays(void **state)
{
    skep_uri *uri;

    (void)state;
    setenv("SKEP_SHM_AREA", "north", 1);
    uri = parse_ok("shm://x");
    setenv("SKEP_SHM_AREA", "s", 1);
    unsetenv("SKEP_SHM_AREA");
    assert_string_equal(skep_uri_option(uri, "area"), "north");
    skep_uri_free(uri);
}

static void values_are_read_by_their_type(void **state)
{
    skep_uri *uri = parse_ok("shm://x?db=-9223372036854775808&area=a%20b%26c%3D&block=1.5k&session=yes&pool=0&verify=full&"
                             "stall=0.5s&cert=/etc/x.pem&threads=9223372036854775807");

    (void)state;
    assert_true(skep_uri_int(uri, "db") == INT64_MIN);
    assert_true(skep_uri_int(uri, "threads") == INT64_MAX);
    assert_string_equal(skep_uri_option(uri, "area"), "a b&c=");
    assert_int_equal(skep_uri_size(uri, "block"), 1536);
    assert_string_equal(skep_uri_option(uri, "block"), "1536");
    assert_int_equal(skep_uri_bool(uri, "session"), 1);
    assert_string_equal(skep_uri_option(uri, "session"), "on");
    assert_int_equal(skep_uri_size(uri, "pool"), 0);
    assert_int_equal(skep_uri_has(uri, "pool"), 1);
    assert_string_equal(skep_uri_option(uri, "verify"), "full");
    assert_int_equal(skep_uri_time(uri, "stall"), 500000000);
    assert_string_equal(skep_uri_option(uri, "stall"), "500ms");
    assert_string_equal(skep_uri_option(uri, "cert"), "/etc/x.pem");
    skep_uri_free(uri);
    uri = parse_ok("shm://x?area="); /* empty is a value */
    assert_int_equal(skep_uri_has(uri, "area"), 1);
    assert_string_equal(skep_uri_option(uri, "area"), "");
    skep_uri_free(uri);
}

static void bad_options_are_named(void **state)
{
    (void)state;
    refused("shm://x?color=red", SKEP_EINVAL, "shm: has no option 'color'; it has: db, area, block, session, pool");
    refused("shm://x?db=1&area=a&db=2", SKEP_EINVAL, "option 'db' is given twice");
    refused("shm://x?db=1&d%62=2", SKEP_EINVAL, "after '?' come options");
    refused("shm://x?db", SKEP_EINVAL, "after '?' come options, as name=value&name=value");
    refused("shm://x?=1", SKEP_EINVAL, "after '?' come options");
    refused("shm://x?db=1&", SKEP_EINVAL, "after '?' come options");
    refused("shm://x?db=1&&area=a", SKEP_EINVAL, "after '?' come options");
    refused("shm://x?DB=1", SKEP_EINVAL, "has no option 'DB'");
    refused("shm://x?area=%", SKEP_EINVAL, "the value of option 'area' is not well encoded");
    refused("shm://x?area=%0a", SKEP_EINVAL, "the value of option 'area' is not well encoded");
    refused("shm://x?db=one", SKEP_EINVAL, "shm: option 'db': 'one' must be a whole number");
    refused("shm://x?db=9223372036854775808", SKEP_EINVAL, "must be a whole number");
    refused("shm://x?db=-9223372036854775809", SKEP_EINVAL, "must be a whole number");
    refused("shm://x?db=", SKEP_EINVAL, "must be a whole number");
    refused("shm://x?db=1x", SKEP_EINVAL, "must be a whole number");
    refused("shm://x?db=+1", SKEP_EINVAL, "must be a whole number");
    refused("shm://x?session=maybe", SKEP_EINVAL, "option 'session': 'maybe' must be on or off");
    refused("shm://x?pool=64q", SKEP_EINVAL, "option 'pool': '64q' must be a size");
    refused("shm://x?stall=10", SKEP_EINVAL, "option 'stall': '10' must be a time");
    refused("shm://x?verify=ful", SKEP_EINVAL, "option 'verify': 'ful' must be auto|full|off");
    refused("shm://x?verify=auto|full", SKEP_EINVAL, "must be auto|full|off");
    refused("shm://x?verify=", SKEP_EINVAL, "must be auto|full|off");
}

static void a_wrong_default_is_our_own_fault(void **state)
{
    static const skep_option wrong[] = {{"n", SKEP_TYPE_INT, SKEP_CLASS_TUNING, "many", NULL, ""},
                                        {NULL, 0, 0, NULL, NULL, NULL}};
    const skep_option *const table[] = {wrong};
    skep_uri *uri = NULL;
    skep_error err;

    (void)state;
    assert_int_equal(skep_uri_parse("shm://x", table, 1, &uri, &err), SKEP_EINTERNAL);
    assert_non_null(strstr(err.text, "the default of option 'n'"));
    assert_int_equal(skep_uri_parse("shm://x?n=1", table, 1, &uri, &err), SKEP_OK);
    skep_uri_free(uri);
    assert_int_equal(skep_uri_parse("shm://x", NULL, 0, &uri, &err), SKEP_OK); /* no table: no option */
    skep_uri_free(uri);
    assert_int_equal(skep_uri_parse("shm://x?n=1", NULL, 0, &uri, &err), SKEP_EINVAL);
    assert_non_null(strstr(err.text, "it has: none"));
}

/* ---- identity and description -------------------------------------------------------------------- */

static void identity_of(const char *text, const char *expected)
{
    skep_uri *uri = parse_ok(text);
    char identity[SKEP_URI_MAX];

    assert_int_equal(skep_uri_identity(uri, identity, sizeof identity), SKEP_OK);
    assert_string_equal(identity, expected);
    skep_uri_free(uri);
}

static void the_identity_is_canonical(void **state)
{
    (void)state;
    identity_of("shm://x?session=true&db=7&area=b", "shm://x?area=b&db=7&session=on");
    identity_of("shm://x?area=b&db=007&session=1", "shm://x?area=b&db=7&session=on");
    identity_of("shm://x?db=0&session=no&block=65536", "shm://x"); /* at their defaults, whatever the spelling */
    identity_of("shm://x?db=-0&block=0.0625m", "shm://x");
    identity_of("shm://x?block=1048576", "shm://x?block=1m");
    identity_of("shm://x?pool=3&secret=hush&cert=/a&verify=off&threads=2", "shm://x");
    identity_of("shm://x?area=", "shm://x?area=");
    identity_of("shm://x?area=a%20b%2c%26%3D%2b%25%23%3F/:@", "shm://x?area=a%20b%2C%26%3D%2B%25%23%3F/:@");
    setenv("SKEP_SHM_DB", "3", 1); /* not at its default, wherever it came from */
    identity_of("shm://x", "shm://x?db=3");
    unsetenv("SKEP_SHM_DB");
}

static void too_small_a_place_is_said_so(void **state)
{
    skep_uri *uri = parse_ok("shm://campaign?db=7");
    char out[32] = "untouched";

    (void)state;
    assert_int_equal(skep_uri_identity(uri, out, 19), SKEP_ETOOBIG);
    assert_int_equal(skep_uri_describe(uri, out, sizeof out), SKEP_ETOOBIG);
    assert_int_equal(skep_uri_identity(uri, out, 0), SKEP_ETOOBIG);
    assert_string_equal(out, "untouched");
    assert_int_equal(skep_uri_identity(uri, out, 20), SKEP_OK);
    assert_string_equal(out, "shm://campaign?db=7");
    skep_uri_free(uri);
}

static void a_description_opens_an_equal_thing(void **state)
{
    static const char *const names[] = {"db", "area", "block", "session", "pool", "threads", "cert", "verify", "stall"};
    char text[2048], again[2048], identity[2][SKEP_URI_MAX];
    skep_uri *a, *b;

    (void)state;
    setenv("SKEP_REDIS_POOL", "5m", 1);
    a = parse_ok("redis://me@h:1/p%20q?area=x%26y&secret=hush&stall=1500us&threads=-3");
    assert_int_equal(skep_uri_describe(a, text, sizeof text), SKEP_OK);
    unsetenv("SKEP_REDIS_POOL");
    assert_string_equal(text, "redis://me@h:1/p%20q?db=0&area=x%26y&block=64k&session=off&pool=5m&threads=-3&secret=***&"
                              "verify=auto&stall=1500us");
    b = parse_ok(text);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(skep_uri_has(a, names[i]), skep_uri_has(b, names[i]));
        assert_string_equal(skep_uri_option(a, names[i]), skep_uri_option(b, names[i]));
    }
    assert_int_equal(skep_uri_describe(b, again, sizeof again), SKEP_OK);
    assert_string_equal(text, again);
    assert_int_equal(skep_uri_identity(a, identity[0], SKEP_URI_MAX), SKEP_OK);
    assert_int_equal(skep_uri_identity(b, identity[1], SKEP_URI_MAX), SKEP_OK);
    assert_string_equal(identity[0], identity[1]);
    skep_uri_free(a);
    skep_uri_free(b);
}

/* ---- from a handle ------------------------------------------------------------------------------- */

static void a_stranger_is_not_obeyed(void **state)
{
    skep_uri *uri = NULL;
    skep_error err;

    (void)state;
    assert_int_equal(skepi_uri_from_handle("shm://x?secret=hush", tables, 2, &uri, &err), SKEP_EDENIED);
    assert_string_equal(err.text, "shm: a handle may not set option 'secret', which is a secret");
    assert_int_equal(skepi_uri_from_handle("shm://x?cert=/etc/shadow", tables, 2, &uri, &err), SKEP_EDENIED);
    assert_string_equal(err.text, "shm: a handle may not set option 'cert', which is a path of this host");
    assert_int_equal(skepi_uri_from_handle("shm://x?color=red", tables, 2, &uri, &err), SKEP_EINVAL);
    assert_int_equal(skepi_uri_from_handle("shm://x?db=one", tables, 2, &uri, &err), SKEP_EINVAL);
    assert_null(uri);

    setenv("SKEP_SHM_DB", "3", 1); /* which store is the handle's to say, how it is used is ours */
    setenv("SKEP_SHM_POOL", "1m", 1);
    setenv("SKEP_SHM_SECRET", "ours", 1);
    assert_int_equal(skepi_uri_from_handle("shm://x?area=b&pool=2g&verify=nonsense", tables, 2, &uri, &err), SKEP_OK);
    assert_int_equal(skep_uri_int(uri, "db"), 0);
    assert_string_equal(skep_uri_option(uri, "area"), "b");
    assert_int_equal(skep_uri_size(uri, "pool"), 1 << 20);
    assert_string_equal(skep_uri_option(uri, "verify"), "auto");
    assert_string_equal(skep_uri_option(uri, "secret"), "ours");
    skep_uri_free(uri);
    unsetenv("SKEP_SHM_DB");
    unsetenv("SKEP_SHM_POOL");
    unsetenv("SKEP_SHM_SECRET");
}

/* ---- sizes and times ----------------------------------------------------------------------------- */

static void sizes_are_read(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"0", 0},
        {"0k", 0},
        {"0.0", 0},
        {"1", 1},
        {"64k", 65536},
        {"64K", 65536},
        {"1g", 1 << 30},
        {"1.5g", 3u << 29},
        {"2t", (uint64_t)2 << 40},
        {"0.5k", 512},
        {"0.000001t", 1099511},
        {"1.999999", 1},
        {"18446744073709551615", UINT64_MAX},
        {"16777215t", (uint64_t)16777215 << 40},
        {"00012m", 12 << 20},
    };
    static const char *const bad[] = {"",
                                      "k",
                                      "1kb",
                                      "1q",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1k ",
                                      "1.k",
                                      ".5k",
                                      "1.5.5k",
                                      "0x10",
                                      "1e3",
                                      "1,5k",
                                      "18446744073709551616",
                                      "16777216t",
                                      "99999999999999999999999",
                                      "0.0000001t",
                                      "18446744073709551615.9k",
                                      "1kk",
                                      "forever",
                                      "000000000000000000000000000000000000000000000000000000000000000000001"};
    uint64_t out = 42;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(skep_size_parse(good[i].text, &out), SKEP_OK);
        assert_true(out == good[i].bytes);
    }
    out = 42;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(skep_size_parse(bad[i], &out), SKEP_EINVAL);
    assert_int_equal(skep_size_parse(NULL, &out), SKEP_EINVAL);
    assert_int_equal(out, 42);
}

static void times_are_read(void **state)
{
    static const struct {
        const char *text;
        uint64_t ns;
    } good[] = {
        {"0", 0},
        {"0ms", 0},
        {"1ns", 1},
        {"500ms", 500000000},
        {"10s", 10000000000u},
        {"1.5s", 1500000000},
        {"2us", 2000},
        {"1m", 60000000000u},
        {"1h", 3600000000000u},
        {"0.5h", 1800000000000u},
        {"0.000001s", 1000},
        {"5124095h", 18446742000000000000u},
        {"forever", SKEP_FOREVER},
        {"0.9ns", 0},
    };
    static const char *const bad[] = {"",
                                      "10",
                                      "s",
                                      "1 s",
                                      "1S",
                                      "1min",
                                      "-1s",
                                      "5124096h",
                                      "18446744073710s",
                                      "Forever",
                                      "1.0000001s",
                                      "1.s",
                                      "0.0000000000000000000000000000000001s"};
    uint64_t out = 42;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(skep_time_parse(good[i].text, &out), SKEP_OK);
        assert_true(out == good[i].ns);
    }
    out = 42;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(skep_time_parse(bad[i], &out), SKEP_EINVAL);
    assert_int_equal(skep_time_parse(NULL, &out), SKEP_EINVAL);
    assert_int_equal(out, 42);
}

/* What is written as a value's canonical text reads back as the same value. */
static void canonical_texts_read_back(void **state)
{
    static const skep_option size = {"o", SKEP_TYPE_SIZE, 0, NULL, NULL, ""},
                             time = {"o", SKEP_TYPE_TIME, 0, NULL, NULL, ""};
    uint64_t x = 88172645463325252u;

    (void)state;
    for (int i = 0; i < 2000; i++) {
        struct skepi_value a, b;
        const char *wants;
        char text[40];

        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        snprintf(text, sizeof text, "%llu", (unsigned long long)(x >> (i % 64)) << (i % 3 * 10));
        assert_int_equal(skepi_option_parse(&size, text, &a, &wants), SKEP_OK);
        assert_int_equal(skepi_option_parse(&size, a.text, &b, &wants), SKEP_OK);
        assert_true(a.amount == b.amount);
        strncat(text, "ns", sizeof text - strlen(text) - 1);
        assert_int_equal(skepi_option_parse(&time, text, &a, &wants), SKEP_OK);
        assert_int_equal(skepi_option_parse(&time, a.text, &b, &wants), SKEP_OK);
        assert_true(a.amount == b.amount);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_found),
        cmocka_unit_test(what_is_no_uri_is_refused),
        cmocka_unit_test(no_error_shows_a_password),
        cmocka_unit_test(defaults_come_from_the_table),
        cmocka_unit_test(the_caller_goes_over_the_environment_over_the_default),
        cmocka_unit_test(a_value_from_the_environment_stays),
        cmocka_unit_test(values_are_read_by_their_type),
        cmocka_unit_test(bad_options_are_named),
        cmocka_unit_test(a_wrong_default_is_our_own_fault),
        cmocka_unit_test(the_identity_is_canonical),
        cmocka_unit_test(too_small_a_place_is_said_so),
        cmocka_unit_test(a_description_opens_an_equal_thing),
        cmocka_unit_test(a_stranger_is_not_obeyed),
        cmocka_unit_test(sizes_are_read),
        cmocka_unit_test(times_are_read),
        cmocka_unit_test(canonical_texts_read_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
