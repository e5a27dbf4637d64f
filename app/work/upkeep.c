#include "app/work/upkeep.h"

#include "app/work/configuration.h"
#include "app/work/fitting.h"
#include "document/position.h"
#include "store/lease.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the budget ------------------------------------------------------------------------ */

bool upkeep_budget(struct session *session, int64_t *budget, struct error *error)
{
    if (!session->budget_known && session->options.budget_given) {
        session->budget = session->options.budget;
    } else if (!session->budget_known) {
        struct configuration configuration;
        if (!configuration_read(&configuration, error))
            return false;
        session->budget = configuration.budget >= 0 ? configuration.budget : UPKEEP_BUDGET;
        configuration_free(&configuration);
    }
    session->budget_known = true;
    *budget = session->budget;
    return true;
}

static double mebibytes(int64_t bytes)
{
    return (double)bytes / (1 << 20);
}

void upkeep_thinned(struct session *session, int64_t budget, const struct states_freed *freed)
{
    if (freed->states > 0 && !session->thinned)
        session_note(session,
                     "the states take more than their budget of %.1f MiB: those that save the "
                     "least reading are removed (`--budget` or `budget =` in the configuration "
                     "file sets another)",
                     mebibytes(budget));
    session->thinned = session->thinned || freed->states > 0;
    if (freed->left > budget && !session->over)
        session_note(session,
                     "the budget of %.1f MiB is less than the last states of the readings take "
                     "(%.1f MiB): these are kept",
                     mebibytes(budget), mebibytes(freed->left));
    session->over = session->over || freed->left > budget;
}

bool upkeep_thin(struct session *session, struct error *error)
{
    int64_t budget;
    struct states_freed freed;
    if (!upkeep_budget(session, &budget, error) ||
        !states_thin(session->states, budget, &freed, error))
        return false;
    upkeep_thinned(session, budget, &freed);
    return true;
}

/* --- collecting ---------------------------------------------------------------------------- */

static bool keep_fitting(void *context, const struct states_info *info, bool *keep,
                         struct error *error)
{
    const char *why;
    if (!fitting_check(context, info, &why, error))
        return false;
    *keep = why == NULL;
    return true;
}

static bool sweep(struct session *session, struct states_freed *freed, struct error *error)
{
    struct fitting *fitting = fitting_new(session);
    if (!fitting)
        return error_out_of_memory(error);
    bool ok = states_sweep(session->states, keep_fitting, fitting, freed, error);
    fitting_free(fitting);
    return ok;
}

bool upkeep_collect(struct session *session, struct upkeep_collection *collection,
                    struct error *error)
{
    *collection = (struct upkeep_collection){0};
    if (!upkeep_budget(session, &collection->budget, error) ||
        !sweep(session, &collection->orphans, error) ||
        !states_thin(session->states, collection->budget, &collection->thinned, error))
        return false;
    collection->left = collection->thinned.left;
    return true;
}

static bool count_document(void *context, const struct library_document *document)
{
    (void)document;
    ++*(int64_t *)context;
    return true;
}

bool upkeep_count_documents(struct session *session, int64_t *count, struct error *error)
{
    *count = 0;
    return library_each_document(session->library, count_document, count, error);
}

/* Leases of all documents: what is being read must not be replaced meanwhile. */
struct hold {
    struct session *session;
    struct lease **leases;
    size_t count;
    struct error *error;
    bool ok;
};

static bool hold_document(void *context, const struct library_document *document)
{
    struct hold *hold = context;
    struct lease **leases = reallocarray(hold->leases, hold->count + 1, sizeof *leases);
    if (leases)
        hold->leases = leases;
    hold->ok = leases ? session_take_document(hold->session, document->id, &leases[hold->count],
                                              hold->error)
                      : error_out_of_memory(hold->error);
    hold->count += hold->ok;
    return hold->ok;
}

static void let_go(struct hold *hold)
{
    for (size_t i = 0; i < hold->count; i++)
        lease_release(hold->leases[i]);
    free(hold->leases);
}

static bool restore(struct session *session, const char *path, bool force,
                    struct library_loss *loss, bool *refused, struct error *error)
{
    struct states_freed freed;
    return library_restore(session->library, path, force, loss, refused, error) &&
           (*refused || sweep(session, &freed, error));
}

bool upkeep_restore(struct session *session, const char *path, bool force,
                    struct library_loss *loss, bool *refused, struct error *error)
{
    struct hold hold = {.session = session, .error = error, .ok = true};
    bool ok = library_each_document(session->library, hold_document, &hold, error) && hold.ok &&
              restore(session, path, force, loss, refused, error);
    let_go(&hold);
    return ok;
}

/* --- removing -------------------------------------------------------------------------------- */

bool upkeep_remove(struct session *session, int64_t document, struct error *error)
{
    struct lease *lease;
    if (!session_take_document(session, document, &lease, error))
        return false;
    /* In this order a crash between the two leaves states that nobody refers to,
     * never a document that claims states which are gone. */
    bool ok = library_remove_document(session->library, document, error) &&
              states_remove_document(session->states, document, error);
    lease_release(lease);
    return ok;
}

bool upkeep_shred(struct session *session, struct error *error)
{
    return library_shred(session->library, error) && states_shred(session->states, error);
}

/* --- verifying ---------------------------------------------------------------------------------
 */

struct verify {
    struct session *session;
    upkeep_finding *report;
    void *context;
    struct upkeep_verification *result;
    struct fitting *fitting;
    const struct library_document *document;
    int64_t last_prefix; /* section of the last prefix state seen of a document; -1: none */
    struct error *error;
    bool ok;
};

static void find(struct verify *verify, enum upkeep_grade grade, const char *format, ...)
    PRINTF_LIKE(3, 4);
static void find(struct verify *verify, enum upkeep_grade grade, const char *format, ...)
{
    char line[ERROR_TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    verify->report(verify->context, grade, line);
    if (grade == UPKEEP_PROBLEM)
        verify->result->problems++;
    else
        verify->result->notes++;
}

static void report_problem(void *context, const char *line)
{
    struct verify *verify = context;
    verify->report(verify->context, UPKEEP_PROBLEM, line);
}

static bool check_map(void *context, const struct library_section *section)
{
    struct verify *verify = context;
    struct position position;
    struct error broken;
    verify->result->sections++;
    /* The last offset walks through every run before it. */
    if (section->map_size > 0 &&
        !position_find(&position, section->map, section->map_size, section->text_size - 1, &broken))
        find(verify, UPKEEP_PROBLEM, "%.200s, section %lld: its position map is damaged",
             verify->document->name, (long long)section->ordinal + 1);
    verify->ok = !session_cancelled(verify->session) ||
                 error_set(verify->error, ERROR_INTERRUPTED, "interrupted while checking");
    return verify->ok;
}

static bool check_state(void *context, const struct states_info *info)
{
    struct verify *verify = context;
    const char *why;
    verify->ok = fitting_check(verify->fitting, info, &why, verify->error);
    if (!verify->ok)
        return false;
    verify->result->states++;
    verify->result->state_bytes += info->stored_bytes;
    bool answer = info->place.kind == STATES_ANSWER;
    if (why)
        find(verify, UPKEEP_NOTE, "%.200s, %s %lld: a state was made %s; `tidemark gc` removes it",
             verify->document->name, answer ? "answer to question" : "section",
             (long long)info->place.section + !answer, why);
    else if (info->place.kind == STATES_PREFIX)
        verify->last_prefix = info->place.section;
    return true;
}

static bool check_sources(struct verify *verify)
{
    struct library *library = verify->session->library;
    int64_t count;
    if (!library_count_sources(library, verify->document->id, &count, verify->error))
        return false;
    for (int64_t i = 0; i < count; i++) {
        struct library_source source;
        struct file_identity now;
        struct error gone;
        if (!library_get_source(library, verify->document->id, i, &source, verify->error))
            return false;
        if (source.path[0] != '/')
            ; /* standard input: nothing to compare with */
        else if (!file_identify(&now, source.path, &gone))
            find(verify, UPKEEP_NOTE, "%.200s: its source %.500s is not there any more",
                 verify->document->name, source.path);
        else if ((int64_t)now.size != source.size || now.modified_ns != source.modified_ns)
            find(verify, UPKEEP_NOTE,
                 "%.200s: its source %.500s has changed; `tidemark read` takes it in anew",
                 verify->document->name, source.path);
        library_source_free(&source);
    }
    return true;
}

static bool check_reading(struct verify *verify)
{
    struct library_reading reading;
    bool found;
    if (!library_last_reading(verify->session->library, verify->document->id, &reading, &found,
                              verify->error))
        return false;
    if (found && reading.sections > 0 && verify->last_prefix < reading.sections - 1)
        find(verify, UPKEEP_NOTE,
             "%.200s: no state is kept at the end of its reading; `tidemark read` makes it",
             verify->document->name);
    if (found)
        library_reading_free(&reading);
    return true;
}

static bool check_document(void *context, const struct library_document *document)
{
    struct verify *verify = context;
    struct session *session = verify->session;
    verify->document = document;
    verify->last_prefix = -1;
    verify->result->documents++;
    if (!document->complete)
        find(verify, UPKEEP_NOTE,
             "%.200s: its text was not stored to the end; `tidemark read` goes on", document->name);
    verify->ok =
        library_each_section(session->library, document->id, LIBRARY_TEXT | LIBRARY_MAP, check_map,
                             verify, verify->error) &&
        verify->ok &&
        states_each(session->states, document->id, NULL, check_state, verify, verify->error) &&
        verify->ok && check_sources(verify) && check_reading(verify);
    /* A text that is damaged was reported already; the other documents count too. */
    if (!verify->ok && verify->error->kind == ERROR_STORE) {
        find(verify, UPKEEP_PROBLEM, "%.200s: %s", document->name, verify->error->text);
        *verify->error = (struct error){0};
        verify->ok = true;
    }
    return verify->ok;
}

static bool count_orphans(struct verify *verify)
{
    int64_t bytes, stray;
    if (!states_total_bytes(verify->session->states, 0, &bytes, verify->error))
        return false;
    stray = bytes - verify->result->state_bytes;
    verify->result->state_bytes = bytes;
    if (stray > 0)
        find(verify, UPKEEP_NOTE,
             "states of %.1f MiB belong to no document; `tidemark gc` removes them",
             mebibytes(stray));
    return true;
}

bool upkeep_verify(struct session *session, upkeep_finding *report, void *context,
                   struct upkeep_verification *verification, struct error *error)
{
    *verification = (struct upkeep_verification){0};
    struct verify verify = {.session = session,
                            .report = report,
                            .context = context,
                            .result = verification,
                            .fitting = fitting_new(session),
                            .error = error,
                            .ok = true};
    if (!verify.fitting)
        return error_out_of_memory(error);
    int64_t library = 0, states = 0;
    bool ok =
        library_verify(session->library, session->cancel, report_problem, &verify, &library,
                       error) &&
        states_verify(session->states, session->cancel, report_problem, &verify, &states, error) &&
        library_each_document(session->library, check_document, &verify, error) && verify.ok &&
        count_orphans(&verify);
    verification->problems += library + states;
    fitting_free(verify.fitting);
    return ok;
}
