/* What a page's lines are, by where they stand: its measures, tables, footnotes. */
#include "extract/pdf.h"

#include "document/line.h"
#include "document/rune.h"
#include "extract/emit.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIZES = 256, GAPS = 512, CELLS_MOST = 32, BAND_LOOK = 4000 };

void *pdf_checked(void *memory)
{
    if (!memory)
        emit_no_memory();
    return memory;
}

void pdf_add(struct buffer *buffer, const char *text, size_t size)
{
    struct error error;
    if (!buffer_append(buffer, text, size, &error))
        pdf_checked(NULL);
}

const char *pdf_line_text(const struct pdf_page *page, const struct pdf_line *line)
{
    return page->text.data ? page->text.data + line->begin : "";
}

void pdf_page_free(struct pdf_page *page)
{
    for (size_t i = 0; i < page->row_count; i++)
        buffer_free(&page->rows[i].text);
    for (size_t i = 0; i < page->heading_count; i++)
        buffer_free(&page->headings[i].title);
    buffer_free(&page->text);
    free(page->lines);
    free(page->rows);
    free(page->headings);
    *page = (struct pdf_page){0};
}

/* --- measures ------------------------------------------------------------------------ */

/* Index of the largest, the smaller one of equals. */
static size_t most(const size_t *counts, size_t count)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        if (counts[i] > counts[best])
            best = i;
    return best;
}

static int by_x1(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* The column's right edge: as far as two lines of it reach. A line over all columns, such
 * as a title, is alone with its end. */
static double right_of(const struct pdf_page *page, const struct pdf_line *line, double *ends)
{
    size_t count = 0;
    for (size_t i = 0; i < page->count && count < BAND_LOOK; i++) {
        const struct pdf_line *other = &page->lines[i];
        if (!other->dropped && other->x0 < line->x1 && other->x1 > line->x0)
            ends[count++] = other->x1;
    }
    qsort(ends, count, sizeof *ends, by_x1);
    for (size_t i = 0; i + 1 < count; i++)
        if (ends[i] - ends[i + 1] < 3)
            return ends[i] > line->x1 ? ends[i] : line->x1;
    return count > 0 && ends[0] > line->x1 ? ends[0] : line->x1;
}

void pdf_measure(struct pdf_page *page)
{
    size_t sizes[SIZES] = {0}, gaps[GAPS] = {0}, mono = 0, all = 0;
    for (size_t i = 0; i < page->count; i++) {
        const struct pdf_line *line = &page->lines[i];
        double half = line->font * 2;
        sizes[half > 0 && half < SIZES - 1 ? (size_t)(half + 0.5) : SIZES - 1] += line->size;
        all += line->size;
        mono += line->mono ? line->size : 0;
        double gap = i > 0 ? (line->y1 - page->lines[i - 1].y1) * 4 : 0;
        if (gap > line->font * 3 && gap < GAPS - 1 &&
            fabs(line->font - page->lines[i - 1].font) < 0.6)
            gaps[(size_t)(gap + 0.5)] += line->size;
    }
    size_t gap = most(gaps, GAPS);
    page->font = all > 0 ? (double)most(sizes, SIZES) / 2 : 10;
    page->leading = gap > 0 ? (double)gap / 4 : page->font * 1.2;
    page->mono = mono * 10 > all * 7;
}

/* --- tables ------------------------------------------------------------------------------ */

static int by_index(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

static const struct pdf_page *sorted; /* qsort has no context */

static int by_height(const void *a, const void *b)
{
    const struct pdf_line *x = &sorted->lines[*(const size_t *)a];
    const struct pdf_line *y = &sorted->lines[*(const size_t *)b];
    if (fabs(x->y1 - y->y1) >= 0.01)
        return x->y1 < y->y1 ? -1 : 1;
    return (x->x0 > y->x0) - (x->x0 < y->x0);
}

struct bands {
    size_t *lines;  /* all that are not dropped, from top to bottom */
    size_t *begins; /* [count + 1] in `lines` */
    size_t count;
};

static void find_bands(struct bands *bands, const struct pdf_page *page)
{
    size_t total = 0;
    bands->lines = pdf_checked(calloc(page->count + 1, sizeof *bands->lines));
    bands->begins = pdf_checked(calloc(page->count + 2, sizeof *bands->begins));
    for (size_t i = 0; i < page->count; i++)
        if (!page->lines[i].dropped)
            bands->lines[total++] = i;
    sorted = page;
    qsort(bands->lines, total, sizeof *bands->lines, by_height);
    bands->count = 0;
    for (size_t i = 0; i < total; i++) {
        const struct pdf_line *line = &page->lines[bands->lines[i]];
        const struct pdf_line *first =
            bands->count ? &page->lines[bands->lines[bands->begins[bands->count - 1]]] : NULL;
        if (!first || line->y1 - first->y1 > 0.4 * first->font)
            bands->begins[bands->count++] = i;
    }
    bands->begins[bands->count] = total;
}

static size_t width_of(const struct bands *bands, size_t band)
{
    return bands->begins[band + 1] - bands->begins[band];
}

/* How much of the room up to the next cell the cells take: columns of text take nearly
 * all of it, cells of a table seldom. */
static double fill_of(const struct pdf_page *page, const struct bands *bands, size_t first,
                      size_t last)
{
    double sum = 0;
    size_t count = 0;
    for (size_t b = first; b < last; b++)
        for (size_t i = bands->begins[b]; i + 1 < bands->begins[b + 1]; i++) {
            const struct pdf_line *cell = &page->lines[bands->lines[i]];
            const struct pdf_line *next = &page->lines[bands->lines[i + 1]];
            double room = next->x0 - cell->x0;
            sum += room > 1 ? fmin((cell->x1 - cell->x0) / room, 1) : 1;
            count++;
        }
    return count > 0 ? sum / (double)count : 1;
}

/* Do the lines of columns go on in the lines below, as text does and cells do not? */
static bool flows(const struct pdf_page *page, const struct bands *bands, size_t first, size_t last)
{
    size_t on = 0, pairs = 0;
    for (size_t b = first; b + 1 < last; b++)
        for (size_t i = bands->begins[b], j = bands->begins[b + 1];
             i < bands->begins[b + 1] && j < bands->begins[b + 2]; i++, j++) {
            size_t length;
            const struct pdf_line *below = &page->lines[bands->lines[j]];
            on += rune_is_lower(rune_at(pdf_line_text(page, below), below->size, 0, &length));
            pairs++;
        }
    return on * 2 >= pairs && pairs > 0;
}

/* Columns of text that came line by line over all of them: puts each behind the one on
 * its left. The lines of the bands take each other's places. */
static void order_columns(struct pdf_page *page, const struct bands *bands, size_t first,
                          size_t last)
{
    size_t count = bands->begins[last] - bands->begins[first], used = 0;
    struct pdf_line *ordered = pdf_checked(malloc(count * sizeof *ordered));
    size_t *places = pdf_checked(malloc(count * sizeof *places));
    for (size_t column = 0; used < count && column < CELLS_MOST; column++)
        for (size_t b = first; b < last; b++)
            if (bands->begins[b] + column < bands->begins[b + 1])
                ordered[used++] = page->lines[bands->lines[bands->begins[b] + column]];
    memcpy(places, bands->lines + bands->begins[first], count * sizeof *places);
    qsort(places, count, sizeof *places, by_index);
    for (size_t i = 0; i < used; i++)
        page->lines[places[i]] = ordered[i];
    free(ordered);
    free(places);
}

/* The page gives two neighbours of a band one after the other. */
static bool is_by_rows(const struct bands *bands, size_t first, size_t last)
{
    size_t beside = 0, bands_wide = 0;
    for (size_t b = first; b < last; b++) {
        if (width_of(bands, b) < 2)
            continue;
        bands_wide++;
        beside += bands->lines[bands->begins[b] + 1] == bands->lines[bands->begins[b]] + 1;
    }
    return beside * 2 > bands_wide;
}

static bool close_below(const struct pdf_page *page, const struct bands *bands, size_t band)
{
    const struct pdf_line *line = &page->lines[bands->lines[bands->begins[band]]];
    const struct pdf_line *next = &page->lines[bands->lines[bands->begins[band + 1]]];
    return next->y1 - line->y1 < 3 * page->leading;
}

/* A band of one line within a table: the rest of a cell, when it begins where one does
 * that is not the first. */
static bool goes_on(const struct pdf_page *page, const struct bands *bands, size_t band,
                    size_t first)
{
    const struct pdf_line *line = &page->lines[bands->lines[bands->begins[band]]];
    for (size_t i = bands->begins[first] + 1; i < bands->begins[first + 1]; i++)
        if (fabs(page->lines[bands->lines[i]].x0 - line->x0) < 4)
            return true;
    return false;
}

static void add_cells(struct pdf_page *page, const struct bands *bands, size_t band,
                      struct pdf_row *row)
{
    for (size_t i = bands->begins[band]; i < bands->begins[band + 1]; i++) {
        struct pdf_line *cell = &page->lines[bands->lines[i]];
        if (row->text.size > 0)
            pdf_add(&row->text, width_of(bands, band) > 1 ? "\t" : " ", 1);
        pdf_add(&row->text, pdf_line_text(page, cell), cell->size);
        cell->taken = true;
    }
}

static void make_table(struct pdf_page *page, const struct bands *bands, size_t first, size_t last,
                       size_t table)
{
    size_t earliest = SIZE_MAX;
    for (size_t b = first; b < last; b++) {
        if (width_of(bands, b) > 1 || b == first) {
            page->rows =
                pdf_checked(realloc(page->rows, (page->row_count + 1) * sizeof *page->rows));
            page->rows[page->row_count++] = (struct pdf_row){.table = table};
        }
        add_cells(page, bands, b, &page->rows[page->row_count - 1]);
        for (size_t i = bands->begins[b]; i < bands->begins[b + 1]; i++)
            if (bands->lines[i] < earliest)
                earliest = bands->lines[i];
    }
    page->lines[earliest].table = table;
}

/* An entry of a table of contents is a row of its own: dots lead from title to number. */
static bool has_leaders(const struct pdf_page *page, const struct bands *bands, size_t band)
{
    for (size_t i = bands->begins[band]; i < bands->begins[band + 1]; i++) {
        const struct pdf_line *line = &page->lines[bands->lines[i]];
        if (line_has_leaders(pdf_line_text(page, line), line->size))
            return true;
    }
    return false;
}

static void find_tables(struct pdf_page *page)
{
    struct bands bands;
    size_t tables = 0;
    find_bands(&bands, page);
    for (size_t b = 0; b < bands.count;) {
        size_t wide = 0, last = b;
        if (has_leaders(page, &bands, b)) {
            make_table(page, &bands, b, b + 1, ++tables);
            b++;
            continue;
        }
        while (last < bands.count && width_of(&bands, last) <= CELLS_MOST &&
               !has_leaders(page, &bands, last) &&
               (width_of(&bands, last) > 1 || (last > b && goes_on(page, &bands, last, b)))) {
            wide += width_of(&bands, last) > 1;
            last++;
            if (last < bands.count && !close_below(page, &bands, last - 1))
                break;
        }
        bool text =
            wide >= 3 && (fill_of(page, &bands, b, last) >= 0.8 || flows(page, &bands, b, last));
        if (text && is_by_rows(&bands, b, last))
            order_columns(page, &bands, b, last);
        else if (wide >= 2 && !text && fill_of(page, &bands, b, last) < 0.8)
            make_table(page, &bands, b, last, ++tables);
        b = last > b ? last : b + 1;
    }
    free(bands.lines);
    free(bands.begins);
}

/* --- footnotes ---------------------------------------------------------------------------- */

/* "[3] Text" as superscripts were made into, "3 Text", "* Text". */
static bool begins_note(const char *text, size_t size)
{
    size_t at = 0;
    if (size > 3 && text[0] == '[') {
        while (at + 1 < size && isdigit((unsigned char)text[at + 1]))
            at++;
        return at > 0 && text[at + 1] == ']';
    }
    while (at < size && at < 4 && isdigit((unsigned char)text[at]))
        at++;
    if (at == 0 && size > 1 && (text[0] == '*' || (unsigned char)text[0] == 0xE2))
        return true;
    return at > 0 && at < size && (text[at] == ' ' || text[at] == '\t');
}

/* The last lines of a page in small letters, from the first that has a note's number. */
static void find_notes(struct pdf_page *page)
{
    double lowest = 0;
    for (size_t i = 0; i < page->count; i++) {
        const struct pdf_line *line = &page->lines[i];
        if (!line->dropped && line->font > 0.92 * page->font && line->y1 > lowest)
            lowest = line->y1;
    }
    bool begun = false;
    for (size_t i = 0; i < page->count; i++) {
        struct pdf_line *line = &page->lines[i];
        if (line->dropped || line->taken || line->y0 < lowest - 1 ||
            line->font > 0.92 * page->font || line->y0 < page->height * 0.3)
            continue;
        begun = begun || begins_note(pdf_line_text(page, line), line->size);
        line->note = begun;
    }
}

void pdf_layout(struct pdf_page *page)
{
    double *ends = pdf_checked(malloc((page->count + 1) * sizeof *ends));
    /* On a page of very many lines all pairs are too many: its lines are short anyway. */
    for (size_t i = 0; i < page->count; i++)
        page->lines[i].right =
            page->count <= BAND_LOOK ? right_of(page, &page->lines[i], ends) : page->lines[i].x1;
    free(ends);
    find_tables(page);
    find_notes(page);
}
