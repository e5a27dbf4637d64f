/* hub_tokenizer.h: tokenizer.json and its neighbours become GGUF's tokenizer keys.
 *
 * Taken are byte-level BPE vocabularies whose text is split as one of the engine's
 * pre-tokenizers does, recognised by structure: Falcon's (Punctuation, ByteLevel, Digits,
 * Split at three digits) and GPT-2's (ByteLevel alone, with its expression). Whatever
 * would make other tokens (a normalizer but NFC, a prefix space, another kind of model)
 * is refused by name. Ids that no token has become unused tokens, "[PAD7]". */
#ifndef TIDEMARK_CONVERT_HUB_TOKENIZER_H
#define TIDEMARK_CONVERT_HUB_TOKENIZER_H

#include "convert/json_read.h"
#include "convert/plan.h"

struct hub_tokenizer {
    const json_t *tokenizer;     /* tokenizer.json */
    const json_t *configuration; /* tokenizer_config.json, or NULL */
    const json_t *model;         /* config.json, or NULL: the ids of special tokens */
    const char *chat_template;   /* of a file of its own, or NULL */
    const char *path;            /* of tokenizer.json, for errors */
};

/* Appends the keys to the plan. `rows`: of the embedding; every id is below it. *note is
 * set to what the user should know, or to NULL; static text. */
bool hub_tokenizer_write(struct plan *plan, const struct hub_tokenizer *tokenizer, size_t rows,
                         const char **note, struct error *error) WARN_UNUSED;

#endif
