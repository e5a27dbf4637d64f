#include "convert/safetensors.h"

#include "convert/json_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LENGTH_BYTES = 8 };

static bool damaged(const struct safetensors *file, const char *name, const char *what,
                    struct error *error)
{
    return error_set(error, ERROR_MODEL, "%s is damaged: the tensor %.100s %s: download it again",
                     file->path, name, what);
}

/* --- one tensor ------------------------------------------------------------------------ */

/* Bits of one item; 0: a type that is not known. */
static unsigned bits_of(const char *dtype)
{
    static const struct {
        const char *name;
        unsigned bits;
    } known[] = {
        {"F32", 32}, {"F16", 16}, {"BF16", 16}, {"F64", 64},    {"I64", 64},
        {"U64", 64}, {"I32", 32}, {"U32", 32},  {"I16", 16},    {"U16", 16},
        {"I8", 8},   {"U8", 8},   {"BOOL", 8},  {"F8_E4M3", 8}, {"F8_E5M2", 8},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, dtype) == 0)
            return known[i].bits;
    return 0;
}

static bool take_shape(struct safetensors_tensor *tensor, const struct safetensors *file,
                       const json_t *entry, uint64_t *bytes, struct error *error)
{
    const json_t *shape = json_read_array(entry, "shape");
    if (!shape || json_array_size(shape) > SAFETENSORS_MAX_DIMS)
        return damaged(file, tensor->name, "has no shape of 0 to 8 dimensions", error);
    tensor->dims = (unsigned)json_array_size(shape);
    *bytes = bits_of(tensor->dtype) / 8;
    for (unsigned i = 0; i < tensor->dims; i++) {
        const json_t *item = json_array_get(shape, i);
        if (!json_is_integer(item) || json_integer_value(item) < 0)
            return damaged(file, tensor->name, "has a dimension that is no number", error);
        tensor->shape[i] = (uint64_t)json_integer_value(item);
        if (__builtin_mul_overflow(*bytes, tensor->shape[i], bytes))
            return damaged(file, tensor->name, "has a shape that is too large for any file", error);
    }
    return true;
}

static bool take_place(struct safetensors_tensor *tensor, const struct safetensors *file,
                       const json_t *entry, uint64_t data, uint64_t bytes, struct error *error)
{
    const json_t *offsets = json_read_array(entry, "data_offsets");
    const json_t *first = json_array_get(offsets, 0), *last = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(last))
        return damaged(file, tensor->name, "has no data_offsets of two numbers", error);
    json_int_t begin = json_integer_value(first), end = json_integer_value(last);
    if (begin < 0 || end < begin)
        return damaged(file, tensor->name, "has offsets that are negative or out of order", error);
    if ((uint64_t)end > file->size - data)
        return damaged(file, tensor->name, "goes beyond the end of the file, which is cut short",
                       error);
    if ((uint64_t)(end - begin) != bytes)
        return damaged(file, tensor->name, "has more or fewer bytes than its shape and type take",
                       error);
    tensor->offset = data + (uint64_t)begin;
    tensor->bytes = bytes;
    return true;
}

static bool take_tensor(struct safetensors_tensor *tensor, const struct safetensors *file,
                        const char *name, const json_t *entry, uint64_t data, struct error *error)
{
    uint64_t bytes = 0;
    *tensor = (struct safetensors_tensor){.name = name, .dtype = json_read_string(entry, "dtype")};
    if (!tensor->dtype)
        return damaged(file, name, "has no dtype", error);
    if (!bits_of(tensor->dtype))
        return error_set(error, ERROR_MODEL,
                         "%s: the tensor %.100s is of the type %.20s, which is not known: get a "
                         "file of F32, F16 or BF16",
                         file->path, name, tensor->dtype);
    return take_shape(tensor, file, entry, &bytes, error) &&
           take_place(tensor, file, entry, data, bytes, error);
}

/* --- all tensors ------------------------------------------------------------------------ */

static int compare_places(const void *left, const void *right)
{
    const struct safetensors_tensor *a = left, *b = right;
    if (a->offset != b->offset)
        return a->offset > b->offset ? 1 : -1;
    return (a->bytes > b->bytes) - (a->bytes < b->bytes);
}

static int compare_names(const void *left, const void *right)
{
    const struct safetensors_tensor *const *a = left, *const *b = right;
    return strcmp((*a)->name, (*b)->name);
}

static bool take_tensors(struct safetensors *file, uint64_t data, struct error *error)
{
    json_t *header = file->header, *entry;
    const char *name;
    file->tensors = calloc(json_object_size(header) + 1, sizeof *file->tensors);
    file->by_name = calloc(json_object_size(header) + 1, sizeof *file->by_name);
    if (!file->tensors || !file->by_name)
        return error_out_of_memory(error);
    json_object_foreach(header, name, entry)
    {
        if (strcmp(name, "__metadata__") == 0)
            continue;
        if (!take_tensor(&file->tensors[file->count], file, name, entry, data, error))
            return false;
        file->count++;
    }
    if (file->count)
        qsort(file->tensors, file->count, sizeof *file->tensors, compare_places);
    for (size_t i = 1; i < file->count; i++)
        if (file->tensors[i].offset < file->tensors[i - 1].offset + file->tensors[i - 1].bytes)
            return damaged(file, file->tensors[i].name, "overlaps another tensor", error);
    for (size_t i = 0; i < file->count; i++)
        file->by_name[i] = &file->tensors[i];
    if (file->count)
        qsort(file->by_name, file->count, sizeof *file->by_name, compare_names);
    return true;
}

static bool header_length(const unsigned char *bytes, uint64_t size, const char *path,
                          uint64_t *length, struct error *error)
{
    if (size < LENGTH_BYTES)
        return error_set(error, ERROR_MODEL,
                         "%s is no safetensors file: it has %llu bytes: download it again", path,
                         (unsigned long long)size);
    *length = 0;
    for (int i = LENGTH_BYTES - 1; i >= 0; i--)
        *length = *length << 8 | bytes[i];
    if (*length > size - LENGTH_BYTES || *length > SAFETENSORS_HEADER_LIMIT)
        return error_set(error, ERROR_MODEL,
                         "%s is no safetensors file, or is cut short: its header would have %llu "
                         "bytes: download it again",
                         path, (unsigned long long)*length);
    return true;
}

bool safetensors_parse(struct safetensors **file, const unsigned char *bytes, uint64_t available,
                       uint64_t size, const char *path, struct error *error)
{
    uint64_t length;
    *file = NULL;
    if (!header_length(bytes, available < LENGTH_BYTES ? available : size, path, &length, error))
        return false;
    if (length > available - LENGTH_BYTES)
        return error_set(error, ERROR_MODEL, "%s: its header cannot be read", path);
    struct safetensors *read = calloc(1, sizeof *read);
    if (!read)
        return error_out_of_memory(error);
    read->descriptor = -1;
    read->size = size;
    read->path = strdup(path);
    json_t *header = NULL;
    bool ok = read->path ? json_read_text(&header, (const char *)bytes + LENGTH_BYTES,
                                          (size_t)length, path, error)
                         : error_out_of_memory(error);
    read->header = header;
    if (!ok || !take_tensors(read, LENGTH_BYTES + length, error)) {
        safetensors_close(read);
        return false;
    }
    *file = read;
    return true;
}

/* --- files -------------------------------------------------------------------------------- */

static bool read_whole(int descriptor, unsigned char *bytes, uint64_t size)
{
    for (uint64_t at = 0; at < size;) {
        ssize_t got = pread(descriptor, bytes + at, (size_t)(size - at), (off_t)at);
        if (got == 0 || (got < 0 && errno != EINTR))
            return false;
        at += got > 0 ? (uint64_t)got : 0;
    }
    return true;
}

static bool open_descriptor(struct safetensors **file, int descriptor, const char *path,
                            struct error *error)
{
    struct stat status;
    unsigned char start[LENGTH_BYTES];
    uint64_t length;
    if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode))
        return error_set(error, ERROR_MODEL, "%s is not a regular file", path);
    uint64_t size = (uint64_t)status.st_size;
    if (size >= LENGTH_BYTES && !read_whole(descriptor, start, LENGTH_BYTES))
        return error_set(error, ERROR_MODEL, "cannot read %s: %s", path, strerror(errno));
    if (!header_length(start, size, path, &length, error))
        return false;
    unsigned char *bytes = malloc(LENGTH_BYTES + (size_t)length);
    if (!bytes)
        return error_out_of_memory(error);
    bool ok = read_whole(descriptor, bytes, LENGTH_BYTES + length)
                  ? safetensors_parse(file, bytes, LENGTH_BYTES + length, size, path, error)
                  : error_set(error, ERROR_MODEL, "cannot read %s: %s", path, strerror(errno));
    free(bytes);
    return ok;
}

bool safetensors_open(struct safetensors **file, const char *path, struct error *error)
{
    *file = NULL;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return error_set(error, ERROR_MODEL, "cannot open %s: %s", path, strerror(errno));
    if (!open_descriptor(file, descriptor, path, error)) {
        close(descriptor);
        return false;
    }
    (*file)->descriptor = descriptor;
    return true;
}

void safetensors_close(struct safetensors *file)
{
    if (!file)
        return;
    if (file->descriptor >= 0)
        close(file->descriptor);
    json_decref(file->header);
    free(file->by_name);
    free(file->tensors);
    free(file->path);
    free(file);
}

const struct safetensors_tensor *safetensors_find(const struct safetensors *file, const char *name)
{
    const struct safetensors_tensor wanted = {.name = name}, *key = &wanted;
    const struct safetensors_tensor **found = NULL;
    if (file->count)
        found = bsearch(&key, file->by_name, file->count, sizeof key, compare_names);
    return found ? *found : NULL;
}
