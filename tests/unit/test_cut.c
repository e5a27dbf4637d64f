/* Where long sections are cut. */
#include "document/cut.h"

#include "base/buffer.h"
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Checks that a text cut at `limit` characters becomes `first` (a line end put in
 * included) and goes on with `rest`. */
static void assert_cut(const char *text, size_t limit, size_t heading, const char *first,
                       const char *rest)
{
    struct cut cut = cut_text(text, strlen(text), limit, heading);
    struct buffer head = {0};
    struct error error = {0};
    assert_true(buffer_append(&head, text, cut.end, &error));
    assert_true(!cut.line_end || buffer_append_byte(&head, '\n', &error));
    assert_string_equal(head.data, first);
    assert_string_equal(text + cut.next, rest);
    assert_true(utf8_count(head.data, head.size) <= limit);
    buffer_free(&head);
}

static void prefers_paragraphs(void **state)
{
    (void)state;
    assert_cut("One.\n\nTwo.\n\nThree.\n\nFour.\n", 20, 0, "One.\n\nTwo.\n\nThree.\n\n", "Four.\n");
    assert_cut("One.\n\nTwo.\n\nThree.\n\nFour.\n", 19, 0, "One.\n\nTwo.\n\nThree.\n", "Four.\n");
    assert_cut("One.\n\nTwo.\n\nThree.\n\nFour.\n", 18, 0, "One.\n\nTwo.\n\n", "Three.\n\nFour.\n");
}

static void takes_lines_when_paragraphs_are_few(void **state)
{
    (void)state;
    assert_cut("One\ntwo\nthree\nfour\n", 15, 0, "One\ntwo\nthree\n", "four\n");
    assert_cut("A.\n\nline one\nline two\nline\n", 24, 0, "A.\n\nline one\nline two\n", "line\n");
    assert_cut("A.\n\nOne sentence. And another one.\n", 24, 0, "A.\n\n",
               "One sentence. And another one.\n");
}

static void leaves_no_heading_alone(void **state)
{
    (void)state;
    assert_cut("# T\n\nOne here. Two here. Three.\n", 20, 5, "# T\n\nOne here.\n",
               "Two here. Three.\n");
}

static void takes_sentences_then_words_then_characters(void **state)
{
    (void)state;
    assert_cut("He ran. He fell (twice!) and died then.\n", 30, 0, "He ran. He fell (twice!)\n",
               "and died then.\n");
    assert_cut("He met Mr. Smith who was there.\n", 20, 0, "He met Mr. Smith\n",
               "who was there.\n");
    assert_cut("one two three four\n", 13, 0, "one two\n", "three four\n");
    assert_cut("one two three   four\n", 14, 0, "one two three\n", "four\n");
    assert_cut("abcdefghij\n", 5, 0, "abcd\n", "efghij\n");
    assert_cut("ßßßßßßßßßß\n", 5, 0, "ßßßß\n", "ßßßßßß\n");
    assert_cut("天地玄黄。宇宙洪荒。\n", 9, 0, "天地玄黄。\n", "宇宙洪荒。\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefers_paragraphs),
        cmocka_unit_test(takes_lines_when_paragraphs_are_few),
        cmocka_unit_test(leaves_no_heading_alone),
        cmocka_unit_test(takes_sentences_then_words_then_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
