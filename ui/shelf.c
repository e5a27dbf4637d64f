#include "ui/shelf.h"

#include "app/work/browsing.h"
#include "app/work/reading.h"
#include "app/work/upkeep.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct shelf *shelf_new(struct host *host)
{
    struct shelf *shelf = calloc(1, sizeof *shelf);
    if (shelf)
        shelf->host = host;
    return shelf;
}

static void free_entries(struct shelf *shelf)
{
    for (size_t i = 0; i < shelf->count; i++) {
        listing_document_free(&shelf->entries[i].document);
        free(shelf->entries[i].question);
    }
    free(shelf->entries);
    shelf->entries = NULL;
    shelf->count = 0;
}

static void free_reading(struct shelf_reading *reading)
{
    free(reading->name);
    free(reading);
}

void shelf_free(struct shelf *shelf)
{
    if (!shelf)
        return;
    free_entries(shelf);
    while (shelf->readings) {
        struct shelf_reading *first = shelf->readings;
        shelf->readings = first->next;
        free_reading(first);
    }
    free(shelf->removed);
    free(shelf);
}

const struct shelf_entry *shelf_find(const struct shelf *shelf, int64_t document)
{
    for (size_t i = 0; i < shelf->count; i++)
        if (shelf->entries[i].document.id == document)
            return &shelf->entries[i];
    return NULL;
}

/* --- the list ----------------------------------------------------------------------- */

struct load {
    struct shelf *shelf;
    struct listing listing;
    struct browsing_questions questions;
};

static bool run_load(struct session *session, void *context, struct error *error)
{
    struct load *load = context;
    return listing_documents(session, &load->listing, error) &&
           browsing_last_questions(session, &load->questions, error);
}

static bool is_removed(const struct shelf *shelf, int64_t document)
{
    for (size_t i = 0; i < shelf->removed_count; i++)
        if (shelf->removed[i] == document)
            return true;
    return false;
}

/* Moves what was listed to the shelf. */
static void take_listing(struct shelf *shelf, struct load *load)
{
    struct shelf_entry *entries =
        calloc(load->listing.count ? load->listing.count : 1, sizeof *entries);
    if (!entries)
        return; /* the old list stays */
    free_entries(shelf);
    shelf->entries = entries;
    for (size_t i = 0; i < load->listing.count; i++) {
        struct shelf_entry *entry = &entries[shelf->count++];
        entry->document = load->listing.documents[i];
        load->listing.documents[i] = (struct listing_document){0};
        entry->removed = is_removed(shelf, entry->document.id);
        for (size_t j = 0; j < load->questions.count; j++)
            if (load->questions.documents[j] == entry->document.id) {
                entry->question = load->questions.questions[j];
                load->questions.questions[j] = NULL;
            }
    }
    shelf->loaded = true;
}

static void load_done(void *context, const struct error *failure)
{
    struct load *load = context;
    struct shelf *shelf = load->shelf;
    shelf->loading = false;
    if (failure)
        host_fail(shelf->host, failure);
    else
        take_listing(shelf, load);
    host_changed(shelf->host);
    listing_free(&load->listing);
    browsing_questions_free(&load->questions);
    free(load);
    if (shelf->again && !failure)
        shelf_reload(shelf);
}

void shelf_reload(struct shelf *shelf)
{
    shelf->again = shelf->loading;
    if (shelf->loading)
        return;
    struct load *load = calloc(1, sizeof *load);
    if (!load)
        return;
    load->shelf = shelf;
    shelf->loading = true;
    desk_submit(shelf->host->desk, DESK_QUICK,
                &(struct desk_request){.run = run_load, .context = load, .done = load_done}, NULL);
}

/* --- reading ------------------------------------------------------------------------- */

struct read {
    struct shelf *shelf;
    struct shelf_reading *reading; /* in the shelf's list until done */
    char *path;                    /* NULL: the document */
    struct reading_options options;
    struct reading_result result;
};

static bool run_read(struct session *session, void *context, struct error *error)
{
    struct read *read = context;
    return reading_run(session, &read->options, &read->result, error);
}

static void tell_watchers(struct shelf *shelf, int64_t document, const struct event *event)
{
    for (struct shelf_watcher *watcher = shelf->watchers, *next; watcher; watcher = next) {
        next = watcher->next;
        if (watcher->document == document)
            watcher->event(watcher->context, event);
    }
}

static void open_when_wanted(struct shelf *shelf, struct shelf_reading *reading)
{
    if (!reading->open || !reading->document || !shelf->open)
        return;
    reading->open = false;
    if (shelf->host->prompting || shelf->host->top != reading->from) {
        host_say(shelf->host, "it is in the library now: %s", reading->name ? reading->name : "");
        return;
    }
    shelf->open(shelf->open_context, reading->document);
}

/* A document that was removed and is taken in again is wanted after all. */
static void take_back(struct shelf *shelf, int64_t document)
{
    for (size_t i = 0; i < shelf->removed_count; i++)
        if (shelf->removed[i] == document) {
            memmove(shelf->removed + i, shelf->removed + i + 1,
                    (shelf->removed_count - i - 1) * sizeof *shelf->removed);
            shelf->removed_count--;
            break;
        }
}

static void read_event(void *context, const struct event *event)
{
    struct read *read = context;
    struct shelf *shelf = read->shelf;
    struct shelf_reading *reading = read->reading;
    reading->begun = true;
    if (event->kind == EVENT_NOTE) {
        host_say(shelf->host, "%s", event->text);
        return;
    }
    if (event->progress.document)
        reading->document = event->progress.document;
    if (event->kind == EVENT_PROGRESS)
        reading->progress = event->progress;
    if (event->kind == EVENT_OUTLINE) {
        if (!reading->stopping)
            take_back(shelf, reading->document);
        shelf_reload(shelf);
        open_when_wanted(shelf, reading);
    }
    tell_watchers(shelf, reading->document, event);
    host_changed(shelf->host);
}

static void unlink_reading(struct shelf *shelf, struct shelf_reading *reading)
{
    struct shelf_reading **at = &shelf->readings;
    while (*at != reading)
        at = &(*at)->next;
    *at = reading->next;
}

static void read_done(void *context, const struct error *failure)
{
    struct read *read = context;
    struct shelf *shelf = read->shelf;
    struct shelf_reading *reading = read->reading;
    struct event end = {.kind = failure ? EVENT_FAILED : EVENT_DONE};
    unlink_reading(shelf, reading);
    if (read->result.document)
        reading->document = read->result.document;
    if (!failure && !reading->stopping)
        take_back(shelf, reading->document);
    open_when_wanted(shelf, reading);
    if (failure)
        end.error = *failure;
    if (failure && !(failure->kind == ERROR_INTERRUPTED && reading->stopping))
        host_fail(shelf->host, failure);
    tell_watchers(shelf, reading->document, &end);
    if (reading->stopping)
        shelf->host->keyed = true; /* it answers a key */
    shelf_reload(shelf);
    host_changed(shelf->host);
    free_reading(reading);
    free(read->path);
    free(read);
}

static void append_reading(struct shelf *shelf, struct shelf_reading *reading)
{
    struct shelf_reading **at = &shelf->readings;
    while (*at)
        at = &(*at)->next;
    *at = reading;
}

/* One of path and document is given. */
static void begin_reading(struct shelf *shelf, const char *path, int64_t document, bool open)
{
    struct read *read = calloc(1, sizeof *read);
    struct shelf_reading *reading = calloc(1, sizeof *reading);
    char *name = path ? strdup(path) : NULL, *copy = path ? strdup(path) : NULL;
    if (!read || !reading || (path && (!name || !copy))) {
        struct error error;
        error_out_of_memory(&error);
        host_fail(shelf->host, &error);
        free(read);
        free(reading);
        free(name);
        free(copy);
        return;
    }
    *reading = (struct shelf_reading){
        .document = document, .name = name, .open = open, .from = shelf->host->top};
    *read = (struct read){.shelf = shelf, .reading = reading, .path = copy};
    read->options = (struct reading_options){.document = document};
    if (path) {
        read->options.paths = (const char *const *)&read->path;
        read->options.path_count = 1;
        read->options.text_only = shelf->host->no_reading;
    }
    append_reading(shelf, reading);
    struct desk_request request = {
        .run = run_read, .context = read, .event = read_event, .done = read_done};
    /* When the request is refused, `reading` is gone before desk_submit returns. */
    uint64_t ticket;
    desk_submit(shelf->host->desk, DESK_IN_TURN, &request, &ticket);
    if (ticket)
        reading->ticket = ticket;
    host_changed(shelf->host);
}

void shelf_add(struct shelf *shelf, const char *path, bool open)
{
    begin_reading(shelf, path, 0, open);
}

/* A word of the command line on its way to becoming a document. */
struct named {
    struct shelf *shelf;
    char *word;
    bool open, found, file;
    int64_t document;
};

/* A file that is there wins over a document of that name. */
static bool run_named(struct session *session, void *context, struct error *error)
{
    struct named *named = context;
    struct error not_found = {0};
    named->file = access(named->word, F_OK) == 0;
    if (named->file)
        return true;
    named->found = listing_find(session, named->word, &named->document, NULL, &not_found);
    if (named->found || not_found.kind == ERROR_INPUT)
        return true;
    *error = not_found;
    return false;
}

static void named_done(void *context, const struct error *failure)
{
    struct named *named = context;
    struct shelf *shelf = named->shelf;
    if (failure) {
        if (failure->kind != ERROR_INTERRUPTED)
            host_fail(shelf->host, failure);
    } else if (!named->found && !named->file) {
        host_say(shelf->host, "there is no file and no document of this name: %s", named->word);
    } else if (!named->found) {
        shelf_add(shelf, named->word, named->open);
    } else if (named->open && shelf->open) {
        shelf->open(shelf->open_context, named->document);
    } else {
        shelf_read(shelf, named->document);
    }
    free(named->word);
    free(named);
}

void shelf_open(struct shelf *shelf, const char *word, bool open)
{
    struct named *named = calloc(1, sizeof *named);
    char *copy = strdup(word);
    if (!named || !copy) {
        free(named);
        free(copy);
        return;
    }
    *named = (struct named){.shelf = shelf, .word = copy, .open = open};
    desk_submit(shelf->host->desk, DESK_QUICK,
                &(struct desk_request){.run = run_named, .context = named, .done = named_done},
                NULL);
}

void shelf_add_sample(struct shelf *shelf)
{
    struct buffer path = {0};
    struct error error = {0};
    if (place_sample(&path, &error))
        shelf_add(shelf, path.data, true);
    else
        host_fail(shelf->host, &error);
    buffer_free(&path);
}

const struct shelf_reading *shelf_reading_of(const struct shelf *shelf, int64_t document)
{
    for (const struct shelf_reading *reading = shelf->readings; reading; reading = reading->next)
        if (document && reading->document == document)
            return reading;
    return NULL;
}

const char *shelf_waiting(const struct shelf *shelf, const struct shelf_reading *reading)
{
    return reading == shelf->readings ? "beginning" : "waiting";
}

void shelf_read(struct shelf *shelf, int64_t document)
{
    if (!shelf_reading_of(shelf, document))
        begin_reading(shelf, NULL, document, false);
}

void shelf_stop(struct shelf *shelf, int64_t document)
{
    for (struct shelf_reading *reading = shelf->readings; reading; reading = reading->next)
        if (reading->document == document) {
            reading->stopping = true;
            desk_cancel(shelf->host->desk, reading->ticket);
        }
    host_changed(shelf->host);
}

/* --- removing ------------------------------------------------------------------------ */

static void hide(struct shelf *shelf, int64_t document, bool removed)
{
    for (size_t i = 0; i < shelf->count; i++)
        if (shelf->entries[i].document.id == document)
            shelf->entries[i].removed = removed;
    host_changed(shelf->host);
}

void shelf_remove(struct shelf *shelf, int64_t document)
{
    if (shelf->removed_count == shelf->removed_capacity) {
        size_t capacity = shelf->removed_capacity ? 2 * shelf->removed_capacity : 8;
        int64_t *removed = realloc(shelf->removed, capacity * sizeof *removed);
        if (!removed)
            return;
        shelf->removed = removed;
        shelf->removed_capacity = capacity;
    }
    shelf->removed[shelf->removed_count++] = document;
    shelf_stop(shelf, document);
    hide(shelf, document, true);
}

int64_t shelf_undo(struct shelf *shelf)
{
    if (shelf->removed_count == 0)
        return 0;
    int64_t document = shelf->removed[--shelf->removed_count];
    hide(shelf, document, false);
    return document;
}

/* One that is gone already is no failure; another does not keep the rest. */
static bool run_sweep(struct session *session, void *context, struct error *error)
{
    const struct shelf *shelf = context;
    struct error failure = {0};
    for (size_t i = 0; i < shelf->removed_count; i++) {
        struct error this = {0};
        if (!upkeep_remove(session, shelf->removed[i], &this) && this.kind != ERROR_INPUT)
            failure = this;
    }
    if (failure.kind == ERROR_NONE)
        return true;
    *error = failure;
    return false;
}

static void sweep_done(void *context, const struct error *failure)
{
    struct shelf *shelf = context;
    if (failure)
        *shelf->sweep_error = *failure;
    shelf->removed_count = 0;
}

void shelf_sweep(struct shelf *shelf, struct error *error)
{
    shelf->sweep_error = error;
    if (shelf->removed_count == 0)
        return;
    for (struct shelf_reading *reading = shelf->readings; reading; reading = reading->next) {
        reading->stopping = true;
        desk_cancel(shelf->host->desk, reading->ticket);
    }
    desk_submit(shelf->host->desk, DESK_IN_TURN,
                &(struct desk_request){.run = run_sweep, .context = shelf, .done = sweep_done},
                NULL);
}

/* --- watchers ------------------------------------------------------------------------- */

void shelf_watch(struct shelf *shelf, struct shelf_watcher *watcher)
{
    watcher->next = shelf->watchers;
    shelf->watchers = watcher;
}

void shelf_unwatch(struct shelf *shelf, struct shelf_watcher *watcher)
{
    struct shelf_watcher **at = &shelf->watchers;
    while (*at && *at != watcher)
        at = &(*at)->next;
    if (*at)
        *at = watcher->next;
}
