/* What comes to the terminal reader: the first byte says what the rest is. 0: bytes from a
 * terminal; 1: a text to be shown; 2: a regular expression, a line end, and a text to be
 * searched; 3: names of keys, which are then typed into a line. */
#include "tests/fuzz/harness.h"

#include "app/work/searching.h"
#include "base/visible.h"
#include "ui/cluster.h"
#include "ui/edit.h"
#include "ui/keyboard.h"
#include "ui/wrap.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

static struct error error;

/* Half of the bytes first: a sequence may be split anywhere. */
static void take_keys(const char *bytes, size_t size)
{
    struct keyboard keyboard = {0};
    struct terminal_input input = {0};
    size_t half = size / 2;
    for (int part = 0; part < 2; part++) {
        size_t count = part ? size - half : half;
        if (!keyboard_take(&keyboard, bytes + (part ? half : 0), count, &error))
            break;
        while (keyboard_next(&keyboard, part == 1, &input)) {
            HARNESS_REQUIRE(input.stroke != 0 || !stroke_is_character(input.stroke));
            HARNESS_REQUIRE(input.paste.size <= KEYBOARD_PASTE_MOST);
            HARNESS_REQUIRE(input.line >= 0 && input.column >= 0);
        }
    }
    terminal_input_free(&input);
    keyboard_free(&keyboard);
}

static void check_cluster(const struct cluster *cluster, size_t left)
{
    HARNESS_REQUIRE(cluster->size > 0 && cluster->size <= left);
    HARNESS_REQUIRE(cluster->columns <= 10);
    size_t length = wcsnlen(cluster->shown, CLUSTER_SHOWN);
    HARNESS_REQUIRE(length < CLUSTER_SHOWN);
    for (size_t i = 0; i < length; i++)
        HARNESS_REQUIRE(visible_is_safe((unsigned)cluster->shown[i]));
}

static void show(const char *text, size_t size)
{
    struct cluster cluster;
    struct wrap wrap = {0};
    unsigned columns = size > 0 ? (unsigned char)text[0] % 100 + 1 : 1;
    for (size_t at = 0; at < size; at += cluster.size) {
        cluster_next(&cluster, text, size, at);
        check_cluster(&cluster, size - at);
    }
    if (wrap_text(&wrap, text, size, columns, &error)) {
        size_t before = 0;
        for (size_t i = 0; i < wrap.count; i++) {
            const struct wrap_row *row = &wrap.rows[i];
            HARNESS_REQUIRE(row->begin >= before && row->end >= row->begin && row->end <= size);
            HARNESS_REQUIRE(wrap_find(&wrap, row->begin) >= i || row->begin == row->end);
            before = row->end;
        }
    }
    wrap_free(&wrap);
}

static void search(const char *bytes, size_t size)
{
    const char *end = memchr(bytes, '\n', size);
    size_t length = end ? (size_t)(end - bytes) : size;
    char *pattern = strndup(bytes, length);
    const char *text = end ? end + 1 : "";
    size_t text_size = end ? size - length - 1 : 0;
    struct searching *searching = pattern ? searching_new(pattern, &error) : NULL;
    struct searching_hits hits = {0};
    if (searching && searching_text(searching, 0, text, text_size, &hits, &error))
        for (size_t i = 0; i < hits.count; i++) {
            const struct searching_hit *hit = &hits.items[i];
            HARNESS_REQUIRE(hit->begin < hit->end && hit->end <= text_size);
            HARNESS_REQUIRE(i == 0 || hits.items[i - 1].end <= hit->begin);
        }
    searching_hits_free(&hits);
    searching_free(searching);
    free(pattern);
}

static void type(const char *bytes, size_t size)
{
    char *names = strndup(bytes, size);
    struct edit edit = {0};
    const char *at = names;
    for (uint32_t stroke; at && stroke_next(&stroke, &at);) {
        edit_stroke(&edit, stroke);
        HARNESS_REQUIRE(edit.cursor <= edit.text.size && edit.text.size <= EDIT_MOST);
    }
    edit_paste(&edit, bytes, size);
    HARNESS_REQUIRE(edit.cursor <= edit.text.size && edit.text.size <= EDIT_MOST);
    edit_free(&edit);
    free(names);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    if (!ready)
        ready = setlocale(LC_CTYPE, "C.UTF-8") != NULL;
    if (size == 0)
        return 0;
    const char *bytes = (const char *)data + 1;
    switch (data[0] % 4) {
    case 0:
        take_keys(bytes, size - 1);
        break;
    case 1:
        show(bytes, size - 1);
        break;
    case 2:
        search(bytes, size - 1);
        break;
    default:
        type(bytes, size - 1);
        break;
    }
    return 0;
}
