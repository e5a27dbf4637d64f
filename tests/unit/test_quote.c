/* Quotes: found in answers, and found (or not) in the document. */
#include "document/quote.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Checks that an answer's quotes are those listed, up to NULL. */
static void assert_quotes(const char *answer, const char *const *expected)
{
    struct quote_list list = {0};
    struct error error = {0};
    assert_true(quote_scan(&list, answer, strlen(answer), &error));
    for (size_t i = 0; i < list.count; i++) {
        size_t size = list.items[i].end - list.items[i].begin;
        if (!expected[i])
            fail_msg("in %s: too many: %.*s", answer, (int)size, answer + list.items[i].begin);
        if (strlen(expected[i]) != size || memcmp(answer + list.items[i].begin, expected[i], size))
            fail_msg("in %s: %.*s instead of %s", answer, (int)size, answer + list.items[i].begin,
                     expected[i]);
    }
    if (expected[list.count])
        fail_msg("in %s: missing: %s", answer, expected[list.count]);
    quote_list_free(&list);
}

#define QUOTES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_QUOTES ((const char *const[]){NULL})

static void scans_quotation_marks(void **state)
{
    (void)state;
    assert_quotes("He says \"the cat sat down\" twice.", QUOTES("the cat sat down"));
    assert_quotes("“one two three four” and “five six seven eight”",
                  QUOTES("one two three four", "five six seven eight"));
    assert_quotes("« un deux trois quatre »", QUOTES("un deux trois quatre"));
    assert_quotes("„eins zwei drei vier“ und „fünf sechs sieben acht”",
                  QUOTES("eins zwei drei vier", "fünf sechs sieben acht"));
    assert_quotes("\"a quote over\ntwo lines of text\"", QUOTES("a quote over\ntwo lines of text"));
    assert_quotes("(\"in brackets it stands too\")", QUOTES("in brackets it stands too"));
    assert_quotes("\"one two three four\"\"five six seven eight\"",
                  QUOTES("one two three four", "five six seven eight"));
}

static void leaves_what_is_no_quote(void **state)
{
    (void)state;
    assert_quotes("", NO_QUOTES);
    assert_quotes("only \"three words here\" in it", NO_QUOTES);
    assert_quotes("\"dashes -- are -- no -- words\"", QUOTES("dashes -- are -- no -- words"));
    assert_quotes("\"-- ... -- ... -- two words\"", NO_QUOTES);
    assert_quotes("never \"closed at the end of it", NO_QUOTES);
    assert_quotes("“never closed at the end of it", NO_QUOTES);
    assert_quotes("\"not over the\n\nend of a paragraph\"", NO_QUOTES);
    assert_quotes("a 5\" pipe and a 7\" pipe are not quoted", NO_QUOTES);
    assert_quotes("first \"open and then \"this one is closed\" again",
                  QUOTES("this one is closed"));
    assert_quotes("it's what they're 'saying in single marks' here", NO_QUOTES);
}

static void scans_quoted_lines(void **state)
{
    (void)state;
    assert_quotes("> the model stopped here and", QUOTES("the model stopped here and"));
    assert_quotes("Text\n\n  > one two three four  \n>five six seven eight\nmore",
                  QUOTES("one two three four", "five six seven eight"));
    assert_quotes("> \"one two three four\"", QUOTES("one two three four"));
    assert_quotes("> “one two three four” (chapter 3)", QUOTES("one two three four"));
    assert_quotes("> \"Well,\" he said, \"so be it then.\"",
                  QUOTES("\"Well,\" he said, \"so be it then.\""));
    assert_quotes("> too few words", NO_QUOTES);
    assert_quotes("if a > b then it is so", NO_QUOTES);
    assert_quotes(
        "\"before the line it stands\"\n> and then one follows\n\"and one more after it\"",
        QUOTES("before the line it stands", "and then one follows", "and one more after it"));
}

/* Checks that the quote is found, and where. */
static void assert_found(const char *text, const char *quote, const char *place)
{
    struct error error = {0};
    size_t begin = 0, end = 0;
    if (!quote_find(&begin, &end, text, strlen(text), quote, strlen(quote), &error))
        fail_msg("not found: %s", quote);
    assert_int_equal(error.kind, ERROR_NONE);
    if (end - begin != strlen(place) || memcmp(text + begin, place, end - begin) != 0)
        fail_msg("%s found at: %.*s", quote, (int)(end - begin), text + begin);
}

static void assert_not_found(const char *text, const char *quote)
{
    struct error error = {.kind = ERROR_SYSTEM};
    size_t begin, end;
    if (quote_find(&begin, &end, text, strlen(text), quote, strlen(quote), &error))
        fail_msg("found: %s", quote);
    assert_int_equal(error.kind, ERROR_NONE);
}

static void finds_exact_words(void **state)
{
    (void)state;
    const char *text = "It was the best of times, it was the worst of times.\n";
    assert_found(text, "it was the worst of times", "it was the worst of times");
    assert_found(text, "It was the best of times, it was the worst of times.",
                 "It was the best of times, it was the worst of times");
    assert_found(text, "the best of times", "the best of times");
}

static void folds_what_is_typography(void **state)
{
    (void)state;
    assert_found("She said: “It’s a long\nway — to  Rome…”, and left.\n",
                 "\"It's a long way - to Rome...\", and left",
                 "It’s a long\nway — to  Rome…”, and left");
    assert_found("the well--known *old* _house_ on the `hill`\n",
                 "well—known old house on the hill", "well--known *old* _house_ on the `hill");
    assert_found("un\xC2\xA0"
                 "deux tro\xC2\xAD"
                 "is quatre\n",
                 "un deux trois quatre",
                 "un\xC2\xA0"
                 "deux tro\xC2\xAD"
                 "is quatre");
    assert_found("the \xEF\xAC\x81rst of the \xEF\xAC\x82ock\n", "the first of the flock",
                 "the \xEF\xAC\x81rst of the \xEF\xAC\x82ock");
    assert_found("une fe\xCC\x82te pour le roi\n", "une f\xC3\xAAte pour le roi",
                 "une fe\xCC\x82te pour le roi");
}

static void forgives_marks_at_the_ends(void **state)
{
    (void)state;
    const char *text = "the old man and the sea were there that day\n";
    assert_found(text, "the old man and the sea.", "the old man and the sea");
    assert_found(text, "...the old man and the sea…", "the old man and the sea");
    assert_found(text, "old man and the,", "old man and the");
    assert_not_found(text, "the old man ... the sea");
    assert_not_found(text, "the old man, and the sea");
}

static void refuses_what_is_not_there(void **state)
{
    (void)state;
    const char *text = "The four black cats sat down together on the mat.\n";
    assert_not_found(text, "the four black cats sat"); /* case */
    assert_not_found(text, "four black cats");         /* too short */
    assert_not_found(text, "The four black cat");      /* half a word */
    assert_not_found(text, "our black cats sat");      /* likewise */
    assert_not_found(text, "four black dogs sat down");
    assert_not_found("", "four words are needed here");
    assert_not_found(text, "");
    assert_not_found(text, "\xFF\xFE broken bytes are no quote");
    assert_found("a our black cats our black cats sat", "our black cats sat", "our black cats sat");
}

/* Hundreds of quotes on a whole section: a slow search shows as a timeout. */
static void finds_hundreds_of_quotes(void **state)
{
    (void)state;
    char text[6001];
    for (size_t i = 0; i < 6000; i++)
        text[i] = i % 7 == 6 ? ' ' : (char)('a' + (i * i / 3) % 26);
    text[6000] = '\0';
    struct error error = {0};
    size_t begin, end;
    for (size_t i = 0; i < 500; i++) {
        size_t from = 7 * (i % 700), size = 6 + 7 * (3 + i % 20);
        assert_true(quote_find(&begin, &end, text, 6000, text + from, size, &error));
        assert_int_equal(end - begin, size);
        assert_memory_equal(text + begin, text + from, size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scans_quotation_marks),     cmocka_unit_test(leaves_what_is_no_quote),
        cmocka_unit_test(scans_quoted_lines),        cmocka_unit_test(finds_exact_words),
        cmocka_unit_test(folds_what_is_typography),  cmocka_unit_test(forgives_marks_at_the_ends),
        cmocka_unit_test(refuses_what_is_not_there), cmocka_unit_test(finds_hundreds_of_quotes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
