#include "document/markdown.h"

#include "base/utf8.h"
#include "document/entity.h"
#include "document/line.h"
#include "document/marking.h"
#include "document/piece.h"
#include "document/rune.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NOTE_MOST = 64, HEADING_MOST = 300, ROOM = MARKDOWN_PIECE + SOURCE_PIECE };

enum course {
    COURSE_UNDECIDED,
    COURSE_PLAIN,  /* no Markdown: the source's lines as they are */
    COURSE_MARKED, /* roles are there for the lines up to `cut` */
};

enum within { WITHIN_TEXT, WITHIN_TAG, WITHIN_COMMENT };

struct markdown {
    struct source *source;
    const char *name;
    const atomic_bool *cancel;
    struct marking *marking; /* begun with the first piece of Markdown */
    enum course course;
    struct piece piece;
    size_t next, cut;        /* lines of the piece: to give, that have roles */
    struct source_line read; /* taken from the source, but not yet in the piece */
    bool pending;            /* there is one */
    bool inside;             /* a line of which a part was given */
    bool ended, parsed;
    enum within within;    /* of HTML */
    unsigned char *roles;  /* [room], of the piece's bytes up to `cut` */
    unsigned char *answer; /* with a fence's line before them */
    size_t room;
    struct buffer request;
    size_t metadata;         /* first lines that are none of md4c's */
    char fence[PIECE_FENCE]; /* that the next piece begins within, or "" */
    bool under;              /* the line given last was of a heading that may be underlined */
    bool paragraph;          /* ... of one that is too long for a heading, with a rule under it */
    bool row;                /* ... of a table */
};

struct markdown *markdown_new(struct source *source, const char *name, const atomic_bool *cancel)
{
    struct markdown *markdown = calloc(1, sizeof *markdown);
    if (markdown)
        *markdown = (struct markdown){.source = source, .name = name, .cancel = cancel};
    return markdown;
}

void markdown_free(struct markdown *markdown)
{
    if (!markdown)
        return;
    marking_close(markdown->marking);
    piece_free(&markdown->piece);
    trace_free(&markdown->read.text);
    buffer_free(&markdown->request);
    free(markdown->answer);
    free(markdown->roles);
    free(markdown);
}

/* --- pieces ----------------------------------------------------------------------------- */

/* Takes lines up to a piece's size, the file's end, or one that is too long to hold. */
static bool fill(struct markdown *markdown, struct error *error)
{
    while (markdown->piece.text.text.size < MARKDOWN_PIECE && !markdown->ended) {
        if (!markdown->pending) {
            markdown->pending = source_next(markdown->source, &markdown->read, error);
            markdown->ended = !markdown->pending;
            if (markdown->ended)
                return error->kind == ERROR_NONE;
        }
        if (!markdown->read.last || markdown->inside)
            return true;
        if (!piece_add(&markdown->piece, &markdown->read, error))
            return false;
        markdown->pending = false;
    }
    return true;
}

/* Bytes of the piece before line `line`. */
static size_t offset_of(const struct piece *piece, size_t line)
{
    return line < piece->count ? piece->lines[line].begin : piece->text.text.size;
}

/* Bytes of "[^note]:" at the line's beginning, else 0. */
static size_t note_mark(const struct piece *piece, size_t line)
{
    size_t length = 2, size;
    const char *text = piece_text(piece, line, &size);
    if (size < 5 || text[0] != '[' || text[1] != '^')
        return 0;
    while (length < size && length < NOTE_MOST && !strchr("[] \n", text[length]))
        length++;
    return length > 2 && length + 1 < size && text[length] == ']' && text[length + 1] == ':'
               ? length + 2
               : 0;
}

/* md4c knows no notes, and would make one paragraph of several: it is shown each as a
 * heading, which ends with its line. `begin`: where text[] begins in the piece. */
static void hide_notes(const struct markdown *markdown, char *text, size_t begin)
{
    for (size_t i = markdown->metadata; i < markdown->cut; i++) {
        size_t mark = note_mark(&markdown->piece, i);
        if (mark == 0)
            continue;
        memset(text + (markdown->piece.lines[i].begin - begin), ' ', mark);
        text[markdown->piece.lines[i].begin - begin] = '#';
    }
}

/* What was hidden is text again: [note]. */
static void show_notes(struct markdown *markdown)
{
    for (size_t i = markdown->metadata; i < markdown->cut; i++) {
        size_t at = markdown->piece.lines[i].begin, size = markdown->piece.lines[i].end - at;
        size_t mark = note_mark(&markdown->piece, i);
        unsigned char *roles = markdown->roles + at;
        if (mark == 0 || (size > mark && MARKING_KIND(roles[mark + 1]) == MARKING_CODE))
            continue;
        for (size_t j = 0; j < size; j++)
            roles[j] &= 15;
        memset(roles, MARKING_TEXT, mark + 1);
        roles[1] = roles[mark - 1] = MARKING_NONE;
        if (mark == size)
            roles[mark] = MARKING_NONE;
    }
}

/* Memory for a piece's roles and for what is sent and answered is kept from one piece to the
 * next: so large and so short-lived, it would leave the heap in splinters. */
static bool make_room(struct markdown *markdown, size_t size, struct error *error)
{
    if (size <= markdown->room)
        return true;
    size_t room = size < ROOM ? ROOM : size;
    unsigned char *roles = realloc(markdown->roles, room);
    if (!roles)
        return error_out_of_memory(error);
    markdown->roles = roles;
    unsigned char *answer = realloc(markdown->answer, room + PIECE_FENCE);
    if (!answer)
        return error_out_of_memory(error);
    markdown->answer = answer;
    markdown->room = room;
    return buffer_reserve(&markdown->request, room + PIECE_FENCE, error);
}

/* Asks md4c about what stands in the request behind its first `before` bytes. */
static bool ask(struct markdown *markdown, size_t before, size_t begin, struct error *error)
{
    const struct buffer *text = &markdown->request;
    unsigned char *answer = markdown->answer;
    if (!marking_run(markdown->marking, answer, text->data, text->size, &markdown->parsed, error))
        return false;
    if (!markdown->parsed)
        return true;
    /* All bytes of a character are of one role, whatever was sent. */
    for (size_t i = 1; i < text->size; i++)
        if (((unsigned char)text->data[i] & 0xC0) == 0x80)
            answer[i] = answer[i - 1];
    memset(markdown->roles, MARKING_NONE, begin);
    memcpy(markdown->roles + begin, answer + before, text->size - before);
    return true;
}

/* Finds the roles of the lines up to `cut`. */
static bool mark(struct markdown *markdown, struct error *error)
{
    const struct piece *piece = &markdown->piece;
    size_t begin = offset_of(piece, markdown->metadata), end = offset_of(piece, markdown->cut);
    struct buffer *text = &markdown->request;
    if (!markdown->marking)
        markdown->marking = marking_open(markdown->name, markdown->cancel, error);
    if (!markdown->marking || !make_room(markdown, end, error))
        return false;
    markdown->parsed = false;
    if (begin == end)
        return true;
    size_t before = markdown->fence[0] ? strlen(markdown->fence) + 1 : 0;
    buffer_clear(text);
    if ((before > 0 && !buffer_append_format(text, error, "%s\n", markdown->fence)) ||
        !buffer_append(text, piece->text.text.data + begin, end - begin, error))
        return false;
    hide_notes(markdown, text->data + before, begin);
    return ask(markdown, before, begin, error);
}

/* [^note] is a note's mark, and [1] one that stays although it is a link. */
static void mark_references(struct markdown *markdown)
{
    const char *text = markdown->piece.text.text.data;
    size_t end = offset_of(&markdown->piece, markdown->cut);
    unsigned char *roles = markdown->roles;
    for (size_t i = 0; i + 2 < end; i++) {
        size_t length = 1;
        bool note = text[i + 1] == '^', digits = true;
        if (text[i] != '[')
            continue;
        while (i + length < end && length < NOTE_MOST && !strchr("]\n[ ", text[i + length])) {
            digits = digits && text[i + length] >= '0' && text[i + length] <= '9';
            length++;
        }
        unsigned char role = roles[i + 1 + note];
        if (i + length + 1 >= end || text[i + length] != ']' || length < 2u + note ||
            (!note && (!digits || strchr("([", text[i + length + 1]))) ||
            MARKING_KIND(role) != MARKING_TEXT)
            continue;
        roles[i] = roles[i + length] = role;
        if (note)
            roles[i + 1] = MARKING_NONE;
    }
}

/* The next piece, or with what is left of the first: is it Markdown? */
static bool take_piece(struct markdown *markdown, struct error *error)
{
    if (markdown->course == COURSE_MARKED)
        piece_drop(&markdown->piece, markdown->cut);
    markdown->next = markdown->cut = markdown->metadata = 0;
    if (!fill(markdown, error))
        return false;
    if (markdown->course == COURSE_UNDECIDED) {
        markdown->course = piece_is_markdown(&markdown->piece) ? COURSE_MARKED : COURSE_PLAIN;
        markdown->metadata = piece_metadata(&markdown->piece);
    }
    markdown->cut = markdown->piece.count;
    if (markdown->course == COURSE_PLAIN || markdown->cut == 0)
        return true;
    char fence[PIECE_FENCE];
    memcpy(fence, markdown->fence, sizeof fence);
    if (!markdown->ended && !markdown->pending)
        markdown->cut = piece_cut(&markdown->piece, fence);
    if (!mark(markdown, error))
        return false;
    if (markdown->parsed) {
        show_notes(markdown);
        mark_references(markdown);
    }
    memcpy(markdown->fence, fence, sizeof fence);
    return true;
}

/* --- lines ------------------------------------------------------------------------------ */

/* The line that is made. */
struct work {
    const char *text;
    const unsigned char *roles;
    size_t size, begin; /* of the line; where it begins in the piece */
    struct trace *out;
};

static enum marking_kind kind_at(const struct work *work, size_t at)
{
    return MARKING_KIND(work->roles[at]);
}

static bool is_at_blank(const struct work *work, size_t at)
{
    return at >= work->size || work->text[at] == ' ' || work->text[at] == '\t';
}

/* Of what marks the block: blanks, > - 1. # and [x], before the first text. */
static size_t block_marks(const struct work *work, size_t first)
{
    size_t at = 0;
    const char *text = work->text;
    while (at < first) {
        size_t mark = at;
        if (is_at_blank(work, at) || text[at] == '>') {
            at++;
            continue;
        }
        if (strchr("-*+", text[at]))
            mark++;
        else if (text[at] == '#')
            while (mark < first && text[mark] == '#')
                mark++;
        else if (text[at] == '[' && at + 2 < first && text[at + 2] == ']')
            mark += 3;
        else
            while (mark < first && text[mark] >= '0' && text[mark] <= '9')
                mark++;
        if (mark > at && mark < first && (text[mark] == '.' || text[mark] == ')') &&
            text[mark - 1] >= '0' && text[mark - 1] <= '9')
            mark++;
        if (mark == at || !is_at_blank(work, mark))
            break;
        at = mark;
    }
    return at;
}

static bool copy(struct markdown *markdown, struct work *work, size_t begin, size_t end,
                 struct error *error)
{
    return trace_copy(work->out, &markdown->piece.text, work->begin + begin, work->begin + end,
                      error);
}

/* Text that stands for no byte of the file, but in the place of one. */
static bool put(struct markdown *markdown, struct work *work, size_t at, const char *text,
                struct error *error)
{
    return trace_add(work->out, text, strlen(text), 0,
                     trace_position(&markdown->piece.text, work->begin + at), error);
}

/* &amp; as one character, unless it is none that is known. */
static bool copy_entity(struct markdown *markdown, struct work *work, size_t begin, size_t end,
                        struct error *error)
{
    char rune[UTF8_MAX_BYTES + 1] = "";
    uint32_t found = entity_rune(work->text + begin, end - begin);
    if (found == 0)
        return copy(markdown, work, begin, end, error);
    rune[utf8_encode(rune, found == 0xA0 ? ' ' : found)] = '\0';
    return put(markdown, work, begin, rune, error);
}

/* Where the bytes of one kind, place and picture end that begin at `at`. */
static size_t run_end(const struct work *work, size_t at)
{
    size_t end = at + 1;
    while (end < work->size && work->roles[end] == work->roles[at] &&
           !(kind_at(work, at) == MARKING_ENTITY && work->text[end] == '&'))
        end++;
    return end;
}

/* Bars between cells, of which one may be empty; the first of a row only opens it. */
static bool copy_bars(struct markdown *markdown, struct work *work, size_t from, size_t at,
                      struct error *error)
{
    for (size_t i = from; i < at; i++) {
        if (work->text[i] != '|' || (from == 0 && rune_skip_blanks(work->text, work->size) == i))
            continue;
        if (!put(markdown, work, i, work->out->text.size > 0 ? " | " : "| ", error))
            return false;
    }
    return true;
}

/* What stands between two stretches of text: brackets around a picture, bars in a row. */
static bool copy_seam(struct markdown *markdown, struct work *work, size_t from, size_t at,
                      struct error *error)
{
    unsigned before = from > 0 ? work->roles[from - 1] : 0;
    unsigned now = at < work->size ? work->roles[at] : 0;
    bool other = memmem(work->text + from, at - from, "![", 2) != NULL;
    bool closes = (before & MARKING_IMAGE) && (!(now & MARKING_IMAGE) || other);
    bool opens = (now & MARKING_IMAGE) && (!(before & MARKING_IMAGE) || other);
    if (closes && !put(markdown, work, from, "]", error))
        return false;
    if (MARKING_PLACE(now) == MARKING_CELL && !copy_bars(markdown, work, from, at, error))
        return false;
    return !opens || put(markdown, work, from < at ? at - 1 : at, "[image: ", error);
}

static bool copy_run(struct markdown *markdown, struct work *work, size_t at, size_t end,
                     struct error *error)
{
    const struct buffer *out = &work->out->text;
    if (kind_at(work, at) == MARKING_ENTITY)
        return copy_entity(markdown, work, at, end, error);
    /* "a <br> b" */
    bool doubled = at > 0 && kind_at(work, at - 1) == MARKING_TAG && is_at_blank(work, at) &&
                   out->size > 0 && out->data[out->size - 1] == ' ';
    return copy(markdown, work, at + doubled, end, error);
}

static bool copy_text(struct markdown *markdown, struct work *work, struct error *error)
{
    size_t first = 0, last;
    while (first < work->size && kind_at(work, first) == MARKING_NONE)
        first++;
    bool row = first < work->size && MARKING_PLACE(work->roles[first]) == MARKING_CELL;
    last = row ? 0 : block_marks(work, first);
    if (!copy(markdown, work, 0, last, error))
        return false;
    for (size_t at = first, end; at < work->size; at = end) {
        end = run_end(work, at);
        enum marking_kind kind = kind_at(work, at);
        if (kind == MARKING_NONE || kind == MARKING_TAG)
            continue;
        if (!copy_seam(markdown, work, last, at, error) ||
            !copy_run(markdown, work, at, end, error))
            return false;
        last = end;
    }
    return work->size == 0 || copy_seam(markdown, work, last, work->size, error);
}

static bool begins(const struct work *work, size_t at, const char *word)
{
    size_t length = strlen(word);
    return work->size - at >= length && memcmp(work->text + at, word, length) == 0;
}

static bool begins_tag(const struct work *work, size_t at)
{
    char next = at + 1 < work->size ? work->text[at + 1] : ' ';
    return work->text[at] == '<' &&
           (strchr("/!?", next) || ((next | 32) >= 'a' && (next | 32) <= 'z'));
}

/* Where the entity ends that begins at `at`, or 0 when there is none. */
static size_t entity_end(const struct work *work, size_t at)
{
    const char *text = work->text + at;
    const char *stop = *text == '&' ? memchr(text, ';', work->size - at) : NULL;
    size_t size = stop ? (size_t)(stop - text) + 1 : 0;
    return size > 0 && entity_rune(text, size) != 0 ? at + size : 0;
}

/* Text of a block of HTML, whose tags may go on over lines. */
static bool copy_html(struct markdown *markdown, struct work *work, struct error *error)
{
    for (size_t at = 0, end; at < work->size; at = end) {
        end = at + 1;
        if (markdown->within != WITHIN_TEXT) {
            bool comment = markdown->within == WITHIN_COMMENT;
            if (comment ? begins(work, at, "-->") : work->text[at] == '>') {
                markdown->within = WITHIN_TEXT;
                end = at + (comment ? 3 : 1);
            }
        } else if (begins_tag(work, at)) {
            markdown->within = begins(work, at, "<!--") ? WITHIN_COMMENT : WITHIN_TAG;
        } else if (entity_end(work, at) > 0) {
            end = entity_end(work, at);
            if (!copy_entity(markdown, work, at, end, error))
                return false;
        } else {
            while (end < work->size && work->text[end] != '<' && work->text[end] != '&')
                end++;
            if (!copy(markdown, work, at, end, error))
                return false;
        }
    }
    return true;
}

/* <h2 ...>Title</h2> on one line. */
static unsigned html_heading(const struct work *work)
{
    size_t at = rune_skip_blanks(work->text, work->size);
    if (work->size - at < 9 || work->text[at] != '<' || (work->text[at + 1] | 32) != 'h' ||
        work->text[at + 2] < '1' || work->text[at + 2] > '6' || !strchr(" >", work->text[at + 3]) ||
        strncasecmp(work->text + work->size - 5, "</h", 3) != 0)
        return 0;
    return (unsigned)(work->text[at + 2] - '0');
}

static bool is_only(const struct work *work, const char *marks)
{
    size_t at = rune_skip_blanks(work->text, work->size);
    for (size_t i = at; i < work->size; i++)
        if (!work->text[i] || !strchr(marks, work->text[i]))
            return false;
    return at < work->size;
}

/* A line without a role: what it is can be told from the one before and its own marks. */
static enum markdown_kind bare_kind(const struct markdown *markdown, const struct work *work)
{
    char fence;
    if (markdown->under && (is_only(work, "=") || is_only(work, "-")))
        return MARKDOWN_UNDERLINE;
    if (line_opens_fence(&fence, work->text, work->size) > 0 || work->text[0] == '[')
        return MARKDOWN_VERBATIM;
    return MARKDOWN_TEXT;
}

/* The first role that says something, or 0. */
static unsigned first_role(const struct work *work)
{
    for (size_t i = 0; i < work->size; i++)
        if (kind_at(work, i) != MARKING_NONE)
            return work->roles[i];
    return 0;
}

/* Bytes of the heading's lines, from the one that is given now. */
static size_t heading_size(const struct markdown *markdown, unsigned level)
{
    const struct piece *piece = &markdown->piece;
    size_t size = 0;
    for (size_t i = markdown->next - 1; i < markdown->cut && size <= HEADING_MOST; i++) {
        const struct piece_line *line = &piece->lines[i];
        const struct work work = {.size = line->end - line->begin,
                                  .text = piece->text.text.data + line->begin,
                                  .roles = markdown->roles + line->begin};
        if (MARKING_PLACE(first_role(&work)) != level)
            break;
        size += work.size;
    }
    return size;
}

static void set_heading(struct markdown *markdown, struct markdown_mark *mark,
                        const struct work *work, unsigned level)
{
    size_t at = rune_skip_blanks(work->text, work->size);
    bool marked = at < work->size && work->text[at] == '#';
    if (markdown->under && !marked) {
        *mark = (struct markdown_mark){MARKDOWN_MORE, level};
    } else if (marked || (!markdown->paragraph && heading_size(markdown, level) <= HEADING_MOST)) {
        *mark = (struct markdown_mark){MARKDOWN_HEADING, level};
        markdown->under = !marked;
    } else {
        markdown->paragraph = true;
    }
}

static bool make_line(struct markdown *markdown, struct work *work, struct markdown_mark *mark,
                      struct error *error)
{
    bool under = markdown->under, row = markdown->row;
    unsigned role = first_role(work), place = MARKING_PLACE(role);
    *mark = (struct markdown_mark){MARKDOWN_TEXT, 0};
    markdown->row = false;
    if (role != 0 && MARKING_KIND(role) != MARKING_HTML)
        markdown->within = WITHIN_TEXT;
    if (role == 0) {
        if (row && is_only(work, "|-: \t")) {
            mark->kind = MARKDOWN_DROPPED;
            return true;
        }
        if (work->size > 0)
            mark->kind = bare_kind(markdown, work);
        markdown->under = markdown->paragraph = false;
        return copy(markdown, work, 0, work->size, error);
    }
    bool heading = place > 0 && place < MARKING_CELL;
    markdown->under = under && heading;
    markdown->paragraph = markdown->paragraph && heading;
    switch (MARKING_KIND(role)) {
    case MARKING_CODE:
        mark->kind = MARKDOWN_VERBATIM;
        return copy(markdown, work, 0, work->size, error);
    case MARKING_HTML:
    case MARKING_TAG:
        if (html_heading(work) > 0)
            *mark = (struct markdown_mark){MARKDOWN_HEADING, html_heading(work)};
        if (MARKING_KIND(role) == MARKING_HTML)
            return copy_html(markdown, work, error);
        break;
    default:
        break;
    }
    if (place == MARKING_CELL) {
        markdown->row = true;
        mark->kind = MARKDOWN_VERBATIM;
    } else if (heading) {
        set_heading(markdown, mark, work, place);
    }
    return copy_text(markdown, work, error);
}

/* Blanks at its end were blanks before what is left out. */
static void trim(struct source_line *line)
{
    size_t size = line->text.text.size;
    trace_keep(&line->text, rune_trim_blanks(line->text.text.data, size));
}

static bool give_line(struct markdown *markdown, struct source_line *line,
                      struct markdown_mark *mark, struct error *error)
{
    size_t i = markdown->next++;
    const struct piece_line *held = &markdown->piece.lines[i];
    struct trace text = line->text;
    trace_clear(&text);
    *line = held->line;
    line->text = text;
    *mark = (struct markdown_mark){MARKDOWN_UNKNOWN, 0};
    struct work work = {.size = held->end - held->begin,
                        .begin = held->begin,
                        .text = markdown->piece.text.text.data + held->begin,
                        .out = &line->text};
    if (markdown->course == COURSE_PLAIN || !markdown->parsed || i < markdown->metadata) {
        if (markdown->course == COURSE_MARKED && i < markdown->metadata)
            mark->kind =
                i == 0 || i + 1 == markdown->metadata ? MARKDOWN_DROPPED : MARKDOWN_VERBATIM;
        return copy(markdown, &work, 0, work.size, error);
    }
    work.roles = markdown->roles + held->begin;
    if (!make_line(markdown, &work, mark, error))
        return false;
    bool broken = work.size > 0 && work.text[work.size - 1] == '\\';
    if (broken && mark->kind == MARKDOWN_TEXT)
        line->trailing_spaces = 2;
    if (line->text.text.size > 0)
        trim(line);
    return true;
}

/* A line that is given in pieces, or any line of a text that is no Markdown. */
static bool give_read(struct markdown *markdown, struct source_line *line,
                      struct markdown_mark *mark, struct error *error)
{
    *mark = (struct markdown_mark){MARKDOWN_UNKNOWN, 0};
    markdown->under = markdown->row = false;
    markdown->within = WITHIN_TEXT;
    if (markdown->pending) {
        struct source_line swap = *line;
        *line = markdown->read;
        markdown->read = swap;
        markdown->pending = false;
    } else if (!source_next(markdown->source, line, error)) {
        return false;
    }
    markdown->inside = !line->last;
    return true;
}

static bool next_line(struct markdown *markdown, struct source_line *line,
                      struct markdown_mark *mark, struct error *error)
{
    bool more = markdown->course != COURSE_PLAIN && !markdown->ended;
    if (markdown->next == markdown->cut && (more || markdown->cut < markdown->piece.count) &&
        !take_piece(markdown, error))
        return false;
    if (markdown->next < markdown->cut)
        return give_line(markdown, line, mark, error);
    if (markdown->course == COURSE_PLAIN && markdown->piece.count > 0) {
        piece_free(&markdown->piece);
        markdown->next = markdown->cut = 0;
    }
    if (markdown->ended && !markdown->pending) {
        *error = (struct error){0};
        return false;
    }
    return give_read(markdown, line, mark, error);
}

bool markdown_next(struct markdown *markdown, struct source_line *line, struct markdown_mark *mark,
                   struct error *error)
{
    *error = (struct error){0};
    do {
        if (!next_line(markdown, line, mark, error))
            return false;
    } while (mark->kind == MARKDOWN_DROPPED);
    return true;
}
