/* handle.c - the text form of a reference, store included: pure reading and writing. */
#include "proxy/base/uri.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SUM_KIND   "t1."
#define HEX_DIGITS 16

/* What is being read: errors name the word, never the store, whose text may hold what should not be shown. */
struct reader {
    skep_handle *out;
    skep_error *err;
};

static int bad(const struct reader *r, const char *word, const char *why)
{
    return skep_fail(r->err, SKEP_EFORMAT, "not a handle: %s= %s", word, why);
}

static int read_key(struct reader *r, const struct skepi_pair *pair)
{
    char key[SKEP_KEY_MAX];

    if (pair->value_size >= sizeof key)
        return bad(r, "k", "is not a UUID");
    memcpy(key, pair->value, pair->value_size);
    key[pair->value_size] = '\0';
    if (!skep_key_is_uuid(key)) /* which also keeps '%' and '/' out */
        return bad(r, "k", "is not a UUID");
    memcpy(r->out->ref.key, key, pair->value_size + 1);
    return SKEP_OK;
}

static int read_size(struct reader *r, const struct skepi_pair *pair)
{
    uint64_t n = 0;

    if (pair->value_size == 0 || (pair->value_size > 1 && pair->value[0] == '0'))
        return bad(r, "n", "is not a size in bytes");
    for (size_t i = 0; i < pair->value_size; i++) {
        char c = pair->value[i];

        if (c < '0' || c > '9')
            return bad(r, "n", "is not a size in bytes");
        if (__builtin_mul_overflow(n, (uint64_t)10, &n) || __builtin_add_overflow(n, (uint64_t)(c - '0'), &n) ||
            n > INT64_MAX)
            return bad(r, "n", "is bigger than any object");
    }
    r->out->ref.size_bytes = n;
    return SKEP_OK;
}

/* Exactly sixteen digits in small letters. */
static int read_hex(const char *text, size_t size, uint64_t *out)
{
    uint64_t n = 0;

    if (size != HEX_DIGITS)
        return SKEP_EFORMAT;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];

        if (c >= '0' && c <= '9')
            n = n << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            n = n << 4 | (uint64_t)(c - 'a' + 10);
        else
            return SKEP_EFORMAT;
    }
    *out = n;
    return SKEP_OK;
}

static int read_sum(struct reader *r, const struct skepi_pair *pair)
{
    size_t kind = sizeof SUM_KIND - 1;

    if (pair->value_size < kind || memcmp(pair->value, SUM_KIND, kind) != 0)
        return skep_fail(r->err, SKEP_EVERSION, "the handle's checksum (x=) is of a kind that this version does not know");
    if (read_hex(pair->value + kind, pair->value_size - kind, &r->out->ref.sum) != SKEP_OK)
        return bad(r, "x", "is not t1. and sixteen hexadecimal digits in small letters");
    r->out->ref.flags |= SKEP_REF_SUM;
    return SKEP_OK;
}

static int read_node(struct reader *r, const struct skepi_pair *pair)
{
    if (read_hex(pair->value, pair->value_size, &r->out->ref.node) != SKEP_OK || r->out->ref.node == 0)
        return bad(r, "h", "is not sixteen hexadecimal digits in small letters, or all nought");
    return SKEP_OK;
}

static int read_text(struct reader *r, const struct skepi_pair *pair, const char *word, char *out, size_t cap)
{
    char text[SKEP_HANDLE_MAX];
    size_t size;

    if (skepi_percent_decode(pair->value, pair->value_size, text) != SKEP_OK)
        return bad(r, word, "is not well encoded: %XX must be two hexadecimal digits, no control character");
    size = strlen(text);
    if (size == 0 || size >= cap)
        return bad(r, word, size == 0 ? "is empty" : "is too long");
    memcpy(out, text, size + 1);
    return SKEP_OK;
}

static int read_word(struct reader *r, const struct skepi_pair *pair)
{
    char first = pair->name[0];

    if (pair->name_size == 1) {
        switch (first) {
        case 'k':
            return read_key(r, pair);
        case 'n':
            return read_size(r, pair);
        case 'x':
            return read_sum(r, pair);
        case 'h':
            return read_node(r, pair);
        case 'c':
            return read_text(r, pair, "c", r->out->codec, sizeof r->out->codec);
        case 'l':
            return read_text(r, pair, "l", r->out->ref.locator, sizeof r->out->ref.locator);
        default:
            break;
        }
    }
    if (first >= 'A' && first <= 'Z')
        return skep_fail(r->err, SKEP_EVERSION,
                         "the handle says '%.*s', which its reader must understand; this version does not",
                         pair->name_size > 32 ? 32 : (int)pair->name_size, pair->name);
    if (first < 'a' || first > 'z')
        return skep_fail(r->err, SKEP_EFORMAT, "not a handle: '%.*s' does not begin with a letter",
                         pair->name_size > 32 ? 32 : (int)pair->name_size, pair->name);
    return SKEP_OK; /* a later version's, which may be skipped */
}

static int read_words(struct reader *r, const char *begin)
{
    struct skepi_pair pair;
    const char *at = begin;
    int rc;

    while ((rc = skepi_pair_next(&at, &pair)) == 1) {
        if (skepi_pair_repeats(begin, &pair))
            return skep_fail(r->err, SKEP_EFORMAT, "not a handle: '%.*s' is there twice",
                             pair.name_size > 32 ? 32 : (int)pair.name_size, pair.name);
        rc = read_word(r, &pair);
        if (rc != SKEP_OK)
            return rc;
    }
    if (rc != 0)
        return skep_fail(r->err, SKEP_EFORMAT, "not a handle: after '#' come words, as k=...&n=...");
    return r->out->ref.key[0] != '\0' ? SKEP_OK : bad(r, "k", "is missing: no object is named");
}

static int read_store(struct reader *r, const char *text, size_t size)
{
    struct skepi_parts parts;
    skep_error why;
    int rc;

    if (size >= sizeof r->out->store)
        return skep_fail(r->err, SKEP_EFORMAT, "not a handle: %zu bytes in front of '#', where %zu fit", size,
                         sizeof r->out->store - 1);
    memcpy(r->out->store, text, size);
    r->out->store[size] = '\0';
    rc = skepi_uri_split(r->out->store, &parts, &why);
    return rc == SKEP_OK ? rc : skep_fail(r->err, SKEP_EFORMAT, "not a handle: %s", why.text);
}

int skep_handle_parse(const char *text, skep_handle *out, skep_error *err)
{
    skep_handle handle = SKEP_HANDLE_INIT;
    struct reader r = {&handle, err};
    const char *hash;
    int rc;

    if (text == NULL || out == NULL || out->size < sizeof handle)
        return skep_fail(err, SKEP_EINVAL, "a handle needs a text, and an output set by SKEP_HANDLE_INIT");
    if (strnlen(text, SKEP_HANDLE_MAX) >= SKEP_HANDLE_MAX)
        return skep_fail(err, SKEP_EFORMAT, "not a handle: it is longer than %d bytes", SKEP_HANDLE_MAX - 1);
    hash = strchr(text, '#');
    if (hash == NULL)
        return skep_fail(err, SKEP_EFORMAT, "not a handle: there is no '#' behind the store's URI");
    for (const char *c = hash + 1; *c != '\0'; c++)
        if ((unsigned char)*c <= 0x20 || (unsigned char)*c >= 0x7f || *c == '#')
            return skep_fail(err, SKEP_EFORMAT, "not a handle: byte %zu is not one that a handle has", (size_t)(c - text));
    rc = read_words(&r, hash + 1);
    if (rc == SKEP_OK)
        rc = read_store(&r, text, (size_t)(hash - text));
    if (rc != SKEP_OK)
        return rc;
    *out = handle;
    return SKEP_OK;
}

/* ---- writing ------------------------------------------------------------------------------------- */

struct writer {
    char out[SKEP_HANDLE_MAX];
    size_t at;
    int rc;
};

static void write_text(struct writer *w, const char *text)
{
    if (w->rc == SKEP_OK)
        w->rc = skepi_text_append(w->out, sizeof w->out, &w->at, text);
}

static void write_coded(struct writer *w, const char *word, const char *text)
{
    write_text(w, word);
    if (w->rc == SKEP_OK)
        w->rc = skepi_percent_append(w->out, sizeof w->out, &w->at, text, SKEPI_STAND);
}

static int is_clean(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return 0;
    return 1;
}

/* Everything that reading would refuse is refused here too. */
static int is_writable(const skep_handle *h)
{
    const skep_ref *ref = &h->ref;
    struct skepi_parts parts;

    return h->size >= sizeof *h && skep_key_is_uuid(ref->key) && skepi_uri_split(h->store, &parts, NULL) == SKEP_OK &&
           is_clean(h->codec) && is_clean(ref->locator) &&
           (ref->size_bytes <= INT64_MAX || ref->size_bytes == SKEP_SIZE_UNKNOWN);
}

#define DIGITS(text) (sizeof(text) - 1)
_Static_assert(SKEP_URI_MAX + DIGITS("#k=00000000-0000-0000-0000-000000000000&n=9223372036854775807&x=t1.0123456789abcdef") +
                       DIGITS("&h=0123456789abcdef&c=&l=") + (SKEP_CODEC_MAX - 1 + SKEP_LOCATOR_MAX - 1) * 3 <=
                   SKEP_HANDLE_MAX,
               "every handle fits, all of its codec and locator percent-encoded");

int skep_handle_format(const skep_handle *handle, char *out, size_t cap)
{
    struct writer w = {.rc = SKEP_OK};
    const skep_ref *ref;
    char number[40];

    if (handle == NULL || out == NULL || !is_writable(handle))
        return SKEP_EINVAL;
    ref = &handle->ref;
    write_text(&w, handle->store);
    write_text(&w, "#k=");
    write_text(&w, ref->key);
    snprintf(number, sizeof number, "&n=%" PRIu64, ref->size_bytes);
    write_text(&w, ref->size_bytes != SKEP_SIZE_UNKNOWN ? number : "");
    snprintf(number, sizeof number, "&x=" SUM_KIND "%016" PRIx64, ref->sum);
    write_text(&w, ref->flags & SKEP_REF_SUM ? number : "");
    if (handle->codec[0] != '\0' && strcmp(handle->codec, "raw") != 0)
        write_coded(&w, "&c=", handle->codec);
    snprintf(number, sizeof number, "&h=%016" PRIx64, ref->node);
    write_text(&w, ref->node != 0 ? number : "");
    if (ref->locator[0] != '\0')
        write_coded(&w, "&l=", ref->locator);
    if (w.rc != SKEP_OK || w.at >= cap)
        return SKEP_ETOOBIG;
    memcpy(out, w.out, w.at + 1);
    return SKEP_OK;
}
