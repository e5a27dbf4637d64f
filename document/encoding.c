#include "document/encoding.h"

#include "base/utf8.h"
#include "document/charset.h"
#include "document/declared.h"
#include "document/decoder.h"
#include "document/guess.h"
#include "document/sniff.h"
#include "document/wide.h"

#include <stdio.h>
#include <string.h>

enum { SOUND = 90 }; /* percent of sequences that leave no doubt that it is UTF-8 */

/* A file's beginning, and what was asked for. */
struct beginning {
    const char *bytes;
    size_t size;
    bool whole; /* it is all of the file */
};

/* --- names ------------------------------------------------------------------------------ */

static bool copy(char to[ENCODING_NAME_SIZE], const char *from, size_t size)
{
    if (size >= ENCODING_NAME_SIZE)
        return false;
    memcpy(to, from, size);
    to[size] = '\0';
    return true;
}

/* Takes the first of a list of charsets that iconv knows. */
static bool take_charset(struct encoding *encoding, const char *list)
{
    for (size_t size; *list; list += size + (list[size] == ' ')) {
        size = strcspn(list, " ");
        if (copy(encoding->charset, list, size) && decoder_knows(encoding->charset))
            return true;
    }
    return false;
}

bool encoding_named(struct encoding *encoding, const char *name, bool exact)
{
    const struct charset *charset = charset_find(name);
    *encoding = (struct encoding){.confidence = 100};
    if (charset) {
        bool wide = !exact && charset->wide && take_charset(encoding, charset->wide);
        const char *shown = exact || !charset->becomes ? charset->name : charset->becomes;
        if (wide || take_charset(encoding, charset->exact))
            return copy(encoding->name, shown, strlen(shown));
    }
    return decoder_knows(name) && copy(encoding->name, name, strlen(name)) &&
           copy(encoding->charset, name, strlen(name));
}

static bool is_utf8(const struct encoding *encoding)
{
    return strcmp(encoding->charset, "UTF-8") == 0;
}

/* --- what the bytes are in an encoding -------------------------------------------------- */

struct tally {
    size_t characters, nul, controls;
    size_t invalid, high; /* bytes */
    size_t c1;            /* bytes 80 to 9F */
};

static void add_rune(struct tally *tally, uint32_t rune, size_t size)
{
    bool usual = (rune >= '\b' && rune <= '\r') || rune == 0x1A || rune == 0x1B;
    tally->characters += rune != DECODER_NOTHING;
    tally->nul += rune == 0;
    tally->controls += rune < ' ' && !usual;
    tally->invalid += rune == DECODER_INVALID ? size : 0;
}

/* A character that the sample's end cuts counts neither way. */
static void add_utf8(struct tally *tally, const struct beginning *text)
{
    for (size_t at = 0, length; at < text->size; at += length) {
        uint32_t rune;
        enum utf8_status status = utf8_decode(&rune, &length, text->bytes + at, text->size - at);
        if (status != UTF8_INCOMPLETE)
            add_rune(tally, status == UTF8_VALID ? rune : DECODER_INVALID, length);
    }
}

static bool add_decoded(struct tally *tally, const struct encoding *encoding,
                        const struct beginning *text, struct error *error)
{
    struct decoder_unit units[256];
    struct decoder *decoder = decoder_new(encoding->charset, error);
    if (!decoder)
        return false;
    for (size_t at = 0, taken = 1; at < text->size && taken > 0; at += taken) {
        size_t count = decoder_run(decoder, units, sizeof units / sizeof *units, &taken,
                                   text->bytes + at, text->size - at, text->whole);
        for (size_t i = 0; i < count; i++)
            add_rune(tally, units[i].rune, units[i].size);
    }
    decoder_free(decoder);
    return true;
}

static bool count(struct tally *tally, const struct encoding *encoding,
                  const struct beginning *text, struct error *error)
{
    *tally = (struct tally){0};
    for (size_t i = 0; i < text->size; i++) {
        unsigned char byte = (unsigned char)text->bytes[i];
        tally->high += byte >= 0x80;
        tally->c1 += byte >= 0x80 && byte <= 0x9F;
    }
    if (!is_utf8(encoding))
        return add_decoded(tally, encoding, text, error);
    add_utf8(tally, text);
    return true;
}

/* Sequences beyond ASCII that are UTF-8, or are so for two bytes or more before they
 * break off, and single bytes that cannot begin or go on with one. */
struct utf8_tally {
    size_t good, stray;
};

static struct utf8_tally count_utf8(const struct beginning *text)
{
    struct utf8_tally tally = {0};
    for (size_t at = 0, length; at < text->size; at += length) {
        uint32_t rune;
        enum utf8_status status = utf8_decode(&rune, &length, text->bytes + at, text->size - at);
        if (status == UTF8_INVALID && length == 1)
            tally.stray++;
        else if (status == UTF8_INVALID || (status == UTF8_VALID && length > 1))
            tally.good++;
    }
    return tally;
}

/* --- the steps, each true when it found the encoding ------------------------------------ */

static bool is_marked(struct encoding *encoding, const struct beginning *text)
{
    static const struct {
        const char *mark;
        size_t size;
        const char *name;
    } marks[] = {
        {"\xEF\xBB\xBF", 3, "UTF-8"},    {"\xFF\xFE\0\0", 4, "UTF-32LE"},
        {"\0\0\xFE\xFF", 4, "UTF-32BE"}, {"\xFF\xFE", 2, "UTF-16LE"},
        {"\xFE\xFF", 2, "UTF-16BE"},     {"\x84\x31\x95\x33", 4, "GB18030"},
    };
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        if (text->size >= marks[i].size && memcmp(text->bytes, marks[i].mark, marks[i].size) == 0 &&
            encoding_named(encoding, marks[i].name, true)) {
            encoding->evidence = DOCUMENT_MARKED;
            return true;
        }
    }
    return false;
}

static bool is_declared(struct encoding *encoding, const struct beginning *text)
{
    char name[DECLARED_NAME_SIZE];
    struct tally tally;
    if (!declared_find(name, text->bytes, text->size, text->whole) ||
        !encoding_named(encoding, name, false))
        return false;
    encoding->evidence = DOCUMENT_DECLARED;
    struct utf8_tally utf8 = count_utf8(text);
    bool is_wide = strncmp(encoding->charset, "UTF-16", 6) == 0 ||
                   strncmp(encoding->charset, "UTF-32", 6) == 0;
    /* Who reads the name in single bytes is not in such an encoding. Of ASCII, nothing is
     * known that is not seen. */
    if (is_wide || (is_utf8(encoding) && strcmp(charset_find(name)->name, "UTF-8") != 0))
        return false;
    if (is_utf8(encoding))
        return utf8.stray == 0 || utf8.good > utf8.stray;
    if (utf8.good > 0 && utf8.stray == 0)
        return false;
    if (!count(&tally, encoding, text, NULL) || tally.nul > 0)
        return false;
    if (tally.c1 > 0 && strcmp(encoding->name, "ISO-8859-1") == 0)
        copy(encoding->name, "windows-1252", strlen("windows-1252"));
    return tally.invalid * 20 <= (tally.high > 0 ? tally.high : text->size);
}

/* Escape sequences, and nothing beyond ASCII. */
static bool is_japanese_mail(struct encoding *encoding, const struct beginning *text)
{
    struct tally tally;
    bool shifts = memmem(text->bytes, text->size, "\033$B", 3) ||
                  memmem(text->bytes, text->size, "\033$@", 3);
    if (!shifts || !encoding_named(encoding, "ISO-2022-JP", false) ||
        !count(&tally, encoding, text, NULL))
        return false;
    encoding->evidence = DOCUMENT_GUESSED;
    encoding->confidence = tally.invalid > 0 ? 80 : 98;
    return tally.high == 0 && tally.nul == 0 && tally.invalid * 50 <= text->size;
}

/* Text with some damage is UTF-8 still, as long as the greater part of its sequences is
 * right: other encodings make one by chance, but three bytes that are none. */
static bool is_utf8_text(struct encoding *encoding, const struct beginning *text)
{
    struct utf8_tally tally = count_utf8(text);
    if (tally.stray > 0 && tally.good <= tally.stray)
        return false;
    if (!encoding_named(encoding, "UTF-8", true))
        return false;
    encoding->evidence = tally.stray > 0 ? DOCUMENT_GUESSED : DOCUMENT_UTF8;
    if (tally.stray > 0)
        encoding->confidence = (unsigned)(100 * tally.good / (tally.good + tally.stray));
    return true;
}

static bool is_wide(struct encoding *encoding, const struct beginning *text)
{
    unsigned confidence;
    const char *name = wide_find(&confidence, text->bytes, text->size);
    if (!name || !encoding_named(encoding, name, true))
        return false;
    encoding->evidence = DOCUMENT_GUESSED;
    encoding->confidence = confidence;
    return true;
}

/* --- the whole -------------------------------------------------------------------------- */

/* UTF-16 and UTF-32 without the order of their bytes: by the mark, by what fits, or by
 * where the zero bytes are; big-endian by the standard. */
static void choose_order(struct encoding *encoding, const struct beginning *text)
{
    struct encoding found;
    size_t size = strlen("UTF-16"), first = 0, last = 0;
    if ((is_marked(&found, text) || is_wide(&found, text)) &&
        strncmp(found.charset, encoding->charset, size) == 0) {
        copy(encoding->charset, found.charset, strlen(found.charset));
        copy(encoding->name, found.name, strlen(found.name));
        return;
    }
    size_t width = strcmp(encoding->charset, "UTF-16") == 0 ? 2 : 4;
    for (size_t at = 0; at + width <= text->size; at += width) {
        first += text->bytes[at] == '\0';
        last += text->bytes[at + width - 1] == '\0';
    }
    const char *order = last > first ? "LE" : "BE";
    memcpy(encoding->charset + size, order, sizeof "LE");
    memcpy(encoding->name + size, order, sizeof "LE");
}

static bool find_given(struct encoding *encoding, const char *given, const struct beginning *text,
                       struct error *error)
{
    if (!encoding_named(encoding, given, true)) {
        const char *nearest = charset_nearest(given);
        return error_set(error, ERROR_USAGE,
                         "the encoding \"%.60s\" is not known: %s%s%s\"iconv -l\" lists all names",
                         given, nearest ? "did you mean " : "", nearest ? nearest : "",
                         nearest ? "? " : "");
    }
    encoding->evidence = DOCUMENT_GIVEN;
    if (strcmp(encoding->charset, "UTF-16") == 0 || strcmp(encoding->charset, "UTF-32") == 0)
        choose_order(encoding, text);
    return true;
}

/* UTF-8, or what the bytes look like. *why is NULL unless nothing explains them. */
static bool weigh(struct encoding *encoding, const char **why, const struct beginning *text,
                  struct error *error)
{
    struct encoding guess;
    bool explained = true, utf8 = is_utf8_text(encoding, text);
    if ((utf8 && encoding->confidence >= SOUND) || (!utf8 && is_wide(encoding, text)))
        return true;
    if (!guess_encoding(&guess, &explained, text->bytes, text->size, error))
        return false;
    /* Text of two-byte encodings may look like UTF-8 with much damage, and the other way. */
    if (utf8 && (!explained || guess.confidence <= encoding->confidence))
        return true;
    *encoding = guess;
    *why = explained ? NULL : "no encoding explains its bytes";
    return true;
}

/* *why is what speaks against a text when there is no encoding. */
static bool find(struct encoding *encoding, const char **why, const struct beginning *text,
                 struct error *error)
{
    *why = NULL;
    if (is_marked(encoding, text) || is_declared(encoding, text))
        return true;
    if (memchr(text->bytes, '\0', text->size)) {
        *why = is_wide(encoding, text) ? NULL : "it holds NUL bytes";
        return true;
    }
    return is_japanese_mail(encoding, text) || weigh(encoding, why, text, error);
}

bool encoding_find(struct encoding *encoding, const char *given, const char *file,
                   const char *bytes, size_t size, struct error *error)
{
    struct beginning text = {bytes, size, size < ENCODING_SAMPLE};
    struct tally tally = {0};
    const char *why = NULL;
    bool ok = given ? find_given(encoding, given, &text, error) : true;
    if (!ok || !sniff_text(file, bytes, size, error))
        return false;
    if (!given && !find(encoding, &why, &text, error))
        return false;
    if (!why && !count(&tally, encoding, &text, error))
        return false;
    if (tally.nul > 0)
        why = "it holds NUL bytes";
    else if (tally.controls > tally.characters / 20)
        why = "much of it is control characters";
    else if (encoding->evidence != DOCUMENT_GIVEN && tally.invalid > size / 3)
        why = "no encoding explains its bytes";
    return !why || sniff_refuse(file, bytes, size, why, error);
}

bool encoding_reconsider(struct encoding *encoding, const char *bytes, size_t size, bool whole,
                         struct error *error)
{
    struct beginning text = {bytes, size, whole};
    struct encoding later;
    const char *why = NULL;
    if (!weigh(&later, &why, &text, error))
        return false;
    if (!why && !is_utf8(&later))
        *encoding = later;
    return true;
}
