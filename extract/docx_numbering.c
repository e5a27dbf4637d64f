#include "extract/docx_numbering.h"

#include "extract/emit.h"
#include "extract/xml.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LISTS_MOST = 65536, TEXT_SIZE = 40, ROMAN_MOST = 3999, LETTERS = 26, LETTERS_MOST = 4 };

enum format {
    FORMAT_DECIMAL,
    FORMAT_LETTER,
    FORMAT_CAPITAL,
    FORMAT_ROMAN,
    FORMAT_ROMAN_CAPITAL,
    FORMAT_BULLET,
    FORMAT_NONE,
};

struct level {
    enum format format;
    unsigned start;
    char text[TEXT_SIZE]; /* "%1.%2)" */
    bool has_text;
};

/* What lists of one kind look like, and how far they have come together. */
struct kind {
    unsigned long id;
    struct level levels[NUMBERING_LEVELS];
    unsigned count[NUMBERING_LEVELS];
};

struct list {
    unsigned long id, kind;
    bool restarts[NUMBERING_LEVELS]; /* with `start`, at its first item */
    unsigned start[NUMBERING_LEVELS];
};

static struct {
    struct kind *kinds;
    struct list *lists;
    size_t kind_count, list_count;
    unsigned level; /* in numbering.xml */
} numbering;

void numbering_reset(void)
{
    free(numbering.kinds);
    free(numbering.lists);
    memset(&numbering, 0, sizeof numbering);
}

static const char *value_of(const char **attributes)
{
    const char *value = xml_attribute(attributes, ":val");
    return value ? value : xml_attribute(attributes, "val");
}

static unsigned long number_of(const char *text)
{
    return text ? strtoul(text, NULL, 10) : 0;
}

static unsigned small_number(const char *text)
{
    unsigned long number = number_of(text);
    return number < 1000000 ? (unsigned)number : 0;
}

static void *grown(void *array, size_t count, size_t size)
{
    if (count == LISTS_MOST)
        emit_fail("is a DOCX of more than %d lists", LISTS_MOST);
    if ((count & (count - 1)) != 0)
        return array;
    void *more = realloc(array, (count ? count * 2 : 1) * size);
    if (!more)
        emit_no_memory();
    return more;
}

static void add_kind(unsigned long id)
{
    numbering.kinds = grown(numbering.kinds, numbering.kind_count, sizeof *numbering.kinds);
    struct kind *kind = &numbering.kinds[numbering.kind_count++];
    *kind = (struct kind){.id = id};
    for (unsigned i = 0; i < NUMBERING_LEVELS; i++)
        kind->levels[i].start = 1;
    numbering.level = 0;
}

static void add_list(unsigned long id)
{
    numbering.lists = grown(numbering.lists, numbering.list_count, sizeof *numbering.lists);
    numbering.lists[numbering.list_count++] = (struct list){.id = id};
    numbering.level = 0;
}

static enum format format_of(const char *name)
{
    static const struct {
        const char *name;
        enum format format;
    } formats[] = {
        {"lowerLetter", FORMAT_LETTER}, {"upperLetter", FORMAT_CAPITAL},
        {"lowerRoman", FORMAT_ROMAN},   {"upperRoman", FORMAT_ROMAN_CAPITAL},
        {"bullet", FORMAT_BULLET},      {"none", FORMAT_NONE},
    };
    for (size_t i = 0; name && i < sizeof formats / sizeof *formats; i++)
        if (strcmp(formats[i].name, name) == 0)
            return formats[i].format;
    return FORMAT_DECIMAL;
}

/* Within the description of a kind of list, or of a list that changes some of its kind. */
static void take_detail(const char *name, const char **attributes)
{
    const char *value = value_of(attributes);
    struct list *list = numbering.list_count ? &numbering.lists[numbering.list_count - 1] : NULL;
    struct kind *kind = numbering.kind_count ? &numbering.kinds[numbering.kind_count - 1] : NULL;
    struct level *level = kind && !list ? &kind->levels[numbering.level] : NULL;
    if (list && strcmp(name, "abstractNumId") == 0) {
        list->kind = number_of(value);
    } else if (list && strcmp(name, "startOverride") == 0) {
        list->restarts[numbering.level] = true;
        list->start[numbering.level] = small_number(value);
    } else if (level && strcmp(name, "numFmt") == 0) {
        level->format = format_of(value);
    } else if (level && strcmp(name, "start") == 0) {
        level->start = small_number(value);
    } else if (level && strcmp(name, "lvlText") == 0 && value) {
        snprintf(level->text, sizeof level->text, "%s", strlen(value) < TEXT_SIZE ? value : "");
        level->has_text = level->text[0] != '\0' || value[0] == '\0';
    }
}

void numbering_start(void *context, const char *space, const char *name, const char **attributes)
{
    (void)context;
    (void)space;
    if (strcmp(name, "abstractNum") == 0) {
        add_kind(number_of(xml_attribute(attributes, ":abstractNumId")));
    } else if (strcmp(name, "num") == 0) {
        add_list(number_of(xml_attribute(attributes, ":numId")));
    } else if (strcmp(name, "lvl") == 0 || strcmp(name, "lvlOverride") == 0) {
        unsigned long level = number_of(xml_attribute(attributes, ":ilvl"));
        numbering.level = level < NUMBERING_LEVELS ? (unsigned)level : 0;
    } else {
        take_detail(name, attributes);
    }
}

/* --- labels ------------------------------------------------------------------------------ */

void numbering_roman(char *out, size_t size, unsigned number, bool capitals)
{
    static const struct {
        unsigned value;
        char marks[2][3];
    } steps[] = {{1000, {"m", "M"}}, {900, {"cm", "CM"}}, {500, {"d", "D"}}, {400, {"cd", "CD"}},
                 {100, {"c", "C"}},  {90, {"xc", "XC"}},  {50, {"l", "L"}},  {40, {"xl", "XL"}},
                 {10, {"x", "X"}},   {9, {"ix", "IX"}},   {5, {"v", "V"}},   {4, {"iv", "IV"}},
                 {1, {"i", "I"}}};
    size_t used = 0;
    if (number == 0 || number > ROMAN_MOST) {
        snprintf(out, size, "%u", number);
        return;
    }
    out[0] = '\0';
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        for (; number >= steps[i].value && used + 2 < size; number -= steps[i].value)
            used += (size_t)snprintf(out + used, size - used, "%s", steps[i].marks[capitals]);
}

/* a, b ... z, aa, bb ... */
static void letters(char *out, size_t size, unsigned number, char first)
{
    unsigned times = number > 0 ? (number - 1) / LETTERS + 1 : 0;
    if (number == 0 || times > LETTERS_MOST || times >= size) {
        snprintf(out, size, "%u", number);
        return;
    }
    memset(out, first + (char)((number - 1) % LETTERS), times);
    out[times] = '\0';
}

static void write_number(char *out, size_t size, enum format format, unsigned number)
{
    switch (format) {
    case FORMAT_LETTER:
    case FORMAT_CAPITAL:
        letters(out, size, number, format == FORMAT_LETTER ? 'a' : 'A');
        break;
    case FORMAT_ROMAN:
    case FORMAT_ROMAN_CAPITAL:
        numbering_roman(out, size, number, format == FORMAT_ROMAN_CAPITAL);
        break;
    default:
        snprintf(out, size, "%u", number);
        break;
    }
}

static void count_on(struct kind *kind, struct list *list, unsigned level)
{
    for (unsigned i = 0; i < level; i++)
        if (kind->count[i] == 0)
            kind->count[i] = kind->levels[i].start;
    if (list->restarts[level])
        kind->count[level] = list->start[level];
    else if (kind->count[level] == 0)
        kind->count[level] = kind->levels[level].start;
    else
        kind->count[level]++;
    list->restarts[level] = false;
    for (unsigned i = level + 1; i < NUMBERING_LEVELS; i++)
        kind->count[i] = 0;
}

/* "%1.%2" with the numbers of the levels. */
static void fill_in(char label[NUMBERING_LABEL], const struct kind *kind, const char *text)
{
    size_t used = 0;
    for (; *text && used + 1 < NUMBERING_LABEL; text++) {
        unsigned at = (unsigned)(text[0] == '%' ? text[1] - '1' : NUMBERING_LEVELS);
        if (at >= NUMBERING_LEVELS) {
            label[used++] = *text;
            continue;
        }
        write_number(label + used, NUMBERING_LABEL - used, kind->levels[at].format,
                     kind->count[at]);
        used += strlen(label + used);
        text++;
    }
    label[used] = '\0';
}

void numbering_label(char label[NUMBERING_LABEL], unsigned long id, unsigned level)
{
    struct list *list = NULL;
    struct kind *kind = NULL;
    for (size_t i = 0; i < numbering.list_count && !list; i++)
        list = numbering.lists[i].id == id ? &numbering.lists[i] : NULL;
    for (size_t i = 0; list && i < numbering.kind_count && !kind; i++)
        kind = numbering.kinds[i].id == list->kind ? &numbering.kinds[i] : NULL;
    if (!kind || kind->levels[level].format == FORMAT_BULLET) {
        snprintf(label, NUMBERING_LABEL, "-");
        return;
    }
    const struct level *looks = &kind->levels[level];
    label[0] = '\0';
    count_on(kind, list, level);
    if (looks->has_text)
        fill_in(label, kind, looks->text);
    else if (looks->format != FORMAT_NONE) {
        char text[] = {'%', (char)('1' + level), '.', '\0'};
        fill_in(label, kind, text);
    }
}
