#include "extract/pdf_page.h"

#include "base/utf8.h"
#include "document/rune.h"
#include "extract/emit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A gap of so many ems within a line is one between two columns: two lines. */
#define GAP 2.2

/* --- fonts ----------------------------------------------------------------------------- */

struct font {
    size_t end; /* one past the last character in it */
    double size;
    bool bold, mono;
};

struct fonts {
    struct font *items;
    size_t count, at;
};

static bool contains(const char *name, const char *const *words)
{
    for (; name && *words; words++)
        if (strcasestr(name, *words))
            return true;
    return false;
}

static void load_fonts(struct fonts *fonts, PopplerPage *page)
{
    static const char *const mono[] = {"mono", "courier", "typewriter", "consol",
                                       "cmtt", "fixed",   NULL};
    static const char *const bold[] = {"bold", "black", "heavy", "cmbx", "demi", NULL};
    GList *list = poppler_page_get_text_attributes(page);
    fonts->items = pdf_checked(calloc(g_list_length(list) + 1, sizeof *fonts->items));
    for (GList *at = list; at; at = at->next) {
        const PopplerTextAttributes *text = at->data;
        fonts->items[fonts->count++] = (struct font){
            .end = (size_t)text->end_index + 1,
            .size = text->font_size,
            .bold = contains(text->font_name, bold),
            .mono = contains(text->font_name, mono),
        };
    }
    poppler_page_free_text_attributes(list);
}

static const struct font *font_at(struct fonts *fonts, size_t index)
{
    static const struct font unknown = {.size = 10};
    while (fonts->at + 1 < fonts->count && fonts->items[fonts->at].end <= index)
        fonts->at++;
    return fonts->count > 0 ? &fonts->items[fonts->at] : &unknown;
}

/* --- lines ------------------------------------------------------------------------------ */

/* A line while its characters come. */
struct builder {
    struct pdf_page *page;
    struct pdf_line line;
    size_t characters, bold, mono;
    double sizes[4]; /* fonts seen, and how much of each */
    size_t counts[4];
    bool raised; /* within a superscript */
    size_t mark; /* where that begins in the text */
    double end;  /* of the last character */
};

static void count_size(struct builder *b, double size)
{
    for (size_t i = 0; i < 4; i++)
        if (b->counts[i] == 0 || fabs(b->sizes[i] - size) < 0.25) {
            b->sizes[i] = size;
            b->counts[i]++;
            return;
        }
}

static void add_line(struct pdf_page *page, const struct pdf_line *line)
{
    if (page->count == PDF_LINES_MOST)
        emit_fail("has more than %d lines on page %zu, which no document has", PDF_LINES_MOST,
                  page->number);
    if (page->count == page->capacity) {
        page->capacity = page->capacity ? page->capacity * 2 : 64;
        page->lines = pdf_checked(realloc(page->lines, page->capacity * sizeof *page->lines));
    }
    page->lines[page->count++] = *line;
}

/* Note marks come in small raised digits: "[3]" tells them from the word before. */
static void close_superscript(struct builder *b)
{
    struct buffer *text = &b->page->text;
    size_t size = text->size - b->mark, length;
    if (!b->raised)
        return;
    b->raised = false;
    bool digits = size > 0 && size <= 3;
    for (size_t i = b->mark; digits && i < text->size; i++)
        digits = text->data[i] >= '0' && text->data[i] <= '9';
    /* After a single letter or a number it is an exponent. */
    uint32_t before = rune_before(text->data, b->mark, &length);
    bool first = b->mark == b->line.begin;
    bool letter = !first && rune_is_letter(before);
    bool lone = letter && (b->mark - length == b->line.begin ||
                           !rune_is_letter(rune_before(text->data, b->mark - length, &length)));
    if (!digits || rune_is_digit(before) || lone)
        return;
    char mark[8];
    int made =
        snprintf(mark, sizeof mark, "[%.*s]%s", (int)size, text->data + b->mark, first ? " " : "");
    text->size = b->mark;
    pdf_add(text, mark, (size_t)made);
}

static void end_line(struct builder *b)
{
    struct buffer *text = &b->page->text;
    close_superscript(b);
    while (text->size > b->line.begin &&
           (text->data[text->size - 1] == ' ' || text->data[text->size - 1] == '\t'))
        text->size--;
    b->line.size = text->size - b->line.begin;
    if (b->line.size > 0) {
        size_t best = 0;
        for (size_t i = 1; i < 4; i++)
            if (b->counts[i] > b->counts[best])
                best = i;
        b->line.font = b->sizes[best] > 0 ? b->sizes[best] : 10;
        b->line.bold = b->bold * 10 > b->characters * 8;
        b->line.mono = b->mono * 10 > b->characters * 8;
        add_line(b->page, &b->line);
    }
    struct pdf_page *page = b->page;
    *b = (struct builder){.page = page, .line = {.begin = page->text.size}};
}

static void widen(struct pdf_line *line, const PopplerRectangle *box, bool first)
{
    if (first || box->x1 < line->x0)
        line->x0 = box->x1;
    if (first || box->x2 > line->x1)
        line->x1 = box->x2;
    if (first || box->y1 < line->y0)
        line->y0 = box->y1;
    if (first || box->y2 > line->y1)
        line->y1 = box->y2;
}

/* The letters of a ligature. */
static const char *letters_of(uint32_t rune)
{
    static const char *const letters[] = {"ff", "fi", "fl", "ffi", "ffl", "st", "st"};
    return rune >= 0xFB00 && rune <= 0xFB06 ? letters[rune - 0xFB00] : NULL;
}

static bool is_raised(const struct builder *b, const struct font *font, const PopplerRectangle *box,
                      double usual)
{
    bool start = b->characters == 0 || b->page->text.size == b->line.begin;
    double base = start ? box->y2 : b->line.y1;
    return font->size < 0.8 * usual && (start || box->y2 < base - 0.05 * usual || b->raised);
}

static void add_character(struct builder *b, uint32_t rune, const PopplerRectangle *box,
                          const struct font *font, double usual)
{
    char bytes[UTF8_MAX_BYTES];
    const char *letters = letters_of(rune);
    bool blank = rune_is_blank(rune);
    if (!blank) {
        bool raised = is_raised(b, font, box, usual);
        if (raised && !b->raised)
            b->mark = b->page->text.size;
        else if (!raised)
            close_superscript(b);
        b->raised = raised;
        if (b->characters > 0 && box->x1 - b->end > GAP * font->size)
            end_line(b);
        if (!raised || b->characters == 0)
            widen(&b->line, box, b->characters == 0);
        else if (box->x2 > b->line.x1)
            b->line.x1 = box->x2;
        b->end = box->x2;
        b->characters++;
        b->bold += font->bold;
        b->mono += font->mono;
        count_size(b, font->size);
    } else {
        close_superscript(b);
    }
    if (letters)
        pdf_add(&b->page->text, letters, strlen(letters));
    else if (blank)
        pdf_add(&b->page->text, " ", 1);
    else
        pdf_add(&b->page->text, bytes, utf8_encode(bytes, rune));
}

/* The size that most characters of the line from `index` on have. */
static double usual_size(const char *text, struct fonts fonts, size_t index)
{
    double sizes[4] = {0};
    size_t counts[4] = {0}, best = 0;
    for (; *text && *text != '\n'; text = g_utf8_next_char(text), index++) {
        double size = font_at(&fonts, index)->size;
        for (size_t i = 0; i < 4; i++)
            if (counts[i] == 0 || fabs(sizes[i] - size) < 0.25) {
                sizes[i] = size;
                counts[i]++;
                break;
            }
    }
    for (size_t i = 1; i < 4; i++)
        if (counts[i] > counts[best])
            best = i;
    return sizes[best];
}

static void build_lines(struct pdf_page *page, PopplerPage *source, const char *text)
{
    struct builder b = {.page = page};
    struct fonts fonts = {0};
    PopplerRectangle *boxes = NULL;
    guint count = 0;
    if (!poppler_page_get_text_layout(source, &boxes, &count))
        count = 0;
    load_fonts(&fonts, source);
    double usual = usual_size(text, fonts, 0);
    for (size_t i = 0; *text && i < count; text = g_utf8_next_char(text), i++) {
        uint32_t rune = g_utf8_get_char(text);
        const struct font *font = font_at(&fonts, i);
        if (rune == '\n') {
            end_line(&b);
            usual = usual_size(text + 1, fonts, i + 1);
        } else if (rune >= ' ' && !(boxes[i].x2 < 0 && boxes[i].x1 < 0)) {
            add_character(&b, rune, &boxes[i], font, usual);
        }
    }
    end_line(&b);
    g_free(boxes);
    free(fonts.items);
}

void pdf_page_load(struct pdf_page *page, PopplerDocument *document, size_t number)
{
    *page = (struct pdf_page){.number = number, .width = 612, .height = 792};
    PopplerPage *source = poppler_document_get_page(document, (int)number - 1);
    if (!source)
        return;
    poppler_page_get_size(source, &page->width, &page->height);
    char *label = poppler_page_get_label(source), plain[32];
    snprintf(plain, sizeof plain, "%zu", number);
    if (label && strcmp(label, plain) != 0)
        snprintf(page->label, sizeof page->label, "%s", label);
    g_free(label);
    char *text = poppler_page_get_text(source);
    if (text)
        build_lines(page, source, text);
    if (page->count == 0) {
        GList *images = poppler_page_get_image_mapping(source);
        page->has_image = images != NULL;
        poppler_page_free_image_mapping(images);
    }
    g_free(text);
    g_object_unref(source);
}

/* --- bookmarks ----------------------------------------------------------------------------- */

enum { DEPTH_MOST = 32 };

struct list {
    PopplerDocument *document;
    struct pdf_bookmark *items;
    size_t count;
};

static void add_bookmark(struct list *list, const PopplerAction *action, unsigned level)
{
    PopplerDest *found = NULL;
    const PopplerDest *to =
        action->type == POPPLER_ACTION_GOTO_DEST ? action->goto_dest.dest : NULL;
    if (to && to->type == POPPLER_DEST_NAMED)
        to = found = poppler_document_find_dest(list->document, to->named_dest);
    if (to && to->page_num > 0 && action->any.title && action->any.title[0]) {
        if (list->count == PDF_BOOKMARKS_MOST)
            emit_fail("has more than %d bookmarks", PDF_BOOKMARKS_MOST);
        if ((list->count & (list->count - 1)) == 0)
            list->items = pdf_checked(
                realloc(list->items, (list->count ? list->count * 2 : 1) * sizeof *list->items));
        double height = 0;
        PopplerPage *page = poppler_document_get_page(list->document, to->page_num - 1);
        if (page) {
            poppler_page_get_size(page, NULL, &height);
            g_object_unref(page);
        }
        list->items[list->count++] = (struct pdf_bookmark){
            .title = pdf_checked(strdup(action->any.title)),
            .level = level,
            .page = (size_t)to->page_num,
            .y = to->top > 0 ? height - to->top : 0,
        };
    }
    if (found)
        poppler_dest_free(found);
}

static void collect(struct list *list, PopplerIndexIter *at, unsigned level)
{
    do {
        PopplerAction *action = poppler_index_iter_get_action(at);
        if (action) {
            add_bookmark(list, action, level);
            poppler_action_free(action);
        }
        PopplerIndexIter *child = level < DEPTH_MOST ? poppler_index_iter_get_child(at) : NULL;
        if (child) {
            collect(list, child, level + 1);
            poppler_index_iter_free(child);
        }
    } while (poppler_index_iter_next(at));
}

/* Those at one place keep the outline's order. */
static int by_page(const void *a, const void *b)
{
    const struct pdf_bookmark *x = a, *y = b;
    return (x->page > y->page) - (x->page < y->page);
}

static void sort(struct pdf_bookmark *items, size_t count)
{
    /* Nearly always sorted already; qsort need not keep the order of equals. */
    for (size_t i = 1; i < count; i++)
        if (by_page(&items[i - 1], &items[i]) > 0) {
            qsort(items, count, sizeof *items, by_page);
            return;
        }
}

void pdf_bookmarks(struct pdf_bookmark **bookmarks, size_t *count, PopplerDocument *document)
{
    struct list list = {.document = document};
    PopplerIndexIter *at = poppler_index_iter_new(document);
    if (at) {
        collect(&list, at, 1);
        poppler_index_iter_free(at);
    }
    sort(list.items, list.count);
    *bookmarks = list.items;
    *count = list.count;
}
