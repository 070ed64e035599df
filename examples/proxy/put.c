/* put.c - the proxy layer alone: put bytes into a store and print the handle to send. */
#include <skep/skep.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    const char *uri = argc > 1 ? argv[1] : "shm://example";
    skep_error err;
    skep_store *store;
    skep_proxy *model;
    char handle[SKEP_HANDLE_MAX];

    if (skep_store_open(uri, NULL, &store, &err) != SKEP_OK ||
        skep_store_proxy(store, "weights", 7, NULL, &model, &err) != SKEP_OK)
        return fprintf(stderr, "%s\n", err.text), 1;
    skep_proxy_handle(model, handle, sizeof handle);
    puts(handle); /* send it anywhere */
    skep_proxy_unref(model);
    skep_store_unref(store);
    return 0;
}
