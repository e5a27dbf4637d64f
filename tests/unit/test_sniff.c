/* What is no document: files that are refused, each with its own line. */
#include "document/document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/test_sniff.XXXXXX";

static void write_file(const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static struct document_reader *open_file(void)
{
    struct error error = {0};
    struct document_reader *reader;
    if (!document_open(&reader, path, NULL, NULL, &error))
        fail_msg("%s", error.text);
    return reader;
}

static void assert_refused(const char *name, const char *part)
{
    struct error error = {0};
    struct document_reader *reader;
    if (document_open(&reader, name, NULL, NULL, &error))
        fail_msg("%s is not refused as one that %s", name, part);
    assert_int_equal(error.kind, ERROR_INPUT);
    if (!strstr(error.text, part) || !strstr(error.text, name) || strchr(error.text, '\n'))
        fail_msg("%s: %s", part, error.text);
    document_close(NULL);
}

static void assert_bytes_refused(const char *bytes, size_t size, const char *part)
{
    write_file(bytes, size);
    assert_refused(path, part);
}

static void refuses_what_is_not_text(void **state)
{
    (void)state;
    assert_refused("/nonexistent/file", "no file");
    assert_refused("/tmp", "is a directory");
    assert_bytes_refused("", 0, "is empty");
    static const struct {
        const char *bytes;
        size_t size;
        const char *name;
    } files[] = {
        {"PK\005\006\0\0\0\0", 8, "is an empty ZIP archive"},
        {"\037\213\010\0", 4, "is a gzip file"},
        {"\211PNG\r\n\032\n\0", 9, "is a PNG image"},
        {"\377\330\377\340\0", 5, "is a JPEG image"},
        {"\177ELF\2\1\1\0", 8, "is an ELF program"},
        {"SQLite format 3\0", 16, "is an SQLite database"},
        {"GGUF\3\0\0\0", 8, "is a GGUF model"},
        {"some text\0and more", 18, "is a binary file (it holds NUL bytes)"},
        {"GIF89a\0\1", 8, "is a GIF image"},
        {"\1\2\3\4 text \5\6\7", 13, "is a binary file (much of it is control characters)"},
        {"\201\215\217\220 \235\377\201\215", 9,
         "is a binary file (no encoding explains its bytes)"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        assert_bytes_refused(files[i].bytes, files[i].size, files[i].name);
    static const char *const texts[] = {"GGUF is the name of a format\n", "GIF89a is one, too\n",
                                        "\344\366\374\337 \344\366\374"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        write_file(texts[i], strlen(texts[i]));
        document_close(open_file());
    }
    if (geteuid() != 0) {
        assert_int_equal(chmod(path, 0), 0);
        assert_refused(path, "permission");
        assert_int_equal(chmod(path, 0600), 0);
    }
}

static void refuses_blank_files(void **state)
{
    (void)state;
    static const char *const blank[] = {"\n", " \t\r\n\f\n", "\xEF\xBB\xBF",
                                        "\xC2\xA0\n\xE3\x80\x80", "\xC2\xAD\n"};
    for (size_t i = 0; i < sizeof blank / sizeof *blank; i++) {
        struct error error = {0};
        struct document_section section;
        write_file(blank[i], strlen(blank[i]));
        struct document_reader *reader = open_file();
        assert_false(document_next(reader, &section, &error));
        assert_int_equal(error.kind, ERROR_INPUT);
        assert_non_null(strstr(error.text, "has no text"));
        document_close(reader);
    }
}

static int make_file(void **state)
{
    (void)state;
    int descriptor = mkstemp(path);
    return descriptor < 0 ? -1 : close(descriptor);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_is_not_text),
        cmocka_unit_test(refuses_blank_files),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
