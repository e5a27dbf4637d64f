/* Documents: text and outline of literal inputs, and what must hold for
 * every file: sections that tile it, exact positions, and independence of how
 * the bytes came in. */
#include "document/document.h"

#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define SPACES(n) (int)(n), ""

static char path[] = "/tmp/test_document.XXXXXX";

static void write_file(const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static struct document_reader *open_file(const char *name, size_t block)
{
    struct error error = {0};
    struct document_reader *reader;
    if (!document_open_in_blocks(&reader, name, NULL, block, &error))
        fail_msg("%s", error.text);
    return reader;
}

/* What a document became: its text on end, its outline ("level title" lines). */
struct result {
    struct buffer text, outline;
    size_t sections;
    struct document_facts facts;
    struct hash hash; /* of every field of every section */
};

static void result_free(struct result *result)
{
    buffer_free(&result->text);
    buffer_free(&result->outline);
}

/* Lines and pages counted as an editor does, byte by byte, going forward. */
struct count {
    const char *bytes;
    size_t size, at;
    uint64_t line, page;
};

static void count_to(struct count *count, size_t byte)
{
    for (; count->at < byte; count->at++) {
        char c = count->bytes[count->at];
        bool pair = c == '\r' && count->at + 1 < count->size && count->bytes[count->at + 1] == '\n';
        count->line += c == '\n' || (c == '\r' && !pair);
        count->page += c == '\f';
    }
}

static bool is_break(char c)
{
    return c == '\n' || c == '\r' || c == '\f';
}

/* Every byte of the section's text is the byte of the file that the map gives,
 * or stands in the place of a blank, a line end or what is not UTF-8. */
static void check_positions(const struct document_section *section, struct count *count)
{
    struct error error = {0};
    struct position p;
    for (size_t i = 0; i < section->size; i++) {
        if (!position_find(&p, section->map, section->map_size, i, &error))
            fail_msg("%s", error.text);
        assert_in_range(p.byte, section->begin.byte, section->end_byte);
        count_to(count, (size_t)p.byte);
        assert_int_equal(count->at, p.byte); /* never backwards */
        assert_int_equal(p.line, count->line);
        assert_int_equal(p.page, count->page);
        char c = section->text[i];
        char source = p.byte < count->size ? count->bytes[p.byte] : '\0';
        if (c == source)
            continue;
        bool end = p.byte == count->size || i + 1 == section->size;
        bool put_in = (c == '\n' && (end || is_break(source))) || (c == ' ' && is_break(source)) ||
                      (c == ' ' && source == '|'); /* around the bars of tables */
        bool repaired = (unsigned char)c >= 0x80 && ((unsigned char)source >= 0x80 || source == 0);
        if (!put_in && !repaired)
            fail_msg("text byte %zu (%02x) of %s is not file byte %zu (%02x)", i, (unsigned char)c,
                     section->title, (size_t)p.byte, (unsigned char)source);
    }
}

static void check_section(const struct document_section *section, uint64_t begin,
                          struct count *count)
{
    assert_int_equal(section->begin.byte, begin);
    assert_true(section->end_byte > begin);
    assert_true(section->size > 0);
    assert_int_equal(section->text[section->size - 1], '\n');
    assert_int_equal(section->text[section->size], '\0');
    assert_int_equal(strlen(section->text), section->size);
    assert_true(utf8_is_valid(section->text, section->size));
    assert_true(utf8_is_valid(section->title, strlen(section->title)));
    assert_in_range(strlen(section->title), 1, DOCUMENT_TITLE_LIMIT);
    assert_int_equal(section->characters, utf8_count(section->text, section->size));
    assert_in_range(section->characters, 1, DOCUMENT_SECTION_LIMIT);
    assert_true(section->level >= 1 && section->part >= 1);
    assert_true(section->text[0] != '\n');
    count_to(count, (size_t)begin);
    assert_int_equal(section->begin.line, count->line);
    assert_int_equal(section->begin.page, count->page);
}

static void read_all(struct result *result, const char *name, size_t block, const char *bytes,
                     size_t size)
{
    struct error error = {0};
    struct document_section section;
    struct document_reader *reader = open_file(name, block);
    struct count count = {bytes, size, 0, 1, 1};
    struct hash_stream *hash = hash_stream_new();
    uint64_t begin = 0, characters = 0, before = 0;
    *result = (struct result){0};
    assert_non_null(hash);
    while (document_next(reader, &section, &error)) {
        if (bytes) {
            check_section(&section, begin, &count);
            check_positions(&section, &count);
        }
        assert_true(document_bytes_read(reader) >= before);
        before = document_bytes_read(reader);
        begin = section.end_byte;
        characters += section.characters;
        result->sections++;
        assert_true(buffer_append(&result->text, section.text, section.size, &error));
        assert_true(buffer_append_format(&result->outline, &error, "%u %s\n", section.level,
                                         section.title));
        hash_stream_add(hash, section.text, section.size);
        hash_stream_add(hash, section.title, strlen(section.title));
        hash_stream_add(hash, section.map, section.map_size);
        hash_stream_add(hash, &section.begin, sizeof section.begin);
        hash_stream_add(hash, &section.end_byte, sizeof section.end_byte);
        hash_stream_add(hash, &section.level, sizeof section.level);
        hash_stream_add(hash, &section.part, sizeof section.part);
    }
    if (error.kind != ERROR_NONE)
        fail_msg("%s", error.text);
    assert_false(document_next(reader, &section, &error));
    assert_int_equal(error.kind, ERROR_NONE);
    result->facts = *document_facts(reader);
    result->hash = hash_stream_end(hash);
    assert_int_equal(begin, result->facts.bytes);
    assert_int_equal(before, result->facts.bytes);
    assert_int_equal(characters, result->facts.characters);
    hash_stream_free(hash);
    document_close(reader);
}

static void read_bytes(struct result *result, const char *bytes, size_t size)
{
    write_file(bytes, size);
    read_all(result, path, 0, bytes, size);
    struct hash hash = hash_of(bytes, size);
    assert_true(hash_equal(&hash, &result->facts.hash));
    assert_int_equal(result->facts.bytes, size);
}

static void assert_text(const char *input, const char *expected)
{
    struct result result;
    read_bytes(&result, input, strlen(input));
    assert_string_equal(result.text.data, expected);
    result_free(&result);
}

static void assert_kept(const char *input)
{
    assert_text(input, input);
}

static void assert_outline(const char *input, const char *expected)
{
    struct result result;
    read_bytes(&result, input, strlen(input));
    assert_string_equal(result.outline.data, expected);
    result_free(&result);
}

static void ends_lines(void **state)
{
    (void)state;
    assert_text("one\r\ntwo\rthree\nfour", "one\ntwo\nthree\nfour\n");
    assert_text("\xEF\xBB\xBFone  \t\ntwo \r\n", "one\ntwo\n");
    assert_text("\n \n\t\none\n\n\n  \n\ntwo\n\n\n", "one\n\ntwo\n");
    assert_text("one\ftwo\n", "one\ntwo\n");
    assert_text("one\n\fTwo\n", "one\n\nTwo\n");
    assert_text("a\xC2\xAD"
                "b\xC2\xAD\n",
                "ab\n");
    assert_text("no-break space goes too\xC2\xA0\nfrom the end\n",
                "no-break space goes too\nfrom the end\n");
}

static void counts_lines_and_pages(void **state)
{
    (void)state;
    struct result result;
    const char *text = "one\ntwo\r\nthree\fstill three\n\ffive\n\f";
    read_bytes(&result, text, strlen(text));
    assert_int_equal(result.facts.lines, 5);
    assert_int_equal(result.facts.pages, 3);
    result_free(&result);
    read_bytes(&result, "x", 1);
    assert_int_equal(result.facts.lines, 1);
    assert_int_equal(result.facts.pages, 1);
    result_free(&result);
}

static void repairs_bytes(void **state)
{
    (void)state;
    struct result result;
    const char *text =
        "caf\xE9 au lait, na\xC3\xAFve \xF0\x9F\x98 and on it goes with plain text\n";
    read_bytes(&result, text, strlen(text));
    assert_string_equal(result.text.data, "caf\xEF\xBF\xBD au lait, na\xC3\xAFve \xEF\xBF\xBD and "
                                          "on it goes with plain text\n");
    assert_int_equal(result.facts.invalid_bytes, 4);
    result_free(&result);
    text = "the end of the file comes within a letter \xC3";
    read_bytes(&result, text, strlen(text));
    assert_string_equal(result.text.data,
                        "the end of the file comes within a letter \xEF\xBF\xBD\n");
    assert_int_equal(result.facts.invalid_bytes, 1);
    result_free(&result);
}

static void joins_wrapped_lines(void **state)
{
    (void)state;
    assert_text("It was a dark and stormy night; the rain fell in\n"
                "torrents, except at occasional intervals, when it\n"
                "was checked by a violent gust of wind.\n",
                "It was a dark and stormy night; the rain fell in torrents, except at occasional "
                "intervals, when it was checked by a violent gust of wind.\n");
    assert_text("   This memo is indented by three characters as they\n"
                "   are in an RFC, and its lines are filled as far as\n"
                "   they go.\n\n"
                "   Short line.\n",
                "This memo is indented by three characters as they are in an RFC, and its lines "
                "are filled as far as they go.\n\n   Short line.\n");
    assert_text("   The first line of this one is indented, and so is\n"
                "the first line of the next, with no empty line put\n"
                "between them.\n"
                "   The second of them begins here and has in it some\n"
                "words more.\n",
                "The first line of this one is indented, and so is the first line of the next, "
                "with no empty line put between them.\nThe second of them begins here and has in "
                "it some words more.\n");
    assert_text("A hard break stands at the end of this first line  \n"
                "where two blanks are, and not at the end of this\n"
                "one here, but a backslash makes one of the same\\\n"
                "kind again at the end of the line, as Markdown has\n"
                "it.\n",
                "A hard break stands at the end of this first line\n"
                "where two blanks are, and not at the end of this one here, but a backslash makes "
                "one of the same\\\nkind again at the end of the line, as Markdown has it.\n");
    assert_text("This paragraph goes on over the turn of the page of\n\f"
                "the book, since its line was full and the next one\n"
                "goes on in lower case.\n",
                "This paragraph goes on over the turn of the page of the book, since its line was "
                "full and the next one goes on in lower case.\n");
}

/* Joins two lines of a paragraph that is hard-wrapped beyond doubt. */
static void assert_joined(const char *first, const char *second, const char *expected)
{
    char input[512], output[512];
    snprintf(input, sizeof input,
             "the lines of this paragraph are filled up to the end and\n%*s%s\n%s on it goes\n",
             SPACES(0), first, second);
    snprintf(output, sizeof output,
             "the lines of this paragraph are filled up to the end and %s on it goes\n", expected);
    assert_text(input, output);
}

static void mends_words(void **state)
{
    (void)state;
    const char *fill = "then there comes a line which is about as long an ";
    char first[128], expected[256];
    static const struct {
        const char *end, *next, *joined;
    } cases[] = {
        {"exam-", "ple", "example"},
        {"exam\xC2\xAD", "ple", "example"},
        {"exam\xE2\x80\x90", "ple", "example"},
        {"self-", "made", "self-made"},
        {"Well-", "known", "Well-known"},
        {"self-", "ish", "selfish"},
        {"non-", "violent", "non-violent"},
        {"non-", "sense", "nonsense"},
        {"ex-", "wife", "ex-wife"},
        {"ex-", "ample", "example"},
        {"twenty-", "five", "twenty-five"},
        {"son-in-", "law", "son-in-law"},
        {"Anglo-", "Saxon", "Anglo-Saxon"},
        {"1914-", "1918", "1914-1918"},
        {"pre-", "and post-war", "pre- and post-war"},
        {"gone--", "or not", "gone--or not"},
        {"gone --", "or not", "gone -- or not"},
        {"gone", "--or not", "gone--or not"},
        {"gone\xE2\x80\x94", "or not", "gone\xE2\x80\x94or not"},
        {"gone -", "or not", "gone - or not"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(first, sizeof first, "%s%s", fill, cases[i].end);
        snprintf(expected, sizeof expected, "%s%s", fill, cases[i].joined);
        assert_joined(first, cases[i].next, expected);
    }
}

static void keeps_lines_broken_on_purpose(void **state)
{
    (void)state;
    assert_kept("Shall I compare thee to a summer's day?\n"
                "Thou art more lovely and more temperate:\n"
                "Rough winds do shake the darling buds of May,\n"
                "And summer's lease hath all too short a date;\n");
    assert_kept("so much depends\nupon\n\na red wheel\nbarrow\n\nglazed with rain\nwater\n");
    assert_kept("What we need, and there is no end to what we need:\n"
                "- eggs of a hen that was fed on corn and not much\n"
                "  else than that\n"
                "- flour\n* salt\n+ water\n1. stir it\n2. bake it\na) eat it\n");
    assert_kept("> quoted words that go on to the end of the line and\n"
                "> then further on the next, which is quoted as well\n");
    assert_text("| name | what it is used for in the whole of the house |\n"
                "|------|-----------------------------------------------|\n"
                "| pump | water for the kitchen and all of the baths     |\n",
                "name | what it is used for in the whole of the house\n"
                "pump | water for the kitchen and all of the baths\n");
    assert_kept("name     what it is used for in the house   price of it\n"
                "pump     water for the kitchen and baths      120 crowns\n"
                "lamp     light for the stairs and the hall     35 crowns\n");
    assert_kept("int main(int argc, char **argv, char **environment) {\n"
                "    return run_everything_there_is(argc, argv, 0);\n"
                "}\n");
    assert_kept(
        "Text.\n\n```\nlines of code that look as if they had been wrapped\n"
        "by someone who thought that they were just some text\nhere\n\n# no heading\n```\n");
    assert_kept("A line of its own for each paragraph, as long as it takes, far beyond what any "
                "one would wrap a line at, since it is meant to be wrapped on the screen only.\n"
                "and another one of the same kind that begins in lower case for once, and goes on "
                "until it is longer than the limit of what counts as wrapped.\n");
    assert_kept("\"Good morning,\" said the man to the boy on the stone.\n\"And to you.\"\n");
    assert_kept("12 Long Lane\nLittle Town\nGreat County\n");
}

static void joins_scripts_without_spaces(void **state)
{
    (void)state;
    const char *line = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏闰余成岁律吕调阳";
    struct buffer input = {0}, output = {0};
    struct error error = {0};
    for (int i = 0; i < 4; i++) {
        assert_true(buffer_append_format(&input, &error, "%s\n", line));
        assert_true(buffer_append_text(&output, line, &error));
    }
    assert_true(buffer_append_text(&output, "\n", &error));
    assert_text(input.data, output.data);
    buffer_free(&input);
    buffer_free(&output);
}

static void finds_markdown_headings(void **state)
{
    (void)state;
    assert_outline("# One\n\ntext\n##  Two ##  \n### C# #\n####### seven\n#hash\n    # code\n"
                   "```\n# fenced\n```\n   ###### Six\n#\n",
                   "1 One\n2 Two\n3 C#\n6 Six\n");
    assert_outline("Title\n=====\ntext\n\nLower one\n---------\n\nmore\n\nNot a title\n---\n\n"
                   "a   b\n--- --\n",
                   "1 Title\n2 Lower one\n");
    assert_outline("# A\n\n1. Item\n\nTHE END\n\n2 Other\n", "1 A\n");
    assert_text("# A  \r\n\r\n\r\ntext\r\n## B\r\n", "# A\n\ntext\n## B\n");
}

static void finds_named_headings(void **state)
{
    (void)state;
    assert_outline("CHAPTER I\n\nText.\n\nCHAPTER II. The Road\n\nText.\n\nChapter 3: Home\n\n"
                   "Chapter four\n\nCHAPTER THE FIFTH\n\nEPILOGUE\n\nText.\n",
                   "1 CHAPTER I\n1 CHAPTER II. The Road\n1 Chapter 3: Home\n1 Chapter four\n"
                   "1 CHAPTER THE FIFTH\n1 EPILOGUE\n");
    assert_outline(
        "BOOK ONE: 1805\n\nCHAPTER I\n\nText.\n\nSECTION 2\n\nText.\n\nPart Twenty-One\n\n"
        "Text.\n",
        "1 BOOK ONE: 1805\n2 CHAPTER I\n3 SECTION 2\n1 Part Twenty-One\n");
    assert_outline("CHAPTER I.\nDown the Rabbit-Hole\n\nText.\n\nCHAPTER II\nIt was a dark night, "
                   "and it rained.\nIt rained a lot.\n\nAppendix B\n\nText.\n",
                   "1 CHAPTER I. Down the Rabbit-Hole\n1 CHAPTER II\n1 Appendix B\n");
    assert_outline("Chapter one\n\nPart of the house was red\n\nPart I played in it\n\n"
                   "Part 2 The man went home.\n\nChapter XIIII\n\nAct now\n\nBook 3,\n\n"
                   "CHAPTER I ........ 3\n\nCHAPTER I\nCHAPTER II\nCHAPTER III\n",
                   "1 Chapter one\n");
    assert_text("CHAPTER I\nText.\n", "CHAPTER I\nText.\n");
    assert_outline("Contents:\nChapter 1\nChapter 2\nChapter 1\nIt began.\nIt went on.\n"
                   "Chapter 2: The End\nIt ended, as told in\nChapter 3\n",
                   "1 Contents:\n1 Chapter 2: The End\n");
    assert_outline("Chapter 1\nIt began.\nIt went on.\nChapter 2\nThen it ended.\n",
                   "1 Chapter 1\n1 Chapter 2\n");
    assert_outline("# Novel\n\nChapter 1\n\nText.\n\nPart of it\n\nSummary\n",
                   "1 Novel\n2 Chapter 1\n");
}

static void finds_numbered_headings(void **state)
{
    (void)state;
    assert_outline("1 Introduction\n\nText.\n\n1.1. Scope\n\nText.\n\n1.2.1 rules\n\nText.\n\n"
                   "2. Terms and Words\n\nText.\n\nA.1 Tables\n\nText.\n\nIV. The Wood\n\nText.\n\n"
                   "V\n\nText.\n",
                   "1 1 Introduction\n2 1.1. Scope\n3 1.2.1 rules\n1 2. Terms and Words\n"
                   "2 A.1 Tables\n1 IV. The Wood\n1 V\n");
    assert_outline("Text here\n\n1. Milk\n\n2. Eggs\n\n3. Bread\n\nMore text.\n\n4 apples\n\n"
                   "5 Apples.\n\n12\n\n1 Scope . . . . . . 3\n\n1   Name   Price\n\n1984 Novel\n\n"
                   "7. Part\nof text\n",
                   "1 Text here\n");
}

static void finds_capital_headings(void **state)
{
    (void)state;
    assert_outline("THE OLD HOUSE\n\nText.\n\nWHO GOES THERE?\n\nText.\n\nCHAPTER I\n\nText.\n\n"
                   "ÜBER ALLES\n\nText.\n",
                   "1 THE OLD HOUSE\n1 WHO GOES THERE?\n1 CHAPTER I\n2 ÜBER ALLES\n");
    assert_outline("Text here\n\nTHE END.\n\nOK\n\n***\n\n\"FIRE!\"\n\nTHE HOUSE\nOF CARDS\n\n"
                   "12345 ABC\n\nTHE MAN   45\n",
                   "1 Text here\n");
    assert_outline("THE OLD HOUSE\n\nText.\n\fTHE OLD HOUSE\n\nText.\n\nTHE NEW ONE\n",
                   "1 THE OLD HOUSE\n1 THE NEW ONE\n");
}

static void names_text_without_heading(void **state)
{
    (void)state;
    assert_outline("\n\nSome words first.\n\n# Title\n\ntext\n", "1 Some words first.\n1 Title\n");
    assert_outline(
        "It was the best of times, it was the worst of times, it was the age of wisdom\n",
        "1 It was the best of times, it was the worst of times, it was …\n");
    assert_outline("# One\n\n\n", "1 One\n");
}

static void fill(struct buffer *out, const char *text, size_t times)
{
    struct error error = {0};
    for (size_t i = 0; i < times; i++)
        assert_true(buffer_append_text(out, text, &error));
}

static void cuts_long_titles(void **state)
{
    (void)state;
    struct buffer text = {0}, expected = {0};
    fill(&text, "# ", 1);
    fill(&text, "ßa", 100);
    fill(&text, "\n\n", 1);
    fill(&text, "word word.\n\n", 600);
    fill(&expected, "1 ", 1);
    fill(&expected, "ßa", 66);
    fill(&expected, "ß\n1 ", 1); /* 200 bytes */
    fill(&expected, "ßa", 65);
    fill(&expected, " (2)\n", 1);
    struct result result;
    read_bytes(&result, text.data, text.size);
    assert_string_equal(result.outline.data, expected.data);
    result_free(&result);
    buffer_free(&text);
    buffer_free(&expected);
}

static size_t below(size_t limit)
{
    return (size_t)rand() % limit;
}

static const char *pick(const char *const *from, size_t count)
{
    return from[below(count)];
}

#define PICK(...)                                                                                  \
    pick((const char *const[]){__VA_ARGS__},                                                       \
         sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

/* A paragraph of words wrapped at a width, or not. */
static void add_paragraph(struct buffer *out, const char *end)
{
    size_t width = below(3) ? 30 + below(60) : 5000, column = 0, words = 1 + below(120);
    const char *margin = PICK("", "", "   ", "        ");
    fill(out, margin, 1);
    while (words-- > 0) {
        const char *word =
            PICK("the", "an", "House", "exam-", "ple", "naïve", "of", "soft\xC2\xAD", "one--",
                 "two.", "sen\xC2\xADtence", "日本語", "x", "self-", "\"Yes,\"", "it", "was",
                 "gone", "broken\xFF", "1914-", "and", "*not*", "a");
        if (column + strlen(word) > width) {
            fill(out, PICK("", "", "", " ", "  ", "\t"), 1);
            fill(out, below(40) ? end : "\f", 1);
            fill(out, margin, 1);
            column = 0;
        } else if (column > 0) {
            fill(out, below(30) ? " " : "   ", 1);
        }
        fill(out, word, 1);
        column += strlen(word) + 1;
    }
    fill(out, end, 1);
}

static void repeat_part(struct buffer *out)
{
    struct error error = {0};
    size_t size = below(out->size < 5000 ? out->size + 1 : 5000);
    assert_true(buffer_reserve(out, size, &error));
    assert_true(buffer_append(out, out->data, size, &error));
}

static void random_document(struct buffer *out, size_t blocks)
{
    const char *end = PICK("\n", "\n", "\r\n", "\r");
    fill(out, PICK("", "\xEF\xBB\xBF", "\n", "\f"), 1);
    for (size_t i = 0; i < blocks; i++) {
        fill(out, end, below(3));
        if (below(30) == 0)
            fill(out,
                 PICK("# T", "CHAPTER II", "1.2 Foo", "THE HOUSE", "```", "> quoted text", "\f",
                      "Title\n=====", "- item", "~~~", "|a|b|", "   ", "2. Item"),
                 1);
        else if (below(60) == 0)
            fill(out, PICK("x", " ", "wörd ", "\xC2\xAD", "it is so. "), below(70000));
        else
            add_paragraph(out, end);
        fill(out, end, below(2));
        if (below(20) == 0)
            repeat_part(out);
    }
    fill(out, "end", 1);
}

static void holds_for_random_documents(void **state)
{
    (void)state;
    unsigned first = (unsigned)time(NULL) & 0xFFFFFF;
    for (unsigned seed = first; seed < first + 150; seed++) {
        srand(seed);
        print_message("%s%u", seed == first ? "seeds " : " ", seed);
        struct buffer bytes = {0};
        struct result result;
        random_document(&bytes, 1 + below(20));
        read_bytes(&result, bytes.data, bytes.size);
        result_free(&result);
        buffer_free(&bytes);
    }
    print_message("\n");
}

static void reads_alike_in_any_blocks(void **state)
{
    (void)state;
    unsigned first = (unsigned)time(NULL) & 0xFFFFFF;
    for (unsigned seed = first; seed < first + 6; seed++) {
        static const size_t blocks[] = {1, 3, 1000, 4096};
        struct buffer bytes = {0};
        struct result whole, pieces;
        srand(seed);
        print_message("%s%u", seed == first ? "seeds " : " ", seed);
        random_document(&bytes, 300);
        write_file(bytes.data, bytes.size);
        read_all(&whole, path, 0, NULL, 0);
        for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
            read_all(&pieces, path, blocks[i], NULL, 0);
            assert_true(hash_equal(&whole.hash, &pieces.hash));
            assert_true(hash_equal(&whole.facts.hash, &pieces.facts.hash));
            assert_int_equal(whole.facts.lines, pieces.facts.lines);
            assert_int_equal(whole.facts.invalid_bytes, pieces.facts.invalid_bytes);
            result_free(&pieces);
        }
        result_free(&whole);
        buffer_free(&bytes);
    }
    print_message("\n");
}

static void reads_one_long_line(void **state)
{
    (void)state;
    struct buffer bytes = {0};
    struct result result;
    fill(&bytes, "Words, and no end of them: wörds. ", 20000);
    fill(&bytes, " ", 200000);
    fill(&bytes, "The end.", 1);
    fill(&bytes, " ", 200000);
    read_bytes(&result, bytes.data, bytes.size);
    assert_in_range(result.sections, 113, 116);
    assert_int_equal(result.facts.lines, 1);
    const char *end = "wörds.\nThe end.\n";
    size_t size = strlen("The end.\n");
    assert_memory_equal(result.text.data + result.text.size - size, strstr(end, "The"), size);
    /* The blanks in the middle come down to a few. */
    assert_in_range(result.text.size, 20000 * 35, 20000 * 35 + 70000);
    result_free(&result);
    buffer_free(&bytes);
}

/* NUL bytes beyond the beginning, which is all that is looked at. */
static void repairs_late_nul_bytes(void **state)
{
    (void)state;
    struct buffer bytes = {0};
    struct error error = {0};
    struct result result;
    fill(&bytes, "A sentence of text.\n\n", 4000);
    assert_true(buffer_append(&bytes, "a\0b\n", 4, &error));
    read_bytes(&result, bytes.data, bytes.size);
    assert_int_equal(result.facts.invalid_bytes, 1);
    assert_string_equal(result.text.data + result.text.size - 6, "a\xEF\xBF\xBD"
                                                                 "b\n");
    result_free(&result);
    buffer_free(&bytes);
}

static char *load(const char *name, size_t *size)
{
    FILE *file = fopen(name, "rb");
    if (!file)
        return NULL;
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *size = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    bytes[*size] = '\0';
    fclose(file);
    return bytes;
}

/* The outline without continued sections has a line for each "# Title" line. */
static void assert_headings_of_file(const char *name, size_t expected)
{
    size_t size = 0, headings = 0, sections = 0;
    char *bytes = load(name, &size);
    if (!bytes)
        skip();
    for (const char *line = bytes; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        headings += *line == '#';
    }
    struct result result;
    struct document_section section;
    struct error error = {0};
    read_all(&result, name, 0, bytes, size);
    struct document_reader *reader = open_file(name, 0);
    while (document_next(reader, &section, &error))
        sections += section.part == 1;
    document_close(reader);
    assert_int_equal(sections, headings);
    if (expected > 0)
        assert_int_equal(sections, expected);
    result_free(&result);
    free(bytes);
}

static void reads_a_novel(void **state)
{
    (void)state;
    assert_headings_of_file(TESTS_SHARED_DIR "/books/war_and_peace.md", 385);
}

static void reads_stories(void **state)
{
    (void)state;
    static const char *const names[] = {"golden-goose", "hat-of-huldres", "the-dwarfie-stone",
                                        "self-did-it", "lucky-andrew"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[512];
        snprintf(name, sizeof name, "%s/qa/stories/%s.md", TESTS_SHARED_DIR, names[i]);
        assert_headings_of_file(name, 0);
    }
}

static int make_file(void **state)
{
    (void)state;
    int descriptor = mkstemp(path);
    return descriptor < 0 ? -1 : close(descriptor);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_lines),
        cmocka_unit_test(counts_lines_and_pages),
        cmocka_unit_test(repairs_bytes),
        cmocka_unit_test(joins_wrapped_lines),
        cmocka_unit_test(mends_words),
        cmocka_unit_test(keeps_lines_broken_on_purpose),
        cmocka_unit_test(joins_scripts_without_spaces),
        cmocka_unit_test(finds_markdown_headings),
        cmocka_unit_test(finds_named_headings),
        cmocka_unit_test(finds_numbered_headings),
        cmocka_unit_test(finds_capital_headings),
        cmocka_unit_test(names_text_without_heading),
        cmocka_unit_test(cuts_long_titles),
        cmocka_unit_test(holds_for_random_documents),
        cmocka_unit_test(reads_alike_in_any_blocks),
        cmocka_unit_test(reads_one_long_line),
        cmocka_unit_test(repairs_late_nul_bytes),
        cmocka_unit_test(reads_a_novel),
        cmocka_unit_test(reads_stories),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
