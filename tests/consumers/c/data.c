/* data.c - a C program against the installed data layer: bytes go into a store, and come back by their handle. */
#include <skep/skep.h>
#include <stdio.h>
#include <string.h>

static int fetch(const char *handle)
{
    skep_error err;
    skep_proxy *proxy;
    const void *data;
    size_t size;
    int same;

    if (skep_proxy_open(handle, NULL, &proxy, &err) != SKEP_OK)
        return fprintf(stderr, "%s\n", err.text), 1;
    if (skep_proxy_resolve(proxy, SKEP_FOREVER, &data, &size, &err) != SKEP_OK) {
        skep_proxy_unref(proxy);
        return fprintf(stderr, "%s\n", err.text), 1;
    }
    same = size == 7 && memcmp(data, "weights", 7) == 0;
    skep_proxy_unref(proxy);
    return same ? 0 : (fprintf(stderr, "other bytes came back\n"), 1);
}

int main(int argc, char **argv)
{
    skep_error err;
    skep_store *store;
    skep_proxy *model;
    char handle[SKEP_HANDLE_MAX];
    int rc;

    if (argc != 2)
        return fprintf(stderr, "usage: data STORE\n"), 2;
    if (skep_store_open(argv[1], NULL, &store, &err) != SKEP_OK)
        return fprintf(stderr, "%s\n", err.text), 1;
    rc = skep_store_proxy(store, "weights", 7, NULL, &model, &err);
    if (rc == SKEP_OK) {
        rc = skep_proxy_handle(model, handle, sizeof handle);
        skep_proxy_unref(model);
    }
    if (rc != SKEP_OK)
        fprintf(stderr, "%s\n", err.text);
    else
        rc = fetch(handle);
    skep_store_unref(store);
    return rc == 0 ? 0 : 1;
}
