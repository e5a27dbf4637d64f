/* The command line: what is taken, what is refused and by which words. */
#include "app/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WORDS_MAX 16

/* A command line of its own, since parsing reorders it. */
struct line {
    char *argv[WORDS_MAX + 2];
    int argc;
    struct options options;
    struct error error;
    bool ok;
};

static void line_make(struct line *line, const char *const *words)
{
    *line = (struct line){.argc = 1};
    line->argv[0] = strdup("tidemark");
    for (; words[line->argc - 1]; line->argc++) {
        assert_true(line->argc <= WORDS_MAX);
        line->argv[line->argc] = strdup(words[line->argc - 1]);
    }
}

static void line_parse(struct line *line, const char *const *words)
{
    line_make(line, words);
    line->ok = options_parse(&line->options, line->argc, line->argv, &line->error);
}

static void terminal_parse(struct line *line, const char *const *words)
{
    line_make(line, words);
    line->ok = options_parse_at_terminal(&line->options, line->argc, line->argv, &line->error);
}

static void line_free(struct line *line)
{
    for (int i = 0; i < line->argc; i++)
        free(line->argv[i]);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Refused as wrong usage, with this in the text. */
static void assert_refused(const char *const *words, const char *text)
{
    struct line line;
    line_parse(&line, words);
    assert_false(line.ok);
    assert_int_equal(line.error.kind, ERROR_USAGE);
    if (!strstr(line.error.text, text))
        fail_msg("\"%s\" does not say \"%s\"", line.error.text, text);
    assert_null(strchr(line.error.text, '\n'));
    line_free(&line);
}

static void test_defaults(void **state)
{
    (void)state;
    struct line line;
    line_parse(&line, WORDS("ask", "book", "why"));
    assert_true(line.ok);
    assert_int_equal(line.options.command, OPTIONS_ASK);
    assert_int_equal(line.options.threads, 0);
    assert_int_equal(line.options.lanes, 0);
    assert_int_equal(line.options.keep_every, 0);
    assert_int_equal(line.options.rounds, 3);
    assert_true(line.options.temperature == 0);
    assert_true(line.options.top_p == 1);
    assert_true(line.options.repetition_penalty == 1);
    assert_null(line.options.model);
    assert_false(line.options.json);
    line_free(&line);
}

static void test_options_stand_anywhere(void **state)
{
    (void)state;
    struct line line;
    line_parse(&line, WORDS("--json", "-m", "small", "ask", "--lanes=8", "book", "-q", "how", "far",
                            "--temperature", "0.5", "--seed", "7"));
    assert_true(line.ok);
    assert_int_equal(line.options.command, OPTIONS_ASK);
    assert_int_equal(line.options.argument_count, 3);
    assert_string_equal(line.options.arguments[0], "book");
    assert_string_equal(line.options.arguments[1], "how");
    assert_string_equal(line.options.arguments[2], "far");
    assert_null(line.options.arguments[3]);
    assert_true(line.options.json && line.options.quiet);
    assert_string_equal(line.options.model, "small");
    assert_int_equal(line.options.lanes, 8);
    assert_int_equal(line.options.seed, 7);
    assert_true(line.options.temperature == 0.5);
    line_free(&line);
}

static void test_two_dashes_end_options(void **state)
{
    (void)state;
    struct line line;
    line_parse(&line, WORDS("ask", "--json", "book", "--", "why", "--reread", "-1"));
    assert_true(line.ok);
    assert_int_equal(line.options.argument_count, 4);
    assert_string_equal(line.options.arguments[2], "--reread");
    assert_false(line.options.reread);
    line_free(&line);
    line_parse(&line, WORDS("read", "-")); /* standard input is an argument */
    assert_true(line.ok);
    assert_string_equal(line.options.arguments[0], "-");
    line_free(&line);
}

static void test_no_command(void **state)
{
    (void)state;
    struct line line;
    line_parse(&line, WORDS("--quiet"));
    assert_true(line.ok);
    assert_int_equal(line.options.command, OPTIONS_COMMANDS);
    line_free(&line);
}

/* A first word that is no command may be what is to be opened. */
static void test_open_can_be_left_out(void **state)
{
    (void)state;
    static const char file[] = TESTS_SOURCE_DIR "/tests/unit/test_options.c";
    struct line line;
    line_parse(&line, WORDS(file, "other", "--no-read"));
    assert_true(line.ok && line.options.no_read);
    assert_int_equal(line.options.command, OPTIONS_OPEN);
    assert_int_equal(line.options.argument_count, 2);
    assert_string_equal(line.options.arguments[0], file);
    line_free(&line);
    line_parse(&line, WORDS("open", file));
    assert_int_equal(line.options.command, OPTIONS_OPEN);
    assert_int_equal(line.options.argument_count, 1);
    line_free(&line);
    line_parse(&line, WORDS("--script", "keys", "reed"));
    assert_int_equal(line.options.command, OPTIONS_OPEN);
    assert_string_equal(line.options.script, "keys");
    assert_string_equal(line.options.arguments[0], "reed");
    line_free(&line);
    line_parse(&line, WORDS("--script", "keys"));
    assert_int_equal(line.options.command, OPTIONS_OPEN);
    assert_int_equal(line.options.argument_count, 0);
    line_free(&line);
    assert_refused(WORDS(file, "--json", "--lanes", "3"), "`tidemark open` has no option --lanes");
    assert_refused(WORDS(TESTS_SOURCE_DIR "/tests"), "no command"); /* a folder */
    assert_refused(WORDS("read", "--script", "keys", "a"),
                   "`tidemark read` has no option --script");
}

static void assert_terminal_refused(const char *const *words, const char *text)
{
    struct line line;
    terminal_parse(&line, words);
    assert_false(line.ok);
    assert_int_equal(line.error.kind, ERROR_USAGE);
    if (!strstr(line.error.text, text))
        fail_msg("\"%s\" does not say \"%s\"", line.error.text, text);
    line_free(&line);
}

static void test_open_at_a_terminal(void **state)
{
    (void)state;
    static const struct {
        const char *words[3];
        enum options_command command;
        size_t arguments;
    } cases[] = {
        {{NULL}, OPTIONS_OPEN, 0},         {{"--no-read"}, OPTIONS_OPEN, 0},
        {{"xyzzy"}, OPTIONS_OPEN, 1},      {{"a book", "another"}, OPTIONS_OPEN, 2},
        {{"12"}, OPTIONS_OPEN, 1},         {{"ls"}, OPTIONS_LS, 0},
        {{"--help"}, OPTIONS_COMMANDS, 0}, {{"--version"}, OPTIONS_COMMANDS, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct line line;
        terminal_parse(&line, cases[i].words);
        assert_true(line.ok);
        assert_int_equal(line.options.command, cases[i].command);
        assert_int_equal(line.options.argument_count, cases[i].arguments);
        line_free(&line);
    }
    assert_terminal_refused(WORDS("reed"), "did you mean \"read\", or `tidemark open reed`?");
    assert_terminal_refused(WORDS("--lanes", "3"), "`tidemark open` has no option --lanes");
    assert_terminal_refused(WORDS("ls", "x"), "\"x\" is too much");
}

static void test_help_needs_no_arguments(void **state)
{
    (void)state;
    struct line line;
    line_parse(&line, WORDS("ask", "--help"));
    assert_true(line.ok && line.options.help);
    assert_int_equal(line.options.command, OPTIONS_ASK);
    line_free(&line);
}

static void test_numbers_are_strict(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", " 3", "3 ", "+3", "-3", "0x3", "3.0", "3k", "1e1", "99999999999999999999", "0", "65"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_refused(WORDS("ask", "a", "b", "--lanes", bad[i]), "--lanes");
        assert_refused(WORDS("ask", "a", "b", "--lanes", bad[i]), "from 1 to 64");
    }
    static const char *const bad_real[] = {"", "nan", "inf", "-0.1", "1e999", "0x1p1", "1,5", "1 "};
    for (size_t i = 0; i < sizeof bad_real / sizeof *bad_real; i++)
        assert_refused(WORDS("ask", "a", "b", "--temperature", bad_real[i]), "--temperature");
    assert_refused(WORDS("ask", "a", "b", "--top-p", "0"), "above 0 to 1");
    assert_refused(WORDS("ask", "a", "b", "--min-p", "1.01"), "from 0 to 1");
}

static void test_ranges_include_their_ends(void **state)
{
    (void)state;
    struct line line;
    line_parse(&line, WORDS("ask", "a", "b", "--lanes", "64", "--top-p", "1", "--min-p", "0",
                            "--top-p", "1e-3"));
    assert_true(line.ok);
    assert_int_equal(line.options.lanes, 64);
    assert_true(line.options.top_p == 1e-3); /* the last one counts */
    line_free(&line);
}

static void test_sizes(void **state)
{
    (void)state;
    struct line line;
    line_parse(&line, WORDS("gc", "--budget", "1.5G"));
    assert_true(line.ok);
    assert_int_equal(line.options.budget, INT64_C(3) << 29);
    line_free(&line);
    line_parse(&line, WORDS("gc"));
    assert_int_equal(line.options.budget, -1);
    line_free(&line);
    static const char *const bad[] = {"", "-1", "G", "1X", "1 G", "9e9", "99999999999T", "nan"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_refused(WORDS("gc", "--budget", bad[i]), "a size is needed");
    assert_refused(WORDS("ls", "--budget", "1G"), "`tidemark ls` has no option --budget");
}

static void test_unknown_names_suggest(void **state)
{
    (void)state;
    assert_refused(WORDS("reed", "x"), "did you mean \"read\"");
    assert_refused(WORDS("hlep"), "did you mean \"help\"");
    assert_refused(WORDS("xyzzy"), "`tidemark help`");
    assert_refused(WORDS("ls", "--jsno"), "did you mean --json");
    assert_refused(WORDS("ask", "--raread", "a", "b"), "did you mean --reread");
    assert_refused(WORDS("read", "--nomodel=1", "a"), "did you mean --no-model");
    assert_refused(WORDS("ls", "--qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq"),
                   "no option");
    assert_refused(WORDS("ls", "-Z"), "no option -Z");
}

static void test_options_belong_to_commands(void **state)
{
    (void)state;
    assert_refused(WORDS("ls", "--reread"), "`tidemark ls` has no option --reread");
    assert_refused(WORDS("help", "--json"), "`tidemark help` has no option --json");
    assert_refused(WORDS("-m", "x", "completions", "bash"), "has no option --model");
    assert_refused(WORDS("ask", "--after", "x", "a", "b"), "from 1 to 9000000000000000 is needed");
    assert_refused(WORDS("--lanes", "3", "read", "a"), "`tidemark read` has no option --lanes");
    assert_refused(WORDS("ls", "--json=yes"), "--json takes no value");
    assert_refused(WORDS("ls", "--model"), "--model needs a FILE");
    assert_refused(WORDS("ls", "-t"), "--threads needs a N");
    assert_refused(WORDS("ls", "--library", ""), "--library needs a DIR");
}

static void test_arguments_are_counted(void **state)
{
    (void)state;
    assert_refused(WORDS("read"), "tidemark read FILE...");
    assert_refused(WORDS("ask", "book"), "tidemark ask DOC[:SECTION] QUESTION...");
    assert_refused(WORDS("ls", "book"), "\"book\" is too much");
    assert_refused(WORDS("show", "a", "b"), "\"b\" is too much");
    assert_refused(WORDS("help", "a", "b"), "\"b\" is too much");
}

/* One line of ASCII: a sentence or more, or the beginning of none. */
static void assert_sound_text(const char *text, bool sentences)
{
    size_t size = strlen(text), quotes = 0;
    assert_true(size > 1);
    for (size_t i = 0; i < size; i++) {
        assert_in_range(text[i], ' ', '~');
        quotes += text[i] == '`';
    }
    assert_int_equal(quotes % 2, 0);
    assert_int_equal(text[size - 1] == '.', sentences);
    assert_int_equal(text[0] >= 'A' && text[0] <= 'Z', sentences);
}

/* Each option is of some command, has help, and no letter or name is given twice. */
static void test_table_is_sound(void **state)
{
    (void)state;
    for (const struct options_entry *a = options_table; a->name; a++) {
        assert_true(a->commands != 0);
        assert_true(a->help && *a->help);
        assert_int_equal(a->kind == OPTIONS_FLAG, a->argument == NULL);
        assert_true(a->offset < sizeof(struct options));
        assert_true(a->kind == OPTIONS_COUNT || a->kind == OPTIONS_REAL ||
                    a->kind == OPTIONS_BYTES || (a->low == 0 && a->high == 0));
        assert_true(a->kind == OPTIONS_FLAG || a->kind == OPTIONS_STRING || a->high > a->low);
        assert_sound_text(a->help, false);
        if (a->detail)
            assert_sound_text(a->detail, true);
        for (const struct options_entry *b = a + 1; b->name; b++) {
            assert_string_not_equal(a->name, b->name);
            assert_true(a->letter == 0 || a->letter != b->letter);
        }
    }
    for (int i = 0; i < OPTIONS_COMMANDS; i++) {
        struct error error;
        assert_true(options_commands[i].least <= options_commands[i].most);
        assert_int_equal(options_find_command(options_commands[i].name, &error), i);
        assert_sound_text(options_commands[i].summary, false);
        if (*options_commands[i].detail)
            assert_sound_text(options_commands[i].detail, true);
    }
}

static void test_help_names_everything(void **state)
{
    (void)state;
    for (int i = 0; i < OPTIONS_COMMANDS; i++) {
        char *text;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        assert_non_null(out);
        options_print_help(out, (enum options_command)i);
        assert_int_equal(fclose(out), 0);
        for (const struct options_entry *entry = options_table; entry->name; entry++) {
            char form[64];
            snprintf(form, sizeof form, " --%s ", entry->name);
            bool named = strstr(text, form) != NULL;
            assert_int_equal(named, (entry->commands >> i & 1) != 0);
        }
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_options_stand_anywhere),
        cmocka_unit_test(test_two_dashes_end_options),
        cmocka_unit_test(test_no_command),
        cmocka_unit_test(test_open_can_be_left_out),
        cmocka_unit_test(test_open_at_a_terminal),
        cmocka_unit_test(test_help_needs_no_arguments),
        cmocka_unit_test(test_numbers_are_strict),
        cmocka_unit_test(test_ranges_include_their_ends),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_unknown_names_suggest),
        cmocka_unit_test(test_options_belong_to_commands),
        cmocka_unit_test(test_arguments_are_counted),
        cmocka_unit_test(test_table_is_sound),
        cmocka_unit_test(test_help_names_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
