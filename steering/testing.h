/* testing.h - what the tests of queues, servers and thinkers share: a hive of server and queues, and a look at what is left.
 *
 * A test program is its own worker: its main calls skep_worker_if_asked, then hive_role.
 */
#ifndef SKEP_STEERING_TESTING_H
#define SKEP_STEERING_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <skep/steering.h>

#define ASSERT_OK(call)                                                                                                     \
    do {                                                                                                                    \
        skep_error err_of_;                                                                                                 \
        err_of_.text[0] = '\0';                                                                                             \
        int rc_of_ = (call);                                                                                                \
        if (rc_of_ != SKEP_OK)                                                                                              \
            fail_msg("%s: %s: %s", #call, skep_err_name(rc_of_), err_of_.text);                                             \
    } while (0)
#define ERR (&err_of_)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HIVE_SANITIZED 1 /* memory that was freed is not given back at once */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HIVE_SANITIZED 1
#endif
#endif
#ifndef HIVE_SANITIZED
#define HIVE_SANITIZED 0
#endif

struct hive {
    skep_server *server;
    skep_queues *queues;
    skep_store *store; /* of hive_store */
    char dir[32];      /* a folder of its own */
    char uri[SKEP_URI_MAX], store_uri[96];
    int fds; /* open in front of it */
};

/* `scheme`: "ipc" or "tcp". */
void hive_open(struct hive *hive, const char *scheme, const char *engine, const skep_server_opts *opts);
/* A store in shared memory under a name of its own; closing the hive demands that nothing is left in it. */
void hive_store(struct hive *hive, const char *topic, uint64_t threshold);
size_t hive_objects(skep_store *store);
int hive_is_empty(void *store); /* for hive_wait */
/* Close all, and look: no process, no descriptor, no socket, no object is left. */
void hive_close(struct hive *hive);

/* Send a task, and receive the next result of the topic within seconds. */
void hive_send(struct hive *hive, const char *topic, skep_task **give);
skep_task *hive_receive(struct hive *hive, const char *topic);
skep_task *hive_run(struct hive *hive, skep_task **give);

/* Another process of this program. */
long hive_spawn(const char *const *args, int *read_end);
int hive_fds(void);      /* descriptors that are open */
long hive_rss_kib(void); /* of this process */
/* Wait until `what(arg)` is true, some seconds at most. */
int hive_wait(int (*what)(void *arg), void *arg);

#endif
