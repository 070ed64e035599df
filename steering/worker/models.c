/* models.c - the objects that a worker has resolved, kept for the next task within a budget of bytes. */
#include "steering/worker/models.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    LEAVE_WAIT_MS = 1000,
    ENTRY_BYTES = 1024, /* what an object takes besides its bytes, about, and while it is not resolved */
};

struct skepi_model {
    struct skepi_model *next;          /* in its bucket */
    struct skepi_model *newer, *older; /* by last use */
    struct skepi_model *next_in_task;
    int in_task, once;
    skep_proxy *proxy;
    skep_policy *allowed_by; /* the policy that did not refuse it */
    uint64_t size;           /* counted in `used`: ENTRY_BYTES until it is resolved */
    char handle[];
};

struct skepi_made {
    struct skepi_made *next;
    skep_proxy *proxy;
};

struct skepi_opened {
    struct skepi_opened *next;
    skep_store *store;
    char identity[];
};

static int turn_cache_off(const skep_connector_info *info, void *arg)
{
    char name[80];
    int n = snprintf(name, sizeof name, "SKEP_%s_CACHE", info->scheme);

    (void)arg;
    for (char *c = name; *c != '\0'; c++) { /* a scheme is of small letters, digits, '+', '-' and '.' */
        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - 'a' + 'A');
        else if (*c == '+' || *c == '-' || *c == '.')
            *c = '_';
    }
    if (n > 0 && (size_t)n < sizeof name)
        setenv(name, "0", 0);
    return 0;
}

void skepi_models_quiet(void)
{
    skep_connectors(turn_cache_off, NULL);
}

void skepi_models_init(struct skepi_models *models, uint64_t budget)
{
    *models = (struct skepi_models){.budget = budget};
    pthread_mutex_init(&models->lock, NULL);
}

/* ---- the lists; the lock is held ----------------------------------------------------------------- */

static struct skepi_model **bucket(struct skepi_models *m, const char *handle)
{
    unsigned hash = 5381;

    for (; *handle != '\0'; handle++)
        hash = hash * 33 + (unsigned char)*handle;
    return &m->bucket[hash % SKEPI_MODEL_BUCKETS];
}

static void unlink_use(struct skepi_models *m, struct skepi_model *model)
{
    *(model->newer == NULL ? &m->newest : &model->newer->older) = model->older;
    *(model->older == NULL ? &m->oldest : &model->older->newer) = model->newer;
}

static void link_newest(struct skepi_models *m, struct skepi_model *model)
{
    model->newer = NULL;
    model->older = m->newest;
    *(m->newest == NULL ? &m->oldest : &m->newest->newer) = model;
    m->newest = model;
}

static void enter_task(struct skepi_models *m, struct skepi_model *model)
{
    if (model->in_task)
        return;
    model->in_task = 1;
    model->next_in_task = m->in_task;
    m->in_task = model;
}

/* Out of all lists; freeing it may wait for a store, and is for after the lock. */
static void unlist(struct skepi_models *m, struct skepi_model *model)
{
    struct skepi_model **here = bucket(m, model->handle);

    while (*here != model)
        here = &(*here)->next;
    *here = model->next;
    unlink_use(m, model);
    m->used -= model->size;
}

static void model_free(struct skepi_model *model)
{
    if (model == NULL)
        return;
    skep_proxy_unref(model->proxy);
    skep_policy_unref(model->allowed_by);
    free(model);
}

/* ---- proxies ------------------------------------------------------------------------------------- */

static struct skepi_model *find(struct skepi_models *m, const char *handle)
{
    struct skepi_model *model;

    for (model = *bucket(m, handle); model != NULL && strcmp(model->handle, handle) != 0; model = model->next)
        ;
    if (model == NULL)
        return NULL;
    unlink_use(m, model);
    link_newest(m, model);
    enter_task(m, model);
    return model;
}

static struct skepi_model *model_new(const char *handle, skep_policy *policy, int once, skep_error *err, int *rc)
{
    size_t size = strlen(handle) + 1;
    struct skepi_model *model = calloc(1, sizeof *model + size);

    if (model == NULL) {
        *rc = skep_fail(err, SKEP_ENOMEM, "no memory for a proxy");
        return NULL;
    }
    memcpy(model->handle, handle, size);
    model->once = once;
    model->size = ENTRY_BYTES;
    if ((*rc = skep_proxy_open(handle, policy, &model->proxy, err)) != SKEP_OK) {
        model_free(model);
        return NULL;
    }
    model->allowed_by = skep_policy_ref(policy);
    return model;
}

/* A model that an earlier task had, for a task with another policy. */
static int check_again(struct skepi_model *model, skep_policy *policy, skep_error *err)
{
    skep_handle handle = SKEP_HANDLE_INIT;
    int rc = skep_handle_parse(model->handle, &handle, err);

    if (rc == SKEP_OK && (rc = skep_policy_check(policy, handle.store, err)) == SKEP_OK) {
        skep_policy_unref(model->allowed_by);
        model->allowed_by = skep_policy_ref(policy);
    }
    return rc;
}

/* The proxy from the lists, or a new one that is put there. */
static int get(struct skepi_models *m, const char *handle, skep_policy *policy, int once, skep_proxy **lend, skep_error *err)
{
    struct skepi_model *model, **here;
    int rc = SKEP_OK;

    pthread_mutex_lock(&m->lock);
    model = find(m, handle);
    pthread_mutex_unlock(&m->lock);
    if (model != NULL && model->allowed_by != policy && (rc = check_again(model, policy, err)) != SKEP_OK)
        return rc;
    if (model == NULL && (model = model_new(handle, policy, once, err, &rc)) != NULL) {
        pthread_mutex_lock(&m->lock);
        here = bucket(m, handle);
        model->next = *here;
        *here = model;
        m->used += model->size;
        link_newest(m, model);
        enter_task(m, model);
        pthread_mutex_unlock(&m->lock);
    }
    if (model != NULL)
        *lend = model->proxy;
    return rc;
}

static uint64_t moved_by(skep_proxy *proxy)
{
    skep_metrics metrics = SKEP_METRICS_INIT;
    skep_store *store = NULL;
    uint64_t moved = 0;

    if (skep_proxy_store(proxy, SKEP_FOREVER, &store, NULL) == SKEP_OK &&
        skep_store_metrics(store, SKEP_OP_RESOLVE, &metrics) == SKEP_OK)
        moved = metrics.moved_bytes;
    skep_store_unref(store);
    return moved;
}

/* Count the size of a model that is resolved now. */
static void weigh(struct skepi_models *m, skep_proxy *proxy, uint64_t size)
{
    struct skepi_model *model;

    pthread_mutex_lock(&m->lock);
    for (model = m->in_task; model != NULL && model->proxy != proxy; model = model->next_in_task)
        ;
    if (model != NULL && model->size == ENTRY_BYTES) {
        model->size += size;
        m->used += size;
    }
    pthread_mutex_unlock(&m->lock);
}

/* Objects that go with their task come one after the other: without this each would open their store, and close it. */
static void keep_store(struct skepi_models *m, skep_proxy *proxy)
{
    char identity[SKEP_URI_MAX];
    struct skepi_opened *opened = NULL;
    skep_store *store = NULL;

    if (skep_proxy_store(proxy, SKEP_FOREVER, &store, NULL) != SKEP_OK)
        return;
    for (struct skepi_opened *o = m->stores; o != NULL; o = o->next)
        if (o->store == store) {
            skep_store_unref(store);
            return;
        }
    if (skep_store_identity(store, identity, sizeof identity) == SKEP_OK)
        opened = calloc(1, sizeof *opened + strlen(identity) + 1);
    if (opened == NULL) {
        skep_store_unref(store);
        return;
    }
    memcpy(opened->identity, identity, strlen(identity) + 1);
    opened->store = store;
    opened->next = m->stores;
    m->stores = opened;
}

static int resolve(struct skepi_models *m, skep_proxy *proxy, struct skepi_fetched *fetched, skep_error *err)
{
    uint64_t since = skep_now_ns(), before;
    const void *data;
    size_t size;
    int rc;

    if (skep_proxy_state(proxy) == SKEP_PROXY_RESOLVED)
        return SKEP_OK;
    before = moved_by(proxy);
    if ((rc = skep_proxy_resolve(proxy, SKEP_FOREVER, &data, &size, err)) == SKEP_OK) {
        fetched->resolves++;
        fetched->moved_bytes += moved_by(proxy) - before;
        weigh(m, proxy, size);
        keep_store(m, proxy);
    }
    fetched->ns += skep_now_ns() - since;
    return rc;
}

int skepi_models_enter(struct skepi_models *m)
{
    int go;

    pthread_mutex_lock(&m->lock);
    m->busy = go = !m->left;
    pthread_mutex_unlock(&m->lock);
    return go;
}

void skepi_models_exit(struct skepi_models *m)
{
    pthread_mutex_lock(&m->lock);
    m->busy = 0;
    pthread_mutex_unlock(&m->lock);
}

int skepi_models_get(struct skepi_models *models, const char *handle, skep_policy *policy, int once,
                     struct skepi_fetched *fetched, skep_proxy **lend, skep_error *err)
{
    skep_proxy *proxy = NULL;
    int rc;

    if (!skepi_models_enter(models))
        return skep_fail(err, SKEP_ECLOSED, "the worker ends");
    if ((rc = get(models, handle, policy, once, &proxy, err)) == SKEP_OK && fetched != NULL)
        rc = resolve(models, proxy, fetched, err);
    skepi_models_exit(models);
    if (rc == SKEP_OK)
        *lend = proxy;
    return rc;
}

void skepi_models_task_ended(struct skepi_models *models)
{
    struct skepi_model *drop = NULL, *model;

    if (models->in_task == NULL)
        return;
    pthread_mutex_lock(&models->lock);
    while ((model = models->in_task) != NULL) {
        models->in_task = model->next_in_task;
        model->in_task = 0;
        if (model->once) {
            unlist(models, model);
            model->next = drop;
            drop = model;
        }
    }
    while (models->used > models->budget && models->oldest != models->newest) {
        model = models->oldest;
        unlist(models, model);
        model->next = drop;
        drop = model;
    }
    pthread_mutex_unlock(&models->lock);
    while ((model = drop) != NULL) {
        drop = model->next;
        model_free(model);
    }
}

/* ---- stores -------------------------------------------------------------------------------------- */

static struct skepi_opened *open_store(const char *identity, skep_error *err, int *rc)
{
    skep_store_opts opts = SKEP_STORE_OPTS_INIT;
    size_t size = strlen(identity) + 1;
    struct skepi_opened *opened = calloc(1, sizeof *opened + size);

    if (opened == NULL) {
        *rc = skep_fail(err, SKEP_ENOMEM, "no memory for a store");
        return NULL;
    }
    memcpy(opened->identity, identity, size);
    opts.existing = 1;
    if ((*rc = skep_store_open(identity, &opts, &opened->store, err)) != SKEP_OK) {
        free(opened);
        return NULL;
    }
    return opened;
}

static int find_store(struct skepi_models *m, const char *identity, skep_store **lend, skep_error *err)
{
    struct skepi_opened *opened;
    int rc = SKEP_OK;

    for (opened = m->stores; opened != NULL && strcmp(opened->identity, identity) != 0; opened = opened->next)
        ;
    if (opened == NULL && (opened = open_store(identity, err, &rc)) != NULL) {
        opened->next = m->stores;
        m->stores = opened;
    }
    if (opened != NULL)
        *lend = opened->store;
    return rc;
}

static void drop_stores(struct skepi_opened *stores)
{
    while (stores != NULL) {
        struct skepi_opened *next = stores->next;

        skep_store_unref(stores->store);
        free(stores);
        stores = next;
    }
}

void skepi_models_forget(struct skepi_models *models)
{
    struct skepi_opened *stores;

    if (!skepi_models_enter(models))
        return;
    stores = models->stores;
    models->stores = NULL;
    drop_stores(stores);
    skepi_models_exit(models);
}

static int put(struct skepi_models *m, const char *identity, const char *key, const void *data, size_t size,
               struct skepi_made *made, skep_error *err)
{
    skep_put_opts opts = SKEP_PUT_OPTS_INIT;
    skep_store *store = NULL;
    skep_ref ref = SKEP_REF_INIT;
    int rc = find_store(m, identity, &store, err);

    opts.key = key;
    if (rc != SKEP_OK || (rc = skep_store_put(store, data, size, &opts, &ref, err)) != SKEP_OK)
        return rc;
    if ((rc = skep_store_proxy_of(store, &ref, NULL, &made->proxy, err)) != SKEP_OK)
        skep_store_evict(store, &ref, SKEP_FOREVER, NULL);
    return rc;
}

int skepi_models_put(struct skepi_models *models, const char *identity, const char *key, const void *data, size_t size,
                     skep_proxy **take, skep_error *err)
{
    struct skepi_made *made = calloc(1, sizeof *made);
    int rc;

    if (made == NULL)
        return skep_fail(err, SKEP_ENOMEM, "no memory for a proxy");
    if (!skepi_models_enter(models)) {
        free(made);
        return skep_fail(err, SKEP_ECLOSED, "the worker ends");
    }
    if ((rc = put(models, identity, key, data, size, made, err)) == SKEP_OK) {
        *take = skep_proxy_ref(made->proxy);
        made->next = models->made;
        models->made = made;
    } else {
        free(made);
    }
    skepi_models_exit(models);
    return rc;
}

static struct skepi_made *drop_made(struct skepi_made *made, int evict)
{
    struct skepi_made *next = made->next;

    if (evict)
        skep_proxy_evict(made->proxy, skep_in_ms(LEAVE_WAIT_MS), NULL);
    skep_proxy_unref(made->proxy);
    free(made);
    return next;
}

void skepi_models_unput(struct skepi_models *models)
{
    if (models->made == NULL || !skepi_models_enter(models))
        return;
    models->made = drop_made(models->made, 1);
    skepi_models_exit(models);
}

void skepi_models_sent(struct skepi_models *models)
{
    if (models->made == NULL || !skepi_models_enter(models))
        return;
    while (models->made != NULL)
        models->made = drop_made(models->made, 0);
    skepi_models_exit(models);
}

/* ---- the end ------------------------------------------------------------------------------------- */

/* The lists, taken out under the lock: nobody else frees what is in them. What was made and not sent nobody will ask for. */
static void take_all(struct skepi_models *m, struct skepi_model **models, struct skepi_opened **stores)
{
    struct skepi_made *made;
    const struct timespec pause = {0, 1000000};
    uint64_t by_ns = skep_in_ms(LEAVE_WAIT_MS);

    pthread_mutex_lock(&m->lock);
    m->left = 1;
    while (m->busy && skep_now_ns() < by_ns) {
        pthread_mutex_unlock(&m->lock);
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&m->lock);
    }
    *models = m->newest;
    *stores = m->stores;
    made = m->made;
    m->made = NULL;
    m->newest = m->oldest = m->in_task = NULL;
    m->stores = NULL;
    memset(m->bucket, 0, sizeof m->bucket);
    m->used = 0;
    pthread_mutex_unlock(&m->lock);
    while (made != NULL)
        made = drop_made(made, 1);
}

/* The method in the other thread goes on until the exit, and may look at what it was lent. So the structs stay, and the
 * memory of what is resolved; only proxies and stores go. */
void skepi_models_leave(struct skepi_models *models)
{
    struct skepi_model *model;
    struct skepi_opened *stores;
    skep_buf *kept;

    take_all(models, &model, &stores);
    for (; model != NULL; model = model->older) {
        if (skep_proxy_state(model->proxy) == SKEP_PROXY_RESOLVED)
            (void)!skep_proxy_buf(model->proxy, 0, &kept, NULL);
        skep_proxy_unref(model->proxy);
    }
    for (; stores != NULL; stores = stores->next)
        skep_store_unref(stores->store);
}

void skepi_models_fini(struct skepi_models *models)
{
    struct skepi_model *model, *older;
    struct skepi_opened *stores;

    take_all(models, &model, &stores);
    for (; model != NULL; model = older) {
        older = model->older;
        model_free(model);
    }
    drop_stores(stores);
    pthread_mutex_destroy(&models->lock);
}
