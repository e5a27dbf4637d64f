#include "extract/emit.h"

#include "base/utf8.h"
#include "document/rune.h"
#include "document/wire.h"
#include "extract/sandbox.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 32768, PREFIX_MOST = 64, PENDING = 65536 };

static struct {
    struct emit_limits limits;
    uint64_t text, headings, frames, blocks, line;

    bool open, tight, begun; /* begun: some of the block was sent */
    bool cells;              /* the row's first cell was begun */
    enum emit_kind kind;
    unsigned level;
    uint64_t at;        /* the line that the block began in */
    bool blank, broken; /* before the next character: a blank, a line end */
    size_t lines;       /* code: line ends that wait for text behind them */
    char prefix[PREFIX_MOST];
    char piece[WIRE_PAYLOAD];
    size_t size;

    char out[PENDING + WIRE_HEAD];
    size_t waiting;
} emit;

static void flush(void)
{
    for (size_t at = 0; at < emit.waiting;) {
        ssize_t put = write(STDOUT_FILENO, emit.out + at, emit.waiting - at);
        if (put < 0 && errno != EINTR)
            _exit(1); /* nobody reads any more */
        at += put > 0 ? (size_t)put : 0;
    }
    emit.waiting = 0;
}

static void put(const void *bytes, size_t size)
{
    if (emit.waiting + size > sizeof emit.out)
        flush();
    memcpy(emit.out + emit.waiting, bytes, size);
    emit.waiting += size;
}

static void put_frame(const struct wire_frame *frame)
{
    unsigned char head[WIRE_HEAD];
    wire_head(head, frame);
    put(head, sizeof head);
    if (frame->size > 0)
        put(frame->bytes, frame->size);
    emit.frames++;
}

void emit_begin(const struct emit_limits *limits)
{
    memset(&emit, 0, sizeof emit);
    emit.limits = *limits;
    put(WIRE_MAGIC, WIRE_MAGIC_SIZE);
}

void emit_fail(const char *format, ...)
{
    char text[WIRE_FAILURE_MOST];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (size < 0)
        size = 0;
    size_t kept = (size_t)size < sizeof text ? (size_t)size : sizeof text - 1;
    put_frame(&(struct wire_frame){
        .kind = WIRE_FAILED,
        .bytes = text,
        .size = (uint32_t)utf8_floor(text, kept, kept - utf8_incomplete_tail(text, kept))});
    flush();
    _exit(3);
}

void emit_no_memory(void)
{
    emit_fail("needs more memory than the program that takes it apart is given: split it, or "
              "convert it to text first");
}

void emit_end(void)
{
    emit_finish();
    put_frame(&(struct wire_frame){.kind = WIRE_END, .number = emit.frames});
    flush();
    _exit(0);
}

/* Who looks on should see what is there: before the work goes on, it is sent. */
static void send(bool more);

void emit_place(enum emit_unit unit, uint64_t number, const char *label, size_t size)
{
    if (emit.open && emit.size > 0)
        send(true);
    size_t kept = size > WIRE_LABEL_MOST ? WIRE_LABEL_MOST : size;
    char name[WIRE_LABEL_MOST];
    size_t used = 0, length;
    for (size_t i = 0; i < kept; i += length) {
        uint32_t rune;
        if (utf8_decode(&rune, &length, label + i, kept - i) == UTF8_VALID && rune >= ' ' &&
            (rune < 0x7F || rune > 0x9F)) {
            memcpy(name + used, label + i, length);
            used += length;
        }
    }
    put_frame(&(struct wire_frame){.kind = WIRE_PLACE,
                                   .level = unit,
                                   .number = number,
                                   .bytes = name,
                                   .size = (uint32_t)used});
    flush();
    sandbox_step();
}

void emit_line(uint64_t line)
{
    if (line > emit.line)
        emit.line = line;
}

static enum wire_kind wire_kind(void)
{
    return emit.kind == EMIT_HEADING ? WIRE_HEADING : emit.kind == EMIT_ROW ? WIRE_ROW : WIRE_TEXT;
}

static void send(bool more)
{
    unsigned flags = (more ? WIRE_CONTINUES : 0u) | (emit.tight && !emit.begun ? WIRE_TIGHT : 0u);
    if (emit.text + emit.size > emit.limits.text)
        emit_fail("holds more than %llu MiB of text, which no document of its size does",
                  (unsigned long long)(emit.limits.text >> 20));
    emit.text += emit.size;
    put_frame(&(struct wire_frame){.kind = wire_kind(),
                                   .level = emit.level,
                                   .flags = flags,
                                   .size = (uint32_t)emit.size,
                                   .number = emit.at,
                                   .bytes = emit.piece});
    if ((emit.frames & 255) == 0)
        sandbox_step();
    emit.begun = true;
    emit.size = 0;
}

void emit_start(enum emit_kind kind, unsigned level)
{
    emit_finish();
    emit.open = true;
    emit.cells = false;
    emit.begun = emit.tight = emit.blank = emit.broken = false;
    emit.kind = kind;
    emit.level = level;
    emit.lines = emit.size = 0;
    emit.prefix[0] = '\0';
}

void emit_prefix(const char *prefix)
{
    snprintf(emit.prefix, sizeof emit.prefix, "%s", prefix);
}

void emit_tight(void)
{
    emit.tight = true;
}

static void add(const char *bytes, size_t size)
{
    if (emit.size + size > PIECE)
        send(true);
    memcpy(emit.piece + emit.size, bytes, size);
    emit.size += size;
}

/* What comes before the first word, or before one on a new line. */
static void add_indent(bool first)
{
    size_t length = strlen(emit.prefix);
    if (first)
        add(emit.prefix, length);
    else
        for (size_t i = 0; i < length; i++)
            add(" ", 1);
}

static void add_rune(const char *bytes, size_t size)
{
    bool empty = emit_is_blank();
    if (empty) {
        emit.at = emit.line;
        add_indent(true);
    } else if (emit.broken || emit.lines > 0) {
        for (size_t i = emit.lines > 0 ? emit.lines : 1; i > 0; i--)
            add("\n", 1);
        add_indent(false);
    } else if (emit.blank) {
        add(" ", 1);
    }
    emit.blank = emit.broken = false;
    emit.lines = 0;
    add(bytes, size);
}

static void add_code(uint32_t rune, const char *bytes, size_t size)
{
    if (rune == '\n') {
        if (!emit_is_blank()) /* empty lines before the first go */
            emit.lines++;
    } else if (rune != '\r') {
        add_rune(bytes, size);
    }
}

void emit_text(const char *text, size_t size)
{
    size_t length;
    for (size_t i = 0; i < size; i += length) {
        uint32_t rune;
        bool valid = utf8_decode(&rune, &length, text + i, size - i) == UTF8_VALID;
        if (valid && (rune == RUNE_SOFT_HYPHEN || rune == RUNE_BYTE_ORDER_MARK))
            continue;
        bool blank = valid && (rune == '\n' || rune == '\r' || rune == '\f' || rune_is_blank(rune));
        if (!valid || (!blank && (rune < ' ' || (rune >= 0x7F && rune <= 0x9F))))
            add_rune("\xEF\xBF\xBD", 3);
        else if (emit.kind == EMIT_CODE && rune != '\f')
            add_code(rune, text + i, length);
        else if (blank)
            emit.blank = true;
        else
            add_rune(text + i, length);
    }
}

void emit_break(void)
{
    if (emit.kind == EMIT_CODE)
        add_code('\n', "\n", 1);
    else if (emit.kind == EMIT_PARAGRAPH)
        emit.broken = true;
    else
        emit.blank = true;
}

void emit_cell(void)
{
    if (emit.cells) {
        emit.blank = true;
        add_rune("|", 1);
        emit.blank = true;
    }
    emit.cells = true;
}

/* Bars with nothing behind them, and a blank that no word followed. */
static void trim(void)
{
    while (emit.size > 0 && (emit.piece[emit.size - 1] == ' ' ||
                             (emit.kind == EMIT_ROW && emit.piece[emit.size - 1] == '|')))
        emit.size--;
}

void emit_finish(void)
{
    if (!emit.open)
        return;
    trim();
    if (emit.size > 0 || emit.begun) {
        if (emit.kind == EMIT_HEADING && ++emit.headings > emit.limits.headings)
            emit_fail("has more than %llu headings", (unsigned long long)emit.limits.headings);
        send(false);
        emit.blocks++;
    }
    emit.open = false;
}

bool emit_is_open(void)
{
    return emit.open;
}

bool emit_is_blank(void)
{
    return !emit.open || (emit.size == 0 && !emit.begun);
}

enum emit_kind emit_open_kind(void)
{
    return emit.kind;
}

uint64_t emit_blocks(void)
{
    return emit.blocks;
}
