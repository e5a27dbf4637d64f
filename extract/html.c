#include "extract/html.h"

#include "extract/emit.h"

#include <gumbo.h>
#include <stdlib.h>
#include <string.h>

/* gumbo asks for each node alone, and frees a tree by recursion as deep as it is: from an
 * arena, all of it goes at once. */
struct arena {
    struct chunk *chunks;
    size_t room;
    char *next;
};

struct chunk {
    struct chunk *before;
    _Alignas(16) char bytes[];
};

enum { CHUNK = 1 << 20 };

static void *take(void *context, size_t size)
{
    struct arena *arena = context;
    size_t need = (size + 15) & ~(size_t)15;
    if (need < size)
        emit_fail("is too large to be taken apart");
    if (need > arena->room) {
        size_t room = need > CHUNK ? need : CHUNK;
        struct chunk *chunk = malloc(sizeof *chunk + room);
        if (!chunk)
            emit_no_memory();
        chunk->before = arena->chunks;
        arena->chunks = chunk;
        arena->next = chunk->bytes;
        arena->room = room;
    }
    void *taken = arena->next;
    arena->next += need;
    arena->room -= need;
    return taken;
}

static void leave(void *context, void *bytes)
{
    (void)context;
    (void)bytes;
}

static void arena_free(struct arena *arena)
{
    while (arena->chunks) {
        struct chunk *chunk = arena->chunks;
        arena->chunks = chunk->before;
        free(chunk);
    }
}

static const char *attribute_of(void *context, const char *name)
{
    const GumboNode *node = context;
    const GumboAttribute *found = gumbo_get_attribute(&node->v.element.attributes, name);
    return found ? found->value : NULL;
}

/* Of an element that gumbo has no name for, from its tag as it was written. */
static const char *name_of(const GumboNode *node)
{
    return node->v.element.tag == GUMBO_TAG_UNKNOWN ? ""
                                                    : gumbo_normalized_tagname(node->v.element.tag);
}

static bool is_element(const GumboNode *node)
{
    return node->type == GUMBO_NODE_ELEMENT || node->type == GUMBO_NODE_TEMPLATE;
}

static const GumboVector *children_of(const GumboNode *node)
{
    return node->type == GUMBO_NODE_DOCUMENT ? &node->v.document.children
                                             : &node->v.element.children;
}

/* Calls enter and leave for every node in order, without recursion. */
static void walk(const GumboNode *root, bool (*enter)(const GumboNode *node, void *context),
                 void (*leave_node)(const GumboNode *node), void *context)
{
    const GumboNode *node = root;
    bool down = true;
    for (;;) {
        bool parent = is_element(node) || node->type == GUMBO_NODE_DOCUMENT;
        if (down && !enter(node, context))
            return;
        if (down && parent && children_of(node)->length > 0) {
            node = children_of(node)->data[0];
            continue;
        }
        if (parent && leave_node)
            leave_node(node);
        if (node == root)
            return;
        size_t next = node->index_within_parent + 1;
        const GumboVector *siblings = children_of(node->parent);
        down = next < siblings->length;
        node = down ? siblings->data[next] : node->parent;
    }
}

static bool look_for_main(const GumboNode *node, void *context)
{
    bool *found = context;
    if (is_element(node))
        *found = flow_is_main(name_of(node), attribute_of, (void *)(uintptr_t)node);
    return !*found;
}

static bool enter_node(const GumboNode *node, void *context)
{
    const uint64_t *line = context;
    if (is_element(node)) {
        emit_line(*line + node->v.element.start_pos.line);
        flow_open(name_of(node), attribute_of, (void *)(uintptr_t)node);
    } else if (node->type == GUMBO_NODE_TEXT || node->type == GUMBO_NODE_WHITESPACE ||
               node->type == GUMBO_NODE_CDATA) {
        emit_line(*line + node->v.text.start_pos.line);
        flow_text(node->v.text.text, strlen(node->v.text.text));
    }
    return true;
}

static void leave_element(const GumboNode *node)
{
    if (is_element(node))
        flow_close();
}

void html_read(const char *text, size_t size, const struct flow_options *options, uint64_t line)
{
    struct arena arena = {0};
    GumboOptions parsing = kGumboDefaultOptions;
    struct flow_options flowing = *options;
    bool has_main = false;
    parsing.allocator = take;
    parsing.deallocator = leave;
    parsing.userdata = &arena;
    parsing.max_errors = 0;
    GumboOutput *output = gumbo_parse_with_options(&parsing, text, size);
    if (options->main_only)
        walk(output->root, look_for_main, NULL, &has_main);
    flowing.main_only = has_main;
    flow_begin(&flowing);
    walk(output->root, enter_node, leave_element, &line);
    flow_end();
    arena_free(&arena);
}
