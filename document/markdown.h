/* markdown.h: the lines of a text; of Markdown, with what they are and without its marks.
 *
 *     struct markdown *markdown = markdown_new(source, name, cancel);
 *     while (markdown_next(markdown, &line, &mark, &error)) ...
 *     markdown_free(markdown);
 *
 * Whether a text is Markdown is decided by its first MARKDOWN_PIECE bytes: it has headings
 * ("# Title") that stand free, fences, links or tables of Markdown, does not look like
 * source code, and has marks for md4c to make sense of at all. Any other text's lines come
 * as the source gives them, MARKDOWN_UNKNOWN.
 *
 * Markdown goes to md4c (marking.h) in pieces of about MARKDOWN_PIECE bytes, cut before a
 * heading, else at an empty line, else where a line ends; so memory does not grow, and of
 * links by reference those are resolved whose definition lies in the same piece. A fence
 * that is open at a cut is opened again behind it.
 *
 * What marks a block stays (# - 1. > and fences: they say in plain characters what it is);
 * what marks a stretch of text goes:
 *
 *     *emphasis*, `code`, [text](link), [text][reference]    their text
 *     ![picture](link)        [image: picture]
 *     \* and &amp;            * and &
 *     <b>HTML</b>             its text; <h1>Title</h1> alone on a line is a heading
 *     | a | b |               a | b; the line of dashes goes
 *     [^note] and [^note]:    [note]
 *
 * Definitions of links stay, as do metadata between lines --- at the very beginning.
 * Positions are those of the bytes that are left. */
#ifndef TIDEMARK_DOCUMENT_MARKDOWN_H
#define TIDEMARK_DOCUMENT_MARKDOWN_H

#include "document/source.h"

#define MARKDOWN_PIECE 131072

struct markdown;

enum markdown_kind {
    MARKDOWN_UNKNOWN, /* not taken apart: to be judged by its looks */
    MARKDOWN_TEXT,
    MARKDOWN_HEADING,   /* the first line of one */
    MARKDOWN_MORE,      /* its next line */
    MARKDOWN_UNDERLINE, /* of = or - under its last */
    MARKDOWN_VERBATIM,  /* code, fences, rows, definitions: to stay as it is */
    MARKDOWN_DROPPED,   /* never given */
};

struct markdown_mark {
    enum markdown_kind kind;
    unsigned level; /* of a heading */
};

/* `source` and `name` stay the caller's; `cancel` may be NULL. NULL when out of memory. */
struct markdown *markdown_new(struct source *source, const char *name, const atomic_bool *cancel);

/* As source_next. */
bool markdown_next(struct markdown *markdown, struct source_line *line, struct markdown_mark *mark,
                   struct error *error) WARN_UNUSED;
void markdown_free(struct markdown *markdown);

#endif
