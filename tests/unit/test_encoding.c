/* Encodings: documents in all of them become what they are in UTF-8, with positions in
 * their own bytes; what is given, marked, declared and guessed is believed in turn. */
#include "document/encoding.h"

#include "base/utf8.h"
#include "document/document.h"
#include "tests/unit/encoding_texts.h"

#include <iconv.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PART(text) text, sizeof(text) - 1

static char path[] = "/tmp/test_encoding.XXXXXX";

static void write_file(const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* Appends UTF-8 in an encoding; `end`: with what leads back to the initial state. */
static void encode(struct buffer *out, const char *encoding, const char *text, size_t size,
                   bool end)
{
    struct error error = {0};
    char *copy = malloc(size + 1), *from = copy;
    assert_non_null(copy);
    memcpy(copy, text, size);
    assert_true(buffer_reserve(out, size * 4 + 16, &error));
    char *to = out->data + out->size;
    size_t left = size, room = out->capacity - out->size - 1;
    iconv_t converter = iconv_open(encoding, "UTF-8");
    assert_true(converter != (iconv_t)-1);
    if (iconv(converter, &from, &left, &to, &room) == (size_t)-1)
        fail_msg("not in %s: %.20s", encoding, from);
    if (end)
        iconv(converter, NULL, NULL, &to, &room);
    iconv_close(converter);
    out->size = (size_t)(to - out->data);
    free(copy);
}

/* --- documents ---------------------------------------------------------------------------- */

struct result {
    struct buffer text, maps;
    struct position *at; /* of each byte of text, when asked for */
    struct document_facts facts;
    char encoding[ENCODING_NAME_SIZE];
    size_t sections;
};

static void result_free(struct result *result)
{
    buffer_free(&result->text);
    buffer_free(&result->maps);
    free(result->at);
}

static void add_positions(struct result *result, const struct document_section *section)
{
    struct error error = {0};
    size_t size = result->text.size + section->size;
    result->at = realloc(result->at, size * sizeof *result->at);
    assert_non_null(result->at);
    for (size_t i = 0; i < section->size; i++) {
        struct position *at = &result->at[result->text.size + i];
        if (!position_find(at, section->map, section->map_size, i, &error))
            fail_msg("%s", error.text);
    }
}

static void read_file(struct result *result, const char *encoding, size_t block, bool positions)
{
    struct error error = {0};
    struct document_reader *reader;
    struct document_section section;
    *result = (struct result){0};
    if (!document_open_in_blocks(&reader, path, encoding, block, &error))
        fail_msg("%s", error.text);
    snprintf(result->encoding, sizeof result->encoding, "%s", document_facts(reader)->encoding);
    uint64_t end = 0;
    while (document_next(reader, &section, &error)) {
        assert_int_equal(section.begin.byte, end);
        end = section.end_byte;
        if (positions)
            add_positions(result, &section);
        assert_true(buffer_append(&result->text, section.text, section.size, &error));
        assert_true(buffer_append(&result->maps, section.map, section.map_size, &error));
        result->sections++;
    }
    if (error.kind != ERROR_NONE)
        fail_msg("%s", error.text);
    result->facts = *document_facts(reader);
    assert_int_equal(result->facts.bytes, end);
    assert_string_equal(result->facts.encoding, result->encoding);
    document_close(reader);
}

static void read_bytes(struct result *result, const char *bytes, size_t size, const char *encoding)
{
    write_file(bytes, size);
    read_file(result, encoding, 0, true);
}

/* Where the character text[at] is in the encoded text. */
static size_t encoded_offset(const char *encoding, const char *text, size_t at)
{
    struct buffer prefix = {0};
    uint32_t rune;
    size_t length, offset;
    if (strcmp(encoding, "ISO-2022-JP") == 0) {
        /* Escape sequences are no part of the character that they stand before. */
        utf8_decode(&rune, &length, text + at, strlen(text + at));
        encode(&prefix, encoding, text, at + length, false);
        offset = prefix.size - (length > 1 ? 2 : 1);
    } else {
        encode(&prefix, encoding, text, at, false);
        offset = prefix.size;
    }
    buffer_free(&prefix);
    return offset;
}

/* Every third character of the text is in the encoded file where the position map says. */
static void check_positions(const struct encoding_text *text, const struct result *utf8,
                            const struct result *encoded)
{
    size_t characters = 0;
    for (size_t i = 0; i < utf8->text.size; i++) {
        if (((unsigned char)utf8->text.data[i] & 0xC0) == 0x80 || characters++ % 3 != 0)
            continue;
        size_t expected = encoded_offset(text->encoding, text->text, (size_t)utf8->at[i].byte);
        if (encoded->at[i].byte != expected)
            fail_msg("%s in %s: byte %zu of the text is at %zu, not %zu", text->language,
                     text->encoding, i, expected, (size_t)encoded->at[i].byte);
        assert_int_equal(encoded->at[i].line, utf8->at[i].line);
    }
}

static void check_text(const struct encoding_text *text, const char *given)
{
    struct result utf8, encoded;
    struct buffer bytes = {0};
    read_bytes(&utf8, text->text, strlen(text->text), "UTF-8");
    encode(&bytes, text->encoding, text->text, strlen(text->text), true);
    read_bytes(&encoded, bytes.data, bytes.size, given);
    if (strcmp(encoded.text.data, utf8.text.data) != 0)
        fail_msg("%s in %s, read as %s (%u %%): %s", text->language, text->encoding,
                 encoded.encoding, encoded.facts.confidence, encoded.text.data);
    assert_int_equal(encoded.facts.invalid_bytes, 0);
    assert_int_equal(encoded.facts.bytes, bytes.size);
    assert_int_equal(encoded.facts.characters, utf8.facts.characters);
    assert_int_equal(encoded.facts.lines, utf8.facts.lines);
    assert_int_equal(encoded.sections, utf8.sections);
    if (given)
        check_positions(text, &utf8, &encoded);
    result_free(&utf8);
    result_free(&encoded);
    buffer_free(&bytes);
}

static void finds_positions_in_all_encodings(void **state)
{
    (void)state;
    for (size_t i = 0; i < ENCODING_TEXTS; i++)
        check_text(&encoding_texts[i], encoding_texts[i].encoding);
}

static void guesses_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ENCODING_TEXTS; i++)
        check_text(&encoding_texts[i], NULL);
}

/* A piece of about a hundred bytes, cut between words where there are any. */
static size_t take_piece(const char *text, size_t size)
{
    size_t end = utf8_floor(text, size, 100);
    for (size_t at = end; end < size && at > 50; at--) {
        if (text[at - 1] == ' ')
            return at;
    }
    return end;
}

static bool is_ascii(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)text[i] >= 0x80)
            return false;
    }
    return true;
}

/* Is the piece, read in what is guessed, the piece? */
static bool guess_piece(const struct encoding_text *text, const char *piece, size_t size)
{
    struct buffer bytes = {0};
    struct result utf8, guessed;
    encode(&bytes, text->encoding, piece, size, true);
    read_bytes(&utf8, piece, size, "UTF-8");
    read_bytes(&guessed, bytes.data, bytes.size, NULL);
    bool right = strcmp(utf8.text.data, guessed.text.data) == 0;
    if (!right)
        print_message("%s in %s is taken for %s (%u %%): %.*s\n", text->language, text->encoding,
                      guessed.encoding, guessed.facts.confidence, (int)size, piece);
    if (!right && guessed.facts.confidence >= 80)
        fail_msg("that is too sure");
    result_free(&utf8);
    result_free(&guessed);
    buffer_free(&bytes);
    return right;
}

static void guesses_short_texts(void **state)
{
    (void)state;
    size_t right = 0, count = 0, pieces = 0;
    for (size_t i = 0; i < ENCODING_TEXTS; i++) {
        const struct encoding_text *text = &encoding_texts[i];
        size_t size = strlen(text->text);
        for (size_t at = 0, length; at < size; at += length) {
            length = take_piece(text->text + at, size - at);
            if (length < 40 || is_ascii(text->text + at, length) || pieces++ % 2 != 0)
                continue;
            count++;
            right += guess_piece(text, text->text + at, length);
        }
    }
    print_message("%zu of %zu short pieces\n", right, count);
    assert_true(right * 100 >= count * 97);
}

static void reads_alike_in_any_blocks(void **state)
{
    (void)state;
    for (size_t i = 0; i < ENCODING_TEXTS; i += 3) {
        static const size_t blocks[] = {1, 2, 3, 7};
        const struct encoding_text *text = &encoding_texts[i];
        struct buffer bytes = {0};
        struct error error = {0};
        struct result whole, pieces;
        for (int times = 0; times < 3; times++)
            encode(&bytes, text->encoding, text->text, strlen(text->text), true);
        assert_true(buffer_append(&bytes, "\xFF\x81\x30\xD8", 4, &error));
        write_file(bytes.data, bytes.size);
        read_file(&whole, text->encoding, 0, false);
        for (size_t j = 0; j < sizeof blocks / sizeof *blocks; j++) {
            read_file(&pieces, text->encoding, blocks[j], false);
            assert_int_equal(pieces.text.size, whole.text.size);
            assert_memory_equal(pieces.text.data, whole.text.data, whole.text.size);
            assert_int_equal(pieces.maps.size, whole.maps.size);
            assert_memory_equal(pieces.maps.data, whole.maps.data, whole.maps.size);
            assert_int_equal(pieces.facts.invalid_bytes, whole.facts.invalid_bytes);
            assert_true(hash_equal(&pieces.facts.hash, &whole.facts.hash));
            result_free(&pieces);
        }
        result_free(&whole);
        buffer_free(&bytes);
    }
}

static void assert_read(const char *bytes, size_t size, const char *given, const char *text,
                        uint64_t invalid, const char *encoding, enum document_evidence evidence)
{
    struct result result;
    read_bytes(&result, bytes, size, given);
    assert_string_equal(result.text.data, text);
    assert_int_equal(result.facts.invalid_bytes, invalid);
    assert_string_equal(result.encoding, encoding);
    assert_int_equal(result.facts.evidence, evidence);
    assert_in_range(result.facts.confidence, 1, 100);
    if (evidence != DOCUMENT_GUESSED)
        assert_int_equal(result.facts.confidence, 100);
    result_free(&result);
}

/* Line ends, pages and soft hyphens are the same characters in all encodings. */
static void makes_lines_of_characters(void **state)
{
    (void)state;
    static const char text[] = "One  \r\n\r\ntwo\u00A0\rthree\f\u00ADfo\u00ADur\u00AD\n\ufefffive";
    struct result utf8, wide;
    struct buffer bytes = {0};
    read_bytes(&utf8, text, sizeof text - 1, NULL);
    encode(&bytes, "UTF-16BE", text, sizeof text - 1, true);
    read_bytes(&wide, bytes.data, bytes.size, NULL);
    assert_string_equal(utf8.text.data, "One\n\ntwo\nthree\nfour\nfive\n");
    assert_string_equal(wide.text.data, utf8.text.data);
    assert_int_equal(wide.facts.lines, utf8.facts.lines);
    assert_int_equal(wide.facts.pages, 2);
    for (size_t i = 0; i < utf8.text.size; i++) {
        assert_int_equal(wide.at[i].line, utf8.at[i].line);
        assert_int_equal(wide.at[i].page, utf8.at[i].page);
    }
    result_free(&utf8);
    result_free(&wide);
    buffer_free(&bytes);
    assert_read(PART("A\xADletter\xAD\n b\xA0\n"), "latin1", "Aletter\n b\n", 0, "ISO-8859-1",
                DOCUMENT_GIVEN);
}

static void counts_invalid_bytes(void **state)
{
    (void)state;
    assert_read(PART("\xFF\xFE"
                     "a\0\0\xDC"
                     "b\0\xD8"),
                NULL, "a\uFFFDb\uFFFD\n", 3, "UTF-16LE", DOCUMENT_MARKED);
    assert_read(PART("\x82\xA0\x82\xA0\x82 \xFF\xFFx"), "sjis", "ああ\uFFFD \uFFFD\uFFFDx\n", 3,
                "Shift_JIS", DOCUMENT_GIVEN);
    assert_read(PART("\xB5\xC4\x81\x30\x81"), "gb18030", "的\uFFFD\n", 3, "GB18030",
                DOCUMENT_GIVEN);
    assert_read(PART("caf\xE9\n"), "utf8", "caf\uFFFD\n", 1, "UTF-8", DOCUMENT_GIVEN);
    assert_read(PART("caf\xE9\n"), "ascii", "caf\uFFFD\n", 1, "US-ASCII", DOCUMENT_GIVEN);
}

static void believes_what_is_given(void **state)
{
    (void)state;
    static const struct {
        const char *given, *name;
    } names[] = {
        {"utf8", "UTF-8"},
        {"Utf-8", "UTF-8"},
        {"latin1", "ISO-8859-1"},
        {"ISO_8859-1:1987", "ISO-8859-1"},
        {"l2", "ISO-8859-2"},
        {"cp1251", "windows-1251"},
        {"WINDOWS-1252", "windows-1252"},
        {"win1250", "windows-1250"},
        {"koi8-r", "KOI8-R"},
        {"SJIS", "Shift_JIS"},
        {"eucjp", "EUC-JP"},
        {"gb2312", "GB2312"},
        {"BIG-5", "Big5"},
        {"euckr", "EUC-KR"},
        {"ibm850", "IBM850"},
        {"macintosh", "macintosh"},
        {"cp037", "cp037"},
    };
    struct encoding encoding;
    struct error error = {0};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!encoding_find(&encoding, names[i].given, "x", PART("text\n"), &error))
            fail_msg("%s", error.text);
        assert_string_equal(encoding.name, names[i].name);
        assert_int_equal(encoding.evidence, DOCUMENT_GIVEN);
        assert_int_equal(encoding.confidence, 100);
    }
    /* Whatever the bytes themselves say. */
    assert_read(PART("caf\xC3\xA9\n"), "latin1", "cafÃ©\n", 0, "ISO-8859-1", DOCUMENT_GIVEN);
    assert_read(PART("\xEF\xBB\xBFx\n"), "cp1252", "ï»¿x\n", 0, "windows-1252", DOCUMENT_GIVEN);
}

static void assert_unknown(const char *given, const char *part)
{
    struct encoding encoding;
    struct error error = {0};
    assert_false(encoding_find(&encoding, given, "x", PART("text\n"), &error));
    assert_int_equal(error.kind, ERROR_USAGE);
    if (!strstr(error.text, part) || !strstr(error.text, "iconv -l") || strchr(error.text, '\n'))
        fail_msg("%s: %s", given, error.text);
}

static void refuses_unknown_names(void **state)
{
    (void)state;
    assert_unknown("windows-1225", "did you mean windows-125");
    assert_unknown("utf-9", "did you mean UTF-8");
    assert_unknown("shift-jsi", "did you mean Shift_JIS");
    assert_unknown("klingonese", "\"klingonese\"");
    assert_unknown("", "\"\"");
    assert_unknown("latin1//TRANSLIT", "latin1//TRANSLIT");
}

static void finds_the_order_of_bytes(void **state)
{
    (void)state;
    assert_read(PART("\xFF\xFEh\0i\0"), "utf-16", "hi\n", 0, "UTF-16LE", DOCUMENT_GIVEN);
    assert_read(PART("\xFE\xFF\0h\0i"), "utf16", "hi\n", 0, "UTF-16BE", DOCUMENT_GIVEN);
    assert_read(PART("h\0i\0"), "UTF-16", "hi\n", 0, "UTF-16LE", DOCUMENT_GIVEN);
    assert_read(PART("\0h\0i"), "UTF-16", "hi\n", 0, "UTF-16BE", DOCUMENT_GIVEN);
    assert_read(PART("\x4E\x2D"), "UTF-16", "中\n", 0, "UTF-16BE", DOCUMENT_GIVEN);
    assert_read(PART("h\0\0\0"), "UTF-32", "h\n", 0, "UTF-32LE", DOCUMENT_GIVEN);
    assert_read(PART("\0\0\0h"), "UTF-32", "h\n", 0, "UTF-32BE", DOCUMENT_GIVEN);
}

static void believes_marks(void **state)
{
    (void)state;
    assert_read(PART("\xEF\xBB\xBFnaïve\n"), NULL, "naïve\n", 0, "UTF-8", DOCUMENT_MARKED);
    assert_read(PART("\xFF\xFEh\0\xE9\0"), NULL, "hé\n", 0, "UTF-16LE", DOCUMENT_MARKED);
    assert_read(PART("\xFE\xFF\0h\0\xE9"), NULL, "hé\n", 0, "UTF-16BE", DOCUMENT_MARKED);
    assert_read(PART("\xFF\xFE\0\0h\0\0\0"), NULL, "h\n", 0, "UTF-32LE", DOCUMENT_MARKED);
    assert_read(PART("\0\0\xFE\xFF\0\0\0h"), NULL, "h\n", 0, "UTF-32BE", DOCUMENT_MARKED);
    assert_read(PART("\x84\x31\x95\x33\xB5\xC4\n"), NULL, "的\n", 0, "GB18030", DOCUMENT_MARKED);
    /* A mark is believed before what is declared. */
    assert_read(PART("\xEF\xBB\xBF# -*- coding: koi8-r -*-\n"), NULL, "# -*- coding: koi8-r -*-\n",
                0, "UTF-8", DOCUMENT_MARKED);
}

static void assert_declared(const char *bytes, const char *name)
{
    struct encoding encoding;
    struct error error = {0};
    if (!encoding_find(&encoding, NULL, "x", bytes, strlen(bytes), &error))
        fail_msg("%s", error.text);
    if (encoding.evidence != DOCUMENT_DECLARED || strcmp(encoding.name, name) != 0)
        fail_msg("%s (evidence %d) instead of %s: %s", encoding.name, (int)encoding.evidence, name,
                 bytes);
    assert_int_equal(encoding.confidence, 100);
}

static void believes_declarations(void **state)
{
    (void)state;
    assert_declared("<?xml version=\"1.0\" encoding=\"koi8-r\"?>\n<a>\xD2</a>\n", "KOI8-R");
    assert_declared("<?xml version='1.0' encoding = 'UTF-8' ?>\n<a>é</a>\n", "UTF-8");
    assert_declared("<!DOCTYPE html>\n<html><head><meta charset=iso-8859-2><title>\xB1</title>",
                    "ISO-8859-2");
    assert_declared("\n<HTML><META http-equiv=\"Content-Type\" "
                    "content=\"text/html; charset=Windows-1251\">\xE0",
                    "windows-1251");
    assert_declared("#!/usr/bin/python\n# -*- coding: latin-1 -*-\n# \xE9\n", "ISO-8859-1");
    assert_declared("# vim: set fileencoding=cp1251 :\n# \xE9\n", "windows-1251");
    assert_declared(
        "line\nline\nline\nline\nline\nline\nline\n\xB1\n\n% vim:ts=4:fenc=iso-8859-2\n",
        "ISO-8859-2");
    assert_declared("Subject: x\nContent-Type: text/plain;\n\tcharset=\"iso-8859-7\"\n\n\xE1\n",
                    "ISO-8859-7");
    assert_declared("Title: A Book\nCharacter set encoding: ISO-8859-1\n\nna\xEFve\n",
                    "ISO-8859-1");
    assert_declared("Character set encoding: ISO-8859-1\n\n\x93na\xEFve\x94\n", "windows-1252");
    assert_declared("Character set encoding: ISO-8859-1\n\nnothing else so far\n", "ISO-8859-1");
    assert_declared("Content-Type: text/plain; charset=gb2312\n\n\xB5\xC4\x90\x41\n", "GB18030");
    assert_declared("Content-Type: text/plain; charset=shift_jis\n\n\x87\x40\x82\xA0\n",
                    "Shift_JIS");
}

static void doubts_declarations(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "# -*- coding: klingon -*-\n# é\n",
        "# -*- coding: latin-1 -*-\n# naïve é\n",
        "# -*- coding: utf-8 -*-\n# na\xEFve r\xE9sum\xE9 d\xE9j\xE0 vu\n",
        "# -*- coding: utf-16 -*-\n",
        "# -*- coding: euc-jp -*-\n# na\xEFve r\xE9sum\xE9 d\xE9j\xE0 vu\n",
        "A page says <meta charset=koi8-r> in its head.\n",
        "The file says vim and fenc=koi8-r.\n",
        "Text.\n\nContent-Type: text/plain; charset=koi8-r\n",
        "Character set encoding: ASCII\n\nText\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct encoding encoding;
        struct error error = {0};
        assert_true(encoding_find(&encoding, NULL, "x", texts[i], strlen(texts[i]), &error));
        if (encoding.evidence == DOCUMENT_DECLARED)
            fail_msg("believed: %s", texts[i]);
        bool utf8 = utf8_is_valid(texts[i], strlen(texts[i]));
        assert_string_equal(encoding.name, utf8 ? "UTF-8" : "windows-1252");
    }
}

static void takes_damaged_utf8_for_utf8(void **state)
{
    (void)state;
    assert_read(PART("Déjà vu, \xFF naïve é.\n"), NULL, "Déjà vu, \uFFFD naïve é.\n", 1, "UTF-8",
                DOCUMENT_GUESSED);
    assert_read(PART("plain\n"), NULL, "plain\n", 0, "UTF-8", DOCUMENT_UTF8);
    assert_read(PART("Déjà vu\n"), NULL, "Déjà vu\n", 0, "UTF-8", DOCUMENT_UTF8);
    /* Latin-1 has few bytes beyond ASCII, and is not UTF-8 with a little damage. */
    assert_read(PART("A long line of plain words, and among them one that is na\xEFve, or two: "
                     "r\xE9sum\xE9.\n"),
                NULL,
                "A long line of plain words, and among them one that is naïve, or two: "
                "résumé.\n",
                0, "windows-1252", DOCUMENT_GUESSED);
    assert_read(PART("\x93I don\x92t know,\x94 he said \x96 and left.\n"), NULL,
                "“I don’t know,” he said – and left.\n", 0, "windows-1252", DOCUMENT_GUESSED);
}

static void reads_one_long_wide_line(void **state)
{
    (void)state;
    struct error error = {0};
    struct buffer bytes = {0};
    struct document_reader *reader;
    struct document_section section;
    size_t characters = 0;
    for (size_t i = 0; i < 40000; i++)
        encode(&bytes, "UTF-16LE", PART("Ein Wort über nichts. "), true);
    write_file(bytes.data, bytes.size);
    if (!document_open(&reader, path, NULL, NULL, &error))
        fail_msg("%s", error.text);
    while (document_next(reader, &section, &error)) {
        struct position at;
        const char *word = strstr(section.text, "über");
        assert_true(position_find(&at, section.map, section.map_size, (size_t)(word - section.text),
                                  &error));
        assert_memory_equal(bytes.data + at.byte, "\xFC\0b\0e\0r\0", 8);
        characters += section.characters;
    }
    assert_int_equal(error.kind, ERROR_NONE);
    assert_int_equal(document_facts(reader)->lines, 1);
    assert_int_equal(document_facts(reader)->bytes, bytes.size);
    /* All but the blanks and with the line ends that cutting puts in their place. */
    assert_in_range(characters, 40000 * 21, 40000 * 22);
    document_close(reader);
    buffer_free(&bytes);
}

/* A long text whose first accents come after the sample. */
static void looks_further_than_ascii(void **state)
{
    (void)state;
    static const char accents[] =
        "Über den Wäldern hing noch der Nebel, und die Störche schliefen. "
        "Später hörte man fröhliche Stimmen aus dem Gäßchen.\n\n";
    static const char *const names[] = {"UTF-8", "windows-1252"};
    struct error error = {0};
    for (size_t i = 0; i < 2; i++) {
        struct buffer bytes = {0};
        struct result result;
        while (bytes.size < 150000)
            assert_true(buffer_append_text(&bytes, "Nothing here but plain letters.\n\n", &error));
        size_t before = bytes.size;
        for (int times = 0; times < 20; times++)
            encode(&bytes, names[i], accents, strlen(accents), true);
        read_bytes(&result, bytes.data, bytes.size, NULL);
        assert_string_equal(result.encoding, names[i]);
        assert_int_equal(result.facts.invalid_bytes, 0);
        assert_int_equal(result.facts.hash.bytes[0], hash_of(bytes.data, bytes.size).bytes[0]);
        const char *word = strstr(result.text.data, "Gäßchen");
        assert_non_null(word);
        size_t place = (size_t)result.at[word - result.text.data].byte;
        assert_in_range(place, before, bytes.size - 1);
        assert_memory_equal(bytes.data + place, i == 0 ? "G\xC3\xA4" : "G\xE4\xDF", 3);
        result_free(&result);
        buffer_free(&bytes);
    }
}

/* --- standard input ----------------------------------------------------------------------- */

static void read_input(const char *bytes, size_t size, struct buffer *text, struct error *error)
{
    int ends[2], kept = dup(STDIN_FILENO);
    struct document_reader *reader;
    struct document_section section;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], bytes, size), (ssize_t)size);
    close(ends[1]);
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    close(ends[0]);
    if (document_open(&reader, "-", NULL, NULL, error)) {
        while (document_next(reader, &section, error))
            assert_true(buffer_append(text, section.text, section.size, error));
        document_close(reader);
    }
    assert_int_equal(close(STDIN_FILENO), 0); /* it was left open */
    if (kept >= 0) {
        dup2(kept, STDIN_FILENO);
        close(kept);
    }
}

static void reads_standard_input(void **state)
{
    (void)state;
    struct buffer text = {0};
    struct error error = {0};
    read_input(PART("\xFF\xFEh\0\xE9\0!\0"), &text, &error);
    assert_int_equal(error.kind, ERROR_NONE);
    assert_string_equal(text.data, "hé!\n");
    buffer_free(&text);
    static const struct {
        const char *bytes;
        size_t size;
        const char *part;
    } refused[] = {
        {PART(""), "standard input is empty"},
        {PART("%PDF-1.7\n"), "PDF"},
        {PART("\n\n"), "standard input has no text"},
        {PART("a\0b\xFF\xFE\x80\0\0\1"), "standard input is a binary file"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        error = (struct error){0};
        read_input(refused[i].bytes, refused[i].size, &text, &error);
        assert_int_equal(error.kind, ERROR_INPUT);
        if (!strstr(error.text, refused[i].part))
            fail_msg("%s: %s", refused[i].part, error.text);
    }
    buffer_free(&text);
}

static int make_file(void **state)
{
    (void)state;
    int descriptor = mkstemp(path);
    return descriptor < 0 ? -1 : close(descriptor);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_positions_in_all_encodings),
        cmocka_unit_test(guesses_texts),
        cmocka_unit_test(guesses_short_texts),
        cmocka_unit_test(reads_alike_in_any_blocks),
        cmocka_unit_test(makes_lines_of_characters),
        cmocka_unit_test(counts_invalid_bytes),
        cmocka_unit_test(believes_what_is_given),
        cmocka_unit_test(refuses_unknown_names),
        cmocka_unit_test(finds_the_order_of_bytes),
        cmocka_unit_test(believes_marks),
        cmocka_unit_test(believes_declarations),
        cmocka_unit_test(doubts_declarations),
        cmocka_unit_test(takes_damaged_utf8_for_utf8),
        cmocka_unit_test(reads_one_long_wide_line),
        cmocka_unit_test(looks_further_than_ascii),
        cmocka_unit_test(reads_standard_input),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
