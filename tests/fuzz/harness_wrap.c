#include "tests/fuzz/harness_wrap.h"

#include "tests/fuzz/harness.h"

#include <stdlib.h>
#include <string.h>

#define PAGE 4096 /* a mapping begins at one */

static const void *file_bytes;
static size_t file_size;

void harness_wrap_file(const void *bytes, size_t size)
{
    file_bytes = bytes;
    file_size = size;
}

bool __wrap_file_map_open(struct file_map *map, const char *path, enum error_kind kind,
                          struct error *error)
{
    *map = (struct file_map){0};
    if (file_size == 0)
        return error_set(error, kind, "%s is empty", path);
    void *copy = NULL;
    HARNESS_REQUIRE(posix_memalign(&copy, PAGE, file_size) == 0);
    memcpy(copy, file_bytes, file_size);
    *map = (struct file_map){.data = copy, .size = file_size, .identity.size = file_size};
    return true;
}

void __wrap_file_map_close(struct file_map *map)
{
    free((void *)(uintptr_t)map->data);
    *map = (struct file_map){0};
}

static size_t distinct_blocks(const struct unicode_class_table *table)
{
    size_t last = 0;
    for (size_t i = 0; i < UNICODE_CLASS_BLOCKS; i++)
        last = table->block[i] > last ? table->block[i] : last;
    return last + 1;
}

bool __wrap_unicode_class_build(struct unicode_class_table *table, struct error *error)
{
    static struct unicode_class_table built;
    if (!built.classes)
        HARNESS_REQUIRE(__real_unicode_class_build(&built, error));
    size_t size = distinct_blocks(&built) * sizeof *built.classes;
    *table = built;
    table->classes = malloc(size);
    HARNESS_REQUIRE(table->classes != NULL);
    memcpy(table->classes, built.classes, size);
    return true;
}
