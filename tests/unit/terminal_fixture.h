/* terminal_fixture.h: a program on a pseudo-terminal that uses ui/terminal as the reader
 * does, and what a test says to it and hears of it. */
#ifndef TIDEMARK_TESTS_TERMINAL_FIXTURE_H
#define TIDEMARK_TESTS_TERMINAL_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "ui/canvas.h"
#include "ui/terminal.h"

#define PATIENCE 10.0 /* seconds until something that should come is missed */

/* A program in a terminal of its own: a process that does what a shell does, and below it
 * one that does what the reader does, tells every stroke, and obeys some. */
struct session {
    pid_t shell, reader;
    int master, told; /* the terminal's other end; what the two tell */
    struct buffer output, lines;
    int exit_code; /* 128 and a signal's number when it ended the reader */
};

/* --- the reader -------------------------------------------------------------------------- */

static int tell_to;

static void tell(const char *format, ...) PRINTF_LIKE(1, 2);
static void tell(const char *format, ...)
{
    char line[400];
    va_list list;
    va_start(list, format);
    int size = vsnprintf(line, sizeof(line), format, list);
    va_end(list);
    if (size > 0 && write(tell_to, line, (size_t)size) != size)
        _exit(3);
}

static void tell_stroke(const struct terminal_input *input)
{
    int lines, columns;
    terminal_size(&lines, &columns);
    if (input->stroke == STROKE_PASTE)
        tell("paste %zu %.*s\n", input->paste.size, (int)input->paste.size, input->paste.data);
    else if (input->stroke == STROKE_CLICK)
        tell("click %d %d\n", input->column, input->line);
    else if (input->stroke == STROKE_RESIZE)
        tell("resize %d %d\n", columns, lines);
    else if (input->stroke == STROKE_HANGUP)
        tell("hangup\n");
    else if (input->stroke == STROKE_SUSPEND)
        tell("suspended\n");
    else
        tell("key %X\n", (unsigned)input->stroke);
}

static void copy(void)
{
    struct buffer how = {0};
    struct error error = {0};
    double begin = clock_seconds();
    static char text[90000];
    memset(text, 'x', sizeof(text));
    if (terminal_copy("some text", 9, &how, &error))
        tell("copied to %s\n", how.data);
    else
        tell("not copied: %s\n", error.text);
    if (terminal_copy(text, sizeof(text), &how, &error))
        tell("copied to %s\n", how.data);
    if (!terminal_copy(text, 100001, &how, &error))
        tell("error %d\n", (int)error.kind);
    tell("%s\n", clock_seconds() - begin < 2 ? "soon" : "late");
    buffer_free(&how);
}

static void fault(void)
{
    char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *(volatile char *)page = 1;
}

static void draw(const char *text)
{
    int lines, columns;
    terminal_size(&lines, &columns);
    struct canvas_area all = {0, 0, lines, columns};
    canvas_label(all, 1, 2, text, THEME_HEADING);
    canvas_label(all, lines - 1, columns - 6, "right", THEME_SELECTED);
    terminal_cursor(1, 0);
    terminal_show(false);
    tell("drawn\n");
}

static void obey(uint32_t stroke)
{
    switch (stroke) {
    case 'd':
        draw("first");
        break;
    case 'e':
        draw("second \x1B[31m\xFF\xC2\x9B");
        break;
    case 'C':
        copy();
        break;
    case 'F':
        fault();
        break;
    case 'S':
        raise(SIGSEGV);
        break;
    case 'A':
        abort();
    case 'X':
        exit(7);
    case 'Z':
        terminal_stop();
        tell("back\n");
        break;
    case 'L':
        terminal_leave();
        tell("away %d\n", terminal_next(&(struct terminal_input){0}));
        raise(SIGINT);
        terminal_enter();
        break;
    case 'M':
        terminal_set_mouse(true);
        break;
    default:
        break;
    }
}

static int run_reader(void)
{
    struct error error = {0};
    struct terminal_input input = {0};
    struct terminal_options options = {.theme = theme_named("dark")};
    if (!terminal_open(&options, &error)) {
        tell("not open: %d %s\n", (int)error.kind, error.text);
        return 9;
    }
    tell("reader %d\n", (int)getpid());
    bool leaving = false;
    while (!leaving) {
        struct pollfd ready = {.fd = terminal_descriptor(), .events = POLLIN};
        poll(&ready, 1, terminal_patience());
        while (!leaving && terminal_next(&input)) {
            tell_stroke(&input);
            obey(input.stroke);
            leaving = input.stroke == 'q' || input.stroke == STROKE_HANGUP;
        }
    }
    terminal_input_free(&input);
    terminal_close();
    return 0;
}

/* --- the shell --------------------------------------------------------------------------- */

static void reset_signals(void)
{
    for (int number = 1; number < 32; number++)
        signal(number, SIG_DFL);
    /* Faults are wanted here; no files of them. */
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
}

static void chained(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    tell("chained %s\n", info->si_code > 0 && info->si_addr ? "with its place" : "");
    _exit(42);
}

enum wish { NOTHING, CHAIN, NO_HANGUP }; /* what the reader finds when it starts */

static int run_shell(const char *slave, enum wish wish)
{
    reset_signals();
    setsid();
    int terminal = open(slave, O_RDWR | O_CLOEXEC);
    ioctl(terminal, TIOCSCTTY, 0);
    signal(SIGTTOU, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    pid_t reader = fork();
    if (reader == 0) {
        setpgid(0, 0);
        tcsetpgrp(terminal, getpid());
        reset_signals();
        if (wish == NO_HANGUP)
            signal(SIGHUP, SIG_IGN);
        if (wish == CHAIN) {
            struct sigaction action = {.sa_sigaction = chained, .sa_flags = SA_SIGINFO};
            sigaction(SIGSEGV, &action, NULL);
        }
        int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(terminal, 0);
        dup2(terminal, 1);
        dup2(nothing, 2);
        exit(run_reader());
    }
    int status;
    struct termios now;
    while (waitpid(reader, &status, WUNTRACED) == reader && WIFSTOPPED(status)) {
        tcgetattr(terminal, &now);
        tell("stopped by %d, %s\n", WSTOPSIG(status), now.c_lflag & ICANON ? "cooked" : "raw");
        kill(reader, SIGCONT);
    }
    if (tcgetattr(terminal, &now) == 0)
        tell("left %s\n", now.c_lflag & ICANON && now.c_lflag & ECHO ? "cooked" : "raw");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* --- the test's side --------------------------------------------------------------------- */

/* Takes what has come from terminal and reports; false when both are at their end. */
static bool pump(struct session *session, int milliseconds)
{
    struct pollfd ready[2] = {{.fd = session->master, .events = POLLIN},
                              {.fd = session->told, .events = POLLIN}};
    struct buffer *buffers[2] = {&session->output, &session->lines};
    struct error error = {0};
    bool more = false;
    poll(ready, 2, milliseconds);
    for (int i = 0; i < 2; i++) {
        char bytes[4096];
        if (ready[i].fd < 0 || ready[i].revents == 0) {
            more = more || ready[i].fd >= 0;
            continue;
        }
        ssize_t got = read(ready[i].fd, bytes, sizeof(bytes));
        if (got > 0) {
            assert_true(buffer_append(buffers[i], bytes, (size_t)got, &error));
            more = true;
        } else if (i == 0) {
            close(session->master);
            session->master = -1;
        } else {
            close(session->told);
            session->told = -1;
        }
    }
    return more;
}

static bool has(const struct buffer *buffer, size_t from, const char *text)
{
    return buffer->size > from &&
           memmem(buffer->data + from, buffer->size - from, text, strlen(text)) != NULL;
}

static void await(struct session *session, const struct buffer *buffer, size_t from,
                  const char *text)
{
    double until = clock_seconds() + PATIENCE;
    while (!has(buffer, from, text)) {
        bool more = pump(session, 100);
        if (has(buffer, from, text))
            break;
        if (!more || clock_seconds() > until)
            fail_msg("\"%s\" did not come; told: %s", text,
                     session->lines.data ? session->lines.data : "nothing");
    }
}

/* Waits for a line, and forgets what came up to it. */
static void await_line(struct session *session, const char *line)
{
    char whole[200];
    snprintf(whole, sizeof(whole), "%s\n", line);
    struct buffer *lines = &session->lines;
    await(session, lines, 0, whole);
    char *after = strstr(lines->data, whole) + strlen(whole);
    lines->size -= (size_t)(after - lines->data);
    memmove(lines->data, after, lines->size + 1);
}

static void feed(struct session *session, const char *bytes)
{
    assert_int_equal(write(session->master, bytes, strlen(bytes)), (ssize_t)strlen(bytes));
}

static void start(struct session *session, enum wish wish)
{
    *session = (struct session){.master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)};
    assert_true(session->master >= 0);
    assert_int_equal(grantpt(session->master), 0);
    assert_int_equal(unlockpt(session->master), 0);
    char slave[200];
    assert_int_equal(ptsname_r(session->master, slave, sizeof(slave)), 0);
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    ioctl(session->master, TIOCSWINSZ, &size);
    int ends[2];
    /* Not for the programs that it starts: the end of it is waited for. */
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    session->told = ends[0];
    session->shell = fork();
    assert_true(session->shell >= 0);
    if (session->shell == 0) {
        close(session->master);
        close(ends[0]);
        tell_to = ends[1];
        _exit(run_shell(slave, wish));
    }
    close(ends[1]);
}

static void open_session(struct session *session, enum wish wish)
{
    start(session, wish);
    await(session, &session->lines, 0, "reader ");
    while (!has(&session->lines, 0, "\n"))
        pump(session, 100);
    session->reader = atoi(strstr(session->lines.data, "reader ") + 7);
    buffer_clear(&session->lines);
}

/* Waits for the end. What was output stays. */
static void finish(struct session *session)
{
    double until = clock_seconds() + PATIENCE;
    while (pump(session, 100))
        if (clock_seconds() > until)
            kill(session->reader, SIGKILL);
    int status;
    assert_int_equal(waitpid(session->shell, &status, 0), session->shell);
    assert_true(WIFEXITED(status));
    session->exit_code = WEXITSTATUS(status);
}

static void free_session(struct session *session)
{
    buffer_free(&session->output);
    buffer_free(&session->lines);
}

#endif
