/* benchmarks/road.c - one URI under measurement. */
#include "benchmarks/road.h"

#include <skep/connector.h>

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define TABLES_MAX 8
#define SHM_RAW    "/dev/shm/skep-bench-"

struct schemes {
    const char *scheme; /* with all that stands in front: "fault+shm" */
    const skep_option *tables[TABLES_MAX];
    size_t n;
    uint32_t caps;
};

/* Is `name` one of the words between '+'? */
static int has_word(const char *scheme, const char *name)
{
    size_t length = strlen(name);

    for (const char *at = scheme; *at != '\0'; at += strcspn(at, "+"), at += *at == '+')
        if (strcspn(at, "+") == length && strncmp(at, name, length) == 0)
            return 1;
    return 0;
}

static int collect(const skep_connector_info *info, void *arg)
{
    struct schemes *s = arg;

    if (!has_word(s->scheme, info->scheme) || s->n + 2 > TABLES_MAX)
        return 0;
    s->caps |= info->caps;
    if (info->options != NULL)
        s->tables[s->n++] = info->options;
    if (info->common != NULL && s->n == 1)
        s->tables[s->n++] = info->common;
    return 0;
}

static int open_raw(struct bench_road *road, const char *path, skep_error *err)
{
    struct stat there, here;
    struct statfs fs = {0};
    char prefix[PATH_MAX];
    size_t length = strlen(path);
    int rc;

    while (length > 1 && path[length - 1] == '/')
        length--;
    if (length > 1)
        snprintf(prefix, sizeof prefix, "%.*s.bench-", (int)length, path);
    else
        snprintf(prefix, sizeof prefix, "%s", SHM_RAW);
    if ((rc = bench_scratch_open(prefix, &road->raw, err)) != SKEP_OK)
        return rc;
    if (fstat(road->raw.fd, &here) != 0 || fstatfs(road->raw.fd, &fs) != 0)
        rc = skep_fail(err, skep_err_from_errno(errno), "%s: %s", road->raw.path, strerror(errno));
    else if (length > 1 && (stat(path, &there) != 0 || there.st_dev != here.st_dev))
        rc = skep_fail(err, SKEP_ENOTSUP, "%s is on another file system", road->raw.path);
    road->in_memory = rc == SKEP_OK && fs.f_type == TMPFS_MAGIC;
    if (rc != SKEP_OK)
        bench_scratch_close(&road->raw);
    return rc;
}

static int describe(struct bench_road *road, const char *text, skep_uri **take, struct schemes *s, skep_error *err)
{
    const char *mark = strstr(text, "://");
    int n;

    if (mark == NULL || mark == text || mark - text >= BENCH_SCHEME_MAX)
        return skep_fail(err, SKEP_EINVAL, "'%s' is not a URI (shm://NAME, file:///DIRECTORY, memory://NAME)", text);
    snprintf(road->scheme, sizeof road->scheme, "%.*s", (int)(mark - text), text);
    s->scheme = road->scheme;
    skep_connectors(collect, s);
    if (s->n == 0)
        return skep_fail(err, SKEP_ENOTSUP, "no connector for '%s'; skep connectors lists those there are", road->scheme);
    if (strstr(text, "?cache=") != NULL || strstr(text, "&cache=") != NULL)
        return skep_fail(err, SKEP_EINVAL, "'%s': the cache is always off here, so that every operation does its work",
                         text);
    n = snprintf(road->uri, sizeof road->uri, "%s%ccache=0", text, strchr(text, '?') != NULL ? '&' : '?');
    if (n < 0 || (size_t)n >= sizeof road->uri)
        return skep_fail(err, SKEP_ETOOBIG, "'%s' is longer than a URI may be", text);
    return skep_uri_parse(road->uri, s->tables, s->n, take, err);
}

/* The directory that a store is in; "": the shared-memory file system's own. */
static const char *where(const skep_uri *uri)
{
    return skep_uri_has(uri, "dir") ? skep_uri_option(uri, "dir") : skep_uri_path(uri);
}

int bench_road_again(struct bench_road *road, skep_error *err)
{
    return skep_store_open(road->uri, NULL, &road->store, err);
}

void bench_road_drop(struct bench_road *road)
{
    skep_store_unref(road->store);
    road->store = NULL;
}

int bench_road_open(const char *uri, struct bench_road *out, skep_error *err)
{
    struct schemes s = {NULL, {NULL}, 0, 0};
    skep_uri *parsed = NULL;
    skep_error why;
    int rc;

    memset(out, 0, sizeof *out);
    out->raw.fd = -1;
    if ((rc = describe(out, uri, &parsed, &s, err)) != SKEP_OK)
        return rc;
    if ((rc = bench_road_again(out, err)) != SKEP_OK ||
        (rc = skep_store_describe(out->store, out->describe, sizeof out->describe)) != SKEP_OK) {
        skep_uri_free(parsed);
        bench_road_close(out);
        return rc;
    }
    out->verify_full = strcmp(skep_uri_option(parsed, "verify"), "full") == 0;
    out->verify_off = strcmp(skep_uri_option(parsed, "verify"), "off") == 0;
    out->shared = (s.caps & SKEP_CAP_SHARED) != 0;
    if (out->shared && (s.caps & SKEP_CAP_MAPPED) != 0 && open_raw(out, where(parsed), &why) != SKEP_OK)
        fprintf(stderr, "skep bench: %s: %s; what needs files has no baseline\n", uri, why.text);
    skep_uri_free(parsed);
    return SKEP_OK;
}

void bench_road_close(struct bench_road *road)
{
    bench_road_drop(road);
    bench_scratch_close(&road->raw);
}
