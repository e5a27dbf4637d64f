#include "app/work/asking.h"

#include "app/work/generate.h"
#include "app/work/grounding.h"
#include "app/work/json.h"
#include "app/work/quoting.h"
#include "app/work/ranking.h"
#include "app/work/reading.h"
#include "app/work/section_states.h"
#include "base/clock.h"

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
    const struct asking_options *options;
    struct asking_result *result;
    struct library_hit hits[ASKING_MAX_LANES];
    int64_t sections[ASKING_MAX_LANES];
    size_t count;
    struct state *states[ASKING_MAX_LANES];
    struct generate_lane lanes[ASKING_MAX_LANES];
    struct state *before; /* with as_of: the prefix state before the question */
};

/* --- what is sent to the model ------------------------------------------------------- */

static bool choose_sections(struct ask *ask, struct error *error)
{
    const struct asking_options *options = ask->options;
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
    if (saved && strcmp(info->numerics, ask->session->tag) != 0)
        session_note(ask->session, "section %lld: the state was made with %s; asking with %s",
                     (long long)source->section + 1, info->numerics, ask->session->tag);
}

/* Lanes from section states, or the one prefix state. */
static bool load_lanes(struct ask *ask, struct error *error)
{
    struct states_info infos[ASKING_MAX_LANES] = {0};
    bool saved[ASKING_MAX_LANES] = {0};
    bool ok;
    if (ask->options->as_of >= 0) {
        ok = reading_prefix(ask->session, ask->options->document, ask->options->as_of,
                            ask->states[0], &infos[0], &ask->result->tokens_reread, error);
        saved[0] = infos[0].token > 0;
        infos[0].place.kind = STATES_PREFIX;
        ask->before = ok ? state_new(&ask->session->model->shape, error) : NULL;
        ok = ask->before != NULL;
        if (ok)
            state_copy(ask->before, ask->states[0]);
    } else {
        ok = section_states_load(ask->session, ask->options->document, ask->sections, ask->count,
                                 ask->states, infos, saved, &ask->result->tokens_reread, error);
    }
    for (size_t i = 0; ok && i < ask->count; i++)
        note_source(ask, i, &infos[i], saved[i]);
    return ok;
}

static bool add_tails(struct ask *ask, struct error *error)
{
    struct tokens tail = {0};
    struct forward_lane lanes[ASKING_MAX_LANES];
    bool ok = prompt_question(&ask->session->model->prompt, ask->session->model->tokenizer,
                              ask->options->question, &tail, error);
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
    bool ok = true;
    for (size_t i = 0; ok && i < ask->count; i++) {
        struct library_section section;
        struct tokens text = {0};
        ok = library_get_section(session->library, ask->options->document, ask->sections[i],
                                 LIBRARY_TEXT, &section, error);
        if (!ok)
            break;
        size_t size = session_trimmed(section.text, section.text_size);
        ok = session_encode(session, section.text, size, &text, error) &&
             prompt_question_first(&session->model->prompt, session->model->tokenizer,
                                   ask->options->question, section.text, size, &tokens[i], error);
        ask->result->tokens_reread += (int64_t)text.count;
        ask->result->sources[i].section = ask->sections[i];
        ask->result->sources[i].kind = STATES_SECTION;
        lanes[i] = (struct forward_lane){
            .state = ask->states[i], .tokens = tokens[i].data, .count = tokens[i].count};
        library_section_free(&section);
        tokens_free(&text);
    }
    ok = ok && forward_prefill(session->forward, lanes, ask->count, error);
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
    bool ok = library_get_section(ask->session->library, ask->options->document, source->section,
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
    const struct model *model = session->model;
    struct states_info info;
    struct buffer request = {0};
    struct tokens tail = {0};
    int64_t reread = 0;
    bool saved, ok = true;
    if (ask->before)
        state_copy(state, ask->before);
    else
        ok = section_states_load(session, ask->options->document, &section, 1, &state, &info,
                                 &saved, &reread, error);
    ask->result->tokens_reread += reread;
    ok = ok && buffer_append_format(&request, error, "%s " QUOTE_REQUEST, ask->options->question) &&
         prompt_question(&model->prompt, model->tokenizer, request.data, &tail, error) &&
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
    size_t chosen;
    if (!library_get_section(session->library, ask->options->document, ordinal,
                             LIBRARY_TEXT | LIBRARY_MAP, &section, error))
        return false;
    bool ok = quoting_split(&sentences, section.text, section.text_size, error) &&
              quoting_keep_answering(&sentences, section.text, ask->result->answer, error);
    struct state *state = ok && sentences.count ? state_new(&session->model->shape, error) : NULL;
    if (ok && sentences.count)
        ok = state && ask_to_quote(ask, ordinal, state, error) &&
             quoting_choose(session, state, section.text, &sentences, "\n> ", false, &chosen, NULL,
                            error) &&
             grounding_add(ask->result, &section, sentences.items[chosen].begin,
                           sentences.items[chosen].end, error);
    state_free(state);
    quoting_sentences_free(&sentences);
    library_section_free(&section);
    return ok;
}

/* The section to quote from: that of the lane; of a prefix, the one that the search
 * ranks first among those read. -1: none. */
static bool quotable_section(struct ask *ask, int64_t lane_section, int64_t *section,
                             struct error *error)
{
    struct library_hit hits[ASKING_MAX_LANES];
    size_t count;
    *section = lane_section;
    if (ask->options->as_of < 0)
        return true;
    *section = -1;
    if (!ranking_run(ask->session, ask->options->document, ask->options->question, hits,
                     ASKING_MAX_LANES, &count, error))
        return false;
    for (size_t i = 0; *section < 0 && i < count; i++)
        if (hits[i].section <= ask->options->as_of)
            *section = hits[i].section;
    return true;
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
    result->confidence = exp(mean_log_probability(best));
    return grounding_run(ask->session, ask->options->document, best->section, best->answer, result,
                         error) &&
           quotable_section(ask, best->section, &section, error) &&
           (section < 0 || quote_sentence(ask, section, error));
}

/* --- the whole ------------------------------------------------------------------------- */

static bool keep_question(struct ask *ask, struct error *error)
{
    const struct asking_options *options = ask->options;
    char scope[64] = "";
    if (options->as_of >= 0)
        snprintf(scope, sizeof scope, "as of %lld", (long long)options->as_of + 1);
    else if (options->section >= 0)
        snprintf(scope, sizeof scope, "section %lld", (long long)options->section + 1);
    struct buffer detail = {0};
    if (!json_text(&detail, asking_json(ask->session, options, ask->result), error)) {
        buffer_free(&detail);
        return false;
    }
    int64_t id;
    struct library_question question = {
        .document = options->document,
        .model = ask->session->model_id,
        .asked_at = clock_unix_time(),
        .scope = scope,
        .question = (char *)(uintptr_t)options->question,
        .answer = ask->result->answer,
        .detail = detail.data,
    };
    bool ok = library_add_question(ask->session->library, &question, &id, error);
    buffer_free(&detail);
    return ok;
}

static bool answer(struct ask *ask, struct error *error)
{
    const struct asking_options *options = ask->options;
    if (!choose_sections(ask, error))
        return false;
    if (ask->count > 0) {
        size_t most = options->max_tokens ? options->max_tokens : DEFAULT_TOKENS;
        bool ok = make_lanes(ask, error) &&
                  (options->reread && options->as_of < 0
                       ? reread_lanes(ask, error)
                       : load_lanes(ask, error) && add_tails(ask, error)) &&
                  generate_run(ask->session, ask->lanes, ask->count, &options->sampler, most,
                               ask->count == 1 ? 0 : -1, error) &&
                  note_answers(ask, error);
        if (!ok)
            return false;
    }
    return choose_answer(ask, error);
}

bool asking_run(struct session *session, const struct asking_options *options,
                struct asking_result *result, struct error *error)
{
    double started = clock_seconds();
    *result = (struct asking_result){.section = -1};
    struct ask *ask = calloc(1, sizeof *ask);
    if (!ask)
        return error_out_of_memory(error);
    ask->session = session;
    ask->options = options;
    ask->result = result;
    bool ok = session_need_model(session, error) && answer(ask, error);
    result->seconds = clock_seconds() - started;
    ok = ok && (!options->keep || keep_question(ask, error));
    for (size_t i = 0; i < ask->count; i++) {
        generate_lane_free(&ask->lanes[i]);
        state_free(ask->states[i]);
    }
    state_free(ask->before);
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

/* --- JSON -------------------------------------------------------------------------------- */

static json_t *section_json(struct session *session, int64_t document, int64_t ordinal)
{
    struct library_section section;
    struct error failure = {0};
    if (ordinal < 0)
        return json_null();
    if (!library_get_section(session->library, document, ordinal, LIBRARY_OUTLINE, &section,
                             &failure))
        return failure.kind == ERROR_SYSTEM ? NULL : json_null();
    json_t *json =
        json_pack("{s:I, s:s}", "number", (json_int_t)ordinal + 1, "title", section.title);
    library_section_free(&section);
    return json;
}

static json_t *quotes_json(struct session *session, const struct asking_options *options,
                           const struct asking_result *result)
{
    json_t *quotes = json_array();
    for (size_t i = 0; i < result->quote_count; i++) {
        const struct asking_quote *quote = &result->quotes[i];
        json_t *json =
            json_pack("{s:s, s:b, s:o}", "text", quote->text, "verified", (int)quote->verified,
                      "section", section_json(session, options->document, quote->section));
        if (quote->verified) {
            json_put(json, "page", json_integer((json_int_t)quote->page));
            json_put(json, "line", json_integer((json_int_t)quote->line));
        }
        json_append(quotes, json);
    }
    return quotes;
}

static json_t *sources_json(const struct asking_result *result, bool saved)
{
    json_t *sources = json_array();
    for (size_t i = 0; i < result->source_count; i++) {
        const struct asking_source *source = &result->sources[i];
        if (source->saved != saved || source->token == 0) /* 0: read for this question only */
            continue;
        char hex[HASH_HEX_SIZE];
        hash_to_hex(hex, &source->hash);
        json_append(sources,
                    json_pack("{s:I, s:s, s:I, s:s}", "section", (json_int_t)source->section + 1,
                              "kind", source->kind == STATES_PREFIX ? "prefix" : "section", "token",
                              (json_int_t)source->token, "hash", hex));
    }
    return sources;
}

json_t *asking_json(struct session *session, const struct asking_options *options,
                    const struct asking_result *result)
{
    json_t *json = json_pack(
        "{s:I, s:s, s:b, s:s?, s:o, s:f, s:o, s:o, s:o, s:I, s:I, s:f}", "document",
        (json_int_t)options->document, "question", options->question, "found", (int)result->found,
        "answer", result->answer, "section",
        section_json(session, options->document, result->section), "confidence", result->confidence,
        "quotes", quotes_json(session, options, result), "from_states", sources_json(result, true),
        "states_made", sources_json(result, false), "tokens_reread",
        (json_int_t)result->tokens_reread, "tokens_generated", (json_int_t)result->tokens_generated,
        "seconds", result->seconds);
    if (json && options->as_of >= 0)
        json_put(json, "as_of", json_integer((json_int_t)options->as_of + 1));
    return json;
}
