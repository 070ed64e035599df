/* outside.c - a connector as somebody outside of this tree would write it: one file, no libskep, only what is required. What
 * it leaves out is the core's to answer.
 */
#include <skep/connector.h>

#include <pthread.h>
#include <string.h>

struct object {
    struct object *next;
    skep_buf *buf;
    char key[SKEP_KEY_MAX];
};

struct outside {
    pthread_mutex_t mu; /* guards the list */
    struct object *objects;
    int open;
};

static const skep_host *host;

static int outside_open(void *self, const skep_uri *uri, int existing, uint64_t by_ns, skep_error *err)
{
    struct outside *o = self;

    (void)uri, (void)by_ns;
    if (existing)
        return host->fail(err, SKEP_ENOENT, "nothing outlives this process");
    if (pthread_mutex_init(&o->mu, NULL) != 0)
        return host->fail(err, SKEP_ENOMEM, "no mutex");
    o->open = 1;
    return SKEP_OK;
}

static void outside_close(void *self, int forked)
{
    struct outside *o = self;

    if (!o->open || (forked && pthread_mutex_trylock(&o->mu) != 0))
        return;
    while (o->objects != NULL) {
        struct object *gone = o->objects;

        o->objects = gone->next;
        host->buf_unref(gone->buf);
        host->free(gone);
    }
}

static struct object **find(struct outside *o, const char *key)
{
    struct object **link = &o->objects;

    while (*link != NULL && strcmp((*link)->key, key) != 0)
        link = &(*link)->next;
    return link;
}

static void release(void *arg, void *data, size_t size)
{
    (void)arg, (void)size;
    host->free(data);
}

static int gather(const skep_ref *ref, const struct iovec *iov, int n, struct object **take, skep_error *err)
{
    struct object *object = host->alloc(sizeof *object);
    char *bytes = host->alloc(ref->size_bytes);
    size_t at = 0;

    if (object != NULL && bytes != NULL && host->buf_wrap(bytes, ref->size_bytes, release, NULL, &object->buf) == SKEP_OK) {
        for (int i = 0; i < n; at += iov[i++].iov_len)
            if (iov[i].iov_len > 0)
                memcpy(bytes + at, iov[i].iov_base, iov[i].iov_len);
        memcpy(object->key, ref->key, sizeof object->key);
        *take = object;
        return SKEP_OK;
    }
    host->free(bytes);
    host->free(object);
    return host->fail(err, SKEP_ENOMEM, "out of memory");
}

static int outside_put(void *self, skep_ref *ref, const struct iovec *iov, int n, const skep_put *how, skep_error *err)
{
    struct outside *o = self;
    struct object *object = NULL;
    int taken;
    int rc = gather(ref, iov, n, &object, err);

    (void)how;
    if (rc != SKEP_OK)
        return rc;
    pthread_mutex_lock(&o->mu);
    taken = *find(o, ref->key) != NULL;
    if (!taken) {
        object->next = o->objects;
        o->objects = object;
    }
    pthread_mutex_unlock(&o->mu);
    if (!taken)
        return SKEP_OK;
    host->buf_unref(object->buf);
    host->free(object);
    return host->fail(err, SKEP_EEXIST, "%s: exists already", ref->key);
}

static int outside_get(void *self, const skep_ref *ref, uint64_t by_ns, skep_buf **take, uint32_t *how, skep_error *err)
{
    struct outside *o = self;
    struct object *object;

    (void)by_ns, (void)how;
    pthread_mutex_lock(&o->mu);
    object = *find(o, ref->key);
    if (object != NULL)
        *take = host->buf_ref(object->buf);
    pthread_mutex_unlock(&o->mu);
    return object != NULL ? SKEP_OK : host->fail(err, SKEP_ENOENT, "%s: no such object", ref->key);
}

static int outside_evict(void *self, const skep_ref *ref, uint64_t by_ns, skep_error *err)
{
    struct outside *o = self;
    struct object **link;
    struct object *gone;

    (void)by_ns, (void)err;
    pthread_mutex_lock(&o->mu);
    link = find(o, ref->key);
    gone = *link;
    if (gone != NULL)
        *link = gone->next;
    pthread_mutex_unlock(&o->mu);
    if (gone != NULL) {
        host->buf_unref(gone->buf);
        host->free(gone);
    }
    return SKEP_OK;
}

#ifdef OUTSIDE_PUBLIC
/* Others reach it by another name. */
static int outside_identity(void *self, char *out, size_t cap, skep_error *err)
{
    static const char name[] = "public://from.afar:7000/store";

    (void)self;
    if (cap < sizeof name)
        return host->fail(err, SKEP_ETOOBIG, "no room for %s", name);
    memcpy(out, name, sizeof name);
    return SKEP_OK;
}
#endif

static const skep_option options[] = {
    {"flavour", SKEP_TYPE_TEXT, SKEP_CLASS_IDENTITY, NULL, NULL, "which of several"},
    {NULL, 0, 0, NULL, NULL, NULL},
};

static const skep_connector outside = {
#ifdef OUTSIDE_PUBLIC
    .size = sizeof(skep_connector),
    .scheme = "public",
    .identity = outside_identity,
#else
    .size = offsetof(skep_connector, exists), /* as one built before there were optional operations */
    .scheme = "outside",
#endif
    .abi = SKEP_CONNECTOR_ABI,
    .help = "a connector that this tree does not know",
    .self_size = sizeof(struct outside),
    .options = options,
    .open = outside_open,
    .close = outside_close,
    .put = outside_put,
    .get = outside_get,
    .evict = outside_evict,
};

SKEP_API const skep_connector *skep_connector_entry(const skep_host *given);
const skep_connector *skep_connector_entry(const skep_host *given)
{
    if (given->abi != SKEP_CONNECTOR_ABI)
        return NULL;
    host = given;
    return &outside;
}
