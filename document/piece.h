/* piece.h: some lines of a text held together, and whether they look like Markdown. */
#ifndef TIDEMARK_DOCUMENT_PIECE_H
#define TIDEMARK_DOCUMENT_PIECE_H

#include "document/source.h"

struct piece_line {
    size_t begin, end;       /* in the piece's text, without the line end */
    struct source_line line; /* its text is not used */
};

/* A zeroed struct is empty. */
struct piece {
    struct trace text; /* the lines, each with '\n' */
    struct piece_line *lines;
    size_t count, capacity;
};

bool piece_add(struct piece *piece, const struct source_line *line,
               struct error *error) WARN_UNUSED;

/* Drops the first lines. */
void piece_drop(struct piece *piece, size_t lines);
void piece_free(struct piece *piece);

const char *piece_text(const struct piece *piece, size_t line, size_t *size);

/* By its looks: see markdown.h. */
bool piece_is_markdown(const struct piece *piece);

/* Lines of metadata between --- at the beginning, with these; 0: none. */
size_t piece_metadata(const struct piece *piece);

#define PIECE_FENCE 64

/* How many of its lines to take, that as little as possible is torn. `fence`: the line that
 * opened the fence that the piece begins within, "" for none; it becomes the line that opens
 * again the one that is open behind the lines taken. */
size_t piece_cut(const struct piece *piece, char fence[PIECE_FENCE]);

#endif
