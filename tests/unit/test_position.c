/* Position maps: what goes in comes out, and broken ones are refused. */
#include "document/position.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

struct run {
    size_t normalized, source;
    struct position at;
};

static void add(struct position_map *map, struct run run)
{
    struct error error = {0};
    assert_true(position_map_add(map, run.normalized, run.source, run.at, &error));
}

static struct position find(const struct buffer *map, size_t offset)
{
    struct error error = {0};
    struct position position = {0};
    if (!position_find(&position, map->data, map->size, offset, &error))
        fail_msg("offset %zu: %s", offset, error.text);
    return position;
}

static void assert_position(struct position found, uint64_t byte, uint64_t line, uint64_t page)
{
    assert_int_equal(found.byte, byte);
    assert_int_equal(found.line, line);
    assert_int_equal(found.page, page);
}

static void encode(struct buffer *out, const struct position_map *map)
{
    struct error error = {0};
    buffer_clear(out);
    assert_true(position_map_encode(map, out, &error));
}

static void finds_each_kind_of_run(void **state)
{
    (void)state;
    struct position_map *map = position_map_new();
    struct buffer out = {0};
    assert_non_null(map);
    add(map, (struct run){10, 10, {100, 7, 2}});
    add(map, (struct run){1, 0, {110, 7, 2}}); /* put in */
    add(map, (struct run){3, 1, {110, 7, 2}}); /* U+FFFD */
    add(map, (struct run){5, 5, {120, 8, 3}}); /* after nine dropped bytes */
    encode(&out, map);
    assert_position(find(&out, 0), 100, 7, 2);
    assert_position(find(&out, 9), 109, 7, 2);
    assert_position(find(&out, 10), 110, 7, 2);
    assert_position(find(&out, 11), 110, 7, 2);
    assert_position(find(&out, 13), 110, 7, 2);
    assert_position(find(&out, 14), 120, 8, 3);
    assert_position(find(&out, 18), 124, 8, 3);
    assert_position(find(&out, 19), 125, 8, 3);
    assert_position(find(&out, SIZE_MAX), 125, 8, 3);
    buffer_free(&out);
    position_map_free(map);
    position_map_free(NULL);
}

static void has_the_documented_bytes(void **state)
{
    (void)state;
    struct position_map *map = position_map_new();
    struct buffer out = {0};
    add(map, (struct run){4, 4, {0, 1, 1}});
    add(map, (struct run){3, 3, {4, 1, 1}}); /* goes on: the same run */
    add(map, (struct run){2, 2, {7, 2, 1}});
    add(map, (struct run){3, 1, {10, 2, 2}});
    encode(&out, map);
    static const unsigned char expected[] = {7 << 2, 2 << 2 | 2, 0, 2, 3 << 2 | 3, 1, 1, 1, 1};
    assert_int_equal(out.size, sizeof expected);
    assert_memory_equal(out.data, expected, sizeof expected);
    position_map_reset(map);
    add(map, (struct run){1, 1, {1, 1, 1}});
    encode(&out, map);
    static const unsigned char again[] = {1 << 2 | 2, 1, 0};
    assert_int_equal(out.size, sizeof again);
    assert_memory_equal(out.data, again, sizeof again);
    buffer_free(&out);
    position_map_free(map);
}

static void names_places(void **state)
{
    (void)state;
    struct error error = {0};
    struct buffer bytes = {0};
    struct position position;
    struct position_place place = {POSITION_PAGE, "xiv", 3};
    struct position_map *map = position_map_new();
    assert_non_null(map);
    assert_true(position_map_place(map, &place, &error));
    assert_true(position_map_add(map, 10, 10, (struct position){0, 1, 14}, &error));
    place = (struct position_place){POSITION_FILE, "a.xhtml", 7};
    assert_true(position_map_place(map, &place, &error));
    assert_true(position_map_add(map, 5, 5, (struct position){10, 1, 15}, &error));
    assert_true(position_map_encode(map, &bytes, &error));
    assert_true(position_find_place(&position, &place, bytes.data, bytes.size, 9, &error));
    assert_int_equal(place.unit, POSITION_PAGE);
    assert_memory_equal(place.name, "xiv", 3);
    assert_int_equal(place.size, 3);
    assert_int_equal(position.page, 14);
    assert_true(position_find_place(&position, &place, bytes.data, bytes.size, 10, &error));
    assert_int_equal(place.unit, POSITION_FILE);
    assert_memory_equal(place.name, "a.xhtml", 7);
    assert_int_equal(position.byte, 10);
    assert_int_equal(position.page, 15);
    position_map_free(map);
    buffer_free(&bytes);
}

static void refuses_broken_maps(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } broken[] = {
        {"", 0},                                                      /* no run */
        {"\0", 1},                                                    /* a place of nothing */
        {"\0\x01\0", 3},                                              /* no run behind it */
        {"\0\0\0\x04", 4},                                            /* of no unit */
        {"\0\x03\0\x04", 4},                                          /* of an unknown one */
        {"\0\x01\x04\x04", 4},                                        /* a name cut short */
        {"\x80", 1},                                                  /* cut in the head */
        {"\x05", 1},                                                  /* no source */
        {"\x06", 1},                                                  /* no gap */
        {"\x06\x01", 2},                                              /* no lines */
        {"\x06\x01\x01", 3},                                          /* no pages */
        {"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02", 10},             /* 65 bits */
        {"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 11},         /* too long */
        {"\x06\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01\x00", 12},     /* beyond 64 bits */
        {"\x07\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01\x01\x00", 13}, /* source too */
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct error error = {0};
        struct position position;
        assert_false(position_find(&position, broken[i].bytes, broken[i].size, 1000, &error));
        assert_int_equal(error.kind, ERROR_STORE);
    }
    struct error error = {0};
    struct position position;
    assert_false(position_find(&position, NULL, 0, 0, &error));
}

static size_t below(size_t limit)
{
    return (size_t)rand() % limit;
}

static void finds_all_of_random_maps(void **state)
{
    (void)state;
    unsigned seed = (unsigned)time(NULL);
    srand(seed);
    print_message("seed %u\n", seed);
    for (int round = 0; round < 200; round++) {
        struct position_map *map = position_map_new();
        struct buffer out = {0};
        struct run runs[40];
        struct position at = {below(3) ? below(1u << 30) : 0, 1 + below(9), 1 + below(9)};
        size_t count = 1 + below(40), offset = 0;
        for (size_t i = 0; i < count; i++) {
            size_t normalized = 1 + below(300);
            runs[i] = (struct run){normalized, below(3) ? normalized : below(5), at};
            add(map, runs[i]);
            at.byte += runs[i].source + (below(2) ? below(200) : 0);
            at.line += below(3) ? 0 : below(3);
            at.page += below(9) ? 0 : 1;
        }
        encode(&out, map);
        for (size_t i = 0; i < count; i++) {
            for (size_t k = 0; k < runs[i].normalized; k++, offset++) {
                bool copied = runs[i].normalized == runs[i].source;
                struct position p = find(&out, offset);
                assert_position(p, runs[i].at.byte + (copied ? k : 0), runs[i].at.line,
                                runs[i].at.page);
            }
        }
        buffer_free(&out);
        position_map_free(map);
    }
}

static void survives_random_bytes(void **state)
{
    (void)state;
    unsigned seed = (unsigned)time(NULL) ^ 0x5EED;
    srand(seed);
    print_message("seed %u\n", seed);
    for (int round = 0; round < 20000; round++) {
        size_t size = below(40);
        unsigned char *bytes = malloc(size ? size : 1);
        assert_non_null(bytes);
        for (size_t i = 0; i < size; i++)
            bytes[i] = (unsigned char)(below(4) ? below(16) : below(256));
        struct error error = {0};
        struct position position;
        if (!position_find(&position, bytes, size, below(5000), &error))
            assert_int_equal(error.kind, ERROR_STORE);
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_each_kind_of_run),
        cmocka_unit_test(has_the_documented_bytes),
        cmocka_unit_test(names_places),
        cmocka_unit_test(refuses_broken_maps),
        cmocka_unit_test(finds_all_of_random_maps),
        cmocka_unit_test(survives_random_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
