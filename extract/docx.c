/* Office Open XML: WordprocessingML (ECMA-376, part 1). */
#include "extract/office.h"

#include "extract/archive.h"
#include "extract/emit.h"
#include "extract/xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STYLES_MOST = 4096, NUMBERS_MOST = 65536, LEVELS = 9, NAME_SIZE = 64 };

struct style {
    char id[NAME_SIZE], base[NAME_SIZE];
    unsigned level; /* of a heading, from 1; 0: none */
};

/* A list: which of its levels count, and how far. */
struct numbering {
    unsigned long id, abstract;
    bool ordered[LEVELS];
    unsigned count[LEVELS];
};

static struct {
    struct style *styles;
    size_t style_count;
    struct numbering *abstracts, *lists;
    size_t abstract_count, list_count;
    unsigned level; /* in numbering.xml */

    /* The paragraph at hand. */
    struct xml *xml;
    uint64_t paragraphs;
    unsigned skipping, rows, paragraph_depth;
    bool in_text, in_properties, started, numbered, in_notes;
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
        emit_fail("needs more memory than the program that reads it is given");
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
}

static struct style *find_style(const char *id)
{
    for (size_t i = 0; i < word.style_count; i++)
        if (strcmp(word.styles[i].id, id) == 0)
            return &word.styles[i];
    return NULL;
}

/* What a style is based on may make it a heading. */
static void resolve_styles(void)
{
    for (size_t i = 0; i < word.style_count; i++) {
        struct style *at = &word.styles[i];
        for (int steps = 0; at && at->level == 0 && at->base[0] && steps < 10; steps++)
            at = find_style(at->base);
        if (at)
            word.styles[i].level = at->level;
    }
}

/* --- numbering ------------------------------------------------------------------------ */

static struct numbering *add_numbering(struct numbering **list, size_t *count, unsigned long id)
{
    if (*count == NUMBERS_MOST)
        emit_fail("is a DOCX of more than %d lists", NUMBERS_MOST);
    *list = grown(*list, *count, sizeof **list);
    struct numbering *added = &(*list)[(*count)++];
    *added = (struct numbering){.id = id};
    return added;
}

static void numbering_start(void *context, const char *space, const char *name,
                            const char **attributes)
{
    (void)context;
    (void)space;
    const char *value = value_of(attributes);
    if (strcmp(name, "abstractNum") == 0) {
        add_numbering(&word.abstracts, &word.abstract_count,
                      number_of(xml_attribute(attributes, ":abstractNumId")));
    } else if (strcmp(name, "num") == 0) {
        add_numbering(&word.lists, &word.list_count,
                      number_of(xml_attribute(attributes, ":numId")));
    } else if (strcmp(name, "lvl") == 0) {
        unsigned long level = number_of(xml_attribute(attributes, ":ilvl"));
        word.level = level < LEVELS ? (unsigned)level : 0;
    } else if (strcmp(name, "numFmt") == 0 && word.abstract_count > 0 && word.list_count == 0) {
        word.abstracts[word.abstract_count - 1].ordered[word.level] =
            value && strcmp(value, "bullet") != 0 && strcmp(value, "none") != 0;
    } else if (strcmp(name, "abstractNumId") == 0 && word.list_count > 0) {
        word.lists[word.list_count - 1].abstract = number_of(value);
    }
}

static struct numbering *find_numbering(struct numbering *list, size_t count, unsigned long id)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].id == id)
            return &list[i];
    return NULL;
}

static void mark_item(char marker[32])
{
    struct numbering *list = find_numbering(word.lists, word.list_count, word.list);
    struct numbering *kind =
        list ? find_numbering(word.abstracts, word.abstract_count, list->abstract) : NULL;
    unsigned level = word.list_level;
    if (!kind || !kind->ordered[level]) {
        snprintf(marker, 32, "%*s- ", (int)(2 * level), "");
        return;
    }
    list->count[level]++;
    for (unsigned i = level + 1; i < LEVELS; i++)
        list->count[i] = 0;
    snprintf(marker, 32, "%*s%u. ", (int)(2 * level), "", list->count[level]);
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
        return;
    }
    if (word.numbered)
        mark_item(prefix);
    emit_start(EMIT_PARAGRAPH, 0);
    if (word.note[0]) {
        snprintf(prefix, sizeof prefix, "[%s] ", word.note);
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
    static const char *const parts[] = {"del",     "moveFrom",    "Fallback", "instrText",
                                        "delText", "txbxContent", "fldData",  NULL};
    for (size_t i = 0; parts[i]; i++)
        if (strcmp(parts[i], name) == 0)
            return true;
    return false;
}

static void start_paragraph(void)
{
    if (word.paragraph_depth++ > 0)
        return;
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
    } else if (strcmp(name, "outlineLvl") == 0 && value && number_of(value) < LEVELS) {
        word.heading = (unsigned)number_of(value) + 1;
    } else if (strcmp(name, "ilvl") == 0) {
        word.list_level = number_of(value) < LEVELS ? (unsigned)number_of(value) : LEVELS - 1;
    } else if (strcmp(name, "numId") == 0) {
        word.list = number_of(value);
        word.numbered = word.list > 0;
    }
}

static void put_reference(const char **attributes)
{
    char mark[32];
    const char *id = xml_attribute(attributes, ":id");
    if (!id || word.in_notes)
        return;
    snprintf(mark, sizeof mark, "[%.20s]", id);
    put(mark, strlen(mark));
}

static void start_note(const char **attributes)
{
    const char *id = xml_attribute(attributes, ":id"), *type = xml_attribute(attributes, ":type");
    /* Separators are notes of a type. */
    if (type && strcmp(type, "normal") != 0)
        word.skipping++;
    snprintf(word.note, sizeof word.note, "%.20s", id ? id : "");
}

static void start_row(void)
{
    if (word.rows++ == 0) {
        emit_start(EMIT_ROW, 0);
        word.started = true;
    }
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
        emit_cell();
    else if (strcmp(name, "footnoteReference") == 0 || strcmp(name, "endnoteReference") == 0)
        put_reference(attributes);
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
    memset(&word, 0, sizeof word);
    read_beside(document, "styles.xml", style_start);
    resolve_styles();
    read_beside(document, "numbering.xml", numbering_start);
    read_part(document, false);
    read_beside(document, "footnotes.xml", NULL);
    read_beside(document, "endnotes.xml", NULL);
}
