#include "ui/palette.h"

#include "ui/terminal_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define PAIRS 128 /* colours in front of others; three for each style would fit */

#define FIRST_TOLD 16 /* the first number of 256 that has no meaning of its own elsewhere */
#define TOLD 240

/* TOLD_COLOURS: ncurses counts to 256, the terminal takes any. */
enum colours { NO_COLOURS, EIGHT_COLOURS, MANY_COLOURS, TOLD_COLOURS, TRUE_COLOURS };

static struct {
    bool as_given;
    enum colours colours;
    struct {
        attr_t attributes;
        short pair;
    } looks[THEME_STYLES];
    int pairs[PAIRS][2]; /* foreground and background of pair i + 1 */
    int pair_count;
    int32_t told[TOLD]; /* the colour that number FIRST_TOLD + i stands for */
    int told_count;
} palette;

static bool takes_any_colour(void)
{
    const char *says = getenv("COLORTERM");
    return says && (strcmp(says, "truecolor") == 0 || strcmp(says, "24bit") == 0);
}

static enum colours count_colours(void)
{
    const char *none = getenv("NO_COLOR");
    if (!palette.as_given && none && *none != '\0')
        return NO_COLOURS;
    if (!has_colors() || start_color() != OK || use_default_colors() != OK || COLORS < 8)
        return NO_COLOURS;
    if (COLORS > 0xFFFF)
        return TRUE_COLOURS;
    if (COLORS < 256)
        return EIGHT_COLOURS;
    return takes_any_colour() && !palette.as_given ? TOLD_COLOURS : MANY_COLOURS;
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

/* Numbers are never given anew: what is on the screen keeps its colours. */
static int told_number(int32_t colour)
{
    for (int i = 0; i < palette.told_count; i++)
        if (palette.told[i] == colour)
            return FIRST_TOLD + i;
    if (palette.told_count == TOLD)
        return -1;
    palette.told[palette.told_count] = colour;
    return FIRST_TOLD + palette.told_count++;
}

/* The number that ncurses knows a colour by; -1: the terminal's own. */
static int colour_number(int32_t colour)
{
    if (colour == THEME_DEFAULT)
        return -1;
    if (palette.colours == MANY_COLOURS)
        return theme_nearest_256(colour);
    if (palette.colours == TOLD_COLOURS)
        return told_number(colour);
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

/* --- any colour ---------------------------------------------------------------------------- */

/* The number at *at, which moves beyond it and one separator after it; -1: none. */
static int take_number(const char **at, const char *end)
{
    int number = -1;
    while (*at < end && **at >= '0' && **at <= '9' && number < 100000)
        number = (number < 0 ? 0 : number * 10) + (*(*at)++ - '0');
    if (*at < end && (**at == ';' || **at == ':'))
        ++*at;
    return number;
}

/* The parameters of one "CSI ... m". */
static bool translate_style(struct buffer *out, const char *at, const char *end,
                            struct error *error)
{
    bool ok = buffer_append(out, "\x1B[", 2, error);
    for (const char *begin = at; ok && at < end; begin = at) {
        int what = take_number(&at, end), five = -1, number = -1;
        const char *after = at;
        if (what == 38 || what == 48) {
            five = take_number(&at, end);
            number = five == 5 ? take_number(&at, end) - FIRST_TOLD : -1;
        }
        if (number >= 0 && number < palette.told_count) {
            int32_t colour = palette.told[number];
            ok = buffer_append_format(out, error, "%d;2;%d;%d;%d%s", what, colour >> 16 & 255,
                                      colour >> 8 & 255, colour & 255, at < end ? ";" : "");
        } else {
            at = after > begin ? after : end;
            ok = buffer_append(out, begin, (size_t)(at - begin), error);
        }
    }
    return ok && buffer_append_byte(out, 'm', error);
}

bool palette_translate(struct buffer *out, const char *bytes, size_t size, struct error *error)
{
    const char *end = bytes + size;
    if (palette.colours != TOLD_COLOURS)
        return buffer_append(out, bytes, size, error);
    while (bytes < end) {
        const char *escape = memmem(bytes, (size_t)(end - bytes), "\x1B[", 2);
        const char *last = escape ? escape + 2 : end;
        while (escape && last < end && strchr("0123456789;:", *last) && *last)
            last++;
        bool style = escape && last < end && *last == 'm';
        const char *plain = style ? escape : last;
        if (!buffer_append(out, bytes, (size_t)(plain - bytes), error) ||
            (style && !translate_style(out, escape + 2, last, error)))
            return false;
        bytes = style ? last + 1 : last;
    }
    return true;
}
