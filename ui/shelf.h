/* shelf.h: the library's documents, and which of them are being read.
 *
 * A document that is removed is only hidden until the reader ends, so that it can be
 * brought back; then it goes. */
#ifndef TIDEMARK_UI_SHELF_H
#define TIDEMARK_UI_SHELF_H

#include "app/work/listing.h"
#include "ui/host.h"

/* A document that is being read, or a file that is being taken in, or either waiting. */
struct shelf_reading {
    int64_t document; /* 0: not known yet */
    char *name;       /* what is shown until it is */
    uint64_t ticket;
    bool begun;                     /* false: waits for another reading */
    bool open;                      /* to be opened as soon as its text is there ... */
    const void *from;               /* ... if this is still the topmost view */
    bool stopping;                  /* asked to stop */
    struct event_progress progress; /* once begun */
    struct shelf_reading *next;
};

struct shelf_entry {
    struct listing_document document; /* without outline */
    char *question;                   /* asked last; NULL: none */
    bool removed;
};

/* Told of what happens to one document while it is read. */
struct shelf_watcher {
    int64_t document;
    void *context;
    /* failure: set with EVENT_FAILED. */
    void (*event)(void *context, const struct event *event);
    struct shelf_watcher *next;
};

struct shelf {
    struct host *host;
    struct shelf_entry *entries; /* as the library lists them */
    size_t count;
    bool loaded;
    bool loading, again; /* a new list is on its way, and stale already */
    int64_t *removed;    /* ids, in the order removed */
    size_t removed_count, removed_capacity;
    struct error *sweep_error;      /* where shelf_sweep's failure goes */
    struct shelf_reading *readings; /* in turn */
    struct shelf_watcher *watchers;
    /* A document is to be opened; set by the library's view. */
    void (*open)(void *context, int64_t document);
    void *open_context;
};

struct shelf *shelf_new(struct host *host);
void shelf_free(struct shelf *shelf);

/* Asks for the list anew. */
void shelf_reload(struct shelf *shelf);

/* NULL when it is not listed. */
const struct shelf_entry *shelf_find(const struct shelf *shelf, int64_t document);

/* Takes a file in and reads it; `open`: opens it as soon as it can be. */
void shelf_add(struct shelf *shelf, const char *path, bool open);
/* What the command line named: a document of the library, or else a file. */
void shelf_open(struct shelf *shelf, const char *word, bool open);
void shelf_add_sample(struct shelf *shelf);
/* Reads on, or stops. */
void shelf_read(struct shelf *shelf, int64_t document);
void shelf_stop(struct shelf *shelf, int64_t document);
/* NULL when it is not being read. */
const struct shelf_reading *shelf_reading_of(const struct shelf *shelf, int64_t document);

/* What a reading that has not begun is doing. */
const char *shelf_waiting(const struct shelf *shelf, const struct shelf_reading *reading);

void shelf_remove(struct shelf *shelf, int64_t document);
/* The id of the document that is back; 0: none was removed. */
int64_t shelf_undo(struct shelf *shelf);
/* At the end: removes for good what was removed; the desk does it, after which
 * removed_count is 0 and *error, which must live until then, says what failed. */
void shelf_sweep(struct shelf *shelf, struct error *error);

/* The watcher stays the caller's. */
void shelf_watch(struct shelf *shelf, struct shelf_watcher *watcher);
void shelf_unwatch(struct shelf *shelf, struct shelf_watcher *watcher);

#endif
