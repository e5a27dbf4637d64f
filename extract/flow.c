#include "extract/flow.h"

#include "extract/emit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum role {
    ROLE_INLINE,
    ROLE_BLOCK,
    ROLE_SKIP,
    ROLE_HEADING,
    ROLE_LIST,
    ROLE_ITEM,
    ROLE_TERM,
    ROLE_DETAIL,
    ROLE_ROW,
    ROLE_CELL,
    ROLE_CODE,
    ROLE_QUOTE,
    ROLE_REFERENCE,
    ROLE_RUBY,
    ROLE_BREAK,
    ROLE_IMAGE,
};

struct frame {
    enum role role;
    bool main, notes;        /* the page's own part; a list of footnotes */
    bool ordered, outermost; /* of a list; of a skipped part, row or code */
    unsigned number;         /* of a list's next item */
    unsigned level;
};

static struct {
    struct flow_options options;
    struct frame frames[FLOW_DEPTH_MOST];
    size_t depth;
    unsigned skipping, mains, rows, codes, quotes, lists, details, references;
    bool item_due;     /* the next block is a list item's first */
    bool label_open;   /* a note's number stands open for its text */
    char marker[32];   /* of that item */
    unsigned landmark; /* the level of a heading that is due, or 0 */
    char *title;       /* of that heading */
} flow;

struct element {
    const char *name;
    enum role role;
};

/* Sorted. What is not here is inline. */
static const struct element elements[] = {
    {"address", ROLE_BLOCK},  {"article", ROLE_BLOCK},    {"aside", ROLE_BLOCK},
    {"audio", ROLE_SKIP},     {"blockquote", ROLE_QUOTE}, {"body", ROLE_BLOCK},
    {"br", ROLE_BREAK},       {"button", ROLE_SKIP},      {"canvas", ROLE_SKIP},
    {"caption", ROLE_BLOCK},  {"center", ROLE_BLOCK},     {"datalist", ROLE_SKIP},
    {"dd", ROLE_DETAIL},      {"details", ROLE_BLOCK},    {"dir", ROLE_LIST},
    {"div", ROLE_BLOCK},      {"dl", ROLE_BLOCK},         {"dt", ROLE_TERM},
    {"fieldset", ROLE_BLOCK}, {"figcaption", ROLE_BLOCK}, {"figure", ROLE_BLOCK},
    {"footer", ROLE_BLOCK},   {"form", ROLE_BLOCK},       {"h1", ROLE_HEADING},
    {"h2", ROLE_HEADING},     {"h3", ROLE_HEADING},       {"h4", ROLE_HEADING},
    {"h5", ROLE_HEADING},     {"h6", ROLE_HEADING},       {"head", ROLE_SKIP},
    {"header", ROLE_BLOCK},   {"hr", ROLE_BLOCK},         {"iframe", ROLE_SKIP},
    {"image", ROLE_IMAGE},    {"img", ROLE_IMAGE},        {"legend", ROLE_BLOCK},
    {"li", ROLE_ITEM},        {"listing", ROLE_CODE},     {"main", ROLE_BLOCK},
    {"map", ROLE_SKIP},       {"menu", ROLE_LIST},        {"nav", ROLE_SKIP},
    {"noscript", ROLE_SKIP},  {"object", ROLE_SKIP},      {"ol", ROLE_LIST},
    {"p", ROLE_BLOCK},        {"plaintext", ROLE_CODE},   {"pre", ROLE_CODE},
    {"rp", ROLE_SKIP},        {"rt", ROLE_RUBY},          {"script", ROLE_SKIP},
    {"section", ROLE_BLOCK},  {"select", ROLE_SKIP},      {"style", ROLE_SKIP},
    {"summary", ROLE_BLOCK},  {"svg", ROLE_SKIP},         {"table", ROLE_BLOCK},
    {"tbody", ROLE_BLOCK},    {"td", ROLE_CELL},          {"template", ROLE_SKIP},
    {"textarea", ROLE_SKIP},  {"tfoot", ROLE_BLOCK},      {"th", ROLE_CELL},
    {"thead", ROLE_BLOCK},    {"title", ROLE_SKIP},       {"tr", ROLE_ROW},
    {"ul", ROLE_LIST},        {"video", ROLE_SKIP},       {"xmp", ROLE_CODE},
};

static int by_name(const void *key, const void *element)
{
    return strcmp(key, ((const struct element *)element)->name);
}

static enum role role_of(const char *name)
{
    const struct element *found =
        bsearch(name, elements, sizeof elements / sizeof *elements, sizeof *elements, by_name);
    return found ? found->role : ROLE_INLINE;
}

/* Is the word among those of an attribute's value? */
static bool has_word(const char *value, const char *word)
{
    size_t size = strlen(word);
    for (const char *at = value; at && *at;) {
        size_t length = strcspn(at, " \t\r\n");
        if (length == size && strncasecmp(at, word, size) == 0)
            return true;
        at += length;
        at += strspn(at, " \t\r\n");
    }
    return false;
}

static bool has_any(const char *value, const char *const *words)
{
    for (; value && *words; words++)
        if (has_word(value, *words))
            return true;
    return false;
}

bool flow_is_main(const char *name, flow_attribute *attribute, void *context)
{
    return strcmp(name, "main") == 0 || has_word(attribute(context, "role"), "main");
}

static bool is_left_out(flow_attribute *attribute, void *context)
{
    static const char *const roles[] = {"navigation",  "search",       "banner",
                                        "contentinfo", "doc-backlink", NULL};
    static const char *const classes[] = {"headerlink", "navheader", "navfooter", NULL};
    const char *style = attribute(context, "style");
    return has_any(attribute(context, "role"), roles) ||
           has_any(attribute(context, "class"), classes) || attribute(context, "hidden") ||
           (style && (strstr(style, "display:none") || strstr(style, "display: none")));
}

static bool is_reference(flow_attribute *attribute, void *context)
{
    static const char *const classes[] = {"footnote-reference", "footnote-ref", "noteref", NULL};
    return has_word(attribute(context, "role"), "doc-noteref") ||
           has_word(attribute(context, "epub:type"), "noteref") ||
           has_any(attribute(context, "class"), classes);
}

static void leave_row(void)
{
    emit_finish();
    for (size_t i = 0; i < flow.depth; i++)
        flow.frames[i].outermost = flow.frames[i].outermost && flow.frames[i].role != ROLE_ROW;
    flow.rows = 0;
}

/* Ends the open block, unless that is a row, in which everything stands side by side. */
static void end_block(void)
{
    if (flow.rows > 0 && emit_is_open())
        emit_text(" ", 1);
    else if (!flow.label_open)
        emit_finish();
}

static void indent(char prefix[64])
{
    size_t columns = 0;
    prefix[0] = '\0';
    if (flow.lists > 1)
        columns += 2 * (size_t)(flow.lists - 1);
    if (flow.lists > 0 && !flow.item_due)
        columns += 2;
    columns += 2 * (size_t)flow.details;
    if (columns > 24)
        columns = 24;
    snprintf(prefix, 64, "%*s%s%s", (int)columns, "", flow.quotes > 0 ? "> " : "",
             flow.item_due ? flow.marker : "");
}

static void start(enum emit_kind kind, unsigned level)
{
    char prefix[64];
    bool item = flow.item_due;
    emit_start(kind, level);
    if (kind == EMIT_HEADING)
        return;
    indent(prefix);
    emit_prefix(prefix);
    if (item)
        emit_tight();
    flow.item_due = false;
}

/* A place in the book's outline that no heading stands at. */
static void put_landmark(void)
{
    unsigned level = flow.landmark;
    if (!flow.title)
        return;
    flow.landmark = 0;
    emit_start(EMIT_HEADING, level);
    emit_text(flow.title, strlen(flow.title));
    emit_finish();
    free(flow.title);
    flow.title = NULL;
}

static bool is_all_blank(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!memchr(" \t\r\n\f", text[i], 5))
            return false;
    return true;
}

void flow_text(const char *text, size_t size)
{
    if (flow.skipping > 0 || (flow.options.main_only && flow.mains == 0))
        return;
    if (!emit_is_open()) {
        if (is_all_blank(text, size))
            return;
        if (flow.title)
            put_landmark();
        start(flow.codes > 0 ? EMIT_CODE : EMIT_PARAGRAPH, 0);
    }
    emit_text(text, size);
}

static void note_landmark(const char *id)
{
    const char *title = NULL;
    if (!flow.options.landmark || !id || flow.skipping > 0)
        return;
    unsigned level = flow.options.landmark(flow.options.landmark_context, id, &title);
    if (level == 0)
        return;
    flow.landmark = level;
    free(flow.title);
    flow.title = title ? strdup(title) : NULL;
}

static void open_heading(struct frame *frame, const char *name)
{
    if (flow.rows > 0) /* a table that is there for its looks */
        leave_row();
    emit_finish();
    frame->level = flow.landmark > 0 ? flow.landmark : (unsigned)(name[1] - '0');
    flow.landmark = 0;
    free(flow.title);
    flow.title = NULL;
    start(EMIT_HEADING, frame->level);
}

static void open_list(struct frame *frame, const char *name, flow_attribute *attribute,
                      void *context)
{
    end_block();
    const char *first = attribute(context, "start");
    frame->ordered = name[0] == 'o';
    frame->number = first ? (unsigned)strtoul(first, NULL, 10) % 100000 : 1;
    flow.lists++;
}

static void open_item(flow_attribute *attribute, void *context)
{
    end_block();
    struct frame *list = NULL;
    for (size_t i = flow.depth; i-- > 0 && !list;)
        if (flow.frames[i].role == ROLE_LIST)
            list = &flow.frames[i];
    const char *value = attribute(context, "value");
    if (list && value)
        list->number = (unsigned)strtoul(value, NULL, 10) % 100000;
    if (list && list->ordered)
        snprintf(flow.marker, sizeof flow.marker, "%u. ", list->number++);
    else
        snprintf(flow.marker, sizeof flow.marker, "- ");
    flow.item_due = true;
}

static bool in_notes(void)
{
    return flow.depth > 1 && flow.frames[flow.depth - 2].notes;
}

static void open_row(struct frame *frame)
{
    if (flow.rows > 0)
        leave_row(); /* a table within a table lays it out */
    emit_finish();
    frame->outermost = true;
    flow.rows = 1;
    start(EMIT_ROW, 0);
}

static void open_image(flow_attribute *attribute, void *context)
{
    const char *text = attribute(context, "alt");
    if (!text || is_all_blank(text, strlen(text)))
        return;
    flow_text("[image: ", 8);
    flow_text(text, strlen(text));
    flow_text("]", 1);
}

static void open_role(struct frame *frame, const char *name, flow_attribute *attribute,
                      void *context)
{
    switch (frame->role) {
    case ROLE_HEADING:
        open_heading(frame, name);
        break;
    case ROLE_LIST:
        open_list(frame, name, attribute, context);
        break;
    case ROLE_ITEM:
        open_item(attribute, context);
        break;
    case ROLE_DETAIL:
        end_block();
        flow.details++;
        break;
    case ROLE_TERM:
        flow.label_open = false;
        end_block();
        if (in_notes())
            flow_text("[", 1);
        break;
    case ROLE_ROW:
        open_row(frame);
        break;
    case ROLE_CELL:
        if (flow.rows > 0)
            emit_cell();
        else
            end_block();
        break;
    case ROLE_CODE:
        end_block();
        flow.codes++;
        break;
    case ROLE_QUOTE:
        end_block();
        flow.quotes++;
        break;
    case ROLE_REFERENCE:
        flow_text("[", 1);
        break;
    case ROLE_RUBY: /* how it is read, above the word */
        flow_text("(", 1);
        break;
    case ROLE_BREAK:
        if (emit_is_open())
            emit_break();
        break;
    case ROLE_IMAGE:
        open_image(attribute, context);
        break;
    case ROLE_BLOCK:
        end_block();
        break;
    default:
        break;
    }
}

void flow_open(const char *name, flow_attribute *attribute, void *context)
{
    if (flow.depth == FLOW_DEPTH_MOST)
        emit_fail("has elements nested more than %d deep, which no document has", FLOW_DEPTH_MOST);
    struct frame *frame = &flow.frames[flow.depth++];
    *frame = (struct frame){.role = role_of(name)};
    if (frame->role != ROLE_SKIP && is_left_out(attribute, context))
        frame->role = ROLE_SKIP;
    if (frame->role == ROLE_INLINE && is_reference(attribute, context))
        frame->role = ROLE_REFERENCE;
    frame->main = flow_is_main(name, attribute, context);
    flow.mains += frame->main;
    if (frame->role == ROLE_SKIP)
        flow.skipping++;
    if (flow.skipping > 0 || (flow.options.main_only && flow.mains == 0))
        return;
    note_landmark(attribute(context, "id"));
    frame->notes = frame->role == ROLE_BLOCK && has_word(attribute(context, "class"), "footnote");
    frame->outermost = true;
    open_role(frame, name, attribute, context);
}

static void close_role(const struct frame *frame)
{
    switch (frame->role) {
    case ROLE_HEADING:
        emit_finish();
        break;
    case ROLE_LIST:
        end_block();
        flow.lists--;
        flow.item_due = false;
        break;
    case ROLE_ITEM:
        end_block();
        flow.item_due = false;
        break;
    case ROLE_TERM:
        if (flow.depth > 0 && flow.frames[flow.depth - 1].notes) {
            flow_text("] ", 2);
            flow.label_open = emit_is_open();
        } else {
            end_block();
        }
        break;
    case ROLE_DETAIL:
        flow.label_open = false;
        end_block();
        flow.details--;
        break;
    case ROLE_ROW:
        if (frame->outermost) {
            emit_finish();
            flow.rows = 0;
        }
        break;
    case ROLE_CODE:
        end_block();
        flow.codes--;
        break;
    case ROLE_QUOTE:
        end_block();
        flow.quotes--;
        break;
    case ROLE_REFERENCE:
        flow_text("]", 1);
        break;
    case ROLE_RUBY:
        flow_text(")", 1);
        break;
    case ROLE_BLOCK:
    case ROLE_CELL:
        if (flow.label_open && frame->role == ROLE_BLOCK && !emit_is_blank())
            flow.label_open = false;
        end_block();
        break;
    default:
        break;
    }
}

void flow_close(void)
{
    struct frame frame = flow.frames[--flow.depth];
    bool live = flow.skipping == 0 && (!flow.options.main_only || flow.mains > 0);
    if (live)
        close_role(&frame);
    flow.skipping -= frame.role == ROLE_SKIP;
    flow.mains -= frame.main;
}

void flow_begin(const struct flow_options *options)
{
    free(flow.title);
    memset(&flow, 0, sizeof flow);
    flow.options = *options;
    note_landmark("");
}

void flow_end(void)
{
    while (flow.depth > 0)
        flow_close();
    put_landmark();
    emit_finish();
}
