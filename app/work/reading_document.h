/* reading_document.h: a model reads a document that is in the library, from where it stopped to
 * the last section that is there.
 *
 * Section by section: its text is tokenized and fed, piece by piece, to the state; the state is
 * kept where one is due, and what was read of the section is recorded (recording.h). */
#ifndef TIDEMARK_APP_WORK_READING_DOCUMENT_H
#define TIDEMARK_APP_WORK_READING_DOCUMENT_H

#include "app/work/reading.h"

/* Reads result->document, whose lease the session's process has, and fills the rest of *result;
 * with text_only it is announced alone. `early`: more of it is to come, and nothing is
 * announced. When it fails, result->tokens_read and seconds are those of what was done until
 * then. */
bool reading_document(struct session *session, const struct reading_options *options, bool early,
                      struct reading_result *result, struct error *error) WARN_UNUSED;

#endif
