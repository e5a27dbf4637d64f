#include "document/source.h"

#include "base/file.h"
#include "base/utf8.h"
#include "document/decoder.h"
#include "document/rune.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { UNITS = 1024 };

struct source {
    int descriptor;
    bool standard; /* input, which stays open */
    const atomic_bool *cancel;
    const char *name; /* for errors; the caller's */
    size_t block;
    struct hash_stream *hash;
    enum format format;
    int copy;             /* of standard input, or -1 */
    struct stat identity; /* of the file before it was taken as a whole */
    bool ended;           /* the file has no bytes beyond `filled` */
    size_t next, filled;  /* in `bytes`: not taken, or not decoded yet */
    struct position at;   /* of what is taken next */
    struct encoding encoding;
    struct decoder *decoder;       /* NULL: `bytes` are UTF-8 and are taken as they are */
    size_t next_unit, filled_unit; /* in `units`: decoded, not taken yet */
    uint64_t lines;                /* given so far */
    uint64_t page;                 /* the last with text */
    uint64_t invalid;
    bool inside;       /* a piece of the line was given already */
    struct trace held; /* blanks between the last piece and the next */
    char bytes[ENCODING_SAMPLE];
    struct decoder_unit units[UNITS];
    char plain[UNITS]; /* of the last plain_run */
};

/* What stands at the source's place. */
struct character {
    uint32_t rune; /* when valid */
    size_t size;   /* bytes of the file */
    bool valid;    /* a character; else it becomes U+FFFD */
};

/* Whoever writes into standard input may take any time, in which the user may have
 * thought better of it. */
static bool wait_for_input(const struct source *source, struct error *error)
{
    enum { LOOK_EVERY = 50 }; /* milliseconds */
    struct pollfd input = {.fd = source->descriptor, .events = POLLIN};
    if (!source->standard || !source->cancel)
        return true;
    while (poll(&input, 1, LOOK_EVERY) <= 0)
        if (atomic_load(source->cancel))
            return error_set(error, ERROR_INTERRUPTED,
                             "interrupted while waiting for standard input");
    return true;
}

static bool read_more(struct source *source, struct error *error)
{
    if (!wait_for_input(source, error))
        return false;
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
        return error_set(error, ERROR_INPUT, "cannot read %.500s: %s", source->name,
                         strerror(errno));
    source->ended = got == 0;
    source->filled += (size_t)got;
    hash_stream_add(source->hash, source->bytes + kept, (size_t)got);
    return true;
}

/* Decodes until there is a character and the one after it, unless the file ends. */
static bool fill_units(struct source *source, struct error *error)
{
    size_t kept = source->filled_unit - source->next_unit;
    if (kept >= 2)
        return true;
    memmove(source->units, source->units + source->next_unit, kept * sizeof *source->units);
    source->next_unit = 0;
    source->filled_unit = kept;
    while (source->filled_unit < 2) {
        size_t taken, size = source->filled - source->next;
        if (source->ended && size == 0)
            return true;
        source->filled_unit += decoder_run(source->decoder, source->units + source->filled_unit,
                                           UNITS - source->filled_unit, &taken,
                                           source->bytes + source->next, size, source->ended);
        source->next += taken;
        if (source->filled_unit < 2 && !source->ended && !read_more(source, error))
            return false;
    }
    return true;
}

/* So much that no character and no CR LF is cut, unless the file ends. */
static bool fill(struct source *source, struct error *error)
{
    if (source->decoder)
        return fill_units(source, error);
    while (!source->ended && source->filled - source->next < UTF8_MAX_BYTES) {
        if (!read_more(source, error))
            return false;
    }
    return true;
}

static bool open_file(struct source *source, const char *path, struct error *error)
{
    struct stat status;
    source->standard = strcmp(path, "-") == 0;
    source->name = source->standard ? "standard input" : path;
    source->descriptor =
        source->standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (source->descriptor < 0 && errno == ENOENT)
        return error_set(error, ERROR_INPUT, "there is no file %.500s: check the name", path);
    if (source->descriptor < 0 && errno == EACCES)
        return error_set(error, ERROR_INPUT,
                         "no permission to read %.500s: change it with chmod u+r", path);
    if (source->descriptor < 0 || fstat(source->descriptor, &status) != 0)
        return error_set(error, ERROR_INPUT, "cannot open %.500s: %s", source->name,
                         strerror(errno));
    if (S_ISDIR(status.st_mode))
        return error_set(error, ERROR_INPUT, "%.500s is a directory: name a file in it",
                         source->name);
    /* A file is opened twice, and what a pipe gave the first time would be missing. */
    if (!source->standard && !S_ISREG(status.st_mode))
        return error_set(error, ERROR_INPUT,
                         "%.500s is not a regular file: give its text to standard input, and the "
                         "file name -",
                         source->name);
    return true;
}

static bool is_ascii(const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)bytes[i] >= 0x80)
            return false;
    return true;
}

/* Reads a sample from where the first bytes beyond ASCII come, without moving the place
 * that the file is read from; *size is 0 when there are none. */
static bool find_sample(const struct source *source, char sample[ENCODING_SAMPLE], size_t *size,
                        bool *whole, struct error *error)
{
    for (off_t at = lseek(source->descriptor, 0, SEEK_CUR); at >= 0;) {
        ssize_t got = pread(source->descriptor, sample, ENCODING_SAMPLE, at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set(error, ERROR_INPUT, "cannot read %.500s: %s", source->name,
                             strerror(errno));
        *size = (size_t)got;
        *whole = got < ENCODING_SAMPLE;
        size_t plain = 0;
        while (plain < *size && (unsigned char)sample[plain] < 0x80)
            plain++;
        /* A sample that is mostly ASCII is moved on, so that more of it speaks. */
        if (got == 0 || plain <= ENCODING_SAMPLE / 4 || *whole)
            return true;
        at += (off_t)plain;
    }
    *size = 0;
    *whole = true;
    return true;
}

/* A long text may have its first accent late. */
static bool look_further(struct source *source, struct error *error)
{
    struct stat status;
    if (source->ended || source->encoding.evidence != DOCUMENT_UTF8 ||
        !is_ascii(source->bytes, source->filled) || fstat(source->descriptor, &status) != 0 ||
        !S_ISREG(status.st_mode))
        return true;
    char *sample = malloc(ENCODING_SAMPLE);
    if (!sample)
        return error_out_of_memory(error);
    size_t size = 0;
    bool whole = false;
    bool ok = find_sample(source, sample, &size, &whole, error) &&
              (size == 0 || encoding_reconsider(&source->encoding, sample, size, whole, error));
    free(sample);
    return ok;
}

/* Reads the beginning, and finds from it how the rest is to be read. */
static bool begin(struct source *source, const char *path, const char *encoding,
                  struct error *error)
{
    if (!open_file(source, path, error))
        return false;
    while (!source->ended && source->filled < sizeof source->bytes) {
        if (!read_more(source, error))
            return false;
    }
    if (source->filled == 0)
        return error_set(error, ERROR_INPUT, "%.500s is empty: there is nothing to read",
                         source->name);
    source->format = format_find(source->bytes, source->filled);
    if (source->format == FORMAT_PDF || source->format == FORMAT_ZIP)
        return true;
    if (!encoding_find(&source->encoding, encoding, source->name, source->bytes, source->filled,
                       error) ||
        !look_further(source, error))
        return false;
    if (source->format != FORMAT_TEXT)
        return true;
    if (strcmp(source->encoding.charset, "UTF-8") == 0)
        return true;
    source->decoder = decoder_new(source->encoding.charset, error);
    return source->decoder != NULL;
}

struct source *source_open(const char *path, const char *encoding, size_t block,
                           const atomic_bool *cancel, struct error *error)
{
    struct source *source = calloc(1, sizeof *source);
    if (!source) {
        error_out_of_memory(error);
        return NULL;
    }
    source->descriptor = source->copy = -1;
    source->cancel = cancel;
    source->block = block ? block : sizeof source->bytes;
    source->at = (struct position){.byte = 0, .line = 1, .page = 1};
    source->page = 1;
    source->hash = hash_stream_new();
    bool ok = source->hash ? begin(source, path, encoding, error) : error_out_of_memory(error);
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
    if (source->descriptor >= 0 && !source->standard)
        close(source->descriptor);
    if (source->copy >= 0)
        close(source->copy);
    hash_stream_free(source->hash);
    decoder_free(source->decoder);
    trace_free(&source->held);
    free(source);
}

enum format source_format(const struct source *source)
{
    return source->format;
}

/* --- files that are no text ---------------------------------------------------------- */

static bool cannot_copy(struct error *error)
{
    return error_set(error, ERROR_SYSTEM,
                     "cannot copy standard input into a temporary file: %s (TMPDIR may name "
                     "another folder)",
                     strerror(errno));
}

static int open_nameless(void)
{
    const char *folder = getenv("TMPDIR");
    char name[PATH_MAX];
    if (!folder || !*folder)
        folder = "/tmp";
    int copy = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (copy >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return copy;
    snprintf(name, sizeof name, "%s/tidemark.XXXXXX", folder);
    copy = mkostemp(name, O_CLOEXEC);
    if (copy >= 0)
        unlink(name);
    return copy;
}

/* The bytes that were read already, and all that come. */
static bool copy_input(struct source *source, struct error *error)
{
    source->copy = open_nameless();
    if (source->copy < 0)
        return cannot_copy(error);
    for (;;) {
        if (!file_write(source->copy, source->bytes + source->next, source->filled - source->next))
            return cannot_copy(error);
        source->at.byte += source->filled - source->next;
        source->next = source->filled = 0;
        if (source->ended)
            return true;
        if (!read_more(source, error))
            return false;
    }
}

bool source_whole(struct source *source, int *descriptor, struct error *error)
{
    assert(source->format != FORMAT_TEXT);
    if (source->standard && source->copy < 0 && !copy_input(source, error))
        return false;
    *descriptor = source->copy >= 0 ? source->copy : source->descriptor;
    if (fstat(*descriptor, &source->identity) != 0 || lseek(*descriptor, 0, SEEK_SET) != 0)
        return error_set(error, ERROR_INPUT, "cannot read %.500s: %s", source->name,
                         strerror(errno));
    return true;
}

static bool hash_rest(struct source *source, struct error *error)
{
    source->at.byte = source->filled;
    for (;;) {
        ssize_t got =
            pread(source->descriptor, source->bytes, sizeof source->bytes, (off_t)source->at.byte);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set(error, ERROR_INPUT, "cannot read %.500s: %s", source->name,
                             strerror(errno));
        if (got == 0)
            return true;
        hash_stream_add(source->hash, source->bytes, (size_t)got);
        source->at.byte += (uint64_t)got;
    }
}

bool source_end_whole(struct source *source, struct error *error)
{
    struct stat now;
    const struct stat *before = &source->identity;
    if (source->copy >= 0)
        return true;
    if (!hash_rest(source, error))
        return false;
    if (fstat(source->descriptor, &now) == 0 && now.st_size == before->st_size &&
        now.st_mtim.tv_sec == before->st_mtim.tv_sec &&
        now.st_mtim.tv_nsec == before->st_mtim.tv_nsec)
        return true;
    return error_set(error, ERROR_INPUT,
                     "%.500s was changed while it was read: read it again, to take it as it is now",
                     source->name);
}

/* --- characters ---------------------------------------------------------------------- */

static bool at_end(const struct source *source)
{
    return source->decoder ? source->next_unit == source->filled_unit
                           : source->next == source->filled;
}

static struct character character_at(const struct source *source)
{
    struct character c;
    if (source->decoder) {
        const struct decoder_unit *unit = &source->units[source->next_unit];
        c = (struct character){unit->rune, unit->size, unit->rune != DECODER_INVALID};
    } else {
        enum utf8_status status = utf8_decode(&c.rune, &c.size, source->bytes + source->next,
                                              source->filled - source->next);
        c.valid = status == UTF8_VALID;
    }
    c.valid = c.valid && c.rune != 0;
    return c;
}

/* Bytes of the line feed that stands at the source's place, or 0. */
static size_t line_feed_at(const struct source *source)
{
    if (at_end(source))
        return 0;
    if (!source->decoder)
        return source->bytes[source->next] == '\n';
    const struct decoder_unit *unit = &source->units[source->next_unit];
    return unit->rune == '\n' ? unit->size : 0;
}

/* Goes over `count` characters that are `size` bytes together. */
static void skip(struct source *source, size_t count, size_t size)
{
    if (source->decoder)
        source->next_unit += count;
    else
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

/* The ASCII characters up to the next that needs a look, at most `limit`, each of
 * *width bytes in the file. Valid until the source goes on. */
static const char *plain_run(struct source *source, size_t *size, size_t *width, size_t limit)
{
    size_t count = 0;
    if (!source->decoder) {
        const char *bytes = source->bytes + source->next;
        size_t left = source->filled - source->next;
        if (left < limit)
            limit = left;
        while (count < limit && is_plain(bytes[count]))
            count++;
        *size = count;
        *width = 1;
        return bytes;
    }
    const struct decoder_unit *units = source->units + source->next_unit;
    size_t left = source->filled_unit - source->next_unit;
    if (left < limit)
        limit = left;
    for (; count < limit && units[count].rune < 0x80 && units[count].size == units[0].size;
         count++) {
        source->plain[count] = (char)units[count].rune;
        if (!is_plain(source->plain[count]))
            break;
    }
    *size = count;
    *width = units[0].size;
    return source->plain;
}

static bool add_plain(struct trace *text, const char *bytes, size_t size, size_t width,
                      struct position at, struct error *error)
{
    if (width == 1)
        return trace_add(text, bytes, size, size, at, error);
    for (size_t i = 0; i < size; i++) {
        if (!trace_add(text, bytes + i, 1, width, at, error))
            return false;
        at.byte += width;
    }
    return true;
}

/* Takes the ASCII characters up to the next that needs a look. */
static bool take_plain(struct source *source, struct assembly *assembly, struct error *error)
{
    size_t size, width;
    size_t room = SOURCE_PIECE - assembly->line->text.text.size;
    const char *bytes = plain_run(source, &size, &width, room);
    assembly->full = size == 0;
    if (!add_plain(&assembly->line->text, bytes, size, width, source->at, error))
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
    skip(source, size, size * width);
    return true;
}

/* Takes one character that is not plain ASCII, or what stands in its place. */
static bool take_character(struct source *source, struct assembly *assembly,
                           const struct character *c, struct error *error)
{
    bool dropped = c->rune == RUNE_SOFT_HYPHEN || c->rune == RUNE_BYTE_ORDER_MARK ||
                   c->rune == DECODER_NOTHING;
    if (c->valid && dropped) {
        if (c->rune == RUNE_SOFT_HYPHEN)
            assembly->line->soft_hyphen = true;
        skip(source, 1, c->size);
        return true;
    }
    char shown[UTF8_MAX_BYTES];
    size_t size = utf8_encode(shown, c->valid ? c->rune : UTF8_REPLACEMENT);
    assembly->full = size > SOURCE_PIECE - assembly->line->text.text.size;
    if (assembly->full)
        return true;
    /* Three broken bytes are not one for one what U+FFFD is in UTF-8. */
    if (!trace_add(&assembly->line->text, shown, size, c->valid ? c->size : 1, source->at, error))
        return false;
    assembly->spaces = 0;
    if (c->valid && rune_is_blank(c->rune)) {
        assembly->blanks += size;
    } else {
        assembly->blanks = 0;
        assembly->line->soft_hyphen = false;
        source->page = source->at.page;
    }
    if (!c->valid)
        source->invalid += c->size;
    skip(source, 1, c->size);
    return true;
}

/* True, with the line's end filled in, when this character ends a line. */
static bool take_end(struct source *source, struct source_line *line, const struct character *c)
{
    if (!c->valid || (c->rune != '\n' && c->rune != '\r' && c->rune != '\f'))
        return false;
    line->stop = source->at;
    skip(source, 1, c->size);
    size_t feed = c->rune == '\r' ? line_feed_at(source) : 0;
    if (feed > 0) {
        line->stop = source->at;
        skip(source, 1, feed);
    }
    line->last = line->ended = true;
    line->feed = c->rune == '\f';
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
    if (at_end(source) && !source->inside) {
        *error = (struct error){0};
        return false;
    }
    while (!at_end(source)) {
        struct character c = character_at(source);
        if (c.rune < ' ' && take_end(source, line, &c))
            break;
        bool plain = c.rune < 0x80 && is_plain((char)c.rune);
        bool ok = plain ? take_plain(source, &assembly, error)
                        : take_character(source, &assembly, &c, error);
        if (ok && assembly.full && split(source, &assembly, &ok, error))
            return ok;
        if (!ok || !fill(source, error))
            return false;
    }
    finish(source, &assembly);
    return true;
}

const struct encoding *source_encoding(const struct source *source)
{
    return &source->encoding;
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
