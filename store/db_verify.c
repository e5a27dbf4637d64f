#include "store/db.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void db_report_kind(struct db_report *report)
{
    report->of_kind = 0;
}

/* A line stays one line, whatever it quotes. */
static void make_one_line(char *text)
{
    for (; *text; text++)
        if (*text == '\n' || *text == '\r')
            *text = ' ';
}

void db_report(struct db_report *report, const char *format, ...)
{
    report->problems++;
    if (report->of_kind++ >= DB_REPORT_LINES)
        return;
    char line[ERROR_TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    make_one_line(line);
    report->line(report->context, line);
}

/* The statements are fixed, so what SQLite finds wrong with one (SQLITE_ERROR) is due to
 * what it met in the file, such as numbers too large to add up. */
static bool is_damage(int status)
{
    return status == SQLITE_CORRUPT || status == SQLITE_NOTADB || status == SQLITE_FORMAT ||
           status == SQLITE_ERROR;
}

bool db_report_finish(struct db_report *report, struct db_query *query, struct error *error)
{
    int status = query->status & 0xFF;
    struct error found = {0};
    if (db_finish(query, &found))
        return true;
    if (is_damage(status)) {
        db_report(report, "%s", found.text);
        return true;
    }
    if (error)
        *error = found;
    return false;
}

/* SQLite puts several lines into a row, under a heading. */
static void report_lines(struct db_report *report, const char *file, char *text)
{
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        if (strncmp(line, "*** in database", 15) != 0)
            db_report(report, "%s: %s", file, line);
}

/* Whether SQLite finds anything; each line of it goes to `report`, if there is one. */
static bool run_check(struct db_query *query, struct db *db, const char *doing, const char *sql,
                      struct db_report *report)
{
    bool found = false;
    db_prepare(query, db, doing, sql);
    while (db_row(query)) {
        char *text = db_get_text(query, NULL);
        if (text && strcmp(text, "ok") != 0) {
            found = true;
            if (report)
                report_lines(report, db->kind->file, text);
        }
        free(text);
    }
    return found;
}

bool db_find_damage(struct db_query *query, struct db *db, const char *doing, const char *sql,
                    struct db_report *report)
{
    if (!run_check(query, db, doing, sql, NULL))
        return false;
    (void)!db_finish(query, NULL);
    return run_check(query, db, doing, sql, report);
}

static bool check_integrity(struct db *db, struct db_report *report, struct error *error)
{
    struct db_query query;
    db_report_kind(report);
    db_find_damage(&query, db, "check the file", "PRAGMA integrity_check(100)", report);
    return db_report_finish(report, &query, error);
}

static bool check_references(struct db *db, struct db_report *report, struct error *error)
{
    struct db_query query;
    db_report_kind(report);
    db_prepare(&query, db, "check what refers to what",
               "SELECT [table], coalesce(rowid, 0), parent FROM pragma_foreign_key_check");
    while (db_row(&query)) {
        char *table = db_get_text(&query, NULL);
        int64_t row = db_get_int(&query, INT64_MIN, INT64_MAX);
        char *parent = db_get_text(&query, NULL);
        if (db_ok(&query))
            db_report(report, "%s: row %lld of %s refers to a %s that is not there", db->kind->file,
                      (long long)row, table, parent);
        free(table);
        free(parent);
    }
    return db_report_finish(report, &query, error);
}

bool db_verify_file(struct db *db, struct db_report *report, struct error *error)
{
    return check_integrity(db, report, error) && check_references(db, report, error);
}
