#include "app/work/noting.h"

#include "app/work/passage.h"
#include "base/utf8.h"
#include "document/quote.h"

#include <stdlib.h>
#include <string.h>

/* Of the line that a note without a passage of its own is known by. */
#define MOST_LINE 300

/* Of a passage that is looked for in other sections than its own; one of the two. */
enum { LEAST_WORDS = 4, LEAST_BYTES = 40 };

/* --- the list -------------------------------------------------------------------------- */

struct note_walk {
    struct noting *notes;
    struct error *error;
    bool ok;
};

static bool copy_note(struct library_note *copy, const struct library_note *from,
                      struct error *error)
{
    *copy = *from;
    copy->name = strdup(from->name);
    copy->passage = strdup(from->passage);
    copy->text = strdup(from->text);
    if (copy->name && copy->passage && copy->text)
        return true;
    library_note_free(copy);
    return error_out_of_memory(error);
}

/* Lost until it is found. */
static bool take_note(void *context, const struct library_note *from)
{
    struct note_walk *walk = context;
    struct noting *notes = walk->notes;
    if (notes->count == notes->capacity) {
        size_t capacity = notes->capacity ? 2 * notes->capacity : 16;
        struct noting_note *items = reallocarray(notes->items, capacity, sizeof *items);
        walk->ok = items || error_out_of_memory(walk->error);
        if (!walk->ok)
            return false;
        notes->items = items;
        notes->capacity = capacity;
    }
    struct noting_note *item = &notes->items[notes->count];
    item->lost = true;
    walk->ok = copy_note(&item->note, from, walk->error);
    notes->count += walk->ok;
    return walk->ok;
}

void noting_free(struct noting *notes)
{
    for (size_t i = 0; i < notes->count; i++)
        library_note_free(&notes->items[i].note);
    free(notes->items);
    *notes = (struct noting){0};
}

static int compare_notes(const void *left, const void *right)
{
    const struct library_note *a = &((const struct noting_note *)left)->note;
    const struct library_note *b = &((const struct noting_note *)right)->note;
    if (a->section != b->section)
        return a->section < b->section ? -1 : 1;
    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

/* --- finding passages again -------------------------------------------------------------- */

static bool stands_there(const struct library_note *note, const char *text, size_t size)
{
    size_t length = strlen(note->passage);
    if (note->begin < 0 || note->end < note->begin || (uint64_t)note->end > size)
        return false;
    if (note->begin < note->end && (size_t)(note->end - note->begin) != length)
        return false;
    return length <= size - (size_t)note->begin &&
           memcmp(text + note->begin, note->passage, length) == 0;
}

/* The occurrence of the passage that is the nearest to where it was. */
static bool find_exactly(const struct library_note *note, const char *text, size_t size,
                         size_t *begin)
{
    size_t length = strlen(note->passage);
    int64_t nearest = INT64_MAX;
    const char *at = text;
    while (length > 0 &&
           (at = memmem(at, size - (size_t)(at - text), note->passage, length)) != NULL) {
        int64_t distance = llabs((int64_t)(at - text) - note->begin);
        if (distance >= nearest)
            break;
        nearest = distance;
        *begin = (size_t)(at - text);
        at++;
    }
    return nearest < INT64_MAX;
}

static void move_note(struct noting_note *item, int64_t section, size_t begin, size_t end)
{
    bool empty = item->note.begin == item->note.end;
    item->note.section = section;
    item->note.begin = (int64_t)begin;
    item->note.end = (int64_t)(empty ? begin : end);
    item->lost = false;
}

static bool look_in(struct noting_note *item, const struct library_section *section,
                    struct error *error)
{
    const struct library_note *note = &item->note;
    size_t length = strlen(note->passage), begin, end;
    struct error failure = {0};
    if (find_exactly(note, section->text, section->text_size, &begin)) {
        move_note(item, section->ordinal, begin, begin + length);
        return true;
    }
    if (quote_find(&begin, &end, section->text, section->text_size, note->passage, length,
                   &failure)) {
        move_note(item, section->ordinal, begin, end);
        return true;
    }
    if (failure.kind == ERROR_NONE)
        return true;
    *error = failure;
    return false;
}

/* Whether a passage says enough to be known again in another section: a line like "Notes"
 * stands in many places. */
static bool is_distinct(const char *passage)
{
    size_t words = 0;
    for (const char *at = passage; *at; at++)
        words += *at != ' ' && *at != '\n' && (at == passage || at[-1] == ' ' || at[-1] == '\n');
    return words >= LEAST_WORDS || strlen(passage) >= LEAST_BYTES;
}

/* Looks for the notes that are lost in one section: those that were there, or all. */
struct look {
    struct session *session;
    struct noting *notes;
    struct error *error;
    bool ok;
};

static bool look_in_own(struct look *look, const struct library_section *section)
{
    for (size_t i = 0; look->ok && i < look->notes->count; i++) {
        struct noting_note *item = &look->notes->items[i];
        if (!item->lost || item->note.section != section->ordinal)
            continue;
        if (stands_there(&item->note, section->text, section->text_size))
            item->lost = false;
        else
            look->ok = look_in(item, section, look->error);
    }
    return look->ok;
}

/* For what the index does not help with: passages as they were, which is quick. */
static bool look_in_any(void *context, const struct library_section *section)
{
    struct look *look = context;
    size_t begin, open = 0;
    look->ok = !session_cancelled(look->session) ||
               error_set(look->error, ERROR_INTERRUPTED, "interrupted while looking for notes");
    for (size_t i = 0; look->ok && i < look->notes->count; i++) {
        struct noting_note *item = &look->notes->items[i];
        bool open_here = item->lost && is_distinct(item->note.passage);
        if (open_here && find_exactly(&item->note, section->text, section->text_size, &begin))
            move_note(item, section->ordinal, begin, begin + strlen(item->note.passage));
        open += open_here && item->lost;
    }
    return look->ok && open > 0;
}

/* The nearest to where it was comes first. */
static void sort_by_distance(int64_t *sections, size_t count, int64_t from)
{
    for (size_t i = 1; i < count; i++)
        for (size_t j = i; j > 0 && llabs(sections[j] - from) < llabs(sections[j - 1] - from);
             j--) {
            int64_t section = sections[j];
            sections[j] = sections[j - 1];
            sections[j - 1] = section;
        }
}

/* In the sections that hold its words. */
static bool look_by_words(struct look *look, int64_t document, struct noting_note *item)
{
    int64_t sections[PASSAGE_SECTIONS];
    size_t count;
    if (!passage_sections(look->session, document, item->note.passage, sections, &count,
                          look->error))
        return false;
    sort_by_distance(sections, count, item->note.section);
    for (size_t i = 0; i < count && item->lost; i++) {
        struct library_section section;
        if (!library_get_section(look->session->library, document, sections[i], LIBRARY_TEXT,
                                 &section, look->error))
            return false;
        bool ok = look_in(item, &section, look->error);
        library_section_free(&section);
        if (!ok)
            return false;
    }
    return true;
}

static size_t count_lost(const struct noting *notes)
{
    size_t lost = 0;
    for (size_t i = 0; i < notes->count; i++)
        lost += notes->items[i].lost;
    return lost;
}

static bool look_at_own(struct session *session, int64_t document, int64_t sections,
                        struct look *look)
{
    for (size_t i = 0; i < look->notes->count; i++) {
        struct library_section section;
        int64_t ordinal = look->notes->items[i].note.section;
        bool seen = !look->notes->items[i].lost ||
                    (i > 0 && look->notes->items[i - 1].note.section == ordinal);
        if (seen || ordinal < 0 || ordinal >= sections)
            continue;
        if (!library_get_section(session->library, document, ordinal, LIBRARY_TEXT, &section,
                                 look->error))
            return false;
        look_in_own(look, &section);
        library_section_free(&section);
        if (!look->ok)
            return false;
    }
    return true;
}

/* Where nothing is left of it: a place that is there. */
static void settle_lost(struct noting *notes, int64_t sections)
{
    for (size_t i = 0; i < notes->count; i++) {
        struct library_note *note = &notes->items[i].note;
        if (!notes->items[i].lost)
            continue;
        bool there = note->section >= 0 && note->section < sections;
        note->section = there ? note->section : sections > 0 ? sections - 1 : 0;
        note->begin = note->end = 0;
    }
}

static bool find_all(struct session *session, int64_t document, struct noting *notes,
                     struct error *error)
{
    struct library_document facts;
    struct look look = {.session = session, .notes = notes, .error = error, .ok = true};
    if (!library_get_document(session->library, document, &facts, error))
        return false;
    const int64_t sections = facts.sections;
    library_document_free(&facts);
    if (!look_at_own(session, document, sections, &look))
        return false;
    for (size_t i = 0; i < notes->count; i++)
        if (notes->items[i].lost && is_distinct(notes->items[i].note.passage) &&
            !look_by_words(&look, document, &notes->items[i]))
            return false;
    if (count_lost(notes) > 0 &&
        !library_each_section(session->library, document, LIBRARY_TEXT, look_in_any, &look, error))
        return false;
    settle_lost(notes, sections);
    return look.ok;
}

bool noting_list(struct session *session, int64_t document, struct noting *notes,
                 struct error *error)
{
    struct note_walk walk = {.notes = notes, .error = error, .ok = true};
    *notes = (struct noting){0};
    if (library_each_note(session->library, document, take_note, &walk, error) && walk.ok &&
        (notes->count == 0 || find_all(session, document, notes, error))) {
        if (notes->count > 0)
            qsort(notes->items, notes->count, sizeof *notes->items, compare_notes);
        return true;
    }
    noting_free(notes);
    return false;
}

/* --- adding ------------------------------------------------------------------------------ */

/* From `begin` to the end of the first line that is not blank. */
static size_t line_end(const char *text, size_t size, size_t begin)
{
    size_t end = begin;
    while (end < size && (text[end] == '\n' || text[end] == ' ' || text[end] == '\t'))
        end++;
    while (end < size && text[end] != '\n')
        end++;
    return end - begin > MOST_LINE ? utf8_floor(text, size, begin + MOST_LINE) : end;
}

static bool take_passage(struct library_note *note, const struct library_section *section,
                         struct error *error)
{
    const char *text = section->text;
    size_t size = section->text_size;
    if (note->begin < 0 || note->end < note->begin || (uint64_t)note->end > size)
        return error_set(error, ERROR_INPUT,
                         "section %lld has no such passage now: look at the text again",
                         (long long)note->section + 1);
    size_t begin = utf8_floor(text, size, (size_t)note->begin);
    size_t end = utf8_floor(text, size, (size_t)note->end);
    note->begin = (int64_t)begin;
    note->end = (int64_t)end;
    if (begin == end)
        end = line_end(text, size, begin);
    note->passage = strndup(text + begin, end - begin);
    return note->passage || error_out_of_memory(error);
}

bool noting_put(struct session *session, struct library_note *note, struct error *error)
{
    static char nothing[] = "";
    struct library_section section;
    struct library_note put = *note;
    put.passage = NULL;
    put.name = note->name ? note->name : nothing;
    put.text = note->text ? note->text : nothing;
    if (!library_get_section(session->library, note->document, note->section, LIBRARY_TEXT,
                             &section, error))
        return false;
    bool ok =
        take_passage(&put, &section, error) && library_put_note(session->library, &put, error);
    if (ok) {
        note->id = put.id;
        note->begin = put.begin;
        note->end = put.end;
        note->made_at = put.made_at;
    }
    free(put.passage);
    library_section_free(&section);
    return ok;
}
