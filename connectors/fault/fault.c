/* fault.c - stands in front of any connector and makes its operations fail: fault+shm://x?fault_op=put&fault_nth=3.
 *
 * A fault comes before the operation, so that nothing of it happens; only fault_kind=corrupt comes after. Counting begins
 * when the store is opened.
 */
#include <skep/connector.h>

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

/* clang-format off */
#define OPS(X)                                                                          \
    X(open) X(close) X(put) X(get) X(evict) X(exists) X(read) X(reserve) X(commit)      \
    X(wait) X(list) X(name_set) X(name_get)                                             \
    X(put_batch) X(get_batch) X(exists_batch) X(evict_batch)
/* clang-format on */
#define NUMBER(op) OP_##op,
enum op { OPS(NUMBER) OP_ANY };
#undef NUMBER
#define NAME(op) #op,
static const char *const op_names[] = {OPS(NAME) "any"};
#undef NAME

enum kind { KIND_ERROR, KIND_CORRUPT, KIND_DELAY, KIND_KILL };

struct fault { /* all zero: not open */
    const skep_connector *inner;
    void *inner_self;
    enum op op;
    enum kind kind;
    uint64_t nth, every;
    int code;
    uint64_t delay_ns;
    _Atomic uint64_t count; /* of the operations that are meant */
};

static const skep_host *host; /* set once, by the entry */

static int code_of(const char *name) /* "eio" -> SKEP_EIO */
{
    static const struct {
        const char *name;
        int code;
    } codes[] = {
#define ROW(symbol, number, text) {#symbol, symbol},
        SKEP_ERRORS(ROW)
#undef ROW
    };

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        const char *a = codes[i].name + strlen("SKEP_");
        const char *b = name;

        while (*a != 0 && *b != 0 && (*a | 0x20) == *b)
            a++, b++;
        if (*a == 0 && *b == 0)
            return codes[i].code;
    }
    return SKEP_OK;
}

static enum op op_of(const char *name)
{
    int i = 0;

    while (i < OP_ANY && strcmp(op_names[i], name) != 0)
        i++;
    return (enum op)i;
}

static int read_options(struct fault *f, const skep_uri *uri, skep_error *err)
{
    const char *kind = host->uri_option(uri, "fault_kind");

    f->op = op_of(host->uri_option(uri, "fault_op"));
    f->kind = kind[0] == 'e' ? KIND_ERROR : kind[0] == 'c' ? KIND_CORRUPT : kind[0] == 'd' ? KIND_DELAY : KIND_KILL;
    f->nth = (uint64_t)host->uri_int(uri, "fault_nth");
    f->every = (uint64_t)host->uri_int(uri, "fault_every");
    f->delay_ns = host->uri_time(uri, "fault_delay");
    f->code = code_of(host->uri_option(uri, "fault_error"));
    if (host->uri_int(uri, "fault_nth") < 0 || host->uri_int(uri, "fault_every") < 0)
        return host->fail(err, SKEP_EINVAL, "fault_nth and fault_every count from 1");
    if (f->code == SKEP_OK)
        return host->fail(err, SKEP_EINVAL, "fault_error=%s: a code in small letters is needed, as eio",
                          host->uri_option(uri, "fault_error"));
    if (f->kind == KIND_CORRUPT && f->op != OP_get && f->op != OP_read && f->op != OP_get_batch)
        return host->fail(err, SKEP_EINVAL, "fault_kind=corrupt is for fault_op=get, read and get_batch");
    if (f->kind == KIND_ERROR && f->op == OP_close)
        return host->fail(err, SKEP_EINVAL, "fault_op=close: it cannot fail, only be slow or kill");
    return SKEP_OK;
}

/* Does this operation meet the fault? */
static int is_hit(struct fault *f, enum op op)
{
    uint64_t n;

    if (f->op != OP_ANY && f->op != op)
        return 0;
    n = atomic_fetch_add(&f->count, 1) + 1;
    return n == f->nth || (f->every != 0 && n % f->every == 0);
}

static int delay(const struct fault *f, enum op op, uint64_t by_ns, skep_error *err)
{
    uint64_t now = host->now_ns();
    uint64_t at = f->delay_ns < SKEP_FOREVER - now ? now + f->delay_ns : SKEP_FOREVER - 1;
    int late = by_ns < at;
    struct timespec t;

    if (late)
        at = by_ns;
    t.tv_sec = (time_t)(at / 1000000000u);
    t.tv_nsec = (long)(at % 1000000000u);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        continue;
    return late ? host->fail(err, SKEP_ETIMEDOUT, "injected delay of %s is longer than the deadline", op_names[op])
                : SKEP_OK;
}

/* In front of every operation. */
static int meet(struct fault *f, enum op op, uint64_t by_ns, skep_error *err)
{
    if (f->kind == KIND_CORRUPT || !is_hit(f, op))
        return SKEP_OK;
    if (f->kind == KIND_DELAY)
        return delay(f, op, by_ns, err);
    if (f->kind == KIND_KILL)
        raise(SIGKILL);
    return host->fail(err, f->code, "injected fault in %s", op_names[op]);
}

/* Behind those that bring bytes. */
static int is_corrupted(struct fault *f, enum op op)
{
    return f->kind == KIND_CORRUPT && is_hit(f, op);
}

static int corrupt(skep_buf **buf, uint32_t *how, skep_error *err)
{
    size_t size = host->buf_size(*buf);
    skep_buf *copy;
    int rc;

    if (size == 0)
        return SKEP_OK;
    rc = host->buf_copy(host->buf_data(*buf), size, &copy);
    host->buf_unref(*buf);
    *buf = NULL;
    if (rc != SKEP_OK)
        return host->fail(err, rc, "out of memory");
    /* The copy is this function's alone still, so its bytes may change. */
    ((unsigned char *)(uintptr_t)host->buf_data(copy))[size / 2] ^= 1;
    *how = 0;
    *buf = copy;
    return SKEP_OK;
}

static int fault_open(void *self, const skep_uri *uri, int existing, uint64_t by_ns, skep_error *err)
{
    struct fault *f = self;
    const char *scheme = strchr(host->uri_scheme(uri), '+');
    int rc;

    if (scheme == NULL)
        return host->fail(err, SKEP_EINVAL, "fault stands in front of another connector");
    if (strstr(scheme, "+fault+") != NULL) /* both would read the same options */
        return host->fail(err, SKEP_EINVAL, "one fault+ is enough");
    rc = read_options(f, uri, err);
    if (rc == SKEP_OK)
        rc = host->connector(scheme + 1, &f->inner, err);
    if (rc == SKEP_OK)
        rc = meet(f, OP_open, by_ns, err);
    if (rc != SKEP_OK) {
        f->inner = NULL;
        return rc;
    }
    f->inner_self = host->alloc(f->inner->self_size);
    if (f->inner_self == NULL)
        return host->fail(err, SKEP_ENOMEM, "out of memory");
    memset(f->inner_self, 0, f->inner->self_size);
    return f->inner->open(f->inner_self, uri, existing, by_ns, err);
}

static void fault_close(void *self, int forked)
{
    struct fault *f = self;
    skep_error unused;

    if (f->inner_self == NULL)
        return;
    if (!forked && f->op == OP_close)
        (void)meet(f, OP_close, SKEP_FOREVER, &unused);
    f->inner->close(f->inner_self, forked);
    host->free(f->inner_self);
}

/* The rest passes through. `by` is the operation's deadline. */
#define PASS(op, by, ...)                                                                                                   \
    struct fault *f = self;                                                                                                 \
    int rc = meet(f, OP_##op, by, err);                                                                                     \
                                                                                                                            \
    return rc == SKEP_OK ? f->inner->op(f->inner_self, __VA_ARGS__, err) : rc

static int fault_put(void *self, skep_ref *ref, const struct iovec *iov, int n, const skep_put *how, skep_error *err)
{
    PASS(put, how->by_ns, ref, iov, n, how);
}

static int fault_get(void *self, const skep_ref *ref, uint64_t by_ns, skep_buf **take, uint32_t *how, skep_error *err)
{
    struct fault *f = self;
    skep_buf *buf;
    int rc = meet(f, OP_get, by_ns, err);

    if (rc == SKEP_OK)
        rc = f->inner->get(f->inner_self, ref, by_ns, &buf, how, err);
    if (rc == SKEP_OK && is_corrupted(f, OP_get))
        rc = corrupt(&buf, how, err);
    if (rc == SKEP_OK)
        *take = buf;
    return rc;
}

static int fault_evict(void *self, const skep_ref *ref, uint64_t by_ns, skep_error *err)
{
    PASS(evict, by_ns, ref, by_ns);
}

static int fault_exists(void *self, const skep_ref *ref, uint64_t by_ns, uint64_t *size_bytes, skep_error *err)
{
    PASS(exists, by_ns, ref, by_ns, size_bytes);
}

static int fault_read(void *self, const skep_ref *ref, uint64_t offset, size_t size, void *dst, uint64_t by_ns,
                      skep_error *err)
{
    struct fault *f = self;
    int rc = meet(f, OP_read, by_ns, err);

    if (rc == SKEP_OK)
        rc = f->inner->read(f->inner_self, ref, offset, size, dst, by_ns, err);
    if (rc == SKEP_OK && size > 0 && is_corrupted(f, OP_read))
        ((unsigned char *)dst)[size / 2] ^= 1;
    return rc;
}

static int fault_reserve(void *self, skep_ref *ref, size_t size, uint64_t by_ns, void **slot, void **memory, skep_error *err)
{
    PASS(reserve, by_ns, ref, size, by_ns, slot, memory);
}

static void fault_abort(void *self, void *slot)
{
    struct fault *f = self;

    f->inner->abort(f->inner_self, slot);
}

static int fault_commit(void *self, void *slot, skep_ref *ref, skep_error *err)
{
    struct fault *f = self;
    int rc = meet(f, OP_commit, SKEP_FOREVER, err);

    if (rc == SKEP_OK)
        return f->inner->commit(f->inner_self, slot, ref, err);
    f->inner->abort(f->inner_self, slot); /* a commit ends the slot, failed or not */
    return rc;
}

static int fault_wait(void *self, const skep_ref *ref, uint64_t by_ns, skep_error *err)
{
    PASS(wait, by_ns, ref, by_ns);
}

static int fault_list(void *self, skep_entry_func func, void *arg, skep_error *err)
{
    PASS(list, SKEP_FOREVER, func, arg);
}

static int fault_name_set(void *self, const char *name, const char *handle, uint64_t by_ns, skep_error *err)
{
    PASS(name_set, by_ns, name, handle, by_ns);
}

static int fault_name_get(void *self, const char *name, char *out, size_t cap, uint64_t by_ns, skep_error *err)
{
    PASS(name_get, by_ns, name, out, cap, by_ns);
}

/* Others must reach what this one wraps by the same road. */
static int fault_identity(void *self, char *out, size_t cap, skep_error *err)
{
    struct fault *f = self;
    size_t n = strlen("fault+");

    if (cap <= n)
        return host->fail(err, SKEP_ETOOBIG, "no room for the identity");
    memcpy(out, "fault+", n);
    return f->inner->identity(f->inner_self, out + n, cap - n, err);
}

static int fault_put_batch(void *self, skep_ref *refs, const struct iovec *items, size_t n, const skep_put *how,
                           size_t *done, skep_error *err)
{
    PASS(put_batch, how->by_ns, refs, items, n, how, done);
}

static int fault_get_batch(void *self, const skep_ref *refs, size_t n, uint64_t by_ns, skep_buf **takes, uint32_t *hows,
                           size_t *done, skep_error *err)
{
    struct fault *f = self;
    int rc = meet(f, OP_get_batch, by_ns, err);

    if (rc == SKEP_OK)
        rc = f->inner->get_batch(f->inner_self, refs, n, by_ns, takes, hows, done, err);
    if (rc == SKEP_OK && n > 0 && is_corrupted(f, OP_get_batch)) {
        rc = corrupt(&takes[n - 1], &hows[n - 1], err);
        *done = rc == SKEP_OK ? n : n - 1;
    }
    return rc;
}

static int fault_exists_batch(void *self, const skep_ref *refs, size_t n, uint64_t by_ns, int *outs, size_t *done,
                              skep_error *err)
{
    PASS(exists_batch, by_ns, refs, n, by_ns, outs, done);
}

static int fault_evict_batch(void *self, const skep_ref *refs, size_t n, uint64_t by_ns, size_t *done, skep_error *err)
{
    PASS(evict_batch, by_ns, refs, n, by_ns, done);
}

/* Identity, so that a handle carries the fault to whoever opens it, and two faults are two stores. */
#define BAR(op) #op "|"
static const skep_option options[] = {
    {"fault_op", SKEP_TYPE_CHOICE, SKEP_CLASS_IDENTITY, "any", OPS(BAR) "any", "the operation that the fault is in"},
    {"fault_nth", SKEP_TYPE_INT, SKEP_CLASS_IDENTITY, "0", NULL, "meet the fault in the n-th of them, once; 0: not so"},
    {"fault_every", SKEP_TYPE_INT, SKEP_CLASS_IDENTITY, "0", NULL, "meet it in each n-th of them; 0: not so"},
    {"fault_kind", SKEP_TYPE_CHOICE, SKEP_CLASS_IDENTITY, "error", "error|corrupt|delay|kill",
     "fail, flip a bit of what comes, wait first, or kill the process"},
    {"fault_error", SKEP_TYPE_TEXT, SKEP_CLASS_IDENTITY, "eio", NULL, "the code to fail with: eio, enospc, eunreach, ..."},
    {"fault_delay", SKEP_TYPE_TIME, SKEP_CLASS_IDENTITY, "100ms", NULL, "how long fault_kind=delay waits"},
    {NULL, 0, 0, NULL, NULL, NULL},
};
#undef BAR

static const skep_connector fault = {
    .size = sizeof(skep_connector),
    .abi = SKEP_CONNECTOR_ABI,
    .caps = SKEP_CAP_WRAPS,
    .scheme = "fault",
    .help = "makes another connector fail, for tests: fault+shm://x?fault_op=put&fault_nth=3",
    .self_size = sizeof(struct fault),
    .options = options,
    .open = fault_open,
    .close = fault_close,
    .put = fault_put,
    .get = fault_get,
    .evict = fault_evict,
    .exists = fault_exists,
    .read = fault_read,
    .reserve = fault_reserve,
    .commit = fault_commit,
    .abort = fault_abort,
    .wait = fault_wait,
    .list = fault_list,
    .name_set = fault_name_set,
    .name_get = fault_name_get,
    .identity = fault_identity,
    .put_batch = fault_put_batch,
    .get_batch = fault_get_batch,
    .exists_batch = fault_exists_batch,
    .evict_batch = fault_evict_batch,
};

const skep_connector *skepi_fault_entry(const skep_host *given);
const skep_connector *skepi_fault_entry(const skep_host *given)
{
    if (given->abi != SKEP_CONNECTOR_ABI)
        return NULL;
    host = given;
    return &fault;
}
