#include "engine/tokenizer.h"

#include "engine/merges.h"
#include "engine/pretokenizer.h"
#include "engine/user_tokens.h"
#include "engine/vocabulary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* The cache of words: each word has one place, by its hash, and a newer one
 * drives out an older one. An entry fills a cache line; words that do not fit are
 * merged anew each time. */
#define CACHE_ENTRIES 65536
#define CACHE_BYTES 22
#define CACHE_TOKENS 10

struct cached_word {
    unsigned char size; /* 0: empty */
    unsigned char count;
    char bytes[CACHE_BYTES];
    int32_t ids[CACHE_TOKENS];
};

struct tokenizer {
    struct vocabulary vocabulary;
    int32_t byte_ids[256];
    struct merges *merges;
    struct user_tokens *user_tokens; /* NULL when there are none */
    struct pretokenizer pretokenizer;
    struct cached_word *cache; /* [CACHE_ENTRIES] */
    int32_t bos, eos;
    bool add_bos;
    bool left_out;         /* some byte had no token */
    struct buffer warning; /* empty when there is none */
};

static bool reserve(struct tokens *tokens, size_t more, struct error *error)
{
    if (more <= tokens->capacity - tokens->count)
        return true;
    if (more > SIZE_MAX / 8 / sizeof *tokens->data - tokens->count)
        return error_out_of_memory(error);
    size_t capacity = tokens->capacity ? 2 * tokens->capacity : 256;
    if (capacity < tokens->count + more)
        capacity = tokens->count + more;
    int32_t *data = realloc(tokens->data, capacity * sizeof *data);
    if (!data)
        return error_out_of_memory(error);
    tokens->data = data;
    tokens->capacity = capacity;
    return true;
}

bool tokens_append(struct tokens *tokens, int32_t token, struct error *error)
{
    if (!reserve(tokens, 1, error))
        return false;
    tokens->data[tokens->count++] = token;
    return true;
}

void tokens_free(struct tokens *tokens)
{
    free(tokens->data);
    *tokens = (struct tokens){0};
}

static bool text_is(struct gguf_text text, const char *expected)
{
    return text.size == strlen(expected) && memcmp(text.data, expected, text.size) == 0;
}

static bool warn(struct tokenizer *tokenizer, const char *text, struct error *error)
{
    struct buffer *warning = &tokenizer->warning;
    return (warning->size == 0 || buffer_append_text(warning, "; ", error)) &&
           buffer_append_text(warning, text, error);
}

static bool check_model(const struct gguf *file, struct error *error)
{
    struct gguf_text model;
    if (!gguf_get_text(file, "tokenizer.ggml.model", &model, error))
        return false;
    if (text_is(model, "gpt2"))
        return true;
    int shown = model.size < 80 ? (int)model.size : 80;
    return error_set(
        error, ERROR_MODEL,
        "%s has a tokenizer of the kind %.*s; only gpt2 (byte-level BPE) is read: get a "
        "model of the Mamba or Falcon-Mamba family",
        gguf_path(file), shown, model.data);
}

static bool choose_rule(struct tokenizer *tokenizer, const struct gguf *file,
                        enum pretokenizer_rule *rule, struct error *error)
{
    static const struct {
        const char *name;
        enum pretokenizer_rule rule;
    } rules[] = {
        {"gpt-2", PRETOKENIZER_GPT2},
        {"mpt", PRETOKENIZER_GPT2},
        {"olmo", PRETOKENIZER_GPT2},
        {"falcon", PRETOKENIZER_FALCON},
    };
    static const char key[] = "tokenizer.ggml.pre";
    *rule = PRETOKENIZER_GPT2;
    if (!gguf_has(file, key))
        return warn(tokenizer,
                    "the model does not say how text is split into words (no tokenizer.ggml.pre): "
                    "it is split as for GPT-2",
                    error);
    struct gguf_text pre;
    if (!gguf_get_text(file, key, &pre, error))
        return false;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (text_is(pre, rules[i].name)) {
            *rule = rules[i].rule;
            return true;
        }
    }
    int shown = pre.size < 80 ? (int)pre.size : 80;
    return error_set(
        error, ERROR_MODEL,
        "%s splits text by the rule %.*s (tokenizer.ggml.pre), which is not known; known "
        "are gpt-2, mpt, olmo and falcon: get another file",
        gguf_path(file), shown, pre.data);
}

/* A merge "left right" whose three tokens are in the vocabulary; false otherwise. */
static bool find_merge(const struct vocabulary_index *index, struct gguf_text merge,
                       struct buffer *joined, int32_t ids[3], bool *known, struct error *error)
{
    *known = false;
    const char *space = merge.size > 1 ? memchr(merge.data + 1, ' ', merge.size - 1) : NULL;
    if (!space)
        return true;
    size_t left = (size_t)(space - merge.data), right = merge.size - left - 1;
    buffer_clear(joined);
    if (!buffer_append(joined, merge.data, left, error) ||
        !buffer_append(joined, space + 1, right, error))
        return false;
    ids[0] = vocabulary_find(index, merge.data, left);
    ids[1] = vocabulary_find(index, space + 1, right);
    ids[2] = vocabulary_find(index, joined->data, joined->size);
    *known = ids[0] >= 0 && ids[1] >= 0 && ids[2] >= 0;
    return true;
}

static bool add_merges(struct tokenizer *tokenizer, const struct vocabulary_index *index,
                       const struct gguf_array *array, size_t *unknown, struct error *error)
{
    struct buffer joined = {0};
    const unsigned char *cursor = array->data;
    bool ok = true;
    for (size_t i = 0; ok && i < array->count; i++) {
        int32_t ids[3];
        bool known;
        ok = find_merge(index, gguf_next_text(&cursor), &joined, ids, &known, error);
        if (ok && known)
            merges_add(tokenizer->merges, ids[0], ids[1], ids[2]);
        *unknown += !known;
    }
    buffer_free(&joined);
    return ok;
}

static bool read_merges(struct tokenizer *tokenizer, const struct gguf *file,
                        const struct vocabulary_index *index, struct error *error)
{
    static const char key[] = "tokenizer.ggml.merges";
    struct gguf_array array = {.kind = GGUF_STRING};
    if (gguf_has(file, key) && !gguf_get_array(file, key, GGUF_STRING, &array, error))
        return false;
    tokenizer->merges = merges_new(array.count, error);
    if (!tokenizer->merges)
        return false;
    if (array.count == 0)
        return warn(tokenizer,
                    "the model has no merges (tokenizer.ggml.merges): every byte becomes a token",
                    error);
    size_t unknown = 0;
    if (!add_merges(tokenizer, index, &array, &unknown, error))
        return false;
    if (unknown == 0)
        return true;
    char text[120];
    snprintf(text, sizeof text, "%zu of the model's %zu merges name tokens that it lacks: left out",
             unknown, array.count);
    return warn(tokenizer, text, error);
}

static bool read_user_tokens(struct tokenizer *tokenizer, const struct gguf *file,
                             struct error *error)
{
    const struct vocabulary *vocabulary = &tokenizer->vocabulary;
    for (size_t i = 0; i < vocabulary->count; i++) {
        struct gguf_text text = vocabulary_text(vocabulary, (int32_t)i);
        if (vocabulary->types[i] != VOCABULARY_USER_DEFINED || text.size == 0)
            continue;
        if (text.size > USER_TOKENS_MAX_BYTES)
            return error_set(
                error, ERROR_MODEL,
                "%s: token %zu is user-defined and %zu bytes long (%d are allowed): get "
                "another file",
                gguf_path(file), i, text.size, USER_TOKENS_MAX_BYTES);
        if (!tokenizer->user_tokens)
            tokenizer->user_tokens = user_tokens_new(error);
        if (!tokenizer->user_tokens ||
            !user_tokens_add(tokenizer->user_tokens, text.data, text.size, (int32_t)i, error))
            return false;
    }
    return true;
}

static bool read_special(const struct tokenizer *tokenizer, const struct gguf *file,
                         const char *key, int32_t *id, struct error *error)
{
    uint32_t value;
    *id = TOKENIZER_NONE;
    if (!gguf_has(file, key))
        return true;
    if (!gguf_get_u32(file, key, &value, error))
        return false;
    if (value >= tokenizer->vocabulary.count)
        return error_set(
            error, ERROR_MODEL,
            "%s is damaged: %s is %u, but there are only %zu tokens: download it again",
            gguf_path(file), key, value, tokenizer->vocabulary.count);
    *id = (int32_t)value;
    return true;
}

static bool read_tokenizer(struct tokenizer *tokenizer, const struct gguf *file,
                           struct vocabulary_index *index, struct error *error)
{
    enum pretokenizer_rule rule;
    if (!check_model(file, error) || !choose_rule(tokenizer, file, &rule, error) ||
        !vocabulary_read(&tokenizer->vocabulary, index, file, error))
        return false;
    if (!vocabulary_find_bytes(&tokenizer->vocabulary, index, tokenizer->byte_ids))
        return error_set(
            error, ERROR_MODEL,
            "%s has no token for any single byte, so that no text can be read with it: "
            "get another file",
            gguf_path(file));
    if (!read_merges(tokenizer, file, index, error) || !read_user_tokens(tokenizer, file, error) ||
        !read_special(tokenizer, file, "tokenizer.ggml.bos_token_id", &tokenizer->bos, error) ||
        !read_special(tokenizer, file, "tokenizer.ggml.eos_token_id", &tokenizer->eos, error) ||
        !gguf_maybe_bool(file, "tokenizer.ggml.add_bos_token", &tokenizer->add_bos, error) ||
        !pretokenizer_init(&tokenizer->pretokenizer, rule, error))
        return false;
    tokenizer->cache = calloc(CACHE_ENTRIES, sizeof *tokenizer->cache);
    return tokenizer->cache || error_out_of_memory(error);
}

bool tokenizer_new(struct tokenizer **tokenizer, const struct gguf *file, struct error *error)
{
    *tokenizer = NULL;
    struct tokenizer *made = calloc(1, sizeof *made);
    if (!made)
        return error_out_of_memory(error);
    struct vocabulary_index index = {0};
    bool ok = read_tokenizer(made, file, &index, error);
    vocabulary_index_free(&index);
    if (!ok) {
        tokenizer_free(made);
        return false;
    }
    *tokenizer = made;
    return true;
}

void tokenizer_free(struct tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    vocabulary_free(&tokenizer->vocabulary);
    merges_free(tokenizer->merges);
    user_tokens_free(tokenizer->user_tokens);
    pretokenizer_free(&tokenizer->pretokenizer);
    free(tokenizer->cache);
    buffer_free(&tokenizer->warning);
    free(tokenizer);
}

size_t tokenizer_vocabulary(const struct tokenizer *tokenizer)
{
    return tokenizer->vocabulary.count;
}

const char *tokenizer_warning(const struct tokenizer *tokenizer)
{
    return tokenizer->warning.size ? tokenizer->warning.data : NULL;
}

bool tokenizer_left_out(const struct tokenizer *tokenizer)
{
    return tokenizer->left_out;
}

/* Appends the word's tokens, merged from its bytes. */
static bool merge_word(struct tokenizer *tokenizer, struct gguf_text word, struct tokens *tokens,
                       struct error *error)
{
    if (!reserve(tokens, word.size, error))
        return false;
    int32_t *ids = tokens->data + tokens->count;
    size_t count = 0;
    for (size_t i = 0; i < word.size; i++) {
        int32_t id = tokenizer->byte_ids[(unsigned char)word.data[i]];
        if (id == TOKENIZER_NONE)
            tokenizer->left_out = true;
        else
            ids[count++] = id;
    }
    if (!merges_apply(tokenizer->merges, ids, &count, error))
        return false;
    tokens->count += count;
    return true;
}

static bool encode_word(struct tokenizer *tokenizer, struct gguf_text word, struct tokens *tokens,
                        struct error *error)
{
    if (word.size > CACHE_BYTES)
        return merge_word(tokenizer, word, tokens, error);
    size_t slot = (size_t)XXH3_64bits(word.data, word.size) % CACHE_ENTRIES;
    struct cached_word *cached = &tokenizer->cache[slot];
    if (cached->size == word.size && memcmp(cached->bytes, word.data, word.size) == 0) {
        if (!reserve(tokens, CACHE_TOKENS, error))
            return false;
        /* A constant size is copied without a call; what is too much is overwritten. */
        memcpy(tokens->data + tokens->count, cached->ids, sizeof cached->ids);
        tokens->count += cached->count;
        return true;
    }
    size_t before = tokens->count;
    if (!merge_word(tokenizer, word, tokens, error))
        return false;
    size_t count = tokens->count - before;
    if (count <= CACHE_TOKENS) {
        cached->size = (unsigned char)word.size;
        cached->count = (unsigned char)count;
        memcpy(cached->bytes, word.data, word.size);
        memcpy(cached->ids, tokens->data + before, count * sizeof *tokens->data);
    }
    return true;
}

/* Text between user-defined tokens. */
static bool encode_plain(struct tokenizer *tokenizer, const char *text, size_t size,
                         struct tokens *tokens, struct error *error)
{
    struct pretokenizer_cursor cursor = {.text = text, .size = size};
    struct gguf_text word;
    while (pretokenizer_next(&tokenizer->pretokenizer, &cursor, &word))
        if (!encode_word(tokenizer, word, tokens, error))
            return false;
    return true;
}

static bool encode_text(struct tokenizer *tokenizer, const char *text, size_t size,
                        struct tokens *tokens, struct error *error)
{
    if (!tokenizer->user_tokens)
        return encode_plain(tokenizer, text, size, tokens, error);
    struct user_tokens_match match;
    size_t at = 0;
    bool found;
    user_tokens_begin(tokenizer->user_tokens, text, size);
    do {
        if (!user_tokens_next(tokenizer->user_tokens, &match, &found, error))
            return false;
        size_t end = found ? match.at : size;
        if (!encode_plain(tokenizer, text + at, end - at, tokens, error) ||
            (found && !tokens_append(tokens, match.id, error)))
            return false;
        at = found ? match.at + match.size : size;
    } while (found);
    return true;
}

bool tokenizer_encode(struct tokenizer *tokenizer, const char *text, size_t size,
                      struct tokens *tokens, struct error *error)
{
    size_t before = tokens->count;
    if (size == 0 || encode_text(tokenizer, text, size, tokens, error))
        return true;
    tokens->count = before;
    return false;
}

bool tokenizer_decode(const struct tokenizer *tokenizer, int32_t token, struct buffer *text,
                      struct error *error)
{
    const struct vocabulary *vocabulary = &tokenizer->vocabulary;
    if (token < 0 || (size_t)token >= vocabulary->count)
        return true;
    unsigned char type = vocabulary->types[token];
    if (type == VOCABULARY_CONTROL || type == VOCABULARY_UNUSED || type == VOCABULARY_UNKNOWN)
        return true;
    struct gguf_text bytes = vocabulary_text(vocabulary, token);
    return buffer_append(text, bytes.data, bytes.size, error);
}

int32_t tokenizer_find_control(const struct tokenizer *tokenizer, const char *text)
{
    const struct vocabulary *vocabulary = &tokenizer->vocabulary;
    int32_t user_defined = TOKENIZER_NONE;
    for (size_t i = 0; i < vocabulary->count; i++) {
        unsigned char type = vocabulary->types[i];
        if (type != VOCABULARY_CONTROL && type != VOCABULARY_USER_DEFINED)
            continue;
        if (!text_is(vocabulary_text(vocabulary, (int32_t)i), text))
            continue;
        if (type == VOCABULARY_CONTROL)
            return (int32_t)i;
        if (user_defined == TOKENIZER_NONE)
            user_defined = (int32_t)i;
    }
    return user_defined;
}

int32_t tokenizer_bos(const struct tokenizer *tokenizer)
{
    return tokenizer->bos;
}

int32_t tokenizer_eos(const struct tokenizer *tokenizer)
{
    return tokenizer->eos;
}

bool tokenizer_add_bos(const struct tokenizer *tokenizer)
{
    return tokenizer->add_bos;
}
