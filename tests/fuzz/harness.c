#include "tests/fuzz/harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER_SIZE 512

/* Read by the address sanitizer before main: memory that was freed lies waiting, and a
 * target that allocates much spends its time on that. */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
    return "quarantine_size_mb=16";
}

void harness_fail(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
    fflush(stderr);
    abort();
}

void harness_require_error(const struct error *error)
{
    HARNESS_REQUIRE(error->kind != ERROR_NONE);
    HARNESS_REQUIRE(error->text[0] != '\0');
    HARNESS_REQUIRE(memchr(error->text, '\0', sizeof error->text) != NULL);
}

unsigned harness_byte(struct harness_input *input)
{
    return (unsigned)harness_number(input, 1);
}

uint64_t harness_number(struct harness_input *input, size_t bytes)
{
    uint64_t number = 0;
    struct harness_input part = harness_part(input, bytes);
    for (size_t i = 0; i < part.size; i++)
        number |= (uint64_t)part.bytes[i] << (8 * i);
    return number;
}

struct harness_input harness_part(struct harness_input *input, size_t size)
{
    struct harness_input part = {input->bytes, size < input->size ? size : input->size};
    input->bytes += part.size;
    input->size -= part.size;
    return part;
}

static char *copy(struct harness_input input, size_t more)
{
    char *bytes = malloc(input.size + more ? input.size + more : 1);
    HARNESS_REQUIRE(bytes != NULL);
    if (input.size > 0)
        memcpy(bytes, input.bytes, input.size);
    if (more > 0)
        bytes[input.size] = '\0';
    return bytes;
}

char *harness_copy(struct harness_input input)
{
    return copy(input, 0);
}

char *harness_text(struct harness_input input)
{
    return copy(input, 1);
}

/* --- files ----------------------------------------------------------------------- */

static char folder[FOLDER_SIZE];

void harness_clear(void)
{
    DIR *open = opendir(harness_folder());
    for (struct dirent *entry; open && (entry = readdir(open));)
        unlinkat(dirfd(open), entry->d_name, 0);
    if (open)
        closedir(open);
}

static void remove_folder(void)
{
    harness_clear();
    rmdir(folder);
}

const char *harness_folder(void)
{
    if (*folder)
        return folder;
    const char *parent = getenv("TMPDIR");
    if (!parent || !*parent)
        parent = access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";
    int length = snprintf(folder, sizeof folder, "%s/tidemark-fuzz-XXXXXX", parent);
    HARNESS_REQUIRE(length > 0 && (size_t)length < sizeof folder);
    HARNESS_REQUIRE(mkdtemp(folder) != NULL);
    HARNESS_REQUIRE(atexit(remove_folder) == 0);
    return folder;
}

static const char *path_of(const char *name)
{
    static char path[FOLDER_SIZE + 64];
    int length = snprintf(path, sizeof path, "%s/%s", harness_folder(), name);
    HARNESS_REQUIRE(length > 0 && (size_t)length < sizeof path);
    return path;
}

const char *harness_write(const char *name, const void *bytes, size_t size)
{
    const char *path = path_of(name);
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    HARNESS_REQUIRE(descriptor >= 0);
    HARNESS_REQUIRE(size == 0 || write(descriptor, bytes, size) == (ssize_t)size);
    HARNESS_REQUIRE(close(descriptor) == 0);
    return path;
}

char *harness_read(const char *name, size_t *size)
{
    struct stat status;
    int descriptor = open(path_of(name), O_RDONLY | O_CLOEXEC);
    HARNESS_REQUIRE(descriptor >= 0 && fstat(descriptor, &status) == 0);
    *size = (size_t)status.st_size;
    char *bytes = malloc(*size + 1);
    HARNESS_REQUIRE(bytes && read(descriptor, bytes, *size + 1) == (ssize_t)*size);
    HARNESS_REQUIRE(close(descriptor) == 0);
    return bytes;
}

bool harness_is_unchanged(const char *name, const void *bytes, size_t size)
{
    size_t found_size;
    char *found = harness_read(name, &found_size);
    bool same = found_size == size && (size == 0 || memcmp(found, bytes, size) == 0);
    free(found);
    return same;
}
