/* replay.c - runs a fuzz target without a fuzzer: on every file of the folders and files named, and on what lies near it.
 *
 * Near means: every prefix of a short file, and some copies with a few bytes changed by a fixed random series, so
 * that a run says the same everywhere. SKEP_TEST_SOAK=1 changes many more.
 */
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

#define FILE_MAX   ((size_t)1 << 20)
#define PREFIX_MAX 512

static uint64_t state = 1;

static uint64_t chance(uint64_t n) /* a number below n */
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % n;
}

static void change(uint8_t *data, size_t size)
{
    static const char often[] = "{}[]\",:\\0189.-#?&=/%+ \x80\xff";

    for (uint64_t n = 1 + chance(3); n > 0; n--)
        data[chance(size)] = (uint8_t)(chance(4) == 0 ? (int)chance(256) : often[chance(sizeof often - 1)]);
}

static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = copy_of(data, size);

    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void run_near(const uint8_t *data, size_t size)
{
    int times = size == 0 ? 0 : getenv("SKEP_TEST_SOAK") != NULL ? 5000 : 30;

    for (size_t n = 0; n < size && n < PREFIX_MAX; n++)
        run(data, n);
    for (int i = 0; i < times; i++) {
        uint8_t *copy = copy_of(data, size);

        change(copy, size);
        run(copy, size - chance(3) % size);
        free(copy);
    }
}

static int run_file(const char *path)
{
    FILE *file = fopen(path, "rbe");
    uint8_t *data = malloc(FILE_MAX);
    size_t size = 0;
    int rc = -1;

    if (file != NULL && data != NULL) {
        size = fread(data, 1, FILE_MAX, file);
        rc = ferror(file) || size == FILE_MAX ? -1 : 0;
    }
    if (rc == 0) {
        run(data, size);
        run_near(data, size);
    } else {
        fprintf(stderr, "replay: %s: %s\n", path, file == NULL ? strerror(errno) : "cannot be read whole");
    }
    free(data);
    if (file != NULL)
        fclose(file);
    return rc;
}

static int run_folder(const char *path)
{
    struct dirent **entries;
    int n = scandir(path, &entries, NULL, alphasort), rc = n > 0 ? 0 : -1;

    for (int i = 0; i < n; i++) {
        char file[4096];

        snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name);
        if (rc == 0 && entries[i]->d_name[0] != '.')
            rc = run_file(file);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    return rc;
}

int main(int argc, char **argv)
{
    run(NULL, 0);
    for (int i = 1; i < argc; i++) {
        struct stat st;
        int rc = stat(argv[i], &st) != 0 ? -1 : S_ISDIR(st.st_mode) ? run_folder(argv[i]) : run_file(argv[i]);

        if (rc != 0) {
            fprintf(stderr, "replay: %s: nothing to run\n", argv[i]);
            return 1;
        }
    }
    return argc > 1 ? 0 : 1;
}
