/* heading.h: is this line a heading, of which level, and what is its title?
 *
 * Markdown's own ("# Title", or a line underlined with = or -) are certain, and so are
 * those that reStructuredText underlines otherwise.
 * In other texts a heading is a line alone between empty lines that is
 *
 *     named      CHAPTER IV, Part 2: Title, APPENDIX B, PREFACE (with a number,
 *                also right between lines of text that end and begin sentences;
 *                of these, only a lone short title below CHAPTER IV is taken
 *                along)
 *     numbered   1 Title, 1.2. Title, A.1 Title, IV. Title, IV
 *     capital    THE OLD HOUSE
 *
 * The last two count only as long as no "# Title" was seen, nor a title underlined with *
 * as the first such: Markdown numbers its list items so. Neither lines of a table of contents (dots
 * up to a page number) nor numbered lines that follow each other like a list's are headings.
 *
 * Levels: Markdown's own; = 1 and - 2, unless another underline came first: then in the
 * order in which they were seen; VOLUME, BOOK and PART are above CHAPTER and
 * its kin, these above SECTION and SCENE, and each is one below those ranks above
 * it that were seen before in the document (and below the last "# Title");
 * numbered by the parts of the number; capitals one below the last named heading,
 * or 1. So a level depends on nothing that comes later. */
#ifndef TIDEMARK_DOCUMENT_HEADING_H
#define TIDEMARK_DOCUMENT_HEADING_H

#include <stdbool.h>
#include <stddef.h>

/* What was seen of the document so far; zeroed at its beginning. */
struct heading_outline {
    bool markdown;           /* a "# Title" */
    unsigned markdown_level; /* of the last one */
    bool part, chapter;      /* a numbered heading of these ranks */
    unsigned named_level;    /* of the last named heading */
    char underlines[8];      /* the marks that underlined titles so far, in their order */
    unsigned long number;    /* of a line just before that was an item of a list, or 0 */
};

enum heading_kind {
    HEADING_NONE,
    HEADING_MARKDOWN,
    HEADING_UNDERLINED,
    HEADING_NAMED,
    HEADING_NUMBERED,
    HEADING_CAPITAL
};

struct heading {
    enum heading_kind kind;
    unsigned level;
    size_t begin, end; /* the title within its line */
    char mark;         /* of its underline */
    bool takes_next;   /* the next line is its title's second half */
};

struct heading_line {
    const char *text; /* without trailing blanks; NULL: there is none */
    size_t size;
};

/* # Title. The caller keeps it out of fenced code. */
bool heading_marked(struct heading *heading, struct heading_line line);

/* A title with a line of = or - under it, or one of its own length of * ^ ~ # + or ". */
bool heading_underlined(struct heading *heading, const struct heading_outline *outline,
                        struct heading_line title, struct heading_line underline);

/* Any other kind. `line` is the first of a paragraph of `lines` lines, `second`
 * its next, and `after` the first line of the next paragraph. */
bool heading_plain(struct heading *heading, struct heading_outline *outline,
                   struct heading_line line, size_t lines, struct heading_line second,
                   struct heading_line after);

/* Where a text has no empty lines between its paragraphs: does `line` begin a new
 * one because it has the form of a named heading and the line before it ends a
 * sentence? Whether it is a heading then is for heading_plain to say. */
bool heading_interrupts(struct heading_line before, struct heading_line line);

/* Tells the outline of a heading that was accepted. */
void heading_note(struct heading_outline *outline, const struct heading *heading);

#endif
