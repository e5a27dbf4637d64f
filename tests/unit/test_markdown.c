/* Markdown: what becomes of its marks, which texts are taken for it, and what a long one
 * is cut into. md4c runs in tidemark-extract, as it does for users. */
#include "document/document.h"
#include "document/marking.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/test_markdown.XXXXXX";

struct result {
    struct buffer text, outline;
};

static void read_file(struct result *result, const char *bytes, size_t size)
{
    struct error error = {0};
    struct document_reader *reader;
    struct document_section section;
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    *result = (struct result){0};
    if (!document_open(&reader, path, NULL, NULL, &error))
        fail_msg("%s", error.text);
    while (document_next(reader, &section, &error)) {
        assert_true(buffer_append(&result->text, section.text, section.size, &error));
        if (section.part == 1)
            assert_true(buffer_append_format(&result->outline, &error, "%u %s\n", section.level,
                                             section.title));
    }
    if (error.kind != ERROR_NONE)
        fail_msg("%s", error.text);
    document_close(reader);
}

static void result_free(struct result *result)
{
    buffer_free(&result->text);
    buffer_free(&result->outline);
}

/* What stands after a heading, which makes it Markdown. */
static void assert_becomes(const char *input, const char *expected)
{
    struct result result;
    struct buffer whole = {0}, wanted = {0};
    struct error error;
    assert_true(buffer_append_format(&whole, &error, "# `T`\n\n%s", input));
    assert_true(buffer_append_format(&wanted, &error, "# T\n\n%s", expected));
    read_file(&result, whole.data, whole.size);
    assert_string_equal(result.text.data, wanted.data);
    result_free(&result);
    buffer_free(&whole);
    buffer_free(&wanted);
}

static void assert_outline(const char *input, const char *expected)
{
    struct result result;
    read_file(&result, input, strlen(input));
    assert_string_equal(result.outline.data, expected);
    result_free(&result);
}

static void assert_kept(const char *input)
{
    struct result result;
    read_file(&result, input, strlen(input));
    assert_string_equal(result.text.data, input);
    result_free(&result);
}

static void takes_marks_off(void **state)
{
    (void)state;
    assert_becomes("Some *emphasis*, __strong__ and `code *span*`.\n",
                   "Some emphasis, strong and code *span*.\n");
    assert_becomes("*First* and **last**\n", "First and last\n");
    assert_becomes("snake_case_word, 2 * 3 * 4, ~~gone~~\n", "snake_case_word, 2 * 3 * 4, gone\n");
    assert_becomes("A [link](http://x.org/a_(b) \"t\") and <http://y.org>.\n",
                   "A link and http://y.org.\n");
    assert_becomes("![a *picture*](p.png)![other](q.png) and ![](r.png)\n",
                   "[image: a picture][image: other] and\n");
    assert_becomes("\\*none\\* and \\# none\n\n\\# none\n", "*none* and # none\n\n# none\n");
    assert_becomes("&amp;&lt; &#8211; &eacute;&nosuch; a&b\n",
                   "&< \xE2\x80\x93 \xC3\xA9&nosuch; a&b\n");
    assert_becomes("With <b>some</b> HTML <br> in it\n", "With some HTML in it\n");
    assert_becomes("- item *one*\n  goes `on`\n- [ ] task **two**\n  1. _inner_\n",
                   "- item one\n  goes on\n- [ ] task two\n  1. inner\n");
    assert_becomes("> quoted *text*\n> goes on\n", "> quoted text\n> goes on\n");
    assert_becomes("one\\\ntwo *x*  \nthree\n", "one\ntwo x\nthree\n");
}

static void resolves_references(void **state)
{
    (void)state;
    assert_becomes("A [text][ref], a [short] and [1], [none][nowhere].\n\n"
                   "[ref]: http://x.org\n[short]: <y> 'title'\n[1]: http://z.org\n",
                   "A text, a short and [1], [none][nowhere].\n\n"
                   "[ref]: http://x.org\n[short]: <y> 'title'\n[1]: http://z.org\n");
    assert_becomes(
        "See[^1] and[^long *note*][^b].\n\n[^1]: The *note*.\n[^b]: Other.\n[r]: http://x\n",
        "See[1] and[^long note][b].\n\n[1] The note.\n[b] Other.\n[r]: http://x\n");
}

static void makes_rows_of_tables(void **state)
{
    (void)state;
    assert_becomes("| Place | High | |\n|:------|-----:|---|\n| *Reef* | 4.1 | |\n|  | 1 |\n"
                   "| a \\| b |  | `c` |\n\nEnd.\n",
                   "Place | High\nReef | 4.1\n| 1\na | b |  | c\n\nEnd.\n");
    assert_becomes("a | b\n---|---\n1 | &amp;2\n", "a | b\n1 | &2\n");
}

static void keeps_code(void **state)
{
    (void)state;
    assert_becomes("```sh\n# no heading\n*x* & `y`\n\n\\*\n```\n\n    # nor *this*\n    | a |\n",
                   "```sh\n# no heading\n*x* & `y`\n\n\\*\n```\n\n    # nor *this*\n    | a |\n");
    assert_becomes("- item\n\n  ````\n  # within a *list*\n  ```\n  ````\n",
                   "- item\n\n  ````\n  # within a *list*\n  ```\n  ````\n");
}

static void reads_html(void **state)
{
    (void)state;
    assert_becomes("<!-- a comment > with\n*marks* -->\n\n<p align=\"center\">\n"
                   "Some <b>centred</b> text &mdash; <img\nsrc=\"x\"> here</p>\n",
                   "Some centred text \xE2\x80\x94\n here\n");
}

static void finds_headings(void **state)
{
    (void)state;
    assert_outline("# The *Tide* & [sea](x) #\n\nText.\n\nTwo\nlines `x`\n---\n\nText.\n\n"
                   "> # quoted\n\n- # item\n\n<h3 align=\"center\">HTML</h3>\n\nText.\n\n"
                   "####### seven\n\n#none\n\n    # code\n\n~~~\n# code\n~~~\n\n###### Six\n",
                   "1 The Tide & sea\n2 Two lines x\n3 HTML\n6 Six\n");
    /* A rule under a long paragraph makes no heading of it. */
    struct buffer text = {0};
    struct error error;
    assert_true(buffer_append_text(&text, "# `T`\n\n", &error));
    for (int i = 0; i < 20; i++)
        assert_true(
            buffer_append_text(&text, "A line of *many* words, of which it has some.\n", &error));
    assert_true(buffer_append_text(&text, "---\n\n## U\n", &error));
    assert_outline(text.data, "1 T\n2 U\n");
    buffer_free(&text);
    assert_outline("---\ntitle: A *book*\nauthor: Ann\n---\n\n# One\n\n`x`\n",
                   "1 title: A *book*\n1 One\n");
}

static void leaves_other_texts_alone(void **state)
{
    (void)state;
    assert_kept("A text with *stars*, _lines_ and `ticks` &amp; more.\n");
    assert_kept("#!/bin/sh\n\n# a comment\n\necho *.c `date`\n");
    assert_kept("# a comment\n# in two lines\nvalue = __name__\n\n# another\nother = *x\n");
    assert_kept("Title\n*****\n\n# a comment in *some* example\n\nOther\n=====\n\nText.\n");
    assert_kept("# -*- coding: utf-8 -*-\n\n__all__ = [*x]\n");
    assert_kept("# A module for `tides`.\n\nimport os\n\nx = table[__row__][column] * 2\n");
}

/* Sections of a long text are the same wherever its pieces end, and a block of code that is
 * longer than a piece holds no headings. */
static void cuts_long_texts(void **state)
{
    (void)state;
    struct buffer text = {0}, outline = {0};
    struct error error;
    struct result result;
    for (int i = 0; i < 12000; i++) {
        assert_true(buffer_append_format(&text, &error, "## Part *%d*\n\nText [of](x) it.\n\n", i));
        assert_true(buffer_append_format(&outline, &error, "2 Part %d\n", i));
    }
    read_file(&result, text.data, text.size);
    assert_string_equal(result.outline.data, outline.data);
    assert_null(strchr(result.text.data, '*'));
    assert_null(strchr(result.text.data, '['));
    result_free(&result);
    buffer_clear(&text);
    assert_true(buffer_append_text(&text, "# `T`\n\n```\n", &error));
    for (int i = 0; i < 40000; i++)
        assert_true(buffer_append_format(&text, &error, "# *line* %d\n", i));
    assert_true(buffer_append_text(&text, "```\n\n# `U`\n", &error));
    read_file(&result, text.data, text.size);
    assert_string_equal(result.outline.data, "1 T\n1 U\n");
    assert_non_null(strstr(result.text.data, "\n# *line* 39999\n"));
    result_free(&result);
    /* A line that is too long to hold is given as it is. */
    buffer_clear(&text);
    assert_true(buffer_append_text(&text, "# `T`\n\n", &error));
    for (int i = 0; i < 40000; i++)
        assert_true(buffer_append_text(&text, "*word* ", &error));
    assert_true(buffer_append_text(&text, "\n\nThe *end*\n", &error));
    read_file(&result, text.data, text.size);
    assert_non_null(strstr(result.text.data, "*word* *word*"));
    assert_non_null(strstr(result.text.data, "\nThe end\n"));
    result_free(&result);
    buffer_free(&text);
    buffer_free(&outline);
}

/* A table whose rows lack most of their cells is more to md4c than it was given. */
static void survives_what_swells(void **state)
{
    (void)state;
    struct buffer text = {0};
    struct error error;
    struct result result;
    assert_true(buffer_append_text(&text, "# `T`\n\n", &error));
    for (int row = 0; row < 2; row++) {
        for (int i = 0; i < 8000; i++)
            assert_true(buffer_append_text(&text, row ? "---|" : "a|", &error));
        assert_true(buffer_append_text(&text, "\n", &error));
    }
    for (int i = 0; i < 30000; i++)
        assert_true(buffer_append_text(&text, "x|\n", &error));
    read_file(&result, text.data, text.size);
    assert_string_equal(result.outline.data, "1 `T`\n");
    result_free(&result);
    buffer_free(&text);
}

static bool gives_up(unsigned char *roles, const char *text, size_t size)
{
    (void)roles;
    (void)text;
    return size == 0;
}

/* Judged by its looks then, as it was before md4c. */
static void does_without(void **state)
{
    (void)state;
    marking_use(gives_up);
    assert_outline("# *One*\n\nText.\n\n```\n# code\n```\n\nTwo\n---\n\nText.\n",
                   "1 *One*\n2 Two\n");
    marking_use(NULL);
}

static void says_what_is_missing(void **state)
{
    (void)state;
    struct error error = {0};
    struct document_reader *reader;
    struct document_section section;
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(fputs("# One\n\n*Text*\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    setenv("TIDEMARK_LIBEXEC", "/nowhere", 1);
    assert_true(document_open(&reader, path, NULL, NULL, &error));
    assert_false(document_next(reader, &section, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_non_null(strstr(error.text, "tidemark-extract"));
    document_close(reader);
    unsetenv("TIDEMARK_LIBEXEC");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_marks_off),
        cmocka_unit_test(resolves_references),
        cmocka_unit_test(makes_rows_of_tables),
        cmocka_unit_test(keeps_code),
        cmocka_unit_test(reads_html),
        cmocka_unit_test(finds_headings),
        cmocka_unit_test(leaves_other_texts_alone),
        cmocka_unit_test(cuts_long_texts),
        cmocka_unit_test(survives_what_swells),
        cmocka_unit_test(does_without),
        cmocka_unit_test(says_what_is_missing),
    };
    int file = mkstemp(path);
    if (file < 0)
        return 1;
    close(file);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
