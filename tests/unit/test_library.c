/* Tests of store/library.h: round trips, looking things up as people name them, and
 * searching. */
#include "base/clock.h"
#include "tests/unit/library_fixture.h"

static int64_t add_model(struct fixture *fixture, const char *name)
{
    int64_t id;
    struct hash fingerprint = hash_of(name, strlen(name));
    MUST(library_touch_model(fixture->library, &fingerprint, name, "/models/x.gguf", &id,
                             &fixture->error));
    return id;
}

/* --- documents ------------------------------------------------------------- */

static void documents_come_back_as_they_were(void **state)
{
    struct fixture *fixture = *state;
    int64_t before = clock_unix_time();
    int64_t id = add_document(fixture, "novel.txt", "/books/novel.txt");
    struct library_source source = {
        .ordinal = 0,
        .path = (char *)(uintptr_t) "/books/novel.txt",
        .size = 1234,
        .lines = 50,
        .pages = 2,
        .invalid_bytes = 3,
        .modified_ns = 1700000000123456789,
        .hash = hash_of("bytes", 5),
    };
    add_section(fixture, id, 0, "One", "First.\n");
    add_section(fixture, id, 1, "Two", "Second.\n");
    MUST(library_finish_source(fixture->library, id, &source, &fixture->error));
    MUST(library_finish_document(fixture->library, id, &fixture->error));
    reopen(fixture);

    struct library_document document;
    MUST(library_get_document(fixture->library, id, &document, &fixture->error));
    assert_int_equal(document.id, id);
    assert_string_equal(document.name, "novel.txt");
    assert_string_equal(document.path, "/books/novel.txt");
    assert_true(document.added_at >= before && document.added_at <= clock_unix_time());
    assert_int_equal(document.sections, 2);
    assert_int_equal(document.characters, 7 + 8);
    assert_int_equal(document.bytes, 1234);
    assert_int_equal(document.normalizer, 1);
    assert_true(document.complete);
    library_document_free(&document);

    struct library_source again;
    MUST(library_get_source(fixture->library, id, 0, &again, &fixture->error));
    assert_string_equal(again.path, source.path);
    assert_int_equal(again.size, 1234);
    assert_int_equal(again.lines, 50);
    assert_int_equal(again.pages, 2);
    assert_int_equal(again.invalid_bytes, 3);
    assert_int_equal(again.modified_ns, source.modified_ns);
    assert_true(hash_equal(&again.hash, &source.hash));
    library_source_free(&again);
    int64_t count;
    MUST(library_count_sources(fixture->library, id, &count, &fixture->error));
    assert_int_equal(count, 1);
    MUST_FAIL(library_get_source(fixture->library, id, 1, &again, &fixture->error), ERROR_INPUT,
              "no source file 2");
    source.ordinal = 5;
    MUST_FAIL(library_finish_source(fixture->library, id, &source, &fixture->error), ERROR_INPUT,
              "no source file 6");
    MUST_FAIL(library_finish_document(fixture->library, 99, &fixture->error), ERROR_INPUT,
              "no document 99");
    MUST_FAIL(library_get_document(fixture->library, 99, &document, &fixture->error), ERROR_INPUT,
              "tidemark ls");
}

static void names_are_made_unique(void **state)
{
    struct fixture *fixture = *state;
    static const char *const expected[] = {"a", "a (2)", "a (3)", "a (2) (2)"};
    for (int i = 0; i < 4; i++) {
        int64_t id = add_document(fixture, i == 3 ? "a (2)" : "a", "/a");
        struct library_document document;
        MUST(library_get_document(fixture->library, id, &document, &fixture->error));
        assert_string_equal(document.name, expected[i]);
        assert_false(document.complete);
        library_document_free(&document);
    }
}

struct names {
    char text[256];
    int stop_after;
};

static bool note_name(void *context, const struct library_document *document)
{
    struct names *names = context;
    size_t used = strlen(names->text);
    snprintf(names->text + used, sizeof names->text - used, "%s ", document->name);
    return --names->stop_after != 0;
}

static void documents_are_listed_oldest_first(void **state)
{
    struct fixture *fixture = *state;
    struct names names = {0};
    MUST(library_each_document(fixture->library, note_name, &names, &fixture->error));
    assert_string_equal(names.text, "");
    add_document(fixture, "z", "/z");
    add_document(fixture, "a", "/a");
    add_document(fixture, "m", "/m");
    MUST(library_each_document(fixture->library, note_name, &names, &fixture->error));
    assert_string_equal(names.text, "z a m ");
    names = (struct names){.stop_after = 2};
    MUST(library_each_document(fixture->library, note_name, &names, &fixture->error));
    assert_string_equal(names.text, "z a ");
}

static void assert_finds(struct fixture *fixture, const char *key, int64_t id)
{
    struct library_document document;
    MUST(library_find_document(fixture->library, key, &document, &fixture->error));
    assert_int_equal(document.id, id);
    library_document_free(&document);
}

static void documents_are_found_as_people_name_them(void **state)
{
    struct fixture *fixture = *state;
    struct library_document document;
    int64_t one = add_document(fixture, "Emma.txt", "/books/Emma.txt");
    int64_t two = add_document(fixture, "1", "/books/numbers");
    int64_t three = add_document(fixture, "\xC3\x89mile.md", "/books/emile.md");
    int64_t four = add_document(fixture, "report.txt", "/a/report.txt");
    int64_t five = add_document(fixture, "report.md", "/b/report.md");
    int64_t six = add_document(fixture, "bad\xFFname", "/b/bad\xFF");
    add_document(fixture, "twice", "/b/same");
    add_document(fixture, "thrice", "/b/same");

    assert_finds(fixture, "1", one); /* a number before a name */
    assert_finds(fixture, "2", two);
    assert_finds(fixture, "Emma.txt", one);
    assert_finds(fixture, "emma.TXT", one);
    assert_finds(fixture, "emma", one);
    assert_finds(fixture, "/books/Emma.txt", one);
    assert_finds(fixture, "\xC3\xA9MILE", three);
    assert_finds(fixture, "report.txt", four);
    assert_finds(fixture, "REPORT.md", five);
    assert_finds(fixture, "bad\xFFname", six);
    assert_finds(fixture, "/b/bad\xFF", six);

    MUST_FAIL(library_find_document(fixture->library, "report", &document, &fixture->error),
              ERROR_INPUT,
              "2 documents that `tidemark ls` lists could be meant by \"report\" (4, 5)");
    MUST_FAIL(library_find_document(fixture->library, "/b/same", &document, &fixture->error),
              ERROR_INPUT, "(7, 8)");
    static const char *const absent[] = {"",
                                         "99",
                                         "0",
                                         "-1",
                                         "Emm",
                                         "Emma.",
                                         ".txt",
                                         "%",
                                         "*",
                                         "99999999999999999999999",
                                         "x' OR 1=1 --"};
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        MUST_FAIL(library_find_document(fixture->library, absent[i], &document, &fixture->error),
                  ERROR_INPUT, "tidemark ls");
}

/* A path that is another name of the stored one. */
static void documents_are_found_through_links(void **state)
{
    struct fixture *fixture = *state;
    char target[600], link[600], *real;
    snprintf(target, sizeof target, "%s/target", fixture->folder);
    snprintf(link, sizeof link, "%s/link", fixture->folder);
    FILE *file = fopen(target, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(symlink("target", link), 0);
    real = realpath(target, NULL);
    assert_non_null(real);
    int64_t id = add_document(fixture, "linked", real);
    free(real);
    assert_finds(fixture, link, id);
}

static void documents_are_found_by_their_sources(void **state)
{
    struct fixture *fixture = *state;
    struct library_document document;
    bool found;
    int64_t id = add_document(fixture, "both", "/a");
    struct library_source source = {.ordinal = 1, .path = (char *)(uintptr_t) "/b"};
    MUST(library_add_source(fixture->library, id, &source, &fixture->error));
    int64_t older = add_document(fixture, "one", "/a");
    int64_t newer = add_document(fixture, "one again", "/a");
    assert_true(older < newer);
    static const char *const cases[][3] = {
        {"/a", "/b"}, {"/a"}, {"/b", "/a"}, {"/b"}, {"/a", "/b", "/c"}};
    static const size_t counts[] = {2, 1, 2, 1, 3};
    int64_t expected[] = {id, newer, 0, 0, 0};
    for (size_t i = 0; i < 5; i++) {
        MUST(library_find_by_paths(fixture->library, cases[i], counts[i], &document, &found,
                                   &fixture->error));
        assert_int_equal(found, expected[i] != 0);
        assert_int_equal(document.id, expected[i]);
        library_document_free(&document);
    }
    MUST(library_find_by_paths(fixture->library, NULL, 0, &document, &found, &fixture->error));
    assert_false(found);
}

/* --- sections -------------------------------------------------------------- */

static void sections_come_back_as_they_were(void **state)
{
    struct fixture *fixture = *state;
    int64_t id = add_document(fixture, "d", "/d");
    struct library_section section = make_section(0, "T\xC3\xA9st", "Text with a NUL: .\n"), again;
    char text[] = "Text with a NUL: \0.\n";
    section.source = 0;
    section.level = 3;
    section.part = 2;
    section.page = 7;
    section.text = text;
    section.text_size = sizeof text - 1;
    section.text_hash = hash_of(text, sizeof text - 1);
    section.map = text;
    section.map_size = sizeof text;
    MUST(library_add_section(fixture->library, id, &section, &fixture->error));
    reopen(fixture);
    MUST(library_get_section(fixture->library, id, 0, LIBRARY_TEXT | LIBRARY_MAP, &again,
                             &fixture->error));
    assert_string_equal(again.title, section.title);
    assert_int_equal(again.level, 3);
    assert_int_equal(again.part, 2);
    assert_int_equal(again.begin_byte, 0);
    assert_int_equal(again.end_byte, 100);
    assert_int_equal(again.line, 1);
    assert_int_equal(again.page, 7);
    assert_int_equal(again.characters, section.characters);
    assert_true(hash_equal(&again.text_hash, &section.text_hash));
    assert_int_equal(again.text_size, section.text_size);
    assert_memory_equal(again.text, text, sizeof text);
    assert_int_equal(again.map_size, section.map_size);
    assert_memory_equal(again.map, text, sizeof text);
    library_section_free(&again);
    static const unsigned parts[] = {LIBRARY_OUTLINE, LIBRARY_TEXT, LIBRARY_MAP};
    for (size_t i = 0; i < 3; i++) {
        MUST(library_get_section(fixture->library, id, 0, parts[i], &again, &fixture->error));
        assert_int_equal(again.text != NULL, parts[i] == LIBRARY_TEXT);
        assert_int_equal(again.map != NULL, parts[i] == LIBRARY_MAP);
        library_section_free(&again);
    }
    MUST_FAIL(library_get_section(fixture->library, id, 1, 0, &again, &fixture->error), ERROR_INPUT,
              "no section 2");
}

static void sections_are_added_in_order_only(void **state)
{
    struct fixture *fixture = *state;
    int64_t id = add_document(fixture, "d", "/d");
    struct library_section section = make_section(1, "t", "text\n");
    MUST_FAIL(library_add_section(fixture->library, id, &section, &fixture->error), ERROR_STORE,
              "cannot add section 2");
    add_section(fixture, id, 0, "t", "text\n");
    section = make_section(0, "t", "text\n");
    MUST_FAIL(library_add_section(fixture->library, id, &section, &fixture->error), ERROR_STORE,
              "cannot add section 1");
    MUST_FAIL(library_add_section(fixture->library, 77, &section, &fixture->error), ERROR_STORE,
              "document 77");
    MUST(library_finish_document(fixture->library, id, &fixture->error));
    section = make_section(1, "t", "text\n");
    MUST_FAIL(library_add_section(fixture->library, id, &section, &fixture->error), ERROR_STORE,
              "cannot add section 2");
    close_library(fixture);
    assert_int_equal(ask_number(fixture->path, "SELECT count(*) FROM section"), 1);
    assert_integrity(fixture->path);
}

struct visit {
    struct fixture *fixture;
    int64_t document;
    unsigned parts;
    int64_t next;
    int64_t stop_after;
};

/* Looks the same section up inside the listing, which needs the same statements. */
static bool check_listed(void *context, const struct library_section *section)
{
    struct visit *visit = context;
    struct fixture *fixture = visit->fixture;
    struct library_section again;
    assert_int_equal(section->ordinal, visit->next++);
    assert_int_equal(section->text != NULL, (visit->parts & LIBRARY_TEXT) != 0);
    assert_int_equal(section->map != NULL, (visit->parts & LIBRARY_MAP) != 0);
    MUST(library_get_section(fixture->library, visit->document, section->ordinal, 0, &again,
                             &fixture->error));
    assert_string_equal(again.title, section->title);
    library_section_free(&again);
    return visit->next != visit->stop_after;
}

static void sections_are_listed_in_order(void **state)
{
    struct fixture *fixture = *state;
    int64_t id = add_document(fixture, "d", "/d"), other = add_document(fixture, "e", "/e");
    char title[32];
    for (int i = 0; i < 12; i++) {
        snprintf(title, sizeof title, "Chapter %d", i);
        add_section(fixture, id, i, title, "text\n");
        add_section(fixture, other, i, "Other", "text\n");
    }
    for (unsigned parts = 0; parts < 4; parts++) {
        struct visit visit = {fixture, id, parts, 0, -1};
        MUST(library_each_section(fixture->library, id, parts, check_listed, &visit,
                                  &fixture->error));
        assert_int_equal(visit.next, 12);
        visit = (struct visit){fixture, id, parts, 0, 5};
        MUST(library_each_section(fixture->library, id, parts, check_listed, &visit,
                                  &fixture->error));
        assert_int_equal(visit.next, 5);
    }
}

static void assert_finds_section(struct fixture *fixture, int64_t document, const char *key,
                                 int64_t expected)
{
    int64_t ordinal;
    MUST(library_find_section(fixture->library, document, key, &ordinal, &fixture->error));
    assert_int_equal(ordinal, expected);
}

static void sections_are_found_as_people_name_them(void **state)
{
    struct fixture *fixture = *state;
    int64_t id = add_document(fixture, "d", "/d"), ordinal;
    static const char *const titles[] = {"Introduction", "METHODS", "Methods", "Results",
                                         "1984",         "Notes",   "Notes",   "\xC3\x89tude",
                                         "Results (2)",  "Appendix"};
    for (int i = 0; i < 10; i++)
        add_section(fixture, id, i, titles[i], "text\n");
    assert_finds_section(fixture, id, "1", 0);
    assert_finds_section(fixture, id, "10", 9);
    assert_finds_section(fixture, id, "1984", 4);
    assert_finds_section(fixture, id, "METHODS", 1);
    assert_finds_section(fixture, id, "Methods", 2);
    assert_finds_section(fixture, id, "introDUCTION", 0);
    assert_finds_section(fixture, id, "Results", 3);
    assert_finds_section(fixture, id, "\xC3\xA9tude", 7);
    assert_finds_section(fixture, id, "pend", 9);
    MUST_FAIL(library_find_section(fixture->library, id, "methods", &ordinal, &fixture->error),
              ERROR_INPUT, "2 sections could be meant by \"methods\" (2, 3)");
    MUST_FAIL(library_find_section(fixture->library, id, "Notes", &ordinal, &fixture->error),
              ERROR_INPUT, "(6, 7)");
    MUST_FAIL(library_find_section(fixture->library, id, "t", &ordinal, &fixture->error),
              ERROR_INPUT, " ...)");
    static const char *const absent[] = {"", "0", "11", "-1", "99999999999999999999", "nothing"};
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        MUST_FAIL(library_find_section(fixture->library, id, absent[i], &ordinal, &fixture->error),
                  ERROR_INPUT, "from 1 to 10");
    MUST_FAIL(library_find_section(fixture->library, 5, "1", &ordinal, &fixture->error),
              ERROR_INPUT, "no document 5");
}

/* --- searching ------------------------------------------------------------- */

static size_t search(struct fixture *fixture, int64_t document, const char *const *words,
                     size_t word_count, struct library_hit hits[8])
{
    size_t count;
    MUST(library_search(fixture->library, document, words, word_count, hits, 8, &count,
                        &fixture->error));
    for (size_t i = 1; i < count; i++)
        assert_true(hits[i - 1].score > hits[i].score ||
                    (hits[i - 1].score == hits[i].score && hits[i - 1].section < hits[i].section));
    return count;
}

static void search_ranks_the_document_alone(void **state)
{
    struct fixture *fixture = *state;
    int64_t id = add_document(fixture, "d", "/d"), other = add_document(fixture, "e", "/e");
    add_section(fixture, id, 0, "Harbour", "The ships were sailing at dawn.\n");
    add_section(fixture, other, 0, "Ships", "Ship, ship, ship and ship again.\n");
    add_section(fixture, id, 1, "Weather", "Rain fell on the caf\xC3\xA9 and on the street.\n");
    add_section(fixture, id, 2, "The ship", "Nothing moved.\n");
    add_section(fixture, id, 3, "Twin", "Equal words here.\n");
    add_section(fixture, id, 4, "Twin", "Equal words here.\n");
    struct library_hit hits[8];

    static const char *const ship[] = {"ship"};
    assert_int_equal(search(fixture, id, ship, 1, hits), 2);
    assert_int_equal(hits[0].section, 2); /* in a title, and a shorter section */
    assert_int_equal(hits[1].section, 0); /* "ships" by its stem */
    double score = hits[0].score;
    add_section(fixture, other, 1, "More ships", "A ship.\n");
    assert_int_equal(search(fixture, id, ship, 1, hits), 2);
    assert_true(hits[0].score == score); /* other documents have no say */
    assert_int_equal(search(fixture, other, ship, 1, hits), 2);
    assert_int_equal(search(fixture, 99, ship, 1, hits), 0);
    static const char *const words[] = {"sail", "CAFE", "absent"};
    assert_int_equal(search(fixture, id, words, 3, hits), 2);
    static const char *const twin[] = {"equal"};
    assert_int_equal(search(fixture, id, twin, 1, hits), 2);
    assert_int_equal(hits[0].section, 3);
    assert_int_equal(hits[1].section, 4);
    assert_int_equal(search(fixture, id, ship, 0, hits), 0);
    size_t count = 9;
    MUST(library_search(fixture->library, id, twin, 1, hits, 1, &count, &fixture->error));
    assert_int_equal(count, 1);
    assert_int_equal(hits[0].section, 3);
    MUST(library_search(fixture->library, id, twin, 1, NULL, 0, &count, &fixture->error));
    assert_int_equal(count, 0);
}

/* No word, however made, is taken for the language of the index. */
static void search_words_are_never_syntax(void **state)
{
    struct fixture *fixture = *state;
    int64_t id = add_document(fixture, "d", "/d");
    add_section(fixture, id, 0, "One", "plain words AND more OR less NOT here NEAR there\n");
    struct library_hit hits[8];
    static const char *const hostile[] = {
        "",
        "\"",
        "\"\"\"",
        "*",
        "plain*",
        "AND",
        "OR",
        "NOT",
        "NEAR",
        "NEAR(a",
        "(",
        ")",
        "title:",
        "title:one",
        "-",
        "^plain",
        "{title}",
        "a\"b\"c",
        "\\",
        "\xFF",
        "\xC3",
        "'",
        "; DROP",
        "+",
        "text : x",
        "\x01",
        "a b c",
        "...",
        "\xEF\xBB\xBF",
        "plain\" OR \"x",
        "--",
        "$1",
    };
    enum { COUNT = sizeof hostile / sizeof *hostile };
    for (size_t i = 0; i < COUNT; i++) {
        search(fixture, id, &hostile[i], 1, hits);
        const char *const with_plain[] = {hostile[i], "plain", hostile[(i + 1) % COUNT]};
        assert_int_equal(search(fixture, id, with_plain, 3, hits), 1);
    }
    assert_true(search(fixture, id, hostile, COUNT, hits) == 1);
    static const char *const and[] = {"AND"};
    assert_int_equal(search(fixture, id, and, 1, hits), 1);

    uint64_t seed = 23, random = seed;
    for (int round = 0; round < 500; round++) {
        char word[3][9];
        const char *words[3];
        for (int i = 0; i < 3; i++) {
            for (int j = 0; j < 8; j++)
                word[i][j] = (char)(next_random(&random) % 255 + 1);
            word[i][8] = '\0';
            words[i] = word[i];
        }
        size_t count;
        if (!library_search(fixture->library, id, words, 3, hits, 8, &count, &fixture->error))
            fail_msg("seed %llu, round %d: %s", (unsigned long long)seed, round,
                     fixture->error.text);
    }

    enum { MANY = 3000 };
    static char text[MANY][16];
    static const char *many[MANY];
    for (int i = 0; i < MANY; i++) {
        snprintf(text[i], sizeof text[i], "w%d", i);
        many[i] = text[i];
    }
    many[MANY - 1] = "plain";
    assert_int_equal(search(fixture, id, many, MANY, hits), 1);
}

/* --- models and readings --------------------------------------------------- */

static void fingerprints_hold_for_the_same_file_only(void **state)
{
    struct fixture *fixture = *state;
    struct file_identity identity = {UINT64_MAX, UINT64_MAX - 1, UINT64_C(1) << 63, -5, INT64_MAX};
    struct hash put = hash_of("a", 1), got;
    bool found;
    MUST(library_get_fingerprint(fixture->library, &identity, &got, &found, &fixture->error));
    assert_false(found);
    MUST(library_put_fingerprint(fixture->library, &identity, &put, &fixture->error));
    reopen(fixture);
    MUST(library_get_fingerprint(fixture->library, &identity, &got, &found, &fixture->error));
    assert_true(found && hash_equal(&put, &got));
    for (int field = 0; field < 5; field++) {
        struct file_identity other = identity;
        other.device ^= field == 0;
        other.inode ^= field == 1;
        other.size ^= field == 2;
        other.modified_ns ^= field == 3;
        other.changed_ns ^= field == 4;
        MUST(library_get_fingerprint(fixture->library, &other, &got, &found, &fixture->error));
        assert_false(found);
    }
    identity.size = 7;
    put = hash_of("b", 1);
    MUST(library_put_fingerprint(fixture->library, &identity, &put, &fixture->error));
    MUST(library_get_fingerprint(fixture->library, &identity, &got, &found, &fixture->error));
    assert_true(found && hash_equal(&put, &got));
    close_library(fixture);
    assert_int_equal(ask_number(fixture->path, "SELECT count(*) FROM fingerprint"), 1);
}

static void models_keep_their_row(void **state)
{
    struct fixture *fixture = *state;
    struct hash fingerprint = hash_of("one", 3);
    int64_t id;
    bool found;
    MUST(library_find_model(fixture->library, &fingerprint, &id, &found, &fixture->error));
    assert_false(found);
    int64_t one = add_model(fixture, "one"), two = add_model(fixture, "two");
    assert_true(one > 0 && two > 0 && one != two);
    MUST(
        library_touch_model(fixture->library, &fingerprint, "renamed", "/x", &id, &fixture->error));
    assert_int_equal(id, one);
    reopen(fixture);
    MUST(library_find_model(fixture->library, &fingerprint, &id, &found, &fixture->error));
    assert_true(found);
    assert_int_equal(id, one);
    close_library(fixture);
    assert_int_equal(ask_number(fixture->path, "SELECT count(*) FROM model WHERE name = 'renamed'"),
                     1);
}

static void readings_come_back_and_are_cut(void **state)
{
    struct fixture *fixture = *state;
    int64_t document = add_document(fixture, "d", "/d");
    int64_t model = add_model(fixture, "m"), other = add_model(fixture, "o");
    struct library_reading reading, put = {.document = document,
                                           .model = model,
                                           .sections = 5,
                                           .tokens = 510,
                                           .bits = 1500.5,
                                           .numerics = (char *)(uintptr_t) "cpu/1",
                                           .mixed = true};
    bool found;
    MUST(library_get_reading(fixture->library, document, model, &reading, &found, &fixture->error));
    assert_false(found);
    MUST(library_last_reading(fixture->library, document, &reading, &found, &fixture->error));
    assert_false(found);
    MUST(library_put_reading(fixture->library, &put, &fixture->error));
    assert_true(put.id > 0 && put.updated_at > 0);
    for (int i = 0; i < 5; i++) {
        struct library_section_reading section = {.section = i,
                                                  .tokens = 100,
                                                  .end_token = 10 + 100 * (i + 1),
                                                  .bits = 100.25 * (i + 1),
                                                  .surprise = &section.section,
                                                  .surprise_size = i ? sizeof(int64_t) : 0};
        MUST(library_put_section_reading(fixture->library, put.id, &section, &fixture->error));
        MUST(library_put_section_reading(fixture->library, put.id, &section, &fixture->error));
    }
    reopen(fixture);
    MUST(library_get_reading(fixture->library, document, model, &reading, &found, &fixture->error));
    assert_true(found && reading.mixed);
    assert_int_equal(reading.id, put.id);
    assert_int_equal(reading.sections, 5);
    assert_int_equal(reading.tokens, 510);
    assert_true(reading.bits == 1500.5);
    assert_string_equal(reading.numerics, "cpu/1");
    library_reading_free(&reading);

    struct library_section_reading section;
    MUST(library_get_section_reading(fixture->library, put.id, 3, &section, &found,
                                     &fixture->error));
    int64_t three = 3;
    assert_true(found && section.tokens == 100 && section.end_token == 410 &&
                section.bits == 401.0 && section.surprise_size == sizeof three);
    assert_memory_equal(section.surprise, &three, sizeof three);
    library_section_reading_free(&section);

    MUST(library_cut_reading(fixture->library, put.id, 3, &fixture->error));
    MUST(library_get_reading(fixture->library, document, model, &reading, &found, &fixture->error));
    assert_int_equal(reading.sections, 3);
    assert_int_equal(reading.tokens, 310);
    assert_true(reading.bits == 601.5);
    library_reading_free(&reading);
    MUST(library_get_section_reading(fixture->library, put.id, 3, &section, &found,
                                     &fixture->error));
    assert_false(found);
    MUST(library_cut_reading(fixture->library, put.id, 0, &fixture->error));
    MUST(library_last_reading(fixture->library, document, &reading, &found, &fixture->error));
    assert_true(found && reading.sections == 0 && reading.tokens == 0 && reading.bits == 0);
    library_reading_free(&reading);
    MUST_FAIL(library_cut_reading(fixture->library, 99, 0, &fixture->error), ERROR_STORE,
              "reading 99");

    /* Put again without its number, a reading keeps its row. */
    int64_t id = put.id;
    put.id = 0;
    put.tokens = 7;
    MUST(library_put_reading(fixture->library, &put, &fixture->error));
    assert_int_equal(put.id, id);
    put.mixed = false;
    put.numerics = NULL;
    MUST(library_put_reading(fixture->library, &put, &fixture->error));
    MUST(library_get_reading(fixture->library, document, model, &reading, &found, &fixture->error));
    assert_true(!reading.mixed && reading.tokens == 7 && !*reading.numerics);
    library_reading_free(&reading);

    put.id = 0;
    put.model = other;
    MUST(library_put_reading(fixture->library, &put, &fixture->error));
    MUST(library_last_reading(fixture->library, document, &reading, &found, &fixture->error));
    assert_int_equal(reading.model, other);
    library_reading_free(&reading);
    put.id = 99;
    MUST_FAIL(library_put_reading(fixture->library, &put, &fixture->error), ERROR_STORE,
              "reading 99");
    put = (struct library_reading){.document = 77, .model = model};
    MUST_FAIL(library_put_reading(fixture->library, &put, &fixture->error), ERROR_STORE,
              "FOREIGN KEY");
}

/* --- questions and summaries ----------------------------------------------- */

static bool check_question(void *context, const struct library_question *question)
{
    int *seen = context;
    bool first = (*seen)++ == 0;
    assert_int_equal(question->asked_at, first ? 1000 : 2000);
    assert_string_equal(question->scope, first ? "" : "section 3");
    assert_string_equal(question->question, first ? "Who?" : "Why?");
    if (first)
        assert_null(question->answer);
    else
        assert_string_equal(question->answer, "Because.");
    assert_string_equal(question->detail, "{}");
    return true;
}

static void questions_come_back_in_order(void **state)
{
    struct fixture *fixture = *state;
    int64_t document = add_document(fixture, "d", "/d"), model = add_model(fixture, "m"), id;
    struct library_question question = {.document = document,
                                        .model = model,
                                        .asked_at = 1000,
                                        .scope = (char *)(uintptr_t) "",
                                        .question = (char *)(uintptr_t) "Who?",
                                        .detail = (char *)(uintptr_t) "{}"};
    MUST(library_add_question(fixture->library, &question, &id, &fixture->error));
    assert_true(id > 0);
    question.asked_at = 2000;
    question.scope = (char *)(uintptr_t) "section 3";
    question.question = (char *)(uintptr_t) "Why?";
    question.answer = (char *)(uintptr_t) "Because.";
    MUST(library_add_question(fixture->library, &question, &id, &fixture->error));
    reopen(fixture);
    int seen = 0;
    MUST(library_each_question(fixture->library, document, check_question, &seen, &fixture->error));
    assert_int_equal(seen, 2);
    MUST(library_each_question(fixture->library, 99, check_question, &seen, &fixture->error));
    assert_int_equal(seen, 2);
    question.model = 99;
    MUST_FAIL(library_add_question(fixture->library, &question, &id, &fixture->error), ERROR_STORE,
              "cannot keep a question");
}

static void summaries_hold_for_what_they_were_made_from(void **state)
{
    struct fixture *fixture = *state;
    int64_t document = add_document(fixture, "d", "/d"), model = add_model(fixture, "m");
    struct hash from = hash_of("a", 1), other = hash_of("b", 1);
    struct buffer text = {0};
    bool found;
    MUST(library_put_summary(fixture->library, document, model, LIBRARY_SUMMARY_SECTION, 3, &from,
                             "first", &fixture->error));
    MUST(library_put_summary(fixture->library, document, model, LIBRARY_SUMMARY_DOCUMENT, -1, &from,
                             "whole", &fixture->error));
    MUST(library_put_summary(fixture->library, document, model, LIBRARY_SUMMARY_SECTION, 3, &from,
                             "second", &fixture->error));
    reopen(fixture);
    MUST(library_get_summary(fixture->library, document, model, LIBRARY_SUMMARY_SECTION, 3, &from,
                             &text, &found, &fixture->error));
    assert_true(found);
    assert_string_equal(text.data, "second");
    MUST(library_get_summary(fixture->library, document, model, LIBRARY_SUMMARY_DOCUMENT, -1, &from,
                             &text, &found, &fixture->error));
    assert_true(found);
    assert_string_equal(text.data, "whole");
    MUST(library_get_summary(fixture->library, document, model, LIBRARY_SUMMARY_SECTION, 3, &other,
                             &text, &found, &fixture->error));
    assert_false(found);
    assert_int_equal(text.size, 0);
    buffer_free(&text);
}

/* --- removal and transactions ---------------------------------------------- */

static void removal_takes_all_that_hangs_on_a_document(void **state)
{
    struct fixture *fixture = *state;
    int64_t kept = add_document(fixture, "kept", "/k"), id = add_document(fixture, "gone", "/g");
    int64_t model = add_model(fixture, "m"), ignored;
    add_section(fixture, kept, 0, "Common", "A common word.\n");
    add_section(fixture, id, 0, "Common", "A common word and a rareword.\n");
    add_section(fixture, id, 1, "More", "Still more of it.\n");
    struct library_reading reading = {.document = id, .model = model};
    MUST(library_put_reading(fixture->library, &reading, &fixture->error));
    struct library_section_reading section = {.section = 0, .tokens = 1, .end_token = 1};
    MUST(library_put_section_reading(fixture->library, reading.id, &section, &fixture->error));
    struct library_question question = {.document = id,
                                        .model = model,
                                        .scope = (char *)(uintptr_t) "",
                                        .question = (char *)(uintptr_t) "?",
                                        .detail = (char *)(uintptr_t) "{}"};
    MUST(library_add_question(fixture->library, &question, &ignored, &fixture->error));
    struct hash from = hash_of("a", 1);
    MUST(library_put_summary(fixture->library, id, model, LIBRARY_SUMMARY_SECTION, 0, &from, "s",
                             &fixture->error));

    MUST(library_remove_document(fixture->library, id, &fixture->error));
    MUST_FAIL(library_remove_document(fixture->library, id, &fixture->error), ERROR_INPUT,
              "no document 2");
    struct library_hit hits[8];
    static const char *const words[] = {"common"}, *const rare[] = {"rareword"};
    assert_int_equal(search(fixture, kept, words, 1, hits), 1);
    assert_int_equal(search(fixture, kept, rare, 1, hits), 0);
    /* Its number is not given to another, whose states would be taken for its own. */
    assert_true(add_document(fixture, "new", "/n") > id);
    close_library(fixture);
    static const char *const tables[] = {
        "SELECT count(*) FROM section WHERE document <> 1",
        "SELECT count(*) FROM source WHERE document = 2",
        "SELECT count(*) FROM reading",
        "SELECT count(*) FROM section_reading",
        "SELECT count(*) FROM question",
        "SELECT count(*) FROM summary",
    };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        assert_int_equal(ask_number(fixture->path, tables[i]), 0);
    assert_integrity(fixture->path);
}

/* The file grew or changed after a section: what stands before it stays. */
static void documents_are_cut_and_go_on(void **state)
{
    struct fixture *fixture = *state;
    int64_t id = add_document(fixture, "d", "/d"), other = add_document(fixture, "o", "/o");
    int64_t model = add_model(fixture, "m");
    struct library_reading readings[2] = {
        {.document = id, .model = model, .sections = 4, .tokens = 41, .bits = 40},
        {.document = other, .model = model, .sections = 4, .tokens = 41, .bits = 40}};
    struct hash from = hash_of("a", 1);
    for (int i = 0; i < 2; i++) {
        MUST(library_put_reading(fixture->library, &readings[i], &fixture->error));
        for (int section = 0; section < 4; section++) {
            add_section(fixture, readings[i].document, section, "Old", "oldword\n");
            struct library_section_reading part = {
                .section = section, .tokens = 10, .end_token = 11 + 10 * section, .bits = 10};
            MUST(library_put_section_reading(fixture->library, readings[i].id, &part,
                                             &fixture->error));
            MUST(library_put_summary(fixture->library, readings[i].document, model,
                                     LIBRARY_SUMMARY_SECTION, section, &from, "s",
                                     &fixture->error));
        }
        MUST(library_finish_document(fixture->library, readings[i].document, &fixture->error));
    }
    MUST(library_cut_document(fixture->library, id, 2, 7, &fixture->error));
    struct library_document document;
    MUST(library_get_document(fixture->library, id, &document, &fixture->error));
    assert_true(document.sections == 2 && document.characters == 16 && !document.complete &&
                document.normalizer == 7);
    library_document_free(&document);
    for (int i = 0; i < 2; i++) {
        struct library_reading reading;
        struct buffer text = {0};
        bool found;
        MUST(library_get_reading(fixture->library, readings[i].document, model, &reading, &found,
                                 &fixture->error));
        assert_true(found && reading.sections == (i ? 4 : 2) && reading.tokens == (i ? 41 : 21) &&
                    reading.bits == (i ? 40 : 20));
        library_reading_free(&reading);
        for (int section = 0; section < 4; section++) {
            MUST(library_get_summary(fixture->library, readings[i].document, model,
                                     LIBRARY_SUMMARY_SECTION, section, &from, &text, &found,
                                     &fixture->error));
            assert_int_equal(found, i || section < 2);
        }
        buffer_free(&text);
    }
    add_section(fixture, id, 2, "New", "newword\n");
    struct library_hit hits[8];
    static const char *const words[] = {"oldword", "newword"};
    assert_int_equal(search(fixture, id, words, 2, hits), 3);
    assert_int_equal(search(fixture, other, words, 2, hits), 4);
    close_library(fixture);
    assert_integrity(fixture->path);
}

static void transactions_are_whole_or_nothing(void **state)
{
    struct fixture *fixture = *state;
    library_rollback(fixture->library); /* fine outside of one */
    MUST(library_begin(fixture->library, &fixture->error));
    int64_t id = add_document(fixture, "undone", "/u");
    add_section(fixture, id, 0, "Undone", "undoneword\n");
    library_rollback(fixture->library);
    struct library_document document;
    MUST_FAIL(library_find_document(fixture->library, "undone", &document, &fixture->error),
              ERROR_INPUT, "undone");
    MUST(library_begin(fixture->library, &fixture->error));
    id = add_document(fixture, "left open", "/l");
    close_library(fixture);
    reopen(fixture);
    MUST_FAIL(library_get_document(fixture->library, id, &document, &fixture->error), ERROR_INPUT,
              "no document");
    MUST(library_begin(fixture->library, &fixture->error));
    id = add_document(fixture, "kept", "/k");
    add_section(fixture, id, 0, "Kept", "keptword\n");
    MUST(library_commit(fixture->library, &fixture->error));
    reopen(fixture);
    assert_finds(fixture, "kept", id);
    close_library(fixture);
    assert_integrity(fixture->path);
}

int main(void)
{
#define STORED(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        STORED(documents_come_back_as_they_were),
        STORED(names_are_made_unique),
        STORED(documents_are_listed_oldest_first),
        STORED(documents_are_found_as_people_name_them),
        STORED(documents_are_found_through_links),
        STORED(documents_are_found_by_their_sources),
        STORED(sections_come_back_as_they_were),
        STORED(sections_are_added_in_order_only),
        STORED(sections_are_listed_in_order),
        STORED(sections_are_found_as_people_name_them),
        STORED(search_ranks_the_document_alone),
        STORED(search_words_are_never_syntax),
        STORED(fingerprints_hold_for_the_same_file_only),
        STORED(models_keep_their_row),
        STORED(readings_come_back_and_are_cut),
        STORED(questions_come_back_in_order),
        STORED(summaries_hold_for_what_they_were_made_from),
        STORED(removal_takes_all_that_hangs_on_a_document),
        STORED(documents_are_cut_and_go_on),
        STORED(transactions_are_whole_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
