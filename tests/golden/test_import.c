/* What is imported and quantized, against files that others made of the same weights:
 * shared/golden/hf and the GGUF files beside it. */
#include "convert/hub.h"
#include "convert/requantize.h"
#include "convert/stream.h"
#include "tests/support/gguf_writer.h"
#include "tests/support/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define FOLDER TESTS_SHARED_DIR "/golden/"

/* --- making ------------------------------------------------------------------------------ */

static void write_plan(const struct plan *plan, const char *path)
{
    struct error error = {0};
    struct pool *pool = pool_new(2, &error);
    assert_non_null(pool);
    const struct stream_options options = {.replace = true, .pool = pool};
    rig_require(stream_write(plan, path, &options, &error), &error);
    pool_free(pool);
}

/* The caller unlinks it. */
static void import(char path[GGUF_WRITER_PATH_SIZE], const char *name, const char *type)
{
    char folder[512];
    char *paths[] = {folder};
    struct error error = {0};
    struct hub *hub;
    struct plan plan = {0};
    snprintf(folder, sizeof folder, FOLDER "hf/%s", name);
    gguf_writer_temporary(path);
    rig_require(hub_open(&hub, paths, 1, NULL, &error), &error);
    rig_require(hub_plan(hub, &plan, types_find(type), &error), &error);
    write_plan(&plan, path);
    plan_free(&plan);
    hub_close(hub);
}

static void quantize(char path[GGUF_WRITER_PATH_SIZE], const char *name, const char *type)
{
    char source[512];
    struct error error = {0};
    struct gguf *file;
    struct plan plan = {0};
    snprintf(source, sizeof source, FOLDER "%s.gguf", name);
    gguf_writer_temporary(path);
    rig_require(gguf_open(&file, source, &error), &error);
    int descriptor = open(source, O_RDONLY | O_CLOEXEC);
    assert_true(descriptor >= 0);
    rig_require(requantize_plan(&plan, file, descriptor, types_find(type), &error), &error);
    write_plan(&plan, path);
    plan_free(&plan);
    close(descriptor);
    gguf_close(file);
}

static struct gguf *open_file(const char *path)
{
    struct error error = {0};
    struct gguf *file;
    rig_require(gguf_open(&file, path, &error), &error);
    return file;
}

static struct gguf *open_golden(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, FOLDER "%s.gguf", name);
    return open_file(path);
}

static const struct gguf_tensor *twin(const struct gguf *file, const struct gguf_tensor *tensor)
{
    char name[PLAN_NAME_SIZE];
    snprintf(name, sizeof name, "%.*s", (int)tensor->name.size, tensor->name.data);
    const struct gguf_tensor *found = gguf_find_tensor(file, name);
    if (!found || found->dims != tensor->dims ||
        memcmp(found->ne, tensor->ne, sizeof found->ne) != 0)
        fail_msg("%s: %s is not there, or of another shape", gguf_path(file), name);
    return found;
}

static float *floats_of(const struct gguf_tensor *tensor, size_t *count)
{
    size_t columns = (size_t)tensor->ne[0], rows = (size_t)(tensor->ne[1] * tensor->ne[2]);
    size_t bytes = blocks_row_bytes((enum blocks_type)tensor->type, columns);
    float *floats = rig_memory(rows * columns, sizeof *floats);
    for (size_t i = 0; i < rows; i++)
        blocks_to_float(floats + i * columns, (enum blocks_type)tensor->type,
                        tensor->data + i * bytes, columns);
    *count = rows * columns;
    return floats;
}

/* --- what an import holds -------------------------------------------------------------------- */

static void assert_same_logits(const char *model, const char *name)
{
    char path[512];
    struct tokens ids = {0};
    snprintf(path, sizeof path, FOLDER "%s.ids", name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    for (int id; fscanf(file, "%d", &id) == 1;)
        assert_true(tokens_append(&ids, id, NULL));
    fclose(file);
    struct rig rig;
    rig_open(&rig, model, kernels_best(), 2);
    size_t count = ids.count * rig.model->shape.vocabulary;
    float *logits = rig_memory(count, sizeof *logits),
          *expected = rig_memory(count, sizeof *logits);
    snprintf(path, sizeof path, FOLDER "%s-f32.logits", name);
    file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(expected, sizeof *expected, count, file), count);
    fclose(file);
    struct state *state = rig_state(&rig);
    rig_prefill(&rig, state, ids.data, ids.count, logits);
    double apart = rig_distance(logits, expected, count);
    printf("  %s: %.1e\n", name, apart);
    assert_true(apart <= 1e-5);
    state_free(state);
    rig_close(&rig);
    free(logits);
    free(expected);
    tokens_free(&ids);
}

/* Arrays of strings or of 32-bit numbers, item by item. */
static void assert_same_array(const struct gguf *a, const struct gguf *b, const char *key,
                              enum gguf_kind kind)
{
    struct gguf_array left, right;
    struct error error = {0};
    rig_require(gguf_get_array(a, key, kind, &left, &error), &error);
    rig_require(gguf_get_array(b, key, kind, &right, &error), &error);
    assert_int_equal(left.count, right.count);
    if (kind != GGUF_STRING) {
        assert_memory_equal(left.data, right.data, 4 * left.count);
        return;
    }
    const unsigned char *x = left.data, *y = right.data;
    for (size_t i = 0; i < left.count; i++) {
        struct gguf_text s = gguf_next_text(&x), t = gguf_next_text(&y);
        assert_int_equal(s.size, t.size);
        assert_memory_equal(s.data, t.data, s.size);
    }
}

/* Every key of the public file is there with the same bytes. */
static void assert_same_keys(const struct gguf *made, const struct gguf *golden)
{
    for (size_t i = 0; i < gguf_entries(golden); i++) {
        struct gguf_text whole, other, key = gguf_entry_at(golden, i, &whole);
        bool found = false;
        if (key.size == 12 && memcmp(key.data, "general.name", 12) == 0)
            continue; /* that of the folder here */
        for (size_t j = 0; j < gguf_entries(made) && !found; j++) {
            gguf_entry_at(made, j, &other);
            found = other.size == whole.size && memcmp(other.data, whole.data, whole.size) == 0;
        }
        if (!found)
            fail_msg("%s: %.*s is missing or differs", gguf_path(made), (int)key.size, key.data);
    }
}

static void check_import(const char *name)
{
    char path[GGUF_WRITER_PATH_SIZE], golden_name[64];
    snprintf(golden_name, sizeof golden_name, "%s-f32", name);
    import(path, name, "f32");
    struct gguf *made = open_file(path), *golden = open_golden(golden_name);
    assert_int_equal(gguf_tensors(made), gguf_tensors(golden));
    for (size_t i = 0; i < gguf_tensors(golden); i++) {
        size_t count;
        const struct gguf_tensor *tensor = gguf_tensor_at(golden, i), *other = twin(made, tensor);
        assert_int_equal(other->type, tensor->type);
        float *a = floats_of(other, &count), *b = floats_of(tensor, &count);
        /* Another library's exp, in float, makes A. */
        if (!(rig_distance(a, b, count) <= 1e-7))
            fail_msg("%s: %.*s differs", name, (int)tensor->name.size, tensor->name.data);
        free(a);
        free(b);
    }
    assert_same_keys(made, golden);
    assert_same_array(made, golden, "tokenizer.ggml.tokens", GGUF_STRING);
    assert_same_array(made, golden, "tokenizer.ggml.merges", GGUF_STRING);
    assert_same_array(made, golden, "tokenizer.ggml.token_type", GGUF_I32);
    gguf_close(made);
    gguf_close(golden);
    assert_same_logits(path, name);
    unlink(path);
}

static void test_import(void **context)
{
    (void)context;
    check_import("falcon-tiny");
    check_import("mamba-tiny");
}

/* From BF16 to BF16 matrices pass byte for byte, the rest becomes float exactly. */
static void test_import_bf16(void **context)
{
    char path[GGUF_WRITER_PATH_SIZE];
    (void)context;
    import(path, "falcon-long-bf16", "bf16");
    struct gguf *made = open_file(path), *golden = open_golden("falcon-long-bf16");
    assert_int_equal(gguf_tensors(made), gguf_tensors(golden));
    for (size_t i = 0; i < gguf_tensors(golden); i++) {
        const struct gguf_tensor *tensor = gguf_tensor_at(golden, i), *other = twin(made, tensor);
        assert_int_equal(other->type, tensor->type);
        assert_int_equal(other->bytes, tensor->bytes);
        if (tensor->type == BLOCKS_BF16) {
            assert_memory_equal(other->data, tensor->data, tensor->bytes);
            continue;
        }
        /* The golden file's small tensors were not rounded; those of the folder were. */
        size_t count;
        float *rounded = floats_of(other, &count), *exact = floats_of(tensor, &count);
        bool is_a = tensor->name.size > 5 &&
                    memcmp(tensor->name.data + tensor->name.size - 5, "ssm_a", 5) == 0;
        for (size_t j = 0; j < count; j++) {
            float back = is_a ? logf(-rounded[j]) : rounded[j];
            float true_value = is_a ? logf(-exact[j]) : exact[j];
            assert_true(fabsf(back - true_value) <= 0x1.01p-8f * fabsf(true_value) + 1e-6f);
            uint32_t bits;
            memcpy(&bits, &rounded[j], sizeof bits);
            assert_true(is_a || (bits & 0xFFFF) == 0);
        }
        free(rounded);
        free(exact);
    }
    gguf_close(made);
    gguf_close(golden);
    unlink(path);
}

/* --- quantizing --------------------------------------------------------------------------------
 */

static double squared(const struct gguf_tensor *tensor, const float *weights, size_t count)
{
    size_t same;
    float *floats = floats_of(tensor, &same);
    double sum = 0;
    assert_int_equal(same, count);
    for (size_t i = 0; i < count; i++)
        sum += ((double)floats[i] - (double)weights[i]) * ((double)floats[i] - (double)weights[i]);
    free(floats);
    return sum;
}

/* The same types as the public file has, and no tensor with more error. */
static void check_quantize(const char *source_name, const char *golden_name, const char *type)
{
    char path[GGUF_WRITER_PATH_SIZE];
    double all = 0, all_golden = 0, size = 0;
    quantize(path, source_name, type);
    struct gguf *made = open_file(path), *golden = open_golden(golden_name);
    struct gguf *source = open_golden(source_name);
    assert_int_equal(gguf_tensors(made), gguf_tensors(golden));
    assert_same_keys(made, golden);
    for (size_t i = 0; i < gguf_tensors(golden); i++) {
        size_t count;
        const struct gguf_tensor *tensor = gguf_tensor_at(golden, i), *other = twin(made, tensor);
        assert_int_equal(other->type, tensor->type);
        float *weights = floats_of(twin(source, tensor), &count);
        double ours = squared(other, weights, count), theirs = squared(tensor, weights, count);
        if (!(ours <= theirs))
            fail_msg("%s: %.*s has the error %g, that of the other file is %g", golden_name,
                     (int)tensor->name.size, tensor->name.data, ours, theirs);
        for (size_t j = 0; tensor->type > BLOCKS_F16 && j < count; j++)
            size += (double)weights[j] * (double)weights[j];
        all += ours;
        all_golden += theirs;
        free(weights);
    }
    printf("  %s: relative error of the matrices %.5f, that of the other file %.5f\n", golden_name,
           sqrt(all / size), sqrt(all_golden / size));
    gguf_close(made);
    gguf_close(golden);
    gguf_close(source);
    unlink(path);
}

static void test_quantize(void **context)
{
    (void)context;
    check_quantize("falcon-tiny-f32", "falcon-tiny-q8_0", "q8_0");
    check_quantize("falcon-tiny-f32", "falcon-tiny-q6_k", "q6_k");
    check_quantize("falcon-tiny-f32", "falcon-tiny-q5_k_m", "q5_k_m");
    check_quantize("falcon-tiny-f32", "falcon-tiny-q4_k_m", "q4_k_m");
    check_quantize("falcon-tiny-f32", "falcon-tiny-q4_0", "q4_0");
    check_quantize("falcon-long-f32", "falcon-long-q4_k_m", "q4_k_m");
}

/* Where rows are no whole blocks: the same types as in the public files, from which the
 * weights come here. */
static void check_fall_back(const char *golden_name, const char *type)
{
    char path[GGUF_WRITER_PATH_SIZE];
    quantize(path, golden_name, type);
    struct gguf *made = open_file(path), *golden = open_golden(golden_name);
    for (size_t i = 0; i < gguf_tensors(golden); i++) {
        const struct gguf_tensor *tensor = gguf_tensor_at(golden, i);
        assert_int_equal(twin(made, tensor)->type, tensor->type);
    }
    gguf_close(made);
    gguf_close(golden);
    unlink(path);
}

static void test_fall_back(void **context)
{
    (void)context;
    check_fall_back("falcon-odd-q4_k_m", "q4_k_m");
    check_fall_back("falcon-odd-q5_k_m", "q5_k_m");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_import),
        cmocka_unit_test(test_import_bf16),
        cmocka_unit_test(test_quantize),
        cmocka_unit_test(test_fall_back),
    };
    if (access(FOLDER "hf", R_OK) != 0)
        return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
