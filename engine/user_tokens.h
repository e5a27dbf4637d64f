/* user_tokens.h: finds a vocabulary's user-defined tokens in text.
 *
 * They match everywhere, the longest first: a longer token takes its bytes before
 * any shorter one may, wherever in the text it lies; among tokens of one length
 * the leftmost takes them first. */
#ifndef TIDEMARK_ENGINE_USER_TOKENS_H
#define TIDEMARK_ENGINE_USER_TOKENS_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* Far above what a vocabulary holds; bounds the work for each byte of text. */
#define USER_TOKENS_MAX_BYTES 1024

struct user_tokens;

/* One match in text: at byte `at`, `size` bytes long. */
struct user_tokens_match {
    size_t at, size;
    int32_t id;
};

/* NULL when out of memory. */
struct user_tokens *user_tokens_new(struct error *error);
void user_tokens_free(struct user_tokens *tokens);

/* size is 1 to USER_TOKENS_MAX_BYTES. Of equal tokens the first one holds. */
bool user_tokens_add(struct user_tokens *tokens, const char *text, size_t size, int32_t id,
                     struct error *error) WARN_UNUSED;

/* Walks the matches of one text from left to right:
 *
 *     user_tokens_begin(tokens, text, size);
 *     while (user_tokens_next(tokens, &match, &found, &error) && found) ...
 *
 * The text stays the caller's and must outlive the walk. One walk at a time.
 * Fails only for want of memory. */
void user_tokens_begin(struct user_tokens *tokens, const char *text, size_t size);
bool user_tokens_next(struct user_tokens *tokens, struct user_tokens_match *match, bool *found,
                      struct error *error) WARN_UNUSED;

#endif
