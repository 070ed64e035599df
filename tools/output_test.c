/* output_test.c - files that appear whole or not at all, on file systems that have nameless files and on those that have
 * not. */
#include "tools/output.h"
#include "tools/signals.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];
static int has_tmpfile;
static skep_error err;

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);

/* The linker leads open() here: some file systems know no O_TMPFILE. */
int __wrap_open(const char *path, int flags, ...)
{
    va_list ap;
    mode_t mode;

    va_start(ap, flags);
    mode = va_arg(ap, mode_t);
    va_end(ap);
    if ((flags & O_TMPFILE) == O_TMPFILE && !has_tmpfile) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return __real_open(path, flags, mode);
}

static int set_up(void **state)
{
    snprintf(folder, sizeof folder, "/tmp/skep-output-XXXXXX");
    has_tmpfile = *(int *)*state;
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static int tear_down(void **state)
{
    (void)state;
    return chdir("/") == 0 && nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0 ? 0 : -1;
}

static int entries(void)
{
    DIR *dir = opendir(folder);
    int n = 0;

    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    return n;
}

static void check_content(const char *path, const char *wanted)
{
    char got[32] = "";
    FILE *f = fopen(path, "re");

    assert_non_null(f);
    assert_int_equal(fread(got, 1, sizeof got - 1, f), strlen(wanted));
    fclose(f);
    assert_string_equal(got, wanted);
}

static void make(const char *path, const char *content, mode_t mode)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    fputs(content, f);
    fclose(f);
    assert_int_equal(chmod(path, mode), 0);
}

static void put(const char *path, const char *content)
{
    struct cli_output o;

    assert_int_equal(cli_output_open(&o, path, &err), SKEP_OK);
    assert_int_equal(cli_output_write(&o, content, strlen(content), NULL, 0, &err), SKEP_OK);
    assert_int_equal(cli_output_commit(&o, &err), SKEP_OK);
    cli_output_discard(&o);
}

static void new_file(void **state)
{
    mode_t mask = umask(027);
    struct stat st;

    (void)state;
    put("new", "content");
    umask(mask);
    check_content("new", "content");
    assert_int_equal(stat("new", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(entries(), 1);
}

static void old_file_is_replaced(void **state)
{
    struct stat before, after;

    (void)state;
    make("old", "as it was", 0604);
    assert_int_equal(symlink("old", "link"), 0);
    assert_int_equal(stat("old", &before), 0);
    put("link", "content");
    check_content("old", "content");
    assert_int_equal(lstat("link", &after), 0);
    assert_true(S_ISLNK(after.st_mode));
    assert_int_equal(stat("old", &after), 0);
    assert_int_equal(after.st_mode & 07777, 0604);
    assert_int_not_equal(after.st_ino, before.st_ino);
    assert_int_equal(entries(), 2);
}

static void discarded(void **state)
{
    struct cli_output o;

    (void)state;
    make("old", "as it was", 0600);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(cli_output_open(&o, i ? "new" : "old", &err), SKEP_OK);
        assert_int_equal(cli_output_write(&o, "half", 4, NULL, 0, &err), SKEP_OK);
        cli_output_discard(&o);
        cli_output_discard(&o);
    }
    check_content("old", "as it was");
    assert_int_equal(entries(), 1);
}

static void commit_fails(void **state)
{
    struct cli_output o;

    (void)state;
    assert_int_equal(cli_output_open(&o, "taken", &err), SKEP_OK);
    assert_int_equal(cli_output_write(&o, "content", 7, NULL, 0, &err), SKEP_OK);
    assert_int_equal(mkdir("taken", 0700), 0);
    assert_true(cli_output_commit(&o, &err) < 0);
    assert_non_null(strstr(err.text, "taken"));
    cli_output_discard(&o);
    assert_int_equal(entries(), 1);
}

static void refused(void **state)
{
    struct cli_output o;

    (void)state;
    assert_int_equal(cli_output_open(&o, "no/such/folder", &err), SKEP_ENOENT);
    assert_true(cli_output_open(&o, ".", &err) < 0);
    cli_output_discard(&o);
    assert_int_equal(entries(), 0);
}

int main(void)
{
    static int yes = 1, no = 0;
#define BOTH(test)                                                                                                          \
    {#test, test, set_up, tear_down, &yes},                                                                                 \
    {                                                                                                                       \
#test " (no O_TMPFILE)", test, set_up, tear_down, &no                                                               \
    }
    const struct CMUnitTest tests[] = {BOTH(new_file), BOTH(old_file_is_replaced), BOTH(discarded), BOTH(commit_fails),
                                       BOTH(refused)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
