/* gguf_writer.h: makes small GGUF files in memory, sound ones and broken ones.
 *
 *     struct gguf_writer writer = {0};
 *     gguf_writer_text(&writer, "general.architecture", "mamba");
 *     gguf_writer_tensor(&writer, "a", 1, (uint64_t[]){4}, 0, floats, sizeof floats);
 *     struct buffer file = gguf_writer_finish(&writer);   // frees the writer's own memory
 *     gguf_writer_save(path, file.data, file.size);
 *     buffer_free(&file);
 *
 * A test that cannot get memory or write its file stops the program. */
#ifndef TIDEMARK_TESTS_SUPPORT_GGUF_WRITER_H
#define TIDEMARK_TESTS_SUPPORT_GGUF_WRITER_H

#include "base/buffer.h"
#include "engine/gguf.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct gguf_writer {
    struct buffer entries, tensors, data;
    uint64_t entry_count, tensor_count;
    size_t alignment; /* 0: 32, and the key general.alignment is not written by itself */
};

static inline void gguf_writer_require(bool ok)
{
    if (!ok) {
        perror("gguf_writer");
        abort();
    }
}

static inline void gguf_writer_bytes(struct buffer *out, const void *bytes, size_t size)
{
    gguf_writer_require(buffer_append(out, bytes, size, NULL));
}

static inline void gguf_writer_number(struct buffer *out, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        gguf_writer_require(buffer_append_byte(out, (char)(value >> (8 * i) & 0xFF), NULL));
}

static inline void gguf_writer_string(struct buffer *out, const char *text, size_t size)
{
    gguf_writer_number(out, size, 8);
    gguf_writer_bytes(out, text, size);
}

/* Begins a key-value; its value is to be appended to writer->entries. */
static inline void gguf_writer_key(struct gguf_writer *writer, const char *key, uint32_t kind)
{
    gguf_writer_string(&writer->entries, key, strlen(key));
    gguf_writer_number(&writer->entries, kind, 4);
    writer->entry_count++;
}

static inline void gguf_writer_integer(struct gguf_writer *writer, const char *key,
                                       enum gguf_kind kind, uint64_t value, size_t size)
{
    gguf_writer_key(writer, key, kind);
    gguf_writer_number(&writer->entries, value, size);
}

static inline void gguf_writer_u32(struct gguf_writer *writer, const char *key, uint32_t value)
{
    gguf_writer_integer(writer, key, GGUF_U32, value, 4);
}

static inline void gguf_writer_bool(struct gguf_writer *writer, const char *key, bool value)
{
    gguf_writer_integer(writer, key, GGUF_BOOL, value, 1);
}

static inline void gguf_writer_f32(struct gguf_writer *writer, const char *key, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    gguf_writer_integer(writer, key, GGUF_F32, bits, 4);
}

static inline void gguf_writer_text(struct gguf_writer *writer, const char *key, const char *text)
{
    gguf_writer_key(writer, key, GGUF_STRING);
    gguf_writer_string(&writer->entries, text, strlen(text));
}

static inline void gguf_writer_array(struct gguf_writer *writer, const char *key, uint32_t item,
                                     uint64_t count)
{
    gguf_writer_key(writer, key, GGUF_ARRAY);
    gguf_writer_number(&writer->entries, item, 4);
    gguf_writer_number(&writer->entries, count, 8);
}

static inline void gguf_writer_texts(struct gguf_writer *writer, const char *key,
                                     const char *const *texts, size_t count)
{
    gguf_writer_array(writer, key, GGUF_STRING, count);
    for (size_t i = 0; i < count; i++)
        gguf_writer_string(&writer->entries, texts[i], strlen(texts[i]));
}

static inline void gguf_writer_i32s(struct gguf_writer *writer, const char *key,
                                    const int32_t *values, size_t count)
{
    gguf_writer_array(writer, key, GGUF_I32, count);
    for (size_t i = 0; i < count; i++)
        gguf_writer_number(&writer->entries, (uint32_t)values[i], 4);
}

/* A tensor's entry with any offset; its data is not written. */
static inline void gguf_writer_tensor_at(struct gguf_writer *writer, const char *name,
                                         uint32_t dims, const uint64_t *ne, uint32_t type,
                                         uint64_t offset)
{
    gguf_writer_string(&writer->tensors, name, strlen(name));
    gguf_writer_number(&writer->tensors, dims, 4);
    for (uint32_t i = 0; i < dims; i++)
        gguf_writer_number(&writer->tensors, ne[i], 8);
    gguf_writer_number(&writer->tensors, type, 4);
    gguf_writer_number(&writer->tensors, offset, 8);
    writer->tensor_count++;
}

static inline void gguf_writer_pad(struct buffer *out, size_t alignment)
{
    while (out->size % alignment)
        gguf_writer_require(buffer_append_byte(out, '\0', NULL));
}

/* A tensor with its data, placed after the ones before. */
static inline void gguf_writer_tensor(struct gguf_writer *writer, const char *name, uint32_t dims,
                                      const uint64_t *ne, uint32_t type, const void *data,
                                      size_t size)
{
    gguf_writer_pad(&writer->data, writer->alignment ? writer->alignment : 32);
    gguf_writer_tensor_at(writer, name, dims, ne, type, writer->data.size);
    gguf_writer_bytes(&writer->data, data, size);
}

/* The whole file, which the caller frees; the writer is empty afterwards. */
static inline struct buffer gguf_writer_finish(struct gguf_writer *writer)
{
    struct buffer file = {0};
    gguf_writer_bytes(&file, "GGUF", 4);
    gguf_writer_number(&file, 3, 4);
    gguf_writer_number(&file, writer->tensor_count, 8);
    gguf_writer_number(&file, writer->entry_count, 8);
    gguf_writer_bytes(&file, writer->entries.data, writer->entries.size);
    gguf_writer_bytes(&file, writer->tensors.data, writer->tensors.size);
    if (writer->data.size) {
        gguf_writer_pad(&file, writer->alignment ? writer->alignment : 32);
        gguf_writer_bytes(&file, writer->data.data, writer->data.size);
    }
    buffer_free(&writer->entries);
    buffer_free(&writer->tensors);
    buffer_free(&writer->data);
    *writer = (struct gguf_writer){0};
    return file;
}

static inline void gguf_writer_save(const char *path, const void *bytes, size_t size)
{
    FILE *stream = fopen(path, "wb");
    gguf_writer_require(stream != NULL);
    gguf_writer_require(fwrite(bytes, 1, size, stream) == size);
    gguf_writer_require(fclose(stream) == 0);
}

#define GGUF_WRITER_PATH_SIZE 256

/* A fresh file name in the folder for temporary files; the caller unlinks it. */
static inline void gguf_writer_temporary(char path[GGUF_WRITER_PATH_SIZE])
{
    const char *folder = getenv("TMPDIR");
    int length = snprintf(path, GGUF_WRITER_PATH_SIZE, "%s/tidemark-test-XXXXXX",
                          folder && *folder ? folder : "/tmp");
    gguf_writer_require(length > 0 && length < GGUF_WRITER_PATH_SIZE);
    int descriptor = mkstemp(path);
    gguf_writer_require(descriptor >= 0);
    close(descriptor);
}

/* Opens bytes as a GGUF file through a temporary file that is gone afterwards. */
static inline bool gguf_writer_open(struct gguf **file, const void *bytes, size_t size,
                                    struct error *error)
{
    char path[GGUF_WRITER_PATH_SIZE];
    gguf_writer_temporary(path);
    gguf_writer_save(path, bytes, size);
    bool ok = gguf_open(file, path, error);
    unlink(path);
    return ok;
}

/* Adds the keys of a byte-level vocabulary: the 256 bytes in order as tokens 0 to
 * 255 (in GPT-2's alphabet), then the tokens given, of the types given. merges may
 * be NULL. */
static inline void gguf_writer_vocabulary(struct gguf_writer *writer, const char *const *tokens,
                                          const int32_t *types, size_t count,
                                          const char *const *merges, size_t merge_count)
{
    gguf_writer_text(writer, "tokenizer.ggml.model", "gpt2");
    gguf_writer_array(writer, "tokenizer.ggml.tokens", GGUF_STRING, 256 + count);
    for (unsigned byte = 0, next = 0x100; byte < 256; byte++) {
        bool prints = (byte > 0x20 && byte < 0x7F) || (byte > 0xA0 && byte != 0xAD);
        unsigned rune = prints ? byte : next++;
        char text[2] = {(char)(rune < 0x80 ? rune : 0xC0 | rune >> 6),
                        (char)(0x80 | (rune & 0x3F))};
        gguf_writer_string(&writer->entries, text, rune < 0x80 ? 1 : 2);
    }
    for (size_t i = 0; i < count; i++)
        gguf_writer_string(&writer->entries, tokens[i], strlen(tokens[i]));
    gguf_writer_array(writer, "tokenizer.ggml.token_type", GGUF_I32, 256 + count);
    for (size_t i = 0; i < 256 + count; i++)
        gguf_writer_number(&writer->entries, i < 256 ? 1 : (uint32_t)types[i - 256], 4);
    if (merges)
        gguf_writer_texts(writer, "tokenizer.ggml.merges", merges, merge_count);
}

#endif
