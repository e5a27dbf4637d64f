/* terminal_dump of terminal.h: the screen as text. */
#include "base/utf8.h"
#include "ui/terminal_private.h"

#include <assert.h>

/* The letter of a cell's attributes. */
static char letter_of(attr_t attributes)
{
    static const struct {
        attr_t attribute;
        char letter, bold;
    } letters[] = {{WA_NORMAL, ' ', 'b'},
                   {WA_DIM, 'f', 'F'},
                   {WA_ITALIC, 'i', 'I'},
                   {WA_UNDERLINE, 'u', 'U'},
                   {WA_REVERSE, 'r', 'R'}};
    attr_t rest = attributes & (WA_DIM | WA_ITALIC | WA_UNDERLINE | WA_REVERSE);
    for (size_t i = 0; i < sizeof(letters) / sizeof(*letters); i++)
        if (letters[i].attribute == rest)
            return attributes & WA_BOLD ? letters[i].bold : letters[i].letter;
    return '#';
}

static void trim(struct buffer *out, size_t begin)
{
    while (out->size > begin && out->data[out->size - 1] == ' ')
        out->data[--out->size] = '\0';
}

static bool append_wide(struct buffer *out, const wchar_t *text, struct error *error)
{
    for (; *text != L'\0'; text++) {
        char bytes[UTF8_MAX_BYTES];
        if (!buffer_append(out, bytes, utf8_encode(bytes, (uint32_t)*text), error))
            return false;
    }
    return true;
}

/* One line of the screen to both parts. */
static bool dump_line(struct buffer *text, struct buffer *letters, int line, int columns,
                      struct error *error)
{
    size_t text_begin = text->size, letters_begin = letters->size;
    for (int column = 0; column < columns;) {
        cchar_t cell;
        wchar_t shown[CCHARW_MAX + 1] = {0};
        attr_t attributes = WA_NORMAL;
        short pair;
        mvwin_wch(stdscr, line, column, &cell);
        getcchar(&cell, shown, &attributes, &pair, NULL);
        /* The second half of a wide character is a cell as well. */
        int width = wcwidth(shown[0]) == 2 ? 2 : 1;
        if (!append_wide(text, shown, error))
            return false;
        for (int i = 0; i < width; i++)
            if (!buffer_append_byte(letters, letter_of(attributes), error))
                return false;
        column += width;
    }
    trim(text, text_begin);
    trim(letters, letters_begin);
    return buffer_append_byte(text, '\n', error) && buffer_append_byte(letters, '\n', error);
}

bool terminal_dump(struct buffer *out, struct error *error)
{
    struct buffer letters = {0};
    int lines, columns;
    bool ok = true;
    terminal_size(&lines, &columns);
    for (int line = 0; line < lines && ok; line++)
        ok = dump_line(out, &letters, line, columns, error);
    while (letters.size > 0 && letters.data[letters.size - 1] == '\n')
        letters.size--;
    if (ok && letters.size > 0)
        ok = buffer_append_text(out, "--\n", error) &&
             buffer_append(out, letters.data, letters.size, error) &&
             buffer_append_byte(out, '\n', error);
    buffer_free(&letters);
    return ok;
}
