#include "ui/palette.h"

#include "ui/terminal_private.h"

#include <assert.h>
#include <stdlib.h>

#define PAIRS 128 /* colours in front of others; three for each style would fit */

enum colours { NO_COLOURS, EIGHT_COLOURS, MANY_COLOURS, TRUE_COLOURS };

static struct {
    bool as_given;
    enum colours colours;
    struct {
        attr_t attributes;
        short pair;
    } looks[THEME_STYLES];
    int pairs[PAIRS][2]; /* foreground and background of pair i + 1 */
    int pair_count;
} palette;

static enum colours count_colours(void)
{
    const char *none = getenv("NO_COLOR");
    if (!palette.as_given && none && *none != '\0')
        return NO_COLOURS;
    if (!has_colors() || start_color() != OK || use_default_colors() != OK || COLORS < 8)
        return NO_COLOURS;
    if (COLORS > 0xFFFF)
        return TRUE_COLOURS;
    return COLORS >= 256 ? MANY_COLOURS : EIGHT_COLOURS;
}

void palette_open(bool as_given)
{
    palette.as_given = as_given;
    palette.colours = count_colours();
}

static attr_t attributes_of(unsigned attributes)
{
    attr_t result = WA_NORMAL;
    if (attributes & THEME_BOLD)
        result |= WA_BOLD;
    if (attributes & THEME_FAINT)
        result |= WA_DIM;
    if (attributes & THEME_ITALIC)
        result |= WA_ITALIC;
    if (attributes & THEME_UNDERLINE)
        result |= WA_UNDERLINE;
    if (attributes & THEME_REVERSE)
        result |= WA_REVERSE;
    return result;
}

/* The number that ncurses knows a colour by; -1: the terminal's own. */
static int colour_number(int32_t colour)
{
    if (colour == THEME_DEFAULT)
        return -1;
    if (palette.colours == MANY_COLOURS)
        return theme_nearest_256(colour);
    /* Where numbers are colours, 0 to 7 still mean the first eight. */
    if (palette.colours == TRUE_COLOURS)
        return colour < 8 ? 8 : colour;
    /* What is nearly grey may not be told from the background: it keeps the terminal's. */
    int nearest = theme_nearest_8(colour);
    return nearest == 0 || nearest == 7 ? -1 : nearest;
}

/* The pair of these two; 0, the terminal's own colours, when there are too many. */
static short pair_of(int foreground, int background)
{
    if (foreground < 0 && background < 0)
        return 0;
    for (int i = 0; i < palette.pair_count; i++)
        if (palette.pairs[i][0] == foreground && palette.pairs[i][1] == background)
            return (short)(i + 1);
    int number = palette.pair_count + 1;
    if (number >= PAIRS || number >= COLOR_PAIRS ||
        init_extended_pair(number, foreground, background) != OK)
        return 0;
    palette.pairs[palette.pair_count][0] = foreground;
    palette.pairs[palette.pair_count][1] = background;
    palette.pair_count = number;
    return (short)number;
}

void palette_set(const struct theme *theme)
{
    bool coloured = theme->colours && (palette.colours != NO_COLOURS || palette.as_given);
    /* Eight are too few for backgrounds: colours help there, attributes tell. */
    bool few = palette.colours == EIGHT_COLOURS && !palette.as_given;
    palette.pair_count = 0;
    for (int i = 0; i < THEME_STYLES; i++) {
        const struct theme_look *wish = &theme->looks[i];
        unsigned attributes = coloured ? wish->attributes : wish->plain;
        if (few)
            attributes |= wish->plain;
        palette.looks[i].attributes = attributes_of(attributes);
        palette.looks[i].pair = 0;
        if (coloured && palette.colours != NO_COLOURS)
            palette.looks[i].pair = pair_of(colour_number(wish->foreground),
                                            few ? -1 : colour_number(wish->background));
    }
}

void palette_look(enum theme_style style, attr_t *attributes, short *pair)
{
    assert(style < THEME_STYLES);
    *attributes = palette.looks[style].attributes;
    *pair = palette.looks[style].pair;
}
