/* pdf.h: pages of a PDF as lines of text, and what makes sense of them.
 *
 * poppler gives each page's characters in reading order, with boxes and fonts
 * (pdf_page.c). Of these, lines are made; running heads and page numbers are found by
 * comparing a page with those around it (pdf_furniture.c), tables and footnotes by where
 * they stand (pdf_layout.c), headings by bookmarks or by size (pdf_outline.c); then lines
 * become paragraphs (pdf_flow.c). Lengths are in points, y grows downwards. */
#ifndef TIDEMARK_EXTRACT_PDF_H
#define TIDEMARK_EXTRACT_PDF_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>

#define PDF_LINES_MOST 100000 /* on a page */
#define PDF_BOOKMARKS_MOST 65536

struct pdf_line {
    size_t begin, size;    /* in the page's text */
    double x0, y0, x1, y1; /* box; y1 is about the baseline */
    double font;           /* size of most of it */
    bool bold, mono;       /* most of it */
    bool dropped;          /* a running head or a page number */
    bool note;             /* of a footnote */
    bool taken;            /* by a table or a heading */
    size_t table;          /* number of the table whose first line it is, from 1; or 0 */
    size_t heading;        /* number of the heading whose first line it is, from 1; or 0 */
    double right;          /* edge of its column */
};

struct pdf_row {
    size_t table;
    struct buffer text; /* cells with tabs between */
};

struct pdf_heading {
    unsigned level;
    struct buffer title;
};

struct pdf_page {
    size_t number; /* from 1 */
    char label[64];
    double width, height;
    bool has_image;
    struct buffer text;
    struct pdf_line *lines;
    size_t count, capacity;
    struct pdf_row *rows;
    size_t row_count;
    struct pdf_heading *headings;
    size_t heading_count;
    double font, leading; /* of most of it */
    bool mono;            /* most of it */
};

struct pdf_bookmark {
    char *title;
    unsigned level;
    size_t page; /* from 1 */
    double y;    /* from the top; negative: not known */
    bool used;
};

void pdf_page_free(struct pdf_page *page);
const char *pdf_line_text(const struct pdf_page *page, const struct pdf_line *line);

/* Marks what is printed on page after page. `before` and `after` hold up to `count` pages
 * each, the nearest first; NULL where there is none. */
void pdf_furniture(struct pdf_page *page, struct pdf_page *const *before,
                   struct pdf_page *const *after, size_t count);

/* Measures the page; then finds its tables and footnotes. */
void pdf_measure(struct pdf_page *page);
void pdf_layout(struct pdf_page *page);

/* Finds headings: those that bookmarks name (in order of pages), else, where the document
 * has none, by their fonts. `body` is the size of most of the document's text. */
void pdf_headings(struct pdf_page *page, struct pdf_bookmark *bookmarks, size_t count, double body);

/* Sends the page; what is open at its end may go on with the next one. */
void pdf_flow(struct pdf_page *page);
void pdf_flow_end(void);

/* Memory that is there, or the end. */
void *pdf_checked(void *memory);
void pdf_add(struct buffer *buffer, const char *text, size_t size);

#endif
