#include "tests/faults/fault.h"

#include "tests/faults/cut.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct fault_plan fault_plan = {.class = -1};
struct fault_report *fault_report;

static atomic_bool running; /* main() has begun and not ended */

void fault_find(void *function, const char *name)
{
    void *found;
    memcpy(&found, function, sizeof found);
    if (found)
        return;
    found = dlsym(RTLD_NEXT, name);
    if (!found)
        abort();
    memcpy(function, &found, sizeof found);
}

/* --- beginning ---------------------------------------------------------------------- */

static int class_from(const char *text)
{
    static const char *const names[FAULT_CLASSES] = {
        [FAULT_ALLOCATION] = "allocation",
        [FAULT_READ] = "read",
        [FAULT_WRITE] = "write",
        [FAULT_SYNC] = "sync",
        [FAULT_NAME] = "name",
        [FAULT_OPEN] = "open",
        [FAULT_MAP] = "map",
    };
    for (int i = 0; text && i < FAULT_CLASSES; i++)
        if (strcmp(text, names[i]) == 0)
            return i;
    return -1;
}

static uint64_t number_from(const char *name)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : 0;
}

static void read_plan(void)
{
    const char *library = getenv("FAULTS_LIBRARY"), *jump = getenv("FAULTS_CLOCK");
    fault_plan = (struct fault_plan){
        .class = class_from(getenv("FAULTS_CLASS")),
        .first = number_from("FAULTS_FIRST"),
        .persists = getenv("FAULTS_PERSIST") != NULL,
        .number = (int)number_from("FAULTS_ERRNO"),
        .kill = number_from("FAULTS_KILL"),
        .tears = getenv("FAULTS_TEAR") != NULL,
        .cuts = getenv("FAULTS_CUT") != NULL,
        .cut_seed = number_from("FAULTS_CUT"),
        .fills = getenv("FAULTS_FULL") != NULL,
        .full = number_from("FAULTS_FULL"),
        .readonly = getenv("FAULTS_READONLY") != NULL,
        .clock_calls = number_from("FAULTS_CLOCK_CALLS"),
        .clock_jump = jump ? strtoll(jump, NULL, 10) : 0,
    };
    if (library && strlen(library) < sizeof fault_plan.library)
        strcpy(fault_plan.library, library);
}

static void map_report(void)
{
    const char *path = getenv("FAULTS_REPORT");
    int descriptor = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *map = MAP_FAILED;
    if (descriptor >= 0)
        map = mmap(NULL, sizeof *fault_report, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (map == MAP_FAILED) {
        fprintf(stderr, "faults: FAULTS_REPORT names no file that can be mapped\n");
        abort();
    }
    close(descriptor);
    fault_report = map;
}

static int (*program_main)(int, char **, char **);

static int counted_main(int argc, char **argv, char **environment)
{
    atomic_store(&running, true);
    int code = program_main(argc, argv, environment);
    atomic_store(&running, false);
    return code;
}

int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void),
                      void (*finish)(void), void (*finish_loader)(void), void *stack_end);

/* With which a program begins (glibc); all libraries are ready by then. */
FAULT_EXPORT int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv,
                                   void (*init)(void), void (*finish)(void),
                                   void (*finish_loader)(void), void *stack_end)
{
    static int (*real)(int (*)(int, char **, char **), int, char **, void (*)(void), void (*)(void),
                       void (*)(void), void *);
    fault_find(&real, "__libc_start_main");
    read_plan();
    map_report();
    program_main = main;
    return real(counted_main, argc, argv, init, finish, finish_loader, stack_end);
}

/* --- counting ------------------------------------------------------------------------ */

static pthread_mutex_t aside_lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local bool aside;

bool fault_is_on(void)
{
    return atomic_load_explicit(&running, memory_order_relaxed) && !aside;
}

bool fault_hits(enum fault_class class)
{
    if (!fault_is_on())
        return false;
    uint64_t n = atomic_fetch_add(&fault_report->calls[class], 1) + 1;
    if ((int)class != fault_plan.class || fault_plan.first == 0 || n < fault_plan.first ||
        (n > fault_plan.first && !fault_plan.persists))
        return false;
    atomic_fetch_add(&fault_report->failed, 1);
    errno = fault_plan.number;
    return true;
}

void fault_step_aside(void)
{
    pthread_mutex_lock(&aside_lock);
    aside = true;
}

void fault_step_back(void)
{
    aside = false;
    pthread_mutex_unlock(&aside_lock);
}

_Noreturn void fault_kill(void)
{
    if (fault_plan.cuts) {
        fault_step_aside(); /* for good: no other thread changes the library now */
        cut_power(fault_plan.cut_seed);
    }
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

bool fault_is_last(void)
{
    return fault_is_on() && atomic_fetch_add(&fault_report->changes, 1) + 1 == fault_plan.kill;
}

void fault_kill_if_last(void)
{
    if (fault_is_last())
        fault_kill();
}

void fault_log(const char *what, int result, const char *path, const char *more)
{
    char line[2 * PATH_MAX + 64];
    if (!fault_is_on())
        return;
    int kept = errno;
    int size = snprintf(line, sizeof line, "%s\t%d\t%s\t%s\n", what, result, path, more);
    uint64_t at = atomic_fetch_add(&fault_report->log_size, (uint64_t)size);
    if (at + (uint64_t)size <= sizeof fault_report->log)
        memcpy(fault_report->log + at, line, (size_t)size);
    errno = kept;
}
