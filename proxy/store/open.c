/* open.c - opens the connector of a store: once for all threads that want it, and once more in a child of fork. */
#include "proxy/base/alloc.h"
#include "proxy/store/store.h"
#include "proxy/store/sync.h"

#include <string.h>

/* Is the failure of another thread's opening this one's too? Not if it lay in what that thread had asked for. */
static int shared_failure(int code, int existing)
{
    return code != SKEP_ETIMEDOUT && !(code == SKEP_ENOENT && existing == SKEP_OPEN_MAKE) &&
           !(code == SKEP_EDENIED && existing != SKEP_OPEN_HANDLE);
}

/* What the parent had open is let go of, not closed: the parent goes on using it. */
static void drop_inherited(skep_store *s)
{
    if (s->self == NULL)
        return;
    s->ops->close(s->self, 1);
    skepi_free(s->self);
    s->self = NULL;
}

static int open_connector(skep_store *s, int existing, uint64_t by_ns, char *public_identity, skep_error *e)
{
    int rc;

    drop_inherited(s);
    s->self = skepi_alloc(s->ops->self_size);
    if (s->self == NULL)
        return skep_fail(e, SKEP_ENOMEM, "out of memory");
    rc = s->ops->open(s->self, s->uri, existing, by_ns, e);
    if (rc == SKEP_OK && s->ops->identity != NULL)
        rc = s->ops->identity(s->self, public_identity, SKEP_URI_MAX, e);
    if (rc != SKEP_OK) {
        s->ops->close(s->self, 0);
        skepi_free(s->self);
        s->self = NULL;
    }
    return rc;
}

/* This thread is the one that opens: `state` is OPENING, so `self` is its own. */
static int open_alone(skep_store *s, int existing, uint64_t by_ns, skep_error *err)
{
    char public_identity[SKEP_URI_MAX] = "";
    skep_error e = {0, ""};
    int rc = open_connector(s, existing, by_ns, public_identity, &e);

    if (rc != SKEP_OK)
        rc = skepi_store_fail(s, rc, &e, &e);
    pthread_mutex_lock(&s->mu);
    if (rc == SKEP_OK) {
        s->state = SKEPI_STORE_OPEN;
        s->existing = existing;
        memcpy(s->public_identity, public_identity, sizeof public_identity);
        atomic_store_explicit(&s->ready, atomic_load(&skepi_fork_generation), memory_order_release);
    } else {
        s->state = SKEPI_STORE_SHUT;
        s->failures++;
        s->failure = e;
        if (err != NULL)
            *err = e;
    }
    pthread_cond_broadcast(&s->opened);
    pthread_mutex_unlock(&s->mu);
    return rc;
}

int skepi_store_ready_slowly(skep_store *s, int existing, uint64_t by_ns, skep_error *err)
{
    unsigned failures;
    int rc = SKEP_OK;
    int mine = 0;

    pthread_mutex_lock(&s->mu);
    failures = s->failures;
    if (existing < 0)
        existing = s->existing;
    while (rc == SKEP_OK && !mine && atomic_load(&s->ready) != atomic_load(&skepi_fork_generation)) {
        if (s->state == SKEPI_STORE_OPENING) {
            if (skepi_cond_wait(&s->opened, &s->mu, by_ns) != SKEP_OK)
                rc = skep_fail(err, SKEP_ETIMEDOUT, "%.200s: another thread is still opening it", s->identity);
        } else if (s->failures != failures && shared_failure(s->failure.code, existing)) {
            rc = skep_fail(err, s->failure.code, "%s", s->failure.text);
        } else {
            s->state = SKEPI_STORE_OPENING;
            mine = 1;
        }
    }
    pthread_mutex_unlock(&s->mu);
    return mine ? open_alone(s, existing, by_ns, err) : rc;
}

void skepi_store_shut(skep_store *s)
{
    if (s->self == NULL)
        return;
    s->ops->close(s->self, atomic_load(&s->ready) != atomic_load(&skepi_fork_generation));
    skepi_free(s->self);
    s->self = NULL;
}
