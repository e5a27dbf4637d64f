#include "ui/terminal.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "ui/clipboard.h"
#include "ui/keyboard.h"
#include "ui/manners.h"
#include "ui/palette.h"
#include "ui/signals.h"
#include "ui/terminal_private.h"

#include <assert.h>
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE_MOST 1000 /* lines and columns that are used of a screen */
#define COPY_MOST 100000
#define READ_SIZE 4096

static const char sync_begin[] = "\x1B[?2026h", sync_end[] = "\x1B[?2026l";
/* ncurses is a screen in memory here: what it would send to the terminal goes to a file
 * without a name, `frames`, and from there in one piece. It never touches the terminal's
 * settings, and the terminal is taken and given back by strings of ours (manners.h). So
 * there is one way back, and a signal handler can take it. */
static struct {
    bool open, script, unicode, mouse, synchronized;
    int lines, columns;
    SCREEN *screen;
    FILE *frames, *nothing;
    struct buffer frame;

    int cursor_line, cursor_column;
    bool cursor_seen;
    bool redraw;

    int descriptor; /* epoll, over standard input and the signals */
    bool hung_up, hangup_told;
    unsigned events; /* enum signals_event, not told yet */
    struct keyboard keyboard;
    double last_byte; /* when it came */

    struct terminal_input *fed; /* in a script */
    size_t fed_count, fed_capacity, fed_at;
} terminal;

/* --- writing ----------------------------------------------------------------------------- */

/* Takes what ncurses has written since the last time. */
static bool take_frame(struct error *error)
{
    struct buffer *frame = &terminal.frame;
    int file = fileno(terminal.frames);
    off_t size = lseek(file, 0, SEEK_CUR);
    buffer_clear(frame);
    if (size > 0 && !terminal.script) {
        if (!buffer_reserve(frame, (size_t)size, error))
            return false;
        ssize_t got = pread(file, frame->data, (size_t)size, 0);
        frame->size = got > 0 ? (size_t)got : 0;
        frame->data[frame->size] = '\0';
    }
    if (ftruncate(file, 0) != 0 || lseek(file, 0, SEEK_SET) != 0)
        return error_set(error, ERROR_SYSTEM, "drawing the screen: %s", strerror(errno));
    return true;
}

static bool has_capability(const char *name)
{
    const char *text = tigetstr(name);
    return text && text != (const char *)-1;
}

/* --- entering and leaving ---------------------------------------------------------------- */

static void take(void)
{
    manners_take(terminal.mouse);
    terminal.cursor_seen = true;
    terminal.redraw = true;
    /* The size may have changed meanwhile. */
    terminal.events |= SIGNALS_SIZE;
}

void terminal_leave(void)
{
    if (!terminal.open || terminal.script)
        return;
    manners_give_back();
    signals_away(true);
}

void terminal_enter(void)
{
    if (!terminal.open || terminal.script)
        return;
    signals_away(false);
    take();
}

static void stop(bool group)
{
    manners_give_back();
    signals_stop(group);
    take();
}

void terminal_stop(void)
{
    if (terminal.open && !terminal.script)
        stop(true);
}

/* --- the screen -------------------------------------------------------------------------- */

static bool unicode_locale(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* NULL where the terminal is not known. ncurses catches signals when nobody else does;
 * nobody's are these while it starts. */
static SCREEN *start_ncurses(const char *name)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGTSTP, SIGWINCH};
    struct sigaction before[4], ignore = {.sa_handler = SIG_IGN};
    if (!manners_known(name))
        return NULL;
    for (int i = 0; i < 4; i++)
        sigaction(numbers[i], &ignore, &before[i]);
    SCREEN *screen = newterm(name, terminal.frames, terminal.nothing);
    for (int i = 0; i < 4; i++)
        sigaction(numbers[i], &before[i], NULL);
    return screen;
}

/* The description of the same terminal with all colours. */
static SCREEN *start_with_true_colours(const char *name)
{
    const char *claim = getenv("COLORTERM");
    char direct[128];
    static const char many[] = "-256color";
    size_t size = strlen(name), cut = sizeof(many) - 1;
    if (!claim || (strcmp(claim, "truecolor") != 0 && strcmp(claim, "24bit") != 0))
        return NULL;
    if (size > cut && strcmp(name + size - cut, many) == 0)
        size -= cut;
    if (size + sizeof("-direct") > sizeof(direct))
        return NULL;
    memcpy(direct, name, size);
    memcpy(direct + size, "-direct", sizeof("-direct"));
    return start_ncurses(direct);
}

static SCREEN *start_for_script(void)
{
    static const char *const names[] = {"xterm-256color", "ansi", "vt100", "dumb"};
    SCREEN *screen = NULL;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names) && !screen; i++)
        screen = start_ncurses(names[i]);
    return screen;
}

static bool begins_with_any(const char *name, const char *const beginnings[])
{
    for (size_t i = 0; beginnings[i]; i++)
        if (strncmp(name, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    return false;
}

static bool open_files(struct error *error)
{
    int file = memfd_create("tidemark-screen", MFD_CLOEXEC);
    if (file >= 0 && !(terminal.frames = fdopen(file, "w")))
        close(file);
    terminal.nothing = fopen("/dev/null", "re");
    if (!terminal.frames || !terminal.nothing)
        return error_set(error, ERROR_SYSTEM, "preparing the screen: %s", strerror(errno));
    return true;
}

static bool open_screen(struct error *error)
{
    static const char *const synchronized[] = {"xterm",     "tmux",    "foot", "kitty",
                                               "alacritty", "wezterm", NULL};
    const char *name = getenv("TERM");
    if (!open_files(error))
        return false;
    if (terminal.script) {
        terminal.screen = start_for_script();
    } else if (!name || *name == '\0') {
        return error_set(error, ERROR_USAGE,
                         "TERM is not set: say what the terminal is, as in TERM=xterm");
    } else {
        terminal.screen = start_with_true_colours(name);
        if (!terminal.screen)
            terminal.screen = start_ncurses(name);
        terminal.synchronized = begins_with_any(name, synchronized);
    }
    if (!terminal.screen)
        return error_set(error, ERROR_USAGE,
                         "the terminal \"%s\" (TERM) is not known here: try TERM=xterm",
                         name ? name : "");
    if (!terminal.script && !has_capability("cup"))
        return error_set(error, ERROR_USAGE,
                         "the terminal \"%s\" (TERM) cannot place its cursor: the reader "
                         "needs another, the commands do not",
                         name);
    return true;
}

static void set_size(int lines, int columns)
{
    terminal.lines = lines < 1 ? 1 : lines > SIZE_MOST ? SIZE_MOST : lines;
    terminal.columns = columns < 1 ? 1 : columns > SIZE_MOST ? SIZE_MOST : columns;
    resize_term(terminal.lines, terminal.columns);
    terminal.redraw = true;
}

/* Asks the terminal; terminfo's size where it does not tell. True when it is another. */
static bool follow_size(void)
{
    struct winsize size = {0};
    int lines = terminal.lines, columns = terminal.columns;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0) {
        lines = size.ws_row;
        columns = size.ws_col;
    }
    int before_lines = terminal.lines, before_columns = terminal.columns;
    if (lines != before_lines || columns != before_columns)
        set_size(lines, columns);
    return terminal.lines != before_lines || terminal.columns != before_columns;
}

static bool watch(struct error *error)
{
    struct epoll_event readable = {.events = EPOLLIN};
    terminal.descriptor = epoll_create1(EPOLL_CLOEXEC);
    if (terminal.descriptor < 0 ||
        epoll_ctl(terminal.descriptor, EPOLL_CTL_ADD, STDIN_FILENO, &readable) != 0 ||
        epoll_ctl(terminal.descriptor, EPOLL_CTL_ADD, signals_descriptor(), &readable) != 0)
        return error_set(error, ERROR_SYSTEM, "watching the terminal: %s", strerror(errno));
    return true;
}

/* Everything that a script does without. */
static bool open_manners(struct error *error)
{
    unsigned char erase;
    if (!manners_open(terminal.synchronized, &erase, error))
        return false;
    terminal.keyboard.erase = erase == 8 ? 8 : 0;
    if (!signals_begin(manners_give_back, error) || !watch(error))
        return false;
    take();
    follow_size();
    return true;
}

bool terminal_open(const struct terminal_options *options, struct error *error)
{
    assert(!terminal.open);
    memset(&terminal, 0, sizeof(terminal));
    terminal.script = options->script;
    terminal.mouse = options->mouse;
    terminal.descriptor = -1;
    terminal.cursor_line = -1;
    setlocale(LC_CTYPE, "");
    terminal.unicode = unicode_locale();
    if (!options->script && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)))
        return error_set(error, ERROR_USAGE,
                         "the reader needs a terminal for input and output; the commands do "
                         "not (tidemark --help)");
    terminal.open = true;
    if (!open_screen(error)) {
        terminal_close();
        return false;
    }
    nonl();
    typeahead(-1);
    idcok(stdscr, FALSE);
    palette_open(terminal.script);
    palette_set(options->theme);
    set_size(options->script ? options->lines : LINES, options->script ? options->columns : COLS);
    if (!take_frame(error) || (!options->script && !open_manners(error))) {
        terminal_close();
        return false;
    }
    return true;
}

static void free_fed(void)
{
    for (size_t i = terminal.fed_at; i < terminal.fed_count; i++)
        terminal_input_free(&terminal.fed[i]);
    free(terminal.fed);
}

void terminal_close(void)
{
    if (!terminal.open)
        return;
    if (!terminal.script) {
        manners_give_back();
        signals_end();
    }
    if (terminal.descriptor >= 0)
        close(terminal.descriptor);
    if (terminal.screen)
        delscreen(terminal.screen);
    if (terminal.frames)
        fclose(terminal.frames);
    if (terminal.nothing)
        fclose(terminal.nothing);
    buffer_free(&terminal.frame);
    keyboard_free(&terminal.keyboard);
    free_fed();
    memset(&terminal, 0, sizeof(terminal));
}

bool terminal_unicode(void)
{
    return terminal.unicode;
}

void terminal_size(int *lines, int *columns)
{
    *lines = terminal.lines;
    *columns = terminal.columns;
}

/* --- showing ----------------------------------------------------------------------------- */

void terminal_cursor(int line, int column)
{
    terminal.cursor_line = line;
    terminal.cursor_column = column;
}

/* What ncurses wrote, and the cursor shown or hidden, in one piece. */
static void send_frame(bool seen)
{
    char tail[128];
    size_t size = 0;
    struct error error;
    struct buffer piece = {0};
    if (seen != terminal.cursor_seen)
        manners_capability(tail, &size, sizeof(tail), tigetstr(seen ? "cnorm" : "civis"));
    terminal.cursor_seen = seen;
    if (terminal.frame.size == 0 && size == 0)
        return;
    bool ok = !terminal.synchronized || buffer_append_text(&piece, sync_begin, &error);
    ok = ok && palette_translate(&piece, terminal.frame.data, terminal.frame.size, &error) &&
         buffer_append(&piece, tail, size, &error) &&
         (!terminal.synchronized || buffer_append_text(&piece, sync_end, &error));
    /* What did not arrive whole is drawn anew the next time. */
    if (!ok || !manners_send(piece.data, piece.size))
        terminal.redraw = true;
    buffer_free(&piece);
}

void terminal_show(bool redraw)
{
    assert(terminal.open);
    struct error error;
    if (!terminal.script && !manners_taken()) {
        terminal.redraw = true;
        return;
    }
    if (redraw || terminal.redraw)
        clearok(curscr, TRUE);
    terminal.redraw = false;
    bool seen = terminal.cursor_line >= 0 && terminal.cursor_line < terminal.lines &&
                terminal.cursor_column >= 0 && terminal.cursor_column < terminal.columns;
    if (seen)
        wmove(stdscr, terminal.cursor_line, terminal.cursor_column);
    wnoutrefresh(stdscr);
    doupdate();
    if (!take_frame(&error))
        terminal.redraw = true;
    else if (!terminal.script)
        send_frame(seen);
}

void terminal_set_mouse(bool on)
{
    terminal.mouse = on;
    if (!terminal.script && manners_taken())
        manners_mouse(on);
}

void terminal_set_theme(const struct theme *theme)
{
    palette_set(theme);
}

void terminal_bell(void)
{
    if (!terminal.script && manners_taken())
        manners_send("\a", 1);
}

bool terminal_copy(const char *text, size_t size, struct buffer *how, struct error *error)
{
    static const char *const without[] = {"linux", "vt", "cons", "dumb", "ansi", NULL};
    const char *name = getenv("TERM");
    if (size > COPY_MOST)
        return error_set(error, ERROR_INPUT,
                         "%zu bytes are too many for a clipboard (at most %d): choose a shorter "
                         "passage",
                         size, COPY_MOST);
    buffer_clear(how);
    bool asks = terminal.script || !begins_with_any(name ? name : "", without);
    if (asks && !terminal.script) {
        struct buffer sequence = {0};
        bool ok = clipboard_sequence(&sequence, text, size, error);
        if (ok && !manners_send(sequence.data, sequence.size))
            ok = error_set(error, ERROR_SYSTEM, "sending to the clipboard: %s", strerror(errno));
        buffer_free(&sequence);
        if (!ok)
            return false;
    }
    const char *program = terminal.script ? NULL : clipboard_offer(text, size);
    if (!asks && !program)
        return error_set(error, ERROR_NOT_FOUND,
                         "nothing takes a copy here: the terminal \"%s\" has no clipboard, and "
                         "neither wl-copy nor xclip can be used",
                         name ? name : "");
    return buffer_append_format(how, error, "%s%s%s",
                                asks ? "the terminal's clipboard (OSC 52)" : "",
                                asks && program ? " and " : "", program ? program : "");
}

/* --- strokes ----------------------------------------------------------------------------- */

int terminal_descriptor(void)
{
    return terminal.descriptor;
}

int terminal_patience(void)
{
    if (!terminal.open || terminal.script)
        return -1;
    double patience = keyboard_patience(&terminal.keyboard);
    if (terminal.events != 0)
        return 0;
    if (patience < 0)
        return -1;
    double left = terminal.last_byte + patience - clock_seconds();
    return left <= 0 ? 0 : (int)(left * 1000) + 1;
}

/* Reads what is there. False when nothing is. */
static bool read_input(void)
{
    char bytes[READ_SIZE];
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    struct error error;
    if (terminal.hung_up || poll(&input, 1, 0) <= 0)
        return false;
    ssize_t got = read(STDIN_FILENO, bytes, sizeof(bytes));
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return false;
    if (got <= 0) {
        /* Nobody is there any more. It would stay readable for ever. */
        terminal.hung_up = true;
        epoll_ctl(terminal.descriptor, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
        return false;
    }
    terminal.last_byte = clock_seconds();
    return keyboard_take(&terminal.keyboard, bytes, (size_t)got, &error);
}

/* What signals have said, one thing at a time. */
static bool next_event(uint32_t *stroke)
{
    terminal.events |= signals_take();
    if (terminal.events & SIGNALS_END) {
        terminal.events &= ~(unsigned)SIGNALS_END;
        *stroke = STROKE_HANGUP;
        return true;
    }
    if (terminal.events & (SIGNALS_STOP | SIGNALS_GO_ON)) {
        bool asked = terminal.events & SIGNALS_STOP;
        terminal.events &= ~(unsigned)(SIGNALS_STOP | SIGNALS_GO_ON);
        if (asked)
            stop(false);
        else
            take();
        *stroke = STROKE_SUSPEND;
        return true;
    }
    if (terminal.events & SIGNALS_SIZE) {
        terminal.events &= ~(unsigned)SIGNALS_SIZE;
        *stroke = STROKE_RESIZE;
        return follow_size();
    }
    return false;
}

/* Hands on what was fed; the buffers change places. */
static bool next_fed(struct terminal_input *input)
{
    if (terminal.events & SIGNALS_SIZE) {
        terminal.events &= ~(unsigned)SIGNALS_SIZE;
        input->stroke = STROKE_RESIZE;
        return true;
    }
    if (terminal.fed_at == terminal.fed_count) {
        terminal.fed_at = terminal.fed_count = 0;
        return false;
    }
    struct terminal_input *fed = &terminal.fed[terminal.fed_at++];
    struct buffer emptied = input->paste;
    *input = *fed;
    buffer_free(&emptied);
    return true;
}

bool terminal_next(struct terminal_input *input)
{
    assert(terminal.open);
    if (terminal.script)
        return next_fed(input);
    /* What is typed now is for the child. */
    if (!manners_taken())
        return false;
    if (next_event(&input->stroke))
        return true;
    /* Before reading: bytes that come while this thread waits for its turn are not late. */
    double now = clock_seconds();
    for (;;) {
        if (keyboard_next(&terminal.keyboard, false, input))
            return true;
        if (!read_input())
            break;
    }
    double patience = keyboard_patience(&terminal.keyboard);
    bool late = terminal.hung_up || now >= terminal.last_byte + patience;
    if (patience >= 0 && late && keyboard_next(&terminal.keyboard, true, input))
        return true;
    if (terminal.hung_up && !terminal.hangup_told) {
        terminal.hangup_told = true;
        input->stroke = STROKE_HANGUP;
        return true;
    }
    return false;
}

void terminal_input_free(struct terminal_input *input)
{
    buffer_free(&input->paste);
}

bool terminal_feed(const struct terminal_input *input, struct error *error)
{
    assert(terminal.script);
    if (terminal.fed_count == terminal.fed_capacity) {
        size_t capacity = terminal.fed_capacity == 0 ? 64 : 2 * terminal.fed_capacity;
        struct terminal_input *fed = realloc(terminal.fed, capacity * sizeof(*fed));
        if (!fed)
            return error_out_of_memory(error);
        terminal.fed = fed;
        terminal.fed_capacity = capacity;
    }
    struct terminal_input copy = *input;
    copy.paste = (struct buffer){0};
    size_t size = input->paste.size < KEYBOARD_PASTE_MOST ? input->paste.size : KEYBOARD_PASTE_MOST;
    copy.cut = input->cut || size < input->paste.size;
    if (size > 0 && !buffer_append(&copy.paste, input->paste.data, size, error)) {
        buffer_free(&copy.paste);
        return false;
    }
    terminal.fed[terminal.fed_count++] = copy;
    return true;
}

void terminal_resize(int lines, int columns)
{
    assert(terminal.script);
    set_size(lines, columns);
    terminal.events |= SIGNALS_SIZE;
}
