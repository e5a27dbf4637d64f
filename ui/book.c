#include "ui/book.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

#define RETRY 2.0 /* seconds after which a text that could not be had is asked for again */

/* --- its life ------------------------------------------------------------------------ */

static void free_text(struct book_text *slot)
{
    browsing_text_free(&slot->text);
    wrap_free(&slot->wrap);
    *slot = (struct book_text){.section = -1};
}

static void free_paths(char **paths, int64_t count)
{
    for (int64_t i = 0; paths && i < count; i++)
        free(paths[i]);
    free(paths);
}

static void free_book(struct book *book)
{
    free_paths(book->paths, book->document.sources);
    listing_document_free(&book->document);
    for (size_t i = 0; i < BOOK_TEXTS; i++)
        free_text(&book->texts[i]);
    conversing_free(&book->conversation);
    browsing_summaries_free(&book->summaries);
    noting_free(&book->notes);
    book_end_search(book);
    free(book->question);
    buffer_free(&book->draft);
    free(book);
}

void book_submit(struct book *book, enum desk_counter counter, const struct desk_request *request,
                 uint64_t *ticket)
{
    book->pending++;
    desk_submit(book->host->desk, counter, request, ticket);
}

void book_done(struct book *book)
{
    host_changed(book->host);
    if (--book->pending == 0 && book->closed)
        free_book(book);
}

struct save_place {
    struct book *book;
    struct book_place place;
};

static bool run_save_place(struct session *session, void *context, struct error *error)
{
    const struct save_place *save = context;
    return library_put_place(session->library, save->book->id, save->place.section,
                             (int64_t)save->place.offset, error);
}

static void save_place_done(void *context, const struct error *failure)
{
    struct save_place *save = context;
    struct book *book = save->book;
    (void)failure; /* a place is no more than a convenience */
    free(save);
    book_done(book);
}

void book_close(struct book *book, struct book_place place)
{
    /* The end of a text that never came has no number. */
    bool known =
        book->loaded && place.section < book->document.sections && place.offset <= INT32_MAX;
    struct save_place *save = known ? malloc(sizeof *save) : NULL;
    shelf_unwatch(book->host->shelf, &book->watcher);
    book_cancel(book);
    book->pending++; /* stays until the end of this function */
    book->closed = true;
    if (save) {
        *save = (struct save_place){book, place};
        book_submit(
            book, DESK_QUICK,
            &(struct desk_request){.run = run_save_place, .context = save, .done = save_place_done},
            NULL);
    }
    book_done(book);
}

/* --- what is looked up whole --------------------------------------------------------------- */

struct fetch {
    struct book *book;
    book_look *look;
    book_take *take;
    struct book_found found;
};

static bool run_fetch(struct session *session, void *context, struct error *error)
{
    struct fetch *fetch = context;
    return fetch->look(session, fetch->book->id, &fetch->found, error);
}

static void fetch_done(void *context, const struct error *failure)
{
    struct fetch *fetch = context;
    struct book *book = fetch->book;
    if (failure && !book->closed)
        host_fail(book->host, failure);
    if (!failure)
        fetch->take(book, &fetch->found);
    conversing_free(&fetch->found.conversation);
    browsing_summaries_free(&fetch->found.summaries);
    noting_free(&fetch->found.notes);
    free(fetch);
    book_done(book);
}

void book_fetch(struct book *book, book_look *look, book_take *take)
{
    struct fetch *fetch = calloc(1, sizeof *fetch);
    if (!fetch)
        return;
    *fetch = (struct fetch){.book = book, .look = look, .take = take};
    book_submit(book, DESK_QUICK,
                &(struct desk_request){.run = run_fetch, .context = fetch, .done = fetch_done},
                NULL);
}

/* --- the outline ---------------------------------------------------------------------- */

struct load {
    struct book *book;
    struct listing_document document;
    char **paths;
    struct book_place place;
    int64_t byte;
    bool has_place;
};

static bool load_paths(struct session *session, struct load *load, struct error *error)
{
    int64_t count = load->document.sources;
    load->paths = calloc((size_t)count + 1, sizeof *load->paths);
    if (!load->paths)
        return error_out_of_memory(error);
    for (int64_t i = 0; i < count; i++) {
        struct library_source source;
        if (!library_get_source(session->library, load->book->id, i, &source, error))
            return false;
        load->paths[i] = source.path;
        source.path = NULL;
        library_source_free(&source);
    }
    return true;
}

static bool run_load(struct session *session, void *context, struct error *error)
{
    struct load *load = context;
    struct error no_place;
    if (!listing_document(session, load->book->id, true, &load->document, error) ||
        !load_paths(session, load, error))
        return false;
    /* Without the place that it was left at, a document opens at its beginning. */
    load->has_place = library_get_place(session->library, load->book->id, &load->place.section,
                                        &load->byte, &load->has_place, &no_place) &&
                      load->has_place;
    load->place.offset = (size_t)load->byte;
    return true;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The map rises between the 5th and the 95th hundredth of the sections, so that one
 * strange section does not flatten the others. */
static void find_range(struct book *book)
{
    book->range_stale_at = book->document.sections_read + book->document.sections_read / 16 + 1;
    size_t count = 0;
    double *all = calloc((size_t)book->document.sections + 1, sizeof *all);
    book->least_bits = 0;
    book->most_bits = 1;
    double bits = 0, tokens = 0;
    for (int64_t i = 0; all && i < book->document.sections; i++) {
        if (book_bits(book, i) < 0)
            continue;
        all[count++] = book_bits(book, i);
        bits += book->document.outline[i].bits;
        tokens += (double)book->document.outline[i].tokens;
    }
    book->usual_bits = tokens > 0 ? bits / tokens : 0;
    if (count > 0) {
        qsort(all, count, sizeof *all, by_size);
        book->least_bits = all[count / 20];
        book->most_bits = all[count - 1 - count / 20];
    }
    free(all);
}

static void load_done(void *context, const struct error *failure)
{
    struct load *load = context;
    struct book *book = load->book;
    bool first = !book->loaded;
    if (failure && !book->closed)
        host_fail(book->host, failure);
    if (!failure) {
        free_paths(book->paths, book->document.sources);
        listing_document_free(&book->document);
        book->document = load->document;
        book->paths = load->paths;
        load->document = (struct listing_document){0};
        load->paths = NULL;
        book->loaded = true;
        book->edition++;
        find_range(book);
        if (first) {
            book->has_place = load->has_place && load->place.section < book->document.sections;
            book->place = load->place;
        }
    }
    free_paths(load->paths, load->document.sources);
    listing_document_free(&load->document);
    free(load);
    if (book->loaded && first && book->loaded_call && !book->closed)
        book->loaded_call(book->loaded_context);
    book_done(book);
}

static void load_outline(struct book *book)
{
    struct load *load = calloc(1, sizeof *load);
    if (!load)
        return;
    load->book = book;
    book_submit(book, DESK_QUICK,
                &(struct desk_request){.run = run_load, .context = load, .done = load_done}, NULL);
}

/* What is read meanwhile goes into the outline that is here; at the end, and when the text
 * is another, it is loaded anew. */
static void watch(void *context, const struct event *event)
{
    struct book *book = context;
    int64_t section = event->progress.section;
    bool known = section >= 0 && section < book->document.sections;
    switch (event->kind) {
    case EVENT_OUTLINE:
        for (size_t i = 0; i < BOOK_TEXTS; i++)
            book->texts[i].stale = true;
        load_outline(book);
        book_load_conversation(book);
        book_load_summaries(book);
        book_load_notes(book);
        if (book->pattern)
            book_search_again(book);
        break;
    case EVENT_SECTION:
        if (!known)
            break;
        book->document.outline[section].tokens = event->progress.section_tokens;
        book->document.outline[section].bits = event->progress.section_bits;
        book->document.sections_read = section + 1;
        if (section + 1 >= book->range_stale_at)
            find_range(book);
        break;
    case EVENT_CHECKPOINT:
        if (known && book->document.outline[section].checkpoint_count == 0) {
            book->document.outline[section].checkpoint_count = 1;
            book->document.outline[section].checkpoints[0].kind = STATES_PREFIX;
            book->document.outline[section].checkpoints[0].token = event->progress.tokens;
        }
        break;
    case EVENT_DONE:
    case EVENT_FAILED:
        load_outline(book);
        break;
    default:
        break;
    }
}

struct book *book_open(struct host *host, int64_t document)
{
    struct book *book = calloc(1, sizeof *book);
    if (!book)
        return NULL;
    *book = (struct book){.host = host, .id = document, .search_next = -1};
    for (size_t i = 0; i < BOOK_TEXTS; i++)
        book->texts[i].section = -1;
    book->watcher = (struct shelf_watcher){.document = document, .context = book, .event = watch};
    shelf_watch(host->shelf, &book->watcher);
    load_outline(book);
    book_load_conversation(book);
    book_load_summaries(book);
    book_load_notes(book);
    return book;
}

const char *book_path(const struct book *book, int64_t section)
{
    if (section < 0 || section >= book->document.sections)
        return NULL;
    int64_t source = book->document.outline[section].source;
    const char *path = source < book->document.sources ? book->paths[source] : NULL;
    return path && path[0] == '/' ? path : NULL;
}

double book_bits(const struct book *book, int64_t section)
{
    if (section < 0 || section >= book->document.sections)
        return -1;
    const struct listing_section *entry = &book->document.outline[section];
    return entry->tokens > 0 ? entry->bits / (double)entry->tokens : -1;
}

int book_level(const struct book *book, double bits)
{
    if (bits < 0)
        return -1;
    double range = book->most_bits - book->least_bits;
    double level = range > 0 ? (bits - book->least_bits) / range * 8 : 3;
    return level < 0 ? 0 : level >= 7 ? 7 : (int)level;
}

/* --- texts ---------------------------------------------------------------------------- */

struct load_text {
    struct book *book;
    size_t slot;
    int64_t section;
    struct browsing_text text;
};

static bool run_load_text(struct session *session, void *context, struct error *error)
{
    struct load_text *load = context;
    return browsing_text(session, load->book->id, load->section, &load->text, error);
}

static void load_text_done(void *context, const struct error *failure)
{
    struct load_text *load = context;
    struct book *book = load->book;
    struct book_text *slot = &book->texts[load->slot];
    slot->loading = false;
    slot->failed_at = failure ? clock_seconds() : 0;
    if (!failure) {
        browsing_text_free(&slot->text);
        slot->text = load->text;
        slot->columns = 0;
    } else if (!book->closed) {
        host_fail(book->host, failure);
    }
    free(load);
    book_done(book);
}

/* What the slot holds stays until the new text is there. */
static void load_text(struct book *book, struct book_text *slot)
{
    struct load_text *load = calloc(1, sizeof *load);
    if (!load)
        return;
    slot->loading = true;
    slot->stale = false;
    *load = (struct load_text){book, (size_t)(slot - book->texts), slot->section, {0}};
    book_submit(
        book, DESK_QUICK,
        &(struct desk_request){.run = run_load_text, .context = load, .done = load_text_done},
        NULL);
}

/* The slot that was not used for the longest time, emptied. NULL: all are being filled. */
static struct book_text *free_slot(struct book *book)
{
    struct book_text *oldest = NULL;
    for (size_t i = 0; i < BOOK_TEXTS; i++) {
        struct book_text *slot = &book->texts[i];
        if (slot->section < 0)
            return slot;
        if (!slot->loading && (!oldest || slot->used < oldest->used))
            oldest = slot;
    }
    if (oldest)
        free_text(oldest);
    return oldest;
}

static struct book_text *find_slot(struct book *book, int64_t section)
{
    struct book_text *slot = NULL;
    if (section < 0 || section >= book->document.sections)
        return NULL;
    for (size_t i = 0; !slot && i < BOOK_TEXTS; i++)
        if (book->texts[i].section == section)
            slot = &book->texts[i];
    bool fresh = !slot;
    if (fresh && (slot = free_slot(book)))
        *slot = (struct book_text){.section = section};
    if (!slot)
        return NULL;
    bool again = slot->stale || (slot->failed_at > 0 && clock_seconds() > slot->failed_at + RETRY);
    if (fresh || (again && !slot->loading))
        load_text(book, slot);
    return slot;
}

const struct book_text *book_text(struct book *book, int64_t section, unsigned columns)
{
    struct error error;
    struct book_text *slot = find_slot(book, section);
    if (!slot)
        return NULL;
    slot->used = ++book->clock;
    if (!slot->text.text)
        return NULL;
    if (slot->columns != columns) {
        if (!wrap_text(&slot->wrap, slot->text.text, slot->text.size, columns, &error))
            return NULL;
        slot->columns = columns;
    }
    return slot;
}

void book_prefetch(struct book *book, int64_t section)
{
    find_slot(book, section);
}
