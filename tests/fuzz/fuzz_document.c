/* A file as text and outline. The first byte chooses the encoding, or that it is to be
 * found out; the second, up to 127, how many bytes are taken at a time when it is read
 * again, to the same result; above, it is read once. The rest is the file. */
#include "tests/fuzz/harness.h"

#include "base/utf8.h"
#include "document/document.h"
#include "document/format.h"
#include "document/marking.h"

#include <stdlib.h>
#include <string.h>

static const char *const encodings[] = {
    NULL,           NULL,
    "UTF-8",        "UTF-16",
    "UTF-16LE",     "UTF-16BE",
    "UTF-32",       "UTF-32LE",
    "WINDOWS-1252", "WINDOWS-1251",
    "ISO-8859-1",   "KOI8-R",
    "IBM437",       "SHIFT_JIS",
    "EUC-JP",       "ISO-2022-JP",
    "GB18030",      "BIG5",
    "EUC-KR",       "UTF-7",
    "MACINTOSH",    "TIS-620",
    "HZ",           "",
    "no-such-name", "UTF-8//IGNORE",
};

static struct error error;

/* What a program that was taken over might say of Markdown: roles at random, in stretches,
 * always the same for the same text. */
static bool lie(unsigned char *roles, const char *text, size_t size)
{
    uint32_t state = (uint32_t)size;
    unsigned char role = 0;
    for (size_t i = 0; i < size; i++) {
        state = (state ^ (unsigned char)text[i]) * 16777619u;
        if ((state >> 13 & 7) == 0)
            role = (unsigned char)(state >> 20);
        roles[i] = role;
    }
    return state % 8 != 0;
}

/* Going on through the file. */
struct walk {
    uint64_t size;
    struct position last; /* of the byte before */
    uint64_t end, characters;
    struct hash_stream *hash;
};

static void check_map(struct walk *walk, const struct document_section *section)
{
    /* Each call walks the map from its beginning: of a long section, a few places. */
    size_t step = 1 + section->size / 256;
    for (size_t offset = 0; offset < section->size; offset += step) {
        struct position p;
        HARNESS_REQUIRE(position_find(&p, section->map, section->map_size, offset, &error));
        HARNESS_REQUIRE(p.byte >= section->begin.byte && p.byte <= section->end_byte);
        HARNESS_REQUIRE(p.byte >= walk->last.byte);
        HARNESS_REQUIRE(p.line >= walk->last.line && p.page >= walk->last.page);
        walk->last = p;
    }
}

static void check_section(struct walk *walk, const struct document_section *section)
{
    HARNESS_REQUIRE(section->begin.byte == walk->end);
    HARNESS_REQUIRE(section->end_byte > section->begin.byte && section->end_byte <= walk->size);
    HARNESS_REQUIRE(section->size > 0 && section->text[section->size - 1] == '\n');
    HARNESS_REQUIRE(strlen(section->text) == section->size);
    HARNESS_REQUIRE(utf8_is_valid(section->text, section->size));
    HARNESS_REQUIRE(section->characters == utf8_count(section->text, section->size));
    HARNESS_REQUIRE(section->characters <= DOCUMENT_SECTION_LIMIT);
    size_t title = strlen(section->title);
    HARNESS_REQUIRE(title > 0 && title <= DOCUMENT_TITLE_LIMIT);
    HARNESS_REQUIRE(utf8_is_valid(section->title, title));
    HARNESS_REQUIRE(section->level >= 1 && section->part >= 1);
    check_map(walk, section);
    walk->end = section->end_byte;
    walk->characters += section->characters;
    hash_stream_add(walk->hash, section->text, section->size);
    hash_stream_add(walk->hash, section->title, title + 1);
    hash_stream_add(walk->hash, section->map, section->map_size);
    hash_stream_add(walk->hash, &section->level, sizeof section->level);
    hash_stream_add(walk->hash, &section->part, sizeof section->part);
}

static void check_facts(const struct document_reader *reader, const struct walk *walk,
                        const struct hash *bytes)
{
    const struct document_facts *facts = document_facts(reader);
    HARNESS_REQUIRE(walk->end == walk->size && facts->bytes == walk->size);
    HARNESS_REQUIRE(document_bytes_read(reader) == walk->size);
    HARNESS_REQUIRE(facts->characters == walk->characters);
    HARNESS_REQUIRE(facts->invalid_bytes <= facts->bytes);
    HARNESS_REQUIRE(facts->confidence <= 100);
    HARNESS_REQUIRE(hash_equal(&facts->hash, bytes));
}

/* A hash of all that came out, or of the error. */
static struct hash read_file(const char *path, const char *encoding, size_t block,
                             const struct hash *bytes, uint64_t size)
{
    struct document_reader *reader;
    struct document_section section;
    error = (struct error){0};
    if (!document_open_in_blocks(&reader, path, encoding, block, &error)) {
        harness_require_error(&error);
        return hash_of(error.text, strlen(error.text));
    }
    struct walk walk = {.size = size, .hash = hash_stream_new()};
    HARNESS_REQUIRE(walk.hash != NULL);
    while (document_next(reader, &section, &error))
        check_section(&walk, &section);
    if (error.kind == ERROR_NONE)
        check_facts(reader, &walk, bytes);
    else
        harness_require_error(&error);
    const char *name = document_facts(reader)->encoding;
    HARNESS_REQUIRE(name && *name);
    hash_stream_add(walk.hash, name, strlen(name));
    struct hash result = hash_stream_end(walk.hash);
    hash_stream_free(walk.hash);
    document_close(reader);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    marking_use(lie);
    struct harness_input input = {bytes, size};
    size_t choice = harness_byte(&input) % (sizeof encodings / sizeof *encodings);
    size_t block = harness_byte(&input);
    /* What another program takes apart has targets of its own, and no bytes to point at. */
    if (format_find((const char *)input.bytes, input.size) != FORMAT_TEXT)
        return 0;
    const char *path = harness_write("text", input.bytes, input.size);
    struct hash of_bytes = hash_of(input.bytes, input.size);
    struct hash whole = read_file(path, encodings[choice], 0, &of_bytes, input.size);
    if (block < 128) {
        struct hash parts = read_file(path, encodings[choice], block + 1, &of_bytes, input.size);
        HARNESS_REQUIRE(hash_equal(&whole, &parts));
    }
    return 0;
}
