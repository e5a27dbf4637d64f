/* Questions, answers and summaries of an open document. */
#include "ui/book.h"

#include "app/work/summarizing.h"

#include <stdlib.h>
#include <string.h>

/* --- what is kept --------------------------------------------------------------------- */

static bool look_for_turns(struct session *session, int64_t document, struct book_found *found,
                           struct error *error)
{
    return conversing_list(session, document, &found->conversation, error);
}

/* What was asked before can be asked again from the prompt's history. */
static void recall_questions(const struct book *book)
{
    struct error error;
    for (size_t i = 0; i < book->conversation.count; i++)
        if (!edit_remember(&book->host->histories[HOST_QUESTIONS],
                           book->conversation.turns[i].question, &error))
            return;
}

static void take_turns(struct book *book, struct book_found *found)
{
    struct conversing before = book->conversation;
    book->conversation = found->conversation;
    found->conversation = before;
    book->edition++;
    book->conversation_stale = false;
    recall_questions(book);
}

void book_load_conversation(struct book *book)
{
    book->conversation_stale = true;
    book_fetch(book, look_for_turns, take_turns);
}

static bool look_for_summaries(struct session *session, int64_t document, struct book_found *found,
                               struct error *error)
{
    return browsing_summaries(session, document, &found->summaries, error);
}

static void take_summaries(struct book *book, struct book_found *found)
{
    struct browsing_summaries before = book->summaries;
    book->summaries = found->summaries;
    found->summaries = before;
}

void book_load_summaries(struct book *book)
{
    book_fetch(book, look_for_summaries, take_summaries);
}

const char *book_summary_of(const struct book *book, enum library_summary_kind kind,
                            int64_t section)
{
    size_t low = 0, high = book->summaries.count; /* sorted by kind and section */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct browsing_summary *item = &book->summaries.items[middle];
        if (item->kind == kind && item->section == section)
            return item->text;
        if (item->kind < kind || (item->kind == kind && item->section < section))
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct conversing_turn *book_turn(const struct book *book, int64_t id)
{
    size_t low = 0, high = book->conversation.count; /* in the order asked: by id */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct conversing_turn *turn = &book->conversation.turns[middle];
        if (turn->id == id)
            return turn;
        if (turn->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

int book_depth(const struct book *book, const struct conversing_turn *turn)
{
    int depth = 0;
    /* Parents stand before their children, so this ends. */
    while (turn && turn->parent && turn->parent < turn->id) {
        turn = book_turn(book, turn->parent);
        depth += turn != NULL;
    }
    return depth;
}

/* --- one task at a time --------------------------------------------------------------- */

struct task {
    struct book *book;
    char *question;
    struct asking_options asking;
    struct asking_result answer;
    struct summarizing_options summing;
    struct summarizing_result summary;
    struct conversing turn; /* the new one */
};

static bool run_ask(struct session *session, void *context, struct error *error)
{
    struct task *task = context;
    return asking_run(session, &task->asking, &task->answer, error) &&
           (!task->answer.question ||
            conversing_add(session, task->answer.question, &task->turn, error));
}

static bool run_sum(struct session *session, void *context, struct error *error)
{
    struct task *task = context;
    return summarizing_run(session, &task->summing, &task->summary, error);
}

static void task_event(void *context, const struct event *event)
{
    struct task *task = context;
    struct book *book = task->book;
    struct error error;
    if (event->kind == EVENT_TOKEN) {
        if (!buffer_append_text(&book->draft, event->text, &error))
            buffer_clear(&book->draft);
    } else if (event->kind == EVENT_PROGRESS) {
        book->task_progress = event->progress;
    } else if (event->kind == EVENT_NOTE && !book->closed) {
        host_say(book->host, "%s", event->text);
    }
    host_changed(book->host);
}

static void end_task(struct book *book)
{
    book->task = BOOK_IDLE;
    book->task_ticket = 0;
    free(book->question);
    book->question = NULL;
    buffer_clear(&book->draft);
}

/* Moves the new turn to the conversation's end, under its parent if that is still there. */
static bool take_turn(struct book *book, struct conversing *turn)
{
    struct conversing *all = &book->conversation;
    /* A list that was loaded meanwhile may have it, or may lack it when it comes. */
    if (book->conversation_stale)
        book_load_conversation(book);
    if (turn->count == 0 || book_turn(book, turn->turns[0].id))
        return true;
    if (all->count == all->capacity) {
        size_t capacity = all->capacity ? 2 * all->capacity : 16;
        struct conversing_turn *turns = realloc(all->turns, capacity * sizeof *turns);
        if (!turns)
            return false;
        all->turns = turns;
        all->capacity = capacity;
    }
    turn->turns[0].parent = book_turn(book, book->after) ? book->after : 0;
    all->turns[all->count++] = turn->turns[0];
    turn->count = 0;
    book->edition++;
    return true;
}

static void free_task(struct task *task)
{
    conversing_free(&task->turn);
    asking_result_free(&task->answer);
    summarizing_result_free(&task->summary);
    free(task->question);
    free(task);
}

/* A section that is short enough is its own summary, and none is kept: it is told. */
static bool is_kept(const struct task *task)
{
    return task->summary.tokens_generated > 0 || !task->summary.kept || task->summing.section < 0 ||
           !task->summary.text ||
           book_summary_of(task->book, LIBRARY_SUMMARY_SECTION, task->summing.section);
}

static void task_done(void *context, const struct error *failure)
{
    struct task *task = context;
    struct book *book = task->book;
    bool asked = book->task == BOOK_ASKING;
    end_task(book);
    if (failure && failure->kind != ERROR_INTERRUPTED && !book->closed)
        host_fail(book->host, failure);
    else if (failure && !book->closed)
        host_say(book->host, "stopped");
    if (!failure && asked && !take_turn(book, &task->turn))
        book_load_conversation(book);
    if (!failure && asked)
        shelf_reload(book->host->shelf);
    if (!failure && !asked) {
        book_load_summaries(book);
        if (!book->closed && task->summary.text && !*task->summary.text)
            host_say(book->host, "there is nothing to summarize here");
        else if (!book->closed && task->summing.chapter == 0 && !is_kept(task))
            host_say(book->host, "%s", task->summary.text);
    }
    free_task(task);
    book_done(book);
}

static struct task *new_task(struct book *book)
{
    struct error error;
    if (book->task != BOOK_IDLE) {
        host_say(book->host, "one thing at a time: %s still; <C-c> stops it", book->task_name);
        return NULL;
    }
    struct task *task = calloc(1, sizeof *task);
    if (!task) {
        error_out_of_memory(&error);
        host_fail(book->host, &error);
        return NULL;
    }
    task->book = book;
    book->task_progress = (struct event_progress){0};
    return task;
}

void book_ask(struct book *book, const char *question, int64_t as_of, int64_t after)
{
    struct task *task = new_task(book);
    if (!task)
        return;
    task->question = strdup(question);
    book->question = strdup(question);
    if (!task->question || !book->question) {
        free_task(task);
        end_task(book);
        return;
    }
    task->asking = (struct asking_options){.document = book->id,
                                           .question = task->question,
                                           .section = -1,
                                           .as_of = as_of,
                                           .after = after,
                                           .sampler = sampler_defaults,
                                           .stream = true,
                                           .keep = true};
    book->task = BOOK_ASKING;
    book->task_name = "answering";
    book->after = after;
    book_submit(book, DESK_URGENT,
                &(struct desk_request){
                    .run = run_ask, .context = task, .event = task_event, .done = task_done},
                &book->task_ticket);
}

void book_sum(struct book *book, enum book_summary what, int64_t section)
{
    struct task *task = new_task(book);
    if (!task)
        return;
    task->summing = (struct summarizing_options){
        .document = book->id,
        .section = what == BOOK_SECTION ? section : -1,
        .chapter = what == BOOK_CHAPTER ? section + 1 : 0,
        .so_far = what == BOOK_SO_FAR ? section : -1,
    };
    book->task = BOOK_SUMMING;
    book->task_name = "summarizing";
    book_submit(book, DESK_URGENT,
                &(struct desk_request){
                    .run = run_sum, .context = task, .event = task_event, .done = task_done},
                &book->task_ticket);
}

bool book_cancel(struct book *book)
{
    if (book->task == BOOK_IDLE)
        return false;
    desk_cancel(book->host->desk, book->task_ticket);
    return true;
}

/* --- forgetting ----------------------------------------------------------------------- */

struct forget {
    struct book *book;
    int64_t question;
};

static bool run_forget(struct session *session, void *context, struct error *error)
{
    const struct forget *forget = context;
    return conversing_remove(session, forget->question, error);
}

static void forget_done(void *context, const struct error *failure)
{
    struct forget *forget = context;
    struct book *book = forget->book;
    if (failure && !book->closed)
        host_fail(book->host, failure);
    if (!book->closed)
        book_load_conversation(book);
    free(forget);
    book_done(book);
}

void book_forget(struct book *book, int64_t question)
{
    struct forget *forget = malloc(sizeof *forget);
    if (!forget)
        return;
    *forget = (struct forget){book, question};
    book_submit(book, DESK_QUICK,
                &(struct desk_request){.run = run_forget, .context = forget, .done = forget_done},
                NULL);
}
