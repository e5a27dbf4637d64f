/* The configuration file: what it may hold, and where it is wrong. */
#include "app/work/configuration.h"

#include "tests/unit/work_fixture.h"

struct place {
    char folder[64];
    char path[WORK_PATH_SIZE];
};

static int set_up(void **state)
{
    static struct place place;
    char folder[80];
    snprintf(place.folder, sizeof place.folder, "/tmp/test_configuration.XXXXXX");
    if (!mkdtemp(place.folder) || setenv("XDG_CONFIG_HOME", place.folder, 1) != 0)
        return -1;
    snprintf(folder, sizeof folder, "%s/tidemark", place.folder);
    snprintf(place.path, sizeof place.path, "%s/tidemark/config", place.folder);
    *state = &place;
    return mkdir(folder, 0700);
}

static int tear_down(void **state)
{
    struct place *place = *state;
    return nftw(place->folder, work_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct configuration parse(struct place *place, const char *text)
{
    struct configuration configuration;
    struct error error = {0};
    work_write(place->path, text, strlen(text));
    if (!configuration_read(&configuration, &error))
        fail_msg("%s\n%s", text, error.text);
    return configuration;
}

static void assert_refused(struct place *place, const char *text, const char *part)
{
    struct configuration configuration;
    struct error error = {0};
    work_write(place->path, text, strlen(text));
    assert_false(configuration_read(&configuration, &error));
    assert_int_equal(error.kind, ERROR_USAGE);
    if (!strstr(error.text, part) || !strstr(error.text, place->path))
        fail_msg("%s\n\"%s\" does not hold \"%s\"", text, error.text, part);
}

static void test_none(void **state)
{
    struct place *place = *state;
    struct configuration configuration;
    struct error error = {0};
    assert_true(configuration_read(&configuration, &error));
    assert_null(configuration.path);
    assert_int_equal(configuration.budget, -1);
    assert_int_equal(configuration.mouse, -1);
    assert_int_equal(configuration.theme.size, 0);
    assert_int_equal(configuration.binding_count, 0);
    configuration_free(&configuration);
    configuration = parse(place, "");
    assert_string_equal(configuration.path, place->path);
    configuration_free(&configuration);
}

static void test_everything(void **state)
{
    struct configuration configuration = parse(*state, "budget = 2G\n"
                                                       "# a comment\n"
                                                       "[reader]\n"
                                                       "theme = light ; the bright one\n"
                                                       "mouse = no\n"
                                                       "[keys]\n"
                                                       "ask = a <F2>\n"
                                                       "\n"
                                                       "; another\n"
                                                       "quit =\n"
                                                       "next-match = ; n\t\r\n"
                                                       "command=:\n"
                                                       "search = / =\n"
                                                       "[tidemark]\n"
                                                       "model = small.gguf\n");
    assert_int_equal(configuration.budget, (int64_t)2 << 30);
    assert_string_equal(configuration.model.data, "small.gguf");
    assert_string_equal(configuration.theme.data, "light");
    assert_int_equal(configuration.mouse, 0);
    const struct configuration_binding expected[] = {
        {(char[]){"ask"}, (char[]){"a <F2>"}, 7},      {(char[]){"quit"}, (char[]){""}, 10},
        {(char[]){"next-match"}, (char[]){"; n"}, 11}, {(char[]){"command"}, (char[]){":"}, 12},
        {(char[]){"search"}, (char[]){"/ ="}, 13},
    };
    assert_int_equal(configuration.binding_count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(configuration.bindings[i].action, expected[i].action);
        assert_string_equal(configuration.bindings[i].keys, expected[i].keys);
        assert_int_equal(configuration.bindings[i].line, expected[i].line);
    }
    configuration_free(&configuration);
    configuration = parse(*state, "[reader]\nmouse = yes\n");
    assert_int_equal(configuration.mouse, 1);
    configuration_free(&configuration);
}

static void test_what_is_wrong(void **state)
{
    struct place *place = *state;
    char line[400];
    assert_refused(place, "[reader]\nmouse = perhaps\n", "line 2: mouse is yes or no");
    assert_refused(place, "[reader]\n\nmouse =\n", "line 3: mouse has no value");
    assert_refused(place, "[reader]\nmouse = no\nmouse = no\n", "line 3: mouse is given twice");
    assert_refused(place, "[reader]\ntheme = a\ntheme = b\n", "line 3: theme is given twice");
    assert_refused(place, "[reader]\ncolour = a\n", "line 2: unknown key \"reader.colour\"");
    assert_refused(place, "theme = dark\n", "line 1: unknown key \"theme\"");
    assert_refused(place, "[reader]\nbudget = 1G\n", "line 2: unknown key \"reader.budget\"");
    assert_refused(place, "[key]\nask = a\n", "line 2: unknown key \"key.ask\"");
    assert_refused(place, "[keys]\nask = a\n  b\n", "line 3: a line of [keys] begins");
    assert_refused(place, "[keys]\nask\n", "line 2: neither");
    assert_refused(place, "[keys\nask = a\n", "line 1: neither");
    assert_refused(place, "budget = much\n", "line 1: budget needs a size");
    memset(line, 'x', sizeof line);
    memcpy(line, "[keys]\nask = ", 13);
    line[sizeof line - 1] = '\0';
    assert_refused(place, line, "line 2: the line is too long");
    struct configuration configuration;
    struct error error = {0};
    work_write(place->path, "[keys]\nask = \0\n", 15);
    assert_false(configuration_read(&configuration, &error));
    assert_non_null(strstr(error.text, "line 2: the line holds a NUL byte"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_everything, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_wrong, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
