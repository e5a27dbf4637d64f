/* Decoders: the characters of iconv, whatever way the bytes come in; what is broken is
 * counted to the byte. */
#include "document/decoder.h"

#include "base/buffer.h"
#include "base/utf8.h"
#include "tests/support/random.h"

#include <iconv.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define PART(text) text, sizeof(text) - 1

static struct decoder *new_decoder(const char *charset)
{
    struct error error = {0};
    struct decoder *decoder = decoder_new(charset, &error);
    if (!decoder)
        fail_msg("%s", error.text);
    return decoder;
}

/* What bytes became: their characters as UTF-8, and all units one by one. */
struct result {
    struct buffer text, units;
    size_t invalid, bytes;
};

static void result_free(struct result *result)
{
    buffer_free(&result->text);
    buffer_free(&result->units);
}

static void add_unit(struct result *result, const struct decoder_unit *unit)
{
    struct error error = {0};
    char shown[UTF8_MAX_BYTES];
    bool valid = unit->rune != DECODER_INVALID;
    size_t size = utf8_encode(shown, valid ? unit->rune : UTF8_REPLACEMENT);
    if (unit->rune != DECODER_NOTHING)
        assert_true(buffer_append(&result->text, shown, size, &error));
    assert_true(valid || unit->size > 0);
    assert_true(unit->rune <= DECODER_NOTHING);
    assert_true(buffer_append(&result->units, unit, sizeof *unit, &error));
    result->invalid += valid ? 0 : unit->size;
    result->bytes += unit->size;
}

/* Hands the bytes over in steps of up to `step` (0: all at once). */
static void decode(struct result *result, const char *charset, const char *bytes, size_t size,
                   size_t step, size_t room)
{
    struct decoder *decoder = new_decoder(charset);
    struct decoder_unit units[64];
    size_t at = 0, end = 0;
    *result = (struct result){0};
    assert_true(room <= 64);
    while (at < size) {
        size_t taken;
        end = step == 0 || size - end < step ? size : end + step;
        size_t count = decoder_run(decoder, units, room, &taken, bytes + at, end - at, end == size);
        for (size_t i = 0; i < count; i++)
            add_unit(result, &units[i]);
        at += taken;
    }
    assert_int_equal(result->bytes, size);
    decoder_free(decoder);
}

static void assert_decoded(const char *charset, const char *bytes, size_t size, const char *text,
                           size_t invalid)
{
    struct result result;
    decode(&result, charset, bytes, size, 0, 64);
    if (strcmp(result.text.data, text) != 0 || result.invalid != invalid)
        fail_msg("%s: [%s] with %zu invalid bytes instead of [%s] with %zu", charset,
                 result.text.data, result.invalid, text, invalid);
    result_free(&result);
}

static void counts_broken_bytes(void **state)
{
    (void)state;
#define BAD "\xEF\xBF\xBD"
    static const struct {
        const char *charset, *bytes;
        size_t size;
        const char *text;
        size_t invalid;
    } cases[] = {
        {"CP1252", PART("\x93g\x81t\x94"), "“g" BAD "t”", 1},
        {"UTF-16LE",
         PART("a\0\x3D\xD8\0\xDE"
              "b\0"),
         "a😀b", 0},
        {"UTF-16LE",
         PART("a\0\x3D\xD8"
              "b\0"),
         "a" BAD "b", 2},
        {"UTF-16LE",
         PART("a\0\0\xDE"
              "b\0"),
         "a" BAD "b", 2},
        {"UTF-16BE", PART("\0a\xD8\x3D\xD8\x3D\xDE\0"), "a" BAD "😀", 2},
        {"UTF-16BE", PART("\0a\0"), "a" BAD, 1},
        {"UTF-16BE", PART("\0a\xD8\x3D"), "a" BAD, 2},
        {"UTF-16BE", PART("\0a\xD8\x3D\xDE"), "a" BAD, 3},
        {"UTF-32LE", PART("a\0\0\0\0\xD8\0\0b\0\0\0"), "a" BAD "b", 4},
        {"UTF-32BE", PART("\0\1\xF6\0\0\x11\0\0\0\0\0b\0\0"), "😀" BAD "b" BAD, 6},
        {"CP932", PART("\x82\xA0\x83\x5C\xB1\x81 x"), "あソｱ" BAD " x", 1},
        {"CP932", PART("\x82\xA0\x82"), "あ" BAD, 1},
        {"CP932", PART("\xFF\x82\xA0"), BAD "あ", 1},
        {"EUC-JP", PART("\xA4\xA2\x8E\xB1\x8F\xB0\xA1."), "あｱ丂.", 0},
        {"EUC-JP", PART("\xA4\xA2\x8F\xB0"), "あ" BAD, 2},
        {"EUC-JP",
         PART("\xA4\xA2\xFF\xA4"
              "a"),
         "あ" BAD BAD "a", 2},
        {"GB18030", PART("\xB5\xC4\x81\x30\x81\x30\x94\x39\xFC\x36z"), "的\xC2\x80😀z", 0},
        {"GB18030", PART("\xB5\xC4\x81\x30\x81"), "的" BAD, 3},
        {"GB18030", PART("\xB5\xC4\x81\x30 z"), "的" BAD "0 z", 1},
        {"GB18030", PART("\xFF\xB5\xC4"), BAD "的", 1},
        {"BIG5-HKSCS", PART("\xA4\xA4\x88\x62\xA4\xE5"), "中Ê̄文", 0},
        {"BIG5-HKSCS", PART("\xA4\xA4\xA4 \xA4"), "中" BAD " " BAD, 2},
        {"CP949", PART("\xB0\xA1\x81\x41\xB0"), "가갂" BAD, 1},
        {"ISO-2022-JP", PART("a\033$B$\"\033(Bb\033(J\\\033(I1\033(B"), "aあb¥ｱ", 0},
        {"ISO-2022-JP", PART("\033$B$\"!!\xA4$$\n$\"\033(B"), "あ　" BAD "い\n$\"", 1},
        {"ISO-2022-JP", PART("\033$B-!$\"!z$\""), "①あ★あ", 0},
        {"ISO-2022-JP", PART("\033$B)!$\"$"), BAD "あ" BAD, 3},
        {"ISO-2022-JP", PART("\033$(D0!\033(B\033[m"), "丂" BAD "[m", 1},
        {"UTF-7", PART("a+AOk-b+2D3eAA-"), "aéb😀", 0},
        {"ISO-2022-KR",
         PART("\033$)C\x0E"
              "0!\x0F"
              "a\xFF"),
         "가a" BAD, 1},
        {"CP1255", PART("\xF9\xD1\xC8"), "\xD7\xA9\xD7\x81\xD6\xB8", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_decoded(cases[i].charset, cases[i].bytes, cases[i].size, cases[i].text,
                       cases[i].invalid);
}

static void composes_tone_marks(void **state)
{
    (void)state;
    assert_decoded("CP1258", PART("Vi\xEA\xF2t \xEA\xCC \xCC"), "Việt ề \xCC\x80", 0);
    struct result result;
    decode(&result, "CP1258", PART("i\xEA\xF2t"), 0, 64);
    const struct decoder_unit *units = (const void *)result.units.data;
    assert_int_equal(result.units.size, 3 * sizeof *units);
    assert_int_equal(units[1].rune, 0x1EC7);
    assert_int_equal(units[1].size, 2);
    result_free(&result);
}

static const char *const singles[] = {
    "ISO-8859-1",  "ISO-8859-2",  "ISO-8859-3",  "ISO-8859-4",  "ISO-8859-5",  "ISO-8859-6",
    "ISO-8859-7",  "ISO-8859-8",  "ISO-8859-9",  "ISO-8859-10", "ISO-8859-11", "ISO-8859-13",
    "ISO-8859-14", "ISO-8859-15", "ISO-8859-16", "CP1250",      "CP1251",      "CP1252",
    "CP1253",      "CP1254",      "CP1255",      "CP1256",      "CP1257",      "CP1258",
    "KOI8-R",      "KOI8-U",      "IBM866",      "MACINTOSH",
};

/* Every byte, with a space after it so that iconv keeps nothing back. */
static void agrees_with_iconv_on_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof singles / sizeof *singles; i++) {
        iconv_t converter = iconv_open("UTF-8", singles[i]);
        assert_true(converter != (iconv_t)-1);
        for (unsigned byte = 0; byte < 256; byte++) {
            char in[2] = {(char)byte, ' '}, out[16], *from = in, *to = out;
            size_t left = sizeof in, room = sizeof out;
            struct result result;
            iconv(converter, NULL, NULL, NULL, NULL);
            bool known = iconv(converter, &from, &left, &to, &room) != (size_t)-1;
            decode(&result, singles[i], in, sizeof in, 0, 64);
            if (known != (result.invalid == 0) ||
                (known && (result.text.size != sizeof out - room ||
                           memcmp(result.text.data, out, result.text.size) != 0)))
                fail_msg("%s: byte %02x is \"%s\"", singles[i], byte, result.text.data);
            result_free(&result);
        }
        iconv_close(converter);
    }
}

static const char *const all[] = {
    "UTF-16LE", "UTF-16BE", "UTF-32LE",    "UTF-32BE",    "CP1252",         "CP1258",
    "CP932",    "EUC-JP",   "EUC-JP-MS",   "ISO-2022-JP", "GB18030",        "GBK",
    "CP949",    "EUC-KR",   "BIG5-HKSCS",  "BIG5",        "CP950",          "EUC-TW",
    "JOHAB",    "UTF-7",    "ISO-2022-KR", "ISO-2022-CN", "SHIFT_JISX0213",
};

/* Bytes among which those that begin and shift are frequent. */
static void fill(char *bytes, size_t size, struct random *random)
{
    static const char shifts[] = "\033$B\033(B\033(J\033$)C\x0E\x0F+-~{\x81\x30\xD8\xDC\n\r";
    for (size_t i = 0; i < size; i++) {
        size_t kind = random_below(random, 4);
        unsigned any = (unsigned)random_below(random, 256);
        size_t shift = random_below(random, sizeof shifts - 1);
        bytes[i] = kind == 0 ? shifts[shift] : kind == 1 ? (char)(any | 0x80) : (char)any;
        size_t sequence = random_below(random, 12);
        if (sequence < 3 && size - i > 3) {
            memcpy(bytes + i, shifts + sequence * 3, 3);
            i += 2;
        }
    }
}

static void decodes_alike_in_any_steps(void **state)
{
    (void)state;
    struct random random = random_seeded();
    for (size_t round = 0; round < 12; round++) {
        char bytes[600];
        size_t size = random_below(&random, sizeof bytes);
        fill(bytes, size, &random);
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            struct result whole, parts;
            size_t step = 1 + random_below(&random, 40);
            size_t room = DECODER_STEP + random_below(&random, 40);
            if (!decoder_knows(all[i]))
                continue;
            decode(&whole, all[i], bytes, size, 0, 64);
            decode(&parts, all[i], bytes, size, step, room);
            if (whole.units.size != parts.units.size ||
                (size > 0 && memcmp(whole.units.data, parts.units.data, whole.units.size) != 0))
                fail_msg("%s, round %zu, steps of %zu: differs", all[i], round, step);
            result_free(&whole);
            result_free(&parts);
        }
    }
}

static void begins_anew(void **state)
{
    (void)state;
    struct decoder *decoder = new_decoder("ISO-2022-JP");
    struct decoder_unit units[DECODER_STEP * 2];
    size_t taken;
    assert_int_equal(decoder_run(decoder, units, DECODER_STEP * 2, &taken, PART("\033$B"), true),
                     1);
    assert_int_equal(units[0].rune, DECODER_NOTHING);
    decoder_reset(decoder);
    assert_int_equal(decoder_run(decoder, units, DECODER_STEP * 2, &taken, PART("$\""), true), 2);
    assert_int_equal(units[0].rune, '$');
    decoder_free(decoder);
}

static void refuses_unknown_names(void **state)
{
    (void)state;
    static const char *const names[] = {"", "klingon", "UTF-8//IGNORE", "../../x", "a b"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct error error = {0};
        assert_false(decoder_knows(names[i]));
        assert_null(decoder_new(names[i], &error));
        assert_int_equal(error.kind, ERROR_USAGE);
    }
    decoder_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_broken_bytes),
        cmocka_unit_test(composes_tone_marks),
        cmocka_unit_test(agrees_with_iconv_on_bytes),
        cmocka_unit_test(decodes_alike_in_any_steps),
        cmocka_unit_test(begins_anew),
        cmocka_unit_test(refuses_unknown_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
