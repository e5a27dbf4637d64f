#include "ui/theme.h"

#include <stdlib.h>
#include <string.h>

/* What carries the meaning without colours, the same in all themes. */
enum {
    PLAIN = 0,
    BOLD = THEME_BOLD,
    FAINT = THEME_FAINT,
    ITALIC = THEME_ITALIC,
    UNDERLINE = THEME_UNDERLINE,
    REVERSE = THEME_REVERSE,
    PLAIN_SELECTED = THEME_REVERSE,
    PLAIN_CURSOR = THEME_UNDERLINE,
    PLAIN_CHOSEN = THEME_REVERSE | THEME_UNDERLINE,
    PLAIN_HIT = THEME_BOLD | THEME_UNDERLINE,
    PLAIN_HIT_HERE = THEME_BOLD | THEME_REVERSE,
    PLAIN_PASSAGE = THEME_BOLD | THEME_ITALIC,
    PLAIN_VERIFIED = THEME_BOLD,
    PLAIN_UNVERIFIED = THEME_FAINT,
    NONE = THEME_DEFAULT,
};

/* Bright on dark: few colours, all of them pale, backgrounds only where something is
 * pointed at. */
static const struct theme dark =
    {
        .name = "dark",
        .colours = true,
        .looks =
            {
                [THEME_TEXT] = {PLAIN, PLAIN, NONE, NONE},
                [THEME_DIM] = {PLAIN, FAINT, 0x8E96A3, NONE},
                [THEME_TITLE] = {BOLD, REVERSE, 0xECEFF4, 0x2C3442},
                [THEME_HEADING] = {BOLD, BOLD, 0x8EC1E8, NONE},
                [THEME_CODE] = {PLAIN, PLAIN, 0xA9C9A4, NONE},
                [THEME_SELECTED] = {PLAIN, PLAIN_SELECTED, 0xFFFFFF, 0x2F5482},
                [THEME_CURSOR] = {PLAIN, PLAIN_CURSOR, 0xE3E7EE, 0x333C4B},
                [THEME_CHOSEN] = {PLAIN, PLAIN_CHOSEN, 0xFFFFFF, 0x5A4685},
                [THEME_HIT] = {UNDERLINE, PLAIN_HIT, 0xF2CF7A, NONE},
                [THEME_HIT_HERE] = {BOLD, PLAIN_HIT_HERE, 0x1B1B1B, 0xF2CF7A},
                [THEME_PASSAGE] = {PLAIN, PLAIN_PASSAGE, 0xFFFFFF, 0x1F5C55},
                [THEME_NOTED] = {ITALIC, ITALIC, 0xD3B3E6, NONE},
                [THEME_QUESTION] = {BOLD, BOLD, 0xF0C6A0, NONE},
                [THEME_VERIFIED] = {PLAIN, PLAIN_VERIFIED, 0x8FD0A0, NONE},
                [THEME_UNVERIFIED] = {ITALIC, PLAIN_UNVERIFIED, 0xF09A92, NONE},
                [THEME_SUMMARY] = {PLAIN, PLAIN, 0xA5CFD6, NONE},
                [THEME_READ] = {PLAIN, PLAIN, 0xD5DAE2, NONE},
                [THEME_UNREAD] = {PLAIN, FAINT, 0x8A929F, NONE},
                [THEME_BAR] = {PLAIN, REVERSE, 0x6FB3A8, 0x2C3442},
                [THEME_BAR_REST] = {PLAIN, REVERSE, 0x8C95A3, 0x2C3442},
                [THEME_STATUS] = {PLAIN, REVERSE, 0xD5DAE2, 0x2C3442},
                [THEME_PROMPT] = {PLAIN, PLAIN, 0xECEFF4, NONE},
                [THEME_MESSAGE] = {PLAIN, PLAIN, 0xA5CFD6, NONE},
                [THEME_ERROR] = {BOLD, BOLD | REVERSE, 0xFF9C92, NONE},
                [THEME_BORDER] = {PLAIN, FAINT, 0x6B7482, NONE},
                [THEME_KEY] = {BOLD, BOLD, 0xF2CF7A, NONE},
                [THEME_MAP_0] = {PLAIN, PLAIN, 0x4F81BD, NONE},
                [THEME_MAP_1] = {PLAIN, PLAIN, 0x4C9CC0, NONE},
                [THEME_MAP_2] = {PLAIN, PLAIN, 0x4FB0A5, NONE},
                [THEME_MAP_3] = {PLAIN, PLAIN, 0x76B97B, NONE},
                [THEME_MAP_4] = {PLAIN, PLAIN, 0xB9BC5C, NONE},
                [THEME_MAP_5] = {PLAIN, PLAIN, 0xE2B04C, NONE},
                [THEME_MAP_6] = {PLAIN, PLAIN, 0xEA8A4B, NONE},
                [THEME_MAP_7] = {BOLD, BOLD, 0xEF6A5E, NONE},
            },
};

static const struct theme light =
    {
        .name = "light",
        .colours = true,
        .looks =
            {
                [THEME_TEXT] = {PLAIN, PLAIN, NONE, NONE},
                [THEME_DIM] = {PLAIN, FAINT, 0x626B78, NONE},
                [THEME_TITLE] = {BOLD, REVERSE, 0x1E2530, 0xDCE3EC},
                [THEME_HEADING] = {BOLD, BOLD, 0x1F5C99, NONE},
                [THEME_CODE] = {PLAIN, PLAIN, 0x3C6A35, NONE},
                [THEME_SELECTED] = {PLAIN, PLAIN_SELECTED, 0x0B1A2C, 0xB9D5F5},
                [THEME_CURSOR] = {PLAIN, PLAIN_CURSOR, 0x1E2530, 0xE6EAF0},
                [THEME_CHOSEN] = {PLAIN, PLAIN_CHOSEN, 0x23123F, 0xDCCDF3},
                [THEME_HIT] = {UNDERLINE, PLAIN_HIT, 0x7A5200, NONE},
                [THEME_HIT_HERE] = {BOLD, PLAIN_HIT_HERE, 0x2B1D00, 0xFFD466},
                [THEME_PASSAGE] = {PLAIN, PLAIN_PASSAGE, 0x08302B, 0xC4E9E0},
                [THEME_NOTED] = {ITALIC, ITALIC, 0x6E3C91, NONE},
                [THEME_QUESTION] = {BOLD, BOLD, 0x8A4510, NONE},
                [THEME_VERIFIED] = {PLAIN, PLAIN_VERIFIED, 0x1C6B35, NONE},
                [THEME_UNVERIFIED] = {ITALIC, PLAIN_UNVERIFIED, 0xA82A22, NONE},
                [THEME_SUMMARY] = {PLAIN, PLAIN, 0x1B5F6B, NONE},
                [THEME_READ] = {PLAIN, PLAIN, 0x2A313C, NONE},
                [THEME_UNREAD] = {PLAIN, FAINT, 0x626B78, NONE},
                [THEME_BAR] = {PLAIN, REVERSE, 0x1F7A6E, 0xDCE3EC},
                [THEME_BAR_REST] = {PLAIN, REVERSE, 0x6F7784, 0xDCE3EC},
                [THEME_STATUS] = {PLAIN, REVERSE, 0x2A313C, 0xDCE3EC},
                [THEME_PROMPT] = {PLAIN, PLAIN, 0x1E2530, NONE},
                [THEME_MESSAGE] = {PLAIN, PLAIN, 0x1B5F6B, NONE},
                [THEME_ERROR] = {BOLD, BOLD | REVERSE, 0xB01E1E, NONE},
                [THEME_BORDER] = {PLAIN, FAINT, 0x8A929E, NONE},
                [THEME_KEY] = {BOLD, BOLD, 0x7A5200, NONE},
                [THEME_MAP_0] = {PLAIN, PLAIN, 0x2F67AD, NONE},
                [THEME_MAP_1] = {PLAIN, PLAIN, 0x1F7FA6, NONE},
                [THEME_MAP_2] = {PLAIN, PLAIN, 0x1E8578, NONE},
                [THEME_MAP_3] = {PLAIN, PLAIN, 0x4A8743, NONE},
                [THEME_MAP_4] = {PLAIN, PLAIN, 0x807A12, NONE},
                [THEME_MAP_5] = {PLAIN, PLAIN, 0xA86F00, NONE},
                [THEME_MAP_6] = {PLAIN, PLAIN, 0xC2561A, NONE},
                [THEME_MAP_7] = {BOLD, BOLD, 0xC42A22, NONE},
            },
};

static const struct theme mono =
    {
        .name = "mono",
        .colours = false,
        .looks =
            {
                [THEME_TEXT] = {PLAIN, PLAIN, NONE, NONE},
                [THEME_DIM] = {FAINT, FAINT, NONE, NONE},
                [THEME_TITLE] = {REVERSE, REVERSE, NONE, NONE},
                [THEME_HEADING] = {BOLD, BOLD, NONE, NONE},
                [THEME_CODE] = {PLAIN, PLAIN, NONE, NONE},
                [THEME_SELECTED] = {PLAIN_SELECTED, PLAIN_SELECTED, NONE, NONE},
                [THEME_CURSOR] = {PLAIN_CURSOR, PLAIN_CURSOR, NONE, NONE},
                [THEME_CHOSEN] = {PLAIN_CHOSEN, PLAIN_CHOSEN, NONE, NONE},
                [THEME_HIT] = {PLAIN_HIT, PLAIN_HIT, NONE, NONE},
                [THEME_HIT_HERE] = {PLAIN_HIT_HERE, PLAIN_HIT_HERE, NONE, NONE},
                [THEME_PASSAGE] = {PLAIN_PASSAGE, PLAIN_PASSAGE, NONE, NONE},
                [THEME_NOTED] = {ITALIC, ITALIC, NONE, NONE},
                [THEME_QUESTION] = {BOLD, BOLD, NONE, NONE},
                [THEME_VERIFIED] = {PLAIN_VERIFIED, PLAIN_VERIFIED, NONE, NONE},
                [THEME_UNVERIFIED] = {PLAIN_UNVERIFIED, PLAIN_UNVERIFIED, NONE, NONE},
                [THEME_SUMMARY] = {PLAIN, PLAIN, NONE, NONE},
                [THEME_READ] = {PLAIN, PLAIN, NONE, NONE},
                [THEME_UNREAD] = {FAINT, FAINT, NONE, NONE},
                [THEME_BAR] = {REVERSE, REVERSE, NONE, NONE},
                [THEME_BAR_REST] = {REVERSE, REVERSE, NONE, NONE},
                [THEME_STATUS] = {REVERSE, REVERSE, NONE, NONE},
                [THEME_PROMPT] = {PLAIN, PLAIN, NONE, NONE},
                [THEME_MESSAGE] = {PLAIN, PLAIN, NONE, NONE},
                [THEME_ERROR] = {BOLD | REVERSE, BOLD | REVERSE, NONE, NONE},
                [THEME_BORDER] = {FAINT, FAINT, NONE, NONE},
                [THEME_KEY] = {BOLD, BOLD, NONE, NONE},
                [THEME_MAP_0] = {PLAIN, PLAIN, NONE, NONE},
                [THEME_MAP_1] = {PLAIN, PLAIN, NONE, NONE},
                [THEME_MAP_2] = {PLAIN, PLAIN, NONE, NONE},
                [THEME_MAP_3] = {PLAIN, PLAIN, NONE, NONE},
                [THEME_MAP_4] = {PLAIN, PLAIN, NONE, NONE},
                [THEME_MAP_5] = {PLAIN, PLAIN, NONE, NONE},
                [THEME_MAP_6] = {PLAIN, PLAIN, NONE, NONE},
                [THEME_MAP_7] = {BOLD, BOLD, NONE, NONE},
            },
};

static const struct theme *const themes[] = {&dark, &light, &mono};

const struct theme *theme_at(size_t index)
{
    return index < sizeof(themes) / sizeof(*themes) ? themes[index] : NULL;
}

const struct theme *theme_named(const char *name)
{
    for (size_t i = 0; theme_at(i); i++)
        if (strcmp(themes[i]->name, name) == 0)
            return themes[i];
    return NULL;
}

const struct theme *theme_guess(void)
{
    const char *none = getenv("NO_COLOR");
    if (none && *none != '\0')
        return &mono;
    /* "foreground;background", some with a word between them. */
    const char *colours = getenv("COLORFGBG");
    const char *background = colours ? strrchr(colours, ';') : NULL;
    if (background && (strcmp(background, ";7") == 0 || strcmp(background, ";15") == 0))
        return &light;
    return &dark;
}

/* --- fewer colours ----------------------------------------------------------------------- */

static void split(int parts[3], int32_t colour)
{
    for (int i = 0; i < 3; i++)
        parts[i] = (int)(colour >> (16 - 8 * i)) & 0xFF;
}

static int distance(const int a[3], const int b[3])
{
    int sum = 0;
    for (int i = 0; i < 3; i++)
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum;
}

/* Colours 16 to 231 are a cube of six levels, 232 to 255 greys. */
int theme_nearest_256(int32_t colour)
{
    static const int levels[6] = {0, 95, 135, 175, 215, 255};
    int wanted[3], cube[3], place = 0, sum = 0;
    split(wanted, colour);
    for (int i = 0; i < 3; i++) {
        int best = 0;
        for (int level = 1; level < 6; level++)
            if (abs(levels[level] - wanted[i]) < abs(levels[best] - wanted[i]))
                best = level;
        cube[i] = levels[best];
        place = 6 * place + best;
        sum += wanted[i];
    }
    int step = (sum / 3 - 8 + 5) / 10;
    step = step < 0 ? 0 : step > 23 ? 23 : step;
    const int grey[3] = {8 + 10 * step, 8 + 10 * step, 8 + 10 * step};
    return distance(wanted, grey) < distance(wanted, cube) ? 232 + step : 16 + place;
}

int theme_nearest_8(int32_t colour)
{
    int parts[3];
    split(parts, colour);
    int low = parts[0], high = parts[0];
    for (int i = 1; i < 3; i++) {
        low = parts[i] < low ? parts[i] : low;
        high = parts[i] > high ? parts[i] : high;
    }
    if (high - low < 40)
        return high < 0x60 ? 0 : 7;
    int nearest = 0;
    for (int i = 0; i < 3; i++)
        if (parts[i] > (low + high) / 2)
            nearest |= 1 << i;
    return nearest;
}
