/* tidemark-extract: takes a document on standard input apart, for tidemark.
 *
 *     tidemark-extract zip          EPUB, DOCX, ODT
 *     tidemark-extract html ENCODING
 *     tidemark-extract markdown     pieces, and roles for their bytes (document/marking.h)
 *
 * What it finds goes to standard output as document/wire.h says. It reads nothing else:
 * everything that needs a file is done before the sandbox closes. */
#include "base/buffer.h"
#include "base/utf8.h"
#include "document/decoder.h"
#include "document/marking.h"
#include "extract/archive.h"
#include "extract/emit.h"
#include "extract/html.h"
#include "extract/markdown.h"
#include "extract/office.h"
#include "extract/sandbox.h"
#include "extract/xml.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Memory for a page of HTML and its tree, which is many times as large. */
#define MEMORY ((size_t)2 << 30)
#define HTML_MOST ((size_t)128 << 20)

enum { STEP_SECONDS = 60, TOTAL_SECONDS = 3600, HEADINGS_MOST = 65536 };

/* More text than anybody wrote. */
#define TEXT_MOST (UINT64_C(4) << 30)

/* --- archives --------------------------------------------------------------------------- */

static char main_part[256]; /* of an Office document */
static bool spreadsheet;    /* or slides: what is no text */

static void types_start(void *context, const char *space, const char *name, const char **attributes)
{
    (void)context;
    (void)space;
    const char *type = xml_attribute(attributes, "ContentType");
    const char *part = xml_attribute(attributes, "PartName");
    if (strcmp(name, "Override") != 0 || !type || !part)
        return;
    if (strstr(type, "wordprocessingml.document.main+xml") ||
        strstr(type, "wordprocessingml.template.main+xml") ||
        strstr(type, "ms-word.document.macroEnabled.main+xml"))
        snprintf(main_part, sizeof main_part, "%s", part[0] == '/' ? part + 1 : part);
    else if (strstr(type, "sheet.main+xml") || strstr(type, "presentation.main+xml"))
        spreadsheet = true;
}

static void types_end(void *context, const char *name)
{
    (void)context;
    (void)name;
}

static void find_main_part(void)
{
    const struct xml_handlers handlers = {.start = types_start, .end = types_end};
    size_t size;
    char *bytes = archive_read("[Content_Types].xml", &size);
    if (!bytes)
        return;
    struct xml *xml = xml_new(&handlers);
    if (!xml_feed(xml, bytes, size, true))
        emit_fail("is a damaged Office document: [Content_Types].xml, line %zu: %s", xml_line(xml),
                  xml_problem(xml));
    xml_free(xml);
    free(bytes);
    if (spreadsheet && !main_part[0])
        emit_fail("is a spreadsheet or a presentation: save it as text or PDF first");
    if (main_part[0] && !archive_has(main_part))
        emit_fail("is a damaged DOCX: %.100s is not in it", main_part);
}

static bool is_of_type(const char *type)
{
    size_t size;
    char *bytes = archive_read("mimetype", &size);
    bool same = bytes && strncmp(bytes, type, strlen(type)) == 0;
    free(bytes);
    return same;
}

static void read_archive(void)
{
    archive_open(STDIN_FILENO);
    if (archive_has("META-INF/container.xml")) {
        emit_place(EMIT_NO_UNIT, 0, "EPUB", 4);
        epub_read();
    } else if (is_of_type("application/vnd.oasis.opendocument.text")) {
        emit_place(EMIT_NO_UNIT, 0, "OpenDocument", 12);
        odt_read();
    } else if (is_of_type("application/vnd.oasis.opendocument")) {
        emit_fail("is an OpenDocument file, but no text: save it as text or PDF first");
    } else {
        find_main_part();
        if (!main_part[0])
            emit_fail("is a ZIP archive, and no EPUB, DOCX or ODT: unpack it first");
        emit_place(EMIT_NO_UNIT, 0, "DOCX", 4);
        docx_read(main_part);
    }
}

/* --- HTML ------------------------------------------------------------------------------- */

static void must(bool done)
{
    if (!done)
        emit_no_memory();
}

static void read_all(struct buffer *bytes)
{
    struct error error;
    for (;;) {
        must(buffer_reserve(bytes, 1 << 20, &error));
        ssize_t got = read(STDIN_FILENO, bytes->data + bytes->size, 1 << 20);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            emit_fail("cannot be read: %s", strerror(errno));
        if (got == 0)
            break;
        bytes->size += (size_t)got;
        if (bytes->size > HTML_MOST)
            emit_fail("is HTML of more than %zu MiB, which has to be taken apart as a whole: "
                      "split it first",
                      HTML_MOST >> 20);
    }
    bytes->data[bytes->size] = '\0';
}

static void decode(struct buffer *text, struct decoder *decoder, const struct buffer *bytes)
{
    struct decoder_unit units[1024];
    struct error error;
    size_t taken;
    for (size_t at = 0; at < bytes->size; at += taken) {
        size_t count =
            decoder_run(decoder, units, 1024, &taken, bytes->data + at, bytes->size - at, true);
        for (size_t i = 0; i < count; i++) {
            char rune[UTF8_MAX_BYTES];
            if (units[i].rune == DECODER_NOTHING)
                continue;
            must(buffer_append(text, rune,
                               utf8_encode(rune, units[i].rune == DECODER_INVALID ? UTF8_REPLACEMENT
                                                                                  : units[i].rune),
                               &error));
        }
    }
}

static void read_html(struct decoder *decoder)
{
    const struct flow_options options = {.main_only = true};
    struct buffer bytes = {0}, text = {0};
    read_all(&bytes);
    if (decoder) {
        decode(&text, decoder, &bytes);
        buffer_free(&bytes);
    } else {
        text = bytes;
    }
    emit_place(EMIT_NO_UNIT, 0, "HTML", 4);
    html_read(text.data ? text.data : "", text.size, &options, 0);
}

int main(int count, char **arguments)
{
    const struct sandbox_limits limits = {
        .memory = MEMORY, .step_seconds = STEP_SECONDS, .total_seconds = TOTAL_SECONDS};
    const char *format = count > 1 ? arguments[1] : "";
    const char *encoding = count > 2 ? arguments[2] : "UTF-8";
    const char *why;
    struct decoder *decoder = NULL;
    struct error error;
    if (strcmp(format, "markdown") == 0) {
        if (!sandbox_enter(&limits, &why))
            return MARKING_UNCONFINED;
        markdown_serve();
    }
    emit_begin(&(struct emit_limits){.text = TEXT_MOST, .headings = HEADINGS_MOST});
    if (strcmp(encoding, "UTF-8") != 0 && !(decoder = decoder_new(encoding, &error)))
        emit_fail("is in an encoding that is not known here, %.40s", encoding);
    if (!sandbox_enter(&limits, &why))
        emit_fail("was not opened: the program that takes it apart could not be confined (%s)",
                  why);
    if (strcmp(format, "zip") == 0)
        read_archive();
    else if (strcmp(format, "html") == 0)
        read_html(decoder);
    else
        emit_fail("is of a format that tidemark-extract does not know, %.40s", format);
    emit_end();
}
