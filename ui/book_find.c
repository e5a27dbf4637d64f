/* What a person finds and notes in an open document, and takes out of it. */
#include "ui/book.h"

#include "app/work/exporting.h"
#include "base/file.h"

#include <stdlib.h>
#include <string.h>

/* --- the search ----------------------------------------------------------------------- */

void book_end_search(struct book *book)
{
    searching_free(book->search);
    searching_hits_free(&book->hits);
    free(book->pattern);
    book->search = NULL;
    book->pattern = NULL;
    book->search_next = -1;
}

/* A slice of a search, with a compiled pattern of its own: the person may begin another
 * search meanwhile. */
struct slice {
    struct book *book;
    struct searching *search;
    int64_t from, next;
    struct searching_hits hits;
};

static void submit_slice(struct slice *slice);

static bool run_slice(struct session *session, void *context, struct error *error)
{
    struct slice *slice = context;
    return searching_run(slice->search, session, slice->book->id, slice->from, &slice->hits,
                         &slice->next, error);
}

static void free_slice(struct slice *slice)
{
    searching_hits_free(&slice->hits);
    free(slice);
}

/* Adds the slice's hits to the book's. */
static bool take_hits(struct book *book, const struct searching_hits *found)
{
    struct searching_hits *hits = &book->hits;
    size_t room = SEARCHING_MOST_HITS - hits->count;
    size_t count = found->count < room ? found->count : room;
    if (hits->count + count > hits->capacity) {
        size_t capacity = 2 * (hits->count + count);
        struct searching_hit *items = realloc(hits->items, capacity * sizeof *items);
        if (!items)
            return false;
        hits->items = items;
        hits->capacity = capacity;
    }
    if (count > 0)
        memcpy(hits->items + hits->count, found->items, count * sizeof *hits->items);
    hits->count += count;
    hits->cut = hits->cut || found->cut || count < found->count;
    return true;
}

static void slice_done(void *context, const struct error *failure)
{
    struct slice *slice = context;
    struct book *book = slice->book;
    if (book->closed || slice->search != book->search) { /* nobody wants it any more */
        if (slice->search != book->search)
            searching_free(slice->search);
        free_slice(slice);
        book_done(book);
        return;
    }
    bool room = !failure && take_hits(book, &slice->hits) && book->hits.count < SEARCHING_MOST_HITS;
    if (failure)
        host_fail(book->host, failure);
    if (room && slice->next < book->document.sections) {
        book->search_next = slice->from = slice->next;
        searching_hits_free(&slice->hits);
        slice->hits = (struct searching_hits){0};
        submit_slice(slice);
    } else {
        book->search_next = -1;
        if (!failure && book->hits.count == 0)
            host_say(book->host, "not found: %s", book->pattern);
        free_slice(slice);
    }
    book_done(book);
}

static void submit_slice(struct slice *slice)
{
    book_submit(slice->book, DESK_QUICK,
                &(struct desk_request){.run = run_slice, .context = slice, .done = slice_done},
                NULL);
}

bool book_search(struct book *book, const char *pattern, bool backwards)
{
    struct error error = {0};
    struct searching *search = pattern ? searching_new(pattern, &error) : NULL;
    if (pattern && !search) {
        host_fail(book->host, &error);
        return false;
    }
    /* A slice on its way frees its pattern itself when it is no longer the book's. */
    if (book->search_next >= 0)
        book->search = NULL;
    book_end_search(book);
    book->search_backwards = backwards;
    host_changed(book->host);
    if (!pattern)
        return true;
    struct slice *slice = calloc(1, sizeof *slice);
    book->pattern = strdup(pattern);
    if (!slice || !book->pattern) {
        searching_free(search);
        free(slice);
        book_end_search(book);
        return false;
    }
    book->search = search;
    book->search_next = 0;
    *slice = (struct slice){.book = book, .search = search};
    submit_slice(slice);
    return true;
}

void book_search_again(struct book *book)
{
    char *pattern = strdup(book->pattern);
    if (pattern)
        book_search(book, pattern, book->search_backwards);
    free(pattern);
}

static bool is_before(const struct searching_hit *hit, struct book_place place)
{
    return hit->section < place.section ||
           (hit->section == place.section && hit->begin < place.offset);
}

size_t book_first_hit(const struct book *book, struct book_place place)
{
    size_t low = 0, high = book->hits.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (is_before(&book->hits.items[middle], place))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

ptrdiff_t book_hit(const struct book *book, struct book_place place, bool backwards)
{
    size_t count = book->hits.count;
    if (count == 0)
        return -1;
    size_t at = book_first_hit(book, place);
    if (backwards)
        return (ptrdiff_t)((at + count - 1) % count);
    const struct searching_hit *hit = at < count ? &book->hits.items[at] : NULL;
    if (hit && hit->section == place.section && hit->begin == place.offset)
        at++;
    return (ptrdiff_t)(at % count);
}

/* --- notes ---------------------------------------------------------------------------- */

static bool look_for_notes(struct session *session, int64_t document, struct book_found *found,
                           struct error *error)
{
    return noting_list(session, document, &found->notes, error);
}

static void take_notes(struct book *book, struct book_found *found)
{
    struct noting before = book->notes;
    book->notes = found->notes;
    found->notes = before;
}

void book_load_notes(struct book *book)
{
    book_fetch(book, look_for_notes, take_notes);
}

struct put_note {
    struct book *book;
    struct library_note note;
    bool remove;
};

static bool run_put_note(struct session *session, void *context, struct error *error)
{
    struct put_note *put = context;
    return put->remove ? library_remove_note(session->library, put->note.id, error)
                       : noting_put(session, &put->note, error);
}

static void put_note_done(void *context, const struct error *failure)
{
    struct put_note *put = context;
    struct book *book = put->book;
    if (failure && !book->closed)
        host_fail(book->host, failure);
    if (!book->closed)
        book_load_notes(book);
    library_note_free(&put->note);
    free(put);
    book_done(book);
}

static void submit_note(struct put_note *put)
{
    book_submit(put->book, DESK_QUICK,
                &(struct desk_request){.run = run_put_note, .context = put, .done = put_note_done},
                NULL);
}

void book_note(struct book *book, const struct library_note *note)
{
    struct put_note *put = calloc(1, sizeof *put);
    if (!put)
        return;
    *put = (struct put_note){.book = book, .note = *note};
    put->note.document = book->id;
    put->note.name = strdup(note->name ? note->name : "");
    put->note.text = strdup(note->text ? note->text : "");
    put->note.passage = NULL;
    if (put->note.name && put->note.text) {
        submit_note(put);
        return;
    }
    library_note_free(&put->note);
    free(put);
}

void book_remove_note(struct book *book, int64_t id)
{
    struct put_note *put = calloc(1, sizeof *put);
    if (!put)
        return;
    *put = (struct put_note){.book = book, .note.id = id, .remove = true};
    submit_note(put);
}

const struct noting_note *book_note_at(const struct book *book, enum library_note_kind kind,
                                       struct book_place place)
{
    for (size_t i = 0; i < book->notes.count; i++) {
        const struct noting_note *item = &book->notes.items[i];
        if (item->note.kind == kind && !item->lost && item->note.section == place.section &&
            (size_t)item->note.begin <= place.offset &&
            (place.offset < (size_t)item->note.end || item->note.begin == (int64_t)place.offset))
            return item;
    }
    return NULL;
}

/* --- export --------------------------------------------------------------------------- */

struct export
{
    struct book *book;
    char *path;
};

static bool run_export(struct session *session, void *context, struct error *error)
{
    const struct export *export = context;
    struct buffer text = {0};
    bool ok = exporting_run(session, export->book->id, &text, error) &&
              file_write_new(export->path, text.data, text.size, error);
    buffer_free(&text);
    return ok;
}

static void export_done(void *context, const struct error *failure)
{
    struct export *export = context;
    struct book *book = export->book;
    if (failure && !book->closed)
        host_fail(book->host, failure);
    else if (!book->closed)
        host_say(book->host, "written: %s", export->path);
    free(export->path);
    free(export);
    book_done(book);
}

void book_export(struct book *book, const char *path)
{
    struct export *export = calloc(1, sizeof *export);
    char *copy = strdup(path);
    if (!export || !copy) {
        free(export);
        free(copy);
        return;
    }
    *export = (struct export){book, copy};
    book_submit(book, DESK_QUICK,
                &(struct desk_request){.run = run_export, .context = export, .done = export_done},
                NULL);
}
