/* theme.h: what things look like: named styles, and what a theme makes of each.
 *
 * A style always has its attributes, so that no meaning rests on colour alone; with
 * colours (the terminal has them, NO_COLOR is not set or empty, the theme is not "mono")
 * these come on top: 24 bits where the terminal takes them, else the nearest of 256, else
 * one of eight. */
#ifndef TIDEMARK_UI_THEME_H
#define TIDEMARK_UI_THEME_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum theme_style {
    THEME_TEXT,
    THEME_DIM, /* what may be overlooked */
    THEME_TITLE,
    THEME_HEADING,
    THEME_CODE,
    THEME_SELECTED, /* the line that the cursor is on, in the pane that has the focus */
    THEME_CURSOR,   /* the same in a pane that has not */
    THEME_CHOSEN,   /* a passage being chosen */
    THEME_HIT,      /* of a search */
    THEME_HIT_HERE, /* the one that the search is at */
    THEME_PASSAGE,  /* where a quote leads */
    THEME_NOTED,    /* a passage with a note or bookmark */
    THEME_QUESTION,
    THEME_VERIFIED,   /* a quote that stands in the document */
    THEME_UNVERIFIED, /* one that does not */
    THEME_SUMMARY,
    THEME_READ,   /* of the outline: what was read ... */
    THEME_UNREAD, /* ... and what was not */
    THEME_BAR,    /* progress done */
    THEME_BAR_REST,
    THEME_STATUS,
    THEME_PROMPT,
    THEME_MESSAGE,
    THEME_ERROR,
    THEME_BORDER,
    THEME_KEY,   /* a key's name in help and hints */
    THEME_MAP_0, /* the map's blocks, from what was expected to what surprised; these */
    THEME_MAP_1, /* follow each other */
    THEME_MAP_2,
    THEME_MAP_3,
    THEME_MAP_4,
    THEME_MAP_5,
    THEME_MAP_6,
    THEME_MAP_7,
    THEME_STYLES, /* how many */
};

enum theme_attribute { /* bits */
                       THEME_BOLD = 1,
                       THEME_FAINT = 2,
                       THEME_ITALIC = 4,
                       THEME_UNDERLINE = 8,
                       THEME_REVERSE = 16,
};

#define THEME_DEFAULT (-1) /* the terminal's own colour */

/* What a style becomes. Colours are 0xRRGGBB or THEME_DEFAULT. */
struct theme_look {
    unsigned attributes; /* with colours */
    unsigned plain;      /* without colours: what carries the meaning then */
    int32_t foreground, background;
};

struct theme {
    const char *name;
    struct theme_look looks[THEME_STYLES];
    bool colours; /* false: only `plain` counts */
};

/* "dark", "light", "mono"; NULL when there is none of that name. */
const struct theme *theme_named(const char *name);
const struct theme *theme_at(size_t index); /* NULL after the last */

/* The one to begin with when none is named: by COLORFGBG light or dark, mono with
 * NO_COLOR. */
const struct theme *theme_guess(void);

/* The nearest of the 256 colours of xterm (from 16 on), and of the first eight: by hue, so
 * that a pale colour keeps its own; a grey becomes black (0) or white (7). */
int theme_nearest_256(int32_t colour);
int theme_nearest_8(int32_t colour);

#endif
