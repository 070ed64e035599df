/* benchmarks/tasks.c - what `skep bench steering` was asked to do. */
#include "benchmarks/args.h"
#include "benchmarks/steering.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#define WHO "skep bench steering"

static const char help_text[] =
    "usage: skep bench steering --engine URI --tasks N [--payload SIZE] [--json]\n"
    "\n"
    "Starts a task server with its workers, sends tasks to it as a thinker does, and checks that each is answered\n"
    "once and rightly. The rate is of many outstanding tasks, the round trips are of one.\n"
    "\n"
    "  --engine URI      local:?workers=2 unless told\n"
    "  --tasks N         100000 unless told\n"
    "  --window N        tasks outstanding for the rate: 4096 unless told\n"
    "  --round-trips N   tasks of the latency: as many as --tasks, 5000 at most, unless told\n"
    "  --payload SIZE    bytes that each task carries and each method reads: none unless told\n"
    "  --threshold SIZE  what is larger travels as a proxy: the store's own unless told\n"
    "  --inline          nothing becomes a proxy\n"
    "  --store URI       where proxied payloads and the model are: a shm store of its own unless told\n"
    "  --queue URI       ipc://PATH or tcp://HOST:PORT: an ipc socket of its own unless told\n"
    "  --model SIZE      instead: tasks of --work that each read --read of one model of this size, against the same\n"
    "                    without a model, in turns; the clock starts when each worker has resolved it once\n"
    "  --read SIZE       1m unless told\n"
    "  --work TIME       CPU time of a task: 2ms unless told\n"
    "  --json            one object a line: the environment, then the result\n"
    "\n"
    "examples:\n"
    "  skep bench steering --engine local:?workers=2 --tasks 1000000\n"
    "  skep bench steering --tasks 10000 --payload 1m\n"
    "  skep bench steering --tasks 1000 --model 1g --read 1m --work 2ms\n";

static int parse_option(int option, char **argv, struct bench_tasks *out)
{
    switch (option) {
    case 'e':
        out->engine = optarg;
        return 0;
    case 'n':
        return bench_args_count(WHO, "--tasks", optarg, &out->tasks);
    case 'w':
        return bench_args_count(WHO, "--window", optarg, &out->window);
    case 't':
        return bench_args_count(WHO, "--round-trips", optarg, &out->round_trips);
    case 'p':
        return bench_args_size(WHO, "--payload", optarg, &out->payload_bytes);
    case 'T':
        return bench_args_size(WHO, "--threshold", optarg, &out->threshold_bytes);
    case 'i':
        out->inlined = 1;
        return 0;
    case 's':
        out->store = optarg;
        return 0;
    case 'q':
        out->queue = optarg;
        return 0;
    case 'm':
        return bench_args_size(WHO, "--model", optarg, &out->model_bytes);
    case 'r':
        return bench_args_size(WHO, "--read", optarg, &out->read_bytes);
    case 'k':
        return bench_args_time(WHO, "--work", optarg, &out->work_ns);
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

static int check_model(const struct bench_tasks *tasks)
{
    if (tasks->model_bytes == 0)
        return 0;
    if (tasks->read_bytes == 0 || tasks->read_bytes % 8 != 0 || tasks->read_bytes > tasks->model_bytes)
        return bench_args_fail(WHO, "--read: a multiple of 8, no larger than the model");
    if (tasks->payload_bytes != 0 || tasks->inlined)
        return bench_args_fail(WHO, "--model excludes --payload and --inline");
    if (tasks->tasks < 2)
        return bench_args_fail(WHO, "--tasks: two or more, with a model");
    return 0;
}

int bench_tasks_parse(int argc, char **argv, struct bench_tasks *out)
{
    static const struct option options[] = {
        {"engine", required_argument, NULL, 'e'},
        {"tasks", required_argument, NULL, 'n'},
        {"window", required_argument, NULL, 'w'},
        {"round-trips", required_argument, NULL, 't'},
        {"payload", required_argument, NULL, 'p'},
        {"threshold", required_argument, NULL, 'T'},
        {"inline", no_argument, NULL, 'i'},
        {"store", required_argument, NULL, 's'},
        {"queue", required_argument, NULL, 'q'},
        {"model", required_argument, NULL, 'm'},
        {"read", required_argument, NULL, 'r'},
        {"work", required_argument, NULL, 'k'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option, rc;

    memset(out, 0, sizeof *out);
    out->engine = "local:?workers=2";
    out->tasks = 100000;
    out->window = 4096;
    out->threshold_bytes = SKEP_SIZE_UNKNOWN;
    out->read_bytes = (uint64_t)1 << 20;
    out->work_ns = 2000000;
    optind = 0; /* whoever parsed before us left it anywhere */
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1)
        if ((rc = parse_option(option, argv, out)) != 0)
            return rc;
    if (out->help) {
        fputs(help_text, stdout);
        return 0;
    }
    if (optind < argc)
        return bench_args_fail(WHO, "what is '%s'?", argv[optind]);
    if (out->round_trips == 0)
        out->round_trips = out->tasks < 5000 ? out->tasks : 5000;
    return check_model(out);
}
