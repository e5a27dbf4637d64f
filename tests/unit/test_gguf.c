/* The GGUF reader: what it reads of sound files, and that broken ones of every
 * kind are refused with a line that says what is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/tokenizer.h"
#include "kernels/blocks.h"
#include "tests/support/gguf_writer.h"
#include "tests/support/random.h"

#include <math.h>

#define BUNDLED TESTS_SOURCE_DIR "/models/tidemark-73m-v1-q4_k_m.gguf"

static struct gguf *open_sound(struct gguf_writer *writer)
{
    struct buffer bytes = gguf_writer_finish(writer);
    struct error error = {0};
    struct gguf *file = NULL;
    if (!gguf_writer_open(&file, bytes.data, bytes.size, &error))
        fail_msg("%s", error.text);
    buffer_free(&bytes);
    return file;
}

static void assert_refused_bytes(const struct buffer *bytes, const char *because)
{
    struct error error = {0};
    struct gguf *file = NULL;
    assert_false(gguf_writer_open(&file, bytes->data, bytes->size, &error));
    assert_null(file);
    assert_int_equal(error.kind, ERROR_MODEL);
    assert_null(strchr(error.text, '\n'));
    if (!strstr(error.text, because))
        fail_msg("expected \"%s\" in: %s", because, error.text);
}

static void assert_refused(struct gguf_writer *writer, const char *because)
{
    struct buffer bytes = gguf_writer_finish(writer);
    assert_refused_bytes(&bytes, because);
    buffer_free(&bytes);
}

static void test_numbers(void **state)
{
    (void)state;
    struct gguf_writer writer = {0};
    gguf_writer_integer(&writer, "u8", GGUF_U8, 200, 1);
    gguf_writer_integer(&writer, "i8", GGUF_I8, 0xFF, 1);
    gguf_writer_integer(&writer, "u16", GGUF_U16, 60000, 2);
    gguf_writer_integer(&writer, "i16", GGUF_I16, 0xFFFF, 2);
    gguf_writer_u32(&writer, "u32", UINT32_MAX);
    gguf_writer_integer(&writer, "i32", GGUF_I32, 7, 4);
    gguf_writer_integer(&writer, "u64", GGUF_U64, 4096, 8);
    gguf_writer_integer(&writer, "u64 large", GGUF_U64, UINT64_MAX, 8);
    gguf_writer_integer(&writer, "i64", GGUF_I64, (uint64_t)1 << 32, 8);
    gguf_writer_f32(&writer, "f32", 1e-5f);
    gguf_writer_integer(&writer, "f64", GGUF_F64, 0, 8);
    gguf_writer_bool(&writer, "yes", true);
    gguf_writer_bool(&writer, "no", false);
    struct gguf *file = open_sound(&writer);
    struct error error = {0};
    static const struct {
        const char *key;
        bool ok;
        uint32_t value;
    } expected[] = {
        {"u8", true, 200}, {"u16", true, 60000}, {"u32", true, UINT32_MAX},
        {"i32", true, 7},  {"u64", true, 4096},  {"i8", false, 0},
        {"i16", false, 0}, {"i64", false, 0},    {"u64 large", false, 0},
        {"f32", false, 0}, {"yes", false, 0},    {"absent", false, 0},
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        uint32_t value = 0;
        error = (struct error){0};
        assert_int_equal(gguf_get_u32(file, expected[i].key, &value, &error), expected[i].ok);
        assert_int_equal(value, expected[i].value);
        assert_int_equal(error.kind, expected[i].ok ? ERROR_NONE : ERROR_MODEL);
        assert_true(expected[i].ok || strstr(error.text, expected[i].key));
    }
    float number = 0;
    assert_true(gguf_get_f32(file, "f32", &number, &error));
    assert_float_equal(number, 1e-5f, 0);
    assert_false(gguf_get_f32(file, "f64", &number, &error));
    bool yes = false, no = true, kept = true;
    assert_true(gguf_maybe_bool(file, "yes", &yes, &error) && yes);
    assert_true(gguf_maybe_bool(file, "no", &no, &error) && !no);
    assert_true(gguf_maybe_bool(file, "absent", &kept, &error) && kept);
    assert_false(gguf_maybe_bool(file, "u8", &kept, &error));
    gguf_close(file);
}

static void test_texts_and_arrays(void **state)
{
    (void)state;
    static const char *const words[] = {"", "sea", "tide and mark"};
    struct gguf_writer writer = {0};
    gguf_writer_texts(&writer, "words", words, 3);
    gguf_writer_i32s(&writer, "numbers", (int32_t[]){-1, 70000}, 2);
    gguf_writer_text(&writer, "name", "tide");
    gguf_writer_array(&writer, "nested", GGUF_ARRAY, 2);
    for (int i = 0; i < 2; i++) {
        gguf_writer_number(&writer.entries, GGUF_U8, 4);
        gguf_writer_number(&writer.entries, 3, 8);
        gguf_writer_bytes(&writer.entries, "abc", 3);
    }
    gguf_writer_u32(&writer, "after", 5);
    struct gguf *file = open_sound(&writer);
    struct error error = {0};
    struct gguf_array array;
    assert_true(gguf_get_array(file, "words", GGUF_STRING, &array, &error));
    assert_int_equal(array.count, 3);
    const unsigned char *cursor = array.data;
    for (size_t i = 0; i < 3; i++) {
        struct gguf_text text = gguf_next_text(&cursor);
        assert_int_equal(text.size, strlen(words[i]));
        assert_memory_equal(text.data, words[i], text.size);
    }
    assert_true(gguf_get_array(file, "numbers", GGUF_I32, &array, &error));
    assert_memory_equal(array.data, "\xFF\xFF\xFF\xFF\x70\x11\x01\x00", 8);
    assert_false(gguf_get_array(file, "numbers", GGUF_U32, &array, &error));
    assert_false(gguf_get_array(file, "nested", GGUF_U8, &array, &error));
    assert_false(gguf_get_array(file, "name", GGUF_STRING, &array, &error));
    struct gguf_text text = {0};
    assert_true(gguf_get_text(file, "name", &text, &error));
    assert_memory_equal(text.data, "tide", 4);
    assert_false(gguf_get_text(file, "words", &text, &error));
    assert_true(gguf_maybe_text(file, "absent", &text, &error));
    assert_int_equal(text.size, 4);
    uint32_t after = 0;
    assert_true(gguf_maybe_u32(file, "after", &after, &error));
    assert_int_equal(after, 5);
    assert_true(gguf_has(file, "nested"));
    assert_false(gguf_has(file, "afte"));
    assert_false(gguf_has(file, ""));
    gguf_close(file);
}

static void test_tensors(void **state)
{
    (void)state;
    const float floats[6] = {0, 1, 2, 3, 4, 5};
    unsigned char blocks[2 * 34] = {1, 2, 3}, unknown[5] = {9};
    struct gguf_writer writer = {.alignment = 8};
    gguf_writer_u32(&writer, "general.alignment", 8);
    gguf_writer_tensor(&writer, "zeta", 2, (uint64_t[]){3, 2}, BLOCKS_F32, floats, sizeof floats);
    gguf_writer_tensor(&writer, "alpha", 1, (uint64_t[]){64}, BLOCKS_Q8_0, blocks, sizeof blocks);
    gguf_writer_tensor(&writer, "odd", 4, (uint64_t[]){1, 1, 1, 9}, 99, unknown, sizeof unknown);
    struct gguf *file = open_sound(&writer);
    assert_int_equal(gguf_tensors(file), 3);
    const struct gguf_tensor *zeta = gguf_find_tensor(file, "zeta");
    assert_ptr_equal(zeta, gguf_tensor_at(file, 0));
    assert_int_equal(zeta->dims, 2);
    assert_int_equal(zeta->ne[0], 3);
    assert_int_equal(zeta->ne[1], 2);
    assert_int_equal(zeta->ne[2], 1);
    assert_int_equal(zeta->bytes, sizeof floats);
    assert_memory_equal(zeta->data, floats, sizeof floats);
    const struct gguf_tensor *alpha = gguf_find_tensor(file, "alpha");
    assert_int_equal(alpha->bytes, sizeof blocks);
    assert_memory_equal(alpha->data, blocks, sizeof blocks);
    const struct gguf_tensor *odd = gguf_find_tensor(file, "odd");
    assert_int_equal(odd->type, 99);
    assert_null(odd->data);
    assert_int_equal(odd->bytes, 0);
    assert_null(gguf_find_tensor(file, "beta"));
    assert_null(gguf_find_tensor(file, ""));
    gguf_close(file);
}

static void test_header_refused(void **state)
{
    (void)state;
    static const struct {
        size_t at, size;
        const char *bytes, *because;
    } changes[] = {
        {0, 4, "GGML", "not a GGUF file"},
        {0, 4, "PK\3\4", "not a GGUF file"},
        {4, 4, "\1\0\0\0", "version 1"},
        {4, 4, "\2\0\0\0", "version 2"},
        {4, 4, "\4\0\0\0", "version 4"},
        {4, 4, "\0\0\0\3", "big-endian"},
        {8, 8, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", "tensors, more than"},
        {8, 8, "\3\0\0\0\0\0\0\0", "tensors, more than"},
        {16, 8, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", "keys, more than"},
        {16, 8, "\0\0\0\0\0\0\0\x80", "keys, more than"},
        {24, 8, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", "beyond the end"},
        {24, 8, "\0\0\0\0\0\0\0\0", "key of 0 bytes"},
        {28, 1, "\1", "beyond the end"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct gguf_writer writer = {0};
        gguf_writer_u32(&writer, "general.quantization_version", 2);
        struct buffer bytes = gguf_writer_finish(&writer);
        memcpy(bytes.data + changes[i].at, changes[i].bytes, changes[i].size);
        assert_refused_bytes(&bytes, changes[i].because);
        buffer_free(&bytes);
    }
}

static void test_values_refused(void **state)
{
    (void)state;
    struct gguf_writer writer = {0};
    gguf_writer_u32(&writer, "twice", 1);
    gguf_writer_u32(&writer, "other", 1);
    gguf_writer_u32(&writer, "twice", 2);
    assert_refused(&writer, "key twice comes a second time");

    gguf_writer_integer(&writer, "flag", GGUF_BOOL, 2, 1);
    assert_refused(&writer, "neither 0 nor 1");

    gguf_writer_array(&writer, "flags", GGUF_BOOL, 3);
    gguf_writer_bytes(&writer.entries, "\0\1\3", 3);
    assert_refused(&writer, "neither 0 nor 1");

    gguf_writer_key(&writer, "strange", 13);
    gguf_writer_number(&writer.entries, 0, 8);
    assert_refused(&writer, "unknown type 13");

    gguf_writer_array(&writer, "strange", UINT32_MAX, 0);
    assert_refused(&writer, "unknown type 4294967295");

    gguf_writer_array(&writer, "long", GGUF_U64, UINT64_MAX / 8 + 2);
    assert_refused(&writer, "beyond the end");

    gguf_writer_array(&writer, "strings", GGUF_STRING, 2);
    gguf_writer_string(&writer.entries, "one", 3);
    gguf_writer_number(&writer.entries, UINT64_MAX - 4, 8);
    assert_refused(&writer, "beyond the end");

    gguf_writer_key(&writer, "deep", GGUF_ARRAY);
    for (int i = 0; i < 1000; i++) {
        gguf_writer_number(&writer.entries, GGUF_ARRAY, 4);
        gguf_writer_number(&writer.entries, 1, 8);
    }
    assert_refused(&writer, "arrays inside arrays");

    char *key = malloc(65537);
    assert_non_null(key);
    memset(key, 'k', 65536);
    key[65536] = '\0';
    gguf_writer_u32(&writer, key, 1);
    assert_refused(&writer, "key of 65536 bytes");
    key[65535] = '\0';
    gguf_writer_u32(&writer, key, 1);
    struct gguf *file = open_sound(&writer);
    assert_true(gguf_has(file, key));
    gguf_close(file);
    free(key);
}

/* A file with one good tensor of 32 bytes at offset 0 and one described here. */
static void assert_tensor_refused(const char *name, uint32_t dims, const uint64_t *ne,
                                  uint32_t type, uint64_t offset, const char *because)
{
    const float floats[24] = {1};
    struct gguf_writer writer = {0};
    gguf_writer_tensor(&writer, "good", 1, (uint64_t[]){8}, BLOCKS_F32, floats, sizeof floats);
    gguf_writer_tensor_at(&writer, name, dims, ne, type, offset);
    assert_refused(&writer, because);
}

static void test_tensors_refused(void **state)
{
    (void)state;
    const uint64_t eight[5] = {8, 1, 1, 1, 1}, huge = (uint64_t)1 << 62;
    assert_tensor_refused("good", 1, eight, BLOCKS_F32, 32, "tensor good comes a second time");
    assert_tensor_refused("", 1, eight, BLOCKS_F32, 32, "name of 0 bytes");
    assert_tensor_refused(
        "a name of more than sixty-four bytes, which is what the format allows...", 1, eight,
        BLOCKS_F32, 32, "1 to 64");
    assert_tensor_refused("x", 0, eight, BLOCKS_F32, 32, "has 0 dimensions");
    assert_tensor_refused("x", 5, eight, BLOCKS_F32, 32, "has 5 dimensions");
    assert_tensor_refused("x", 2, (uint64_t[]){8, 0}, BLOCKS_F32, 32, "dimension of 0");
    assert_tensor_refused("x", 1, eight, BLOCKS_F32, 33, "alignment");
    assert_tensor_refused("x", 1, eight, BLOCKS_F32, 96, "beyond the end");
    assert_tensor_refused("x", 1, eight, BLOCKS_F32, UINT64_MAX - 31, "beyond the end");
    assert_tensor_refused("x", 1, eight, 99, 96, "beyond the end");
    assert_tensor_refused("x", 1, (uint64_t[]){17}, BLOCKS_F32, 32, "beyond the end");
    assert_tensor_refused("x", 1, (uint64_t[]){33}, BLOCKS_Q8_0, 32, "whole blocks");
    assert_tensor_refused("x", 1, (uint64_t[]){128}, BLOCKS_Q4_K, 32, "whole blocks");
    assert_tensor_refused("x", 2, (uint64_t[]){8, huge}, BLOCKS_F32, 32, "too large");
    assert_tensor_refused("x", 1, &huge, BLOCKS_F32, 32, "too large");
    assert_tensor_refused("x", 4, (uint64_t[]){1 << 16, 1 << 16, 1 << 16, 1 << 16}, BLOCKS_F32, 32,
                          "too large");
    assert_tensor_refused("x", 1, eight, BLOCKS_F32, 0, "overlaps");
    assert_tensor_refused("x", 1, eight, 99, 0, "overlaps");

    struct gguf_writer writer = {0};
    gguf_writer_tensor_at(&writer, "x", 1, eight, BLOCKS_F32, 0);
    assert_refused(&writer, "ends before the tensor data");
    static const uint32_t alignments[] = {0, 1, 4, 12, 31};
    for (size_t i = 0; i < sizeof alignments / sizeof alignments[0]; i++) {
        gguf_writer_u32(&writer, "general.alignment", alignments[i]);
        assert_refused(&writer, "not a multiple of 8");
    }
}

static void test_missing_and_empty(void **state)
{
    (void)state;
    struct error error = {0};
    struct gguf *file = NULL;
    assert_false(gguf_open(&file, "/nonexistent/model.gguf", &error));
    assert_int_equal(error.kind, ERROR_MODEL);
    assert_non_null(strstr(error.text, "/nonexistent/model.gguf"));
    assert_false(gguf_open(&file, "/", &error));
    assert_int_equal(error.kind, ERROR_MODEL);
    assert_false(gguf_writer_open(&file, "", 0, &error));
    assert_int_equal(error.kind, ERROR_MODEL);
    gguf_close(NULL);
}

/* A small file with something of everything. */
static struct buffer make_rich_file(void)
{
    static const char *const tokens[] = {"ab", "abc", "  ", "<|im_end|>", "<0x41>"};
    static const char *const merges[] = {"a b", "ab c", "x y"};
    const float floats[8] = {1, 2, 3};
    unsigned char blocks[34] = {0};
    struct gguf_writer writer = {0};
    gguf_writer_vocabulary(&writer, tokens, (int32_t[]){1, 1, 4, 3, 6}, 5, merges, 3);
    gguf_writer_text(&writer, "tokenizer.ggml.pre", "falcon");
    gguf_writer_u32(&writer, "tokenizer.ggml.eos_token_id", 259);
    gguf_writer_bool(&writer, "tokenizer.ggml.add_bos_token", false);
    gguf_writer_f32(&writer, "mamba.attention.layer_norm_rms_epsilon", 1e-5f);
    gguf_writer_array(&writer, "nested", GGUF_ARRAY, 1);
    gguf_writer_number(&writer.entries, GGUF_U16, 4);
    gguf_writer_number(&writer.entries, 2, 8);
    gguf_writer_number(&writer.entries, 7, 4);
    gguf_writer_tensor(&writer, "a", 2, (uint64_t[]){4, 2}, BLOCKS_F32, floats, sizeof floats);
    gguf_writer_tensor(&writer, "b", 1, (uint64_t[]){32}, BLOCKS_Q8_0, blocks, sizeof blocks);
    return gguf_writer_finish(&writer);
}

/* Touches all that a file that opened promises to hold. */
static unsigned use_file(const struct gguf *file)
{
    unsigned sum = 0;
    for (size_t i = 0; i < gguf_tensors(file); i++) {
        const struct gguf_tensor *tensor = gguf_tensor_at(file, i);
        for (size_t byte = 0; byte < tensor->bytes; byte++)
            sum += tensor->data[byte];
    }
    struct tokenizer *tokenizer = NULL;
    struct error error = {0};
    if (!tokenizer_new(&tokenizer, file, &error)) {
        assert_int_equal(error.kind, ERROR_MODEL);
        return sum;
    }
    static const char text[] = "abcab  cab, A12345  \xFF\n";
    struct tokens ids = {0};
    struct buffer back = {0};
    if (!tokenizer_encode(tokenizer, text, sizeof text - 1, &ids, &error))
        assert_int_equal(error.kind, ERROR_MODEL);
    for (size_t i = 0; i < ids.count; i++) {
        assert_in_range(ids.data[i], 0, tokenizer_vocabulary(tokenizer) - 1);
        assert_true(tokenizer_decode(tokenizer, ids.data[i], &back, &error));
    }
    buffer_free(&back);
    tokens_free(&ids);
    tokenizer_free(tokenizer);
    return sum;
}

static void open_or_refuse(const char *path, const void *bytes, size_t size)
{
    struct error error = {0};
    struct gguf *file = NULL;
    gguf_writer_save(path, bytes, size);
    if (gguf_open(&file, path, &error))
        use_file(file);
    else
        assert_int_equal(error.kind, ERROR_MODEL);
    gguf_close(file);
}

static void test_truncated_anywhere(void **state)
{
    (void)state;
    struct buffer bytes = make_rich_file();
    char path[GGUF_WRITER_PATH_SIZE];
    gguf_writer_temporary(path);
    for (size_t size = 0; size < bytes.size; size++) {
        struct error error = {0};
        struct gguf *file = NULL;
        gguf_writer_save(path, bytes.data, size);
        assert_false(gguf_open(&file, path, &error));
        assert_int_equal(error.kind, ERROR_MODEL);
    }
    open_or_refuse(path, bytes.data, bytes.size);
    unlink(path);
    buffer_free(&bytes);
}

/* Changes some bytes; lengths, counts and types are small numbers, so that small
 * and extreme values are tried more often than others. */
static void mutate(struct random *random, char *bytes, size_t size)
{
    static const unsigned char favourites[] = {0, 1, 2, 8, 9, 0x7F, 0x80, 0xFF};
    size_t changes = 1 + random_below(random, 3);
    for (size_t i = 0; i < changes; i++) {
        size_t at = random_below(random, size);
        bytes[at] = random_below(random, 2) ? (char)favourites[random_below(random, 8)]
                                            : (char)random_below(random, 256);
    }
}

static void test_mutated(void **state)
{
    (void)state;
    struct random random = random_seeded();
    struct buffer sound = make_rich_file();
    char *bytes = malloc(sound.size);
    assert_non_null(bytes);
    char path[GGUF_WRITER_PATH_SIZE];
    gguf_writer_temporary(path);
    for (int round = 0; round < 600; round++) {
        memcpy(bytes, sound.data, sound.size);
        mutate(&random, bytes, sound.size);
        open_or_refuse(path, bytes, sound.size);
    }
    unlink(path);
    free(bytes);
    buffer_free(&sound);
}

static void test_bundled_model(void **state)
{
    (void)state;
    struct error error = {0};
    struct gguf *file = NULL;
    if (access(BUNDLED, R_OK) != 0)
        skip();
    assert_true(gguf_open(&file, BUNDLED, &error));
    assert_string_equal(gguf_path(file), BUNDLED);
    assert_int_equal(gguf_tensors(file), 162);
    uint32_t layers = 0;
    float epsilon = 0;
    assert_true(gguf_get_u32(file, "mamba.block_count", &layers, &error));
    assert_int_equal(layers, 16);
    assert_true(gguf_get_f32(file, "mamba.ssm.dt_b_c_rms_epsilon", &epsilon, &error));
    assert_float_equal(epsilon, 1e-6f, 0);
    const struct gguf_tensor *embedding = gguf_find_tensor(file, "token_embd.weight");
    assert_int_equal(embedding->type, BLOCKS_Q6_K);
    assert_int_equal(embedding->ne[0], 768);
    assert_int_equal(embedding->ne[1], 16384);
    assert_int_equal(embedding->bytes, 16384 * 3 * 210);
    const struct file_map *map = gguf_map(file);
    assert_true(embedding->data >= map->data &&
                embedding->data + embedding->bytes <= map->data + map->size);
    gguf_close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),           cmocka_unit_test(test_texts_and_arrays),
        cmocka_unit_test(test_tensors),           cmocka_unit_test(test_header_refused),
        cmocka_unit_test(test_values_refused),    cmocka_unit_test(test_tensors_refused),
        cmocka_unit_test(test_missing_and_empty), cmocka_unit_test(test_truncated_anywhere),
        cmocka_unit_test(test_mutated),           cmocka_unit_test(test_bundled_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
