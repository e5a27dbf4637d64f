#include "extract/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANITIZED 1
#elif defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static unsigned step_seconds;
static const char *const *wanted; /* folders that cannot be opened up */
static volatile sig_atomic_t missed;

/* Always allowed: nothing here reaches beyond the process and what it has open. */
static const int harmless[] = {
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(pread64),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(lseek),
    SCMP_SYS(fstat),
    SCMP_SYS(close),
    SCMP_SYS(dup),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(futex),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(tgkill),
    SCMP_SYS(getrandom),
    SCMP_SYS(setitimer),
    SCMP_SYS(sched_yield),
    SCMP_SYS(getrusage),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(sysinfo),
    SCMP_SYS(uname),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(membarrier),
    SCMP_SYS(rseq),
    SCMP_SYS(set_robust_list),
};

/* What finding and reading files takes besides openat. */
static const int finding[] = {
    SCMP_SYS(access),     SCMP_SYS(faccessat),  SCMP_SYS(faccessat2), SCMP_SYS(stat),
    SCMP_SYS(lstat),      SCMP_SYS(newfstatat), SCMP_SYS(statx),      SCMP_SYS(readlink),
    SCMP_SYS(readlinkat), SCMP_SYS(getdents64), SCMP_SYS(getcwd),     SCMP_SYS(statfs),
    SCMP_SYS(fstatfs),    SCMP_SYS(fadvise64),
};

/* A sanitizer's own. */
static const int sanitizing[] = {
    SCMP_SYS(sigaltstack),
    SCMP_SYS(mincore),
    SCMP_SYS(getrlimit),
    SCMP_SYS(prlimit64),
};

static bool allow(scmp_filter_ctx filter, const int *calls, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0) != 0)
            return false;
    return true;
}

#define ALLOW(filter, table) allow(filter, table, sizeof(table) / sizeof *(table))

enum files { FILES_NONE, FILES_READ, FILES_MISSED };

static bool fill_filter(scmp_filter_ctx filter, enum files files)
{
    /* Memory that can be written is never run. */
    struct scmp_arg_cmp no_exec = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    struct scmp_arg_cmp reading =
        SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND, O_RDONLY);
    static const int questions[] = {F_GETFL, F_GETFD, F_DUPFD_CLOEXEC, F_SETFD};
    bool ok = ALLOW(filter, harmless) && (!SANITIZED || ALLOW(filter, sanitizing)) &&
              seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, no_exec) == 0 &&
              seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, no_exec) == 0;
    for (size_t i = 0; ok && i < sizeof questions / sizeof *questions; i++)
        ok = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
                              SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)questions[i], 0)) == 0;
    /* fstat() is newfstatat with an empty name in newer C libraries. A name tells no
     * more than that a file is there. */
    ok = ok && seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
                                SCMP_A3(SCMP_CMP_EQ, AT_EMPTY_PATH, 0)) == 0;
    if (ok && files == FILES_READ)
        ok = ALLOW(filter, finding) &&
             seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1, reading) == 0;
    if (ok && files == FILES_MISSED)
        ok = seccomp_rule_add(filter, SCMP_ACT_TRAP, SCMP_SYS(openat), 0) == 0;
    return ok;
}

static bool filter_calls(enum files files)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    bool ok = filter && fill_filter(filter, files) && seccomp_load(filter) == 0;
    seccomp_release(filter);
    return ok;
}

static void allow_folder(int rules, const char *folder)
{
    struct landlock_path_beneath_attr beneath = {.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE |
                                                                   LANDLOCK_ACCESS_FS_READ_DIR};
    beneath.parent_fd = open(folder, O_PATH | O_CLOEXEC);
    if (beneath.parent_fd < 0)
        return; /* what is not there cannot be read */
    syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
    close(beneath.parent_fd);
}

#ifdef __x86_64__
/* openat fails, as the filter would have it, but it is noted of which folder. */
static void on_refused(int number, siginfo_t *facts, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    (void)number;
    (void)facts;
    const char *path = (const char *)registers[REG_RSI];
    for (size_t i = 0; wanted[i]; i++)
        if (strncmp(path, wanted[i], strlen(wanted[i])) == 0)
            missed = 1;
    registers[REG_RAX] = -EACCES;
}

static bool watch_refusals(const char *const *folders)
{
    struct sigaction action = {.sa_sigaction = on_refused, .sa_flags = SA_SIGINFO};
    wanted = folders;
    return sigaction(SIGSYS, &action, NULL) == 0;
}
#else
/* Without knowing how a call's arguments are passed, nothing can be noted. */
static bool watch_refusals(const char *const *folders)
{
    (void)folders;
    return false;
}
#endif

static bool confine_files(enum files *files, const char *const *folders)
{
    struct landlock_ruleset_attr access = {.handled_access_fs = 0x1FFF}; /* all of the first ABI */
    int rules = (int)syscall(SYS_landlock_create_ruleset, &access, sizeof access, 0);
    *files = rules < 0 ? FILES_MISSED : FILES_READ;
    if (rules < 0)
        return (errno == ENOSYS || errno == EOPNOTSUPP || errno == EPERM) &&
               watch_refusals(folders);
    for (size_t i = 0; folders[i]; i++)
        allow_folder(rules, folders[i]);
    bool ok = syscall(SYS_landlock_restrict_self, rules, 0) == 0;
    close(rules);
    return ok;
}

static bool limit(__rlimit_resource_t resource, rlim_t most)
{
    struct rlimit now, limits = {most, most};
    /* The user's own limit may be lower already. */
    if (getrlimit(resource, &now) == 0 && now.rlim_max < most)
        limits = (struct rlimit){now.rlim_max, now.rlim_max};
    return setrlimit(resource, &limits) == 0;
}

static bool limit_resources(const struct sandbox_limits *limits)
{
    return (SANITIZED || limit(RLIMIT_AS, limits->memory)) &&
           limit(RLIMIT_CPU, limits->total_seconds) && limit(RLIMIT_FSIZE, 0) &&
           limit(RLIMIT_CORE, 0) && limit(RLIMIT_NOFILE, 64);
}

bool sandbox_enter(const struct sandbox_limits *limits, const char **why)
{
    enum files files = FILES_NONE;
    step_seconds = limits->step_seconds;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_DUMPABLE, 0);
    *why = "its resources could not be limited";
    if (!limit_resources(limits))
        return false;
    *why = "no_new_privs could not be set";
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return false;
    *why = "its files could not be confined (Landlock)";
    if (limits->folders && !confine_files(&files, limits->folders))
        return false;
    *why = "its system calls could not be filtered (seccomp)";
    if (!filter_calls(files))
        return false;
    sandbox_step();
    return true;
}

bool sandbox_missed(void)
{
    return missed != 0;
}

void sandbox_step(void)
{
    struct itimerval timer = {.it_value = {.tv_sec = (time_t)step_seconds}};
    setitimer(ITIMER_VIRTUAL, &timer, NULL);
}
