#include "ui/document_tools.h"

#include "ui/child.h"

#include <stdio.h>
#include <string.h>

/* --- searching ------------------------------------------------------------------------------- */

static void go_to_hit(struct document_view *v, bool backwards)
{
    struct book *book = v->book;
    ptrdiff_t hit = book_hit(book, v->text_pane.cursor, backwards);
    if (!book->pattern) {
        host_say(v->host, "no search yet");
    } else if (hit < 0) {
        host_say(v->host, book->search_next >= 0 ? "searching..." : "not found: %s", book->pattern);
    } else {
        const struct searching_hit *to = &book->hits.items[hit];
        text_pane_go(&v->text_pane, (struct book_place){to->section, to->begin});
        document_view_focus(v, LAYOUT_TEXT);
    }
}

static void search(struct document_view *v, const char *pattern, bool backwards)
{
    document_view_remember(v);
    v->search_waits = book_search(v->book, pattern, backwards);
}

/* A pattern that matches any of the words as they are. */
static bool words_pattern(struct buffer *pattern, const char *words, struct error *error)
{
    bool ok = buffer_append(pattern, "", 0, error);
    for (const char *word = words + strspn(words, " "); ok && *word;) {
        size_t size = strcspn(word, " ");
        ok = buffer_append_format(pattern, error, "%s\\Q", pattern->size > 0 ? "|" : "");
        for (size_t i = 0; ok && i < size; i++)
            ok = word[i] == '\\' || buffer_append_byte(pattern, word[i], error);
        ok = ok && buffer_append_text(pattern, "\\E", error);
        word += size + strspn(word + size, " ");
    }
    return ok;
}

void document_tools_begin(struct document_view *v, int64_t section, const char *words)
{
    struct error error = {0};
    struct buffer pattern = {0};
    v->begins = true;
    text_pane_go(&v->text_pane, (struct book_place){section, 0});
    if (!words_pattern(&pattern, words, &error))
        host_fail(v->host, &error);
    else if (pattern.size > 0)
        v->search_waits = book_search(v->book, pattern.data, false);
    buffer_free(&pattern);
}

static void accept_search(void *context, const char *text)
{
    search(context, text, false);
}

static void accept_search_back(void *context, const char *text)
{
    search(context, text, true);
}

/* Goes to the first hit as soon as it is known: what lies between the cursor and it must
 * have been searched. */
static void follow_search(struct document_view *v)
{
    const struct book *book = v->book;
    struct book_place at = v->text_pane.cursor;
    if (!v->search_waits || !book->pattern)
        return;
    ptrdiff_t hit = book_hit(book, at, book->search_backwards);
    bool all = book->search_next < 0;
    bool sure = hit >= 0 && !book->search_backwards &&
                book->hits.items[hit].section >= at.section && book->search_next > at.section;
    if (!all && !sure)
        return;
    /* Its text first, so that the rows around it are known. */
    unsigned columns = v->text_pane.columns;
    if (hit >= 0 && columns == 0) { /* nor can they be before the text is drawn once */
        host_changed(v->host);
        return;
    }
    if (hit >= 0 && !book_text(v->book, book->hits.items[hit].section, columns))
        return;
    v->search_waits = false;
    if (hit >= 0)
        go_to_hit(v, book->search_backwards);
}

/* --- asking ----------------------------------------------------------------------------------- */

static void ask(struct document_view *v, const char *question)
{
    bool busy = v->book->task != BOOK_IDLE;
    v->turns_before = v->book->conversation.count;
    book_ask(v->book, question, v->as_of, v->after);
    if (busy || v->book->task != BOOK_ASKING)
        return;
    v->answer_waits = true;
    v->answers_pane.scroll.at = v->answers_pane.count;
    document_view_remember(v);
    document_view_focus(v, LAYOUT_ANSWERS);
}

static void accept_question(void *context, const char *text)
{
    ask(context, text);
}

static void ask_for_question(struct document_view *v, const char *label, const char *question)
{
    struct host_prompt prompt = {
        .label = label, .history = HOST_QUESTIONS, .context = v, .accept = accept_question};
    if (question)
        ask(v, question);
    else
        host_ask(v->host, &prompt);
}

void document_tools_follow_up(struct document_view *v, int64_t turn, const char *question)
{
    v->as_of = -1;
    v->after = turn;
    ask_for_question(v, "Follow up: ", question);
}

static void follow_up(struct document_view *v, const char *question)
{
    const struct conversing_turn *turn = answers_pane_turn(&v->answers_pane);
    if (!turn && v->book->conversation.count > 0)
        turn = &v->book->conversation.turns[v->book->conversation.count - 1];
    if (turn)
        document_tools_follow_up(v, turn->id, question);
    else
        host_say(v->host, "nothing was asked yet");
}

/* When the answer has come. */
static void follow_answer(struct document_view *v)
{
    const struct conversing *conversation = &v->book->conversation;
    if (!v->answer_waits || v->book->task == BOOK_ASKING)
        return;
    v->answer_waits = false;
    if (conversation->count > v->turns_before)
        answers_pane_show(&v->answers_pane, conversation->turns[conversation->count - 1].id);
}

static int64_t section_here(const struct document_view *v)
{
    return v->focus == LAYOUT_OUTLINE ? (int64_t)v->outline_pane.scroll.at
                                      : v->text_pane.cursor.section;
}

static void sum(struct document_view *v, enum book_summary what)
{
    int64_t section = section_here(v);
    bool busy = v->book->task != BOOK_IDLE;
    book_sum(v->book, what, section);
    if (busy || v->book->task != BOOK_SUMMING)
        return;
    /* It will stand in the outline, at this section or, of the whole, at the first. */
    if (v->layout.single || !v->outline)
        document_view_focus(v, LAYOUT_OUTLINE);
    if (what == BOOK_DOCUMENT) {
        document_view_focus(v, LAYOUT_OUTLINE);
        section = 0;
    }
    v->outline_pane.scroll.at = (size_t)section;
}

/* --- notes -------------------------------------------------------------------------------------
 */

static bool passage(struct document_view *v, struct library_note *note)
{
    size_t begin, end;
    if (!text_pane_passage(&v->text_pane, &note->section, &begin, &end)) {
        host_say(v->host, "the text is not there yet; try again in a moment");
        return false;
    }
    note->begin = (int64_t)begin;
    note->end = (int64_t)end;
    return true;
}

static void put_note(struct document_view *v, const char *text)
{
    v->note.text = (char *)(uintptr_t)text;
    book_note(v->book, &v->note);
    v->note = (struct library_note){0};
    v->text_pane.choosing = false;
}

static void accept_note(void *context, const char *text)
{
    struct document_view *v = context;
    put_note(v, text);
    host_say(v->host, "noted");
}

static void note(struct document_view *v, const char *text)
{
    struct host_prompt prompt = {
        .label = "Note: ", .history = HOST_NOTES, .context = v, .accept = accept_note};
    const struct noting_note *old = book_note_at(v->book, LIBRARY_NOTE_NOTE, v->text_pane.cursor);
    v->note = (struct library_note){.kind = LIBRARY_NOTE_NOTE};
    if (!passage(v, &v->note))
        return;
    if (old && !v->text_pane.choosing) { /* what is written there is changed */
        v->note.id = old->note.id;
        v->note.begin = old->note.begin;
        v->note.end = old->note.end;
        prompt.text = old->note.text;
    }
    if (text)
        accept_note(v, text);
    else
        host_ask(v->host, &prompt);
}

static void bookmark(struct document_view *v, const char *text)
{
    const struct noting_note *old =
        book_note_at(v->book, LIBRARY_NOTE_BOOKMARK, v->text_pane.cursor);
    v->note = (struct library_note){.kind = LIBRARY_NOTE_BOOKMARK};
    if (old && !text) {
        book_remove_note(v->book, old->note.id);
        host_say(v->host, "the bookmark is removed");
    } else if (passage(v, &v->note)) {
        v->note.id = old ? old->note.id : 0;
        put_note(v, text ? text : "");
        host_say(v->host, "bookmark set");
    }
}

static void mark(struct document_view *v, const char *letter)
{
    if (!letter) {
        host_say(v->host, "a mark needs a letter");
        return;
    }
    v->note = (struct library_note){.kind = LIBRARY_NOTE_MARK, .name = (char *)(uintptr_t)letter};
    if (passage(v, &v->note))
        put_note(v, "");
    host_say(v->host, "mark %s set", letter);
}

static void jump(struct document_view *v, const char *letter)
{
    for (size_t i = 0; letter && i < v->book->notes.count; i++) {
        const struct noting_note *item = &v->book->notes.items[i];
        if (item->note.kind != LIBRARY_NOTE_MARK || strcmp(item->note.name, letter) != 0)
            continue;
        if (item->lost)
            host_say(v->host, "the text at mark %s is no longer in the document", letter);
        else
            document_view_go(v, (struct book_place){item->note.section, (size_t)item->note.begin},
                             0);
        return;
    }
    host_say(v->host, "no mark of that letter");
}

/* --- out of here ---------------------------------------------------------------------------------
 */

static bool copied_text(struct document_view *v, struct buffer *text, struct error *error)
{
    const struct conversing_turn *turn = answers_pane_turn(&v->answers_pane);
    const struct asking_quote *quote = answers_pane_quote(&v->answers_pane);
    int64_t section;
    size_t begin, end;
    if (v->focus == LAYOUT_ANSWERS && quote)
        return buffer_append_text(text, quote->text, error);
    if (v->focus == LAYOUT_ANSWERS && turn)
        return buffer_append_text(text, turn->answer ? turn->answer : turn->question, error);
    if (!text_pane_passage(&v->text_pane, &section, &begin, &end))
        return true;
    const struct book_text *from_text = book_text(v->book, section, v->text_pane.columns);
    return !from_text || buffer_append(text, from_text->text.text + begin, end - begin, error);
}

static void copy(struct document_view *v)
{
    struct error error = {0};
    struct buffer text = {0}, how = {0};
    if (!copied_text(v, &text, &error) ||
        (text.size > 0 && !terminal_copy(text.data, text.size, &how, &error)))
        host_fail(v->host, &error);
    else if (text.size > 0)
        host_say(v->host, "%zu bytes sent to %s", text.size, how.data ? how.data : "nobody");
    v->text_pane.choosing = false;
    buffer_free(&text);
    buffer_free(&how);
}

static void accept_export(void *context, const char *text)
{
    struct document_view *v = context;
    struct error error = {0};
    struct buffer path = {0};
    if (host_path(&path, text, &error))
        book_export(v->book, path.data);
    else
        host_fail(v->host, &error);
    buffer_free(&path);
}

static void export_to(struct document_view *v, const char *path)
{
    char name[256];
    struct host_prompt prompt = {.label = "Export to: ",
                                 .history = HOST_FILES,
                                 .complete = COMPLETE_FILES,
                                 .context = v,
                                 .accept = accept_export};
    if (path) {
        accept_export(v, path);
        return;
    }
    snprintf(name, sizeof name, "%.200s.md", v->book->document.name);
    for (char *c = name; *c; c++)
        if (*c == '/')
            *c = '-';
    prompt.text = name;
    host_ask(v->host, &prompt);
}

static void page(struct document_view *v)
{
    struct error error = {0};
    const struct book_text *text =
        book_text(v->book, v->text_pane.cursor.section, v->text_pane.columns);
    if (text && !child_page(text->text.text, text->text.size, &error))
        host_fail(v->host, &error);
    v->host->redraw = true;
}

static void edit_file(struct document_view *v)
{
    struct error error = {0};
    int64_t number, line = 1;
    const struct book_text *text =
        book_text(v->book, v->text_pane.cursor.section, v->text_pane.columns);
    if (text)
        browsing_position(&text->text, v->text_pane.cursor.offset, &number, &line);
    const char *path = book_path(v->book, v->text_pane.cursor.section);
    if (!path)
        host_say(v->host, "this text came from standard input: there is no file");
    else if (!child_edit(path, line, &error))
        host_fail(v->host, &error);
    v->host->redraw = true;
}

/* --- all of it ------------------------------------------------------------------------ */

static bool act_model(struct document_view *v, enum action action, const char *argument)
{
    v->as_of = action == ACTION_ASK_HERE ? section_here(v) : -1;
    v->after = 0;
    switch (action) {
    case ACTION_ASK:
        ask_for_question(v, "Ask: ", argument);
        return true;
    case ACTION_ASK_HERE:
        ask_for_question(v, "Ask as of here: ", argument);
        return true;
    case ACTION_FOLLOW_UP:
        follow_up(v, argument);
        return true;
    case ACTION_SUM_SECTION:
        sum(v, BOOK_SECTION);
        return true;
    case ACTION_SUM_CHAPTER:
        sum(v, BOOK_CHAPTER);
        return true;
    case ACTION_SUM_DOCUMENT:
        sum(v, BOOK_DOCUMENT);
        return true;
    case ACTION_SUM_SO_FAR:
        sum(v, BOOK_SO_FAR);
        return true;
    default:
        return false;
    }
}

static bool act_search(struct document_view *v, enum action action, const char *argument)
{
    struct host_prompt prompt = {.label = "/", .history = HOST_SEARCHES, .context = v};
    switch (action) {
    case ACTION_SEARCH:
    case ACTION_SEARCH_BACK:
        prompt.label = action == ACTION_SEARCH ? "/" : "?";
        prompt.accept = action == ACTION_SEARCH ? accept_search : accept_search_back;
        if (argument)
            prompt.accept(v, argument);
        else
            host_ask(v->host, &prompt);
        return true;
    case ACTION_NEXT_HIT:
        go_to_hit(v, v->book->search_backwards);
        return true;
    case ACTION_PREVIOUS_HIT:
        go_to_hit(v, !v->book->search_backwards);
        return true;
    default:
        return false;
    }
}

static bool act_notes(struct document_view *v, enum action action, const char *argument)
{
    switch (action) {
    case ACTION_MARK:
        mark(v, argument);
        return true;
    case ACTION_JUMP:
        jump(v, argument);
        return true;
    case ACTION_BOOKMARK:
        bookmark(v, argument);
        return true;
    case ACTION_NOTE:
        note(v, argument);
        return true;
    case ACTION_COPY:
        copy(v);
        return true;
    case ACTION_EXPORT:
        export_to(v, argument);
        return true;
    case ACTION_PAGER:
        page(v);
        return true;
    case ACTION_EDITOR:
        edit_file(v);
        return true;
    default:
        return false;
    }
}

bool document_tools_act(struct document_view *v, enum action action, const char *argument)
{
    return act_search(v, action, argument) || act_notes(v, action, argument) ||
           act_model(v, action, argument);
}

void document_tools_follow(struct document_view *v)
{
    follow_search(v);
    follow_answer(v);
}
