/* script.h: a reader that is driven by a file, for tests and screenshots.
 *
 * One command a line, empty lines and lines that begin with "#" aside:
 *
 *     size COLUMNS LINES     the screen's size (80 24 at first)
 *     keys STROKES           keys by name (stroke.h): keys jj<Enter>; a blank is <Space>
 *     type TEXT              characters as they are, to the line's end
 *     paste TEXT             the same as a bracketed paste
 *     click COLUMN LINE      the mouse's first button, from 0
 *     wheel up|down COLUMN LINE
 *     wait                   until nothing is going on any more
 *     wait reading           until the document is being read and a section of it was
 *     screen FILE            saves the screen (terminal_dump)
 *
 * After each line all keys are handled and what is quick has been answered. The reader
 * ends with the last line, or when the keys make it. */
#ifndef TIDEMARK_UI_SCRIPT_H
#define TIDEMARK_UI_SCRIPT_H

#include "base/error.h"

struct script;

/* ERROR_INPUT when it cannot be read, ERROR_USAGE with file and line when a line cannot be
 * understood; nothing has been done by then. */
struct script *script_new(const char *path, struct error *error);
void script_free(struct script *script);

enum script_step {
    SCRIPT_FED,          /* strokes were fed to the terminal, or its size was changed */
    SCRIPT_WAIT,         /* until idle */
    SCRIPT_WAIT_READING, /* as above */
    SCRIPT_SAVED,        /* a screen was written: it was up to date */
    SCRIPT_END,
};

/* Does the next line. Before SCRIPT_SAVED can come, the caller must have drawn. */
bool script_next(struct script *script, enum script_step *step, struct error *error) WARN_UNUSED;

#endif
