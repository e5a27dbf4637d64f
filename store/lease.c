#include "store/lease.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

#define NAME "reading.lock"

/* A document's part of the file: when its lease was taken, as fifteen digits and the
 * end of a line. The file is as long as the largest number that was leased demands,
 * most of it a hole. */
enum { RECORD = 16 };
#define LAST_DOCUMENT (INT64_MAX / RECORD - 1)

/* A lock file that is open here. Closed with the last lease on it: closing any
 * descriptor of a file drops all locks that the process has on it. */
struct lock_file {
    dev_t device;
    ino_t inode;
    int descriptor;
    struct lock_file *next;
};

struct lease {
    pid_t process; /* a child of fork has the list, but none of its locks */
    dev_t device;  /* of the folder */
    ino_t inode;
    int64_t document, since;
    struct lock_file *file;
    struct lease *next;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct lock_file *files; /* under the mutex */
static struct lease *leases;    /* under the mutex */

/* --- the file -------------------------------------------------------------- */

static bool fail(const char *doing, const char *folder, int number, struct error *error)
{
    return error_set(error, ERROR_STORE,
                     "cannot %s %s/" NAME ": %s: free it for writing by you, or move the folder "
                     "to a local disk",
                     doing, folder, strerror(number));
}

static struct lock_file *find_file(const struct stat *status)
{
    for (struct lock_file *file = files; file; file = file->next)
        if (file->device == status->st_dev && file->inode == status->st_ino)
            return file;
    return NULL;
}

static void close_unless_leased(struct lock_file *file)
{
    for (const struct lease *lease = leases; lease; lease = lease->next)
        if (lease->process == getpid() && lease->file == file)
            return;
    struct lock_file **link = &files;
    while (*link != file)
        link = &(*link)->next;
    *link = file->next;
    close(file->descriptor);
    free(file);
}

static struct lock_file *add_file(int descriptor, const struct stat *status, struct error *error)
{
    struct lock_file *file = malloc(sizeof *file);
    if (!file) {
        error_out_of_memory(error);
        return NULL;
    }
    *file = (struct lock_file){status->st_dev, status->st_ino, descriptor, files};
    files = file;
    return file;
}

/* The one that is open already must not be opened and closed once more. */
static struct lock_file *open_file(int at, const char *folder, struct error *error)
{
    struct stat status;
    if (fstatat(at, NAME, &status, AT_SYMLINK_NOFOLLOW) == 0) {
        struct lock_file *file = find_file(&status);
        if (file)
            return file;
    }
    int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    int descriptor = openat(at, NAME, flags, 0600);
    if (descriptor < 0 || fstat(descriptor, &status) != 0) {
        fail("open", folder, errno, error);
        if (descriptor >= 0)
            close(descriptor);
        return NULL;
    }
    struct lock_file *file = find_file(&status);
    if (file) /* put back by another hand just now; the second descriptor has to stay */
        return file;
    if (!S_ISREG(status.st_mode))
        error_set(error, ERROR_STORE, "%s/" NAME " is not a regular file: remove it", folder);
    else
        file = add_file(descriptor, &status, error);
    if (!file)
        close(descriptor);
    return file;
}

/* Whether the file still has its name: a lock on one that was removed keeps nobody
 * out. */
static bool is_named(int at, const struct lock_file *file)
{
    struct stat status;
    return fstatat(at, NAME, &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_dev == file->device &&
           status.st_ino == file->inode;
}

/* --- locks and records ----------------------------------------------------- */

static struct flock part_of(int64_t document, short type)
{
    return (struct flock){
        .l_type = type,
        .l_whence = SEEK_SET,
        .l_start = (off_t)(document * RECORD),
        .l_len = RECORD,
    };
}

/* Nothing depends on the record: a full disk must not keep anyone from reading. */
static void write_since(const struct lock_file *file, int64_t document, int64_t since)
{
    char record[RECORD + 1];
    if (since < 0 || snprintf(record, sizeof record, "%015lld\n", (long long)since) != RECORD)
        return;
    ssize_t written = pwrite(file->descriptor, record, RECORD, (off_t)(document * RECORD));
    (void)written;
}

static int64_t read_since(const struct lock_file *file, int64_t document)
{
    char record[RECORD];
    int64_t since = 0;
    if (pread(file->descriptor, record, RECORD, (off_t)(document * RECORD)) != RECORD ||
        record[RECORD - 1] != '\n')
        return 0;
    for (int i = 0; i < RECORD - 1; i++) {
        if (record[i] < '0' || record[i] > '9')
            return 0;
        since = 10 * since + (record[i] - '0');
    }
    return since;
}

/* --- leases ---------------------------------------------------------------- */

struct wish {
    const char *folder;
    int at; /* descriptor of the folder */
    struct stat status;
    int64_t document;
};

enum outcome { TAKEN, HELD, AGAIN, FAILED };

/* The system lets a process lock what it has locked itself. */
static bool held_here(const struct wish *wish, struct lease_holder *holder)
{
    for (const struct lease *lease = leases; lease; lease = lease->next) {
        if (lease->process != getpid() || lease->document != wish->document ||
            lease->device != wish->status.st_dev || lease->inode != wish->status.st_ino)
            continue;
        *holder = (struct lease_holder){getpid(), lease->since};
        return true;
    }
    return false;
}

static enum outcome find_holder(const struct wish *wish, const struct lock_file *file,
                                struct lease_holder *holder, struct error *error)
{
    struct flock lock = part_of(wish->document, F_WRLCK);
    if (fcntl(file->descriptor, F_GETLK, &lock) != 0) {
        fail("look at the locks of", wish->folder, errno, error);
        return FAILED;
    }
    if (lock.l_type == F_UNLCK)
        return AGAIN;
    holder->process = lock.l_pid > 0 ? lock.l_pid : 0;
    holder->since = read_since(file, wish->document);
    return HELD;
}

static enum outcome lock_part(const struct wish *wish, const struct lock_file *file,
                              struct lease_holder *holder, struct error *error)
{
    struct flock lock = part_of(wish->document, F_WRLCK);
    if (fcntl(file->descriptor, F_SETLK, &lock) != 0) {
        if (errno == EACCES || errno == EAGAIN)
            return find_holder(wish, file, holder, error);
        if (errno == EINTR)
            return AGAIN;
        fail("lock", wish->folder, errno, error);
        return FAILED;
    }
    if (is_named(wish->at, file))
        return TAKEN;
    lock.l_type = F_UNLCK;
    fcntl(file->descriptor, F_SETLK, &lock);
    return AGAIN;
}

static enum outcome try_once(struct lease *lease, const struct wish *wish,
                             struct lease_holder *holder, struct error *error)
{
    struct lock_file *file = open_file(wish->at, wish->folder, error);
    if (!file)
        return FAILED;
    enum outcome outcome = lock_part(wish, file, holder, error);
    if (outcome != TAKEN) {
        close_unless_leased(file);
        return outcome;
    }
    lease->file = file;
    write_since(file, lease->document, lease->since);
    lease->next = leases;
    leases = lease;
    return TAKEN;
}

/* A lock that goes or a file that is replaced between two looks: look again, but not
 * for ever. Then somebody has it, and cannot be told. */
static enum outcome try_all(struct lease *lease, const struct wish *wish,
                            struct lease_holder *holder, struct error *error)
{
    enum { TRIES = 50 };
    if (held_here(wish, holder))
        return HELD;
    for (int i = 0; i < TRIES; i++) {
        enum outcome outcome = try_once(lease, wish, holder, error);
        if (outcome != AGAIN)
            return outcome;
    }
    return HELD;
}

static bool take(struct lease **lease, const struct wish *wish, struct lease_holder *holder,
                 struct error *error)
{
    struct lease *taken = malloc(sizeof *taken);
    if (!taken)
        return error_out_of_memory(error);
    *taken = (struct lease){
        .process = getpid(),
        .device = wish->status.st_dev,
        .inode = wish->status.st_ino,
        .document = wish->document,
        .since = clock_unix_time(),
    };
    pthread_mutex_lock(&mutex);
    enum outcome outcome = try_all(taken, wish, holder, error);
    pthread_mutex_unlock(&mutex);
    if (outcome == TAKEN)
        *lease = taken;
    else
        free(taken);
    return outcome != FAILED;
}

bool lease_take(struct lease **lease, const char *folder, int64_t document,
                struct lease_holder *holder, struct error *error)
{
    struct wish wish = {.folder = folder, .document = document};
    *lease = NULL;
    *holder = (struct lease_holder){0};
    if (document < 1 || document > LAST_DOCUMENT)
        return error_set(error, ERROR_STORE,
                         "cannot lock document number %lld: no library has such a number",
                         (long long)document);
    wish.at = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (wish.at < 0 || fstat(wish.at, &wish.status) != 0) {
        fail("open", folder, errno, error);
        if (wish.at >= 0)
            close(wish.at);
        return false;
    }
    bool ok = take(lease, &wish, holder, error);
    close(wish.at);
    return ok;
}

void lease_release(struct lease *lease)
{
    if (!lease)
        return;
    pthread_mutex_lock(&mutex);
    struct lease **link = &leases;
    while (*link != lease)
        link = &(*link)->next;
    *link = lease->next;
    if (lease->process == getpid()) {
        struct flock lock = part_of(lease->document, F_UNLCK);
        fcntl(lease->file->descriptor, F_SETLK, &lock);
        close_unless_leased(lease->file);
    }
    pthread_mutex_unlock(&mutex);
    free(lease);
}
