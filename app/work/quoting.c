#include "app/work/quoting.h"

#include "app/work/ranking.h"

#include <stdlib.h>
#include <string.h>

enum {
    LEAST_WORDS = 4,       /* fewer are no quote */
    MOST_CHARACTERS = 600, /* more is no sentence, but a list or a table */
};

/* --- sentences ----------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

/* Bytes of a closing quotation mark or bracket at text, or 0. */
static size_t closing_mark(const char *text)
{
    static const char *const marks[] = {"\"",           "'",       ")", "]", "\xE2\x80\x9D",
                                        "\xE2\x80\x99", "\xC2\xBB"};
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
        if (strncmp(text, marks[i], strlen(marks[i])) == 0)
            return strlen(marks[i]);
    return 0;
}

/* The period of "Mr." or of an initial ends no sentence. */
static bool is_abbreviation(const char *text, size_t begin, size_t period)
{
    static const char *const known[] = {"Mr",  "Mrs", "Ms",  "Dr", "St", "Prof", "No", "vs",
                                        "etc", "cf",  "Fig", "p",  "pp", "e.g",  "i.e"};
    size_t word = period;
    while (word > begin && !is_blank(text[word - 1]))
        word--;
    size_t size = period - word;
    if (size == 1 && text[word] >= 'A' && text[word] <= 'Z')
        return true;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strlen(known[i]) == size && strncmp(text + word, known[i], size) == 0)
            return true;
    return false;
}

/* Where the sentence that begins at `begin` ends, at the line's end at the latest. */
static size_t sentence_end(const char *text, size_t size, size_t begin)
{
    for (size_t at = begin; at < size; at++) {
        if (text[at] == '\n')
            return at;
        if (text[at] != '.' && text[at] != '!' && text[at] != '?')
            continue;
        size_t end = at + 1;
        for (size_t mark; end < size && (mark = closing_mark(text + end)) > 0;)
            end += mark;
        bool ends = end >= size || is_blank(text[end]);
        if (ends && !(text[at] == '.' && is_abbreviation(text, begin, at)))
            return end;
    }
    return size;
}

static size_t count_words(const char *text, size_t size)
{
    size_t words = 0;
    for (size_t i = 0; i < size; i++)
        words += !is_blank(text[i]) && (i == 0 || is_blank(text[i - 1]));
    return words;
}

static bool add_sentence(struct quoting_sentences *sentences, const char *text, size_t begin,
                         size_t end, struct error *error)
{
    while (end > begin && is_blank(text[end - 1]))
        end--;
    if (text[begin] == '#' || end - begin > MOST_CHARACTERS ||
        count_words(text + begin, end - begin) < LEAST_WORDS)
        return true;
    if (sentences->count == sentences->capacity) {
        size_t capacity = sentences->capacity ? 2 * sentences->capacity : 32;
        struct quoting_sentence *items = realloc(sentences->items, capacity * sizeof *items);
        if (!items)
            return error_out_of_memory(error);
        sentences->items = items;
        sentences->capacity = capacity;
    }
    sentences->items[sentences->count++] = (struct quoting_sentence){begin, end};
    return true;
}

bool quoting_split(struct quoting_sentences *sentences, const char *text, size_t size,
                   struct error *error)
{
    *sentences = (struct quoting_sentences){0};
    for (size_t at = 0; at < size;) {
        if (is_blank(text[at])) {
            at++;
            continue;
        }
        size_t end = sentence_end(text, size, at);
        if (!add_sentence(sentences, text, at, end, error)) {
            quoting_sentences_free(sentences);
            return false;
        }
        at = end;
    }
    return true;
}

void quoting_sentences_free(struct quoting_sentences *sentences)
{
    free(sentences->items);
    *sentences = (struct quoting_sentences){0};
}

/* --- words of the answer -------------------------------------------------------------- */

static size_t count_shared(const struct ranking_words *a, const struct ranking_words *b)
{
    size_t shared = 0;
    for (size_t i = 0; i < a->count; i++)
        for (size_t j = 0; j < b->count; j++)
            if (strcmp(a->items[i], b->items[j]) == 0) {
                shared++;
                break;
            }
    return shared;
}

static bool shared_words(const struct ranking_words *answer, const char *text, size_t size,
                         size_t *shared, struct error *error)
{
    struct ranking_words words = {0};
    char *sentence = strndup(text, size);
    bool ok = sentence ? ranking_words(&words, sentence, error) : error_out_of_memory(error);
    if (ok)
        *shared = count_shared(answer, &words);
    ranking_words_free(&words);
    free(sentence);
    return ok;
}

bool quoting_keep_answering(struct quoting_sentences *sentences, const char *text,
                            const char *answer, struct error *error)
{
    struct ranking_words words;
    size_t *shared = calloc(sentences->count ? sentences->count : 1, sizeof *shared);
    size_t most = 0, kept = 0;
    if (!shared)
        return error_out_of_memory(error);
    bool ok = ranking_words(&words, answer, error);
    for (size_t i = 0; ok && i < sentences->count; i++) {
        const struct quoting_sentence *s = &sentences->items[i];
        ok = shared_words(&words, text + s->begin, s->end - s->begin, &shared[i], error);
        most = shared[i] > most ? shared[i] : most;
    }
    if (ok && most > 0 && 2 * most >= words.count) {
        for (size_t i = 0; i < sentences->count; i++)
            if (shared[i] == most)
                sentences->items[kept++] = sentences->items[i];
        sentences->count = kept;
    }
    ranking_words_free(&words);
    free(shared);
    return ok;
}

/* --- the choice ------------------------------------------------------------------------- */

/* The sentences that are still possible, with their tokens. */
struct choice {
    struct session *session;
    struct tokens *tokens; /* [count] */
    bool *open;            /* [count] */
    size_t count, left;
};

static bool encode_all(struct choice *choice, const char *text,
                       const struct quoting_sentences *sentences, const char *lead,
                       struct error *error)
{
    struct buffer line = {0};
    bool ok = true;
    for (size_t i = 0; ok && i < choice->count; i++) {
        const struct quoting_sentence *s = &sentences->items[i];
        buffer_clear(&line);
        ok = buffer_append_text(&line, lead, error) &&
             buffer_append(&line, text + s->begin, s->end - s->begin, error) &&
             session_encode(choice->session, line.data, line.size, &choice->tokens[i], error);
        choice->open[i] = ok;
    }
    choice->left = choice->count;
    buffer_free(&line);
    return ok;
}

/* The most probable next token of those that some open sentence goes on with;
 * false when none goes on. */
static bool best_branch(const struct choice *choice, const float *logits, size_t depth,
                        int32_t *token)
{
    bool any = false;
    for (size_t i = 0; i < choice->count; i++) {
        if (!choice->open[i] || depth >= choice->tokens[i].count)
            continue;
        int32_t next = choice->tokens[i].data[depth];
        if (!any || logits[next] > logits[*token])
            *token = next;
        any = true;
    }
    return any;
}

static void take_branch(struct choice *choice, size_t depth, int32_t token)
{
    for (size_t i = 0; i < choice->count; i++)
        if (choice->open[i] &&
            (depth >= choice->tokens[i].count || choice->tokens[i].data[depth] != token)) {
            choice->open[i] = false;
            choice->left--;
        }
}

/* Narrows the choice to one sentence; *fed: tokens of it that the state has read. */
static bool descend(struct choice *choice, struct state *state, size_t *fed, struct error *error)
{
    for (*fed = 0; choice->left > 1; ++*fed) {
        int32_t token;
        if (!state_fetch_logits(state, error))
            return false;
        if (!best_branch(choice, state->logits, *fed, &token))
            return true; /* the same sentence stands there twice */
        take_branch(choice, *fed, token);
        if (!forward_decode(choice->session->forward, &state, &token, 1, error))
            return false;
    }
    return true;
}

/* The state's logits are up to date. */
static bool prefers_to_end(const struct choice *choice, const struct state *state)
{
    const struct prompt *prompt = &choice->session->model->prompt;
    int32_t end = prompt->shape == PROMPT_CHATML ? prompt->message_end : prompt->end_of_text;
    int32_t token;
    return end != TOKENIZER_NONE && best_branch(choice, state->logits, 0, &token) &&
           state->logits[end] > state->logits[token];
}

static bool read_rest(struct choice *choice, struct state *state, size_t chosen, size_t fed,
                      struct error *error)
{
    const struct tokens *tokens = &choice->tokens[chosen];
    if (fed >= tokens->count)
        return true;
    struct forward_lane lane = {
        .state = state, .tokens = tokens->data + fed, .count = tokens->count - fed};
    return forward_prefill(choice->session->forward, &lane, 1, error);
}

bool quoting_choose(struct session *session, struct state *state, const char *text,
                    const struct quoting_sentences *sentences, const char *lead, bool finish,
                    size_t *chosen, bool *ended, struct error *error)
{
    struct choice choice = {.session = session, .count = sentences->count};
    size_t fed;
    choice.tokens = calloc(choice.count, sizeof *choice.tokens);
    choice.open = calloc(choice.count, sizeof *choice.open);
    bool ok = choice.tokens && choice.open ? true : error_out_of_memory(error);
    ok =
        ok && encode_all(&choice, text, sentences, lead, error) && state_fetch_logits(state, error);
    if (ok && ended)
        *ended = prefers_to_end(&choice, state);
    ok = ok && descend(&choice, state, &fed, error);
    *chosen = 0;
    while (ok && *chosen + 1 < choice.count && !choice.open[*chosen])
        ++*chosen;
    ok = ok && (!finish || read_rest(&choice, state, *chosen, fed, error));
    for (size_t i = 0; choice.tokens && i < choice.count; i++)
        tokens_free(&choice.tokens[i]);
    free(choice.tokens);
    free(choice.open);
    return ok;
}

void quoting_drop(struct quoting_sentences *sentences, size_t index)
{
    for (size_t i = index + 1; i < sentences->count; i++)
        sentences->items[i - 1] = sentences->items[i];
    sentences->count--;
}
