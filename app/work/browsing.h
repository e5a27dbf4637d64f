/* browsing.h: what a person sees of a document while moving through it. Nothing here
 * needs a model, and each call is short.
 *
 * Texts come from documents and databases: not fit for a terminal before
 * visible_append(). */
#ifndef TIDEMARK_APP_WORK_BROWSING_H
#define TIDEMARK_APP_WORK_BROWSING_H

#include "app/work/citing.h"
#include "app/work/session.h"

/* A section's text with all that is needed to show it. */
struct browsing_text {
    int64_t document, section;
    char *text; /* normalized UTF-8, NUL-terminated */
    size_t size;
    void *map; /* its position map (document/position.h) */
    size_t map_size;
};
bool browsing_text(struct session *session, int64_t document, int64_t section,
                   struct browsing_text *text, struct error *error) WARN_UNUSED;
void browsing_text_free(struct browsing_text *text);

/* Page and line in the source file of a byte of the text, both from 1. False, and both
 * 0, when the map is broken. */
bool browsing_position(const struct browsing_text *text, size_t offset, int64_t *page,
                       int64_t *line);

/* As browsing_position, with the place's name in a PDF or a book. */
bool browsing_place(const struct browsing_text *text, size_t offset, struct citing *at);

/* What was asked last of each document, for the library's list: parallel to
 * listing_documents' order. NULL where nothing was asked. */
struct browsing_questions {
    int64_t *documents; /* [count] ids */
    char **questions;   /* [count] */
    size_t count;
};
bool browsing_last_questions(struct session *session, struct browsing_questions *questions,
                             struct error *error) WARN_UNUSED;
void browsing_questions_free(struct browsing_questions *questions);

/* The summaries that are kept of a document. */
struct browsing_summary {
    enum library_summary_kind kind;
    int64_t section; /* that it is of; -1: the document */
    char *text;
};
struct browsing_summaries {
    struct browsing_summary *items; /* by kind, then section; parts are left out */
    size_t count, capacity;
};
bool browsing_summaries(struct session *session, int64_t document,
                        struct browsing_summaries *summaries, struct error *error) WARN_UNUSED;
void browsing_summaries_free(struct browsing_summaries *summaries);

/* How surprising the text of sections [first, first + count) was to the model, each
 * section cut into `columns` stretches of equal numbers of tokens: mean bits per token
 * into bits[count * columns], row by row; -1 where nothing was read. The reading is the
 * one that listing_document shows. */
bool browsing_surprise(struct session *session, int64_t document, int64_t first, size_t count,
                       size_t columns, float *bits, struct error *error) WARN_UNUSED;

/* Sections of all documents that hold any of the words of `query`, best first. */
struct browsing_find {
    int64_t document, section;
    char *name, *title;
    char *excerpt; /* one line of the text around the first of the words */
};
struct browsing_finds {
    struct browsing_find *items;
    size_t count, capacity;
};
bool browsing_find_all(struct session *session, const char *query, size_t most,
                       struct browsing_finds *finds, struct error *error) WARN_UNUSED;
void browsing_finds_free(struct browsing_finds *finds);

#endif
