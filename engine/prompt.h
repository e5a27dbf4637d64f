/* prompt.h: the model's own conversation form, taken apart so that one prefix
 * serves every question: preamble, text, then a tail for each question.
 *
 * For ChatML (the file's chat template and vocabulary hold <|im_start|> and
 * <|im_end|>): preamble "<|im_start|>user\n" after the begin token if and only
 * if the file's add_bos_token is true, tail
 * "\n\n{question}<|im_end|>\n<|im_start|>assistant\n". Any other model gets
 * "{text}\n\nQuestion: {question}\nAnswer:" and stops at the end token or an
 * empty line. A ChatML answer stops at <|im_end|>, the file's end token or
 * <|endoftext|>, a plain one at the latter two.
 *
 * Control tokens come in by id; text is always tokenized as plain text. */
#ifndef TIDEMARK_ENGINE_PROMPT_H
#define TIDEMARK_ENGINE_PROMPT_H

#include "engine/tokenizer.h"

/* Raised when the same parts could become other tokens. */
#define PROMPT_VERSION 1

enum prompt_shape {
    PROMPT_CHATML,
    PROMPT_PLAIN,
};

struct prompt {
    enum prompt_shape shape;
    int32_t begin;                      /* token that opens a conversation, or TOKENIZER_NONE */
    int32_t message_start, message_end; /* ChatML's two, or TOKENIZER_NONE */
    int32_t end_of_text;                /* the token <|endoftext|>, or TOKENIZER_NONE */
    int32_t eos;                        /* the file's own end token, or TOKENIZER_NONE */
};

bool prompt_new(struct prompt *prompt, const struct gguf *file, const struct tokenizer *tokenizer,
                struct error *error) WARN_UNUSED;

/* "ChatML" or "plain". */
const char *prompt_name(const struct prompt *prompt);

/* Each appends to *tokens. */
bool prompt_preamble(const struct prompt *prompt, struct tokenizer *tokenizer,
                     struct tokens *tokens, struct error *error) WARN_UNUSED;
bool prompt_question(const struct prompt *prompt, struct tokenizer *tokenizer, const char *question,
                     struct tokens *tokens, struct error *error) WARN_UNUSED;

/* A further question after a complete answer (the answer's last token fed). */
bool prompt_follow_up(const struct prompt *prompt, struct tokenizer *tokenizer,
                      const char *question, struct tokens *tokens, struct error *error) WARN_UNUSED;

/* The whole conversation with the question before and after the text: question,
 * empty line, text, empty line, question; begins with the preamble. */
bool prompt_question_first(const struct prompt *prompt, struct tokenizer *tokenizer,
                           const char *question, const char *text, size_t text_size,
                           struct tokens *tokens, struct error *error) WARN_UNUSED;

/* True when the answer ends here: `token` is an end token, or (plain shape) the
 * answer so far ends in an empty line. The token is not part of the answer. */
bool prompt_stops(const struct prompt *prompt, int32_t token, const char *answer, size_t size);

#endif
