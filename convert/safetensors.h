/* safetensors.h: one file of tensors as the model hub keeps them.
 *
 *     struct safetensors *file;
 *     if (!safetensors_open(&file, "model.safetensors", &error)) ...
 *     const struct safetensors_tensor *tensor = safetensors_find(file, "lm_head.weight");
 *     ... pread(file->descriptor, buffer, size, tensor->offset + ...) ...
 *     safetensors_close(file);
 *
 * Format: u64 length of the header, little-endian; the header, JSON: {name: {dtype,
 * shape, data_offsets: [begin, end] after the header}}; the bytes. The header is checked
 * whole before anything is used: afterwards every tensor lies inside the file, has the
 * bytes that its shape and type ask for, and overlaps no other. Errors are ERROR_MODEL and
 * name the file and the tensor. The bytes themselves are read by whoever needs them: they
 * may be larger than memory. */
#ifndef TIDEMARK_CONVERT_SAFETENSORS_H
#define TIDEMARK_CONVERT_SAFETENSORS_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define SAFETENSORS_MAX_DIMS 8
#define SAFETENSORS_HEADER_LIMIT ((uint64_t)100 << 20)

struct safetensors_tensor {
    const char *name;                     /* NUL-terminated UTF-8, the file's word */
    const char *dtype;                    /* "F32", "BF16", ...: one that is known */
    unsigned dims;                        /* 0 to SAFETENSORS_MAX_DIMS */
    uint64_t shape[SAFETENSORS_MAX_DIMS]; /* slowest first */
    uint64_t offset;                      /* in the file */
    uint64_t bytes;
};

struct safetensors {
    char *path;
    int descriptor; /* for reading; -1 for bytes in memory */
    uint64_t size;
    struct safetensors_tensor *tensors;        /* [count], by their place in the file */
    const struct safetensors_tensor **by_name; /* the same, sorted */
    size_t count;
    void *header; /* owns the texts */
};

/* On success the caller owns *file; safetensors_close(NULL) is fine. */
bool safetensors_open(struct safetensors **file, const char *path, struct error *error) WARN_UNUSED;
void safetensors_close(struct safetensors *file);

/* As safetensors_open, of the first `available` bytes of a file of `size`: at least its
 * header where that is sound. `path` is for errors. */
bool safetensors_parse(struct safetensors **file, const unsigned char *bytes, uint64_t available,
                       uint64_t size, const char *path, struct error *error) WARN_UNUSED;

/* NULL when there is none of this name. */
const struct safetensors_tensor *safetensors_find(const struct safetensors *file, const char *name);

#endif
