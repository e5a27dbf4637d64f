#include "ui/map.h"

int64_t map_section(const struct book *book, int columns, int column)
{
    int64_t sections = book->document.sections;
    return columns > 0 ? (int64_t)column * sections / columns : 0;
}

static int64_t end_section(const struct book *book, int columns, int column)
{
    int64_t begin = map_section(book, columns, column);
    int64_t end = map_section(book, columns, column + 1);
    return end > begin ? end : begin + 1;
}

/* Mean bits per token of sections [begin, end); -1: not read. */
static double mean_bits(const struct book *book, int64_t begin, int64_t end)
{
    double bits = 0;
    int64_t tokens = 0;
    for (int64_t i = begin; i < end && i < book->document.sections; i++) {
        const struct listing_section *section = &book->document.outline[i];
        if (section->tokens <= 0)
            continue;
        bits += section->bits;
        tokens += section->tokens;
    }
    return tokens > 0 ? bits / (double)tokens : -1;
}

static bool has_hit(const struct book *book, int64_t begin, int64_t end)
{
    size_t first = book_first_hit(book, (struct book_place){begin, 0});
    return first < book->hits.count && book->hits.items[first].section < end;
}

/* `level` below 0: nothing was read. */
static void draw_block(int level, struct canvas_area area, int column)
{
    if (level < 0) {
        canvas_label(area, 0, column, ".", THEME_DIM);
        return;
    }
    canvas_block(area, 0, column, level, (enum theme_style)(THEME_MAP_0 + level));
}

void map_draw(const struct book *book, struct canvas_area area, int64_t here)
{
    if (area.lines <= 0 || book->document.sections == 0)
        return;
    for (int column = 0; column < area.columns; column++) {
        int64_t begin = map_section(book, area.columns, column);
        int64_t end = end_section(book, area.columns, column);
        draw_block(book_level(book, mean_bits(book, begin, end)), area, column);
        if (has_hit(book, begin, end))
            canvas_restyle(area, 0, column, 1, THEME_HIT);
    }
    /* A sign in its place, since a block shown in reverse reads as another height. */
    int at = (int)((2 * here + 1) * area.columns / (2 * book->document.sections));
    canvas_label(area, 0, at, "^", THEME_KEY);
}

void map_draw_stretches(const struct book *book, int64_t section, const float *bits, size_t count,
                        struct canvas_area area, int column)
{
    const struct searching_hits *hits = &book->hits;
    /* A stretch is a few tokens, which differ more than whole sections do: its blocks rise
     * from nothing to twice what is usual. */
    for (size_t i = 0; i < count; i++) {
        double level = book->usual_bits > 0 ? (double)bits[i] / (2 * book->usual_bits) * 8 : 0;
        draw_block(bits[i] < 0 ? -1 : level < 7 ? (int)level : 7, area, column + (int)i);
    }
    int64_t characters =
        book->document.outline[section].end_byte - book->document.outline[section].begin_byte;
    for (size_t i = book_first_hit(book, (struct book_place){section, 0});
         i < hits->count && hits->items[i].section == section && characters > 0; i++) {
        size_t at = hits->items[i].begin * count / (size_t)characters;
        canvas_restyle(area, 0, column + (int)(at < count ? at : count - 1), 1, THEME_HIT);
    }
}
