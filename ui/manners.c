#include "ui/manners.h"

#include "ui/terminal_private.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

static const char paste_on[] = "\x1B[?2004h", paste_off[] = "\x1B[?2004l";
static const char mouse_on[] = "\x1B[?1000h\x1B[?1006h", mouse_off[] = "\x1B[?1006l\x1B[?1000l";
static const char update_end[] = "\x1B[?2026l";

#define LAST_LINE 998 /* of any terminal: they stop at their own */

static struct {
    atomic_bool taken;
    pid_t owner; /* a child that ends must not give back what is its parent's */
    struct termios before, raw;
    char leave[512], enter[512];
    size_t leave_size, enter_size;
} manners;

bool manners_send(const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = write(STDOUT_FILENO, bytes, size);
        if (written >= 0) {
            bytes += written;
            size -= (size_t)written;
            continue;
        }
        struct pollfd room = {.fd = STDOUT_FILENO, .events = POLLOUT};
        if (errno == EAGAIN && poll(&room, 1, 1000) == 0)
            return false;
        if (errno != EAGAIN && errno != EINTR)
            return false;
    }
    return true;
}

bool manners_known(const char *name)
{
    int status;
    bool known = setupterm(name, STDOUT_FILENO, &status) == OK;
    if (known)
        del_curterm(set_curterm(NULL));
    return known;
}

void manners_capability(char *out, size_t *size, size_t capacity, const char *text)
{
    if (!text || text == (const char *)-1)
        return;
    while (*text != '\0' && *size + 1 < capacity) {
        const char *end = strncmp(text, "$<", 2) == 0 ? strchr(text, '>') : NULL;
        if (end)
            text = end + 1;
        else
            out[(*size)++] = *text++;
    }
    out[*size] = '\0';
}

static void compose_strings(bool synchronized)
{
    char *leave = manners.leave, *enter = manners.enter;
    size_t room = sizeof(manners.leave), leaving = 0, entering = 0;
    const char *back = tigetstr("rmcup");
    if (synchronized)
        manners_capability(leave, &leaving, room, update_end);
    manners_capability(leave, &leaving, room, tigetstr("sgr0"));
    manners_capability(leave, &leaving, room, tigetstr("op"));
    manners_capability(leave, &leaving, room, mouse_off);
    manners_capability(leave, &leaving, room, paste_off);
    if (back && back != (const char *)-1) {
        manners_capability(leave, &leaving, room, back);
    } else {
        /* No second screen: go on below what is there. */
        manners_capability(leave, &leaving, room, tiparm(tigetstr("cup"), LAST_LINE, 0));
        manners_capability(leave, &leaving, room, "\r\n");
    }
    manners_capability(leave, &leaving, room, tigetstr("cnorm"));
    manners_capability(enter, &entering, room, tigetstr("smcup"));
    manners_capability(enter, &entering, room, paste_on);
    manners.leave_size = leaving;
    manners.enter_size = entering;
}

/* Every key comes as it is, nothing is echoed, and nothing is done to what is written. */
static void compose_settings(void)
{
    struct termios *raw = &manners.raw;
    *raw = manners.before;
    raw->c_iflag &=
        ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON | IXOFF);
    raw->c_oflag &= ~(tcflag_t)OPOST;
    raw->c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    raw->c_cc[VMIN] = 1;
    raw->c_cc[VTIME] = 0;
}

bool manners_open(bool synchronized, unsigned char *erase, struct error *error)
{
    static bool registered;
    if (tcgetattr(STDIN_FILENO, &manners.before) != 0)
        return error_set(error, ERROR_SYSTEM, "asking for the terminal's settings: %s",
                         strerror(errno));
    if (!registered && atexit(manners_give_back) != 0)
        return error_out_of_memory(error);
    registered = true;
    manners.owner = getpid();
    compose_settings();
    compose_strings(synchronized);
    *erase = manners.before.c_cc[VERASE];
    return true;
}

bool manners_taken(void)
{
    return atomic_load(&manners.taken);
}

void manners_mouse(bool on)
{
    manners_send(on ? mouse_on : mouse_off, strlen(on ? mouse_on : mouse_off));
}

void manners_take(bool mouse)
{
    tcsetattr(STDIN_FILENO, TCSANOW, &manners.raw);
    atomic_store(&manners.taken, true);
    manners_send(manners.enter, manners.enter_size);
    if (mouse)
        manners_mouse(true);
}

void manners_give_back(void)
{
    if (getpid() != manners.owner || !atomic_exchange(&manners.taken, false))
        return;
    int saved = errno;
    sigset_t output, before;
    /* In the background, too, rather than being stopped in the midst of it. */
    sigemptyset(&output);
    sigaddset(&output, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &output, &before);
    manners_send(manners.leave, manners.leave_size);
    tcsetattr(STDIN_FILENO, TCSANOW, &manners.before);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = saved;
}
