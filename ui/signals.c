#include "ui/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const int faults[] = {SIGSEGV, SIGBUS,  SIGFPE, SIGILL,  SIGABRT,
                             SIGQUIT, SIGTRAP, SIGSYS, SIGXCPU, SIGXFSZ};
static const int notices[] = {SIGTERM, SIGHUP, SIGINT, SIGWINCH, SIGTSTP, SIGCONT};

enum { FAULTS = sizeof(faults) / sizeof(*faults), NOTICES = sizeof(notices) / sizeof(*notices) };

/* What the handlers need is lock-free. */
static atomic_uint taken_place; /* enum signals_event */
static atomic_int wake = -1;    /* end of the pipe that is written */
static atomic_bool is_away;

static int listen_at = -1;
static bool installed;
static void (*restore_terminal)(void);
static struct sigaction faults_before[FAULTS], notices_before[NOTICES];

/* A stack that has overflowed has no room for a handler. */
static char *handler_stack;
enum { HANDLER_STACK = 64 * 1024 };

/* --- handlers ---------------------------------------------------------------------------- */

static void note(unsigned event)
{
    int saved = errno;
    atomic_fetch_or(&taken_place, event);
    int pipe_end = atomic_load(&wake);
    if (pipe_end >= 0) {
        /* A full pipe is readable already. */
        ssize_t written = write(pipe_end, "", 1);
        (void)written;
    }
    errno = saved;
}

static void handle_notice(int number)
{
    switch (number) {
    case SIGWINCH:
        note(SIGNALS_SIZE);
        break;
    case SIGTSTP:
        note(SIGNALS_STOP);
        break;
    case SIGCONT:
        note(SIGNALS_GO_ON);
        break;
    case SIGINT:
        if (!atomic_load(&is_away))
            note(SIGNALS_END);
        break;
    default:
        note(SIGNALS_END);
    }
}

static void handle_fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (number == SIGQUIT && atomic_load(&is_away))
        return;
    restore_terminal();
    for (int i = 0; i < FAULTS; i++)
        if (faults[i] == number)
            sigaction(number, &faults_before[i], NULL);
    /* The instruction at fault runs again and faults again, now for the action from before
     * with all that it wants to know; what was sent must be sent again. */
    bool again = info->si_code > 0 &&
                 (number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL);
    if (!again)
        raise(number);
}

/* --- beginning and end ------------------------------------------------------------------- */

static bool open_pipe(struct error *error)
{
    int ends[2];
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0)
        return error_set(error, ERROR_SYSTEM, "preparing for signals: %s", strerror(errno));
    listen_at = ends[0];
    atomic_store(&wake, ends[1]);
    return true;
}

/* Only where no one, such as a sanitizer, has seen to it. */
static bool give_handlers_a_stack(struct error *error)
{
    stack_t before;
    if (sigaltstack(NULL, &before) != 0 || !(before.ss_flags & SS_DISABLE))
        return true;
    handler_stack = malloc(HANDLER_STACK);
    if (!handler_stack)
        return error_out_of_memory(error);
    stack_t stack = {.ss_sp = handler_stack, .ss_size = HANDLER_STACK};
    sigaltstack(&stack, NULL);
    return true;
}

/* What the caller of the program wants ignored (nohup) stays so. */
static void install(int number, const struct sigaction *action, struct sigaction *before)
{
    sigaction(number, NULL, before);
    if (before->sa_handler != SIG_IGN)
        sigaction(number, action, NULL);
}

bool signals_begin(void (*restore)(void), struct error *error)
{
    restore_terminal = restore;
    atomic_store(&taken_place, 0u);
    atomic_store(&is_away, false);
    if (!open_pipe(error) || !give_handlers_a_stack(error)) {
        signals_end();
        return false;
    }
    struct sigaction fault = {.sa_sigaction = handle_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    struct sigaction notice = {.sa_handler = handle_notice, .sa_flags = SA_RESTART};
    sigemptyset(&fault.sa_mask);
    sigemptyset(&notice.sa_mask);
    for (int i = 0; i < FAULTS; i++)
        install(faults[i], &fault, &faults_before[i]);
    for (int i = 0; i < NOTICES; i++)
        install(notices[i], &notice, &notices_before[i]);
    installed = true;
    return true;
}

void signals_end(void)
{
    for (int i = 0; installed && i < FAULTS; i++)
        sigaction(faults[i], &faults_before[i], NULL);
    for (int i = 0; installed && i < NOTICES; i++)
        sigaction(notices[i], &notices_before[i], NULL);
    installed = false;
    int pipe_end = atomic_exchange(&wake, -1);
    if (pipe_end >= 0) {
        close(pipe_end);
        close(listen_at);
    }
    listen_at = -1;
    if (handler_stack) {
        stack_t none = {.ss_flags = SS_DISABLE};
        sigaltstack(&none, NULL);
        free(handler_stack);
        handler_stack = NULL;
    }
}

int signals_descriptor(void)
{
    return listen_at;
}

unsigned signals_take(void)
{
    char bytes[64];
    /* The pipe first: what comes in between is then found twice rather than never. */
    while (listen_at >= 0 && read(listen_at, bytes, sizeof(bytes)) > 0)
        continue;
    return atomic_exchange(&taken_place, 0u);
}

/* --- stopping ---------------------------------------------------------------------------- */

static void set_stop_action(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGTSTP, &action, NULL);
}

static bool stop_is_ignored(void)
{
    struct sigaction now;
    return sigaction(SIGTSTP, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

void signals_away(bool away)
{
    atomic_store(&is_away, away);
    if (!stop_is_ignored())
        set_stop_action(away ? SIG_DFL : handle_notice);
}

void signals_stop(bool group)
{
    if (stop_is_ignored())
        return;
    if (group) {
        set_stop_action(SIG_IGN);
        kill(0, SIGTSTP);
    }
    set_stop_action(SIG_DFL);
    /* To this thread alone: it has not returned before the process has stopped. */
    raise(SIGTSTP);
    set_stop_action(handle_notice);
    atomic_fetch_and(&taken_place, ~(unsigned)(SIGNALS_STOP | SIGNALS_GO_ON));
}
