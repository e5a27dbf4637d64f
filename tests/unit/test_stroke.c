/* Keys by name: what is understood, what is refused, and that every name leads back. */
#include "ui/stroke.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "tests/support/random.h"

#include <cmocka.h>

static void name_of(struct buffer *name, uint32_t stroke)
{
    struct error error = {0};
    buffer_clear(name);
    assert_true(buffer_append(name, "", 0, &error));
    assert_true(stroke_name(name, stroke, &error));
}

/* Its name is understood, alone and as part of a sequence, as this very stroke. */
static void assert_leads_back(uint32_t stroke)
{
    struct buffer name = {0};
    uint32_t strokes[STROKE_SEQUENCE], next = 0;
    size_t count = 0;
    name_of(&name, stroke);
    if (name.size == 0)
        fail_msg("stroke %x has no name", stroke);
    if (!stroke_parse(strokes, &count, name.data, name.size) || count != 1 || strokes[0] != stroke)
        fail_msg("stroke %x has the name %s, which is not understood so", stroke, name.data);
    const char *text = name.data;
    assert_true(stroke_next(&next, &text));
    assert_int_equal(next, stroke);
    assert_ptr_equal(text, name.data + name.size);
    struct error error = {0};
    size_t size = name.size;
    assert_true(buffer_append(&name, "x", 1, &error));
    assert_true(buffer_reserve(&name, size, &error));
    memcpy(name.data + size + 1, name.data, size); /* NAMExNAME */
    assert_true(stroke_parse(strokes, &count, name.data, 2 * size + 1));
    assert_int_equal(count, 3);
    assert_true(strokes[0] == stroke && strokes[1] == 'x' && strokes[2] == stroke);
    buffer_free(&name);
}

static void test_every_key_leads_back(void **state)
{
    (void)state;
    for (uint32_t alt = 0; alt <= STROKE_ALT; alt += STROKE_ALT) {
        for (uint32_t stroke = 0; stroke < 0x80; stroke++)
            assert_leads_back(alt | stroke);
        for (uint32_t stroke = STROKE_UP; stroke <= STROKE_F12; stroke++)
            assert_leads_back(alt | stroke);
        for (uint32_t stroke = 0xA0; stroke < 0x3000; stroke++)
            assert_leads_back(alt | stroke);
        static const uint32_t far[] = {0xD7FF, 0xE000, 0xFFFD, 0x10000, 0x1F600, 0x10FFFF};
        for (size_t i = 0; i < sizeof far / sizeof far[0]; i++)
            assert_leads_back(alt | far[i]);
    }
}

static const struct {
    const char *name;
    uint32_t stroke;
} names[] = {
    {"a", 'a'},
    {"G", 'G'},
    {">", '>'},
    {"\xC3\xA9", 0xE9},
    {"\xF0\x9F\x98\x80", 0x1F600},
    {"<lt>", '<'},
    {"<Space>", ' '},
    {"<C-d>", 4},
    {"<C-@>", 0},
    {"<C-\\>", 28},
    {"<C-_>", 31},
    {"<Tab>", 9},
    {"<Enter>", 13},
    {"<Escape>", 27},
    {"<Backspace>", 127},
    {"<S-Tab>", STROKE_BACK_TAB},
    {"<Up>", STROKE_UP},
    {"<PageDown>", STROKE_PAGE_DOWN},
    {"<Delete>", STROKE_DELETE},
    {"<F1>", STROKE_F1},
    {"<F12>", STROKE_F12},
    {"<A-x>", STROKE_ALT | 'x'},
    {"<A-X>", STROKE_ALT | 'X'},
    {"<A-->", STROKE_ALT | '-'},
    {"<A->>", STROKE_ALT | '>'},
    {"<A-lt>", STROKE_ALT | '<'},
    {"<A-\xC3\xA9>", STROKE_ALT | 0xE9},
    {"<A-C-d>", STROKE_ALT | 4},
    {"<A-Enter>", STROKE_ALT | 13},
    {"<A-S-Tab>", STROKE_ALT | STROKE_BACK_TAB},
};

static void test_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct buffer name = {0};
        uint32_t strokes[STROKE_SEQUENCE];
        size_t count;
        name_of(&name, names[i].stroke);
        assert_string_equal(name.data, names[i].name);
        assert_true(stroke_parse(strokes, &count, names[i].name, strlen(names[i].name)));
        assert_int_equal(count, 1);
        assert_int_equal(strokes[0], names[i].stroke);
        buffer_free(&name);
    }
}

static void test_other_ways_to_write_them(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t stroke;
    } others[] = {
        {"<cr>", 13},
        {"<ESC>", 27},
        {"<bs>", 127},
        {"<Del>", STROKE_DELETE},
        {"<pagedown>", STROKE_PAGE_DOWN},
        {"<C-D>", 4},
        {"<c-d>", 4},
        {"<M-x>", STROKE_ALT | 'x'},
        {"<m-C-D>", STROKE_ALT | 4},
        {"<C-i>", 9},
        {"<C-m>", 13},
        {"<C-[>", 27},
        {"<s-tab>", STROKE_BACK_TAB},
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        uint32_t strokes[STROKE_SEQUENCE];
        size_t count;
        if (!stroke_parse(strokes, &count, others[i].text, strlen(others[i].text)))
            fail_msg("%s is not understood", others[i].text);
        assert_int_equal(count, 1);
        assert_int_equal(strokes[0], others[i].stroke);
    }
}

static void test_no_names(void **state)
{
    (void)state;
    static const uint32_t nameless[] = {STROKE_PASTE,
                                        STROKE_RESIZE,
                                        STROKE_CLICK,
                                        STROKE_WHEEL_UP,
                                        STROKE_SUSPEND,
                                        STROKE_HANGUP,
                                        STROKE_WHEEL_DOWN,
                                        0x80,
                                        0x9F,
                                        0xD800,
                                        0xDFFF,
                                        UINT32_MAX,
                                        0x10FFFF + 0x8000,
                                        STROKE_ALT | 0x9B};
    struct buffer name = {0};
    for (size_t i = 0; i < sizeof nameless / sizeof nameless[0]; i++) {
        name_of(&name, nameless[i]);
        assert_string_equal(name.data, "");
    }
    buffer_free(&name);
    static const char *const texts[] = {
        "",        " ",        "a b",      "\t",    "\x01",         "\x7F",   "<",       "<>",
        "<a>",     "<C->",     "<C-1>",    "<C->>", "<C-`>",        "<C-{>",  "<C-F1>",  "<A->",
        "<A- >",   "<A-<>",    "<A-Nope>", "<F0>",  "<F13>",        "<F1",    "<Ent>",   "<Enter",
        "<C-dd>",  "<S-a>",    "<S-F1>",   "<D-a>", "<Escape >",    "< Up>",  "abcde",   "ab<Up>cd",
        "a<Nope>", "\xC2\x80", "\xC2",     "\xFF",  "\xED\xA0\x80", "<A-xy>", "<Paste>", "<Resize>",
        "<C-C-a>", "<C-A-a>"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        uint32_t strokes[STROKE_SEQUENCE];
        size_t count;
        if (stroke_parse(strokes, &count, texts[i], strlen(texts[i])))
            fail_msg("\"%s\" is taken for %zu strokes, the first %x", texts[i], count, strokes[0]);
    }
}

static void test_sequences(void **state)
{
    (void)state;
    uint32_t strokes[STROKE_SEQUENCE];
    size_t count;
    assert_true(stroke_parse(strokes, &count, "gg", 2));
    assert_true(count == 2 && strokes[0] == 'g' && strokes[1] == 'g');
    assert_true(stroke_parse(strokes, &count, "<C-w>l", 6));
    assert_true(count == 2 && strokes[0] == STROKE_CTRL('w') && strokes[1] == 'l');
    assert_true(stroke_parse(strokes, &count, "<A-a><Up>\xC3\xA9<lt>", 15));
    assert_true(count == 4 && strokes[0] == (STROKE_ALT | 'a') && strokes[1] == STROKE_UP &&
                strokes[2] == 0xE9 && strokes[3] == '<');
    assert_true(stroke_parse(strokes, &count, "ab<Up>", 2)); /* no further than it is told */
    assert_int_equal(count, 2);
}

static void test_one_after_the_other(void **state)
{
    (void)state;
    static const uint32_t expected[] = {'j', 'j', STROKE_ENTER, '>', STROKE_ALT | '>', 'x'};
    const char *text = "jj<Enter>><A->>x y";
    uint32_t stroke;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_true(stroke_next(&stroke, &text));
        assert_int_equal(stroke, expected[i]);
    }
    assert_false(stroke_next(&stroke, &text));
    assert_string_equal(text, " y"); /* stays at what is no name */
    text = "";
    assert_false(stroke_next(&stroke, &text));
}

/* Whatever is understood of any bytes has names that mean the same. */
static void test_any_bytes(void **state)
{
    (void)state;
    static const char alphabet[] = "<<<>>>--CASM cadxEnterlUpF12\x01\x1B\xC3\xA9\xE2\x82\xAC\xFF";
    struct random random = random_seeded();
    struct error error = {0};
    for (int round = 0; round < 20000; round++) {
        char text[24];
        size_t size = random_below(&random, sizeof text), count, again;
        for (size_t i = 0; i < size; i++)
            text[i] = alphabet[random_below(&random, sizeof alphabet - 1)];
        uint32_t strokes[STROKE_SEQUENCE], reread[STROKE_SEQUENCE];
        if (!stroke_parse(strokes, &count, text, size))
            continue;
        struct buffer name = {0};
        assert_in_range(count, 1, STROKE_SEQUENCE);
        for (size_t i = 0; i < count; i++)
            assert_true(stroke_name(&name, strokes[i], &error));
        if (!stroke_parse(reread, &again, name.data, name.size) || again != count ||
            memcmp(strokes, reread, count * sizeof *strokes) != 0)
            fail_msg("\"%.*s\" is named %s", (int)size, text, name.data);
        buffer_free(&name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_key_leads_back),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_other_ways_to_write_them),
        cmocka_unit_test(test_no_names),
        cmocka_unit_test(test_sequences),
        cmocka_unit_test(test_one_after_the_other),
        cmocka_unit_test(test_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
