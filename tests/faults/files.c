/* Reads, writes and syncs of open files that fail, are cut short, or are the last thing
 * that the process does. */
#include "tests/faults/cut.h"
#include "tests/faults/fault.h"
#include "tests/faults/path.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static bool is_regular(int descriptor)
{
    struct stat status;
    int kept = errno;
    bool regular = fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
    errno = kept;
    return regular;
}

static bool counts(int descriptor)
{
    return fault_is_on() && is_regular(descriptor);
}

/* --- reading ------------------------------------------------------------------------- */

FAULT_EXPORT ssize_t read(int descriptor, void *out, size_t size)
{
    static ssize_t (*real)(int, void *, size_t);
    fault_find(&real, "read");
    return counts(descriptor) && fault_hits(FAULT_READ) ? -1 : real(descriptor, out, size);
}

FAULT_EXPORT ssize_t pread64(int descriptor, void *out, size_t size, off64_t offset)
{
    static ssize_t (*real)(int, void *, size_t, off64_t);
    fault_find(&real, "pread64");
    return counts(descriptor) && fault_hits(FAULT_READ) ? -1 : real(descriptor, out, size, offset);
}

FAULT_EXPORT ssize_t pread(int descriptor, void *out, size_t size, off_t offset)
{
    return pread64(descriptor, out, size, offset);
}

FAULT_EXPORT ssize_t readv(int descriptor, const struct iovec *pieces, int count)
{
    static ssize_t (*real)(int, const struct iovec *, int);
    fault_find(&real, "readv");
    return counts(descriptor) && fault_hits(FAULT_READ) ? -1 : real(descriptor, pieces, count);
}

/* --- writing ------------------------------------------------------------------------- */

/* Path of a file whose changes are to be noted for FAULTS_CUT. */
static bool is_noted(char path[PATH_MAX], int descriptor)
{
    int kept = errno;
    bool noted = false;
    if (fault_plan.cuts && fault_is_on()) {
        path_of(path, descriptor);
        noted = path_is_in_library(path) && access(path, F_OK) == 0;
    }
    errno = kept;
    return noted;
}

/* How many of the bytes find room: growing files share what the plan leaves. */
static size_t room_for(int descriptor, size_t size, off_t offset)
{
    struct stat status;
    char path[PATH_MAX];
    path_of(path, descriptor);
    if (!path_is_in_library(path) || fstat(descriptor, &status) != 0)
        return size;
    off_t end = offset + (off_t)size;
    uint64_t growth = end > status.st_size ? (uint64_t)(end - status.st_size) : 0;
    uint64_t before = atomic_fetch_add(&fault_report->grown, growth);
    if (!fault_plan.fills || before + growth <= fault_plan.full)
        return size;
    uint64_t left = before < fault_plan.full ? fault_plan.full - before : 0;
    uint64_t missing = growth - left;
    atomic_fetch_sub(&fault_report->grown, missing);
    atomic_fetch_add(&fault_report->failed, 1);
    return missing < size ? size - (size_t)missing : 0;
}

/* What becomes of a write. */
struct fate {
    size_t size; /* so many bytes are written */
    bool fails;  /* with errno, before that */
    bool last;   /* the process is killed after it */
};

static struct fate fate_of(int descriptor, const void *bytes, size_t size, off_t offset)
{
    struct fate fate = {.size = size};
    char path[PATH_MAX];
    if (!counts(descriptor))
        return fate;
    fate.last = fault_is_last();
    if (fate.last && !fault_plan.tears)
        fault_kill();
    fate.fails = fault_hits(FAULT_WRITE);
    if (fate.fails)
        return fate;
    fate.size = room_for(descriptor, size, offset);
    if (fate.size == 0 && size > 0) {
        fate.fails = true;
        errno = ENOSPC;
    } else if (fate.last) {
        fate.size /= 2;
    } else if (fate.size > 0 && is_noted(path, descriptor)) {
        fault_step_aside();
        cut_write(path, offset, bytes, fate.size);
        fault_step_back();
    }
    return fate;
}

FAULT_EXPORT ssize_t write(int descriptor, const void *bytes, size_t size)
{
    static ssize_t (*real)(int, const void *, size_t);
    fault_find(&real, "write");
    off_t at = counts(descriptor) ? lseek(descriptor, 0, SEEK_CUR) : 0;
    struct fate fate = fate_of(descriptor, bytes, size, at);
    ssize_t written = fate.fails ? -1 : real(descriptor, bytes, fate.size);
    if (fate.last)
        fault_kill();
    return written;
}

FAULT_EXPORT ssize_t pwrite64(int descriptor, const void *bytes, size_t size, off64_t offset)
{
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    fault_find(&real, "pwrite64");
    struct fate fate = fate_of(descriptor, bytes, size, offset);
    ssize_t written = fate.fails ? -1 : real(descriptor, bytes, fate.size, offset);
    if (fate.last)
        fault_kill();
    return written;
}

FAULT_EXPORT ssize_t pwrite(int descriptor, const void *bytes, size_t size, off_t offset)
{
    return pwrite64(descriptor, bytes, size, offset);
}

/* Never cut short: nothing here writes a file in this way. */
FAULT_EXPORT ssize_t writev(int descriptor, const struct iovec *pieces, int count)
{
    static ssize_t (*real)(int, const struct iovec *, int);
    fault_find(&real, "writev");
    if (counts(descriptor)) {
        fault_kill_if_last();
        if (fault_hits(FAULT_WRITE))
            return -1;
    }
    return real(descriptor, pieces, count);
}

FAULT_EXPORT int ftruncate64(int descriptor, off64_t size)
{
    static int (*real)(int, off64_t);
    char path[PATH_MAX];
    fault_find(&real, "ftruncate64");
    path_of(path, descriptor);
    fault_kill_if_last();
    if (path_is_refused(path) || fault_hits(FAULT_WRITE))
        return -1;
    if (is_noted(path, descriptor)) {
        fault_step_aside();
        cut_truncate(path, size);
        fault_step_back();
    }
    int result = real(descriptor, size);
    fault_log("truncate", result, path, "");
    return result;
}

FAULT_EXPORT int ftruncate(int descriptor, off_t size)
{
    return ftruncate64(descriptor, size);
}

/* --- syncing ------------------------------------------------------------------------- */

/* The log tells how large the file was that was brought to the disk. */
static int sync_file(int (*real)(int), int descriptor)
{
    char path[PATH_MAX], size[32] = "";
    struct stat status;
    path_of(path, descriptor);
    fault_kill_if_last();
    if (fault_hits(FAULT_SYNC))
        return -1;
    if (fstat(descriptor, &status) == 0)
        snprintf(size, sizeof size, "%lld", (long long)status.st_size);
    int result = real(descriptor);
    if (result == 0 && is_noted(path, descriptor)) {
        fault_step_aside();
        cut_sync(path);
        fault_step_back();
    }
    fault_log("sync", result, path, size);
    return result;
}

FAULT_EXPORT int fsync(int descriptor)
{
    static int (*real)(int);
    fault_find(&real, "fsync");
    return sync_file(real, descriptor);
}

FAULT_EXPORT int fdatasync(int descriptor)
{
    static int (*real)(int);
    fault_find(&real, "fdatasync");
    return sync_file(real, descriptor);
}

FAULT_EXPORT int fchmod(int descriptor, mode_t mode)
{
    static int (*real)(int, mode_t);
    char path[PATH_MAX];
    fault_find(&real, "fchmod");
    path_of(path, descriptor);
    if (path_is_refused(path))
        return -1;
    int result = real(descriptor, mode);
    fault_log("chmod", result, path, "");
    return result;
}
