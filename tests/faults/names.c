/* Opening, making, renaming and removing files: calls that fail, are refused on a disk
 * that is read-only, or are the last thing that the process does; and a log of them. */
#include "tests/faults/cut.h"
#include "tests/faults/fault.h"
#include "tests/faults/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool exists(const char *path)
{
    struct stat status;
    int kept = errno;
    bool found = stat(path, &status) == 0;
    errno = kept;
    return found;
}

/* --- renaming and removing ------------------------------------------------------------- */

FAULT_EXPORT int renameat2(int from, const char *old, int to, const char *new, unsigned flags)
{
    static int (*real)(int, const char *, int, const char *, unsigned);
    char source[PATH_MAX], target[PATH_MAX];
    fault_find(&real, "renameat2");
    path_absolute(source, from, old);
    path_absolute(target, to, new);
    fault_kill_if_last();
    if (path_is_refused(source) || path_is_refused(target) || fault_hits(FAULT_NAME))
        return -1;
    int result = real(from, old, to, new, flags);
    if (result == 0 && fault_plan.cuts && fault_is_on()) {
        fault_step_aside();
        cut_rename(source, target);
        fault_step_back();
    }
    fault_log("rename", result, source, target);
    return result;
}

FAULT_EXPORT int renameat(int from, const char *old, int to, const char *new)
{
    return renameat2(from, old, to, new, 0);
}

FAULT_EXPORT int rename(const char *old, const char *new)
{
    return renameat2(AT_FDCWD, old, AT_FDCWD, new, 0);
}

FAULT_EXPORT int linkat(int from, const char *old, int to, const char *new, int flags)
{
    static int (*real)(int, const char *, int, const char *, int);
    char source[PATH_MAX], target[PATH_MAX];
    fault_find(&real, "linkat");
    path_absolute(source, from, old);
    path_absolute(target, to, new);
    fault_kill_if_last();
    if (path_is_refused(target) || fault_hits(FAULT_NAME))
        return -1;
    int result = real(from, old, to, new, flags);
    fault_log("link", result, target, source);
    return result;
}

FAULT_EXPORT int link(const char *old, const char *new)
{
    return linkat(AT_FDCWD, old, AT_FDCWD, new, 0);
}

FAULT_EXPORT int unlinkat(int folder, const char *name, int flags)
{
    static int (*real)(int, const char *, int);
    char path[PATH_MAX];
    fault_find(&real, "unlinkat");
    path_absolute(path, folder, name);
    fault_kill_if_last();
    if (path_is_refused(path) || fault_hits(FAULT_NAME))
        return -1;
    int result = real(folder, name, flags);
    fault_log("unlink", result, path, "");
    return result;
}

FAULT_EXPORT int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

FAULT_EXPORT int rmdir(const char *path)
{
    return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

FAULT_EXPORT int remove(const char *path)
{
    int result = unlinkat(AT_FDCWD, path, 0);
    return result != 0 && errno == EISDIR ? rmdir(path) : result;
}

FAULT_EXPORT int mkdirat(int folder, const char *name, mode_t mode)
{
    static int (*real)(int, const char *, mode_t);
    char path[PATH_MAX];
    fault_find(&real, "mkdirat");
    path_absolute(path, folder, name);
    if (exists(path)) /* changes nothing, on whatever disk */
        return real(folder, name, mode);
    fault_kill_if_last();
    if (path_is_refused(path) || fault_hits(FAULT_NAME))
        return -1;
    int result = real(folder, name, mode);
    fault_log("mkdir", result, path, "");
    return result;
}

FAULT_EXPORT int mkdir(const char *path, mode_t mode)
{
    return mkdirat(AT_FDCWD, path, mode);
}

FAULT_EXPORT int faccessat(int folder, const char *name, int mode, int flags)
{
    static int (*real)(int, const char *, int, int);
    char path[PATH_MAX];
    fault_find(&real, "faccessat");
    path_absolute(path, folder, name);
    return mode & W_OK && path_is_refused(path) ? -1 : real(folder, name, mode, flags);
}

FAULT_EXPORT int access(const char *path, int mode)
{
    return faccessat(AT_FDCWD, path, mode, 0);
}

/* --- opening -------------------------------------------------------------------------- */

static int open_file(int folder, const char *name, int flags, mode_t mode)
{
    static int (*real)(int, const char *, int, ...);
    char path[PATH_MAX];
    fault_find(&real, "openat64");
    path_absolute(path, folder, name);
    bool writes = (flags & O_ACCMODE) != O_RDONLY || flags & (O_CREAT | O_TRUNC);
    bool makes = flags & O_CREAT && !exists(path);
    if (makes || flags & O_TRUNC)
        fault_kill_if_last();
    /* With O_EXCL, what is there is refused on any disk, for being there. */
    bool refusable = writes && (makes || !(flags & O_EXCL));
    if ((refusable && path_is_refused(path)) || fault_hits(FAULT_OPEN))
        return -1;
    int descriptor = real(folder, name, flags, mode);
    if (writes)
        fault_log(makes ? "create" : "open", descriptor < 0 ? -1 : 0, path, "");
    return descriptor;
}

static mode_t mode_from(int flags, va_list arguments)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

FAULT_EXPORT int openat64(int folder, const char *name, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_from(flags, arguments);
    va_end(arguments);
    return open_file(folder, name, flags, mode);
}

FAULT_EXPORT int openat(int folder, const char *name, int flags, ...)
    __attribute__((alias("openat64")));

FAULT_EXPORT int open64(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_from(flags, arguments);
    va_end(arguments);
    return open_file(AT_FDCWD, path, flags, mode);
}

FAULT_EXPORT int open(const char *path, int flags, ...) __attribute__((alias("open64")));

FAULT_EXPORT int creat(const char *path, mode_t mode)
{
    return open_file(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

/* What stdio reads and writes afterwards is not seen here. */
FAULT_EXPORT FILE *fopen64(const char *name, const char *mode)
{
    static FILE *(*real)(const char *, const char *);
    char path[PATH_MAX];
    fault_find(&real, "fopen64");
    path_absolute(path, AT_FDCWD, name);
    bool writes = mode[0] != 'r' || strchr(mode, '+');
    if (writes)
        fault_kill_if_last();
    if ((writes && path_is_refused(path)) || fault_hits(FAULT_OPEN))
        return NULL;
    FILE *file = real(name, mode);
    if (writes)
        fault_log("open", file ? 0 : -1, path, "");
    return file;
}

FAULT_EXPORT FILE *fopen(const char *path, const char *mode)
{
    return fopen64(path, mode);
}
