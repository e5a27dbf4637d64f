/* action.h: everything that can be done in the reader: one table from which come the keys,
 * the `:` commands, the help screen and the manual's list. */
#ifndef TIDEMARK_UI_ACTION_H
#define TIDEMARK_UI_ACTION_H

#include <stdbool.h>
#include <stddef.h>

/* Where an action can be done; a view is in one of these at a time. */
enum action_place {                     /* bits */
                    ACTION_LIBRARY = 1, /* the list of documents */
                    ACTION_OUTLINE = 2, /* a document's panes */
                    ACTION_TEXT = 4,
                    ACTION_ANSWERS = 8,
                    ACTION_LIST =
                        16, /* lists that come over a view: help, notes, questions, hits, map */
                    ACTION_DOCUMENT = ACTION_OUTLINE | ACTION_TEXT | ACTION_ANSWERS,
                    ACTION_EVERYWHERE = 31,
};

enum action {
    ACTION_NONE,
    /* moving */
    ACTION_DOWN,
    ACTION_UP,
    ACTION_LEFT,
    ACTION_RIGHT,
    ACTION_HALF_DOWN,
    ACTION_HALF_UP,
    ACTION_PAGE_DOWN,
    ACTION_PAGE_UP,
    ACTION_TOP,
    ACTION_BOTTOM,
    ACTION_NEXT_SECTION,
    ACTION_PREVIOUS_SECTION,
    ACTION_GOTO,
    ACTION_NEXT_PANE,
    ACTION_PREVIOUS_PANE,
    ACTION_OPEN,
    ACTION_BACK,
    ACTION_FORWARD,
    /* the library */
    ACTION_ADD,
    ACTION_REMOVE,
    ACTION_UNDO,
    ACTION_SAMPLE,
    ACTION_FIND_ALL,
    /* asking */
    ACTION_ASK,
    ACTION_ASK_HERE,
    ACTION_FOLLOW_UP,
    ACTION_QUESTIONS,
    ACTION_SUM_SECTION,
    ACTION_SUM_CHAPTER,
    ACTION_SUM_DOCUMENT,
    ACTION_SUM_SO_FAR,
    ACTION_SUMMARIES,
    ACTION_READ,
    ACTION_CANCEL,
    /* finding */
    ACTION_SEARCH,
    ACTION_SEARCH_BACK,
    ACTION_NEXT_HIT,
    ACTION_PREVIOUS_HIT,
    ACTION_HITS,
    ACTION_MAP,
    /* what a person leaves */
    ACTION_SELECT,
    ACTION_MARK,
    ACTION_JUMP,
    ACTION_BOOKMARK,
    ACTION_NOTE,
    ACTION_NOTES,
    ACTION_COPY,
    /* out of it */
    ACTION_EXPORT,
    ACTION_PAGER,
    ACTION_EDITOR,
    /* the reader itself */
    ACTION_TOGGLE_OUTLINE,
    ACTION_TOGGLE_ANSWERS,
    ACTION_THEME,
    ACTION_MOUSE,
    ACTION_COMMAND,
    ACTION_HELP,
    ACTION_REDRAW,
    ACTION_SUSPEND,
    ACTION_CLOSE,
    ACTION_QUIT,
    ACTION_COUNT,
};

/* What follows a command's name, for completion. */
enum action_argument {
    ACTION_NO_ARGUMENT,
    ACTION_FREE,   /* a text; asked for when none is given */
    ACTION_FILE,   /* the same, a path */
    ACTION_LETTER, /* one character; as a key: the next one typed */
    ACTION_CHOICE, /* one of `choices` */
};

struct action_entry {
    const char *name;  /* of the command, and in [keys] of the configuration */
    const char *keys;  /* sequences with blanks between them (stroke.h); "" for none */
    const char *help;  /* one line, no capital, no period */
    const char *group; /* heading in help and manual; NULL: that of the entry before */
    unsigned places;   /* enum action_place */
    enum action_argument argument;
    const char *choices; /* words with blanks between them */
};

/* By enum action; [ACTION_NONE] is empty. */
extern const struct action_entry action_table[ACTION_COUNT];

/* The action of this name, or the only one that begins with it; ACTION_NONE otherwise. */
enum action action_named(const char *name, size_t size);

#endif
