#include "app/work/section_states.h"

#include "app/work/feeding.h"
#include "app/work/upkeep.h"
#include "base/clock.h"

#include <stdlib.h>

/* Lanes of sections whose states are being made together. */
struct batch {
    struct session *session;
    int64_t document;
    struct forward_lane *lanes;
    struct tokens *tokens;
    struct states_info *infos;
    const void **payloads;
    size_t *sizes;
    size_t *places; /* index of each in the caller's arrays */
    size_t count;
    size_t waiting; /* tokens not run yet */
    size_t run;     /* tokens, preambles included */
    int64_t total;  /* of the document's text, run or not */
    double started;
};

enum { BATCH_TOKENS = 2048 }; /* full passes, and still a sign of life now and then */

static bool batch_new(struct batch *batch, size_t most, struct error *error)
{
    batch->lanes = calloc(most, sizeof *batch->lanes);
    batch->tokens = calloc(most, sizeof *batch->tokens);
    batch->infos = calloc(most, sizeof *batch->infos);
    batch->payloads = calloc(most, sizeof *batch->payloads);
    batch->sizes = calloc(most, sizeof *batch->sizes);
    batch->places = calloc(most, sizeof *batch->places);
    if (batch->lanes && batch->tokens && batch->infos && batch->payloads && batch->sizes &&
        batch->places)
        return true;
    return error_out_of_memory(error);
}

static void batch_clear(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        tokens_free(&batch->tokens[i]);
    batch->count = batch->waiting = 0;
}

static void batch_free(struct batch *batch)
{
    batch_clear(batch);
    free(batch->lanes);
    free(batch->tokens);
    free(batch->infos);
    free((void *)(uintptr_t)batch->payloads);
    free(batch->sizes);
    free(batch->places);
}

static struct feeding feeding_of(const struct batch *batch)
{
    return (struct feeding){
        .session = batch->session,
        .progress = {.doing = "making section states",
                     .document = batch->document,
                     .tokens = (int64_t)batch->run},
        .tokens = (int64_t)batch->run,
        .seconds = clock_seconds() - batch->started,
    };
}

/* Runs what waits and keeps the states; fills the caller's infos. */
static bool batch_run(struct batch *batch, struct states_info *infos, struct error *error)
{
    struct session *session = batch->session;
    if (batch->count == 0)
        return true;
    struct feeding feeding = feeding_of(batch);
    if (!feeding_prefill(&feeding, batch->lanes, batch->count, error))
        return false;
    batch->run += batch->waiting;
    for (size_t i = 0; i < batch->count; i++) {
        struct states_place *place = &batch->infos[i].place;
        struct hash text = batch->infos[i].key.text;
        struct state *state = batch->lanes[i].state;
        if (!state_fetch(state, error))
            return false;
        batch->infos[i] =
            session_info(session, batch->document, STATES_SECTION, place->section, &text, state);
        batch->payloads[i] = state->data;
        batch->sizes[i] = state->floats * sizeof *state->data;
    }
    if (!states_put_many(session->states, batch->infos, batch->payloads, batch->sizes, batch->count,
                         error) ||
        !upkeep_thin(session, error))
        return false;
    for (size_t i = 0; i < batch->count; i++)
        infos[batch->places[i]] = batch->infos[i];
    batch_clear(batch);
    return true;
}

static bool batch_add(struct batch *batch, size_t place, const struct library_section *section,
                      struct state *state, struct error *error)
{
    struct tokens *tokens = &batch->tokens[batch->count];
    *tokens = (struct tokens){0};
    const struct tokens *preamble = &batch->session->preamble;
    for (size_t i = 0; i < preamble->count; i++)
        if (!tokens_append(tokens, preamble->data[i], error))
            return false;
    state_reset(state);
    batch->places[batch->count] = place;
    batch->infos[batch->count].place.section = section->ordinal;
    batch->infos[batch->count].key.text = section->text_hash;
    batch->count++; /* from here on batch_clear frees the tokens */
    if (!session_encode_section(batch->session, section->text, section->text_size, false, tokens,
                                error))
        return false;
    batch->lanes[batch->count - 1] =
        (struct forward_lane){.state = state, .tokens = tokens->data, .count = tokens->count};
    batch->waiting += tokens->count;
    batch->total += (int64_t)(tokens->count - preamble->count);
    return true;
}

/* Loads one section's state, or adds it to the batch. */
static bool load_or_add(struct batch *batch, size_t place, int64_t ordinal, struct state *state,
                        struct states_info *info, bool *saved, struct error *error)
{
    struct session *session = batch->session;
    struct library_section section;
    struct error refusal = {0};
    struct states_place where = session_place(session, batch->document, STATES_SECTION, ordinal);
    if (!library_get_section(session->library, batch->document, ordinal, LIBRARY_TEXT, &section,
                             error))
        return false;
    bool ok = true;
    *saved = false;
    if (!session_load_state(session, &where, &section.text_hash, state, info, saved, &refusal)) {
        session_note(session, "%s", refusal.text);
        *saved = false;
    }
    if (!*saved)
        ok = batch_add(batch, place, &section, state, error);
    library_section_free(&section);
    return ok;
}

bool section_states_load(struct session *session, int64_t document, const int64_t *sections,
                         size_t count, struct state *const *states, struct states_info *infos,
                         bool *from_saved, int64_t *tokens_reread, struct error *error)
{
    struct batch batch = {.session = session, .document = document, .started = clock_seconds()};
    bool ok = batch_new(&batch, count ? count : 1, error);
    for (size_t i = 0; ok && i < count; i++) {
        ok = load_or_add(&batch, i, sections[i], states[i], &infos[i], &from_saved[i], error);
        if (!ok || batch.waiting < BATCH_TOKENS)
            continue;
        ok = batch_run(&batch, infos, error);
        const struct feeding feeding = feeding_of(&batch);
        const struct event_progress progress = feeding_progress(&feeding, 0, 0);
        session_progress(session, &progress);
    }
    ok = ok && batch_run(&batch, infos, error);
    *tokens_reread = batch.total;
    batch_free(&batch);
    return ok;
}
