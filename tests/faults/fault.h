/* fault.h: what is to go wrong in this process, and a record of what it did.
 *
 * faults.so is loaded before the C library (LD_PRELOAD) and stands in for some of its
 * functions: memory.c, files.c, names.c, clock.c. Each of these asks here whether it is
 * to fail, and otherwise calls the C library's own:
 *
 *     static int (*real)(int);
 *     fault_find(&real, "fsync");
 *     return fault_hits(FAULT_SYNC) ? -1 : real(descriptor);
 *
 * Calls count from the moment main() begins, and reads, writes and syncs on regular files
 * only, so that a pipe to the test stays whole. The environment says what goes wrong:
 *
 *   FAULTS_REPORT    file of sizeof (struct fault_report) bytes, which is mapped: counts and
 *                    log are there even after a kill
 *   FAULTS_LIBRARY   absolute path of the folder that CUT, FULL and READONLY are about
 *   FAULTS_CLASS     allocation, read, write, sync, name, open or map (enum fault_class)
 *   FAULTS_FIRST     number of the call that fails, from 1; 0: none
 *   FAULTS_PERSIST   if set, all later calls of the class fail as well
 *   FAULTS_ERRNO     what they fail with
 *   FAULTS_KILL      number of the change (a call that alters files) before which the
 *                    process is killed
 *   FAULTS_TEAR      if set, a write that is killed has written half of its bytes
 *   FAULTS_CUT       if set, the power goes with the process: changes to the library that
 *                    were not synced are lost; but some by chance with a seed above 0
 *   FAULTS_FULL      bytes by which files of the library can grow until the disk is full
 *   FAULTS_READONLY  if set, the library is on a file system that is mounted read-only
 *   FAULTS_CLOCK     seconds by which the wall clock jumps after FAULTS_CLOCK_CALLS calls */
#ifndef TIDEMARK_FAULTS_FAULT_H
#define TIDEMARK_FAULTS_FAULT_H

#undef _FORTIFY_SOURCE /* would have functions of its own for those of the same name here */

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define FAULT_EXPORT __attribute__((visibility("default")))

enum fault_class {
    FAULT_ALLOCATION,
    FAULT_READ,  /* read, pread, readv */
    FAULT_WRITE, /* write, pwrite, writev, ftruncate */
    FAULT_SYNC,  /* fsync, fdatasync */
    FAULT_NAME,  /* rename, link, unlink, mkdir, rmdir */
    FAULT_OPEN,
    FAULT_MAP, /* mmap of a file */
    FAULT_CLASSES,
};

/* Read by faults.py, which knows this layout. The log has a line for each change:
 *     WHAT \t RESULT \t PATH \t SIZE-OR-SECOND-PATH \n */
struct fault_report {
    _Atomic uint64_t calls[FAULT_CLASSES];
    _Atomic uint64_t failed;
    _Atomic uint64_t changes;
    _Atomic uint64_t grown; /* bytes */
    _Atomic uint64_t clock_calls;
    _Atomic uint64_t log_size; /* larger than the log when it did not fit */
    char log[1 << 20];
};

struct fault_plan {
    char library[PATH_MAX];
    int class; /* -1: none */
    uint64_t first;
    bool persists;
    int number; /* errno */
    uint64_t kill;
    bool tears;
    bool cuts;
    uint64_t cut_seed;
    bool fills;
    uint64_t full;
    bool readonly;
    uint64_t clock_calls;
    int64_t clock_jump;
};

extern struct fault_plan fault_plan;
extern struct fault_report *fault_report; /* there while fault_is_on() */

/* Fills in a pointer to the C library's function unless it is there already. */
void fault_find(void *function, const char *name);

/* main() runs, and this thread is not at work for cut.c. */
bool fault_is_on(void);

/* Counts a call; true, with errno, when it is to fail. */
bool fault_hits(enum fault_class class);

/* Counts a call that alters files; true when the process is to be killed in it. */
bool fault_is_last(void);
_Noreturn void fault_kill(void);
void fault_kill_if_last(void);

/* Around calls of cut.h. */
void fault_step_aside(void);
void fault_step_back(void);

/* Adds a line to the log; errno stays. */
void fault_log(const char *what, int result, const char *path, const char *more);

#endif
