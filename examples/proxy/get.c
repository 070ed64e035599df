/* get.c - where a handle arrives: touch the object, and it is here. */
#include <skep/skep.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    skep_error err;
    skep_proxy *model;
    const void *data;
    size_t size;

    if (argc != 2)
        return fprintf(stderr, "usage: get HANDLE\n"), 2;
    if (skep_proxy_open(argv[1], NULL, &model, &err) != SKEP_OK) /* no I/O; NULL: the default policy */
        return fprintf(stderr, "%s\n", err.text), 1;
    if (skep_proxy_resolve(model, SKEP_FOREVER, &data, &size, &err) != SKEP_OK) { /* fetched here, once; lent until unref */
        skep_proxy_unref(model);
        return fprintf(stderr, "%s\n", err.text), 1;
    }
    fwrite(data, 1, size, stdout);
    skep_proxy_unref(model);
    return 0;
}
