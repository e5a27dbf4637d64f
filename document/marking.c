#include "document/marking.h"

#include "document/program.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct marking {
    const char *name;
    const atomic_bool *cancel;
    pid_t process;
    int to, from;
};

static bool (*stand_in)(unsigned char *roles, const char *text, size_t size);

void marking_use(bool (*instead)(unsigned char *roles, const char *text, size_t size))
{
    stand_in = instead;
}

static bool start(struct marking *marking, struct error *error)
{
    static const char *const arguments[] = {"markdown", NULL};
    struct buffer path = {0};
    int ends[2] = {-1, -1};
    bool ok = program_find(&path, PROGRAM_EXTRACT, error) ||
              error_context(error, "%.300s cannot be read", marking->name);
    if (ok && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        ok = error_set(error, ERROR_SYSTEM, "cannot make a pipe: %s", strerror(errno));
    ok = ok &&
         program_start(&marking->process, &marking->from, path.data, arguments, ends[1], error);
    if (ends[1] >= 0)
        close(ends[1]);
    marking->to = ends[0];
    buffer_free(&path);
    return ok;
}

struct marking *marking_open(const char *name, const atomic_bool *cancel, struct error *error)
{
    struct marking *marking = calloc(1, sizeof *marking);
    if (!marking) {
        error_out_of_memory(error);
        return NULL;
    }
    *marking = (struct marking){.name = name, .cancel = cancel, .to = -1, .from = -1};
    if (stand_in || start(marking, error))
        return marking;
    marking_close(marking);
    return NULL;
}

void marking_close(struct marking *marking)
{
    if (!marking)
        return;
    if (marking->to >= 0)
        close(marking->to);
    if (marking->from >= 0)
        close(marking->from);
    program_end(&marking->process, true);
    free(marking);
}

/* The program reads a piece to its end before it answers: neither waits for the other. */
static bool send_all(int to, const void *bytes, size_t size)
{
    for (const char *at = bytes; size > 0;) {
        ssize_t sent = send(to, at, size, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR)
            return false;
        at += sent > 0 ? sent : 0;
        size -= sent > 0 ? (size_t)sent : 0;
    }
    return true;
}

static bool gave_up(struct marking *marking, struct error *error)
{
    struct buffer why = {0};
    int status = program_end(&marking->process, false);
    if (WIFEXITED(status) && WEXITSTATUS(status) == MARKING_UNCONFINED)
        return error_set(error, ERROR_INPUT,
                         "%.300s was not opened: " PROGRAM_EXTRACT
                         ", which says what is Markdown, could "
                         "not be confined: this system refuses it seccomp or limits",
                         marking->name);
    bool told = program_explain(&why, PROGRAM_EXTRACT, status, error);
    if (told)
        error_set(error, ERROR_INPUT, "%.300s cannot be read: in its Markdown, %s", marking->name,
                  why.data);
    buffer_free(&why);
    return false;
}

static bool receive_all(struct marking *marking, void *bytes, size_t size, struct error *error)
{
    for (char *at = bytes; size > 0;) {
        enum program_wait wait = program_wait(marking->from, marking->cancel);
        if (wait == PROGRAM_CANCELLED)
            return error_set(error, ERROR_INTERRUPTED, "interrupted while %.300s was taken apart",
                             marking->name);
        if (wait == PROGRAM_SILENT) {
            program_end(&marking->process, true);
            return error_set(error, ERROR_INPUT,
                             "%.300s cannot be read: " PROGRAM_EXTRACT
                             " was silent for %u seconds over its Markdown and was stopped",
                             marking->name, program_patience());
        }
        ssize_t got = read(marking->from, at, size);
        if (got == 0)
            return gave_up(marking, error);
        if (got < 0 && errno != EINTR)
            return error_set(error, ERROR_SYSTEM, "cannot hear " PROGRAM_EXTRACT ": %s",
                             strerror(errno));
        at += got > 0 ? got : 0;
        size -= got > 0 ? (size_t)got : 0;
    }
    return true;
}

bool marking_run(struct marking *marking, unsigned char *roles, const char *text, size_t size,
                 bool *done, struct error *error)
{
    unsigned char head[MARKING_HEAD];
    if (stand_in) {
        *done = stand_in(roles, text, size);
        return true;
    }
    for (int i = 0; i < MARKING_HEAD; i++)
        head[i] = (unsigned char)(size >> 8 * i);
    if (!send_all(marking->to, head, sizeof head) || !send_all(marking->to, text, size))
        return gave_up(marking, error);
    if (!receive_all(marking, head, sizeof head, error))
        return false;
    size_t answered = 0;
    for (int i = MARKING_HEAD; i-- > 0;)
        answered = answered << 8 | head[i];
    *done = answered == size;
    if (answered == 0)
        return true;
    if (!*done) {
        program_end(&marking->process, true);
        return error_set(error, ERROR_INPUT,
                         "%.300s cannot be read: " PROGRAM_EXTRACT
                         " sent what makes no sense and was stopped",
                         marking->name);
    }
    return receive_all(marking, roles, size, error);
}
