/* Pages of lines at any place, as a PDF may have them, as blocks. */
#include "tests/fuzz/harness_emit.h"

#include "extract/pdf.h"
#include "tests/fuzz/harness.h"

#include <stdlib.h>
#include <string.h>

enum { PAGES = 3, LINES_MOST = 60 };

static const char *const words[] = {
    "1.2 Title",  "of the",  "- item",     "(a) item",
    "[3] A note", "hyphen-", "word",       "12",
    "xii",        "Head",    "A\tB",       "1 . . . . 9",
    "",           "CHAPTER", "TWENTY-ONE", "\xE6\xBC\xA2\xE5\xAD\x97",
    "\xC2\xAD",   "end.",
};

static void fill(struct pdf_page *page, struct harness_input *input, size_t number)
{
    *page = (struct pdf_page){.number = number, .width = 612, .height = 792};
    size_t count = harness_byte(input) % LINES_MOST;
    page->lines = pdf_checked(calloc(count + 1, sizeof *page->lines));
    for (; page->count < count; page->count++) {
        struct pdf_line *line = &page->lines[page->count];
        const char *word = words[harness_byte(input) % (sizeof words / sizeof *words)];
        unsigned kind = harness_byte(input);
        line->begin = page->text.size;
        line->size = strlen(word);
        pdf_add(&page->text, word, line->size);
        line->font = (double)(harness_byte(input) % 40);
        line->x0 = (double)harness_byte(input) * 3;
        line->y0 = (double)harness_number(input, 2) / 50 - 100;
        line->x1 = line->x0 + (double)harness_byte(input) * 2;
        line->y1 = line->y0 + line->font;
        line->bold = kind & 1;
        line->mono = kind & 2;
    }
    pdf_measure(page);
}

static void read_pages(void *context)
{
    struct harness_input *input = context;
    struct pdf_page pages[PAGES] = {0};
    char title[] = "1.2 Title", other[] = "Head";
    struct pdf_bookmark marks[] = {{title, 2, 1, -1, false}, {other, 40, 2, 30, false}};
    size_t count = harness_byte(input) % 3;
    for (size_t i = 0; i < PAGES; i++)
        fill(&pages[i], input, i + 1);
    for (size_t i = 0; i < PAGES; i++) {
        struct pdf_page *before[] = {i > 0 ? &pages[i - 1] : NULL, i > 1 ? &pages[i - 2] : NULL};
        struct pdf_page *after[] = {i + 1 < PAGES ? &pages[i + 1] : NULL,
                                    i + 2 < PAGES ? &pages[i + 2] : NULL};
        pdf_furniture(&pages[i], before, after, 2);
        pdf_layout(&pages[i]);
        pdf_headings(&pages[i], marks, count, pages[i].font);
        pdf_flow(&pages[i]);
    }
    pdf_flow_end();
    for (size_t i = 0; i < PAGES; i++)
        pdf_page_free(&pages[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct harness_input input = {bytes, size};
    harness_emit(read_pages, &input);
    return 0;
}
