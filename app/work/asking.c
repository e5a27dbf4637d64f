#include "app/work/asking.h"

#include "app/work/answer_states.h"
#include "app/work/detail.h"
#include "app/work/feeding.h"
#include "app/work/generate.h"
#include "app/work/grounding.h"
#include "app/work/json.h"
#include "app/work/prefix.h"
#include "app/work/quoting.h"
#include "app/work/ranking.h"
#include "app/work/section_states.h"
#include "app/work/upkeep.h"
#include "base/clock.h"
#include "base/utf8.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Words that the bundled model was taught; an instructed model follows them too. */
#define QUOTE_REQUEST "Quote the sentence that says so."

/* Chosen by measuring: docs/ANSWERS.md. */
enum { DEFAULT_LANES = 4, DEFAULT_TOKENS = 96 };
#define ANSWER_WEIGHT 3.0   /* of a nat a token, beside the search's score */
#define VERBATIM_WEIGHT 1.0 /* of an answer in the section's own words */
#define LEAST_SHARE 0.4     /* of the question's words that the best section must hold */

/* A question on its way to an answer. */
struct ask {
    struct session *session;
    struct asking_options options; /* as given, but for what a follow-up takes over */
    struct asking_result *result;
    double started;                     /* clock_seconds() */
    struct answer_states_thread thread; /* that is gone on with; empty: asked afresh */
    char scope[64];                     /* what the question is limited to, for the library */
    struct library_hit hits[ASKING_MAX_LANES];
    int64_t sections[ASKING_MAX_LANES];
    size_t count;
    struct state *states[ASKING_MAX_LANES];
    struct generate_lane lanes[ASKING_MAX_LANES];
    struct hash texts[ASKING_MAX_LANES]; /* what each lane has read: in its state's key */
    char numerics[ASKING_MAX_LANES][64]; /* tag of the state that it began from; "": ours */
    struct state *before;                /* with as_of or a thread: the state before the question */
    size_t best;                         /* the lane that answered, when one did */
};

/* --- what came before ------------------------------------------------------------------ */

static bool goes_on(const struct ask *ask)
{
    return ask->thread.count > 0;
}

static bool check_document(struct ask *ask, const struct library_question *parent,
                           struct error *error)
{
    struct library_document document;
    if (parent->document == ask->options.document)
        return true;
    if (!library_get_document(ask->session->library, parent->document, &document, error))
        return false;
    error_set(error, ERROR_USAGE,
              "question %lld was asked of document %lld, %.200s: name that one to go on from it",
              (long long)parent->id, (long long)document.id, document.name);
    library_document_free(&document);
    return false;
}

/* Finds the thread that the question goes on with. Where there is no answer to go on from,
 * it is asked afresh, within the same limits. */
static bool follow(struct ask *ask, struct error *error)
{
    struct library_question parent;
    struct asking_options *options = &ask->options;
    if (options->section >= 0 || options->as_of >= 0 || options->reread)
        return error_set(error, ERROR_USAGE,
                         "a follow-up goes on from an answer: it goes without a section, "
                         "--as-of and --reread");
    if (!library_get_question(ask->session->library, options->after, &parent, error))
        return false;
    bool ok = check_document(ask, &parent, error) &&
              answer_states_thread(ask->session, options->after, &ask->thread, error);
    if (ok) {
        if (strlen(parent.scope) < sizeof ask->scope)
            strcpy(ask->scope, parent.scope);
        detail_scope(&parent, &options->section, &options->as_of);
    }
    if (ok && parent.answer && !goes_on(ask))
        session_note(ask->session,
                     "what question %lld was answered from is not known, or has changed: asked "
                     "afresh",
                     (long long)parent.id);
    if (ok && goes_on(ask))
        options->as_of = ask->thread.ground == ANSWER_STATES_PREFIX ? ask->thread.section : -1;
    library_question_free(&parent);
    return ok;
}

static void note_scope(struct ask *ask)
{
    const struct asking_options *options = &ask->options;
    if (options->as_of >= 0)
        snprintf(ask->scope, sizeof ask->scope, "as of %lld", (long long)options->as_of + 1);
    else if (options->section >= 0)
        snprintf(ask->scope, sizeof ask->scope, "section %lld", (long long)options->section + 1);
}

/* --- what is sent to the model ------------------------------------------------------- */

static bool choose_sections(struct ask *ask, struct error *error)
{
    const struct asking_options *options = &ask->options;
    if (goes_on(ask)) {
        ask->sections[0] = ask->thread.section;
        ask->count = 1;
        return true;
    }
    if (options->as_of >= 0 || options->section >= 0) {
        ask->sections[0] = options->as_of >= 0 ? options->as_of : options->section;
        ask->count = 1;
        return true;
    }
    size_t lanes = options->lanes ? options->lanes : DEFAULT_LANES;
    if (lanes > ASKING_MAX_LANES)
        lanes = ASKING_MAX_LANES;
    if (!ranking_run(ask->session, options->document, options->question, ask->hits, lanes,
                     &ask->count, error))
        return false;
    double share = 0;
    for (size_t i = 0; i < ask->count; i++) {
        ask->sections[i] = ask->hits[i].section;
        share = fmax(share, ask->hits[i].share);
    }
    if (share < LEAST_SHARE) /* the document is about something else */
        ask->count = 0;
    return true;
}

static bool make_lanes(struct ask *ask, struct error *error)
{
    for (size_t i = 0; i < ask->count; i++) {
        ask->states[i] = state_new(&ask->session->model->shape, error);
        if (!ask->states[i])
            return false;
        ask->lanes[i].state = ask->states[i];
    }
    ask->result->sources = calloc(ask->count ? ask->count : 1, sizeof *ask->result->sources);
    if (!ask->result->sources)
        return error_out_of_memory(error);
    ask->result->source_count = ask->count;
    for (size_t i = 0; i < ask->count; i++)
        ask->result->sources[i].rank_score = ask->hits[i].score;
    return true;
}

static void note_source(struct ask *ask, size_t lane, const struct states_info *info, bool saved)
{
    struct asking_source *source = &ask->result->sources[lane];
    source->section = ask->sections[lane];
    source->saved = saved;
    source->kind = info->place.kind;
    source->token = info->token;
    source->hash = info->hash;
    source->question = info->place.kind == STATES_ANSWER ? info->place.section : 0;
    memcpy(ask->numerics[lane], info->numerics, sizeof ask->numerics[lane]);
    if (*info->numerics && strcmp(info->numerics, ask->session->tag) != 0)
        session_note(ask->session, "section %lld: the state was made with %s; asking with %s",
                     (long long)source->section + 1, info->numerics, ask->session->tag);
}

static bool copy_before(struct ask *ask, struct error *error)
{
    ask->before = state_new(&ask->session->model->shape, error);
    if (ask->before)
        state_copy(ask->before, ask->states[0]);
    return ask->before != NULL;
}

/* The one lane of a prefix state. */
static bool load_prefix(struct ask *ask, struct states_info *info, bool *saved, struct error *error)
{
    const struct asking_options *options = &ask->options;
    /* The hash first: should the text change meanwhile, it names one that is gone. */
    if (!prefix_text_hash(ask->session, options->document, options->as_of, &ask->texts[0], error) ||
        !prefix_reach(ask->session, options->document, options->as_of, ask->states[0], info,
                      &ask->result->tokens_reread, error))
        return false;
    *saved = info->token > 0;
    info->place.kind = STATES_PREFIX;
    return copy_before(ask, error);
}

/* Lanes from section states, or the one from a prefix state or that of an answer. */
static bool load_lanes(struct ask *ask, struct error *error)
{
    struct states_info infos[ASKING_MAX_LANES] = {0};
    bool saved[ASKING_MAX_LANES] = {0};
    bool ok;
    if (goes_on(ask)) {
        ok = answer_states_load(ask->session, &ask->thread, ask->states[0], &infos[0], &saved[0],
                                &ask->result->tokens_reread, error) &&
             copy_before(ask, error);
    } else if (ask->options.as_of >= 0) {
        ok = load_prefix(ask, &infos[0], &saved[0], error);
    } else {
        ok = section_states_load(ask->session, ask->options.document, ask->sections, ask->count,
                                 ask->states, infos, saved, &ask->result->tokens_reread, error);
        for (size_t i = 0; ok && i < ask->count; i++)
            ask->texts[i] = infos[i].key.text;
    }
    for (size_t i = 0; ok && i < ask->count; i++)
        note_source(ask, i, &infos[i], saved[i]);
    return ok;
}

/* The tokens of a question after what the lane has read. */
static bool encode_question(struct ask *ask, const char *question, struct tokens *tokens,
                            struct error *error)
{
    const struct model *model = ask->session->model;
    return goes_on(ask)
               ? prompt_follow_up(&model->prompt, model->tokenizer, question, tokens, error)
               : prompt_question(&model->prompt, model->tokenizer, question, tokens, error);
}

static bool add_tails(struct ask *ask, struct error *error)
{
    struct tokens tail = {0};
    struct forward_lane lanes[ASKING_MAX_LANES];
    bool ok = encode_question(ask, ask->options.question, &tail, error);
    for (size_t i = 0; ok && i < ask->count; i++)
        lanes[i] = (struct forward_lane){
            .state = ask->states[i], .tokens = tail.data, .count = tail.count};
    ok = ok && forward_prefill(ask->session->forward, lanes, ask->count, error);
    tokens_free(&tail);
    return ok;
}

/* Lanes that read their passage anew with the question before and after it. */
static bool reread_lanes(struct ask *ask, struct error *error)
{
    struct tokens tokens[ASKING_MAX_LANES] = {0};
    struct forward_lane lanes[ASKING_MAX_LANES];
    struct session *session = ask->session;
    struct feeding feeding = {
        .session = session,
        .progress = {.doing = "reading passages", .document = ask->options.document}};
    bool ok = true;
    for (size_t i = 0; ok && i < ask->count; i++) {
        int64_t read = 0;
        ok = answer_states_reread(session, ask->options.document, ask->sections[i],
                                  ask->options.question, &tokens[i], &ask->texts[i], &read, error);
        ask->result->tokens_reread += read;
        ask->result->sources[i].section = ask->sections[i];
        ask->result->sources[i].kind = STATES_SECTION;
        lanes[i] = (struct forward_lane){
            .state = ask->states[i], .tokens = tokens[i].data, .count = tokens[i].count};
        feeding.progress.tokens_expected += (int64_t)tokens[i].count;
    }
    ok = ok && feeding_prefill(&feeding, lanes, ask->count, error);
    for (size_t i = 0; i < ask->count; i++)
        tokens_free(&tokens[i]);
    return ok;
}

/* --- which answer ---------------------------------------------------------------------- */

bool asking_is_denial(const char *answer)
{
    static const char *const phrases[] = {
        "does not say",          "doesn't say",      "does not mention", "doesn't mention",
        "not mentioned",         "does not specify", "not specified",    "does not state",
        "does not provide",      "not stated",       "no information",   "cannot be determined",
        "not given in the text",
    };
    char folded[160];
    size_t size = 0;
    for (; answer[size] && answer[size] != '\n' && size + 1 < sizeof folded; size++)
        folded[size] = (char)tolower((unsigned char)answer[size]);
    folded[size] = '\0';
    for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++)
        if (strstr(folded, phrases[i]))
            return true;
    return false;
}

/* Mean log probability of the answer's tokens: the geometric mean probability as
 * a number that can be compared between answers of different length. */
static double mean_log_probability(const struct asking_source *source)
{
    return source->counted ? source->log_probability / (double)source->counted : -INFINITY;
}

/* What the search says of the section, and what the model says of its answer. */
static double confidence(const struct asking_source *source)
{
    return source->rank_score + ANSWER_WEIGHT * mean_log_probability(source) +
           (source->verbatim ? VERBATIM_WEIGHT : 0);
}

/* Does the answer, without its last punctuation, stand in the section's text? */
static bool note_verbatim(struct ask *ask, struct asking_source *source, struct error *error)
{
    struct library_section section;
    size_t size = strlen(source->answer);
    while (size > 0 && strchr(".,;:!? \n", source->answer[size - 1]))
        size--;
    char *words = strndup(source->answer, size);
    if (!words)
        return error_out_of_memory(error);
    bool ok = library_get_section(ask->session->library, ask->options.document, source->section,
                                  LIBRARY_TEXT, &section, error);
    source->verbatim = ok && size > 0 && strcasestr(section.text, words) != NULL;
    if (ok)
        library_section_free(&section);
    free(words);
    return ok;
}

static bool note_answers(struct ask *ask, struct error *error)
{
    for (size_t i = 0; i < ask->count; i++) {
        struct generate_lane *lane = &ask->lanes[i];
        struct asking_source *source = &ask->result->sources[i];
        source->answer = strdup(lane->text.data ? lane->text.data : "");
        if (!source->answer)
            return error_out_of_memory(error);
        source->denied = asking_is_denial(source->answer) || source->answer[0] == '\0';
        source->log_probability = lane->log_probability;
        source->lowest = lane->lowest;
        source->counted = lane->counted;
        const double first = lane->began - ask->started;
        if (i == 0 || first < ask->result->first_token_seconds)
            ask->result->first_token_seconds = first;
        ask->result->tokens_generated += (int64_t)lane->tokens.count;
        if (!note_verbatim(ask, source, error))
            return false;
    }
    return true;
}

/* A state that has read the section and, with the answer, the request to quote. */
static bool ask_to_quote(struct ask *ask, int64_t section, struct state *state, struct error *error)
{
    struct session *session = ask->session;
    struct states_info info;
    struct buffer request = {0};
    struct tokens tail = {0};
    int64_t reread = 0;
    bool saved, ok = true;
    if (ask->before)
        state_copy(state, ask->before);
    else
        ok = section_states_load(session, ask->options.document, &section, 1, &state, &info, &saved,
                                 &reread, error);
    ask->result->tokens_reread += reread;
    ok = ok && buffer_append_format(&request, error, "%s " QUOTE_REQUEST, ask->options.question) &&
         encode_question(ask, request.data, &tail, error) &&
         session_encode(session, ask->result->answer, strlen(ask->result->answer), &tail, error);
    struct forward_lane lane = {.state = state, .tokens = tail.data, .count = tail.count};
    ok = ok && forward_prefill(session->forward, &lane, 1, error);
    buffer_free(&request);
    tokens_free(&tail);
    return ok;
}

/* Adds the sentence of the section that the model means to the result's quotes. */
static bool quote_sentence(struct ask *ask, int64_t ordinal, struct error *error)
{
    struct session *session = ask->session;
    struct library_section section;
    struct quoting_sentences sentences;
    if (!library_get_section(session->library, ask->options.document, ordinal,
                             LIBRARY_TEXT | LIBRARY_MAP, &section, error))
        return false;
    bool ok = quoting_split(&sentences, section.text, section.text_size, error) &&
              quoting_keep_answering(&sentences, section.text, ask->result->answer, error);
    struct state *state = ok && sentences.count ? state_new(&session->model->shape, error) : NULL;
    struct quoting_choice choice = {
        .state = state, .text = section.text, .sentences = &sentences, .lead = "\n> "};
    if (ok && sentences.count)
        ok = state && ask_to_quote(ask, ordinal, state, error) &&
             quoting_choose(session, &choice, 1, error) &&
             grounding_add(ask->result, &section, sentences.items[choice.chosen].begin,
                           sentences.items[choice.chosen].end, error);
    state_free(state);
    quoting_sentences_free(&sentences);
    library_section_free(&section);
    return ok;
}

/* Of the sections read, the one that the search ranks first for these words; -1: none. */
static bool rank_read(struct ask *ask, const char *words, int64_t *section, struct error *error)
{
    struct library_hit hits[ASKING_MAX_LANES];
    size_t count;
    *section = -1;
    if (!ranking_run(ask->session, ask->options.document, words, hits, ASKING_MAX_LANES, &count,
                     error))
        return false;
    for (size_t i = 0; *section < 0 && i < count; i++)
        if (hits[i].section <= ask->options.as_of)
            *section = hits[i].section;
    return true;
}

/* The section to quote from: that of the lane; of a prefix, the one that the search ranks
 * first for the question, or else for the last one before it that has words to search for.
 * -1: none. */
static bool quotable_section(struct ask *ask, int64_t lane_section, int64_t *section,
                             struct error *error)
{
    *section = lane_section;
    if (ask->options.as_of < 0)
        return true;
    if (!rank_read(ask, ask->options.question, section, error))
        return false;
    for (size_t i = ask->thread.count; *section < 0 && i-- > 0;)
        if (!rank_read(ask, ask->thread.turns[i].words, section, error))
            return false;
    return true;
}

static void tell_answer(const struct ask *ask)
{
    const char *answer = ask->result->answer;
    const size_t size = strlen(answer);
    for (size_t at = 0; ask->options.stream && at < size;) {
        struct event event = {.kind = EVENT_ANSWER,
                              .progress = {.bytes = (int64_t)at, .bytes_expected = (int64_t)size}};
        size_t end = at + sizeof event.text - 1;
        end = end < size ? utf8_floor(answer, size, end) : size;
        memcpy(event.text, answer + at, end - at);
        session_emit(ask->session, &event);
        at = end;
    }
}

static bool choose_answer(struct ask *ask, struct error *error)
{
    int64_t section;
    struct asking_result *result = ask->result;
    const struct asking_source *best = NULL;
    for (size_t i = 0; i < ask->count; i++) {
        const struct asking_source *source = &result->sources[i];
        if (!source->denied && (!best || confidence(source) > confidence(best)))
            best = source;
    }
    result->section = -1;
    if (!best)
        return true;
    result->found = true;
    result->section = best->section;
    ask->best = (size_t)(best - result->sources);
    result->confidence = exp(mean_log_probability(best));
    if (!grounding_run(ask->session, ask->options.document, best->section, best->answer, result,
                       error))
        return false;
    tell_answer(ask);
    return quotable_section(ask, best->section, &section, error) &&
           (section < 0 || quote_sentence(ask, section, error));
}

/* --- the whole ------------------------------------------------------------------------- */

/* What the library holds beside the words: as printed, and the answer's tokens, from which
 * its state can be made again to the bit, and the hash of the text that it began on. */
static bool write_detail(struct ask *ask, struct buffer *detail, struct error *error)
{
    json_t *json = asking_json(ask->session, &ask->options, ask->result);
    if (json && ask->result->found) {
        const struct tokens *tokens = &ask->lanes[ask->best].tokens;
        json_t *numbers = json_array();
        for (size_t i = 0; i < tokens->count; i++)
            json_append(numbers, json_integer(tokens->data[i]));
        json_put(json, "answer_tokens", numbers);
        char hex[HASH_HEX_SIZE];
        hash_to_hex(hex, goes_on(ask) ? &ask->thread.text : &ask->texts[ask->best]);
        json_put(json, "ground", json_string(hex));
    }
    return json_text(detail, json, error);
}

/* Stores the state of the answer, which has read the thread so far and this turn. */
static bool keep_state(struct ask *ask, int64_t id, struct error *error)
{
    struct states_info info;
    struct answer_states_thread *thread = &ask->thread;
    const struct answer_states_turn turn = {
        .question = id,
        .model = ask->session->model_id,
        .words = (char *)(uintptr_t)ask->options.question,
        .answer = ask->result->answer,
    };
    if (!goes_on(ask)) {
        thread->document = ask->options.document;
        thread->ground = ask->options.as_of >= 0 ? ANSWER_STATES_PREFIX
                         : ask->options.reread   ? ANSWER_STATES_REREAD
                                                 : ANSWER_STATES_SECTION;
        thread->section = ask->sections[ask->best];
        thread->text = ask->texts[ask->best];
        memcpy(thread->numerics, ask->numerics[ask->best], sizeof thread->numerics);
    }
    return answer_states_add(thread, &turn, error) &&
           answer_states_keep(ask->session, thread, ask->states[ask->best], &info, error);
}

static bool add_question(struct ask *ask, struct error *error)
{
    struct buffer detail = {0};
    struct library_question question = {
        .document = ask->options.document,
        .model = ask->session->model_id,
        .parent = ask->options.after,
        .asked_at = clock_unix_time(),
        .scope = ask->scope,
        .question = (char *)(uintptr_t)ask->options.question,
        .answer = ask->result->answer,
    };
    bool ok = write_detail(ask, &detail, error);
    question.detail = detail.data;
    ok =
        ok && library_add_question(ask->session->library, &question, &ask->result->question, error);
    buffer_free(&detail);
    return ok;
}

/* The answer first: its state can be made again, and must not be what an answer is lost
 * by. */
static bool keep_question(struct ask *ask, struct error *error)
{
    return add_question(ask, error) &&
           (!ask->result->found || keep_state(ask, ask->result->question, error));
}

static bool answer(struct ask *ask, struct error *error)
{
    const struct asking_options *options = &ask->options;
    if (options->after > 0 && !follow(ask, error))
        return false;
    if (!goes_on(ask))
        note_scope(ask);
    ask->result->as_of = options->as_of;
    if (!choose_sections(ask, error))
        return false;
    if (ask->count > 0) {
        size_t most = options->max_tokens ? options->max_tokens : DEFAULT_TOKENS;
        bool ok = make_lanes(ask, error) &&
                  (options->reread && options->as_of < 0 && !goes_on(ask)
                       ? reread_lanes(ask, error)
                       : load_lanes(ask, error) && add_tails(ask, error)) &&
                  generate_run(ask->session, ask->lanes, ask->count, &options->sampler, most,
                               options->stream ? 0 : -1, error) &&
                  note_answers(ask, error);
        if (!ok)
            return false;
    }
    return choose_answer(ask, error);
}

bool asking_run(struct session *session, const struct asking_options *options,
                struct asking_result *result, struct error *error)
{
    const double started = clock_seconds();
    *result = (struct asking_result){.section = -1, .as_of = -1};
    struct ask *ask = calloc(1, sizeof *ask);
    if (!ask)
        return error_out_of_memory(error);
    ask->session = session;
    ask->options = *options;
    ask->result = result;
    ask->started = started;
    bool ok = session_need_model(session, error) && answer(ask, error);
    result->seconds = clock_seconds() - started;
    ok = ok && (!options->keep || keep_question(ask, error));
    for (size_t i = 0; i < ask->count; i++) {
        generate_lane_free(&ask->lanes[i]);
        state_free(ask->states[i]);
    }
    state_free(ask->before);
    answer_states_free(&ask->thread);
    free(ask);
    if (!ok)
        asking_result_free(result);
    return ok;
}

void asking_result_free(struct asking_result *result)
{
    for (size_t i = 0; i < result->quote_count; i++)
        free(result->quotes[i].text);
    for (size_t i = 0; result->sources && i < result->source_count; i++)
        free(result->sources[i].answer);
    free(result->quotes);
    free(result->sources);
    free(result->answer);
    *result = (struct asking_result){0};
}
