/* canvas.h: text onto the screen, cluster by cluster. The only way in which a byte of a
 * document, a model, a database or the command line comes to the terminal.
 *
 * An area is a rectangle of the screen; nothing is drawn outside it or outside the
 * screen. Lines and columns count from 0 at the area's upper left. */
#ifndef TIDEMARK_UI_CANVAS_H
#define TIDEMARK_UI_CANVAS_H

#include "base/error.h"
#include "ui/theme.h"

struct canvas_area {
    int line, column; /* of the screen */
    int lines, columns;
};

/* Empties it. */
void canvas_clear(struct canvas_area area, enum theme_style style);

/* Draws text[0..size) from (line, column) on, up to its end or the area's right edge; a
 * cluster that does not fit whole is not drawn. Returns the column after it. */
int canvas_put(struct canvas_area area, int line, int column, const char *text, size_t size,
               enum theme_style style);

/* The same for a text that ends with NUL; what does not fit is cut with "…". */
int canvas_label(struct canvas_area area, int line, int column, const char *text,
                 enum theme_style style);

/* canvas_label with text aligned to the right edge; returns its first column. */
int canvas_right(struct canvas_area area, int line, const char *text, enum theme_style style);

int canvas_format(struct canvas_area area, int line, int column, enum theme_style style,
                  const char *format, ...) PRINTF_LIKE(5, 6);

/* Gives `count` cells of a line another style; what is drawn there stays. */
void canvas_restyle(struct canvas_area area, int line, int column, int count,
                    enum theme_style style);

/* Lines of box drawing, or ASCII where the locale has none. */
void canvas_vertical(struct canvas_area area, int column, enum theme_style style);
void canvas_horizontal(struct canvas_area area, int line, enum theme_style style);

/* A block from an eighth (0) to eight eighths (7) high; digits where the locale has none. */
void canvas_block(struct canvas_area area, int line, int column, int height,
                  enum theme_style style);

/* A bar that is done by `share`, 0 to 1, `columns` wide. */
void canvas_bar(struct canvas_area area, int line, int column, int columns, double share);

#endif
