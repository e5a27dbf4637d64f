/* pdf_page.h: what is asked of poppler. */
#ifndef TIDEMARK_EXTRACT_PDF_PAGE_H
#define TIDEMARK_EXTRACT_PDF_PAGE_H

#include "extract/pdf.h"

#include <poppler.h>

/* Page `number`, from 1: its lines. */
void pdf_page_load(struct pdf_page *page, PopplerDocument *document, size_t number);

/* All bookmarks, in order of pages and places on them. */
void pdf_bookmarks(struct pdf_bookmark **bookmarks, size_t *count, PopplerDocument *document);

#endif
