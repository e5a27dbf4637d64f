/* The library's folder, and what can be said of it without its databases. */
#include "app/work/checkup_private.h"

#include "app/work/configuration.h"
#include "app/work/place.h"
#include "app/work/upkeep.h"
#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

/* --- the folder ------------------------------------------------------------------- */

/* Cuts a path back to what is there of it, in place. */
static void cut_to_existing(char *path)
{
    struct stat facts;
    while (*path && stat(path, &facts) != 0) {
        char *slash = strrchr(path, '/');
        if (!slash) {
            strcpy(path, ".");
            return;
        }
        slash[slash == path] = '\0'; /* "/" itself stays */
        if (slash == path)
            return;
    }
}

/* The folder is not there: whether it can be made below what is. */
static void check_creation(struct checkup *checkup, const char *folder, const char *above)
{
    static const char check[] = "library folder";
    struct stat facts;
    if (stat(above, &facts) == 0 && !S_ISDIR(facts.st_mode))
        checkup_problem(checkup, check, ERROR_STORE, "Name another folder by --library",
                        "%s cannot be made: %s is not a folder", folder, above);
    else if (access(above, W_OK | X_OK) != 0)
        checkup_problem(checkup, check, ERROR_STORE,
                        "Give yourself the right to write there, or name another folder by"
                        " --library",
                        "%s cannot be made in %s: %s", folder, above, strerror(errno));
    else
        checkup_ok(checkup, check, "%s, not there yet: the first `tidemark read` makes it", folder);
}

/* Whether it is there. */
static bool check_folder(struct checkup *checkup, const char *folder, const char *existing)
{
    static const char check[] = "library folder";
    struct stat facts;
    if (stat(folder, &facts) != 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            check_creation(checkup, folder, existing);
        else
            checkup_problem(checkup, check, ERROR_STORE,
                            "Give yourself the right to look there, or name another folder by"
                            " --library",
                            "%s cannot be looked at: %s", folder, strerror(errno));
        return false;
    }
    if (!S_ISDIR(facts.st_mode)) {
        checkup_problem(checkup, check, ERROR_STORE, "Name another folder by --library",
                        "%s is not a folder", folder);
        return false;
    }
    if (access(folder, R_OK | W_OK | X_OK) != 0)
        checkup_problem(checkup, check, ERROR_STORE,
                        "chmod u+rwx on the folder, or name another one by --library",
                        "%s cannot be written: %s", folder, strerror(errno));
    else
        checkup_ok(checkup, check, "%s", folder);
    return true;
}

/* The first of the library's files that others than its owner may look into. */
static void check_permissions(struct checkup *checkup, const char *folder)
{
    static const char *const names[] = {
        "",          "library.db",    "library.db-wal", "library.db-shm",
        "states.db", "states.db-wal", "states.db-shm",  "library-1.db"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct buffer path = {0};
        struct stat facts;
        if (!buffer_append_format(&path, NULL, "%s%s%s", folder, i > 0 ? "/" : "", names[i])) {
            checkup->out_of_memory = true;
            return;
        }
        bool open = stat(path.data, &facts) == 0 && (facts.st_mode & 077) != 0;
        if (open)
            checkup_note(checkup, "permissions",
                         i == 0 ? "chmod 700 on the folder" : "chmod 600 on the file",
                         "others than its owner may look into %s (mode %04o)", path.data,
                         (unsigned)facts.st_mode & 07777);
        buffer_free(&path);
        if (open)
            return;
    }
    checkup_ok(checkup, "permissions", "for its owner alone");
}

/* --- the disk --------------------------------------------------------------------- */

static const struct {
    unsigned long number; /* statfs(2) */
    const char *name;
} networks[] = {
    {0x6969, "NFS"},        {0x517B, "SMB"},      {0xFE534D42, "SMB"},  {0xFF534D42, "CIFS"},
    {0x5346414F, "AFS"},    {0x00C36400, "Ceph"}, {0x73757245, "Coda"}, {0x01021997, "9P"},
    {0x0BD00BD0, "Lustre"}, {0x47504653, "GPFS"}, {0x01161970, "GFS2"}, {0x7461636F, "OCFS2"},
};

/* NULL for a file system of this machine. */
static const char *network_name(const char *folder)
{
    struct statfs facts;
    if (statfs(folder, &facts) != 0)
        return NULL;
    for (size_t i = 0; i < sizeof networks / sizeof networks[0]; i++)
        if (((unsigned long)facts.f_type & 0xFFFFFFFF) == networks[i].number)
            return networks[i].name;
    return NULL;
}

static int64_t states_size(const char *folder)
{
    struct buffer path = {0};
    struct stat facts = {0};
    if (buffer_append_format(&path, NULL, "%s/states.db", folder) && stat(path.data, &facts) != 0)
        facts.st_size = 0;
    buffer_free(&path);
    return facts.st_size;
}

/* As far as the configuration can be read; what is wrong with it is told elsewhere. */
static int64_t budget_of_states(void)
{
    struct configuration configuration = {0};
    struct error error;
    int64_t budget = configuration_read(&configuration, &error) && configuration.budget >= 0
                         ? configuration.budget
                         : UPKEEP_BUDGET;
    configuration_free(&configuration);
    return budget;
}

#define SPACE_LEAST (INT64_C(16) << 20) /* bytes; below, nothing can be kept */

static void check_space(struct checkup *checkup, const char *folder, const char *existing)
{
    struct statvfs facts;
    if (statvfs(existing, &facts) != 0) {
        checkup_note(checkup, "disk space", "Look at the disk by `df`",
                     "not known how much is free at %s: %s", existing, strerror(errno));
        return;
    }
    double free_bytes = (double)facts.f_bavail * (double)facts.f_frsize;
    double mebibyte = 1 << 20;
    int64_t budget = budget_of_states(), used = states_size(folder);
    if (free_bytes < (double)SPACE_LEAST)
        checkup_problem(checkup, "disk space", ERROR_STORE, "Free space on the disk",
                        "%.1f MiB free at %s: nothing can be kept", free_bytes / mebibyte,
                        existing);
    else if (free_bytes + (double)used < (double)budget)
        checkup_note(checkup, "disk space", "Free space on the disk, or set a smaller --budget",
                     "%.0f MiB free; the states may grow from %.0f to %.0f MiB",
                     free_bytes / mebibyte, (double)used / mebibyte, (double)budget / mebibyte);
    else
        checkup_ok(checkup, "disk space", "%.0f MiB free; the states take %.0f of up to %.0f MiB",
                   free_bytes / mebibyte, (double)used / mebibyte, (double)budget / mebibyte);
}

static void check_disk(struct checkup *checkup, const char *folder, const char *existing)
{
    const char *network = network_name(existing);
    if (network)
        checkup_note(checkup, "disk", "Move the library to a local disk and name it by --library",
                     "%s is a network file system (%s): one machine at a time may use the library",
                     existing, network);
    else
        checkup_ok(checkup, "disk", "local");
    check_space(checkup, folder, existing);
}

/* --- the clock -------------------------------------------------------------------- */

static void format_date(char *text, size_t size, int64_t seconds)
{
    time_t time = (time_t)seconds;
    struct tm parts;
    bool known = seconds >= 0 && seconds < INT64_C(253402300800) && gmtime_r(&time, &parts);
    if (!known || strftime(text, size, "%Y-%m-%d %H:%M UTC", &parts) == 0)
        snprintf(text, size, "a time that is no date");
}

enum { CLOCK_TOLERANCE = 60 }; /* seconds */

static void check_clock(struct checkup *checkup, int64_t latest)
{
    char now_text[64], latest_text[64];
    int64_t now = clock_unix_time();
    format_date(now_text, sizeof now_text, now);
    format_date(latest_text, sizeof latest_text, latest);
    if (latest > now + CLOCK_TOLERANCE)
        checkup_note(checkup, "clock", "Set the clock (timedatectl set-ntp true)",
                     "it says %s, but the library holds %s: one of them is wrong", now_text,
                     latest_text);
    else
        checkup_ok(checkup, "clock", "%s", now_text);
}

/* --- the whole -------------------------------------------------------------------- */

void checkup_library(struct checkup *checkup, const struct checkup_options *options)
{
    struct buffer folder = {0}, existing = {0};
    struct error error = {0};
    int64_t latest = 0;
    if (!place_library(&folder, options->library, &error)) {
        checkup_problem(checkup, "library folder", error.kind,
                        "export HOME=/path/to/your/folder, or name a folder by --library", "%s",
                        error.text);
    } else if (!buffer_append_text(&existing, folder.data, &error)) {
        checkup->out_of_memory = true;
    } else {
        cut_to_existing(existing.data);
        bool there = check_folder(checkup, folder.data, existing.data);
        if (there)
            check_permissions(checkup, folder.data);
        check_disk(checkup, folder.data, existing.data);
        checkup_look_into(checkup, folder.data, CHECKUP_LIBRARY_DB, &latest);
        checkup_look_into(checkup, folder.data, CHECKUP_STATES_DB, &latest);
    }
    check_clock(checkup, latest);
    buffer_free(&folder);
    buffer_free(&existing);
}
