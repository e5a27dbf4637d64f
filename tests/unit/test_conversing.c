/* The tree of questions, what the library keeps of one, and the keys of answers' states. */
#include "app/work/answer_states.h"
#include "app/work/conversing.h"
#include "app/work/detail.h"
#include "base/json_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define MOST 40

static unsigned seed;

/* --- the tree -------------------------------------------------------------------------- */

static void assert_tree(const struct conversing_turn *turns, size_t count, const size_t *order,
                        const size_t *depth)
{
    struct error error = {0};
    struct conversing conversation = {(struct conversing_turn *)(uintptr_t)turns, count, count};
    size_t found[MOST] = {0}, levels[MOST] = {0};
    assert_true(conversing_tree(&conversation, found, levels, &error));
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(found[i], order[i]);
        assert_int_equal(levels[i], depth[i]);
    }
}

static void test_tree(void **state)
{
    (void)state;
    const struct conversing_turn turns[] = {
        {.id = 3},
        {.id = 4},
        {.id = 7, .parent = 3},
        {.id = 8, .parent = 7},
        {.id = 9, .parent = 3},
        {.id = 10, .parent = 4},
        {.id = 12, .parent = 8},
    };
    assert_tree(turns, 7, (const size_t[]){0, 2, 3, 6, 4, 1, 5},
                (const size_t[]){0, 1, 2, 3, 1, 0, 1});
    assert_tree(NULL, 0, NULL, NULL);
}

/* A parent that is not there, is the turn itself, or stands after it, is none. */
static void test_tree_of_lies(void **state)
{
    (void)state;
    const struct conversing_turn turns[] = {
        {.id = 1, .parent = 2}, {.id = 2, .parent = 1},         {.id = 5, .parent = 5},
        {.id = 6, .parent = 4}, {.id = 7, .parent = INT64_MAX},
    };
    assert_tree(turns, 5, (const size_t[]){0, 1, 2, 3, 4}, (const size_t[]){0, 1, 0, 0, 0});
}

/* Every turn once, after its parent and one deeper, siblings in the order asked. */
static void test_any_tree(void **state)
{
    (void)state;
    for (int round = 0; round < 500; round++) {
        struct error error = {0};
        struct conversing_turn turns[MOST] = {0};
        size_t order[MOST], depth[MOST], at[MOST];
        size_t count = 1 + (size_t)rand_r(&seed) % MOST;
        for (size_t i = 0; i < count; i++) {
            turns[i].id = 10 * ((int64_t)i + 1);
            turns[i].parent = 10 * (rand_r(&seed) % ((int)i + 1));
            at[i] = MOST;
        }
        struct conversing conversation = {turns, count, count};
        assert_true(conversing_tree(&conversation, order, depth, &error));
        for (size_t i = 0; i < count; i++) {
            assert_true(order[i] < count);
            assert_int_equal(at[order[i]], MOST);
            at[order[i]] = i;
        }
        for (size_t i = 0; i < count; i++) {
            size_t parent = (size_t)turns[i].parent / 10;
            assert_int_equal(depth[at[i]], parent ? depth[at[parent - 1]] + 1 : 0);
            if (parent)
                assert_true(at[parent - 1] < at[i]);
            for (size_t j = 0; j < i; j++)
                if (turns[j].parent == turns[i].parent)
                    assert_true(at[j] < at[i]);
        }
    }
}

/* --- what is kept of a question ----------------------------------------------------------- */

static struct detail read_detail(const char *scope, const char *json)
{
    struct error error = {0};
    struct detail detail;
    const struct library_question question = {.scope = (char *)(uintptr_t)scope,
                                              .detail = (char *)(uintptr_t)json};
    assert_true(detail_read(&detail, &question, &error));
    return detail;
}

static void test_detail(void **state)
{
    (void)state;
    struct detail detail = read_detail(
        "", "{\"section\": {\"number\": 3}, \"confidence\": 0.5, \"reread\": true,"
            " \"answer_tokens\": [0, 7, 2147483647], \"quotes\": [{\"text\": \"a b c d\","
            " \"section\": {\"number\": 2}}, {\"text\": \"e\", \"section\": null}]}");
    assert_int_equal(detail.section, 2);
    assert_int_equal(detail.as_of, -1);
    assert_true(detail.reread && detail.confidence == 0.5);
    assert_int_equal(detail.tokens.count, 3);
    assert_int_equal(detail.tokens.data[2], INT32_MAX);
    assert_int_equal(detail.quote_count, 2);
    assert_string_equal(detail.quotes[0].text, "a b c d");
    assert_int_equal(detail.quotes[0].section, 1);
    assert_int_equal(detail.quotes[1].section, -1);
    assert_false(detail.quotes[0].verified);
    detail_free(&detail);
}

static void test_detail_of_lies(void **state)
{
    (void)state;
    static const char *const lies[] = {
        "",
        "{",
        "[]",
        "7",
        "{\"section\": 3, \"as_of\": 0, \"quotes\": {}, \"answer_tokens\": 5}",
        "{\"section\": {\"number\": 0}, \"as_of\": -1, \"quotes\": [3, {}, {\"text\": \"\"}]}",
        "{\"section\": {\"number\": \"3\"}, \"confidence\": -1, \"answer_tokens\": [1, -1]}",
        "{\"confidence\": 2, \"answer_tokens\": [1, 2147483648]}",
        "{\"answer_tokens\": [1, 2.0]}",
        "{\"section\": {\"number\": 99999999999999999999}}",
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct detail detail = read_detail("", lies[i]);
        if (detail.section != -1 || detail.as_of != -1 || detail.quote_count != 0 ||
            detail.tokens.count != 0 || detail.confidence != 0 || detail.reread)
            fail_msg("believed: %s", lies[i]);
        detail_free(&detail);
    }
}

/* What the question was limited to is known without its detail. */
static void test_scope(void **state)
{
    (void)state;
    static const struct {
        const char *scope;
        int64_t section, as_of;
    } known[] = {
        {"", -1, -1},
        {"section 1", 0, -1},
        {"as of 12", 11, 11},
        {"section 9223372036854775807", INT64_MAX - 1, -1},
        {"section 9223372036854775808", -1, -1},
        {"section 0", -1, -1},
        {"section -3", -1, -1},
        {"section  3", -1, -1},
        {"section 3x", -1, -1},
        {"as of ", -1, -1},
        {"Section 3", -1, -1},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct detail detail = read_detail(known[i].scope, "?");
        if (detail.section != known[i].section || detail.as_of != known[i].as_of)
            fail_msg("\"%s\": section %lld, as of %lld", known[i].scope, (long long)detail.section,
                     (long long)detail.as_of);
        detail_free(&detail);
    }
}

/* --- keys ----------------------------------------------------------------------------------- */

static struct hash key_of(enum answer_states_ground ground, char text, size_t count,
                          const char *const *words)
{
    struct error error = {0};
    struct hash hash;
    struct answer_states_thread thread = {.ground = ground, .text = hash_of(&text, 1)};
    for (size_t i = 0; i < count; i++) {
        const struct answer_states_turn turn = {.words = (char *)(uintptr_t)words[2 * i],
                                                .answer = (char *)(uintptr_t)words[2 * i + 1]};
        assert_true(answer_states_add(&thread, &turn, &error));
    }
    assert_true(answer_states_hash(&thread, count, &hash, &error));
    answer_states_free(&thread);
    return hash;
}

#define KEY(ground, text, count, ...)                                                              \
    key_of(ground, text, count, (const char *const[]){__VA_ARGS__})

/* Whatever differs in what was read gives another key. */
static void test_keys(void **state)
{
    (void)state;
    const struct hash keys[] = {
        KEY(ANSWER_STATES_SECTION, 'x', 1, "ab", "cd"),
        KEY(ANSWER_STATES_PREFIX, 'x', 1, "ab", "cd"),
        KEY(ANSWER_STATES_REREAD, 'x', 1, "ab", "cd"),
        KEY(ANSWER_STATES_SECTION, 'y', 1, "ab", "cd"),
        KEY(ANSWER_STATES_SECTION, 'x', 1, "abc", "d"),
        KEY(ANSWER_STATES_SECTION, 'x', 1, "cd", "ab"),
        KEY(ANSWER_STATES_SECTION, 'x', 1, "ab", ""),
        KEY(ANSWER_STATES_SECTION, 'x', 2, "ab", "cd", "", ""),
        KEY(ANSWER_STATES_SECTION, 'x', 2, "ab", "cd", "ab", "cd"),
    };
    struct hash again = KEY(ANSWER_STATES_SECTION, 'x', 1, "ab", "cd");
    assert_true(hash_equal(&keys[0], &again));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        for (size_t j = 0; j < i; j++)
            assert_false(hash_equal(&keys[i], &keys[j]));
}

int main(void)
{
    const char *given = getenv("TEST_SEED");
    seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    print_message("TEST_SEED=%u\n", seed);
    json_memory_prepare();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree),           cmocka_unit_test(test_tree_of_lies),
        cmocka_unit_test(test_any_tree),       cmocka_unit_test(test_detail),
        cmocka_unit_test(test_detail_of_lies), cmocka_unit_test(test_scope),
        cmocka_unit_test(test_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
