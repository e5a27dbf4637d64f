/* Where a quote stands: quotes in an answer, a quote in a text, and a place of it in a
 * hostile position map. The input: two lengths of two bytes, then map, answer, text. */
#include "tests/fuzz/harness.h"

#include "base/utf8.h"
#include "document/fold.h"
#include "document/position.h"
#include "document/quote.h"

#include <stdlib.h>
#include <string.h>

static struct error error;

/* --- maps ---------------------------------------------------------------------------- */

static bool is_after(const struct position *a, const struct position *b)
{
    return a->byte >= b->byte && a->line >= b->line && a->page >= b->page;
}

/* Positions never go back, and a map that is broken stays so from there on. */
static void walk_map(const char *map, size_t size, size_t end)
{
    struct position last = {0}, p;
    bool broken = false;
    for (size_t offset = 0; offset < end; offset += 1 + offset / 64) {
        if (!position_find(&p, map, size, offset, &error)) {
            HARNESS_REQUIRE(error.kind == ERROR_STORE);
            harness_require_error(&error);
            broken = true;
            continue;
        }
        HARNESS_REQUIRE(!broken && is_after(&p, &last));
        last = p;
    }
    if (position_find(&p, map, size, SIZE_MAX, &error))
        HARNESS_REQUIRE(!broken && is_after(&p, &last));
}

#define RUNS 64

struct run {
    size_t normalized, source;
    struct position at;
};

static void check_run(const struct buffer *map, const struct run *run, size_t offset)
{
    struct position p;
    for (size_t i = 0; i < run->normalized; i += 1 + run->normalized / 4) {
        size_t ahead = run->normalized == run->source ? i : 0;
        HARNESS_REQUIRE(position_find(&p, map->data, map->size, offset + i, &error));
        HARNESS_REQUIRE(p.byte == run->at.byte + ahead);
        HARNESS_REQUIRE(p.line == run->at.line && p.page == run->at.page);
    }
}

/* A map of our own gives back what went in. */
static void check_made_map(struct harness_input input)
{
    struct position_map *made = position_map_new();
    struct run runs[RUNS];
    struct position at = {0, 1, 1};
    struct buffer map = {0};
    size_t count = 0;
    HARNESS_REQUIRE(made != NULL);
    for (; count < RUNS && input.size > 0; count++) {
        unsigned form = harness_byte(&input);
        at.byte += form & 1 ? harness_number(&input, 2) : 0;
        at.line += form & 2 ? harness_byte(&input) : 0;
        at.page += form & 4 ? harness_byte(&input) : 0;
        size_t normalized = 1 + harness_byte(&input);
        size_t source = form & 8 ? harness_byte(&input) : normalized;
        runs[count] = (struct run){normalized, source, at};
        HARNESS_REQUIRE(position_map_add(made, normalized, source, at, &error));
        at.byte += source;
    }
    HARNESS_REQUIRE(position_map_encode(made, &map, &error));
    for (size_t i = 0, offset = 0; i < count; offset += runs[i].normalized, i++)
        check_run(&map, &runs[i], offset);
    position_map_free(made);
    buffer_free(&map);
}

/* --- quotes ---------------------------------------------------------------------------- */

static void check_fold(const char *text, size_t size)
{
    struct fold fold = {0};
    HARNESS_REQUIRE(fold_text(&fold, text, size, &error));
    HARNESS_REQUIRE(fold.text.size == 0 || utf8_is_valid(fold.text.data, fold.text.size));
    for (size_t i = 0; i < fold.text.size; i++)
        HARNESS_REQUIRE(fold.from[i] < size && (i == 0 || fold.from[i] >= fold.from[i - 1]));
    fold_free(&fold);
}

static void look_for(const char *text, size_t size, const char *quote, size_t quote_size)
{
    size_t begin, end;
    error.kind = ERROR_NONE;
    if (!quote_find(&begin, &end, text, size, quote, quote_size, &error)) {
        HARNESS_REQUIRE(error.kind == ERROR_NONE);
        return;
    }
    HARNESS_REQUIRE(begin < end && end <= size);
}

static void check_quotes(const char *answer, size_t size, const char *text, size_t text_size)
{
    struct quote_list quotes = {0};
    size_t last = 0;
    HARNESS_REQUIRE(quote_scan(&quotes, answer, size, &error));
    for (size_t i = 0; i < quotes.count; i++) {
        const struct quote *quote = &quotes.items[i];
        HARNESS_REQUIRE(quote->begin >= last && quote->begin < quote->end && quote->end <= size);
        last = quote->begin;
        if (i < 16) {
            size_t begin, end;
            const char *words = answer + quote->begin;
            look_for(text, text_size, words, quote->end - quote->begin);
            /* What is a quote is found in its own answer. */
            HARNESS_REQUIRE(
                quote_find(&begin, &end, answer, size, words, quote->end - quote->begin, &error));
        }
    }
    look_for(text, text_size, answer, size);
    quote_list_free(&quotes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct harness_input input = {bytes, size};
    size_t map_size = (size_t)harness_number(&input, 2);
    size_t answer_size = (size_t)harness_number(&input, 2);
    struct harness_input map = harness_part(&input, map_size);
    struct harness_input answer = harness_part(&input, answer_size);
    char *encoded = harness_copy(map), *said = harness_copy(answer), *text = harness_copy(input);
    walk_map(encoded, map.size, 4096);
    check_made_map(map);
    check_fold(said, answer.size);
    check_fold(text, input.size);
    check_quotes(said, answer.size, text, input.size);
    free(encoded);
    free(said);
    free(text);
    return 0;
}
