/* harness_wrap.h: what stands in the place of two slow or lenient parts of the engine
 * in the targets that open models.
 *
 *     harness_wrap_file(bytes, size);
 *     if (gguf_open(&file, "fuzzed.gguf", &error)) ...
 *
 * These targets are linked with --wrap for three functions. Instead of mapping a file
 * (base/file.h), file_map_open gives a copy of bytes in memory that ends where they
 * end: a mapped file goes on to the end of its page, where no sanitizer sees a byte
 * too far. And unicode_class_build (engine/unicode_class.h) gives copies of one table,
 * since it would take longer than all the rest of a run. */
#ifndef TIDEMARK_TESTS_FUZZ_HARNESS_WRAP_H
#define TIDEMARK_TESTS_FUZZ_HARNESS_WRAP_H

#include "base/file.h"
#include "engine/unicode_class.h"

/* The bytes of every file that is mapped from now on; borrowed. */
void harness_wrap_file(const void *bytes, size_t size);

/* The linker's names: __wrap_ for what stands in the place, __real_ for what was there. */
bool __wrap_file_map_open(struct file_map *map, const char *path, enum error_kind kind,
                          struct error *error);
void __wrap_file_map_close(struct file_map *map);
bool __wrap_unicode_class_build(struct unicode_class_table *table, struct error *error);
bool __real_unicode_class_build(struct unicode_class_table *table, struct error *error);

#endif
