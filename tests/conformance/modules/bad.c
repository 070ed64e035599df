/* bad.c - modules with one thing wrong; BAD_<WHAT> says which. */
#include <skep/connector.h>

#include <unistd.h>

#ifdef BAD_LIBRARY
int not_installed(void);
#endif

static int bad_open(void *self, const skep_uri *uri, int existing, uint64_t by_ns, skep_error *err)
{
    (void)self, (void)uri, (void)existing, (void)by_ns, (void)err;
#ifdef BAD_LIBRARY
    return not_installed();
#else
    return SKEP_OK;
#endif
}

static void bad_close(void *self, int forked)
{
    (void)self, (void)forked;
}

static int bad_put(void *self, skep_ref *ref, const struct iovec *iov, int n, const skep_put *how, skep_error *err)
{
    (void)self, (void)ref, (void)iov, (void)n, (void)how, (void)err;
    return SKEP_OK;
}

static int bad_evict(void *self, const skep_ref *ref, uint64_t by_ns, skep_error *err)
{
    (void)self, (void)ref, (void)by_ns, (void)err;
    return SKEP_OK;
}

#ifndef BAD_LACK
static int bad_get(void *self, const skep_ref *ref, uint64_t by_ns, skep_buf **take, uint32_t *how, skep_error *err)
{
    (void)self, (void)ref, (void)by_ns, (void)take, (void)how, (void)err;
    return SKEP_ENOENT;
}
#endif

#ifdef BAD_PAIR
static void bad_abort(void *self, void *slot)
{
    (void)self, (void)slot;
}
#endif

#ifdef BAD_OPTION
static const skep_option options[] = {
    {"cache", SKEP_TYPE_SIZE, SKEP_CLASS_TUNING, "1m", NULL, "a name that every store has"},
    {NULL, 0, 0, NULL, NULL, NULL},
};
#endif

static const skep_connector bad = {
#ifdef BAD_SHORT
    .size = offsetof(skep_connector, get),
#else
    .size = sizeof(skep_connector),
#endif
#ifdef BAD_ABI
    .abi = SKEP_CONNECTOR_ABI + 1,
#else
    .abi = SKEP_CONNECTOR_ABI,
#endif
    .scheme = BAD_SCHEME,
    .help = "wrong",
    .self_size = 1,
    .open = bad_open,
    .close = bad_close,
    .put = bad_put,
#ifndef BAD_LACK
    .get = bad_get,
#endif
    .evict = bad_evict,
#ifdef BAD_OPTION
    .options = options,
#endif
#ifdef BAD_PAIR
    .abort = bad_abort,
#endif
};

#ifndef BAD_ENTRY
SKEP_API const skep_connector *skep_connector_entry(const skep_host *given);
const skep_connector *skep_connector_entry(const skep_host *given)
{
#ifdef BAD_SLOW
    usleep(300000);
#endif
#ifdef BAD_HOST
    return given == NULL ? &bad : NULL;
#else
    return given != NULL ? &bad : NULL;
#endif
}
#else
SKEP_API const skep_connector *another_name(void);
const skep_connector *another_name(void)
{
    return &bad;
}
#endif
