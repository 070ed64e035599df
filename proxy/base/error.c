/* error.c - the error codes' names and texts, and the one way of filling a skep_error. */
#include <skep/error.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct row {
    const char *name, *text;
};
#define ROW(name, number, text) [-(number)] = {#name, text},
static const struct row rows[] = {SKEP_ERRORS(ROW)};
#undef ROW

static const struct row *find(int code)
{
    static const struct row unknown = {"SKEP_E?", "unknown error"};

    if (code > 0 || code <= -(int)(sizeof rows / sizeof rows[0]))
        return &unknown;
    return &rows[-code];
}

const char *skep_err_name(int code)
{
    return find(code)->name;
}

const char *skep_err_text(int code)
{
    return find(code)->text;
}

int skep_err_from_errno(int errnum)
{
    switch (errnum) {
    case 0:
        return SKEP_OK;
    case EINVAL:
    case ENAMETOOLONG:
    case EISDIR:
    case ENOTDIR:
    case ELOOP:
        return SKEP_EINVAL;
    case ENOMEM:
    case EMFILE:
    case ENFILE:
        return SKEP_ENOMEM;
    case ENOENT:
        return SKEP_ENOENT;
    case EEXIST:
        return SKEP_EEXIST;
    case ENOSPC:
    case EDQUOT:
        return SKEP_ENOSPC;
    case EFBIG:
    case EMSGSIZE:
    case EOVERFLOW:
        return SKEP_ETOOBIG;
    case ETIMEDOUT:
    case EAGAIN:
        return SKEP_ETIMEDOUT;
    case ECONNREFUSED:
    case ECONNRESET:
    case ECONNABORTED:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
    case ENOTCONN:
        return SKEP_EUNREACH;
    case EACCES:
    case EPERM:
    case EROFS:
        return SKEP_EDENIED;
    case ENOSYS:
    case EOPNOTSUPP:
    case EPROTONOSUPPORT:
    case EAFNOSUPPORT:
        return SKEP_ENOTSUP;
    case EPIPE:
    case ESHUTDOWN:
        return SKEP_ECLOSED;
    case ECANCELED:
        return SKEP_ECANCELED;
    case EBUSY:
    case EADDRINUSE:
    case ETXTBSY:
        return SKEP_EBUSY;
    default:
        return SKEP_EIO;
    }
}

int skep_fail(skep_error *err, int code, const char *format, ...)
{
    char text[SKEP_ERROR_TEXT_MAX]; /* err->text itself may be among the arguments */
    va_list args;

    if (err == NULL)
        return code;
    va_start(args, format);
    if (vsnprintf(text, sizeof text, format, args) < 0)
        text[0] = '\0';
    va_end(args);
    err->code = code;
    memcpy(err->text, text, strlen(text) + 1);
    return code;
}
