/* Which lines of a page are headings. */
#include "extract/pdf.h"

#include "base/utf8.h"
#include "document/heading.h"
#include "document/rune.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { KEY_SIZE = 512, LINES_MOST = 6, TITLE_MOST = 300 };

/* Letters and digits alone, in lower case where they are ASCII. */
static size_t add_key(char *key, size_t used, const char *text, size_t size)
{
    size_t length;
    for (size_t i = 0; i < size; i += length) {
        uint32_t rune = rune_at(text, size, i, &length);
        if (!rune_is_word(rune) || used + length >= KEY_SIZE)
            continue;
        memcpy(key + used, text + i, length);
        if (length == 1)
            key[used] = (char)tolower((unsigned char)key[used]);
        used += length;
    }
    return used;
}

/* Bytes at the beginning that are a number: "7.3", "7.", "A.1", "IV.", "Chapter 7". */
static size_t number_at(const char *text, size_t size)
{
    size_t at = 0, parts = 0;
    while (at < size) {
        size_t digits = 0;
        while (at + digits < size && isdigit((unsigned char)text[at + digits]))
            digits++;
        if (digits == 0 && parts == 0 && at + 1 < size && isupper((unsigned char)text[at]) &&
            (text[at + 1] == '.' || text[at + 1] == ' '))
            digits = 1;
        if (digits == 0)
            break;
        parts++;
        at += digits;
        if (at < size && text[at] == '.')
            at++;
    }
    return parts > 0 && at < size && (text[at] == ' ' || text[at] == '\t') ? at : 0;
}

static bool is_free(const struct pdf_line *line)
{
    return !line->dropped && !line->taken && !line->note;
}

static void append_words(struct buffer *title, const char *text, size_t size)
{
    if (title->size > 0)
        pdf_add(title, " ", 1);
    pdf_add(title, text, size);
}

static struct pdf_heading *add_heading(struct pdf_page *page, unsigned level)
{
    page->headings =
        pdf_checked(realloc(page->headings, (page->heading_count + 1) * sizeof *page->headings));
    struct pdf_heading *heading = &page->headings[page->heading_count++];
    *heading = (struct pdf_heading){.level = level};
    return heading;
}

/* --- by bookmarks --------------------------------------------------------------------- */

/* How many lines from `first` on make the bookmark's title, with or without a number
 * before it; 0: they do not. */
static size_t matches(const struct pdf_page *page, size_t first, const char *title, size_t size)
{
    char bare[KEY_SIZE], full[KEY_SIZE];
    size_t bare_size = 0, full_size = 0;
    for (size_t i = first; i < page->count && i < first + LINES_MOST; i++) {
        const struct pdf_line *line = &page->lines[i];
        const char *text = pdf_line_text(page, line);
        if (!is_free(line) || fabs(line->font - page->lines[first].font) > 1)
            return 0;
        size_t number = i == first ? number_at(text, line->size) : 0;
        full_size = add_key(full, full_size, text, line->size);
        bare_size = add_key(bare, bare_size, text + number, line->size - number);
        if ((full_size == size && memcmp(full, title, size) == 0) ||
            (bare_size == size && memcmp(bare, title, size) == 0))
            return i - first + 1;
        if (full_size > size && bare_size > size)
            return 0;
    }
    return 0;
}

static const char *const ones[] = {
    "one",     "two",     "three",     "four",     "five",     "six",      "seven",
    "eight",   "nine",    "ten",       "eleven",   "twelve",   "thirteen", "fourteen",
    "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
};
static const char *const tens[] = {"twenty", "thirty",  "forty",  "fifty",
                                   "sixty",  "seventy", "eighty", "ninety"};

/* From "TWENTYTWO" or "TWENTY-TWO", as LaTeX writes it; 0 when it is no number word. */
static unsigned number_word(const char *text)
{
    for (unsigned i = 0; i < sizeof ones / sizeof *ones; i++)
        if (strcasecmp(text, ones[i]) == 0)
            return i + 1;
    for (unsigned i = 0; i < sizeof tens / sizeof *tens; i++) {
        size_t size = strlen(tens[i]);
        if (strncasecmp(text, tens[i], size) != 0)
            continue;
        const char *rest = text + size + (text[size] == '-' || text[size] == ' ');
        unsigned one = *rest ? number_word(rest) : 0;
        if (!*rest || (one > 0 && one < 10))
            return 10 * (i + 2) + one;
    }
    return 0;
}

/* The number that stands above a title: "CHAPTER" and "THREE" or "3" on the lines before. */
static bool number_above(struct pdf_page *page, size_t first, char number[16])
{
    size_t at[2], count = 0;
    for (size_t i = first; i-- > 0 && count < 2;)
        if (!page->lines[i].dropped)
            at[count++] = i;
    if (count < 2)
        return false;
    struct pdf_line *value = &page->lines[at[0]], *name = &page->lines[at[1]];
    const char *text = pdf_line_text(page, value), *word = pdf_line_text(page, name);
    if (!((name->size == 7 && strncasecmp(word, "chapter", 7) == 0) ||
          (name->size == 8 && strncasecmp(word, "appendix", 8) == 0)) ||
        value->size > 14 || value->taken || name->taken)
        return false;
    snprintf(number, 16, "%.*s", (int)value->size, text);
    if (number_word(number) > 0)
        snprintf(number, 16, "%u", number_word(number));
    value->taken = name->taken = true;
    return true;
}

/* The title as the bookmark has it, with the number that is printed before it. */
static void title_of(struct pdf_page *page, const struct pdf_bookmark *mark, size_t first,
                     struct buffer *title)
{
    char above[16];
    const struct pdf_line *line = &page->lines[first];
    const char *text = pdf_line_text(page, line);
    size_t number = number_at(text, line->size);
    if (number_at(mark->title, strlen(mark->title)) > 0)
        number = 0;
    else if (number > 0)
        pdf_add(title, text, number);
    else if (number_above(page, first, above)) {
        pdf_add(title, above, strlen(above));
        pdf_add(title, ".", 1);
    }
    append_words(title, mark->title, strlen(mark->title));
}

static size_t find_lines(const struct pdf_page *page, const char *key, size_t size, size_t *lines)
{
    for (size_t i = 0; size > 0 && i < page->count; i++)
        if (is_free(&page->lines[i]) && page->lines[i].heading == 0 &&
            (*lines = matches(page, i, key, size)) > 0)
            return i;
    return SIZE_MAX;
}

/* Where a bookmark leads to that is printed nowhere: the first line below. */
static size_t find_place(const struct pdf_page *page, double y)
{
    for (size_t i = 0; i < page->count; i++)
        if (is_free(&page->lines[i]) && page->lines[i].heading == 0 && page->lines[i].y1 >= y)
            return i;
    return SIZE_MAX;
}

static void use_bookmark(struct pdf_page *page, struct pdf_bookmark *mark)
{
    char key[KEY_SIZE];
    size_t size = add_key(key, 0, mark->title, strlen(mark->title)), lines = 0;
    size_t at = find_lines(page, key, size, &lines);
    if (at == SIZE_MAX)
        at = find_place(page, mark->y);
    if (at == SIZE_MAX)
        return;
    struct pdf_heading *heading = add_heading(page, mark->level);
    mark->used = true;
    if (lines > 0)
        title_of(page, mark, at, &heading->title);
    else
        append_words(&heading->title, mark->title, strlen(mark->title));
    page->lines[at].heading = page->heading_count;
    for (size_t i = at; i < at + lines; i++)
        page->lines[i].taken = true;
}

/* The first bookmark of this page or a later one. */
static size_t first_of(const struct pdf_bookmark *bookmarks, size_t count, size_t page)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (bookmarks[middle].page < page)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* --- by fonts ------------------------------------------------------------------------- */

static unsigned level_of(const struct pdf_page *page, const struct pdf_line *line, double body)
{
    const char *text = pdf_line_text(page, line);
    size_t number = number_at(text, line->size);
    unsigned parts = 0;
    for (size_t i = 0; i < number; i++)
        parts += text[i] == '.' && i + 1 < number;
    if (number > 0)
        return parts + 1;
    double times = line->font / body;
    return times >= 1.8 ? 1 : times >= 1.4 ? 2 : times >= 1.2 ? 3 : 4;
}

static bool is_large(const struct pdf_page *page, const struct pdf_line *line, double body)
{
    const char *text = pdf_line_text(page, line);
    size_t letters = 0, length;
    for (size_t i = 0; i < line->size; i += length)
        letters += rune_is_letter(rune_at(text, line->size, i, &length));
    if (!is_free(line) || letters < 2 || line->size > TITLE_MOST)
        return false;
    return line->font >= 1.15 * body ||
           (line->bold && line->font >= 0.99 * body && number_at(text, line->size) > 0 &&
            text[line->size - 1] != '.');
}

static void find_by_font(struct pdf_page *page, double body)
{
    for (size_t i = 0; i < page->count;) {
        size_t last = i + 1;
        if (!is_large(page, &page->lines[i], body)) {
            i++;
            continue;
        }
        while (last < page->count && last - i < LINES_MOST &&
               is_large(page, &page->lines[last], body) &&
               fabs(page->lines[last].font - page->lines[i].font) < 0.6 &&
               number_at(pdf_line_text(page, &page->lines[last]), page->lines[last].size) == 0 &&
               page->lines[last].y1 - page->lines[last - 1].y1 < 2 * page->lines[i].font &&
               page->lines[last].y1 > page->lines[last - 1].y1 - 1)
            last++;
        /* Whole paragraphs in large letters are no headings. */
        if (last - i < LINES_MOST) {
            struct pdf_heading *heading = add_heading(page, level_of(page, &page->lines[i], body));
            page->lines[i].heading = page->heading_count;
            for (; i < last; i++) {
                append_words(&heading->title, pdf_line_text(page, &page->lines[i]),
                             page->lines[i].size);
                page->lines[i].taken = true;
            }
        }
        i = last;
    }
}

/* Pages as a typewriter makes them: headings as in a text file. */
static void find_as_in_text(struct pdf_page *page)
{
    static struct heading_outline outline;
    for (size_t i = 0; i < page->count; i++) {
        struct pdf_line *line = &page->lines[i];
        const struct pdf_line *before = i > 0 ? line - 1 : NULL;
        const struct pdf_line *after = i + 1 < page->count ? line + 1 : NULL;
        bool alone = (!before || before->dropped || line->y1 - before->y1 > 1.4 * page->leading) &&
                     (!after || after->y1 - line->y1 > 1.4 * page->leading);
        struct heading heading;
        struct heading_line none = {0}, text = {pdf_line_text(page, line), line->size};
        if (!alone || !is_free(line) ||
            !heading_plain(&heading, &outline, text, 1, none,
                           after ? (struct heading_line){pdf_line_text(page, after), after->size}
                                 : none))
            continue;
        heading_note(&outline, &heading);
        append_words(&add_heading(page, heading.level)->title, text.text + heading.begin,
                     heading.end - heading.begin);
        line->heading = page->heading_count;
        line->taken = true;
    }
}

void pdf_headings(struct pdf_page *page, struct pdf_bookmark *bookmarks, size_t count, double body)
{
    if (count == 0 && page->mono)
        find_as_in_text(page);
    else if (count == 0)
        find_by_font(page, body);
    for (size_t i = first_of(bookmarks, count, page->number);
         i < count && bookmarks[i].page == page->number; i++)
        if (!bookmarks[i].used)
            use_bookmark(page, &bookmarks[i]);
}
