/* format.h: is a file text, or a document that a program of its own takes apart? */
#ifndef TIDEMARK_DOCUMENT_FORMAT_H
#define TIDEMARK_DOCUMENT_FORMAT_H

#include <stddef.h>

enum format {
    FORMAT_TEXT, /* Markdown, too; and what turns out to be no text at all */
    FORMAT_PDF,
    FORMAT_ZIP, /* EPUB, DOCX and ODT are; what is in it decides */
    FORMAT_HTML,
};

/* From the first bytes alone, whatever the file is called. */
enum format format_find(const char *bytes, size_t size);

#endif
