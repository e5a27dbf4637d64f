#include "document/source.h"

#include "base/utf8.h"
#include "document/rune.h"
#include "document/sniff.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct source {
    int descriptor;
    char *path;
    size_t block;
    struct hash_stream *hash;
    bool ended;          /* the file has no bytes beyond `filled` */
    size_t next, filled; /* in `bytes`: not taken yet */
    struct position at;  /* of bytes[next] */
    uint64_t lines;      /* given so far */
    uint64_t page;       /* the last with text */
    uint64_t invalid;
    bool inside;       /* a piece of the line was given already */
    struct trace held; /* blanks between the last piece and the next */
    char bytes[SNIFF_SIZE];
};

static bool read_more(struct source *source, struct error *error)
{
    size_t kept = source->filled - source->next;
    memmove(source->bytes, source->bytes + source->next, kept);
    source->next = 0;
    source->filled = kept;
    size_t room = sizeof source->bytes - kept;
    ssize_t got;
    do
        got = read(source->descriptor, source->bytes + kept,
                   room < source->block ? room : source->block);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return error_set(error, ERROR_INPUT, "cannot read %.500s: %s", source->path,
                         strerror(errno));
    source->ended = got == 0;
    source->filled += (size_t)got;
    hash_stream_add(source->hash, source->bytes + kept, (size_t)got);
    return true;
}

/* So many bytes that no character and no CR LF is cut, unless the file ends. */
static bool fill(struct source *source, struct error *error)
{
    while (!source->ended && source->filled - source->next < UTF8_MAX_BYTES) {
        if (!read_more(source, error))
            return false;
    }
    return true;
}

static bool begin(struct source *source, struct error *error)
{
    const char *path = source->path;
    struct stat status;
    source->descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (source->descriptor < 0 && errno == ENOENT)
        return error_set(error, ERROR_INPUT, "there is no file %.500s: check the name", path);
    if (source->descriptor < 0 && errno == EACCES)
        return error_set(error, ERROR_INPUT,
                         "no permission to read %.500s: change it with chmod u+r", path);
    if (source->descriptor < 0 || fstat(source->descriptor, &status) != 0)
        return error_set(error, ERROR_INPUT, "cannot open %.500s: %s", path, strerror(errno));
    if (S_ISDIR(status.st_mode))
        return error_set(error, ERROR_INPUT, "%.500s is a directory: name a file in it", path);
    while (!source->ended && source->filled < sizeof source->bytes) {
        if (!read_more(source, error))
            return false;
    }
    if (source->filled == 0)
        return error_set(error, ERROR_INPUT, "%.500s is empty: there is nothing to read", path);
    return sniff_text(path, source->bytes, source->filled, error);
}

struct source *source_open(const char *path, size_t block, struct error *error)
{
    struct source *source = calloc(1, sizeof *source);
    if (!source) {
        error_out_of_memory(error);
        return NULL;
    }
    source->descriptor = -1;
    source->block = block ? block : sizeof source->bytes;
    source->at = (struct position){.byte = 0, .line = 1, .page = 1};
    source->page = 1;
    source->path = strdup(path);
    source->hash = hash_stream_new();
    bool ok = source->path && source->hash ? begin(source, error) : error_out_of_memory(error);
    if (!ok) {
        source_close(source);
        return NULL;
    }
    return source;
}

void source_close(struct source *source)
{
    if (!source)
        return;
    if (source->descriptor >= 0)
        close(source->descriptor);
    hash_stream_free(source->hash);
    trace_free(&source->held);
    free(source->path);
    free(source);
}

static void skip(struct source *source, size_t size)
{
    source->next += size;
    source->at.byte += size;
}

/* A line being put together. `blanks` counts the bytes of blanks at its end, and
 * `spaces` how many of them are a final run of plain spaces. */
struct assembly {
    struct source_line *line;
    size_t blanks, spaces;
    bool full; /* the next character would make the piece too long */
};

static bool is_plain(char c)
{
    return (c >= ' ' && c <= '~') || c == '\t';
}

/* Takes the ASCII characters up to the next that needs a look. */
static bool take_plain(struct source *source, struct assembly *assembly, struct error *error)
{
    const char *bytes = source->bytes + source->next;
    size_t limit = source->filled - source->next;
    size_t room = SOURCE_PIECE - assembly->line->text.text.size;
    if (room < limit)
        limit = room;
    size_t size = 0;
    while (size < limit && is_plain(bytes[size]))
        size++;
    assembly->full = size == 0;
    if (!trace_add(&assembly->line->text, bytes, size, size, source->at, error))
        return false;
    size_t spaces = 0, blanks;
    while (spaces < size && bytes[size - 1 - spaces] == ' ')
        spaces++;
    blanks = spaces;
    while (blanks < size && (bytes[size - 1 - blanks] == ' ' || bytes[size - 1 - blanks] == '\t'))
        blanks++;
    assembly->spaces = spaces == size ? assembly->spaces + size : spaces;
    assembly->blanks = blanks == size ? assembly->blanks + size : blanks;
    if (blanks < size) {
        assembly->line->soft_hyphen = false;
        source->page = source->at.page;
    }
    skip(source, size);
    return true;
}

/* Takes one character that is not plain ASCII, or what stands in its place. */
static bool take_character(struct source *source, struct assembly *assembly, struct error *error)
{
    const char *bytes = source->bytes + source->next;
    uint32_t rune;
    size_t length;
    enum utf8_status status = utf8_decode(&rune, &length, bytes, source->filled - source->next);
    bool valid = status == UTF8_VALID && rune != 0;
    if (valid && (rune == RUNE_SOFT_HYPHEN || rune == RUNE_BYTE_ORDER_MARK)) {
        if (rune == RUNE_SOFT_HYPHEN)
            assembly->line->soft_hyphen = true;
        skip(source, length);
        return true;
    }
    char shown[UTF8_MAX_BYTES];
    size_t size = utf8_encode(shown, valid ? rune : UTF8_REPLACEMENT);
    assembly->full = size > SOURCE_PIECE - assembly->line->text.text.size;
    if (assembly->full)
        return true;
    if (!trace_add(&assembly->line->text, shown, size, valid ? size : 1, source->at, error))
        return false;
    assembly->spaces = 0;
    if (valid && rune_is_blank(rune)) {
        assembly->blanks += size;
    } else {
        assembly->blanks = 0;
        assembly->line->soft_hyphen = false;
        source->page = source->at.page;
    }
    if (!valid)
        source->invalid += length;
    skip(source, length);
    return true;
}

/* True, with the line's end filled in, when the next byte ends a line. */
static bool take_end(struct source *source, struct source_line *line)
{
    char c = source->bytes[source->next];
    if (c != '\n' && c != '\r' && c != '\f')
        return false;
    if (c == '\r' && source->next + 1 < source->filled && source->bytes[source->next + 1] == '\n')
        skip(source, 1);
    line->stop = source->at;
    line->last = line->ended = true;
    line->feed = c == '\f';
    skip(source, 1);
    if (line->feed)
        source->at.page++;
    else
        source->at.line++;
    return true;
}

/* The piece is full: true when it can be given, its blanks held for the next;
 * false when it is nothing but blanks, which are cut down so that it goes on. */
static bool split(struct source *source, struct assembly *assembly, bool *ok, struct error *error)
{
    struct trace *text = &assembly->line->text;
    size_t end = text->text.size - assembly->blanks;
    assembly->full = false;
    if (end == 0) {
        size_t first;
        rune_at(text->text.data, text->text.size, 0, &first);
        trace_keep(text, first);
        assembly->blanks = first;
        assembly->spaces = 0;
        return false;
    }
    *ok = trace_copy(&source->held, text, end, text->text.size, error);
    trace_keep(text, end);
    source->inside = true;
    return true;
}

static bool start_piece(struct source *source, struct assembly *assembly, struct error *error)
{
    struct source_line *line = assembly->line;
    struct trace kept = line->text;
    trace_clear(&kept);
    *line = (struct source_line){.text = kept, .at = source->at};
    if (!trace_copy(&line->text, &source->held, 0, source->held.text.size, error))
        return false;
    if (source->held.text.size > 0)
        line->at = source->held.spans[0].at;
    assembly->blanks = source->held.text.size;
    trace_clear(&source->held);
    return true;
}

static void finish(struct source *source, struct assembly *assembly)
{
    struct source_line *line = assembly->line;
    if (!line->ended)
        line->stop = source->at;
    line->last = true;
    line->trailing_spaces = assembly->spaces;
    trace_keep(&line->text, line->text.text.size - assembly->blanks);
    source->inside = false;
    source->lines = line->stop.line;
}

bool source_next(struct source *source, struct source_line *line, struct error *error)
{
    struct assembly assembly = {.line = line};
    if (!start_piece(source, &assembly, error) || !fill(source, error))
        return false;
    if (source->next == source->filled && !source->inside) {
        *error = (struct error){0};
        return false;
    }
    while (source->next < source->filled && !take_end(source, line)) {
        bool ok = is_plain(source->bytes[source->next]) ? take_plain(source, &assembly, error)
                                                        : take_character(source, &assembly, error);
        if (ok && assembly.full && split(source, &assembly, &ok, error))
            return ok;
        if (!ok || !fill(source, error))
            return false;
    }
    finish(source, &assembly);
    return true;
}

struct source_facts source_facts(const struct source *source)
{
    return (struct source_facts){
        .bytes = source->at.byte,
        .lines = source->lines,
        .pages = source->page,
        .invalid = source->invalid,
    };
}

struct hash source_hash(const struct source *source)
{
    return hash_stream_end(source->hash);
}
