/* base_handle_test.c - handles there and back, what is refused in them, and which stores a policy lets them lead to. */
#include <skep/handle.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define KEY "0f6f3bd5-1111-4222-8333-444455556666"

/* ---- handles ------------------------------------------------------------------------------------- */

static void there_and_back(void **state)
{
    static const char *const texts[] = {
        "memory:#k=" KEY,
        "shm://campaign#k=" KEY "&n=0",
        "shm://campaign#k=" KEY "&n=1073741824&h=4be10000000000ff",
        "redis://10.0.0.5:6379/0#k=" KEY "&n=9223372036854775807&x=t1.9c3e000000000001&c=safetensors",
        "fault+file:///a%20b?session=on#k=" KEY "&n=5&x=t1.0000000000000000&c=x%20y&h=0000000000000001&l=a%26b%3D%25%23:/@",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        skep_handle h = SKEP_HANDLE_INIT;
        char out[SKEP_HANDLE_MAX];
        skep_error err = {0, ""};

        assert_int_equal(skep_handle_parse(texts[i], &h, &err), SKEP_OK);
        assert_int_equal(err.code, 0);
        assert_int_equal(skep_handle_format(&h, out, sizeof out), SKEP_OK);
        assert_string_equal(out, texts[i]);
    }
}

static void every_word_is_read(void **state)
{
    skep_handle h = SKEP_HANDLE_INIT;

    (void)state;
    assert_int_equal(skep_handle_parse("shm://x?db=1#l=p%2f7&later=1&c=safetensors&h=00000000deadbeef&x=t1.0123456789abcdef&"
                                       "n=77&k=" KEY "&q2=",
                                       &h, NULL),
                     SKEP_OK); /* any order; words of a later version are skipped */
    assert_string_equal(h.store, "shm://x?db=1");
    assert_string_equal(h.ref.key, KEY);
    assert_int_equal(h.ref.size_bytes, 77);
    assert_int_equal(h.ref.flags, SKEP_REF_SUM);
    assert_true(h.ref.sum == 0x0123456789abcdefu);
    assert_true(h.ref.node == 0xdeadbeef);
    assert_string_equal(h.ref.locator, "p/7");
    assert_string_equal(h.codec, "safetensors");
    assert_int_equal(h.size, sizeof h);
    assert_int_equal(h.ref.size, sizeof h.ref);
    assert_int_equal(skep_handle_parse("memory:#k=" KEY, &h, NULL), SKEP_OK); /* nothing of the last one is left */
    assert_true(h.ref.size_bytes == SKEP_SIZE_UNKNOWN);
    assert_int_equal(h.ref.flags, 0);
    assert_true(h.ref.node == 0);
    assert_string_equal(h.ref.locator, "");
    assert_string_equal(h.codec, "");
}

static void refused(const char *text, int code, const char *because)
{
    skep_handle h = SKEP_HANDLE_INIT, before;
    skep_error err = {0, ""};
    int rc;

    memset(h.store, 'q', sizeof h.store);
    before = h;
    rc = skep_handle_parse(text, &h, &err);
    if (rc != code || strstr(err.text, because) == NULL)
        print_error("'%s' gave %s: '%s', not '%s'\n", text, skep_err_name(rc), err.text, because);
    assert_int_equal(rc, code);
    assert_int_equal(err.code, code);
    assert_non_null(strstr(err.text, because));
    assert_memory_equal(&h, &before, sizeof h); /* outputs only on success */
    assert_int_equal(skep_handle_parse(text, &h, NULL), code);
}

static void bad_frames_are_refused(void **state)
{
    char big[SKEP_HANDLE_MAX + 1];

    (void)state;
    refused("", SKEP_EFORMAT, "there is no '#'");
    refused("shm://x", SKEP_EFORMAT, "there is no '#' behind the store's URI");
    refused("shm://x#", SKEP_EFORMAT, "k= is missing");
    refused("#k=" KEY, SKEP_EFORMAT, "not a URI");
    refused("x#k=" KEY, SKEP_EFORMAT, "not a URI");
    refused("shm://a b#k=" KEY, SKEP_EFORMAT, "a space or a control character");
    refused("shm://x?a=1&a=2#k=" KEY, SKEP_EFORMAT, "option 'a' is given twice");
    refused("file:///../x#k=" KEY, SKEP_EFORMAT, "leads above the root");
    refused("shm://x#k=" KEY "#n=1", SKEP_EFORMAT, "is not one that a handle has");
    refused("shm://x#k=" KEY "\n", SKEP_EFORMAT, "byte 46 is not one that a handle has");
    refused("shm://x#k=" KEY " ", SKEP_EFORMAT, "is not one that a handle has");
    refused("shm://x#k=" KEY "&c=\xc3\xbc", SKEP_EFORMAT, "is not one that a handle has");
    refused("shm://x#k=" KEY "&", SKEP_EFORMAT, "after '#' come words");
    refused("shm://x#&k=" KEY, SKEP_EFORMAT, "after '#' come words");
    refused("shm://x#k=" KEY "&&n=1", SKEP_EFORMAT, "after '#' come words");
    refused("shm://x#k", SKEP_EFORMAT, "after '#' come words");
    refused("shm://x#=" KEY, SKEP_EFORMAT, "after '#' come words");
    memset(big, 'a', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    refused(big, SKEP_EFORMAT, "longer than 1151 bytes");
    memcpy(big, "shm://", 6);
    memcpy(big + SKEP_URI_MAX, "#k=" KEY, 40);
    refused(big, SKEP_EFORMAT, "640 bytes in front of '#', where 639 fit");
    memcpy(big + SKEP_URI_MAX - 1, "#k=" KEY, 40);
    {
        skep_handle h = SKEP_HANDLE_INIT;

        assert_int_equal(skep_handle_parse(big, &h, NULL), SKEP_OK);
        h.size = 8; /* not set by its initialiser */
        assert_int_equal(skep_handle_parse(big, &h, NULL), SKEP_EINVAL);
        assert_int_equal(skep_handle_parse(NULL, &h, NULL), SKEP_EINVAL);
        assert_int_equal(skep_handle_parse(big, NULL, NULL), SKEP_EINVAL);
    }
}

static void bad_words_are_refused(void **state)
{
    static const char *const keys[] = {"",
                                       "latest",
                                       "0F6f3bd5-1111-4222-8333-444455556666",
                                       "..%2f..%2fetc%2fpasswd",
                                       "0f6f3bd5-1111-4222-8333-444455556666a",
                                       "%30f6f3bd5-1111-4222-8333-444455556666"};
    static const char *const sizes[] = {
        "", "-1", "01", "1k", "0x1", "1.0", "+1", "9223372036854775808", "18446744073709551615", "99999999999999999999999"};
    static const char *const sums[] = {"t1.", "t1.0123456789abcde", "t1.0123456789abcdef0", "t1.0123456789ABCDEF",
                                       "t1.0123456789abcdeg"};
    static const char *const nodes[] = {"", "1", "0000000000000000", "00000000DEADBEEF", "0x000000deadbeef"};
    char text[SKEP_HANDLE_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        snprintf(text, sizeof text, "shm://x#k=%s", keys[i]);
        refused(text, SKEP_EFORMAT, "k= is not a UUID");
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        snprintf(text, sizeof text, "shm://x#k=" KEY "&n=%s", sizes[i]);
        refused(text, SKEP_EFORMAT, "n= is ");
    }
    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++) {
        snprintf(text, sizeof text, "shm://x#k=" KEY "&x=%s", sums[i]);
        refused(text, SKEP_EFORMAT, "x= is not t1. and sixteen hexadecimal digits");
    }
    for (size_t i = 0; i < sizeof nodes / sizeof nodes[0]; i++) {
        snprintf(text, sizeof text, "shm://x#k=" KEY "&h=%s", nodes[i]);
        refused(text, SKEP_EFORMAT, "h= is not sixteen hexadecimal digits");
    }
    refused("shm://x#k=" KEY "&x=t2.0123456789abcdef", SKEP_EVERSION, "checksum (x=) is of a kind");
    refused("shm://x#k=" KEY "&x=", SKEP_EVERSION, "checksum (x=) is of a kind");
    refused("shm://x#k=" KEY "&c=", SKEP_EFORMAT, "c= is empty");
    refused("shm://x#k=" KEY "&c=%0a", SKEP_EFORMAT, "c= is not well encoded");
    refused("shm://x#k=" KEY "&c=abcdefghijklmnopqrstuvwxyz012345", SKEP_EFORMAT, "c= is too long");
    refused("shm://x#k=" KEY "&l=%", SKEP_EFORMAT, "l= is not well encoded");
    refused("shm://x#k=" KEY "&l=", SKEP_EFORMAT, "l= is empty");
    snprintf(text, sizeof text, "shm://x#k=" KEY "&l=%096d", 0);
    refused(text, SKEP_EFORMAT, "l= is too long");
    refused("shm://x#k=" KEY "&Must=1", SKEP_EVERSION, "the handle says 'Must', which its reader must understand");
    refused("shm://x#K=" KEY, SKEP_EVERSION, "the handle says 'K'");
    refused("shm://x#k=" KEY "&1=2", SKEP_EFORMAT, "'1' does not begin with a letter");
    refused("shm://x#k=" KEY "&_=2", SKEP_EFORMAT, "'_' does not begin with a letter");
    refused("shm://x#k=" KEY "&n=1&k=" KEY, SKEP_EFORMAT, "'k' is there twice");
    refused("shm://x#k=" KEY "&later=1&n=1&later=2", SKEP_EFORMAT, "'later' is there twice");
    refused("shm://x#n=5", SKEP_EFORMAT, "k= is missing: no object is named");
}

static void what_can_not_be_read_is_not_written(void **state)
{
    skep_handle good = SKEP_HANDLE_INIT, bad;
    char out[SKEP_HANDLE_MAX] = "untouched";

    (void)state;
    assert_int_equal(skep_handle_parse("shm://x#k=" KEY "&n=5", &good, NULL), SKEP_OK);
    assert_int_equal(skep_handle_format(NULL, out, sizeof out), SKEP_EINVAL);
    assert_int_equal(skep_handle_format(&good, NULL, 0), SKEP_EINVAL);
    bad = good;
    snprintf(bad.ref.key, sizeof bad.ref.key, "latest");
    assert_int_equal(skep_handle_format(&bad, out, sizeof out), SKEP_EINVAL);
    bad = good;
    bad.ref.size_bytes = (uint64_t)INT64_MAX + 1;
    assert_int_equal(skep_handle_format(&bad, out, sizeof out), SKEP_EINVAL);
    bad = good;
    bad.codec[0] = '\n';
    assert_int_equal(skep_handle_format(&bad, out, sizeof out), SKEP_EINVAL);
    bad = good;
    bad.store[0] = '#';
    assert_int_equal(skep_handle_format(&bad, out, sizeof out), SKEP_EINVAL);
    bad = good;
    bad.store[3] = ' ';
    assert_int_equal(skep_handle_format(&bad, out, sizeof out), SKEP_EINVAL);
    bad = good;
    bad.store[0] = '\0';
    assert_int_equal(skep_handle_format(&bad, out, sizeof out), SKEP_EINVAL);
    bad = good;
    bad.size = 0;
    assert_int_equal(skep_handle_format(&bad, out, sizeof out), SKEP_EINVAL);
    assert_int_equal(skep_handle_format(&good, out, strlen("shm://x#k=" KEY "&n=5")), SKEP_ETOOBIG);
    assert_string_equal(out, "untouched");
    assert_int_equal(skep_handle_format(&good, out, strlen("shm://x#k=" KEY "&n=5") + 1), SKEP_OK);
    bad = good;
    snprintf(bad.codec, sizeof bad.codec, "raw"); /* needs no word */
    assert_int_equal(skep_handle_format(&bad, out, sizeof out), SKEP_OK);
    assert_string_equal(out, "shm://x#k=" KEY "&n=5");
}

static void the_longest_handle_fits(void **state)
{
    skep_handle h = SKEP_HANDLE_INIT, again = SKEP_HANDLE_INIT;
    char out[SKEP_HANDLE_MAX];

    (void)state;
    assert_int_equal(
        skep_handle_parse("shm://x#k=" KEY "&n=9223372036854775807&x=t1.ffffffffffffffff&h=ffffffffffffffff", &h, NULL),
        SKEP_OK);
    memset(h.store + 7, 'x', SKEP_URI_MAX - 8);
    memset(h.codec, ' ', SKEP_CODEC_MAX - 1);
    memset(h.ref.locator, '&', SKEP_LOCATOR_MAX - 1);
    assert_int_equal(skep_handle_format(&h, out, sizeof out), SKEP_OK);
    assert_int_equal(skep_handle_parse(out, &again, NULL), SKEP_OK);
    assert_memory_equal(&h, &again, sizeof h);
}

/* ---- policies ------------------------------------------------------------------------------------ */

static void judge(const char *policy, const char *store, int expected)
{
    skep_policy *p = NULL;
    skep_error err = {0, ""};
    int rc;

    assert_int_equal(skep_policy_parse(policy, &p, &err), SKEP_OK);
    rc = skep_policy_check(p, store, &err);
    if (rc != expected)
        print_error("policy '%s', store '%s': %s\n", policy, store, skep_err_name(rc));
    assert_int_equal(rc, expected);
    assert_int_equal(err.code, rc);
    skep_policy_unref(p);
}

static void policies_judge(void **state)
{
    static const struct {
        const char *policy, *yes, *no;
    } rows[] = {
        {"all", "redis://h:1/0", NULL},
        {"all", "fault+shm://x", NULL},
        {"none", NULL, "shm://x"},
        {"none, shm:", "shm://x", "file:///x"},
        {"shm:", "shm://x", "fault+shm://x"},
        {"shm:", "shm:", "shmx://x"},
        {"shm:,file:", "file:///x", "memory:"},
        {"fault+shm:", "fault+shm://x", "shm://x"},
        {"shm://campaign", "shm://campaign", "shm://campaign2"},
        {"shm://campaign", "shm://campaign?session=on", "shm:"},
        {"shm://campaign?session=on", "shm://campaign?session=on", "shm://campaign"},
        {"redis://host", "redis://host:6379/0", "redis://host.evil/0"},
        {"redis://host:6379", "redis://host:6379/0", "redis://host:6380/0"},
        {"redis://host:6379", "redis://me@host:6379/0", "redis://host/0"},
        {"redis://me@host", "redis://me@host:6379/0", "redis://you@host/0"},
        {"redis://[::1]:1", "redis://[::1]:1/0", "redis://[::2]:1/0"},
        {"file:///scratch", "file:///scratch", "file:///scratchy"},
        {"file:///scratch", "file:///scratch/a/b", "file:///etc"},
        {"file:///scratch/", "file:///scratch/a", "file:///scratch/../etc"},
        {"file:///scratch", "file:///etc/../scratch/a", "file:///scratch/a/../../etc"},
        {"file:///scratch", "file:///scratch/%2e%2e/scratch", "file:///scratch/%2e%2e/etc"},
        {"file:///scratch", "file:/scratch//a", "file:"},
        {"file:///a/../scratch", "file:///scratch/x", "file:///a"},
        {"file:///", "file:///etc", "file:"},
        {"file:///a%2cb", "file:///a,b", "file:///a"},
        {" \t shm://a ,, shm://b\n", "shm://b", "shm://c"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].yes != NULL)
            judge(rows[i].policy, rows[i].yes, SKEP_OK);
        if (rows[i].no != NULL)
            judge(rows[i].policy, rows[i].no, SKEP_EDENIED);
    }
    judge("all", "nonsense", SKEP_EINVAL);
    judge("file:///scratch", "file:///scratch/../../etc", SKEP_EINVAL);
}

static void bad_policies_are_refused(void **state)
{
    static const struct {
        const char *policy, *because;
    } rows[] = {
        {NULL, "it is empty"},
        {"", "it is empty"},
        {" , ", "it is empty"},
        {"everything", "everything: not a URI"},
        {"shm: file", "file: not a URI"},
        {"file:///../x", "leads above the root"},
    };
    skep_policy *p = NULL;
    skep_error err;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(skep_policy_parse(rows[i].policy, &p, &err), SKEP_EINVAL);
        assert_non_null(strstr(err.text, rows[i].because));
        assert_null(p);
    }
    skep_policy_unref(NULL);
    assert_null(skep_policy_ref(NULL));
}

static void a_denial_names_the_store(void **state)
{
    skep_error err;

    (void)state;
    assert_int_equal(skep_policy_check(NULL, "redis://host:6379/0?secret=hush", &err), SKEP_EDENIED);
    assert_non_null(strstr(err.text, "redis://host/0: the policy on handles does not allow this store (SKEP_ALLOW"));
    assert_null(strstr(err.text, "hush"));
}

static void no_policy_means_the_default(void **state)
{
    skep_policy *mine;
    skep_error err;

    (void)state;
    assert_int_equal(skep_policy_check(NULL, "shm://x", NULL), SKEP_OK);
    assert_int_equal(skep_policy_check(NULL, "memory:", NULL), SKEP_OK);
    assert_int_equal(skep_policy_check(NULL, "file:///x", NULL), SKEP_OK);
    assert_int_equal(skep_policy_check(NULL, "redis://h", NULL), SKEP_EDENIED);
    assert_int_equal(skep_policy_check(NULL, "fault+shm://x", NULL), SKEP_EDENIED);

    assert_int_equal(skep_policy_parse("redis://h", &mine, NULL), SKEP_OK);
    skep_policy_default(mine);
    skep_policy_unref(mine); /* the default has a reference of its own */
    assert_int_equal(skep_policy_check(NULL, "redis://h", NULL), SKEP_OK);
    assert_int_equal(skep_policy_check(NULL, "shm://x", NULL), SKEP_EDENIED);

    setenv("SKEP_ALLOW", "file:///scratch", 1); /* goes over it */
    assert_int_equal(skep_policy_check(NULL, "file:///scratch/a", NULL), SKEP_OK);
    assert_int_equal(skep_policy_check(NULL, "redis://h", NULL), SKEP_EDENIED);
    setenv("SKEP_ALLOW", "everything", 1);
    assert_int_equal(skep_policy_check(NULL, "file:///scratch/a", &err), SKEP_EINVAL);
    assert_int_equal(strncmp(err.text, "SKEP_ALLOW: policy: everything", 30), 0);
    setenv("SKEP_ALLOW", "", 1); /* counts as not set */
    assert_int_equal(skep_policy_check(NULL, "redis://h", NULL), SKEP_OK);
    unsetenv("SKEP_ALLOW");
    skep_policy_default(NULL);
    assert_int_equal(skep_policy_check(NULL, "shm://x", NULL), SKEP_OK);
}

static void *check_many(void *denied)
{
    for (int i = 0; i < 2000; i++)
        if (skep_policy_check(NULL, "shm://x", NULL) != SKEP_OK)
            ++*(int *)denied;
    return NULL;
}

static void the_default_may_change_under_way(void **state)
{
    skep_policy *a, *b;
    int denied[2] = {0, 0};
    pthread_t t[2];

    (void)state;
    assert_int_equal(skep_policy_parse("shm:", &a, NULL), SKEP_OK);
    assert_int_equal(skep_policy_parse("shm://x file:", &b, NULL), SKEP_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&t[i], NULL, check_many, &denied[i]), 0);
    for (int i = 0; i < 2000; i++)
        skep_policy_default(i % 2 == 0 ? a : b);
    for (int i = 0; i < 2; i++) {
        pthread_join(t[i], NULL);
        assert_int_equal(denied[i], 0);
    }
    skep_policy_default(NULL);
    skep_policy_unref(a);
    skep_policy_unref(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(every_word_is_read),
        cmocka_unit_test(bad_frames_are_refused),
        cmocka_unit_test(bad_words_are_refused),
        cmocka_unit_test(what_can_not_be_read_is_not_written),
        cmocka_unit_test(the_longest_handle_fits),
        cmocka_unit_test(policies_judge),
        cmocka_unit_test(bad_policies_are_refused),
        cmocka_unit_test(a_denial_names_the_store),
        cmocka_unit_test(no_policy_means_the_default),
        cmocka_unit_test(the_default_may_change_under_way),
    };

    unsetenv("SKEP_ALLOW");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
