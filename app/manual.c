#include "app/manual.h"

#include "app/options.h"
#include "ui/action.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 78

/* --- words ---------------------------------------------------------------------------- */

struct page {
    FILE *out;
    size_t column;     /* of the text line that is being written; 0: none is */
    const char *names; /* arguments of what is described: words in capitals that stand for them */
};

static void end_line(struct page *page)
{
    if (page->column > 0)
        fputc('\n', page->out);
    page->column = 0;
}

/* What roff would act on; returns the columns written. */
static size_t put_escaped(struct page *page, const char *text, size_t size)
{
    size_t columns = 0;
    for (size_t i = 0; i < size; i++) {
        const char *escape = text[i] == '\\'   ? "\\e"
                             : text[i] == '`'  ? "\\(ga"
                             : text[i] == '\'' ? "\\(aq"
                             : text[i] == '"'  ? "\\(dq"
                             : text[i] == '~'  ? "\\(ti"
                             : text[i] == '^'  ? "\\(ha"
                                               : NULL;
        if (escape)
            fputs(escape, page->out);
        else
            fputc(text[i], page->out);
        columns += escape ? strlen(escape) : 1;
    }
    return columns;
}

static bool ends_sentence(const char *word, size_t size)
{
    while (size > 0 && word[size - 1] == ')')
        size--;
    return size > 0 && strchr(".?!", word[size - 1]);
}

static void put_plain(struct page *page, const char *word, size_t size)
{
    if (page->column > 0 && page->column + 1 + size > COLUMNS)
        end_line(page);
    if (page->column > 0)
        page->column += fputc(' ', page->out) == ' ';
    else if (*word == '.')
        fputs("\\&", page->out);
    page->column += put_escaped(page, word, size);
    if (ends_sentence(word, size))
        end_line(page);
}

/* Two letters that could be the name of a macro are kept from being one. */
static void put_macro_word(struct page *page, const char *word, size_t size)
{
    bool callable = size == 2 && isupper((unsigned char)word[0]) && islower((unsigned char)word[1]);
    fputs(callable ? " \\&" : " ", page->out);
    put_escaped(page, word, size);
}

/* What follows a macro's argument without a blank between. */
static void put_tail(struct page *page, const char *tail, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (!strchr(".,:;)?!", tail[i])) {
            fputs(" Ns", page->out);
            put_macro_word(page, tail + i, size - i);
            break;
        }
        fprintf(page->out, " %c", tail[i]);
    }
    fputc('\n', page->out);
}

/* Whether the word in capitals is one of the arguments' names. */
static bool is_name(const struct page *page, const char *word, size_t size)
{
    for (const char *at = page->names; *at;) {
        size_t length = strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        if (length > 0 && length == size && strncmp(at, word, size) == 0)
            return true;
        at += length > 0 ? length : 1;
    }
    return false;
}

static size_t span_of_word(const char *text)
{
    return strcspn(text, " ");
}

/* `...` */
static const char *put_literal(struct page *page, const char *text)
{
    const char *end = strchr(text + 1, '`');
    size_t size = end ? (size_t)(end - text) - 1 : strlen(text + 1);
    end_line(page);
    fputs(".Ql", page->out);
    for (const char *word = text + 1; word < text + 1 + size;) {
        size_t length = strcspn(word, " `");
        put_macro_word(page, word, length);
        word += length + strspn(word + length, " ");
    }
    text += 1 + size + (end != NULL);
    put_tail(page, text, span_of_word(text));
    return text + span_of_word(text);
}

static const char *put_word(struct page *page, const char *text)
{
    size_t size = span_of_word(text);
    size_t option =
        strncmp(text, "--", 2) == 0 ? 2 + strspn(text + 2, "abcdefghijklmnopqrstuvwxyz-") : 0;
    size_t name = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    if (*text == '`')
        return put_literal(page, text);
    if (option > 2) {
        end_line(page);
        fprintf(page->out, ".Fl %.*s", (int)option - 1, text + 1);
        put_tail(page, text + option, size - option);
    } else if (is_name(page, text, name) && !isalnum((unsigned char)text[name])) {
        end_line(page);
        fputs(".Ar ", page->out);
        for (size_t i = 0; i < name; i++)
            fputc(tolower((unsigned char)text[i]), page->out);
        put_tail(page, text + name, size - name);
    } else {
        put_plain(page, text, size);
    }
    return text + size;
}

static void put_text(struct page *page, const char *text)
{
    text += strspn(text, " ");
    while (*text) {
        text = put_word(page, text);
        text += strspn(text, " ");
    }
    end_line(page);
}

/* A text of the tables that has neither capital nor period. */
static void put_sentence(struct page *page, const char *text)
{
    char sentence[256];
    snprintf(sentence, sizeof sentence, "%s.", text);
    sentence[0] = (char)toupper((unsigned char)sentence[0]);
    put_text(page, sentence);
}

/* --- commands and options --------------------------------------------------------------- */

/* "DOC[:SECTION] QUESTION..." in macros on one line, `before` the first of them. */
static void put_arguments(FILE *out, const char *before, const char *text)
{
    bool joined = false;
    while (*text) {
        size_t name = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        if (*text == ' ') {
            joined = false;
            text++;
            continue;
        }
        if (strncmp(text, "...", 3) == 0) {
            fputs(" ...", out);
            text += 3;
            continue;
        }
        if (*text == '|') {
            fputs(" |", out);
            joined = false;
            text++;
            continue;
        }
        fputs(joined && *text != ']' ? " Ns " : before, out);
        before = " ";
        if (name > 0) {
            fputs("Ar ", out);
            for (size_t i = 0; i < name; i++)
                fputc(tolower((unsigned char)text[i]), out);
        } else {
            fputs(*text == '[' ? "Oo" : *text == ']' ? "Oc" : (char[]){*text, '\0'}, out);
        }
        joined = *text != '[';
        text += name > 0 ? name : 1;
    }
}

static void put_synopsis(FILE *out)
{
    for (int i = 0; i < OPTIONS_COMMANDS; i++) {
        fprintf(out, ".Nm\n.Cm %s\n", options_commands[i].name);
        for (const struct options_entry *entry = options_table; entry->name; entry++) {
            if (!options_is_own(entry, i))
                continue;
            fprintf(out, ".Op Fl -%s", entry->name);
            if (entry->argument)
                put_arguments(out, " ", entry->argument);
            fputc('\n', out);
        }
        if (*options_commands[i].arguments) {
            put_arguments(out, ".", options_commands[i].arguments);
            fputc('\n', out);
        }
    }
}

static void put_commands(FILE *out)
{
    fputs(".Bl -tag -width Ds\n", out);
    for (int i = 0; i < OPTIONS_COMMANDS; i++) {
        const struct options_command_entry *entry = &options_commands[i];
        struct page page = {.out = out, .names = entry->arguments};
        fprintf(out, ".It Cm %s", entry->name);
        put_arguments(out, " ", entry->arguments);
        fputc('\n', out);
        put_sentence(&page, entry->summary);
        put_text(&page, entry->detail);
    }
    fputs(".El\n", out);
}

static void put_range(struct page *page, const struct options_entry *entry)
{
    char text[80];
    bool number = entry->kind == OPTIONS_COUNT || entry->kind == OPTIONS_REAL;
    if (!number || entry->high > 1e9) /* so high that nobody will look for the end */
        return;
    snprintf(text, sizeof text, "%s %.15g to %.15g.", entry->above ? "Above" : "From", entry->low,
             entry->high);
    put_text(page, text);
}

/* Of several commands that take an option, the first one's list tells all of it. */
static void put_option(FILE *out, const struct options_entry *entry, bool whole)
{
    struct page page = {.out = out, .names = entry->argument ? entry->argument : ""};
    fputs(".It", out);
    if (entry->letter)
        fprintf(out, " Fl %c ,", entry->letter);
    fprintf(out, " Fl -%s", entry->name);
    if (entry->argument)
        put_arguments(out, " ", entry->argument);
    fputc('\n', out);
    put_sentence(&page, entry->help);
    if (!whole)
        return;
    put_range(&page, entry);
    if (entry->detail)
        put_text(&page, entry->detail);
}

static void put_common_options(FILE *out)
{
    fputs(".Bl -tag -width Ds\n", out);
    for (const struct options_entry *entry = options_table; entry->name; entry++)
        if (options_is_common(entry))
            put_option(out, entry, true);
    fputs(".El\n", out);
}

static void put_own_options(FILE *out)
{
    for (int i = 0; i < OPTIONS_COMMANDS; i++) {
        bool begun = false;
        for (const struct options_entry *entry = options_table; entry->name; entry++) {
            if (!options_is_own(entry, i))
                continue;
            if (!begun)
                fprintf(out, ".Ss Options of %s\n.Bl -tag -width Ds\n", options_commands[i].name);
            begun = true;
            put_option(out, entry, (entry->commands & ((1u << i) - 1)) == 0);
        }
        if (begun)
            fputs(".El\n", out);
    }
}

/* --- keys ------------------------------------------------------------------------------- */

/* What could be a delimiter or a macro, or end in one, is kept from it. */
static void put_key(struct page *page, const char *text, size_t size)
{
    fputs("\\&", page->out);
    put_escaped(page, text, size);
    if (strchr(".,:;()[]?!|", text[size - 1]))
        fputs("\\&", page->out);
}

static void put_action_argument(FILE *out, const struct action_entry *entry)
{
    static const char *const names[] = {
        [ACTION_NO_ARGUMENT] = NULL, [ACTION_FREE] = "text", [ACTION_FILE] = "file",
        [ACTION_LETTER] = "letter",  [ACTION_CHOICE] = NULL,
    };
    if (names[entry->argument])
        fprintf(out, " Op Ar %s", names[entry->argument]);
    if (!entry->choices)
        return;
    fputs(" Op", out);
    for (const char *word = entry->choices; *word;) {
        size_t size = strcspn(word, " ");
        fprintf(out, "%s Cm %.*s", word == entry->choices ? "" : " |", (int)size, word);
        word += size + strspn(word + size, " ");
    }
}

/* "In the library, the answers and lists."; nothing for what can be done everywhere. */
static void put_places(struct page *page, unsigned places)
{
    static const struct {
        unsigned places;
        const char *name;
    } names[] = {
        {ACTION_LIBRARY, "the library"}, {ACTION_DOCUMENT, "a document"},
        {ACTION_OUTLINE, "the outline"}, {ACTION_TEXT, "the text"},
        {ACTION_ANSWERS, "the answers"}, {ACTION_LIST, "lists"},
    };
    char text[128] = "In ";
    size_t used = strlen(text);
    if (places == ACTION_EVERYWHERE)
        return;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if ((places & names[i].places) != names[i].places)
            continue;
        places &= ~names[i].places;
        const char *before = used == 3 ? "" : places == 0 ? " and " : ", ";
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", before, names[i].name);
    }
    snprintf(text + used, sizeof text - used, ".");
    put_text(page, text);
}

static void put_action(struct page *page, const struct action_entry *entry)
{
    fputs(".It", page->out);
    for (const char *key = entry->keys; *key;) {
        size_t size = strcspn(key, " ");
        fputs(" Ic ", page->out);
        put_key(page, key, size);
        fputs(" ,", page->out);
        key += size + strspn(key + size, " ");
    }
    fprintf(page->out, " Ic \\&:%s", entry->name);
    put_action_argument(page->out, entry);
    fputc('\n', page->out);
    put_sentence(page, entry->help);
    put_places(page, entry->places);
}

static void put_keys(FILE *out)
{
    struct page page = {.out = out, .names = ""};
    for (int i = ACTION_NONE + 1; i < ACTION_COUNT; i++) {
        const struct action_entry *entry = &action_table[i];
        if (entry->group)
            fprintf(out, "%s.Ss %s\n.Bl -tag -width Ds\n", i > ACTION_NONE + 1 ? ".El\n" : "",
                    entry->group);
        put_action(&page, entry);
    }
    fputs(".El\n", out);
}

/* --- the page ----------------------------------------------------------------------------- */

static const struct part {
    const char *marker;
    void (*put)(FILE *out);
} parts[] = {
    {"@SYNOPSIS@\n", put_synopsis},
    {"@COMMANDS@\n", put_commands},
    {"@COMMON OPTIONS@\n", put_common_options},
    {"@OPTIONS@\n", put_own_options},
    {"@KEYS@\n", put_keys},
};

enum { PARTS = sizeof parts / sizeof parts[0] };

static bool put_part(FILE *out, const char *line, unsigned *met, struct error *error)
{
    for (unsigned i = 0; i < PARTS; i++)
        if (strcmp(line, parts[i].marker) == 0) {
            parts[i].put(out);
            *met |= 1u << i;
            return true;
        }
    return error_set(error, ERROR_INPUT, "the manual's template has an unknown marker: %.*s",
                     (int)strcspn(line, "\n"), line);
}

static bool check_parts(unsigned met, struct error *error)
{
    for (unsigned i = 0; i < PARTS; i++)
        if (!(met >> i & 1))
            return error_set(error, ERROR_INPUT, "the manual's template lacks the line %.*s",
                             (int)strcspn(parts[i].marker, "\n"), parts[i].marker);
    return true;
}

bool manual_write(FILE *out, FILE *page, struct error *error)
{
    char *line = NULL;
    size_t capacity = 0;
    unsigned met = 0;
    bool ok = true;
    while (ok && getline(&line, &capacity, page) >= 0) {
        if (*line == '@')
            ok = put_part(out, line, &met, error);
        else
            fputs(line, out);
    }
    free(line);
    if (ok && ferror(page))
        ok =
            error_set(error, ERROR_INPUT, "cannot read the manual's template: %s", strerror(errno));
    return ok && check_parts(met, error);
}
