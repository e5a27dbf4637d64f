/* Tests of ui/keyboard: what terminals send, in whatever pieces, becomes strokes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ui/keyboard.h"

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void take(struct keyboard *keyboard, const char *bytes, size_t size)
{
    struct error error = {0};
    assert_true(keyboard_take(keyboard, bytes, size, &error));
}

/* Appends the strokes as text: characters as they are, keys by number. */
static void describe(char *out, size_t size, const struct terminal_input *input)
{
    size_t used = strlen(out);
    uint32_t key = input->stroke & ~(uint32_t)STROKE_ALT;
    const char *alt = input->stroke & STROKE_ALT ? "Alt-" : "";
    if (key == STROKE_PASTE)
        snprintf(out + used, size - used, "[paste %.*s%s]", (int)input->paste.size,
                 input->paste.data ? input->paste.data : "", input->cut ? " cut" : "");
    else if (key == STROKE_CLICK || key == STROKE_WHEEL_UP || key == STROKE_WHEEL_DOWN)
        snprintf(out + used, size - used, "[%s %d,%d]",
                 key == STROKE_CLICK ? "click" : (key == STROKE_WHEEL_UP ? "up" : "down"),
                 input->column, input->line);
    else if (key > ' ' && key < 127)
        snprintf(out + used, size - used, "%s%c", alt, (char)key);
    else
        snprintf(out + used, size - used, "<%s%X>", alt, (unsigned)key);
}

/* The strokes of the bytes, given `piece` at a time, late at the end. */
static void strokes_of(char *out, size_t room, const char *bytes, size_t size, size_t piece)
{
    struct keyboard keyboard = {0};
    struct terminal_input input = {0};
    out[0] = '\0';
    for (size_t at = 0; at < size; at += piece) {
        take(&keyboard, bytes + at, size - at < piece ? size - at : piece);
        while (keyboard_next(&keyboard, false, &input))
            describe(out, room, &input);
    }
    while (keyboard_next(&keyboard, true, &input))
        describe(out, room, &input);
    assert_true(keyboard_patience(&keyboard) < 0);
    keyboard_free(&keyboard);
    terminal_input_free(&input);
}

static void expect_sized(const char *bytes, size_t size, const char *expected)
{
    for (size_t piece = 1; piece <= size; piece++) {
        char found[400];
        strokes_of(found, sizeof(found), bytes, size, piece);
        if (strcmp(found, expected) != 0)
            fail_msg("in pieces of %zu, \"%s\" is \"%s\", not \"%s\"", piece, bytes + 1, found,
                     expected);
    }
}

static void expect(const char *bytes, const char *expected)
{
    expect_sized(bytes, strlen(bytes), expected);
}

static void characters_are_strokes(void **state)
{
    (void)state;
    expect("abc", "abc");
    expect("\r\n\t\x7F\x08\x03 ", "<D><A><9><7F><8><3><20>");
    expect("é字😀", "<E9><5B57><1F600>");
    expect("a\xFF\x62\xC3(", "ab(");
    expect("a\xE2\x82", "a");
    expect("a\xC2\x9B"
           "31m",
           "a31m"); /* C1 controls are nothing */
    expect_sized("a\0b", 3, "ab");
}

static void an_escape_is_a_key_only_when_late(void **state)
{
    (void)state;
    struct keyboard keyboard = {0};
    struct terminal_input input = {0};
    take(&keyboard, "\x1B", 1);
    assert_false(keyboard_next(&keyboard, false, &input));
    assert_true(keyboard_patience(&keyboard) > 0 && keyboard_patience(&keyboard) < 0.06);
    assert_true(keyboard_next(&keyboard, true, &input));
    assert_int_equal(input.stroke, STROKE_ESCAPE);
    assert_true(keyboard_patience(&keyboard) < 0);
    take(&keyboard, "\x1B[20", 4);
    assert_false(keyboard_next(&keyboard, false, &input));
    assert_true(keyboard_patience(&keyboard) > 0.2);
    keyboard_free(&keyboard);
    expect("\x1B", "<1B>");
    expect("\x1B\x1B", "<1B><1B>");
    expect("\x1B\x1B[A", "<1B><110000>");
    expect("\x1Bx\x1B\x7F\x1B\r\x1Bé", "Alt-x<Alt-7F><Alt-D><Alt-E9>");
    expect("\x1B[", "Alt-[");
    expect("\x1BO", "Alt-O");
    expect("\x1BOj", "Alt-Oj");
}

static void keys_of_many_terminals_are_known(void **state)
{
    (void)state;
    expect("\x1B[A\x1B[B\x1B[C\x1B[D", "<110000><110001><110003><110002>");
    expect("\x1BOA\x1BOB\x1BOC\x1BOD", "<110000><110001><110003><110002>");
    static const char *const homes[] = {"\x1B[H", "\x1BOH", "\x1B[1~", "\x1B[7~"};
    static const char *const ends[] = {"\x1B[F", "\x1BOF", "\x1B[4~", "\x1B[8~"};
    for (size_t i = 0; i < 4; i++) {
        expect(homes[i], "<110004>");
        expect(ends[i], "<110005>");
    }
    expect("\x1B[5~\x1B[6~\x1B[2~\x1B[3~\x1B[Z", "<110006><110007><110008><110009><11000A>");
    expect("\x1B[3$\x1B[5^x", "<110009><110006>x");
    /* F1 to F12, of xterm, of others, and of the Linux console */
    expect("\x1BOP\x1BOQ\x1BOR\x1BOS", "<11000B><11000C><11000D><11000E>");
    expect("\x1B[11~\x1B[12~\x1B[13~\x1B[14~\x1B[15~", "<11000B><11000C><11000D><11000E><11000F>");
    expect("\x1B[[A\x1B[[B\x1B[[C\x1B[[D\x1B[[E", "<11000B><11000C><11000D><11000E><11000F>");
    expect("\x1B[17~\x1B[18~\x1B[19~\x1B[20~\x1B[21~", "<110010><110011><110012><110013><110014>");
    expect("\x1B[23~\x1B[24~", "<110015><110016>");
    /* with modifiers */
    expect("\x1B[1;3A\x1B[1;5B\x1B[3;3~\x1B[1;2P\x1B[1;9H",
           "<Alt-110000><110001><Alt-110009><11000B><Alt-110004>");
    expect("\x1B[97;5u\x1B[9;2u\x1B[120;3u\x1B[27u\x1B[27;3u", "<1><11000A>Alt-x<1B><Alt-1B>");
}

static void what_is_no_key_is_dropped(void **state)
{
    (void)state;
    expect("a\x1B[Ib", "ab");         /* focus */
    expect("a\x1B[?64;1;2cb", "ab");  /* what the terminal is */
    expect("a\x1B[24;80Rb", "ab");    /* where the cursor is */
    expect("a\x1B[?2026;2$yb", "ab"); /* what a mode is */
    expect("a\x1B[99~b\x1B[201~c", "abc");
    expect("a\x1B[999999999999999999999~b", "ab");
    expect("a\x1B[1;2;3;4;5;6;7;8;9Xb", "ab");
    expect("a\x1B[12\x1B[Ab", "a<110000>b");
    expect("a\x1B[1;", "a");
}

static void the_mouse_is_read(void **state)
{
    (void)state;
    expect("\x1B[<0;1;1M\x1B[<0;1;1m", "[click 0,0]");
    expect("\x1B[<64;10;20M\x1B[<65;200;60M", "[up 9,19][down 199,59]");
    expect("\x1B[<2;1;1M\x1B[<32;5;5M\x1B[<35;5;5M\x1B[<66;5;5M\x1B[<128;5;5M", "");
    expect("\x1B[<16;3;4M", "[click 2,3]"); /* with Ctrl */
    expect("\x1B[<0;0;0M\x1B[<0M\x1B[<0;5Mx", "x");
    expect("\x1B[M !!\x1B[M`#$", "[click 0,0][up 2,3]");
}

static void pastes_are_kept_together(void **state)
{
    (void)state;
    expect("\x1B[200~hello\x1B[201~x", "[paste hello]x");
    expect("a\x1B[200~\x1B[201~b", "a[paste ]b");
    expect("\x1B[200~q\r\x03\x1B[A\x1B\x1B[201\x1B[201~x", "[paste q\r\x03\x1B[A\x1B\x1B[201]x");
    expect("\x1B[200~one\x1B[200~two\x1B[201~x", "[paste one\x1B[200~two]x");
    expect("\x1B[200~one\x1B[201~\x1B[200~two\x1B[201~", "[paste one][paste two]");
    /* What has no end waits for it, whatever the time. */
    expect("a\x1B[200~q", "a");
}

static void a_paste_is_bounded(void **state)
{
    (void)state;
    struct keyboard keyboard = {0};
    struct terminal_input input = {0};
    char bytes[4096];
    memset(bytes, 'p', sizeof(bytes));
    take(&keyboard, "\x1B[200~", 6);
    for (size_t i = 0; i < 300; i++) {
        take(&keyboard, bytes, sizeof(bytes));
        assert_false(keyboard_next(&keyboard, true, &input));
        assert_true(keyboard.bytes.size <= 3 * sizeof(bytes));
    }
    take(&keyboard, "\x1B[201~x\x1B[200~y\x1B[201~", 20);
    assert_true(keyboard_next(&keyboard, false, &input));
    assert_int_equal(input.stroke, STROKE_PASTE);
    assert_int_equal(input.paste.size, KEYBOARD_PASTE_MOST);
    assert_true(input.cut);
    assert_true(keyboard_next(&keyboard, false, &input));
    assert_int_equal(input.stroke, 'x');
    assert_true(keyboard_next(&keyboard, false, &input));
    assert_int_equal(input.paste.size, 1);
    assert_false(input.cut);
    keyboard_free(&keyboard);
    terminal_input_free(&input);
}

/* What comes does not depend on the pieces it comes in, and is within its ranges. */
static void any_bytes_become_strokes(void **state)
{
    (void)state;
    static const char signs[] = "\x1B\x1B\x1B[[[OM<~;:?$0129ABu200~201~ xq\xC3\xA9\xFF\r";
    uint64_t seed = 99;
    for (int round = 0; round < 500; round++) {
        unsigned long long before = seed;
        char bytes[60], whole[1600], pieces[1600];
        size_t size = 1 + next_random(&seed) % sizeof(bytes);
        for (size_t i = 0; i < size; i++)
            bytes[i] = signs[next_random(&seed) % (sizeof(signs) - 1)];
        strokes_of(whole, sizeof(whole), bytes, size, size);
        strokes_of(pieces, sizeof(pieces), bytes, size, 1 + next_random(&seed) % 3);
        if (strcmp(whole, pieces) != 0)
            fail_msg("seed %llu: \"%s\" at once, \"%s\" in pieces", before, whole, pieces);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_are_strokes),
        cmocka_unit_test(an_escape_is_a_key_only_when_late),
        cmocka_unit_test(keys_of_many_terminals_are_known),
        cmocka_unit_test(what_is_no_key_is_dropped),
        cmocka_unit_test(the_mouse_is_read),
        cmocka_unit_test(pastes_are_kept_together),
        cmocka_unit_test(a_paste_is_bounded),
        cmocka_unit_test(any_bytes_become_strokes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
