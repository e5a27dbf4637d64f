/* What a program that takes documents apart says, as somebody would say it who has taken
 * it over. The first byte: whether the input begins with the stream's magic already. */
#include "tests/fuzz/harness.h"

#include "base/utf8.h"
#include "document/extraction.h"
#include "document/wire.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct error error;

static void check_block(const struct block *block, const struct position *last)
{
    const struct buffer *text = &block->text.text;
    HARNESS_REQUIRE(text->size > 0 && utf8_is_valid(text->data, text->size));
    HARNESS_REQUIRE(strlen(text->data) == text->size);
    HARNESS_REQUIRE(block->begin.byte >= last->byte && block->begin.line >= last->line &&
                    block->begin.page >= last->page);
    HARNESS_REQUIRE(block->gap_at.byte <= block->begin.byte);
    if (block->heading)
        HARNESS_REQUIRE(block->level >= 1 && block->level <= WIRE_LEVEL_MOST &&
                        text->data[text->size - 1] == '\n');
    for (size_t i = 0; i < block->text.count; i++) {
        const struct trace_span *span = &block->text.spans[i];
        HARNESS_REQUIRE(span->size > 0 && span->size == span->source);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct harness_input input = {bytes, size};
    bool magic = harness_byte(&input) & 1;
    char *stream = malloc(WIRE_MAGIC_SIZE + input.size);
    HARNESS_REQUIRE(stream != NULL);
    memcpy(stream, WIRE_MAGIC, WIRE_MAGIC_SIZE);
    if (input.size > 0)
        memcpy(stream + WIRE_MAGIC_SIZE, input.bytes, input.size);
    size_t skip = magic ? WIRE_MAGIC_SIZE : 0;
    const char *path = harness_write("stream", stream + skip, WIRE_MAGIC_SIZE + input.size - skip);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    struct extraction *extraction = extraction_adopt("a document", descriptor, &error);
    HARNESS_REQUIRE(extraction != NULL);
    struct block block = {0};
    struct position last = {0};
    while (extraction_next(extraction, &block, &error)) {
        check_block(&block, &last);
        struct position_place place;
        extraction_label(extraction, block.begin.page, &place);
        HARNESS_REQUIRE(place.size <= POSITION_NAME_MOST);
        if (block.begin.page > last.page)
            extraction_forget(extraction, block.begin.page);
        last = block.begin;
    }
    if (error.kind != ERROR_NONE)
        harness_require_error(&error);
    HARNESS_REQUIRE(extraction_facts(extraction).text >= last.byte);
    block_free(&block);
    extraction_close(extraction);
    free(stream);
    return 0;
}
