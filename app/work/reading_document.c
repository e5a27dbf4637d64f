#include "app/work/reading_document.h"

#include "app/work/feeding.h"
#include "app/work/prefix.h"
#include "app/work/recording.h"
#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PIECE_LEAST = 32, /* fewer at a time are read too slowly */
    TRIAL = 64,       /* tokens of the trial that the first estimate of time rests on */
};

#define PIECE_SECONDS 0.25 /* that whoever waits for a pause may have to wait */
#define ALONE_SECONDS 20.0 /* that progress may stand still where nobody does */

#define CHARACTERS_PER_TOKEN 4.2 /* of English prose, until something is known */

/* A reading on its way through a document. */
struct walk {
    struct session *session;
    const struct reading_options *options;
    bool early; /* the document's end is not there yet */
    struct reading_result *result;
    struct library_document document;
    struct recording recording;
    struct state *state;
    struct hash_stream *text; /* of every section read so far */
    struct tokens tokens;     /* of the section being read */
    float *bits;              /* [bits_capacity] */
    size_t bits_capacity;
    int64_t characters;         /* read so far, for the estimate */
    int64_t section_characters; /* of the section being read */
    double started;
    double paused; /* seconds since then that went to others' jobs */
    double pace;   /* tokens a second of the latest pieces */
};

/* The tokens that the state will have read at the document's end, the preamble's among them, from
 * what is known of it so far. */
static int64_t expected_tokens(const struct walk *w)
{
    const int64_t fed = (int64_t)w->state->tokens;
    double per_token = CHARACTERS_PER_TOKEN;
    if (w->characters > 2000 && fed > 0)
        per_token = (double)w->characters / (double)fed;
    double left = (double)(w->document.characters - w->characters);
    return (fed ? fed : (int64_t)w->session->preamble.count) + (int64_t)(left / per_token);
}

/* Seconds that this reading has worked. */
static double spent(const struct walk *w)
{
    return w->started > 0 ? clock_seconds() - w->started - w->paused : 0;
}

static struct feeding feeding_of(struct walk *w, int64_t section)
{
    return (struct feeding){
        .session = w->session,
        .progress = {.doing = "reading",
                     .document = w->document.id,
                     .section = section,
                     .sections = w->document.sections,
                     .tokens = (int64_t)w->state->tokens,
                     .tokens_expected = expected_tokens(w)},
        .tokens = w->result->tokens_read,
        .seconds = spent(w),
    };
}

static void report(struct walk *w, int64_t section)
{
    const struct feeding feeding = feeding_of(w, section);
    const struct event_progress progress = feeding_progress(&feeding, 0, 0);
    session_progress(w->session, &progress);
}

static bool reserve_bits(struct walk *w, size_t count, struct error *error)
{
    if (count <= w->bits_capacity)
        return true;
    float *bits = realloc(w->bits, count * sizeof *bits);
    if (!bits)
        return error_out_of_memory(error);
    w->bits = bits;
    w->bits_capacity = count;
    return true;
}

/* Lets others work, and looks whether the document is still there after that. */
static bool pause_reading(struct walk *w, struct error *error)
{
    struct library_document now;
    struct error gone;
    double begin = clock_seconds();
    bool ok = session_pause(w->session, error);
    w->paused += clock_seconds() - begin;
    if (!ok)
        return false;
    if (!library_get_document(w->session->library, w->document.id, &now, &gone)) {
        if (gone.kind == ERROR_INPUT)
            return error_set(error, ERROR_INPUT,
                             "%.200s was removed from the library while it was being read: read "
                             "its file again to add it anew",
                             w->document.name);
        *error = gone;
        return false;
    }
    bool same = now.sections == w->document.sections && now.characters == w->document.characters;
    library_document_free(&now);
    return same || error_set(error, ERROR_STORE,
                             "the text of %.200s was replaced while it was being read: read it "
                             "again to go on",
                             w->document.name);
}

/* Tokens that take about so long, in whole multiples of the least. Of a slow model a quarter of a
 * second's are so few that reading is several times slower than in whole passes. */
static size_t piece_size(const struct walk *w, size_t left)
{
    double most = (double)forward_pass_tokens(w->session->forward);
    double seconds = w->options->alone ? ALONE_SECONDS : PIECE_SECONDS;
    double tokens = fmin(fmax(w->pace * seconds, PIECE_LEAST), most);
    size_t size = (size_t)tokens / PIECE_LEAST * PIECE_LEAST;
    return left < size ? left : size;
}

/* Feeds tokens to the state; bits: NULL, or out [count]. */
static bool feed(struct walk *w, int64_t section, const int32_t *tokens, size_t count, float *bits,
                 struct error *error)
{
    struct feeding feeding = feeding_of(w, section);
    struct forward_lane lane = {.state = w->state, .tokens = tokens, .count = count, .bits = bits};
    if (!feeding_prefill(&feeding, &lane, 1, error))
        return false;
    w->result->tokens_read += (int64_t)count;
    return true;
}

static bool read_piece(struct walk *w, int64_t section, size_t at, size_t count,
                       struct error *error)
{
    const double began = clock_seconds();
    if (!feed(w, section, w->tokens.data + at, count, w->bits + at, error))
        return false;
    double pace = (double)count / fmax(clock_seconds() - began, 1e-9);
    w->pace = (w->pace + pace) / 2;
    return true;
}

/* Feeds the section's tokens piece by piece, filling w->bits. */
static bool read_tokens(struct walk *w, int64_t section, struct error *error)
{
    const int64_t before = w->characters;
    if (!reserve_bits(w, w->tokens.count, error))
        return false;
    for (size_t at = 0; at < w->tokens.count;) {
        size_t count = piece_size(w, w->tokens.count - at);
        if (!pause_reading(w, error) || !read_piece(w, section, at, count, error))
            return false;
        at += count;
        w->characters = before + w->section_characters * (int64_t)at / (int64_t)w->tokens.count;
        report(w, section);
    }
    w->characters = before + w->section_characters;
    return true;
}

/* At the document's end, and where the last is long enough ago. */
static bool keep_state(struct walk *w, int64_t section, struct error *error)
{
    bool last = section + 1 == w->document.sections;
    int64_t since = (int64_t)w->state->tokens - w->recording.last_taken;
    if (!last && since < w->options->keep_every)
        return true;
    struct hash text = hash_stream_end(w->text);
    return recording_state(&w->recording, section, &text, w->state, error);
}

static bool read_section(struct walk *w, int64_t ordinal, struct error *error)
{
    struct library_section section;
    if (!library_get_section(w->session->library, w->document.id, ordinal, LIBRARY_TEXT, &section,
                             error))
        return false;
    w->tokens.count = 0;
    w->section_characters = section.characters;
    bool ok = session_encode_section(w->session, section.text, section.text_size, ordinal > 0,
                                     &w->tokens, error) &&
              read_tokens(w, ordinal, error);
    if (ok)
        prefix_hash_section(w->text, &section);
    library_section_free(&section);
    return ok && keep_state(w, ordinal, error) &&
           recording_section(&w->recording, ordinal, w->bits, w->tokens.count, w->state, error);
}

/* How long 64 tokens take here, on a lane of their own. */
static bool trial(struct walk *w, double *tokens_per_second, struct error *error)
{
    struct feeding feeding = {
        .session = w->session,
        .progress = {.doing = "timing the model", .document = w->document.id}};
    struct state *state = state_new(&w->session->model->shape, error);
    if (!state)
        return false;
    int32_t tokens[TRIAL] = {0};
    float bits[TRIAL];
    struct forward_lane lane = {.state = state, .tokens = tokens, .count = TRIAL, .bits = bits};
    bool ok = feeding_prefill(&feeding, &lane, 1, error);
    *tokens_per_second = TRIAL / fmax(clock_seconds() - feeding.began, 1e-9);
    state_free(state);
    return ok;
}

static void format_duration(char text[64], double seconds)
{
    long long s = (long long)(seconds + 0.5);
    if (s < 100)
        snprintf(text, 64, "%lld second%s", s > 1 ? s : 1, s > 1 ? "s" : "");
    else if (s < 6000)
        snprintf(text, 64, "%lld minutes", (s + 30) / 60);
    else
        snprintf(text, 64, "%lld hour%s %lld minute%s", s / 3600, s / 3600 == 1 ? "" : "s",
                 s % 3600 / 60, s % 3600 / 60 == 1 ? "" : "s");
}

static void announce(struct session *session, const struct library_document *document,
                     int64_t tokens, double seconds)
{
    struct event event = {.kind = EVENT_OUTLINE,
                          .progress = {.doing = "reading",
                                       .document = document->id,
                                       .sections = document->sections,
                                       .tokens_expected = tokens,
                                       .seconds_left = seconds}};
    char time[64] = "", plan[160] = "";
    if (seconds >= 0) {
        format_duration(time, seconds);
        snprintf(plan, sizeof plan, "; about %lld token%s to read, about %s", (long long)tokens,
                 tokens == 1 ? "" : "s", time);
    }
    snprintf(event.text, sizeof event.text, "%.200s: %lld character%s in %lld section%s%s",
             document->name, (long long)document->characters, document->characters == 1 ? "" : "s",
             (long long)document->sections, document->sections == 1 ? "" : "s", plan);
    session_emit(session, &event);
}

/* Whether two tags begin alike up to the first of `ends`. */
static bool begin_alike(const char *a, const char *b, const char *ends)
{
    const size_t length = strcspn(a, ends);
    return length == strcspn(b, ends) && strncmp(a, b, length) == 0;
}

/* Of two tags (forward_tag()): what there is to do but to mix them. */
static const char *other_way(const char *before, const char *now)
{
    if (begin_alike(before, now, "."))
        return "remove the document with `tidemark rm` to read it anew";
    if (begin_alike(before, now, "/") && strncmp(now, "cpu/", 4) == 0)
        return "--kernels to choose the former";
    return "--backend to choose the former";
}

/* Numerics may change only on request, and for good. */
static bool check_numerics(struct walk *w, const struct states_info *info, struct error *error)
{
    const char *tag = w->session->tag;
    if (strcmp(info->numerics, tag) == 0)
        return true;
    if (!w->options->mix)
        return error_set(error, ERROR_USAGE,
                         "this document was read with %s, and this program now computes with %s: "
                         "use --mix to go on from its states all the same, or %s",
                         info->numerics, tag, other_way(info->numerics, tag));
    w->recording.reading.mixed = true;
    return true;
}

/* Finds where to go on and brings state, hash and reading there. */
static bool resume(struct walk *w, int64_t *next, struct error *error)
{
    struct session *session = w->session;
    struct library_reading *reading = &w->recording.reading;
    struct states_info info;
    bool found;
    if (!library_get_reading(session->library, w->document.id, session->model_id, reading, &found,
                             error))
        return false;
    if (!found)
        *reading = (struct library_reading){.document = w->document.id, .model = session->model_id};
    else if (reading->sections > w->document.sections)
        reading->sections = w->document.sections;
    if (!prefix_load(session, w->document.id, reading->sections - 1, w->state, &info, next, error))
        return false;
    if (*next && *next < w->document.sections && !check_numerics(w, &info, error))
        return false;
    if (!prefix_hash_sections(session, w->document.id, 0, *next, w->text, &w->characters, error))
        return false;
    w->result->resumed_at = info.token;
    w->recording.last_stored = w->recording.last_taken = info.token;
    if (found && *next < reading->sections) {
        if (!library_cut_reading(session->library, reading->id, *next, error))
            return false;
        library_reading_free(reading);
        return library_get_reading(session->library, w->document.id, session->model_id, reading,
                                   &found, error);
    }
    return true;
}

static bool begin_reading(struct walk *w, int64_t next, struct error *error)
{
    struct session *session = w->session;
    struct library_reading *reading = &w->recording.reading;
    if (!trial(w, &w->pace, error))
        return false;
    int64_t left = expected_tokens(w) - (int64_t)w->state->tokens;
    if (!w->early)
        announce(session, &w->document, left, (double)left / w->pace);
    free(reading->numerics);
    reading->numerics = strdup(session->tag);
    if (!reading->numerics)
        return error_out_of_memory(error);
    w->started = clock_seconds();
    if (next == 0) {
        reading->sections = reading->tokens = 0;
        reading->mixed = false;
        reading->bits = 0;
        if (!feed(w, 0, session->preamble.data, session->preamble.count, NULL, error))
            return false;
    }
    reading->updated_at = clock_unix_time();
    return library_put_reading(session->library, reading, error);
}

/* What became of a reading that was interrupted in section `next`. */
static void tell_interrupted(const struct walk *w, int64_t next, struct error *error)
{
    const long long section = next + 1, sections = w->document.sections;
    const long long token = w->recording.last_stored;
    if (token > 0)
        error_set(error, ERROR_INTERRUPTED,
                  "interrupted in section %lld of %lld; the state at token %lld is kept: read it "
                  "again to go on from there",
                  section, sections, token);
    else
        error_set(
            error, ERROR_INTERRUPTED,
            "interrupted in section %lld of %lld, before a state was due: read it again, from "
            "the beginning",
            section, sections);
}

static bool read_on(struct walk *w, struct error *error)
{
    int64_t next;
    if (!resume(w, &next, error))
        return false;
    if (next == w->document.sections) {
        w->result->was_complete = true;
    } else if (!begin_reading(w, next, error)) {
        return false;
    }
    bool ok = true;
    for (; ok && next < w->document.sections; next += ok)
        ok = read_section(w, next, error);
    if (!recording_end(&w->recording, ok, error)) {
        w->result->seconds = spent(w);
        if (error->kind == ERROR_INTERRUPTED)
            tell_interrupted(w, next, error);
        return false;
    }
    if (tokenizer_left_out(w->session->model->tokenizer))
        session_note(w->session, "some characters of this document have no token in the model's "
                                 "vocabulary: the model did not see them");
    w->result->seconds = spent(w);
    w->result->tokens = (int64_t)w->state->tokens;
    w->result->bits = w->recording.reading.bits;
    return true;
}

bool reading_document(struct session *session, const struct reading_options *options, bool early,
                      struct reading_result *result, struct error *error)
{
    struct walk w = {.session = session, .options = options, .result = result, .early = early};
    if (!library_get_document(session->library, result->document, &w.document, error))
        return false;
    w.recording = (struct recording){.session = session, .document = &w.document};
    result->sections = w.document.sections;
    bool ok = true;
    if (options->text_only) {
        announce(session, &w.document, 0, -1);
    } else {
        ok = session_need_model(session, error);
        w.text = ok ? hash_stream_new() : NULL;
        w.state = ok ? state_new(&session->model->shape, error) : NULL;
        if (ok && !w.text)
            ok = error_out_of_memory(error);
        ok = ok && w.state && recording_begin(&w.recording, error) && read_on(&w, error);
    }
    recording_free(&w.recording);
    library_document_free(&w.document);
    state_free(w.state);
    hash_stream_free(w.text);
    tokens_free(&w.tokens);
    free(w.bits);
    return ok;
}
