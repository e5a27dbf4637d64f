/* document_tools.h: what one does with an open document: searching, asking, summarizing,
 * noting, taking out of it. */
#ifndef TIDEMARK_UI_DOCUMENT_TOOLS_H
#define TIDEMARK_UI_DOCUMENT_TOOLS_H

#include "ui/document_view.h"

/* False when the action is none of these. */
bool document_tools_act(struct document_view *v, enum action action, const char *argument);

/* To be called before drawing: goes to the first hit, or shows the answer, when it has
 * come. */
void document_tools_follow(struct document_view *v);

/* Of a new view: begins at a section, with a search for any of the words. */
void document_tools_begin(struct document_view *v, int64_t section, const char *words);

/* Lets the person type a question that follows up a turn, or asks it. */
void document_tools_follow_up(struct document_view *v, int64_t turn, const char *question);

#endif
