/* Runs a fuzz target without libFuzzer over the files given, and over those in the
 * folders given.
 *
 *     fuzz_gguf tests/fuzz/corpus/gguf
 *
 * So every build checks that what was once found stays mended. */
#include "tests/fuzz/harness.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static size_t runs;

static void run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    HARNESS_REQUIRE(file != NULL);
    HARNESS_REQUIRE(fseek(file, 0, SEEK_END) == 0);
    long size = ftell(file);
    HARNESS_REQUIRE(size >= 0);
    rewind(file);
    uint8_t *bytes = malloc(size > 0 ? (size_t)size : 1);
    HARNESS_REQUIRE(bytes != NULL);
    HARNESS_REQUIRE(fread(bytes, 1, (size_t)size, file) == (size_t)size);
    fclose(file);
    LLVMFuzzerTestOneInput(bytes, (size_t)size);
    free(bytes);
    runs++;
}

static int is_shown(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void run_folder(const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, is_shown, alphasort);
    HARNESS_REQUIRE(count >= 0);
    for (int i = 0; i < count; i++) {
        char file[4096];
        int length = snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name);
        HARNESS_REQUIRE(length > 0 && (size_t)length < sizeof file);
        fprintf(stderr, "%s\n", file);
        run_file(file);
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct stat status;
        if (argv[i][0] == '-')
            continue; /* an option for libFuzzer */
        if (stat(argv[i], &status) != 0) {
            perror(argv[i]);
            return 1;
        }
        if (S_ISDIR(status.st_mode))
            run_folder(argv[i]);
        else
            run_file(argv[i]);
    }
    printf("%zu inputs\n", runs);
    return runs > 0 ? 0 : 1;
}
