/* book.h: a document that is open: its outline, the texts at hand, what was asked,
 * summarized, noted and found in it.
 *
 * Everything is asked of the desk and comes later; until then it is empty or NULL, and
 * host_changed() is called when it has come. A place is a section's ordinal and a byte of
 * its text. */
#ifndef TIDEMARK_UI_BOOK_H
#define TIDEMARK_UI_BOOK_H

#include "app/work/browsing.h"
#include "app/work/conversing.h"
#include "app/work/noting.h"
#include "app/work/searching.h"
#include "ui/shelf.h"
#include "ui/wrap.h"

/* A section's text, cut into rows. */
struct book_text {
    struct browsing_text text; /* text NULL: not there */
    struct wrap wrap;
    unsigned columns; /* that it was wrapped for; 0: not yet */
    int64_t section;  /* -1: the slot is free */
    uint64_t used;    /* the larger, the later */
    bool loading;
    bool stale;       /* what is being loaded is of an earlier text */
    double failed_at; /* clock_seconds(); 0: it did not fail */
};

enum { BOOK_TEXTS = 160 }; /* slots; more than a screen can show sections of */

/* What is being asked or summarized; one at a time. */
enum book_task { BOOK_IDLE, BOOK_ASKING, BOOK_SUMMING };

struct book_place {
    int64_t section;
    size_t offset;
};

struct book {
    struct host *host;
    int64_t id;
    int pending;                      /* requests on their way */
    bool closed;                      /* to be freed when none is */
    struct listing_document document; /* with its outline; sections 0 until loaded */
    char **paths;                     /* of its sources [document.sources] */
    bool loaded;
    void (*loaded_call)(void *context); /* when loaded the first time */
    void *loaded_context;
    bool has_place; /* where the person was the last time */
    struct book_place place;

    struct book_text texts[BOOK_TEXTS];
    uint64_t clock;

    struct conversing conversation;
    bool conversation_stale; /* a newer list is on its way */
    unsigned edition;        /* raised when the conversation or the outline is another */
    struct browsing_summaries summaries;
    struct noting notes;

    enum book_task task;
    uint64_t task_ticket;
    const char *task_name; /* "answering", "summarizing" */
    struct event_progress task_progress;
    char *question;      /* being asked */
    int64_t after;       /* that it follows up; 0: none */
    struct buffer draft; /* of its answer */

    struct searching *search; /* NULL: none */
    char *pattern;
    bool search_backwards;
    int64_t search_next; /* section to go on with; -1: all was searched */
    struct searching_hits hits;

    struct shelf_watcher watcher;
    double least_bits, most_bits; /* per token, between which the map's blocks rise */
    double usual_bits;            /* per token, of all that was read */
    int64_t range_stale_at;       /* sections read when these are to be found anew */
};

/* NULL when out of memory. Nothing is loaded yet. */
struct book *book_open(struct host *host, int64_t document);
/* Notes the place where the person was. */
void book_close(struct book *book, struct book_place place);

/* The text of a section in rows of `columns`, or NULL until it is there. The pointer is
 * good until the next call. */
const struct book_text *book_text(struct book *book, int64_t section, unsigned columns);
/* Asks for a text that will be wanted soon. */
void book_prefetch(struct book *book, int64_t section);

/* Mean surprise of a section, bits a token; -1: not read. */
double book_bits(const struct book *book, int64_t section);
/* That as 0 to 7, between the document's calmest and its densest sections; -1 for -1. */
int book_level(const struct book *book, double bits);

/* The file that a section came from; NULL when it came from standard input. */
const char *book_path(const struct book *book, int64_t section);

/* --- asking (book_ask.c) --- */

/* as_of -1 and after 0: the whole document. Called back nothing: the answer becomes the
 * conversation's last turn. */
void book_ask(struct book *book, const char *question, int64_t as_of, int64_t after);
enum book_summary { BOOK_SECTION, BOOK_CHAPTER, BOOK_DOCUMENT, BOOK_SO_FAR };
void book_sum(struct book *book, enum book_summary what, int64_t section);
/* Stops what is being asked or summarized. False when nothing is. */
bool book_cancel(struct book *book);
void book_forget(struct book *book, int64_t question);
const struct conversing_turn *book_turn(const struct book *book, int64_t id);
/* How many turns it follows up, one after the other. */
int book_depth(const struct book *book, const struct conversing_turn *turn);
/* The kept summary of this kind; NULL: none. */
const char *book_summary_of(const struct book *book, enum library_summary_kind kind,
                            int64_t section);

/* --- finding and noting (book_find.c) --- */

/* Begins a search, which goes on by itself; NULL ends it. False when the pattern is not
 * one, which is said. */
bool book_search(struct book *book, const char *pattern, bool backwards);
/* The same once more: the text is another. */
void book_search_again(struct book *book);
/* The hit after (or before) a place, around the document's ends; -1: none (yet). */
ptrdiff_t book_hit(const struct book *book, struct book_place place, bool backwards);
/* Index of the first hit that does not begin before the place. */
size_t book_first_hit(const struct book *book, struct book_place place);

/* Adds or replaces; texts are copied. */
void book_note(struct book *book, const struct library_note *note);
void book_remove_note(struct book *book, int64_t id);
/* The note, or bookmark, that holds this place; NULL: none. */
const struct noting_note *book_note_at(const struct book *book, enum library_note_kind kind,
                                       struct book_place place);

/* Writes the document's export to a new file. */
void book_export(struct book *book, const char *path);

/* --- for its parts --- */

/* Submits; `done` finds the book still there, closed or not. */
void book_submit(struct book *book, enum desk_counter counter, const struct desk_request *request,
                 uint64_t *ticket);
/* To be called at the end of each `done`: frees a closed book after its last one. */
void book_done(struct book *book);
/* Looks something up and lets it take the place of what the book has, which is freed. */
struct book_found { /* one of these */
    struct conversing conversation;
    struct browsing_summaries summaries;
    struct noting notes;
};
typedef bool book_look(struct session *session, int64_t document, struct book_found *found,
                       struct error *error);                         /* on the worker's thread */
typedef void book_take(struct book *book, struct book_found *found); /* swaps */
void book_fetch(struct book *book, book_look *look, book_take *take);
void book_load_conversation(struct book *book);
void book_load_summaries(struct book *book);
void book_load_notes(struct book *book);
void book_end_search(struct book *book);

#endif
