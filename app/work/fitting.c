#include "app/work/fitting.h"

#include "app/work/answer_states.h"
#include "app/work/prefix.h"
#include "document/document.h"

#include <stdlib.h>
#include <string.h>

struct fitting {
    struct session *session;
    int64_t document;     /* whose hashes these are; 0: none yet */
    bool known;           /* there is such a document */
    struct hash *section; /* [count]: of each section's text */
    struct hash *prefix;  /* [count]: of everything up to its end */
    size_t count, capacity;
    struct hash model; /* the last one asked about, when model_asked */
    bool model_asked, model_known;
};

struct fitting *fitting_new(struct session *session)
{
    struct fitting *fitting = calloc(1, sizeof *fitting);
    if (fitting)
        fitting->session = session;
    return fitting;
}

void fitting_free(struct fitting *fitting)
{
    if (!fitting)
        return;
    free(fitting->section);
    free(fitting->prefix);
    free(fitting);
}

/* --- the hashes of one document ------------------------------------------------------ */

struct hashing {
    struct fitting *fitting;
    struct hash_stream *stream;
    struct error *error;
    bool ok;
};

static bool grow(struct fitting *fitting, struct error *error)
{
    if (fitting->count < fitting->capacity)
        return true;
    size_t capacity = fitting->capacity ? fitting->capacity * 2 : 64;
    struct hash *section = reallocarray(fitting->section, capacity, sizeof *section);
    if (!section)
        return error_out_of_memory(error);
    fitting->section = section;
    struct hash *prefix = reallocarray(fitting->prefix, capacity, sizeof *prefix);
    if (!prefix)
        return error_out_of_memory(error);
    fitting->prefix = prefix;
    fitting->capacity = capacity;
    return true;
}

static bool add_section(void *context, const struct library_section *section)
{
    struct hashing *hashing = context;
    struct fitting *fitting = hashing->fitting;
    hashing->ok = grow(fitting, hashing->error);
    if (session_cancelled(fitting->session))
        hashing->ok = error_set(hashing->error, ERROR_INTERRUPTED, "interrupted");
    if (!hashing->ok)
        return false;
    prefix_hash_section(hashing->stream, section);
    fitting->section[fitting->count] = section->text_hash;
    fitting->prefix[fitting->count++] = hash_stream_end(hashing->stream);
    return true;
}

static bool know_document(struct fitting *fitting, struct error *error)
{
    struct library_document document;
    struct error absent = {0};
    fitting->known =
        library_get_document(fitting->session->library, fitting->document, &document, &absent);
    if (fitting->known)
        library_document_free(&document);
    if (fitting->known || absent.kind == ERROR_INPUT)
        return true;
    *error = absent;
    return false;
}

static bool turn_to(struct fitting *fitting, int64_t document, struct error *error)
{
    if (fitting->document == document)
        return true;
    fitting->document = document;
    fitting->count = 0;
    if (!know_document(fitting, error)) {
        fitting->document = 0;
        return false;
    }
    if (!fitting->known)
        return true;
    struct library *library = fitting->session->library;
    struct hashing hashing = {
        .fitting = fitting, .stream = hash_stream_new(), .error = error, .ok = true};
    bool ok = hashing.stream ? library_each_section(library, document, LIBRARY_TEXT, add_section,
                                                    &hashing, error) &&
                                   hashing.ok
                             : error_out_of_memory(error);
    hash_stream_free(hashing.stream);
    if (!ok)
        fitting->document = 0;
    return ok;
}

/* --- a state --------------------------------------------------------------------------- */

static bool know_model(struct fitting *fitting, const struct hash *model, struct error *error)
{
    int64_t id;
    if (fitting->model_asked && hash_equal(&fitting->model, model))
        return true;
    fitting->model = *model;
    fitting->model_asked = true;
    return library_find_model(fitting->session->library, model, &id, &fitting->model_known, error);
}

/* What must fit before the text is looked at. */
static const char *misfit(const struct fitting *fitting, const struct states_key *key)
{
    if (!fitting->known)
        return "for a document that is not in the library";
    if (key->format != STATE_FORMAT || key->tokenizer != TOKENIZER_VERSION ||
        key->normalizer != DOCUMENT_NORMALIZER)
        return "by another version of this program";
    if (!fitting->model_known)
        return "by a model that the library does not know";
    return NULL;
}

static const char *text_misfit(const struct fitting *fitting, const struct states_info *info)
{
    if (info->place.section < 0 || (uint64_t)info->place.section >= fitting->count)
        return "for a section that its document does not have";
    const struct hash *text =
        info->place.kind == STATES_PREFIX ? fitting->prefix : fitting->section;
    if (!hash_equal(&text[info->place.section], &info->key.text))
        return "from a text that is no longer the document's";
    return NULL;
}

static bool thread_misfit(struct fitting *fitting, struct answer_states_thread *thread,
                          const struct states_info *info, const char **why, struct error *error)
{
    struct hash hash;
    if (thread->document != info->place.document || thread->count == 0) {
        *why = "for a question that has no answer in the library";
        return true;
    }
    if ((uint64_t)thread->section >= fitting->count) {
        *why = "from a section that its document does not have";
        return true;
    }
    const struct hash *text =
        thread->ground == ANSWER_STATES_PREFIX ? fitting->prefix : fitting->section;
    thread->text = text[thread->section];
    if (!answer_states_hash(thread, thread->count, &hash, error))
        return false;
    *why = hash_equal(&hash, &info->key.text)
               ? NULL
               : "from a text or a conversation that is no longer the same";
    return true;
}

/* Of an answer: its question's thread must still be what the state has read. */
static bool answer_misfit(struct fitting *fitting, const struct states_info *info, const char **why,
                          struct error *error)
{
    struct answer_states_thread thread;
    struct error absent = {0};
    if (!answer_states_thread(fitting->session, info->place.section, &thread, &absent)) {
        *why = "for a question that is not in the library";
        if (absent.kind == ERROR_INPUT)
            return true;
        *error = absent;
        return false;
    }
    bool ok = thread_misfit(fitting, &thread, info, why, error);
    answer_states_free(&thread);
    return ok;
}

bool fitting_check(struct fitting *fitting, const struct states_info *info, const char **why,
                   struct error *error)
{
    if (!turn_to(fitting, info->place.document, error) ||
        !know_model(fitting, &info->place.model, error))
        return false;
    *why = misfit(fitting, &info->key);
    if (!*why && info->place.kind == STATES_ANSWER)
        return answer_misfit(fitting, info, why, error);
    if (!*why)
        *why = text_misfit(fitting, info);
    return true;
}
