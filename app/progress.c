#include "app/progress.h"

#include "app/output.h"
#include "base/clock.h"
#include "base/quantity.h"
#include "base/utf8.h"
#include "base/visible.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utf8proc.h>

#define LINE_INTERVAL 10.0 /* seconds between lines where there is no terminal */
#define USUAL_WIDTH 80

void progress_begin(struct progress *progress, bool quiet)
{
    *progress = (struct progress){
        .quiet = quiet,
        .terminal = output_is_terminal(STDERR_FILENO),
        .printed_at = clock_seconds(),
    };
}

static size_t terminal_width(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return USUAL_WIDTH;
    return size.ws_col;
}

/* Bytes of the text's beginning that fit into so many columns. */
static size_t fitting(const char *text, size_t size, size_t columns)
{
    size_t at = 0;
    while (at < size) {
        uint32_t rune;
        size_t length;
        utf8_decode(&rune, &length, text + at, size - at);
        int width = utf8proc_charwidth((utf8proc_int32_t)rune);
        if (width > 0 && (size_t)width > columns)
            break;
        columns -= width > 0 ? (size_t)width : 0;
        at += length;
    }
    return at;
}

static void clear_line(struct progress *progress)
{
    if (progress->shown)
        fputs("\r\033[K", stderr);
    progress->shown = false;
}

static bool describe(const struct event_progress *at, struct buffer *line, struct error *error)
{
    char done[QUANTITY_SIZE], left[QUANTITY_SIZE], rate[QUANTITY_SIZE];
    if (!buffer_append_text(line, at->doing ? at->doing : "working", error))
        return false;
    int64_t section = at->section < at->sections ? at->section + 1 : at->sections;
    if (at->sections > 0 && !buffer_append_format(line, error, "  section %lld/%lld",
                                                  (long long)section, (long long)at->sections))
        return false;
    if (at->tokens > 0 &&
        !buffer_append_format(line, error, "  %s tokens", quantity_count(done, at->tokens)))
        return false;
    if (at->tokens_expected > 0) {
        double part = (double)at->tokens / (double)at->tokens_expected;
        if (!buffer_append_format(line, error, "  %.0f%%", part > 1 ? 100 : part * 100))
            return false;
    }
    if (at->bytes_expected > 0 &&
        !buffer_append_format(line, error, "  %s of %s  %.0f%%", quantity_bytes(done, at->bytes),
                              quantity_bytes(left, at->bytes_expected),
                              (double)at->bytes / (double)at->bytes_expected * 100))
        return false;
    if (at->tokens_per_second > 0 &&
        !buffer_append_format(line, error, "  %s tokens/s",
                              quantity_rate(rate, at->tokens_per_second)))
        return false;
    return !(at->seconds_left > 0) ||
           buffer_append_format(line, error, "  %s left", quantity_time(left, at->seconds_left));
}

static void print_progress(struct progress *progress)
{
    struct buffer line = {0};
    struct error ignored;
    if (describe(&progress->last, &line, &ignored)) {
        if (progress->terminal) {
            size_t size = fitting(line.data, line.size, terminal_width() - 1);
            fprintf(stderr, "\r%.*s\033[K", (int)size, line.data);
            progress->shown = true;
        } else {
            fprintf(stderr, "%s\n", line.data);
            progress->printed_at = clock_seconds();
        }
        fflush(stderr);
    }
    progress->stale = false;
    buffer_free(&line);
}

static void take_progress(struct progress *progress, const struct event_progress *last)
{
    progress->last = *last;
    progress->stale = true;
    bool due = progress->terminal || clock_seconds() - progress->printed_at >= LINE_INTERVAL;
    if (due && !progress->quiet)
        print_progress(progress);
}

/* The answer so far; a piece that does not fit begins the line anew. */
static void take_words(struct progress *progress, const char *text)
{
    struct buffer line = {0};
    struct error ignored;
    if (!progress->terminal || progress->quiet)
        return;
    const size_t width = terminal_width() - 1;
    const size_t used = strlen(progress->words), size = strlen(text);
    if (used + size >= sizeof progress->words || used + size > width)
        progress->words[0] = '\0';
    strncat(progress->words, text, sizeof progress->words - 1 - strlen(progress->words));
    if (visible_append(&line, progress->words, strlen(progress->words), VISIBLE_LINE, &ignored)) {
        fprintf(stderr, "\r%.*s\033[K", (int)fitting(line.data, line.size, width), line.data);
        fflush(stderr);
        progress->shown = true;
    }
    buffer_free(&line);
}

static void print_note(struct progress *progress, const char *text)
{
    struct buffer line = {0};
    struct error ignored;
    clear_line(progress);
    if (visible_append(&line, text, strlen(text), VISIBLE_LINE, &ignored))
        fprintf(stderr, "%s\n", line.data ? line.data : "");
    buffer_free(&line);
}

void progress_event(struct progress *progress, const struct event *event)
{
    switch (event->kind) {
    case EVENT_PROGRESS:
        take_progress(progress, &event->progress);
        break;
    case EVENT_OUTLINE:
    case EVENT_NOTE:
        if (!progress->quiet)
            print_note(progress, event->text);
        break;
    case EVENT_TOKEN:
        take_words(progress, event->text);
        break;
    case EVENT_SECTION:
    case EVENT_CHECKPOINT:
    case EVENT_ANSWER:
    case EVENT_DONE:
    case EVENT_FAILED:
        break;
    }
}

void progress_hide(struct progress *progress)
{
    clear_line(progress);
    fflush(stderr);
}

void progress_end(struct progress *progress)
{
    clear_line(progress);
    if (!progress->terminal && !progress->quiet && progress->stale)
        print_progress(progress);
}
