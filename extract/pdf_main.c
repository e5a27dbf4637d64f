/* tidemark-pdf: takes a PDF on standard input apart, for tidemark.
 *
 * What it finds goes to standard output as document/wire.h says. A few pages are held at
 * a time: to tell what is printed on each of them, and what most of the text looks like. */
#include "extract/emit.h"
#include "extract/pdf_page.h"
#include "extract/sandbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    AROUND = 3, /* pages before and after that one is compared with */
    WINDOW = 2 * AROUND + 1,
    SIZES = 256,
    STEP_SECONDS = 60,
    TOTAL_SECONDS = 7200,
    HEADINGS_MOST = 65536,
};

#define MEMORY ((size_t)2 << 30)
#define TEXT_MOST (UINT64_C(4) << 30)

/* poppler's tables of characters, and what names fonts that are not in the file. */
static const char *const folders[] = {
    "/usr/share/poppler",    "/usr/share/fonts",      "/usr/local/share/fonts", "/etc/fonts",
    "/usr/share/fontconfig", "/var/cache/fontconfig", "/usr/lib/locale",        NULL};

static struct {
    PopplerDocument *empty; /* keeps poppler's tables in memory */
    PopplerDocument *document;
    size_t pages;
    struct pdf_page window[WINDOW]; /* page n at n % WINDOW */
    struct pdf_bookmark *bookmarks;
    size_t bookmark_count;
    size_t sizes[SIZES]; /* characters in each font's size, in halves of a point */
    size_t pictures;     /* pages without text that show one, and were not told of */
    bool has_text;
} pdf;

static struct pdf_page *page_at(size_t number)
{
    struct pdf_page *page = number > 0 && number <= pdf.pages ? &pdf.window[number % WINDOW] : NULL;
    return page && page->number == number ? page : NULL;
}

static void load(size_t number)
{
    struct pdf_page *page = &pdf.window[number % WINDOW];
    pdf_page_free(page);
    pdf_page_load(page, pdf.document, number);
    pdf_measure(page);
    for (size_t i = 0; i < page->count; i++) {
        double half = page->lines[i].font * 2 + 0.5;
        pdf.sizes[half > 0 && half < SIZES - 1 ? (size_t)half : SIZES - 1] += page->lines[i].size;
    }
    sandbox_step();
}

static double body_size(void)
{
    size_t best = 0;
    for (size_t i = 1; i < SIZES; i++)
        if (pdf.sizes[i] > pdf.sizes[best])
            best = i;
    return best > 0 ? (double)best / 2 : 10;
}

/* A picture of a page: nothing can be read there, and nobody should think that it was. */
static void tell_picture(const struct pdf_page *page)
{
    char text[80];
    pdf_flow_end();
    int size = snprintf(text, sizeof text, "[Page %zu is a picture without text.]", page->number);
    emit_place(EMIT_PAGE, page->number, page->label, strlen(page->label));
    emit_start(EMIT_PARAGRAPH, 0);
    emit_text(text, (size_t)size);
    emit_finish();
}

static void give(size_t number)
{
    struct pdf_page *page = page_at(number), *before[AROUND], *after[AROUND];
    for (size_t i = 0; i < AROUND; i++) {
        before[i] = number > i + 1 ? page_at(number - i - 1) : NULL;
        after[i] = page_at(number + i + 1);
    }
    if (page->count == 0 && page->has_image) {
        if (pdf.has_text)
            tell_picture(page);
        else
            pdf.pictures++;
        return;
    }
    pdf_furniture(page, before, after, AROUND);
    pdf_layout(page);
    pdf_headings(page, pdf.bookmarks, pdf.bookmark_count, body_size());
    pdf.has_text = pdf.has_text || page->count > 0;
    pdf_flow(page);
}

/* Without its tables poppler leaves characters out, of Chinese, Japanese and Korean above
 * all, and says nothing. */
static void check_tables(void)
{
    if (sandbox_missed())
        emit_fail("needs tables of characters that only a kernel with Landlock (5.13 and later) "
                  "lets tidemark-pdf read safely: convert it with pdftotext");
}

/* poppler looks once for what tables there are, when it opens its first document; that is
 * one of ours, before files are out of reach. */
static void prepare(void)
{
    static const char empty[] = "%PDF-1.4\n1 0 obj<</Pages 2 0 R>>endobj 2 0 obj<</Kids[]/Count 0>>"
                                "endobj trailer<</Root 1 0 R>>";
    GBytes *bytes = g_bytes_new_static(empty, sizeof empty - 1);
    pdf.empty = poppler_document_new_from_bytes(bytes, NULL, NULL);
    g_bytes_unref(bytes);
}

static void read_pages(void)
{
    size_t loaded = 0;
    for (size_t number = 1; number <= pdf.pages; number++) {
        while (loaded < pdf.pages && loaded < number + AROUND)
            load(++loaded);
        check_tables();
        give(number);
    }
    pdf_flow_end();
    check_tables();
    if (!pdf.has_text && pdf.pictures > 0)
        emit_fail("has no text: its pages are pictures, as a scanner makes them; have their text "
                  "recognized first, for example by ocrmypdf");
    if (!pdf.has_text)
        emit_fail("has no text on its %zu pages", pdf.pages);
}

static void open_document(void)
{
    GError *problem = NULL;
    /* Standard input itself is taken for a pipe, and read into memory. */
    int input = dup(STDIN_FILENO);
    if (input < 0)
        emit_fail("cannot be read");
    pdf.document = poppler_document_new_from_fd(input, NULL, &problem);
    if (!pdf.document && problem && problem->code == POPPLER_ERROR_ENCRYPTED)
        emit_fail("is protected by a password: take it off first, for example by qpdf --decrypt");
    if (!pdf.document)
        emit_fail("is a damaged PDF file (%.200s)", problem ? problem->message : "no reason given");
    int pages = poppler_document_get_n_pages(pdf.document);
    pdf.pages = pages > 0 ? (size_t)pages : 0;
    if (pdf.pages == 0)
        emit_fail("is a damaged PDF file: it has no pages");
}

int main(void)
{
    const struct sandbox_limits limits = {.memory = MEMORY,
                                          .step_seconds = STEP_SECONDS,
                                          .total_seconds = TOTAL_SECONDS,
                                          .folders = folders};
    const char *why;
    emit_begin(&(struct emit_limits){.text = TEXT_MOST, .headings = HEADINGS_MOST});
    prepare();
    if (!sandbox_enter(&limits, &why))
        emit_fail("was not opened: the program that takes it apart could not be confined (%s)",
                  why);
    emit_place(EMIT_NO_UNIT, 0, "PDF", 3);
    open_document();
    pdf_bookmarks(&pdf.bookmarks, &pdf.bookmark_count, pdf.document);
    read_pages();
    emit_end();
}
