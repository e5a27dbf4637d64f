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
struct fork {
    struct quoting_choice *choice;
    struct tokens *tokens; /* [count] */
    bool *open;            /* [count] */
    size_t count, left;
    size_t fed; /* tokens of the sentence that the state has read */
    bool going;
};

static bool encode_all(struct session *session, struct fork *fork, struct error *error)
{
    const struct quoting_choice *choice = fork->choice;
    struct buffer line = {0};
    bool ok = true;
    fork->count = choice->sentences->count;
    fork->tokens = calloc(fork->count, sizeof *fork->tokens);
    fork->open = calloc(fork->count, sizeof *fork->open);
    if (!fork->tokens || !fork->open)
        return error_out_of_memory(error);
    for (size_t i = 0; ok && i < fork->count; i++) {
        const struct quoting_sentence *s = &choice->sentences->items[i];
        buffer_clear(&line);
        ok = buffer_append_text(&line, choice->lead, error) &&
             buffer_append(&line, choice->text + s->begin, s->end - s->begin, error) &&
             session_encode(session, line.data, line.size, &fork->tokens[i], error);
        fork->open[i] = ok;
    }
    fork->left = fork->count;
    buffer_free(&line);
    return ok;
}

/* The most probable next token of those that some open sentence goes on with;
 * false when none goes on. The state's logits are up to date. */
static bool best_branch(const struct fork *fork, int32_t *token)
{
    const float *logits = fork->choice->state->logits;
    bool any = false;
    for (size_t i = 0; i < fork->count; i++) {
        if (!fork->open[i] || fork->fed >= fork->tokens[i].count)
            continue;
        int32_t next = fork->tokens[i].data[fork->fed];
        if (!any || logits[next] > logits[*token])
            *token = next;
        any = true;
    }
    return any;
}

static void take_branch(struct fork *fork, int32_t token)
{
    for (size_t i = 0; i < fork->count; i++)
        if (fork->open[i] &&
            (fork->fed >= fork->tokens[i].count || fork->tokens[i].data[fork->fed] != token)) {
            fork->open[i] = false;
            fork->left--;
        }
}

static bool prefers_to_end(const struct session *session, const struct fork *fork)
{
    const struct prompt *prompt = &session->model->prompt;
    const float *logits = fork->choice->state->logits;
    int32_t end = prompt->shape == PROMPT_CHATML ? prompt->message_end : prompt->end_of_text;
    int32_t token;
    return end != TOKENIZER_NONE && best_branch(fork, &token) && logits[end] > logits[token];
}

static bool begin(struct session *session, struct fork *fork, struct error *error)
{
    struct quoting_choice *choice = fork->choice;
    if (!encode_all(session, fork, error) || !state_fetch_logits(choice->state, error))
        return false;
    choice->ended = choice->optional && prefers_to_end(session, fork);
    fork->going = !choice->ended;
    return true;
}

/* Narrows each choice to one sentence. */
static bool descend(struct session *session, struct fork *forks, size_t count,
                    struct state **states, int32_t *next, struct error *error)
{
    for (;;) {
        size_t lanes = 0;
        for (size_t i = 0; i < count; i++) {
            struct fork *fork = &forks[i];
            if (fork->going && fork->left > 1 && !state_fetch_logits(fork->choice->state, error))
                return false;
            /* Without a branch the same sentence stands there twice. */
            fork->going = fork->going && fork->left > 1 && best_branch(fork, &next[lanes]);
            if (!fork->going)
                continue;
            take_branch(fork, next[lanes]);
            fork->fed++;
            states[lanes++] = fork->choice->state;
        }
        if (lanes == 0)
            return true;
        if (!forward_decode(session->forward, states, next, lanes, error))
            return false;
    }
}

/* Sets what was chosen, and lets the states that go on read the rest of it. */
static bool finish(struct session *session, const struct fork *forks, size_t count,
                   struct forward_lane *lanes, struct error *error)
{
    size_t reading = 0;
    for (size_t i = 0; i < count; i++) {
        const struct fork *fork = &forks[i];
        struct quoting_choice *choice = fork->choice;
        choice->chosen = 0;
        while (choice->chosen + 1 < fork->count && !fork->open[choice->chosen])
            choice->chosen++;
        const struct tokens *tokens = &fork->tokens[choice->chosen];
        if (choice->finish && !choice->ended && fork->fed < tokens->count)
            lanes[reading++] = (struct forward_lane){.state = choice->state,
                                                     .tokens = tokens->data + fork->fed,
                                                     .count = tokens->count - fork->fed};
    }
    return reading == 0 || forward_prefill(session->forward, lanes, reading, error);
}

bool quoting_choose(struct session *session, struct quoting_choice *choices, size_t count,
                    struct error *error)
{
    if (count == 0)
        return true;
    struct fork *forks = calloc(count, sizeof *forks);
    struct state **states = calloc(count, sizeof *states);
    struct forward_lane *lanes = calloc(count, sizeof *lanes);
    int32_t *next = calloc(count, sizeof *next);
    bool ok = (forks && states && lanes && next) || error_out_of_memory(error);
    for (size_t i = 0; ok && i < count; i++) {
        forks[i].choice = &choices[i];
        ok = begin(session, &forks[i], error);
    }
    ok = ok && descend(session, forks, count, states, next, error) &&
         finish(session, forks, count, lanes, error);
    for (size_t i = 0; forks && i < count; i++) {
        for (size_t k = 0; forks[i].tokens && k < forks[i].count; k++)
            tokens_free(&forks[i].tokens[k]);
        free(forks[i].tokens);
        free(forks[i].open);
    }
    free(forks);
    free(states);
    free(lanes);
    free(next);
    return ok;
}

void quoting_drop(struct quoting_sentences *sentences, size_t index)
{
    for (size_t i = index + 1; i < sentences->count; i++)
        sentences->items[i - 1] = sentences->items[i];
    sentences->count--;
}
