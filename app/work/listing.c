#include "app/work/listing.h"

#include "document/document.h"

#include <stdlib.h>
#include <string.h>

/* --- which reading ------------------------------------------------------------------ */

/* The model that would be used, as far as that is known without loading one. */
struct preference {
    int64_t model;
    struct hash fingerprint;
    bool known;
    bool named; /* the user named it: no other model's reading will do */
};

static bool find_preference(struct session *session, struct preference *preference,
                            struct error *error)
{
    *preference = (struct preference){.named = session->options.model != NULL};
    return session_known_model(session, &preference->model, &preference->fingerprint,
                               &preference->known, error);
}

static bool choose_reading(struct session *session, int64_t document,
                           const struct preference *preference, struct library_reading *reading,
                           bool *found, struct error *error)
{
    *found = false;
    if (preference->known &&
        !library_get_reading(session->library, document, preference->model, reading, found, error))
        return false;
    if (*found || preference->named)
        return true;
    return library_last_reading(session->library, document, reading, found, error);
}

bool listing_reading(struct session *session, int64_t document, struct library_reading *reading,
                     bool *found, struct error *error)
{
    struct preference preference;
    return find_preference(session, &preference, error) &&
           choose_reading(session, document, &preference, reading, found, error);
}

/* --- the facts of one document ------------------------------------------------------------ */

static bool copy_text(char **copy, const char *text, struct error *error)
{
    *copy = strdup(text);
    return *copy || error_out_of_memory(error);
}

static void add_source(struct listing_document *document, struct library_source *source)
{
    if (source->pages > document->pages)
        document->pages = source->pages;
    document->invalid_bytes += source->invalid_bytes;
    if (source->ordinal > 0)
        return;
    document->guessed = source->evidence == DOCUMENT_GUESSED;
    document->confidence = source->confidence;
    document->encoding = source->encoding;
    source->encoding = NULL;
}

static bool add_sources(struct session *session, struct listing_document *document,
                        struct error *error)
{
    if (!library_count_sources(session->library, document->id, &document->sources, error))
        return false;
    for (int64_t i = 0; i < document->sources; i++) {
        struct library_source source;
        if (!library_get_source(session->library, document->id, i, &source, error))
            return false;
        add_source(document, &source);
        library_source_free(&source);
    }
    return true;
}

static bool fill_document(struct session *session, const struct library_document *from,
                          const struct library_reading *reading, struct listing_document *document,
                          struct error *error)
{
    *document = (struct listing_document){
        .id = from->id,
        .sections = from->sections,
        .characters = from->characters,
        .bytes = from->bytes,
        .complete = from->complete,
    };
    if (reading) {
        document->sections_read = reading->sections;
        document->tokens_read = reading->tokens;
        document->bits = reading->bits;
        document->mixed = reading->mixed;
    }
    return copy_text(&document->name, from->name, error) &&
           copy_text(&document->path, from->path, error) && add_sources(session, document, error) &&
           states_total_bytes(session->states, from->id, &document->state_bytes, error);
}

void listing_document_free(struct listing_document *document)
{
    for (int64_t i = 0; document->outline && i < document->sections; i++)
        free(document->outline[i].title);
    free(document->outline);
    free(document->name);
    free(document->path);
    free(document->encoding);
    *document = (struct listing_document){0};
}

/* --- its outline --------------------------------------------------------------------- */

struct outline_walk {
    struct session *session;
    struct listing_document *document;
    const struct library_reading *reading; /* NULL: nothing was read */
    const struct preference *preference;
    int64_t capacity; /* of the outline; document->sections of it are taken */
    struct error *error;
    bool ok;
};

/* Grows with what is there: the count in the document's row is only a claim. */
static bool grow_outline(struct outline_walk *walk)
{
    struct listing_document *document = walk->document;
    if (document->sections < walk->capacity)
        return true;
    size_t capacity = walk->capacity ? (size_t)walk->capacity * 2 : 64;
    struct listing_section *outline =
        reallocarray(document->outline, capacity, sizeof *document->outline);
    if (!outline)
        return error_out_of_memory(walk->error);
    document->outline = outline;
    walk->capacity = (int64_t)capacity;
    return true;
}

static bool take_section(void *context, const struct library_section *from)
{
    struct outline_walk *walk = context;
    struct listing_section section = {
        .level = from->level,
        .part = from->part,
        .source = from->source,
        .begin_byte = from->begin_byte,
        .end_byte = from->end_byte,
        .line = from->line,
        .page = from->page,
        .tokens = -1,
    };
    walk->ok = grow_outline(walk) && copy_text(&section.title, from->title, walk->error);
    if (walk->ok)
        walk->document->outline[walk->document->sections++] = section;
    return walk->ok;
}

static bool add_tokens(const struct outline_walk *walk)
{
    if (!walk->reading)
        return true;
    for (int64_t i = 0; i < walk->document->sections && i < walk->reading->sections; i++) {
        struct library_section_reading read;
        bool found;
        if (!library_get_section_reading(walk->session->library, walk->reading->id, i, &read,
                                         &found, walk->error))
            return false;
        if (!found)
            continue;
        walk->document->outline[i].tokens = read.tokens;
        walk->document->outline[i].bits = read.bits;
        library_section_reading_free(&read);
    }
    return true;
}

/* Whether the state was made by the model of the reading that is shown. */
static bool is_of_reading(struct outline_walk *walk, const struct hash *model)
{
    const struct preference *preference = walk->preference;
    if (preference->known && (!walk->reading || walk->reading->model == preference->model))
        return hash_equal(model, &preference->fingerprint);
    int64_t id;
    bool found;
    walk->ok = library_find_model(walk->session->library, model, &id, &found, walk->error);
    return walk->ok && found && walk->reading && walk->reading->model == id;
}

static bool take_state(void *context, const struct states_info *info)
{
    struct outline_walk *walk = context;
    int64_t at = info->place.section;
    if (info->place.kind == STATES_ANSWER) /* its section is a question's number */
        return walk->ok;
    if (at < 0 || at >= walk->document->sections || !is_of_reading(walk, &info->place.model))
        return walk->ok;
    struct listing_section *section = &walk->document->outline[at];
    if (section->checkpoint_count == 2)
        return true;
    struct listing_checkpoint *checkpoint = &section->checkpoints[section->checkpoint_count++];
    checkpoint->kind = info->place.kind;
    checkpoint->token = info->token;
    hash_to_hex(checkpoint->hash, &info->hash);
    return true;
}

static bool fill_outline(struct outline_walk *walk)
{
    struct session *session = walk->session;
    struct listing_document *document = walk->document;
    document->sections = 0;
    walk->ok = true;
    bool walked = library_each_section(session->library, document->id, LIBRARY_OUTLINE,
                                       take_section, walk, walk->error);
    if (!walked || !walk->ok || !add_tokens(walk))
        return false;
    walked = states_each(session->states, document->id, NULL, take_state, walk, walk->error);
    return walked && walk->ok;
}

static bool describe(struct session *session, const struct library_document *from,
                     const struct preference *preference, bool outline,
                     struct listing_document *document, struct error *error)
{
    struct library_reading reading;
    bool found;
    *document = (struct listing_document){0};
    if (!choose_reading(session, from->id, preference, &reading, &found, error))
        return false;
    const struct library_reading *chosen = found ? &reading : NULL;
    struct outline_walk walk = {.session = session,
                                .document = document,
                                .reading = chosen,
                                .preference = preference,
                                .error = error};
    bool ok =
        fill_document(session, from, chosen, document, error) && (!outline || fill_outline(&walk));
    if (found)
        library_reading_free(&reading);
    if (!ok)
        listing_document_free(document);
    return ok;
}

bool listing_document(struct session *session, int64_t id, bool outline,
                      struct listing_document *document, struct error *error)
{
    struct preference preference;
    struct library_document from;
    *document = (struct listing_document){0};
    if (!find_preference(session, &preference, error) ||
        !library_get_document(session->library, id, &from, error))
        return false;
    bool ok = describe(session, &from, &preference, outline, document, error);
    library_document_free(&from);
    return ok;
}

/* --- all documents -------------------------------------------------------------------- */

struct list_walk {
    struct session *session;
    struct preference preference;
    struct listing *listing;
    struct error *error;
    bool ok;
};

static bool grow(struct listing *listing, struct error *error)
{
    if (listing->count < listing->capacity)
        return true;
    size_t capacity = listing->capacity ? listing->capacity * 2 : 16;
    struct listing_document *documents =
        reallocarray(listing->documents, capacity, sizeof *documents);
    if (!documents)
        return error_out_of_memory(error);
    listing->documents = documents;
    listing->capacity = capacity;
    return true;
}

static bool take_document(void *context, const struct library_document *from)
{
    struct list_walk *walk = context;
    struct listing *listing = walk->listing;
    walk->ok =
        grow(listing, walk->error) && describe(walk->session, from, &walk->preference, false,
                                               &listing->documents[listing->count], walk->error);
    if (walk->ok)
        listing->count++;
    return walk->ok;
}

bool listing_documents(struct session *session, struct listing *listing, struct error *error)
{
    *listing = (struct listing){0};
    struct list_walk walk = {.session = session, .listing = listing, .error = error, .ok = true};
    if (find_preference(session, &walk.preference, error) &&
        library_each_document(session->library, take_document, &walk, error) && walk.ok)
        return true;
    listing_free(listing);
    return false;
}

void listing_free(struct listing *listing)
{
    for (size_t i = 0; i < listing->count; i++)
        listing_document_free(&listing->documents[i]);
    free(listing->documents);
    *listing = (struct listing){0};
}

/* --- what a person means --------------------------------------------------------------- */

static bool find_document(struct session *session, const char *key, int64_t *id,
                          struct error *error)
{
    struct library_document document;
    if (!library_find_document(session->library, key, &document, error))
        return false;
    *id = document.id;
    library_document_free(&document);
    return true;
}

bool listing_find_section(struct session *session, int64_t document, const char *key,
                          int64_t *section, struct error *error)
{
    return library_find_section(session->library, document, key, section, error);
}

/* Tries each colon from the last on; *text is the key's copy, cut at them. What is
 * wrong with a section is worth more to the user than that no such document is. */
static bool find_at_colons(struct session *session, const char *key, char *text, int64_t *document,
                           int64_t *section, struct error *error)
{
    bool has_document = false;
    for (char *colon; (colon = strrchr(text, ':')) != NULL;) {
        struct error failure = {0};
        *colon = '\0';
        bool found = colon > text && find_document(session, text, document, &failure);
        if (found &&
            listing_find_section(session, *document, key + (colon - text) + 1, section, &failure))
            return true;
        if (failure.kind != ERROR_NONE && failure.kind != ERROR_INPUT) {
            *error = failure;
            return false;
        }
        if (found && !has_document) {
            *error = failure;
            has_document = true;
        }
    }
    return false;
}

bool listing_find(struct session *session, const char *key, int64_t *document, int64_t *section,
                  struct error *error)
{
    struct error failure = {0};
    if (section)
        *section = -1;
    if (find_document(session, key, document, &failure))
        return true;
    *error = failure;
    if (!section || failure.kind != ERROR_INPUT || !strchr(key, ':'))
        return false;
    char *text = strdup(key);
    if (!text)
        return error_out_of_memory(error);
    bool found = find_at_colons(session, key, text, document, section, error);
    free(text);
    return found;
}

bool listing_title(struct session *session, int64_t document, int64_t section, struct buffer *title,
                   struct error *error)
{
    struct library_section from;
    if (!library_get_section(session->library, document, section, LIBRARY_OUTLINE, &from, error))
        return false;
    bool ok = buffer_append_text(title, from.title, error);
    library_section_free(&from);
    return ok;
}

/* --- the model ------------------------------------------------------------------------ */

bool listing_model(struct session *session, struct listing_model *model, struct error *error)
{
    *model = (struct listing_model){0};
    if (!session_need_model(session, error))
        return false;
    const struct model *used = session->model;
    struct model_cost cost = model_cost(used);
    model->source = session->model_source;
    model->shape = used->shape;
    model->weight_count = cost.layer_weights + cost.output_weights;
    model->bytes = (int64_t)gguf_map(used->file)->size;
    model->state_bytes = (int64_t)state_bytes(&used->shape);
    model->prompt = prompt_name(&used->prompt);
    model->kernels = session->kernels->name;
    hash_to_hex(model->fingerprint, &session->fingerprint);
    model_weight_types(used, model->weights, sizeof model->weights);
    memcpy(model->tag, session->tag, sizeof model->tag);
    tensor_groups_find(model->groups, used->file);
    if (pace_get(session, &model->pace, &model->pace_known, error) &&
        copy_text(&model->name, used->name, error) &&
        copy_text(&model->path, gguf_path(used->file), error))
        return true;
    listing_model_free(model);
    return false;
}

void listing_model_free(struct listing_model *model)
{
    free(model->name);
    free(model->path);
    *model = (struct listing_model){0};
}
