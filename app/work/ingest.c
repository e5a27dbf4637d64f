#include "app/work/ingest.h"

#include "base/clock.h"
#include "document/document.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Sections are written some at a time: enough that commits cost nothing beside parsing,
 * few enough that memory and write-ahead log stay small, and soon enough that whoever
 * waits for them, or for a pause, does not wait long. */
enum { SECTIONS_PER_COMMIT = 64 };
#define SECONDS_PER_COMMIT 0.25

/* What comes before the name in the stored path of a text from standard input. No
 * file's path begins so: theirs are absolute. */
#define STANDARD_PREFIX INGEST_STANDARD_INPUT "/"
#define STANDARD_NAME "standard input"

struct ingest {
    struct session *session;
    const struct ingest_options *options;
    struct ingest_result *result;
    char **paths; /* [options->count], as the library knows them */
    bool known;   /* the document was there before */
    bool added;   /* it is there now, by this run */

    /* Standard input can be read once only: it is opened to be checked, and stays
     * open with its first section until that is taken. */
    struct document_reader *standard;
    struct document_section first;
    bool has_first;
    /* It is no file, so that reading it may have to wait for somebody to write into it:
     * what came is written at once. */
    bool may_wait;

    bool writing;    /* inside a transaction */
    int64_t ordinal; /* of the next section */
    int64_t stored;  /* sections that an earlier run left */
    bool differs;    /* everything from here on is new */
    int64_t used;    /* sections that `meanwhile` was told of */

    /* What is to be written next. While a transaction is open nobody else can write, and
     * parsing may take any time: so none is open meanwhile. */
    bool cutting; /* first the sections from `cut_from` on go */
    int64_t cut_from;
    struct library_section waiting[SECTIONS_PER_COMMIT];
    size_t waiting_count;
    double waiting_since;           /* clock_seconds() */
    struct library_source *sources; /* [options->count] */
    size_t sources_read, sources_written;
};

/* Below so many percent a guessed encoding is doubtful. */
#define SURE 80

/* --- transactions --------------------------------------------------------------------- */

static bool begin(struct ingest *in, struct error *error)
{
    if (!in->writing)
        in->writing = library_begin(in->session->library, error);
    return in->writing;
}

static bool commit(struct ingest *in, struct error *error)
{
    if (!in->writing)
        return true;
    in->writing = false;
    return library_commit(in->session->library, error);
}

static void undo(struct ingest *in)
{
    if (in->writing)
        library_rollback(in->session->library);
    in->writing = false;
}

/* --- which document --------------------------------------------------------------- */

static bool is_standard(const char *path)
{
    return strcmp(path, INGEST_STANDARD_INPUT) == 0;
}

static bool find_path(char **absolute, const struct ingest_options *options, const char *path,
                      struct error *error)
{
    if (is_standard(path)) {
        const char *name = options->name ? options->name : STANDARD_NAME;
        if (asprintf(absolute, STANDARD_PREFIX "%s", name) >= 0)
            return true;
        *absolute = NULL;
        return error_out_of_memory(error);
    }
    *absolute = options->document ? strdup(path) : realpath(path, NULL);
    return *absolute || errno == ENOMEM
               ? *absolute || error_out_of_memory(error)
               : error_set(error, ERROR_INPUT, "cannot open %.500s: %s", path, strerror(errno));
}

static bool find_paths(struct ingest *in, struct error *error)
{
    const struct ingest_options *options = in->options;
    size_t standard = 0;
    in->paths = calloc(options->count, sizeof *in->paths);
    if (!in->paths)
        return error_out_of_memory(error);
    for (size_t i = 0; i < options->count; i++) {
        standard += is_standard(options->paths[i]);
        if (!find_path(&in->paths[i], options, options->paths[i], error))
            return false;
    }
    return standard <= 1 ||
           error_set(error, ERROR_USAGE, "standard input can be read only once: name - once");
}

static void name_from_path(char name[256], const char *path)
{
    const char *base = strrchr(path, '/');
    snprintf(name, 256, "%s", base ? base + 1 : path);
    char *dot = strrchr(name, '.');
    if (dot && dot != name && path[0] == '/')
        *dot = '\0';
}

/* Among the texts that came from standard input without a name: does this document
 * begin with the same section? */
struct search {
    struct ingest *in;
    struct hash begin;
    int64_t found; /* document, or 0 */
    struct error *error;
    bool ok;
};

static bool begins_alike(void *context, const struct library_document *document)
{
    struct search *search = context;
    struct library_section section;
    if (strncmp(document->path, STANDARD_PREFIX STANDARD_NAME,
                strlen(STANDARD_PREFIX STANDARD_NAME)) != 0 ||
        document->sections == 0)
        return true;
    search->ok = library_get_section(search->in->session->library, document->id, 0, LIBRARY_OUTLINE,
                                     &section, search->error);
    if (!search->ok)
        return false;
    if (hash_equal(&section.text_hash, &search->begin))
        search->found = document->id;
    library_section_free(&section);
    return search->found == 0;
}

/* Gives the path of a nameless text from standard input a number of its own, unless
 * it goes on with one that is there. */
static bool number_standard(struct ingest *in, size_t place, struct error *error)
{
    struct search search = {.in = in, .error = error, .ok = true};
    struct library *library = in->session->library;
    search.begin = hash_of(in->first.text, in->first.size);
    if (!library_each_document(library, begins_alike, &search, error) || !search.ok)
        return false;
    char **path = &in->paths[place];
    if (search.found) {
        struct library_source source;
        if (!library_get_source(library, search.found, (int64_t)place, &source, error))
            return false;
        free(*path);
        *path = source.path;
        source.path = NULL;
        library_source_free(&source);
        return true;
    }
    for (long long number = 1;; number++) {
        struct library_document taken;
        bool is_taken;
        free(*path);
        if (asprintf(path,
                     number > 1 ? STANDARD_PREFIX STANDARD_NAME " %lld"
                                : STANDARD_PREFIX STANDARD_NAME,
                     number) < 0)
            *path = NULL;
        if (!*path)
            return error_out_of_memory(error);
        if (!library_find_by_paths(library, (const char *const *)path, 1, &taken, &is_taken, error))
            return false;
        if (!is_taken)
            return true;
        library_document_free(&taken);
    }
}

static bool find_document(struct ingest *in, struct library_document *found, struct error *error)
{
    return library_find_by_paths(in->session->library, (const char *const *)in->paths,
                                 in->options->count, found, &in->known, error);
}

/* True when every file has the size and time that the library noted, and is to be
 * read in the encoding that it was read in. */
static bool is_unchanged(struct ingest *in, bool *unchanged, struct error *error)
{
    const struct ingest_options *options = in->options;
    *unchanged = true;
    for (size_t i = 0; *unchanged && i < options->count; i++) {
        struct library_source source;
        struct file_identity now;
        if (is_standard(options->paths[i])) {
            *unchanged = false;
            return true;
        }
        if (!library_get_source(in->session->library, in->result->document, (int64_t)i, &source,
                                error))
            return false;
        bool seen = file_identify(&now, in->paths[i], error);
        *unchanged = seen && (int64_t)now.size == source.size &&
                     now.modified_ns == source.modified_ns &&
                     (!options->encoding || (source.encoding && source.evidence == DOCUMENT_GIVEN &&
                                             strcasecmp(options->encoding, source.encoding) == 0));
        library_source_free(&source);
        if (!seen)
            return false;
    }
    return true;
}

static bool take_lease(struct ingest *in, int64_t document, struct error *error)
{
    in->result->lease = in->options->held;
    return in->options->held ||
           session_take_document(in->session, document, &in->result->lease, error);
}

/* --- sections ----------------------------------------------------------------------- */

static bool same_section(const struct library_section *a, const struct library_section *b)
{
    return a->map_size == b->map_size &&
           (a->map_size == 0 || memcmp(a->map, b->map, a->map_size) == 0) &&
           a->source == b->source && a->level == b->level && a->part == b->part &&
           a->begin_byte == b->begin_byte && a->end_byte == b->end_byte && a->line == b->line &&
           a->page == b->page && hash_equal(&a->text_hash, &b->text_hash) &&
           strcmp(a->title, b->title) == 0;
}

/* What was stored from section `ordinal` on is to go. */
static void cut(struct ingest *in, int64_t ordinal)
{
    in->cutting = in->differs = in->result->changed = true;
    in->cut_from = ordinal;
}

/* A document that is whole and has grown is cut at its end: that opens it for more. */
static bool keep_or_cut(struct ingest *in, const struct library_section *fresh, struct error *error)
{
    bool same = false;
    if (in->differs)
        return true;
    if (in->ordinal < in->stored) {
        struct library_section old;
        if (!library_get_section(in->session->library, in->result->document, in->ordinal,
                                 LIBRARY_MAP, &old, error))
            return false;
        same = same_section(&old, fresh);
        library_section_free(&old);
    }
    if (!same)
        cut(in, in->ordinal);
    return true;
}

/* The reader's section lives until its next one. */
static bool wait_with(struct ingest *in, const struct library_section *row, struct error *error)
{
    struct library_section *copy = &in->waiting[in->waiting_count];
    *copy = *row;
    copy->title = strdup(row->title);
    copy->text = malloc(row->text_size + 1);
    copy->map = row->map_size > 0 ? malloc(row->map_size) : NULL;
    if (!copy->title || !copy->text || (row->map_size > 0 && !copy->map)) {
        library_section_free(copy);
        return error_out_of_memory(error);
    }
    memcpy(copy->text, row->text, row->text_size + 1);
    if (row->map_size > 0)
        memcpy(copy->map, row->map, row->map_size);
    if (in->waiting_count++ == 0)
        in->waiting_since = clock_seconds();
    return true;
}

static void drop_waiting(struct ingest *in)
{
    while (in->waiting_count > 0)
        library_section_free(&in->waiting[--in->waiting_count]);
}

/* Begins a transaction in which everything that waits is written. The states over a text
 * that changes go before, so that nobody has to wait for both files. */
static bool write_waiting(struct ingest *in, struct error *error)
{
    struct library *library = in->session->library;
    int64_t document = in->result->document;
    if (in->cutting && !states_remove_from(in->session->states, document, in->cut_from, error))
        return false;
    if (!begin(in, error) || (in->cutting && !library_cut_document(library, document, in->cut_from,
                                                                   DOCUMENT_NORMALIZER, error)))
        return false;
    in->cutting = false;
    for (size_t i = 0; i < in->waiting_count; i++)
        if (!library_add_section(library, document, &in->waiting[i], error))
            return false;
    drop_waiting(in);
    for (; in->sources_written < in->sources_read; in->sources_written++)
        if (!library_finish_source(library, document, &in->sources[in->sources_written], error))
            return false;
    return true;
}

static bool is_time_to_write(const struct ingest *in)
{
    return in->waiting_count == SECTIONS_PER_COMMIT ||
           (in->waiting_count > 0 &&
            (in->may_wait || clock_seconds() - in->waiting_since >= SECONDS_PER_COMMIT));
}

static bool take_section(struct ingest *in, int64_t source, const struct document_section *section,
                         struct error *error)
{
    struct library_section row = {
        .ordinal = in->ordinal,
        .source = source,
        .title = (char *)(uintptr_t)section->title,
        .level = section->level,
        .part = section->part,
        .begin_byte = (int64_t)section->begin.byte,
        .end_byte = (int64_t)section->end_byte,
        .line = (int64_t)section->begin.line,
        .page = (int64_t)section->begin.page,
        .characters = (int64_t)section->characters,
        .text_hash = hash_of(section->text, section->size),
        .text = (char *)(uintptr_t)section->text,
        .text_size = section->size,
        .map = (void *)(uintptr_t)section->map,
        .map_size = section->map_size,
    };
    if (!keep_or_cut(in, &row, error) || (in->differs && !wait_with(in, &row, error)))
        return false;
    in->ordinal++;
    return !is_time_to_write(in) || (write_waiting(in, error) && commit(in, error));
}

static bool take_and_report(struct ingest *in, int64_t source,
                            const struct document_section *section, struct error *error)
{
    struct event_progress progress = {.doing = "taking in text",
                                      .document = in->result->document,
                                      .section = in->ordinal,
                                      .seconds_left = -1};
    if (!take_section(in, source, section, error))
        return false;
    session_progress(in->session, &progress);
    bool go_on =
        in->waiting_count > 0 ? !session_cancelled(in->session) : session_pause(in->session, error);
    return go_on || error_set(error, ERROR_INTERRUPTED,
                              "interrupted while taking in the text: read it again to go on");
}

/* Of a new document only: what an old one still has to lose is not known before its end. */
static bool use_the_time(struct ingest *in, struct error *error)
{
    const struct ingest_options *options = in->options;
    /* Each time begins with looking at all that was read before. */
    int64_t fresh = in->ordinal - in->used, least = 1 + in->ordinal / 8;
    if (!options->meanwhile || !in->added || fresh < least)
        return true;
    in->used = in->ordinal;
    return write_waiting(in, error) && commit(in, error) &&
           options->meanwhile(options->meanwhile_context, in->result->document, error);
}

static bool take_sections(struct ingest *in, struct document_reader *reader, int64_t source,
                          struct error *error)
{
    struct document_section section;
    if (reader == in->standard && in->has_first) {
        in->has_first = false;
        if (!take_and_report(in, source, &in->first, error))
            return false;
    }
    while (document_next(reader, &section, error))
        if (!take_and_report(in, source, &section, error) ||
            (!document_is_ready(reader) && !use_the_time(in, error)))
            return false;
    return error->kind == ERROR_NONE;
}

/* --- files ------------------------------------------------------------------------------ */

/* What the user should know of how a file was decoded. */
static void note_encoding(struct session *session, const char *path,
                          const struct document_facts *facts)
{
    const bool one = facts->invalid_bytes == 1;
    if (facts->invalid_bytes)
        session_note(session, "%.300s: %llu byte%s not %s and %s shown as U+FFFD", path,
                     (unsigned long long)facts->invalid_bytes, one ? " is" : "s are",
                     facts->encoding, one ? "is" : "are");
    if (facts->evidence == DOCUMENT_GUESSED)
        session_note(
            session, "%.300s: taken for %s (%u %% sure)%s", path, facts->encoding,
            facts->confidence,
            facts->confidence < SURE ? "; if it looks wrong, name the encoding by --encoding" : "");
}

/* The encoding that was given for this source before: it goes on being read the same
 * way. The caller frees it. */
static bool former_encoding(struct ingest *in, int64_t ordinal, char **encoding,
                            struct error *error)
{
    struct library_source source;
    *encoding = NULL;
    if (!in->known)
        return true;
    if (!library_get_source(in->session->library, in->result->document, ordinal, &source, error))
        return false;
    if (source.encoding && source.evidence == DOCUMENT_GIVEN) {
        *encoding = source.encoding;
        source.encoding = NULL;
    }
    library_source_free(&source);
    return true;
}

static bool open_source(struct ingest *in, size_t place, struct document_reader **reader,
                        struct error *error)
{
    const char *path = in->options->paths[place], *given = in->options->encoding;
    char *former = NULL;
    if (!given && !former_encoding(in, (int64_t)place, &former, error))
        return false;
    const char *encoding = given && strcasecmp(given, INGEST_FIND_OUT) == 0 ? NULL : given;
    bool ok = document_open(reader, is_standard(path) ? path : in->paths[place],
                            given ? encoding : former, in->session->cancel, error);
    free(former);
    return ok;
}

static bool finish_source(struct ingest *in, size_t place, const struct file_identity *identity,
                          const struct document_facts *facts, struct error *error)
{
    struct library_source *source = &in->sources[place];
    *source = (struct library_source){
        .ordinal = (int64_t)place,
        .size = identity->size ? (int64_t)identity->size : (int64_t)facts->bytes,
        .modified_ns = identity->modified_ns,
        .lines = (int64_t)facts->lines,
        .pages = (int64_t)facts->pages,
        .invalid_bytes = (int64_t)facts->invalid_bytes,
        .hash = facts->hash,
        .encoding = strdup(facts->encoding),
        .evidence = facts->evidence,
        .confidence = facts->confidence,
    };
    if (!source->encoding)
        return error_out_of_memory(error);
    in->sources_read = place + 1;
    note_encoding(in->session, in->options->paths[place], facts);
    return true;
}

static bool take_source(struct ingest *in, size_t place, struct error *error)
{
    struct document_reader *reader = in->standard;
    struct file_identity identity = {0};
    bool standard = is_standard(in->options->paths[place]);
    /* The file's time is looked at before its bytes: what is written meanwhile makes
     * it a changed file at the next look. */
    if (!standard && (!file_identify(&identity, in->paths[place], error) ||
                      !open_source(in, place, &reader, error)))
        return false;
    error->kind = ERROR_NONE;
    bool ok = take_sections(in, reader, (int64_t)place, error) &&
              finish_source(in, place, &identity, document_facts(reader), error);
    if (!standard)
        document_close(reader);
    return ok;
}

static bool take_all(struct ingest *in, struct error *error)
{
    for (size_t i = 0; i < in->options->count; i++)
        if (!take_source(in, i, error))
            return false;
    if (in->ordinal < in->stored && !in->differs)
        cut(in, in->ordinal);
    return write_waiting(in, error) &&
           library_finish_document(in->session->library, in->result->document, error) &&
           commit(in, error);
}

/* --- the document ------------------------------------------------------------------------- */

/* With all its sources, so that a run that was cut off is found again by its paths. */
static bool add_document(struct ingest *in, struct error *error)
{
    struct library *library = in->session->library;
    char own_name[256];
    name_from_path(own_name, in->paths[0]);
    const char *name = in->options->name ? in->options->name : own_name;
    int64_t *id = &in->result->document;
    /* A library that was begun anew gives out ids again that old states still name. */
    if (!library_add_document(library, name, in->paths[0], DOCUMENT_NORMALIZER, id, error) ||
        !states_remove_document(in->session->states, *id, error))
        return false;
    for (size_t i = 0; i < in->options->count; i++) {
        struct library_source source = {.ordinal = (int64_t)i, .path = in->paths[i]};
        if (!library_add_source(library, *id, &source, error))
            return false;
    }
    in->result->changed = true;
    in->added = take_lease(in, *id, error) && commit(in, error);
    return in->added;
}

static bool note_seen(void *context, const struct library_note *note)
{
    (void)note;
    *(bool *)context = true;
    return false;
}

/* A pause let others at it: what a person asked or wrote there stays, and so must it. */
static bool remove_unless_used(struct ingest *in, bool *used, struct error *error)
{
    struct library *library = in->session->library;
    int64_t document = in->result->document;
    struct library_question question;
    if (!library_last_question(library, document, &question, used, error))
        return false;
    if (*used)
        library_question_free(&question);
    else if (!library_each_note(library, document, note_seen, used, error))
        return false;
    return *used || library_remove_document(library, document, error);
}

/* A document that could not be taken in leaves nothing behind. */
static void forget(struct ingest *in)
{
    struct error ignored;
    bool used = false;
    if (!library_begin(in->session->library, &ignored))
        return;
    if (!remove_unless_used(in, &used, &ignored) ||
        !library_commit(in->session->library, &ignored)) {
        library_rollback(in->session->library);
        return;
    }
    if (used)
        session_note(in->session, "the beginning of this text stays in the library, with the "
                                  "questions and notes that were left there");
    else if (!states_remove_document(in->session->states, in->result->document, &ignored))
        session_note(in->session, "states of this text are left: `tidemark gc` removes them");
}

static bool open_standard(struct ingest *in, size_t place, struct error *error)
{
    if (in->standard)
        return true;
    struct stat status;
    if (!open_source(in, place, &in->standard, error))
        return false;
    in->may_wait = fstat(STDIN_FILENO, &status) != 0 || !S_ISREG(status.st_mode);
    in->has_first = document_next(in->standard, &in->first, error);
    return in->has_first;
}

/* Refuses what cannot be read before anything of it is in the library. */
static bool check_sources(struct ingest *in, struct error *error)
{
    for (size_t i = 0; i < in->options->count; i++) {
        struct document_reader *reader;
        if (is_standard(in->options->paths[i])) {
            if (!open_standard(in, i, error))
                return false;
        } else if (open_source(in, i, &reader, error)) {
            document_close(reader);
        } else {
            return false;
        }
    }
    return true;
}

/* Takes the document and prepares to bring it up to date. */
static bool begin_update(struct ingest *in, int64_t id, bool *unchanged, struct error *error)
{
    struct library_document found;
    *unchanged = false;
    in->result->document = id;
    /* Who had the lease before may have changed the document since it was found. */
    if (!take_lease(in, id, error) ||
        !library_get_document(in->session->library, id, &found, error))
        return false;
    const char *name = in->options->name;
    if (name && strcmp(name, found.name) != 0)
        session_note(in->session, "in the library already as %.200s: that name stays", found.name);
    in->stored = found.sections;
    bool current = found.normalizer == DOCUMENT_NORMALIZER, complete = found.complete;
    library_document_free(&found);
    if (complete && current && !is_unchanged(in, unchanged, error))
        return false;
    if (*unchanged)
        return true;
    /* Another normalizer may cut the same bytes otherwise: nothing is kept then. */
    if (!current)
        cut(in, 0);
    return check_sources(in, error);
}

/* A text from standard input that has no name is known by how it begins. */
static bool find_nameless(struct ingest *in, struct error *error)
{
    for (size_t i = 0; i < in->options->count && !in->options->name; i++)
        if (is_standard(in->options->paths[i]))
            return open_standard(in, i, error) && number_standard(in, i, error);
    return true;
}

static bool find_or_add(struct ingest *in, bool *unchanged, struct error *error)
{
    struct library_document found = {0};
    *unchanged = false;
    in->known = in->options->document != 0;
    if (in->known)
        return begin_update(in, in->options->document, unchanged, error);
    if (!find_nameless(in, error) || !find_document(in, &found, error))
        return false;
    if (!in->known) {
        /* Another process may add the same files just now: looked for again while
         * nobody else can write. */
        if (!check_sources(in, error) || !begin(in, error) || !find_nameless(in, error) ||
            !find_document(in, &found, error))
            return false;
        if (!in->known)
            return add_document(in, error);
        undo(in);
    }
    int64_t id = found.id;
    library_document_free(&found);
    return begin_update(in, id, unchanged, error);
}

bool ingest_run(struct session *session, const struct ingest_options *options,
                struct ingest_result *result, struct error *error)
{
    struct ingest in = {.session = session, .options = options, .result = result};
    bool unchanged = false;
    *result = (struct ingest_result){0};
    in.sources = calloc(options->count, sizeof *in.sources);
    bool ok = (in.sources || error_out_of_memory(error)) && find_paths(&in, error) &&
              find_or_add(&in, &unchanged, error) && (unchanged || take_all(&in, error));
    if (!ok) {
        undo(&in);
        if (in.added && error->kind != ERROR_INTERRUPTED)
            forget(&in);
        if (!options->held)
            lease_release(result->lease);
        result->lease = NULL;
    }
    document_close(in.standard);
    drop_waiting(&in);
    for (size_t i = 0; i < options->count; i++) {
        if (in.paths)
            free(in.paths[i]);
        if (in.sources)
            library_source_free(&in.sources[i]);
    }
    free(in.paths);
    free(in.sources);
    return ok;
}
