#include "ui/canvas.h"

#include "ui/cluster.h"
#include "ui/terminal_private.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The widest text that canvas_format makes; a screen has fewer columns. */
#define FORMAT_SIZE 4096

/* --- cells ------------------------------------------------------------------------------- */

/* True when the cells are within the area and on the screen. */
static bool is_inside(const struct canvas_area *area, int line, int column, int columns)
{
    int lines, across;
    terminal_size(&lines, &across);
    if (line < 0 || line >= area->lines || column < 0 || column > area->columns - columns)
        return false;
    /* Places of the screen, wide enough for any sum. */
    long y = (long)area->line + line, x = (long)area->column + column;
    return y >= 0 && y < lines && x >= 0 && x <= (long)across - columns;
}

/* True when the place holds the second half of a wide character. */
static bool is_second_half(int y, int x)
{
    cchar_t cell;
    int lines, columns;
    terminal_size(&lines, &columns);
    /* ncurses numbers the halves in the bits that were once for the character. */
    return x > 0 && x < columns && mvwin_wch(stdscr, y, x, &cell) == OK &&
           (cell.attr & A_CHARTEXT) > 1;
}

/* Empties a place; it keeps its look. */
static void blank_half(int y, int x)
{
    cchar_t cell;
    wchar_t shown[CCHARW_MAX + 1];
    attr_t attributes;
    short pair;
    if (mvwin_wch(stdscr, y, x, &cell) == OK &&
        getcchar(&cell, shown, &attributes, &pair, NULL) == OK &&
        setcchar(&cell, L" ", attributes, pair, NULL) == OK)
        mvwadd_wch(stdscr, y, x, &cell);
}

/* Sends one character of so many columns, with its marks, to its place: `text` ends with
 * NUL. */
static void put_cell(const struct canvas_area *area, int line, int column, int columns,
                     const wchar_t *text, enum theme_style style)
{
    int y = area->line + line, x = area->column + column;
    attr_t attributes;
    short pair;
    palette_look(style, &attributes, &pair);
    cchar_t cell;
    if (setcchar(&cell, text, attributes, pair, NULL) != OK)
        return;
    /* The other halves of wide characters that lose one; ncurses would keep them. */
    if (is_second_half(y, x))
        blank_half(y, x - 1);
    if (is_second_half(y, x + columns))
        blank_half(y, x + columns);
    /* At the last place of the screen it reports an error and has drawn all the same. */
    mvwadd_wch(stdscr, y, x, &cell);
}

static void put_wide(const struct canvas_area *area, int line, int column, wchar_t character,
                     enum theme_style style)
{
    const wchar_t text[] = {character, L'\0'};
    put_cell(area, line, column, 1, text, style);
}

/* Columns of the characters of a cluster by the C library, which counts them in the end; -1
 * for characters that it does not know or that the locale cannot show. */
static int library_columns(const struct cluster *cluster)
{
    int sum = 0;
    for (const wchar_t *at = cluster->shown; *at != L'\0'; at++) {
        char bytes[16]; /* more than MB_LEN_MAX of what is in use */
        mbstate_t state = {0};
        int columns = wcwidth(*at);
        if (columns < 0 || wcrtomb(bytes, *at, &state) == (size_t)-1)
            return -1;
        sum += columns;
    }
    return sum;
}

static void put_substitute(const struct canvas_area *area, int line, int column, int columns,
                           enum theme_style style)
{
    put_wide(area, line, column, terminal_unicode() ? L'\uFFFD' : L'?', style);
    for (int i = 1; i < columns; i++)
        put_wide(area, line, column + i, L' ', style);
}

/* A cluster that is inside. */
static void put_cluster(const struct canvas_area *area, int line, int column,
                        const struct cluster *cluster, enum theme_style style)
{
    if (library_columns(cluster) != (int)cluster->columns) {
        put_substitute(area, line, column, (int)cluster->columns, style);
        return;
    }
    for (const wchar_t *at = cluster->shown; *at != L'\0';) {
        wchar_t text[CCHARW_MAX + 1];
        size_t count = 0;
        int columns = wcwidth(*at);
        do {
            if (count < CCHARW_MAX)
                text[count++] = *at;
            at++;
        } while (*at != L'\0' && wcwidth(*at) == 0);
        text[count] = L'\0';
        put_cell(area, line, column, columns, text, style);
        column += columns;
    }
}

/* --- text -------------------------------------------------------------------------------- */

void canvas_clear(struct canvas_area area, enum theme_style style)
{
    for (int line = 0; line < area.lines; line++)
        for (int column = 0; column < area.columns; column++)
            if (is_inside(&area, line, column, 1))
                put_wide(&area, line, column, L' ', style);
}

int canvas_put(struct canvas_area area, int line, int column, const char *text, size_t size,
               enum theme_style style)
{
    struct cluster cluster;
    for (size_t at = 0; at < size; at += cluster.size) {
        cluster_next(&cluster, text, size, at);
        int columns = (int)cluster.columns;
        if (columns > area.columns - column)
            break;
        if (columns > 0 && is_inside(&area, line, column, columns))
            put_cluster(&area, line, column, &cluster, style);
        column += columns;
    }
    return column;
}

int canvas_label(struct canvas_area area, int line, int column, const char *text,
                 enum theme_style style)
{
    size_t size = strlen(text);
    int room = area.columns - column;
    if (room <= 0)
        return column;
    if (cluster_fit(text, size, (size_t)room) == size)
        return canvas_put(area, line, column, text, size, style);
    size_t fit = cluster_fit(text, size, (size_t)room - 1);
    column = canvas_put(area, line, column, text, fit, style);
    return canvas_put(area, line, column, terminal_unicode() ? "\u2026" : "~",
                      terminal_unicode() ? strlen("\u2026") : 1, style);
}

int canvas_right(struct canvas_area area, int line, const char *text, enum theme_style style)
{
    size_t columns = cluster_columns(text, strlen(text));
    int column =
        area.columns > 0 && columns < (size_t)area.columns ? area.columns - (int)columns : 0;
    canvas_label(area, line, column, text, style);
    return column;
}

int canvas_format(struct canvas_area area, int line, int column, enum theme_style style,
                  const char *format, ...)
{
    char text[FORMAT_SIZE];
    va_list list;
    va_start(list, format);
    int size = vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    return size < 0 ? column : canvas_label(area, line, column, text, style);
}

void canvas_restyle(struct canvas_area area, int line, int column, int count,
                    enum theme_style style)
{
    attr_t attributes;
    short pair;
    palette_look(style, &attributes, &pair);
    for (int i = 0; i < count && column + i < area.columns; i++)
        if (is_inside(&area, line, column + i, 1))
            mvwchgat(stdscr, area.line + line, area.column + column + i, 1, attributes, pair, NULL);
}

/* --- shapes ------------------------------------------------------------------------------ */

void canvas_vertical(struct canvas_area area, int column, enum theme_style style)
{
    for (int line = 0; line < area.lines; line++)
        if (is_inside(&area, line, column, 1))
            put_wide(&area, line, column, terminal_unicode() ? L'\u2502' : L'|', style);
}

void canvas_horizontal(struct canvas_area area, int line, enum theme_style style)
{
    for (int column = 0; column < area.columns; column++)
        if (is_inside(&area, line, column, 1))
            put_wide(&area, line, column, terminal_unicode() ? L'\u2500' : L'-', style);
}

void canvas_block(struct canvas_area area, int line, int column, int height, enum theme_style style)
{
    assert(height >= 0 && height <= 7);
    if (is_inside(&area, line, column, 1))
        put_wide(&area, line, column, (wchar_t)((terminal_unicode() ? 0x2581 : '0') + height),
                 style);
}

void canvas_bar(struct canvas_area area, int line, int column, int columns, double share)
{
    bool unicode = terminal_unicode();
    /* Halves of cells; what is no number counts as nothing done. */
    double clamped = share >= 1 ? 1 : share > 0 ? share : 0;
    int halves = (int)(clamped * 2 * columns);
    for (int i = 0; i < columns; i++) {
        if (!is_inside(&area, line, column + i, 1))
            continue;
        if (2 * i + 2 <= halves)
            put_wide(&area, line, column + i, unicode ? L'\u2588' : L'#', THEME_BAR);
        else if (2 * i + 1 == halves && unicode)
            put_wide(&area, line, column + i, L'\u258C', THEME_BAR);
        else
            put_wide(&area, line, column + i, unicode ? L'\u2591' : L'.', THEME_BAR_REST);
    }
}
