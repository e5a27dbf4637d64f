/* Tests of ui/script: what a line does, and what is no line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ui/canvas.h"
#include "ui/script.h"
#include "ui/terminal.h"

static char folder[] = "/tmp/tidemark-script-XXXXXX";
static char script_path[100], screen_path[100];

static void write_script(const char *text, size_t size)
{
    FILE *file = fopen(script_path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static struct script *open_script(const char *text)
{
    struct error error = {0};
    write_script(text, strlen(text));
    struct script *script = script_new(script_path, &error);
    if (!script)
        fail_msg("%s", error.text);
    return script;
}

static void expect_step(struct script *script, enum script_step expected)
{
    struct error error = {0};
    enum script_step step;
    if (!script_next(script, &step, &error))
        fail_msg("%s", error.text);
    assert_int_equal(step, expected);
}

static void expect_strokes(const uint32_t *strokes, size_t count)
{
    struct terminal_input input = {0};
    for (size_t i = 0; i < count; i++) {
        assert_true(terminal_next(&input));
        assert_int_equal(input.stroke, strokes[i]);
    }
    assert_false(terminal_next(&input));
    terminal_input_free(&input);
}

static int open_terminal(void **state)
{
    (void)state;
    struct error error = {0};
    struct terminal_options options = {
        .theme = theme_named("mono"), .script = true, .lines = 24, .columns = 80};
    setenv("LC_ALL", "C.UTF-8", 1);
    return terminal_open(&options, &error) ? 0 : -1;
}

static int close_terminal(void **state)
{
    (void)state;
    terminal_close();
    unlink(script_path);
    unlink(screen_path);
    return 0;
}

static void lines_are_done_in_order(void **state)
{
    (void)state;
    struct script *script = open_script("# a script\n\n"
                                        "size 20 5\n"
                                        "keys jj<Enter><C-d>gg<lt>\n"
                                        "  \n"
                                        "type é q<x>\n"
                                        "wait\n"
                                        "wait reading\n"
                                        "click 3 4\n"
                                        "wheel up 5 6\n"
                                        "wheel down 0 0");
    int lines, columns;
    expect_step(script, SCRIPT_FED);
    terminal_size(&lines, &columns);
    assert_int_equal(lines, 5);
    assert_int_equal(columns, 20);
    expect_strokes((uint32_t[]){STROKE_RESIZE}, 1);
    expect_step(script, SCRIPT_FED);
    expect_strokes((uint32_t[]){'j', 'j', STROKE_ENTER, STROKE_CTRL('d'), 'g', 'g', '<'}, 7);
    expect_step(script, SCRIPT_FED);
    expect_strokes((uint32_t[]){0xE9, ' ', 'q', '<', 'x', '>'}, 6);
    expect_step(script, SCRIPT_WAIT);
    expect_step(script, SCRIPT_WAIT_READING);
    struct terminal_input input = {0};
    static const struct {
        uint32_t stroke;
        int column, line;
    } places[] = {{STROKE_CLICK, 3, 4}, {STROKE_WHEEL_UP, 5, 6}, {STROKE_WHEEL_DOWN, 0, 0}};
    for (size_t i = 0; i < 3; i++) {
        expect_step(script, SCRIPT_FED);
        assert_true(terminal_next(&input));
        assert_int_equal(input.stroke, places[i].stroke);
        assert_int_equal(input.column, places[i].column);
        assert_int_equal(input.line, places[i].line);
    }
    expect_step(script, SCRIPT_END);
    expect_step(script, SCRIPT_END);
    script_free(script);
}

static void a_paste_is_one_stroke(void **state)
{
    (void)state;
    struct script *script = open_script("paste  two <C-c> \xFF\x1B[201~\n");
    struct terminal_input input = {0};
    expect_step(script, SCRIPT_FED);
    assert_true(terminal_next(&input));
    assert_int_equal(input.stroke, STROKE_PASTE);
    assert_string_equal(input.paste.data, " two <C-c> \xFF\x1B[201~");
    assert_false(terminal_next(&input));
    terminal_input_free(&input);
    script_free(script);
}

static void a_screen_is_saved_for_its_owner_alone(void **state)
{
    (void)state;
    char text[200], saved[200] = "";
    snprintf(text, sizeof(text), "size 10 2\nscreen %s\n", screen_path);
    FILE *before = fopen(screen_path, "w");
    assert_non_null(before);
    fputs("something that is much longer than the screen that is saved", before);
    fclose(before);
    assert_int_equal(chmod(screen_path, 0666), 0);
    struct script *script = open_script(text);
    expect_step(script, SCRIPT_FED);
    canvas_label((struct canvas_area){0, 0, 2, 10}, 0, 1, "字 bold", THEME_HEADING);
    terminal_show(false);
    expect_step(script, SCRIPT_SAVED);
    expect_step(script, SCRIPT_END);
    script_free(script);
    FILE *file = fopen(screen_path, "r");
    assert_non_null(file);
    assert_true(fread(saved, 1, sizeof(saved) - 1, file) > 0);
    fclose(file);
    assert_string_equal(saved, " 字 bold\n\n--\n bbbbbbb\n");
    struct stat status;
    assert_int_equal(stat(screen_path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

static void a_screen_that_cannot_be_saved_is_an_error(void **state)
{
    (void)state;
    struct error error = {0};
    enum script_step step;
    struct script *script = open_script("screen /nowhere/at/all\nscreen /tmp\nwait");
    for (int i = 0; i < 2; i++) {
        assert_false(script_next(script, &step, &error));
        assert_int_equal(error.kind, ERROR_INPUT);
    }
    script_free(script);
}

static void what_is_no_line_is_named(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "size",       "size 80",        "size 80 0", "size 80 24 1",   "size 99999999999999 1",
        "size 8x 24", "size -1 4",      "keys",      "keys <Nothing>", "type",
        "type \xFF",  "paste",          "click",     "click 1",        "click 1 2 3",
        "wheel",      "wheel left 1 1", "wheel up",  "wait here",      "screen",
        "screens x",  "Size 80 24",     " keys j",   "keysj",          "quit",
        "wait\r"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        struct error error = {0};
        char text[200], place[200];
        snprintf(text, sizeof(text), "keys j\n# x\n%s\nkeys k\n", lines[i]);
        snprintf(place, sizeof(place), "%s:3: ", script_path);
        write_script(text, strlen(text));
        struct script *script = script_new(script_path, &error);
        if (script)
            fail_msg("\"%s\" is taken for a line", lines[i]);
        assert_int_equal(error.kind, ERROR_USAGE);
        assert_memory_equal(error.text, place, strlen(place));
        expect_strokes(NULL, 0);
    }
    struct error error = {0};
    write_script("keys j\0k\n", 9);
    assert_null(script_new(script_path, &error));
    assert_int_equal(error.kind, ERROR_USAGE);
}

static void what_cannot_be_read_is_an_error(void **state)
{
    (void)state;
    struct error error = {0};
    assert_null(script_new("/nowhere/at/all", &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_null(script_new(folder, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    size_t size = (1 << 20) + 10;
    char *large = malloc(size);
    assert_non_null(large);
    memset(large, '#', size);
    write_script(large, size);
    free(large);
    assert_null(script_new(script_path, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    script_free(NULL);
}

static void an_empty_script_ends(void **state)
{
    (void)state;
    struct script *script = open_script("");
    expect_step(script, SCRIPT_END);
    script_free(script);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_terminal, close_terminal)

int main(void)
{
    if (!mkdtemp(folder))
        return 1;
    snprintf(script_path, sizeof(script_path), "%s/script", folder);
    snprintf(screen_path, sizeof(screen_path), "%s/screen", folder);
    const struct CMUnitTest tests[] = {
        TEST(lines_are_done_in_order),
        TEST(a_paste_is_one_stroke),
        TEST(a_screen_is_saved_for_its_owner_alone),
        TEST(a_screen_that_cannot_be_saved_is_an_error),
        TEST(what_is_no_line_is_named),
        TEST(what_cannot_be_read_is_an_error),
        TEST(an_empty_script_ends),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(folder);
    return failed;
}
