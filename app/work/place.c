#include "app/work/place.h"

#include "app/work/configuration.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SAMPLE_NAME "the-book-of-tides.md"

const char *place_source_name(enum place_source source)
{
    switch (source) {
    case PLACE_OPTION:
        return "--model";
    case PLACE_ENVIRONMENT:
        return "TIDEMARK_MODEL";
    case PLACE_CONFIGURATION:
        return "configuration file";
    case PLACE_USER:
        return "user's models folder";
    case PLACE_BUNDLED:
        return "bundled";
    }
    return "unknown";
}

/* --- folders ---------------------------------------------------------------------- */

/* The value of a variable that is set and not empty, else NULL. */
static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

const char *place_home(void)
{
    const char *home = variable("HOME");
    if (home)
        return home;
    const struct passwd *user = getpwuid(getuid());
    return user && user->pw_dir && *user->pw_dir ? user->pw_dir : NULL;
}

/* An XDG base folder and "/tidemark". The specification has relative values ignored. */
static bool append_base_folder(struct buffer *path, const char *name, const char *below_home,
                               struct error *error)
{
    const char *base = variable(name);
    if (base && *base == '/')
        return buffer_append_format(path, error, "%s/tidemark", base);
    const char *home = place_home();
    if (!home)
        return error_set(error, ERROR_USAGE,
                         "cannot tell your home folder: set HOME, or name a folder by --library");
    return buffer_append_format(path, error, "%s/%s/tidemark", home, below_home);
}

static bool append_data_folder(struct buffer *path, struct error *error)
{
    return append_base_folder(path, "XDG_DATA_HOME", ".local/share", error);
}

bool place_configuration(struct buffer *path, struct error *error)
{
    buffer_clear(path);
    return append_base_folder(path, "XDG_CONFIG_HOME", ".config", error) &&
           buffer_append_text(path, "/config", error);
}

bool place_library(struct buffer *path, const char *given, struct error *error)
{
    buffer_clear(path);
    if (given && !*given)
        return error_set(error, ERROR_USAGE, "--library needs the name of a folder");
    return given ? buffer_append_text(path, given, error) : append_data_folder(path, error);
}

/* Whether the program `self` lies in the folder that it was built in. */
static bool is_in_build_folder(const char *self)
{
    size_t size = strlen(TIDEMARK_BINARY_DIR);
    return strncmp(self, TIDEMARK_BINARY_DIR, size) == 0 && self[size] == '/';
}

/* What came with the program: its models/ or samples/ folder, which may be absent. */
static bool append_bundled_folder(struct buffer *path, const char *folder, struct error *error)
{
    char self[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    if (size <= 0) /* no /proc: the place that it was configured to be installed in */
        return buffer_append_format(path, error, "%s/%s", TIDEMARK_DATA_DIR, folder);
    self[size] = '\0';
    if (is_in_build_folder(self))
        return buffer_append_format(path, error, "%s/%s", TIDEMARK_SOURCE_DIR, folder);
    *strrchr(self, '/') = '\0';
    char beside[PATH_MAX * 2], real[PATH_MAX];
    snprintf(beside, sizeof beside, "%s/%s/%s", self, TIDEMARK_DATA_FROM_PROGRAM, folder);
    return buffer_append_text(path, realpath(beside, real) ? real : beside, error);
}

static bool is_file(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 && S_ISREG(facts.st_mode);
}

/* --- models by name ------------------------------------------------------------------ */

/* Where models are looked for; either is empty when it cannot be told. */
struct folders {
    struct buffer user, bundled;
};

static bool folders_find(struct folders *folders, struct error *error)
{
    struct error no_home = {0};
    *folders = (struct folders){0};
    /* Without a home there is no user's folder: not a reason to miss the bundled one. */
    if (append_data_folder(&folders->user, &no_home))
        return buffer_append_text(&folders->user, "/models", error) &&
               append_bundled_folder(&folders->bundled, "models", error);
    buffer_clear(&folders->user);
    return append_bundled_folder(&folders->bundled, "models", error);
}

static void folders_free(struct folders *folders)
{
    buffer_free(&folders->user);
    buffer_free(&folders->bundled);
}

static const char *folder_text(const struct buffer *folder)
{
    return folder->size > 0 ? folder->data : "(no home folder)";
}

static int is_model_name(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return dot && dot != entry->d_name && strcmp(dot, ".gguf") == 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* The first model of a folder in the order of names, so that it does not depend on
 * the file system. *found is false when there is none. */
static bool first_model(struct buffer *path, const struct buffer *folder, bool *found,
                        struct error *error)
{
    *found = false;
    struct dirent **entries;
    int count = folder->size > 0 ? scandir(folder->data, &entries, is_model_name, by_bytes) : -1;
    if (count < 0)
        return errno == ENOMEM && folder->size > 0 ? error_out_of_memory(error) : true;
    bool ok = true;
    for (int i = 0; i < count; i++) {
        if (ok && !*found) {
            buffer_clear(path);
            ok = buffer_append_format(path, error, "%s/%s", folder->data, entries[i]->d_name);
            *found = ok && is_file(path->data);
        }
        free(entries[i]);
    }
    free(entries);
    return ok;
}

static bool try_name(struct buffer *path, const struct buffer *folder, const char *name,
                     const char *ending, bool *found, struct error *error)
{
    *found = false;
    if (folder->size == 0)
        return true;
    buffer_clear(path);
    if (!buffer_append_format(path, error, "%s/%s%s", folder->data, name, ending))
        return false;
    *found = is_file(path->data);
    return true;
}

/* A path, or a name in one of the folders. `from` says who gave it. */
static bool resolve(struct buffer *path, const struct folders *folders, const char *given,
                    enum place_source from, struct error *error)
{
    bool found = access(given, F_OK) == 0;
    if (found)
        return buffer_append_text(path, given, error);
    if (strchr(given, '/'))
        return error_set(error, ERROR_MODEL, "cannot find the model %s (from %s): %s", given,
                         place_source_name(from), strerror(errno));
    const struct buffer *const places[] = {&folders->user, &folders->bundled};
    static const char *const endings[] = {"", ".gguf"};
    for (size_t i = 0; i < 4 && !found; i++)
        if (!try_name(path, places[i / 2], given, endings[i % 2], &found, error))
            return false;
    if (found)
        return true;
    return error_set(error, ERROR_MODEL,
                     "no model %s (from %s): neither that file is here, nor such a name, with or"
                     " without .gguf, in %s or %s",
                     given, place_source_name(from), folder_text(&folders->user),
                     folder_text(&folders->bundled));
}

/* --- the model to use ----------------------------------------------------------------- */

/* The one that nobody named. */
static bool find_unnamed(struct buffer *path, enum place_source *source,
                         const struct folders *folders, struct error *error)
{
    bool found;
    *source = PLACE_USER;
    if (!first_model(path, &folders->user, &found, error))
        return false;
    if (found)
        return true;
    *source = PLACE_BUNDLED;
    if (!first_model(path, &folders->bundled, &found, error))
        return false;
    return found || error_set(error, ERROR_MODEL,
                              "no model found in %s or %s: put a Mamba GGUF file there, or name"
                              " one by --model",
                              folder_text(&folders->user), folder_text(&folders->bundled));
}

bool place_model(struct buffer *path, enum place_source *source, const char *given,
                 struct error *error)
{
    struct configuration configuration = {0};
    struct folders folders;
    buffer_clear(path);
    bool ok = folders_find(&folders, error);
    *source = PLACE_OPTION;
    if (ok && !given) {
        *source = PLACE_ENVIRONMENT;
        given = variable("TIDEMARK_MODEL");
    }
    if (ok && !given) {
        *source = PLACE_CONFIGURATION;
        ok = configuration_read(&configuration, error);
        given = configuration.model.size > 0 ? configuration.model.data : NULL;
    }
    if (ok)
        ok = given ? resolve(path, &folders, given, *source, error)
                   : find_unnamed(path, source, &folders, error);
    configuration_free(&configuration);
    folders_free(&folders);
    return ok;
}

bool place_sample(struct buffer *path, struct error *error)
{
    buffer_clear(path);
    if (!append_bundled_folder(path, "samples", error) ||
        !buffer_append_text(path, "/" SAMPLE_NAME, error))
        return false;
    return is_file(path->data) ||
           error_set(error, ERROR_INPUT, "the sample document is not installed: no %s", path->data);
}
