/* What a file is by its first bytes. */
#include "document/format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define IS(format, text) assert_int_equal(format_find(text, sizeof(text) - 1), format)

static void knows_archives_and_pdf(void **state)
{
    (void)state;
    IS(FORMAT_ZIP, "PK\003\004\024\0");
    IS(FORMAT_PDF, "%PDF-1.7\n");
    IS(FORMAT_PDF, "\r\n  %PDF-1.4");
    IS(FORMAT_PDF, "\033%-12345X\0%PDF-1.4");
    IS(FORMAT_TEXT, "A file that begins with %PDF- is a PDF.");
    IS(FORMAT_TEXT, "%PDF");
    IS(FORMAT_TEXT, "");
}

static void knows_html(void **state)
{
    (void)state;
    IS(FORMAT_HTML, "<!DOCTYPE html><p>x");
    IS(FORMAT_HTML, "  <!-- a > b -->\n<?xml version='1.0'?>\n<!doctype HTML PUBLIC '-//W3C'>");
    IS(FORMAT_HTML, "\xEF\xBB\xBF<HTML lang=en>");
    IS(FORMAT_HTML, "\xFF\xFE<\0h\0t\0m\0l\0>\0");
    IS(FORMAT_HTML, "\xFE\xFF\0<\0h\0e\0a\0d\0>");
    IS(FORMAT_HTML, "<title>x</title>");
    IS(FORMAT_TEXT, "<htmlish> is no element");
    IS(FORMAT_TEXT, "<p align=center>A picture above a title in Markdown</p>");
    IS(FORMAT_TEXT, "<!DOCTYPE svg>");
    IS(FORMAT_TEXT, "<?xml version='1.0'?><svg>");
    IS(FORMAT_TEXT, "<!-- never closed <html>");
    IS(FORMAT_TEXT, "An <html> later");
    IS(FORMAT_TEXT, "<html");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_archives_and_pdf),
        cmocka_unit_test(knows_html),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
