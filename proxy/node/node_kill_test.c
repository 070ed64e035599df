/* node_kill_test.c - writers, readers and evictors are killed at random instants under load; then everything is accounted
 * for.
 *
 * Each process logs what was acknowledged to it, one write a line, so that a kill leaves whole lines. An object's key says
 * its seed and size, so that whoever meets it can tell whether its bytes are right.
 */
#include "proxy/node/node_testing.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#define WORKERS 6
#define HELD    3 /* buffers that a reader keeps */
#define OWNED   8 /* objects that a writer keeps before it evicts its oldest */

struct kind {
    const char *name;
    int disk;
    int plain; /* without nameless files and huge pages */
    const size_t *sizes;
    int n_sizes;
};

static const size_t shared_sizes[] = {1, 100, 5000, 20000, 300000, MIB, MIB + 4096, 2 * MIB, 2 * MIB + 77, 4 * MIB + 5};
static const size_t disk_sizes[] = {0, 100, 5000, 20000, 300000, MIB + 77};

static char base[64];
static const struct kind *kind;

struct shared_state { /* in memory that all processes share */
    _Atomic uint64_t next_seed, bad, puts, gets, evicts;
};
static struct shared_state *shared;

static skep_node *open_store(void)
{
    skep_node_opts opts = kind->disk ? (skep_node_opts){.size = sizeof opts, .directory = base, .by_ns = skep_in_ms(20000)}
                                     : shared_opts(base, "s");
    skep_node *node = NULL;

    opts.pool_bytes = 12 * MIB;
    if (NODE.open(&opts, &node, &err) != SKEP_OK)
        return NULL;
    node->no_tmpfile = node->no_huge = kind->plain;
    return node;
}

static void say(int log, char what, const char *key)
{
    char line[128];
    int n = snprintf(line, sizeof line, "%c %s\n", what, key);

    if (write(log, line, (size_t)n) != n)
        _exit(3);
}

static void complain(const char *what, const char *key)
{
    fprintf(stderr, "%s: %s: %s\n", what, key, err.text);
    shared->bad++;
    _exit(4);
}

static int parse_key(const char *key, uint64_t *seed, size_t *size)
{
    unsigned long long a, b;

    if (sscanf(key, "k%llu-%llu", &a, &b) != 2)
        return 0;
    *seed = a;
    *size = (size_t)b;
    return 1;
}

/* Small and private random numbers: every process has its own sequence. */
static uint64_t roll(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

/* ---- what the processes do ---- */

static void write_one(skep_node *node, int log, uint64_t *dice, skep_ref *out)
{
    uint64_t seed = ++shared->next_seed;
    size_t size = kind->sizes[roll(dice) % (unsigned)kind->n_sizes];
    char key[64];
    int rc;

    snprintf(key, sizeof key, "k%llu-%llu", (unsigned long long)seed, (unsigned long long)size);
    say(log, 'B', key); /* begun */
    if (roll(dice) % 4 != 0 || kind->disk) {
        rc = try_put(node, key, size, seed, out);
    } else {
        skep_node_slot *slot;
        void *memory;

        *out = ref_of(key);
        if ((rc = NODE.reserve(node, out, size, SKEP_FOREVER, &slot, &memory, &err)) == SKEP_OK) {
            fill_bytes(memory, size, seed);
            rc = NODE.commit(node, slot, out, &err);
        }
    }
    if (rc != SKEP_OK)
        complain("put", key);
    say(log, 'P', key);
    shared->puts++;
}

static void writer(skep_node *node, int log, uint64_t dice)
{
    skep_ref own[OWNED];
    int n = 0;

    for (;;) {
        if (n == OWNED) {
            say(log, 'E', own[0].key); /* from here on it may be gone */
            if (NODE.evict(node, &own[0], &err) != SKEP_OK)
                complain("evict", own[0].key);
            shared->evicts++;
            memmove(own, own + 1, (OWNED - 1) * sizeof *own);
            n--;
        }
        write_one(node, log, &dice, &own[n++]);
    }
}

struct pick {
    uint64_t skip;
    skep_ref ref;
    int found;
};

static int pick_one(const skep_entry *entry, void *arg)
{
    struct pick *p = arg;

    if (p->skip-- > 0)
        return 0;
    p->ref = entry->ref;
    p->found = 1;
    return 1;
}

static int pick(skep_node *node, uint64_t *dice, struct pick *p)
{
    *p = (struct pick){.skip = roll(dice) % 20};
    return NODE.list(node, pick_one, p, &err) >= 0 && p->found;
}

struct held {
    skep_buf *buf;
    skep_ref ref;
};

static void check_held(const struct held *h)
{
    uint64_t seed;
    size_t size;

    if (h->buf != NULL && parse_key(h->ref.key, &seed, &size) &&
        (skep_buf_size(h->buf) != size || !right_bytes(skep_buf_data(h->buf), size, seed)))
        complain("bytes changed", h->ref.key);
}

static void reader(skep_node *node, uint64_t dice)
{
    struct held held[HELD] = {{0}};

    for (unsigned i = 0;; i++) {
        struct held *h = &held[i % HELD];
        struct pick p;
        uint32_t how;
        int rc;

        check_held(h);
        skep_buf_unref(h->buf);
        h->buf = NULL;
        if (!pick(node, &dice, &p))
            continue;
        if (roll(&dice) % 2)
            p.ref.size_bytes = SKEP_SIZE_UNKNOWN;
        rc = NODE.get(node, &p.ref, skep_in_ms(20000), &h->buf, &how, &err);
        if (rc != SKEP_OK && rc != SKEP_ENOENT)
            complain("get", p.ref.key);
        h->ref = p.ref;
        if (rc == SKEP_OK)
            shared->gets++;
        for (int k = 0; k < HELD; k++)
            check_held(&held[k]);
    }
}

/* Takes objects away under everybody's feet: those of dead writers too. */
static void evictor(skep_node *node, int log, uint64_t dice)
{
    struct timespec t = {0, 300000};
    struct pick p;

    for (;;) {
        nanosleep(&t, NULL);
        if (!pick(node, &dice, &p))
            continue;
        if (roll(&dice) % 3 == 0)
            p.ref.size_bytes = SKEP_SIZE_UNKNOWN;
        say(log, 'E', p.ref.key);
        if (NODE.evict(node, &p.ref, &err) != SKEP_OK)
            complain("evict", p.ref.key);
        shared->evicts++;
    }
}

static pid_t start(int role, int log, uint64_t dice)
{
    pid_t pid = fork_bound();

    if (pid == 0) {
        skep_node *node = open_store();

        if (node == NULL)
            complain("open", "");
        if (role < 3)
            writer(node, log, dice);
        else if (role < 5)
            reader(node, dice);
        else
            evictor(node, log, dice);
        _exit(0);
    }
    return pid;
}

static void stop(pid_t pid)
{
    int status;

    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status)); /* it had not given up by itself */
}

/* ---- the account ---- */

enum { BEGUN = 1, PUT = 2, EVICTED = 4 };

/* What was said of each object, by its seed; they are numbered from 1. */
static unsigned char *read_log(int log)
{
    off_t size = lseek(log, 0, SEEK_END);
    char *text = calloc(1, (size_t)size + 1);
    unsigned char *said = calloc(1, shared->next_seed + 1);

    assert_non_null(text);
    assert_non_null(said);
    assert_int_equal(pread(log, text, (size_t)size, 0), size);
    for (char *line = text; *line != '\0'; line = strchr(line, '\n') + 1) {
        uint64_t seed = 0;
        size_t bytes;

        assert_true(parse_key(line + 2, &seed, &bytes));
        assert_in_range(seed, 1, shared->next_seed);
        said[seed] |= *line == 'B' ? BEGUN : *line == 'P' ? PUT : EVICTED;
    }
    free(text);
    return said;
}

struct account {
    skep_node *node;
    unsigned char *said;
    uint64_t blocks;
};

static int account_one(const skep_entry *entry, void *arg)
{
    struct account *a = arg;
    struct stat st;
    uint64_t seed = 0;
    size_t size = 0;

    assert_true(parse_key(entry->ref.key, &seed, &size));
    assert_true(a->said[seed] & BEGUN);
    a->said[seed] = 0;
    check_object(a->node, &entry->ref, size, seed);
    assert_int_equal(fstatat(a->node->dir, entry->ref.key, &st, 0), 0);
    a->blocks += (uint64_t)st.st_blocks * 512;
    return 0;
}

/* Every object that was acknowledged, and that nobody began to evict, was met, with its bytes. */
static void check_acknowledged(const unsigned char *said)
{
    for (uint64_t seed = 1; seed <= shared->next_seed; seed++)
        if ((said[seed] & (PUT | EVICTED)) == PUT)
            fail_msg("object %llu is lost", (unsigned long long)seed);
}

static int evict_one(const skep_entry *entry, void *arg)
{
    return NODE.evict(arg, &entry->ref, &err);
}

static void check_everything(int log)
{
    uint64_t pool = 0, total;
    struct account a = {.node = open_store(), .said = read_log(log)};

    assert_non_null(a.node);
    assert_int_equal(NODE.list(a.node, account_one, &a, &err), 0);
    check_acknowledged(a.said);
    total = bytes_below(base);
    if (!kind->disk) {
        assert_true(skepi_dir_each(a.node->meta, "pool", add_blocks_of, &pool) == 0);
        assert_in_range(pool, 0,
                        24 * MIB); /* killed evictors may not have trimmed it: the next one does, and the last closer */
    }
    assert_in_range(total, a.blocks + pool, a.blocks + pool + 65536); /* nothing but objects and pool */
    if (a.node->tmp >= 0)
        assert_int_equal(skepi_dir_each(a.node->tmp, ".", count_one, &(int){0}), 0);
    assert_int_equal(NODE.list(a.node, evict_one, a.node, &err), 0);
    NODE.close(a.node, 0);
    if (!kind->disk)
        assert_int_equal(entries_in(base, "."), 0);
    else
        assert_in_range(bytes_below(base), 0, 65536);
    free(a.said);
}

static void torture(const struct kind *which, int kills)
{
    char log_path[] = "/tmp/skep-test-log-XXXXXX";
    int log = mkostemp(log_path, O_APPEND | O_CLOEXEC);
    uint64_t dice = 12345;
    pid_t pids[WORKERS];

    assert_true(log >= 0);
    unlink(log_path);
    kind = which;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    make_folder(base, which->disk ? "/tmp" : "/dev/shm");
    for (int i = 0; i < WORKERS; i++)
        pids[i] = start(i, log, (uint64_t)i);
    for (int k = 0; k < kills; k++) {
        struct timespec t = {0, (long)(roll(&dice) % 20000000)};
        unsigned who = (unsigned)(roll(&dice) % WORKERS);

        nanosleep(&t, NULL);
        stop(pids[who]);
        assert_int_equal(shared->bad, 0);
        if (k % 50 == 49) { /* all at once: then the next opener is the one that clears up */
            for (unsigned i = 0; i < WORKERS; i++)
                if (i != who)
                    stop(pids[i]);
            for (unsigned i = 0; i < WORKERS; i++)
                pids[i] = start((int)i, log, roll(&dice));
        } else {
            pids[who] = start((int)who, log, roll(&dice));
        }
    }
    for (int i = 0; i < WORKERS; i++)
        stop(pids[i]);
    assert_int_equal(shared->bad, 0);
    print_message("%s: %d kills, %llu puts, %llu gets, %llu evictions\n", which->name, kills,
                  (unsigned long long)shared->puts, (unsigned long long)shared->gets, (unsigned long long)shared->evicts);
    assert_true(shared->puts > (unsigned)kills && shared->gets > (unsigned)kills && shared->evicts > 0);
    check_everything(log);
    close(log);
    munmap(shared, sizeof *shared);
    remove_folder(base);
}

static int kills_wanted(int normal, int soak)
{
    return getenv("SKEP_TEST_SOAK") != NULL ? soak : normal;
}

static void shared_memory(void **state)
{
    static const struct kind k = {"shared memory", 0, 0, shared_sizes, sizeof shared_sizes / sizeof *shared_sizes};

    (void)state;
    torture(&k, kills_wanted(200, 3000));
}

static void shared_memory_named(void **state)
{
    static const struct kind k = {"shared memory, named files", 0, 1, shared_sizes,
                                  sizeof shared_sizes / sizeof *shared_sizes};

    (void)state;
    torture(&k, kills_wanted(60, 1000));
}

static void disk(void **state)
{
    static const struct kind k = {"disk", 1, 0, disk_sizes, sizeof disk_sizes / sizeof *disk_sizes};

    (void)state;
    torture(&k, kills_wanted(60, 1000));
}

static void disk_named(void **state)
{
    static const struct kind k = {"disk, named files", 1, 1, disk_sizes, sizeof disk_sizes / sizeof *disk_sizes};

    (void)state;
    torture(&k, kills_wanted(60, 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shared_memory),
        cmocka_unit_test(shared_memory_named),
        cmocka_unit_test(disk),
        cmocka_unit_test(disk_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
