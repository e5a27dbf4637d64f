/* document.h: a file becomes normalized text and an outline of sections.
 *
 *     struct document_reader *reader;
 *     if (!document_open(&reader, path, NULL, NULL, &error)) ...
 *     struct document_section section;
 *     while (document_next(reader, &section, &error))   // error.kind tells end from failure
 *         keep(&section);
 *     document_close(reader);
 *
 * The file is streamed: memory holds one section and one paragraph, whatever the
 * file's size. The result is a function of the file's bytes, its encoding and
 * DOCUMENT_NORMALIZER alone.
 *
 * Text (in whatever encoding, see encoding.h; byte order marks are skipped; bytes that
 * are no character are counted and become U+FFFD): CR LF and CR become LF; a form feed ends a line
 * and turns the page; trailing blanks go; runs of empty lines become one; the lines of a
 * hard-wrapped paragraph are joined, with a hyphenated word made whole; lines
 * that a writer broke on purpose (verse, lists, tables, code, one line a
 * paragraph) stay. Sections follow headings (Markdown, CHAPTER IV, numbered,
 * underlined, capitals); one longer than DOCUMENT_SECTION_LIMIT characters is cut
 * at a paragraph's end, else a sentence's, else a word's, else a character's.
 * Sections cover the text without gap or overlap, headings included; their texts
 * on end are the whole, with a line end put in where a section ends within a
 * paragraph, and an empty line between two sections belongs to the first.
 *
 * Lines are counted as an editor counts them: a form feed turns the page and does
 * not count. A paragraph goes on over a page's end if nothing else stands between
 * and it goes on in lower case. Paragraph.h tells which lines are joined,
 * heading.h which are headings, cut.h where long sections are cut. */
#ifndef TIDEMARK_DOCUMENT_DOCUMENT_H
#define TIDEMARK_DOCUMENT_DOCUMENT_H

#include "base/hash.h"
#include "document/position.h"

#include <stdatomic.h>

/* Raised when the same bytes could become other text or sections: part of every
 * checkpoint's key. */
#define DOCUMENT_NORMALIZER 3

#define DOCUMENT_SECTION_LIMIT 6000 /* characters */
#define DOCUMENT_TITLE_LIMIT 200    /* bytes, cut between characters */

struct document_reader;

/* Valid until the next call on the reader. */
struct document_section {
    const char *title; /* heading without its marks; a continued section repeats its
                          heading's title with " (2)", " (3)" ...; text before the first
                          heading is named after its first words */
    unsigned level;    /* depth in the outline, from 1; continued sections share it */
    unsigned part;     /* 1, or 2, 3 ... for the continuation of a long section */
    const char *text;  /* normalized UTF-8, ends in '\n', never empty, NUL-terminated */
    size_t size;       /* bytes of text */
    size_t characters;
    const void *map; /* encoded position map of `text` */
    size_t map_size;
    struct position begin; /* of the first source byte */
    uint64_t end_byte;     /* one past the last source byte; the next section's begin.byte */
};

/* How a file's encoding became known, the surest first. */
enum document_evidence {
    DOCUMENT_GIVEN,    /* the caller said so */
    DOCUMENT_MARKED,   /* a byte order mark */
    DOCUMENT_DECLARED, /* the text itself names it at its beginning */
    DOCUMENT_UTF8,     /* nothing at its beginning is against UTF-8 */
    DOCUMENT_GUESSED,  /* from what its bytes look like */
};

/* Names and evidence are known once the file is open; the rest once document_next
 * has come to its end. */
struct document_facts {
    uint64_t bytes, lines, pages;
    uint64_t characters;    /* normalized */
    uint64_t invalid_bytes; /* that became U+FFFD */
    struct hash hash;       /* of the source bytes */
    const char *encoding;   /* its usual name; valid as long as the reader */
    enum document_evidence evidence;
    unsigned confidence; /* in the encoding, percent; 100 unless guessed */
};

/* `path` may be "-" for standard input, read from descriptor 0, which stays open. Raising
 * *cancel (NULL: none) ends the waiting for it, with ERROR_INTERRUPTED.
 * `encoding` is a name that iconv knows, in any case, or NULL: then a byte order mark
 * tells, else what the text declares, else whether it is UTF-8, else a guess.
 *
 * Fails with ERROR_USAGE for an encoding that is not known, and with ERROR_INPUT and
 * one clear line for a file that is absent, a directory, not permitted, empty, or not
 * text (NUL or many control characters in its first 64 KiB, or bytes that no encoding
 * explains: the line says what it seems to be when the first bytes tell, as for PDF,
 * ZIP, gzip, PNG, JPEG, ELF, SQLite, GGUF). */
bool document_open(struct document_reader **reader, const char *path, const char *encoding,
                   const atomic_bool *cancel, struct error *error) WARN_UNUSED;

/* As document_open, reading `block` bytes at a time (0: the usual): for tests,
 * since the result must not depend on it. */
bool document_open_in_blocks(struct document_reader **reader, const char *path,
                             const char *encoding, size_t block, struct error *error) WARN_UNUSED;

/* False at the end (error->kind is ERROR_NONE) or on failure (error is set). */
bool document_next(struct document_reader *reader, struct document_section *section,
                   struct error *error) WARN_UNUSED;

/* False while the program that takes a document apart has nothing more to give yet: there
 * is time for something else. */
bool document_is_ready(const struct document_reader *reader);

/* Bytes of the source taken so far, for progress. */
uint64_t document_bytes_read(const struct document_reader *reader);

const struct document_facts *document_facts(const struct document_reader *reader);
void document_close(struct document_reader *reader);

#endif
