#include "ui/keymap.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    uint32_t strokes[STROKE_SEQUENCE];
    size_t count;
    enum action action;
    unsigned places; /* where it serves; 0: others took it everywhere */
    int line;        /* of the configuration file; 0: the table's own */
};

struct keymap {
    struct entry *entries;
    size_t count, capacity;
};

static bool append(struct keymap *keymap, const struct entry *entry, struct error *error)
{
    if (keymap->count == keymap->capacity) {
        size_t capacity = keymap->capacity ? 2 * keymap->capacity : 128;
        struct entry *entries = reallocarray(keymap->entries, capacity, sizeof *entries);
        if (!entries)
            return error_out_of_memory(error);
        keymap->entries = entries;
        keymap->capacity = capacity;
    }
    keymap->entries[keymap->count++] = *entry;
    return true;
}

/* Whether a sequence is the beginning of the other, or both are the same. */
static bool begins_alike(const struct entry *a, const struct entry *b)
{
    size_t shorter = a->count < b->count ? a->count : b->count;
    return memcmp(a->strokes, b->strokes, shorter * sizeof *a->strokes) == 0;
}

static bool append_names(struct buffer *names, const struct entry *entry, struct error *error)
{
    for (size_t i = 0; i < entry->count; i++)
        if (!stroke_name(names, entry->strokes[i], error))
            return false;
    return true;
}

/* The next word of text, and moves beyond it; size 0 at the end. */
static const char *next_word(const char **text, size_t *size)
{
    const char *word = *text + strspn(*text, " \t");
    *size = strcspn(word, " \t");
    *text = word + *size;
    return word;
}

/* --- the table ------------------------------------------------------------------------ */

static bool add_table_keys(struct keymap *keymap, enum action action, struct error *error)
{
    struct entry entry = {.action = action, .places = action_table[action].places};
    const char *keys = action_table[action].keys;
    size_t size;
    for (const char *word; word = next_word(&keys, &size), size > 0;) {
        bool understood = stroke_parse(entry.strokes, &entry.count, word, size);
        assert(understood);
        if (understood && !append(keymap, &entry, error))
            return false;
    }
    return true;
}

/* --- the configuration ---------------------------------------------------------------- */

struct reading {
    const char *path;
    int lines[ACTION_COUNT]; /* that an action was given keys in; 0: none */
};

static bool refuse_clash(const struct reading *reading, const struct entry *entry,
                         const struct entry *other, struct error *error)
{
    struct buffer name = {0}, other_name = {0};
    char where[32] = "";
    if (other->line > 0)
        snprintf(where, sizeof where, " on line %d", other->line);
    if (!append_names(&name, entry, error) || !append_names(&other_name, other, error))
        ; /* the error is set */
    else if (entry->count == other->count)
        error_set(error, ERROR_USAGE, "%s, line %d: %s cannot be both %s and %s%s", reading->path,
                  entry->line, name.data, action_table[entry->action].name,
                  action_table[other->action].name, where);
    else
        error_set(error, ERROR_USAGE,
                  "%s, line %d: %s for %s and %s for %s%s begin alike: give one of the two other"
                  " keys",
                  reading->path, entry->line, name.data, action_table[entry->action].name,
                  other_name.data, action_table[other->action].name, where);
    buffer_free(&name);
    buffer_free(&other_name);
    return false;
}

/* Takes the keys of an entry from those that have them, or refuses what cannot be told
 * apart while it is typed. The table's keys must be those that are left. */
static bool settle(struct keymap *keymap, const struct reading *reading, size_t index,
                   struct error *error)
{
    struct entry *entry = &keymap->entries[index];
    for (size_t i = 0; i < index; i++) {
        struct entry *other = &keymap->entries[i];
        if (!(other->places & entry->places) || !begins_alike(entry, other))
            continue;
        bool same = entry->count == other->count;
        if (same && other->action == entry->action)
            entry->places &= ~other->places; /* written twice */
        else if (same && other->line == 0)
            other->places &= ~entry->places;
        else
            return refuse_clash(reading, entry, other, error);
    }
    return true;
}

static bool find_action(struct reading *reading, const struct configuration_binding *binding,
                        enum action *action, struct error *error)
{
    *action = ACTION_NONE;
    for (int i = ACTION_NONE + 1; i < ACTION_COUNT; i++)
        if (strcmp(action_table[i].name, binding->action) == 0)
            *action = (enum action)i;
    if (*action == ACTION_NONE)
        return error_set(error, ERROR_USAGE,
                         "%s, line %d: no action \"%s\": tidemark(1), KEYS, lists them",
                         reading->path, binding->line, binding->action);
    if (reading->lines[*action] > 0)
        return error_set(error, ERROR_USAGE,
                         "%s, line %d: %s has keys on line %d already: write them all on one line",
                         reading->path, binding->line, binding->action, reading->lines[*action]);
    reading->lines[*action] = binding->line;
    return true;
}

static bool add_line(struct keymap *keymap, struct reading *reading,
                     const struct configuration_binding *binding, struct error *error)
{
    struct entry entry = {.line = binding->line};
    if (!find_action(reading, binding, &entry.action, error))
        return false;
    const char *keys = binding->keys;
    size_t size;
    for (const char *word; word = next_word(&keys, &size), size > 0;) {
        entry.places = action_table[entry.action].places;
        if (!stroke_parse(entry.strokes, &entry.count, word, size))
            return error_set(error, ERROR_USAGE,
                             "%s, line %d: \"%.*s\" is no key, nor up to %d in a row: write them as"
                             " x, <C-x>, <A-x>, <F1> or gx",
                             reading->path, binding->line, (int)size, word, STROKE_SEQUENCE);
        if (!append(keymap, &entry, error))
            return false;
    }
    return true;
}

/* --- the whole ------------------------------------------------------------------------ */

static bool fill(struct keymap *keymap, const struct configuration *configuration,
                 struct error *error)
{
    struct reading reading = {.path = configuration->path ? configuration->path : "configuration"};
    struct keymap own = {0};
    bool ok = true;
    for (size_t i = 0; i < configuration->binding_count && ok; i++)
        ok = add_line(&own, &reading, &configuration->bindings[i], error);
    for (int i = ACTION_NONE + 1; i < ACTION_COUNT && ok; i++)
        if (reading.lines[i] == 0)
            ok = add_table_keys(keymap, (enum action)i, error);
    for (size_t i = 0; i < own.count && ok; i++)
        ok = append(keymap, &own.entries[i], error) &&
             settle(keymap, &reading, keymap->count - 1, error);
    free(own.entries);
    return ok;
}

struct keymap *keymap_new(const struct configuration *configuration, struct error *error)
{
    struct keymap *keymap = calloc(1, sizeof *keymap);
    if (!keymap) {
        error_out_of_memory(error);
        return NULL;
    }
    if (!fill(keymap, configuration, error)) {
        keymap_free(keymap);
        return NULL;
    }
    return keymap;
}

void keymap_free(struct keymap *keymap)
{
    if (!keymap)
        return;
    free(keymap->entries);
    free(keymap);
}

enum keymap_answer keymap_look(const struct keymap *keymap, enum action_place place,
                               const uint32_t *strokes, size_t count, enum action *action)
{
    enum keymap_answer answer = KEYMAP_NOTHING;
    assert(count > 0);
    for (size_t i = 0; i < keymap->count; i++) {
        const struct entry *entry = &keymap->entries[i];
        if (!(entry->places & place) || count > entry->count ||
            memcmp(entry->strokes, strokes, count * sizeof *strokes) != 0)
            continue;
        if (count == entry->count) {
            *action = entry->action;
            return KEYMAP_ACTION;
        }
        answer = KEYMAP_BEGUN;
    }
    return answer;
}

bool keymap_keys(const struct keymap *keymap, enum action action, struct buffer *names,
                 struct error *error)
{
    bool first = true;
    for (size_t i = 0; i < keymap->count; i++) {
        const struct entry *entry = &keymap->entries[i];
        if (entry->action != action || entry->places == 0)
            continue;
        if (!first && !buffer_append_byte(names, ' ', error))
            return false;
        first = false;
        if (!append_names(names, entry, error))
            return false;
    }
    return true;
}
