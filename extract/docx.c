/* Office Open XML: WordprocessingML (ECMA-376, part 1). */
#include "extract/office.h"

#include "extract/archive.h"
#include "extract/docx_numbering.h"
#include "extract/emit.h"
#include "extract/xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STYLES_MOST = 4096, NOTES_MOST = 65536, LEVELS = NUMBERING_LEVELS, NAME_SIZE = 64 };

struct style {
    char id[NAME_SIZE], base[NAME_SIZE];
    unsigned level; /* of a heading, from 1; 0: none */
    bool numbered;  /* it says whether its paragraphs are, as items of `list` */
    unsigned long list;
    unsigned list_level;
};

/* Notes of one kind in the order of their references, which numbers them. */
struct notes {
    unsigned long *ids;
    size_t count;
};

static struct {
    struct style *styles;
    size_t style_count;
    struct notes notes[2]; /* at the foot of a page, at the document's end */

    /* The paragraph at hand. */
    struct xml *xml;
    uint64_t paragraphs;
    unsigned skipping, rows, inner_rows, paragraph_depth;
    bool in_text, in_properties, started, numbered, in_notes, endnotes;
    bool first_cell; /* of a table within a cell */
    unsigned heading, list_level;
    unsigned long list;
    char note[32]; /* the number of the note that is read */
} word;

static const char *value_of(const char **attributes)
{
    const char *value = xml_attribute(attributes, ":val");
    return value ? value : xml_attribute(attributes, "val");
}

static unsigned long number_of(const char *text)
{
    return text ? strtoul(text, NULL, 10) : 0;
}

static void *grown(void *array, size_t count, size_t size)
{
    if ((count & (count - 1)) != 0)
        return array;
    void *more = realloc(array, (count ? count * 2 : 1) * size);
    if (!more)
        emit_no_memory();
    return more;
}

static void parse(const char *path, const struct xml_handlers *handlers)
{
    size_t size;
    char *bytes = archive_read(path, &size);
    if (!bytes)
        return; /* an optional part */
    struct xml *xml = xml_new(handlers);
    if (!xml_feed(xml, bytes, size, true))
        emit_fail("is a damaged DOCX: %.100s, line %zu: %s", path, xml_line(xml), xml_problem(xml));
    xml_free(xml);
    free(bytes);
}

static void ignore_end(void *context, const char *name)
{
    (void)context;
    (void)name;
}

/* --- styles ------------------------------------------------------------------------- */

/* "heading 1" to "heading 9" are headings in every language; their ids differ. */
static unsigned level_of_name(const char *name)
{
    if (strcmp(name, "Title") == 0)
        return 1;
    return strncmp(name, "heading ", 8) == 0 && name[8] >= '1' && name[8] <= '9' && !name[9]
               ? (unsigned)(name[8] - '0')
               : 0;
}

static void style_start(void *context, const char *space, const char *name, const char **attributes)
{
    (void)context;
    (void)space;
    if (strcmp(name, "style") == 0) {
        const char *id = xml_attribute(attributes, ":styleId");
        if (word.style_count == STYLES_MOST)
            emit_fail("is a DOCX of more than %d styles", STYLES_MOST);
        word.styles = grown(word.styles, word.style_count, sizeof *word.styles);
        struct style *style = &word.styles[word.style_count++];
        *style = (struct style){0};
        snprintf(style->id, sizeof style->id, "%s", id ? id : "");
        return;
    }
    struct style *style = word.style_count ? &word.styles[word.style_count - 1] : NULL;
    const char *value = value_of(attributes);
    if (!style || !value)
        return;
    if (strcmp(name, "name") == 0 && style->level == 0)
        style->level = level_of_name(value);
    else if (strcmp(name, "basedOn") == 0)
        snprintf(style->base, sizeof style->base, "%s", value);
    else if (strcmp(name, "outlineLvl") == 0 && number_of(value) < LEVELS)
        style->level = (unsigned)number_of(value) + 1;
    else if (strcmp(name, "ilvl") == 0 && number_of(value) < LEVELS)
        style->list_level = (unsigned)number_of(value);
    else if (strcmp(name, "numId") == 0) {
        style->numbered = true;
        style->list = number_of(value);
    }
}

static struct style *find_style(const char *id)
{
    for (size_t i = 0; i < word.style_count; i++)
        if (strcmp(word.styles[i].id, id) == 0)
            return &word.styles[i];
    return NULL;
}

/* What a style does not say of itself, the one that it is based on says. */
static void resolve_styles(void)
{
    for (size_t i = 0; i < word.style_count; i++) {
        struct style *style = &word.styles[i], *at = style;
        for (int steps = 0; at && at->base[0] && steps < 10; steps++) {
            at = find_style(at->base);
            if (at && style->level == 0)
                style->level = at->level;
            if (at && !style->numbered && at->numbered) {
                style->numbered = true;
                style->list = at->list;
                style->list_level = style->list_level > 0 ? style->list_level : at->list_level;
            }
        }
    }
}

/* --- numbers --------------------------------------------------------------------------- */

static void mark_item(char marker[64])
{
    char label[NUMBERING_LABEL];
    numbering_label(label, word.list, word.list_level);
    snprintf(marker, 64, "%*s%s%s", (int)(2 * word.list_level), "", label, label[0] ? " " : "");
}

/* "7.3 " before a heading that Word numbers. */
static void put_heading_number(void)
{
    char label[NUMBERING_LABEL];
    if (!word.numbered)
        return;
    numbering_label(label, word.list, word.list_level);
    if (label[0] && strcmp(label, "-") != 0) {
        emit_text(label, strlen(label));
        emit_text(" ", 1);
    }
}

static size_t note_number(unsigned long id, bool endnotes)
{
    struct notes *notes = &word.notes[endnotes];
    for (size_t i = notes->count; i-- > 0;)
        if (notes->ids[i] == id)
            return i + 1;
    if (notes->count == NOTES_MOST)
        emit_fail("is a DOCX of more than %d notes", NOTES_MOST);
    notes->ids = grown(notes->ids, notes->count, sizeof *notes->ids);
    notes->ids[notes->count++] = id;
    return notes->count;
}

/* [1] at the foot of a page, [i] at the document's end. */
static void mark_note(char mark[32], const char *id, bool endnotes)
{
    char number[24];
    unsigned order = (unsigned)note_number(number_of(id), endnotes);
    if (endnotes)
        numbering_roman(number, sizeof number, order, false);
    else
        snprintf(number, sizeof number, "%u", order);
    snprintf(mark, 32, "[%s]", number);
}

/* --- text ----------------------------------------------------------------------------- */

/* Starts the paragraph's block with its first character. */
static void need_block(void)
{
    char prefix[64] = "";
    if (word.rows > 0 || word.started)
        return;
    word.started = true;
    if (word.heading > 0) {
        emit_start(EMIT_HEADING, word.heading);
        put_heading_number();
        return;
    }
    if (word.numbered)
        mark_item(prefix);
    emit_start(EMIT_PARAGRAPH, 0);
    if (word.note[0]) {
        snprintf(prefix, sizeof prefix, "%s ", word.note);
        word.note[0] = '\0';
    }
    emit_prefix(prefix);
    if (word.numbered)
        emit_tight();
}

static void put(const char *text, size_t size)
{
    need_block();
    emit_text(text, size);
}

static bool is_skipped(const char *name)
{
    static const char *const parts[] = {"del",     "moveFrom", "Fallback", "instrText",
                                        "delText", "fldData",  NULL};
    for (size_t i = 0; parts[i]; i++)
        if (strcmp(parts[i], name) == 0)
            return true;
    return false;
}

static void start_paragraph(void)
{
    if (word.paragraph_depth++ > 0) { /* of a text box, or an element's that is new to us */
        if (emit_is_open())
            emit_text(" ", 1);
        return;
    }
    word.started = word.numbered = false;
    word.heading = word.list_level = 0;
    word.list = 0;
    emit_line(++word.paragraphs);
    if (word.rows > 0)
        emit_text(" ", 1);
    else
        emit_finish();
}

static void take_property(const char *name, const char **attributes)
{
    const char *value = value_of(attributes);
    if (strcmp(name, "pStyle") == 0 && value) {
        const struct style *style = find_style(value);
        word.heading = style ? style->level : 0;
        word.list = style && style->numbered ? style->list : 0;
        word.list_level = style && word.list > 0 ? style->list_level : 0;
        word.numbered = word.list > 0;
    } else if (strcmp(name, "outlineLvl") == 0 && value && number_of(value) < LEVELS) {
        word.heading = (unsigned)number_of(value) + 1;
    } else if (strcmp(name, "ilvl") == 0) {
        word.list_level = number_of(value) < LEVELS ? (unsigned)number_of(value) : LEVELS - 1;
    } else if (strcmp(name, "numId") == 0) {
        word.list = number_of(value);
        word.numbered = word.list > 0;
    }
}

static void put_reference(const char **attributes, bool endnote)
{
    char mark[32];
    const char *id = xml_attribute(attributes, ":id");
    if (!id || word.in_notes)
        return;
    mark_note(mark, id, endnote);
    put(mark, strlen(mark));
}

static void start_note(const char **attributes)
{
    const char *id = xml_attribute(attributes, ":id"), *type = xml_attribute(attributes, ":type");
    word.note[0] = '\0';
    /* Separators are notes of a type. */
    if (type && strcmp(type, "normal") != 0)
        word.skipping++;
    else
        mark_note(word.note, id, word.endnotes);
}

/* A table within a cell is told in a line: a, b; c, d. */
static void start_row(void)
{
    if (word.rows++ == 0) {
        emit_start(EMIT_ROW, 0);
        word.started = true;
    } else {
        emit_text(word.inner_rows++ > 0 ? ";" : " ", 1);
    }
    word.first_cell = true;
}

static void start_cell(void)
{
    if (word.rows == 1)
        emit_cell();
    else if (!word.first_cell)
        emit_text(",", 1);
    if (word.rows == 1)
        word.inner_rows = 0;
    word.first_cell = false;
}

static void text_start(void *context, const char *space, const char *name, const char **attributes)
{
    (void)context;
    if (word.skipping > 0 || is_skipped(name)) {
        word.skipping++;
        return;
    }
    if (strstr(space, "drawingml")) /* its paragraphs and texts have the same names */
        return;
    if (strcmp(name, "p") == 0)
        start_paragraph();
    else if (strcmp(name, "pPr") == 0)
        word.in_properties = true;
    else if (word.in_properties)
        take_property(name, attributes);
    else if (strcmp(name, "t") == 0)
        word.in_text = true;
    else if (strcmp(name, "tab") == 0)
        put(" ", 1);
    else if (strcmp(name, "noBreakHyphen") == 0)
        put("-", 1);
    else if ((strcmp(name, "br") == 0 || strcmp(name, "cr") == 0) && emit_is_open())
        emit_break();
    else if (strcmp(name, "tr") == 0)
        start_row();
    else if (strcmp(name, "tc") == 0 && word.rows > 0)
        start_cell();
    else if (strcmp(name, "footnoteReference") == 0 || strcmp(name, "endnoteReference") == 0)
        put_reference(attributes, name[0] == 'e');
    else if (word.in_notes && (strcmp(name, "footnote") == 0 || strcmp(name, "endnote") == 0))
        start_note(attributes);
}

static void text_end(void *context, const char *name)
{
    (void)context;
    if (word.skipping > 0) {
        word.skipping--;
        return;
    }
    if (strcmp(name, "p") == 0 && word.paragraph_depth > 0) {
        if (--word.paragraph_depth == 0 && word.rows == 0)
            emit_finish();
    } else if (strcmp(name, "pPr") == 0) {
        word.in_properties = false;
    } else if (strcmp(name, "t") == 0) {
        word.in_text = false;
    } else if (strcmp(name, "tr") == 0 && word.rows > 0) {
        if (--word.rows == 0)
            emit_finish();
    }
}

static void text_text(void *context, const char *text, size_t size)
{
    (void)context;
    if (word.in_text && word.skipping == 0)
        put(text, size);
}

static void feed(void *context, const char *bytes, size_t size)
{
    if (!xml_feed(word.xml, bytes, size, false))
        emit_fail("is a damaged DOCX: %.100s, line %zu: %s", (const char *)context,
                  xml_line(word.xml), xml_problem(word.xml));
}

static void read_part(const char *path, bool notes)
{
    const struct xml_handlers handlers = {.start = text_start, .end = text_end, .text = text_text};
    if (!archive_has(path))
        return;
    word.in_notes = notes;
    word.skipping = word.rows = word.paragraph_depth = 0;
    word.xml = xml_new(&handlers);
    archive_each_piece(path, feed, (void *)(uintptr_t)path);
    if (!xml_feed(word.xml, "", 0, true))
        emit_fail("is a damaged DOCX: %.100s, line %zu: %s", path, xml_line(word.xml),
                  xml_problem(word.xml));
    xml_free(word.xml);
    emit_finish();
}

static void read_beside(const char *document, const char *name,
                        void (*start)(void *context, const char *space, const char *element,
                                      const char **attributes))
{
    char path[512];
    const char *slash = strrchr(document, '/');
    snprintf(path, sizeof path, "%.*s%s", slash ? (int)(slash - document + 1) : 0, document, name);
    if (start)
        parse(path, &(struct xml_handlers){.start = start, .end = ignore_end});
    else
        read_part(path, true);
}

void docx_read(const char *document)
{
    free(word.styles);
    free(word.notes[0].ids);
    free(word.notes[1].ids);
    memset(&word, 0, sizeof word);
    numbering_reset();
    read_beside(document, "styles.xml", style_start);
    resolve_styles();
    read_beside(document, "numbering.xml", numbering_start);
    read_part(document, false);
    read_beside(document, "footnotes.xml", NULL);
    word.endnotes = true;
    read_beside(document, "endnotes.xml", NULL);
}
