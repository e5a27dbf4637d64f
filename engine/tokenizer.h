/* tokenizer.h: byte-level BPE from a GGUF file's own vocabulary and merges
 * (Sennrich et al., 2016; the byte-to-character map of GPT-2).
 *
 *     struct tokenizer *tokenizer;
 *     if (!tokenizer_new(&tokenizer, file, &error)) ...
 *     struct tokens tokens = {0};
 *     if (!tokenizer_encode(tokenizer, text, size, &tokens, &error)) ...
 *     tokens_free(&tokens);
 *     tokenizer_free(tokenizer);
 *
 * Text may hold any bytes; bytes that are not UTF-8 are tokenized byte by byte.
 * Control tokens (type 3) are never produced from text: only
 * tokenizer_find_control gives them. User-defined tokens (type 4) match
 * everywhere, longest first, before splitting. The tokenizer copies what it
 * needs: the file may be closed. Encoding uses a cache of words inside the
 * tokenizer: one thread at a time. */
#ifndef TIDEMARK_ENGINE_TOKENIZER_H
#define TIDEMARK_ENGINE_TOKENIZER_H

#include "base/buffer.h"
#include "engine/gguf.h"

/* Raised when the same text could become other tokens under the same file: part
 * of every checkpoint's key. */
#define TOKENIZER_VERSION 1

#define TOKENIZER_NONE (-1)

struct tokenizer;

struct tokens {
    int32_t *data;
    size_t count, capacity;
};

bool tokens_append(struct tokens *tokens, int32_t token, struct error *error) WARN_UNUSED;
void tokens_free(struct tokens *tokens);

/* Any architecture will do: only the tokenizer.* keys are read. */
bool tokenizer_new(struct tokenizer **tokenizer, const struct gguf *file,
                   struct error *error) WARN_UNUSED;
void tokenizer_free(struct tokenizer *tokenizer);

size_t tokenizer_vocabulary(const struct tokenizer *tokenizer);

/* One line to show the user once (a missing `pre` key, for instance), or NULL. */
const char *tokenizer_warning(const struct tokenizer *tokenizer);

/* Appends to *tokens, which is as before on failure. A byte that the vocabulary has
 * no token for (public vocabularies lack some control characters) is left out. */
bool tokenizer_encode(struct tokenizer *tokenizer, const char *text, size_t size,
                      struct tokens *tokens, struct error *error) WARN_UNUSED;

/* True once a byte of some text had to be left out. */
bool tokenizer_left_out(const struct tokenizer *tokenizer);

/* Appends the token's bytes; they may be part of a UTF-8 character (hold back
 * utf8_incomplete_tail() bytes before showing them). Control, unused and unknown
 * tokens and ids out of range give nothing. */
bool tokenizer_decode(const struct tokenizer *tokenizer, int32_t token, struct buffer *text,
                      struct error *error) WARN_UNUSED;

/* The id of a control token by its exact text, or TOKENIZER_NONE. Where a file
 * marks it as user-defined instead, that one serves. */
int32_t tokenizer_find_control(const struct tokenizer *tokenizer, const char *text);

/* Ids from the file, TOKENIZER_NONE when absent. add_bos is false when absent. */
int32_t tokenizer_bos(const struct tokenizer *tokenizer);
int32_t tokenizer_eos(const struct tokenizer *tokenizer);
bool tokenizer_add_bos(const struct tokenizer *tokenizer);

#endif
