/* faults.c - conformance when operations fail: the code comes back, nothing half-done is seen, the next try works. */
#include "tests/conformance/conformance.h"

#include "proxy/base/alloc.h"
#include "proxy/store/connectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the operations under test work on. */
struct bench {
    skep_store *store;
    skep_ref here;  /* an object that is there, 1000 bytes, seed 1 */
    skep_ref fresh; /* a key that no object has until `act` puts one */
    char handle[SKEP_HANDLE_MAX];
    int got; /* `act` wrote an output */
};

static void name_fresh(struct bench *b)
{
    static unsigned n;
    char key[32];

    snprintf(key, sizeof key, "fresh-%u", ++n);
    assert_int_equal(skep_ref_key(key, &b->fresh), SKEP_OK);
}

static skep_put_opts fresh_opts(struct bench *b)
{
    skep_put_opts opts = SKEP_PUT_OPTS_INIT;

    name_fresh(b);
    opts.key = b->fresh.key;
    return opts;
}

static int act_put(struct bench *b)
{
    skep_put_opts opts = fresh_opts(b);
    skep_ref out = SKEP_REF_INIT;
    int rc = skep_store_put(b->store, "fresh", 5, &opts, &out, &conf_err);

    b->got = out.key[0] != 0;
    return rc;
}

static int act_put_batch(struct bench *b)
{
    skep_put_opts opts = fresh_opts(b);
    char text[] = "fresh";
    struct iovec item = {text, 5};
    skep_ref out;
    size_t done = 0;
    int rc = skep_store_put_batch(b->store, &item, 1, &opts, &out, &done, &conf_err);

    b->got = done != 0;
    return rc;
}

static int act_reserve(struct bench *b)
{
    skep_put_opts opts = fresh_opts(b);
    skep_slot *slot = NULL;
    skep_ref out = SKEP_REF_INIT;
    int rc = skep_store_reserve(b->store, 5, &opts, &slot, &conf_err);

    assert_int_equal(slot != NULL, rc == SKEP_OK);
    if (rc == SKEP_OK) {
        memcpy(skep_slot_data(slot), "fresh", 5);
        rc = skep_slot_commit(&slot, &out, &conf_err);
    }
    assert_null(slot);
    b->got = out.key[0] != 0;
    return rc;
}

static int act_get(struct bench *b)
{
    skep_buf *buf = NULL;
    int rc = skep_store_get(b->store, &b->here, SKEP_FOREVER, &buf, &conf_err);

    b->got = buf != NULL;
    skep_buf_unref(buf);
    return rc;
}

static int act_get_batch(struct bench *b)
{
    skep_buf *buf = NULL;
    size_t done = 0;
    int rc = skep_store_get_batch(b->store, &b->here, 1, SKEP_FOREVER, &buf, &done, &conf_err);

    b->got = done != 0;
    if (done != 0)
        skep_buf_unref(buf);
    return rc;
}

static int act_read(struct bench *b)
{
    char bytes[8] = "before";
    int rc = skep_store_read(b->store, &b->here, 0, 8, bytes, SKEP_FOREVER, &conf_err);

    b->got = memcmp(bytes, "before", 6) != 0;
    return rc;
}

static int act_exists(struct bench *b)
{
    int there = -1;
    int rc = skep_store_exists(b->store, &b->here, SKEP_FOREVER, &there, NULL, &conf_err);

    b->got = there != -1;
    return rc;
}

static int act_exists_batch(struct bench *b)
{
    size_t done = 0;
    int there;
    int rc = skep_store_exists_batch(b->store, &b->here, 1, SKEP_FOREVER, &there, &done, &conf_err);

    b->got = done != 0;
    return rc;
}

static int act_evict(struct bench *b)
{
    b->got = 0;
    return skep_store_evict(b->store, &b->here, SKEP_FOREVER, &conf_err);
}

static int act_evict_batch(struct bench *b)
{
    size_t done = 0;
    int rc = skep_store_evict_batch(b->store, &b->here, 1, SKEP_FOREVER, &done, &conf_err);

    b->got = done != 0;
    return rc;
}

static int act_wait(struct bench *b)
{
    b->got = 0;
    return skep_store_wait(b->store, &b->here, SKEP_FOREVER, &conf_err);
}

static int count_entry(const skep_entry *entry, void *arg)
{
    (void)entry;
    ++*(int *)arg;
    return 0;
}

static int act_list(struct bench *b)
{
    b->got = 0;
    return skep_store_list(b->store, count_entry, &b->got, &conf_err);
}

static int act_name_set(struct bench *b)
{
    b->got = 0;
    return skep_store_name_set(b->store, "latest", b->handle, SKEP_FOREVER, &conf_err);
}

static int act_name_get(struct bench *b)
{
    char out[SKEP_HANDLE_MAX] = "";
    int rc = skep_store_name_get(b->store, "given", out, sizeof out, SKEP_FOREVER, &conf_err);

    b->got = out[0] != 0;
    return rc;
}

struct op {
    const char *name;
    size_t member; /* of the connector's table, that has it or not */
    int (*act)(struct bench *b);
};
#define OP(name, act)                                                                                                       \
    {                                                                                                                       \
#name, offsetof(skep_connector, name), act                                                                          \
    }
static const struct op ops[] = {
    OP(put, act_put),
    OP(reserve, act_reserve),
    OP(commit, act_reserve),
    OP(get, act_get),
    OP(read, act_read),
    OP(exists, act_exists),
    OP(evict, act_evict),
    OP(wait, act_wait),
    OP(list, act_list),
    OP(name_set, act_name_set),
    OP(name_get, act_name_get),
    OP(put_batch, act_put_batch),
    OP(get_batch, act_get_batch),
    OP(exists_batch, act_exists_batch),
    OP(evict_batch, act_evict_batch),
};

static int has_op(const char *uri, const struct op *op)
{
    const struct skepi_connector *connector;
    void (*member)(void);

    CONF_OK(skepi_connector_find(uri, &connector, &conf_err));
    memcpy(&member, (const char *)&connector->table + op->member, sizeof member);
    return member != NULL;
}

static void set_up(struct bench *b, const char *uri, const char *options)
{
    skep_proxy *proxy = NULL;

    memset(b, 0, sizeof *b);
    b->store = conf_open(uri, options);
    b->here = conf_put(b->store, 1000, 1);
    CONF_OK(skep_store_proxy_of(b->store, &b->here, NULL, &proxy, &conf_err));
    CONF_OK(skep_proxy_handle(proxy, b->handle, sizeof b->handle));
    skep_proxy_unref(proxy);
    if (conf_has(CONF_NAMES))
        CONF_OK(skep_store_name_set(b->store, "given", b->handle, SKEP_FOREVER, &conf_err));
}

static void tear_down(struct bench *b)
{
    skep_store_unref(b->store);
}

/* The n-th of them fails: `before` of the kind were made by set_up. */
static void fail_one(const char *uri, const struct op *op)
{
    unsigned before = strcmp(op->name, "put") == 0 || strcmp(op->name, "name_set") == 0;
    char options[128];
    struct bench b;
    size_t objects = 0;

    snprintf(options, sizeof options, "cache=0&fault_op=%s&fault_nth=%u&fault_error=eunreach", op->name, before + 2);
    set_up(&b, uri, options);
    CONF_OK(op->act(&b));
    if (op->act == act_evict || op->act == act_evict_batch)
        b.here = conf_put(b.store, 1000, 1);
    if (b.fresh.key[0] != 0 && conf_has(CONF_LIST))
        objects = conf_count(b.store);
    CONF_FAILS(op->act(&b), SKEP_EUNREACH);
    assert_false(b.got);
    assert_memory_equal(conf_err.text, "fault+", 6);
    assert_non_null(strstr(conf_err.text, op->name));
    if (b.fresh.key[0] != 0) {
        assert_false(conf_there(b.store, &b.fresh));
        if (conf_has(CONF_LIST))
            assert_int_equal(conf_count(b.store), objects);
    }
    assert_true(conf_there(b.store, &b.here)); /* an evict that failed has not evicted */
    CONF_OK(op->act(&b));
    tear_down(&b);
}

static void each_operation_fails(const char *uri)
{
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        if (has_op(uri, &ops[i]))
            fail_one(uri, &ops[i]);
        else
            print_message("  %s: the connector leaves it to the core\n", ops[i].name);
    }
}

static void open_fails(const char *uri)
{
    char text[SKEP_URI_MAX];
    skep_store *store = NULL;

    conf_with(uri, "fault_op=open&fault_nth=1&fault_error=etimedout", text);
    CONF_FAILS(skep_store_open(text, NULL, &store, &conf_err), SKEP_ETIMEDOUT);
    assert_null(store);
    store = conf_open(uri, NULL);
    conf_put(store, 1, 1);
    skep_store_unref(store);
}

/* A little of everything; *wrong is 0 while each call succeeds or fails with `code` and leaves things whole. */
static int scenario(const char *uri, const char *options, int code)
{
    char handle[SKEP_HANDLE_MAX];
    char out[SKEP_HANDLE_MAX];
    char text[SKEP_URI_MAX];
    unsigned char bytes[300];
    skep_store *store = NULL;
    skep_proxy *proxy = NULL;
    skep_proxy *other = NULL;
    skep_slot *slot = NULL;
    skep_buf *buf = NULL;
    const void *data;
    size_t size, done;
    int there, failures = 0;
    skep_ref ref = SKEP_REF_INIT;
    skep_ref second = SKEP_REF_INIT;
    struct iovec item = {bytes, sizeof bytes};

#define TRY(call)                                                                                                           \
    do {                                                                                                                    \
        int rc_ = (call);                                                                                                   \
        if (rc_ == code && code != SKEP_OK)                                                                                 \
            failures++, rc_ = (call);                                                                                       \
        conf_ok(rc_, #call, __FILE__, __LINE__);                                                                            \
    } while (0)

    conf_with(uri, options, text);
    conf_fill(bytes, sizeof bytes, 1);
    TRY(skep_store_open(text, NULL, &store, &conf_err));
    TRY(skep_store_put(store, bytes, sizeof bytes, NULL, &ref, &conf_err));
    TRY(skep_store_exists(store, &ref, SKEP_FOREVER, &there, NULL, &conf_err));
    assert_true(there);
    TRY(skep_store_read(store, &ref, 0, 10, out, SKEP_FOREVER, &conf_err));
    TRY(skep_store_get(store, &ref, SKEP_FOREVER, &buf, &conf_err));
    assert_true(conf_is_filled(skep_buf_data(buf), sizeof bytes, 1));
    skep_buf_unref(buf);
    buf = NULL;
    TRY(skep_store_wait(store, &ref, SKEP_FOREVER, &conf_err));
    TRY(skep_store_reserve(store, 10, NULL, &slot, &conf_err));
    memset(skep_slot_data(slot), 1, 10);
    if (skep_slot_commit(&slot, &second, &conf_err) != SKEP_OK) {
        assert_int_equal(conf_err.code, code);
        failures++;
        assert_null(slot);
    }
    TRY(skep_store_put_batch(store, &item, 1, NULL, &second, &done, &conf_err));
    TRY(skep_store_get_batch(store, &second, 1, SKEP_FOREVER, &buf, &done, &conf_err));
    skep_buf_unref(buf);
    TRY(skep_store_proxy(store, bytes, sizeof bytes, NULL, &proxy, &conf_err));
    CONF_OK(skep_proxy_handle(proxy, handle, sizeof handle));
    TRY(skep_proxy_open(handle, NULL, &other, &conf_err));
    TRY(skep_proxy_resolve(other, SKEP_FOREVER, &data, &size, &conf_err));
    assert_true(conf_is_filled(data, sizeof bytes, 1));
    if (conf_has(CONF_NAMES)) {
        TRY(skep_store_name_set(store, "n", handle, SKEP_FOREVER, &conf_err));
        TRY(skep_store_name_get(store, "n", out, sizeof out, SKEP_FOREVER, &conf_err));
        assert_string_equal(out, handle);
        TRY(skep_store_name_set(store, "n", NULL, SKEP_FOREVER, &conf_err));
    }
    if (conf_has(CONF_LIST)) {
        there = 0;
        TRY(skep_store_list(store, count_entry, &there, &conf_err));
    }
    TRY(skep_proxy_evict(other, SKEP_FOREVER, &conf_err));
    TRY(skep_store_evict(store, &ref, SKEP_FOREVER, &conf_err));
    TRY(skep_store_evict_batch(store, &second, 1, SKEP_FOREVER, &done, &conf_err));
    skep_proxy_unref(other);
    skep_proxy_unref(proxy);
    skep_store_unref(store);
    return failures;
#undef TRY
}

static void any_operation_fails(const char *uri)
{
    char options[96];
    unsigned n = 2; /* 1 would be the open, and the next open begins to count anew */
    int failures;

    do {
        snprintf(options, sizeof options, "cache=1m&fault_nth=%u&fault_error=enospc", n++);
        failures = scenario(uri, options, SKEP_ENOSPC);
    } while (failures != 0);
    assert_true(n > 12); /* the faults were met */
}

static void any_allocation_fails(const char *uri)
{
    size_t n = 0;
    int failures;

    scenario(uri, "cache=1m", SKEP_OK); /* what is made once is made */
    do {
        skepi_alloc_fail_at(++n);
        failures = scenario(uri, "cache=1m", SKEP_ENOMEM);
    } while (skepi_alloc_fail_at(0) >= n && n < 10000);
    assert_int_equal(failures, 0);
    assert_true(n > 12);
}

static void corruption_is_found(const char *uri)
{
    skep_store *store = conf_open(uri, "cache=1m&checksum=on&fault_op=get&fault_kind=corrupt&fault_nth=1");
    skep_ref ref = conf_put(store, 100000, 1);
    skep_buf *buf = NULL;

    CONF_FAILS(skep_store_get(store, &ref, SKEP_FOREVER, &buf, &conf_err), SKEP_ECORRUPT);
    assert_null(buf);
    CONF_OK(skep_store_get(store, &ref, SKEP_FOREVER, &buf, &conf_err)); /* nothing bad was kept */
    assert_true(conf_is_filled(skep_buf_data(buf), 100000, 1));
    skep_buf_unref(buf);
    skep_store_unref(store);
}

static void corruption_unchecked(const char *uri)
{
    skep_store *store = conf_open(uri, "cache=0&checksum=on&verify=off&fault_op=get&fault_kind=corrupt&fault_nth=1");
    skep_ref ref = conf_put(store, 100000, 1);
    skep_buf *buf = NULL;

    CONF_OK(skep_store_get(store, &ref, SKEP_FOREVER, &buf, &conf_err));
    assert_false(conf_is_filled(skep_buf_data(buf), 100000, 1)); /* so the case above has something to find */
    skep_buf_unref(buf);
    skep_store_unref(store);
}

static void corruption_of_a_part(const char *uri)
{
    skep_store *store = conf_open(uri, "cache=0&checksum=on&verify=full&fault_op=get&fault_kind=corrupt&fault_nth=1");
    skep_ref ref = conf_put(store, 100000, 1);
    char part[8];

    CONF_FAILS(skep_store_read(store, &ref, 0, sizeof part, part, SKEP_FOREVER, &conf_err), SKEP_ECORRUPT);
    CONF_OK(skep_store_read(store, &ref, 0, sizeof part, part, SKEP_FOREVER, &conf_err));
    skep_store_unref(store);
}

static void delay_over_deadline(const char *uri)
{
    skep_store *store = conf_open(uri, "cache=0&fault_op=get&fault_kind=delay&fault_every=1&fault_delay=30s");
    skep_ref ref = conf_put(store, 10, 1);
    uint64_t begin = skep_now_ns();
    skep_buf *buf = NULL;

    CONF_FAILS(skep_store_get(store, &ref, skep_in_ms(50), &buf, &conf_err), SKEP_ETIMEDOUT);
    assert_true(skep_now_ns() - begin < 10000000000u);
    skep_store_unref(store);
}

static void *evict_slowly(void *arg)
{
    struct bench *b = arg;

    b->got = skep_store_evict(b->store, &b->here, SKEP_FOREVER, NULL);
    return NULL;
}

/* What a get finds while an evict goes on may be kept no longer than that. */
static void get_during_evict(const char *uri)
{
    struct bench b;
    pthread_t thread;
    uint64_t by_ns;
    skep_buf *buf = NULL;

    set_up(&b, uri, "cache=1m&fault_op=evict&fault_kind=delay&fault_nth=1&fault_delay=200ms");
    assert_int_equal(pthread_create(&thread, NULL, evict_slowly, &b), 0);
    for (by_ns = skep_in_ms(150); skep_now_ns() < by_ns; usleep(5000))
        if (skep_store_get(b.store, &b.here, SKEP_FOREVER, &buf, NULL) == SKEP_OK)
            skep_buf_unref(buf);
    pthread_join(thread, NULL);
    assert_int_equal(b.got, SKEP_OK);
    CONF_FAILS(skep_store_get(b.store, &b.here, SKEP_FOREVER, &buf, &conf_err), SKEP_ENOENT);
    tear_down(&b);
}

static void killed_in_a_put(const char *uri)
{
    skep_store *store = conf_open(uri, NULL);
    char text[SKEP_URI_MAX];
    skep_ref ref;

    conf_with(uri, "fault_op=put&fault_kind=kill&fault_nth=1", text);
    assert_int_equal(conf_wait(conf_spawn("put", text, "doomed", "100000", "1", "0")), -SIGKILL);
    CONF_OK(skep_ref_key("doomed", &ref));
    assert_false(conf_there(store, &ref));
    assert_int_equal(conf_wait(conf_spawn("put", uri, "doomed", "100000", "1", "0")), 0);
    assert_true(conf_there(store, &ref));
    skep_store_unref(store);
}

static void bad_faults(const char *uri)
{
    static const char *const options[] = {"fault_op=nothing", "fault_error=eweird", "fault_kind=corrupt&fault_op=put",
                                          "fault_nth=-1", "fault_nth=x"};
    char text[SKEP_URI_MAX];
    skep_store *store = NULL;

    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        conf_with(uri, options[i], text);
        CONF_FAILS(skep_store_open(text, NULL, &store, &conf_err), SKEP_EINVAL);
        assert_null(store);
    }
}

const struct conf_case conf_faults[] = {
    {"each operation fails", CONF_FAULT, each_operation_fails},
    {"open fails", CONF_FAULT, open_fails},
    {"any operation fails", CONF_FAULT, any_operation_fails},
    {"any allocation fails", 0, any_allocation_fails},
    {"corruption is found", CONF_FAULT, corruption_is_found},
    {"corruption that nobody looks for", CONF_FAULT, corruption_unchecked},
    {"corruption of a part", CONF_FAULT, corruption_of_a_part},
    {"a delay over the deadline", CONF_FAULT, delay_over_deadline},
    {"a get during an evict", CONF_FAULT, get_during_evict},
    {"killed in a put", CONF_FAULT | SKEP_CAP_SHARED, killed_in_a_put},
    {"bad faults", CONF_FAULT, bad_faults},
    {NULL, 0, NULL},
};
