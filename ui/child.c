#include "ui/child.h"

#include "base/visible.h"
#include "ui/terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the terminal or the reader asked of signals is not the child's business. */
static void reset_signals(void)
{
    static const int numbers[] = {SIGINT,  SIGQUIT, SIGTERM, SIGHUP, SIGTSTP,
                                  SIGCONT, SIGPIPE, SIGTTIN, SIGTTOU};
    sigset_t none;
    sigemptyset(&none);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        signal(numbers[i], SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Runs a shell command, of our own making, with two words for it as $1 and $2. */
static bool run(const char *command, const char *first, const char *second, struct error *error)
{
    int status = 0;
    terminal_leave();
    pid_t child = fork();
    if (child == 0) {
        reset_signals();
        execl("/bin/sh", "sh", "-c", command, "sh", first, second, (char *)NULL);
        _exit(127);
    }
    int failure = child < 0 ? errno : 0;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    terminal_enter();
    if (failure)
        return error_set(error, ERROR_SYSTEM, "cannot start a program: %s", strerror(failure));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return error_set(error, ERROR_INPUT,
                         "the program was not found: set PAGER or EDITOR to one that is there");
    return true;
}

static bool write_page(FILE *file, const char *text, size_t size, struct error *error)
{
    struct buffer visible = {0};
    bool ok = visible_append(&visible, text, size, VISIBLE_TEXT, error);
    if (ok && visible.size > 0 && fwrite(visible.data, 1, visible.size, file) != visible.size)
        ok = error_set(error, ERROR_SYSTEM, "cannot write a file for the pager: %s",
                       strerror(errno));
    buffer_free(&visible);
    return ok;
}

bool child_page(const char *text, size_t size, struct error *error)
{
    const char *folder = getenv("TMPDIR");
    struct buffer path = {0};
    if (!buffer_append_format(&path, error, "%s/tidemark-XXXXXX",
                              folder && *folder ? folder : "/tmp"))
        return false;
    int descriptor = mkstemp(path.data); /* 0600 */
    FILE *file = descriptor >= 0 ? fdopen(descriptor, "w") : NULL;
    bool ok =
        file ? write_page(file, text, size, error)
             : error_set(error, ERROR_SYSTEM, "cannot make %s: %s", path.data, strerror(errno));
    if (file && fclose(file) != 0 && ok)
        ok = error_set(error, ERROR_SYSTEM, "cannot write %s: %s", path.data, strerror(errno));
    ok = ok && run("if [ -n \"$PAGER\" ]; then $PAGER \"$1\"; else less \"$1\" || more \"$1\"; fi",
                   path.data, "", error);
    if (descriptor >= 0)
        unlink(path.data);
    buffer_free(&path);
    return ok;
}

bool child_edit(const char *path, int64_t line, struct error *error)
{
    char place[32];
    snprintf(place, sizeof place, "+%lld", (long long)(line > 0 ? line : 1));
    return run("exec ${VISUAL:-${EDITOR:-vi}} \"$2\" \"$1\"", path, place, error);
}
