/* node_testing.h - what the tests of the node store share: stores in a folder of their own, objects that know their bytes.
 */
#ifndef SKEP_PROXY_NODE_TESTING_H
#define SKEP_PROXY_NODE_TESTING_H

#include "proxy/base/host.h"
#include "proxy/node/impl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those four first */
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define NODE skepi_node_api
#define MIB  ((size_t)1 << 20)

/* A call that must succeed; its text is shown if it does not. */
#define OK(call)                                                                                                            \
    do {                                                                                                                    \
        int ok_rc = (call);                                                                                                 \
        if (ok_rc != SKEP_OK)                                                                                               \
            fail_msg("%s: %d, %s", #call, ok_rc, err.text);                                                                 \
    } while (0)

static skep_error err;

static inline void make_folder(char path[64], const char *where)
{
    snprintf(path, 64, "%s/skep-test-XXXXXX", where);
    assert_non_null(mkdtemp(path));
}

static inline void remove_folder(const char *path)
{
    assert_int_equal(skepi_remove_tree(AT_FDCWD, path, 8), 0);
}

static inline skep_node_opts shared_opts(const char *base, const char *name)
{
    return (skep_node_opts){.size = sizeof(skep_node_opts),
                            .directory = base,
                            .name = name,
                            .by_ns = skep_in_ms(20000),
                            .pool_bytes = SKEP_NODE_POOL_AUTO};
}

static inline skep_node *open_shared(const char *base, const char *name)
{
    skep_node_opts opts = shared_opts(base, name);
    skep_node *node = NULL;

    OK(NODE.open(&opts, &node, &err));
    return node;
}

static inline skep_node *open_disk(const char *directory)
{
    skep_node_opts opts = {.size = sizeof opts, .directory = directory, .by_ns = skep_in_ms(20000)};
    skep_node *node = NULL;

    OK(NODE.open(&opts, &node, &err));
    return node;
}

/* A process that does not outlive the test, however that ends. 0 in it, as fork has it. */
static inline pid_t fork_bound(void)
{
    pid_t parent = getpid(), pid = fork();

    assert_true(pid >= 0);
    if (pid == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent))
        _exit(1);
    return pid;
}

/* The bytes that belong to a seed, and a look whether they are there. */
static inline void fill_bytes(void *to, size_t size, uint64_t seed)
{
    uint64_t *words = to;
    size_t n = size / 8;

    for (size_t i = 0; i < n; i++)
        words[i] = seed + i * UINT64_C(0x9e3779b97f4a7c15);
    memset((char *)to + n * 8, (int)(seed & 0xff), size % 8);
}

static inline int right_bytes(const void *from, size_t size, uint64_t seed)
{
    const uint64_t *words = from;
    const unsigned char *tail = (const unsigned char *)from + size / 8 * 8;
    uint64_t wrong = 0;

    for (size_t i = 0; i < size / 8; i++)
        wrong |= words[i] ^ (seed + i * UINT64_C(0x9e3779b97f4a7c15));
    for (size_t i = 0; i < size % 8; i++)
        wrong |= tail[i] ^ (seed & 0xff);
    return wrong == 0;
}

static inline skep_ref ref_of(const char *key)
{
    skep_ref ref = SKEP_REF_INIT;

    snprintf(ref.key, sizeof ref.key, "%s", key);
    return ref;
}

static inline int try_put(skep_node *node, const char *key, size_t size, uint64_t seed, skep_ref *out)
{
    skep_put how = {.size = sizeof how, .by_ns = SKEP_FOREVER};
    void *bytes = malloc(size + 1);
    struct iovec iov = {bytes, size};
    int rc;

    assert_non_null(bytes);
    fill_bytes(bytes, size, seed);
    *out = ref_of(key);
    rc = NODE.put(node, out, &iov, 1, &how, &err);
    free(bytes);
    return rc;
}

static inline skep_ref put_object(skep_node *node, const char *key, size_t size, uint64_t seed)
{
    skep_ref ref;

    OK(try_put(node, key, size, seed, &ref));
    return ref;
}

static inline void check_object(skep_node *node, const skep_ref *ref, size_t size, uint64_t seed)
{
    skep_buf *buf;
    uint32_t how;

    OK(NODE.get(node, ref, skep_in_ms(20000), &buf, &how, &err));
    assert_int_equal(skep_buf_size(buf), size);
    assert_true(right_bytes(skep_buf_data(buf), size, seed));
    skep_buf_unref(buf);
}

static inline int add_blocks_of(int dir, const char *name, unsigned char type, uint64_t ino, void *arg)
{
    struct stat st;

    (void)ino;
    if (type == DT_DIR)
        skepi_dir_each(dir, name, add_blocks_of, arg);
    else if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        *(uint64_t *)arg += (uint64_t)st.st_blocks * 512;
    return 0;
}

/* Bytes that the files below a directory take. */
static inline uint64_t bytes_below(const char *path)
{
    uint64_t total = 0;

    skepi_dir_each(AT_FDCWD, path, add_blocks_of, &total);
    return total;
}

static inline int count_one(int dir, const char *name, unsigned char type, uint64_t ino, void *arg)
{
    (void)dir, (void)name, (void)type, (void)ino;
    ++*(int *)arg;
    return 0;
}

static inline int entries_in(const char *base, const char *below)
{
    char path[512];
    int n = 0;

    snprintf(path, sizeof path, "%s/%s", base, below);
    assert_int_equal(skepi_dir_each(AT_FDCWD, path, count_one, &n), 0);
    return n;
}

#endif
