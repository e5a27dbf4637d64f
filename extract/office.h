/* office.h: the documents of word processors. Each reads the open archive and returns
 * when all of it has been sent. */
#ifndef TIDEMARK_EXTRACT_OFFICE_H
#define TIDEMARK_EXTRACT_OFFICE_H

/* Office Open XML (ECMA-376), text documents. `document` is the main part's name. */
void docx_read(const char *document);

/* OpenDocument (ISO/IEC 26300), text documents. */
void odt_read(void);

/* EPUB 2 and 3. */
void epub_read(void);

#endif
