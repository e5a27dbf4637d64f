/* What a program may do once it is confined: each case in a process of its own. */
#include "extract/sandbox.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/landlock.h>

#include <cmocka.h>

/* True when the kernel lets it. */
typedef bool attempt(void);

static bool opens_a_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0) >= 0 || socket(AF_UNIX, SOCK_STREAM, 0) >= 0;
}

static bool reads_a_file(void)
{
    return open("/etc/passwd", O_RDONLY) >= 0;
}

static bool reads_a_folder_of_its_own(void)
{
    return open("/usr/share", O_RDONLY | O_DIRECTORY) >= 0;
}

static bool writes_a_file(void)
{
    return open("/tmp/test_sandbox.out", O_WRONLY | O_CREAT, 0600) >= 0 ||
           mkdir("/tmp/test_sandbox.dir", 0700) == 0 || unlink("/tmp/test_sandbox.out") == 0;
}

static bool starts_a_process(void)
{
    pid_t child = (pid_t)syscall(SYS_fork);
    if (child == 0)
        _exit(0);
    char *arguments[] = {NULL};
    return child > 0 || execve("/bin/true", arguments, arguments) == 0;
}

static bool kills_its_parent(void)
{
    return kill(getppid(), SIGTERM) == 0;
}

static bool runs_what_it_wrote(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED || mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0 ||
           mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
               MAP_FAILED;
}

static bool works(void)
{
    char *bytes = malloc(1 << 20);
    if (!bytes)
        return false;
    memset(bytes, 1, 1 << 20);
    bool ok = bytes[1000] == 1 && write(STDOUT_FILENO, "", 0) == 0;
    free(bytes);
    return ok;
}

static bool loops(void)
{
    for (volatile uint64_t i = 0; i < UINT64_MAX; i++)
        continue;
    return true;
}

static const char *const folders[] = {"/usr/share", NULL};

/* The wait status of a confined process: exit code 0 when the attempt was let. */
static int confined(attempt *what, bool with_folders)
{
    const char *why = "";
    const struct sandbox_limits limits = {.memory = (size_t)1 << 30,
                                          .step_seconds = 1,
                                          .total_seconds = 60,
                                          .folders = with_folders ? folders : NULL};
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (!sandbox_enter(&limits, &why))
            _exit(99);
        _exit(what() ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static int code(attempt *what, bool with_folders)
{
    int status = confined(what, with_folders);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void lets_only_work(void **state)
{
    (void)state;
    for (int files = 0; files < 2; files++) {
        assert_int_equal(code(works, files), 0);
        assert_int_equal(code(opens_a_socket, files), 1);
        assert_int_equal(code(writes_a_file, files), 1);
        assert_int_equal(code(starts_a_process, files), 1);
        assert_int_equal(code(kills_its_parent, files), 1);
        assert_int_equal(code(runs_what_it_wrote, files), 1);
    }
    assert_int_equal(code(reads_a_file, false), 1);
    assert_int_equal(code(reads_a_folder_of_its_own, false), 1);
}

static void lets_read_its_folders(void **state)
{
    (void)state;
    assert_int_equal(code(reads_a_folder_of_its_own, true), 0);
    if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < 0)
        skip();
    assert_int_equal(code(reads_a_file, true), 1);
}

static void ends_what_comes_no_further(void **state)
{
    (void)state;
    int status = confined(loops, false);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGVTALRM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lets_only_work),
        cmocka_unit_test(lets_read_its_folders),
        cmocka_unit_test(ends_what_comes_no_further),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
