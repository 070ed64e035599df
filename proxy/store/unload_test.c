/* unload_test.c - a program that closes libskep again does not lose the code that its threads are in. */
#include <skep/skep.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <string.h>

/* The function of that name; ISO C has no cast from an object's pointer to one. */
static void find(void *library, const char *name, void *out, size_t size)
{
    void *symbol = dlsym(library, name);

    assert_non_null(symbol);
    memcpy(out, &symbol, size);
}

static void stays_loaded(void **state)
{
    void *library = dlopen(SKEP_TEST_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    int (*open_store)(const char *, const skep_store_opts *, skep_store **, skep_error *);
    int (*put)(skep_store *, const void *, size_t, const skep_put_opts *, skep_proxy **, skep_error *);
    int (*prefetch)(skep_proxy *, skep_error *);
    void (*unref_proxy)(skep_proxy *);
    void (*unref_store)(skep_store *);
    skep_store *store = NULL;
    skep_proxy *proxy = NULL;

    (void)state;
    if (library == NULL)
        fail_msg("%s", dlerror());
    find(library, "skep_store_open", &open_store, sizeof open_store);
    find(library, "skep_store_proxy", &put, sizeof put);
    find(library, "skep_proxy_prefetch", &prefetch, sizeof prefetch);
    find(library, "skep_proxy_unref", &unref_proxy, sizeof unref_proxy);
    find(library, "skep_store_unref", &unref_store, sizeof unref_store);
    assert_int_equal(open_store("memory://unload", NULL, &store, NULL), SKEP_OK);
    assert_int_equal(put(store, "x", 1, NULL, &proxy, NULL), SKEP_OK);
    assert_int_equal(prefetch(proxy, NULL), SKEP_OK); /* its thread lingers */
    unref_proxy(proxy);
    unref_store(store);
    assert_int_equal(dlclose(library), 0);
    library = dlopen(SKEP_TEST_LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
    assert_non_null(library);
    dlclose(library);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stays_loaded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
