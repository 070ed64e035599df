/* benchmarks/plan.c - what `skep bench connector` was asked to do. */
#include "benchmarks/plan.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WHO        "skep bench connector"
#define RUN_NS     UINT64_C(80000000000) /* what a run with no --count or --seconds aims at, over all rows */
#define ROW_MOST   UINT64_C(1500000000)
#define ROW_LEAST  UINT64_C(100000000)
#define LARGE      ((uint64_t)1 << 20)
#define VERY_LARGE ((uint64_t)1 << 28)

static const char help_text[] =
    "usage: skep bench connector URI... [--ops LIST] [--sizes LIST] [--count N | --seconds S] [--json]\n"
    "\n"
    "Times each operation on each connector for each size, a sample of the raw road beside each sample: memcpy, a\n"
    "write loop, open and mmap on the same file system. ratio = p50 / raw p50; below 1 is faster than raw.\n"
    "Payloads differ from sample to sample and are compared outside the clock. The cache is off.\n"
    "\n"
    "  --ops LIST      of the operations below; put,get,resolve unless told\n"
    "  --sizes LIST    64,1k,1m or a range: 64:1g doubles, 64:1g:x4 takes steps of four; 64,1k,1m,100m,1g unless told\n"
    "  --count N       samples a row\n"
    "  --seconds S     time a row (0.5, 200ms), three samples at least; unless told, a run aims at 80 s in all\n"
    "  --range SIZE    bytes that `read` asks for: 4k unless told\n"
    "  --pages KIND    of our own memory: huge where the kernel gives them, or base; huge unless told, the harder rival\n"
    "  --no-verify     do not compare payloads\n"
    "  --json          one object a line: the environment, then a result for each row\n";

static const char help_examples[] =
    "\nexamples:\n"
    "  skep bench connector shm://b memory://b file:///scratch/b\n"
    "  skep bench connector shm://b --ops put,put-first,get --sizes 1g --count 10\n"
    "  skep bench connector 'file:///scratch/b?checksum=off' --ops put --sizes 100m --json > file.json\n";

static void print_help(void)
{
    fputs(help_text, stdout);
    fputs("\noperations:\n", stdout);
    for (const struct bench_op *op = bench_ops; op->name != NULL; op++)
        printf("  %-15s %s\n", op->name, op->help);
    fputs(help_examples, stdout);
}

static int parse_ops(const char *text, struct bench_plan *out)
{
    out->n_ops = 0;
    for (const char *next = text;;) {
        size_t length = strcspn(next, ",");
        const struct bench_op *op = bench_op_find(next, length);

        if (op == NULL)
            return bench_args_fail(WHO, "--ops: no operation '%.*s'", (int)length, next);
        if (out->n_ops == BENCH_OPS_MAX)
            return bench_args_fail(WHO, "--ops: more than %d operations", BENCH_OPS_MAX);
        out->ops[out->n_ops++] = op;
        if (next[length] == '\0')
            return 0;
        next += length + 1;
    }
}

static int parse_pages(const char *text, struct bench_plan *out)
{
    if (strcmp(text, "huge") != 0 && strcmp(text, "base") != 0)
        return bench_args_fail(WHO, "--pages: huge or base, not '%s'", text);
    out->huge = text[0] == 'h';
    return 0;
}

static int parse_option(int option, char **argv, struct bench_plan *out)
{
    switch (option) {
    case 'o':
        return parse_ops(optarg, out);
    case 's':
        return bench_args_sizes(WHO, "--sizes", optarg, &out->sizes);
    case 'n':
        return bench_args_count(WHO, "--count", optarg, &out->count);
    case 't':
        out->by_seconds = 1;
        return bench_args_seconds(WHO, "--seconds", optarg, &out->row_ns);
    case 'r':
        return bench_args_size(WHO, "--range", optarg, &out->range);
    case 'p':
        return parse_pages(optarg, out);
    case 'V':
        out->no_verify = 1;
        return 0;
    case 'j':
        out->json = 1;
        return 0;
    case 'h':
        out->help = 1;
        return 0;
    default:
        return bench_args_unknown(WHO, option, argv, optind, optopt);
    }
}

int bench_plan_parse(int argc, char **argv, struct bench_plan *out)
{
    static const struct option options[] = {
        {"ops", required_argument, NULL, 'o'},   {"sizes", required_argument, NULL, 's'},
        {"count", required_argument, NULL, 'n'}, {"seconds", required_argument, NULL, 't'},
        {"range", required_argument, NULL, 'r'}, {"pages", required_argument, NULL, 'p'},
        {"no-verify", no_argument, NULL, 'V'},   {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0},
    };
    int option, rc;

    memset(out, 0, sizeof *out);
    out->huge = 1;
    out->range = 4096;
    if ((rc = parse_ops("put,get,resolve", out)) != 0 ||
        (rc = bench_args_sizes(WHO, "--sizes", "64,1k,1m,100m,1g", &out->sizes)) != 0)
        return rc;
    optind = 0; /* whoever parsed before us left it anywhere */
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1)
        if ((rc = parse_option(option, argv, out)) != 0)
            return rc;
    if (out->help) {
        print_help();
        return 0;
    }
    out->uris = argv + optind;
    out->n_uris = argc - optind;
    if (out->n_uris == 0)
        return bench_args_fail(WHO, "no URI given: shm://NAME, file:///DIRECTORY, memory://NAME");
    if (out->count != 0 && out->by_seconds)
        return bench_args_fail(WHO, "--count and --seconds exclude each other");
    if (!out->by_seconds) {
        uint64_t rows = (uint64_t)out->n_uris * (uint64_t)out->n_ops * out->sizes.count;

        out->row_ns = rows > 0 ? RUN_NS / rows : RUN_NS;
        out->row_ns = out->row_ns > ROW_MOST ? ROW_MOST : out->row_ns < ROW_LEAST ? ROW_LEAST : out->row_ns;
    }
    return 0;
}

struct bench_samples bench_plan_samples(const struct bench_plan *plan, uint64_t size)
{
    struct bench_samples out;

    out.warm_up = size < LARGE ? 20 : size < VERY_LARGE ? 3 : 1;
    out.least = 3;
    out.most = size < LARGE ? 2000 : 200;
    if (plan->by_seconds)
        out.most = UINT64_MAX / 2; /* the warm-up is added to it */
    if (plan->count != 0)
        out.least = out.most = plan->count;
    return out;
}
