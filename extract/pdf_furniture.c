/* What is printed on page after page: running heads and feet, page numbers. */
#include "extract/pdf.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ZONE 0.13  /* of the page's height, at its top and its bottom */
#define SAME_Y 3.0 /* points */

enum { BANDS = 2, KEY_SIZE = 160 };

/* All lines at one height, at the top or the bottom of a page. */
struct band {
    double y0, y1;
    double away; /* from the text next to it */
    double font;
    char key[KEY_SIZE];
    bool number; /* nothing but a page number */
};

static bool in_zone(const struct pdf_page *page, const struct pdf_line *line, bool top)
{
    return top ? line->y1 < page->height * ZONE : line->y0 > page->height * (1 - ZONE);
}

/* The outermost line that lies beyond `beyond` (towards the page's middle). */
static const struct pdf_line *outermost(const struct pdf_page *page, bool top, double beyond)
{
    const struct pdf_line *found = NULL;
    for (size_t i = 0; i < page->count; i++) {
        const struct pdf_line *line = &page->lines[i];
        double middle = (line->y0 + line->y1) / 2;
        if (top ? middle <= beyond : middle >= beyond)
            continue;
        if (!found || (top ? line->y1 < found->y1 : line->y1 > found->y1))
            found = line;
    }
    return found;
}

/* Letters in lower case, and every number as #. */
static void add_key(char key[KEY_SIZE], const char *text, size_t size)
{
    size_t used = strlen(key);
    for (size_t i = 0; i < size && used + 1 < KEY_SIZE; i++) {
        unsigned char c = (unsigned char)text[i];
        if (isdigit(c)) {
            if (used == 0 || key[used - 1] != '#')
                key[used++] = '#';
        } else if (c > ' ') {
            key[used++] = (char)tolower(c);
        }
    }
    key[used] = '\0';
}

/* "12", "- 12 -", "xiv", "page 3 of 9": from the key. */
static bool is_number(const char *key)
{
    static const char *const forms[] = {"#",   "-#-",    "–#–",      "—#—", "[#]",
                                        "(#)", "page#",  "page#of#", "#/#", "#of#",
                                        "p.#", "seite#", "|#|",      "#|",  "|#"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (strcmp(key, forms[i]) == 0)
            return true;
    size_t size = strlen(key);
    return size > 0 && size <= 8 && strspn(key, "ivxlc") == size;
}

static size_t find_bands(struct band bands[BANDS], const struct pdf_page *page, bool top)
{
    double beyond = top ? -1e9 : 1e9;
    size_t count = 0;
    while (count < BANDS) {
        const struct pdf_line *first = outermost(page, top, beyond);
        if (!first || !in_zone(page, first, top))
            break;
        struct band *band = &bands[count++];
        *band = (struct band){.y0 = first->y0, .y1 = first->y1, .font = first->font};
        for (size_t i = 0; i < page->count; i++)
            if (fabs(page->lines[i].y1 - first->y1) < SAME_Y)
                add_key(band->key, pdf_line_text(page, &page->lines[i]), page->lines[i].size);
        band->number = is_number(band->key);
        beyond = top ? first->y1 + SAME_Y : first->y0 - SAME_Y;
        const struct pdf_line *next = outermost(page, top, beyond);
        band->away = next ? (top ? next->y1 - band->y1 : band->y1 - next->y1) : page->height;
    }
    return count;
}

/* Set apart from the text, and not in larger letters, as a title would be. */
static bool is_apart(const struct pdf_page *page, const struct band *band)
{
    return band->away > 1.6 * page->leading && band->font <= 1.05 * page->font;
}

/* Does the other page have such a band at the same height? */
static bool has_like(const struct pdf_page *other, bool top, const struct band *band, bool apart)
{
    struct band bands[BANDS];
    size_t count = find_bands(bands, other, top);
    for (size_t i = 0; i < count; i++) {
        if (fabs(bands[i].y1 - band->y1) > SAME_Y)
            continue;
        if (strcmp(bands[i].key, band->key) == 0 || (bands[i].number && band->number))
            return true;
        if (apart && i == 0 && is_apart(other, &bands[i]))
            return true;
    }
    return false;
}

static bool is_furniture(const struct pdf_page *page, const struct band *band, size_t place,
                         bool top, struct pdf_page *const *before, struct pdf_page *const *after,
                         size_t count)
{
    size_t alike = 0, others = 0; /* of the pages around */
    bool apart = place == 0 && is_apart(page, band);
    for (size_t i = 0; i < count; i++) {
        others += (size_t)(before[i] != NULL) + (size_t)(after[i] != NULL);
        alike += before[i] && has_like(before[i], top, band, apart);
        alike += after[i] && has_like(after[i], top, band, apart);
    }
    if (band->number && (apart || alike > 0))
        return true;
    /* Titles may be alike, too, but they are larger than the text. */
    if (band->font > 1.15 * page->font)
        return false;
    return alike >= 2 || (alike == 1 && others <= 2);
}

void pdf_furniture(struct pdf_page *page, struct pdf_page *const *before,
                   struct pdf_page *const *after, size_t count)
{
    for (int top = 0; top < 2; top++) {
        struct band bands[BANDS];
        size_t found = find_bands(bands, page, top);
        for (size_t i = 0; i < found; i++) {
            if (!is_furniture(page, &bands[i], i, top, before, after, count))
                break; /* what lies further in is text */
            for (size_t j = 0; j < page->count; j++)
                if (fabs(page->lines[j].y1 - bands[i].y1) < SAME_Y)
                    page->lines[j].dropped = true;
        }
    }
}
