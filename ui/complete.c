#include "ui/complete.h"

#include "app/work/place.h"
#include "ui/action.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST = 1000 };

static void free_items(char **items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(items[i]);
    free(items);
}

void complete_end(struct complete *complete)
{
    free_items(complete->items, complete->count);
    free(complete->typed);
    *complete = (struct complete){.last = complete->last};
}

static bool add_item(char ***items, size_t *count, const char *text, size_t size)
{
    char *item = *count < MOST ? strndup(text, size) : NULL;
    char **grown = item ? realloc(*items, (*count + 1) * sizeof *grown) : NULL;
    if (!grown) {
        free(item);
        return false;
    }
    *items = grown;
    grown[(*count)++] = item;
    return true;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* --- files --------------------------------------------------------------------------- */

/* A listing on its way. */
struct listing_files {
    struct complete *complete;
    uint64_t number;
    size_t begin;
    char *typed;
    char **items;
    size_t count;
    void (*call)(void *context);
    void *context;
};

/* "~/" is the home folder. */
static bool real_folder(struct buffer *folder, const char *typed, size_t size, struct error *error)
{
    if (size == 0)
        return buffer_append_text(folder, ".", error);
    if (size >= 2 && typed[0] == '~' && typed[1] == '/' && place_home())
        return buffer_append_format(folder, error, "%s/", place_home()) &&
               buffer_append(folder, typed + 2, size - 2, error);
    return buffer_append(folder, typed, size, error);
}

static bool is_folder(DIR *folder, const struct dirent *entry)
{
    struct stat about;
    if (entry->d_type != DT_UNKNOWN && entry->d_type != DT_LNK)
        return entry->d_type == DT_DIR;
    return fstatat(dirfd(folder), entry->d_name, &about, 0) == 0 && S_ISDIR(about.st_mode);
}

static bool list_folder(struct listing_files *listing, DIR *folder, struct error *error)
{
    const char *slash = strrchr(listing->typed, '/');
    size_t kept = slash ? (size_t)(slash - listing->typed) + 1 : 0;
    const char *name = listing->typed + kept;
    struct buffer item = {0};
    bool ok = true;
    for (struct dirent *entry; ok && (entry = readdir(folder));) {
        bool hidden = entry->d_name[0] == '.' && name[0] != '.';
        if (hidden || strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            strncmp(entry->d_name, name, strlen(name)) != 0)
            continue;
        buffer_clear(&item);
        ok = buffer_append(&item, listing->typed, kept, error) &&
             buffer_append_text(&item, entry->d_name, error) &&
             (!is_folder(folder, entry) || buffer_append_byte(&item, '/', error));
        if (ok && !add_item(&listing->items, &listing->count, item.data, item.size))
            break;
    }
    buffer_free(&item);
    return ok;
}

static bool run_listing(struct session *session, void *context, struct error *error)
{
    struct listing_files *listing = context;
    struct buffer path = {0};
    const char *slash = strrchr(listing->typed, '/');
    size_t size = slash ? (size_t)(slash - listing->typed) + 1 : 0;
    (void)session;
    bool ok = real_folder(&path, listing->typed, size, error);
    DIR *folder = ok ? opendir(path.data) : NULL;
    if (folder) {
        ok = list_folder(listing, folder, error);
        closedir(folder);
        if (listing->count > 0)
            qsort(listing->items, listing->count, sizeof *listing->items, by_text);
    }
    buffer_free(&path);
    return ok;
}

static void listing_done(void *context, const struct error *failure)
{
    struct listing_files *listing = context;
    struct complete *complete = listing->complete;
    bool wanted = !failure && listing->count > 0 && complete->number == listing->number;
    if (wanted) {
        complete_end(complete);
        complete->items = listing->items;
        complete->count = complete->at = listing->count;
        complete->begin = listing->begin;
        complete->typed = listing->typed;
        listing->call(listing->context);
    } else {
        free_items(listing->items, listing->count);
        free(listing->typed);
    }
    free(listing);
}

static void begin_files(struct complete *complete, struct desk *desk, const char *text,
                        size_t begin, void (*call)(void *context), void *context)
{
    struct listing_files *listing = calloc(1, sizeof *listing);
    char *typed = strdup(text + begin);
    if (!listing || !typed) {
        free(listing);
        free(typed);
        return;
    }
    complete->number = ++complete->last;
    *listing = (struct listing_files){.complete = complete,
                                      .number = complete->number,
                                      .begin = begin,
                                      .typed = typed,
                                      .call = call,
                                      .context = context};
    desk_submit(
        desk, DESK_QUICK,
        &(struct desk_request){.run = run_listing, .context = listing, .done = listing_done}, NULL);
}

/* --- commands ------------------------------------------------------------------------- */

static void add_words(struct complete *complete, const char *words, const char *typed)
{
    for (const char *word = words; word && *word;) {
        size_t size = strcspn(word, " ");
        if (strncmp(word, typed, strlen(typed)) == 0)
            add_item(&complete->items, &complete->count, word, size);
        word += size + strspn(word + size, " ");
    }
}

static void begin_commands(struct complete *complete, struct desk *desk, unsigned place,
                           const char *text, void (*call)(void *context), void *context)
{
    size_t name = strcspn(text, " ");
    size_t begin = name + strspn(text + name, " ");
    if (text[name] == '\0') {
        begin = 0;
        for (int i = ACTION_NONE + 1; i < ACTION_COUNT; i++)
            if (action_table[i].places & place)
                add_words(complete, action_table[i].name, text);
    } else {
        const struct action_entry *entry = &action_table[action_named(text, name)];
        if (entry->argument == ACTION_FILE) {
            begin_files(complete, desk, text, begin, call, context);
            return;
        }
        if (entry->argument == ACTION_CHOICE)
            add_words(complete, entry->choices, text + begin);
    }
    complete->typed = strdup(text + begin);
    if (complete->count == 0 || !complete->typed) {
        complete_end(complete);
        return;
    }
    qsort(complete->items, complete->count, sizeof *complete->items, by_text);
    complete->begin = begin;
    complete->at = complete->count;
    call(context);
}

void complete_begin(struct complete *complete, struct desk *desk, enum complete_what what,
                    unsigned place, const char *text, void (*call)(void *context), void *context)
{
    complete_end(complete);
    if (what == COMPLETE_FILES)
        begin_files(complete, desk, text, 0, call, context);
    else if (what == COMPLETE_COMMANDS)
        begin_commands(complete, desk, place, text, call, context);
}

const char *complete_next(struct complete *complete, int direction)
{
    if (complete->count == 0)
        return NULL;
    size_t places = complete->count + 1;
    complete->at = (complete->at + places + (direction > 0 ? 1 : places - 1)) % places;
    return complete->at == complete->count ? complete->typed : complete->items[complete->at];
}
