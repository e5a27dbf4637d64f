/* markdown.h: Markdown (CommonMark, with GitHub's tables) by md4c, as document/marking.h
 * asks for it: pieces on standard input, roles on standard output, until the input ends. */
#ifndef TIDEMARK_EXTRACT_MARKDOWN_H
#define TIDEMARK_EXTRACT_MARKDOWN_H

#include <stdbool.h>
#include <stddef.h>

/* roles[size], see marking.h. False when md4c was not let finish. */
bool markdown_mark(unsigned char *roles, const char *text, size_t size);

/* Answers until standard input ends; the process ends in it. */
_Noreturn void markdown_serve(void);

#endif
