/* extraction.h: a document that is no text, as the blocks that a program makes of it.
 *
 *     struct extraction *extraction = extraction_open(name, FORMAT_PDF, NULL, input, ...);
 *     while (extraction_next(extraction, &block, &error)) ...
 *     extraction_close(extraction);
 *
 * The program (program.h) runs beside this one and is confined (extract/sandbox.h). What
 * it says is a stream of frames (wire.h), of which nothing is believed: kinds, sizes,
 * counts, UTF-8 and order are checked, and what does not fit, a crash or a limit becomes
 * one line about the document, ERROR_INPUT. Blocks come as soon as they are there, so
 * that reading can begin; the program waits while nobody takes them.
 *
 * Positions: `byte` counts the bytes of text, since the file's own say nothing; `page` is
 * the page or the chapter's file, 1 without either; `line` is a line of HTML, else the
 * paragraph. */
#ifndef TIDEMARK_DOCUMENT_EXTRACTION_H
#define TIDEMARK_DOCUMENT_EXTRACTION_H

#include "document/block.h"
#include "document/format.h"

#include <stdatomic.h>

struct extraction;

struct extraction_facts {
    uint64_t text;      /* bytes of it so far */
    uint64_t lines;     /* the last one's number */
    uint64_t pages;     /* so far; at least 1 */
    const char *format; /* "PDF", "EPUB" ...; valid as long as the extraction */
};

/* `name` is the document's, for errors, and stays the caller's as long as the extraction;
 * `charset` is what iconv calls the encoding of HTML; `input` holds the document and can be
 * sought in: it is shared with the program, not taken. Raising *cancel (NULL: none) ends
 * the waiting. NULL on failure. */
struct extraction *extraction_open(const char *name, enum format format, const char *charset,
                                   int input, const atomic_bool *cancel, struct error *error);

/* As extraction_open, with the frames already there to be read from `stream`, which is
 * taken: for tests. */
struct extraction *extraction_adopt(const char *name, int stream, struct error *error);

/* The next block, a zeroed struct at first. False at the end (ERROR_NONE) and on failure. */
bool extraction_next(struct extraction *extraction, struct block *block,
                     struct error *error) WARN_UNUSED;

/* Whether extraction_next would have something to work on, and not wait first. */
bool extraction_is_ready(const struct extraction *extraction);

/* What page, or file, number `page` is called; unit POSITION_LINE when that is not known.
 * The text stays valid until the next call of extraction_next or extraction_forget. */
void extraction_label(const struct extraction *extraction, uint64_t page,
                      struct position_place *place);

/* Nobody will ask for pages before this one. */
void extraction_forget(struct extraction *extraction, uint64_t page);

struct extraction_facts extraction_facts(const struct extraction *extraction);
void extraction_close(struct extraction *extraction);

#endif
