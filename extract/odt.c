/* OpenDocument text (ISO/IEC 26300). */
#include "extract/office.h"

#include "extract/archive.h"
#include "extract/emit.h"
#include "extract/xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STYLES_MOST = 4096, LISTS_MOST = 32, NOTE_MOST = 1 << 20, NAME_SIZE = 64 };

struct list {
    bool ordered;
    unsigned number;
};

static struct {
    struct xml *xml;
    char (*ordered)[NAME_SIZE]; /* names of list styles whose first level counts */
    size_t ordered_count;
    char style[NAME_SIZE]; /* the list style that is read */
    uint64_t paragraphs;
    unsigned skipping, rows, inner_rows, lists, paragraph_depth;
    struct list list[LISTS_MOST];
    bool item_due, first_cell;

    bool in_citation, in_note;
    char citation[32];
    char *note; /* text of the notes that wait for the paragraph's end */
    size_t note_size;
} odt;

static void *checked(void *bytes)
{
    if (!bytes)
        emit_no_memory();
    return bytes;
}

/* --- list styles ----------------------------------------------------------------------- */

static void note_style(const char *name, const char **attributes)
{
    const char *style = xml_attribute(attributes, ":name"),
               *level = xml_attribute(attributes, ":level");
    if (strcmp(name, "list-style") == 0) {
        snprintf(odt.style, sizeof odt.style, "%s", style ? style : "");
    } else if (strcmp(name, "list-level-style-number") == 0 && level && strcmp(level, "1") == 0) {
        const char *format = xml_attribute(attributes, ":num-format");
        if (!format || !*format || odt.ordered_count == STYLES_MOST)
            return;
        if (!odt.ordered)
            odt.ordered = checked(malloc(STYLES_MOST * sizeof *odt.ordered));
        snprintf(odt.ordered[odt.ordered_count++], NAME_SIZE, "%s", odt.style);
    }
}

static bool is_ordered(const char *style)
{
    for (size_t i = 0; style && i < odt.ordered_count; i++)
        if (strcmp(odt.ordered[i], style) == 0)
            return true;
    return false;
}

/* --- text ------------------------------------------------------------------------------- */

static void indent(char prefix[64])
{
    unsigned depth = odt.lists > 0 ? odt.lists - 1 : 0;
    struct list *list = odt.lists > 0 ? &odt.list[depth % LISTS_MOST] : NULL;
    int columns = (int)(depth < 12 ? 2 * depth : 24);
    if (list && odt.item_due && list->ordered)
        snprintf(prefix, 64, "%*s%u. ", columns, "", list->number++);
    else
        snprintf(prefix, 64, "%*s%s", columns, "", !list ? "" : odt.item_due ? "- " : "  ");
}

static void start_paragraph(bool heading, const char **attributes)
{
    const char *level = xml_attribute(attributes, ":outline-level");
    char prefix[64];
    emit_line(++odt.paragraphs);
    if (odt.in_note || odt.paragraph_depth++ > 0)
        return;
    if (odt.rows > 0) {
        emit_text(" ", 1);
        return;
    }
    if (heading) {
        unsigned long depth = level ? strtoul(level, NULL, 10) : 1;
        emit_start(EMIT_HEADING, depth >= 1 && depth <= 32 ? (unsigned)depth : 1);
        return;
    }
    emit_start(EMIT_PARAGRAPH, 0);
    indent(prefix);
    emit_prefix(prefix);
    if (odt.item_due)
        emit_tight();
    odt.item_due = false;
}

static void put_notes(void)
{
    if (odt.note_size == 0 || odt.rows > 0 || odt.paragraph_depth > 0)
        return;
    emit_start(EMIT_PARAGRAPH, 0);
    for (size_t i = 0; i < odt.note_size;) {
        const char *end = memchr(odt.note + i, '\n', odt.note_size - i);
        size_t size = end ? (size_t)(end - odt.note) - i : odt.note_size - i;
        emit_text(odt.note + i, size);
        emit_break();
        i += size + 1;
    }
    emit_finish();
    odt.note_size = 0;
}

static void add_note(const char *text, size_t size)
{
    if (odt.note_size + size > NOTE_MOST)
        emit_fail("has footnotes of more than %d bytes at one place", NOTE_MOST);
    if (!odt.note)
        odt.note = checked(malloc(NOTE_MOST));
    memcpy(odt.note + odt.note_size, text, size);
    odt.note_size += size;
}

static void put(const char *text, size_t size)
{
    if (odt.in_note)
        add_note(text, size);
    else if (odt.paragraph_depth > 0)
        emit_text(text, size);
}

static void start_note(void)
{
    odt.in_note = true;
    if (odt.note_size > 0)
        add_note("\n", 1);
    add_note("[", 1);
    add_note(odt.citation, strlen(odt.citation));
    add_note("] ", 2);
}

static void start_list(const char **attributes)
{
    const char *style = xml_attribute(attributes, ":style-name");
    bool outer = odt.lists > 0 && odt.list[(odt.lists - 1) % LISTS_MOST].ordered;
    odt.list[odt.lists % LISTS_MOST] =
        (struct list){.ordered = style ? is_ordered(style) : outer, .number = 1};
    odt.lists++;
}

/* A table within a cell is told in a line: a, b; c, d. */
static void start_row(void)
{
    if (odt.rows++ == 0)
        emit_start(EMIT_ROW, 0);
    else
        emit_text(odt.inner_rows++ > 0 ? ";" : " ", 1);
    odt.first_cell = true;
}

static void start_cell(void)
{
    if (odt.rows == 1)
        emit_cell();
    else if (!odt.first_cell)
        emit_text(",", 1);
    if (odt.rows == 1)
        odt.inner_rows = 0;
    odt.first_cell = false;
}

static bool is_skipped(const char *name)
{
    static const char *const parts[] = {"tracked-changes",
                                        "annotation",
                                        "forms",
                                        "sequence-decls",
                                        "scripts",
                                        "variable-decls",
                                        "frame",
                                        "index-title-template",
                                        NULL};
    for (size_t i = 0; parts[i]; i++)
        if (strcmp(parts[i], name) == 0)
            return true;
    return false;
}

static void on_start(void *context, const char *space, const char *name, const char **attributes)
{
    (void)context;
    (void)space;
    if (odt.skipping > 0 || is_skipped(name)) {
        odt.skipping++;
        return;
    }
    if (strcmp(name, "p") == 0 || strcmp(name, "h") == 0)
        start_paragraph(name[0] == 'h', attributes);
    else if (strcmp(name, "s") == 0 || strcmp(name, "tab") == 0)
        put(" ", 1);
    else if (strcmp(name, "line-break") == 0 && !odt.in_note && odt.paragraph_depth > 0)
        emit_break();
    else if (strcmp(name, "list") == 0)
        start_list(attributes);
    else if (strcmp(name, "list-item") == 0)
        odt.item_due = true;
    else if (strcmp(name, "table-row") == 0)
        start_row();
    else if (strcmp(name, "table-cell") == 0 && odt.rows > 0)
        start_cell();
    else if (strcmp(name, "note-citation") == 0) {
        odt.in_citation = true;
        odt.citation[0] = '\0';
    } else if (strcmp(name, "note-body") == 0)
        start_note();
    else
        note_style(name, attributes);
}

static void end_paragraph(void)
{
    if (odt.in_note) {
        add_note(" ", 1);
        return;
    }
    if (odt.paragraph_depth > 0)
        odt.paragraph_depth--;
    if (odt.paragraph_depth == 0 && odt.rows == 0) {
        emit_finish();
        put_notes();
    }
}

static void on_end(void *context, const char *name)
{
    (void)context;
    if (odt.skipping > 0) {
        odt.skipping--;
        return;
    }
    if (strcmp(name, "p") == 0 || strcmp(name, "h") == 0)
        end_paragraph();
    else if (strcmp(name, "list") == 0 && odt.lists > 0)
        odt.lists--;
    else if (strcmp(name, "table-row") == 0 && odt.rows > 0) {
        if (--odt.rows == 0) {
            emit_finish();
            put_notes();
        }
    } else if (strcmp(name, "note-citation") == 0) {
        odt.in_citation = false;
        put("[", 1);
        put(odt.citation, strlen(odt.citation));
        put("]", 1);
    } else if (strcmp(name, "note-body") == 0)
        odt.in_note = false;
}

static void on_text(void *context, const char *text, size_t size)
{
    (void)context;
    if (odt.skipping > 0)
        return;
    if (odt.in_citation) {
        size_t used = strlen(odt.citation), room = sizeof odt.citation - 1 - used;
        size_t kept = size < room ? size : room;
        memcpy(odt.citation + used, text, kept);
        odt.citation[used + kept] = '\0';
    } else {
        put(text, size);
    }
}

static void feed(void *context, const char *bytes, size_t size)
{
    (void)context;
    if (!xml_feed(odt.xml, bytes, size, false))
        emit_fail("is a damaged OpenDocument file: content.xml, line %zu: %s", xml_line(odt.xml),
                  xml_problem(odt.xml));
}

void odt_read(void)
{
    const struct xml_handlers handlers = {.start = on_start, .end = on_end, .text = on_text};
    free(odt.ordered);
    free(odt.note);
    memset(&odt, 0, sizeof odt);
    odt.xml = xml_new(&handlers);
    archive_each_piece("content.xml", feed, NULL);
    if (!xml_feed(odt.xml, "", 0, true))
        emit_fail("is a damaged OpenDocument file: content.xml, line %zu: %s", xml_line(odt.xml),
                  xml_problem(odt.xml));
    xml_free(odt.xml);
    emit_finish();
}
