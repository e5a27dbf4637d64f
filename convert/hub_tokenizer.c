#include "convert/hub_tokenizer.h"

#include "engine/vocabulary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct token {
    const char *text; /* NULL: no token has this id */
    size_t size;
    int32_t type;
};

struct writing {
    const struct hub_tokenizer *in;
    struct plan *plan;
    struct token *tokens; /* [rows] */
    size_t rows;
    const json_t *bpe; /* "model" of tokenizer.json */
    const char *pre;   /* tokenizer.ggml.pre */
    const char *note;
    struct error *error;
};

static bool refuse(const struct writing *w, const char *what, const char *name)
{
    return error_set(w->error, ERROR_MODEL,
                     "%s: %s \"%.100s\", which is not supported: use a "
                     "model with a byte-level BPE tokenizer such as Falcon-Mamba's",
                     w->in->path, what, name);
}

static const char *type_of(const json_t *item)
{
    const char *type = json_read_string(item, "type");
    return type ? type : "none";
}

static bool is_type(const json_t *item, const char *type)
{
    return strcmp(type_of(item), type) == 0;
}

/* An absent or null item counts as `otherwise`. */
static bool flag_is(const json_t *object, const char *name, bool wanted, bool otherwise)
{
    const json_t *item = json_object_get(object, name);
    return item && !json_is_null(item) ? json_is_boolean(item) && json_is_true(item) == wanted
                                       : otherwise == wanted;
}

/* --- how text is split ------------------------------------------------------------------- */

static bool is_byte_level(const json_t *item)
{
    return is_type(item, "ByteLevel") && flag_is(item, "add_prefix_space", false, true) &&
           flag_is(item, "use_regex", true, true);
}

static bool is_three_digits(const json_t *item)
{
    const char *regex = json_read_string(json_read_object(item, "pattern"), "Regex");
    const char *behavior = json_read_string(item, "behavior");
    return is_type(item, "Split") && regex && strcmp(regex, "[0-9][0-9][0-9]") == 0 && behavior &&
           strcmp(behavior, "Isolated") == 0 && flag_is(item, "invert", false, false);
}

static bool is_falcon(const json_t *steps)
{
    const json_t *punctuation = json_array_get(steps, 0), *digits = json_array_get(steps, 2);
    const char *behavior = json_read_string(punctuation, "behavior");
    return json_array_size(steps) == 4 && is_type(punctuation, "Punctuation") && behavior &&
           strcmp(behavior, "Contiguous") == 0 && is_byte_level(json_array_get(steps, 1)) &&
           is_type(digits, "Digits") && flag_is(digits, "individual_digits", false, false) &&
           is_three_digits(json_array_get(steps, 3));
}

/* "Sequence(Split, ByteLevel)" */
static void describe(const json_t *pre, char *text, size_t size)
{
    const json_t *steps = json_read_array(pre, "pretokenizers");
    size_t used = (size_t)snprintf(text, size, "%.40s", type_of(pre));
    for (size_t i = 0; i < json_array_size(steps) && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%.30s", i ? ", " : "(",
                                 type_of(json_array_get(steps, i)));
    if (json_array_size(steps) && used + 1 < size)
        snprintf(text + used, size - used, ")");
}

static bool recognise_split(struct writing *w)
{
    const json_t *pre = json_read_object(w->in->tokenizer, "pre_tokenizer");
    const json_t *steps = json_read_array(pre, "pretokenizers");
    const json_t *only =
        is_type(pre, "Sequence") && json_array_size(steps) == 1 ? json_array_get(steps, 0) : pre;
    char text[200];
    if (is_type(pre, "Sequence") && is_falcon(steps)) {
        w->pre = "falcon";
        return true;
    }
    if (is_byte_level(only)) {
        /* The public files of the vocabulary with this normalizer say "mpt". */
        w->pre = w->note ? "mpt" : "gpt-2";
        return true;
    }
    describe(pre, text, sizeof text);
    return refuse(w, "text is split into words by the pre_tokenizer", text);
}

static bool check_normalizer(struct writing *w)
{
    const json_t *normalizer = json_read_object(w->in->tokenizer, "normalizer");
    const json_t *steps = json_read_array(normalizer, "normalizers");
    if (is_type(normalizer, "Sequence") && json_array_size(steps) == 1)
        normalizer = json_array_get(steps, 0);
    if (!normalizer || (is_type(normalizer, "Sequence") && steps && json_array_size(steps) == 0))
        return true;
    if (!is_type(normalizer, "NFC"))
        return refuse(w, "text is changed by the normalizer", type_of(normalizer));
    w->note = "the tokenizer names the normalizer NFC, which is not applied: text with accents "
              "written apart from their letters gets other tokens than where it is";
    return true;
}

/* --- the vocabulary ------------------------------------------------------------------------ */

/* An affix that is there and not empty. */
static const char *affix(const json_t *bpe, const char *name)
{
    const char *text = json_read_string(bpe, name);
    return text && *text ? text : NULL;
}

static bool check_model(struct writing *w)
{
    w->bpe = json_read_object(w->in->tokenizer, "model");
    if (!w->bpe)
        return error_set(w->error, ERROR_MODEL,
                         "%s has no \"model\": it is no tokenizer.json; give another file",
                         w->in->path);
    if (json_object_get(w->bpe, "type") && !is_type(w->bpe, "BPE"))
        return refuse(w, "the tokenizer is of the kind", type_of(w->bpe));
    if (affix(w->bpe, "continuing_subword_prefix") || affix(w->bpe, "end_of_word_suffix"))
        return refuse(w, "the tokenizer has", "a prefix or suffix of subwords");
    if (!flag_is(w->bpe, "byte_fallback", false, false))
        return refuse(w, "the tokenizer has", "byte_fallback");
    if (!flag_is(w->bpe, "ignore_merges", false, false))
        return refuse(w, "the tokenizer has", "ignore_merges");
    return true;
}

static bool place_token(struct writing *w, const json_t *id, const char *text, size_t size,
                        int32_t type)
{
    json_int_t number = json_integer_value(id);
    if (!json_is_integer(id) || number < 0 || (uint64_t)number >= w->rows)
        return error_set(w->error, ERROR_MODEL,
                         "%s: the token \"%.60s\" has an id that is not from 0 to %zu, the last "
                         "row of the embedding: tokenizer and weights are not of one model",
                         w->in->path, text, w->rows - 1);
    struct token *token = &w->tokens[number];
    bool same = token->text && token->size == size && memcmp(token->text, text, size) == 0;
    if (token->text && !same)
        return error_set(w->error, ERROR_MODEL,
                         "%s: the tokens \"%.60s\" and \"%.60s\" have the same id %lld: get the "
                         "file again",
                         w->in->path, token->text, text, (long long)number);
    *token = (struct token){text, size, type};
    return true;
}

static bool take_vocabulary(struct writing *w)
{
    json_t *vocabulary = json_object_get(w->bpe, "vocab"), *id;
    const char *text;
    if (!json_is_object(vocabulary) || json_object_size(vocabulary) == 0)
        return error_set(w->error, ERROR_MODEL,
                         "%s has no vocabulary (model.vocab): give another file", w->in->path);
    json_object_foreach(vocabulary, text, id)
    {
        if (!place_token(w, id, text, strlen(text), VOCABULARY_NORMAL))
            return false;
    }
    return true;
}

/* "<|im_start|>" is meant as a control token whether its file says so or not. */
static bool looks_special(const char *text, size_t size)
{
    return size >= 4 && memcmp(text, "<|", 2) == 0 && memcmp(text + size - 2, "|>", 2) == 0;
}

static bool take_added(struct writing *w)
{
    const json_t *added = json_read_array(w->in->tokenizer, "added_tokens");
    for (size_t i = 0; i < json_array_size(added); i++) {
        const json_t *item = json_array_get(added, i), *content = json_object_get(item, "content");
        const char *text = json_string_value(content);
        if (!text)
            return error_set(w->error, ERROR_MODEL,
                             "%s: added token %zu has no content: get the file again", w->in->path,
                             i);
        size_t size = json_string_length(content);
        bool special = flag_is(item, "special", true, false) || looks_special(text, size);
        if (!place_token(w, json_object_get(item, "id"), text, size,
                         special ? VOCABULARY_CONTROL : VOCABULARY_USER_DEFINED))
            return false;
    }
    return true;
}

static bool write_tokens(struct writing *w)
{
    char unused[32];
    if (!plan_array(w->plan, "tokenizer.ggml.tokens", GGUF_STRING, w->rows, w->error))
        return false;
    for (size_t i = 0; i < w->rows; i++) {
        struct token token = w->tokens[i];
        if (!token.text) {
            token.size = (size_t)snprintf(unused, sizeof unused, "[PAD%zu]", i);
            token.text = unused;
        }
        if (!plan_item_text(w->plan, token.text, token.size, w->error))
            return false;
    }
    if (!plan_array(w->plan, "tokenizer.ggml.token_type", GGUF_I32, w->rows, w->error))
        return false;
    for (size_t i = 0; i < w->rows; i++)
        if (!plan_item_i32(w->plan, w->tokens[i].text ? w->tokens[i].type : VOCABULARY_UNUSED,
                           w->error))
            return false;
    return true;
}

/* --- merges ------------------------------------------------------------------------------------
 */

static bool bad_merge(const struct writing *w, size_t number)
{
    return error_set(w->error, ERROR_MODEL,
                     "%s: merge %zu is neither \"left right\" nor a pair of texts: get the file "
                     "again",
                     w->in->path, number);
}

static bool is_part(const char *text)
{
    return text && *text && !strchr(text, ' ');
}

static bool write_merge(struct writing *w, const json_t *merge, size_t number)
{
    const char *text = json_string_value(merge);
    if (text) {
        const char *blank = strchr(text, ' ');
        if (!blank || blank == text || !blank[1] || strchr(blank + 1, ' '))
            return bad_merge(w, number);
        return plan_item_text(w->plan, text, json_string_length(merge), w->error);
    }
    const char *left = json_string_value(json_array_get(merge, 0));
    const char *right = json_string_value(json_array_get(merge, 1));
    if (json_array_size(merge) != 2 || !is_part(left) || !is_part(right))
        return bad_merge(w, number);
    struct buffer joined = {0};
    bool ok = buffer_append_format(&joined, w->error, "%s %s", left, right) &&
              plan_item_text(w->plan, joined.data, joined.size, w->error);
    buffer_free(&joined);
    return ok;
}

static bool write_merges(struct writing *w)
{
    const json_t *merges = json_read_array(w->bpe, "merges");
    if (!merges)
        return error_set(w->error, ERROR_MODEL,
                         "%s has no merges (model.merges): give another file", w->in->path);
    if (!plan_array(w->plan, "tokenizer.ggml.merges", GGUF_STRING, json_array_size(merges),
                    w->error))
        return false;
    for (size_t i = 0; i < json_array_size(merges); i++)
        if (!write_merge(w, json_array_get(merges, i), i))
            return false;
    return true;
}

/* --- special tokens ------------------------------------------------------------------------------
 */

/* "bos_token" is a text or an object with one. */
static const char *named_token(const json_t *configuration, const char *name)
{
    const json_t *item = json_object_get(configuration, name);
    return json_is_object(item) ? json_read_string(item, "content") : json_string_value(item);
}

static int64_t id_of(const struct writing *w, const char *text)
{
    size_t size = strlen(text);
    for (size_t i = 0; i < w->rows; i++)
        if (w->tokens[i].text && w->tokens[i].size == size &&
            memcmp(w->tokens[i].text, text, size) == 0)
            return (int64_t)i;
    return -1;
}

/* By name from tokenizer_config.json, else by number from config.json (the first of
 * several); -1: there is none. */
static int64_t special_id(const struct writing *w, const char *name, const char *id_name)
{
    const char *text = named_token(w->in->configuration, name);
    int64_t id = text ? id_of(w, text) : -1;
    const json_t *number = json_object_get(w->in->model, id_name);
    if (json_is_array(number))
        number = json_array_get(number, 0);
    if (id < 0 && json_is_integer(number) && json_integer_value(number) >= 0 &&
        (uint64_t)json_integer_value(number) < w->rows)
        id = json_integer_value(number);
    return id;
}

/* Whether the post-processor puts a token before every text. */
static bool template_begins(const struct writing *w, const char **token)
{
    const json_t *post = json_read_object(w->in->tokenizer, "post_processor");
    const json_t *steps = json_read_array(post, "processors");
    for (size_t i = 0; i < json_array_size(steps); i++)
        if (is_type(json_array_get(steps, i), "TemplateProcessing"))
            post = json_array_get(steps, i);
    const json_t *first = json_array_get(json_read_array(post, "single"), 0);
    *token = json_read_string(json_read_object(first, "SpecialToken"), "id");
    return is_type(post, "TemplateProcessing") && *token;
}

static bool write_begin(struct writing *w, int64_t bos)
{
    const json_t *said = json_object_get(w->in->configuration, "add_bos_token");
    const char *token;
    bool begins = template_begins(w, &token);
    if (!json_is_boolean(said) && !begins)
        return true;
    bool add = json_is_boolean(said) ? json_is_true(said) : begins;
    if (add && bos < 0)
        return error_set(w->error, ERROR_MODEL,
                         "%s: texts are to begin with a token (add_bos_token), but none is named",
                         w->in->path);
    return plan_bool(w->plan, "tokenizer.ggml.add_bos_token", add, w->error);
}

static bool write_specials(struct writing *w)
{
    const char *token;
    int64_t bos = special_id(w, "bos_token", "bos_token_id");
    int64_t eos = special_id(w, "eos_token", "eos_token_id");
    int64_t pad = special_id(w, "pad_token", "");
    int64_t unknown = special_id(w, "unk_token", "");
    if (template_begins(w, &token) && id_of(w, token) >= 0)
        bos = id_of(w, token);
    return (bos < 0 || plan_u32(w->plan, "tokenizer.ggml.bos_token_id", (uint32_t)bos, w->error)) &&
           (eos < 0 || plan_u32(w->plan, "tokenizer.ggml.eos_token_id", (uint32_t)eos, w->error)) &&
           (unknown < 0 ||
            plan_u32(w->plan, "tokenizer.ggml.unknown_token_id", (uint32_t)unknown, w->error)) &&
           (pad < 0 ||
            plan_u32(w->plan, "tokenizer.ggml.padding_token_id", (uint32_t)pad, w->error)) &&
           write_begin(w, bos);
}

/* One text, or a list of named ones of which "default" counts. */
static bool write_chat_template(struct writing *w)
{
    const json_t *item = json_object_get(w->in->configuration, "chat_template");
    const char *text = json_string_value(item);
    for (size_t i = 0; i < json_array_size(item); i++) {
        const json_t *entry = json_array_get(item, i);
        const char *name = json_read_string(entry, "name");
        if (name && strcmp(name, "default") == 0)
            text = json_read_string(entry, "template");
    }
    if (w->in->chat_template)
        text = w->in->chat_template;
    return !text || plan_text(w->plan, "tokenizer.chat_template", text, strlen(text), w->error);
}

/* --- all of it
 * ------------------------------------------------------------------------------------- */

static bool write_all(struct writing *w)
{
    return check_model(w) && check_normalizer(w) && recognise_split(w) && take_vocabulary(w) &&
           take_added(w) && plan_text(w->plan, "tokenizer.ggml.model", "gpt2", 4, w->error) &&
           plan_text(w->plan, "tokenizer.ggml.pre", w->pre, strlen(w->pre), w->error) &&
           write_tokens(w) && write_merges(w) && write_specials(w) && write_chat_template(w);
}

bool hub_tokenizer_write(struct plan *plan, const struct hub_tokenizer *tokenizer, size_t rows,
                         const char **note, struct error *error)
{
    struct writing w = {.in = tokenizer, .plan = plan, .rows = rows, .error = error};
    w.tokens = calloc(rows ? rows : 1, sizeof *w.tokens);
    if (!w.tokens)
        return error_out_of_memory(error);
    bool ok = write_all(&w);
    *note = w.note;
    free(w.tokens);
    return ok;
}
