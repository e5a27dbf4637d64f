#include "app/output.h"

#include "base/utf8.h"
#include "base/visible.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utf8proc.h>

#define TABLE_COLUMNS_MAX 16

static bool failed(const struct output *out)
{
    return out->error.kind != ERROR_NONE;
}

static void append(struct output *out, const char *text, size_t size)
{
    if (!failed(out) && !buffer_append(&out->text, text, size, &out->error))
        return; /* remembered in out->error */
}

void output_format(struct output *out, const char *format, ...)
{
    char *text;
    va_list arguments;
    va_start(arguments, format);
    int size = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (size < 0) {
        error_out_of_memory(&out->error);
        return;
    }
    append(out, text, (size_t)size);
    free(text);
}

static void append_visible(struct output *out, const char *text, enum visible_mode mode)
{
    if (!failed(out) && !visible_append(&out->text, text, strlen(text), mode, &out->error))
        return; /* remembered in out->error */
}

void output_line(struct output *out, const char *text)
{
    append_visible(out, text, VISIBLE_LINE);
}

void output_text(struct output *out, const char *text)
{
    append_visible(out, text, VISIBLE_TEXT);
}

void output_word(struct output *out, const char *word)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                "0123456789_./:=@%+,-";
    if (*word && *word != '-' && word[strspn(word, plain)] == '\0') {
        append(out, word, strlen(word));
        return;
    }
    append(out, "'", 1);
    for (const char *at = word; *at;) {
        size_t size = strcspn(at, "'");
        if (!failed(out) && !visible_append(&out->text, at, size, VISIBLE_LINE, &out->error))
            return;
        at += size;
        if (*at == '\'') {
            append(out, "'\\''", 4);
            at++;
        }
    }
    append(out, "'", 1);
}

bool output_is_terminal(int descriptor)
{
    const char *kind = getenv("TERM");
    return isatty(descriptor) && kind && *kind && strcmp(kind, "dumb") != 0;
}

void output_dim(struct output *out, bool dim)
{
    const char *plain = getenv("NO_COLOR"); /* no-color.org: set and not empty */
    if (output_is_terminal(STDOUT_FILENO) && !(plain && *plain))
        output_format(out, "%s", dim ? "\033[2m" : "\033[22m");
}

/* --- JSON -------------------------------------------------------------------------- */

void output_json(struct output *out, json_t *value)
{
    if (failed(out))
        json_decref(value);
    else if (json_text(&out->text, value, &out->error))
        append(out, "\n", 1);
}

json_t *output_json_text(const char *text)
{
    if (!text)
        return json_null();
    size_t size = strlen(text);
    if (utf8_is_valid(text, size))
        return json_stringn_nocheck(text, size);
    struct buffer repaired = {0};
    bool ok = true;
    for (size_t at = 0; ok && at < size;) {
        uint32_t rune;
        size_t length;
        char bytes[UTF8_MAX_BYTES];
        utf8_decode(&rune, &length, text + at, size - at);
        ok = buffer_append(&repaired, bytes, utf8_encode(bytes, rune), NULL);
        at += length;
    }
    json_t *string = ok ? json_stringn_nocheck(repaired.data, repaired.size) : NULL;
    buffer_free(&repaired);
    return string;
}

json_t *output_json_real(double number, bool known)
{
    return known && isfinite(number) ? json_real(number) : json_null();
}

/* --- writing ------------------------------------------------------------------------- */

bool output_flush(struct output *out, struct error *error)
{
    size_t written = 0;
    while (!failed(out) && written < out->text.size) {
        ssize_t size = write(STDOUT_FILENO, out->text.data + written, out->text.size - written);
        if (size >= 0)
            written += (size_t)size;
        else if (errno == EPIPE)
            break;
        else if (errno != EINTR)
            error_set(&out->error, ERROR_SYSTEM, "cannot write to standard output: %s",
                      strerror(errno));
    }
    buffer_clear(&out->text);
    if (!failed(out) || out->told)
        return true;
    out->told = true;
    *error = out->error;
    return false;
}

void output_free(struct output *out)
{
    buffer_free(&out->text);
}

/* --- tables -------------------------------------------------------------------------- */

size_t output_width(const char *text, size_t size)
{
    size_t width = 0;
    for (size_t at = 0; at < size;) {
        uint32_t rune;
        size_t length;
        utf8_decode(&rune, &length, text + at, size - at);
        int columns = utf8proc_charwidth((utf8proc_int32_t)rune);
        width += columns > 0 ? (size_t)columns : 0;
        at += length;
    }
    return width;
}

void output_cell(struct output_table *table, const char *text)
{
    output_line(&table->text, text);
    append(&table->text, "", 1);
}

static void measure(const struct output_table *table, size_t widths[TABLE_COLUMNS_MAX])
{
    const char *cell = table->text.text.data;
    const char *end = cell + table->text.text.size;
    for (unsigned i = 0; cell < end; i++) {
        size_t size = strlen(cell), width = output_width(cell, size);
        if (width > widths[i % table->columns])
            widths[i % table->columns] = width;
        cell += size + 1;
    }
}

void output_rows(struct output *out, struct output_table *table)
{
    size_t widths[TABLE_COLUMNS_MAX] = {0};
    if (failed(&table->text) && !failed(out))
        out->error = table->text.error;
    if (!failed(out) && table->text.text.size > 0) {
        measure(table, widths);
        const char *cell = table->text.text.data;
        const char *end = cell + table->text.text.size;
        for (unsigned i = 0; cell < end; i++) {
            unsigned column = i % table->columns;
            bool last = column + 1 == table->columns;
            size_t size = strlen(cell);
            int blanks = (int)(widths[column] - output_width(cell, size));
            bool right = table->right >> column & 1;
            output_format(out, "%*s%s%*s%s", right ? blanks : 0, "", cell,
                          right || last ? 0 : blanks, "", last ? "\n" : "  ");
            cell += size + 1;
        }
    }
    buffer_free(&table->text.text);
    table->text = (struct output){0};
}
