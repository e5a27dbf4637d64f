/* What is generated from the tables of options.h: the shells' completions and the
 * manual page. How the scripts behave in the shells is tested end to end. */
#include "app/completions.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/manual.h"
#include "app/options.h"
#include "kernels/kernels.h"
#include "ui/action.h"

#include <cmocka.h>

static const char *const shells[] = {"bash", "zsh", "fish"};

enum { SHELLS = sizeof shells / sizeof shells[0] };

static char *script_of(const char *shell)
{
    char *text;
    size_t size;
    struct error error = {0};
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    assert_true(completions_print(out, shell, &error));
    assert_int_equal(fclose(out), 0);
    return text;
}

/* As a word of its own: no letter, digit or dash beside it. */
static bool holds(const char *text, const char *word)
{
    size_t size = strlen(word);
    for (const char *at = text; (at = strstr(at, word)); at++) {
        bool begins = at == text || !(isalnum((unsigned char)at[-1]) || at[-1] == '-');
        bool ends = !(isalnum((unsigned char)at[size]) || at[size] == '-');
        if (begins && ends)
            return true;
    }
    return false;
}

static void assert_holds(const char *where, const char *text, const char *format, ...)
    PRINTF_LIKE(3, 4);

static void assert_holds(const char *where, const char *text, const char *format, ...)
{
    char word[64];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(word, sizeof word, format, arguments);
    va_end(arguments);
    if (!holds(text, word))
        fail_msg("%s lacks \"%s\"", where, word);
}

static void test_scripts_name_everything(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHELLS; i++) {
        char *script = script_of(shells[i]);
        const char *dashes = strcmp(shells[i], "fish") == 0 ? "-l " : "--";
        for (int j = 0; j < OPTIONS_COMMANDS; j++)
            assert_holds(shells[i], script, "%s", options_commands[j].name);
        for (const struct options_entry *entry = options_table; entry->name; entry++)
            assert_holds(shells[i], script, "%s%s", dashes, entry->name);
        free(script);
    }
}

static void test_unknown_shell(void **state)
{
    (void)state;
    static const char *const names[] = {"", "sh", "Bash", "bash "};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct error error = {0};
        assert_false(completions_print(stdout, names[i], &error));
        assert_int_equal(error.kind, ERROR_USAGE);
    }
}

/* What the tables say of values is true, and fit to stand in a script. */
static void test_forms(void **state)
{
    (void)state;
    for (int i = 0; i < OPTIONS_COMMANDS; i++) {
        const struct options_command_entry *entry = &options_commands[i];
        assert_int_equal(entry->first == OPTIONS_FORM_CHOICE, entry->choices != NULL);
        assert_true(entry->most > 0 || entry->first == OPTIONS_FORM_FREE);
        assert_true(entry->most > 1 || entry->rest == OPTIONS_FORM_FREE);
        assert_int_equal(strstr(entry->arguments, "FILE|DOC") != NULL,
                         entry->first == OPTIONS_FORM_EITHER);
        assert_int_equal(strncmp(entry->arguments, "DOC", 3) == 0,
                         entry->first == OPTIONS_FORM_DOCUMENT);
        assert_int_equal(strncmp(entry->arguments, "FILE", 4) == 0,
                         entry->first == OPTIONS_FORM_FILE);
    }
    for (const struct options_entry *entry = options_table; entry->name; entry++) {
        assert_int_equal(entry->form == OPTIONS_FORM_CHOICE, entry->choices != NULL);
        assert_true(entry->argument || entry->form == OPTIONS_FORM_FREE);
        if (entry->choices) /* between single quotes in every shell */
            assert_int_equal(strspn(entry->choices, "abcdefghijklmnopqrstuvwxyz0123456789_ "),
                             strlen(entry->choices));
    }
}

static void test_kernels_are_listed(void **state)
{
    (void)state;
    const struct options_entry *entry = options_table;
    while (entry->name && strcmp(entry->name, "kernels") != 0)
        entry++;
    assert_non_null(entry->name);
    for (size_t i = 0; kernels_at(i); i++) {
        assert_holds("the list of --kernels", entry->choices, "%s", kernels_at(i)->name);
        assert_holds("the help of --kernels", entry->help, "%s", kernels_at(i)->name);
    }
}

static void test_shells_are_listed(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHELLS; i++)
        assert_holds("the list of shells", options_commands[OPTIONS_COMPLETIONS].choices, "%s",
                     shells[i]);
}

/* --- the manual page ------------------------------------------------------------------ */

#define ALL_PARTS "@SYNOPSIS@\n@COMMANDS@\n@COMMON OPTIONS@\n@OPTIONS@\n@KEYS@\n"

static bool make_manual(char **text, FILE *page, struct error *error)
{
    size_t size;
    FILE *out = open_memstream(text, &size);
    assert_non_null(out);
    assert_non_null(page);
    bool ok = manual_write(out, page, error);
    assert_int_equal(fclose(out), 0);
    fclose(page);
    return ok;
}

static FILE *open_text(const char *text)
{
    return fmemopen((void *)(uintptr_t)text, strlen(text), "r");
}

static void test_manual_names_everything(void **state)
{
    (void)state;
    char *text;
    struct error error = {0};
    FILE *page = fopen(TESTS_SOURCE_DIR "/docs/tidemark.1.in", "r");
    assert_true(make_manual(&text, page, &error));
    for (int i = 0; i < OPTIONS_COMMANDS; i++) {
        assert_holds("SYNOPSIS", text, ".Nm\n.Cm %s", options_commands[i].name);
        assert_holds("the manual", text, ".It Cm %s", options_commands[i].name);
    }
    for (const struct options_entry *entry = options_table; entry->name; entry++) {
        assert_holds("the manual", text, "Fl -%s", entry->name);
        if (entry->letter)
            assert_holds("the manual", text, ".It Fl %c , Fl -%s", entry->letter, entry->name);
    }
    for (int i = ACTION_NONE + 1; i < ACTION_COUNT; i++) {
        assert_holds("KEYS", text, "Ic \\&:%s", action_table[i].name);
        if (action_table[i].group)
            assert_holds("KEYS", text, ".Ss %s\n.Bl", action_table[i].group);
    }
    assert_null(strstr(text, "\n@"));
    free(text);
}

/* A key that roff would take for something else, and one that is escaped. */
static void test_manual_writes_keys(void **state)
{
    (void)state;
    char *text;
    struct error error = {0};
    assert_true(make_manual(&text, open_text(ALL_PARTS), &error));
    assert_non_null(strstr(text, ".It Ic \\&j , Ic \\&<Down> , Ic \\&<C-n> , Ic \\&:down\n"));
    assert_non_null(strstr(text, ".It Ic \\&?\\& , Ic \\&:search-back Op Ar text\n"));
    assert_non_null(strstr(text, " Ic \\&[\\& ,"));
    assert_non_null(strstr(text, " Ic \\&\\(aq , Ic \\&\\(ga , Ic \\&:jump Op Ar letter\n"));
    assert_non_null(strstr(text, ".It Ic \\&:theme Op Cm dark | Cm light | Cm mono\n"));
    assert_non_null(strstr(text, ":undo\n"));
    assert_non_null(strstr(text, "\nIn the library.\n"));
    free(text);
}

static void test_manual_passes_the_rest(void **state)
{
    (void)state;
    char *text;
    struct error error = {0};
    static const char page[] = ".Sh \\fBfirst@\n" ALL_PARTS "last, without an end";
    assert_true(make_manual(&text, open_text(page), &error));
    assert_int_equal(strncmp(text, ".Sh \\fBfirst@\n.Nm\n", 18), 0);
    assert_string_equal(text + strlen(text) - 20, "last, without an end");
    assert_non_null(strstr(text, "\n.Ar doc Ns Oo : Ns Ar section Oc Ar question ...\n"));
    assert_non_null(strstr(text, "\n.It Cm help Oo Ar command Oc\n"));
    assert_non_null(strstr(text, "\n.It Cm open Oo Ar file | Ar doc ... Oc\n"));
    assert_non_null(strstr(text, "\n.Fl -reread\n"));
    free(text);
}

static void test_manual_refuses_other_templates(void **state)
{
    (void)state;
    static const char *const pages[] = {"text\n", ALL_PARTS "@OTHER@\n", "@SYNOPSIS@\n@COMMANDS@\n",
                                        ALL_PARTS "@SYNOPSIS@ \n"};
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        char *text;
        struct error error = {0};
        assert_false(make_manual(&text, open_text(pages[i]), &error));
        assert_int_equal(error.kind, ERROR_INPUT);
        assert_non_null(strchr(error.text, '@'));
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scripts_name_everything),
        cmocka_unit_test(test_unknown_shell),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_kernels_are_listed),
        cmocka_unit_test(test_shells_are_listed),
        cmocka_unit_test(test_manual_names_everything),
        cmocka_unit_test(test_manual_writes_keys),
        cmocka_unit_test(test_manual_passes_the_rest),
        cmocka_unit_test(test_manual_refuses_other_templates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
