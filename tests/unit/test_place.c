/* Where the library and the models are looked for. Each test has a home of its own. */
#include "app/work/place.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

#include <cmocka.h>

static char home[64];

static int set_up(void **state)
{
    (void)state;
    snprintf(home, sizeof home, "/tmp/test_place.XXXXXX");
    if (!mkdtemp(home))
        return -1;
    unsetenv("XDG_DATA_HOME");
    unsetenv("XDG_CONFIG_HOME");
    unsetenv("TIDEMARK_MODEL");
    return setenv("HOME", home, 1);
}

static int remove_one(const char *path, const struct stat *facts, int kind, struct FTW *where)
{
    (void)facts;
    (void)kind;
    (void)where;
    return remove(path);
}

static int tear_down(void **state)
{
    (void)state;
    return nftw(home, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Writes home/path, making its folders. */
static void put(const char *path, const char *text)
{
    char whole[512];
    struct error error = {0};
    snprintf(whole, sizeof whole, "%s/%s", home, path);
    *strrchr(whole, '/') = '\0';
    assert_true(file_make_folders(whole, &error));
    snprintf(whole, sizeof whole, "%s/%s", home, path);
    FILE *file = fopen(whole, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

#define MODELS ".local/share/tidemark/models/"
#define CONFIGURATION ".config/tidemark/config"

static void assert_model(const char *given, const char *below_home, enum place_source source)
{
    struct buffer path = {0};
    struct error error = {0};
    enum place_source from;
    char wanted[512];
    snprintf(wanted, sizeof wanted, "%s/%s", home, below_home);
    if (!place_model(&path, &from, given, &error))
        fail_msg("%s", error.text);
    assert_string_equal(path.data, wanted);
    assert_int_equal(from, source);
    buffer_free(&path);
}

static void assert_refused(const char *given, enum error_kind kind, const char *text)
{
    struct buffer path = {0};
    struct error error = {0};
    enum place_source from;
    assert_false(place_model(&path, &from, given, &error));
    assert_int_equal(error.kind, kind);
    if (!strstr(error.text, text))
        fail_msg("\"%s\" does not say \"%s\"", error.text, text);
    buffer_free(&path);
}

static void assert_library(const char *given, const char *wanted)
{
    struct buffer path = {0};
    struct error error = {0};
    assert_true(place_library(&path, given, &error));
    assert_string_equal(path.data, wanted);
    buffer_free(&path);
}

static void test_library(void **state)
{
    (void)state;
    char wanted[512];
    snprintf(wanted, sizeof wanted, "%s/.local/share/tidemark", home);
    assert_library(NULL, wanted);
    assert_library("some/where", "some/where");
    setenv("XDG_DATA_HOME", "relative", 1); /* the specification has it ignored */
    assert_library(NULL, wanted);
    setenv("XDG_DATA_HOME", "/data", 1);
    assert_library(NULL, "/data/tidemark");
}

static void test_order_of_places(void **state)
{
    (void)state;
    put(MODELS "b.gguf", "b");
    put(MODELS "a.gguf", "a");
    put(MODELS "0.txt", "no model");
    put(MODELS ".gguf", "no name");
    assert_model(NULL, MODELS "a.gguf", PLACE_USER);
    put("c.gguf", "c");
    put(CONFIGURATION, "; which one\nmodel = ~/c.gguf\n");
    assert_model(NULL, "c.gguf", PLACE_CONFIGURATION);
    setenv("TIDEMARK_MODEL", "b", 1);
    assert_model(NULL, MODELS "b.gguf", PLACE_ENVIRONMENT);
    assert_model("a.gguf", MODELS "a.gguf", PLACE_OPTION);
    setenv("TIDEMARK_MODEL", "", 1); /* as if it were not set */
    assert_model(NULL, "c.gguf", PLACE_CONFIGURATION);
}

static void test_bundled_model(void **state)
{
    (void)state;
    struct buffer path = {0};
    struct error error = {0};
    enum place_source from;
    if (!place_model(&path, &from, NULL, &error))
        fail_msg("%s", error.text);
    assert_int_equal(from, PLACE_BUNDLED);
    assert_non_null(strstr(path.data, TESTS_SOURCE_DIR "/models/"));
    /* By its name, too. */
    char name[256];
    snprintf(name, sizeof name, "%s", strrchr(path.data, '/') + 1);
    *strrchr(name, '.') = '\0';
    struct buffer again = {0};
    assert_true(place_model(&again, &from, name, &error));
    assert_string_equal(again.data, path.data);
    assert_int_equal(from, PLACE_OPTION);
    buffer_free(&again);
    assert_true(place_sample(&path, &error));
    assert_int_equal(access(path.data, R_OK), 0);
    buffer_free(&path);
}

static void test_named_models(void **state)
{
    (void)state;
    put(MODELS "a.gguf", "a");
    put("here/d.gguf", "d");
    char path[512];
    snprintf(path, sizeof path, "%s/here/d.gguf", home);
    assert_model(path, "here/d.gguf", PLACE_OPTION);
    assert_model("a", MODELS "a.gguf", PLACE_OPTION);
    assert_refused("nothing-of-this-name", ERROR_MODEL, "nothing-of-this-name");
    assert_refused("nothing-of-this-name", ERROR_MODEL, home); /* where it looked */
    assert_refused("no/such/file.gguf", ERROR_MODEL, "no/such/file.gguf");
    setenv("TIDEMARK_MODEL", "nothing", 1);
    assert_refused(NULL, ERROR_MODEL, "TIDEMARK_MODEL");
}

static void test_configuration(void **state)
{
    (void)state;
    put(MODELS "a.gguf", "a");
    put(".config/tidemark/beside/e.gguf", "e");
    put(CONFIGURATION, "[tidemark]\n# relative to this file\nmodel = ./beside/e.gguf\n");
    assert_model(NULL, ".config/tidemark/./beside/e.gguf", PLACE_CONFIGURATION);
    put(CONFIGURATION, "model: a\n");
    assert_model(NULL, MODELS "a.gguf", PLACE_CONFIGURATION);
    put(CONFIGURATION, "# nothing\n");
    assert_model(NULL, MODELS "a.gguf", PLACE_USER);
    put(CONFIGURATION, "model = away.gguf\n");
    assert_refused(NULL, ERROR_MODEL, "configuration file");
}

static void test_broken_configuration(void **state)
{
    (void)state;
    put(CONFIGURATION, "\nmodle = a\nmodel = b\n");
    assert_refused(NULL, ERROR_USAGE, "config, line 2: unknown key \"modle\"");
    put(CONFIGURATION, "[other]\nmodel = a\n");
    assert_refused(NULL, ERROR_USAGE, "line 2: unknown key \"other.model\"");
    put(CONFIGURATION, "model = a\n\nmodel = b\n");
    assert_refused(NULL, ERROR_USAGE, "line 3: model is given twice");
    put(CONFIGURATION, "model =\n");
    assert_refused(NULL, ERROR_USAGE, "line 1: model has no value");
    put(CONFIGURATION, "# one\nwhat is this\n");
    assert_refused(NULL, ERROR_USAGE, "line 2: ");
    char line[300] = "model = ";
    memset(line + 8, 'x', sizeof line - 10);
    line[sizeof line - 2] = '\n';
    line[sizeof line - 1] = '\0';
    put(CONFIGURATION, line);
    assert_refused(NULL, ERROR_USAGE, "line 1: the line is too long");
}

static void test_configuration_that_cannot_be_read(void **state)
{
    (void)state;
    put(CONFIGURATION "/inside", "");
    assert_refused(NULL, ERROR_USAGE, "cannot read");
    /* --model does not look at it. */
    put("f.gguf", "f");
    char path[512];
    snprintf(path, sizeof path, "%s/f.gguf", home);
    assert_model(path, "f.gguf", PLACE_OPTION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_library, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_order_of_places, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bundled_model, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_named_models, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_configuration, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_broken_configuration, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_configuration_that_cannot_be_read, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
