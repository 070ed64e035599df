/* cgroup.c - how much memory the control groups of this process leave it: version 1 and 2, up the whole tree. */
#include "proxy/node/impl.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/base/alloc.h"

#define FIELD     1024 /* of a path; containers in containers have long ones */
#define NO_LIMIT  ((uint64_t)1 << 62)
#define TEXT_MAX  ((size_t)256 << 10)
#define SPARE_MAX ((uint64_t)2 << 20) /* the kernel charges in batches, and for more than what was asked */

/* A whole text file of the kernel's; the caller frees it. */
static char *slurp(const char *root, const char *path)
{
    char full[PATH_MAX], *text = skepi_alloc(TEXT_MAX);

    snprintf(full, sizeof full, "%s%s", root, path);
    if (text != NULL && skepi_slurp(AT_FDCWD, full, text, TEXT_MAX) >= 0)
        return text;
    skepi_free(text);
    return NULL;
}

/* 1: `word` is one of the comma-separated words of `list`. */
static int has_word(const char *list, const char *word)
{
    size_t n = strlen(word);

    for (const char *at = list; (at = strstr(at, word)) != NULL; at += n)
        if ((at == list || at[-1] == ',') && (at[n] == '\0' || at[n] == ',' || at[n] == '\n'))
            return 1;
    return 0;
}

/* Where the hierarchy is mounted, and which part of it (in a container: not its root). */
static int find_mount(char *mounts, int version, char where[FIELD], char part[FIELD])
{
    char *save, *line, kind[32], options[256];

    for (line = strtok_r(mounts, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
        const char *rest = strstr(line, " - ");

        if (rest == NULL || sscanf(line, "%*s %*s %*s %1023s %1023s", part, where) != 2 ||
            sscanf(rest, " - %31s %*s %255s", kind, options) != 2)
            continue;
        if (version == 2 ? strcmp(kind, "cgroup2") == 0 : strcmp(kind, "cgroup") == 0 && has_word(options, "memory"))
            return 1;
    }
    return 0;
}

/* The path of this process in it: "4:memory:/a/b" or "0::/a/b". */
static int find_path(char *groups, int version, char path[FIELD])
{
    char *save, *line;

    for (line = strtok_r(groups, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
        char *names = strchr(line, ':'), *at = names != NULL ? strchr(names + 1, ':') : NULL;

        if (at == NULL || strlen(at + 1) >= FIELD)
            continue;
        *at = '\0';
        if (version == 2 ? names[1] == '\0' : has_word(names + 1, "memory")) {
            memcpy(path, at + 1, strlen(at + 1) + 1);
            return 1;
        }
    }
    return 0;
}

/* 1: `part`, not the root, is a whole directory on the way to `path`. */
static int is_below(const char *path, const char *part)
{
    size_t n = strlen(part);

    return strcmp(part, "/") != 0 && strncmp(path, part, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static int find(const char *root, int version, struct skepi_cgroup *out)
{
    char *mounts = slurp(root, "/proc/self/mountinfo"), *groups = slurp(root, "/proc/self/cgroup");
    char where[FIELD], part[FIELD], path[FIELD];
    const char *below = path;
    int n, ok = mounts != NULL && groups != NULL && find_mount(mounts, version, where, part) &&
                find_path(groups, version, path);

    skepi_free(mounts);
    skepi_free(groups);
    if (!ok)
        return 0;
    if (is_below(path, part))
        below += strlen(part);
    if (strcmp(below, "/") == 0)
        below = "";
    out->top = strlen(root) + strlen(where);
    n = snprintf(out->path, sizeof out->path, "%s%s%s", root, where, below);
    return n > 0 && (size_t)n < sizeof out->path;
}

void skepi_cgroup_find(const char *root, struct skepi_cgroup out[2])
{
    for (int i = 0; i < 2; i++)
        out[i].version = find(root, i + 1, &out[i]) ? i + 1 : 0;
}

static int number(const char *dir, const char *file, uint64_t *out)
{
    char path[PATH_MAX], text[64], *end;

    snprintf(path, sizeof path, "%s/%s", dir, file);
    if (skepi_slurp(AT_FDCWD, path, text, sizeof text) < 0)
        return 0;
    *out = strtoull(text, &end, 10);
    return end != text; /* "max" is none */
}

static uint64_t stat_of(const char *text, const char *word)
{
    size_t n = strlen(word);

    for (const char *at = text; (at = strstr(at, word)) != NULL; at += n)
        if ((at == text || at[-1] == '\n') && at[n] == ' ')
            return strtoull(at + n, NULL, 10);
    return 0;
}

/* Pages of files that the kernel gives up before it kills. */
static uint64_t reclaimable(const char *dir, int version)
{
    static const char *const words[3][2] = {
        {"", ""}, {"total_inactive_file", "total_active_file"}, {"inactive_file", "active_file"}};
    char path[PATH_MAX], text[16384];

    snprintf(path, sizeof path, "%s/memory.stat", dir);
    if (skepi_slurp(AT_FDCWD, path, text, sizeof text) < 0)
        return 0;
    return stat_of(text, words[version][0]) + stat_of(text, words[version][1]);
}

static int room_at(const char *dir, int version, struct skepi_room *out)
{
    uint64_t limit, used, back;

    if (!number(dir, version == 2 ? "memory.max" : "memory.limit_in_bytes", &limit) || limit >= NO_LIMIT ||
        !number(dir, version == 2 ? "memory.current" : "memory.usage_in_bytes", &used))
        return 0;
    back = reclaimable(dir, version);
    used = used > back ? used - back : 0;
    used += limit / 64 < SPARE_MAX ? limit / 64 : SPARE_MAX;
    out->limit = limit;
    out->used = used < limit ? used : limit;
    snprintf(out->what, sizeof out->what, "the memory cgroup %.*s", (int)sizeof out->what - 32, dir);
    return 1;
}

static void walk_up(const struct skepi_cgroup *at, struct skepi_room *best)
{
    struct skepi_room room;
    char dir[sizeof at->path], *slash;

    memcpy(dir, at->path, sizeof dir);
    for (;;) {
        if (room_at(dir, at->version, &room) && (best->limit == 0 || room.limit - room.used < best->limit - best->used))
            *best = room;
        slash = strrchr(dir, '/');
        if (slash == NULL || slash < dir + at->top)
            return;
        *slash = '\0';
    }
}

int skepi_cgroup_room(const struct skepi_cgroup at[2], struct skepi_room *out)
{
    out->limit = out->used = 0;
    for (int i = 0; i < 2; i++)
        if (at[i].version != 0)
            walk_up(&at[i], out);
    return out->limit != 0;
}
