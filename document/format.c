#include "document/format.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum { PDF_WITHIN = 1024, MARKUP_WITHIN = 4096 };

/* The first characters of the text without the zero bytes of UTF-16 and UTF-32, and
 * without byte order marks. */
static size_t squeeze(char out[MARKUP_WITHIN], const char *bytes, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < size && used < MARKUP_WITHIN; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (byte != 0 && !(used == 0 && (byte == 0xFF || byte == 0xFE || byte == 0xEF ||
                                         byte == 0xBB || byte == 0xBF)))
            out[used++] = bytes[i];
    }
    return used;
}

static size_t skip_blanks(const char *text, size_t size, size_t at)
{
    while (at < size && strchr(" \t\r\n\f", text[at]) && text[at])
        at++;
    return at;
}

static bool begins(const char *text, size_t size, size_t at, const char *word)
{
    size_t length = strlen(word);
    return size - at >= length && strncasecmp(text + at, word, length) == 0;
}

/* The end of what begins at `at` with `open`, else `at`. */
static size_t skip_part(const char *text, size_t size, size_t at, const char *open,
                        const char *close)
{
    size_t length = strlen(close);
    if (!begins(text, size, at, open))
        return at;
    for (size_t i = at; i + length <= size; i++)
        if (memcmp(text + i, close, length) == 0)
            return i + length;
    return size;
}

/* Elements that an HTML file without a declaration begins with. A text may begin with
 * other markup, such as a picture above its title. */
static bool is_html(const char *bytes, size_t size)
{
    static const char *const names[] = {"<html", "<head", "<body", "<title", "<meta"};
    char text[MARKUP_WITHIN];
    size_t used = squeeze(text, bytes, size), at = 0, before;
    do {
        before = at = skip_blanks(text, used, at);
        at = skip_part(text, used, at, "<?xml", "?>");
        at = skip_part(text, used, at, "<!--", "-->");
    } while (at > before);
    if (begins(text, used, at, "<!doctype")) {
        at = skip_blanks(text, used, at + strlen("<!doctype"));
        return begins(text, used, at, "html");
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t end = at + strlen(names[i]);
        if (begins(text, used, at, names[i]) && end < used && strchr(" \t\r\n>/", text[end]))
            return true;
    }
    return false;
}

/* Readers of PDF take a file for one that has its mark in the first 1024 bytes; what
 * else stands there is junk from a mail or a printer, and no text. */
static bool is_pdf(const char *bytes, size_t size)
{
    static const char mark[] = "%PDF-";
    bool text = true;
    for (size_t i = 0; i + sizeof mark - 1 <= size && i < PDF_WITHIN; i++) {
        if (memcmp(bytes + i, mark, sizeof mark - 1) == 0)
            return !text || skip_blanks(bytes, i, 0) == i;
        unsigned char byte = (unsigned char)bytes[i];
        text = text && (byte >= ' ' || (byte >= '\t' && byte <= '\r'));
    }
    return false;
}

enum format format_find(const char *bytes, size_t size)
{
    if (size >= 4 && memcmp(bytes, "PK\003\004", 4) == 0)
        return FORMAT_ZIP;
    if (is_pdf(bytes, size))
        return FORMAT_PDF;
    return is_html(bytes, size) ? FORMAT_HTML : FORMAT_TEXT;
}
