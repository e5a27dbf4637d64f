#include "app/work/recording.h"

#include "app/work/upkeep.h"
#include "base/clock.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A section that was read, on its way into the library. */
struct recording_row {
    struct library_section_reading row;
    struct buffer surprise;
    int64_t states; /* that must have been stored before */
};

/* --- rows ------------------------------------------------------------------------------- */

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

static void tell_section(struct recording *r, const struct library_section_reading *row)
{
    struct event event = {.kind = EVENT_SECTION,
                          .progress = {.doing = "reading",
                                       .document = r->document->id,
                                       .section = row->section,
                                       .sections = r->document->sections,
                                       .tokens = row->end_token,
                                       .section_tokens = row->tokens,
                                       .section_bits = row->bits}};
    session_emit(r->session, &event);
}

/* Puts the first `count` rows that wait into the library, in one transaction. */
static bool put_some(struct recording *r, size_t count, struct error *error)
{
    struct library *library = r->session->library;
    for (size_t i = 0; i < count; i++)
        r->reading.bits += r->rows[i].row.bits;
    r->reading.sections = r->rows[count - 1].row.section + 1;
    r->reading.tokens = r->rows[count - 1].row.end_token;
    r->reading.updated_at = clock_unix_time();
    if (!library_begin(library, error))
        return false;
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++)
        ok = library_put_section_reading(library, r->reading.id, &r->rows[i].row, error);
    ok = ok && library_put_reading(library, &r->reading, error) && library_commit(library, error);
    if (!ok)
        library_rollback(library);
    for (size_t i = 0; ok && i < count; i++)
        tell_section(r, &r->rows[i].row);
    return ok;
}

/* Those whose states are stored. */
static bool put_rows(struct recording *r, struct error *error)
{
    size_t count = 0;
    while (count < r->row_count && r->rows[count].states <= r->stored)
        count++;
    if (count == 0)
        return true;
    bool ok = put_some(r, count, error);
    r->failed = r->failed || !ok;
    for (size_t i = 0; i < count; i++)
        buffer_free(&r->rows[i].surprise);
    r->row_count -= count;
    memmove(r->rows, r->rows + count, r->row_count * sizeof *r->rows);
    return ok;
}

static struct recording_row *add_row(struct recording *r, struct error *error)
{
    if (r->row_count == r->row_capacity) {
        size_t capacity = r->row_capacity ? 2 * r->row_capacity : 16;
        struct recording_row *more = realloc(r->rows, capacity * sizeof *more);
        if (!more) {
            error_out_of_memory(error);
            return NULL;
        }
        r->rows = more;
        r->row_capacity = capacity;
    }
    struct recording_row *row = &r->rows[r->row_count++];
    *row = (struct recording_row){.states = r->taken};
    return row;
}

/* --- states ------------------------------------------------------------------------------- */

static void tell_state(struct recording *r, const struct states_info *info)
{
    r->last_stored = info->token;
    struct event event = {.kind = EVENT_CHECKPOINT,
                          .progress = {.doing = "reading",
                                       .document = r->document->id,
                                       .section = info->place.section,
                                       .tokens = info->token}};
    session_emit(r->session, &event);
}

/* What the thread has stored meanwhile; with `wait`, at least the oldest under way. */
static bool take_stored(struct recording *r, bool wait, struct error *error)
{
    struct states_info info;
    for (bool found = true; found; wait = false) {
        if (!keeping_take(r->keeping, wait, &info, &found, error)) {
            r->failed = true;
            return false;
        }
        if (!found)
            break;
        r->stored++;
        tell_state(r, &info);
    }
    return put_rows(r, error);
}

static bool store_state(struct recording *r, struct states_info *info, struct state *state,
                        struct error *error)
{
    if (!state_fetch(state, error) ||
        !states_put(r->session->states, info, state->data, state->floats * sizeof *state->data,
                    error) ||
        !upkeep_thin(r->session, error))
        return false;
    tell_state(r, info);
    return true;
}

/* --- a reading ------------------------------------------------------------------------------ */

bool recording_begin(struct recording *r, struct error *error)
{
    if (forward_snapshots(r->session->forward))
        r->keeping = keeping_new(r->session, error);
    return r->keeping || !forward_snapshots(r->session->forward);
}

bool recording_state(struct recording *r, int64_t section, const struct hash *text,
                     struct state *state, struct error *error)
{
    struct states_info info =
        session_info(r->session, r->document->id, STATES_PREFIX, section, text, state);
    r->last_taken = (int64_t)state->tokens;
    if (!r->keeping)
        return store_state(r, &info, state, error);
    if (!take_stored(r, keeping_full(r->keeping), error) ||
        !keeping_put(r->keeping, &info, state, error))
        return false;
    r->taken++;
    return true;
}

bool recording_section(struct recording *r, int64_t section, const float *bits, size_t count,
                       const struct state *state, struct error *error)
{
    double sum = 0;
    struct recording_row *row = add_row(r, error);
    if (!row || !encode_surprise(&row->surprise, bits, count, error)) {
        r->failed = true;
        return false;
    }
    for (size_t i = 0; i < count; i++)
        sum += (double)bits[i];
    row->row = (struct library_section_reading){
        .section = section,
        .tokens = (int64_t)count,
        .end_token = (int64_t)state->tokens,
        .bits = sum,
        .surprise = row->surprise.data,
        .surprise_size = row->surprise.size,
    };
    return r->keeping ? take_stored(r, false, error) : put_rows(r, error);
}

bool recording_end(struct recording *r, bool ok, struct error *error)
{
    struct error failure = {0};
    while (r->keeping && !r->failed && r->stored < r->taken)
        if (!take_stored(r, true, &failure)) {
            if (ok)
                *error = failure;
            return false;
        }
    return ok;
}

void recording_free(struct recording *r)
{
    keeping_free(r->keeping);
    for (size_t i = 0; i < r->row_count; i++)
        buffer_free(&r->rows[i].surprise);
    free(r->rows);
    library_reading_free(&r->reading);
}
