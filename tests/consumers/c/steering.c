/* steering.c - a C program against the installed steering layer: its own worker squares a number for it. */
#include <skep/steering.h>
#include <stdio.h>

static int square(skep_call *call, void *unused)
{
    double x;

    (void)unused;
    if (skep_call_double(call, 0, &x) != SKEP_OK)
        return SKEP_EINVAL;
    return skep_call_return_double(call, x * x);
}

static const skep_method methods[] = {{"square", square, NULL}, {NULL, NULL, NULL}};

static int ask(skep_queues *queues, skep_error *err)
{
    skep_task *task = skep_task_new("square");
    double value = 0;
    int rc;

    skep_task_add_double(task, 3);
    rc = skep_queues_send(queues, "default", &task, err);
    if (rc == SKEP_OK)
        rc = skep_queues_receive(queues, "default", skep_in_ms(30000), &task, err);
    if (rc != SKEP_OK)
        return rc;
    rc = skep_task_value_double(task, &value);
    if (rc != SKEP_OK)
        skep_fail(err, rc, "no value: %s", skep_task_failure(task));
    else if (value != 9)
        rc = skep_fail(err, SKEP_ECORRUPT, "the square of 3 is not %g", value);
    skep_task_free(task);
    return rc;
}

int main(int argc, char **argv)
{
    skep_error err;
    skep_server *server = NULL;
    skep_queues *queues = NULL;
    int rc;

    skep_worker_if_asked(argc, argv, methods);
    if (argc != 2)
        return fprintf(stderr, "usage: steering QUEUES\n"), 2;
    rc = skep_server_open(argv[1], "local:?workers=1", NULL, &server, &err);
    if (rc == SKEP_OK)
        rc = skep_queues_open(argv[1], NULL, &queues, &err);
    if (rc == SKEP_OK)
        rc = ask(queues, &err);
    if (rc != SKEP_OK)
        fprintf(stderr, "%s\n", err.text);
    skep_queues_close(queues);
    skep_server_close(server);
    return rc == SKEP_OK ? 0 : 1;
}
