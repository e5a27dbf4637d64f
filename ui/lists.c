#include "ui/lists.h"

#include "ui/cluster.h"
#include "ui/document_tools.h"
#include "ui/list_view.h"
#include "ui/map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A text in one line: line ends become blanks, and what does not fit is cut. */
static int put_line(struct canvas_area area, int column, const char *text, enum theme_style style)
{
    for (;;) {
        size_t size = strcspn(text, "\n");
        if (text[size] == '\0')
            return canvas_label(area, 0, column, text, style);
        column = canvas_put(area, 0, column, text, size, style);
        column = canvas_label(area, 0, column, " ", style);
        text += size + 1;
    }
}

/* --- help ------------------------------------------------------------------------------ */

/* A heading or an action. */
struct help_line {
    const char *heading;
    enum action action;
};

struct help {
    struct host *host;
    struct help_line lines[2 * ACTION_COUNT];
    size_t count;
};

static size_t help_count(void *context)
{
    return ((struct help *)context)->count;
}

static void help_draw(void *context, size_t index, struct canvas_area line, enum theme_style style)
{
    struct help *help = context;
    const struct help_line *entry = &help->lines[index];
    const struct action_entry *action = &action_table[entry->action];
    struct buffer keys = {0};
    struct error error;
    bool plain = style == THEME_TEXT;
    if (entry->heading) {
        canvas_label(line, 0, 0, entry->heading, plain ? THEME_TITLE : style);
        return;
    }
    int key_columns = line.columns >= 120 ? 34 : line.columns >= 60 ? 22 : 10;
    int name_columns = line.columns >= 70 ? 20 : 0;
    struct canvas_area cell = {line.line, line.column, 1, key_columns - 1};
    if (keymap_keys(help->host->keymap, entry->action, &keys, &error) && keys.data)
        canvas_label(cell, 0, 0, keys.data, plain ? THEME_KEY : style);
    buffer_free(&keys);
    if (name_columns)
        canvas_format(line, 0, key_columns, plain ? THEME_DIM : style, ":%s", action->name);
    canvas_label(line, 0, key_columns + name_columns, action->help, style);
}

static bool help_detail(void *context, size_t index, struct buffer *text, struct error *error)
{
    struct help *help = context;
    const struct help_line *entry = &help->lines[index];
    const struct action_entry *action = &action_table[entry->action];
    if (entry->heading)
        return buffer_append_text(text, entry->heading, error);
    return keymap_keys(help->host->keymap, entry->action, text, error) &&
           buffer_append_format(text, error, "%s:%s\n%s.", text->size > 0 ? "  " : "", action->name,
                                action->help);
}

static void help_open(void *context, size_t index)
{
    const struct help *help = context;
    struct host *host = help->host;
    enum action action = help->lines[index].action;
    if (help->lines[index].heading)
        return;
    host_pop(host);
    if (host->top && (action_table[action].places & host->top->kind->place(host->top)) &&
        action_table[action].argument != ACTION_LETTER)
        host_act(host, action, NULL);
}

struct view *lists_help(struct host *host)
{
    static const struct list_view_kind kind = {.title = "keys, and the commands of `:`",
                                               .nothing = "",
                                               .count = help_count,
                                               .draw = help_draw,
                                               .detail = help_detail,
                                               .open = help_open,
                                               .free = free};
    struct help *help = calloc(1, sizeof *help);
    if (!help)
        return NULL;
    help->host = host;
    for (int i = ACTION_NONE + 1; i < ACTION_COUNT; i++) {
        if (action_table[i].group)
            help->lines[help->count++] = (struct help_line){.heading = action_table[i].group};
        help->lines[help->count++] = (struct help_line){.action = (enum action)i};
    }
    return list_view_new(host, &kind, help, 0);
}

/* --- all documents ------------------------------------------------------------------------ */

struct finds {
    struct host *host;
    char *query;
    struct browsing_finds found;
    bool pending, closed, failed;
};

static bool run_finds(struct session *session, void *context, struct error *error)
{
    struct finds *finds = context;
    return browsing_find_all(session, finds->query, 500, &finds->found, error);
}

static void free_finds(struct finds *finds)
{
    browsing_finds_free(&finds->found);
    free(finds->query);
    free(finds);
}

static void finds_done(void *context, const struct error *failure)
{
    struct finds *finds = context;
    finds->pending = false;
    if (finds->closed) {
        free_finds(finds);
        return;
    }
    if (failure)
        host_fail(finds->host, failure);
    else if (finds->found.count == 0)
        host_say(finds->host, "no document holds any of these words");
    host_changed(finds->host);
}

static size_t finds_count(void *context)
{
    const struct finds *finds = context;
    return finds->pending ? 0 : finds->found.count;
}

static void finds_draw(void *context, size_t index, struct canvas_area line, enum theme_style style)
{
    const struct browsing_find *find = &((struct finds *)context)->found.items[index];
    bool plain = style == THEME_TEXT;
    int name_columns = line.columns >= 40 ? line.columns / 4 : 0;
    int title_columns = line.columns / (line.columns >= 40 ? 4 : 2);
    struct canvas_area name = {line.line, line.column, 1, name_columns - 1};
    struct canvas_area title = {line.line, line.column + name_columns, 1, title_columns - 1};
    canvas_label(name, 0, 0, find->name, style);
    canvas_label(title, 0, 0, find->title, plain ? THEME_HEADING : style);
    put_line(line, name_columns + title_columns, find->excerpt, plain ? THEME_DIM : style);
}

static bool finds_detail(void *context, size_t index, struct buffer *text, struct error *error)
{
    const struct browsing_find *find = &((struct finds *)context)->found.items[index];
    return buffer_append_format(text, error, "%s\n%s\n%s", find->name, find->title, find->excerpt);
}

static void finds_open(void *context, size_t index)
{
    struct finds *finds = context;
    const struct browsing_find *find = &finds->found.items[index];
    struct view *view = document_view_new(finds->host, find->document);
    if (view)
        document_tools_begin((struct document_view *)view, find->section, finds->query);
    host_push(finds->host, view);
}

static void finds_free(void *context)
{
    struct finds *finds = context;
    finds->closed = true;
    if (!finds->pending)
        free_finds(finds);
}

struct view *lists_finds(struct host *host, const char *query)
{
    static const struct list_view_kind kind = {.title = "found in all documents",
                                               .nothing = "",
                                               .count = finds_count,
                                               .draw = finds_draw,
                                               .detail = finds_detail,
                                               .open = finds_open,
                                               .free = finds_free};
    struct finds *finds = calloc(1, sizeof *finds);
    if (!finds)
        return NULL;
    finds->host = host;
    finds->query = strdup(query);
    if (!finds->query) {
        free_finds(finds);
        return NULL;
    }
    struct view *view = list_view_new(host, &kind, finds, 0);
    if (!view)
        return NULL;
    finds->pending = true;
    desk_submit(host->desk, DESK_QUICK,
                &(struct desk_request){.run = run_finds, .context = finds, .done = finds_done},
                NULL);
    return view;
}

/* --- notes ---------------------------------------------------------------------------------- */

static struct book *book_of(void *context)
{
    return ((struct document_view *)context)->book;
}

/* The document's view is not the list's to free. */
static void keep(void *context)
{
    (void)context;
}

static size_t notes_count(void *context)
{
    return book_of(context)->notes.count;
}

static void put_title(const struct book *book, int64_t section, struct canvas_area area,
                      enum theme_style style)
{
    if (section < 0 || section >= book->document.sections)
        return;
    const char *title = book->document.outline[section].title;
    canvas_label(area, 0, 0, title, style);
}

static void notes_draw(void *context, size_t index, struct canvas_area line, enum theme_style style)
{
    const struct book *book = book_of(context);
    const struct noting_note *item = &book->notes.items[index];
    const struct library_note *note = &item->note;
    bool plain = style == THEME_TEXT;
    const char *sign = note->kind == LIBRARY_NOTE_MARK       ? note->name
                       : note->kind == LIBRARY_NOTE_BOOKMARK ? "#"
                                                             : "*";
    canvas_put(line, 0, 0, sign, strlen(sign), plain ? THEME_NOTED : style);
    int title_columns = line.columns / 4;
    struct canvas_area title = {line.line, line.column + 3, 1, title_columns - 1};
    if (item->lost)
        canvas_label(title, 0, 0, "(text is gone)", plain ? THEME_ERROR : style);
    else
        put_title(book, note->section, title, plain ? THEME_HEADING : style);
    int column = 3 + title_columns;
    if (note->text[0]) {
        column = put_line(line, column, note->text, style);
        column = canvas_label(line, 0, column, "  ", style);
    }
    put_line(line, column, note->passage, plain ? THEME_DIM : style);
}

static bool notes_detail(void *context, size_t index, struct buffer *text, struct error *error)
{
    const struct library_note *note = &book_of(context)->notes.items[index].note;
    return buffer_append_format(text, error, "%s%s%s", note->text, note->text[0] ? "\n\n" : "",
                                note->passage);
}

static void notes_open(void *context, size_t index)
{
    struct document_view *v = context;
    const struct noting_note *item = &v->book->notes.items[index];
    struct book_place place = {item->note.section, (size_t)item->note.begin};
    size_t end = (size_t)item->note.end;
    if (item->lost) {
        host_say(v->host, "its text is no longer in the document");
        return;
    }
    host_pop(v->host);
    document_view_go(v, place, end);
}

static bool notes_act(void *context, size_t index, enum action action, const char *argument)
{
    struct document_view *v = context;
    (void)argument;
    if (action != ACTION_REMOVE)
        return false;
    book_remove_note(v->book, v->book->notes.items[index].note.id);
    return true;
}

struct view *lists_notes(struct document_view *document)
{
    static const struct list_view_kind kind = {.title = "marks, bookmarks and notes",
                                               .nothing = "Nothing was noted yet.",
                                               .count = notes_count,
                                               .draw = notes_draw,
                                               .detail = notes_detail,
                                               .open = notes_open,
                                               .act = notes_act,
                                               .free = keep};
    return list_view_new(document->host, &kind, document, 0);
}

/* --- summaries ------------------------------------------------------------------------------ */

static size_t summaries_count(void *context)
{
    return book_of(context)->summaries.count;
}

static const char *summary_name(enum library_summary_kind kind)
{
    return kind == LIBRARY_SUMMARY_DOCUMENT  ? "document"
           : kind == LIBRARY_SUMMARY_CHAPTER ? "chapter"
           : kind == LIBRARY_SUMMARY_SO_FAR  ? "so far"
                                             : "section";
}

static void summaries_draw(void *context, size_t index, struct canvas_area line,
                           enum theme_style style)
{
    const struct book *book = book_of(context);
    const struct browsing_summary *summary = &book->summaries.items[index];
    bool plain = style == THEME_TEXT;
    int title_columns = line.columns / 4;
    struct canvas_area title = {line.line, line.column + 10, 1, title_columns - 1};
    canvas_label(line, 0, 0, summary_name(summary->kind), plain ? THEME_DIM : style);
    put_title(book, summary->section, title, plain ? THEME_HEADING : style);
    put_line(line, 10 + title_columns, summary->text, plain ? THEME_SUMMARY : style);
}

static bool summaries_detail(void *context, size_t index, struct buffer *text, struct error *error)
{
    return buffer_append_text(text, book_of(context)->summaries.items[index].text, error);
}

static void summaries_open(void *context, size_t index)
{
    struct document_view *v = context;
    int64_t section = v->book->summaries.items[index].section;
    host_pop(v->host);
    if (section >= 0 && section < v->book->document.sections)
        document_view_go(v, (struct book_place){section, 0}, 0);
}

struct view *lists_summaries(struct document_view *document)
{
    static const struct list_view_kind kind = {.title = "summaries",
                                               .nothing = "Nothing was summarized yet.",
                                               .count = summaries_count,
                                               .draw = summaries_draw,
                                               .detail = summaries_detail,
                                               .open = summaries_open,
                                               .free = keep};
    return list_view_new(document->host, &kind, document, 0);
}

/* --- hits ------------------------------------------------------------------------------------ */

static size_t hits_count(void *context)
{
    return book_of(context)->hits.count;
}

static void hits_draw(void *context, size_t index, struct canvas_area line, enum theme_style style)
{
    enum { BEFORE = 30 }; /* bytes of context */
    struct document_view *v = context;
    const struct searching_hit *hit = &v->book->hits.items[index];
    bool plain = style == THEME_TEXT;
    int title_columns = line.columns / 4;
    struct canvas_area title = {line.line, line.column, 1, title_columns - 1};
    put_title(v->book, hit->section, title, plain ? THEME_HEADING : style);
    const struct book_text *text =
        v->text_pane.columns ? book_text(v->book, hit->section, v->text_pane.columns) : NULL;
    if (!text || text->wrap.count == 0 || hit->end > text->text.size)
        return;
    const struct wrap_row *row = &text->wrap.rows[wrap_find(&text->wrap, hit->begin)];
    size_t begin = row->begin;
    while (begin < hit->begin && hit->begin - begin > BEFORE) {
        struct cluster cluster;
        cluster_next(&cluster, text->text.text, text->text.size, begin);
        begin += cluster.size;
    }
    const char *bytes = text->text.text;
    size_t end = row->end > hit->end ? row->end : hit->end;
    if (begin > hit->begin) /* it lies within a cluster */
        begin = hit->begin;
    int column = canvas_put(line, 0, title_columns, bytes + begin, hit->begin - begin, style);
    column = canvas_put(line, 0, column, bytes + hit->begin, hit->end - hit->begin,
                        plain ? THEME_HIT : style);
    canvas_put(line, 0, column, bytes + hit->end, end - hit->end, style);
}

static void hits_open(void *context, size_t index)
{
    struct document_view *v = context;
    const struct searching_hit *hit = &v->book->hits.items[index];
    struct book_place place = {hit->section, hit->begin};
    host_pop(v->host);
    document_view_go(v, place, 0);
}

struct view *lists_hits(struct document_view *document)
{
    static const struct list_view_kind kind = {.title = "hits of the search",
                                               .nothing = "No hits.",
                                               .count = hits_count,
                                               .draw = hits_draw,
                                               .open = hits_open,
                                               .free = keep};
    return list_view_new(document->host, &kind, document,
                         book_first_hit(document->book, document->text_pane.cursor));
}

/* --- the tree of questions -------------------------------------------------------------------- */

struct tree {
    struct document_view *document;
    size_t *order, *depth; /* conversing_tree's, of the conversation at ... */
    size_t count;
    unsigned edition; /* ... this one */
};

static void make_tree(struct tree *tree)
{
    struct error error = {0};
    const struct conversing *conversation = &tree->document->book->conversation;
    free(tree->order);
    free(tree->depth);
    tree->edition = tree->document->book->edition;
    tree->order = calloc(conversation->count + 1, sizeof *tree->order);
    tree->depth = calloc(conversation->count + 1, sizeof *tree->depth);
    bool ok = tree->order && tree->depth ? true : error_out_of_memory(&error);
    ok = ok && conversing_tree(conversation, tree->order, tree->depth, &error);
    tree->count = ok ? conversation->count : 0;
    if (!ok)
        host_fail(tree->document->host, &error);
}

static size_t tree_count(void *context)
{
    struct tree *tree = context;
    if (tree->edition != tree->document->book->edition)
        make_tree(tree);
    return tree->count;
}

static const struct conversing_turn *tree_turn(const struct tree *tree, size_t index)
{
    return &tree->document->book->conversation.turns[tree->order[index]];
}

static void tree_draw(void *context, size_t index, struct canvas_area line, enum theme_style style)
{
    struct tree *tree = context;
    const struct conversing_turn *turn = tree_turn(tree, index);
    bool plain = style == THEME_TEXT;
    size_t depth = tree->depth[index];
    int column = 2 * (int)(depth < 10 ? depth : 10);
    if (depth > 0)
        canvas_label(line, 0, column - 2, "+", plain ? THEME_BORDER : style);
    column = put_line(line, column, turn->question, plain ? THEME_QUESTION : style);
    column = canvas_label(line, 0, column, "  ", style);
    const char *answer = turn->answer ? turn->answer : "(the document does not say)";
    put_line(line, column, answer, plain ? THEME_DIM : style);
}

static bool tree_detail(void *context, size_t index, struct buffer *text, struct error *error)
{
    const struct conversing_turn *turn = tree_turn(context, index);
    return buffer_append_format(text, error, "%s\n\n%s", turn->question,
                                turn->answer ? turn->answer : "The document does not say.");
}

static void tree_open(void *context, size_t index)
{
    struct tree *tree = context;
    struct document_view *v = tree->document;
    int64_t id = tree_turn(tree, index)->id;
    host_pop(v->host);
    v->focus = LAYOUT_ANSWERS;
    v->answers = true;
    answers_pane_show(&v->answers_pane, id);
}

static bool tree_act(void *context, size_t index, enum action action, const char *argument)
{
    struct tree *tree = context;
    struct document_view *v = tree->document;
    int64_t id = tree_turn(tree, index)->id;
    if (action == ACTION_REMOVE) {
        book_forget(v->book, id);
        return true;
    }
    if (action != ACTION_FOLLOW_UP)
        return false;
    tree_open(context, index);
    document_tools_follow_up(v, id, argument);
    return true;
}

static void tree_free(void *context)
{
    struct tree *tree = context;
    free(tree->order);
    free(tree->depth);
    free(tree);
}

struct view *lists_questions(struct document_view *document)
{
    static const struct list_view_kind kind = {.title = "questions",
                                               .nothing = "Nothing was asked yet.",
                                               .count = tree_count,
                                               .draw = tree_draw,
                                               .detail = tree_detail,
                                               .open = tree_open,
                                               .act = tree_act,
                                               .free = tree_free};
    struct tree *tree = calloc(1, sizeof *tree);
    if (!tree)
        return NULL;
    tree->document = document;
    make_tree(tree);
    return list_view_new(document->host, &kind, tree, tree->count ? tree->count - 1 : 0);
}

/* --- the map --------------------------------------------------------------------------------- */

enum { STRETCHES = 64, AT_ONCE = 256 };

/* The blocks of AT_ONCE sections, which are more than any screen shows, from the first one
 * seen on. */
struct map {
    struct document_view *document;
    int64_t first; /* of the piece; -1: none */
    size_t stretches;
    float *bits;  /* [AT_ONCE * stretches] */
    int64_t seen; /* first section that is drawn; -1: not known yet */
    bool pending, closed, failed;
};

struct load_map {
    struct map *map;
    int64_t document, first;
    size_t count, stretches;
    float *bits;
};

static bool run_load_map(struct session *session, void *context, struct error *error)
{
    struct load_map *load = context;
    return browsing_surprise(session, load->document, load->first, load->count, load->stretches,
                             load->bits, error);
}

static void free_map(struct map *map)
{
    free(map->bits);
    free(map);
}

static void load_map_done(void *context, const struct error *failure)
{
    struct load_map *load = context;
    struct map *map = load->map;
    map->pending = false;
    if (map->closed) {
        free_map(map);
        free(load->bits);
        free(load);
        return;
    }
    if (failure) {
        host_fail(map->document->host, failure);
        map->failed = true;
        free(load->bits);
    } else {
        free(map->bits);
        map->bits = load->bits;
        map->first = load->first;
        map->stretches = load->stretches;
    }
    host_changed(map->document->host);
    free(load);
}

static void load_map(struct map *map, size_t stretches)
{
    const struct book *book = map->document->book;
    struct load_map *load = map->pending || map->failed ? NULL : calloc(1, sizeof *load);
    if (!load)
        return;
    int64_t first = map->seen;
    int64_t count = book->document.sections - first;
    *load = (struct load_map){
        map, book->id, first, (size_t)(count < AT_ONCE ? count : AT_ONCE), stretches, NULL};
    load->bits = calloc(AT_ONCE * stretches, sizeof *load->bits);
    if (!load->bits) {
        free(load);
        return;
    }
    map->pending = true;
    desk_submit(map->document->host->desk, DESK_QUICK,
                &(struct desk_request){.run = run_load_map, .context = load, .done = load_map_done},
                NULL);
}

static size_t map_count(void *context)
{
    struct map *map = context;
    map->seen = -1; /* each drawing begins with counting */
    return (size_t)book_of(map->document)->document.sections;
}

static void map_draw_line(void *context, size_t index, struct canvas_area line,
                          enum theme_style style)
{
    struct map *map = context;
    const struct book *book = map->document->book;
    int64_t section = (int64_t)index;
    if (map->seen < 0)
        map->seen = section;
    int title_columns = line.columns / 3 < 36 ? line.columns / 3 : 36;
    int number_columns = line.columns >= 50 ? 6 : 0;
    int room = line.columns - title_columns - number_columns;
    size_t stretches = (size_t)(room < STRETCHES ? (room > 1 ? room : 1) : STRETCHES);
    struct canvas_area title = {line.line, line.column, 1, title_columns - 1};
    double bits = book_bits(book, section);
    put_title(book, section, title, style);
    if (number_columns && bits >= 0)
        canvas_format(line, 0, title_columns, style == THEME_TEXT ? THEME_DIM : style, "%.2f",
                      bits);
    bool here = map->bits && map->stretches == stretches && section >= map->first &&
                section < map->first + AT_ONCE;
    /* It was read after these were loaded. */
    bool old = here && bits >= 0 && map->bits[(size_t)(section - map->first) * stretches] < 0;
    if (old)
        load_map(map, stretches);
    if (here)
        map_draw_stretches(book, section, map->bits + (size_t)(section - map->first) * stretches,
                           stretches, line, title_columns + number_columns);
    else
        load_map(map, stretches);
}

static void map_open(void *context, size_t index)
{
    struct document_view *v = ((struct map *)context)->document;
    host_pop(v->host);
    document_view_go(v, (struct book_place){(int64_t)index, 0}, 0);
}

static void map_free(void *context)
{
    struct map *map = context;
    map->closed = true;
    if (!map->pending)
        free_map(map);
}

struct view *lists_map(struct document_view *document)
{
    static const struct list_view_kind kind = {.title = "map: bits per token, section by section",
                                               .nothing = "",
                                               .count = map_count,
                                               .draw = map_draw_line,
                                               .open = map_open,
                                               .free = map_free};
    struct map *map = calloc(1, sizeof *map);
    if (!map)
        return NULL;
    map->document = document;
    map->first = -1;
    return list_view_new(document->host, &kind, map, (size_t)document->text_pane.cursor.section);
}
