#include "document/program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGUMENTS_MOST = 4, VARIABLES_MOST = 8, PIPE_SIZE = 1 << 20, PATIENCE = 300 };

static const char *remedy(const char *name)
{
    return strcmp(name, PROGRAM_PDF) == 0
               ? "install libpoppler-glib-dev and build tidemark again, or convert the file with "
                 "pdftotext"
               : "build and install tidemark again";
}

/* The folder of installed programs, or of the build, that belongs to this program. */
static bool own_folder(struct buffer *path, struct error *error)
{
    char self[PATH_MAX];
    const char *given = getenv("TIDEMARK_LIBEXEC");
    size_t build = strlen(TIDEMARK_BINARY_DIR);
    if (given && *given)
        return buffer_append_text(path, given, error);
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    if (size <= 0)
        return buffer_append_text(path, TIDEMARK_LIBEXEC_DIR, error);
    self[size] = '\0';
    if (strncmp(self, TIDEMARK_BINARY_DIR, build) == 0 && self[build] == '/')
        return buffer_append_text(path, TIDEMARK_BINARY_DIR "/extract", error);
    *strrchr(self, '/') = '\0';
    return buffer_append_format(path, error, "%s/%s", self, TIDEMARK_LIBEXEC_FROM_PROGRAM);
}

bool program_find(struct buffer *path, const char *name, struct error *error)
{
    buffer_clear(path);
    if (!own_folder(path, error) || !buffer_append_format(path, error, "/%s", name))
        return false;
    return access(path->data, X_OK) == 0 ||
           error_set(error, ERROR_INPUT, "%s is not there (%.300s): %s", name, path->data,
                     remedy(name));
}

/* What a sanitized build needs, and nothing of the user's. */
static void fill_environment(char *environment[VARIABLES_MOST])
{
    static const char *const kept[] = {"ASAN_OPTIONS=", "UBSAN_OPTIONS=", "TSAN_OPTIONS="};
    extern char **environ;
    size_t count = 0;
    environment[count++] = (char *)(uintptr_t) "LC_ALL=C.UTF-8";
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        for (char **at = environ; at && *at; at++)
            if (strncmp(*at, kept[i], strlen(kept[i])) == 0)
                environment[count++] = *at;
    environment[count] = NULL;
}

static bool spawn(pid_t *process, const char *path, char *const *arguments, int input, int output)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    sigset_t none, all;
    char *environment[VARIABLES_MOST];
    fill_environment(environment);
    sigemptyset(&none);
    sigfillset(&all);
    if ((errno = posix_spawn_file_actions_init(&files)) != 0)
        return false;
    bool ok = (errno = posix_spawnattr_init(&how)) == 0;
    if (ok) {
        /* A group of its own: Ctrl-C is for tidemark to handle. */
        ok = posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                POSIX_SPAWN_SETPGROUP) == 0 &&
             posix_spawnattr_setsigmask(&how, &none) == 0 &&
             posix_spawnattr_setsigdefault(&how, &all) == 0 &&
             posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO) == 0 &&
             posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO) == 0 &&
             posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0) ==
                 0 &&
             (errno = posix_spawn(process, path, &files, &how, arguments, environment)) == 0;
        posix_spawnattr_destroy(&how);
    }
    posix_spawn_file_actions_destroy(&files);
    return ok;
}

/* Above the standard descriptors, so that none overwrites another in the child. */
static int above(int descriptor)
{
    return fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
}

bool program_start(pid_t *process, int *output, const char *path, const char *const *arguments,
                   int input, struct error *error)
{
    char *vector[ARGUMENTS_MOST + 2] = {(char *)(uintptr_t)path};
    int ends[2];
    for (size_t i = 0; i < ARGUMENTS_MOST && arguments[i]; i++)
        vector[i + 1] = (char *)(uintptr_t)arguments[i];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return error_set(error, ERROR_SYSTEM, "cannot make a pipe: %s", strerror(errno));
    /* So much may wait there while tidemark is busy; less does, too. */
    (void)fcntl(ends[1], F_SETPIPE_SZ, PIPE_SIZE);
    int from = above(input), to = above(ends[1]);
    bool ok = from >= 0 && to >= 0 && spawn(process, path, vector, from, to);
    int why = errno;
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    close(ends[1]);
    if (!ok) {
        close(ends[0]);
        return error_set(error, ERROR_SYSTEM, "cannot start %.300s: %s", path, strerror(why));
    }
    *output = ends[0];
    return true;
}

bool program_may_open_tables(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
}

unsigned program_patience(void)
{
    const char *given = getenv("TIDEMARK_PATIENCE");
    char *end;
    unsigned long seconds = given ? strtoul(given, &end, 10) : 0;
    return given && end > given && !*end && seconds > 0 && seconds <= UINT_MAX / 1000
               ? (unsigned)seconds
               : PATIENCE;
}

enum program_wait program_wait(int output, const atomic_bool *cancel)
{
    enum { LOOK_EVERY = 50 }; /* milliseconds */
    struct pollfd stream = {.fd = output, .events = POLLIN};
    uint64_t waited = 0, most = (uint64_t)program_patience() * 1000;
    for (;;) {
        int found = poll(&stream, 1, LOOK_EVERY);
        if (found > 0)
            return PROGRAM_READY;
        if (cancel && atomic_load(cancel))
            return PROGRAM_CANCELLED;
        waited += found == 0 ? LOOK_EVERY : 0;
        if (waited >= most)
            return PROGRAM_SILENT;
    }
}

int program_end(pid_t *process, bool kill_it)
{
    int status = 0;
    if (*process == 0)
        return 0;
    if (kill_it)
        kill(*process, SIGKILL);
    while (waitpid(*process, &status, 0) < 0 && errno == EINTR)
        continue;
    *process = 0;
    return status;
}

bool program_explain(struct buffer *text, const char *name, int status, struct error *error)
{
    int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    if (signal == SIGVTALRM || signal == SIGXCPU)
        return buffer_append_format(text, error, "%s was at work longer than it is given", name);
    if (signal)
        return buffer_append_format(text, error, "it makes %s crash (signal %d)", name, signal);
    return buffer_append_format(text, error, "%s gave up (exit code %d)", name,
                                WEXITSTATUS(status));
}
