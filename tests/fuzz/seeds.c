/* Writes the files that the corpora of binary formats began with.
 *
 *     seeds tests/fuzz/corpus            writes them
 *     seeds --check tests/fuzz/corpus    fails if a database v*_* there does not open
 *
 * They are kept in the tree, so that a corpus does not depend on the code under test.
 * Run it again, and commit what is new, when the layout of a database gets another
 * version; the files of versions before stay. */
#include "document/position.h"
#include "store/library.h"
#include "store/states.h"
#include "store/states_payload.h"
#include "tests/support/tiny_model.h"

#include <dirent.h>
#include <sqlite3.h>
#include <sys/stat.h>

static struct error error;
static const char *folder;

static void require(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "seeds: %s: %s\n", what, error.text);
    exit(1);
}

static const char *path_of(const char *target, const char *name)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, target);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/%s/%s", folder, target, name);
    return path;
}

/* --- models ------------------------------------------------------------------------- */

static void add_keys(struct gguf_writer *writer, const struct tiny_model_plan *plan)
{
    static const char *const tokens[] = {"<|im_start|>", "<|im_end|>", "a", "b", "e", "h", "t",
                                         "th",           "the",        "Ġ"};
    static const int32_t types[] = {3, 3, 1, 1, 1, 1, 1, 1, 4, 1};
    static const char *const merges[] = {"t h", "th e"};
    tiny_model_shape_keys(writer, plan);
    gguf_writer_text(writer, "tokenizer.ggml.model", "gpt2");
    gguf_writer_text(writer, "tokenizer.ggml.pre", plan->norms ? "falcon" : "gpt-2");
    gguf_writer_texts(writer, "tokenizer.ggml.tokens", tokens, 10);
    gguf_writer_i32s(writer, "tokenizer.ggml.token_type", types, 10);
    gguf_writer_texts(writer, "tokenizer.ggml.merges", merges, 2);
    gguf_writer_u32(writer, "tokenizer.ggml.bos_token_id", 0);
    gguf_writer_bool(writer, "tokenizer.ggml.add_bos_token", true);
}

static void write_model(const struct tiny_model_plan *plan)
{
    struct gguf_writer writer = {0};
    struct random random = {7};
    add_keys(&writer, plan);
    tiny_model_tensors(&writer, plan, &random);
    struct buffer file = gguf_writer_finish(&writer);
    gguf_writer_save(path_of("gguf", plan->name), file.data, file.size);
    buffer_free(&file);
}

static void write_models(void)
{
    static const struct tiny_model_plan plans[] = {
        {"floats",
         4,
         8,
         2,
         2,
         10,
         2,
         true,
         BLOCKS_F32,
         BLOCKS_F32,
         true,
         {{BLOCKS_F32, BLOCKS_F32, BLOCKS_F32, BLOCKS_F32},
          {BLOCKS_F16, BLOCKS_BF16, BLOCKS_F16, BLOCKS_BF16}}},
        {"odd",
         3,
         5,
         1,
         1,
         11,
         1,
         false,
         BLOCKS_F16,
         BLOCKS_F32,
         false,
         {{BLOCKS_F32, BLOCKS_BF16, BLOCKS_F32, BLOCKS_F16}}},
        {"blocks32",
         32,
         32,
         3,
         32,
         10,
         2,
         false,
         BLOCKS_Q8_0,
         BLOCKS_Q4_0,
         false,
         {{BLOCKS_Q4_0, BLOCKS_Q5_0, BLOCKS_Q5_1, BLOCKS_Q8_0},
          {BLOCKS_Q5_0, BLOCKS_Q5_1, BLOCKS_Q8_0, BLOCKS_Q4_0}}},
        {"blocks256",
         256,
         8,
         2,
         1,
         10,
         1,
         true,
         BLOCKS_Q6_K,
         BLOCKS_Q4_K,
         false,
         {{BLOCKS_Q5_K, BLOCKS_F32, BLOCKS_F32, BLOCKS_F32}}},
        {"wide",
         2,
         256,
         1,
         1,
         10,
         1,
         true,
         BLOCKS_F32,
         BLOCKS_F32,
         true,
         {{BLOCKS_F32, BLOCKS_Q4_K, BLOCKS_F32, BLOCKS_Q6_K}}},
    };
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++)
        write_model(&plans[i]);
}

/* --- databases ------------------------------------------------------------------------ */

static char work[64]; /* a folder of its own for each database */

static void remove_work_folder(void)
{
    DIR *open = opendir(work);
    for (struct dirent *entry; open && (entry = readdir(open));)
        unlinkat(dirfd(open), entry->d_name, 0);
    if (open)
        closedir(open);
    rmdir(work);
}

static void make_work_folder(void)
{
    snprintf(work, sizeof work, "/tmp/tidemark-seeds-XXXXXX");
    require(mkdtemp(work) != NULL, work);
}

static struct buffer read_file(const char *path)
{
    char piece[4096];
    struct buffer bytes = {0};
    FILE *file = fopen(path, "rb");
    require(file != NULL, path);
    for (size_t size; (size = fread(piece, 1, sizeof piece, file)) > 0;)
        gguf_writer_bytes(&bytes, piece, size);
    fclose(file);
    return bytes;
}

static void copy_file(const char *to, const char *from)
{
    struct buffer bytes = read_file(from);
    gguf_writer_save(to, bytes.data, bytes.size);
    buffer_free(&bytes);
}

/* Takes the database out of the work folder, with pages of this size and the log on
 * or off. */
static void take_database(const char *file, const char *target, const char *name, int page,
                          bool log)
{
    char path[256], sql[256];
    sqlite3 *handle;
    snprintf(path, sizeof path, "%s/%s", work, file);
    snprintf(sql, sizeof sql,
             "PRAGMA journal_mode = DELETE; PRAGMA page_size = %d; VACUUM;"
             " PRAGMA journal_mode = %s",
             page, log ? "WAL" : "DELETE");
    require(sqlite3_open(path, &handle) == SQLITE_OK, path);
    require(sqlite3_exec(handle, sql, NULL, NULL, NULL) == SQLITE_OK, sql);
    sqlite3_close(handle);
    copy_file(path_of(target, name), path);
    remove_work_folder();
}

static struct buffer make_map(size_t size)
{
    struct position_map *map = position_map_new();
    struct buffer encoded = {0};
    require(map != NULL && size > 8, "a map");
    require(position_map_add(map, 4, 4, (struct position){10, 2, 1}, &error), "a map");
    require(position_map_add(map, 1, 2, (struct position){14, 3, 1}, &error), "a map");
    require(position_map_add(map, size - 5, size - 5, (struct position){16, 4, 2}, &error),
            "a map");
    require(position_map_encode(map, &encoded, &error), "a map");
    position_map_free(map);
    return encoded;
}

static void add_sections(struct library *library, int64_t document)
{
    static char titles[][16] = {"The tide", "The moon", "The moon (2)"};
    static char texts[][96] = {
        "The tide\n\nThe tide comes in with the moon.\n",
        "The moon\n\nThe moon pulls the water towards itself, and the water follows.\n",
        "Twice a day it is high water at the quay.\n",
    };
    for (int i = 0; i < 3; i++) {
        size_t size = strlen(texts[i]);
        struct buffer map = make_map(size);
        struct library_section section = {
            .ordinal = i,
            .title = titles[i],
            .level = 1,
            .part = i == 2 ? 2 : 1,
            .begin_byte = 100 * i,
            .end_byte = 100 * i + 100,
            .line = 1 + 5 * i,
            .page = 1,
            .characters = (int64_t)size,
            .text_hash = hash_of(texts[i], size),
            .text = texts[i],
            .text_size = size,
            .map = map.data,
            .map_size = map.size,
        };
        require(library_add_section(library, document, &section, &error), "a section");
        buffer_free(&map);
    }
    require(library_finish_document(library, document, &error), "a document's end");
}

static void add_document(struct library *library, int number)
{
    static char paths[][24] = {"/home/user/Tides.md", "/home/user/moon.txt"};
    static char encoding[] = "UTF-8";
    static const char *const names[] = {"Tides.md", "moon.txt"};
    struct library_source source = {
        .path = paths[number],
        .size = 300,
        .lines = 20,
        .pages = 1,
        .modified_ns = 1000,
        .hash = hash_of(paths[number], 5),
        .encoding = encoding,
        .evidence = 3,
        .confidence = 100,
    };
    int64_t id;
    require(library_add_document(library, names[number], paths[number], 1, &id, &error),
            "a document");
    require(library_add_source(library, id, &source, &error), "a source");
    add_sections(library, id);
}

static void add_reading(struct library *library, int64_t model)
{
    static char numerics[] = "cpu/reference.1/1", surprise[] = "surprise";
    struct library_reading reading = {
        .document = 1,
        .model = model,
        .sections = 2,
        .tokens = 30,
        .bits = 55.5,
        .numerics = numerics,
    };
    require(library_put_reading(library, &reading, &error), "a reading");
    for (int i = 0; i < 2; i++) {
        struct library_section_reading section = {
            .section = i,
            .tokens = 14,
            .end_token = 16 + 14 * i,
            .bits = 25.25,
            .surprise = surprise,
            .surprise_size = sizeof surprise,
        };
        require(library_put_section_reading(library, reading.id, &section, &error), "a section");
    }
}

static void add_results(struct library *library)
{
    static char scope[] = "section 2", asked[] = "What pulls the water?",
                answer[] = "\"The moon pulls the water\", it says.", detail[] = "{\"found\": true}";
    struct hash fingerprint = hash_of("model", 5), made_from = hash_of("made from", 9);
    struct file_identity identity = {1, 2, 3, 4, 5};
    struct library_question question = {
        .document = 1,
        .scope = scope,
        .question = asked,
        .answer = answer,
        .detail = detail,
    };
    int64_t id;
    require(library_put_fingerprint(library, &identity, &fingerprint, &error), "a fingerprint");
    require(
        library_touch_model(library, &fingerprint, "small", "/small.gguf", &question.model, &error),
        "a model");
    add_reading(library, question.model);
    require(library_add_question(library, &question, &id, &error), "a question");
    question.answer = NULL;
    require(library_add_question(library, &question, &id, &error), "a question");
    require(library_put_summary(library, 1, question.model, LIBRARY_SUMMARY_SECTION, 0, &made_from,
                                "Tides come.", &error),
            "a summary");
    require(library_put_summary(library, 1, question.model, LIBRARY_SUMMARY_DOCUMENT, -1,
                                &made_from, "Tides and the moon.", &error),
            "a summary");
}

static void write_library(const char *name, int documents, bool results, int page, bool log)
{
    struct library *library;
    char file[64];
    make_work_folder();
    require(library_open(&library, work, &error), "a library");
    for (int i = 0; i < documents; i++)
        add_document(library, i);
    if (results)
        add_results(library);
    library_close(library);
    snprintf(file, sizeof file, "v%d_%s", LIBRARY_SCHEMA, name);
    take_database("library.db", "library_db", file, page, log);
}

static void put_state(struct states *states, int64_t document, enum states_kind kind,
                      int64_t section)
{
    unsigned char payload[64];
    struct states_info info = {
        .place = {document, hash_of("model", 5), kind, section},
        .key = {1, 1, 1, hash_of("preamble", 8), hash_of("text", 4)},
        .numerics = "cpu/reference.1/1",
        .token = 14 * (section + 1),
    };
    /* Half of them are worth compressing. */
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = section % 2 ? (unsigned char)(i * i * 37) : (unsigned char)(i % 4);
    require(states_put(states, &info, payload, sizeof payload, &error), "a state");
}

static void write_states(const char *name, int count, int page, bool log)
{
    struct states *states;
    char file[64];
    make_work_folder();
    require(states_open(&states, work, &error), "states");
    for (int i = 0; i < count; i++)
        put_state(states, 1 + i / 6, i % 3 == 2 ? STATES_SECTION : STATES_PREFIX, i);
    states_close(states);
    snprintf(file, sizeof file, "v%d_%s", STATES_SCHEMA, name);
    take_database("states.db", "states_db", file, page, log);
}

/* --- payloads ---------------------------------------------------------------------------- */

static void write_payloads(void)
{
    float values[64];
    struct states_payload packed;
    struct buffer file = {0};
    for (int i = 0; i < 64; i++)
        values[i] = (float)(i % 8) / 8;
    require(states_payload_pack(&packed, values, sizeof values, NULL, &error), "a payload");
    gguf_writer_bytes(&file, "\1\1", 2);
    gguf_writer_bytes(&file, packed.bytes, packed.size);
    gguf_writer_save(path_of("payload", "claimed"), file.data, file.size);
    buffer_clear(&file);
    gguf_writer_bytes(&file, "\1\0\0\1\0", 5);
    gguf_writer_bytes(&file, packed.bytes, packed.size);
    gguf_writer_save(path_of("payload", "given"), file.data, file.size);
    buffer_clear(&file);
    gguf_writer_bytes(&file, "\0\0\0\1\0", 5);
    gguf_writer_bytes(&file, values, sizeof values);
    gguf_writer_save(path_of("payload", "raw"), file.data, file.size);
    states_payload_free(&packed);
    buffer_clear(&file);
    size_t size = 5 * STATES_PAYLOAD_STRETCH / 4; /* of two stretches, all zero */
    void *zeros = calloc(size, 1);
    require(zeros && states_payload_pack(&packed, zeros, size, NULL, &error), "a large payload");
    gguf_writer_bytes(&file, (unsigned char[]){2, 0, 0, 0, (unsigned char)(size >> 16)}, 5);
    gguf_writer_bytes(&file, packed.bytes, packed.size);
    gguf_writer_save(path_of("payload", "frames"), file.data, file.size);
    states_payload_free(&packed);
    free(zeros);
    buffer_free(&file);
}

/* --- checking ------------------------------------------------------------------------------ */

static int is_database(const struct dirent *entry)
{
    return entry->d_name[0] == 'v' && strchr(entry->d_name, '_') != NULL;
}

static void check_database(const char *target, const char *name, bool library)
{
    char place[128];
    struct library *opened_library = NULL;
    struct states *opened_states = NULL;
    make_work_folder();
    snprintf(place, sizeof place, "%s/%s.db", work, library ? "library" : "states");
    copy_file(place, path_of(target, name));
    require(library ? library_open(&opened_library, work, &error)
                    : states_open(&opened_states, work, &error),
            path_of(target, name));
    library_close(opened_library);
    states_close(opened_states);
    remove_work_folder();
}

static void check_databases(const char *target, bool library)
{
    struct dirent **entries;
    int count = scandir(path_of(target, ""), &entries, is_database, alphasort);
    require(count > 0, target);
    for (int i = 0; i < count; i++) {
        check_database(target, entries[i]->d_name, library);
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv)
{
    bool check = argc == 3 && strcmp(argv[1], "--check") == 0;
    if (argc != 2 && !check) {
        fprintf(stderr, "usage: seeds [--check] FOLDER\n");
        return 2;
    }
    folder = argv[argc - 1];
    if (check) {
        check_databases("library_db", true);
        check_databases("states_db", false);
        return 0;
    }
    write_models();
    write_library("empty", 0, false, 512, true);
    write_library("one", 1, true, 512, true);
    write_library("two", 2, true, 1024, false);
    write_states("empty", 0, 512, true);
    write_states("two", 2, 512, true);
    write_states("twelve", 12, 1024, false);
    write_payloads();
    return 0;
}
