#include "document/block.h"

#include "document/heading.h"
#include "document/markdown.h"
#include "document/paragraph.h"
#include "document/rune.h"

#include <stdlib.h>
#include <string.h>

struct block_reader {
    struct markdown *lines;
    struct source_line line;   /* the next one that is not empty, when `held` */
    struct markdown_mark mark; /* what it is */
    bool begun, held;
    bool gap; /* before it: empty lines */
    struct position gap_at;
    bool fresh;     /* before it: an empty line, a new page or the file's beginning */
    bool turned;    /* before it: a new page and nothing else */
    bool long_line; /* it goes on with a line of which a piece was given */
    char fence;     /* inside fenced code: its mark */
    size_t fence_size;
    struct paragraph paragraph;
    size_t given; /* of its lines */
    struct heading_outline outline;
};

struct block_reader *block_reader_new(struct source *source, const char *name,
                                      const atomic_bool *cancel)
{
    struct block_reader *reader = calloc(1, sizeof *reader);
    if (reader && !(reader->lines = markdown_new(source, name, cancel))) {
        free(reader);
        return NULL;
    }
    return reader;
}

void block_reader_free(struct block_reader *reader)
{
    if (!reader)
        return;
    markdown_free(reader->lines);
    trace_free(&reader->line.text);
    paragraph_free(&reader->paragraph);
    free(reader);
}

void block_free(struct block *block)
{
    trace_free(&block->text);
    buffer_free(&block->title);
}

/* Holds the next line that is not empty, or none at the file's end. */
static bool advance(struct block_reader *reader, struct error *error)
{
    size_t empty = 0;
    bool feed = reader->begun && reader->line.feed;
    bool fresh = !reader->begun;
    reader->begun = true;
    reader->gap = false;
    while ((reader->held = markdown_next(reader->lines, &reader->line, &reader->mark, error))) {
        if (reader->line.text.text.size > 0)
            break;
        if (!reader->gap)
            reader->gap_at = reader->line.stop;
        reader->gap = true;
        empty++;
        feed = feed || reader->line.feed;
    }
    reader->fresh = fresh || reader->gap || feed;
    reader->turned = feed && empty <= 1;
    return reader->held || error->kind == ERROR_NONE;
}

static const char *held_text(const struct block_reader *reader)
{
    return reader->line.text.text.data;
}

static size_t held_size(const struct block_reader *reader)
{
    return reader->line.text.text.size;
}

static struct heading_line held_line(const struct block_reader *reader)
{
    if (!reader->held)
        return (struct heading_line){0};
    return (struct heading_line){held_text(reader), held_size(reader)};
}

static struct heading_line paragraph_line(const struct block_reader *reader, size_t i)
{
    const struct paragraph *paragraph = &reader->paragraph;
    if (i >= paragraph->count)
        return (struct heading_line){0};
    const struct paragraph_line *line = &paragraph->lines[i];
    return (struct heading_line){paragraph->text.text.data + line->begin, line->end - line->begin};
}

/* Does the paragraph go on over the turn of the page before the held line? */
static bool goes_on(const struct block_reader *reader)
{
    if (!reader->turned || reader->paragraph.count == 0)
        return false;
    struct heading_line last = paragraph_line(reader, reader->paragraph.count - 1);
    size_t margin = rune_skip_blanks(held_text(reader), held_size(reader)), length;
    uint32_t first = rune_at(held_text(reader), held_size(reader), margin, &length);
    return rune_is_lower(first) && !line_ends_sentence(last.text, last.size);
}

static bool is_known(const struct block_reader *reader)
{
    return reader->mark.kind != MARKDOWN_UNKNOWN;
}

static size_t opens_fence(const struct block_reader *reader, char *mark)
{
    return is_known(reader) ? 0 : line_opens_fence(mark, held_text(reader), held_size(reader));
}

static bool is_marked(const struct block_reader *reader)
{
    struct heading heading;
    if (is_known(reader))
        return reader->mark.kind == MARKDOWN_HEADING;
    return heading_marked(&heading, held_line(reader));
}

static bool ends_paragraph(struct block_reader *reader)
{
    char mark = 0;
    if (is_known(reader) && reader->mark.kind != MARKDOWN_TEXT)
        return true;
    if (reader->fresh) {
        if (!goes_on(reader))
            return true;
        reader->gap = reader->fresh = false;
    }
    struct heading_line last = paragraph_line(reader, reader->paragraph.count - 1);
    if (reader->line.last && heading_interrupts(last, held_line(reader))) {
        reader->fresh = true;
        return true;
    }
    /* A line of tildes right under text is an underline of sorts, not a fence. */
    bool fence = opens_fence(reader, &mark) > 0 && mark != '~';
    return !reader->line.last || is_marked(reader) || fence ||
           reader->paragraph.text.text.size + held_size(reader) > PARAGRAPH_LIMIT;
}

static bool take_line(struct block_reader *reader, struct error *error)
{
    return paragraph_add(&reader->paragraph, &reader->line, error) && advance(reader, error);
}

bool block_append_title(struct buffer *title, const char *text, size_t size, struct error *error)
{
    size_t length;
    bool space = title->size > 0;
    for (size_t at = 0; at < size; at += length) {
        uint32_t rune = rune_at(text, size, at, &length);
        if (rune_is_blank(rune) || rune == '\n') {
            space = space || title->size > 0;
            continue;
        }
        if (space && !buffer_append_byte(title, ' ', error))
            return false;
        space = false;
        if (!buffer_append(title, text + at, length, error))
            return false;
    }
    return true;
}

/* Makes a heading of the paragraph's first lines. */
static bool give_heading(struct block_reader *reader, struct block *block,
                         const struct heading *heading, size_t lines, struct error *error)
{
    struct heading_line line = paragraph_line(reader, 0);
    block->heading = true;
    block->level = heading->level;
    heading_note(&reader->outline, heading);
    buffer_clear(&block->title);
    if (!block_append_title(&block->title, line.text + heading->begin,
                            heading->end - heading->begin, error))
        return false;
    if (heading->takes_next) {
        line = paragraph_line(reader, 1);
        if (!block_append_title(&block->title, line.text, line.size, error))
            return false;
    }
    reader->given = lines;
    return paragraph_write_kept(&block->text, &reader->paragraph, 0, lines, error);
}

/* The name of a chapter printed again on top of each page is no heading. */
static bool is_running_head(const struct block *block, const struct heading *heading,
                            struct heading_line line)
{
    size_t size = heading->end - heading->begin;
    return heading->kind == HEADING_CAPITAL && size == block->title.size &&
           memcmp(line.text + heading->begin, block->title.data, size) == 0;
}

/* Takes the lines up to the next empty one, or what else ends a paragraph, and
 * gives them, or the heading among the first of them. */
static bool give_paragraph(struct block_reader *reader, struct block *block, struct error *error)
{
    struct heading heading;
    bool fresh = reader->fresh;
    if (!take_line(reader, error))
        return false;
    if (fresh && reader->held && reader->line.last && !reader->fresh && !is_known(reader) &&
        heading_underlined(&heading, &reader->outline, paragraph_line(reader, 0),
                           held_line(reader)))
        return take_line(reader, error) && give_heading(reader, block, &heading, 2, error);
    while (reader->held && !ends_paragraph(reader)) {
        if (!take_line(reader, error))
            return false;
    }
    struct heading_line line = paragraph_line(reader, 0);
    if (fresh &&
        heading_plain(&heading, &reader->outline, line, reader->paragraph.count,
                      paragraph_line(reader, 1), held_line(reader)) &&
        !is_running_head(block, &heading, line))
        return give_heading(reader, block, &heading, heading.takes_next ? 2 : 1, error);
    reader->given = reader->paragraph.count;
    return paragraph_write(&block->text, &reader->paragraph, 0, error);
}

static bool give_rest(struct block_reader *reader, struct block *block, struct error *error)
{
    size_t first = reader->given;
    block->begin = reader->paragraph.lines[first].at;
    reader->given = reader->paragraph.count;
    return paragraph_write(&block->text, &reader->paragraph, first, error);
}

/* Gives the held line, or piece of one, as it is. */
static bool give_line(struct block_reader *reader, struct block *block, struct error *error)
{
    const struct source_line *line = &reader->line;
    if (!trace_copy(&block->text, &line->text, 0, line->text.text.size, error))
        return false;
    reader->long_line = !line->last;
    if (line->last)
        return trace_add(&block->text, "\n", 1, line->ended ? 1 : 0, line->stop, error) &&
               advance(reader, error);
    /* What follows is the rest of this line, be it empty. */
    reader->gap = reader->fresh = false;
    reader->held = markdown_next(reader->lines, &reader->line, &reader->mark, error);
    return reader->held;
}

/* The title of the held line, by its marks. */
static void find_title(struct heading *heading, const struct block_reader *reader)
{
    struct heading_line line = paragraph_line(reader, 0);
    if (!heading_marked(heading, line))
        *heading = (struct heading){.kind = HEADING_MARKDOWN,
                                    .begin = rune_skip_blanks(line.text, line.size),
                                    .end = line.size};
}

/* A heading as md4c has it, of all its lines and what underlines them. */
static bool give_known(struct block_reader *reader, struct block *block, struct error *error)
{
    struct heading heading;
    unsigned level = reader->mark.level;
    size_t lines = 1;
    if (!take_line(reader, error))
        return false;
    find_title(&heading, reader);
    heading.level = level;
    while (reader->held && !reader->fresh &&
           (reader->mark.kind == MARKDOWN_MORE || reader->mark.kind == MARKDOWN_UNDERLINE)) {
        heading.takes_next = heading.takes_next || reader->mark.kind == MARKDOWN_MORE;
        if (!take_line(reader, error))
            return false;
        lines++;
    }
    return give_heading(reader, block, &heading, lines, error);
}

static bool give_marked(struct block_reader *reader, struct block *block, struct error *error)
{
    struct heading heading;
    if (is_known(reader))
        return give_known(reader, block, error);
    return take_line(reader, error) && heading_marked(&heading, paragraph_line(reader, 0)) &&
           give_heading(reader, block, &heading, 1, error);
}

static bool give_fenced(struct block_reader *reader, struct block *block, struct error *error)
{
    if (line_closes_fence(held_text(reader), held_size(reader), reader->fence, reader->fence_size))
        reader->fence_size = 0;
    return give_line(reader, block, error);
}

bool block_next(struct block_reader *reader, struct block *block, struct error *error)
{
    trace_clear(&block->text);
    block->heading = block->gap = false;
    if (reader->given < reader->paragraph.count)
        return give_rest(reader, block, error);
    paragraph_clear(&reader->paragraph);
    reader->given = 0;
    if (!reader->begun && !advance(reader, error))
        return false;
    if (!reader->held) {
        *error = (struct error){0};
        return false;
    }
    block->begin = reader->line.at;
    block->gap = reader->gap;
    block->gap_at = reader->gap_at;
    if (reader->long_line)
        return give_line(reader, block, error);
    if (reader->fence_size > 0)
        return give_fenced(reader, block, error);
    if (!reader->line.last || (is_known(reader) && reader->mark.kind != MARKDOWN_TEXT &&
                               reader->mark.kind != MARKDOWN_HEADING))
        return give_line(reader, block, error);
    if (is_marked(reader))
        return give_marked(reader, block, error);
    reader->fence_size = opens_fence(reader, &reader->fence);
    return reader->fence_size > 0 ? give_line(reader, block, error)
                                  : give_paragraph(reader, block, error);
}
