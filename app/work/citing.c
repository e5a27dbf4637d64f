#include "app/work/citing.h"

#include "document/position.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static void name_place(struct citing *citing, const struct position_place *place)
{
    const char *name = place->name;
    size_t size = place->size;
    switch (place->unit) {
    case POSITION_PAGE:
        if (size > 0)
            snprintf(citing->place, sizeof citing->place, "p. %.*s", (int)size, name);
        else
            snprintf(citing->place, sizeof citing->place, "p. %lld", (long long)citing->page);
        return;
    case POSITION_FILE:
        /* Folders within a book say nothing. */
        for (size_t i = size; i-- > 0;)
            if (name[i] == '/') {
                name += i + 1;
                size -= i + 1;
                break;
            }
        snprintf(citing->place, sizeof citing->place, "%.*s", (int)size, name);
        return;
    case POSITION_LINE:
        break;
    }
    citing->place[0] = '\0';
}

bool citing_find(struct citing *citing, const void *map, size_t map_size, size_t offset,
                 struct error *error)
{
    struct position position;
    struct position_place place;
    *citing = (struct citing){0};
    if (!position_find_place(&position, &place, map, map_size, offset, error))
        return false;
    citing->page = (int64_t)position.page;
    citing->line = (int64_t)position.line;
    name_place(citing, &place);
    return true;
}

/* Bytes of "7.3" in "7.3 Title" or "7.3. Title"; 0 when the title has no number. */
static size_t number_size(const char *title)
{
    size_t at = 0;
    bool capital =
        isupper((unsigned char)title[0]) && title[1] == '.' && isdigit((unsigned char)title[2]);
    at += capital;
    while (isdigit((unsigned char)title[at]) ||
           (title[at] == '.' && at > 0 && isdigit((unsigned char)title[at + 1])))
        at++;
    size_t end = at + (title[at] == '.');
    return at > 0 && (title[end] == ' ' || title[end] == '\0') ? at : 0;
}

bool citing_append(struct buffer *out, const struct citing *citing, const char *title,
                   struct error *error)
{
    size_t number = number_size(title);
    bool ok = citing->place[0]
                  ? buffer_append_text(out, citing->place, error)
                  : buffer_append_format(out, error, "line %lld", (long long)citing->line);
    return ok && (number == 0 || buffer_append_format(out, error, ", §%.*s", (int)number, title));
}
