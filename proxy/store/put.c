/* put.c - bytes into a store: copied from pieces, or written in place. */
#include "proxy/base/alloc.h"
#include "proxy/base/sum.h"
#include "proxy/base/uuid.h"
#include "proxy/store/dispatch.h"

#include <string.h>

int skepi_put_opts_read(const skep_put_opts *given, skep_put_opts *out, skep_error *err)
{
    *out = (skep_put_opts)SKEP_PUT_OPTS_INIT;
    if (given == NULL)
        return SKEP_OK;
    if (given->size < sizeof given->size)
        return skep_fail(err, SKEP_EINVAL, "the options of a put have size %zu: begin them with SKEP_PUT_OPTS_INIT",
                         given->size);
    memcpy(out, given, given->size < sizeof *out ? given->size : sizeof *out);
    return SKEP_OK;
}

void skepi_put_plan(const skep_store *store, const skep_put_opts *opts, struct skepi_put_plan *plan)
{
    int wanted = opts->checksum == SKEP_SUM_YES || (opts->checksum != SKEP_SUM_NO && store->config.checksum);

    plan->sum_here = wanted && !(store->ops->caps & SKEP_CAP_SUMS);
    plan->how = (skep_put){.size = sizeof plan->how, .by_ns = opts->by_ns, .want_sum = wanted && !plan->sum_here};
}

int skepi_put_ref(const skep_store *store, const skep_put_opts *opts, uint64_t size, skep_ref *ref, skep_error *err)
{
    int rc;

    *ref = (skep_ref)SKEP_REF_INIT;
    rc = opts->key != NULL ? skep_ref_key(opts->key, ref) : skepi_uuid(ref->key);
    if (rc != SKEP_OK)
        return skep_fail(err, rc, "%.200s: %s", store->identity,
                         opts->key != NULL ? "a key has 1 to 255 bytes, no '/', no control character, no leading dot"
                                           : "no random bytes for a key");
    ref->size_bytes = size;
    return SKEP_OK;
}

static int measure(const skep_store *store, const struct iovec *iov, int n, uint64_t *out, skep_error *err)
{
    uint64_t total = 0;

    if (n < 0 || (n > 0 && iov == NULL))
        return skep_fail(err, SKEP_EINVAL, "%.200s: put of %d pieces that are not there", store->identity, n);
    for (int i = 0; i < n; i++) {
        if (iov[i].iov_base == NULL && iov[i].iov_len > 0)
            return skep_fail(err, SKEP_EINVAL, "%.200s: piece %d of a put is NULL", store->identity, i);
        if (iov[i].iov_len > (uint64_t)INT64_MAX - total)
            return skep_fail(err, SKEP_ETOOBIG, "%.200s: more bytes than can be counted", store->identity);
        total += iov[i].iov_len;
    }
    *out = total;
    return SKEP_OK;
}

static void add_sum(skep_ref *ref, const struct iovec *iov, int n)
{
    skep_sum sum;

    skepi_sum_init(&sum);
    for (int i = 0; i < n; i++)
        skepi_sum_update(&sum, iov[i].iov_base, iov[i].iov_len);
    ref->sum = skepi_sum_final(&sum);
    ref->flags |= SKEP_REF_SUM;
}

int skep_store_putv(skep_store *store, const struct iovec *iov, int n, const skep_put_opts *given, skep_ref *out,
                    skep_error *err)
{
    uint64_t t0 = skep_now_ns();
    struct skepi_put_plan plan;
    skep_put_opts opts;
    uint64_t size = 0;
    skep_error e;
    skep_ref ref;
    int rc;

    rc = skepi_put_opts_read(given, &opts, err);
    if (rc != SKEP_OK)
        return rc;
    skepi_put_plan(store, &opts, &plan);
    rc = measure(store, iov, n, &size, err);
    if (rc == SKEP_OK)
        rc = skepi_put_ref(store, &opts, size, &ref, err);
    if (rc == SKEP_OK)
        rc = skepi_store_begin(store, NULL, 0, &plan.how.by_ns, &e, err);
    if (rc != SKEP_OK)
        return rc;
    if (plan.sum_here)
        add_sum(&ref, iov, n);
    rc = store->ops->put(store->self, &ref, iov, n, &plan.how, &e);
    skepi_metrics_record(&store->metrics[SKEP_OP_PUT], rc, size, size, skep_now_ns() - t0);
    if (rc != SKEP_OK)
        return skepi_store_fail(store, rc, &e, err);
    if (out != NULL)
        *out = ref;
    return SKEP_OK;
}

int skep_store_put(skep_store *store, const void *data, size_t size, const skep_put_opts *opts, skep_ref *out,
                   skep_error *err)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};

    return skep_store_putv(store, &iov, 1, opts, out, err);
}

struct skep_slot {
    skep_store *store; /* a reference */
    skep_ref ref;
    size_t size;
    struct skepi_put_plan plan;
    struct skepi_room room;
    uint64_t generation; /* of forks: the room is the connector's of that process */
    uint64_t reserve_ns; /* what reserving took */
};

int skep_store_reserve(skep_store *store, size_t size, const skep_put_opts *given, skep_slot **take, skep_error *err)
{
    uint64_t t0 = skep_now_ns();
    skep_put_opts opts;
    skep_slot *slot;
    skep_error e;
    int rc;

    rc = skepi_put_opts_read(given, &opts, err);
    if (rc != SKEP_OK)
        return rc;
    slot = skepi_alloc(sizeof *slot);
    if (slot == NULL)
        return skep_fail(err, SKEP_ENOMEM, "%.200s: out of memory", store->identity);
    skepi_put_plan(store, &opts, &slot->plan);
    rc = skepi_put_ref(store, &opts, size, &slot->ref, err);
    if (rc == SKEP_OK)
        rc = skepi_store_begin(store, NULL, 0, &slot->plan.how.by_ns, &e, err);
    if (rc != SKEP_OK)
        goto undo_slot;
    rc = skepi_do_reserve(store, &slot->ref, size, slot->plan.how.by_ns, &slot->room, &e);
    if (rc != SKEP_OK) {
        skepi_store_fail(store, rc, &e, err);
        goto undo_slot;
    }
    slot->store = skep_store_ref(store);
    slot->size = size;
    slot->generation = atomic_load(&skepi_fork_generation);
    slot->reserve_ns = skep_now_ns() - t0;
    *take = slot;
    return SKEP_OK;

undo_slot:
    skepi_free(slot);
    return rc;
}

void *skep_slot_data(skep_slot *slot)
{
    return slot->room.memory;
}

size_t skep_slot_size(const skep_slot *slot)
{
    return slot->size;
}

static void free_slot(skep_slot *slot)
{
    skep_store_unref(slot->store);
    skepi_free(slot);
}

/* End the room without publishing it. What the parent's connector lent is the parent's to give back; heap is a copy. */
static void give_back(skep_slot *slot)
{
    int inherited = slot->generation != atomic_load(&skepi_fork_generation);

    if (!inherited || slot->store->ops->abort == NULL)
        skepi_do_abort(slot->store, &slot->room);
}

static int commit(skep_slot *slot, skep_error *err)
{
    skep_store *s = slot->store;
    uint64_t t0 = skep_now_ns();
    skep_error e;
    int rc;

    if (slot->generation != atomic_load(&skepi_fork_generation)) { /* its key can be published once, by the parent */
        give_back(slot);
        return skep_fail(err, SKEP_ECLOSED, "%.200s: reserved before fork: only the parent can commit", s->identity);
    }
    if (slot->plan.sum_here || (slot->plan.how.want_sum && s->ops->commit != NULL)) {
        slot->ref.sum = skepi_sum_all(slot->room.memory, slot->size);
        slot->ref.flags |= SKEP_REF_SUM;
    }
    e.text[0] = 0;
    rc = skepi_do_commit(s, &slot->room, &slot->ref, slot->size, &slot->plan.how, &e);
    skepi_metrics_record(&s->metrics[SKEP_OP_PUT], rc, slot->size, s->ops->commit != NULL ? 0 : slot->size,
                         slot->reserve_ns + skep_now_ns() - t0);
    return rc == SKEP_OK ? SKEP_OK : skepi_store_fail(s, rc, &e, err);
}

int skep_slot_commit(skep_slot **give, skep_ref *out, skep_error *err)
{
    skep_slot *slot;
    int rc;

    if (give == NULL || *give == NULL)
        return skep_fail(err, SKEP_EINVAL, "skep_slot_commit: no slot");
    slot = *give;
    *give = NULL;
    rc = commit(slot, err);
    if (rc == SKEP_OK && out != NULL)
        *out = slot->ref;
    free_slot(slot);
    return rc;
}

void skep_slot_abort(skep_slot *take)
{
    if (take == NULL)
        return;
    give_back(take);
    free_slot(take);
}
