/* The table of actions, and what a configuration makes of its keys. */
#include "ui/keymap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BINDINGS_MOST 64

/* A configuration of these lines, each "action = keys"; the first is line 1. */
static struct keymap *make(const char *const *lines, struct error *error)
{
    struct configuration_binding bindings[BINDINGS_MOST];
    struct configuration configuration = {.path = (char[]){"config"}, .bindings = bindings};
    for (; lines[configuration.binding_count]; configuration.binding_count++) {
        const char *line = lines[configuration.binding_count];
        struct configuration_binding *binding = &bindings[configuration.binding_count];
        const char *equals = strstr(line, " =");
        assert_non_null(equals);
        assert_true(configuration.binding_count < BINDINGS_MOST);
        binding->action = strndup(line, (size_t)(equals - line));
        binding->keys = strdup(equals + 2 + (equals[2] == ' '));
        binding->line = (int)configuration.binding_count + 1;
    }
    struct keymap *keymap = keymap_new(&configuration, error);
    for (size_t i = 0; i < configuration.binding_count; i++) {
        free(bindings[i].action);
        free(bindings[i].keys);
    }
    return keymap;
}

#define LINES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_LINES ((const char *const[]){NULL})

static struct keymap *good(const char *const *lines)
{
    struct error error = {0};
    struct keymap *keymap = make(lines, &error);
    if (!keymap)
        fail_msg("refused: %s", error.text);
    return keymap;
}

/* Refused as wrong usage, in one line that says each of these. */
static void assert_refused(const char *const *lines, const char *const *texts)
{
    struct error error = {0};
    struct keymap *keymap = make(lines, &error);
    if (keymap)
        fail_msg("\"%s\" is not refused", lines[0]);
    assert_int_equal(error.kind, ERROR_USAGE);
    assert_null(strchr(error.text, '\n'));
    for (; *texts; texts++)
        if (!strstr(error.text, *texts))
            fail_msg("\"%s\" does not say \"%s\"", error.text, *texts);
}

static enum keymap_answer look(const struct keymap *keymap, enum action_place place,
                               const char *keys, enum action *action)
{
    uint32_t strokes[STROKE_SEQUENCE];
    size_t count;
    *action = ACTION_NONE;
    assert_true(stroke_parse(strokes, &count, keys, strlen(keys)));
    return keymap_look(keymap, place, strokes, count, action);
}

/* ACTION_NONE: it leads nowhere. */
static void assert_leads(const struct keymap *keymap, enum action_place place, const char *keys,
                         enum action expected)
{
    enum action action;
    enum keymap_answer answer = look(keymap, place, keys, &action);
    if (answer != (expected ? KEYMAP_ACTION : KEYMAP_NOTHING) || action != expected)
        fail_msg("%s in place %u: answer %u, action %s instead of %s", keys, place, answer,
                 action ? action_table[action].name : "none",
                 expected ? action_table[expected].name : "none");
}

static void assert_keys(const struct keymap *keymap, enum action action, const char *keys)
{
    struct buffer names = {0};
    struct error error = {0};
    assert_true(buffer_append(&names, "", 0, &error));
    assert_true(keymap_keys(keymap, action, &names, &error));
    assert_string_equal(names.data, keys);
    buffer_free(&names);
}

static const enum action_place places[] = {ACTION_LIBRARY, ACTION_OUTLINE, ACTION_TEXT,
                                           ACTION_ANSWERS, ACTION_LIST};

enum { PLACES = sizeof places / sizeof places[0] };

/* --- the table ------------------------------------------------------------------------ */

static void test_table_is_sound(void **state)
{
    (void)state;
    assert_null(action_table[ACTION_NONE].name);
    assert_non_null(action_table[ACTION_NONE + 1].group);
    for (int i = ACTION_NONE + 1; i < ACTION_COUNT; i++) {
        const struct action_entry *entry = &action_table[i];
        assert_non_null(entry->name);
        assert_true(*entry->name);
        assert_int_equal(strspn(entry->name, "abcdefghijklmnopqrstuvwxyz-"), strlen(entry->name));
        assert_non_null(entry->keys);
        assert_true(entry->places != 0 && (entry->places & ~(unsigned)ACTION_EVERYWHERE) == 0);
        assert_int_equal(entry->argument == ACTION_CHOICE, entry->choices != NULL);
        assert_true(!entry->group || *entry->group);
        size_t size = strlen(entry->help), quotes = 0;
        assert_true(size > 1 && entry->help[size - 1] != '.');
        assert_false(entry->help[0] >= 'A' && entry->help[0] <= 'Z');
        for (size_t j = 0; j < size; j++) {
            assert_in_range(entry->help[j], ' ', '~');
            quotes += entry->help[j] == '`';
        }
        assert_int_equal(quotes % 2, 0);
        for (int j = i + 1; j < ACTION_COUNT; j++)
            assert_string_not_equal(entry->name, action_table[j].name);
    }
}

/* A name is found whole even where it begins another's. */
static void test_names_are_found(void **state)
{
    (void)state;
    for (int i = ACTION_NONE + 1; i < ACTION_COUNT; i++) {
        const char *name = action_table[i].name;
        assert_int_equal(action_named(name, strlen(name)), i);
    }
    assert_int_equal(action_named("qui", 3), ACTION_QUIT);
    assert_int_equal(action_named("note!", 4), ACTION_NOTE);
    assert_int_equal(action_named("s", 1), ACTION_NONE); /* of several */
    assert_int_equal(action_named("", 0), ACTION_NONE);
    assert_int_equal(action_named("xyzzy", 5), ACTION_NONE);
    assert_int_equal(action_named("quits", 5), ACTION_NONE);
}

struct sequence {
    uint32_t strokes[STROKE_SEQUENCE];
    size_t count;
    enum action action;
};

/* In no place a sequence is another, or the beginning of one. */
static void test_table_has_no_clash(void **state)
{
    (void)state;
    struct sequence sequences[256];
    size_t count = 0;
    for (int i = ACTION_NONE + 1; i < ACTION_COUNT; i++)
        for (const char *keys = action_table[i].keys; *keys;) {
            size_t size = strcspn(keys, " ");
            struct sequence *sequence = &sequences[count++];
            assert_true(count < sizeof sequences / sizeof sequences[0]);
            sequence->action = (enum action)i;
            if (!stroke_parse(sequence->strokes, &sequence->count, keys, size))
                fail_msg("%s: \"%s\" is not understood", action_table[i].name, keys);
            keys += size + strspn(keys + size, " ");
        }
    for (size_t i = 0; i < count; i++)
        for (size_t j = i + 1; j < count; j++) {
            const struct sequence *a = &sequences[i], *b = &sequences[j];
            size_t shorter = a->count < b->count ? a->count : b->count;
            if ((action_table[a->action].places & action_table[b->action].places) &&
                memcmp(a->strokes, b->strokes, shorter * sizeof *a->strokes) == 0)
                fail_msg("%s and %s have keys that begin alike", action_table[a->action].name,
                         action_table[b->action].name);
        }
}

/* Each key leads to its action where that can be done, and to nothing of it elsewhere. */
static void test_keys_of_the_table(void **state)
{
    (void)state;
    struct keymap *keymap = good(NO_LINES);
    for (int i = ACTION_NONE + 1; i < ACTION_COUNT; i++) {
        assert_keys(keymap, (enum action)i, action_table[i].keys);
        for (const char *keys = action_table[i].keys; *keys;) {
            char key[32];
            size_t size = strcspn(keys, " ");
            snprintf(key, sizeof key, "%.*s", (int)size, keys);
            for (size_t j = 0; j < PLACES; j++) {
                enum action action;
                enum keymap_answer answer = look(keymap, places[j], key, &action);
                bool here = (action_table[i].places & places[j]) != 0;
                assert_int_equal(answer == KEYMAP_ACTION && action == (enum action)i, here);
            }
            keys += size + strspn(keys + size, " ");
        }
    }
    keymap_free(keymap);
}

static void test_sequences_begin(void **state)
{
    (void)state;
    struct keymap *keymap = good(NO_LINES);
    enum action action;
    assert_int_equal(look(keymap, ACTION_TEXT, "g", &action), KEYMAP_BEGUN);
    assert_int_equal(look(keymap, ACTION_LIBRARY, "g", &action), KEYMAP_BEGUN); /* gg */
    assert_leads(keymap, ACTION_TEXT, "gg", ACTION_TOP);
    assert_leads(keymap, ACTION_TEXT, "gs", ACTION_SUM_DOCUMENT);
    assert_leads(keymap, ACTION_LIBRARY, "gs", ACTION_NONE);
    assert_leads(keymap, ACTION_TEXT, "gz", ACTION_NONE);
    assert_leads(keymap, ACTION_TEXT, "ggg", ACTION_NONE);
    assert_leads(keymap, ACTION_TEXT, "<F12>", ACTION_NONE);
    assert_leads(keymap, ACTION_TEXT, "<A-g>", ACTION_NONE);
    keymap_free(keymap);
}

/* --- the configuration ---------------------------------------------------------------- */

static void test_lines_replace_keys(void **state)
{
    (void)state;
    struct keymap *keymap = good(LINES("ask = <F2> ga", "down =", "quit = <C-q>"));
    assert_leads(keymap, ACTION_TEXT, "<F2>", ACTION_ASK);
    assert_leads(keymap, ACTION_TEXT, "ga", ACTION_ASK);
    assert_leads(keymap, ACTION_TEXT, "a", ACTION_NONE);
    assert_leads(keymap, ACTION_TEXT, "j", ACTION_NONE);
    assert_leads(keymap, ACTION_LIST, "Q", ACTION_NONE);
    assert_leads(keymap, ACTION_LIST, "<C-q>", ACTION_QUIT);
    assert_leads(keymap, ACTION_TEXT, "k", ACTION_UP);
    assert_keys(keymap, ACTION_ASK, "<F2> ga");
    assert_keys(keymap, ACTION_DOWN, "");
    keymap_free(keymap);
}

static void test_keys_are_taken_where_they_serve(void **state)
{
    (void)state;
    /* `remove` has D in the library, answers and lists; `select` is of the text. */
    struct keymap *keymap = good(LINES("select = D"));
    assert_leads(keymap, ACTION_TEXT, "D", ACTION_SELECT);
    assert_leads(keymap, ACTION_LIBRARY, "D", ACTION_REMOVE);
    assert_keys(keymap, ACTION_REMOVE, "D <Delete>");
    keymap_free(keymap);
    keymap = good(LINES("questions = D"));
    assert_leads(keymap, ACTION_ANSWERS, "D", ACTION_QUESTIONS);
    assert_leads(keymap, ACTION_LIST, "D", ACTION_REMOVE);
    keymap_free(keymap);
    keymap = good(LINES("help = D"));
    for (size_t i = 0; i < PLACES; i++)
        assert_leads(keymap, places[i], "D", ACTION_HELP);
    assert_keys(keymap, ACTION_REMOVE, "<Delete>");
    keymap_free(keymap);
}

static void test_keys_can_be_exchanged(void **state)
{
    (void)state;
    struct keymap *keymap = good(LINES("down = k", "up = j"));
    assert_leads(keymap, ACTION_TEXT, "k", ACTION_DOWN);
    assert_leads(keymap, ACTION_TEXT, "j", ACTION_UP);
    keymap_free(keymap);
    /* Keys that begin alike are no clash once the table's are out of the way. */
    keymap = good(LINES("ask = jj", "down = <Down>"));
    assert_leads(keymap, ACTION_TEXT, "jj", ACTION_ASK);
    keymap_free(keymap);
    /* One key twice, in places apart or for the same action. */
    keymap = good(LINES("select = X X", "undo = X"));
    assert_leads(keymap, ACTION_TEXT, "X", ACTION_SELECT);
    assert_leads(keymap, ACTION_LIBRARY, "X", ACTION_UNDO);
    assert_keys(keymap, ACTION_SELECT, "X");
    keymap_free(keymap);
}

static void test_bad_lines_are_refused(void **state)
{
    (void)state;
    assert_refused(LINES("down = j", "xyzzy = a"), LINES("config, line 2", "\"xyzzy\""));
    assert_refused(LINES("summ = a"), LINES("line 1", "\"summ\"")); /* no abbreviations */
    assert_refused(LINES(" = a"), LINES("line 1"));
    assert_refused(LINES("ask = b", "ask = c"), LINES("line 2", "ask", "line 1"));
    assert_refused(LINES("ask = <F13>"), LINES("line 1", "\"<F13>\""));
    assert_refused(LINES("ask = a b <Nope> c"), LINES("\"<Nope>\""));
    assert_refused(LINES("ask = abcde"), LINES("\"abcde\""));
    assert_refused(LINES("ask = \xC3"), LINES("line 1"));
    assert_refused(LINES("ask = \x1b[31m"), LINES("line 1"));
}

static void test_clashes_are_refused(void **state)
{
    (void)state;
    assert_refused(LINES("ask = X", "note = <F2> X"),
                   LINES("line 2", "X", "ask", "note", "line 1"));
    assert_refused(LINES("ask = X", "note = Xa"), LINES("line 2", "Xa", "ask", "line 1"));
    assert_refused(LINES("ask = Xa", "note = X"), LINES("line 2", "Xa", "begin alike"));
    assert_refused(LINES("ask = X Xa"), LINES("line 1", "X", "Xa"));
    assert_refused(LINES("ask = g"), LINES("line 1", "gg", "top"));
    assert_refused(LINES("ask = jk"), LINES("line 1", "j", "down"));
    struct keymap *keymap = good(LINES("select = X", "undo = Xa")); /* never in one place */
    assert_leads(keymap, ACTION_LIBRARY, "Xa", ACTION_UNDO);
    keymap_free(keymap);
}

static void test_long_lines(void **state)
{
    (void)state;
    char line[4096] = "ask =";
    size_t used = strlen(line);
    for (unsigned i = 0; i < 400; i++)
        used += (size_t)snprintf(line + used, sizeof line - used, " %s%c%c", i % 2 ? "\t" : "",
                                 0x41 + i / 26, 0x61 + i % 26);
    struct error error = {0};
    struct keymap *keymap = make(LINES(line, "quit =", "bottom =", "hits ="), &error);
    /* "Aa" begins with the A of ask-here, and so on: refused, whatever their number. */
    assert_null(keymap);
    assert_int_equal(error.kind, ERROR_USAGE);
    char name[2048];
    memset(name, 'x', sizeof name);
    memcpy(name + sizeof name - 5, " = a", 5);
    assert_refused(LINES(name), LINES("line 1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_sound),
        cmocka_unit_test(test_names_are_found),
        cmocka_unit_test(test_table_has_no_clash),
        cmocka_unit_test(test_keys_of_the_table),
        cmocka_unit_test(test_sequences_begin),
        cmocka_unit_test(test_lines_replace_keys),
        cmocka_unit_test(test_keys_are_taken_where_they_serve),
        cmocka_unit_test(test_keys_can_be_exchanged),
        cmocka_unit_test(test_bad_lines_are_refused),
        cmocka_unit_test(test_clashes_are_refused),
        cmocka_unit_test(test_long_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
