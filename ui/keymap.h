/* keymap.h: which strokes do what, from action_table and the user's configuration.
 *
 *     struct keymap *keymap = keymap_new(&configuration, &error);
 *     switch (keymap_look(keymap, place, strokes, count, &action)) ...
 *
 * A key of the table serves in the places of its action. */
#ifndef TIDEMARK_UI_KEYMAP_H
#define TIDEMARK_UI_KEYMAP_H

#include "app/work/configuration.h"
#include "ui/action.h"
#include "ui/stroke.h"

struct keymap;

/* `bindings` replace all keys of the actions that they name; a key that an action gets so
 * is taken from those that had it in the same place. ERROR_USAGE with file and line for an
 * unknown action (names are not abbreviated there), an action with two lines, keys that
 * cannot be understood, two lines that give one key to two actions in one place, and keys
 * that are the beginning of others in one place, be these from a line or the table. */
struct keymap *keymap_new(const struct configuration *configuration, struct error *error);
void keymap_free(struct keymap *keymap);

enum keymap_answer {
    KEYMAP_NOTHING, /* no such sequence */
    KEYMAP_BEGUN,   /* it may become one */
    KEYMAP_ACTION,  /* *action is set */
};
enum keymap_answer keymap_look(const struct keymap *keymap, enum action_place place,
                               const uint32_t *strokes, size_t count, enum action *action);

/* Appends the names of an action's sequences, blanks between them; nothing without any. */
bool keymap_keys(const struct keymap *keymap, enum action action, struct buffer *names,
                 struct error *error) WARN_UNUSED;

#endif
