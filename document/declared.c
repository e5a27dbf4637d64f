#include "document/declared.h"

#include <string.h>
#include <strings.h>

enum { HEAD = 2048, MODELINES = 5 };

/* Part of the text, which has no terminator. */
struct part {
    const char *at, *end;
};

static const char *find(struct part part, const char *word)
{
    size_t size = strlen(word);
    for (const char *at = part.at; (size_t)(part.end - at) >= size; at++) {
        if (strncasecmp(at, word, size) == 0)
            return at;
    }
    return NULL;
}

static bool begins(struct part part, const char *word)
{
    size_t size = strlen(word);
    return (size_t)(part.end - part.at) >= size && strncasecmp(part.at, word, size) == 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f';
}

static struct part skip_blanks(struct part part)
{
    while (part.at < part.end && is_blank(*part.at))
        part.at++;
    return part;
}

/* The line that begins at part.at, without its end; *rest is what follows. */
static struct part take_line(struct part part, struct part *rest)
{
    struct part line = part;
    while (part.at < part.end && *part.at != '\n' && *part.at != '\r')
        part.at++;
    line.end = part.at;
    if (part.at < part.end && *part.at == '\r')
        part.at++;
    if (part.at < part.end && *part.at == '\n')
        part.at++;
    *rest = part;
    return line;
}

/* A name at the beginning of the part, after blanks and an opening quotation mark. */
static bool read_name(char name[DECLARED_NAME_SIZE], struct part part)
{
    size_t size = 0;
    part = skip_blanks(part);
    if (part.at < part.end && (*part.at == '"' || *part.at == '\''))
        part.at++;
    while (part.at + size < part.end && size < DECLARED_NAME_SIZE - 1) {
        char c = part.at[size];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && (c == '\0' || !strchr("-_.:+", c)))
            break;
        name[size++] = c;
    }
    while (size > 0 && strchr("-_.:+", name[size - 1]))
        size--;
    name[size] = '\0';
    return size > 0;
}

/* The name behind `key` and one of the characters of `marks`. */
static bool read_value(char name[DECLARED_NAME_SIZE], struct part part, const char *key,
                       const char *marks)
{
    const char *found;
    while ((found = find(part, key))) {
        part.at = found + strlen(key);
        struct part value = skip_blanks(part);
        if (value.at < value.end && *value.at != '\0' && strchr(marks, *value.at)) {
            value.at++;
            if (read_name(name, value))
                return true;
        }
    }
    return false;
}

static bool in_xml(char name[DECLARED_NAME_SIZE], struct part head)
{
    if (!begins(head, "<?xml"))
        return false;
    const char *close = find(head, "?>");
    if (close)
        head.end = close;
    return close && read_value(name, head, "encoding", "=");
}

/* Only in what begins as HTML does: other texts may speak of it. */
static bool in_html(char name[DECLARED_NAME_SIZE], struct part head)
{
    const char *tag;
    head = skip_blanks(head);
    if (!begins(head, "<!--") && !begins(head, "<!doctype html") && !begins(head, "<html") &&
        !begins(head, "<head") && !begins(head, "<meta") && !begins(head, "<?xml") &&
        !begins(head, "<title"))
        return false;
    while ((tag = find(head, "<meta"))) {
        struct part inside = {tag + strlen("<meta"), head.end};
        const char *close = find(inside, ">");
        if (!close)
            return false;
        inside.end = close;
        if (read_value(name, inside, "charset", "="))
            return true;
        head.at = close;
    }
    return false;
}

/* Emacs' file variables, and Python's looser form of them in a comment. */
static bool in_coding_line(char name[DECLARED_NAME_SIZE], struct part head)
{
    for (int i = 0; i < 2; i++) {
        struct part line = take_line(head, &head), begin = skip_blanks(line);
        bool comment = begin.at < begin.end && *begin.at == '#';
        if ((comment || find(line, "-*-")) && read_value(name, line, "coding", ":="))
            return true;
    }
    return false;
}

static bool in_modeline(char name[DECLARED_NAME_SIZE], struct part line)
{
    if (!find(line, "vim:") && !find(line, "vi:") && !find(line, "ex:"))
        return false;
    return read_value(name, line, "fileencoding", "=") || read_value(name, line, "fenc", "=");
}

static bool in_modelines(char name[DECLARED_NAME_SIZE], struct part head, struct part text,
                         bool whole)
{
    for (int i = 0; i < MODELINES; i++) {
        if (in_modeline(name, take_line(head, &head)))
            return true;
    }
    struct part line = {text.end, text.end};
    for (int i = 0; whole && i <= MODELINES && line.at > text.at; i++) {
        line.end = line.at > text.at && i > 0 ? line.at - 1 : line.at;
        line.at = line.end;
        while (line.at > text.at && line.at[-1] != '\n')
            line.at--;
        if (in_modeline(name, line))
            return true;
    }
    return false;
}

/* A mail's header, or that of a book of Project Gutenberg. */
static bool in_header(char name[DECLARED_NAME_SIZE], struct part head)
{
    bool header = true;
    while (head.at < head.end) {
        struct part rest, line = take_line(head, &rest);
        if (begins(line, "Character set encoding") &&
            read_value(name, line, "Character set encoding", ":"))
            return true;
        header = header && line.at < line.end;
        if (header && begins(line, "Content-Type:")) {
            /* The header goes on in lines that begin with a blank. */
            while (rest.at < rest.end && (*rest.at == ' ' || *rest.at == '\t'))
                line.end = take_line(rest, &rest).end;
            if (read_value(name, line, "charset", "="))
                return true;
        }
        head = rest;
    }
    return false;
}

bool declared_find(char name[DECLARED_NAME_SIZE], const char *bytes, size_t size, bool whole)
{
    struct part text = {bytes, bytes + size}, head = text;
    if (size > HEAD)
        head.end = bytes + HEAD;
    if (begins(text, "\xEF\xBB\xBF"))
        head.at += strlen("\xEF\xBB\xBF");
    return in_xml(name, head) || in_html(name, head) || in_coding_line(name, head) ||
           in_modelines(name, head, text, whole) || in_header(name, head);
}
