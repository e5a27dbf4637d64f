#include "app/work/reading.h"

#include "app/work/feeding.h"
#include "app/work/following.h"
#include "app/work/ingest.h"
#include "app/work/keeping.h"
#include "app/work/origin.h"
#include "app/work/prefix.h"
#include "app/work/upkeep.h"
#include "base/clock.h"

#include <assert.h>
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

/* A section that was read, on its way into the library: a state at or before its end is
 * still being stored. */
struct waiting {
    struct library_section_reading row;
    struct buffer surprise;
    int64_t states; /* that must have been stored before */
};

/* A reading on its way through a document. */
struct walk {
    struct session *session;
    const struct reading_options *options;
    bool early; /* the document's end is not there yet */
    struct reading_result *result;
    struct library_document document;
    struct library_reading reading;
    struct state *state;
    struct hash_stream *text; /* of every section read so far */
    struct tokens tokens;     /* of the section being read */
    float *bits;              /* [bits_capacity] */
    size_t bits_capacity;
    int64_t characters;         /* read so far, for the estimate */
    int64_t section_characters; /* of the section being read */
    int64_t last_kept;          /* token of the last prefix state that is stored */
    int64_t last_taken;         /* of the last that is, or is being, stored */
    struct keeping *keeping;    /* NULL: states are stored as they are taken */
    int64_t taken, stored;      /* states given to it, and stored by it */
    struct waiting *waiting;    /* [waiting_count] */
    size_t waiting_count, waiting_capacity;
    double started;
    double paused; /* seconds since then that went to others' jobs */
    double pace;   /* tokens a second of the latest pieces */
};

/* --- a reading -------------------------------------------------------------------------- */

/* Surprise is kept in 1/256 bit, 16 bits a token, little-endian. */
static bool encode_surprise(struct buffer *out, const float *bits, size_t count,
                            struct error *error)
{
    if (!buffer_reserve(out, 2 * count, error))
        return false;
    for (size_t i = 0; i < count; i++) {
        double scaled = floor((double)bits[i] * 256 + 0.5);
        unsigned value = scaled > 65535 ? 65535u : scaled > 0 ? (unsigned)scaled : 0u;
        out->data[out->size++] = (char)(value & 255);
        out->data[out->size++] = (char)(value >> 8);
    }
    return true;
}

/* The tokens that the document will have, from what is known of it so far. */
static int64_t expected_tokens(const struct walk *w)
{
    double per_token = CHARACTERS_PER_TOKEN;
    if (w->characters > 2000 && w->state->tokens > 0)
        per_token = (double)w->characters / (double)w->state->tokens;
    double left = (double)(w->document.characters - w->characters);
    return (int64_t)w->state->tokens + (int64_t)(left / per_token);
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

static bool read_piece(struct walk *w, int64_t section, size_t at, size_t count,
                       struct error *error)
{
    struct feeding feeding = feeding_of(w, section);
    struct forward_lane lane = {
        .state = w->state, .tokens = w->tokens.data + at, .count = count, .bits = w->bits + at};
    if (!feeding_prefill(&feeding, &lane, 1, error))
        return false;
    double pace = (double)count / fmax(clock_seconds() - feeding.began, 1e-9);
    w->pace = (w->pace + pace) / 2;
    w->result->tokens_read += (int64_t)count;
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

static void tell_state(struct walk *w, int64_t section, int64_t token)
{
    w->last_kept = token;
    struct event event = {
        .kind = EVENT_CHECKPOINT,
        .progress = {
            .doing = "reading", .document = w->document.id, .section = section, .tokens = token}};
    session_emit(w->session, &event);
}

static bool put_rows(struct walk *w, struct error *error);

/* What the thread has stored meanwhile; with `wait`, at least the oldest under way. */
static bool take_stored(struct walk *w, bool wait, struct error *error)
{
    struct states_info info;
    for (bool found = true; found; wait = false) {
        if (!keeping_take(w->keeping, wait, &info, &found, error))
            return false;
        if (!found)
            break;
        w->stored++;
        tell_state(w, info.place.section, info.token);
    }
    return put_rows(w, error);
}

static bool store_state(struct walk *w, struct states_info *info, struct error *error)
{
    if (w->keeping) {
        if (!take_stored(w, keeping_full(w->keeping), error) ||
            !keeping_put(w->keeping, info, w->state, error))
            return false;
        w->taken++;
        return true;
    }
    if (!state_fetch(w->state, error) ||
        !states_put(w->session->states, info, w->state->data,
                    w->state->floats * sizeof *w->state->data, error) ||
        !upkeep_thin(w->session, error))
        return false;
    tell_state(w, info->place.section, info->token);
    return true;
}

static bool keep_state(struct walk *w, int64_t section, struct error *error)
{
    bool last = section + 1 == w->document.sections;
    int64_t since = (int64_t)w->state->tokens - w->last_taken;
    if (!last && since < w->options->keep_every)
        return true;
    struct hash text = hash_stream_end(w->text);
    struct states_info info =
        session_info(w->session, w->document.id, STATES_PREFIX, section, &text, w->state);
    w->last_taken = (int64_t)w->state->tokens;
    return store_state(w, &info, error);
}

static void tell_section(struct walk *w, const struct library_section_reading *row)
{
    struct event event = {.kind = EVENT_SECTION,
                          .progress = {.doing = "reading",
                                       .document = w->document.id,
                                       .section = row->section,
                                       .sections = w->document.sections,
                                       .tokens = row->end_token,
                                       .section_tokens = row->tokens,
                                       .section_bits = row->bits}};
    session_emit(w->session, &event);
}

/* Puts the first `count` waiting rows into the library, in one transaction. */
static bool put_some(struct walk *w, size_t count, struct error *error)
{
    struct library *library = w->session->library;
    for (size_t i = 0; i < count; i++)
        w->reading.bits += w->waiting[i].row.bits;
    w->reading.sections = w->waiting[count - 1].row.section + 1;
    w->reading.tokens = w->waiting[count - 1].row.end_token;
    w->reading.updated_at = clock_unix_time();
    if (!library_begin(library, error))
        return false;
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++)
        ok = library_put_section_reading(library, w->reading.id, &w->waiting[i].row, error);
    ok = ok && library_put_reading(library, &w->reading, error) && library_commit(library, error);
    if (!ok)
        library_rollback(library);
    for (size_t i = 0; ok && i < count; i++)
        tell_section(w, &w->waiting[i].row);
    return ok;
}

/* Those whose states are stored: state first, library second, so that a crash between
 * them leaves an orphan at worst. */
static bool put_rows(struct walk *w, struct error *error)
{
    size_t count = 0;
    while (count < w->waiting_count && w->waiting[count].states <= w->stored)
        count++;
    if (count == 0)
        return true;
    bool ok = put_some(w, count, error);
    for (size_t i = 0; i < count; i++)
        buffer_free(&w->waiting[i].surprise);
    w->waiting_count -= count;
    memmove(w->waiting, w->waiting + count, w->waiting_count * sizeof *w->waiting);
    return ok;
}

static struct waiting *add_waiting(struct walk *w, struct error *error)
{
    if (w->waiting_count == w->waiting_capacity) {
        size_t capacity = w->waiting_capacity ? 2 * w->waiting_capacity : 16;
        struct waiting *more = realloc(w->waiting, capacity * sizeof *more);
        if (!more) {
            error_out_of_memory(error);
            return NULL;
        }
        w->waiting = more;
        w->waiting_capacity = capacity;
    }
    struct waiting *waiting = &w->waiting[w->waiting_count++];
    *waiting = (struct waiting){.states = w->taken};
    return waiting;
}

static bool put_section(struct walk *w, int64_t section, struct error *error)
{
    double bits = 0;
    struct waiting *waiting = add_waiting(w, error);
    if (!waiting || !encode_surprise(&waiting->surprise, w->bits, w->tokens.count, error))
        return false;
    for (size_t i = 0; i < w->tokens.count; i++)
        bits += (double)w->bits[i];
    waiting->row = (struct library_section_reading){
        .section = section,
        .tokens = (int64_t)w->tokens.count,
        .end_token = (int64_t)w->state->tokens,
        .bits = bits,
        .surprise = waiting->surprise.data,
        .surprise_size = waiting->surprise.size,
    };
    return w->keeping ? take_stored(w, false, error) : put_rows(w, error);
}

/* Waits for the states under way, however the reading has ended. */
static bool end_keeping(struct walk *w, bool ok, struct error *error)
{
    struct error failure = {0};
    while (w->keeping && w->stored < w->taken)
        if (!take_stored(w, true, &failure)) {
            if (ok)
                *error = failure;
            return false;
        }
    return ok;
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
    return ok && keep_state(w, ordinal, error) && put_section(w, ordinal, error);
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
        snprintf(text, 64, "%lld seconds", s > 0 ? s : 1);
    else if (s < 6000)
        snprintf(text, 64, "%lld minutes", (s + 30) / 60);
    else
        snprintf(text, 64, "%lld hours %lld minutes", s / 3600, s % 3600 / 60);
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
        snprintf(plan, sizeof plan, "; about %lld tokens to read, about %s", (long long)tokens,
                 time);
    }
    snprintf(event.text, sizeof event.text, "%.200s: %lld characters in %lld section%s%s",
             document->name, (long long)document->characters, (long long)document->sections,
             document->sections == 1 ? "" : "s", plan);
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
    w->reading.mixed = true;
    return true;
}

/* Finds where to go on and brings state, hash and reading there. */
static bool resume(struct walk *w, int64_t *next, struct error *error)
{
    struct session *session = w->session;
    struct states_info info;
    bool found;
    if (!library_get_reading(session->library, w->document.id, session->model_id, &w->reading,
                             &found, error))
        return false;
    if (!found)
        w->reading =
            (struct library_reading){.document = w->document.id, .model = session->model_id};
    else if (w->reading.sections > w->document.sections)
        w->reading.sections = w->document.sections;
    if (!prefix_load(session, w->document.id, w->reading.sections - 1, w->state, &info, next,
                     error))
        return false;
    if (*next && *next < w->document.sections && !check_numerics(w, &info, error))
        return false;
    if (!prefix_hash_sections(session, w->document.id, 0, *next, w->text, &w->characters, error))
        return false;
    w->result->resumed_at = info.token;
    w->last_kept = w->last_taken = info.token;
    if (found && *next < w->reading.sections) {
        if (!library_cut_reading(session->library, w->reading.id, *next, error))
            return false;
        library_reading_free(&w->reading);
        return library_get_reading(session->library, w->document.id, session->model_id, &w->reading,
                                   &found, error);
    }
    return true;
}

static bool begin_reading(struct walk *w, int64_t next, struct error *error)
{
    struct session *session = w->session;
    if (!trial(w, &w->pace, error))
        return false;
    int64_t left = expected_tokens(w) - (int64_t)w->state->tokens;
    if (!w->early)
        announce(session, &w->document, left, (double)left / w->pace);
    free(w->reading.numerics);
    w->reading.numerics = strdup(session->tag);
    if (!w->reading.numerics)
        return error_out_of_memory(error);
    w->started = clock_seconds();
    if (next == 0) {
        w->reading.sections = w->reading.tokens = 0;
        w->reading.mixed = false;
        w->reading.bits = 0;
        if (!prefix_feed(session, w->state, &session->preamble, error))
            return false;
        w->result->tokens_read += (int64_t)session->preamble.count;
    }
    w->reading.updated_at = clock_unix_time();
    return library_put_reading(session->library, &w->reading, error);
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
    if (!end_keeping(w, ok, error)) {
        w->result->seconds = spent(w);
        if (error->kind == ERROR_INTERRUPTED)
            error_set(error, ERROR_INTERRUPTED,
                      "interrupted in section %lld of %lld; the state at token %lld is kept: "
                      "read it again to go on from there",
                      (long long)next + 1, (long long)w->document.sections,
                      (long long)w->last_kept);
        return false;
    }
    if (tokenizer_left_out(w->session->model->tokenizer))
        session_note(w->session, "some characters of this document have no token in the model's "
                                 "vocabulary: the model did not see them");
    w->result->seconds = spent(w);
    w->result->tokens = (int64_t)w->state->tokens;
    w->result->bits = w->reading.bits;
    return true;
}

/* `early`: more of it is to come, and nothing is announced. */
static bool read_document(struct session *session, const struct reading_options *options,
                          bool early, struct reading_result *result, struct error *error)
{
    struct walk w = {.session = session, .options = options, .result = result, .early = early};
    if (!library_get_document(session->library, result->document, &w.document, error))
        return false;
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
        if (ok && w.state && forward_snapshots(session->forward))
            ok = (w.keeping = keeping_new(session, error)) != NULL;
        ok = ok && w.state && read_on(&w, error);
    }
    keeping_free(w.keeping);
    for (size_t i = 0; i < w.waiting_count; i++)
        buffer_free(&w.waiting[i].surprise);
    free(w.waiting);
    library_document_free(&w.document);
    library_reading_free(&w.reading);
    state_free(w.state);
    hash_stream_free(w.text);
    tokens_free(&w.tokens);
    free(w.bits);
    return ok;
}

/* Reading while the rest of the text is still to come. */
struct early {
    struct session *session;
    const struct reading_options *options;
    int64_t tokens_read;
    double seconds;
    bool over; /* it failed once */
};

/* What fails here, such as a model that is missing, fails again when all of the text is
 * there: that it gets there comes first. */
static bool read_early(void *context, int64_t document, struct error *error)
{
    struct early *early = context;
    struct reading_result pass = {.document = document};
    if (early->over || early->options->text_only)
        return true;
    bool ok = read_document(early->session, early->options, true, &pass, error);
    early->tokens_read += pass.tokens_read;
    early->seconds += pass.seconds;
    early->over = !ok;
    return ok || error->kind != ERROR_INTERRUPTED;
}

/* One look at the files, from text to the last state. *lease is kept for the next. */
static bool read_files(struct session *session, const struct reading_options *options,
                       struct ingest_options *ingest, struct lease **lease,
                       struct reading_result *result, struct error *error)
{
    struct ingest_result taken;
    struct early early = {.session = session, .options = options};
    ingest->meanwhile = read_early;
    ingest->meanwhile_context = &early;
    bool taken_in = ingest_run(session, ingest, &taken, error);
    if (!taken_in)
        return false;
    *lease = taken.lease;
    result->document = taken.document;
    if (!taken.changed && result->followed)
        return true;
    if (!read_document(session, options, false, result, error))
        return false;
    if (early.tokens_read > 0) {
        result->tokens_read += early.tokens_read;
        result->seconds += early.seconds;
        result->resumed_at = 0;
        result->was_complete = false;
    }
    return true;
}

static bool read_once(struct session *session, const struct reading_options *options,
                      struct lease **lease, struct reading_result *result, struct error *error)
{
    struct ingest_options ingest = {
        .paths = options->paths,
        .count = options->path_count,
        .name = options->name,
        .encoding = options->encoding,
        .held = *lease,
    };
    return read_files(session, options, &ingest, lease, result, error);
}

/* What a pass that failed left of the document is not its end: only its work counts. */
static void add_pass(struct reading_result *result, const struct reading_result *pass, bool ok)
{
    struct reading_result sum = ok && pass->sections > 0 ? *pass : *result;
    sum.document = pass->document ? pass->document : result->document;
    sum.followed = result->followed || ok;
    sum.tokens_read = result->tokens_read + pass->tokens_read;
    sum.seconds = result->seconds + pass->seconds;
    if (result->followed)
        sum.resumed_at = result->resumed_at;
    *result = sum;
}

static bool follow(struct session *session, const struct reading_options *options,
                   struct lease **lease, struct reading_result *result, struct error *error)
{
    struct following following;
    bool told = false;
    bool ok = following_begin(&following, options->paths, options->path_count, error);
    while (ok) {
        struct reading_result pass = {.followed = result->followed};
        ok = read_once(session, options, lease, &pass, error);
        add_pass(result, &pass, ok);
        if (ok && !told)
            session_note(session, "read to the end; waiting for more (Ctrl-C ends)");
        told = told || ok;
        ok = ok && following_wait(&following, session, error);
    }
    following_end(&following);
    return false;
}

/* --- a document that is in the library --------------------------------------------- */

/* From the library alone. What was cut off while it was taken in stays so. */
static bool read_stored(struct session *session, const struct reading_options *options,
                        struct reading_result *result, struct error *error)
{
    struct library_document document;
    if (!library_get_document(session->library, options->document, &document, error))
        return false;
    bool any = document.sections > 0;
    if (!any)
        error_set(error, ERROR_INPUT, "no text of %.200s is in the library: read its file again",
                  document.name);
    else if (!document.complete)
        session_note(session,
                     "%.200s was not taken in to its end: only the %lld sections that are "
                     "there are read",
                     document.name, (long long)document.sections);
    library_document_free(&document);
    return any && read_document(session, options, false, result, error);
}

static bool read_known(struct session *session, const struct reading_options *options,
                       struct lease **lease, struct reading_result *result, struct error *error)
{
    struct origin origin = {0};
    result->document = options->document;
    bool ok = session_take_document(session, options->document, lease, error) &&
              origin_find(&origin, session, options->document, error);
    if (ok && origin.there) {
        struct ingest_options ingest = {
            .paths = (const char *const *)origin.paths,
            .count = origin.count,
            .encoding = options->encoding,
            .document = options->document,
            .held = *lease,
        };
        ok = read_files(session, options, &ingest, lease, result, error);
    } else if (ok) {
        ok = read_stored(session, options, result, error);
    }
    origin_free(&origin);
    return ok;
}

bool reading_run(struct session *session, const struct reading_options *options,
                 struct reading_result *result, struct error *error)
{
    struct lease *lease = NULL;
    bool ok;
    assert(options->path_count > 0 || (options->document > 0 && !options->follow));
    *result = (struct reading_result){0};
    if (options->path_count == 0)
        ok = read_known(session, options, &lease, result, error);
    else if (options->follow)
        ok = follow(session, options, &lease, result, error);
    else
        ok = read_once(session, options, &lease, result, error);
    lease_release(lease);
    return ok;
}
