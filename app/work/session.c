#include "app/work/session.h"

#include "base/clock.h"
#include "document/document.h"
#include "engine/backend.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PROGRESS_INTERVAL 0.1 /* seconds */

/* --- kernels --------------------------------------------------------------------- */

static bool choose_kernels(struct session *session, struct error *error)
{
    const char *name = session->options.kernels, *backend = session->options.backend;
    enum backend known_backend;
    if (backend && !backend_by_name(&known_backend, backend))
        return error_set(error, ERROR_USAGE,
                         "no backend is named %.40s; there are: auto, cpu, cuda", backend);
    session->kernels = name ? kernels_by_name(name) : kernels_best();
    if (session->kernels)
        return true;
    char known[128] = "";
    for (size_t i = 0, used = 0; kernels_at(i); i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "",
                                 kernels_at(i)->name);
    return error_set(error, ERROR_USAGE, "no kernels named %.40s run here; there are: %s", name,
                     known);
}

/* --- opening --------------------------------------------------------------------- */

static bool open_stores(struct session *session, struct error *error)
{
    struct buffer folder = {0};
    bool ok = place_library(&folder, session->options.library, error);
    session->folder = folder.data;
    return ok && library_open(&session->library, folder.data, error) &&
           states_open(&session->states, folder.data, error);
}

bool session_open(struct session *session, const struct session_options *options,
                  const atomic_bool *cancel, void (*emit)(void *context, const struct event *event),
                  void *context, struct error *error)
{
    *session = (struct session){
        .options = *options, .cancel = cancel, .emit = emit, .emit_context = context};
    if (choose_kernels(session, error) && open_stores(session, error))
        return true;
    session_close(session);
    return false;
}

void session_close(struct session *session)
{
    forward_free(session->forward);
    model_close(session->model);
    pool_free(session->pool);
    tokens_free(&session->preamble);
    states_close(session->states);
    library_close(session->library);
    free(session->folder);
    *session = (struct session){0};
}

/* --- the model ------------------------------------------------------------------- */

/* The fingerprint from the library's notes when the file is the same version,
 * else from the file itself. */
static bool find_fingerprint(struct session *session, struct error *error)
{
    const struct file_identity *identity = &gguf_map(session->model->file)->identity;
    bool found;
    if (!library_get_fingerprint(session->library, identity, &session->fingerprint, &found, error))
        return false;
    if (found)
        return true;
    session->fingerprint = model_fingerprint(session->model);
    return library_put_fingerprint(session->library, identity, &session->fingerprint, error);
}

/* Kernels that were named are the processor's, so that they choose it. */
static bool open_forward(struct session *session, struct error *error)
{
    const struct session_options *options = &session->options;
    enum backend backend = options->kernels ? BACKEND_CPU : BACKEND_AUTO;
    char note[BACKEND_NOTE_SIZE];
    bool plain;
    if (options->backend)
        (void)backend_by_name(&backend, options->backend); /* checked by session_open */
    session->forward =
        backend_open(backend, session->model, session->kernels, session->pool, note, &plain, error);
    if (!session->forward)
        return false;
    if (backend == BACKEND_AUTO && (options->backend || !plain))
        session_note(session, "%s", note);
    return true;
}

static bool prepare_model(struct session *session, const char *path, struct error *error)
{
    if (!model_open(&session->model, path, error) || !find_fingerprint(session, error))
        return false;
    session->pool = pool_new(session->options.threads, error);
    if (!session->pool)
        return false;
    pool_set_cancel(session->pool, session->cancel);
    states_use_pool(session->states, session->pool);
    if (!open_forward(session, error))
        return false;
    forward_tag(session->forward, session->tag);
    if (!prompt_preamble(&session->model->prompt, session->model->tokenizer, &session->preamble,
                         error))
        return false;
    session->preamble_hash =
        hash_of(session->preamble.data, session->preamble.count * sizeof *session->preamble.data);
    if (tokenizer_warning(session->model->tokenizer))
        session_note(session, "%s", tokenizer_warning(session->model->tokenizer));
    return library_touch_model(session->library, &session->fingerprint, session->model->name, path,
                               &session->model_id, error);
}

/* The library may have been replaced by a backup, which knows the model by another number
 * or not at all. */
static bool renew_model_id(struct session *session, struct error *error)
{
    bool found;
    int64_t id;
    if (!library_find_model(session->library, &session->fingerprint, &id, &found, error) ||
        (!found &&
         !library_touch_model(session->library, &session->fingerprint, session->model->name,
                              gguf_path(session->model->file), &id, error)))
        return false;
    session->model_id = id;
    return true;
}

bool session_need_model(struct session *session, struct error *error)
{
    if (session->forward)
        return renew_model_id(session, error);
    struct buffer path = {0};
    bool ok = place_model(&path, &session->model_source, session->options.model, error) &&
              prepare_model(session, path.data, error);
    buffer_free(&path);
    if (!ok) { /* half a model is none: a later call begins anew */
        forward_free(session->forward);
        model_close(session->model);
        states_use_pool(session->states, NULL);
        pool_free(session->pool);
        tokens_free(&session->preamble);
        session->forward = NULL;
        session->model = NULL;
        session->pool = NULL;
    }
    return ok;
}

bool session_known_model(struct session *session, int64_t *id, struct hash *fingerprint,
                         bool *known, struct error *error)
{
    *known = false;
    if (session->forward) {
        *fingerprint = session->fingerprint;
        return library_find_model(session->library, fingerprint, id, known, error);
    }
    struct buffer path = {0};
    struct error ignored;
    struct file_identity identity;
    enum place_source source;
    bool ok = true, found = false;
    if (place_model(&path, &source, session->options.model, &ignored) &&
        file_identify(&identity, path.data, &ignored))
        ok = library_get_fingerprint(session->library, &identity, fingerprint, &found, error) &&
             (!found || library_find_model(session->library, fingerprint, id, known, error));
    buffer_free(&path);
    return ok;
}

void session_watch(struct session *session, const atomic_bool *cancel)
{
    session->cancel = cancel;
    if (session->pool)
        pool_set_cancel(session->pool, cancel);
}

bool session_pause(struct session *session, struct error *error)
{
    if (session->pause)
        return session->pause(session->pause_context, error);
    return !session_cancelled(session) || error_set(error, ERROR_INTERRUPTED, "interrupted");
}

const char *session_backend(const struct session *session)
{
    return forward_backend(session->forward);
}

/* --- events ---------------------------------------------------------------------- */

bool session_cancelled(const struct session *session)
{
    return session->cancel && atomic_load_explicit(session->cancel, memory_order_relaxed);
}

void session_emit(struct session *session, const struct event *event)
{
    if (session->emit)
        session->emit(session->emit_context, event);
}

void session_note(struct session *session, const char *format, ...)
{
    struct event event = {.kind = EVENT_NOTE};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(event.text, sizeof event.text, format, arguments);
    va_end(arguments);
    session_emit(session, &event);
}

void session_progress(struct session *session, const struct event_progress *progress)
{
    double now = clock_seconds();
    if (now - session->last_progress < PROGRESS_INTERVAL)
        return;
    session->last_progress = now;
    struct event event = {.kind = EVENT_PROGRESS, .progress = *progress};
    session_emit(session, &event);
}

/* --- who reads what ------------------------------------------------------------------ */

static bool refuse_held(struct session *session, int64_t document,
                        const struct lease_holder *holder, struct error *error)
{
    struct library_document held;
    if (!library_get_document(session->library, document, &held, error))
        return false;
    char who[64] = "a process elsewhere", since[64] = "";
    if (holder->process > 0)
        snprintf(who, sizeof who, "process %lld", (long long)holder->process);
    time_t at = (time_t)holder->since;
    struct tm local;
    if (holder->since > 0 && localtime_r(&at, &local))
        strftime(since, sizeof since, " since %Y-%m-%d %H:%M", &local);
    error_set(error, ERROR_STORE,
              "%.200s is being read by %s%s: wait until it has ended, or end it", held.name, who,
              since);
    library_document_free(&held);
    return false;
}

bool session_take_document(struct session *session, int64_t document, struct lease **lease,
                           struct error *error)
{
    struct lease_holder holder;
    if (!lease_take(lease, session->folder, document, &holder, error))
        return false;
    return *lease || refuse_held(session, document, &holder, error);
}

/* --- states ---------------------------------------------------------------------- */

struct states_key session_key(const struct session *session, const struct hash *text)
{
    return (struct states_key){
        .format = STATE_FORMAT,
        .tokenizer = TOKENIZER_VERSION,
        .normalizer = DOCUMENT_NORMALIZER,
        .preamble = session->preamble_hash,
        .text = *text,
    };
}

struct states_place session_place(const struct session *session, int64_t document,
                                  enum states_kind kind, int64_t section)
{
    return (struct states_place){document, session->fingerprint, kind, section};
}

struct states_info session_info(const struct session *session, int64_t document,
                                enum states_kind kind, int64_t section, const struct hash *text,
                                const struct state *state)
{
    struct states_info info = {
        .place = session_place(session, document, kind, section),
        .key = session_key(session, text),
        .token = (int64_t)state->tokens,
    };
    snprintf(info.numerics, sizeof info.numerics, "%s", session->tag);
    return info;
}

bool session_load_state(struct session *session, const struct states_place *place,
                        const struct hash *text, struct state *state, struct states_info *info,
                        bool *found, struct error *error)
{
    struct states_key key = session_key(session, text);
    if (!states_get(session->states, place, &key, info, state->data,
                    state->floats * sizeof *state->data, found, error))
        return false;
    if (*found) {
        state->tokens = (size_t)info->token;
        state_written(state);
    }
    return true;
}

bool session_encode(struct session *session, const char *text, size_t size, struct tokens *tokens,
                    struct error *error)
{
    return tokenizer_encode(session->model->tokenizer, text, size, tokens, error);
}

size_t session_trimmed(const char *text, size_t size)
{
    while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == ' '))
        size--;
    return size;
}

bool session_encode_section(struct session *session, const char *text, size_t size, bool continued,
                            struct tokens *tokens, struct error *error)
{
    size_t kept = session_trimmed(text, size);
    if (!continued)
        return session_encode(session, text, kept, tokens, error);
    struct buffer whole = {0};
    bool ok = buffer_append(&whole, "\n\n", 2, error) && buffer_append(&whole, text, kept, error) &&
              session_encode(session, whole.data, whole.size, tokens, error);
    buffer_free(&whole);
    return ok;
}
