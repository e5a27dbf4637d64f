/* The parts of DOCX, ODT and EPUB, without the ZIP around them. The first byte: which of
 * them; then parts, each with a size of two bytes, in the order in which names have them. */
#include "tests/fuzz/harness_emit.h"

#include "extract/archive.h"
#include "extract/office.h"
#include "extract/xml.h"
#include "tests/fuzz/harness.h"

#include <stdlib.h>
#include <string.h>

enum { PARTS = 6 };

static struct harness_input parts[PARTS];
static const char *const names[][PARTS] = {
    {"word/document.xml", "word/styles.xml", "word/numbering.xml", "word/footnotes.xml",
     "word/endnotes.xml", ""},
    {"content.xml", "", "", "", "", ""},
    {"META-INF/container.xml", "p.opf", "nav.xhtml", "toc.ncx", "a.xhtml", "b.xhtml"},
};
static size_t format;

/* In the place of archive.c's (linked with --wrap). */
bool __wrap_archive_has(const char *name);
char *__wrap_archive_read(const char *name, size_t *size);
void __wrap_archive_each_piece(const char *name,
                               void (*take)(void *context, const char *bytes, size_t size),
                               void *context);

static const struct harness_input *find(const char *name)
{
    for (size_t i = 0; i < PARTS; i++)
        if (*name && strcmp(names[format][i], name) == 0 && parts[i].size > 0)
            return &parts[i];
    return NULL;
}

bool __wrap_archive_has(const char *name)
{
    return find(name) != NULL;
}

char *__wrap_archive_read(const char *name, size_t *size)
{
    const struct harness_input *part = find(name);
    *size = part ? part->size : 0;
    return part ? harness_text(*part) : NULL;
}

void __wrap_archive_each_piece(const char *name,
                               void (*take)(void *context, const char *bytes, size_t size),
                               void *context)
{
    const struct harness_input *part = find(name);
    for (size_t i = 0; part && i < part->size; i += 100)
        take(context, (const char *)part->bytes + i, part->size - i < 100 ? part->size - i : 100);
}

static void read_document(void *context)
{
    (void)context;
    if (format == 0)
        docx_read("word/document.xml");
    else if (format == 1)
        odt_read();
    else
        epub_read();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct harness_input input = {bytes, size};
    format = harness_byte(&input) % 3;
    for (size_t i = 0; i < PARTS; i++) {
        size_t part = (size_t)harness_number(&input, 2);
        parts[i] = harness_part(&input, part);
    }
    harness_emit(read_document, NULL);
    xml_free_all();
    return 0;
}
