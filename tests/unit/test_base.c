/* Tests of base/: buffer, utf8, hash, visible, error, file and pool. */
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/pool.h"
#include "base/utf8.h"
#include "base/visible.h"

/* A small generator of our own, so that a seed means the same everywhere. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* --- buffer ---------------------------------------------------------------- */

static void buffer_grows_and_stays_terminated(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    struct error error = {0};
    for (size_t i = 0; i < 1000; i++) {
        assert_true(buffer_append_byte(&buffer, (char)('a' + i % 26), &error));
        assert_int_equal(buffer.size, i + 1);
        assert_true(buffer.capacity > buffer.size);
        assert_int_equal(buffer.data[buffer.size], '\0');
    }
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(buffer.data[i], 'a' + (int)(i % 26));
    buffer_clear(&buffer);
    assert_int_equal(buffer.size, 0);
    assert_string_equal(buffer.data, "");
    buffer_free(&buffer);
    assert_null(buffer.data);
    assert_int_equal(buffer.capacity, 0);
}

static void buffer_appends_text_bytes_and_formats(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    struct error error = {0};
    assert_true(buffer_append(&buffer, NULL, 0, &error));
    assert_string_equal(buffer.data, "");
    assert_true(buffer_append_text(&buffer, "page ", &error));
    assert_true(buffer_append_format(&buffer, &error, "%d of %s", 7, "many"));
    assert_string_equal(buffer.data, "page 7 of many");
    assert_true(buffer_append(&buffer, "\0x", 2, &error));
    assert_int_equal(buffer.size, 16);
    assert_memory_equal(buffer.data + 14, "\0x\0", 3);
    buffer_free(&buffer);
}

static void buffer_formats_what_exceeds_its_room(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    struct error error = {0};
    assert_true(buffer_append_format(&buffer, &error, "%0500d", 1));
    assert_int_equal(buffer.size, 500);
    assert_int_equal(buffer.data[499], '1');
    assert_int_equal(strlen(buffer.data), 500);
    buffer_free(&buffer);
}

static void buffer_varints_are_leb128(void **state)
{
    (void)state;
    static const struct {
        unsigned long long value;
        const char *bytes;
        size_t size;
    } cases[] = {
        {0, "\x00", 1},
        {127, "\x7F", 1},
        {128, "\x80\x01", 2},
        {300, "\xAC\x02", 2},
        {ULLONG_MAX, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 10},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer buffer = {0};
        struct error error = {0};
        assert_true(buffer_append_varint(&buffer, cases[i].value, &error));
        assert_int_equal(buffer.size, cases[i].size);
        assert_memory_equal(buffer.data, cases[i].bytes, cases[i].size);
        buffer_free(&buffer);
    }
}

static void buffer_refuses_impossible_sizes(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    struct error error = {0};
    assert_true(buffer_append_text(&buffer, "kept", &error));
    assert_false(buffer_reserve(&buffer, SIZE_MAX, &error));
    assert_int_equal(error.kind, ERROR_SYSTEM);
    assert_false(buffer_reserve(&buffer, SIZE_MAX / 2, &error));
    assert_string_equal(buffer.data, "kept");
    buffer_free(&buffer);
}

/* --- error ----------------------------------------------------------------- */

static void error_texts_are_set_and_put_in_context(void **state)
{
    (void)state;
    struct error error = {0};
    assert_false(error_set(&error, ERROR_STORE, "no %s", "room"));
    assert_string_equal(error.text, "no room");
    assert_false(error_context(&error, "page %d", 3));
    assert_string_equal(error.text, "page 3: no room");
    assert_int_equal(error.kind, ERROR_STORE);
    assert_int_equal(error_exit_code(&error), 5);
    assert_false(error_set(NULL, ERROR_STORE, "nobody listens"));
    assert_false(error_context(NULL, "nobody listens"));
}

static void error_texts_are_cut_not_overrun(void **state)
{
    (void)state;
    char text[3 * ERROR_TEXT_SIZE];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct error error = {0};
    error_set(&error, ERROR_INPUT, "%s", text);
    assert_int_equal(strlen(error.text), ERROR_TEXT_SIZE - 1);
    error_context(&error, "before");
    assert_int_equal(strlen(error.text), ERROR_TEXT_SIZE - 1);
    assert_memory_equal(error.text, "before: xxx", 11);
    error_context(&error, "%s", text);
    assert_int_equal(strlen(error.text), ERROR_TEXT_SIZE - 1);
}

/* --- utf8 ------------------------------------------------------------------ */

static bool is_character(uint32_t rune)
{
    return rune <= 0x10FFFF && (rune < 0xD800 || rune > 0xDFFF);
}

static void utf8_every_character_survives(void **state)
{
    (void)state;
    for (uint32_t rune = 0; rune <= 0x110000; rune++) {
        char bytes[UTF8_MAX_BYTES];
        size_t size = utf8_encode(bytes, rune), length;
        uint32_t again;
        assert_int_equal(utf8_decode(&again, &length, bytes, size), UTF8_VALID);
        assert_int_equal(length, size);
        assert_int_equal(again, is_character(rune) ? rune : UTF8_REPLACEMENT);
        for (size_t cut = 1; cut < size; cut++) {
            assert_int_equal(utf8_decode(&again, &length, bytes, cut), UTF8_INCOMPLETE);
            assert_int_equal(length, cut);
            assert_int_equal(again, UTF8_REPLACEMENT);
            assert_int_equal(utf8_incomplete_tail(bytes, cut), cut);
        }
        assert_int_equal(utf8_incomplete_tail(bytes, size), 0);
    }
}

static void utf8_broken_text_is_cut_at_maximal_subparts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size;
        enum utf8_status status;
        size_t length;
    } cases[] = {
        {"\x80", 1, UTF8_INVALID, 1},             /* continuation alone */
        {"\xC0\xAF", 2, UTF8_INVALID, 1},         /* overlong */
        {"\xC1\xBF", 2, UTF8_INVALID, 1},         /* overlong */
        {"\xE0\x9F\xBF", 3, UTF8_INVALID, 1},     /* overlong */
        {"\xF0\x8F\xBF\xBF", 4, UTF8_INVALID, 1}, /* overlong */
        {"\xED\xA0\x80", 3, UTF8_INVALID, 1},     /* surrogate */
        {"\xF4\x90\x80\x80", 4, UTF8_INVALID, 1}, /* above 10FFFF */
        {"\xF5\x80\x80\x80", 4, UTF8_INVALID, 1},
        {"\xFF", 1, UTF8_INVALID, 1},
        {"\xE2\x82"
         "A",
         3, UTF8_INVALID, 2},
        {"\xF0\x9F\x98"
         "A",
         4, UTF8_INVALID, 3},
        {"\xF0\x9F", 2, UTF8_INCOMPLETE, 2},
        {"\xC3", 1, UTF8_INCOMPLETE, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t rune;
        size_t length;
        assert_int_equal(utf8_decode(&rune, &length, cases[i].text, cases[i].size),
                         cases[i].status);
        assert_int_equal(length, cases[i].length);
        assert_int_equal(rune, UTF8_REPLACEMENT);
        assert_false(utf8_is_valid(cases[i].text, cases[i].size));
    }
}

/* Random bytes: decoding always advances, never beyond the end, and agrees with
 * utf8_is_valid. */
static void utf8_random_bytes_are_walked_to_the_end(void **state)
{
    (void)state;
    uint64_t seed = 0x7469646Dull, random = seed;
    for (int round = 0; round < 20000; round++) {
        char text[12];
        for (size_t i = 0; i < sizeof text; i++)
            text[i] = (char)(next_random(&random) >> 24 | 0x80u * (i % 3 != 0));
        bool valid = true;
        size_t at = 0;
        while (at < sizeof text) {
            uint32_t rune;
            size_t length;
            valid &= utf8_decode(&rune, &length, text + at, sizeof text - at) == UTF8_VALID;
            if (length < 1 || length > sizeof text - at)
                fail_msg("seed %llu, round %d: length %zu", (unsigned long long)seed, round,
                         length);
            at += length;
        }
        if (utf8_is_valid(text, sizeof text) != valid)
            fail_msg("seed %llu, round %d: validity differs", (unsigned long long)seed, round);
        if (utf8_incomplete_tail(text, sizeof text) > 3)
            fail_msg("seed %llu, round %d: tail too long", (unsigned long long)seed, round);
    }
}

static void utf8_counts_and_floors(void **state)
{
    (void)state;
    static const char text[] = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z"; /* a é € 😀 z */
    size_t size = sizeof text - 1;
    assert_int_equal(utf8_count(text, size), 5);
    assert_int_equal(utf8_count(text, 0), 0);
    static const size_t floors[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11};
    for (size_t at = 0; at <= size; at++)
        assert_int_equal(utf8_floor(text, size, at), floors[at]);
    assert_int_equal(utf8_floor(text, size, 1000), size);
    char none[40]; /* too many for a character: it must not go back to the last that is one */
    memset(none, 0x80, sizeof none);
    none[0] = 'a';
    assert_int_equal(utf8_floor(none, sizeof none, 3), 0);
    assert_int_equal(utf8_floor(none, sizeof none, 4), 4);
    assert_int_equal(utf8_floor(none, sizeof none, 30), 30);
}

/* --- hash ------------------------------------------------------------------ */

static void hash_has_the_published_values(void **state)
{
    (void)state;
    char hex[HASH_HEX_SIZE];
    struct hash hash = hash_of("", 0);
    hash_to_hex(hex, &hash);
    assert_string_equal(hex, "99aa06d3014798d86001c324468d497f"); /* xxh128sum of nothing */
    struct hash again;
    assert_true(hash_from_hex(&again, hex));
    assert_true(hash_equal(&hash, &again));
    assert_false(hash_from_hex(&again, "99aa06d3014798d86001c324468d497"));
    assert_false(hash_from_hex(&again, "99aa06d3014798d86001c324468d497f0"));
    assert_false(hash_from_hex(&again, "99AA06D3014798D86001C324468D497F"));
    assert_false(hash_from_hex(&again, "99aa06d3014798d86001c324468d497g"));
    assert_false(hash_from_hex(&again, ""));
}

static void hash_of_pieces_equals_hash_of_the_whole(void **state)
{
    (void)state;
    enum { SIZE = 5000 };
    unsigned char data[SIZE];
    uint64_t seed = 42, random = seed;
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (unsigned char)(next_random(&random) >> 32);
    struct hash_stream *stream = hash_stream_new();
    assert_non_null(stream);
    for (int round = 0; round < 50; round++) {
        size_t size = next_random(&random) % SIZE;
        hash_stream_reset(stream);
        for (size_t at = 0; at < size;) {
            size_t piece = next_random(&random) % 700;
            piece = piece < size - at ? piece : size - at;
            hash_stream_add(stream, data + at, piece);
            at += piece;
        }
        struct hash pieces = hash_stream_end(stream), whole = hash_of(data, size);
        struct hash twice = hash_stream_end(stream);
        if (!hash_equal(&pieces, &whole) || !hash_equal(&pieces, &twice))
            fail_msg("seed %llu, round %d: hashes differ", (unsigned long long)seed, round);
    }
    hash_stream_free(stream);
    struct hash one = hash_of(data, SIZE);
    data[SIZE / 2] ^= 1;
    struct hash other = hash_of(data, SIZE);
    assert_false(hash_equal(&one, &other));
}

/* --- visible --------------------------------------------------------------- */

static void assert_shown(const char *text, size_t size, enum visible_mode mode,
                         const char *expected)
{
    struct buffer out = {0};
    struct error error = {0};
    assert_true(buffer_append_text(&out, "", &error));
    assert_true(visible_append(&out, text, size, mode, &error));
    assert_string_equal(out.data, expected);
    buffer_free(&out);
}

static void visible_shows_what_a_terminal_would_obey(void **state)
{
    (void)state;
    assert_shown("", 0, VISIBLE_LINE, "");
    assert_shown("caf\xC3\xA9", 5, VISIBLE_LINE, "caf\xC3\xA9");
    assert_shown("\x1B[31m", 5, VISIBLE_TEXT, "\xE2\x90\x9B[31m");
    assert_shown("a\0b", 3, VISIBLE_TEXT,
                 "a\xE2\x90\x80"
                 "b");
    assert_shown("\x7F", 1, VISIBLE_TEXT, "\xE2\x90\xA1");
    assert_shown("a\n\tb", 4, VISIBLE_TEXT, "a\n\tb");
    assert_shown("a\n\tb", 4, VISIBLE_LINE,
                 "a\xE2\x90\x8A\xE2\x90\x89"
                 "b");
    assert_shown("\r", 1, VISIBLE_TEXT, "\xE2\x90\x8D");
    assert_shown("\xC2\x9B"
                 "31m",
                 5, VISIBLE_TEXT, "<U+009B>31m");
    assert_shown("\xE2\x80\xAE"
                 "abc",
                 6, VISIBLE_TEXT, "<U+202E>abc");
    assert_shown("\xE2\x80\xA8", 3, VISIBLE_TEXT, "<U+2028>");
    assert_shown("\xF3\xA0\x81\x81", 4, VISIBLE_TEXT, "<U+E0041>");
    assert_shown("\xFFz", 2, VISIBLE_LINE, "\xEF\xBF\xBDz");
    assert_shown("z\xE2\x82", 3, VISIBLE_LINE, "z\xEF\xBF\xBD");
}

/* Whatever goes in, what comes out is valid UTF-8 of safe characters. */
static void visible_output_is_always_safe(void **state)
{
    (void)state;
    uint64_t seed = 99, random = seed;
    for (int round = 0; round < 5000; round++) {
        char text[24];
        for (size_t i = 0; i < sizeof text; i++)
            text[i] = (char)(next_random(&random) >> 24);
        struct buffer out = {0};
        struct error error = {0};
        assert_true(visible_append(&out, text, sizeof text, VISIBLE_LINE, &error));
        for (size_t at = 0; at < out.size;) {
            uint32_t rune;
            size_t length;
            if (utf8_decode(&rune, &length, out.data + at, out.size - at) != UTF8_VALID ||
                !visible_is_safe(rune))
                fail_msg("seed %llu, round %d", (unsigned long long)seed, round);
            at += length;
        }
        buffer_free(&out);
    }
}

/* --- file and clock -------------------------------------------------------- */

static void temporary_folder(char path[512])
{
    const char *parent = getenv("TMPDIR");
    snprintf(path, 512, "%s/tidemark-base-XXXXXX", parent && *parent ? parent : "/tmp");
    assert_non_null(mkdtemp(path));
}

static void files_are_mapped_and_folders_made(void **state)
{
    (void)state;
    char folder[512], inner[600], file[700];
    temporary_folder(folder);
    snprintf(inner, sizeof inner, "%s/a/b", folder);
    snprintf(file, sizeof file, "%s/text", inner);
    struct error error = {0};
    mode_t mask = umask(0);
    assert_true(file_make_folders(inner, &error));
    assert_true(file_make_folders(inner, &error));
    umask(mask);
    struct stat status;
    assert_int_equal(stat(inner, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);

    struct file_map map;
    assert_false(file_map_open(&map, file, ERROR_MODEL, &error));
    assert_int_equal(error.kind, ERROR_MODEL);
    assert_false(file_map_open(&map, inner, ERROR_INPUT, &error));
    FILE *stream = fopen(file, "w");
    assert_non_null(stream);
    assert_int_equal(fclose(stream), 0);
    assert_false(file_map_open(&map, file, ERROR_INPUT, &error));
    assert_non_null(strstr(error.text, "empty"));
    stream = fopen(file, "w");
    assert_non_null(stream);
    assert_int_equal(fputs("text", stream) >= 0, 1);
    assert_int_equal(fclose(stream), 0);
    assert_true(file_map_open(&map, file, ERROR_INPUT, &error));
    assert_int_equal(map.size, 4);
    assert_memory_equal(map.data, "text", 4);
    struct file_identity identity;
    assert_true(file_identify(&identity, file, &error));
    assert_memory_equal(&identity, &map.identity, sizeof identity);
    file_map_close(&map);
    assert_null(map.data);

    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(inner), 0);
    inner[strlen(inner) - 2] = '\0';
    assert_int_equal(rmdir(inner), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void clocks_advance(void **state)
{
    (void)state;
    double before = clock_seconds();
    assert_true(clock_seconds() >= before);
    assert_true(clock_unix_time() > 1600000000);
}

/* --- pool ------------------------------------------------------------------ */

enum { ITEMS = 997 };

struct tally {
    atomic_uint worked[ITEMS];
    atomic_uint workers_seen;
    unsigned threads;
    atomic_bool bad_worker;
    atomic_bool *cancel;
    size_t cancel_at;
    atomic_size_t done;
    atomic_size_t late; /* items that found themselves cancelled when they began */
};

static void work(void *context, size_t item, unsigned worker)
{
    struct tally *tally = context;
    if (tally->cancel && atomic_load(tally->cancel))
        atomic_fetch_add(&tally->late, 1);
    atomic_fetch_add(&tally->worked[item], 1);
    atomic_fetch_or(&tally->workers_seen, 1u << worker);
    if (worker >= tally->threads)
        atomic_store(&tally->bad_worker, true);
    if (atomic_fetch_add(&tally->done, 1) + 1 == tally->cancel_at && tally->cancel)
        atomic_store(tally->cancel, true);
}

static void begin_tally(struct tally *tally, unsigned threads)
{
    memset(tally, 0, sizeof *tally);
    tally->threads = threads;
}

/* Every item of every run is worked exactly once, whatever the number of threads
 * and items, and no helper of an earlier run touches a later one. */
static void pool_works_every_item_once(void **state)
{
    (void)state;
    static struct tally tally;
    for (unsigned threads = 1; threads <= 8; threads++) {
        struct error error = {0};
        struct pool *pool = pool_new(threads, &error);
        assert_non_null(pool);
        assert_int_equal(pool_threads(pool), threads);
        uint64_t seed = 1000 + threads, random = seed;
        for (int run = 0; run < 1500; run++) {
            size_t items = run % 3 ? next_random(&random) % 12 : next_random(&random) % ITEMS;
            begin_tally(&tally, threads);
            assert_true(pool_run(pool, work, &tally, items));
            for (size_t i = 0; i < ITEMS; i++)
                if (atomic_load(&tally.worked[i]) != (i < items))
                    fail_msg("seed %llu, %u threads, run %d: item %zu of %zu worked %u times",
                             (unsigned long long)seed, threads, run, i, items,
                             atomic_load(&tally.worked[i]));
            assert_false(atomic_load(&tally.bad_worker));
        }
        pool_free(pool);
    }
}

/* Results of a run are visible to the caller without any further fence. */
static void square(void *context, size_t item, unsigned worker)
{
    (void)worker;
    ((size_t *)context)[item] = item * item;
}

static void pool_results_are_seen_when_it_returns(void **state)
{
    (void)state;
    struct error error = {0};
    struct pool *pool = pool_new(4, &error);
    assert_non_null(pool);
    size_t results[64];
    for (int run = 0; run < 2000; run++) {
        memset(results, 0xFF, sizeof results);
        assert_true(pool_run(pool, square, results, 64));
        for (size_t i = 0; i < 64; i++)
            assert_int_equal(results[i], i * i);
    }
    pool_free(pool);
}

static void pool_stops_when_cancelled(void **state)
{
    (void)state;
    static struct tally tally;
    for (unsigned threads = 1; threads <= 8; threads++) {
        struct error error = {0};
        struct pool *pool = pool_new(threads, &error);
        assert_non_null(pool);
        atomic_bool cancel = false;
        pool_set_cancel(pool, &cancel);
        for (size_t at = 1; at < 200; at += 13) {
            begin_tally(&tally, threads);
            atomic_store(&cancel, false);
            tally.cancel = &cancel;
            tally.cancel_at = at;
            assert_false(pool_run(pool, work, &tally, ITEMS));
            assert_true(atomic_load(&tally.done) >= at);
            /* Each other thread may have looked at the flag just before it rose. */
            assert_true(atomic_load(&tally.late) < threads);
            for (size_t i = 0; i < ITEMS; i++)
                assert_true(atomic_load(&tally.worked[i]) <= 1);
        }
        /* A flag that stands from the start lets nothing begin. */
        begin_tally(&tally, threads);
        assert_false(pool_run(pool, work, &tally, ITEMS));
        assert_int_equal(atomic_load(&tally.done), 0);
        /* Lowered, or taken away, the pool works as before. */
        atomic_store(&cancel, false);
        begin_tally(&tally, threads);
        assert_true(pool_run(pool, work, &tally, ITEMS));
        assert_int_equal(atomic_load(&tally.done), ITEMS);
        atomic_store(&cancel, true);
        pool_set_cancel(pool, NULL);
        begin_tally(&tally, threads);
        assert_true(pool_run(pool, work, &tally, ITEMS));
        assert_int_equal(atomic_load(&tally.done), ITEMS);
        pool_free(pool);
    }
}

static void pool_helpers_wake_from_sleep(void **state)
{
    (void)state;
    static struct tally tally;
    struct error error = {0};
    struct pool *pool = pool_new(3, &error);
    assert_non_null(pool);
    for (int run = 0; run < 20; run++) {
        usleep(2000);
        begin_tally(&tally, 3);
        assert_true(pool_run(pool, work, &tally, ITEMS));
        assert_int_equal(atomic_load(&tally.done), ITEMS);
    }
    pool_free(pool);
}

/* What order two threads worked the items in. */
struct order {
    size_t items[2][ITEMS], count[2];
};

static void note_order(void *context, size_t item, unsigned worker)
{
    struct order *order = context;
    order->items[worker][order->count[worker]++] = item;
}

/* A thread works consecutive items. Where it takes over what another has left, at most half as
 * many are left to take over next time. */
static void pool_hands_out_consecutive_items(void **state)
{
    (void)state;
    static struct order order;
    struct error error = {0};
    struct pool *pool = pool_new(2, &error);
    assert_non_null(pool);
    for (int run = 0; run < 500; run++) {
        memset(&order, 0, sizeof order);
        assert_true(pool_run(pool, note_order, &order, ITEMS));
        assert_int_equal(order.count[0] + order.count[1], ITEMS);
        size_t breaks = 0;
        for (size_t worker = 0; worker < 2; worker++)
            for (size_t i = 1; i < order.count[worker]; i++)
                breaks += order.items[worker][i] != order.items[worker][i - 1] + 1;
        if (breaks > 10) /* 2^9 is more than a share */
            fail_msg("run %d: %zu breaks", run, breaks);
    }
    pool_free(pool);
}

/* The first item of the run lasts until all others are done. */
static void hold_up(void *context, size_t item, unsigned worker)
{
    struct tally *tally = context;
    (void)worker;
    for (int i = 0; item == 0 && i < 20000 && atomic_load(&tally->done) < ITEMS - 1; i++)
        usleep(1000);
    if (item == 0)
        atomic_store(&tally->late, ITEMS - 1 - atomic_load(&tally->done));
    atomic_fetch_add(&tally->done, 1);
}

static void pool_leaves_a_held_up_thread_one_item(void **state)
{
    (void)state;
    static struct tally tally;
    for (unsigned threads = 2; threads <= 5; threads++) {
        struct error error = {0};
        struct pool *pool = pool_new(threads, &error);
        assert_non_null(pool);
        begin_tally(&tally, threads);
        assert_true(pool_run(pool, hold_up, &tally, ITEMS));
        assert_int_equal(atomic_load(&tally.done), ITEMS);
        assert_int_equal(atomic_load(&tally.late), 0);
        pool_free(pool);
    }
}

static void pool_begins_and_ends_idle(void **state)
{
    (void)state;
    struct error error = {0};
    for (unsigned threads = 0; threads <= 8; threads++) {
        struct pool *pool = pool_new(threads, &error);
        assert_non_null(pool);
        assert_true(pool_threads(pool) >= 1);
        pool_free(pool);
    }
    pool_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffer_grows_and_stays_terminated),
        cmocka_unit_test(buffer_appends_text_bytes_and_formats),
        cmocka_unit_test(buffer_formats_what_exceeds_its_room),
        cmocka_unit_test(buffer_varints_are_leb128),
        cmocka_unit_test(buffer_refuses_impossible_sizes),
        cmocka_unit_test(error_texts_are_set_and_put_in_context),
        cmocka_unit_test(error_texts_are_cut_not_overrun),
        cmocka_unit_test(utf8_every_character_survives),
        cmocka_unit_test(utf8_broken_text_is_cut_at_maximal_subparts),
        cmocka_unit_test(utf8_random_bytes_are_walked_to_the_end),
        cmocka_unit_test(utf8_counts_and_floors),
        cmocka_unit_test(hash_has_the_published_values),
        cmocka_unit_test(hash_of_pieces_equals_hash_of_the_whole),
        cmocka_unit_test(visible_shows_what_a_terminal_would_obey),
        cmocka_unit_test(visible_output_is_always_safe),
        cmocka_unit_test(files_are_mapped_and_folders_made),
        cmocka_unit_test(clocks_advance),
        cmocka_unit_test(pool_works_every_item_once),
        cmocka_unit_test(pool_results_are_seen_when_it_returns),
        cmocka_unit_test(pool_stops_when_cancelled),
        cmocka_unit_test(pool_helpers_wake_from_sleep),
        cmocka_unit_test(pool_hands_out_consecutive_items),
        cmocka_unit_test(pool_leaves_a_held_up_thread_one_item),
        cmocka_unit_test(pool_begins_and_ends_idle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
