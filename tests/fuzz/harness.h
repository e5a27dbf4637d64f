/* harness.h: what the fuzz targets share.
 *
 * A target is one file, fuzz_NAME.c, with libFuzzer's entry point:
 *
 *     int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
 *     {
 *         struct harness_input input = {bytes, size};
 *         unsigned choice = harness_byte(&input);
 *         ...
 *         HARNESS_REQUIRE(what must hold for every input);
 *         return 0;
 *     }
 *
 * The preset `fuzz` links it with libFuzzer; every other build links replay.c instead,
 * which runs the files of a corpus. Errors are welcome, crashes and hangs are not. */
#ifndef TIDEMARK_TESTS_FUZZ_HARNESS_H
#define TIDEMARK_TESTS_FUZZ_HARNESS_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* libFuzzer's names. The mutator is optional; LLVMFuzzerMutate is libFuzzer's own. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t capacity, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t size, size_t capacity);

/* Stops the program, whatever the build, and names what did not hold. */
#define HARNESS_REQUIRE(condition)                                                                 \
    ((condition) ? (void)0 : harness_fail(#condition, __FILE__, __LINE__))
_Noreturn void harness_fail(const char *condition, const char *file, int line);

/* A function that failed left a kind and a text. */
void harness_require_error(const struct error *error);

/* An input that is taken from the front; what is beyond its end is zero or empty. */
struct harness_input {
    const uint8_t *bytes;
    size_t size;
};

unsigned harness_byte(struct harness_input *input);
uint64_t harness_number(struct harness_input *input, size_t bytes); /* little-endian */

/* At most `size` bytes. */
struct harness_input harness_part(struct harness_input *input, size_t size);

/* A copy that ends where the input ends, so that a byte read beyond it is found. The
 * caller frees it. */
char *harness_copy(struct harness_input input);

/* As harness_copy, with a NUL after the bytes. */
char *harness_text(struct harness_input input);

/* A folder of this process in TMPDIR, else in memory where there is /dev/shm, else in
 * /tmp. It is removed at exit with the files in it. */
const char *harness_folder(void);

/* Writes a file into that folder in place of one that is there; valid until the next
 * call. */
const char *harness_write(const char *name, const void *bytes, size_t size);

/* A file of that folder, to be freed. */
char *harness_read(const char *name, size_t *size);

/* The file holds these bytes and no others. */
bool harness_is_unchanged(const char *name, const void *bytes, size_t size);

/* Removes the files in it: logs and copies of a database that was there before. */
void harness_clear(void);

#endif
