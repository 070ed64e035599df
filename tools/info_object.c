/* info_object.c - skep info HANDLE: what the handle says, what the store says, and the tensors of a model. */
#include "tools/info.h"
#include "benchmarks/json.h"
#include "tools/status.h"
#include "tools/text.h"
#include <skep/codec.h>
#include <skep/safetensors.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct facts {
    char text[SKEP_HANDLE_MAX]; /* the handle; "": the key is a foreign one, which no handle carries */
    char store[SKEP_URI_MAX];
    const skep_ref *ref;
    int there;
    uint64_t size; /* as the store says, else as the handle says, else SKEP_SIZE_UNKNOWN */
    const char *codec;
    int sniffed;               /* the codec is seen from the bytes: the handle names none */
    skep_safetensors *tensors; /* NULL: it has none */
};

static int learn_presence(const struct cli_call *call, skep_proxy *proxy, struct facts *f, skep_error *err)
{
    const skep_ref *ref = skep_proxy_ref_of(proxy);
    uint64_t size = SKEP_SIZE_UNKNOWN;
    skep_store *store;
    int rc = skep_proxy_store(proxy, call->by_ns, &store, err);

    f->size = ref->size_bytes;
    if (rc == SKEP_ENOENT) /* the store itself is gone */
        return SKEP_OK;
    if (rc != SKEP_OK)
        return rc;
    skep_store_identity(store, f->store, sizeof f->store);
    rc = skep_store_exists(store, ref, call->by_ns, &f->there, &size, err);
    skep_store_unref(store);
    if (rc == SKEP_OK && f->there && size != SKEP_SIZE_UNKNOWN)
        f->size = size;
    return rc;
}

/* A handle without a codec says "plain bytes"; a look at how they begin may say more. */
static int learn_codec(const struct cli_call *call, skep_proxy *proxy, struct facts *f, skep_error *err)
{
    char begin[16];
    size_t n = f->size < sizeof begin ? (size_t)f->size : sizeof begin;
    int rc;

    f->codec = skep_proxy_codec(proxy);
    if (!f->there || strcmp(f->codec, "raw") != 0)
        return SKEP_OK;
    rc = skep_proxy_read(proxy, 0, n, begin, call->by_ns, err);
    if (rc != SKEP_OK)
        return rc;
    f->codec = skep_codec_sniff(begin, n, f->size)->name;
    f->sniffed = strcmp(f->codec, "raw") != 0;
    return SKEP_OK;
}

static int learn_tensors(const struct cli_call *call, skep_proxy *proxy, struct facts *f, skep_error *err)
{
    int rc;

    if (!f->there || strcmp(f->codec, "safetensors") != 0)
        return SKEP_OK;
    rc = skep_safetensors_open(proxy, call->by_ns, &f->tensors, err);
    if (rc != SKEP_EFORMAT || !f->sniffed)
        return rc;
    f->codec = "raw"; /* it only looked so */
    f->sniffed = 0;
    return SKEP_OK;
}

static void object_json(const struct facts *f)
{
    const skep_ref *ref = f->ref;
    char text[CLI_TEXT_MAX];
    struct json_line j;

    j = json_line_begin(stdout, "object");
    json_line_text(&j, "handle", f->text[0] ? f->text : NULL);
    json_line_text(&j, "uri", f->store);
    json_line_text(&j, "key", ref->key);
    if (f->size == SKEP_SIZE_UNKNOWN)
        json_line_null(&j, "size_bytes");
    else
        json_line_uint(&j, "size_bytes", f->size);
    json_line_text(&j, "codec", f->codec);
    json_line_text(&j, "checksum", ref->flags & SKEP_REF_SUM ? cli_text_sum(ref->sum, text) : NULL);
    snprintf(text, sizeof text, "%016" PRIx64, ref->node);
    json_line_text(&j, "node", ref->node ? text : NULL);
    json_line_text(&j, "locator", ref->locator[0] ? ref->locator : NULL);
    json_line_bool(&j, "exists", f->there);
    if (f->tensors)
        json_line_uint(&j, "tensors", skep_safetensors_count(f->tensors));
    else
        json_line_null(&j, "tensors");
    json_line_end(&j);
}

static void tensor_json(const skep_tensor *t)
{
    struct json_line j;

    j = json_line_begin(stdout, "tensor");
    json_line_text(&j, "name", t->name);
    json_line_text(&j, "dtype", skep_dtype_name(t->dtype));
    json_line_array(&j, "shape");
    for (int i = 0; i < t->rank; i++)
        json_line_uint(&j, NULL, t->shape[i]);
    json_line_array_end(&j);
    json_line_uint(&j, "offset_bytes", t->offset);
    json_line_uint(&j, "size_bytes", t->bytes);
    json_line_end(&j);
}

static void print_json(const struct facts *f)
{
    struct json_line j;
    const char *key, *value;

    object_json(f);
    for (size_t i = 0; f->tensors && i < skep_safetensors_meta_count(f->tensors); i++) {
        if (skep_safetensors_meta_at(f->tensors, i, &key, &value) != SKEP_OK)
            continue;
        j = json_line_begin(stdout, "metadata");
        json_line_text(&j, "key", key);
        json_line_text(&j, "value", value);
        json_line_end(&j);
    }
    for (size_t i = 0; f->tensors && i < skep_safetensors_count(f->tensors); i++)
        tensor_json(skep_safetensors_at(f->tensors, i));
}

static void object_text(const struct facts *f)
{
    const skep_ref *ref = f->ref;
    char text[CLI_TEXT_MAX];

    fputs("store      ", stdout);
    cli_text_print(stdout, f->store);
    fputs("\nkey        ", stdout);
    cli_text_print(stdout, ref->key);
    printf("\nthere      %s\n", f->there ? "yes" : "no");
    printf("size       %s\n", f->size == SKEP_SIZE_UNKNOWN ? "not known" : cli_text_size_exact(f->size, text));
    fputs("codec      ", stdout);
    cli_text_print(stdout, f->codec);
    puts(f->sniffed ? " (as it begins; the handle names none)" : "");
    printf("checksum   %s\n", ref->flags & SKEP_REF_SUM ? cli_text_sum(ref->sum, text) : "none");
    if (ref->node)
        printf("node       %016" PRIx64 "\n", ref->node);
    if (ref->locator[0]) {
        fputs("locator    ", stdout);
        cli_text_print(stdout, ref->locator);
        putchar('\n');
    }
}

static void shape_text(const skep_tensor *t, char *out, size_t cap)
{
    size_t used = (size_t)snprintf(out, cap, "[");

    for (int i = 0; i < t->rank && used < cap; i++)
        used += (size_t)snprintf(out + used, cap - used, "%s%" PRIu64, i ? ", " : "", t->shape[i]);
    if (used < cap)
        snprintf(out + used, cap - used, "]");
}

static void tensors_text(const skep_safetensors *st)
{
    char shape[256], size[CLI_TEXT_MAX];
    const char *key, *value;
    size_t width = 6;

    for (size_t i = 0; i < skep_safetensors_count(st); i++) {
        size_t columns = cli_text_columns(skep_safetensors_at(st, i)->name);

        width = columns > width && columns <= 48 ? columns : width;
    }
    for (size_t i = 0; i < skep_safetensors_meta_count(st); i++) {
        if (skep_safetensors_meta_at(st, i, &key, &value) != SKEP_OK)
            continue;
        fputs("metadata   ", stdout);
        cli_text_print(stdout, key);
        fputs(" = ", stdout);
        cli_text_print(stdout, value);
        putchar('\n');
    }
    printf("tensors    %zu\n\n%-*s  %-8s  %10s  %s\n", skep_safetensors_count(st), (int)width, "TENSOR", "DTYPE", "SIZE",
           "SHAPE");
    for (size_t i = 0; i < skep_safetensors_count(st); i++) {
        const skep_tensor *t = skep_safetensors_at(st, i);

        cli_text_pad(stdout, cli_text_print(stdout, t->name), width);
        shape_text(t, shape, sizeof shape);
        printf("  %-8s  %10s  %s\n", skep_dtype_name(t->dtype), cli_text_size(t->bytes, size), shape);
    }
}

static void print_text(const struct facts *f)
{
    object_text(f);
    if (f->tensors)
        tensors_text(f->tensors);
}

static int learn(const struct cli_call *call, skep_proxy *proxy, struct facts *f, skep_error *err)
{
    int rc;

    f->ref = skep_proxy_ref_of(proxy);
    if (skep_proxy_handle(proxy, f->text, sizeof f->text) == SKEP_OK)
        snprintf(f->store, sizeof f->store, "%.*s", (int)strcspn(f->text, "#"), f->text);
    rc = learn_presence(call, proxy, f, err);
    if (rc == SKEP_OK)
        rc = learn_codec(call, proxy, f, err);
    return rc;
}

int cli_info_object(struct cli_call *call, const char *word)
{
    const struct cli_info_args *args = call->args;
    struct facts f = {.there = 0};
    skep_proxy *proxy = NULL;
    skep_error err;
    int rc = cli_target_open(call, word, &args->target, &proxy, &err);
    int damaged = SKEP_OK;

    if (rc == SKEP_OK)
        rc = learn(call, proxy, &f, &err);
    if (rc == SKEP_OK) {
        damaged = learn_tensors(call, proxy, &f, &err); /* what else is known is shown all the same */
        (call->json ? print_json : print_text)(&f);
    }
    skep_safetensors_free(f.tensors);
    skep_proxy_unref(proxy);
    if (rc != SKEP_OK || damaged != SKEP_OK)
        return cli_fail(call, &err);
    return f.there ? CLI_DONE : CLI_NO;
}
