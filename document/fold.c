#include "document/fold.h"

#include "base/utf8.h"
#include "document/rune.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define DECOMPOSED_MAX 8 /* no canonical decomposition has more characters */

static bool put(struct fold *fold, const char *bytes, size_t size, size_t from, struct error *error)
{
    size_t at = fold->text.size;
    if (!buffer_append(&fold->text, bytes, size, error))
        return false;
    if (fold->text.size > fold->capacity) {
        size_t capacity = fold->text.capacity;
        if (capacity > SIZE_MAX / sizeof *fold->from)
            return error_out_of_memory(error);
        size_t *grown = realloc(fold->from, capacity * sizeof *grown);
        if (!grown)
            return error_out_of_memory(error);
        fold->from = grown;
        fold->capacity = capacity;
    }
    for (; at < fold->text.size; at++)
        fold->from[at] = from;
    return true;
}

static char last_of(const struct fold *fold)
{
    return fold->text.size > 0 ? fold->text.data[fold->text.size - 1] : '\0';
}

static bool is_dropped(uint32_t rune)
{
    return rune == RUNE_SOFT_HYPHEN || rune == RUNE_BYTE_ORDER_MARK || rune == '*' || rune == '_' ||
           rune == '`' || (rune >= 0x200B && rune <= 0x200D) || rune == 0x2060;
}

static bool is_space(uint32_t rune)
{
    return rune == '\n' || rune == '\r' || rune == '\f' || rune == 0x85 || rune == 0x2028 ||
           rune == 0x2029 || rune_is_blank(rune);
}

static bool is_dash(uint32_t rune)
{
    return rune == '-' || (rune >= 0x2010 && rune <= 0x2015) || rune == 0x2212;
}

/* The ASCII form of a typographic mark, or NULL. */
static const char *plain_form(uint32_t rune)
{
    switch (rune) {
    case 0x2018:
    case 0x2019:
    case 0x201A:
    case 0x201B:
    case 0x2032:
    case 0x2039:
    case 0x203A:
    case 0xB4:
    case 0x2BC:
        return "'";
    case 0x201C:
    case 0x201D:
    case 0x201E:
    case 0x201F:
    case 0x2033:
    case 0xAB:
    case 0xBB:
        return "\"";
    case 0x2026:
        return "...";
    case 0xFB00:
        return "ff";
    case 0xFB01:
        return "fi";
    case 0xFB02:
        return "fl";
    case 0xFB03:
        return "ffi";
    case 0xFB04:
        return "ffl";
    default:
        return NULL;
    }
}

static bool put_rune(struct fold *fold, uint32_t rune, size_t from, struct error *error)
{
    utf8proc_int32_t parts[DECOMPOSED_MAX];
    int boundary = UTF8PROC_BOUNDCLASS_START;
    utf8proc_ssize_t count =
        utf8proc_decompose_char((utf8proc_int32_t)rune, parts, DECOMPOSED_MAX,
                                UTF8PROC_STABLE | UTF8PROC_DECOMPOSE, &boundary);
    if (count < 0 || count > DECOMPOSED_MAX) {
        parts[0] = (utf8proc_int32_t)rune;
        count = 1;
    }
    for (utf8proc_ssize_t i = 0; i < count; i++) {
        char bytes[UTF8_MAX_BYTES];
        size_t size = utf8_encode(bytes, (uint32_t)parts[i]);
        if (!put(fold, bytes, size, from, error))
            return false;
    }
    return true;
}

static bool put_folded(struct fold *fold, uint32_t rune, size_t from, struct error *error)
{
    if (rune < 0x80) {
        char byte = (char)rune;
        return put(fold, &byte, 1, from, error);
    }
    const char *form = plain_form(rune);
    return form ? put(fold, form, strlen(form), from, error) : put_rune(fold, rune, from, error);
}

bool fold_text(struct fold *fold, const char *text, size_t size, struct error *error)
{
    bool space = false;
    size_t space_at = 0, length;
    buffer_clear(&fold->text);
    for (size_t at = 0; at < size; at += length) {
        uint32_t rune = rune_at(text, size, at, &length);
        if (is_dropped(rune))
            continue;
        if (is_space(rune)) {
            space_at = space ? space_at : at;
            space = true;
            continue;
        }
        bool dash = is_dash(rune);
        if (dash && last_of(fold) == '-') {
            space = false;
            continue;
        }
        if (space && !dash && fold->text.size > 0 && last_of(fold) != '-' &&
            !put(fold, " ", 1, space_at, error))
            return false;
        space = false;
        if (!put_folded(fold, dash ? '-' : rune, at, error))
            return false;
    }
    return true;
}

void fold_free(struct fold *fold)
{
    buffer_free(&fold->text);
    free(fold->from);
    *fold = (struct fold){0};
}
