#include "ui/outline_pane.h"

#include "ui/wrap.h"

#include <string.h>

enum { SIGNS = 3, SUMMARY_LINES = 12, DEEPEST = 6 };

/* --- signs ----------------------------------------------------------------------------- */

static bool has_summary(const struct book *book, int64_t section)
{
    return book_summary_of(book, LIBRARY_SUMMARY_SECTION, section) ||
           book_summary_of(book, LIBRARY_SUMMARY_CHAPTER, section) ||
           book_summary_of(book, LIBRARY_SUMMARY_SO_FAR, section) ||
           (section == 0 && book_summary_of(book, LIBRARY_SUMMARY_DOCUMENT, -1));
}

static bool has_state(const struct listing_section *section)
{
    for (size_t i = 0; i < section->checkpoint_count; i++)
        if (section->checkpoints[i].kind == STATES_PREFIX)
            return true;
    return false;
}

static void draw_section(const struct outline_pane *pane, int64_t ordinal, struct canvas_area line,
                         enum theme_style style)
{
    const struct listing_section *section = &pane->book->document.outline[ordinal];
    bool read = section->tokens >= 0;
    bool plain = style == THEME_TEXT;
    canvas_label(line, 0, 0,
                 !read                ? "."
                 : has_state(section) ? "*"
                                      : "o",
                 !plain ? style
                 : read ? THEME_READ
                        : THEME_UNREAD);
    if (has_summary(pane->book, ordinal))
        canvas_label(line, 0, 1, "=", plain ? THEME_SUMMARY : style);
    int64_t depth = section->level > 1 ? section->level - 1 : 0;
    int column = SIGNS + (int)(depth < DEEPEST ? depth : DEEPEST) - (line.columns < 24);
    canvas_label(line, 0, column, section->title, plain && !read ? THEME_UNREAD : style);
}

/* --- summaries --------------------------------------------------------------------------- */

/* Draws up to `most` lines; returns how many. */
static int draw_summary(struct canvas_area area, int line, int most, const char *label,
                        const char *text)
{
    struct error error;
    struct wrap wrap = {0};
    int drawn = 0;
    if (!text || !*text || most <= 0 || area.columns <= SIGNS + 4)
        return 0;
    if (*label) {
        canvas_label(area, line, SIGNS, label, THEME_DIM);
        drawn = 1;
    }
    if (!wrap_text(&wrap, text, strlen(text), (unsigned)(area.columns - SIGNS - 1), &error))
        return drawn;
    for (size_t i = 0; i < wrap.count && drawn < most; i++, drawn++) {
        const char *row = text + wrap.rows[i].begin;
        bool cut = drawn + 1 == most && i + 1 < wrap.count;
        struct canvas_area line_area = {area.line + line + drawn, area.column + SIGNS, 1,
                                        area.columns - SIGNS};
        if (cut) /* what is more is cut visibly */
            canvas_label(line_area, 0, 0, row, THEME_SUMMARY);
        else
            canvas_put(line_area, 0, 0, row, wrap.rows[i].end - wrap.rows[i].begin, THEME_SUMMARY);
    }
    wrap_free(&wrap);
    return drawn;
}

static int draw_summaries(const struct outline_pane *pane, struct canvas_area area, int line,
                          int64_t section)
{
    const struct {
        enum library_summary_kind kind;
        int64_t section;
        const char *label;
    } all[] = {
        {LIBRARY_SUMMARY_SECTION, section, ""},
        {LIBRARY_SUMMARY_CHAPTER, section, "chapter:"},
        {LIBRARY_SUMMARY_SO_FAR, section, "so far:"},
        {LIBRARY_SUMMARY_DOCUMENT, section == 0 ? -1 : -2, "document:"},
    };
    int most = area.lines / 2 < SUMMARY_LINES ? area.lines / 2 : SUMMARY_LINES;
    int drawn = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        drawn += draw_summary(area, line + drawn, most - drawn, all[i].label,
                              book_summary_of(pane->book, all[i].kind, all[i].section));
    return drawn;
}

/* --- the pane ------------------------------------------------------------------------------ */

void outline_pane_draw(struct outline_pane *pane, struct canvas_area area, int64_t here,
                       bool focused)
{
    size_t count = (size_t)pane->book->document.sections;
    pane->area = area;
    if (area.lines <= 0 || area.columns <= SIGNS || count == 0)
        return;
    size_t lines = (size_t)area.lines, at = (size_t)here;
    if (!focused) { /* with the text, which comes from above as well as from below */
        pane->scroll.at = at;
        if (at < pane->scroll.first || at >= pane->scroll.first + lines)
            pane->scroll.first = at > lines / 3 ? at - lines / 3 : 0;
    }
    /* Room below the cursor's line for its summaries. */
    int room = has_summary(pane->book, (int64_t)pane->scroll.at) ? area.lines / 2 : 0;
    scroll_fit(&pane->scroll, count, lines - (size_t)room);
    int line = 0;
    for (size_t i = pane->scroll.first; i < count && line < area.lines; i++) {
        struct canvas_area row = {area.line + line, area.column, 1, area.columns};
        bool cursor = i == pane->scroll.at;
        enum theme_style style = !cursor ? THEME_TEXT : focused ? THEME_SELECTED : THEME_CURSOR;
        if (cursor)
            canvas_clear(row, style);
        draw_section(pane, (int64_t)i, row, style);
        line++;
        if (cursor)
            line += pane->summary_lines = draw_summaries(pane, area, line, (int64_t)i);
    }
}

int64_t outline_pane_at(const struct outline_pane *pane, int line)
{
    size_t at = pane->scroll.first + (size_t)line;
    if (line < 0)
        return -1;
    if (at > pane->scroll.at) { /* the lines of summaries below the cursor belong to it */
        size_t below = (size_t)pane->summary_lines;
        at = at - pane->scroll.at <= below ? pane->scroll.at : at - below;
    }
    return at < (size_t)pane->book->document.sections ? (int64_t)at : -1;
}
