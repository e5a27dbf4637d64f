#include "tests/faults/path.h"

#include "tests/faults/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void path_of(char path[PATH_MAX], int descriptor)
{
    char link[64];
    int kept = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t size = readlink(link, path, PATH_MAX - 1);
    path[size > 0 ? size : 0] = '\0';
    errno = kept;
}

void path_absolute(char path[PATH_MAX], int folder, const char *name)
{
    int kept = errno;
    path[0] = '\0';
    if (name[0] != '/' && folder != AT_FDCWD)
        path_of(path, folder);
    else if (name[0] != '/' && !getcwd(path, PATH_MAX))
        path[0] = '\0';
    size_t size = strlen(path);
    snprintf(path + size, PATH_MAX - size, "%s%s", size ? "/" : "", name);
    errno = kept;
}

bool path_is_in_library(const char *path)
{
    size_t size = strlen(fault_plan.library);
    return size > 0 && strncmp(path, fault_plan.library, size) == 0 &&
           (path[size] == '/' || path[size] == '\0');
}

bool path_is_refused(const char *path)
{
    if (!fault_plan.readonly || !fault_is_on() || !path_is_in_library(path))
        return false;
    errno = EROFS;
    return true;
}
