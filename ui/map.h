/* map.h: a document in one line of blocks: the higher a block, the more its text surprised
 * the model. */
#ifndef TIDEMARK_UI_MAP_H
#define TIDEMARK_UI_MAP_H

#include "ui/book.h"
#include "ui/canvas.h"

/* Each column stands for a section or, where there are more sections than columns, for
 * several. "." is not read yet; places of hits are underlaid; "^" stands at `here`. */
void map_draw(const struct book *book, struct canvas_area area, int64_t here);

/* The first section that a column stands for. */
int64_t map_section(const struct book *book, int columns, int column);

/* One section's blocks: bits per token in `count` stretches, -1 where nothing was read, at
 * (0, column) of the area. Places of hits are underlaid. */
void map_draw_stretches(const struct book *book, int64_t section, const float *bits, size_t count,
                        struct canvas_area area, int column);

#endif
