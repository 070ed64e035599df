/* main.c - a campaign: a thinker holds a model and a pool of candidates, workers score them, the best win.
 *
 *     campaign MODEL.safetensors                                   all in one program
 *     campaign server --queue tcp://127.0.0.1:5600 --store shm://hive     or as two, started by hand
 *     campaign thinker --queue tcp://127.0.0.1:5600 --store shm://hive MODEL.safetensors
 */
#include "campaign.h"

#include <cblas.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const skep_method methods[] = {{"score", score_method, NULL}, {0}};

static const char help[] =
    "usage: campaign [OPTIONS] [MODEL.safetensors]          all in one program\n"
    "       campaign server  --queue URI [--store URI] [--workers N]\n"
    "       campaign thinker --queue URI [--store URI] [OPTIONS] [MODEL.safetensors]\n"
    "\n"
    "A thinker holds a model and a pool of candidates; workers score the candidates in batches with the\n"
    "model's own tensors; the best are kept and bred; every few rounds the model is refined and the new\n"
    "version published. Any safetensors file of F64, F32, F16 and BF16 tensors is a model.\n"
    "\n"
    "  --generate SIZE   make up a model of that size (default: 512m; without MODEL)\n"
    "  --tasks N         the budget (default: 160)\n"
    "  --pool N          candidates in a round (default: 128)\n"
    "  --batch N         candidates in a task (default: 16)\n"
    "  --refine N        refine the model every N rounds (default: 5)\n"
    "  --workers N       worker processes (default: 2)\n"
    "  --queue URI       ipc://PATH, ipc://@NAME or tcp://HOST:PORT (default: one of its own)\n"
    "  --store URI       where the model lies (default: a node store that ends with the program)\n"
    "  --inline          no proxies: the model travels in each task, for comparison\n"
    "  --verify          compute all of it again in one process and demand equality\n"
    "  --json            the results as one JSON object\n"
    "\n"
    "examples:\n"
    "  campaign --generate 512m --verify\n"
    "  campaign --tasks 16 --inline model.safetensors\n"
    "  campaign server --queue tcp://127.0.0.1:5600 --store shm://hive &\n"
    "  campaign thinker --queue tcp://127.0.0.1:5600 --store shm://hive model.safetensors\n";

static int usage(const char *what, const char *thing)
{
    fprintf(stderr, "campaign: %s%s; see campaign --help\n", what, thing);
    return 2;
}

static int number(const char *text, long least, long most, long *out)
{
    char *end;

    *out = strtol(text, &end, 10);
    return end != text && *end == '\0' && *out >= least && *out <= most;
}

enum { GENERATE = 1000, TASKS, POOL, BATCH, REFINE, WORKERS, QUEUE, STORE, INLINE, VERIFY, JSON, HELP };

static const struct option longs[] = {
    {"generate", 1, NULL, GENERATE},
    {"tasks", 1, NULL, TASKS},
    {"pool", 1, NULL, POOL},
    {"batch", 1, NULL, BATCH},
    {"refine", 1, NULL, REFINE},
    {"workers", 1, NULL, WORKERS},
    {"queue", 1, NULL, QUEUE},
    {"store", 1, NULL, STORE},
    {"inline", 0, NULL, INLINE},
    {"verify", 0, NULL, VERIFY},
    {"json", 0, NULL, JSON},
    {"help", 0, NULL, HELP},
    {NULL, 0, NULL, 0},
};

static int bad_value(int option)
{
    char text[64] = "?";

    for (const struct option *l = longs; l->name != NULL; l++)
        if (l->val == option)
            snprintf(text, sizeof text, "--%s does not take ", l->name);
    return usage(text, optarg);
}

/* -1: go on; else the exit code. */
static int take_option(struct options *o, int option)
{
    uint64_t size;
    long n = 0;
    int good = 1;

    switch (option) {
    case GENERATE:
        good = skep_size_parse(optarg, &size) == SKEP_OK && size >= 4096;
        o->generate = good ? (size_t)size : 0;
        break;
    case TASKS:
        good = number(optarg, 1, 1000000000, &o->budget);
        break;
    case POOL:
        good = number(optarg, 1, 65536, &n);
        o->pool = (int)n;
        break;
    case BATCH:
        good = number(optarg, 1, SCORE_BATCH, &n);
        o->batch = (int)n;
        break;
    case REFINE:
        good = number(optarg, 1, 1000000, &n);
        o->refine_every = (int)n;
        break;
    case WORKERS:
        good = number(optarg, 1, 1024, &n);
        o->workers = optarg;
        break;
    case QUEUE:
        o->queue = optarg;
        break;
    case STORE:
        o->store = optarg;
        break;
    case INLINE:
        o->is_inline = 1;
        break;
    case VERIFY:
        o->verify = 1;
        break;
    case JSON:
        o->json = 1;
        break;
    case HELP:
        fputs(help, stdout);
        return 0;
    default:
        return 2; /* getopt has said what is wrong */
    }
    return good ? -1 : bad_value(option);
}

static int read_options(int argc, char **argv, struct options *o)
{
    int option, rc;

    *o = (struct options){
        .generate = (size_t)512 << 20, .budget = 160, .pool = 128, .batch = 16, .refine_every = 5, .workers = "2"};
    while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1)
        if ((rc = take_option(o, option)) >= 0)
            return rc;
    if (optind < argc)
        o->model = argv[optind++];
    if (optind < argc)
        return usage("one argument too many: ", argv[optind]);
    if (o->pool % o->batch != 0)
        return usage("--pool must be a multiple of --batch", "");
    if (o->budget < o->pool / o->batch)
        return usage("the budget is less than one round: --tasks must be at least --pool / --batch", "");
    return -1;
}

static int failed(const skep_error *err)
{
    fprintf(stderr, "campaign: %s\n", err->text);
    return 1;
}

static skep_server *serving;

static void stop_serving(int signal_number)
{
    (void)signal_number;
    skep_server_stop(serving);
}

/* `allow`: where a server by itself lets tasks refer to; NULL in one program. */
static int open_server(const struct options *o, const char *allow, skep_server **server, skep_error *err)
{
    skep_server_opts opts = SKEP_SERVER_OPTS_INIT;
    char engine[64];

    snprintf(engine, sizeof engine, "local:?workers=%s", o->workers);
    opts.allow = allow;
    opts.until_clients_gone = allow != NULL;
    return skep_server_open(o->queue, engine, &opts, server, err);
}

/* By hand: serves until its thinker has gone, however it went, or a signal comes. */
static int run_server(const struct options *o)
{
    struct sigaction on_signal = {.sa_handler = stop_serving};
    skep_store *store = NULL;
    char where[SKEP_URI_MAX];
    skep_error err;
    int rc = skep_store_open(o->store, NULL, &store, &err);

    if (rc == SKEP_OK && (rc = skep_store_identity(store, where, sizeof where)) == SKEP_OK)
        rc = open_server(o, where, &serving, &err);
    if (rc == SKEP_OK) {
        sigaction(SIGINT, &on_signal, NULL);
        sigaction(SIGTERM, &on_signal, NULL);
        skep_server_uri(serving, where, sizeof where);
        fprintf(stderr, "campaign: serving at %s with %d workers\n", where, skep_server_workers(serving));
        rc = skep_server_wait(serving, SKEP_FOREVER, &err);
    }
    skep_server_close(serving);
    skep_store_unref(store);
    return rc == SKEP_OK ? 0 : failed(&err);
}

static int check(const struct options *o, const struct findings *found)
{
    struct findings again;
    skep_error err;

    fprintf(stderr, "campaign: computing all of it again in one process\n");
    if (verify_run(o, found->rounds, &again, &err) != SKEP_OK)
        return failed(&err);
    if (again.digest != found->digest || again.versions != found->versions ||
        memcmp(again.best, found->best, sizeof again.best) != 0) { /* NOLINT: the bits, not the numbers */
        fprintf(stderr, "campaign: NOT equal: %016llx here, %016llx by the workers\n", (unsigned long long)again.digest,
                (unsigned long long)found->digest);
        return 1;
    }
    fprintf(stderr, "campaign: equal to the last bit: %d rounds of %d scores, %d versions\n", found->rounds, o->pool,
            found->versions);
    return 0;
}

static int run_thinker(const struct options *o)
{
    struct findings found = {0};
    static struct report report;
    skep_queues *queues = NULL;
    skep_store *store = NULL;
    skep_error err;
    int rc = o->is_inline ? SKEP_OK : skep_store_open(o->store, NULL, &store, &err);

    if (rc == SKEP_OK)
        rc = skep_queues_open(o->queue, NULL, &queues, &err);
    if (rc == SKEP_OK)
        rc = thinker_run(o, queues, store, &found, &report, &err);
    skep_queues_close(queues);
    skep_store_unref(store);
    if (report.tasks > 0)
        report_print(o, &report, &found);
    if (rc != SKEP_OK)
        return failed(&err), found.signal ? 128 + found.signal : 1;
    return o->verify ? check(o, &found) : 0;
}

/* In one program: the server runs beside the thinker, at a socket without a file, so that nothing is left of it. */
static int run_both(const struct options *given)
{
    struct options own = *given, *o = &own;
    char queue[64], store[64];
    skep_server *server = NULL;
    skep_error err;
    int rc;

    snprintf(queue, sizeof queue, "ipc://@campaign-%ld", (long)getpid());
    snprintf(store, sizeof store, "shm://campaign-%ld?lifetime=session", (long)getpid());
    o->queue = o->queue ? o->queue : queue;
    o->store = o->store ? o->store : store;
    rc = open_server(o, NULL, &server, &err) == SKEP_OK ? run_thinker(o) : failed(&err);
    skep_server_close(server);
    return rc;
}

/* A node store that nobody says more of goes with the programs that use it, however they end. */
static int name_store(struct options *o, char *out, size_t cap)
{
    const char *uri = o->store ? o->store : "shm://campaign", *more = "";

    if (strncmp(uri, "shm:", 4) == 0 && strchr(uri, '?') == NULL)
        more = "?lifetime=session";
    if (snprintf(out, cap, "%s%s", uri, more) >= (int)cap)
        return usage("--store is too long: ", uri);
    o->store = out;
    return 0;
}

int main(int argc, char **argv)
{
    struct options o;
    char store[SKEP_URI_MAX];
    int rc, by_hand;
    const char *mode = argc > 1 ? argv[1] : "";

    openblas_set_num_threads(1); /* a worker is one thread; and sums are then always in the same order */
    skep_worker_if_asked(argc, argv, methods);
    by_hand = strcmp(mode, "server") == 0 || strcmp(mode, "thinker") == 0;
    rc = read_options(argc - by_hand, argv + by_hand, &o);
    if (rc >= 0)
        return rc;
    if (by_hand && o.queue == NULL)
        return usage("--queue says where server and thinker meet; it is missing", "");
    if (by_hand && (rc = name_store(&o, store, sizeof store)) != 0)
        return rc;
    return !by_hand ? run_both(&o) : strcmp(mode, "server") == 0 ? run_server(&o) : run_thinker(&o);
}
