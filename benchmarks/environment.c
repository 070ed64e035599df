/* benchmarks/environment.c - where a run happened: figures mean nothing without it. */
#include "benchmarks/environment.h"
#include "benchmarks/human.h"
#include "benchmarks/json.h"
#include "benchmarks/secret.h"
#include "commit.h"

#include <skep/api.h>
#include <skep/clock.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define COMMAND_MAX 4096

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BUILD "sanitized"
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define BUILD "sanitized"
#endif
#endif
#if !defined(BUILD) && defined(__OPTIMIZE__)
#define BUILD "optimised"
#elif !defined(BUILD)
#define BUILD "debug"
#endif

/* The first line of a small file, without its end; "" where there is none. */
static void first_line(const char *path, char *out, size_t cap)
{
    FILE *file = fopen(path, "re");

    out[0] = '\0';
    if (file == NULL)
        return;
    if (fgets(out, (int)cap, file) == NULL)
        out[0] = '\0';
    out[strcspn(out, "\n")] = '\0';
    fclose(file);
}

/* What follows "NAME" and ':' in a file of such lines. */
static int line_of(const char *path, const char *name, char *out, size_t cap)
{
    FILE *file = fopen(path, "re");
    char line[512];
    int found = 0;

    if (file == NULL)
        return 0;
    while (!found && fgets(line, sizeof line, file) != NULL) {
        const char *value = strchr(line, ':');

        if (strncmp(line, name, strlen(name)) != 0 || value == NULL)
            continue;
        value += 1 + strspn(value + 1, " \t");
        snprintf(out, cap, "%.*s", (int)strcspn(value, "\n"), value);
        found = 1;
    }
    fclose(file);
    return found;
}

/* "always [madvise] never": what stands in brackets. */
static void chosen(const char *path, char *out, size_t cap)
{
    char line[BENCH_FACT_MAX], *begin, *end;

    first_line(path, line, sizeof line);
    begin = strchr(line, '[');
    end = begin != NULL ? strchr(begin, ']') : NULL;
    if (end != NULL) {
        *end = '\0';
        snprintf(out, cap, "%s", begin + 1);
    } else {
        snprintf(out, cap, "%s", "");
    }
}

static uint64_t meminfo_bytes(const char *name)
{
    char text[BENCH_FACT_MAX];

    return line_of("/proc/meminfo", name, text, sizeof text) ? strtoull(text, NULL, 10) * 1024u : 0;
}

uint64_t bench_environment_memory_available(void)
{
    return meminfo_bytes("MemAvailable");
}

void bench_environment_read(struct bench_environment *out)
{
    struct utsname name;
    struct statvfs shm;

    memset(out, 0, sizeof *out);
    if (!line_of("/proc/cpuinfo", "model name", out->cpu, sizeof out->cpu))
        snprintf(out->cpu, sizeof out->cpu, "unknown");
    if (uname(&name) == 0)
        snprintf(out->kernel, sizeof out->kernel, "%.30s %.60s %.30s", name.sysname, name.release, name.machine);
    first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", out->governor, sizeof out->governor);
    chosen("/sys/kernel/mm/transparent_hugepage/enabled", out->thp, sizeof out->thp);
    chosen("/sys/kernel/mm/transparent_hugepage/shmem_enabled", out->shmem_thp, sizeof out->shmem_thp);
    out->cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (getloadavg(&out->load, 1) != 1)
        out->load = -1;
    out->noisy = out->load > (double)out->cores / 2;
    out->memory_bytes = meminfo_bytes("MemTotal");
    out->memory_available_bytes = bench_environment_memory_available();
    if (statvfs("/dev/shm", &shm) == 0) {
        out->shm_bytes = (uint64_t)shm.f_blocks * shm.f_frsize;
        out->shm_free_bytes = (uint64_t)shm.f_bavail * shm.f_frsize;
    }
}

static void command_line(int argc, char **argv, char *out, size_t cap)
{
    size_t at = (size_t)snprintf(out, cap, "skep");

    for (int i = 0; i < argc && at < cap; i++) {
        char word[1024];

        bench_secret_hide(argv[i], word, sizeof word);
        at += (size_t)snprintf(out + at, cap - at, " %s", word);
    }
}

void bench_environment_json(const struct bench_environment *env, FILE *out, int argc, char **argv)
{
    struct json_line json = json_line_begin(out, "environment");
    char command[COMMAND_MAX], now[64];
    time_t seconds = (time_t)(skep_real_ns() / 1000000000u);
    struct tm utc;

    command_line(argc, argv, command, sizeof command);
    gmtime_r(&seconds, &utc);
    strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", &utc);
    json_line_text(&json, "skep", SKEP_VERSION);
    json_line_text(&json, "commit", SKEP_BENCH_COMMIT[0] != '\0' ? SKEP_BENCH_COMMIT : NULL);
    json_line_text(&json, "build", BUILD);
    json_line_text(&json, "compiler", __VERSION__);
    json_line_text(&json, "time", now);
    json_line_text(&json, "command", command);
    json_line_text(&json, "cpu", env->cpu);
    json_line_int(&json, "cores", env->cores);
    json_line_text(&json, "governor", env->governor[0] != '\0' ? env->governor : NULL);
    json_line_text(&json, "kernel", env->kernel);
    json_line_uint(&json, "memory_bytes", env->memory_bytes);
    json_line_uint(&json, "memory_available_bytes", env->memory_available_bytes);
    json_line_text(&json, "huge_pages", env->thp);
    json_line_text(&json, "shm_huge_pages", env->shmem_thp);
    json_line_uint(&json, "shm_bytes", env->shm_bytes);
    json_line_uint(&json, "shm_free_bytes", env->shm_free_bytes);
    json_line_real(&json, "load", env->load);
    json_line_end(&json);
}

void bench_environment_text(const struct bench_environment *env, FILE *out)
{
    char memory[BENCH_WORD_MAX], available[BENCH_WORD_MAX], shm[BENCH_WORD_MAX];

    fprintf(out, "skep %s%s%s, %s build, %s\n", SKEP_VERSION, SKEP_BENCH_COMMIT[0] != '\0' ? " " : "", SKEP_BENCH_COMMIT,
            BUILD, env->kernel);
    fprintf(out, "%s, %ld cores, load %.2f; memory %s, %s available; shared memory %s free; huge pages %s, shared %s\n",
            env->cpu, env->cores, env->load, bench_human_size(env->memory_bytes, memory),
            bench_human_size(env->memory_available_bytes, available), bench_human_size(env->shm_free_bytes, shm), env->thp,
            env->shmem_thp);
    if (strcmp(BUILD, "optimised") != 0)
        fprintf(out, "note: this is a %s build; its figures say nothing about a release\n", BUILD);
    if (env->noisy)
        fprintf(out, "note: other programs keep the processors busy (load %.2f); trust the ratios more than the times\n",
                env->load);
}
