/* vocabulary.h: the tokens of a byte-level BPE vocabulary, as a GGUF file lists
 * them under tokenizer.ggml.tokens and .token_type.
 *
 * Normal tokens are written there in GPT-2's alphabet, in which every byte is a
 * printable character; a vocabulary keeps the bytes that they stand for. */
#ifndef TIDEMARK_ENGINE_VOCABULARY_H
#define TIDEMARK_ENGINE_VOCABULARY_H

#include "engine/gguf.h"

#define VOCABULARY_NONE (-1)

/* GGUF's own numbers. */
enum vocabulary_type {
    VOCABULARY_UNDEFINED = 0, /* taken as normal */
    VOCABULARY_NORMAL = 1,
    VOCABULARY_UNKNOWN = 2,
    VOCABULARY_CONTROL = 3,
    VOCABULARY_USER_DEFINED = 4,
    VOCABULARY_UNUSED = 5,
    VOCABULARY_BYTE = 6, /* written <0x41> */
};

struct vocabulary {
    size_t count;         /* 1 to INT32_MAX */
    unsigned char *types; /* [count] */
    size_t *offsets;      /* [count + 1]: token i is bytes[offsets[i]..offsets[i + 1]) */
    char *bytes;          /* as text; of control and unused tokens: their names */
};

/* Finds tokens by how the file writes them. Borrows the file's strings. */
struct vocabulary_index {
    struct gguf_text *written; /* [count] */
    int32_t *slots;            /* open addressing by hash, linear probing */
    size_t mask;
};

/* Fills both. Frees nothing on failure: the caller calls vocabulary_free and
 * vocabulary_index_free on the structs, zeroed before the call, in any case. */
bool vocabulary_read(struct vocabulary *vocabulary, struct vocabulary_index *index,
                     const struct gguf *file, struct error *error) WARN_UNUSED;
void vocabulary_free(struct vocabulary *vocabulary);
void vocabulary_index_free(struct vocabulary_index *index);

/* The bytes of a token, 0 <= id < count. */
struct gguf_text vocabulary_text(const struct vocabulary *vocabulary, int32_t id);

/* The smallest id of a normal or user-defined token that is written so, or
 * VOCABULARY_NONE. */
int32_t vocabulary_find(const struct vocabulary_index *index, const char *written, size_t size);

/* The token of each single byte, VOCABULARY_NONE for bytes without one. False
 * when no byte has one. */
bool vocabulary_find_bytes(const struct vocabulary *vocabulary,
                           const struct vocabulary_index *index, int32_t ids[256]);

#endif
