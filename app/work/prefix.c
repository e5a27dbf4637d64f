#include "app/work/prefix.h"

#include "app/work/feeding.h"
#include "base/clock.h"

void prefix_hash_section(struct hash_stream *stream, const struct library_section *section)
{
    /* The size goes in too, so that where one section ends counts. */
    unsigned char size[8];
    for (int i = 0; i < 8; i++)
        size[i] = (unsigned char)((uint64_t)section->text_size >> 8 * i);
    hash_stream_add(stream, size, sizeof size);
    hash_stream_add(stream, section->text, section->text_size);
}

bool prefix_hash_sections(struct session *session, int64_t document, int64_t begin, int64_t end,
                          struct hash_stream *stream, int64_t *characters, struct error *error)
{
    for (int64_t i = begin; i < end; i++) {
        struct library_section section;
        if (!library_get_section(session->library, document, i, LIBRARY_TEXT, &section, error))
            return false;
        prefix_hash_section(stream, &section);
        if (characters)
            *characters += section.characters;
        library_section_free(&section);
    }
    return true;
}

bool prefix_text_hash(struct session *session, int64_t document, int64_t section, struct hash *hash,
                      struct error *error)
{
    struct hash_stream *stream = hash_stream_new();
    if (!stream)
        return error_out_of_memory(error);
    bool ok = prefix_hash_sections(session, document, 0, section + 1, stream, NULL, error);
    if (ok)
        *hash = hash_stream_end(stream);
    hash_stream_free(stream);
    return ok;
}

bool prefix_load(struct session *session, int64_t document, int64_t section, struct state *state,
                 struct states_info *info, int64_t *next, struct error *error)
{
    *next = 0;
    for (bool found = true; section >= 0;) {
        struct hash text;
        struct error refusal = {0};
        if (!states_nearest_prefix(session->states, document, &session->fingerprint, section, info,
                                   &found, error))
            return false;
        if (!found)
            break;
        section = info->place.section;
        if (!prefix_text_hash(session, document, section, &text, error))
            return false;
        if (session_load_state(session, &info->place, &text, state, info, &found, &refusal) &&
            found) {
            *next = section + 1;
            return true;
        }
        if (refusal.kind != ERROR_NONE && !states_refused(session->states)) {
            *error = refusal;
            return false;
        }
        if (refusal.kind != ERROR_NONE)
            session_note(session, "%s", refusal.text);
        section--;
    }
    state_reset(state);
    *info = (struct states_info){0};
    return true;
}

/* What is told counts on from one call to the next. */
static bool feed(struct feeding *feeding, struct state *state, const struct tokens *tokens,
                 struct error *error)
{
    struct forward_lane lane = {.state = state, .tokens = tokens->data, .count = tokens->count};
    if (!feeding_prefill(feeding, &lane, 1, error))
        return false;
    feeding->progress.tokens += (int64_t)tokens->count;
    feeding->tokens += (int64_t)tokens->count;
    feeding->seconds += clock_seconds() - feeding->began;
    return true;
}

bool prefix_reach(struct session *session, int64_t document, int64_t section, struct state *state,
                  struct states_info *info, int64_t *tokens_reread, struct error *error)
{
    int64_t next;
    *tokens_reread = 0;
    if (!prefix_load(session, document, section, state, info, &next, error))
        return false;
    if (next <= section)
        session_note(session, "no state is kept at the end of section %lld: reading on from %s%lld",
                     (long long)section + 1, next ? "section " : "the beginning, section ",
                     (long long)next + 1);
    struct tokens tokens = {0};
    struct feeding feeding = {.session = session,
                              .progress = {.doing = "reading on", .document = document}};
    bool ok = next > 0 || feed(&feeding, state, &session->preamble, error);
    for (; ok && next <= section; next++) {
        struct library_section text;
        tokens.count = 0;
        ok = library_get_section(session->library, document, next, LIBRARY_TEXT, &text, error);
        if (!ok)
            break;
        ok = session_encode_section(session, text.text, text.text_size, next > 0, &tokens, error) &&
             feed(&feeding, state, &tokens, error);
        *tokens_reread += (int64_t)tokens.count;
        library_section_free(&text);
    }
    tokens_free(&tokens);
    return ok;
}
