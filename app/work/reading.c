#include "app/work/reading.h"

#include "app/work/following.h"
#include "app/work/ingest.h"
#include "app/work/origin.h"
#include "app/work/reading_document.h"

#include <assert.h>

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
    bool ok = reading_document(early->session, early->options, true, &pass, error);
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
    if (!reading_document(session, options, false, result, error))
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
    return any && reading_document(session, options, false, result, error);
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
