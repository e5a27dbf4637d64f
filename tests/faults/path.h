/* path.h: which file a call is about. None of these changes errno but path_is_refused. */
#ifndef TIDEMARK_FAULTS_PATH_H
#define TIDEMARK_FAULTS_PATH_H

#include <limits.h>
#include <stdbool.h>

/* Of an open file; "" when it has none. */
void path_of(char path[PATH_MAX], int descriptor);

/* `name` as openat() takes it. */
void path_absolute(char path[PATH_MAX], int folder, const char *name);

bool path_is_in_library(const char *path);

/* True, with EROFS, when the plan forbids to change what is there. */
bool path_is_refused(const char *path);

#endif
