/* space.c - is there room? A full file system refuses; a full memory cgroup kills. So look before pages are taken. */
#include "proxy/node/impl.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#define CREDIT_MAX  ((uint64_t)64 << 20) /* most bytes that go unlooked */
#define CREDIT_NS   UINT64_C(50000000)   /* and for how long */
#define CREDIT_PART 16                   /* of what is free: so many writers may have a credit at once */
#define HOST_SPARE  ((uint64_t)16 << 20) /* of the host's memory, not to be taken */

void skepi_size_text(uint64_t bytes, char out[32])
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    size_t u = 0;

    for (; value >= 1024 && u + 1 < sizeof units / sizeof *units; u++)
        value /= 1024;
    snprintf(out, 32, u == 0 || value >= 10 ? "%.0f %s" : "%.1f %s", value, units[u]);
}

static int fs_room(const skep_node *node, struct skepi_room *out)
{
    struct statvfs v;

    if (fstatvfs(node->dir, &v) != 0 || v.f_blocks == 0)
        return 0;
    out->limit = (uint64_t)v.f_blocks * v.f_frsize;
    out->used = out->limit - (uint64_t)v.f_bavail * v.f_frsize;
    snprintf(out->what, sizeof out->what, "%s", node->place);
    return 1;
}

static uint64_t meminfo(const char *text, const char *word)
{
    const char *at = strstr(text, word);

    return at != NULL ? strtoull(at + strlen(word), NULL, 10) * 1024 : 0;
}

static int host_room(struct skepi_room *out)
{
    char text[4096];
    uint64_t total, available;

    if (skepi_slurp(AT_FDCWD, "/proc/meminfo", text, sizeof text) < 0)
        return 0;
    total = meminfo(text, "MemTotal:");
    available = meminfo(text, "MemAvailable:");
    if (total == 0 || available > total)
        return 0;
    out->limit = total;
    out->used = total - available + HOST_SPARE < total ? total - available + HOST_SPARE : total;
    snprintf(out->what, sizeof out->what, "this host's memory");
    return 1;
}

static void tightest(const struct skepi_room *a, struct skepi_room *best)
{
    if (best->limit == 0 || a->limit - a->used < best->limit - best->used)
        *best = *a;
}

/* How much may be taken, and what sets the bound. */
static void look(skep_node *node, struct skepi_room *best)
{
    struct skepi_room room;

    best->limit = best->used = 0;
    if (fs_room(node, &room))
        tightest(&room, best);
    if (node->disk)
        return;
    if (skepi_cgroup_room(node->cgroup, &room))
        tightest(&room, best);
    if (host_room(&room))
        tightest(&room, best);
}

static int refuse(uint64_t size, const struct skepi_room *room, skep_error *err)
{
    char want[32], used[32], limit[32];

    if (size > 0)
        skepi_size_text(size, want);
    else
        snprintf(want, sizeof want, "a new file");
    skepi_size_text(room->used, used);
    skepi_size_text(room->limit, limit);
    return skep_fail(err, SKEP_ENOSPC, "%s does not fit: %s of %s of %s are used", want, used, limit, room->what);
}

static int spend(skep_node *node, uint64_t fresh, uint64_t now)
{
    uint64_t have = atomic_load_explicit(&node->credit, memory_order_relaxed);

    if (now >= atomic_load_explicit(&node->credit_by_ns, memory_order_relaxed))
        return 0;
    while (have >= fresh)
        if (atomic_compare_exchange_weak(&node->credit, &have, have - fresh))
            return 1;
    return 0;
}

int skepi_space(skep_node *node, uint64_t fresh, skep_error *err)
{
    uint64_t now = skep_now_ns(), need = fresh + (node->disk ? 0 : fresh / 256) /* page tables */, credit;
    struct skepi_room room;

    if (spend(node, need, now))
        return SKEP_OK;
    look(node, &room);
    if (room.limit != 0 && need > room.limit - room.used && node->pool >= 0) {
        skepi_kept_sweep(node, 1);
        skepi_pool_trim(node, 0, 0); /* warm memory is the first to go */
        look(node, &room);
    }
    if (room.limit != 0 && need > room.limit - room.used)
        return refuse(fresh, &room, err);
    credit = room.limit != 0 ? (room.limit - room.used - need) / CREDIT_PART : CREDIT_MAX;
    atomic_store(&node->credit, credit < CREDIT_MAX ? credit : CREDIT_MAX);
    atomic_store(&node->credit_by_ns, now + CREDIT_NS);
    return SKEP_OK;
}

int skepi_no_space(skep_node *node, uint64_t size, skep_error *err)
{
    struct skepi_room room;
    struct statvfs v;

    atomic_store(&node->credit, 0);
    if (fstatvfs(node->dir, &v) == 0 && v.f_files > 0 && v.f_favail == 0)
        return skep_fail(err, SKEP_ENOSPC, "no room for another file: all %llu of %s are used",
                         (unsigned long long)v.f_files, node->place);
    if (fs_room(node, &room))
        return refuse(size, &room, err);
    return skep_fail(err, SKEP_ENOSPC, "%s is full", node->place);
}
