/* gguf.h: a GGUF v3 file, mapped and checked.
 *
 *     struct gguf *file;
 *     if (!gguf_open(&file, path, &error)) ...
 *     uint32_t layers;
 *     if (!gguf_get_u32(file, "mamba.block_count", &layers, &error)) ...
 *     gguf_close(file);
 *
 * Everything in the file is the file's word only. gguf_open checks every count,
 * length, type, alignment and offset against the file's size before anything is
 * used; afterwards all that the accessors return lies inside the mapping. Errors
 * are ERROR_MODEL and name the file and the place. Format: docs/FORMAT.md. */
#ifndef TIDEMARK_ENGINE_GGUF_H
#define TIDEMARK_ENGINE_GGUF_H

#include "base/error.h"
#include "base/file.h"

#include <stddef.h>
#include <stdint.h>

#define GGUF_MAX_DIMS 4

struct gguf;

/* A string in the file: not NUL-terminated, possibly not UTF-8. */
struct gguf_text {
    const char *data;
    size_t size;
};

enum gguf_kind {
    GGUF_U8 = 0,
    GGUF_I8 = 1,
    GGUF_U16 = 2,
    GGUF_I16 = 3,
    GGUF_U32 = 4,
    GGUF_I32 = 5,
    GGUF_F32 = 6,
    GGUF_BOOL = 7,
    GGUF_STRING = 8,
    GGUF_ARRAY = 9,
    GGUF_U64 = 10,
    GGUF_I64 = 11,
    GGUF_F64 = 12,
};

struct gguf_array {
    enum gguf_kind kind; /* of the items; never GGUF_ARRAY */
    size_t count;
    const unsigned char *data; /* unaligned; numbers little-endian, strings as in the file */
};

struct gguf_tensor {
    struct gguf_text name;
    uint32_t type;              /* enum blocks_type, or one that we do not read */
    unsigned dims;              /* 1 to GGUF_MAX_DIMS */
    uint64_t ne[GGUF_MAX_DIMS]; /* fastest first; unused ones are 1 */
    const unsigned char *data;  /* NULL when the type is one that we do not read */
    size_t bytes;               /* 0 when the type is one that we do not read */
};

/* On success the caller owns *file; gguf_close(NULL) is fine. */
bool gguf_open(struct gguf **file, const char *path, struct error *error) WARN_UNUSED;
void gguf_close(struct gguf *file);

const char *gguf_path(const struct gguf *file);
const struct file_map *gguf_map(const struct gguf *file);

/* Required values: false with an error when absent or of another kind. Any
 * integer kind that holds a value in range serves u32. */
bool gguf_get_u32(const struct gguf *file, const char *key, uint32_t *value,
                  struct error *error) WARN_UNUSED;
bool gguf_get_f32(const struct gguf *file, const char *key, float *value,
                  struct error *error) WARN_UNUSED;
bool gguf_get_text(const struct gguf *file, const char *key, struct gguf_text *value,
                   struct error *error) WARN_UNUSED;
bool gguf_get_array(const struct gguf *file, const char *key, enum gguf_kind kind,
                    struct gguf_array *value, struct error *error) WARN_UNUSED;

/* Optional values: *value stays as it is when the key is absent; false with an
 * error when it is there but of another kind. */
bool gguf_maybe_u32(const struct gguf *file, const char *key, uint32_t *value,
                    struct error *error) WARN_UNUSED;
bool gguf_maybe_f32(const struct gguf *file, const char *key, float *value,
                    struct error *error) WARN_UNUSED;
bool gguf_maybe_bool(const struct gguf *file, const char *key, bool *value,
                     struct error *error) WARN_UNUSED;
bool gguf_maybe_text(const struct gguf *file, const char *key, struct gguf_text *value,
                     struct error *error) WARN_UNUSED;
bool gguf_has(const struct gguf *file, const char *key);

/* The key-values, sorted by key: *whole is key, type and value as they lie in the file. */
size_t gguf_entries(const struct gguf *file);
struct gguf_text gguf_entry_at(const struct gguf *file, size_t index, struct gguf_text *whole);

/* Walks the strings of a GGUF_STRING array: *cursor starts as array->data; each
 * call takes one of the array's `count` strings. */
struct gguf_text gguf_next_text(const unsigned char **cursor);

size_t gguf_tensors(const struct gguf *file);
const struct gguf_tensor *gguf_tensor_at(const struct gguf *file, size_t index);
const struct gguf_tensor *gguf_find_tensor(const struct gguf *file, const char *name);

#endif
