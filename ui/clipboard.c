#include "ui/clipboard.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE 0.2 /* seconds */
#define CHILDREN 16

extern char **environ;

/* Children that had not ended when their time was up; they are waited for later. */
static pid_t unreaped[CHILDREN];

bool clipboard_sequence(struct buffer *out, const char *text, size_t size, struct error *error)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (!buffer_append_text(out, "\x1B]52;c;", error))
        return false;
    for (size_t at = 0; at < size; at += 3) {
        unsigned group = 0;
        size_t left = size - at < 3 ? size - at : 3;
        for (size_t i = 0; i < 3; i++)
            group = group << 8 | (i < left ? (unsigned char)text[at + i] : 0u);
        char four[4];
        for (size_t i = 0; i < 4; i++)
            four[i] = i <= left ? digits[group >> (18 - 6 * i) & 63] : '=';
        if (!buffer_append(out, four, sizeof(four), error))
            return false;
    }
    return buffer_append_text(out, "\a", error);
}

/* --- the programs ------------------------------------------------------------------------ */

static void reap(void)
{
    for (int i = 0; i < CHILDREN; i++)
        if (unreaped[i] > 0 && waitpid(unreaped[i], NULL, WNOHANG) != 0)
            unreaped[i] = 0;
}

/* Without a place for it there are sixteen already that hang: it is ended. */
static void reap_later(pid_t child)
{
    for (int i = 0; i < CHILDREN; i++) {
        if (unreaped[i] == 0) {
            unreaped[i] = child;
            return;
        }
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

/* Starts a program that reads from `input`, in a session of its own: it keeps the text for
 * others to paste when the terminal is gone. */
static bool start(pid_t *child, char *const arguments[], int input)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t signals;
    if (posix_spawn_file_actions_init(&files) != 0)
        return false;
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&files);
        return false;
    }
    bool ok = posix_spawn_file_actions_adddup2(&files, input, 0) == 0 &&
              posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0) == 0 &&
              posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0) == 0;
    sigfillset(&signals);
    posix_spawnattr_setsigdefault(&attributes, &signals);
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(&attributes, &signals);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
    ok = ok && posix_spawnp(child, arguments[0], &files, &attributes, arguments, environ) == 0;
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return ok;
}

/* Writes all of the text before `deadline`. SIGPIPE is kept from this thread: the program
 * may close its end at any time. */
static bool write_before(int output, const char *text, size_t size, double deadline)
{
    sigset_t pipe_signal, before;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
    bool broken = false;
    while (size > 0 && !broken) {
        ssize_t written = write(output, text, size);
        if (written >= 0) {
            text += written;
            size -= (size_t)written;
            continue;
        }
        double left = deadline - clock_seconds();
        struct pollfd room = {.fd = output, .events = POLLOUT};
        broken = (errno != EAGAIN && errno != EINTR) || left <= 0;
        if (!broken)
            poll(&room, 1, (int)(left * 1000) + 1);
        else if (errno == EPIPE)
            sigtimedwait(&pipe_signal, NULL, &(struct timespec){0});
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return !broken;
}

/* True unless the program has failed by `deadline`; one that stays serves the text. */
static bool has_taken(pid_t child, double deadline)
{
    int status;
    for (;;) {
        pid_t ended = waitpid(child, &status, WNOHANG);
        if (ended == child)
            return WIFEXITED(status) && WEXITSTATUS(status) == 0;
        if (ended < 0 && errno != EINTR)
            return true;
        if (clock_seconds() >= deadline)
            break;
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    reap_later(child);
    return true;
}

static bool give(char *const arguments[], const char *text, size_t size, double deadline)
{
    int ends[2];
    pid_t child;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    bool started = start(&child, arguments, ends[0]);
    close(ends[0]);
    bool written = started && write_before(ends[1], text, size, deadline);
    /* Before it sees the end of its input: half a text is no use to anybody. */
    if (started && !written)
        kill(child, SIGKILL);
    close(ends[1]);
    if (!started)
        return false;
    if (!written) {
        reap_later(child);
        return false;
    }
    return has_taken(child, deadline);
}

const char *clipboard_offer(const char *text, size_t size)
{
    static char wl_copy[] = "wl-copy", xclip[] = "xclip", option[] = "-selection",
                clipboard[] = "clipboard";
    const char *wayland = getenv("WAYLAND_DISPLAY"), *display = getenv("DISPLAY");
    double deadline = clock_seconds() + PATIENCE;
    reap();
    if (wayland && *wayland != '\0' && give((char *[]){wl_copy, NULL}, text, size, deadline))
        return wl_copy;
    if (display && *display != '\0' &&
        give((char *[]){xclip, option, clipboard, NULL}, text, size, deadline))
        return xclip;
    return NULL;
}
