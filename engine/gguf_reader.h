/* gguf_reader.h: the inside of a mapped GGUF file, shared by what reads it
 * (gguf_reader.c) and what answers from it (gguf.c). */
#ifndef TIDEMARK_ENGINE_GGUF_READER_H
#define TIDEMARK_ENGINE_GGUF_READER_H

#include "engine/gguf.h"

struct gguf_reader_entry {
    struct gguf_text key;
    enum gguf_kind kind;
    enum gguf_kind item;        /* of an array */
    const unsigned char *value; /* of a string or an array: its first item */
    size_t count;               /* bytes of a string, items of an array */
    struct gguf_text whole;     /* key, type and value as in the file */
};

struct gguf_reader_tensor {
    struct gguf_tensor shown;
    uint64_t offset; /* from the start of the tensor data, as the file has it */
};

struct gguf {
    struct file_map map;
    char *path;
    struct gguf_reader_entry *entries; /* sorted by key */
    size_t entry_count;
    struct gguf_reader_tensor *tensors;        /* in the file's order */
    const struct gguf_reader_tensor **by_name; /* the same, sorted */
    size_t tensor_count;
};

/* Reads and checks all that the mapped file announces. What was filled when it
 * fails is freed by gguf_close. */
bool gguf_reader_read(struct gguf *file, struct error *error) WARN_UNUSED;

/* A little-endian number of 1 to 8 bytes. */
uint64_t gguf_reader_number(const unsigned char *bytes, size_t size);

/* The orders of `entries` and `by_name`, for bsearch. */
int gguf_reader_compare_keys(const void *a, const void *b);
int gguf_reader_compare_names(const void *a, const void *b);

#endif
