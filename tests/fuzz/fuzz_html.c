/* HTML of any kind as blocks. The first byte: only what is in <main>, or all. */
#include "tests/fuzz/harness_emit.h"

#include "extract/html.h"
#include "tests/fuzz/harness.h"

#include <stdlib.h>

struct page {
    const char *text;
    size_t size;
    bool main_only;
};

static void read_page(void *context)
{
    const struct page *page = context;
    const struct flow_options options = {.main_only = page->main_only};
    html_read(page->text, page->size, &options, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct harness_input input = {bytes, size};
    bool main_only = harness_byte(&input) & 1;
    char *text = harness_copy(input);
    harness_emit(read_page, &(struct page){text, input.size, main_only});
    free(text);
    return 0;
}
