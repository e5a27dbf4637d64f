#include "app/work/browsing.h"

#include "app/work/listing.h"
#include "app/work/ranking.h"
#include "base/utf8.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* --- a section ------------------------------------------------------------------------ */

bool browsing_text(struct session *session, int64_t document, int64_t section,
                   struct browsing_text *text, struct error *error)
{
    struct library_section from;
    *text = (struct browsing_text){.document = document, .section = section};
    if (!library_get_section(session->library, document, section, LIBRARY_TEXT | LIBRARY_MAP, &from,
                             error))
        return false;
    text->text = from.text;
    text->size = from.text_size;
    text->map = from.map;
    text->map_size = from.map_size;
    from.text = NULL;
    from.map = NULL;
    library_section_free(&from);
    return true;
}

void browsing_text_free(struct browsing_text *text)
{
    free(text->text);
    free(text->map);
    *text = (struct browsing_text){0};
}

bool browsing_place(const struct browsing_text *text, size_t offset, struct citing *at)
{
    struct error broken;
    if (citing_find(at, text->map, text->map_size, offset, &broken) && at->page >= 1 &&
        at->line >= 1)
        return true;
    *at = (struct citing){0};
    return false;
}

bool browsing_position(const struct browsing_text *text, size_t offset, int64_t *page,
                       int64_t *line)
{
    struct citing at;
    bool found = browsing_place(text, offset, &at);
    *page = at.page;
    *line = at.line;
    return found;
}

/* --- what was asked last ---------------------------------------------------------------- */

struct question_walk {
    struct session *session;
    struct browsing_questions *questions;
    size_t capacity;
    struct error *error;
    bool ok;
};

static bool grow_questions(struct question_walk *walk)
{
    struct browsing_questions *questions = walk->questions;
    if (questions->count < walk->capacity)
        return true;
    size_t capacity = walk->capacity ? 2 * walk->capacity : 16;
    int64_t *documents = reallocarray(questions->documents, capacity, sizeof *questions->documents);
    if (documents)
        questions->documents = documents;
    char **texts = reallocarray(questions->questions, capacity, sizeof *questions->questions);
    if (texts)
        questions->questions = texts;
    if (!documents || !texts)
        return error_out_of_memory(walk->error);
    walk->capacity = capacity;
    return true;
}

static bool take_question(void *context, const struct library_document *document)
{
    struct question_walk *walk = context;
    struct library_question last;
    bool found = false;
    walk->ok = grow_questions(walk) && library_last_question(walk->session->library, document->id,
                                                             &last, &found, walk->error);
    if (!walk->ok)
        return false;
    size_t at = walk->questions->count++;
    walk->questions->documents[at] = document->id;
    walk->questions->questions[at] = NULL;
    if (found) {
        walk->questions->questions[at] = last.question;
        last.question = NULL;
        library_question_free(&last);
    }
    return true;
}

bool browsing_last_questions(struct session *session, struct browsing_questions *questions,
                             struct error *error)
{
    struct question_walk walk = {
        .session = session, .questions = questions, .error = error, .ok = true};
    *questions = (struct browsing_questions){0};
    if (library_each_document(session->library, take_question, &walk, error) && walk.ok)
        return true;
    browsing_questions_free(questions);
    return false;
}

void browsing_questions_free(struct browsing_questions *questions)
{
    for (size_t i = 0; i < questions->count; i++)
        free(questions->questions[i]);
    free(questions->questions);
    free(questions->documents);
    *questions = (struct browsing_questions){0};
}

/* --- summaries ------------------------------------------------------------------------- */

struct summary_walk {
    struct browsing_summaries *summaries;
    struct error *error;
    bool ok;
};

static bool take_summary(void *context, const struct library_summary *from)
{
    struct summary_walk *walk = context;
    struct browsing_summaries *summaries = walk->summaries;
    if (from->kind == LIBRARY_SUMMARY_PART)
        return true;
    if (summaries->count == summaries->capacity) {
        size_t capacity = summaries->capacity ? 2 * summaries->capacity : 16;
        struct browsing_summary *items = reallocarray(summaries->items, capacity, sizeof *items);
        walk->ok = items || error_out_of_memory(walk->error);
        if (!walk->ok)
            return false;
        summaries->items = items;
        summaries->capacity = capacity;
    }
    struct browsing_summary summary = {from->kind, from->section, strdup(from->text)};
    walk->ok = summary.text || error_out_of_memory(walk->error);
    if (walk->ok)
        summaries->items[summaries->count++] = summary;
    return walk->ok;
}

bool browsing_summaries(struct session *session, int64_t document,
                        struct browsing_summaries *summaries, struct error *error)
{
    struct summary_walk walk = {.summaries = summaries, .error = error, .ok = true};
    *summaries = (struct browsing_summaries){0};
    if (library_each_summary(session->library, document, take_summary, &walk, error) && walk.ok)
        return true;
    browsing_summaries_free(summaries);
    return false;
}

void browsing_summaries_free(struct browsing_summaries *summaries)
{
    for (size_t i = 0; i < summaries->count; i++)
        free(summaries->items[i].text);
    free(summaries->items);
    *summaries = (struct browsing_summaries){0};
}

/* --- surprise -------------------------------------------------------------------------- */

/* As encode_surprise (reading.c) stores it: 1/256 bit, 16 bits a token, little-endian. */
static double surprise_at(const unsigned char *encoded, size_t token)
{
    return (double)(encoded[2 * token] | encoded[2 * token + 1] << 8) / 256;
}

static float mean_surprise(const unsigned char *encoded, size_t begin, size_t end)
{
    double sum = 0;
    for (size_t i = begin; i < end; i++)
        sum += surprise_at(encoded, i);
    return (float)(sum / (double)(end - begin));
}

/* A section of fewer tokens than columns shows some of them more than once. */
static void fill_row(const unsigned char *encoded, size_t tokens, size_t columns, float *bits)
{
    for (size_t i = 0; i < columns; i++) {
        size_t begin = tokens / columns * i + tokens % columns * i / columns;
        size_t end = tokens / columns * (i + 1) + tokens % columns * (i + 1) / columns;
        bits[i] = mean_surprise(encoded, begin, end > begin ? end : begin + 1);
    }
}

/* What does not fit its count of tokens says nothing of them. */
static bool add_row(struct session *session, const struct library_reading *reading, int64_t section,
                    size_t columns, float *bits, struct error *error)
{
    struct library_section_reading row;
    bool found;
    if (!library_get_section_reading(session->library, reading->id, section, &row, &found, error))
        return false;
    if (!found)
        return true;
    if (row.tokens > 0 && row.surprise && row.surprise_size % 2 == 0 &&
        row.surprise_size / 2 == (uint64_t)row.tokens)
        fill_row(row.surprise, row.surprise_size / 2, columns, bits);
    library_section_reading_free(&row);
    return true;
}

bool browsing_surprise(struct session *session, int64_t document, int64_t first, size_t count,
                       size_t columns, float *bits, struct error *error)
{
    struct library_reading reading;
    bool found;
    assert(first >= 0);
    for (size_t i = 0; i < count * columns; i++)
        bits[i] = -1;
    if (!listing_reading(session, document, &reading, &found, error))
        return false;
    if (!found)
        return true;
    bool ok = true;
    for (size_t i = 0; ok && i < count && (int64_t)i < reading.sections - first; i++)
        ok = add_row(session, &reading, first + (int64_t)i, columns, bits + i * columns, error);
    library_reading_free(&reading);
    return ok;
}

/* --- all documents ---------------------------------------------------------------------- */

enum {
    MOST_FOLDED = 64, /* bytes of a folded word; what is longer is cut */
    EXCERPT_BEFORE = 60,
    EXCERPT_AFTER = 140,
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

/* Letters, marks and numbers stand together in this list. */
static bool is_word_rune(uint32_t rune)
{
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)rune);
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO;
}

/* Without case and diacritics, as the full-text index compares. */
static size_t fold_word(char folded[MOST_FOLDED], const char *text, size_t size)
{
    size_t used = 0;
    for (size_t at = 0; at < size;) {
        uint32_t rune;
        size_t length;
        utf8proc_int32_t runes[8];
        utf8_decode(&rune, &length, text + at, size - at);
        at += length;
        utf8proc_ssize_t count = utf8proc_decompose_char(
            (utf8proc_int32_t)rune, runes, 8,
            UTF8PROC_DECOMPOSE | UTF8PROC_CASEFOLD | UTF8PROC_STRIPMARK, NULL);
        for (utf8proc_ssize_t i = 0; i < count && i < 8; i++) {
            if (used + UTF8_MAX_BYTES > MOST_FOLDED)
                return used;
            used += utf8_encode(folded + used, (uint32_t)runes[i]);
        }
    }
    return used;
}

/* 2: the same word; 1: perhaps another form of it, which the index takes for the same; 0:
 * neither. */
static int likeness(const char *a, size_t a_size, const char *b, size_t b_size)
{
    enum { STEM = 3, ENDING = 4 };
    size_t common = 0;
    while (common < a_size && common < b_size && a[common] == b[common])
        common++;
    if (common == a_size && common == b_size)
        return 2;
    return common >= STEM && a_size - common <= ENDING && b_size - common <= ENDING;
}

static int best_likeness(const struct ranking_words *words, const char *text, size_t size)
{
    char folded[MOST_FOLDED], wanted[MOST_FOLDED];
    size_t folded_size = fold_word(folded, text, size);
    int best = 0;
    for (size_t i = 0; i < words->count && best < 2; i++) {
        size_t wanted_size = fold_word(wanted, words->items[i], strlen(words->items[i]));
        int alike = likeness(folded, folded_size, wanted, wanted_size);
        best = alike > best ? alike : best;
    }
    return best;
}

/* Where the first of the words stands, else the first that is like one of them, else 0. */
static size_t find_word(const struct ranking_words *words, const char *text, size_t size)
{
    size_t like = 0, word = 0;
    bool any = false;
    for (size_t at = 0; at <= size;) {
        uint32_t rune = 0;
        size_t length = 1;
        if (at < size)
            utf8_decode(&rune, &length, text + at, size - at);
        if (at < size && is_word_rune(rune)) {
            at += length;
            continue;
        }
        int alike = at > word ? best_likeness(words, text + word, at - word) : 0;
        if (alike == 2)
            return word;
        if (alike == 1 && !any) {
            like = word;
            any = true;
        }
        at += length;
        word = at;
    }
    return like;
}

static bool begins_paragraph(const char *text, size_t at)
{
    return at == 0 || (text[at - 1] == '\n' && (at == 1 || text[at - 2] == '\n'));
}

static bool ends_paragraph(const char *text, size_t size, size_t at)
{
    return at == size || (text[at] == '\n' && (at + 1 == size || text[at + 1] == '\n'));
}

struct span {
    size_t begin, end;
    bool more_before, more_after; /* of the same paragraph */
};

/* What stands around `at`, cut between words where there are any. */
static struct span span_around(const char *text, size_t size, size_t at)
{
    struct span span = {.begin = at, .end = at};
    while (!begins_paragraph(text, span.begin) && at - span.begin < EXCERPT_BEFORE)
        span.begin--;
    span.more_before = !begins_paragraph(text, span.begin);
    while (span.more_before && span.begin < at && !is_blank(text[span.begin]))
        span.begin++;
    while (span.begin < at && is_blank(text[span.begin]))
        span.begin++;
    while (!ends_paragraph(text, size, span.end) && span.end - at < EXCERPT_AFTER)
        span.end++;
    span.more_after = !ends_paragraph(text, size, span.end);
    if (span.more_after) {
        size_t cut = span.end;
        while (cut > at && !is_blank(text[cut]))
            cut--;
        span.end = cut > at ? cut : utf8_floor(text, size, span.end);
    }
    return span;
}

static bool append_line(struct buffer *line, const char *text, size_t size, struct error *error)
{
    for (size_t at = 0; at < size; at++) {
        if (!is_blank(text[at])) {
            if (!buffer_append_byte(line, text[at], error))
                return false;
        } else if (line->size > 0 && at + 1 < size && !is_blank(text[at + 1])) {
            if (!buffer_append_byte(line, ' ', error))
                return false;
        }
    }
    return true;
}

static bool make_excerpt(char **excerpt, const struct ranking_words *words, const char *text,
                         size_t size, struct error *error)
{
    static const char gap[] = "\xE2\x80\xA6";
    struct buffer line = {0};
    struct span span = span_around(text, size, find_word(words, text, size));
    bool ok = buffer_append_text(&line, span.more_before ? gap : "", error) &&
              append_line(&line, text + span.begin, span.end - span.begin, error) &&
              buffer_append_text(&line, span.more_after ? gap : "", error);
    if (ok)
        *excerpt = line.data;
    else
        buffer_free(&line);
    return ok;
}

static void free_find(struct browsing_find *find)
{
    free(find->name);
    free(find->title);
    free(find->excerpt);
}

static bool fill_find(struct session *session, const struct ranking_words *words,
                      struct browsing_find *find, struct error *error)
{
    struct library_document document;
    struct library_section section;
    if (!library_get_document(session->library, find->document, &document, error))
        return false;
    find->name = document.name;
    document.name = NULL;
    library_document_free(&document);
    if (!library_get_section(session->library, find->document, find->section, LIBRARY_TEXT,
                             &section, error))
        return false;
    find->title = section.title;
    section.title = NULL;
    bool ok = make_excerpt(&find->excerpt, words, section.text, section.text_size, error);
    library_section_free(&section);
    return ok;
}

/* What another process removed since it was found is left out. */
static bool fill_finds(struct session *session, const struct ranking_words *words,
                       const struct library_shelf_hit *hits, size_t count,
                       struct browsing_finds *finds, struct error *error)
{
    finds->items = calloc(count ? count : 1, sizeof *finds->items);
    if (!finds->items)
        return error_out_of_memory(error);
    finds->capacity = count;
    for (size_t i = 0; i < count; i++) {
        struct browsing_find find = {.document = hits[i].document, .section = hits[i].section};
        struct error failure = {0};
        if (fill_find(session, words, &find, &failure)) {
            finds->items[finds->count++] = find;
            continue;
        }
        free_find(&find);
        if (failure.kind != ERROR_INPUT) {
            *error = failure;
            return false;
        }
    }
    return true;
}

bool browsing_find_all(struct session *session, const char *query, size_t most,
                       struct browsing_finds *finds, struct error *error)
{
    struct ranking_words words = {0};
    size_t count = 0;
    *finds = (struct browsing_finds){0};
    struct library_shelf_hit *hits = calloc(most ? most : 1, sizeof *hits);
    bool ok = (hits || error_out_of_memory(error)) && ranking_words(&words, query, error);
    if (ok && words.count > 0 && most > 0)
        ok = library_search_all(session->library, (const char *const *)words.items, words.count,
                                hits, most, &count, error);
    ok = ok && fill_finds(session, &words, hits, count, finds, error);
    ranking_words_free(&words);
    free(hits);
    if (!ok)
        browsing_finds_free(finds);
    return ok;
}

void browsing_finds_free(struct browsing_finds *finds)
{
    for (size_t i = 0; i < finds->count; i++)
        free_find(&finds->items[i]);
    free(finds->items);
    *finds = (struct browsing_finds){0};
}
