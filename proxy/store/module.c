/* module.c - connectors in files of their own: skep-<scheme>.so, found by scheme, never by path. */
#include "proxy/base/host.h"
#include "proxy/store/connectors.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The file of `scheme` in the directory of `n` characters. 1: it is there. */
static int in_directory(const char *dir, size_t n, const char *scheme, char *path, size_t cap)
{
    int len;

    if (n == 0 || dir[0] != '/' || n >= cap) /* a relative directory would be somebody else's choice */
        return 0;
    len = snprintf(path, cap, "%.*s/skep-%s.so", (int)n, dir, scheme);
    return len > 0 && (size_t)len < cap && access(path, F_OK) == 0;
}

static int find_file(const char *scheme, char *path, size_t cap)
{
    const char *dir = secure_getenv("SKEP_MODULE_PATH");

    while (dir != NULL) {
        size_t n = strcspn(dir, ":");

        if (in_directory(dir, n, scheme, path, cap))
            return 1;
        dir = dir[n] == ':' ? dir + n + 1 : NULL;
    }
    return in_directory(SKEP_MODULE_DIR, strlen(SKEP_MODULE_DIR), scheme, path, cap);
}

int skepi_module_load(const char *scheme, const char *package, const skep_connector **lend, skep_error *err)
{
    const char *hint = package != NULL ? "; Debian package " : "";
    const char *searched = secure_getenv("SKEP_MODULE_PATH");
    skep_connector_entry_func entry;
    const skep_connector *table;
    char path[PATH_MAX];
    void *module;
    void *symbol;

    if (package == NULL)
        package = "";
    if (!find_file(scheme, path, sizeof path))
        return skep_fail(err, SKEP_ENOTSUP, "%s: not built in, and no module skep-%s.so in %s%s%.200s%s%s", scheme, scheme,
                         SKEP_MODULE_DIR, searched != NULL ? " or SKEP_MODULE_PATH=" : "", searched != NULL ? searched : "",
                         hint, package);
    module = dlopen(path, RTLD_NOW | RTLD_LOCAL); /* never unloaded: its threads and buffers may outlive a store */
    if (module == NULL)
        return skep_fail(err, SKEP_ENOTSUP, "%s: %s%s%s", scheme, dlerror(), hint, package);
    symbol = dlsym(module, "skep_connector_entry");
    if (symbol == NULL)
        return skep_fail(err, SKEP_EVERSION, "%s: %s is no skep module: it has no skep_connector_entry", scheme, path);
    memcpy(&entry, &symbol, sizeof entry); /* ISO C has no cast from an object's pointer to a function's */
    table = entry(&skepi_host);
    if (table == NULL)
        return skep_fail(err, SKEP_EVERSION, "%s: %s refuses this skep (connector interface %u)", scheme, path,
                         (unsigned)SKEP_CONNECTOR_ABI);
    *lend = table;
    return SKEP_OK;
}
