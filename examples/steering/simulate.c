/* simulate.c - steering on one screen: an agent sends a hundred tasks with a big input, a processor keeps the best. */
#include <skep/steering.h>
#include <stdio.h>
#include <unistd.h>

static double energy(double x, const void *weights, size_t size)
{
    const unsigned char *w = weights;

    return (x - 3.0) * (x - 3.0) + (double)w[size - 1];
}

static int simulate(skep_call *call, void *unused)
{
    const void *weights;
    size_t size;
    double x;

    (void)unused;
    if (skep_call_double(call, 0, &x) != SKEP_OK || skep_call_bytes(call, 1, &weights, &size) != SKEP_OK)
        return SKEP_EINVAL;
    return skep_call_return_double(call, energy(x, weights, size));
}
static const skep_method methods[] = {{"simulate", simulate, NULL}, {0}};

static void steer(skep_thinker *thinker, void *model) /* an agent */
{
    for (int i = 0; i < 100; i++) {
        skep_task *task = skep_task_new("simulate");
        skep_task_add_double(task, i * 0.1);
        skep_task_add_proxy(task, model);              /* or _add_bytes: proxied above the threshold */
        skep_thinker_send(thinker, "simulate", &task); /* gives the task away */
    }
}

static void simulated(skep_thinker *thinker, const skep_task *task, void *arg)
{
    double *best = arg, value;

    if (skep_task_value_double(task, &value) != SKEP_OK)
        skep_thinker_fail(thinker, "%s", skep_task_failure(task));
    else if (value < *best)
        *best = value;
}

static int think(skep_queues *queues, skep_proxy *model, double *best, skep_error *err)
{
    skep_thinker *thinker;
    int rc = skep_thinker_new(queues, &thinker, err);

    if (rc != SKEP_OK)
        return rc;
    skep_thinker_agent(thinker, "steer", steer, model);
    skep_thinker_result_processor(thinker, "simulate", simulated, best);
    rc = skep_thinker_run(thinker, err);
    skep_thinker_free(thinker);
    return rc;
}

int main(int argc, char **argv)
{
    static char weights[1 << 20];
    char uri[64];
    skep_store *store = NULL;
    skep_server *server = NULL;
    skep_queues *queues = NULL;
    skep_proxy *model = NULL;
    skep_error err;
    double best = 1e9;
    int rc;

    skep_worker_if_asked(argc, argv, methods);
    snprintf(uri, sizeof uri, "ipc://@simulate-%ld", (long)getpid());
    if ((rc = skep_store_open("shm://simulate?lifetime=session", NULL, &store, &err)) == SKEP_OK &&
        (rc = skep_store_proxy(store, weights, sizeof weights, NULL, &model, &err)) == SKEP_OK &&
        (rc = skep_server_open(uri, "local:?workers=2", NULL, &server, &err)) == SKEP_OK &&
        (rc = skep_queues_open(uri, NULL, &queues, &err)) == SKEP_OK)
        rc = think(queues, model, &best, &err);
    if (rc == SKEP_OK)
        printf("best: %.3f\n", best);
    else
        fprintf(stderr, "%s\n", err.text);
    skep_queues_close(queues);
    skep_server_close(server);
    skep_proxy_unref(model);
    skep_store_unref(store);
    return rc != SKEP_OK;
}
