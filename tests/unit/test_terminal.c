/* Tests of ui/terminal on a pseudo-terminal: keys in, bytes out, and the screen given back on
 * every way out. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/terminal_fixture.h"

static void expect_given_back(struct session *session)
{
    size_t size = session->output.size, tail = size > 100 ? size - 100 : 0;
    assert_true(has(&session->output, tail, "\x1B[?1049l")); /* rmcup */
    assert_true(has(&session->output, tail, "\x1B[?25h"));   /* cnorm, its end */
    assert_true(has(&session->output, tail, "\x1B[?2004l"));
    assert_true(has(&session->output, tail, "\x1B[?1000l"));
    assert_true(has(&session->output, tail, "\x1B[?2026l"));
    /* The palette is nobody's to reset. */
    assert_false(has(&session->output, 0, "\x1B]"));
}

static int set_environment(void **state)
{
    (void)state;
    setenv("TERM", "xterm-256color", 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    unsetenv("COLORTERM");
    unsetenv("NO_COLOR");
    unsetenv("DISPLAY");
    unsetenv("WAYLAND_DISPLAY");
    unsetenv("TERMINFO");
    return 0;
}

/* --- keys -------------------------------------------------------------------------------- */

static void keys_come_as_strokes(void **state)
{
    (void)state;
    struct session session;
    open_session(&session, NOTHING);
    feed(&session, "j");
    await_line(&session, "key 6A");
    feed(&session, "\x1B");
    await_line(&session, "key 1B"); /* after a while, without another key */
    feed(&session, "\x1Bx\x1B[A\x1BOB\xC3");
    await_line(&session, "key 1000078\nkey 110000\nkey 110001");
    feed(&session, "\xA9\x03\x1A\r");
    await_line(&session, "key E9\nkey 3\nkey 1A\nkey D");
    feed(&session, "\x1B[200~some\x1B[2");
    usleep(60000);
    feed(&session, "00~q");
    usleep(60000);
    feed(&session, "text\x1B[20");
    usleep(60000);
    feed(&session, "1~");
    await_line(&session, "paste 15 some\x1B[200~qtext");
    feed(&session, "M\x1B[<0;5;6M");
    await_line(&session, "click 4 5");
    feed(&session, "q");
    finish(&session);
    assert_int_equal(session.exit_code, 0);
    assert_true(has(&session.output, 0, "\x1B[?1000h\x1B[?1006h"));
    expect_given_back(&session);
    free_session(&session);
}

static void the_size_is_followed(void **state)
{
    (void)state;
    struct session session;
    open_session(&session, NOTHING);
    struct winsize size = {.ws_row = 5, .ws_col = 20};
    ioctl(session.master, TIOCSWINSZ, &size);
    await_line(&session, "resize 20 5");
    size = (struct winsize){.ws_row = 60, .ws_col = 200};
    ioctl(session.master, TIOCSWINSZ, &size);
    await_line(&session, "resize 200 60");
    feed(&session, "dq");
    finish(&session);
    assert_true(has(&session.output, 0, "\x1B[60;195H"));
    free_session(&session);
}

/* --- what is written --------------------------------------------------------------------- */

static void output_is_what_changed(void **state)
{
    (void)state;
    struct session session;
    open_session(&session, NOTHING);
    feed(&session, "d");
    await_line(&session, "drawn");
    await(&session, &session.output, 0, "right");
    assert_true(has(&session.output, 0, "\x1B[?1049h"));
    assert_true(has(&session.output, 0, "\x1B[?2004h"));
    assert_true(has(&session.output, 0, "\x1B[?2026h"));
    assert_true(has(&session.output, 0, "38;5;"));
    while (session.output.size < 6 ||
           memcmp(session.output.data + session.output.size - 8, "\x1B[?2026l", 8) != 0)
        assert_true(pump(&session, 1000));
    size_t before = session.output.size;
    feed(&session, "d");
    await_line(&session, "drawn");
    pump(&session, 50);
    assert_int_equal(session.output.size, before);
    feed(&session, "e");
    await(&session, &session.output, before, "second");
    await(&session, &session.output, before, "[31m\xEF\xBF\xBD<U+009B>");
    assert_false(has(&session.output, before, "right"));
    assert_false(has(&session.output, 0, "\x1B[31m"));
    feed(&session, "q");
    finish(&session);
    expect_given_back(&session);
    free_session(&session);
}

/* Everything that is written for one drawing on such a terminal. */
static void output_on(struct session *session, const char *term)
{
    setenv("TERM", term, 1);
    open_session(session, NOTHING);
    feed(session, "dq");
    finish(session);
    assert_int_equal(session->exit_code, 0);
    assert_true(has(&session->output, 0, "first"));
    assert_false(has(&session->output, 0, "\x1B]4"));
    assert_false(has(&session->output, 0, "\x1B]104"));
}

static void colours_are_those_of_the_terminal(void **state)
{
    (void)state;
    struct session session;
    output_on(&session, "xterm");
    assert_true(has(&session.output, 0, "\x1B[36m") || has(&session.output, 0, ";36m"));
    assert_false(has(&session.output, 0, "38;5;"));
    free_session(&session);
    output_on(&session, "vt100");
    assert_false(has(&session.output, 0, "\x1B[?2026h"));
    assert_false(has(&session.output, 0, "36m"));
    assert_true(has(&session.output, session.output.size - 60, "\r\n"));
    free_session(&session);
    setenv("NO_COLOR", "1", 1);
    output_on(&session, "xterm-256color");
    assert_false(has(&session.output, 0, "38;5;"));
    free_session(&session);
}

static void true_colours_are_used_where_they_are(void **state)
{
    (void)state;
    char folder[] = "/tmp/tidemark-terminfo-XXXXXX", command[1000];
    assert_non_null(mkdtemp(folder));
    snprintf(command, sizeof(command),
             "printf '%%s\\n' 'xterm-direct|all colours,' '\tRGB, colors#0x1000000, "
             "pairs#0x7fff,' '\tsetaf=\\E[%%%%?%%%%p1%%%%{8}%%%%<%%%%t3%%%%p1%%%%d%%%%e38\\:2\\:\\:"
             "%%%%p1%%%%{65536}%%%%/%%%%d\\:%%%%p1%%%%{256}%%%%/%%%%{255}%%%%&%%%%d\\:"
             "%%%%p1%%%%{255}%%%%&%%%%d%%%%;m,' '\tsetab=\\E[48m, use=xterm-256color,' "
             "| sed 's/%%%%/%%/g' > %s/source && tic -x -o %s %s/source 2>%s/log",
             folder, folder, folder, folder);
    if (system(command) == 0) {
        struct session session;
        setenv("TERMINFO", folder, 1);
        setenv("COLORTERM", "truecolor", 1);
        output_on(&session, "xterm-256color");
        assert_true(has(&session.output, 0, "38:2::142:193:232")); /* dark's heading */
        free_session(&session);
        unsetenv("TERMINFO");
        output_on(&session, "xterm-256color");
        assert_true(has(&session.output, 0, "38;2;142;193;232") ||
                    has(&session.output, 0, "38:2:"));
        free_session(&session);
    } else {
        print_message("no tic: nothing is tested\n");
    }
    snprintf(command, sizeof(command), "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

/* --- ways out ---------------------------------------------------------------------------- */

static void every_way_out_gives_the_screen_back(void **state)
{
    (void)state;
    static const struct {
        const char *keys;
        int signal, exit_code;
    } ways[] = {{"dq", 0, 0},
                {"dX", 0, 7},
                {"dS", 0, 128 + SIGSEGV},
                {"dF", 0, 128 + SIGSEGV},
                {"dA", 0, 128 + SIGABRT},
                {"d", SIGTERM, 0},
                {"d", SIGHUP, 0},
                {"d", SIGINT, 0},
                {"d", SIGBUS, 128 + SIGBUS},
                {"d", SIGQUIT, 128 + SIGQUIT}};
    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
        struct session session;
        open_session(&session, NOTHING);
        feed(&session, ways[i].keys);
        await(&session, &session.lines, 0, "drawn\n");
        if (ways[i].signal)
            kill(session.reader, ways[i].signal);
        finish(&session);
        if (session.exit_code != ways[i].exit_code)
            fail_msg("way %zu: exit code %d", i, session.exit_code);
        assert_true(has(&session.lines, 0, "left cooked\n"));
        expect_given_back(&session);
        free_session(&session);
    }
}

static void a_fault_is_handed_on(void **state)
{
    (void)state;
    struct session session;
    open_session(&session, CHAIN);
    feed(&session, "F");
    await_line(&session, "chained with its place");
    finish(&session);
    assert_int_equal(session.exit_code, 42);
    expect_given_back(&session);
    free_session(&session);
}

static void a_closed_terminal_is_a_hangup(void **state)
{
    (void)state;
    struct session session;
    open_session(&session, NO_HANGUP);
    /* Nobody tells it by a signal: it must see it itself. */
    close(session.master);
    session.master = -1;
    await_line(&session, "hangup");
    finish(&session);
    assert_int_equal(session.exit_code, 0);
    free_session(&session);
}

static void stopping_gives_the_screen_back(void **state)
{
    (void)state;
    struct session session;
    char line[100];
    open_session(&session, NOTHING);
    snprintf(line, sizeof(line), "stopped by %d, cooked", SIGTSTP);
    feed(&session, "dZ");
    await_line(&session, line);
    await_line(&session, "back");
    assert_true(has(&session.output, 0, "\x1B[?1049l"));
    size_t before = session.output.size;
    feed(&session, "d");
    await(&session, &session.output, before, "first"); /* all of it, anew */
    kill(session.reader, SIGTSTP);
    await_line(&session, line);
    await_line(&session, "suspended");
    kill(session.reader, SIGSTOP);
    snprintf(line, sizeof(line), "stopped by %d, raw\n", SIGSTOP);
    await(&session, &session.lines, 0, line);
    await_line(&session, "suspended");
    feed(&session, "q");
    finish(&session);
    expect_given_back(&session);
    free_session(&session);
}

static void a_child_has_the_terminal_to_itself(void **state)
{
    (void)state;
    struct session session;
    open_session(&session, NOTHING);
    feed(&session, "dL");
    await_line(&session, "away 0");
    size_t before = session.output.size;
    feed(&session, "d");
    await(&session, &session.output, before, "first");
    feed(&session, "q");
    finish(&session);
    assert_int_equal(session.exit_code, 0);
    expect_given_back(&session);
    free_session(&session);
}

/* --- the clipboard ----------------------------------------------------------------------- */

static void write_program(const char *folder, const char *name, const char *text)
{
    char path[200];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "#!/bin/sh\n%s\n", text);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0700), 0);
}

static void copies_are_sent(void **state)
{
    (void)state;
    struct session session;
    char folder[] = "/tmp/tidemark-copy-XXXXXX", path[400], text[400], command[200];
    assert_non_null(mkdtemp(folder));
    char *path_before = strdup(getenv("PATH"));
    assert_non_null(path_before);
    snprintf(path, sizeof(path), "%s:%s", folder, path_before);
    setenv("PATH", path, 1);

    open_session(&session, NOTHING);
    feed(&session, "C");
    await_line(&session, "copied to the terminal's clipboard (OSC 52)\n"
                         "copied to the terminal's clipboard (OSC 52)\nerror 3\nsoon");
    assert_true(has(&session.output, 0, "\x1B]52;c;c29tZSB0ZXh0\a"));
    feed(&session, "q");
    finish(&session);
    free_session(&session);

    setenv("WAYLAND_DISPLAY", "wayland-0", 1);
    setenv("DISPLAY", ":0", 1);
    snprintf(text, sizeof(text), "head -c 9 > %s/got; cat > %s/rest", folder, folder);
    write_program(folder, "wl-copy", text);
    open_session(&session, NOTHING);
    feed(&session, "C");
    await(&session, &session.lines, 0, "soon\n");
    assert_true(has(&session.lines, 0, "(OSC 52) and wl-copy\n"));
    feed(&session, "q");
    finish(&session);
    free_session(&session);
    snprintf(path, sizeof(path), "%s/got", folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    fclose(file);

    /* One that does not read, one that fails; neither holds anybody up. */
    write_program(folder, "wl-copy", "sleep 3");
    write_program(folder, "xclip", "exit 1");
    open_session(&session, NOTHING);
    feed(&session, "C");
    await(&session, &session.lines, 0, "soon\n");
    assert_true(has(&session.lines, 0, "copied to the terminal's clipboard (OSC 52)\nerror 3"));
    feed(&session, "q");
    finish(&session);
    free_session(&session);

    setenv("TERM", "linux", 1);
    unsetenv("WAYLAND_DISPLAY");
    open_session(&session, NOTHING);
    feed(&session, "C");
    await(&session, &session.lines, 0, "soon\n");
    assert_true(has(&session.lines, 0, "not copied: nothing takes a copy here"));
    feed(&session, "q");
    finish(&session);
    assert_false(has(&session.output, 0, "]52"));
    free_session(&session);

    setenv("PATH", path_before, 1);
    free(path_before);
    snprintf(command, sizeof(command), "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

/* --- what cannot be opened --------------------------------------------------------------- */

static void terminals_that_cannot_do_it_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *term, *told;
    } cases[] = {{"no-such-terminal", "not open: 2 the terminal \"no-such-terminal\""},
                 {"", "not open: 2 TERM is not set"},
                 {"dumb", "not open: 2 the terminal \"dumb\""}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct session session;
        setenv("TERM", cases[i].term, 1);
        start(&session, NOTHING);
        await(&session, &session.lines, 0, cases[i].told);
        finish(&session);
        assert_int_equal(session.exit_code, 9);
        assert_int_equal(session.output.size, 0);
        free_session(&session);
    }
}

static void a_file_is_no_terminal(void **state)
{
    (void)state;
    struct error error = {0};
    struct terminal_options options = {.theme = theme_named("mono")};
    int before = dup(STDIN_FILENO), nothing = open("/dev/null", O_RDONLY);
    assert_true(before >= 0 && nothing >= 0);
    dup2(nothing, STDIN_FILENO);
    bool opened = terminal_open(&options, &error);
    dup2(before, STDIN_FILENO);
    close(before);
    close(nothing);
    assert_false(opened);
    assert_int_equal(error.kind, ERROR_USAGE);
    terminal_close();
}

/* --- scripts ----------------------------------------------------------------------------- */

static void a_script_needs_no_terminal(void **state)
{
    (void)state;
    struct error error = {0};
    struct terminal_options options = {
        .theme = theme_named("mono"), .script = true, .lines = 10, .columns = 40};
    struct sigaction before[32], after;
    for (int number = 1; number < 32; number++)
        sigaction(number, NULL, &before[number]);
    setenv("TERM", "no-such-terminal", 1);
    for (int round = 0; round < 3; round++) {
        assert_true(terminal_open(&options, &error));
        assert_int_equal(terminal_descriptor(), -1);
        assert_int_equal(terminal_patience(), -1);
        struct terminal_input fed = {.stroke = STROKE_PASTE}, input = {0};
        assert_true(buffer_append_text(&fed.paste, "pasted", &error));
        assert_true(terminal_feed(&fed, &error));
        assert_true(terminal_feed(&fed, &error));
        assert_true(terminal_feed(&(struct terminal_input){.stroke = 'j'}, &error));
        for (int i = 0; i < 2; i++) {
            assert_true(terminal_next(&input));
            assert_int_equal(input.stroke, STROKE_PASTE);
            assert_string_equal(input.paste.data, "pasted");
        }
        assert_true(terminal_next(&input));
        assert_int_equal(input.stroke, 'j');
        assert_false(terminal_next(&input));
        assert_true(terminal_feed(&fed, &error)); /* never taken */
        struct buffer how = {0};
        assert_true(terminal_copy("text", 4, &how, &error));
        assert_string_equal(how.data, "the terminal's clipboard (OSC 52)");
        buffer_free(&how);
        terminal_bell();
        terminal_leave();
        terminal_enter();
        terminal_stop();
        terminal_show(true);
        terminal_input_free(&fed);
        terminal_input_free(&input);
        terminal_close();
        terminal_close();
    }
    for (int number = 1; number < 32; number++)
        if (sigaction(number, NULL, &after) == 0 && after.sa_handler != before[number].sa_handler)
            fail_msg("signal %d is handled by another", number);
}

#define TEST(name) cmocka_unit_test_setup(name, set_environment)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keys_come_as_strokes),
        TEST(the_size_is_followed),
        TEST(output_is_what_changed),
        TEST(colours_are_those_of_the_terminal),
        TEST(true_colours_are_used_where_they_are),
        TEST(every_way_out_gives_the_screen_back),
        TEST(a_fault_is_handed_on),
        TEST(a_closed_terminal_is_a_hangup),
        TEST(stopping_gives_the_screen_back),
        TEST(a_child_has_the_terminal_to_itself),
        TEST(copies_are_sent),
        TEST(terminals_that_cannot_do_it_are_refused),
        TEST(a_file_is_no_terminal),
        TEST(a_script_needs_no_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
