#include "app/work/answer_states.h"

#include "app/work/detail.h"
#include "app/work/feeding.h"
#include "app/work/prefix.h"
#include "app/work/section_states.h"
#include "app/work/upkeep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- threads ---------------------------------------------------------------------------- */

static void free_turn(struct answer_states_turn *turn)
{
    free(turn->words);
    free(turn->answer);
    tokens_free(&turn->tokens);
}

void answer_states_free(struct answer_states_thread *thread)
{
    for (size_t i = 0; i < thread->count; i++)
        free_turn(&thread->turns[i]);
    free(thread->turns);
    *thread = (struct answer_states_thread){0};
}

bool answer_states_add(struct answer_states_thread *thread, const struct answer_states_turn *turn,
                       struct error *error)
{
    if (thread->count == thread->capacity) {
        size_t capacity = thread->capacity ? 2 * thread->capacity : 8;
        struct answer_states_turn *turns = reallocarray(thread->turns, capacity, sizeof *turns);
        if (!turns)
            return error_out_of_memory(error);
        thread->turns = turns;
        thread->capacity = capacity;
    }
    struct answer_states_turn copy = {.question = turn->question,
                                      .model = turn->model,
                                      .words = strdup(turn->words),
                                      .answer = strdup(turn->answer)};
    bool ok = copy.words && copy.answer ? true : error_out_of_memory(error);
    for (size_t i = 0; ok && i < turn->tokens.count; i++)
        ok = tokens_append(&copy.tokens, turn->tokens.data[i], error);
    if (ok)
        thread->turns[thread->count++] = copy;
    else
        free_turn(&copy);
    return ok;
}

/* --- the text of a thread ------------------------------------------------------------------ */

struct find {
    const struct hash *text;
    int64_t section; /* -1: not found yet */
};

static bool has_text(void *context, const struct library_section *section)
{
    struct find *find = context;
    if (hash_equal(&section->text_hash, find->text))
        find->section = section->ordinal;
    return find->section < 0;
}

bool answer_states_find(struct session *session, int64_t document, const struct hash *text,
                        int64_t *section, struct error *error)
{
    struct find find = {.text = text, .section = -1};
    struct library_section same;
    struct error absent = {0};
    if (library_get_section(session->library, document, *section, LIBRARY_OUTLINE, &same,
                            &absent)) {
        has_text(&find, &same);
        library_section_free(&same);
    } else if (absent.kind != ERROR_INPUT) {
        *error = absent;
        return false;
    }
    if (find.section < 0 &&
        !library_each_section(session->library, document, LIBRARY_OUTLINE, has_text, &find, error))
        return false;
    *section = find.section;
    return true;
}

/* Where the text that the thread was begun on is now; the section becomes -1 when it is
 * nowhere. */
static bool settle_ground(struct session *session, struct answer_states_thread *thread,
                          struct error *error)
{
    struct library_document document;
    struct hash now;
    if (thread->section < 0)
        return true;
    if (thread->ground != ANSWER_STATES_PREFIX)
        return answer_states_find(session, thread->document, &thread->text, &thread->section,
                                  error);
    if (!library_get_document(session->library, thread->document, &document, error))
        return false;
    bool there = thread->section < document.sections;
    library_document_free(&document);
    if (there && !prefix_text_hash(session, thread->document, thread->section, &now, error))
        return false;
    if (!there || !hash_equal(&now, &thread->text))
        thread->section = -1;
    return true;
}

/* Adds a question's turn, and takes the ground from it: the first one's counts, which
 * comes last here. */
static bool add_question(struct answer_states_thread *thread,
                         const struct library_question *question, struct error *error)
{
    struct detail detail;
    if (!detail_read(&detail, question, error))
        return false;
    struct answer_states_turn turn = {.question = question->id,
                                      .model = question->model,
                                      .words = question->question,
                                      .answer = question->answer,
                                      .tokens = detail.tokens};
    bool ok = answer_states_add(thread, &turn, error);
    thread->ground = detail.as_of >= 0 ? ANSWER_STATES_PREFIX
                     : detail.reread   ? ANSWER_STATES_REREAD
                                       : ANSWER_STATES_SECTION;
    thread->section = detail.ground_known ? detail.as_of >= 0 ? detail.as_of : detail.section : -1;
    thread->text = detail.ground;
    detail_free(&detail);
    return ok;
}

static void reverse(struct answer_states_thread *thread)
{
    for (size_t i = 0, j = thread->count; i + 1 < j; i++) {
        struct answer_states_turn turn = thread->turns[--j];
        thread->turns[j] = thread->turns[i];
        thread->turns[i] = turn;
    }
}

bool answer_states_thread(struct session *session, int64_t question,
                          struct answer_states_thread *thread, struct error *error)
{
    *thread = (struct answer_states_thread){0};
    bool ok = true;
    for (int64_t id = question; ok && id > 0;) {
        struct library_question at;
        ok = library_get_question(session->library, id, &at, error);
        if (!ok)
            break;
        if (id == question)
            thread->document = at.document;
        /* Parents are older; anything else could go round in circles. */
        bool goes_back = at.answer && at.document == thread->document;
        int64_t parent = goes_back && at.parent < id ? at.parent : 0;
        ok = !goes_back || add_question(thread, &at, error);
        library_question_free(&at);
        id = parent;
    }
    ok = ok && (thread->count == 0 || settle_ground(session, thread, error));
    if (!ok || thread->section < 0)
        answer_states_free(thread);
    reverse(thread);
    return ok;
}

/* --- keys --------------------------------------------------------------------------------- */

static void hash_number(struct hash_stream *stream, uint64_t number)
{
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(number >> 8 * i);
    hash_stream_add(stream, bytes, sizeof bytes);
}

/* With its size, so that it counts where one text ends and the next begins. */
static void hash_text(struct hash_stream *stream, const char *text)
{
    size_t size = strlen(text);
    hash_number(stream, size);
    hash_stream_add(stream, text, size);
}

bool answer_states_hash(const struct answer_states_thread *thread, size_t turns, struct hash *hash,
                        struct error *error)
{
    struct hash_stream *stream = hash_stream_new();
    if (!stream)
        return error_out_of_memory(error);
    hash_number(stream, PROMPT_VERSION);
    hash_number(stream, thread->ground);
    hash_stream_add(stream, thread->text.bytes, sizeof thread->text.bytes);
    for (size_t i = 0; i < turns; i++) {
        hash_text(stream, thread->turns[i].words);
        hash_text(stream, thread->turns[i].answer);
    }
    *hash = hash_stream_end(stream);
    hash_stream_free(stream);
    return true;
}

/* What a state is that was begun under one tag and gone on with under another. */
static void add_numerics(const struct answer_states_thread *thread, const char *tag,
                         char numerics[64])
{
    const char *before = thread->numerics;
    const char *last = strrchr(before, '+') ? strrchr(before, '+') + 1 : before;
    if (*before && strcmp(last, tag) == 0)
        snprintf(numerics, 64, "%s", before);
    else if (*before)
        snprintf(numerics, 64, "%.31s+%.31s", before, tag);
}

static bool put(struct session *session, const struct answer_states_thread *thread,
                struct state *state, struct states_info *info, struct error *error)
{
    struct hash hash;
    if (!answer_states_hash(thread, thread->count, &hash, error))
        return false;
    *info = session_info(session, thread->document, STATES_ANSWER,
                         thread->turns[thread->count - 1].question, &hash, state);
    add_numerics(thread, session->tag, info->numerics);
    return state_fetch(state, error) && states_put(session->states, info, state->data,
                                                   state->floats * sizeof *state->data, error);
}

bool answer_states_keep(struct session *session, const struct answer_states_thread *thread,
                        struct state *state, struct states_info *info, struct error *error)
{
    struct error failure = {0};
    if (put(session, thread, state, info, &failure) && upkeep_thin(session, &failure))
        return true;
    if (failure.kind == ERROR_STORE) {
        session_note(session, "the answer's state is not kept: %s", failure.text);
        return true;
    }
    *error = failure;
    return false;
}

/* --- from the ground -----------------------------------------------------------------------------
 */

bool answer_states_reread(struct session *session, int64_t document, int64_t section,
                          const char *question, struct tokens *tokens, struct hash *text,
                          int64_t *count, struct error *error)
{
    struct library_section read;
    struct tokens passage = {0};
    if (!library_get_section(session->library, document, section, LIBRARY_TEXT, &read, error))
        return false;
    size_t size = session_trimmed(read.text, read.text_size);
    bool ok = session_encode(session, read.text, size, &passage, error) &&
              prompt_question_first(&session->model->prompt, session->model->tokenizer, question,
                                    read.text, size, tokens, error);
    *text = read.text_hash;
    *count = (int64_t)passage.count;
    library_section_free(&read);
    tokens_free(&passage);
    return ok;
}

static bool feed(struct session *session, struct state *state, const struct tokens *tokens,
                 struct error *error)
{
    struct feeding feeding = {
        .session = session,
        .progress = {.doing = "reading on", .tokens_expected = (int64_t)tokens->count}};
    struct forward_lane lane = {.state = state, .tokens = tokens->data, .count = tokens->count};
    return feeding_prefill(&feeding, &lane, 1, error);
}

/* Brings the state to where the first answer begins. */
static bool ask_first(struct session *session, struct answer_states_thread *thread,
                      struct state *state, int64_t *tokens_reread, struct error *error)
{
    const struct prompt *prompt = &session->model->prompt;
    struct tokenizer *tokenizer = session->model->tokenizer;
    const char *words = thread->turns[0].words;
    struct tokens tail = {0};
    struct states_info info = {0};
    struct hash text;
    bool saved, ok;
    switch (thread->ground) {
    case ANSWER_STATES_REREAD:
        state_reset(state);
        ok = answer_states_reread(session, thread->document, thread->section, words, &tail, &text,
                                  tokens_reread, error);
        break;
    case ANSWER_STATES_PREFIX:
        ok = prefix_reach(session, thread->document, thread->section, state, &info, tokens_reread,
                          error) &&
             prompt_question(prompt, tokenizer, words, &tail, error);
        break;
    default:
        ok = section_states_load(session, thread->document, &thread->section, 1, &state, &info,
                                 &saved, tokens_reread, error) &&
             prompt_question(prompt, tokenizer, words, &tail, error);
        break;
    }
    memcpy(thread->numerics, info.numerics, sizeof thread->numerics);
    ok = ok && feed(session, state, &tail, error);
    tokens_free(&tail);
    return ok;
}

/* --- loading ---------------------------------------------------------------------------------- */

static bool ask_next(struct session *session, const char *words, struct state *state,
                     struct error *error)
{
    struct tokens tail = {0};
    bool ok =
        prompt_follow_up(&session->model->prompt, session->model->tokenizer, words, &tail, error) &&
        feed(session, state, &tail, error);
    tokens_free(&tail);
    return ok;
}

/* Whether these are the session's model's own tokens. */
static bool has_tokens(const struct session *session, const struct answer_states_turn *turn)
{
    if (turn->model != session->model_id)
        return false;
    for (size_t i = 0; i < turn->tokens.count; i++)
        if ((size_t)turn->tokens.data[i] >= session->model->shape.vocabulary)
            return false;
    return turn->tokens.count > 0;
}

/* As generated tokens when they are known, which gives the same bits again. */
static bool feed_answer(struct session *session, const struct answer_states_turn *turn,
                        struct state *state, struct error *error)
{
    bool ok = true;
    if (has_tokens(session, turn)) {
        for (size_t i = 0; ok && i < turn->tokens.count; i++)
            ok = forward_decode(session->forward, &state, &turn->tokens.data[i], 1, error);
        return ok;
    }
    struct tokens tokens = {0};
    ok = session_encode(session, turn->answer, strlen(turn->answer), &tokens, error) &&
         (tokens.count == 0 || feed(session, state, &tokens, error));
    tokens_free(&tokens);
    return ok;
}

/* Loads the state after so many turns, if one is there that fits; one that does not is
 * named in a note. */
static bool load(struct session *session, struct answer_states_thread *thread, size_t turns,
                 struct state *state, struct states_info *info, bool *found, struct error *error)
{
    struct hash hash;
    struct error refusal = {0};
    struct states_place place =
        session_place(session, thread->document, STATES_ANSWER, thread->turns[turns - 1].question);
    if (!answer_states_hash(thread, turns, &hash, error))
        return false;
    if (session_load_state(session, &place, &hash, state, info, found, &refusal)) {
        if (*found)
            memcpy(thread->numerics, info->numerics, sizeof thread->numerics);
        return true;
    }
    *found = false;
    if (!states_refused(session->states)) {
        *error = refusal;
        return false;
    }
    session_note(session, "%s", refusal.text);
    return true;
}

/* Says what was not there and what serves instead. */
static void note_making(struct session *session, const struct answer_states_thread *thread,
                        size_t turns)
{
    char from[96];
    if (turns > 0)
        snprintf(from, sizeof from, "that of question %lld",
                 (long long)thread->turns[turns - 1].question);
    else
        snprintf(from, sizeof from, "%ssection %lld",
                 thread->ground == ANSWER_STATES_PREFIX   ? "everything up to "
                 : thread->ground == ANSWER_STATES_REREAD ? "reading again "
                                                          : "",
                 (long long)thread->section + 1);
    session_note(session,
                 "no fitting state is kept of the answer to question %lld: it is made "
                 "again from %s",
                 (long long)thread->turns[thread->count - 1].question, from);
}

bool answer_states_load(struct session *session, struct answer_states_thread *thread,
                        struct state *state, struct states_info *info, bool *saved,
                        int64_t *tokens_reread, struct error *error)
{
    size_t turns = thread->count;
    *tokens_reread = 0;
    *saved = false;
    for (; turns > 0; turns--) {
        if (!load(session, thread, turns, state, info, saved, error))
            return false;
        if (*saved)
            break;
    }
    *saved = turns == thread->count;
    if (*saved)
        return true;
    note_making(session, thread, turns);
    bool ok = true;
    for (; ok && turns < thread->count; turns++)
        ok = (turns == 0 ? ask_first(session, thread, state, tokens_reread, error)
                         : ask_next(session, thread->turns[turns].words, state, error)) &&
             feed_answer(session, &thread->turns[turns], state, error);
    return ok && answer_states_keep(session, thread, state, info, error);
}
