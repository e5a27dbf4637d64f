/* html.h: HTML as browsers take it, by gumbo. */
#ifndef TIDEMARK_EXTRACT_HTML_H
#define TIDEMARK_EXTRACT_HTML_H

#include "extract/flow.h"

#include <stdint.h>

/* UTF-8. Blocks are counted by lines of this text, on top of `line`. */
void html_read(const char *text, size_t size, const struct flow_options *options, uint64_t line);

#endif
