#include "app/work/origin.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* Notes why the text in the library has to do. */
static void note_why(struct session *session, const char *path, const char *why)
{
    session_note(session, "%.300s%s: going on with its text in the library", path, why);
}

static bool add_source(struct session *session, int64_t document, struct origin *origin,
                       struct error *error)
{
    struct library_source source;
    if (!library_get_source(session->library, document, (int64_t)origin->count, &source, error))
        return false;
    char *path = source.path;
    source.path = NULL;
    library_source_free(&source);
    origin->paths[origin->count++] = path;
    if (!origin->there)
        return true;
    if (path[0] != '/')
        note_why(session, path, " was read from standard input");
    else if (access(path, R_OK) != 0)
        note_why(session, path, errno == ENOENT ? " is no longer there" : " cannot be read");
    else
        return true;
    origin->there = false;
    return true;
}

bool origin_find(struct origin *origin, struct session *session, int64_t document,
                 struct error *error)
{
    int64_t count;
    *origin = (struct origin){.there = true};
    if (!library_count_sources(session->library, document, &count, error))
        return false;
    if (count < 1) {
        note_why(session, "the document", " has no file");
        origin->there = false;
        return true;
    }
    origin->paths = calloc((size_t)count, sizeof *origin->paths);
    if (!origin->paths)
        return error_out_of_memory(error);
    while ((int64_t)origin->count < count)
        if (!add_source(session, document, origin, error))
            return false;
    return true;
}

void origin_free(struct origin *origin)
{
    for (size_t i = 0; i < origin->count; i++)
        free(origin->paths[i]);
    free(origin->paths);
    *origin = (struct origin){0};
}
