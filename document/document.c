#include "document/document.h"

#include "base/utf8.h"
#include "document/block.h"
#include "document/cut.h"
#include "document/extraction.h"
#include "document/rune.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_WORDS_MAX 60 /* characters of a title made from a section's first words */

struct document_reader {
    struct source *source;
    struct block_reader *blocks;   /* of a text; else NULL */
    struct extraction *extraction; /* of what is no text; begun when the first block is asked for */
    char *path;
    struct block block; /* the next one, when `pending` */
    bool pending, ended;
    struct trace text;   /* gathered for the section to come */
    size_t characters;   /* of it */
    size_t heading_size; /* bytes of it that are its heading */
    struct position begin;
    struct buffer title; /* without " (2)" */
    unsigned level, part;
    struct trace given; /* the text of the section that the caller has */
    struct buffer given_title, given_map;
    struct position_map *map;
    struct document_facts facts;
    const atomic_bool *cancel;
};

static const char *name_of(const struct document_reader *reader)
{
    return strcmp(reader->path, "-") == 0 ? "standard input" : reader->path;
}

static bool open_reader(struct document_reader **out, const char *path, const char *encoding,
                        size_t block, const atomic_bool *cancel, struct error *error)
{
    *out = NULL;
    struct document_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return error_out_of_memory(error);
    reader->cancel = cancel;
    reader->path = strdup(path);
    if (reader->path)
        reader->source = source_open(reader->path, encoding, block, cancel, error);
    else
        error_out_of_memory(error);
    if (!reader->source) {
        document_close(reader);
        return false;
    }
    const struct encoding *found = source_encoding(reader->source);
    reader->facts.encoding = found->name;
    reader->facts.evidence = found->evidence;
    reader->facts.confidence = found->confidence;
    if (source_format(reader->source) == FORMAT_PDF ||
        source_format(reader->source) == FORMAT_ZIP) {
        reader->facts.encoding = source_format(reader->source) == FORMAT_PDF ? "PDF" : "ZIP";
        reader->facts.evidence = DOCUMENT_MARKED;
        reader->facts.confidence = 100;
    }
    bool text = source_format(reader->source) == FORMAT_TEXT;
    reader->blocks = text ? block_reader_new(reader->source, name_of(reader), cancel) : NULL;
    reader->map = position_map_new();
    if ((text && !reader->blocks) || !reader->map) {
        document_close(reader);
        return error_out_of_memory(error);
    }
    reader->begin = (struct position){.byte = 0, .line = 1, .page = 1};
    reader->level = reader->part = 1;
    *out = reader;
    return true;
}

bool document_open(struct document_reader **reader, const char *path, const char *encoding,
                   const atomic_bool *cancel, struct error *error)
{
    return open_reader(reader, path, encoding, 0, cancel, error);
}

bool document_open_in_blocks(struct document_reader **reader, const char *path,
                             const char *encoding, size_t block, struct error *error)
{
    return open_reader(reader, path, encoding, block, NULL, error);
}

void document_close(struct document_reader *reader)
{
    if (!reader)
        return;
    extraction_close(reader->extraction);
    source_close(reader->source);
    block_reader_free(reader->blocks);
    block_free(&reader->block);
    trace_free(&reader->text);
    trace_free(&reader->given);
    buffer_free(&reader->title);
    buffer_free(&reader->given_title);
    buffer_free(&reader->given_map);
    position_map_free(reader->map);
    free(reader->path);
    free(reader);
}

/* A title for text without a heading: its first line, or as many of its words
 * as fit. */
static bool name_after_words(struct document_reader *reader, const char *text, size_t size,
                             struct error *error)
{
    struct buffer *title = &reader->title;
    const char *line_end = memchr(text, '\n', size);
    size_t line = line_end ? (size_t)(line_end - text) : size, length;
    size_t indent = rune_skip_blanks(text, line);
    text += indent;
    line -= indent;
    /* Enough for the title whatever the characters are. */
    size_t taken = utf8_floor(text, line, DOCUMENT_TITLE_LIMIT * UTF8_MAX_BYTES);
    if (!block_append_title(title, text, taken, error))
        return false;
    size_t at = 0, word = 0;
    for (size_t characters = 0; at < title->size && characters < FIRST_WORDS_MAX; characters++) {
        if (rune_is_blank(rune_at(title->data, title->size, at, &length)))
            word = at;
        at += length;
    }
    if (at == title->size)
        return true;
    title->size = word > 0 ? word : at;
    return buffer_append_text(title, " \xE2\x80\xA6", error);
}

static bool begin_heading(struct document_reader *reader, struct error *error)
{
    const struct block *block = &reader->block;
    reader->level = block->level;
    reader->part = 1;
    reader->heading_size = block->text.text.size;
    buffer_clear(&reader->title);
    return buffer_append(&reader->title, block->title.data, block->title.size, error);
}

static bool append(struct document_reader *reader, const struct trace *text, struct error *error)
{
    reader->characters += utf8_count(text->text.data, text->text.size);
    return trace_copy(&reader->text, text, 0, text->text.size, error);
}

/* One empty line for any number of them. */
static bool append_gap(struct document_reader *reader, struct error *error)
{
    reader->characters++;
    return trace_add(&reader->text, "\n", 1, 1, reader->block.gap_at, error);
}

/* Adds the pending block to the section, or finds that it begins the next one:
 * then it stays pending. */
static bool take_block(struct document_reader *reader, struct error *error)
{
    const struct block *block = &reader->block;
    bool empty = reader->text.text.size == 0;
    if (block->gap && !empty && (!block->heading || reader->characters < DOCUMENT_SECTION_LIMIT)) {
        if (!append_gap(reader, error))
            return false;
        if (reader->text.text.size == reader->heading_size + 1)
            reader->heading_size++;
        reader->block.gap = false;
    }
    if (block->heading && !empty)
        return true;
    if (block->heading && !begin_heading(reader, error))
        return false;
    if (!block->heading && empty && reader->title.size == 0 &&
        !name_after_words(reader, block->text.text.data, block->text.text.size, error))
        return false;
    reader->pending = false;
    return append(reader, &block->text, error);
}

static void fill_facts(struct document_reader *reader)
{
    struct source_facts facts = source_facts(reader->source);
    reader->facts.bytes = facts.bytes;
    reader->facts.lines = facts.lines;
    reader->facts.pages = facts.pages;
    reader->facts.invalid_bytes = facts.invalid;
    reader->facts.hash = source_hash(reader->source);
}

static void fill_extracted_facts(struct document_reader *reader)
{
    struct extraction_facts facts = extraction_facts(reader->extraction);
    reader->facts.bytes = source_facts(reader->source).bytes;
    reader->facts.lines = facts.lines;
    reader->facts.pages = facts.pages;
    reader->facts.hash = source_hash(reader->source);
}

static bool begin_extraction(struct document_reader *reader, struct error *error)
{
    int whole;
    const struct encoding *encoding = source_encoding(reader->source);
    if (!source_whole(reader->source, &whole, error))
        return false;
    reader->extraction = extraction_open(name_of(reader), source_format(reader->source),
                                         *encoding->charset ? encoding->charset : NULL, whole,
                                         reader->cancel, error);
    return reader->extraction != NULL;
}

/* False at the end, with the facts filled, and on failure. */
static bool next_block(struct document_reader *reader, struct error *error)
{
    if (reader->blocks) {
        bool found = block_next(reader->blocks, &reader->block, error);
        if (!found && error->kind == ERROR_NONE)
            fill_facts(reader);
        return found;
    }
    if (!reader->extraction && !begin_extraction(reader, error))
        return false;
    bool found = extraction_next(reader->extraction, &reader->block, error);
    const char *format = extraction_facts(reader->extraction).format;
    if (*format && source_format(reader->source) == FORMAT_ZIP)
        reader->facts.encoding = format;
    if (!found && error->kind == ERROR_NONE && source_end_whole(reader->source, error))
        fill_extracted_facts(reader);
    return found;
}

/* Gathers text until a section can be given or the file ends. */
static bool gather(struct document_reader *reader, struct error *error)
{
    while (reader->characters <= DOCUMENT_SECTION_LIMIT && !reader->ended) {
        if (!reader->pending) {
            reader->pending = next_block(reader, error);
            if (!reader->pending && error->kind != ERROR_NONE)
                return false;
            reader->ended = !reader->pending;
        }
        if (reader->ended)
            return true;
        if (!take_block(reader, error))
            return false;
        if (reader->pending)
            return true;
    }
    return true;
}

static bool write_title(struct document_reader *reader, struct error *error)
{
    struct buffer *out = &reader->given_title, suffix = {0};
    if (reader->part > 1 && !buffer_append_format(&suffix, error, " (%u)", reader->part))
        return false;
    size_t room = DOCUMENT_TITLE_LIMIT - suffix.size;
    size_t size = utf8_floor(reader->title.data, reader->title.size, room);
    buffer_clear(out);
    bool ok = buffer_append(out, reader->title.data, size, error) &&
              buffer_append(out, suffix.data, suffix.size, error);
    buffer_free(&suffix);
    return ok;
}

/* Says which page or file it is, where a span is the first of one. */
static bool write_place(struct document_reader *reader, size_t span, struct error *error)
{
    const struct trace_span *spans = reader->given.spans;
    struct position_place place;
    if (!reader->extraction || (span > 0 && spans[span].at.page == spans[span - 1].at.page))
        return true;
    if (span == 0)
        extraction_forget(reader->extraction, spans[0].at.page);
    extraction_label(reader->extraction, spans[span].at.page, &place);
    return place.unit == POSITION_LINE || position_map_place(reader->map, &place, error);
}

static bool write_map(struct document_reader *reader, struct error *error)
{
    position_map_reset(reader->map);
    for (size_t i = 0; i < reader->given.count; i++) {
        const struct trace_span *span = &reader->given.spans[i];
        if (!write_place(reader, i, error))
            return false;
        if (!position_map_add(reader->map, span->size, span->source, span->at, error))
            return false;
    }
    buffer_clear(&reader->given_map);
    return position_map_encode(reader->map, &reader->given_map, error);
}

/* One past the last byte that positions count. */
static uint64_t text_end(const struct document_reader *reader)
{
    return reader->extraction ? extraction_facts(reader->extraction).text : reader->facts.bytes;
}

/* Moves the section's text from what was gathered: all of it, or, when that is
 * too long, as much as is best. */
static bool separate(struct document_reader *reader, struct position *next, struct error *error)
{
    trace_clear(&reader->given);
    if (reader->characters <= DOCUMENT_SECTION_LIMIT) {
        struct trace swap = reader->given;
        reader->given = reader->text;
        reader->text = swap;
        reader->characters = 0;
        *next = reader->block.begin;
        if (reader->ended)
            next->byte = text_end(reader);
        return true;
    }
    struct cut cut = cut_text(reader->text.text.data, reader->text.text.size,
                              DOCUMENT_SECTION_LIMIT, reader->heading_size);
    if (!trace_copy(&reader->given, &reader->text, 0, cut.end, error))
        return false;
    if (cut.line_end && !trace_add(&reader->given, "\n", 1, cut.next > cut.end ? 1 : 0,
                                   trace_position(&reader->text, cut.end), error))
        return false;
    *next = trace_position(&reader->text, cut.next);
    reader->characters -= utf8_count(reader->text.text.data, cut.next);
    trace_drop(&reader->text, cut.next);
    return true;
}

bool document_next(struct document_reader *reader, struct document_section *section,
                   struct error *error)
{
    *error = (struct error){0};
    if (!gather(reader, error))
        return false;
    if (reader->text.text.size == 0) {
        if (reader->facts.characters == 0)
            error_set(error, ERROR_INPUT,
                      "%.500s has no text: it holds only blank characters and empty lines",
                      name_of(reader));
        return false;
    }
    struct position begin = reader->begin, next = {0};
    if (!write_title(reader, error) || !separate(reader, &next, error) || !write_map(reader, error))
        return false;
    const struct buffer *text = &reader->given.text;
    *section = (struct document_section){
        .title = reader->given_title.data,
        .level = reader->level,
        .part = reader->part,
        .text = text->data,
        .size = text->size,
        .characters = utf8_count(text->data, text->size),
        .map = reader->given_map.data,
        .map_size = reader->given_map.size,
        .begin = begin,
        .end_byte = next.byte,
    };
    reader->facts.characters += section->characters;
    reader->begin = next;
    reader->part++;
    reader->heading_size = 0;
    return true;
}

bool document_is_ready(const struct document_reader *reader)
{
    return !reader->extraction || reader->ended || extraction_is_ready(reader->extraction);
}

uint64_t document_bytes_read(const struct document_reader *reader)
{
    return source_facts(reader->source).bytes;
}

const struct document_facts *document_facts(const struct document_reader *reader)
{
    return &reader->facts;
}
