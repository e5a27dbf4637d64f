#include "ui/cluster.h"

#include "base/utf8.h"
#include "base/visible.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <utf8proc.h>

#define COLUMNS_MOST 10
#define MARKS_MOST 4 /* on one character: what a cell of the screen holds */
#define TAB_COLUMNS 4
#define DOTTED_CIRCLE 0x25CC
#define JOINER 0x200D

/* What a cluster is put together from. */
struct builder {
    struct cluster *cluster;
    size_t used;    /* of cluster->shown */
    unsigned marks; /* that the last character of its own width carries already */
    bool joined;    /* a joiner came: the emoji after it belong to the one before */
};

/* --- what is known of a character -------------------------------------------------------- */

static bool is_variation_selector(uint32_t rune)
{
    return (rune >= 0xFE00 && rune <= 0xFE0F) || (rune >= 0xE0100 && rune <= 0xE01EF);
}

/* Characters that only ask for another shape, or for none. */
static bool is_left_out(uint32_t rune)
{
    switch (rune) {
    case 0x00AD: /* soft hyphen */
    case 0x034F: /* combining grapheme joiner */
    case 0x180E: /* Mongolian vowel separator */
    case 0x200B: /* zero width space */
    case 0x200C:
    case JOINER:
    case 0x20E3: /* enclosing keycap */
    case 0x302E: /* Hangul tone marks, of one, two or no columns */
    case 0x302F:
        return true;
    default:
        return is_variation_selector(rune) || (rune >= 0x180B && rune <= 0x180F) ||
               (rune >= 0x2060 && rune <= 0x2064);
    }
}

static bool is_skin_tone(uint32_t rune)
{
    return rune >= 0x1F3FB && rune <= 0x1F3FF;
}

/* Vowels and finals of Hangul, which join the consonant before them. */
static bool is_joining_jamo(uint32_t rune)
{
    return (rune >= 0x1160 && rune <= 0x11FF) || (rune >= 0xD7B0 && rune <= 0xD7FB);
}

static bool is_hangul(uint32_t rune)
{
    return (rune >= 0x1100 && rune <= 0x11FF) || (rune >= 0x3130 && rune <= 0x318F) ||
           (rune >= 0xA960 && rune <= 0xA97F) || (rune >= 0xAC00 && rune <= 0xD7FF);
}

static bool is_mark(uint32_t rune)
{
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)rune);
    return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_ME;
}

/* A space that a line may be broken at. */
static bool is_blank(uint32_t rune)
{
    return rune == ' ' || rune == 0x200B || rune == 0x205F || rune == 0x3000 ||
           (rune >= 0x2000 && rune <= 0x200A && rune != 0x2007);
}

/* Columns of a character that is no mark; 0 when they are not known. */
static unsigned width_of(uint32_t rune)
{
    /* Numbers in circles and hexagrams: one column or two, by the age of the tables. */
    if ((rune >= 0x3248 && rune <= 0x324F) || (rune >= 0x4DC0 && rune <= 0x4DFF))
        return 0;
    switch (utf8proc_category((utf8proc_int32_t)rune)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CC:
        return 0;
    case UTF8PROC_CATEGORY_MC:
        return utf8proc_charwidth((utf8proc_int32_t)rune) == 2 ? 2 : 1;
    case UTF8PROC_CATEGORY_CF:
        /* Signs that stand before a number or below a word, and are seen; the others
         * steer a layout that no terminal has. */
        return utf8proc_get_property((utf8proc_int32_t)rune)->boundclass ==
               UTF8PROC_BOUNDCLASS_PREPEND;
    default:
        if (is_joining_jamo(rune) || is_skin_tone(rune))
            return 0;
        return (unsigned)utf8proc_charwidth((utf8proc_int32_t)rune);
    }
}

/* --- putting a cluster together ---------------------------------------------------------- */

static bool has_room(const struct builder *builder, unsigned columns)
{
    return builder->used + 1 < CLUSTER_SHOWN && builder->cluster->columns + columns <= COLUMNS_MOST;
}

static void put(struct builder *builder, uint32_t rune, unsigned columns)
{
    builder->cluster->shown[builder->used++] = (wchar_t)rune;
    builder->cluster->shown[builder->used] = L'\0';
    builder->cluster->columns += columns;
}

/* A character of its own width. Without room it is left out, with all that it carries. */
static void put_base(struct builder *builder, uint32_t rune, unsigned columns)
{
    builder->marks = MARKS_MOST;
    if (!has_room(builder, columns))
        return;
    put(builder, rune, columns);
    builder->marks = 0;
}

static void put_mark(struct builder *builder, uint32_t rune)
{
    if (builder->used == 0)
        put_base(builder, DOTTED_CIRCLE, 1);
    if (builder->marks == MARKS_MOST || !has_room(builder, 0))
        return;
    put(builder, rune, 0);
    builder->marks++;
}

static void put_space(struct builder *builder, unsigned columns)
{
    for (unsigned i = 0; i < columns; i++)
        put_base(builder, ' ', 1);
}

static void add(struct builder *builder, uint32_t rune)
{
    if (is_left_out(rune)) {
        builder->joined = builder->joined || rune == JOINER;
        return;
    }
    if (is_mark(rune) || (is_joining_jamo(rune) && builder->used > 0)) {
        put_mark(builder, rune);
        return;
    }
    if (builder->used > 0 && is_skin_tone(rune))
        return;
    int boundary = utf8proc_get_property((utf8proc_int32_t)rune)->boundclass;
    if (builder->joined && boundary == UTF8PROC_BOUNDCLASS_EXTENDED_PICTOGRAPHIC)
        return;
    if (boundary == UTF8PROC_BOUNDCLASS_REGIONAL_INDICATOR) {
        put_base(builder, 'A' + (rune - 0x1F1E6), 1);
        return;
    }
    unsigned columns = width_of(rune);
    if (columns == 0)
        put_base(builder, UTF8_REPLACEMENT, 1);
    else if (utf8proc_category((utf8proc_int32_t)rune) == UTF8PROC_CATEGORY_ZS && rune != 0x1680)
        put_space(builder, columns);
    else
        put_base(builder, rune, columns);
}

static void add_text(struct builder *builder, const char *text)
{
    for (; *text != '\0'; text++)
        put_base(builder, (unsigned char)*text, 1);
}

/* What visible_append writes. */
static void add_unsafe(struct builder *builder, uint32_t rune)
{
    if (rune < 0x20) {
        put_base(builder, 0x2400 + rune, 1);
    } else if (rune == 0x7F) {
        put_base(builder, 0x2421, 1);
    } else {
        char name[16];
        snprintf(name, sizeof(name), "<U+%04X>", (unsigned)rune);
        add_text(builder, name);
    }
}

/* Line ends and tabs. False when the character is neither. */
static bool add_white(struct builder *builder, uint32_t rune, const char *text, size_t size)
{
    struct cluster *cluster = builder->cluster;
    if (rune == '\t') {
        put_space(builder, TAB_COLUMNS);
        cluster->blank = true;
    } else if (rune == '\n') {
        cluster->blank = true;
    } else if (rune == '\r' && size > 1 && text[1] == '\n') {
        cluster->blank = true;
        cluster->size = 2;
    } else {
        return false;
    }
    return true;
}

/* Adds what belongs to the character `rune` that cluster->size bytes end with. */
static void add_rest(struct builder *builder, uint32_t rune, const char *text, size_t size)
{
    struct cluster *cluster = builder->cluster;
    utf8proc_int32_t state = 0;
    while (cluster->size < size) {
        uint32_t next;
        size_t length;
        if (utf8_decode(&next, &length, text + cluster->size, size - cluster->size) != UTF8_VALID)
            return;
        if (!visible_is_safe(next) && !is_variation_selector(next))
            return;
        if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)rune, (utf8proc_int32_t)next,
                                             &state))
            return;
        add(builder, next);
        cluster->size += length;
        rune = next;
    }
}

void cluster_next(struct cluster *cluster, const char *text, size_t size, size_t at)
{
    text += at;
    size -= at;
    unsigned char first = (unsigned char)text[0];
    cluster->size = 1;
    cluster->columns = 0;
    cluster->blank = false;
    cluster->wide = false;
    cluster->shown[0] = L'\0';
    if (first >= ' ' && first < 0x7F && (size == 1 || (unsigned char)text[1] < 0x80)) {
        cluster->columns = 1;
        cluster->blank = first == ' ';
        cluster->shown[0] = (wchar_t)first;
        cluster->shown[1] = L'\0';
        return;
    }
    struct builder builder = {.cluster = cluster, .marks = MARKS_MOST};
    uint32_t rune;
    if (utf8_decode(&rune, &cluster->size, text, size) != UTF8_VALID) {
        put_base(&builder, UTF8_REPLACEMENT, 1);
    } else if (add_white(&builder, rune, text, size)) {
        return;
    } else if (!visible_is_safe(rune)) {
        add_unsafe(&builder, rune);
    } else {
        add(&builder, rune);
        cluster->wide = cluster->columns == 2 && !is_hangul(rune) && rune >= 0x1100;
        size_t alone = builder.used;
        add_rest(&builder, rune, text, size);
        cluster->blank = is_blank(rune) && builder.used == alone;
        cluster->wide = cluster->wide && !cluster->blank;
    }
}

/* --- more than one ----------------------------------------------------------------------- */

static bool is_continuation(char byte)
{
    return ((unsigned char)byte & 0xC0) == 0x80;
}

/* The unit (a character, or bytes that are none) that begins at the last byte before `at`
 * that can begin one. False when it is broken, or does not reach to `at`. */
static bool unit_before(uint32_t *rune, size_t *begin, const char *text, size_t at)
{
    *begin = at - 1;
    while (*begin > 0 && is_continuation(text[*begin]))
        (*begin)--;
    size_t length;
    return utf8_decode(rune, &length, text + *begin, at - *begin) == UTF8_VALID &&
           *begin + length == at;
}

/* True when a cluster begins between these two whatever stands before them. What follows a
 * joiner or the sign that joins Indic consonants depends on more than its neighbour. */
static bool always_breaks(uint32_t before, uint32_t after)
{
    if (!visible_is_safe(before) && !is_variation_selector(before))
        return !(before == '\r' && after == '\n');
    return before != JOINER && !is_mark(before) &&
           utf8proc_grapheme_break((utf8proc_int32_t)before, (utf8proc_int32_t)after);
}

size_t cluster_before(const char *text, size_t size, size_t at)
{
    assert(at > 0 && at <= size);
    (void)size;
    uint32_t rune, after;
    size_t begin;
    bool sound = unit_before(&after, &begin, text, at);
    while (begin > 0) {
        size_t middle = begin;
        bool sound_before = unit_before(&rune, &begin, text, middle);
        if (!sound_before || !sound || always_breaks(rune, after)) {
            begin = middle;
            break;
        }
        after = rune;
    }
    struct cluster cluster;
    for (size_t next = begin; next < at; next += cluster.size) {
        begin = next;
        cluster_next(&cluster, text, at, next);
    }
    return begin;
}

size_t cluster_columns(const char *text, size_t size)
{
    struct cluster cluster;
    size_t columns = 0;
    for (size_t at = 0; at < size; at += cluster.size) {
        cluster_next(&cluster, text, size, at);
        columns += cluster.columns;
    }
    return columns;
}

size_t cluster_fit(const char *text, size_t size, size_t columns)
{
    struct cluster cluster;
    size_t at = 0;
    for (; at < size; at += cluster.size) {
        cluster_next(&cluster, text, size, at);
        if (cluster.columns > columns)
            break;
        columns -= cluster.columns;
    }
    return at;
}
