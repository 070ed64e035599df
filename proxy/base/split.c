/* split.c - a URI taken apart by its syntax alone, and percent-encoding. */
#include "proxy/base/uri.h"

#include <arpa/inet.h>
#include <string.h>

static int is_small(char c)
{
    return c >= 'a' && c <= 'z';
}

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

/* Characters that mean themselves in every part of a URI. */
static int is_plain(char c)
{
    return is_small(c) || is_digit(c) || (c >= 'A' && c <= 'Z') || (c != '\0' && strchr("._~-", c) != NULL);
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* ---- percent-encoding ---------------------------------------------------------------------------- */

int skepi_percent_decode(const char *text, size_t n, char *out)
{
    size_t used = 0;

    for (size_t i = 0; i < n; i++) {
        char c = text[i];

        if (c == '%') {
            int high = n - i > 2 ? hex_value(text[i + 1]) : -1, low = n - i > 2 ? hex_value(text[i + 2]) : -1;

            if (high < 0 || low < 0)
                return SKEP_EINVAL;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (is_control(c))
            return SKEP_EINVAL;
        out[used++] = c;
    }
    out[used] = '\0';
    return SKEP_OK;
}

static int append(char *out, size_t cap, size_t *at, const char *bytes, size_t n)
{
    if (*at >= cap || n >= cap - *at)
        return SKEP_ETOOBIG;
    memcpy(out + *at, bytes, n);
    *at += n;
    out[*at] = '\0';
    return SKEP_OK;
}

int skepi_text_append(char *out, size_t cap, size_t *at, const char *text)
{
    return append(out, cap, at, text, strlen(text));
}

int skepi_percent_append(char *out, size_t cap, size_t *at, const char *text, const char *stand)
{
    static const char digits[] = "0123456789ABCDEF";
    int rc = SKEP_OK;

    for (; *text != '\0' && rc == SKEP_OK; text++) {
        unsigned char c = (unsigned char)*text;
        char coded[3] = {'%', digits[c >> 4], digits[c & 15]};
        int stands = is_plain(*text) || strchr(stand, *text) != NULL;

        rc = append(out, cap, at, stands ? text : coded, stands ? 1 : sizeof coded);
    }
    return rc;
}

/* ---- name=value&name=value ----------------------------------------------------------------------- */

int skepi_pair_next(const char **at, struct skepi_pair *out)
{
    const char *text = *at;
    size_t size = strcspn(text, "&"), name = 0;

    if (*text == '\0')
        return 0;
    while (is_small(text[name]) || is_digit(text[name]) || (text[name] >= 'A' && text[name] <= 'Z') || text[name] == '_' ||
           text[name] == '-')
        name++;
    if (name == 0 || text[name] != '=' || (text[size] == '&' && text[size + 1] == '\0'))
        return SKEP_EINVAL;
    *out = (struct skepi_pair){text, text + name + 1, name, size - name - 1};
    *at = text + size + (text[size] == '&');
    return 1;
}

int skepi_pair_repeats(const char *begin, const struct skepi_pair *pair)
{
    struct skepi_pair other;

    while (begin < pair->name && skepi_pair_next(&begin, &other) == 1 && other.name < pair->name)
        if (other.name_size == pair->name_size && memcmp(other.name, pair->name, pair->name_size) == 0)
            return 1;
    return 0;
}

/* ---- the parts ----------------------------------------------------------------------------------- */

/* What is being read: the text, where its parts go, and what an error may quote of it. */
struct reader {
    struct skepi_parts *out;
    size_t used; /* of out->text */
    skep_error *err;
    char shown[SKEPI_SHOWN_MAX];
};

const char *skepi_uri_show(const char *text, char out[SKEPI_SHOWN_MAX])
{
    size_t n = strcspn(text, "?#"), cap = SKEPI_SHOWN_MAX - 1, used = 0, at = 0;
    const char *user;

    if (strchr(text + n, '@') != NULL)
        n = strcspn(text, ":?#"); /* the '?' or '#' itself may lie in a password */
    user = memrchr(text, '@', n);
    if (user != NULL) { /* in front of '@' there may be one */
        skepi_text_append(out, SKEPI_SHOWN_MAX, &used, "...");
        at = (size_t)(user - text);
    }
    for (; at < n && used < cap; at++)
        out[used++] = is_control(text[at]) ? '?' : text[at];
    out[used] = '\0';
    return out;
}

static int bad(struct reader *r, const char *why)
{
    return skep_fail(r->err, SKEP_EINVAL, "%s: %s", r->shown, why);
}

/* Room for a part of `n` bytes and its NUL: there always is, see skepi_uri_split. */
static char *room(struct reader *r, size_t n)
{
    char *at = r->out->text + r->used;

    r->used += n + 1;
    return at;
}

static const char *keep(struct reader *r, const char *text, size_t n)
{
    char *copy = room(r, n);

    memcpy(copy, text, n);
    copy[n] = '\0';
    return copy;
}

static int read_scheme(struct reader *r, const char **text)
{
    const char *c = *text;

    for (;; c++) {
        if (!is_small(*c))
            return bad(r, "not a URI: it must begin with a scheme, as file: or shm: (small letters)");
        while (is_small(*c) || is_digit(*c) || *c == '.' || *c == '-')
            c++;
        if (*c != '+')
            break;
    }
    if (*c != ':')
        return bad(r, "not a URI: after the scheme comes ':', as in shm://name");
    r->out->scheme = keep(r, *text, (size_t)(c - *text));
    *text = c + 1;
    return SKEP_OK;
}

static int read_port(struct reader *r, const char *text, size_t n)
{
    int port = 0;

    if (n == 0 || n > 5 || (n > 1 && text[0] == '0'))
        return bad(r, "the port must be a number from 0 to 65535");
    for (size_t i = 0; i < n; i++) {
        if (!is_digit(text[i]))
            return bad(r, "the port must be a number from 0 to 65535");
        port = port * 10 + (text[i] - '0');
    }
    if (port > 65535)
        return bad(r, "the port must be a number from 0 to 65535");
    r->out->port = port;
    return SKEP_OK;
}

/* [::1] and its like, as the system reads them. */
static int is_address(const char *text, size_t n)
{
    char address[INET6_ADDRSTRLEN];
    struct in6_addr unused;

    if (n >= sizeof address)
        return 0;
    memcpy(address, text, n);
    address[n] = '\0';
    return inet_pton(AF_INET6, address, &unused) == 1;
}

/* How many bytes of `text` are the host. */
static int measure_host(struct reader *r, const char *text, size_t n, size_t *size)
{
    size_t i = 0;

    if (n > 0 && text[0] == '[') {
        const char *end = memchr(text, ']', n);

        if (end == NULL || !is_address(text + 1, (size_t)(end - text - 1)))
            return bad(r, "what is in brackets must be an IPv6 address, as in [::1]");
        *size = (size_t)(end + 1 - text);
        return SKEP_OK;
    }
    if (n > 0 && text[0] == '*')
        i = 1;
    else
        while (i < n && is_plain(text[i]))
            i++;
    *size = i;
    return SKEP_OK;
}

static int read_user(struct reader *r, const char *text, size_t n)
{
    char *user;

    if (memchr(text, ':', n) != NULL)
        return bad(r, "a password does not belong in front of '@': secrets are options");
    user = room(r, n);
    if (n == 0 || skepi_percent_decode(text, n, user) != SKEP_OK)
        return bad(r, "the user in front of '@' is empty or not well encoded");
    r->out->user = user;
    return SKEP_OK;
}

/* [user@][host][:port] */
static int read_authority(struct reader *r, const char *text, size_t n)
{
    const char *at = memchr(text, '@', n);
    size_t host = 0;
    int rc;

    if (at != NULL) {
        rc = read_user(r, text, (size_t)(at - text));
        if (rc != SKEP_OK)
            return rc;
        n -= (size_t)(at + 1 - text);
        text = at + 1;
    }
    rc = measure_host(r, text, n, &host);
    if (rc != SKEP_OK)
        return rc;
    if ((host < n && text[host] != ':') || (n > 0 && text[0] == '.'))
        return bad(r, "the host begins with a dot or has a character that hosts do not have");
    r->out->host = text[0] == '[' ? keep(r, text + 1, host - 2) : keep(r, text, host);
    return host < n ? read_port(r, text + host + 1, n - host - 1) : SKEP_OK;
}

/* In place: without "//", "." and "..", nor a '/' at the end. SKEP_EINVAL: ".." leads above the root. */
static int normalise(char *path)
{
    char *to = path;
    const char *from = path;

    while (*from != '\0') { /* at a '/' each time; what is behind `to` is normal already */
        size_t n = strcspn(from + 1, "/");

        if (n == 2 && from[1] == '.' && from[2] == '.') {
            if (to == path)
                return SKEP_EINVAL;
            while (*--to != '/')
                ;
        } else if (n > 0 && !(n == 1 && from[1] == '.')) {
            memmove(to, from, n + 1);
            to += n + 1;
        }
        from += n + 1;
    }
    *to = '\0';
    return SKEP_OK;
}

static int read_path(struct reader *r, const char *text, size_t n)
{
    char *path = room(r, n > 0 ? n : 1); /* at least "/" */

    if (skepi_percent_decode(text, n, path) != SKEP_OK)
        return bad(r, "the path is not well encoded: %XX must be two hexadecimal digits, no control character");
    if (normalise(path) != SKEP_OK)
        return bad(r, "the path leads above the root");
    if (path[0] == '\0' && n > 0 && r->out->host[0] == '\0')
        memcpy(path, "/", 2); /* the root itself; behind a host it says nothing */
    r->out->path = path;
    return SKEP_OK;
}

/* scheme://authority/path, scheme:/path or scheme: */
static int read_where(struct reader *r, const char *text, size_t n)
{
    size_t authority = 0;
    int rc;

    if (n > 0 && text[0] != '/')
        return bad(r, "after the scheme comes //, a path that begins with /, or ?");
    if (n >= 2 && text[1] == '/') {
        const char *slash = memchr(text + 2, '/', n - 2);

        authority = slash != NULL ? (size_t)(slash - text) : n;
        rc = read_authority(r, text + 2, authority - 2);
        if (rc != SKEP_OK)
            return rc;
    }
    return authority == n ? SKEP_OK : read_path(r, text + authority, n - authority);
}

static int read_query(struct reader *r, const char *text)
{
    char decoded[SKEP_URI_MAX];
    struct skepi_pair pair;
    const char *at = text;
    int rc;

    r->out->query = keep(r, text, strlen(text));
    while ((rc = skepi_pair_next(&at, &pair)) == 1) {
        if (skepi_pair_repeats(text, &pair))
            return skep_fail(r->err, SKEP_EINVAL, "%s: option '%.*s' is given twice", r->shown, (int)pair.name_size,
                             pair.name);
        if (skepi_percent_decode(pair.value, pair.value_size, decoded) != SKEP_OK)
            return skep_fail(r->err, SKEP_EINVAL,
                             "%s: the value of option '%.*s' is not well encoded: %%XX must be two "
                             "hexadecimal digits, no control character",
                             r->shown, (int)pair.name_size, pair.name);
    }
    return rc == 0 ? SKEP_OK : bad(r, "after '?' come options, as name=value&name=value");
}

/* "file", or "fault+file". */
static int is_file(const char *scheme)
{
    const char *plus = strrchr(scheme, '+');

    return strcmp(plus != NULL ? plus + 1 : scheme, "file") == 0;
}

int skepi_uri_split(const char *text, struct skepi_parts *out, skep_error *err)
{
    struct reader r = {.out = out, .err = err};
    size_t size, where;
    int rc;

    if (text == NULL)
        return skep_fail(err, SKEP_EINVAL, "no URI was given");
    *out = (struct skepi_parts){"", "", "", "", "", 0, ""};
    skepi_uri_show(text, r.shown);
    size = strnlen(text, SKEP_URI_MAX);
    if (size >= SKEP_URI_MAX)
        return skep_fail(err, SKEP_ETOOBIG, "%s...: a URI has %d bytes at most", r.shown, SKEP_URI_MAX - 1);
    for (size_t i = 0; i < size; i++)
        if (is_control(text[i]) || text[i] == ' ')
            return skep_fail(err, SKEP_EINVAL, "%s: byte %zu is a space or a control character: write %%%02X", r.shown, i,
                             (unsigned)text[i]);
    if (strchr(text, '#') != NULL)
        return bad(&r, "has a '#' and looks like a handle of an object; a store's URI ends in front of it");
    /* room() is enough: the five parts do not overlap in `text`, and each takes one byte more for its NUL. */
    rc = read_scheme(&r, &text);
    where = strcspn(text, "?");
    if (rc == SKEP_OK)
        rc = read_where(&r, text, where);
    if (rc == SKEP_OK && is_file(out->scheme) && strcmp(out->host, "localhost") == 0)
        out->host = ""; /* two ways to write one place */
    if (rc == SKEP_OK && text[where] == '?')
        rc = read_query(&r, text + where + 1);
    return rc;
}
