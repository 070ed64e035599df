/* interop_safetensors.c - skep's side of tests/interop_safetensors.py: objects come on standard input, each behind its
 * length (4 bytes, little-endian); what skep makes of them goes to standard output. Texts are written in hexadecimal.
 *
 *     interop_safetensors judge            an object -> "ok N M", N lines of tensors, M of metadata; or "no TEXT"
 *     interop_safetensors put URI          an object -> its tensors, backwards, put in a store -> "key KEY"
 *     interop_safetensors tensor URI KEY NAME    one tensor of an unresolved object, its bytes as they are
 */
#include <skep/skep.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int complain(const char *what, const skep_error *err)
{
    fprintf(stderr, "interop_safetensors: %s: %s\n", what, err != NULL ? err->text : "failed");
    return -1;
}

/* The next object; 0 at the end. */
static int frame(unsigned char **bytes, size_t *size)
{
    unsigned char length[4];

    if (fread(length, 1, sizeof length, stdin) != sizeof length)
        return 0;
    *size = length[0] | (size_t)length[1] << 8 | (size_t)length[2] << 16 | (size_t)length[3] << 24;
    *bytes = malloc(*size > 0 ? *size : 1);
    if (*bytes == NULL || fread(*bytes, 1, *size, stdin) != *size)
        return complain("input", NULL);
    return 1;
}

static void hex(const char *text)
{
    putchar('=');
    for (; *text != '\0'; text++)
        printf("%02x", (unsigned char)*text);
}

static void show(const skep_safetensors *st, const unsigned char *object)
{
    size_t n = skep_safetensors_count(st), n_meta = skep_safetensors_meta_count(st);
    const char *key, *value;

    printf("ok %zu %zu\n", n, n_meta);
    for (size_t i = 0; i < n; i++) {
        const skep_tensor *t = skep_safetensors_at(st, i);

        hex(t->name);
        printf(" %s %td %" PRIu64, skep_dtype_name(t->dtype), (const unsigned char *)t->data - object, t->bytes);
        for (int d = 0; d < t->rank; d++)
            printf(" %" PRIu64, t->shape[d]);
        putchar('\n');
    }
    for (size_t i = 0; i < n_meta && skep_safetensors_meta_at(st, i, &key, &value) == SKEP_OK; i++) {
        hex(key);
        putchar(' ');
        hex(value);
        putchar('\n');
    }
}

static int judge(void)
{
    unsigned char *bytes;
    size_t size;
    int more;

    while ((more = frame(&bytes, &size)) > 0) {
        skep_safetensors *st;
        skep_error err;

        if (skep_safetensors_parse(bytes, size, &st, &err) == SKEP_OK) {
            show(st, bytes);
            skep_safetensors_free(st);
        } else {
            printf("no %s\n", err.text);
        }
        free(bytes);
    }
    return more;
}

/* Backwards, so that the order in the object is skep's own doing. */
static int put_again(skep_store *store, const skep_safetensors *st, skep_error *err)
{
    size_t n = skep_safetensors_count(st), n_meta = skep_safetensors_meta_count(st);
    skep_tensor *tensors = calloc(n + 1, sizeof *tensors);
    skep_meta *meta = calloc(n_meta + 1, sizeof *meta);
    skep_proxy *proxy = NULL;
    int rc = SKEP_ENOMEM;

    if (tensors != NULL && meta != NULL) {
        for (size_t i = 0; i < n; i++)
            tensors[i] = *skep_safetensors_at(st, n - 1 - i);
        for (size_t i = 0; i < n_meta; i++)
            (void)skep_safetensors_meta_at(st, i, &meta[i].key, &meta[i].value);
        rc = skep_safetensors_put(store, tensors, n, meta, n_meta, NULL, &proxy, err);
    }
    if (rc == SKEP_OK)
        printf("key %s\n", skep_proxy_ref_of(proxy)->key);
    skep_proxy_unref(proxy);
    free(meta);
    free(tensors);
    return rc;
}

static int put(const char *uri)
{
    skep_error err = {0};
    skep_store *store;
    unsigned char *bytes;
    size_t size;
    int more;

    if (skep_store_open(uri, NULL, &store, &err) != SKEP_OK)
        return complain(uri, &err);
    while ((more = frame(&bytes, &size)) > 0) {
        skep_safetensors *st = NULL;

        if (skep_safetensors_parse(bytes, size, &st, &err) != SKEP_OK || put_again(store, st, &err) != SKEP_OK)
            return complain(uri, &err);
        skep_safetensors_free(st);
        free(bytes);
    }
    skep_store_unref(store);
    return more;
}

static int read_tensor(skep_proxy *proxy, const char *name, skep_error *err)
{
    skep_safetensors *st;
    const skep_tensor *t;
    void *bytes = NULL;
    int rc = skep_safetensors_open(proxy, SKEP_FOREVER, &st, err);

    if (rc != SKEP_OK)
        return rc;
    t = skep_safetensors_find(st, name);
    if (t == NULL)
        rc = skep_fail(err, SKEP_ENOENT, "no tensor of that name");
    else if ((bytes = malloc(t->bytes + 1)) == NULL)
        rc = skep_fail(err, SKEP_ENOMEM, "out of memory");
    else
        rc = skep_safetensors_read(st, t, bytes, t->bytes, SKEP_FOREVER, err);
    if (rc == SKEP_OK)
        fwrite(bytes, 1, t->bytes, stdout);
    free(bytes);
    skep_safetensors_free(st);
    return rc;
}

static int tensor(const char *uri, const char *key, const char *name)
{
    skep_error err = {0};
    skep_store *store = NULL;
    skep_proxy *proxy = NULL;
    skep_ref ref;
    int rc = skep_ref_key(key, &ref);

    if (rc == SKEP_OK)
        rc = skep_store_open(uri, NULL, &store, &err);
    if (rc == SKEP_OK)
        rc = skep_store_proxy_of(store, &ref, "safetensors", &proxy, &err);
    if (rc == SKEP_OK)
        rc = read_tensor(proxy, name, &err);
    skep_proxy_unref(proxy);
    skep_store_unref(store);
    return rc == SKEP_OK ? 0 : complain(name, &err);
}

int main(int argc, char **argv)
{
    int rc = -1;

    if (argc == 2 && strcmp(argv[1], "judge") == 0)
        rc = judge();
    else if (argc == 3 && strcmp(argv[1], "put") == 0)
        rc = put(argv[2]);
    else if (argc == 5 && strcmp(argv[1], "tensor") == 0)
        rc = tensor(argv[2], argv[3], argv[4]);
    return rc == 0 && fflush(stdout) == 0 ? 0 : 1;
}
