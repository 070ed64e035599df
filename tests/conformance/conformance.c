/* conformance.c - runs the cases on a connector, plain and through fault+, and helps them. */
#include "tests/conformance/conformance.h"

#include "proxy/store/connectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN
#endif

#define CASES_MAX 256
#define ARGS_MAX  12

skep_error conf_err;

static const struct conf_fixture *fixture;
static uint32_t caps;

struct run {
    const struct conf_case *c;
    int through_fault;
    char name[96];
    char uri[SKEP_URI_MAX];
};

/* ---- help for cases ---- */

void conf_ok(int rc, const char *call, const char *file, int line)
{
    if (rc == SKEP_OK)
        return;
    print_error("%s:%d: %s gave %s: %s\n", file, line, call, skep_err_name(rc), conf_err.text);
    _fail(file, line);
}

void conf_fails(int rc, int code, const char *call, const char *file, int line)
{
    if (rc == code && conf_err.code == code && conf_err.text[0] != 0)
        return;
    print_error("%s:%d: %s gave %s (err has %s: %s), and should give %s\n", file, line, call, skep_err_name(rc),
                skep_err_name(conf_err.code), conf_err.text, skep_err_name(code));
    _fail(file, line);
}

void conf_with(const char *uri, const char *options, char out[SKEP_URI_MAX])
{
    if (options == NULL)
        snprintf(out, SKEP_URI_MAX, "%s", uri);
    else
        snprintf(out, SKEP_URI_MAX, "%s%c%s", uri, strchr(uri, '?') != NULL ? '&' : '?', options);
}

skep_store *conf_open(const char *uri, const char *options)
{
    char text[SKEP_URI_MAX];
    skep_store *store = NULL;

    conf_with(uri, options, text);
    CONF_OK(skep_store_open(text, NULL, &store, &conf_err));
    return store;
}

int conf_has(uint32_t need)
{
    return (caps & need) == need;
}

static int is_on(const char *variable)
{
    const char *value = getenv(variable);

    return value != NULL && strcmp(value, "1") == 0;
}

int conf_full(void)
{
    return is_on("SKEP_TEST_FULL");
}

int conf_rounds(int quick)
{
    return is_on("SKEP_TEST_SOAK") ? quick * 30 : quick;
}

static uint64_t word_at(size_t i, unsigned seed)
{
    return (i + 1) * 0x9e3779b97f4a7c15u ^ (uint64_t)seed << 17;
}

void conf_fill(void *bytes, size_t size, unsigned seed)
{
    unsigned char *p = bytes;

    for (size_t i = 0; i * 8 < size; i++) {
        uint64_t word = word_at(i, seed);

        memcpy(p + i * 8, &word, size - i * 8 < 8 ? size - i * 8 : 8);
    }
}

int conf_is_filled(const void *bytes, size_t size, unsigned seed)
{
    const unsigned char *p = bytes;

    for (size_t i = 0; i * 8 < size; i++) {
        uint64_t word = word_at(i, seed);

        if (memcmp(p + i * 8, &word, size - i * 8 < 8 ? size - i * 8 : 8) != 0)
            return 0;
    }
    return 1;
}

skep_ref conf_put(skep_store *store, size_t size, unsigned seed)
{
    void *bytes = malloc(size + 1);
    skep_ref ref;

    assert_non_null(bytes);
    conf_fill(bytes, size, seed);
    CONF_OK(skep_store_put(store, bytes, size, NULL, &ref, &conf_err));
    free(bytes);
    return ref;
}

void conf_check(skep_store *store, const skep_ref *ref, size_t size, unsigned seed)
{
    skep_buf *buf = NULL;
    uint64_t have = 0;
    int there = 0;

    CONF_OK(skep_store_get(store, ref, SKEP_FOREVER, &buf, &conf_err));
    assert_int_equal(skep_buf_size(buf), size);
    assert_true(conf_is_filled(skep_buf_data(buf), size, seed));
    assert_int_equal((uintptr_t)skep_buf_data(buf) % 64, 0);
    CONF_OK(skep_store_exists(store, ref, SKEP_FOREVER, &there, &have, &conf_err));
    assert_int_equal(there, 1);
    assert_int_equal(have, size);
    skep_buf_unref(buf);
}

int conf_there(skep_store *store, const skep_ref *ref)
{
    int there = -1;

    CONF_OK(skep_store_exists(store, ref, SKEP_FOREVER, &there, NULL, &conf_err));
    return there;
}

static int count_object(const skep_entry *entry, void *arg)
{
    *(size_t *)arg += entry->name == NULL;
    return 0;
}

size_t conf_count(skep_store *store)
{
    size_t n = 0;

    CONF_OK(skep_store_list(store, count_object, &n, &conf_err));
    return n;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

void conf_remove_tree(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- the second process ---- */

int conf_spawn_args(const char *const *words)
{
    char *args[ARGS_MAX] = {(char *)(uintptr_t) "conformance", (char *)(uintptr_t) "--child"};
    extern char **environ;
    size_t n = 2;
    pid_t pid;

    for (; *words != NULL && n + 1 < ARGS_MAX; words++)
        args[n++] = (char *)(uintptr_t)*words;
    assert_int_equal(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, args, environ), 0);
    return pid;
}

int conf_wait(int pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int say(const skep_error *err)
{
    print_error("second process: %s: %s\n", skep_err_name(err->code), err->text);
    return 1;
}

/* HANDLE SIZE SEED: resolve it and look at the bytes. */
static int child_resolve(char **args)
{
    size_t size = strtoul(args[1], NULL, 10);
    unsigned seed = (unsigned)strtoul(args[2], NULL, 10);
    skep_proxy *proxy;
    const void *bytes;
    size_t have;
    int bad;

    if (skep_proxy_open(args[0], NULL, &proxy, &conf_err) != SKEP_OK)
        return say(&conf_err);
    if (skep_proxy_resolve(proxy, SKEP_FOREVER, &bytes, &have, &conf_err) != SKEP_OK) {
        skep_proxy_unref(proxy);
        return say(&conf_err);
    }
    bad = have != size || !conf_is_filled(bytes, size, seed);
    skep_proxy_unref(proxy);
    return bad;
}

/* URI KEY SIZE SEED DELAY_MS: put an object under a key, after a while. */
static int child_put(char **args)
{
    size_t size = strtoul(args[2], NULL, 10);
    unsigned long delay = strtoul(args[4], NULL, 10);
    struct timespec pause = {.tv_sec = (time_t)(delay / 1000), .tv_nsec = (long)(delay % 1000 * 1000000)};
    skep_put_opts opts = SKEP_PUT_OPTS_INIT;
    skep_store *store;
    void *bytes = malloc(size + 1);
    int rc;

    opts.key = args[1];
    nanosleep(&pause, NULL);
    if (bytes == NULL)
        return 1;
    conf_fill(bytes, size, (unsigned)strtoul(args[3], NULL, 10));
    rc = skep_store_open(args[0], NULL, &store, &conf_err);
    if (rc == SKEP_OK) {
        rc = skep_store_put(store, bytes, size, &opts, NULL, &conf_err);
        skep_store_unref(store);
    }
    free(bytes);
    return rc == SKEP_OK ? 0 : say(&conf_err);
}

/* HANDLE: evict what it stands for. */
static int child_evict(char **args)
{
    skep_proxy *proxy;
    int rc;

    if (skep_proxy_open(args[0], NULL, &proxy, &conf_err) != SKEP_OK)
        return say(&conf_err);
    rc = skep_proxy_evict(proxy, SKEP_FOREVER, &conf_err);
    skep_proxy_unref(proxy);
    return rc == SKEP_OK ? 0 : say(&conf_err);
}

/* URI NAME HANDLE: give a name. */
static int child_name(char **args)
{
    skep_store *store;
    int rc;

    if (skep_store_open(args[0], NULL, &store, &conf_err) != SKEP_OK)
        return say(&conf_err);
    rc = skep_store_name_set(store, args[1], args[2], SKEP_FOREVER, &conf_err);
    skep_store_unref(store);
    return rc == SKEP_OK ? 0 : say(&conf_err);
}

static int run_child(int argc, char **argv)
{
    static const struct {
        const char *verb;
        int n;
        int (*run)(char **args);
    } verbs[] = {{"resolve", 3, child_resolve}, {"put", 5, child_put}, {"evict", 1, child_evict}, {"name", 3, child_name}};

    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(argv[2], verbs[i].verb) == 0 && argc == 3 + verbs[i].n)
            return verbs[i].run(argv + 3);
    return 2;
}

/* ---- running ---- */

static int set_up(void **state)
{
    struct run *run = *state;

    return fixture->up(run->uri);
}

static int tear_down(void **state) /* after a case that failed, too */
{
    struct run *run = *state;

    fixture->down(run->uri);
    return 0;
}

static void run_case(void **state)
{
    const struct run *run = *state;
    char uri[SKEP_URI_MAX];

    snprintf(uri, sizeof uri, "%.7s%.600s", run->through_fault ? "fault+" : "", run->uri);
    run->c->run(uri);
}

static int ignore_entry(const skep_entry *entry, void *arg)
{
    (void)entry, (void)arg;
    return 0;
}

static int find_caps(void)
{
    const struct skepi_connector *connector;
    char uri[SKEP_URI_MAX];
    char text[8];
    skep_store *store;
    int rc;

    if (fixture->up(uri) != 0)
        return 1;
    if (skepi_connector_find(fixture->scheme, &connector, &conf_err) != SKEP_OK ||
        skep_store_open(uri, NULL, &store, &conf_err) != SKEP_OK) {
        print_error("%s\n", conf_err.text);
        return 1;
    }
    caps = connector->table.caps;
#ifndef HAS_ASAN
    caps |= CONF_MALLOC_FORKS;
#endif
    rc = skep_store_list(store, ignore_entry, NULL, NULL);
    caps |= rc != SKEP_ENOTSUP ? CONF_LIST : 0;
    rc = skep_store_name_get(store, "probe", text, sizeof text, SKEP_FOREVER, NULL);
    caps |= rc != SKEP_ENOTSUP ? CONF_NAMES : 0;
    skep_store_unref(store);
    fixture->down(uri);
    return 0;
}

static const char *cap_name(uint32_t missing)
{
    static const struct {
        uint32_t cap;
        const char *name;
    } names[] = {
        {SKEP_CAP_SHARED, "shared (other processes see its objects)"},
        {SKEP_CAP_REMOTE, "remote (other hosts see them)"},
        {SKEP_CAP_DURABLE, "durable (objects outlive its openers)"},
        {SKEP_CAP_MAPPED, "mapped (a get copies nothing)"},
        {SKEP_CAP_SUMS, "sums (it makes checksums itself)"},
        {CONF_LIST, "list"},
        {CONF_NAMES, "names"},
        {CONF_MALLOC_FORKS, "of a malloc that forks (this build has AddressSanitizer's)"},
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (missing & names[i].cap)
            return names[i].name;
    return "one that this suite does not name";
}

static size_t add_cases(const struct conf_case *cases, int through_fault, struct run *runs, size_t n)
{
    for (; cases->name != NULL && n < CASES_MAX; cases++) {
        uint32_t missing = cases->needs & ~caps & ~(uint32_t)CONF_FAULT;

        if ((cases->needs & CONF_FAULT) && !through_fault)
            continue;
        if (missing != 0) {
            if (!through_fault || (cases->needs & CONF_FAULT))
                print_message("left out: %s: %s has no capability %s\n", cases->name, fixture->scheme, cap_name(missing));
            continue;
        }
        runs[n].c = cases;
        runs[n].through_fault = through_fault;
        snprintf(runs[n].name, sizeof runs[n].name, "%.6s%.15s: %.64s", through_fault ? "fault+" : "", fixture->scheme,
                 cases->name);
        n++;
    }
    return n;
}

int conf_main(const struct conf_fixture *given, int argc, char **argv)
{
    static struct CMUnitTest tests[CASES_MAX];
    static struct run runs[CASES_MAX];
    size_t n = 0;

    setenv("SKEP_ALLOW", "all", 1); /* fault+ is not what a handle may name by default */
    if (argc > 2 && strcmp(argv[1], "--child") == 0)
        return run_child(argc, argv);
    fixture = given;
    if (find_caps() != 0)
        return 1;
    for (int through_fault = 0; through_fault < 2; through_fault++) {
        n = add_cases(conf_objects, through_fault, runs, n);
        n = add_cases(conf_listing, through_fault, runs, n);
        n = add_cases(conf_sharing, through_fault, runs, n);
        n = add_cases(conf_proxies, through_fault, runs, n);
        n = add_cases(conf_faults, through_fault, runs, n);
    }
    for (size_t i = 0; i < n; i++)
        tests[i] = (struct CMUnitTest){.name = runs[i].name,
                                       .test_func = run_case,
                                       .setup_func = set_up,
                                       .teardown_func = tear_down,
                                       .initial_state = &runs[i]};
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return _cmocka_run_group_tests(fixture->scheme, tests, n, NULL, NULL);
}
