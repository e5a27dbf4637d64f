/* Hostile text on its way out: what is printed to a terminal holds nothing that one
 * acts on, and what is printed as JSON is ASCII that parses back to the same text,
 * with U+FFFD where it was not UTF-8. The text ends at the first NUL. */
#include "tests/fuzz/harness.h"

#include "app/output.h"
#include "base/utf8.h"
#include "base/visible.h"

#include <stdlib.h>
#include <string.h>

static struct error error;

/* --- what UTF-8 is, written once more ------------------------------------------------- */

/* Bytes of the character or of the maximal subpart of one at text[0]; *valid says
 * which (Unicode, table 3-7 and section 3.9). */
static size_t take_character(const unsigned char *text, size_t size, bool *valid)
{
    static const struct {
        unsigned char first, last, low, high; /* of the lead byte, of the second */
        size_t length;
    } forms[] = {
        {0x00, 0x7F, 0, 0, 1},       {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
        {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3},
        {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
    };
    *valid = false;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (text[0] < forms[i].first || text[0] > forms[i].last)
            continue;
        size_t at = 1;
        for (; at < forms[i].length && at < size; at++) {
            unsigned char low = at == 1 ? forms[i].low : 0x80;
            unsigned char high = at == 1 ? forms[i].high : 0xBF;
            if (text[at] < low || text[at] > high)
                break;
        }
        *valid = at == forms[i].length;
        return at;
    }
    return 1;
}

static struct buffer repair(const char *text, size_t size)
{
    struct buffer repaired = {0};
    for (size_t at = 0; at < size;) {
        bool valid;
        size_t length = take_character((const unsigned char *)text + at, size - at, &valid);
        HARNESS_REQUIRE(valid ? buffer_append(&repaired, text + at, length, &error)
                              : buffer_append_text(&repaired, "\xEF\xBF\xBD", &error));
        at += length;
    }
    return repaired;
}

/* --- terminal ------------------------------------------------------------------------- */

static void require_harmless(const struct buffer *shown, bool lines)
{
    for (size_t at = 0, length; at < shown->size; at += length) {
        uint32_t rune;
        HARNESS_REQUIRE(utf8_decode(&rune, &length, shown->data + at, shown->size - at) ==
                        UTF8_VALID);
        if (lines && (rune == '\n' || rune == '\t'))
            continue;
        HARNESS_REQUIRE(rune >= 0x20 && !(rune >= 0x7F && rune <= 0x9F));
        HARNESS_REQUIRE(!(rune >= 0x202A && rune <= 0x202E));
        HARNESS_REQUIRE(!(rune >= 0x2066 && rune <= 0x2069));
        HARNESS_REQUIRE(rune != 0x200E && rune != 0x200F && rune != 0x61C && rune != 0xFEFF);
        HARNESS_REQUIRE(visible_is_safe(rune));
    }
}

static void check_visible(const char *text, size_t size)
{
    struct buffer shown = {0};
    HARNESS_REQUIRE(visible_append(&shown, text, size, VISIBLE_LINE, &error));
    require_harmless(&shown, false);
    output_width(shown.data ? shown.data : "", shown.size);
    buffer_clear(&shown);
    HARNESS_REQUIRE(visible_append(&shown, text, size, VISIBLE_TEXT, &error));
    require_harmless(&shown, true);
    buffer_free(&shown);
}

/* What a shell makes of a quoted word is what visible_append makes of it, but for the
 * apostrophes, which have to be closed and opened again. */
static void check_word(const char *text)
{
    struct output out = {0};
    struct buffer shown = {0}, read = {0};
    output_word(&out, text);
    HARNESS_REQUIRE(out.error.kind == ERROR_NONE && out.text.size > 0);
    require_harmless(&out.text, false);
    bool quoted = false;
    for (const char *at = out.text.data; *at; at++) {
        if (*at == '\'')
            quoted = !quoted;
        else if (*at == '\\' && !quoted)
            HARNESS_REQUIRE(buffer_append_byte(&read, *++at, &error));
        else
            HARNESS_REQUIRE(buffer_append_byte(&read, *at, &error));
    }
    HARNESS_REQUIRE(!quoted);
    HARNESS_REQUIRE(visible_append(&shown, text, strlen(text), VISIBLE_LINE, &error));
    HARNESS_REQUIRE(shown.size == read.size);
    HARNESS_REQUIRE(shown.size == 0 || memcmp(shown.data, read.data, shown.size) == 0);
    buffer_free(&shown);
    buffer_free(&read);
    output_free(&out);
}

static void check_table(const char *text)
{
    struct output_table table = {.columns = 3, .right = 2};
    struct output out = {0};
    for (size_t i = 0; i < 6; i++)
        output_cell(&table, i % 2 ? text : "cell");
    output_rows(&out, &table);
    HARNESS_REQUIRE(out.error.kind == ERROR_NONE);
    require_harmless(&out.text, true);
    size_t lines = 0;
    for (size_t i = 0; i < out.text.size; i++)
        lines += out.text.data[i] == '\n';
    HARNESS_REQUIRE(lines == 2);
    output_free(&out);
}

/* --- JSON ------------------------------------------------------------------------------ */

static void check_json(const char *text, size_t size)
{
    struct output out = {0};
    struct buffer repaired = repair(text, size);
    json_t *string = output_json_text(text);
    HARNESS_REQUIRE(string != NULL);
    output_json(&out, json_pack("{s:o, s:[o]}", "text", string, "none", output_json_text(NULL)));
    HARNESS_REQUIRE(out.error.kind == ERROR_NONE && out.text.size > 0);
    for (size_t i = 0; i + 1 < out.text.size; i++)
        HARNESS_REQUIRE(out.text.data[i] >= 0x20 && out.text.data[i] < 0x7F);
    HARNESS_REQUIRE(out.text.data[out.text.size - 1] == '\n');
    json_t *parsed = json_loads(out.text.data, JSON_REJECT_DUPLICATES, NULL);
    HARNESS_REQUIRE(parsed != NULL);
    const json_t *back = json_object_get(parsed, "text");
    HARNESS_REQUIRE(json_string_length(back) == repaired.size);
    HARNESS_REQUIRE(repaired.size == 0 ||
                    memcmp(json_string_value(back), repaired.data, repaired.size) == 0);
    json_decref(parsed);
    buffer_free(&repaired);
    output_free(&out);
}

static void check_utf8(const char *text, size_t size)
{
    struct buffer repaired = repair(text, size);
    bool whole = repaired.size == size && (size == 0 || memcmp(repaired.data, text, size) == 0);
    HARNESS_REQUIRE(utf8_is_valid(text, size) == whole);
    size_t tail = utf8_incomplete_tail(text, size);
    HARNESS_REQUIRE(tail <= 3 && tail <= size && (!whole || tail == 0));
    buffer_free(&repaired);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct harness_input input = {bytes, size};
    char *copy = harness_copy(input), *text = harness_text(input);
    check_visible(copy, size);
    check_utf8(copy, size);
    check_json(text, strlen(text));
    check_word(text);
    check_table(text);
    free(copy);
    free(text);
    return 0;
}
