#include "document/extraction.h"

#include "base/utf8.h"
#include "document/program.h"
#include "document/wire.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    BUFFER = 2 * (WIRE_HEAD + WIRE_PAYLOAD),
    HEADING_MOST = 2000, /* bytes; a longer one is a paragraph in large letters */
    FORMAT_SIZE = 32,
    HEADINGS_MOST = 65536, /* as the programs keep to */
};

#define TEXT_MOST (UINT64_C(5) << 30) /* they keep to 4 GiB without line ends */

/* What a page or a chapter's file is called. */
struct label {
    uint64_t page;
    enum position_unit unit;
    size_t size;
    char text[WIRE_LABEL_MOST];
};

struct extraction {
    const char *name, *program;
    const atomic_bool *cancel;
    pid_t process; /* 0: none */
    int stream;
    bool ended; /* no bytes come after those in `bytes` */
    bool begun; /* the magic was there */
    bool done;  /* the last frame was there */
    size_t next, filled;
    uint64_t frames;
    enum position_unit unit;
    struct position at; /* of the next byte of text */
    uint64_t blocks, headings;
    bool open;           /* the last block given goes on in the next frame */
    enum wire_kind last; /* of the last block */
    char format[FORMAT_SIZE];
    struct label *labels; /* in order of their pages */
    size_t label_count, label_capacity;
    bool failed;
    struct error failure; /* given again by every later call */
    char bytes[BUFFER];
};

/* --- life --------------------------------------------------------------------------- */

static struct extraction *make(const char *name, const atomic_bool *cancel, struct error *error)
{
    struct extraction *extraction = calloc(1, sizeof *extraction);
    if (!extraction) {
        error_out_of_memory(error);
        return NULL;
    }
    extraction->name = name;
    extraction->cancel = cancel;
    extraction->stream = -1;
    extraction->at = (struct position){.byte = 0, .line = 1, .page = 1};
    return extraction;
}

struct extraction *extraction_open(const char *name, enum format format, const char *charset,
                                   int input, const atomic_bool *cancel, struct error *error)
{
    struct extraction *extraction = make(name, cancel, error);
    struct buffer path = {0};
    const char *arguments[] = {format == FORMAT_ZIP    ? "zip"
                               : format == FORMAT_HTML ? "html"
                                                       : NULL,
                               charset, NULL};
    if (!extraction)
        return NULL;
    extraction->program = format == FORMAT_PDF ? PROGRAM_PDF : PROGRAM_EXTRACT;
    bool ok = program_find(&path, extraction->program, error) ||
              error_context(error, "%.300s cannot be read", name);
    ok = ok && program_start(&extraction->process, &extraction->stream, path.data, arguments, input,
                             error);
    buffer_free(&path);
    if (ok)
        return extraction;
    extraction->process = 0;
    extraction_close(extraction);
    return NULL;
}

struct extraction *extraction_adopt(const char *name, int stream, struct error *error)
{
    struct extraction *extraction = make(name, NULL, error);
    if (!extraction)
        return NULL;
    extraction->program = "the stream";
    extraction->stream = stream;
    return extraction;
}

void extraction_close(struct extraction *extraction)
{
    if (!extraction)
        return;
    if (extraction->stream >= 0)
        close(extraction->stream);
    program_end(&extraction->process, true);
    free(extraction->labels);
    free(extraction);
}

/* --- failures ------------------------------------------------------------------------ */

static bool fail(struct extraction *extraction, const struct error *failure, struct error *error)
{
    extraction->failed = true;
    extraction->failure = *failure;
    *error = *failure;
    return false;
}

/* The program said what makes no sense: what it worked on may have taken it over. */
static bool distrust(struct extraction *extraction, const char *what, struct error *error)
{
    struct error failure;
    program_end(&extraction->process, true);
    error_set(&failure, ERROR_INPUT,
              "%.300s cannot be read: %s, which takes it apart, sent %s and was stopped",
              extraction->name, extraction->program, what);
    return fail(extraction, &failure, error);
}

/* The stream ended before the document did. */
static bool explain_end(struct extraction *extraction, struct error *error)
{
    struct error failure;
    struct buffer why = {0};
    int status = program_end(&extraction->process, false);
    if (!program_explain(&why, extraction->program, status, error))
        return false;
    error_set(&failure, ERROR_INPUT, "%.300s cannot be read: at page or part %llu, %s",
              extraction->name, (unsigned long long)extraction->at.page, why.data);
    buffer_free(&why);
    return fail(extraction, &failure, error);
}

static bool tell_silence(struct extraction *extraction, struct error *error)
{
    struct error failure;
    program_end(&extraction->process, true);
    error_set(&failure, ERROR_INPUT,
              "%.300s cannot be read: at page or part %llu, %s was silent for %u seconds and was "
              "stopped",
              extraction->name, (unsigned long long)extraction->at.page, extraction->program,
              program_patience());
    return fail(extraction, &failure, error);
}

static bool take_failure(struct extraction *extraction, const struct wire_frame *frame,
                         struct error *error)
{
    struct error failure;
    if (frame->size == 0 || frame->size > WIRE_FAILURE_MOST ||
        !utf8_is_valid(frame->bytes, frame->size))
        return distrust(extraction, "a message that is none", error);
    program_end(&extraction->process, true);
    error_set(&failure, ERROR_INPUT, "%.300s %.*s", extraction->name, (int)frame->size,
              frame->bytes);
    return fail(extraction, &failure, error);
}

/* --- frames --------------------------------------------------------------------------- */

static bool wait_for_bytes(struct extraction *extraction, struct error *error)
{
    switch (program_wait(extraction->stream, extraction->cancel)) {
    case PROGRAM_CANCELLED:
        return error_set(error, ERROR_INTERRUPTED, "interrupted while %.300s was taken apart",
                         extraction->name);
    case PROGRAM_SILENT:
        return tell_silence(extraction, error);
    default:
        return true;
    }
}

static bool read_more(struct extraction *extraction, struct error *error)
{
    size_t kept = extraction->filled - extraction->next;
    memmove(extraction->bytes, extraction->bytes + extraction->next, kept);
    extraction->next = 0;
    extraction->filled = kept;
    if (!wait_for_bytes(extraction, error))
        return false;
    ssize_t got;
    do
        got = read(extraction->stream, extraction->bytes + kept, BUFFER - kept);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return error_set(error, ERROR_SYSTEM, "cannot hear %s: %s", extraction->program,
                         strerror(errno));
    extraction->ended = got == 0;
    extraction->filled += (size_t)got;
    return true;
}

static bool take_magic(struct extraction *extraction, struct error *error)
{
    while (!extraction->ended && extraction->filled < WIRE_MAGIC_SIZE)
        if (!read_more(extraction, error))
            return false;
    if (extraction->filled == 0)
        return explain_end(extraction, error);
    if (extraction->filled < WIRE_MAGIC_SIZE ||
        memcmp(extraction->bytes, WIRE_MAGIC, WIRE_MAGIC_SIZE) != 0)
        return distrust(extraction, "something of another version", error);
    extraction->next = WIRE_MAGIC_SIZE;
    extraction->begun = true;
    return true;
}

/* The next frame, whose bytes stay until the one after. */
static bool next_frame(struct extraction *extraction, struct wire_frame *frame, struct error *error)
{
    if (!extraction->begun && !take_magic(extraction, error))
        return false;
    for (;;) {
        switch (wire_parse(frame, extraction->bytes + extraction->next,
                           extraction->filled - extraction->next)) {
        case WIRE_COMPLETE:
            extraction->next += WIRE_HEAD + frame->size;
            extraction->frames++;
            return true;
        case WIRE_BROKEN:
            return distrust(extraction, "what makes no sense", error);
        case WIRE_MORE:
            break;
        }
        if (extraction->ended)
            return explain_end(extraction, error);
        if (!read_more(extraction, error))
            return false;
    }
}

bool extraction_is_ready(const struct extraction *extraction)
{
    struct pollfd stream = {.fd = extraction->stream, .events = POLLIN};
    return extraction->done || extraction->failed || extraction->ended || poll(&stream, 1, 0) != 0;
}

/* --- places --------------------------------------------------------------------------- */

static bool add_label(struct extraction *extraction, const struct wire_frame *frame,
                      struct error *error)
{
    if (extraction->label_count == extraction->label_capacity) {
        size_t capacity = extraction->label_capacity ? extraction->label_capacity * 2 : 16;
        struct label *labels = realloc(extraction->labels, capacity * sizeof *labels);
        if (!labels)
            return error_out_of_memory(error);
        extraction->labels = labels;
        extraction->label_capacity = capacity;
    }
    struct label *label = &extraction->labels[extraction->label_count++];
    label->page = frame->number;
    label->unit = (enum position_unit)frame->level;
    label->size = frame->size;
    memcpy(label->text, frame->bytes, frame->size);
    return true;
}

static bool is_clean(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < ' ' && text[i] != '\n' && text[i] != '\t')
            return false;
    return utf8_is_valid(text, size);
}

static bool take_place(struct extraction *extraction, const struct wire_frame *frame,
                       struct error *error)
{
    if (frame->level > POSITION_FILE || frame->size > WIRE_LABEL_MOST ||
        !is_clean(frame->bytes, frame->size))
        return distrust(extraction, "a place that is none", error);
    if (frame->level == POSITION_LINE) {
        size_t size = frame->size < FORMAT_SIZE - 1 ? frame->size : FORMAT_SIZE - 1;
        memcpy(extraction->format, frame->bytes, size);
        extraction->format[size] = '\0';
        return true;
    }
    /* The library keeps signed numbers. */
    if (frame->number < extraction->at.page || frame->number > INT64_MAX)
        return distrust(extraction, "places out of order", error);
    extraction->unit = (enum position_unit)frame->level;
    extraction->at.page = frame->number;
    return add_label(extraction, frame, error);
}

void extraction_label(const struct extraction *extraction, uint64_t page,
                      struct position_place *place)
{
    *place = (struct position_place){.unit = POSITION_LINE};
    for (size_t i = extraction->label_count; i-- > 0;) {
        const struct label *label = &extraction->labels[i];
        if (label->page == page) {
            *place = (struct position_place){label->unit, label->text, label->size};
            return;
        }
    }
}

void extraction_forget(struct extraction *extraction, uint64_t page)
{
    size_t gone = 0;
    while (gone < extraction->label_count && extraction->labels[gone].page < page)
        gone++;
    if (gone == 0)
        return;
    extraction->label_count -= gone;
    memmove(extraction->labels, extraction->labels + gone,
            extraction->label_count * sizeof *extraction->labels);
}

/* --- blocks --------------------------------------------------------------------------- */

/* Where no line of the file can be told, paragraphs are counted. */
static void move_to(struct extraction *extraction, const struct wire_frame *frame)
{
    uint64_t line = extraction->unit == POSITION_LINE ? frame->number : extraction->blocks + 1;
    if (line > extraction->at.line && line <= INT64_MAX)
        extraction->at.line = line;
}

static bool add_text(struct extraction *extraction, struct block *block, const char *text,
                     size_t size, struct error *error)
{
    bool ok = trace_add(&block->text, text, size, size, extraction->at, error);
    extraction->at.byte += size;
    return ok;
}

static bool begin_block(struct extraction *extraction, struct block *block,
                        const struct wire_frame *frame)
{
    move_to(extraction, frame);
    bool rows = frame->kind == WIRE_ROW && extraction->last == WIRE_ROW;
    block->gap = extraction->blocks > 0 && !(frame->flags & WIRE_TIGHT) && !rows;
    block->gap_at = extraction->at;
    if (block->gap)
        extraction->at.byte++;
    block->begin = extraction->at;
    block->heading = frame->kind == WIRE_HEADING && frame->level > 0;
    block->level = frame->level;
    return frame->level <= WIRE_LEVEL_MOST;
}

static bool take_text(struct extraction *extraction, struct block *block,
                      const struct wire_frame *frame, bool *begun, struct error *error)
{
    if (!is_clean(frame->bytes, frame->size))
        return distrust(extraction, "text that is none", error);
    if (extraction->at.byte > TEXT_MOST || extraction->headings > HEADINGS_MOST)
        return distrust(extraction, "more than any document holds", error);
    if (!*begun && !begin_block(extraction, block, frame))
        return distrust(extraction, "a heading of no level", error);
    *begun = extraction->open = (frame->flags & WIRE_CONTINUES) != 0;
    extraction->last = frame->kind;
    return add_text(extraction, block, frame->bytes, frame->size, error);
}

static bool finish_block(struct extraction *extraction, struct block *block, struct error *error)
{
    struct buffer *text = &block->text.text;
    while (text->size > 0 && text->data[text->size - 1] == '\n')
        trace_keep(&block->text, text->size - 1);
    block->heading = block->heading && text->size <= HEADING_MOST && text->size > 0;
    if (block->heading) {
        extraction->headings++;
        buffer_clear(&block->title);
        if (!block_append_title(&block->title, text->data, text->size, error))
            return false;
    }
    extraction->blocks++;
    return add_text(extraction, block, "\n", 1, error);
}

static bool take_end(struct extraction *extraction, const struct wire_frame *frame,
                     struct error *error)
{
    if (frame->number != extraction->frames - 1)
        return distrust(extraction, "fewer parts than it says", error);
    extraction->done = true;
    program_end(&extraction->process, true);
    *error = (struct error){0};
    return false;
}

/* A block of more than a frame is given in parts, so that memory holds no more. */
bool extraction_next(struct extraction *extraction, struct block *block, struct error *error)
{
    struct wire_frame frame;
    bool begun = extraction->open; /* with a part that was given before */
    block->begin = block->gap_at = extraction->at;
    trace_clear(&block->text);
    block->heading = block->gap = false;
    if (extraction->failed)
        return fail(extraction, &extraction->failure, error);
    if (extraction->done) {
        *error = (struct error){0};
        return false;
    }
    for (;;) {
        if (!next_frame(extraction, &frame, error))
            return false;
        bool beside = frame.kind == WIRE_PLACE || frame.kind == WIRE_FAILED;
        if (extraction->open && frame.kind != extraction->last && !beside)
            return distrust(extraction, "a part that breaks another", error);
        switch (frame.kind) {
        case WIRE_PLACE:
            if (!take_place(extraction, &frame, error))
                return false;
            continue;
        case WIRE_END:
            return take_end(extraction, &frame, error);
        case WIRE_FAILED:
            return take_failure(extraction, &frame, error);
        default:
            break;
        }
        if (!take_text(extraction, block, &frame, &begun, error))
            return false;
        if (!extraction->open && block->text.text.size > 0)
            return finish_block(extraction, block, error);
        if (block->text.text.size >= WIRE_PAYLOAD)
            return true;
    }
}

struct extraction_facts extraction_facts(const struct extraction *extraction)
{
    return (struct extraction_facts){
        .text = extraction->at.byte,
        .lines = extraction->at.line,
        .pages = extraction->at.page,
        .format = extraction->format,
    };
}
