#include "engine/prompt.h"

#include <string.h>

static const char message_start_name[] = "<|im_start|>";
static const char message_end_name[] = "<|im_end|>";
static const char end_of_text_name[] = "<|endoftext|>";

/* A model whose own template is of another form gets plain text, even where its
 * vocabulary has ChatML's tokens: they may be untrained. */
static bool template_allows_chatml(const struct gguf *file, bool *allows, struct error *error)
{
    struct gguf_text text = {0};
    if (!gguf_maybe_text(file, "tokenizer.chat_template", &text, error))
        return false;
    *allows = !text.data ||
              memmem(text.data, text.size, message_start_name, strlen(message_start_name)) != NULL;
    return true;
}

bool prompt_new(struct prompt *prompt, const struct gguf *file, const struct tokenizer *tokenizer,
                struct error *error)
{
    bool chatml;
    if (!template_allows_chatml(file, &chatml, error))
        return false;
    int32_t start = tokenizer_find_control(tokenizer, message_start_name);
    int32_t end = tokenizer_find_control(tokenizer, message_end_name);
    chatml = chatml && start != TOKENIZER_NONE && end != TOKENIZER_NONE;
    int32_t begin = TOKENIZER_NONE;
    if (tokenizer_add_bos(tokenizer)) {
        begin = tokenizer_bos(tokenizer);
        if (begin == TOKENIZER_NONE)
            return error_set(error, ERROR_MODEL,
                             "%s asks for a begin token (tokenizer.ggml.add_bos_token) but names "
                             "none: get another file",
                             gguf_path(file));
    }
    *prompt = (struct prompt){
        .shape = chatml ? PROMPT_CHATML : PROMPT_PLAIN,
        .begin = begin,
        .message_start = chatml ? start : TOKENIZER_NONE,
        .message_end = chatml ? end : TOKENIZER_NONE,
        .end_of_text = tokenizer_find_control(tokenizer, end_of_text_name),
        .eos = tokenizer_eos(tokenizer),
    };
    return true;
}

const char *prompt_name(const struct prompt *prompt)
{
    return prompt->shape == PROMPT_CHATML ? "ChatML" : "plain";
}

static bool append_text(struct tokenizer *tokenizer, const char *text, struct tokens *tokens,
                        struct error *error)
{
    return tokenizer_encode(tokenizer, text, strlen(text), tokens, error);
}

static bool open_user_message(const struct prompt *prompt, struct tokenizer *tokenizer,
                              struct tokens *tokens, struct error *error)
{
    return tokens_append(tokens, prompt->message_start, error) &&
           append_text(tokenizer, "user\n", tokens, error);
}

/* Ends the user's message and opens the answer. */
static bool turn_to_answer(const struct prompt *prompt, struct tokenizer *tokenizer,
                           struct tokens *tokens, struct error *error)
{
    return tokens_append(tokens, prompt->message_end, error) &&
           append_text(tokenizer, "\n", tokens, error) &&
           tokens_append(tokens, prompt->message_start, error) &&
           append_text(tokenizer, "assistant\n", tokens, error);
}

/* Encodes three parts as one text: a cut between them would cut words otherwise. */
static bool append_joined(struct tokenizer *tokenizer, const char *before, const char *middle,
                          const char *after, struct tokens *tokens, struct error *error)
{
    struct buffer text = {0};
    bool ok = buffer_append_text(&text, before, error) &&
              buffer_append_text(&text, middle, error) && buffer_append_text(&text, after, error) &&
              tokenizer_encode(tokenizer, text.data, text.size, tokens, error);
    buffer_free(&text);
    return ok;
}

bool prompt_preamble(const struct prompt *prompt, struct tokenizer *tokenizer,
                     struct tokens *tokens, struct error *error)
{
    if (prompt->begin != TOKENIZER_NONE && !tokens_append(tokens, prompt->begin, error))
        return false;
    return prompt->shape == PROMPT_PLAIN || open_user_message(prompt, tokenizer, tokens, error);
}

bool prompt_question(const struct prompt *prompt, struct tokenizer *tokenizer, const char *question,
                     struct tokens *tokens, struct error *error)
{
    if (prompt->shape == PROMPT_PLAIN)
        return append_joined(tokenizer, "\n\nQuestion: ", question, "\nAnswer:", tokens, error);
    return append_joined(tokenizer, "\n\n", question, "", tokens, error) &&
           turn_to_answer(prompt, tokenizer, tokens, error);
}

bool prompt_follow_up(const struct prompt *prompt, struct tokenizer *tokenizer,
                      const char *question, struct tokens *tokens, struct error *error)
{
    if (prompt->shape == PROMPT_PLAIN)
        return prompt_question(prompt, tokenizer, question, tokens, error);
    return tokens_append(tokens, prompt->message_end, error) &&
           append_text(tokenizer, "\n", tokens, error) &&
           open_user_message(prompt, tokenizer, tokens, error) &&
           append_text(tokenizer, question, tokens, error) &&
           turn_to_answer(prompt, tokenizer, tokens, error);
}

/* The words of a conversation with the question first, without its frame. */
static bool write_question_first(const struct prompt *prompt, const char *question,
                                 const char *text, size_t text_size, struct buffer *out,
                                 struct error *error)
{
    bool plain = prompt->shape == PROMPT_PLAIN;
    return buffer_append_text(out, question, error) && buffer_append_text(out, "\n\n", error) &&
           buffer_append(out, text, text_size, error) &&
           buffer_append_text(out, plain ? "\n\nQuestion: " : "\n\n", error) &&
           buffer_append_text(out, question, error) &&
           buffer_append_text(out, plain ? "\nAnswer:" : "", error);
}

bool prompt_question_first(const struct prompt *prompt, struct tokenizer *tokenizer,
                           const char *question, const char *text, size_t text_size,
                           struct tokens *tokens, struct error *error)
{
    struct buffer words = {0};
    bool ok = prompt_preamble(prompt, tokenizer, tokens, error) &&
              write_question_first(prompt, question, text, text_size, &words, error) &&
              tokenizer_encode(tokenizer, words.data, words.size, tokens, error);
    buffer_free(&words);
    return ok &&
           (prompt->shape == PROMPT_PLAIN || turn_to_answer(prompt, tokenizer, tokens, error));
}

bool prompt_stops(const struct prompt *prompt, int32_t token, const char *answer, size_t size)
{
    if (token != TOKENIZER_NONE &&
        (token == prompt->message_end || token == prompt->eos || token == prompt->end_of_text))
        return true;
    return prompt->shape == PROMPT_PLAIN && size >= 2 && memcmp(answer + size - 2, "\n\n", 2) == 0;
}
