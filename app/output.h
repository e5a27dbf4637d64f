/* output.h: what goes to standard output.
 *
 *     struct output out = {0};
 *     output_format(&out, "%d sections of ", count);
 *     output_line(&out, name);
 *     if (!output_flush(&out, &error)) ...
 *     output_free(&out);
 *
 * Text is gathered and written whole. The first failure is remembered and told by
 * output_flush; later calls do nothing. A reader that has gone away (`| head`) is
 * no failure. Standard output is a terminal's or a file's: text that came from
 * documents, models, databases or the command line goes through output_line or
 * output_text, never through output_format. */
#ifndef TIDEMARK_APP_OUTPUT_H
#define TIDEMARK_APP_OUTPUT_H

#include "app/work/json.h"

struct output {
    struct buffer text;
    struct error error; /* the first failure */
    bool told;          /* by output_flush */
};

void output_format(struct output *out, const char *format, ...) PRINTF_LIKE(2, 3);
void output_line(struct output *out, const char *text); /* one-line fields, made visible */
void output_text(struct output *out, const char *text); /* running text, made visible */

/* A word as a shell would take it, quoted where it must be. */
void output_word(struct output *out, const char *word);

/* From here on dim, or as usual again; nothing where standard output is no terminal. */
void output_dim(struct output *out, bool dim);

/* One line of JSON in ASCII. Takes the reference; NULL counts as out of memory. */
void output_json(struct output *out, json_t *value);

/* Any bytes as a JSON string, what is not UTF-8 as U+FFFD; null for NULL. NULL when
 * out of memory. */
json_t *output_json_text(const char *text);

/* A number, or null where it is not finite or `known` is false. */
json_t *output_json_real(double number, bool known);

/* Writes what was gathered. False for a failure that it did not tell before. */
bool output_flush(struct output *out, struct error *error) WARN_UNUSED;
void output_free(struct output *out);

/* Whether a stream's descriptor is a terminal that understands escape sequences. */
bool output_is_terminal(int descriptor);

/* A table whose columns are aligned by the width that text has on a terminal. */
struct output_table {
    unsigned columns;
    unsigned right;     /* bit i: column i is aligned to the right */
    struct output text; /* all cells, one after the other, each ended by NUL */
};

void output_cell(struct output_table *table, const char *text); /* made visible */
/* Appends the rows and empties the table. */
void output_rows(struct output *out, struct output_table *table);

/* Columns that visible UTF-8 text takes. */
size_t output_width(const char *text, size_t size);

#endif
